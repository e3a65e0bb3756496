"""What the papers say: the schema of ``papers/<id>.yaml``, which holds every number that a paper prints.

A group of studies in params.yaml need not have one: each key is optional, and so is the file. Nothing else reads
these files, but for what is drawn (`plan/drawn.py`), and no number of a paper stands in Python. `read` checks one
file by itself, `check` all of them against the studies and networks that there are. Imports no torch.
"""

from collections.abc import Collection, Mapping
from math import inf
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr

from ablate.errors import UserError, choose
from ablate.models.registry import REGISTRY
from ablate.papers.claim import ERRORS, Claim, Claimed, check_alone, check_names
from ablate.papers.headlines import Headlines, check_headlines
from ablate.papers.items import Item, LeftOut
from ablate.papers.networks import Counting, PrintedNetwork
from ablate.papers.protocol import SETTINGS, Deviation, Own, Silence, Stated
from ablate.papers.scope import Arms, Scope, Text, check_once, check_scope
from ablate.plan.drawn import Drawn
from ablate.plan.metrics import BUILT_IN, Metrics
from ablate.plan.names import called_arm
from ablate.plan.project import Project
from ablate.plan.record import PlanRecord
from ablate.plan.runs import Plan
from ablate.records import Name, Record, check_record, read_yaml

# Metric: the lowest and the highest value. Accuracies, errors and gaps are fractions of 1.
OF_RUNS = {
    "train_top1": (0.0, 1.0),
    "val_top1": (0.0, 1.0),
    "test_top1": (0.0, 1.0),
    "best_val_top1": (0.0, 1.0),  # of the epoch with the best validation accuracy
    "val_error": (0.0, 1.0),  # 1 - val_top1
    "test_error": (0.0, 1.0),  # 1 - test_top1
    "gap": (-1.0, 1.0),  # train_top1 - val_top1
    "wall_min": (0.0, inf),  # minutes of one run
}
OF_NETWORKS = {
    "parameters": (1.0, inf),  # torch's count
    "keras_parameters": (1.0, inf),  # Keras's total, with batch normalisation's moving means and variances
    "layers": (1.0, inf),  # convolutional and fully connected ones
}


class Reported(Record):
    """One number that the paper prints: of runs (study and arm) or of a network (model)."""

    id: Name
    value: Annotated[float, Field(allow_inf_nan=False)]
    metric: Text  # one of OF_RUNS or of OF_NETWORKS
    where: Text | None = None  # in the paper; a number from elsewhere has its source instead
    quote: Text | None = None  # verbatim from the paper's text; white space and markup may differ
    study: Text | None = None  # a key under the paper's studies in params.yaml
    arm: Text | None = None  # its label, as `ablate plan --runs` prints it
    minus: Text | None = None  # another arm: the value is the difference of the two
    over: Literal["best", "sum"] | None = None  # in place of arm: the best of the study's arms, or all added up
    levels: tuple[Text, ...] = ()  # with over: labels that an arm must have, all of them
    source: Text | None = None  # the reference, where the number is not this paper's, or there is no paper
    model: Text | None = None  # a key of models.REGISTRY
    note: Text | None = None  # one sentence

    @property
    def own(self) -> bool:
        """Whether it is of one arm and the paper's own: no difference, and not quoted from other literature."""
        return self.arm is not None and self.minus is None and self.source is None

    def arms(self, levels: Mapping[str, Collection[str]]) -> list[str]:
        """Those that it is of, or may be of; ``levels`` are the study's: {arm: its labels}."""
        if self.over is None:
            return [arm for arm in (self.arm, self.minus) if arm]
        return [arm for arm, labels in levels.items() if {*self.levels} <= {*labels}]


class Paper(Record):
    """``papers/<id>.yaml``, of which nothing is mandatory."""

    title: Text | None = None
    authors: Text | None = None
    reference: Text | None = None  # venue, place and year, as far as they are known
    protocol: tuple[Stated, ...] = ()
    reported: tuple[Reported, ...] = ()
    silent: tuple[Silence, ...] = ()
    deviations: tuple[Deviation, ...] = ()
    own: tuple[Own, ...] = ()
    items: tuple[Item, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    claims: tuple[Claim, ...] = ()
    headlines: Headlines | None = None
    counting: Counting = "torch"  # in its tables of layers and of parameters
    networks: tuple[PrintedNetwork, ...] = ()  # those that it prints layer by layer
    drawn: dict[str, Drawn] = {}  # by study; `plan/drawn.py` checks it, and the plan has it
    show: dict[Text, Text] = {}  # likewise: a level's label, and what readers see in its place
    _axes: dict[str, tuple[str, ...]] = PrivateAttr({})  # of each study, by the plan that `read` has

    @property
    def is_document(self) -> bool:
        """Whether there is a paper behind it, and not only studies of one's own."""
        return bool(self.authors or self.reference or self.protocol or self.silent)

    def shown(self, study: str | None) -> dict[str, str]:
        """{label: what readers see in its place} of one study's levels."""
        return self.show | (self.drawn[study].show if study in self.drawn else {})

    def called(self, study: str | None, arm: str) -> str:
        """An arm in a sentence, with its axes before bare numbers where the plan is known."""
        return called_arm(arm, self._axes.get(str(study), ()), self.shown(study))

    def printed(self, study: str) -> dict[str, dict[str, float]]:
        """{arm: {metric: value}} of one study: the paper's own numbers of single arms, the first where it has two."""
        found: dict[str, dict[str, float]] = {}
        for entry in self.reported:
            if entry.study == study and entry.arm is not None and (entry.own or self._elsewhere(entry)):
                found.setdefault(entry.arm, {}).setdefault(entry.metric, entry.value)
        return found

    def _elsewhere(self, entry: Reported) -> bool:
        """Whether it is a single arm's number that other work prints, where there is no paper that quotes it."""
        return not self.is_document and entry.minus is None

    def count_of(self, model: str, metric: str) -> Reported | None:
        """The number of ``metric`` that it prints of a network, if it does."""
        return next((e for e in self.reported if e.model == model and e.metric == metric), None)

    def owns(self, study: str) -> bool:
        """Whether the study is all our own."""
        return any(not entry.levels + entry.arms and study in (entry.studies or (study,)) for entry in self.own)

    @property
    def scoped(self) -> dict[str, Scope]:
        """The entries that may be about some arms alone, by key."""
        parts = ("protocol", "silent", "deviations", "own")
        return {f"{part}.{i}": entry for part in parts for i, entry in enumerate(getattr(self, part))}

    @property
    def of_runs(self) -> dict[str, Claimed]:
        """What the reported numbers of runs are of, by id."""
        return {e.id: Claimed(e.metric, e.study, e.arm, e.minus) for e in self.reported if e.arm is not None}

    def claimed(self, claim: Claim) -> float:
        """The number that ``claim`` compares with, in its metric's unit; 0 where it compares arms with each other."""
        if claim.reported is None:
            return claim.value or claim.threshold or 0.0
        entry = next(e for e in self.reported if e.id == claim.reported)
        if entry.metric not in ERRORS:
            return entry.value
        return -entry.value if entry.minus else 1 - entry.value


def read(path: Path, plan: PlanRecord | None = None) -> Paper:
    """Read one file and check it by itself; ``plan`` has the axes, and what own trainers measure.

    Where there is no file, nothing is said.

    Raises:
        UserError: It names the file and the key's path.
    """
    if not path.exists():
        return Paper()
    paper = check_record(Paper, read_yaml(path), str(path))
    studies = {*(claim.study for claim in paper.claims), *(entry.study for entry in paper.reported)}
    measured = {study: plan.measured(path.stem, study) if plan else BUILT_IN for study in studies}
    seen: set[str] = set()
    for entry in paper.reported:
        where = f"{path}: reported.{entry.id}"
        if entry.id in seen:
            raise UserError(f"{where}: stands there twice; give each entry an id of its own")
        seen.add(entry.id)
        _check_entry(entry, where, measured[entry.study])
    seen.clear()
    for claim in paper.claims:
        where = f"{path}: claims.{claim.id}"
        if claim.id in seen:
            raise UserError(f"{where}: stands there twice; give each claim an id of its own")
        seen.add(claim.id)
        check_alone(claim, paper.of_runs, where, measured[claim.study])
    for claim in paper.claims:
        if claim.clean is not None and claim.clean not in seen - {claim.id}:
            raise choose(f"{path}: claims.{claim.id}.clean", claim.clean, seen - {claim.id}, "claim")
    if paper.headlines is not None:
        check_headlines(paper.headlines, paper.claims, f"{path}: headlines")
    for i, network in enumerate(paper.networks):
        if bool(network.layers) == bool(network.column):
            raise UserError(f"{path}: networks.{i}: add its layers or its column, and one of the two alone")
    for key, scoped in paper.scoped.items():
        for name in (*getattr(scoped, "settings", ()), *getattr(scoped, "varied", ())):
            if name not in SETTINGS:
                raise choose(f"{path}: {key}.settings", name, SETTINGS, "setting")
    paper = paper.model_copy(
        update={"claims": tuple(_declared(claim, measured[claim.study]) for claim in paper.claims)}
    )
    paper._axes = {name: study.axes for name, study in plan.studies_of(path.stem).items()} if plan else {}
    return paper


def _declared(claim: Claim, metrics: Metrics) -> Claim:
    """The claim, with its metric where an own trainer has it."""
    metric = metrics.get(str(claim.metric))
    return claim.of_trainer(metric) if metric and metric != BUILT_IN.get(str(claim.metric)) else claim


def _check_entry(entry: Reported, where: str, measured: Metrics) -> None:
    """Refuse what is of neither or of both, a metric of the other kind, and a value that it cannot have."""
    if entry.source is None:
        for key in ("where", "quote"):
            if getattr(entry, key) is None:
                raise UserError(f"{where}.{key}: is missing; add it, or source for a number from elsewhere")
    of_runs = [key for key in ("study", "arm", "minus", "over", "levels", "source") if getattr(entry, key)]
    if entry.model is not None and of_runs:
        raise UserError(f"{where}.{of_runs[0]}: goes with a number of runs, model with one of a network; remove one")
    if entry.model is None and not ({"study", "arm"} <= {*of_runs} or {"study", "over"} <= {*of_runs}):
        raise UserError(f"{where}: says not what it is of; add study and arm, or model for a number of a network")
    if entry.over and (entry.arm or entry.minus):
        raise UserError(f"{where}.over: is of several arms; remove arm and minus, or over")
    if entry.over == "best" and not (entry.metric in BUILT_IN and BUILT_IN[entry.metric].percent):
        raise UserError(f"{where}.over: the best is the highest accuracy; choose an accuracy as metric")
    if entry.levels and not entry.over:
        raise UserError(f"{where}.levels: goes with over, and only with it; remove it")
    own = {name: metric.range or (-inf, inf) for name, metric in measured.items() if metric != BUILT_IN.get(name)}
    metrics = (OF_RUNS | own if BUILT_IN.items() <= measured.items() else own) if entry.model is None else OF_NETWORKS
    if entry.metric not in metrics:
        raise choose(f"{where}.metric", entry.metric, metrics, "metric")
    low, high = metrics[entry.metric]
    if entry.minus is not None:
        low, high = low - high, high - low
    if not low <= entry.value <= high:
        raise UserError(f"{where}.value: {entry.metric} lies from {low:g} to {high:g} (got {entry.value:g})")
    if entry.model is not None and not entry.value.is_integer():
        raise UserError(f"{where}.value: {entry.metric} is a whole number (got {entry.value:g})")


def check(papers: Mapping[str, Paper], plan: Plan, folder: Path = Path("papers")) -> None:
    """Refuse what no study, arm or network bears the name of.

    Args:
        papers: by id.
        plan: of the scale that has every study and arm; what others leave out has no results there, and is not
            wrong.
        folder: where the files lie, for messages.

    Raises:
        UserError: With the nearest right one.
    """
    arms: dict[str, dict[str, dict[str, dict[str, str]]]] = {}  # by paper and study; of each its levels
    for planned in plan.planned:
        arms.setdefault(planned.paper, {}).setdefault(planned.study, {})[planned.arm] = planned.levels
    for id, paper in papers.items():
        file = f"{folder / id}.yaml"
        if id not in arms:
            raise choose(file, id, arms, "paper")
        for entry in paper.reported:
            _check_names(entry, arms[id], f"{file}: reported.{entry.id}")
        for claim in paper.claims:
            check_names(claim, arms[id], paper.of_runs, f"{file}: claims.{claim.id}")
        for i, network in enumerate(paper.networks):
            if network.model not in REGISTRY:
                raise choose(f"{file}: networks.{i}.model", network.model, REGISTRY, "model")
        for key, scoped in paper.scoped.items():
            check_scope(scoped, arms[id], f"{file}: {key}")
        _check_shown(paper, arms[id], file)
        told = {
            key: (scoped, scoped.told) for key, scoped in paper.scoped.items() if isinstance(scoped, Stated | Silence)
        }
        check_once(told, arms[id], file)


def check_files(project: Project, folder: Path) -> None:
    """Check the files of all papers that params.yaml has studies of.

    Each is checked by itself, and all of them against the scale that has every arm: ``paper``, or the only one.

    Raises:
        UserError: As `read` and `check` do.
    """
    papers = {id: read(folder / f"{id}.yaml", project.record) for id in project.papers}
    for id, paper in papers.items():
        for key, scoped in paper.scoped.items():
            for scale in getattr(scoped, "scales", ()):
                if scale not in project.params.scales:
                    raise choose(f"{folder / id}.yaml: {key}.scales", scale, project.params.scales, "scale")
    if project.whole:
        whole, plan = project.whole
        check({id: paper for id, paper in papers.items() if id in whole.studies}, plan, folder)


def _check_shown(paper: Paper, studies: Arms, file: str) -> None:
    """Refuse a label that no level has, and two levels of an axis that readers could not tell apart."""
    for key, show, chosen in [
        ("show", paper.show, studies),
        *((f"drawn.{name}.show", drawn.show, {name: studies.get(name, {})}) for name, drawn in paper.drawn.items()),
    ]:
        labels = {label for of_study in chosen.values() for levels in of_study.values() for label in levels.values()}
        for label in show:
            if label not in labels:
                raise choose(f"{file}: {key}.{label}", label, labels, "level")
    for name, of_study in studies.items():
        seen: dict[tuple[str, str], str] = {}
        for axis, label in dict.fromkeys(level for levels in of_study.values() for level in levels.items()):
            text = paper.shown(name).get(label, label)
            if (axis, text) in seen:
                raise UserError(
                    f"{file}: show: {seen[axis, text]!r} and {label!r}, levels of {axis} of the study {name}, are "
                    f"both shown as {text!r}; show one of them otherwise"
                )
            seen[axis, text] = label


def _check_names(entry: Reported, studies: Arms, where: str) -> None:
    if entry.model is not None:
        if entry.model not in REGISTRY:
            raise choose(f"{where}.model", entry.model, REGISTRY, "model")
        return
    known = set(studies.get(entry.study or "", ()))
    if not known:
        raise choose(f"{where}.study", entry.study, studies, "study")
    if entry.over:
        labels = {label for levels in studies[entry.study or ""].values() for label in levels.values()}
        for level in entry.levels:
            if level not in labels:
                raise choose(f"{where}.levels", level, labels, "level")
        return
    if entry.arm not in known:
        raise choose(f"{where}.arm", entry.arm, known, "arm")
    if entry.minus is not None and entry.minus not in known - {entry.arm}:
        raise choose(f"{where}.minus", entry.minus, known - {entry.arm}, "arm")
