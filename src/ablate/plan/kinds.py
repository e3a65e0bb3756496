"""The kinds of tables and figures that a study can ask for, and what each takes after its colon.

A new kind has a line here, with the check that its argument must pass, so that a wrong one is refused before anything
is trained, and a line beside its function. Imports no torch, no pandas and no matplotlib.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from ablate.errors import UserError, choose
from ablate.plan.fit_rules import network_fault
from ablate.plan.names import arm_or_best, arms_in
from ablate.plan.params import Dataset, Study
from ablate.plan.settings import Settings

if TYPE_CHECKING:  # plan calls this module
    from ablate.plan.runs import Planned


HISTORY = ("train_top1", "val_top1", "train_loss", "val_loss")  # metrics of each epoch
ANSWERS = 4  # images of one figure of predictions
CIFAR_SIDE, PRINTED_SIDE = 32, 64  # pixels of the images for which papers print a network


@dataclass(frozen=True)
class Asked:
    """What an argument is checked against: the study as it is planned."""

    arms: Mapping[str, Settings]
    axes: Sequence[str]
    images: int  # evaluated at the end, of the arm that has most: of test, or else of val


Check = Callable[[str, str, Asked], None]  # (key and kind for messages, argument, study) raises UserError


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
    known = get_args(Settings.model_fields["augment"].annotation)
    if argument not in known:
        raise choose(where, argument, known, "augmentation")


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


# Kind: the check that its argument must pass. tables/registry and figures/registry say which function makes it.
TABLES: dict[str, Check] = {
    "accuracy": _none,
    "train-val": _none,
    "trials": _none,
    "nets": _own_networks,
    "per-label": _arm,
    "layers": _network,
    "parameters": _networks,
    "effects": _axes,
    "sensitivity": _axes,
}
FIGURES: dict[str, Check] = {
    "curves": _curves,
    "trials": _split,
    "bars": _none,
    "sweep": _rates,
    "sensitivity": _axes,
    "per-label": _arm,
    "samples": _any,
    "augmented": _augmentation,
    "predictions": _batch,
    "filters": _none,
}


def check_kinds(study: Study, where: str, planned: Sequence["Planned"], datasets: Mapping[str, Dataset]) -> None:
    """Refuse a kind or an argument that ``study``, of which ``where`` is the key, cannot have."""
    arms = {p.arm: p.run.settings for p in planned}
    axes = list(planned[0].levels) if planned else []
    asked = Asked(arms, axes, max((datasets[s.dataset].tested(s) for s in arms.values()), default=0))
    for what, kinds, known in (("tables", study.tables, TABLES), ("figures", study.figures, FIGURES)):
        for name, kind in kinds.items():
            word, _, argument = kind.partition(":")
            key = f"{where}.{what}.{name}"
            if word not in known:
                raise choose(key, word, known, what[:-1])
            known[word](f"{key}: {kind}", argument, asked)
