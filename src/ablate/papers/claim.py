"""A paper's claims as data: what each asks of which arms, by how much, and in which direction.

They stand under ``claims`` in ``papers/<id>.yaml``. `check_alone` checks one by itself, `check_names` against the
studies that there are; `evidence.py` measures what the runs say. Imports no torch and no pandas.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator, Field, PrivateAttr

from ablate import own_code
from ablate.errors import UserError, choose
from ablate.models.registry import REGISTRY
from ablate.own_code import is_own
from ablate.plan.metrics import BUILT_IN, Metric, Metrics
from ablate.records import Name, NotNegative, Record

Text = Annotated[str, Field(min_length=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Labels = Annotated[  # one or several
    tuple[Text, ...], Field(min_length=1), BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)
]
Direction = Literal["greater", "less", "same", "differs"]
Levels = Mapping[str, Mapping[str, Mapping[str, str]]]  # study: arm: axis: label


NO_RANGE = (-inf, inf)


class Measure(NamedTuple):
    """What one run is measured by."""

    words: str
    unit: str  # of differences in it
    factor: float = 100  # to that unit from the one in which margins are written
    range: tuple[float, float] = NO_RANGE  # of one run, before the factor

    def bounds(self, weights: Iterable[float]) -> tuple[float, float]:
        """Between which a sum of runs with these weights can lie, in the unit of differences."""
        low, high = (self.factor * end for end in self.range)
        ends = [(w * low, w * high) if w > 0 else (w * high, w * low) for w in weights]
        return sum(end for end, _ in ends), sum(end for _, end in ends)


def _measure(metric: Metric, name: str) -> Measure:
    return Measure(metric.words or name, metric.of_differences, metric.factor, metric.range or NO_RANGE)


# Beside the metrics that trainers declare; of the built-in trainer's runs alone.
GAP = Measure("gap between training and validation accuracy", "points", range=(-1, 1))
# Of a network, on which no run has a say: in a claim of kind `order`, whose arms are then networks.
OF_NETWORKS = {"parameters": Measure("number of parameters", "parameters", 1)}
# Each is a number of one run; verdicts/behaviours.py has the functions.
BEHAVIOURS = {
    # Share of the evaluated images that get the label which is predicted most often.
    "largest-label-share": Measure("share of images given the most predicted label", "share", 1, (0, 1)),
    # Of the last epoch. A run that diverged stands at chance, 1 / classes: it did not learn its images.
    "final-train-top1": Measure("final training accuracy", "points", range=(0, 1)),
    # Of the first epoch, in passing.
    "first-train-top1": Measure("training accuracy in the first epoch", "points", range=(0, 1)),
    # Share of the evaluated images of one class that are right, less that of another: the two of `labels`.
    "label-accuracy": Measure("accuracy", "points", range=(-1, 1)),
    # How early a run gets where its pair gets as well, whatever the one or the other ends at: its curve, cut off at
    # the lower of the two's best accuracies in that seed, averaged over the epochs as a share of that. For a curve
    # that rises, a difference of 0.1 says that accuracies which both reach come a tenth of the epochs earlier. It
    # asks the same of both, and is defined for runs that never learn.
    "train-speed": Measure("speed with which training accuracy rises", "share", 1, (0, 1)),
    "val-speed": Measure("speed with which validation accuracy rises", "share", 1, (0, 1)),
    # Epoch of the lowest validation loss, the first of equals, as a share of the epochs that the run had. Where that
    # is the last epoch, the run has not overfitted yet, and the claim stays undecided if that could settle it.
    "overfit-epoch": Measure("share of the epochs until the lowest validation loss", "share", 1, (0, 1)),
    "lowest-val-loss": Measure("lowest validation loss of all epochs", "nats", 1, (0, inf)),
}
OF_PAIRS = ("train-speed", "val-speed")  # which have to have `minus`

# By kind: the keys that a claim must have beside id, quote, where, kind, margin and why, and those that it may have.
KEYS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    kind: (frozenset(must.split()), frozenset(may.split()))
    for kind, must, may in [
        ("value", "study metric arm reported", "minus"),
        ("order", "metric arms", "study over below"),
        ("effect", "study metric axis level reference direction", "at"),
        ("interaction", "study metric axes direction", "at"),
        ("gap", "study arm direction", "minus value reported"),
        ("behaviour", "study behaviour direction", "arm arms minus threshold labels unit"),
    ]
}
OF_ALL = frozenset({"id", "quote", "where", "says", "also", "kind", "margin", "why", "note", "needs", "clean"})
# What a reported metric is among BUILT_IN, where it has another name there; errors are 1 less an accuracy.
ERRORS = {"val_error": "val_top1", "test_error": "test_top1"}


class Place(Record):
    """Where else a paper says the same of the same arms."""

    quote: Text  # verbatim, as a claim's
    where: Text


class Needs(Record):
    """What a claim needs before results say anything about it."""

    # Arms of its study that must have learnt: those that it compares, or the ones named, be it as what another is
    # held against. `none`: what it says is true or false of networks that have not learnt as well.
    learnt: Literal["all", "none"] | Annotated[tuple[Text, ...], Field(min_length=1)] = "all"
    absolute: bool = False  # its number belongs to the paper's data, classes, images, weights and epochs


class Claim(Record):
    """One sentence of a paper that results can support or contradict, or a hypothesis of one's own."""

    id: Name
    quote: Text | None = None  # verbatim from the paper's text; white space and markup may differ. None: one's own
    where: Text | None = None
    says: Text | None = None  # a hypothesis in words of one's own, in place of those made from its fields
    also: tuple[Place, ...] = ()  # other places that say the same
    kind: Literal["value", "order", "effect", "interaction", "gap", "behaviour"]
    margin: NotNegative  # the smallest difference that counts, in the metric's unit; accuracies are fractions
    why: Text | None = None  # one sentence: why this margin
    note: Text | None = None
    needs: Needs = Needs()
    clean: Name | None = None  # id of the claim that compares the same from weights that have not seen the images
    study: Text | None = None
    metric: Text | None = None  # of its study's trainers, or gap, or one of OF_NETWORKS
    direction: Direction | None = None
    arm: Text | None = None  # its label, as `ablate plan --runs` prints it
    minus: Text | None = None  # another arm, which is subtracted
    arms: tuple[Text, ...] = ()  # order: the highest first, of an own trainer the best; behaviour: each of them
    over: Literal["next", "rest"] = "next"  # order: each arm over the next one, or the first over every other
    below: tuple[Text, ...] = ()  # order, in place of over: each of arms over each of these
    reported: Name | None = None  # value, gap: id of the entry of `reported` that has the claimed value
    value: Number | None = None  # gap: the claimed value; none given: 0
    axis: Text | None = None
    level: Text | None = None
    reference: Text | None = None
    axes: dict[Text, tuple[Text, Text]] = Field(default={})  # interaction: {axis: [level, reference]}, two of them
    at: dict[Text, Labels] = Field(default={})  # {axis: label or labels}: only there; other axes are averaged over
    behaviour: Text | None = None  # one of BEHAVIOURS, or FILE.py:NAME, a function of one's own
    unit: str = ""  # of such a function's number
    threshold: Number | None = None  # behaviour: the claimed value; none given: 0
    labels: dict[Text, Annotated[int, Field(ge=0)]] = Field(default={})  # of label-accuracy: {class: its number}, two
    _metric: Metric | None = PrivateAttr(None)  # what ``metric`` is by the trainer's declaration; `of_trainer` has it

    @property
    def sense(self) -> Direction:
        """In which direction the measured number, less the claimed one, has to lie."""
        if self.direction:
            return self.direction
        return "same" if self.kind == "value" else "less" if self.lower else "greater"

    @property
    def lower(self) -> bool:
        """Whether it says of arms which is better, and that is the lower one."""
        return self.kind == "order" and self.own is not None and self.own.better == "lower"

    @property
    def own(self) -> Metric | None:
        """Its metric, where an own trainer declares it."""
        return self._metric

    def of_trainer(self, metric: Metric) -> "Claim":
        """The claim with its metric as an own trainer declares it."""
        made = self.model_copy()
        made._metric = metric
        return made

    @property
    def measure(self) -> Measure:
        """What its runs, or its networks, are measured by."""
        if self.kind == "behaviour":
            if is_own(str(self.behaviour)):
                return Measure(str(self.behaviour).rpartition(":")[2].replace("_", " "), self.unit, 1)
            return BEHAVIOURS[str(self.behaviour)]
        if self.own:
            return _measure(self.own, str(self.metric))
        if self.metric in OF_NETWORKS:
            return OF_NETWORKS[self.metric]
        if "gap" in (self.kind, self.metric):
            return GAP
        return _measure(BUILT_IN[str(self.metric)], str(self.metric))

    @property
    def named(self) -> dict[str, tuple[str, ...]]:
        """Its arms, by key."""
        return {
            key: names
            for key, names in (
                ("arm", (self.arm or "",)),
                ("minus", (self.minus or "",)),
                ("arms", self.arms),
                ("below", self.below),
                ("needs.learnt", self.needs.learnt if isinstance(self.needs.learnt, tuple) else ()),
            )
            if any(names)
        }


class Claimed(NamedTuple):
    """What of an entry of `reported` a claim must agree with; papers.py has the entry itself."""

    metric: str
    study: str | None
    arm: str | None
    minus: str | None


def check_alone(claim: Claim, reported: Iterable[str], where: str, metrics: Metrics = BUILT_IN) -> None:
    """Refuse keys of another kind, missing ones, and what its file does not have; ``reported`` are ids of runs.

    ``metrics`` are those of its study's trainers.
    """
    if claim.quote is not None:
        if claim.says is not None:
            raise UserError(f"{where}.says: stands there beside the quote of a paper; remove one of them")
        for key in ("where", "why"):
            if getattr(claim, key) is None:
                raise UserError(f"{where}.{key}: is missing beside the quote of a paper; add it")
    must, may = KEYS[claim.kind]
    given = {key for key in claim.model_fields_set - OF_ALL if getattr(claim, key) is not None}
    for key in sorted(given - must - may):
        raise UserError(
            f"{where}.{key}: does not go with kind {claim.kind}, which has {', '.join(sorted(must | may))}; remove it"
        )
    built_in = BUILT_IN.items() <= metrics.items()
    if (claim.kind == "gap" or claim.behaviour in BEHAVIOURS) and not built_in:
        raise UserError(
            f"{where}.kind: {claim.kind} is of the built-in trainer's runs, and its study has another; write order, "
            f"effect, interaction, value, or a behaviour of your own, FILE.py:NAME"
        )
    for key in sorted(must - given):
        raise UserError(f"{where}.{key}: is missing in a claim of kind {claim.kind}; add it")
    if claim.kind == "behaviour":
        if is_own(str(claim.behaviour)):
            own_code.check(str(claim.behaviour), f"{where}.behaviour")
        elif claim.unit:
            raise UserError(f"{where}.unit: goes with a behaviour of one's own, FILE.py:NAME; remove it")
        elif claim.behaviour not in BEHAVIOURS:
            raise choose(f"{where}.behaviour", claim.behaviour, BEHAVIOURS, "behaviour")
        if (claim.arm is None) == (not claim.arms) or (claim.minus and claim.arms):
            raise UserError(f"{where}.arms: write arm, with minus or without, or arms for each of several")
        if len(set(claim.arms)) < len(claim.arms):
            raise UserError(f"{where}.arms: an arm stands there twice; name each once")
        if claim.behaviour in OF_PAIRS and claim.minus is None:
            raise UserError(f"{where}.minus: is missing; {claim.behaviour} is of two arms")
        wanted = 2 if claim.behaviour == "label-accuracy" else 0
        if not len(claim.labels) == len({*claim.labels.values()}) == wanted:
            raise UserError(f"{where}.labels: must be two classes with their numbers, of label-accuracy alone")
    if claim.metric is not None:
        known = [*metrics, *(["gap"] if built_in else []), *(OF_NETWORKS if claim.kind == "order" else ())]
        if claim.metric not in known:
            raise choose(f"{where}.metric", claim.metric, known, "metric")
    if claim.kind == "order":
        arms = claim.arms + claim.below
        if len(arms) < 2 or len(set(arms)) < len(arms):
            raise UserError(f"{where}.arms: must be two or more, each once, the highest first")
        if claim.below and "over" in claim.model_fields_set:
            raise UserError(f"{where}.over: stands there beside below; remove one")
        if (claim.metric in OF_NETWORKS) == (claim.study is not None):
            raise UserError(f"{where}.study: goes with a metric of runs, and only with one; add or remove it")
    if claim.kind == "interaction" and len(claim.axes) != 2:
        raise UserError(f"{where}.axes: must be two, each with [level, reference]")
    if claim.kind == "gap" and claim.value is not None and claim.reported is not None:
        raise UserError(f"{where}.value: stands there beside reported, which has the value; remove one")
    if claim.sense in ("same", "differs") and claim.margin == 0:
        raise UserError(f"{where}.margin: must be above 0, or nothing is ever the same")
    if claim.reported is not None:
        _known([claim.reported], reported, f"{where}.reported", "id")


def _check_reported(claim: Claim, entry: Claimed, where: str) -> None:
    ours = Claimed("gap" if claim.kind == "gap" else str(claim.metric), claim.study, claim.arm, claim.minus)
    theirs = entry._replace(metric=ERRORS.get(entry.metric, entry.metric))
    for key, a, b in zip(Claimed._fields, ours, theirs, strict=True):
        if a != b:
            raise UserError(f"{where}.reported: {claim.reported} has {key} {b!r}, the claim {a!r}; correct one")


def check_names(claim: Claim, studies: Levels, reported: Mapping[str, Claimed], where: str) -> None:
    """Refuse a study, an arm, an axis, a level or a network that there is not, and a number of something else."""
    if claim.metric in OF_NETWORKS:
        _known(claim.arms + claim.below, REGISTRY, f"{where}.arms", "model")
        return
    _known([str(claim.study)], studies, f"{where}.study", "study")
    arms = studies[str(claim.study)]
    for key, names in claim.named.items():
        _known(names, arms.keys() - {claim.arm} if key == "minus" else arms, f"{where}.{key}", "arm")
    axes = {axis: {levels[axis] for levels in arms.values()} for axis in next(iter(arms.values()))}
    if claim.reported is not None:
        _check_reported(claim, reported[claim.reported], where)
    if claim.axis is not None:
        _known([claim.axis], axes, f"{where}.axis", "axis")
        _known([str(claim.level)], axes[claim.axis], f"{where}.level", "level")
        _known([str(claim.reference)], axes[claim.axis] - {str(claim.level)}, f"{where}.reference", "level")
    for axis, (level, reference) in claim.axes.items():
        _known([axis], axes, f"{where}.axes", "axis")
        _known([level], axes[axis], f"{where}.axes.{axis}", "level")
        _known([reference], axes[axis] - {level}, f"{where}.axes.{axis}", "level")
    for axis, labels in claim.at.items():
        _known([axis], axes.keys() - {claim.axis} - claim.axes.keys(), f"{where}.at", "axis")
        _known(labels, axes[axis], f"{where}.at.{axis}", "level")


def _known(names: Sequence[str], allowed: Iterable[str], where: str, what: str) -> None:
    for name in names:
        if name not in allowed:
            raise choose(where, name, allowed, what)
