"""The kinds of tables and figures that a study can ask for, and what each takes after its colon.

A new kind has a line here: its function, and the check that its argument must pass, so that a wrong one is refused
before anything is trained. A function of the user's own is a kind by its name, FILE.py:NAME. Imports no torch, no
pandas and no matplotlib.
"""

import importlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ablate import own_code
from ablate.errors import UserError, choose
from ablate.models.registry import REGISTRY, own
from ablate.own_code import is_own, parted
from ablate.plan.fit_rules import facts, network_fault
from ablate.plan.metrics import BUILT_IN, Metrics
from ablate.plan.names import BEST, arm_or_best, arms_in
from ablate.plan.params import Dataset
from ablate.plan.settings import AUGMENTS, Settings
from ablate.plan.trainers import OwnSettings

HISTORY = ("train_top1", "val_top1", "train_loss", "val_loss")  # metrics of each epoch
SPLIT_METRICS = ("train_top1", "val_top1", "test_top1")  # of the last epoch
ANSWERS = 4  # images of one figure of predictions
MOST = 16  # images of one class in a figure of samples
RATE, DECAY = "lr", "weight-decay"  # axes of a sweep


@dataclass(frozen=True)
class Asked:
    """What an argument is checked against: the study as it is planned."""

    arms: Mapping[str, Settings]  # of the built-in trainer
    axes: Mapping[str, Collection[str]]  # the labels of its levels
    images: int  # evaluated at the end, of the arm that has most: of test, or else of val
    pixels: int  # side of the images of its first arm
    metrics: Metrics = field(default_factory=lambda: BUILT_IN)  # that its trainers measure
    own: tuple[str, ...] = ()  # arms of own trainers


Drawings = Mapping[str, Mapping[str, str]]  # "tables" and "figures": name: kind, an argument after a colon
Check = Callable[[str, str, Asked], None]  # (key and kind for messages, argument, study) raises UserError


class Kind(NamedTuple):
    """What makes a table or a figure, and what it can be asked for."""

    place: str  # "module:function" of tables/ or figures/, or FILE.py:NAME
    check: Check  # that its argument must pass
    pack: bool = False  # whether it reads the study's pack: of figures alone
    described: bool = False  # whether it reads what the data's description says of its classes
    runs: bool = True  # whether it shows results of runs, so that its title names scale and seeds
    any_trainer: bool = False  # whether it asks nothing of a run but metrics and curves

    @property
    def module(self) -> str:
        """The module of tables/ or figures/ that has the function."""
        return self.place.partition(":")[0]

    def function(self, room: str, where: str) -> Callable[..., Any]:
        """The one that makes it, imported now: some import torch, or matplotlib; ``where`` is the key that asks."""
        if is_own(self.place):
            return own_code.load(self.place, where)
        module, _, name = self.place.partition(":")
        function: Callable[..., Any] = getattr(importlib.import_module(f"ablate.{room}.{module}"), name)
        return function


def kind_of(word: str, known: Mapping[str, Kind]) -> Kind:
    """The kind of that name, which is one of ``known`` or a function of the user's own.

    A figure's function with a parameter ``places`` reads packs, as far as can be known without running it.
    """
    if is_own(word):
        return Kind(word, _own, pack="places" in own_code.parameters(word), any_trainer=True)
    return known[word]


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


def own_curves_of(argument: str, arms: Sequence[str], where: str = "curves") -> tuple[list[str], list[str]]:
    """As `curves_of`, of a study with own trainers: any columns of their curves, or none named."""
    asked, _, named = argument.partition("@")
    return asked.split("+") if asked else [], arms_in(named, arms, where) if named else list(arms)


def _own(where: str, argument: str, asked: Asked) -> None:
    """Only the function itself knows which arguments it takes, if any."""


def _none(where: str, argument: str, asked: Asked) -> None:
    if argument:
        raise UserError(f"{where}: takes no argument; remove :{argument}")


def samples_of(argument: str) -> tuple[list[str], int | None]:
    """The classes of CLASS+CLASS:COUNT, in words, and how many images of each; None where that is not said."""
    names, _, count = argument.rpartition(":")
    if not (names and count.isdecimal()):
        names, count = argument, ""
    return [name for name in names.split("+") if name], int(count) if count else None


def answers_of(argument: str, arms: Collection[str], where: str) -> tuple[int, str]:
    """The batch and the arm of BATCH@ARM; the best arm where none is named.

    Raises:
        UserError: For an arm that there is not.
    """
    batch, _, arm = argument.partition("@")
    return int(batch), arm_or_best(arm or BEST, arms, where)


def _heat(where: str, argument: str, asked: Asked) -> None:
    if not asked.axes:
        raise UserError(f"{where}: its study has no axes; add axes, or choose another kind")
    known = [*asked.metrics] if asked.own else SPLIT_METRICS
    if argument and argument not in known:
        raise choose(where, argument, known, "metric")


def _samples(where: str, argument: str, asked: Asked) -> None:
    """Whether the data have classes of these words, the figure says."""
    _, count = samples_of(argument)
    if count is not None and not 1 <= count <= MOST:
        raise choose(where, str(count), [f"1 to {MOST}"], "number of images")


def _curves(where: str, argument: str, asked: Asked) -> None:
    if asked.own:  # which columns their curves have, runs tell
        own_curves_of(argument, [*asked.arms, *asked.own], where)
    else:
        curves_of(argument, list(asked.arms), where)


def _by_arm(where: str, argument: str, asked: Asked) -> None:
    metrics, _ = curves_of(argument, list(asked.arms), where)
    if len({metric.partition("_")[2] for metric in metrics}) > 1:
        raise UserError(f"{where}: accuracies or losses, not both; write a figure for each")


def _controls(where: str, argument: str, asked: Asked) -> None:
    _none(where, argument, asked)
    if all(settings.labels != "shuffled" for settings in asked.arms.values()):
        raise UserError(f"{where}: its study has no arm with labels: shuffled; add one, or choose another kind")


def _split(where: str, argument: str, asked: Asked) -> None:
    if argument not in ("train", "val"):
        raise choose(where, argument, ("train", "val"), "split")


def _arm(where: str, argument: str, asked: Asked) -> None:
    arm_or_best(argument, asked.arms, where)


def _augmentation(where: str, argument: str, asked: Asked) -> None:
    if is_own(argument):
        own_code.check(argument, where)
    elif argument not in AUGMENTS:
        raise choose(where, argument, AUGMENTS, "augmentation")


def _batch(where: str, argument: str, asked: Asked) -> None:
    last = asked.images // ANSWERS - 1
    batch = argument.partition("@")[0]
    if not re.fullmatch("[0-9]{1,9}", batch) or int(batch) > last:
        raise choose(where, batch, [f"0 to {last}" if last > 0 else "0" if last == 0 else "nothing"], "batch")
    answers_of(argument, asked.arms, where)


def _axes(where: str, argument: str, asked: Asked) -> None:
    _none(where, argument, asked)
    if not asked.axes:
        raise UserError(f"{where}: its study has no axes; add axes, or choose another kind")


def _rates(where: str, argument: str, asked: Asked) -> None:
    for axis in (RATE, DECAY) if argument else (RATE,):
        if axis not in asked.axes:
            raise UserError(f"{where}: its study has no axis {axis}; add one, or choose another kind")
    levels = [label for axis, labels in asked.axes.items() if axis not in (RATE, DECAY) for label in labels]
    if argument and argument not in levels:
        raise choose(where, argument, levels, "level")


def _networks(where: str, argument: str, asked: Asked) -> None:
    for name in argument.split("+"):
        if fault := network_fault(name, asked.pixels):
            raise UserError(f"{where}: {fault}")


def _network(where: str, argument: str, asked: Asked) -> None:
    if "+" in argument:
        raise UserError(f"{where}: takes one network; write a table for each")
    _networks(where, argument, asked)


def _drawn(where: str, argument: str, asked: Asked) -> None:
    """Networks of ours: among torchvision's others are some with more branches than can be drawn."""
    for name in argument.split("+"):
        if name not in REGISTRY and not own(name):
            raise choose(where, name, [*REGISTRY, "<file>.py:<name>"], "network")
    _networks(where, argument, asked)


def _drawing(where: str, argument: str, asked: Asked) -> None:
    if "+" in argument:
        raise UserError(f"{where}: takes one network; write a figure for each")
    _drawn(where, argument, asked)


def _blocks(where: str, argument: str, asked: Asked) -> None:
    _drawn(where, argument, asked)
    for name in argument.split("+"):
        if not own(name) and not ((net := facts(name)) and net.blocks):
            raise UserError(f"{where}: {name} is not built of blocks; name another network, or write network:{name}")


def _own_networks(where: str, argument: str, asked: Asked) -> None:
    _none(where, argument, asked)
    _networks(where, "+".join(s.model for s in asked.arms.values()), asked)


# By the word in papers/<id>.yaml; an argument may stand behind it, after a colon: layers:cnn1.
TABLES: dict[str, Kind] = {
    "accuracy": Kind("accuracy:accuracy", _none, any_trainer=True),
    "train-val": Kind("accuracy:train_val", _none),
    "trials": Kind("accuracy:trials", _none),
    "nets": Kind("nets:nets", _own_networks),
    "gap": Kind("gap:gap", _none),
    "per-label": Kind("per_label:per_label", _arm, described=True),
    "layers": Kind("networks:layers", _network, runs=False),
    "parameters": Kind("networks:parameters", _networks, runs=False),
    "effects": Kind("effects:effects", _axes, any_trainer=True),
    "importance": Kind("effects:importances", _axes, any_trainer=True),
}
FIGURES: dict[str, Kind] = {
    "curves": Kind("curves:curves", _curves, any_trainer=True),
    "by-arm": Kind("curves:by_arm", _by_arm),
    "trials": Kind("curves:trials", _split),
    "dots": Kind("dots:dots", _none, any_trainer=True),
    "printed": Kind("printed:printed", _none),
    "heat": Kind("heat:heat", _heat, any_trainer=True),
    "confusion": Kind("confusion:confusion", _none, described=True),
    "cost": Kind("cost:cost", _none),
    "sweep": Kind("sweep:sweep", _rates),
    "sensitivity": Kind("sensitivity:sensitivity", _axes, any_trainer=True),
    "per-label": Kind("dots:per_label", _arm, described=True),
    "samples": Kind("samples:samples", _samples, pack=True, runs=False),
    "augmented": Kind("samples:augmented", _augmentation, pack=True, runs=False),
    "predictions": Kind("images:predictions", _batch, pack=True),
    "filters": Kind("filters:filters", _none),
    "controls": Kind("controls:controls", _controls),
    "gap": Kind("gap:gap", _none),
    "network": Kind("drawings:network", _drawing, runs=False),
    "blocks": Kind("drawings:blocks", _blocks, runs=False),
}
OF_CLASSES = {name for kinds in (TABLES, FIGURES) for name, kind in kinds.items() if kind.described}


def shows_images(figure: str) -> bool:
    """Whether a figure, by its kind with an argument or without, reads packs."""
    return kind_of(parted(figure)[0], FIGURES).pack


def check_kinds(
    drawn: Drawings,
    where: str,
    arms: Mapping[str, Settings | OwnSettings],
    axes: Mapping[str, Collection[str]],
    datasets: Mapping[str, Dataset],
    metrics: Metrics = BUILT_IN,
) -> None:
    """Refuse a kind or an argument that a study cannot have, of which ``where`` is the key in its paper's file.

    Args:
        drawn: Its tables and figures.
        where: For messages.
        arms: Its arms, by name.
        axes: Its axes, with the labels of each.
        datasets: By name, those of its arms among them.
        metrics: What its trainers measure.

    Raises:
        UserError: For a kind that there is not, and for an argument that it does not take.
    """
    built_in = {arm: s for arm, s in arms.items() if isinstance(s, Settings)}
    asked = Asked(
        built_in,
        axes,
        max((datasets[s.dataset].tested(s) for s in built_in.values()), default=0),
        next((datasets[s.dataset].image_size for s in built_in.values()), 0),
        metrics,
        tuple(arm for arm in arms if arm not in built_in),
    )
    for what, kinds, known in (("tables", drawn["tables"], TABLES), ("figures", drawn["figures"], FIGURES)):
        for name, kind in kinds.items():
            word, argument = parted(kind)
            key = f"{where}.{what}.{name}"
            if is_own(word):
                own_code.check(word, key)
            elif word not in known:
                raise choose(key, word, known, what[:-1])
            asks = kind_of(word, known)
            if asked.own and asks.runs and not asks.any_trainer:
                free = [name for name, each in known.items() if each.any_trainer]
                raise UserError(
                    f"{key}: {word} is of the built-in trainer's runs, and {asked.own[0]!r} has another; choose "
                    f"{' or '.join(free)}, or one of your own, FILE.py:NAME"
                )
            asks.check(f"{key}: {kind}", argument, asked)
