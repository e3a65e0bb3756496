"""What is refused before anything runs: names that collide, kinds that cannot be, counts and options that do not fit.

Oracles: the key that was changed, which the message must name; for what is reserved, the files and rules themselves.
"""

import copy
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ablate.errors import UserError, choose
from ablate.figures import curves as drawn
from ablate.plan.kinds import FIGURES, HISTORY, TABLES, Kind
from ablate.plan.params import load
from ablate.plan.project import open_project
from ablate.plan.runs import make_plan
from conftest import DRAWN, FIVE, ROOT, TINY
from test_params_shapes import as_yaml

BASE: dict[str, Any] = YAML(typ="safe", pure=True).load(TINY)
PAPERS: dict[str, Any] = {name: YAML(typ="safe", pure=True).load(text)["drawn"] for name, text in DRAWN.items()}
PAPER = "studies.resnet-vs-plain.shallow"
SHALLOW = "drawn.resnet-vs-plain.shallow"  # in the paper's file
KEY = "papers/resnet-vs-plain.yaml: drawn.shallow"  # and in messages
# SHA-256 of all ids of a scale, sorted, a line each: what they were when this was written.
IDS = {
    "demo": "094ff9e83be1315795b7232e07da8b5a510d33c38c638d16116e3550cd32b756",
    "pilot": "3f496d0a9050ad35ddd4a2a77ed8c6f02e0231980bcf766352075cc10ab4c9f8",
    "paper": "c55aa9e6e9edf7c90678dea2a2ec3ede4845eac1a537cb3dcbd345b0e5b73232",
}


def planned(tmp_path: Path, *changes: tuple[str, Any]) -> None:
    """Plan the tiny parameters, and what is drawn of them, with each key, given with dots, set to a value.

    Keys that begin with drawn.<paper> are of the paper's file.
    """
    made = copy.deepcopy(BASE | {"drawn": PAPERS})
    for place, value in changes:
        *above, last = place.split(".")
        inner = made
        for key in above:
            inner = inner.setdefault(key, {})
        inner[last] = value
    (tmp_path / "papers").mkdir(exist_ok=True)
    for name, section in made.pop("drawn").items():
        (tmp_path / f"papers/{name}.yaml").write_text(as_yaml({"drawn": section}))
    path = tmp_path / "params.yaml"
    path.write_text(as_yaml(made))
    open_project(path)


def said(tmp_path: Path, *changes: tuple[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        planned(tmp_path, *changes)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.papers()
@pytest.mark.parametrize("scale", IDS)
def test_shipped_scales_are_planned_with_the_identities_that_they_had(scale: str) -> None:
    params = load(ROOT / "params.yaml", {"scale": scale})
    mine = {id: studies for id, studies in params.studies.items() if id in (*FIVE, "controls")}
    plan = make_plan(params.model_copy(update={"studies": mine}))
    ids = "\n".join(sorted([*plan.runs, *plan.pretraining]))
    assert hashlib.sha256(ids.encode()).hexdigest() == IDS[scale]


RULES = re.findall(
    r"^(?:rule|checkpoint) (\w+):",
    "\n".join(f.read_text() for f in [ROOT / "src/ablate/rules/Snakefile", *ROOT.glob("src/ablate/rules/*.smk")]),
    re.MULTILINE,
)


@pytest.mark.parametrize("name", [*RULES, "data", "decide", "models", "power", "seeds"])
def test_a_paper_cannot_have_the_name_of_a_rule_or_of_results(name: str, tmp_path: Path) -> None:
    study = BASE["studies"]["tinyimage10"]
    assert f"params.yaml: studies.{name}: " in said(tmp_path, (f"studies.{name}", study))


@pytest.mark.parametrize("what", ["tables", "figures"])
@pytest.mark.parametrize("name", ["comparison", "runs", "history", "metrics", "provenance"])
def test_an_output_cannot_have_the_name_of_a_file_that_each_paper_has(name: str, what: str, tmp_path: Path) -> None:
    kind = {"tables": "accuracy", "figures": "curves"}[what]
    assert f"{KEY}.{what}.{name}: " in said(tmp_path, (f"{SHALLOW}.{what}.{name}", kind))


@pytest.mark.parametrize(
    ("place", "drawn"),
    [
        ("shallow.figures.table-shallow", "curves"),  # a table and a figure of one study
        ("other.tables", {"table-shallow": "accuracy"}),
        ("other.figures", {"figure-6": "curves"}),
        ("other.figures", {"table-shallow": "dots"}),
    ],
)
def test_a_paper_has_each_output_once(place: str, drawn: Any, tmp_path: Path) -> None:
    other = {"settings": {"lr": 0.5}}
    there = [(f"studies.{paper}.other", other) for paper in PAPERS]
    message = said(tmp_path, *there, (f"drawn.resnet-vs-plain.{place}", drawn))
    assert f"drawn.{place}" in message and "of shallow has that name" in message
    elsewhere = place.replace("shallow.", "optimiser.", 1)
    planned(tmp_path, *there, (f"drawn.tinyimage10.{elsewhere}", drawn))  # each paper has a folder


def test_a_paper_draws_studies_that_there_are(tmp_path: Path) -> None:
    message = said(tmp_path, ("drawn.resnet-vs-plain.shalow", {"title": "x"}))
    assert "papers/resnet-vs-plain.yaml: drawn.shalow: unknown study" in message and "mean 'shallow'" in message
    planned(tmp_path, ("scales.tiny.studies", {"resnet-vs-plain": {"shallow": None}}))  # left out, and no mistake
    message = said(tmp_path, (f"{SHALLOW}.tabels", {}))
    assert f"{KEY}.tabels: unknown key" in message and "mean 'tables'" in message


@pytest.mark.parametrize("key", ["title", "tables", "figures"])
@pytest.mark.parametrize("above", ["", "scales.tiny."])
def test_what_is_drawn_does_not_stand_in_params(key: str, above: str, tmp_path: Path) -> None:
    message = said(tmp_path, (f"{above}{PAPER}.{key}", {"table-shallow": "accuracy"}))
    assert message.endswith(
        f"params.yaml: {above}{PAPER}.{key}: what is drawn stands in papers/resnet-vs-plain.yaml; move it there, as "
        f"drawn.shallow.{key}"
    )


@pytest.mark.parametrize(
    "name", ["runs", "pretrained", "summary", "..", "a/b", "A", "", "x" * 65, "é", "a.", " a", "a_s0"]
)
def test_a_scale_has_a_name_for_a_folder_of_its_own(name: str, tmp_path: Path) -> None:
    assert f"scales.{name}: " in said(tmp_path, ("scales", {"tiny": {}, name: {}}))


STRANGE = [
    "A",
    "a_s0",
    "..",
    ".",
    "a.",
    "a/b",
    "é",
    "e\u0301",
    "con fig",
    "",
    "-a",
    "x" * 65,
    "{run}",
    "a\n",
    "$(x)",
    "~",
]


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("where", ["studies", "studies.tinyimage10", f"{PAPER}.axes", "datasets"])
def test_names_are_short_plain_and_lower_case(where: str, name: str, tmp_path: Path) -> None:
    section: Any = BASE
    for key in where.split("."):
        section = section[key]
    path = tmp_path / "params.yaml"
    changed = {**section, name: next(iter(section.values()))}
    made = copy.deepcopy(BASE)
    inner = made
    for key in where.split(".")[:-1]:
        inner = inner[key]
    inner[where.split(".")[-1]] = changed
    path.write_text(as_yaml(made))
    with pytest.raises(UserError, match=r"params\.yaml") as caught:
        load(path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", STRANGE)
def test_so_are_those_of_tables_and_figures(name: str, tmp_path: Path) -> None:
    for what in ("tables", "figures"):
        kind = "curves" if what == "figures" else "accuracy"
        assert "papers/resnet-vs-plain.yaml" in said(tmp_path, (f"{SHALLOW}.{what}", {name: kind}))


def test_an_embedded_data_set_is_not_called_as_the_folder_of_mirrors(tmp_path: Path) -> None:
    assert "datasets.mirror: " in said(tmp_path, ("datasets.mirror", BASE["datasets"]["cifar10"]))


@pytest.mark.parametrize("archive", ["..", ".", ".a", "a/b", "", "x" * 201, "a b"])
def test_an_archive_has_the_name_of_a_file(archive: str, tmp_path: Path) -> None:
    assert "datasets.cifar10.archive" in said(tmp_path, ("datasets.cifar10.archive", archive))


# kind: arguments that are refused, and those that are not, in a study with the axis model
ARGUMENTS: dict[str, dict[str, tuple[list[str], list[str]]]] = {
    "tables": {
        "accuracy": (["x"], [""]),
        "train-val": (["x"], [""]),
        "trials": (["train"], [""]),
        "nets": (["net1"], [""]),
        "gap": (["net1"], [""]),
        "per-label": (["", "bset", "cifar-resnet8"], ["best", "cifar-plain7"]),
        "layers": (
            ["", "cnn9", "cnn1+cnn2", "torchvision:resnet81", "torchvision:inception_v3"],
            ["net1", "torchvision:vgg11"],
        ),
        "parameters": (["", "a+b", "cnn1+", "+", "cnn1,cnn2"], ["cnn1", "cnn1+net3+cifar-plain9"]),
        "effects": (["model"], [""]),
        "importance": (["model"], [""]),
    },
    "figures": {
        "curves": (
            ["lr", "train_top1+", "val_top1@net9", "@cifar-plain7+net1", "val_top1+val_top1", "val_top1 "],
            ["", "val_loss", "train_top1+val_top1@cifar-plain7", "@cifar-plain7+cifar-resnet7"],
        ),
        "by-arm": (["lr", "train_top1+val_loss"], ["", "val_loss", "train_top1+val_top1@cifar-plain7"]),
        "trials": (["", "test", "x", "train+val"], ["train", "val"]),
        "controls": (["x", ""], []),  # of a study whose labels are true
        "dots": (["x"], [""]),
        "printed": (["x"], [""]),
        "heat": (["val_loss", "top1", "val_top1+test_top1"], ["", "train_top1", "val_top1", "test_top1"]),
        "confusion": (["best"], [""]),
        "cost": (["x"], [""]),
        "sweep": (["", "lr", "cifar-resnet7"], []),  # of a study without an axis lr
        "sensitivity": (["x"], [""]),
        "per-label": (["", "bset"], ["best", "cifar-resnet7"]),
        "samples": (["lion:0", "lion:17"], ["", "lion", "umbrella+koala", "umbrella+koala:3"]),
        "augmented": (["", "flop", "mixup"], ["none", "five-cnns"]),
        "predictions": (  # of 10 x 20 images, four in each
            ["", "x", "-1", "1.5", "²", "50", "9" * 30, "@best", "0@net9", "50@best"],
            ["0", "49", "0@cifar-plain7", "1@best"],
        ),
        "filters": (["x"], [""]),
        "gap": (["x"], [""]),
        "network": (["", "cnn9", "net1+net6", "torchvision:resnet18"], ["net1", "cifar-plain7"]),
        "blocks": (["", "cnn9", "net1+", "cnn1", "net1+cnn1"], ["resnet18", "net1+net6"]),
    },
}  # fmt: skip
REGISTRIES = {"tables": TABLES, "figures": FIGURES}
CASES = [
    pytest.param(what, kind, argument, refused, id=f"{what}-{kind}:{argument[:12]}-{refused}")
    for what, kinds in ARGUMENTS.items()
    for kind, both in kinds.items()
    for refused, arguments in zip((True, False), both, strict=True)
    for argument in arguments
]


@pytest.mark.parametrize("what", REGISTRIES)
def test_every_kind_says_how_its_argument_is_checked(what: str) -> None:
    assert set(REGISTRIES[what]) == set(ARGUMENTS[what])
    for kind in REGISTRIES[what].values():
        assert isinstance(kind, Kind) and callable(kind.check) and callable(kind.function(what, "here"))


@pytest.mark.parametrize(("what", "kind", "argument", "refused"), CASES)
def test_arguments_of_kinds(what: str, kind: str, argument: str, refused: bool, tmp_path: Path) -> None:
    change = (f"{SHALLOW}.{what}.mine", f"{kind}:{argument}" if argument else kind)
    if refused:
        assert f"{KEY}.{what}.mine: " in said(tmp_path, change)
    else:
        planned(tmp_path, change)


@pytest.mark.parametrize("what", REGISTRIES)
@pytest.mark.parametrize("kind", ["acuracy", "bars", "", ":", "curve", "Dots", "table_kinds:accuracy"])
def test_kinds_that_there_are_not(what: str, kind: str, tmp_path: Path) -> None:
    assert f"{KEY}.{what}.mine: unknown {what[:-1]} " in said(tmp_path, (f"{SHALLOW}.{what}.mine", kind))


def test_of_many_names_a_refusal_lists_the_most_alike() -> None:
    """By hand: of a hundred, ten, the nearest among them and as what may have been meant; of a few, all."""
    many = choose("file", "trial-7", [f"p/trial-{i}" for i in range(100)], "row")
    assert str(many).startswith("file: unknown row 'trial-7'; allowed: 100 names, most like it p/trial-7, ")
    assert str(many).count("p/trial-") == 11 and str(many).endswith("; did you mean 'p/trial-7'?")
    assert str(choose("file", "c", ["a", "b"])) == "file: unknown value 'c'; allowed: a, b"


def test_kinds_that_need_an_axis_want_it(tmp_path: Path) -> None:
    at = "drawn.tinyimage10.optimiser"  # without axes
    for what, kind in (
        ("tables", "effects"),
        ("tables", "importance"),
        ("figures", "sensitivity"),
        ("figures", "heat"),
        ("figures", "sweep"),
    ):
        assert f"drawn.optimiser.{what}.mine: {kind}: " in said(tmp_path, (f"{at}.{what}.mine", kind))
    axes = "studies.tinyimage10.optimiser.axes"
    planned(tmp_path, (axes, {"lr": [0.1, 0.2]}), (f"{at}.figures.mine", "sweep"))
    both = {"lr": [0.1, 0.2], "weight-decay": [0.0, 0.1], "momentum": [0.5, 0.9]}
    planned(tmp_path, (axes, both), (f"{at}.figures.mine", "sweep:0.9"))
    for tried, level in ((both, "0.7"), ({"lr": [0.1], "momentum": [0.5]}, "0.5"), (both, "0.1")):
        kind = f"sweep:{level}"
        assert f"{kind}: " in said(tmp_path, (axes, tried), (f"{at}.figures.mine", kind))


def test_metrics_of_curves_are_those_of_the_plan() -> None:
    assert {f"{split}_{quantity}" for split in drawn.OF_SPLIT for quantity in drawn.QUANTITIES} == set(HISTORY)


SETTINGS: dict[str, tuple[dict[str, Any], str]] = {  # what is changed, and the key to blame
    "no such model of torchvision": ({"model": "torchvision:resnet81"}, "model"),
    "a detector": ({"model": "torchvision:fasterrcnn_resnet50_fpn"}, "model"),
    "nothing behind torchvision": ({"model": "torchvision:"}, "model"),
    "a network too large for the images": ({"model": "alexnet"}, "model"),
    "sides that patches do not divide": ({"model": "torchvision:vit_h_14"}, "model"),
    "too small for torchvision's": ({"model": "torchvision:inception_v3"}, "model"),
    "a last ReLU of another network": ({"model": "net1", "last_relu": True}, "last_relu"),
    "dropout of ResNet": ({"model": "resnet18", "dropout": 0.5}, "dropout"),
    "dropout of cnn1": ({"model": "cnn1", "dropout": 0.1}, "dropout"),
    "dropout of torchvision's": ({"model": "torchvision:shufflenet_v2_x1_0", "dropout": 0.5}, "dropout"),
    "activation without ReLU": ({"model": "torchvision:vit_b_16", "activation": "elu"}, "activation"),
    "activation of functions": ({"model": "torchvision:densenet121", "activation": "elu"}, "activation"),
    "stem of torchvision's": ({"model": "torchvision:vgg11", "stem": "cifar"}, "stem"),
    "ImageNet's weights with another stem": ({"model": "resnet18", "stem": "cifar", "weights": "imagenet"}, "stem"),
    "ImageNet's weights that are not": ({"model": "torchvision:regnet_y_128gf", "weights": "imagenet"}, "weights"),
    "ImageNet's positions": ({"model": "torchvision:vit_b_16", "weights": "imagenet"}, "weights"),
    "more images than there are": ({"per_class": 51}, "per_class"),
    "more images than the holdout leaves": ({"per_class": 41, "split": "holdout"}, "per_class"),
    "one class too many": ({"classes": [0, 11]}, "classes"),
    "names of too many classes": ({"classes": list("abcdefghijk")}, "classes"),
    "batches of one for a dense layer": ({"model": "cnn3", "batch_size": 1}, "batch_size"),
    "batches of one at one pixel": ({"model": "resnet18", "batch_size": 1}, "batch_size"),
    "one image in all": ({"model": "cnn4", "classes": [0, 1], "per_class": 1}, "per_class"),
    "nothing to mix": ({"batch_size": 1, "mix": "mixup"}, "mix"),
    "nothing to cut": ({"classes": [0, 1], "per_class": 1, "mix": "cutmix"}, "mix"),
    "a file that is no safetensors": ({"weights": "file:{here}/damaged.safetensors"}, "weights"),
}  # fmt: skip


@pytest.mark.parametrize("case", SETTINGS)
def test_what_an_arm_cannot_have_is_refused_where_it_was_set(case: str, tmp_path: Path) -> None:
    changes, key = SETTINGS[case]
    (tmp_path / "damaged.safetensors").write_bytes(b"no weights")
    changes = {k: v.format(here=tmp_path) if isinstance(v, str) else v for k, v in changes.items()}
    at = "studies.tinyimage10.optimiser.settings"
    message = said(tmp_path, (at, changes))
    assert f"params.yaml: {at}.{key}: " in message


def test_a_source_of_weights_is_checked_as_an_arm_is(tmp_path: Path) -> None:
    asks = ("studies.tinyimage10.optimiser.settings", {"weights": "pretrain:p"})
    for fault in (
        {"per_class": 51},
        {"classes": [0, 11]},
        {"dropout": 2},
        {"split": "hold"},
        {"weights": "imagenet"},
    ):
        assert f"params.yaml: pretraining.p.{next(iter(fault))}: " in said(tmp_path, ("pretraining.p", fault), asks)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "torchvision:resnet18", "stem": "cifar"},
        {"model": "resnet18", "dropout": 0.0},
        {"model": "torchvision:wide_resnet50_2", "weights": "imagenet"},
        {"per_class": 50},
        {"per_class": 40, "split": "holdout"},
        {"classes": [9, 10]},
        {"batch_size": 1},  # of which the maps are not a single pixel
        {"model": "resnet18", "stem": "cifar", "batch_size": 1},
        {"model": "resnet18", "weights": "imagenet", "finetune": "head", "batch_size": 1},  # its normalisation rests
        {"model": "cnn4", "batch_size": 3, "classes": [0, 1], "per_class": 4},  # the last image joins those before
        {"model": "cnn4", "batch_size": 1, "classes": [0, 1], "per_class": 2},
    ],
)
def test_what_an_arm_can_have_is_not(changes: dict[str, Any], tmp_path: Path) -> None:
    planned(tmp_path, ("studies.tinyimage10.optimiser.settings", changes))


@pytest.mark.parametrize("place", ["seeds", "studies.tinyimage10.optimiser.seeds"])
def test_seeds_stand_there_once(place: str, tmp_path: Path) -> None:
    assert f"params.yaml: {place}: must each stand there once" in said(tmp_path, (place, [3, 0, 3]))


def test_a_holdout_needs_ten_images_of_a_class(tmp_path: Path) -> None:
    few = ("datasets.cifar10.train_per_class", 9)
    assert "defaults.split: " in said(tmp_path, few, ("defaults.split", "holdout"))


@pytest.mark.parametrize("label", [None, True, 1, 0.5, [], {}, "", " "])
def test_a_label_is_text(label: Any, tmp_path: Path) -> None:
    level = {"label": label, "model": "cifar-plain7"}
    assert f"{PAPER}.axes.model[0].label" in said(tmp_path, (f"{PAPER}.axes", {"model": [level]}))


@pytest.mark.parametrize("gpus", [[0, "00"], ["0", 0], ["٣"], [True], [1.5], {"a": 1}, "0,1", [None], [[]], 0])
def test_gpus_are_named_once_each(gpus: Any, tmp_path: Path) -> None:
    assert "compute.gpus" in said(tmp_path, ("compute.gpus", gpus))
