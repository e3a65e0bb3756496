"""What the papers say: the schema of ``papers/<id>.yaml``, which holds every number that a paper prints.

Nothing else reads these files, and no number of a paper stands in Python. `read` checks one file by itself, `check`
all of them against the studies and networks that there are. Imports no torch.
"""

from collections.abc import Collection, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ablate.errors import UserError, choose
from ablate.models.registry import REGISTRY
from ablate.papers.claim import ERRORS, Claim, Claimed, check_alone, check_names
from ablate.plan.project import Project
from ablate.plan.runs import Plan, Planned
from ablate.records import Name, Record, check_record, read_yaml

Text = Annotated[str, Field(min_length=1)]

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
LABELS = {  # of the scales, wherever results of one are shown
    "demo": "embedded data: no evidence about the paper",
    "pilot": "ten classes, short schedules",
    "paper": "the paper's protocol",
}


class Stated(Record):
    """A part of the protocol that the paper states."""

    what: Text
    stated: Text
    where: Text


class Reported(Record):
    """One number that the paper prints: of runs (study and arm) or of a network (model)."""

    id: Name
    value: Annotated[float, Field(allow_inf_nan=False)]
    metric: Text  # one of OF_RUNS or of OF_NETWORKS
    where: Text
    quote: Text  # verbatim from the paper's text; white space and markup may differ
    study: Text | None = None  # a key under the paper's studies in params.yaml
    arm: Text | None = None  # its label, as `ablate plan --runs` prints it
    minus: Text | None = None  # another arm: the value is the difference of the two
    source: Text | None = None  # the reference, where the paper quotes the number from other literature
    model: Text | None = None  # a key of models.REGISTRY
    note: Text | None = None  # one sentence

    @property
    def own(self) -> bool:
        """Whether it is of one arm and the paper's own: no difference, and not quoted from other literature."""
        return self.arm is not None and self.minus is None and self.source is None


class Silence(Record):
    """What the paper leaves open, what is chosen here, and why."""

    what: Text
    choice: Text
    why: Text


class Deviation(Record):
    """Where the project knowingly does something else than the paper, at every scale unless it names some."""

    what: Text
    why: Text
    studies: tuple[Text, ...] = ()  # none named: all
    levels: tuple[Text, ...] = ()  # labels of params.yaml: of arms that have one of them; none named: of all
    scales: tuple[Text, ...] = ()  # none named: all


class Paper(Record):
    """``papers/<id>.yaml``."""

    title: Text
    authors: Text
    reference: Text  # venue, place and year, as far as they are known
    protocol: Annotated[tuple[Stated, ...], Field(min_length=1)]
    reported: tuple[Reported, ...]
    silent: tuple[Silence, ...]
    deviations: tuple[Deviation, ...]
    claims: tuple[Claim, ...] = ()

    def printed(self, study: str) -> dict[str, dict[str, float]]:
        """{arm: {metric: value}} of one study: the paper's own numbers of single arms, the first where it has two."""
        found: dict[str, dict[str, float]] = {}
        for entry in self.reported:
            if entry.study == study and entry.arm is not None and entry.own:
                found.setdefault(entry.arm, {}).setdefault(entry.metric, entry.value)
        return found

    @property
    def of_runs(self) -> dict[str, Claimed]:
        """What the reported numbers of runs are of, by id."""
        return {e.id: Claimed(e.metric, e.study, e.arm, e.minus) for e in self.reported if e.model is None}

    def claimed(self, claim: Claim) -> float:
        """The number that ``claim`` compares with, in its metric's unit; 0 where it compares arms with each other."""
        if claim.reported is None:
            return claim.value or claim.threshold or 0.0
        entry = next(e for e in self.reported if e.id == claim.reported)
        if entry.metric not in ERRORS:
            return entry.value
        return -entry.value if entry.minus else 1 - entry.value


def read(path: Path) -> Paper:
    """Read one file and check it by itself.

    Raises:
        UserError: It names the file and the key's path.
    """
    paper = check_record(Paper, read_yaml(path), str(path))
    seen: set[str] = set()
    for entry in paper.reported:
        where = f"{path}: reported.{entry.id}"
        if entry.id in seen:
            raise UserError(f"{where}: stands there twice; give each entry an id of its own")
        seen.add(entry.id)
        _check_entry(entry, where)
    seen.clear()
    for claim in paper.claims:
        where = f"{path}: claims.{claim.id}"
        if claim.id in seen:
            raise UserError(f"{where}: stands there twice; give each claim an id of its own")
        seen.add(claim.id)
        check_alone(claim, paper.of_runs, where)
    for i, deviation in enumerate(paper.deviations):
        for scale in deviation.scales:
            if scale not in LABELS:
                raise choose(f"{path}: deviations.{i}.scales", scale, LABELS, "scale")
    return paper


def _check_entry(entry: Reported, where: str) -> None:
    """Refuse what is of neither or of both, a metric of the other kind, and a value that it cannot have."""
    of_runs = [key for key in ("study", "arm", "minus", "source") if getattr(entry, key) is not None]
    if entry.model is not None and of_runs:
        raise UserError(f"{where}.{of_runs[0]}: goes with a number of runs, model with one of a network; remove one")
    if entry.model is None and not {"study", "arm"} <= set(of_runs):
        raise UserError(f"{where}: says not what it is of; add study and arm, or model for a number of a network")
    metrics = OF_RUNS if entry.model is None else OF_NETWORKS
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
        plan: of the scale ``paper``, the only one that has every study and arm; what others leave out has no
            results there, and is not wrong.
        folder: where the files lie, for messages.

    Raises:
        UserError: With the nearest right one.
    """
    arms: dict[str, dict[str, dict[str, dict[str, str]]]] = {}  # by paper and study; of each its levels
    for planned in plan.planned:
        arms.setdefault(planned.paper, {}).setdefault(planned.study, {})[planned.arm] = planned.levels
    for id in arms:
        if id not in papers:
            raise UserError(f"{folder / id}.yaml: there is no such file, but params.yaml has studies.{id}; add it")
    for id, paper in papers.items():
        file = f"{folder / id}.yaml"
        if id not in arms:
            raise choose(file, id, arms, "paper")
        for entry in paper.reported:
            _check_names(entry, arms[id], f"{file}: reported.{entry.id}")
        for claim in paper.claims:
            check_names(claim, arms[id], paper.of_runs, f"{file}: claims.{claim.id}")
        for i, deviation in enumerate(paper.deviations):
            for study in deviation.studies:
                if study not in arms[id]:
                    raise choose(f"{file}: deviations.{i}.studies", study, arms[id], "study")
            levels = {label for p in plan.planned if p.paper == id for label in p.levels.values()}
            for level in deviation.levels:
                if level not in levels:
                    raise choose(f"{file}: deviations.{i}.levels", level, levels, "level")
            _check_levels(deviation, [p for p in plan.planned if p.paper == id], f"{file}: deviations.{i}.levels")


def _check_levels(deviation: Deviation, planned: Sequence[Planned], where: str) -> None:
    """Refuse a level that two axes of a study have, since it cannot be known which of them is meant."""
    axes: dict[tuple[str, str], dict[str, None]] = {}  # those that have a label, by study and label
    for p in planned:
        if not deviation.studies or p.study in deviation.studies:
            for axis, label in p.levels.items():
                axes.setdefault((p.study, label), {})[axis] = None
    for (study, label), found in axes.items():
        if label in deviation.levels and len(found) > 1:
            both = " and of ".join(found)
            raise UserError(
                f"{where}: {label!r} is a level of {both} in the study {study}; rename one of these levels"
            )


def check_files(project: Project, folder: Path) -> None:
    """Check the files of all papers that params.yaml has studies of.

    Each is checked by itself and, where there is a scale ``paper``, all of them against that.

    Raises:
        UserError: As `read` and `check` do.
    """
    files = {id: folder / f"{id}.yaml" for id in project.papers}
    papers = {id: read(file) for id, file in files.items() if file.exists()}
    if project.full:
        whole, plan = project.full
        check({id: paper for id, paper in papers.items() if id in whole.studies}, plan, folder)


def _check_names(entry: Reported, studies: Mapping[str, Collection[str]], where: str) -> None:
    if entry.model is not None:
        if entry.model not in REGISTRY:
            raise choose(f"{where}.model", entry.model, REGISTRY, "model")
        return
    known = set(studies.get(entry.study or "", ()))
    if not known:
        raise choose(f"{where}.study", entry.study, studies, "study")
    if entry.arm not in known:
        raise choose(f"{where}.arm", entry.arm, known, "arm")
    if entry.minus is not None and entry.minus not in known - {entry.arm}:
        raise choose(f"{where}.minus", entry.minus, known - {entry.arm}, "arm")
