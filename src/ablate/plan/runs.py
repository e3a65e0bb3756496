"""From `Params` to planned runs: the one place where axes are expanded and runs get their identity."""

import hashlib
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count, islice, product
from pathlib import Path
from typing import Any, Literal

from ablate.errors import UserError
from ablate.models.registry import imagenet_name
from ablate.plan.arms import OF_RUN, check_stand_in, resolve
from ablate.plan.names import arm_name
from ablate.plan.params import Params, Study
from ablate.plan.reserved import SHARED
from ablate.plan.settings import Settings
from ablate.plan.starts import OTHERS, Arm, Starts, architecture, extended, settled, stated_seed
from ablate.plan.trainers import VARIANT, OwnSettings
from ablate.records import Record
from ablate.seals import read_sealed
from ablate.stored import Added, shaped

RUNS, PRETRAINED = (Path("results", name) for name in SHARED)  # trained runs; those whose weights others start from
ENDED = ("done", "plateau")  # statuses of runs that are averaged; any other is said and left out
IMAGENET = Path("data/imagenet")  # torchvision's weights, as safetensors
LOOK_AGAIN = "delete it and say `ablate decide` again"


class Run(Record):
    """One training: fully resolved settings and a seed, and nothing that depends on a machine or a place."""

    settings: Settings
    seed: int
    recipe: int
    variant: str  # of the data set: official or embedded; own of an own trainer
    start: str | None = None  # id of the run whose weights it starts from
    parent: str | None = None  # id of the run that it goes on from, to what it would be without: no part of its own

    @property
    def id(self) -> str:
        """Readable, and unique by a hash of all that the result depends on, defaults left out."""
        s = self.settings
        stable = self.model_dump(mode="json", exclude={"seed", "settings", "parent"}, exclude_none=True)
        stable["settings"] = s.model_dump(mode="json", exclude_defaults=True)
        if self.start and self.starts_by_seed:
            stable["start"] = self.start.removesuffix(f"_s{self.seed}")  # the seeds of an arm differ in nothing else
        code = hashlib.sha256(json.dumps(stable, sort_keys=True).encode()).hexdigest()[:10]
        data = s.dataset if self.variant == "official" else f"{self.variant}-{s.dataset}"
        classes = f"-{len(s.classes)}names" if s.classes else ""
        if s.class_range:
            classes = "-c{}to{}".format(*s.class_range)
        return f"{s.model.replace('/', '.')}_{data}{classes}_{s.optimizer}-{s.lr:g}_{code}_s{self.seed}"

    @property
    def starts_by_seed(self) -> bool:
        """Whether each seed starts from weights of its own."""
        weights = self.settings.weights
        return stated_seed(weights) is None if weights.startswith(OF_RUN) else self.settings.pretraining == "by-seed"

    @property
    def start_folder(self) -> Path:
        """Where the run is whose weights it starts from."""
        return RUNS if self.settings.weights.startswith(OF_RUN) else PRETRAINED

    def with_seed(self, seed: int) -> "Run":
        """The run of the same arm with another seed, and from weights of that seed where each has its own."""
        start = self.start
        if start and self.starts_by_seed:
            start = f"{start.removesuffix(f'_s{self.seed}')}_s{seed}"
        parent = f"{self.parent.removesuffix(f'_s{self.seed}')}_s{seed}" if self.parent else None
        return self.model_copy(update={"seed": seed, "start": start, "parent": parent})

    @property
    def start_file(self) -> str | None:
        """The safetensors file that it starts from, or None."""
        weights = self.settings.weights
        if self.start:
            return f"{self.start_folder}/{self.start}/weights.safetensors"
        if weights == "imagenet":
            return f"{IMAGENET}/{imagenet_name(self.settings.model)}.safetensors"
        return weights.removeprefix("file:") if weights.startswith("file:") else None

    def to_json(self) -> str:
        """One line of JSON, keys in a fixed order; `from_json` reads it back."""
        return json.dumps(self.model_dump(mode="json"), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Run":
        """The run of a line that `to_json` made.

        Raises:
            UserError: If ``text`` is not a run record.
        """
        try:
            found = json.loads(text)
            own = isinstance(found, dict) and found.get("variant") == VARIANT
            return (OwnRun if own else cls).model_validate_json(text)
        except ValueError as error:
            raise UserError(f"--run: not a run record ({error}); take it from `ablate plan --json`") from None


class OwnRun(Run):
    """A run of an own trainer, which starts from no weights of ours. No recipe but its own code changes it."""

    settings: OwnSettings  # type: ignore[assignment]  # all that can have either asks which it is
    recipe: Literal[0] = 0
    variant: Literal["own"] = VARIANT

    @property
    def id(self) -> str:
        """As of `Run`; what the schema's defaults say is left out."""
        s = self.settings
        stable = self.model_dump(mode="json", exclude={"seed": True, "settings": {"defaults"}}, exclude_none=True)
        code = hashlib.sha256(json.dumps(stable, sort_keys=True).encode()).hexdigest()[:10]
        return f"{s.trainer}_{code}_s{self.seed}"

    @property
    def start_file(self) -> None:
        """None."""
        return None


@dataclass(frozen=True)
class Planned:
    """A run in its place in a study. The same run may be planned in several."""

    run: Run
    paper: str
    study: str
    arm: str  # `arm_name` of its levels, which is as good as they are
    levels: dict[str, str]  # axis: label


@dataclass(frozen=True)
class Plan:
    """All that one scale asks for, in the order of ``params.yaml``."""

    scale: str
    planned: tuple[Planned, ...]  # an arm's seeds of params.yaml before those that were added
    pretraining: dict[str, Run]  # id: run
    looks: tuple[int, ...] = ()  # seeds of an arm at each look, where `decide` has looked

    @property
    def runs(self) -> dict[str, Run]:
        """Each run once, by id."""
        return {p.run.id: p.run for p in self.planned}

    @cached_property
    def places(self) -> dict[str, Planned]:
        """{a run's id without its seed: where it stands first}, pretraining left out."""
        return {p.run.id.rpartition("_s")[0]: p for p in reversed(self.planned)}

    def find(self, id: str) -> Run | None:
        """The run called ``id``: one of the plan's, pretraining included, or of one of its arms with another seed."""
        if id in self.pretraining:
            return self.pretraining[id]
        arm, _, seed = id.rpartition("_s")
        run = self.places[arm].run if arm in self.places else self._sources.get(arm)
        found = run.with_seed(int(seed)) if run and re.fullmatch("0|[1-9][0-9]{0,8}", seed, re.ASCII) else None
        return found if found and found.id == id else None

    def first_weights(self, run: Run) -> str:
        """Where the weights come from that a run starts from, through all runs between."""
        while run.start and run.start_folder == RUNS and (source := self.find(run.start)):
            run = source
        return run.settings.weights

    def named(self, id: str) -> str:
        """A run by its first place in the plan, ``paper/study: arm, seed 0``; by its id where it has none."""
        arm, _, seed = id.rpartition("_s")
        if place := self.places.get(arm):
            return f"{place.paper}/{place.study}: {place.arm}, seed {seed}"
        source = self._sources.get(arm)
        return f"start weights: {source.settings.model}, seed {seed}" if source else id

    @cached_property
    def _sources(self) -> dict[str, Run]:
        return {id.rpartition("_s")[0]: run for id, run in self.pretraining.items()}

    def of(self, paper: str, study: str) -> list[Planned]:
        """The planned runs of one study."""
        return [p for p in self.planned if (p.paper, p.study) == (paper, study)]


def seeds_file(scale: str) -> Path:
    """Where `decide` says which seeds it has added, and what it found at each look."""
    return Path("results") / scale / "seeds.json"


def current_plan(params: Params) -> Plan:
    """The plan of ``params`` with the seeds that `decide` has added.

    Raises:
        UserError: As `make_plan` does.
    """
    file = seeds_file(params.scale)
    return make_plan(params, shaped(read_sealed(file, LOOK_AGAIN), Added, file).added if file.exists() else None)


def make_plan(params: Params, added: Collection[str] | None = None, *, whole: bool = False) -> Plan:
    """Expand every study.

    ``added`` are runs that `decide` has added: of an arm's seeds beyond those of params.yaml, and up to the last of
    ``adaptive.looks``, these are planned as well, unless other settings lead to other runs by now. ``whole``: all.

    Raises:
        UserError: For an impossible arm; it names the key.
    """
    looks = params.adaptive.looks if params.adaptive and (added is not None or whole) else ()
    more = frozenset(added or ())
    check_stand_in(params)
    scale = f"params.yaml: scales.{params.scale}"
    found: list[Arm] = []
    for paper, studies in params.studies.items():
        for name, study in studies.items():
            where = f"params.yaml: studies.{paper}.{name}"
            for labels, levels in _arms(study, where):
                # From the general to the particular, the last one winning.
                shared = [
                    ("params.yaml: defaults", params.defaults),
                    (f"params.yaml: studies.{paper}.settings", study.of_paper),
                ]
                own = [
                    (f"{where}.settings", study.settings),
                    (f"{scale}.overrides", params.overrides),
                    (f"{scale}.studies.{paper}.settings", study.of_paper_at_scale),
                    (f"{scale}.studies.{paper}.{name}.settings", study.at_scale),
                    *levels,
                ]
                parent = extended(values for _, values in own)
                if parent:  # which has what the scale says of all as well
                    own[1:3] = [
                        (place, {k: v for k, v in values.items() if k in OTHERS}) for place, values in own[1:3]
                    ]
                arm = None if parent else resolve([*shared, *own], params)
                label = arm_name(labels.values()) or (arm.model if arm else str(parent))
                seeds = study.seeds or params.seeds
                found.append(Arm(paper, name, label, labels, seeds, where, arm, own if parent else ()))
    arms = settled(found)
    starts = Starts[Run](arms, partial(_run, params), partial(_source, params))
    planned: list[Planned] = []
    sources: dict[str, Run] = {}
    seen: dict[str, set[str]] = {}  # runs of each study
    for each in (arms[arm.place] for arm in found):
        for seed in more_seeds(each.seeds, looks[-1] if looks else 0):
            start = starts.of(each, seed)
            run = _run(params, each.resolved, seed, start)
            if seed not in each.seeds and not whole and run.id not in more:
                continue
            if run.id in seen.setdefault(each.where, set()):
                raise UserError(f"{each.where}: arm {each.name!r} repeats another arm's settings; remove one")
            seen[each.where].add(run.id)
            if start and run.start_folder == PRETRAINED:
                sources[start.id] = start
            if each.parent and seed in arms[each.parent].seeds:
                before = _run(params, arms[each.parent].resolved, seed, start).id
                run = run if before == run.id else run.model_copy(update={"parent": before})
            planned.append(Planned(run, each.paper, each.study, each.name, each.levels))
    return Plan(params.scale, tuple(planned), sources, looks)


def more_seeds(base: Sequence[int], n: int) -> tuple[int, ...]:
    """``base``, and where these are fewer than ``n`` the smallest other seeds behind them."""
    others = (seed for seed in count() if seed not in base)
    return (*base, *islice(others, max(0, n - len(base))))


def _arms(study: Study, where: str) -> Any:
    """Yield ({axis: label}, settings layers) for each combination of levels."""
    axes = []
    for axis, levels in study.axes.items():
        options = []
        for i, level in enumerate(levels):
            at = f"{where}.axes.{axis}[{i}]"
            if isinstance(level, dict):  # values that belong together move together
                if "label" not in level:
                    raise UserError(f"{at}: a level of several values needs a label; add label: <name>")
                if not isinstance(level["label"], str) or not level["label"].strip():
                    raise UserError(f"{at}.label: must be text (got {level['label']!r}); write a name, in quotes")
                options.append((str(level["label"]), (at, {k: v for k, v in level.items() if k != "label"})))
            else:
                options.append((str(level), (at, {axis.replace("-", "_"): level})))
        labels = [label for label, _ in options]
        for label in labels:
            if labels.count(label) > 1:
                raise UserError(f"{where}.axes.{axis}: level {label!r} stands there twice; remove one")
        axes.append(options)
    for combination in product(*axes):
        yield (
            {axis: label for axis, (label, _) in zip(study.axes, combination, strict=True)},
            [layer for _, layer in combination],
        )


def _run(params: Params, arm: Settings | OwnSettings, seed: int, start: Run | None = None) -> Run:
    if isinstance(arm, OwnSettings):  # the recipe is of our own training code
        return OwnRun(settings=arm, seed=seed)
    return Run(
        settings=arm,
        seed=seed,
        recipe=params.recipe,
        variant=params.datasets[arm.dataset].variant,
        start=start.id if start else None,
    )


def _source(params: Params, arm: Settings | OwnSettings, seed: int) -> Run | None:
    """The pretraining run behind ``weights: pretrain:<name>``: the named settings with the arm's own model."""
    if isinstance(arm, OwnSettings) or not arm.weights.startswith("pretrain:"):
        return None
    name = arm.weights.removeprefix("pretrain:")
    layers = [
        ("params.yaml: defaults", params.defaults),
        (f"params.yaml: scales.{params.scale}.overrides", params.overrides),
        (f"params.yaml: pretraining.{name}", {**params.pretraining[name], **architecture(arm)}),
    ]
    source = resolve(layers, params)
    if source.weights != "scratch":
        raise UserError(f"params.yaml: pretraining.{name}.weights: must be scratch")
    return _run(params, source, seed if arm.pretraining == "by-seed" else params.seeds[0])
