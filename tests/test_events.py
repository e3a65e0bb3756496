"""What runs after which event, in Snakemake and in DVC: the table EVENTS, which docs/versions.md shows.

Oracle: the table, reasoned by hand from what each job reads. For each event a copy of one finished workspace is
changed and asked by `snakemake -n` and `dvc status`; events with ``really`` are run as well, and must run just that.
`python tests/test_events.py` prints the table for the document.
"""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from conftest import ROOT, Workspace

# Two papers on one data set: five runs, one of them from weights that a pretraining run left.
NAMES = {"cifar-resnet7": "resnet", "c5to10": "source", "c0to5": "started", "cnn1": "deep", "sgd-0.01": "plain"}
ALL = "deep lr plain resnet started"
# What follows from new results of one paper, and of both: rule by rule.
ONE = "collect compare comparison claims power summarise tables_resnet-vs-plain figures_resnet-vs-plain report"
BOTH = f"{ONE} collect compare tables_tinyimage10 figures_tinyimage10"
DATA = "embed fetch verify pack describe report"
LATER = " ".join(rule for rule in BOTH.split() if rule != "report")
NETS = "compare"  # printed numbers of layers and parameters stand beside the networks'
TABLED = "tables_tinyimage10 tables_resnet-vs-plain report"
DRAWN = "figures_tinyimage10 figures_resnet-vs-plain report"
PRINTED = "tables_tinyimage10 figures_tinyimage10 compare comparison claims power report"
TABLE = "tables_resnet-vs-plain report"
FIGURE = "figures_resnet-vs-plain report"
CHECKED = "verify pack describe report"
AFTER = ONE.replace("resnet-vs-plain", "tinyimage10")
GONE = "tables_tinyimage10 report"


@dataclass(frozen=True)
class Event:
    """``make`` is done to a finished workspace: shell, or a function. Jobs and runs are words in any order."""

    name: str
    make: str | Callable[[Workspace], object]
    trained: str = ""  # runs
    jobs: str = ""  # rules of the other jobs
    stages: str = ""  # that DVC would run
    really: str | None = None  # runs that are trained when it is run: other than said where data are made first
    ran: str | None = None  # other jobs that are then run, where they are others than said


def clone(w: Workspace) -> None:
    """``w`` becomes a fresh clone of itself, with what `dvc pull` brings."""
    w.do("cd ..; mv repository first; git clone -q first repository; cd repository; dvc pull -q")


def moved(w: Workspace) -> None:
    """Every file is copied to another place: other times, another path."""
    w.folder = Path(
        shutil.copytree(w.folder, w.folder.with_name("elsewhere"), symlinks=True, copy_function=shutil.copyfile)
    )
    w.params = w.folder / "params.yaml"
    w.env["PYTHONPATH"] = str(w.folder / "src")


def edit(old: str, new: str) -> Callable[[Workspace], None]:
    return lambda w: w.edit(old, new)


def drawn(old: str, new: str) -> Callable[[Workspace], None]:
    return lambda w: w.edit(old, new, "papers/resnet-vs-plain.yaml")


def elsewhere(w: Workspace) -> None:
    w.edit("mirror: null", "mirror: data/embedded/mirror/cifar10")
    w.edit("threads: null", "threads: 1")


def generated_anew(w: Workspace) -> None:
    """Another seed of the generator, and the digest of the archive that it makes."""
    w.edit("generator: {seed: 0", "generator: {seed: 1")
    w.edit(
        "dc016e8aaff2d8742a865a9426cf6cd027f07948d132c2d6640bb12500926bf0",
        "8580d5959783d6129f5308fdc74068d7b75fa8d29c74cadc637e6714598dcca9",
    )


def labels_swapped(w: Workspace) -> None:
    """Two classes of the pack, in a file of the same form."""
    path = w.folder / "data/embedded/cifar10/labels.npy"
    labels = np.load(path)
    path.unlink()  # it may be a link into DVC's cache
    np.save(path, np.where(labels < 2, 1 - labels, labels))


def arms_swapped(w: Workspace) -> None:
    path = w.folder / "results/tiny/plan.json"
    text = path.read_text().replace("cifar-resnet7", "?").replace("cifar-plain7", "cifar-resnet7")
    path.write_text(text.replace("?", "cifar-plain7"))


def put_back(w: Workspace) -> None:
    w.edit("lr: 0.02", "lr: 0.03")
    w.do("snakemake --cores 8 all")
    w.edit("lr: 0.03", "lr: 0.02")


EVERY = "data train report"  # DVC follows all code and all values: a stage with nothing to do is a look at files
METRICS = "results/runs/cnn1*/metrics.json"
EVENTS = [
    Event("nothing", "true"),
    Event("`touch` of every file", "find . -name .git -prune -o -type f -print0 | xargs -0 touch"),
    Event("the folder copied elsewhere, every file with a new time", moved),
    Event("`.snakemake` and `.ablate` deleted", "rm -rf .snakemake .ablate"),
    Event("a fresh clone and `dvc pull`", clone, jobs=f"describe plan {BOTH}", stages="report", really=""),
    Event(
        "`git checkout` of a branch with other code and settings, and back",
        "git checkout -q -b other; sed -i 's/0.02/0.03/' params.yaml; echo 'X = 1' >> src/ablate/train/loader.py;"
        " git commit -qam other; git checkout -q main",
    ),
    Event("runs and data deleted, then `dvc checkout`", "rm -rf results/runs results/pretrained data; dvc checkout"),
    Event("a comment and a blank line in `params.yaml`", edit("studies:", "\n# about\nstudies:")),
    Event("keys of `params.yaml` in another order", edit("optimizer: sgd, lr: 0.01,", "lr: 1e-2, optimizer: sgd,")),
    Event("`mirror` and `compute.threads`", elsewhere),
    Event("a setting of one study", edit("lr: 0.02", "lr: 0.03"), "lr", f"plan {BOTH}", EVERY, "lr"),
    Event("that setting put back, after it was run", put_back, "", f"plan {BOTH}", "train report", ""),
    Event("a seed added", edit("seeds: [0]", "seeds: [0, 1]"), f"{ALL} (seed 1)", f"plan {BOTH}", EVERY),
    Event("a level removed", edit("[cifar-resnet7, ", "["), "", f"plan {BOTH}", EVERY, ""),
    Event("a table renamed", drawn("table-shallow:", "table-flat:"), "", f"plan {TABLE}", "report", ""),
    Event("a figure drawn otherwise", drawn("figure-6: curves", "figure-6: dots"), "", f"plan {FIGURE}", "report"),
    Event("a study's title", drawn("title: one", "title: two"), "", f"plan {FIGURE} {TABLE.split()[0]}", "report"),
    Event("a comment in training code", "echo '# about' >> src/ablate/train/trainer.py", stages=EVERY),
    Event("training code", "echo 'X = 1' >> src/ablate/train/trainer.py", f"{ALL} source", BOTH, EVERY),
    Event(
        "a network's code", "echo 'X = 1' >> src/ablate/models/keras_cnns.py", "deep", f"{ONE} {NETS}", EVERY, "deep"
    ),
    Event("a table's code", "echo 'X = 1' >> src/ablate/tables/accuracy.py", "", TABLED, EVERY),
    Event("a figure's code", "echo 'X = 1' >> src/ablate/figures/curves.py", "", DRAWN, EVERY),
    Event("what a paper says", "sed -i 's/^title: /&On /' papers/tinyimage10.yaml", "", PRINTED, "report", ""),
    Event("the analysis frozen", "ablate freeze", "", "claims power report", "report", ""),
    Event("a comment in a paper's YAML", "echo '# about' >> papers/tinyimage10.yaml", stages="report"),
    Event("a rule's command", "sed -i 's/--threads/ --threads/' src/ablate/rules/train.smk", stages=EVERY),
    Event("code of `verify`", "echo 'X = 1' >> src/ablate/data/verify.py", "", CHECKED, EVERY, ""),
    Event("other images: generator and digest", generated_anew, "", DATA, EVERY, f"{ALL} source", f"{DATA} {LATER}"),
    Event("one more digest", edit("digests: {", f"digests: {{mine: {{md5: {32 * 'a'}}}, "), stages=EVERY),
    Event("the digest of the archive that is there changed", edit("sha256: dc", "sha256: ee"), "", DATA, EVERY),
    Event("archives deleted", "rm -r data/embedded/cifar10/archive data/embedded/mirror"),
    Event(
        "data deleted", "rm -r data", f"{ALL} source", f"{DATA} {LATER}", EVERY, "", f"embed fetch verify pack {BOTH}"
    ),
    Event("a run's folder deleted", "rm -r results/runs/cnn1*", "deep", ONE, "train report"),
    Event("one file of a run deleted", "rm results/runs/cnn1*/predictions.csv", "deep", ONE, "train report"),
    Event("`metrics.json` edited", f"sed -i 's/top1\": 0/top1\": 1/' {METRICS}", "deep", ONE, "train report", "deep"),
    Event("`metrics.json` cut short", f"echo '{{' > {METRICS}", "deep", ONE, "train report"),
    Event(
        "a run's predictions edited",
        "sed -i 's/val,/test,/' results/runs/cnn1*/predictions.csv",
        "deep",
        ONE,
        "train report",
    ),
    Event("weights of the pretraining deleted", "rm -r results/pretrained", stages="train"),
    Event("labels of the pack swapped", labels_swapped, "", "pack describe report", EVERY),
    Event("two arms of `plan.json` swapped", arms_swapped, "", "plan", "report"),
    Event(
        "a paper's collected `runs.csv` edited",
        "sed -i s/done/plateau/ results/tiny/tinyimage10/runs.csv",
        "",
        AFTER,
        "report",
    ),
    Event(
        "a figure or a table emptied",
        ": > results/tiny/tinyimage10/figure-3.png",
        "",
        "figures_tinyimage10 report",
        "report",
    ),
    Event(
        "a table's code, with an old time",
        "f=src/ablate/tables/accuracy.py; echo 'X = 1' >> $f; touch -d 2001-01-01 $f",
        "",
        TABLED,
        EVERY,
    ),
    Event("a table deleted", "rm results/tiny/tinyimage10/table-*.csv", "", GONE, "report"),
]


def name_of(run: str) -> str:
    seed = run.rsplit("_s", 1)[1]
    return next((name for part, name in NAMES.items() if part in run), "lr") + (
        f" (seed {seed})" if seed != "0" else ""
    )


def asked(text: str) -> tuple[Counter[str], Counter[str]]:
    """(runs, rules of other jobs) in what Snakemake printed."""
    trained = re.findall(r"rule (?:pre)?train:\n(?:    .*\n)*?    wildcards: run=(\S+)", text)
    rules = Counter(re.findall(r"^(?:local)?(?:rule|checkpoint) (\S+):$", text, re.MULTILINE))
    assert rules["train"] + rules["pretrain"] == len(trained)
    for rule in ("train", "pretrain", "all"):
        rules.pop(rule, None)
    return Counter(map(name_of, trained)), rules


def runs_of(words: str) -> Counter[str]:
    """ "a b (seed 1)``: the runs a and b of that seed."""
    seed = words[words.index(" (") :] if "(" in words else ""
    return Counter(name + seed for name in words.removesuffix(seed).split())


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """{path: mtime and size} of all files and folders but those for the tools' own notes."""
    tools = {".ablate", ".snakemake", ".git", ".dvc", "src"}  # src: compiled code
    return {
        str(place): ((found := path.lstat()).st_mtime_ns, found.st_size)
        for path in folder.rglob("*")
        if (place := path.relative_to(folder)).parts[0] not in tools
    }


def happens(event: Event, w: Workspace) -> None:
    if isinstance(event.make, str):
        w.do(event.make)
    else:
        event.make(w)


@pytest.mark.slow
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_an_event_runs_what_the_table_says(event: Event, finished: Workspace) -> None:
    happens(event, finished)
    stages = set(json.loads(finished.run("dvc", "status", "--json").stdout))
    before = stamps(finished.folder)
    trained, rules = asked(finished.do("snakemake --cores 8 -n all"))
    assert stamps(finished.folder) == before  # a dry run writes nothing and touches nothing
    assert (trained, rules, stages) == (
        runs_of(event.trained),
        Counter(event.jobs.split()),
        set(event.stages.split()),
    )
    if event.really is not None:
        trained, rules = asked(finished.do("snakemake --cores 8 all"))
        assert (trained, rules) == (runs_of(event.really), Counter((event.ran or event.jobs).split()))
        assert "Nothing to be done" in finished.do("snakemake --cores 8 -n all")


def document() -> str:
    """EVENTS as the table of docs/versions.md."""
    lines = ["| event | trained | other jobs of Snakemake | stages of DVC |", "|---|---|---|---|"]
    for e in EVENTS:
        runs = e.trained if e.really is None else e.really
        lines.append(
            f"| {e.name} | {words(runs)} | {words(e.ran or e.jobs)} | {e.stages.replace(' ', ', ') or '-'} |"
        )
    return "\n".join(lines) + "\n"


def words(names: str) -> str:
    for longer, short in ((f"{ALL} source", "all, and the source"), (f"{ALL} (seed 1)", "all, of the new seed")):
        names = names.replace(longer, short)
    counted = Counter(names.split())
    for rules, short in ((BOTH, "rendering"), (ONE, "rendering of its paper")):
        if not Counter(rules.split()) - counted:
            rest = counted - Counter(rules.split())
            return ", ".join([*rest.elements(), short])
    return names if "," in names else ", ".join(names.split()) or "-"


def test_the_document_shows_this_table() -> None:
    assert document() in (ROOT / "docs/versions.md").read_text()


if __name__ == "__main__":
    print(document(), end="")
