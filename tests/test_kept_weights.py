"""Weights of runs: what is kept, what starts from it, what goes on from it. Oracles: runs of other lengths, to the
byte, and the predictions that training itself wrote."""

import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from ablate.data.views import Pack
from ablate.errors import UserError
from ablate.models.registry import contaminated
from ablate.plan import keys
from ablate.plan.keys import key_digest, run_key
from ablate.plan.params import Params, load
from ablate.plan.runs import RUNS, Plan, Run, make_plan
from ablate.plan.settings import Settings
from ablate.train.continued import STATE
from ablate.train.job import train
from ablate.train.trainer import Trainer
from ablate.workflow.due import Keys
from conftest import ROOT, TINY, Ablate, Workspace, made_packs

pytestmark = pytest.mark.usefixtures("own_folder")
SAME = ("metrics.json", "history.csv", "predictions.csv", "filters.npy", keys.WEIGHTS)


def run_of(**changes: Any) -> Run:
    base = {"dataset": "cifar10", "model": "cifar-plain7", "optimizer": "sgd", "lr": 0.05, "momentum": 0.9,
            "epochs": 4, "batch_size": 16, "per_class": 4, "augment": "flip", "keep": "last"}  # fmt: skip
    return Run(settings=Settings.model_validate(base | changes), seed=0, recipe=1, variant="embedded")


def trained(run: Run, packs: dict[str, Path], folder: Path | None = None, parent: Path | None = None) -> Path:
    out = folder or RUNS / run.id
    train(run, pack=packs["cifar10"], out=out, weights=out / keys.WEIGHTS, parent=parent, device="cpu")
    return out


def history(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "history.csv").open()))


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{}, {"optimizer": "adam", "momentum": 0.0, "lr": 0.01, "ema": 0.9}], ids=["sgd", "adam, averaged"]
)
def test_the_best_epoch_s_weights_are_those_of_a_run_that_ended_there(changes: Any, packs: dict[str, Path]) -> None:
    best = trained(run_of(keep="best", **changes), packs)
    tops = [float(row["val_top1"]) for row in history(best)]
    epoch = tops.index(max(tops)) + 1
    last = trained(run_of(epochs=epoch, **changes), packs)
    assert load_file(best / keys.WEIGHTS).keys() == load_file(last / keys.WEIGHTS).keys()
    assert (best / keys.WEIGHTS).read_bytes() == (last / keys.WEIGHTS).read_bytes()


def test_the_best_weights_outlive_a_stop(packs: dict[str, Path]) -> None:
    """A checkpoint has them: whoever goes on from it keeps the same."""
    opened = Pack.open(packs["cifar10"])
    first, again = (Trainer(run_of(keep="best"), opened, None, 1, torch.device("cpu")) for _ in range(2))
    list(first.steps())
    first.end_epoch()
    again.load(first.state())
    assert all(torch.equal(again.kept[key], value) for key, value in first.kept.items())


@pytest.mark.slow
@pytest.mark.parametrize(
    "schedule",
    [
        {"schedule": "constant", "warmup_epochs": 1},
        {"schedule": "step", "step_epochs": 2, "gamma": 0.5},
        {"schedule": "multi-step", "milestones": (1, 3), "gamma": 0.1},
        {"schedule": "plateau", "gamma": 0.5, "patience": 0},
    ],
    ids=lambda schedule: schedule["schedule"],
)
def test_a_run_goes_on_to_the_bytes_of_an_unbroken_one(
    schedule: Any, packs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Dropout, augmentation, momentum and the schedule's place; the weights of the best epoch as well."""
    changes = {"model": "cifar-resnet7", "keep": "best", "batchnorm": "reestimated", **schedule}
    parent = trained(run_of(epochs=2, **changes), packs)
    longer = run_of(**changes)
    child = longer.model_copy(update={"parent": parent.name})
    assert child.id == longer.id  # which is what it comes to
    on = trained(child, packs, Path("on"), parent)
    assert f"goes on from {parent.name}, after epoch 2" in capsys.readouterr().err
    whole = trained(longer, packs, Path("whole"))
    assert [name for name in SAME if (on / name).read_bytes() != (whole / name).read_bytes()] == []
    assert len(history(on)) == 4 and json.loads((on / "run.json").read_text())["parent"] == parent.name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parent", "child", "why"),
    [
        ({"keep": "none"}, {}, "left no state.pt; `keep: last`"),
        ({"schedule": "cosine"}, {"schedule": "cosine"}, "left no state.pt"),
        ({"lr": 0.01}, {}, "is of other settings"),
        ({}, {"keep": "best"}, "has not kept the weights of its best epoch"),
    ],
)
def test_where_it_cannot_go_on_it_begins_anew_and_says_why(
    parent: Any, child: Any, why: str, packs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = trained(run_of(epochs=1, **parent), packs)
    on = trained(run_of(epochs=2, **child), packs, Path("on"), folder)
    assert f"begins anew: it {why}" in capsys.readouterr().err
    whole = trained(run_of(epochs=2, **child), packs, Path("whole"))
    assert [name for name in SAME if (on / name).read_bytes() != (whole / name).read_bytes()] == []


@pytest.mark.slow
def test_a_state_of_other_code_or_damaged_is_passed_over(
    packs: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = trained(run_of(epochs=1), packs)
    (parent / STATE).write_bytes((parent / STATE).read_bytes()[:-1] + b"x")
    trained(run_of(epochs=2), packs, Path("a"), parent)
    assert "begins anew" in (said := capsys.readouterr().err) and STATE in said
    parent = trained(run_of(epochs=1, lr=0.04), packs)
    monkeypatch.setattr(keys, "code_digest", lambda *_: "another")
    trained(run_of(epochs=2, lr=0.04), packs, Path("b"), parent)
    assert "begins anew: it is of other code" in capsys.readouterr().err


# The plan.

BASE = TINY.replace(
    "    optimiser:\n      settings: {lr: 0.02}\n",
    """    optimiser:
      settings: {keep: last, schedule: constant}
      axes: {lr: [0.02, 0.03]}
    on:
      settings: {weights: "run:tinyimage10/optimiser/0.03", classes: [0, 5]}
""",
).replace("seeds: [0]", "seeds: [0, 1]")


def planned(text: str = BASE) -> tuple[Params, Plan]:
    Path("params.yaml").write_text(text)
    params = load(Path("params.yaml"))
    return params, make_plan(params)


def arm(plan: Plan, study: str, name: str | None = None) -> dict[int, Run]:
    """{seed: run}."""
    return {p.run.seed: p.run for p in plan.of("tinyimage10", study) if name in (None, p.arm)}


def test_each_seed_starts_from_the_run_of_that_seed_or_all_from_one() -> None:
    _, plan = planned()
    source, on = arm(plan, "optimiser", "0.03"), arm(plan, "on")
    assert {seed: run.start for seed, run in on.items()} == {seed: run.id for seed, run in source.items()}
    assert on[0].start_file == f"{RUNS}/{source[0].id}/{keys.WEIGHTS}"
    assert on[0].id.removesuffix("_s0") == on[1].id.removesuffix("_s1") and plan.find(on[1].id) == on[1]
    assert on[0].with_seed(1) == on[1] and not plan.pretraining
    _, plan = planned(BASE.replace("optimiser/0.03", "optimiser/0.03@1"))
    assert {run.start for run in arm(plan, "on").values()} == {source[1].id}
    _, other = planned(BASE.replace("optimiser/0.03", "optimiser/0.02"))
    assert arm(other, "on")[0].id != on[0].id


REFUSED = {
    "no such arm": ("optimiser/0.03", "optimiser/0.04", ["arm 'cifar-plain7': weights", "optimiser/0.03'?"]),
    "keeps none": ("keep: last, ", "", ["tinyimage10/optimiser/0.03 keeps no weights", "keep: last"]),
    "another network": ("classes: [0, 5]", "model: cifar-resnet7", ["has another network"]),
    "another seed": ("optimiser/0.03", "optimiser/0.03@7", ["seeds 0, 1, and no 7", "@0"]),
    "tested on": ("classes: [0, 5]", "split: holdout", ["has trained on images that split: holdout"]),
    "from itself": ("optimiser/0.03", "on/cifar-plain7", ["on/cifar-plain7 starts from tinyimage10/on/cifar-plain7"]),
    "no arm at all": ("run:tinyimage10/optimiser/0.03", "rum:x", ["unknown value 'rum:x'", "run:<group>/<study>/"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_weights_of_an_arm_that_cannot_be_are_refused(case: str) -> None:
    old, new, words = REFUSED[case]
    with pytest.raises(UserError) as caught:
        planned(BASE.replace(old, new))
    assert all(word in str(caught.value) for word in words), caught.value


def test_contamination_goes_on_through_runs() -> None:
    text = BASE.replace("keep: last,", "keep: last, model: resnet18, weights: imagenet,")
    _, plan = planned(text.replace("classes: [0, 5]", "model: resnet18"))
    assert {contaminated(plan.first_weights(run), "tiny-imagenet") for run in arm(plan, "on").values()} == {True}
    assert not contaminated(planned()[1].first_weights(arm(planned()[1], "on")[0]), "tiny-imagenet")


@pytest.mark.slow
def test_a_run_is_due_when_its_source_is_another_and_its_source_where_weights_are_wanted(
    packs: dict[str, Path],
) -> None:
    params, plan = planned()
    made_packs(params, Path("data/embedded"))
    pack = Path("data/embedded/cifar10/pack.json")
    for run in (arm(plan, "optimiser", "0.03")[0], arm(plan, "on")[0]):
        start = Path(run.start_file) if run.start_file else None
        train(run, pack=pack, out=RUNS / run.id, start=start, weights=RUNS / run.id / keys.WEIGHTS, device="cpu")
    source, on = arm(plan, "optimiser", "0.03")[0], arm(plan, "on")[0]

    def reasons() -> list[str | None]:
        asked = Keys(params, plan)
        return [asked.run_reason(run) for run in (source, on)]

    assert reasons() == [None, None]
    made = json.loads((RUNS / on.id / "manifest.json").read_text())["key"]
    data = keys.content_digest(json.loads(pack.read_text()))
    assert made["start"] == key_digest(run_key(source, data, None))
    (RUNS / source.id / keys.WEIGHTS).unlink()
    assert reasons() == [None, None]  # nobody wants them
    shutil.rmtree(RUNS / on.id)
    assert reasons() == ["weights missing", "new"]


PAGE = (ROOT / "docs/your-study.md").read_text().partition("## Weights and more epochs")[2]


def test_the_page_s_studies_are_planned_and_extended_as_shown(ablate: Ablate) -> None:
    """Oracle: what the page prints, its own network in a file."""
    pages = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "docs/your-study.md").read_text(), re.DOTALL)
    Path("my_models.py").write_text(next(text for _, text in pages if text.startswith("# my_models.py")))
    blocks = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
    mine = next(text for kind, text in blocks if kind == "yaml" and text.startswith("studies:"))
    more = "    width:\n      settings: {model: my_models.py:Net, keep: last}\n      axes: {width: [8, 32]}\n"
    more += more.replace("width:", "cosine:", 1).replace("keep: last", "schedule: cosine")
    _, plan = planned(TINY.replace("studies:\n", f"{mine}{more}"))
    first = {p.arm: p.run.id for p in plan.of("mine", "first")}
    assert {p.arm: p.run.start for p in plan.of("mine", "second")} == {"scratch": None, "first half": first["32"]}
    for shown in [text for kind, text in blocks if kind == "text" and "$ ablate extend" in text]:
        command, said = shown.partition("\n")[::2]
        assert "".join(ablate(*command.split()[2:])[1:]) == said
    line = next(text for kind, text in blocks if kind == "yaml" and "width-to-40" in text)
    assert line in Path("params.yaml").read_text()


def test_ablate_extend_writes_a_study_that_is_planned(ablate: Ablate) -> None:
    planned()
    ended, out, err = ablate("extend", "tinyimage10/optimiser", "--arm", "0.03", "--epochs", "5")
    assert ended == 0, err
    assert out.startswith("params.yaml: studies.tinyimage10.optimiser-to-5; ") and "keeps no" not in out
    text = Path("params.yaml").read_text()
    assert 'optimiser-to-5: {settings: {epochs: 5}, axes: {arm: [{label: "0.03", extends: ' in text
    _, plan = planned(text)
    before, after = arm(plan, "optimiser", "0.03"), arm(plan, "optimiser-to-5", "0.03")
    assert {seed: run.parent for seed, run in after.items()} == {seed: run.id for seed, run in before.items()}
    assert all(run.settings == before[seed].settings.model_copy(update={"epochs": 5}) for seed, run in after.items())
    assert after[0].id == after[0].model_copy(update={"parent": None}).id
    assert Run.from_json(after[0].to_json()) == after[0]
    for words, said in (
        (["--arm", "0.03", "--epochs", "5"], "is there already"),
        (["--epochs", "1"], "has 1; write more"),
        (["--arm", "0.07", "--epochs", "9"], "unknown arm '0.07'"),
    ):
        ended, _, err = ablate("extend", "tinyimage10/optimiser", *words)
        assert (ended, len(err.splitlines())) == (2, 1) and said in err, err
    assert Path("params.yaml").read_text() == text


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
def test_a_schedule_that_depends_on_the_number_of_epochs_is_refused(schedule: str, ablate: Ablate) -> None:
    text = BASE.replace("schedule: constant", f"schedule: {schedule}")
    planned(text)
    ended, _, err = ablate("extend", "tinyimage10/optimiser", "--arm", "0.03", "--epochs", "5")
    assert (ended, len(err.splitlines())) == (2, 1)
    assert f"schedule: {schedule} " in err and "another run from its first step on" in err
    more = 'more: {settings: {epochs: 5, extends: "tinyimage10/optimiser/0.03"}}'
    extended = text.replace("    on:\n", f"    {more}\n    on:\n")
    with pytest.raises(UserError, match="another run from its first step on"):
        planned(extended)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("{epochs: 5, lr: 0.1, extends: E}", ["more.settings.lr", "epochs and keep"]),
        ("{extends: E}", ["extends: add epochs"]),
        ("{epochs: 5, extends: tinyimage10/optimiser/3}", ["unknown arm", "tinyimage10/optimiser/0.03'?"]),
        ("{epochs: five, extends: E}", ["epochs"]),
    ],
)
def test_an_extension_is_refused_that_cannot_be(more: str, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        settings = more.replace(" E}", " tinyimage10/optimiser/0.03}")
        planned(BASE.replace("    on:\n", f"    more: {{settings: {settings}}}\n    on:\n"))
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.slow
def test_ablate_predict_says_what_training_said(ablate: Ablate, tmp_path: Path) -> None:
    """Oracle: predictions.csv of the run, for its validation images as files."""
    params, plan = planned()
    made_packs(params, Path("data/embedded"))
    run = arm(plan, "optimiser", "0.03")[0]
    pack = Path("data/embedded/cifar10/pack.json")
    ended, out, err = ablate("predict", run.id, "pictures")
    assert (ended, out) == (2, "") and "has no weights.safetensors; add keep: last" in err
    trained(run, {"cifar10": pack})
    rows = list(csv.DictReader((RUNS / run.id / "predictions.csv").open()))[:70]
    opened = Pack.open(pack)
    (tmp_path / "pictures/deep").mkdir(parents=True)
    for n, row in enumerate(rows):
        Image.fromarray(opened.images[int(row["position"])]).save(f"pictures/deep/{n:03d}.png")
    ended, out, err = ablate("predict", "tinyimage10/optimiser", "pictures", "--arm", "0.03", "--seeds", "0")
    assert ended == 0, err
    said = list(csv.DictReader(io.StringIO(out)))
    classes = opened.meta["classes"]
    assert [r["file"] for r in said] == [f"pictures/deep/{n:03d}.png" for n in range(70)]
    assert [r["class"] for r in said] == [classes[int(row["predicted"])] for row in rows]
    assert [float(r["probability"]) for r in said] == pytest.approx([float(r["probability"]) for r in rows], abs=1e-3)
    Path("text.png").write_text("x")
    for words, fault in (
        (["text.png"], "text.png: cannot be read as an image"),
        (["none.png"], "none.png: there is no such file or folder"),
        (["data/embedded"], "data/embedded: has no image"),
    ):
        ended, out, err = ablate("predict", run.id, *words)
        assert (ended, out, len(err.splitlines())) == (2, "", 1) and fault in err
    ended, _, err = ablate("predict", "tinyimage10/optimiser", "pictures")
    assert ended == 2 and "has 4 runs; say --arm and --seeds" in err


@pytest.mark.slow
def test_the_workflow_trains_what_others_start_from_first(workspace: Workspace) -> None:
    """Oracle: Snakemake's own count of jobs, and what each run's log says."""
    (workspace.folder / "nets.py").write_text(
        "from torch import nn\ndef net(n_classes, width=2):\n"
        "  layers = nn.Conv2d(3, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, n_classes)\n"
        "  return nn.Sequential(*layers)\n"
    )
    workspace.edit(
        "studies:\n",
        """studies:
  mine:
    width: {settings: {model: "nets.py:net", keep: last}, axes: {width: [2, 3]}}
    second: {settings: {model: "nets.py:net", width: 3, weights: "run:mine/width/3"}}
""",
    )
    assert workspace.jobs("mine/second")["train"] == 2  # with its source, and not the other width
    workspace.do("ablate extend mine/width --arm 3 --epochs 2")
    assert workspace.jobs("mine/width-to-2")["train"] == 1
    said = "".join(path.read_text() for path in (workspace.folder / "logs/train").glob("*.log"))
    assert "goes on from nets.py:net_embedded-cifar10" in said and "after epoch 1" in said
    workspace.edit("nn.Flatten(), nn.Linear", "nn.Flatten(), nn.ReLU(), nn.Linear", "nets.py")
    found = json.loads(workspace.run("ablate", "plan", "--json", "mine").stdout)
    whys = {(entry["study"], entry["arm"]): entry["why"] for entry in found}
    assert whys["second", "nets.py:net"] == "start weights changed" and whys["width", "3"] == "code changed"
