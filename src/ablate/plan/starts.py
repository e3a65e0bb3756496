"""Arms that begin where others ended: from their weights (`weights: run:...`), or going on with them (`extends`)."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from ablate.errors import UserError, choose
from ablate.plan.arms import OF_RUN
from ablate.plan.settings import Settings
from ablate.plan.trainers import OwnSettings
from ablate.plurals import many
from ablate.records import explain

EXTENDS = "extends"  # instead of settings: group/study/arm whose settings it has, but for these
OTHERS = ("epochs", "keep")
# Schedules that move by what has been, and not by how much is to come.
UNENDING = ("constant", "step", "multi-step", "plateau")
Layers = Sequence[tuple[str, Mapping[str, Any]]]  # (where it stands, values), later ones beating earlier ones
R = TypeVar("R")


@dataclass(frozen=True)
class Arm:
    """An arm in its place."""

    paper: str
    study: str
    name: str
    levels: dict[str, str]
    seeds: tuple[int, ...]
    where: str  # its study's key
    settings: Settings | OwnSettings | None  # None: it extends another, by `layers`
    layers: Layers = ()

    @property
    def place(self) -> str:
        """As others name it."""
        return f"{self.paper}/{self.study}/{self.name}"

    @property
    def resolved(self) -> Settings | OwnSettings:
        """Its settings, once they are known."""
        assert self.settings is not None
        return self.settings

    @property
    def parent(self) -> str | None:
        """The place of the arm that it extends."""
        return extended(values for _, values in self.layers)


def extended(layers: Iterable[Mapping[str, Any]]) -> str | None:
    """The arm that one with these layers extends, if any."""
    found = [values[EXTENDS] for values in layers if EXTENDS in values]
    return str(found[-1]) if found else None


def architecture(arm: Settings) -> dict[str, Any]:
    """What must be the same for weights to fit, and for them to mean the same."""
    keys = ("model", "model_args", "stem", "activation", "last_relu")
    return {key: getattr(arm, key) for key in keys if getattr(arm, key) is not None}


def stated_seed(weights: str) -> int | None:
    """The seed behind the @ of ``run:<group>/<study>/<arm>@<seed>``; None: each run's own."""
    found = re.search(r"@(0|[1-9][0-9]{0,8})$", weights, re.ASCII)
    return int(found[1]) if found else None


def settled(arms: Iterable[Arm]) -> dict[str, Arm]:
    """{place: arm} with settings for all, those that extend others included.

    Raises:
        UserError: For an arm that cannot be extended so; it names the study.
    """
    found = {arm.place: arm for arm in arms}

    def settle(arm: Arm, below: tuple[str, ...] = ()) -> Settings | OwnSettings:
        if (parent := arm.parent) is None or arm.settings is not None:
            return arm.resolved
        where = f"{arm.where}, arm {arm.name!r}: {EXTENDS}"
        if parent not in found:
            raise choose(where, parent, found, "arm, as GROUP/STUDY/ARM,")
        if parent in (*below, arm.place):
            raise UserError(
                f"{where}: {' extends '.join((*below, arm.place, parent))}; let one have its own settings"
            )
        settings = _extension(settle(found[parent], (*below, arm.place)), arm, where)
        found[arm.place] = replace(arm, settings=settings)
        return settings

    for arm in [*found.values()]:
        settle(arm)
    return found


def _extension(parent: Settings | OwnSettings, arm: Arm, where: str) -> Settings:
    own: dict[str, Any] = {}
    if isinstance(parent, OwnSettings):
        raise UserError(
            f"{where}: {arm.parent} is of an own trainer, whose epochs are its own affair; write another arm"
        )
    for place, values in arm.layers:
        if other := [key for key in values if key not in (EXTENDS, *OTHERS)]:
            raise UserError(
                f"{place}.{other[0]}: an arm that extends another has its settings, but for epochs and keep"
            )
        own |= {key: value for key, value in values.items() if key in OTHERS}
    if "epochs" not in own:
        raise UserError(f"{where}: add epochs: <how many in all>")
    try:
        settings = Settings.model_validate(parent.model_dump() | own)
    except ValidationError as error:
        raise UserError(f"{where}: {error.errors()[0]['loc']}: {explain(error.errors()[0])}") from None
    if settings.epochs < parent.epochs:
        raise UserError(f"{where}: {many(settings.epochs, 'epoch')}, of which it has had {parent.epochs}; write more")
    if settings.epochs > parent.epochs and (fault := not_unending(parent)):
        raise UserError(f"{where}: {fault}; write an arm of its own with epochs: {settings.epochs}")
    return settings


def not_unending(s: Settings) -> str | None:
    """Why a run cannot go on beyond its last epoch as a longer one would have; None where it can."""
    if s.schedule in UNENDING:
        return None
    how = "goes down to 0 at the last epoch" if s.schedule == "cosine" else "has its peak at 30 % of the epochs"
    return f"schedule: {s.schedule} {how}, so that more epochs are another run from its first step on"


class Starts(Generic[R]):
    """The runs whose weights others start from.

    ``run`` makes a run of settings, a seed and the run that it starts from; ``source`` the pretraining run of
    settings and a seed, where they name one.
    """

    def __init__(
        self,
        arms: Mapping[str, Arm],
        run: Callable[[Settings | OwnSettings, int, R | None], R],
        source: Callable[[Settings | OwnSettings, int], R | None],
    ) -> None:
        self._arms, self._run, self._source = arms, run, source
        self._found: dict[tuple[str, int], R | None] = {}

    def of(self, arm: Arm, seed: int, below: tuple[str, ...] = ()) -> R | None:
        """The run whose weights ``arm`` with ``seed`` starts from, if any; ``below`` are arms that start from it.

        Raises:
            UserError: If there is none such, or it does not fit; it names the study.
        """
        key = arm.place, seed
        if key not in self._found:
            of_run = arm.resolved.weights.startswith(OF_RUN)
            self._found[key] = self._of_arm(arm, seed, below) if of_run else self._source(arm.resolved, seed)
        return self._found[key]

    def _of_arm(self, arm: Arm, seed: int, below: tuple[str, ...]) -> R:
        ours, where = arm.resolved, f"{arm.where}, arm {arm.name!r}: weights"
        stated = stated_seed(ours.weights)
        place = ours.weights.removeprefix(OF_RUN).removesuffix("" if stated is None else f"@{stated}")
        if place not in self._arms:
            raise choose(where, place, self._arms, "arm, as GROUP/STUDY/ARM,")
        source, trail = self._arms[place], (*below, arm.place)
        theirs = source.resolved
        if place in trail:
            raise UserError(f"{where}: {' starts from '.join((*trail, place))}; let one start from other weights")
        if isinstance(theirs, OwnSettings) or isinstance(ours, OwnSettings) or theirs.keep == "none":
            raise UserError(f"{where}: {place} keeps no weights; add keep: last, or keep: best, to its settings")
        if architecture(theirs) != architecture(ours):
            raise UserError(f"{where}: {place} has another network; give both the same model, arguments and layers")
        if ours.dataset == theirs.dataset and (ours.split, theirs.split) == ("holdout", "official"):
            raise UserError(
                f"{where}: {place} has trained on images that split: holdout tests on; give both one split"
            )
        wanted = seed if stated is None else stated
        if wanted not in source.seeds and seed in arm.seeds:
            seeds = ", ".join(map(str, source.seeds))
            raise UserError(
                f"{where}: {place} has the seeds {seeds}, and no {wanted}; give both the same, or write "
                f"{OF_RUN}{place}@{source.seeds[0]}"
            )
        return self._run(theirs, wanted, self.of(source, wanted, trail))
