"""params.schema.json, by which editors check params.yaml. Oracles: the records that it is of, and `jsonschema`."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from ablate.cli import main as cli
from ablate.plan.schema import params_schema
from conftest import ROOT, TINY

FILE = ROOT / "params.schema.json"
SHIPPED: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
CHECK = Draft202012Validator(json.loads(FILE.read_text()))


def faults(tree: Any) -> list[str]:
    """The places that do not fit."""
    return [error.json_path for error in CHECK.iter_errors(tree)]


def test_the_file_is_what_the_command_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["ablate", "schema", "--output", str(tmp_path / "new.json")])
    with pytest.raises(SystemExit):
        cli.main()
    assert (tmp_path / "new.json").read_bytes() == FILE.read_bytes(), "say `ablate schema`"
    Draft202012Validator.check_schema(params_schema())


def test_params_name_the_schema_and_fit_it() -> None:
    first = (ROOT / "params.yaml").read_text().splitlines()[0]
    assert re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)[1] == FILE.name  # type: ignore[index]
    assert faults(SHIPPED) == []
    assert faults(YAML(typ="safe", pure=True).load(TINY)) == []


def at(*place: str | int, **change: Any) -> Callable[[dict[str, Any]], None]:
    """Set keys of what is at ``place``."""

    def make(tree: Any) -> None:
        for key in place:
            tree = tree[key]
        tree |= change

    return make


FIVE, DEMO = ("studies", "five-cnns"), ("scales", "demo")
WRONG: dict[str, Callable[[dict[str, Any]], None]] = {
    "a key": at(sede=3),
    "a key of compute": at("compute", device="gpu"),
    "a key of a data set": at("datasets", "cifar10", image_siz=32),
    "a digest": at("datasets", "cifar10", "digests", "official", sha256="6d95"),
    "a setting": at("defaults", optimiser="sgd"),
    "a type": at("defaults", lr="fast"),
    "a range": at("defaults", epochs=0),
    "a word": at("defaults", optimizer="sdg"),
    "a setting of a source of weights": at("pretraining", "other-classes", clases=[0, 5]),
    "a setting of a paper": at(*FIVE, "settings", gama=0.1),
    "a key of a study": at(*FIVE, "models", axis={}),
    "what is drawn": at(*FIVE, "models", tables={}),
    "a key of health": at("health", chance=0.1),
    "seeds": at(*FIVE, "models", seeds=[]),
    "an axis without labels": at(*FIVE, "models", "axes", modle=["cnn1"]),
    "an axis without levels": at(*FIVE, "models", "axes", lr=[]),
    "a level": at(*FIVE, "models", "axes", lr=["fast"]),
    "a level without a label": at(*FIVE, "models", "axes", lr=[{"lr": 0.1}]),
    "a setting of a level": at(*FIVE, "models", "axes", model=[{"label": "x", "modle": "cnn1"}]),
    "levels of another study": at(*FIVE, "augmentation", "axes", model="models"),
    "an argument that is none": at(*FIVE, own={"settings": {"model": "nets.py:Net", "width": {}}}),
    "a setting beside one's own network": at(*FIVE, own={"settings": {"model": "nets.py:Net", "lr": "fast"}}),
    "a name": lambda tree: tree["studies"].update({"Five CNNs": {}}),
    "a key of a scale": at(*DEMO, overides={}),
    "an override": at(*DEMO, "overrides", epoch=1),
    "weights that stand in": at(*DEMO, "stand_in", imagnet="scratch"),
    "a data set's key at a scale": at(*DEMO, "datasets", "cifar10", varient="embedded"),
    "a paper's setting at a scale": at(*DEMO, *FIVE, "settings", lrr=0.1),
    "a key of a study at a scale": at(*DEMO, *FIVE, "models", setings={}),
    "a setting of a level at a scale": at(*DEMO, *FIVE, "models", "axes", "model", "Model 3", per_clas=3),
}


@pytest.mark.papers()
@pytest.mark.parametrize("case", WRONG)
def test_what_is_misspelt_or_wrong_does_not_fit(case: str) -> None:
    tree = copy.deepcopy(SHIPPED)
    WRONG[case](tree)
    assert faults(tree)


RIGHT: dict[str, Callable[[dict[str, Any]], None]] = {
    "GPUs in a list": at("compute", gpus=[0, "GPU-a"]),
    "a study left out": at(*DEMO, *FIVE, models=None),
    "a level left out": at(*DEMO, *FIVE, "models", "axes", "model", **{"Model 3": None}),
    "an axis replaced": at(*DEMO, *FIVE, "models", "axes", model=["cnn1", {"label": "x", "model": "cnn2"}]),
    "levels of plain values": at(*FIVE, "models", "axes", **{"weight-decay": [0.1, 0], "classes": [[0, 5], None]}),
    "a data set of one's own": at("datasets", "cifar10", path="~/data", near_duplicates=None),
    "an empty scale": at("scales", mine=None),
    "arguments of one's own network": at(
        *FIVE,
        own={"settings": {"model": "nets.py:Net", "width": 8}, "axes": {"depth": [1, {"label": "x", "heads": 2}]}},
    ),
    "the same in a mapping": at(*FIVE, "settings", model_args={"width": 8}),
}


@pytest.mark.papers()
@pytest.mark.parametrize("case", RIGHT)
def test_what_the_loader_takes_fits(case: str) -> None:
    tree = copy.deepcopy(SHIPPED)
    RIGHT[case](tree)
    assert faults(tree) == []
