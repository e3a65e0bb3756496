"""Every command that README and docs print, run as printed in a fresh clone, the network replaced by a local one.

Oracle: it ends well, says no traceback, and what it is printed for is there. Experiments are small and archives are
embedded ones; names of hosts, data sets, papers, studies and tables are those of the shipped params.yaml.
"""

import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ablate.data.embedded import write_cifar10, write_tiny_imagenet
from ablate.plan.params import Params
from ablate.runtime.fork_client import SERVER
from conftest import ROOT, Workspace, programs
from network import Network, network

pytestmark = pytest.mark.papers()  # README's commands name them

DOCUMENTS = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
PROGRAMS = {"ablate", "dvc", "git", "make", "pip", "pytest", "python", "scancel", "snakemake", "source"}
SUITE = "it is this suite"
CLUSTER = "a cluster: tests/slurm runs it on one of its own, where the daemons and root are"
DECIDED = "a commit of what is rendered, which `ablate decide` has outdated here; test_verify.py has one"
TEXT = "a text of the reader's: test_weave.py has some"
EXPORTED = "the committed results of the scale paper: tests of each have their own"
SERVES = "it goes on until Ctrl-C; test_report_live.py does it"
OWN_DATA = "data of the reader's own: test_own_studies.py pins some"
OWN = "what is the reader's own: test_package.py has one"
PROSE = "prose names the command without its arguments"
NOT_RUN = {
    "make test": SUITE,
    "make lint": SUITE,
    'pytest -n 2 -m "not slow"': SUITE,
    "pytest -n 0 --measure": SUITE,
    "python tests/screenshot.py": "a browser: test_report_browser.py makes such a picture",
    "ABLATE_TEST_MIRROR=<folder> pytest": SUITE,
    "make slurm": CLUSTER,
    "python tests/slurm/cluster.py start FOLDER": CLUSTER,
    "snakemake --profile workflow/profiles/slurm all": f"{CLUSTER}; test_profile.py does a dry run anywhere",
    "snakemake --cores 8 all --config scale=paper": "hours on a GPU; test_plan.py makes its plan",
    "make install": "a package index",
    "make lock": "a package index: what it writes makes the next `make` install",
    "pip install snakemake-executor-plugin-cluster-generic": "a package index",
    "snakemake --lint": "its one finding is an exit code of 1: test_lint_finds_nothing_but_the_missing_containers",
    "git clone <repository> && cd <repository> && dvc pull": "a repository of the reader's: test_events.py does it",
    "ablate papers --write": "the whole params.yaml; test_overview.py makes the page",
    "python benchmarks/claims.py": "minutes of simulated verdicts; test_calibration.py has them smaller",
    "ablate verify": DECIDED,
    "ablate verify --no-train --json": DECIDED,
    "ablate weave paper.tex": TEXT,
    "ablate weave paper.md": TEXT,
    "ablate weave --pin paper.md": TEXT,
    "pip install 'ablate[export]'": "a package index",
    "make validators": "a package index",
    "make crates": "a package index; .ci/run says it after the demo",
    "make package": "a package index; test_package.py has the wheel",
    "pip install 'ablate[timm]'": "a package index",
    "ablate model": PROSE,
    "ablate export crate --scale paper --output crate": EXPORTED,
    "ablate export check crate": EXPORTED,
    "ablate export croissant --scale paper --output croissant": EXPORTED,
    "ablate keep cifar-plain9_cifar10_sgd-0.05_e88baceb3d_s0 --output kept": EXPORTED,
    "ablate data --pin": OWN_DATA,
    "pip install 'ablate[parquet]'": "a package index",
    "ablate report --serve": SERVES,
    "ablate check": PROSE,
    "ablate report": PROSE,
    "ablate weave": PROSE,
    "ablate weave --pin": PROSE,
    "ablate check mine/depth": "a trainer of the reader's: test_own_trainer.py has some",
    "ablate init birds --data ~/pictures/birds": OWN,
    "ablate init forest --script train.py": OWN,
    "snakemake --profile profiles/slurm all": CLUSTER,
    "ablate init": PROSE,
    "ablate verify-data": PROSE,
    "ablate diff": PROSE,
    "ABLATE_SERVER=off snakemake ...": PROSE,
    "ablate train": PROSE,
    "ablate explain": PROSE,
    "python -m ablate": PROSE,
    "git apply": PROSE,
    "git checkout": PROSE,
    "dvc checkout": PROSE,
    "dvc gc": PROSE,
    "dvc pull": PROSE,
    "dvc metrics": PROSE,
    "dvc plots": PROSE,
}
FENCED = re.compile(r"^```.*?^```\n", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
ASSIGNMENTS = re.compile(r"^([A-Z_]+=\S* )+")


def is_command(line: str) -> bool:
    return ASSIGNMENTS.sub("", line).split(" ")[0] in PROGRAMS


def is_data(block: str) -> bool:
    """YAML that is more than a line of text."""
    try:
        return isinstance(YAML(typ="safe", pure=True).load(block), (dict, list))
    except YAMLError:
        return False


def printed(document: str) -> list[str]:
    """The commands of indented blocks, and those in running text, in their order and without comments."""
    text = (ROOT / document).read_text()
    found = [line for block in FENCED.findall(text) for line in block.splitlines() if is_command(line)]
    text = FENCED.sub("", text)
    for block in BLOCK.findall(text):
        lines = [re.sub(r"\s+#.*", "", line.strip()) for line in block.splitlines()]
        if all(map(is_command, lines)):
            found += lines
        else:
            assert is_data(block), (
                f"{document}: neither commands nor data; is a program missing in PROGRAMS?\n{block}"
            )
    for span in re.findall(r"`([^`]+)`", BLOCK.sub("", text).replace("``", "`")):
        line = " ".join(span.split())
        if " " in line and is_command(line):
            found.append(line)
    return list(dict.fromkeys(found))


def test_what_is_not_run_is_still_printed() -> None:
    """A reason that nothing needs any more would hide a new command of the same words."""
    assert set(NOT_RUN) <= {command for document in DOCUMENTS for command in printed(document)}


def test_the_reading_finds_the_commands() -> None:
    """At least as many as there were: a block in another form would not be read."""
    found = {document: len(printed(document)) for document in DOCUMENTS}
    assert found["README.md"] >= 15 and found["docs/versions.md"] >= 15 and found["docs/cluster.md"] >= 5


class Clone(Workspace):
    """A clone of the working tree's state, with an environment in `.venv`, which is not activated at first."""

    def __init__(
        self, folder: Path, params: Any, drawn: str = "", environment: Path | None = None, **env: str
    ) -> None:
        """``environment`` is the one that `.venv` is; by default programs are forked in it."""
        origin = Workspace(folder / "origin")
        if params:
            origin.params.write_text(json.dumps(params))
            shutil.copytree(ROOT / "papers", origin.folder / "papers", dirs_exist_ok=True)
        if drawn:
            origin.draw("tinyimage10", drawn)
        origin.do("git init -q -b main; git add .; git commit -qm start")
        origin.do(f"git clone -q . {shlex.quote(str(folder / 'clone'))}")
        super().__init__(folder / "clone")
        venv = self.folder / ".venv"
        venv.mkdir()
        for name in ("bin", "lib", "pyvenv.cfg"):
            (venv / name).symlink_to((environment or programs().parent) / name)
        (venv / "installed").touch()
        paths = os.environ["PATH"].split(os.pathsep)
        self.env["PATH"] = os.pathsep.join(path for path in paths if not (Path(path) / "ablate").exists())
        self.env |= env | {"PIP_DRY_RUN": "1"}  # the environment is this suite's own
        self.before = ":"

    def type(self, command: str) -> str:
        """As a reader does who goes on in one shell; what it prints. Fails unless it ends well."""
        said = self.do(f"{self.before}; {command}")
        assert "Traceback" not in said and "environment is another" not in said, f"{command}\n{said}"
        if command.startswith("source "):
            self.before = command
        return said


# What is drawn of it.
SMALL = """drawn:
  grid: {tables: {table-1: trials}, figures: {figure-5: "trials:train"}}
  optimiser: {tables: {table-optimiser: accuracy}, figures: {figure-3: "curves:train_top1+val_top1"}}
"""


def small(params: Params) -> dict[str, Any]:
    """The shipped params.yaml with one paper, with few runs at demo and pilot, and with the embedded archives."""
    raw: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
    demo = raw["scales"]["demo"]
    kept = {"digests", "image_size", "n_classes", "train_per_class", "val_per_class", "n_test"}
    downloaded = {name: {k: v for k, v in spec.items() if k in kept} for name, spec in demo["datasets"].items()}
    study = raw["studies"]["tinyimage10"]
    raw["studies"] = {"tinyimage10": study}
    raw |= {"seeds": [0], "adaptive": {"looks": [2]}, "pretraining": {}, "compute": {"device": "cpu"}}
    brief = {"model": "cnn1", "epochs": 1, "step_epochs": 1, "per_class": 2}
    cifar = {"dataset": "cifar10", "model": "cifar-plain7", "classes": None, "split": "official"}
    short = {"studies": {"tinyimage10": {name: None for name in study if name != "settings"} | {
        "grid": {"settings": brief, "axes": {"lr": [1e-3, 5e-3], "momentum": [0.9], "gamma": [0.1]}},
        "optimiser": {"settings": brief | cifar, "axes": {"optimizer": study["optimiser"]["axes"]["optimizer"][:2]}},
    }}}  # fmt: skip
    data = {"demo": demo["datasets"], "pilot": downloaded}
    raw["scales"] = {scale: short | {"datasets": sets} for scale, sets in data.items()} | {"paper": {}}
    assert raw["scale"] == "demo" and raw["mirror"] is None
    return raw


@pytest.fixture
def official(params: Params, tmp_path: Path) -> Any:
    """The archives of the demo, at the official addresses."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make a certificate with")
    raw = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
    files = {}
    (tmp_path / "archives").mkdir()
    for name, spec in params.datasets.items():
        archive = tmp_path / "archives" / spec.archive
        (write_cifar10 if spec.layout == "cifar10" else write_tiny_imagenet)(archive, **spec.generator)
        files |= {url.removeprefix("https://"): archive for url in raw["datasets"][name]["urls"]}
    with network(files, tmp_path) as running:
        yield running


@pytest.mark.slow
def test_the_commands_of_a_fresh_clone(params: Params, tmp_path: Path, official: Network) -> None:
    """All but those of docs/versions.md, which want results in DVC."""
    clone = Clone(tmp_path, small(params), SMALL, **official.env)
    done = set()
    for document in DOCUMENTS:
        for command in printed(document):
            if document == "docs/versions.md" or command in NOT_RUN or command in done:
                continue
            done.add(command)
            said = clone.type(command.replace("/data/archives", f"{tmp_path}/archives").replace("<name>", "resnet18"))
            check = AFTER.get(command)
            assert check is None or check(clone, said, official), f"{command}\n{said}"
    assert set(AFTER) <= done


def pilot_from_official(clone: Clone, said: str, official: Network) -> bool:
    receipts = [json.loads(path.read_text()) for path in clone.folder.glob("data/official/*/archive.json")]
    return len(receipts) == 2 and sorted(official.asked) == sorted(official.files)


AFTER = {  # what the command is printed for
    "ablate init mine": lambda clone, said, _: (clone.folder / "mine/Snakefile").exists(),
    "make demo": lambda clone, said, _: (
        "results/demo/report.html" in said and (clone.folder / "results/demo/report.html").exists()
    ),
    "snakemake --cores 8 all": lambda clone, said, _: "Nothing to be done" in said,
    "dvc repro": lambda clone, said, _: (clone.folder / "dvc.lock").exists(),
    'ablate explain tinyimage10/table-1 1 "test_acc %"': lambda clone, said, _: "manifest" in said,
    "ablate claims": lambda clone, said, _: "no evidence" in said,
    "ablate decide": lambda clone, said, _: (clone.folder / "results/demo/seeds.json").exists(),
    "snakemake --cores 8 all --config scale=pilot": pilot_from_official,
    'ablate run tinyimage10/optimiser --arm "SGD*" --seeds 0-1': lambda clone, said, _: (
        "seeds 1 of tinyimage10/optimiser: SGD: not planned" in said
    ),
    'ablate runs tinyimage10 "lr<0.01" status=done': lambda clone, said, _: (
        "tinyimage10/optimiser: SGD, seed 1" in said
    ),
    'ablate note tinyimage10/optimiser "seen on a new card" --tag card': lambda clone, said, _: (
        clone.folder / "results/notes.yaml"
    ).exists(),
    "ablate diff tinyimage10/optimiser:SGD tinyimage10/optimiser:Adam": lambda clone, said, _: "val_top1" in said,
    "ablate status": lambda clone, said, _: "done" in said,
    "ablate status --watch": lambda clone, said, _: said.endswith("nothing runs, and nothing is to do\n"),
}


@pytest.mark.slow
def test_the_commands_of_docs_versions(finished: Workspace, tmp_path: Path) -> None:
    """In a repository whose results DVC has; a setting is changed first, for there to be differences."""
    finished.do("dvc remote remove store")
    for command in printed("docs/versions.md"):
        if command not in NOT_RUN and not command.startswith("snakemake"):
            said = finished.do(command.replace("/somewhere/store", str(tmp_path / "store")))
            assert "Traceback" not in said, f"{command}\n{said}"
    assert any((tmp_path / "store").rglob("*"))


@pytest.mark.slow
def test_nothing_needs_an_activated_environment(tmp_path: Path) -> None:
    """By path, by `python -m` and through DVC, in a folder whose name has blanks and more; PATH knows no `ablate`."""
    folder = tmp_path / 'it\'s a "fôlder" of $HOME; (数据)'
    clone = Clone(folder, None, environment=Path(sys.prefix))
    del clone.env[SERVER]  # the programs are none of the tests' server, so that each workflow has its own
    clone.edit("studies:\n", "pretraining: {}\nhealth: {}\ntrainers: {}\nstudies:\n")  # which DVC asks for
    assert clone.run("bash", "-c", "command -v ablate snakemake dvc").returncode != 0
    for command in (
        ".venv/bin/ablate plan",
        ".venv/bin/ablate decide --dry-run",
        ".venv/bin/python -m snakemake --cores 2 packs",
        ".venv/bin/dvc repro data",
        ".venv/bin/python -m dvc repro -f data",
        f"{shlex.quote(sys.prefix)}/bin/snakemake --cores 2 all",
        ".venv/bin/python -m ablate status",
    ):
        clone.type(command)
    assert (clone.folder / "results/tiny/report.html").exists()
    log = next((clone.folder / "logs/train").glob("*.log"))
    assert "epoch" in log.read_text()


@pytest.mark.slow
def test_a_failing_job_fails_with_its_message(workspace: Workspace) -> None:
    """Though `tee`, behind it, ends well; also where there is no such program."""
    workspace.edit("dc016e8a", "00000000")
    done = workspace.snakemake("packs")
    assert done.returncode == 1 and "wrong digest" in done.stdout + done.stderr
    assert not list(workspace.folder.glob("data/**/archive"))
    rules = workspace.folder / "src/ablate/rules/data.smk"
    rules.write_text(rules.read_text().replace('"ablate fetch', '"no-such-ablate fetch'))
    done = workspace.snakemake("packs")
    assert done.returncode == 1
    (log,) = workspace.folder.glob("logs/fetch/*.log")
    assert "no-such-ablate: command not found" in log.read_text()


@pytest.mark.mirror
@pytest.mark.slow
@pytest.mark.skipif("ABLATE_TEST_MIRROR" not in os.environ, reason="ABLATE_TEST_MIRROR names no folder")
def test_the_real_images_by_the_shipped_parameters(tmp_path: Path) -> None:
    """`mirror: null`, the official addresses, the archives that are really behind them or have one of the digests."""
    shipped = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
    mirror = Path(os.environ["ABLATE_TEST_MIRROR"])
    files = {url.removeprefix("https://"): mirror / spec["archive"]
             for spec in shipped["datasets"].values() for url in spec["urls"]}  # fmt: skip
    with network(files, tmp_path) as running:
        clone = Clone(tmp_path, shipped, **running.env)
        clone.type("source .venv/bin/activate")
        clone.type("snakemake --cores 2 packs --config scale=pilot")
    assert sorted(running.asked) == sorted(files)
    assert len(list(clone.folder.glob("data/official/*/pack.json"))) == 2
