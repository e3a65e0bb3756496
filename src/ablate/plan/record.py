"""The plan as later steps read it, and how it differs from the papers' protocol: the scale `paper`."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, field_serializer, model_serializer

from ablate.errors import choose
from ablate.models.registry import contaminated
from ablate.plan.drawn import Drawn
from ablate.plan.health import Health
from ablate.plan.metrics import BUILT_IN, Metrics, together
from ablate.plan.names import title_of
from ablate.plan.params import Adaptive, Dataset, Params
from ablate.plan.runs import OwnRun, Plan, Run
from ablate.plan.select import Selection
from ablate.plan.settings import Settings
from ablate.plan.studies import DRAWN
from ablate.plan.trainers import AnySettings, OwnSettings, Trainer, metrics_of
from ablate.seals import read_sealed, sealed
from ablate.stored import Stored, damaged

AGAIN = "`snakemake --cores 8 all` and `ablate render` make it again"
FACTS = ("n_classes", "images", "data")  # what settings come to on the data: classes, training images, variant
EMBEDDED = "embedded data: no evidence"  # of a scale whose images are all generated
# Of a run of an own trainer, whose data are its own affair.
OF_OWN = {"facts": {}, "contaminated": False, "n_classes": 0, "image_size": 0, "trainable": 0}
Facts = dict[str, Any]  # of an arm: a setting, or what settings come to on its data: the value, as JSON has it
Protocol = dict[tuple[str, str, str], Facts]  # paper, study, arm: what is to compare


class PlannedRun(Stored):
    """A run in its place in a study; the same run may have several."""

    run: str  # its id, and the name of its folder
    paper: str
    study: str  # without the paper's name
    arm: str  # `arm_name` of its levels
    seed: int
    levels: dict[str, str]  # axis: label, in the order of the study's axes; none where it has no axis
    settings: AnySettings  # with their defaults, which the file leaves out
    facts: Facts  # FACTS
    contaminated: bool  # it starts from weights that have seen the data set's images
    deviations: dict[str, tuple[Any, Any]] | None  # {what: (ours, the protocol's)}; None: it has no such arm
    n_classes: int  # outputs of its network
    image_size: int  # pixels, the side of its images
    trainable: int  # training images of each class that there are for it, of which per_class takes some

    @property
    def chance(self) -> float:
        """The accuracy of naming the commonest class for all images."""
        return float(self.facts.get("chance", 1 / self.n_classes))

    @property
    def guessing(self) -> float:
        """The same in percent."""
        return 100 * self.chance if "chance" in self.facts else 100 / self.n_classes

    @property
    def printed(self) -> tuple[int, int]:
        """Classes and pixels of the paper's network: the protocol's, or its own where that has no such arm."""
        said = self.deviations or {}
        own = {"n_classes": self.n_classes, "image_size": self.image_size}
        classes, pixels = (int(said.get(what, (value, value))[1]) for what, value in own.items())
        return classes, pixels

    @field_serializer("settings")
    def _without_defaults(self, settings: Settings | OwnSettings) -> dict[str, Any]:
        return settings.model_dump(mode="json", exclude_defaults=True)


class StudyPlan(Stored):
    """What a study asks for beside its runs."""

    title: str
    axes: tuple[str, ...]
    tables: dict[str, str]  # name, also of the files: kind, with its argument after a colon
    figures: dict[str, str]  # as of tables
    show: dict[str, str] = Field(
        default={}
    )  # a level's label: what readers see in its place; only what the study has


class PlanRecord(Stored):
    """plan.json: what one scale asks for, the order of params.yaml kept."""

    scale: str
    label: str = ""  # what the scale stands for
    looks: tuple[int, ...]  # seeds of an arm at each look, where `decide` has looked
    adaptive: Adaptive | None  # how `decide` adds seeds
    health: Health = Health()  # thresholds of the words for runs
    trainers: dict[str, Trainer] = Field(default={})  # own ones by name; not in the file where there are none
    studies: dict[str, StudyPlan]  # by <paper>/<study>
    runs: tuple[PlannedRun, ...]  # an arm's seeds of params.yaml before those that were added

    def note(self, runs: Iterable[PlannedRun] | None = None) -> str:
        """What is to say of the scale, as far as these runs go, or all: that images are generated, or its label."""
        variants = {p.facts.get("data") for p in (self.runs if runs is None else runs)}
        return EMBEDDED if variants == {"embedded"} else self.label

    def called(self, runs: Iterable[PlannedRun] | None = None) -> str:
        """The scale with its `note`."""
        note = self.note(runs)
        return f"{self.scale} ({note})" if note else self.scale

    @model_serializer(mode="wrap")
    def _without_none(self, make: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without own trainers, the file of before there were any."""
        found: dict[str, Any] = make(self)
        return found if found.get("trainers") else {key: value for key, value in found.items() if key != "trainers"}

    def metrics_of(self, runs: Iterable[PlannedRun]) -> Metrics:
        """What the trainers of ``runs`` measure, the first one's main metric first."""
        return metrics_of((p.settings for p in runs), self.trainers)

    def measured(self, paper: str, study: str | None) -> Metrics:
        """What the trainers of a study measure; of one that has no runs at this scale, any that there are."""
        return self._measured.get((paper, str(study))) or together(
            [BUILT_IN, *(trainer.metrics for trainer in self.trainers.values())]
        )

    @cached_property
    def _measured(self) -> dict[tuple[str, str], Metrics]:
        of: dict[tuple[str, str], list[PlannedRun]] = {}
        for p in self.runs if self.trainers else ():
            of.setdefault((p.paper, p.study), []).append(p)
        return {place: self.metrics_of(runs) for place, runs in of.items()}

    @property
    def papers(self) -> list[str]:
        """The names of those that have a study."""
        return list(dict.fromkeys(key.split("/")[0] for key in self.studies))

    def part(self, asked: Selection) -> "PlanRecord":
        """The papers, studies and runs that are asked for.

        Raises:
            UserError: It names what there is not, and the nearest that there is.
        """
        if asked.paper is None:
            return self
        if asked.paper not in self.papers:
            raise choose("PAPER[/STUDY]", asked.paper, self.papers, "paper")
        if asked.study is not None and asked.study not in self.studies_of(asked.paper):
            raise choose(f"{asked.paper}/{asked.study}", asked.study, self.studies_of(asked.paper), "study")
        names = [asked.study] if asked.study else self.studies_of(asked.paper)
        studies = {f"{asked.paper}/{name}": self.studies_of(asked.paper)[name] for name in names}
        runs = tuple(p for p in self.of(asked.paper) if p.study in names)
        return self.model_copy(update={"studies": studies, "runs": runs})

    def studies_of(self, paper: str) -> dict[str, StudyPlan]:
        """{name: study} of one paper."""
        return {key.split("/")[1]: study for key, study in self.studies.items() if key.split("/")[0] == paper}

    def of(self, paper: str) -> list[PlannedRun]:
        """The planned runs of one paper."""
        return [p for p in self.runs if p.paper == paper]

    @property
    def digest(self) -> str:
        """Changes with anything that a table or figure is made from, and with nothing else."""
        return _digest(self.model_dump(mode="json"))

    @cached_property
    def _planned(self) -> str:
        return _digest(self.model_dump(mode="json", exclude={"studies": {"__all__": set(DRAWN)}}))

    def digest_for(self, drawn: Collection[str], papers: Collection[str]) -> str:
        """Changes with what is planned and, of what is drawn, with these keys (`DRAWN`) of these papers' studies."""
        asked = {
            key: study.model_dump(mode="json", include=set(drawn))
            for key, study in self.studies.items()
            if key.split("/")[0] in papers
        }
        return _digest({"planned": self._planned, "drawn": asked if drawn else {}})

    @property
    def plain(self) -> dict[str, Any]:
        """What plan.json holds: the record, ``digest`` before it and ``seal`` behind it."""
        record = self.model_dump(mode="json")
        return sealed({"digest": _digest(record), **record})


def _digest(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record).encode()).hexdigest()[:16]


def read_plan(path: Path) -> PlanRecord:
    """What `ablate plan --output` wrote.

    Raises:
        UserError: For a file that it did not, or that was changed since.
    """
    found = read_sealed(path, AGAIN)
    try:
        return PlanRecord.model_validate_json(json.dumps(found))  # JSON's lists are tuples then
    except ValidationError as error:
        raise damaged(path, error) from None


def protocol(params: Params, plan: Plan) -> Protocol:
    """What the scale `paper`, with its parameters and plan, asks of each arm."""
    return {(p.paper, p.study, p.arm): _facts(p.run, params) for p in plan.planned}


def plan_record(
    params: Params, plan: Plan, full: Protocol | None = None, drawn: Mapping[str, Mapping[str, Drawn]] | None = None
) -> PlanRecord:
    """The record of ``plan``, each run with its deviations from the protocol ``full``.

    Nothing is drawn but what is ``drawn``, by paper and study.
    """
    arms: dict[tuple[str, str, str], dict[str, Any]] = {}  # what all seeds of an arm share
    for p in plan.planned:
        if (place := (p.paper, p.study, p.arm)) not in arms:
            facts = _facts(p.run, params)
            if isinstance(p.run, OwnRun):
                arms[place] = OF_OWN | {"deviations": _deviations(facts, (full or {}).get(place))}
                continue
            data = params.datasets[p.run.settings.dataset]
            arms[place] = {
                "facts": {key: value for key, value in facts.items() if key in FACTS} | _unequal(p.run, data),
                "contaminated": contaminated(plan.first_weights(p.run), data.layout),
                "deviations": _deviations(facts, (full or {}).get(place)),
                "n_classes": facts["n_classes"],
                "image_size": facts["image_size"],
                "trainable": data.trainable(p.run.settings),
            }
    labels: dict[tuple[str, str], set[str]] = {}
    for p in plan.planned:
        labels.setdefault((p.paper, p.study), set()).update(p.levels.values())
    return PlanRecord(
        scale=plan.scale,
        label=params.label,
        looks=plan.looks,
        adaptive=params.adaptive,
        health=params.health,
        trainers=params.trainers,
        studies={
            f"{paper}/{name}": StudyPlan(
                title=title_of(name) if asked.title is None else asked.title,
                axes=tuple(study.axes),
                tables=dict(asked.tables or {}),
                figures=dict(asked.figures or {}),
                show={label: text for label, text in asked.show.items() if label in labels.get((paper, name), ())},
            )
            for paper, studies in params.studies.items()
            for name, study in studies.items()
            for asked in ((drawn or {}).get(paper, {}).get(name, Drawn()),)
        },
        runs=tuple(
            PlannedRun(
                run=p.run.id,
                paper=p.paper,
                study=p.study,
                arm=p.arm,
                seed=p.run.seed,
                levels=p.levels,
                settings=p.run.settings,
                **arms[p.paper, p.study, p.arm],
            )
            for p in plan.planned
        ),
    )


def _unequal(run: Run, data: Dataset) -> Facts:
    """What guessing gets, where that is another than of equal classes."""
    chance = data.chance(run.settings)
    return {"chance": chance} if chance != 1 / data.counts(run.settings).classes else {}


def _facts(run: Run, params: Params) -> Facts:
    """A run's settings, and what they come to on its data."""
    if isinstance(run, OwnRun):
        return run.settings.plain
    s, data = run.settings, params.datasets[run.settings.dataset]
    n_classes, images, _ = data.counts(s)
    return {
        **s.model_dump(mode="json", exclude={"per_class"}),
        "n_classes": n_classes,
        "images": images,  # of training
        "images_per_class": images // n_classes,  # of training; the mean, where classes differ
        "image_size": data.image_size,
        "data": run.variant,
    }


def _deviations(ours: Facts, theirs: Facts | None) -> dict[str, tuple[Any, Any]] | None:
    """{what: (ours, theirs)}; None where the protocol has no such arm."""
    if theirs is None:
        return None
    return {k: (ours[k], theirs.get(k)) for k in ours if ours[k] != theirs.get(k)}
