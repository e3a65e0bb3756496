"""What papers and scales say of studies, laid over each other. Oracle: the arms' settings, written out by hand."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ablate.errors import UserError
from ablate.plan.params import load
from ablate.plan.runs import make_plan
from conftest import ROOT, TINY
from test_params_shapes import as_yaml

STUDIES = """
studies:
  five:
    settings: {lr: 0.02, batch_size: 10}
    models:
      settings: {batch_size: 20}
      axes:
        model: [{label: A, model: cifar-plain7}, {label: B, model: cifar-resnet7, per_class: 4}]
        epochs: [1, 2]
    others:
      axes: {model: as in models, lr: [0.1, 0.2]}
    plain: {}
  alone:
    start:
      axes:
        weights: [{label: scratch, weights: scratch}, {label: pretrained, model: resnet18, weights: imagenet}]
"""
HEAD = TINY[: TINY.index("studies:")] + "pretraining: {others: {classes: [5, 10]}, more: {classes: [0, 5]}}"


def arms(tmp_path: Path, scale: Any, *settings: str, values: Any = None, studies: str = STUDIES) -> dict[str, Any]:
    """{study: arm: values of ``settings``} with ``scale`` as the overlay."""
    path = tmp_path / "params.yaml"
    path.write_text(f"{HEAD}{studies}scales: {as_yaml({'tiny': scale})}\n")
    found: dict[str, Any] = {}
    for p in make_plan(load(path, values)).planned:
        whole = p.run.settings.model_dump()
        found.setdefault(p.study, {})[p.arm] = tuple(whole[name] for name in settings)
    return found


def five(**sections: Any) -> dict[str, Any]:
    return {"studies": {"five": sections}}


def test_studies_share_their_paper_s_settings(tmp_path: Path) -> None:
    """The last one wins: defaults, paper, study, overrides, the scale's for the paper, for the study, the level."""
    found = arms(tmp_path, {}, "lr", "batch_size", "per_class")
    assert found["plain"] == {"cifar-plain7": (0.02, 10, 5)}
    assert found["models"]["A / 1"] == (0.02, 20, 5) and found["models"]["B / 2"] == (0.02, 20, 4)
    assert found["others"]["B / 0.2"] == (0.2, 10, 4)
    assert found["start"]["scratch"] == (0.01, 50, 5)
    scale = {"overrides": {"lr": 0.3, "batch_size": 30}}
    scale |= five(settings={"lr": 0.4}, models={"settings": {"lr": 0.5}})
    found = arms(tmp_path, scale, "lr", "batch_size")
    assert found["plain"] == {"cifar-plain7": (0.4, 30)}
    assert found["models"]["A / 1"] == (0.5, 30)
    assert found["others"]["A / 0.1"] == (0.1, 30)
    assert found["start"]["scratch"] == (0.3, 30)


def test_a_scale_changes_levels_by_their_labels(tmp_path: Path) -> None:
    """Others stay as they are, in their order; a study that has the levels of another has them as changed."""
    scale = five(models={"axes": {"model": {"B": {"per_class": 3, "lr": 0.7}}, "epochs": {"2": {"momentum": 0.5}}}})
    found = arms(tmp_path, scale, "model", "per_class", "lr", "epochs", "momentum")
    assert found["models"] == {
        "A / 1": ("cifar-plain7", 5, 0.02, 1, 0.0),
        "A / 2": ("cifar-plain7", 5, 0.02, 2, 0.5),
        "B / 1": ("cifar-resnet7", 3, 0.7, 1, 0.0),
        "B / 2": ("cifar-resnet7", 3, 0.7, 2, 0.5),
    }
    assert list(found["others"]) == ["A / 0.1", "A / 0.2", "B / 0.1", "B / 0.2"]
    assert found["others"]["B / 0.1"] == ("cifar-resnet7", 3, 0.1, 1, 0.0)


def test_a_scale_replaces_an_axis_and_leaves_out_levels_and_studies(tmp_path: Path) -> None:
    scale = five(models={"axes": {"model": {"A": None}, "epochs": [3]}}, plain=None)
    found = arms(tmp_path, scale, "epochs")
    assert found["models"] == {"B / 3": (3,)} and list(found["others"]) == ["B / 0.1", "B / 0.2"]
    assert "plain" not in found
    scale = five(models=None, others={"axes": {"model": {"B": {"epochs": 9}}}})
    found = arms(tmp_path, scale, "epochs")
    assert "models" not in found
    assert found["others"] == {"A / 0.1": (1,), "A / 0.2": (1,), "B / 0.1": (9,), "B / 0.2": (9,)}


def test_values_of_the_command_line_change_levels_too(tmp_path: Path) -> None:
    values = five(models={"axes": {"model": {"A": {"per_class": 2}}}}, settings={"lr": 0.6})
    found = arms(tmp_path, {}, "per_class", "lr", values=values)
    assert found["models"]["A / 1"] == (2, 0.6) and found["others"]["A / 0.1"] == (2, 0.1)


def test_other_weights_stand_in_for_imagenet_s(tmp_path: Path) -> None:
    assert arms(tmp_path, {}, "weights")["start"]["pretrained"] == ("imagenet",)
    found = arms(tmp_path, {"stand_in": {"imagenet": "pretrain:others"}}, "weights")
    assert found["start"] == {"scratch": ("scratch",), "pretrained": ("pretrain:others",)}


REFUSED: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "a label that there is not": (
        five(models={"axes": {"model": {"a": {"lr": 1}}}}),
        "scales.tiny.studies.five.models.axes.model.a",
        ["unknown level 'a'", "allowed: A, B"],
    ),
    "a label nearly right": (
        {"studies": {"alone": {"start": {"axes": {"weights": {"pretraind": {}}}}}}},
        "scales.tiny.studies.alone.start.axes.weights.pretraind",
        ["did you mean 'pretrained'"],
    ),
    "a setting of a label": (
        five(models={"axes": {"model": {"B": {"per_clas": 1}}}}),
        "scales.tiny.studies.five.models.axes.model.B.per_clas",
        ["did you mean 'per_class'"],
    ),
    "no settings of a label": (
        five(models={"axes": {"model": {"B": 3}}}),
        "scales.tiny.studies.five.models.axes.model.B",
        ["must be a mapping"],
    ),
    "labels of an axis that there is not": (
        five(models={"axes": {"modle": {"B": {}}}}),
        "scales.tiny.studies.five.models.axes.modle",
        ["did you mean 'model'"],
    ),
    "every level left out": (
        five(models={"axes": {"model": {"A": None, "B": None}}}),
        "studies.five.models.axes.model",
        ["at least 1 item"],
    ),
    "a paper that there is not": (
        {"studies": {"fve": {"models": {}}}},
        "scales.tiny.studies.fve",
        ["unknown paper", "did you mean 'five'"],
    ),
    "a study that there is not": (
        five(modles={"seeds": [1]}),
        "scales.tiny.studies.five.modles",
        ["unknown study", "did you mean 'models'"],
    ),
    "a key of a study": (
        five(models={"setings": {}}),
        "scales.tiny.studies.five.models.setings",
        ["did you mean 'settings'"],
    ),
    "a setting of a paper": (
        five(settings={"lrr": 1}),
        "scales.tiny.studies.five.settings.lrr",
        ["did you mean 'lr'"],
    ),
    "settings that are none": (five(settings=[1]), "scales.tiny.studies.five.settings", ["a mapping"]),
    "weights to stand in that there are not": (
        {"stand_in": {"imagenet": "pretrain:other"}},
        "scales.tiny.stand_in.imagenet",
        ["did you mean 'pretrain:others'"],
    ),
    "a file of them that there is not": (
        {"stand_in": {"imagenet": "file:x.safetensors"}},
        "scales.tiny.stand_in.imagenet",
        ["there is no file x.safetensors"],
    ),
    "weights to stand in for that there are not": (
        {"stand_in": {"imagnet": "pretrain:others"}},
        "scales.tiny.stand_in.imagnet",
        ["did you mean 'imagenet'"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_scale_cannot_change_is_refused_with_its_key(case: str, tmp_path: Path) -> None:
    scale, key, said = REFUSED[case]
    with pytest.raises(UserError) as caught:
        arms(tmp_path, scale)
    message = str(caught.value)
    assert f"params.yaml: {key}: " in message and len(message.splitlines()) == 1
    assert all(part in message for part in said), message


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ("as in modles", "unknown study with levels of this axis 'modles'; allowed: models; did you mean 'models'"),
        ("as in others", "unknown study with levels of this axis 'others'"),
        ("as in plain", "unknown study with levels of this axis 'plain'"),
        ("models", "should be a list"),
    ],
)
def test_levels_of_no_other_study_are_refused(levels: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        arms(tmp_path, {}, studies=STUDIES.replace("as in models", levels))
    assert "params.yaml: studies.five.others.axes.model: " in str(caught.value) and said in str(caught.value)


def test_the_shipped_file_is_read_without_knowing_of_anchors() -> None:
    """Oracle: the events of the YAML parser."""
    events = list(YAML(typ="safe", pure=True).parse((ROOT / "params.yaml").read_text()))
    assert not [event for event in events if getattr(event, "anchor", None)]
    assert not [event for event in events if getattr(event, "value", None) == "<<"]
