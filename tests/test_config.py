"""params.yaml: what is refused, and how; what a scale changes; what a run's identity follows."""

import json
import os
import subprocess
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ablate.cli.main import app
from ablate.errors import UserError
from ablate.plan.params import Params, load
from ablate.plan.project import open_project
from ablate.plan.runs import Run, make_plan
from ablate.plan.settings import Settings
from conftest import FIVE, ROOT, SHIPPED, TINY

STUDIES = "studies.resnet-vs-plain.shallow"
DIGEST = "{sha256: dc016e8aaff2d8742a865a9426cf6cd027f07948d132c2d6640bb12500926bf0}"
BAD = {
    "unknown key": ("recipe: 1", "recipe: 1\nsede: 3", ["sede", "did you mean 'seeds'"]),
    "unknown key of a data set": ("image_size: 32", "image_siz: 32", ["datasets.cifar10.image_siz", "'image_size'"]),
    "unknown setting": ("settings: {lr: 0.02}", "settings: {lrr: 0.02}", ["settings.lrr", "did you mean 'lr'"]),
    "wrong type": ("lr: 0.01,", "lr: fast,", ["defaults.lr", "number"]),
    "true for a number": ("lr: 0.01,", "lr: true,", ["defaults.lr", "number"]),
    "text for a count": ("epochs: 1,", "epochs: '1',", ["defaults.epochs", "integer"]),
    "half an epoch": ("epochs: 1,", "epochs: 1.5,", ["defaults.epochs", "integer"]),
    "negative lr": ("lr: 0.01,", "lr: -0.01,", ["defaults.lr", "greater than 0"]),
    "lr not a number": ("lr: 0.01,", "lr: .nan,", ["defaults.lr"]),
    "zero epochs": ("epochs: 1,", "epochs: 0,", ["defaults.epochs", "greater than or equal to 1"]),
    "unknown model": ("[cifar-resnet7, cifar-plain7]", "[cifar-resnet77]", ["axes.model[0]", "'cifar-resnet7'"]),
    "unknown data set": ("{dataset: cifar10,", "{dataset: cifar100,", ["defaults.dataset", "'cifar10'"]),
    "empty axis": ("[cifar-resnet7, cifar-plain7]", "[]", [f"{STUDIES}.axes.model", "at least 1 item"]),
    "level twice": (
        "[cifar-resnet7, cifar-plain7]",
        "[cifar-plain7, cifar-plain7]",
        [f"{STUDIES}.axes.model", "twice"],
    ),
    "unknown axis": ("axes: {model:", "axes: {modle:", [f"{STUDIES}.axes.modle", "'model'"]),
    "arm twice": (
        "[cifar-resnet7, cifar-plain7]",
        "[cifar-plain7, {label: again, model: cifar-plain7}]",
        [STUDIES, "again", "repeats"],
    ),
    "level without label": ("[cifar-resnet7, cifar-plain7]", "[{model: cifar-plain7}]", ["axes.model[0]", "label"]),
    "duplicate study": (
        "  tinyimage10:\n",
        "  resnet-vs-plain: {}\n  tinyimage10:\n",
        ["duplicate", "resnet-vs-plain"],
    ),
    "unknown scale": ("scale: tiny", "scale: tny", ["scale", "did you mean 'tiny'"]),
    "no seeds": ("seeds: [0]", "seeds: []", ["seeds", "at least 1 item"]),
    "negative seed": ("seeds: [0]", "seeds: [-1]", ["seeds.0"]),
    "plain http": ("    image_size", "    urls: ['http://example.org/a']\n    image_size", ["urls.0"]),
    "not a digest": ("{sha256: dc", "{sha1: dc", ["digests.embedded.sha1", "did you mean 'sha256'"]),
    "a digest too short": (DIGEST, "{sha256: dc016e}", ["digests.embedded.sha256"]),
    "no digest in it": (DIGEST, "{bytes: 5}", ["digests.embedded", "must be given"]),
    "classes half named": ("per_class: 5}", "classes: [5, cat]}", ["defaults.classes", "[first, end]"]),
    "a class twice": ("per_class: 5}", "classes: [cat, cat]}", ["defaults.classes", "each once"]),
    "classes beyond the last": ("per_class: 5}", "classes: [5, 11]}", ["defaults.classes", "10 classes"]),
    "gaussian without variance": ("per_class: 5}", "init: gaussian}", ["init_variance"]),
    "step without gamma": ("per_class: 5}", "schedule: step}", ["schedule"]),
    "weights file missing": ("per_class: 5}", "weights: file:x.safetensors}", ["defaults.weights", "no file x.safe"]),
    "weights of another kind": (
        "per_class: 5}",
        "weights: file:x.pth}",
        ["defaults.weights", "file:<path>.safetens"],
    ),
    "ImageNet weights for none": (
        "per_class: 5}",
        "weights: imagenet}",
        ["defaults.weights", "has no ImageNet weights"],
    ),
    "a head without weights": ("per_class: 5}", "finetune: head}", ["defaults.finetune", "set weights"]),
    "a stem for no ResNet": ("per_class: 5}", "stem: cifar}", ["defaults.stem", "ResNets"]),
    "an unknown activation": ("per_class: 5}", "activation: rleu}", ["defaults.activation", "'relu'"]),
    "weights from nowhere": ("per_class: 5}", "weights: pretrain:x}", ["defaults.weights", "scratch"]),
    "unknown overlay key": (
        "scales: {tiny: {}}",
        "scales: {tiny: {overides: {}}}",
        ["scales.tiny.overides", "'overrides'"],
    ),
    "broken YAML": ("seeds: [0]", "seeds: [0", ["params.yaml", "line"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_path_and_remedy(case: str, tmp_path: Path) -> None:
    old, new, expected = BAD[case]
    assert TINY.count(old) >= 1
    path = tmp_path / "params.yaml"
    path.write_text(TINY.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        make_plan(load(path))
    message = str(caught.value)
    for part in expected:
        assert part in message, message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("command", [["ablate", "plan"], ["snakemake", "--cores", "1", "all"]])
def test_a_mistake_ends_with_one_message_and_a_code_not_0(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(TINY.replace("epochs: 1,", "epochs: 0,"))
    for name in ("Snakefile", "workflow", "src"):
        (tmp_path / name).symlink_to(ROOT / name)
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "defaults.epochs" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists() and not (tmp_path / "data").exists()


@pytest.mark.parametrize("scale", ["demo", "pilot", "paper"])
def test_every_scale_plans_each_paper_with_two_arms_or_more(scale: str) -> None:
    params = load(ROOT / "params.yaml", {"scale": scale})
    plan = make_plan(params)
    assert set(params.studies) == set(SHIPPED)
    for paper, studies in params.studies.items():
        for name, study in studies.items():
            planned = plan.of(paper, name)
            arms = {p.arm for p in planned}
            # Oracle: an axis of k levels multiplies the arms by k; each arm is planned once per seed.
            expected = 1
            for levels in study.axes.values():
                expected *= len(levels)
            assert len(arms) == expected >= 2
            assert len(planned) == expected * len(study.seeds or params.seeds)


@pytest.mark.papers()
def test_demo_plan_counts_by_hand() -> None:
    params = load(ROOT / "params.yaml", {"scale": "demo"})
    plan = make_plan(params.model_copy(update={"studies": {id: params.studies[id] for id in (*FIVE, "controls")}}))
    # Arms, of which the first study's have two seeds: alexnet-vs-resnet 8 x 2 + 24 + 3 + 4, five-cnns 5 + 10 + 4 and
    # four times 2, tinyimage10 12 + 3 + 6 and twice 2, resnet18-init four times 2, 3, 6 and 5, resnet-vs-plain 6 +
    # 4 + 4 + 4 and three times 2, controls 2 + 2.
    assert len(plan.planned) == 47 + 27 + 25 + 22 + 24 + 4
    # Planned more than once: the five augmented networks, model 4 with dropout, model 1 with L2, models 3 and 4 with
    # exact averages; the grid's first trial as SGD, as the batch of 32 and as ten classes, the three optimisers
    # without a last ReLU; Net 1, and both of its arms beside the original ResNet; ResNet-18 and AlexNet beside the
    # network without shortcuts; the initialisations at the usual rate; Net 1 and Net 6 with exact averages.
    # Pretrained weights are of other classes at this scale anyway: all of the studies called clean-..., and model 5
    # in transfer.
    repeated = (5 + 1 + 1 + 2) + (3 + 3) + (1 + 2) + 2 + 3 + 2
    assert len(plan.runs) == len(plan.planned) - repeated - (4 + 2 + 2 + 2) - 1
    assert len(plan.pretraining) == 3  # AlexNet, ResNet-18 and ResNet-50


def arm(**changes: Any) -> Settings:
    base = {
        "dataset": "cifar10",
        "model": "cifar-plain7",
        "optimizer": "sgd",
        "lr": 0.01,
        "epochs": 1,
        "batch_size": 8,
    }
    return Settings.model_validate(base | changes)


def test_identity_follows_settings_and_nothing_else() -> None:
    run = Run(settings=arm(), seed=0, recipe=1, variant="official")
    assert run.id == Run.from_json(run.to_json()).id
    assert run.id == run.model_copy(update={"settings": arm(momentum=0.0)}).id  # a default, spelled out
    others = [
        run.model_copy(update=change)
        for change in (
            {"settings": arm(lr=0.02)}, {"settings": arm(weight_decay=1e-9)}, {"seed": 1}, {"recipe": 2},
            {"variant": "embedded"}, {"start": "x"},
        )
    ]  # fmt: skip
    assert len({run.id, *(other.id for other in others)}) == 7
    assert run.id.removesuffix("_s0") == run.model_copy(update={"seed": 1}).id.removesuffix("_s1")


def test_a_scale_overrides_studies_and_an_axis_overrides_the_scale(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    text = TINY.replace("scales: {tiny: {}}", "scales: {tiny: {overrides: {lr: 0.5, epochs: 7}}}")
    path.write_text(text.replace("[cifar-resnet7, cifar-plain7]", "[{label: x, model: net1, lr: 0.25}]"))
    plan = make_plan(load(path))
    by_study = {p.study: p.run.settings for p in plan.planned}
    assert by_study["shallow"].lr == 0.25 and by_study["shallow"].epochs == 7
    assert by_study["optimiser"].lr == 0.5


def test_a_study_can_be_left_out_at_a_scale_and_values_come_from_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(TINY.replace("{tiny: {}}", "{tiny: {studies: {tinyimage10: {optimiser: null}}}, other: {}}"))
    assert {p.paper for p in make_plan(load(path)).planned} == {"resnet-vs-plain"}
    assert {p.paper for p in make_plan(load(path, {"scale": "other"})).planned} == {"resnet-vs-plain", "tinyimage10"}


def test_plan_as_json_lists_what_machines_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for scale in ("demo", "paper"):
        done = CliRunner().invoke(app, ["plan", "--scale", scale, "--json"])
        assert done.exit_code == 0, done.output
        entries = json.loads(done.stdout)
        assert {"run", "paper", "study", "arm", "seed", "state"} <= set(entries[0])
        assert len(entries) == len(make_plan(load(ROOT / "params.yaml", {"scale": scale})).planned)


LEAST = """datasets:
  shapes: {layout: cifar10, variant: embedded, archive: a.tar.gz, image_size: 32, n_classes: 10, train_per_class: 50,
    val_per_class: 10}
studies:
  mine:
    rates:
      settings: {model: cifar-plain7, epochs: 1, batch_size: 10}
      axes: {lr: [0.1, 0.2]}
"""


def written(folder: Path, text: str) -> Path:
    (folder / "params.yaml").write_text(text)
    return folder / "params.yaml"


def test_studies_are_all_that_a_file_must_say(tmp_path: Path) -> None:
    """Oracle: the same file with every other key as this repository's has it."""
    path = written(tmp_path, LEAST)
    least = make_plan(load(path))
    assert least.scale == "full" and len(least.runs) == 2 * 3
    path.write_text(
        LEAST + "scale: full\nscales: {full: {}}\nmirror: null\nrecipe: 2\nother_code: train\nseeds: [0, 1, 2]\n"
        "compute: {}\nhealth: {}\npretraining: {}\ndefaults: {dataset: shapes, optimizer: sgd}\n"
    )
    assert make_plan(load(path)) == least
    assert load(ROOT / "params.yaml").recipe == load(written(tmp_path, LEAST)).recipe
    with pytest.raises(UserError, match="studies: is missing; add a study"):
        load(written(tmp_path, "seeds: [0]\n"))


def test_of_several_data_sets_none_is_taken_for_granted(tmp_path: Path) -> None:
    path = written(tmp_path, LEAST.replace("studies:", "  others: {layout: cifar10, archive: b, image_size: 32, "
                   "n_classes: 10, train_per_class: 50, val_per_class: 10}\nstudies:"))  # fmt: skip
    with pytest.raises(UserError, match="dataset: is missing"):
        make_plan(load(path))


@pytest.mark.parametrize("key", ["scal", "mirorr", "recepe", "seed", "compute_", "dataset", "default", "scale_s"])
def test_a_mistyped_key_that_may_be_left_out_is_refused_with_the_nearest(key: str, tmp_path: Path) -> None:
    near = get_close_matches(key, Params.model_fields, n=1, cutoff=0.5)[0]
    with pytest.raises(UserError, match=f"params.yaml: {key}: unknown key '{key}'.*did you mean '{near}'"):
        load(written(tmp_path, f"{LEAST}{key}: 1\n"))


def test_a_smaller_scale_beside_the_whole_file(tmp_path: Path) -> None:
    """The scale `full` is there by itself, and is what every other is a part of."""
    path = written(tmp_path, LEAST + "scales: {quick: {seeds: [0]}}\n")
    whole, quick = open_project(path), open_project(path, {"scale": "quick"})
    assert [len(project.plan.runs) for project in (whole, quick)] == [6, 2]
    assert whole.params.scales == quick.params.scales == ("full", "quick")
    assert quick.full is not None and quick.full[1].runs.keys() == whole.plan.runs.keys() > quick.plan.runs.keys()
    with pytest.raises(UserError, match=r"scale: unknown scale 'quik'.*did you mean 'quick'"):
        open_project(path, {"scale": "quik"})
