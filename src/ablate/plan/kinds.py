"""The kinds of tables and figures that a study can ask for, and what each takes after its colon.

A new kind has a line here: its function, and the check that its argument must pass, so that a wrong one is refused
before anything is trained. Imports no torch, no pandas and no matplotlib.
"""

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ablate.errors import UserError, choose
from ablate.plan.fit_rules import network_fault
from ablate.plan.names import arm_or_best, arms_in
from ablate.plan.settings import AUGMENTS, Settings

HISTORY = ("train_top1", "val_top1", "train_loss", "val_loss")  # metrics of each epoch
ANSWERS = 4  # images of one figure of predictions
CIFAR_SIDE, PRINTED_SIDE = 32, 64  # pixels of the images for which papers print a network


@dataclass(frozen=True)
class Asked:
    """What an argument is checked against: the study as it is planned."""

    arms: Mapping[str, Settings]
    axes: Sequence[str]
    images: int  # evaluated at the end, of the arm that has most: of test, or else of val


Drawings = Mapping[str, Mapping[str, str]]  # "tables" and "figures": name: kind, an argument after a colon
Check = Callable[[str, str, Asked], None]  # (key and kind for messages, argument, study) raises UserError


class Kind(NamedTuple):
    """What makes a table or a figure, and what it can be asked for."""

    place: str  # "module:function" of tables/ or figures/
    check: Check  # that its argument must pass
    pack: bool = False  # whether it reads the study's pack: of figures alone

    @property
    def module(self) -> str:
        """The module of tables/ or figures/ that has the function."""
        return self.place.partition(":")[0]

    def function(self, room: str) -> Callable[..., Any]:
        """The one that makes it, imported now: some import torch, or matplotlib."""
        module, _, name = self.place.partition(":")
        function: Callable[..., Any] = getattr(importlib.import_module(f"ablate.{room}.{module}"), name)
        return function


def printed_side(model: str) -> int:
    """Side in pixels of the images that a paper prints a network for."""
    return CIFAR_SIDE if model.startswith("cifar-") else PRINTED_SIDE


def curves_of(argument: str, arms: Sequence[str], where: str = "curves") -> tuple[list[str], list[str]]:
    """The metrics and arms of METRIC+METRIC@ARM+ARM; two accuracies, and all arms, where none is named."""
    asked, _, named = argument.partition("@")
    metrics = asked.split("+") if asked else ["train_top1", "val_top1"]
    for metric in metrics:
        if metric not in HISTORY:
            raise choose(where, metric, HISTORY, "metric")
    if len(set(metrics)) < len(metrics):
        raise UserError(f"{where}: a metric stands there twice; name each once")
    if not named:
        return metrics, list(arms)
    return metrics, arms_in(named, arms, where)


def _none(where: str, argument: str, asked: Asked) -> None:
    if argument:
        raise UserError(f"{where}: takes no argument; remove :{argument}")


def _any(where: str, argument: str, asked: Asked) -> None:
    """Words of classes, which the data have or have not: the figure says so."""


def _curves(where: str, argument: str, asked: Asked) -> None:
    curves_of(argument, list(asked.arms), where)


def _split(where: str, argument: str, asked: Asked) -> None:
    if argument not in ("train", "val"):
        raise choose(where, argument, ("train", "val"), "split")


def _arm(where: str, argument: str, asked: Asked) -> None:
    arm_or_best(argument, asked.arms, where)


def _augmentation(where: str, argument: str, asked: Asked) -> None:
    if argument not in AUGMENTS:
        raise choose(where, argument, AUGMENTS, "augmentation")


def _batch(where: str, argument: str, asked: Asked) -> None:
    last = asked.images // ANSWERS - 1
    if not re.fullmatch("[0-9]{1,9}", argument) or int(argument) > last:
        raise choose(where, argument, [f"0 to {last}" if last > 0 else "0" if last == 0 else "nothing"], "batch")


def _axes(where: str, argument: str, asked: Asked) -> None:
    _none(where, argument, asked)
    if not asked.axes:
        raise UserError(f"{where}: its study has no axes; add axes, or choose another kind")


def _rates(where: str, argument: str, asked: Asked) -> None:
    _none(where, argument, asked)
    if "lr" not in asked.axes:
        raise UserError(f"{where}: its study has no axis lr; add one, or choose another kind")


def _networks(where: str, argument: str, asked: Asked) -> None:
    for name in argument.split("+"):
        if fault := network_fault(name, printed_side(name)):
            raise UserError(f"{where}: {fault}")


def _network(where: str, argument: str, asked: Asked) -> None:
    if "+" in argument:
        raise UserError(f"{where}: takes one network; write a table for each")
    _networks(where, argument, asked)


def _own_networks(where: str, argument: str, asked: Asked) -> None:
    _none(where, argument, asked)
    _networks(where, "+".join(s.model for s in asked.arms.values()), asked)


# By the word in papers/<id>.yaml; an argument may stand behind it, after a colon: layers:cnn1.
TABLES: dict[str, Kind] = {
    "accuracy": Kind("accuracy:accuracy", _none),
    "train-val": Kind("accuracy:train_val", _none),
    "trials": Kind("accuracy:trials", _none),
    "nets": Kind("accuracy:nets", _own_networks),
    "per-label": Kind("per_label:per_label", _arm),
    "layers": Kind("networks:layers", _network),
    "parameters": Kind("networks:parameters", _networks),
    "effects": Kind("effects:effects", _axes),
    "sensitivity": Kind("effects:sensitivity", _axes),
}
FIGURES: dict[str, Kind] = {
    "curves": Kind("curves:curves", _curves),
    "trials": Kind("curves:trials", _split),
    "bars": Kind("bars:bars", _none),
    "sweep": Kind("bars:sweep", _rates),
    "sensitivity": Kind("sensitivity:sensitivity", _axes),
    "per-label": Kind("bars:per_label", _arm, pack=True),
    "samples": Kind("images:samples", _any, pack=True),
    "augmented": Kind("images:augmented", _augmentation, pack=True),
    "predictions": Kind("images:predictions", _batch, pack=True),
    "filters": Kind("images:filters", _none),
}
PICTURES = {name for name, kind in FIGURES.items() if kind.pack}


def check_kinds(drawn: Drawings, where: str, arms: Mapping[str, Settings], axes: Sequence[str], images: int) -> None:
    """Refuse a kind or an argument that a study cannot have, of which ``where`` is the key in its paper's file.

    Args:
        drawn: Its tables and figures.
        where: For messages.
        arms: Its arms, by name.
        axes: Its axes.
        images: Evaluated at the end, of the arm that has most.

    Raises:
        UserError: For a kind that there is not, and for an argument that it does not take.
    """
    asked = Asked(arms, axes, images)
    for what, kinds, known in (("tables", drawn["tables"], TABLES), ("figures", drawn["figures"], FIGURES)):
        for name, kind in kinds.items():
            word, _, argument = kind.partition(":")
            key = f"{where}.{what}.{name}"
            if word not in known:
                raise choose(key, word, known, what[:-1])
            known[word].check(f"{key}: {kind}", argument, asked)
