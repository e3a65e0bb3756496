"""Results of a study, and its tables: one function each, (StudyResults) -> Table. A new one is a line in kinds.py."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ablate.csv_text import read_csv
from ablate.data.views import Pack
from ablate.errors import UserError, choose
from ablate.files import read_json
from ablate.own_code import parted
from ablate.papers.paper import Paper, read
from ablate.papers.words import Words, words
from ablate.plan.health import NUMBERS, Health
from ablate.plan.kinds import TABLES, kind_of
from ablate.plan.metrics import BUILT_IN, Metrics, chosen_by, main_of
from ablate.plan.names import BEST, arm_or_best, class_names, shown_arm
from ablate.plan.record import PlannedRun, PlanRecord, read_plan
from ablate.plan.runs import ENDED, RUNS
from ablate.plan.settings import Settings
from ablate.plan.trainers import OwnSettings, Trainer
from ablate.results.collect import METRICS, PLACE, TEXT, columns, equal_seeds, place

# Labels of archives with the official pixels; data of the user's own are their own original.
SAME_IMAGES = ("official", "official-binary", "repacked", "extracted", "measured")


@dataclass(frozen=True)
class StudyResults:
    """What a table or figure is made from."""

    paper: str
    study: str
    title: str
    scale: str
    axes: list[str]
    planned: list[PlannedRun]
    runs: pd.DataFrame  # a row per planned run: collect's runs.csv
    history: pd.DataFrame  # a row per epoch of each planned run
    reported: dict[str, dict[str, float]]  # arm: {metric: what the paper printed}
    runs_folder: Path = RUNS
    data_folder: Path = Path()  # what `ablate describe` wrote
    health: Health = field(default_factory=Health)  # thresholds of the words for runs
    record: Paper | None = None  # all that the paper says; None: there is no paper
    every_axis: list[list[str]] = field(default_factory=list)  # the levels of each axis of the plan, a list each
    called: str = ""  # the scale with what it stands for
    show: Mapping[str, str] = field(default_factory=dict)  # a level's label: what readers see in its place
    metrics: Metrics = field(default_factory=lambda: BUILT_IN)  # that its trainers measure, the main one first
    trainers: Mapping[str, Trainer] = field(default_factory=dict)  # own ones, by name
    told: str = ""  # the table whose notes tell deviations and choices, once for the study

    @property
    def arms(self) -> list[str]:
        """In the order of the plan."""
        return list(dict.fromkeys(p.arm for p in self.planned))

    def shown(self, name: str) -> str:
        """What readers see of a level or of an arm."""
        return shown_arm(name, self.show)

    @property
    def names(self) -> dict[str, str]:
        """{name: what readers see} of each level and arm that has something else to show."""
        arms = {arm: shown for arm in self.arms if (shown := self.shown(arm)) != arm}
        return {**self.show, **arms}

    @property
    def main(self) -> str:
        """Its main metric's name."""
        return main_of(self.metrics)

    @property
    def named(self) -> str:
        """Its main metric in words."""
        return self.metrics[self.main].words or self.main

    @property
    def axis_label(self) -> str:
        """Its main metric on an axis of a figure."""
        unit = self.metrics[self.main].shown_unit
        return f"{self.named} ({unit})" if unit else self.named

    @property
    def own(self) -> list[str]:
        """Its arms of own trainers."""
        return list(dict.fromkeys(p.arm for p in self.planned if isinstance(p.settings, OwnSettings)))

    @property
    def own_metrics(self) -> list[str]:
        """Those of own trainers."""
        return [name for name, metric in self.metrics.items() if BUILT_IN.get(name) != metric]

    @property
    def words(self) -> Words:
        """What its arms are to the paper."""
        if self.record is None:
            return Words()
        return words(self.record, self.planned, self.scale, archives(self.runs, self.planned))

    @property
    def printed(self) -> str:
        """What legends call numbers that are not ours, with their classes where these are others than ours."""
        theirs, ours = ({p.printed[0] for p in self.planned}, {p.n_classes for p in self.planned})
        of = "" if theirs == ours else f", of {' or '.join(map(str, sorted(theirs)))} classes"
        return ("printed in the paper" if self.of_paper else "printed elsewhere") + of

    @property
    def of_paper(self) -> bool:
        """Whether there is a paper that prints the numbers beside which its own stand."""
        return self.record is None or self.record.is_document

    def contaminated(self, arm: str) -> bool:
        """Whether it starts from weights that have seen the data set's images."""
        return any(p.contaminated for p in self.planned if p.arm == arm)

    def remark(self, arm: str) -> str:
        """What is to say of an arm's seeds beside their states: which have equal scores, though chance has a part."""
        settings = next(p.settings for p in self.planned if p.arm == arm)
        if not isinstance(settings, OwnSettings):
            return ""
        if self.trainers[settings.trainer].results:
            return "imported"
        seeds = equal_seeds(self.runs[self.runs["arm"] == arm], self.trainers[settings.trainer])
        return f"equal scores of seeds {', '.join(map(str, seeds))}" if seeds else ""

    def settings(self, arm: str) -> Settings:
        """With their defaults, of the built-in trainer.

        Raises:
            UserError: For an arm of an own one.
        """
        found = next(p.settings for p in self.planned if p.arm == arm)
        if isinstance(found, OwnSettings):
            raise UserError(
                f"papers/{self.paper}.yaml: drawn.{self.study}: what is drawn asks of {arm!r} what only the built-in "
                f"trainer has, and its trainer is {found.trainer}; choose another kind"
            )
        return found

    def classes(self, arm: str) -> list[str]:
        """The names of the arm's classes, in the order of its labels, as the data's description has them.

        Raises:
            UserError: If that is missing.
        """
        settings = self.settings(arm)
        meta = read_json(self.data_folder / f"{settings.dataset}.json")
        empty = np.empty(0, int)
        return class_names(meta, Pack(meta, empty, empty).chosen(settings))

    def one_arm(self, name: str, where: str) -> str | None:
        """The arm called ``name``, or `best_arm` for ``best``.

        Raises:
            UserError: For a name that there is not.
        """
        return self.best_arm if arm_or_best(name, self.arms, where) == BEST else name

    @property
    def best_arm(self) -> str | None:
        """By the mean over seeds of best_val_top1, never by test, or of an own trainer's main metric.

        The first of equals. None where no run ended.
        """
        ended, name = self.runs[self.runs["status"].isin(ENDED)], chosen_by(self.metrics)
        means = ended.groupby("arm")[name].mean().astype(float).reindex(self.arms).dropna()
        if means.empty:
            return None
        return str(means.idxmin() if self.metrics[name].better == "lower" else means.idxmax())


def study_results(plan: Path, collected: Path, papers: Path, study: str, runs_folder: Path = RUNS) -> StudyResults:
    """Read one study's part of what `collect` wrote, and what the paper printed for the same arms.

    ``collected`` is results/<scale>/<paper>; ``runs_folder`` holds the runs themselves.
    """
    whole, paper = read_plan(plan), collected.name
    chosen = whole.studies.get(f"{paper}/{study}")
    if chosen is None:
        raise choose("--study", f"{paper}/{study}", whole.studies, "study")
    record = read(papers / f"{paper}.yaml", whole)
    runs, history = collected_runs(whole, collected), collected_history(whole, collected)
    runs, history = (table[table["study"] == study] for table in (runs, history))
    planned = [p for p in whole.of(paper) if p.study == study]
    return StudyResults(
        paper,
        study,
        chosen.title,
        whole.scale,
        list(chosen.axes),
        planned,
        runs,
        history,
        record.printed(study),
        runs_folder,
        collected.parent / "data",
        whole.health,
        record,
        every_axis(whole),
        whole.called(planned),
        chosen.show,
        whole.metrics_of(planned),
        whole.trainers,
        next((name for name, kind in chosen.tables.items() if kind_of(parted(kind)[0], TABLES).runs), ""),
    )


def collected_runs(plan: PlanRecord, collected: Path) -> pd.DataFrame:
    """runs.csv of one paper: a row per planned run, in the plan's order, and no other.

    A run that the file does not have is ``missing``; one that it has twice is ``duplicated``, because it cannot be
    known which row is right; neither has values.
    """
    place = ["study", "run"]
    mine = plan.of(collected.name)
    found = read_csv(collected / "runs.csv", TEXT, need=[*PLACE, *columns(plan, mine), "health", "wall_s", "data"])
    for name in (*METRICS, *NUMBERS):  # of the built-in trainer, where there are only own ones
        if name not in found:
            found[name] = np.nan
    twice = found.duplicated(place, keep=False)
    values = [c for c in found if c not in ("study", "arm", "seed", "run", "contaminated")]
    found.loc[twice, [c for c in values if c != "status"]] = None
    found.loc[twice, "status"] = "duplicated"
    merged = _places(plan, collected).merge(found.drop_duplicates(place)[[*place, *values]], on=place, how="left")
    return merged.fillna({"status": "missing", "health": "", "data": ""})


def collected_history(plan: PlanRecord, collected: Path) -> pd.DataFrame:
    """history.csv of one paper: a row per epoch of each planned run, in the plan's order, and no other."""
    found = read_csv(collected / "history.csv", TEXT, need=[*PLACE, "epoch"])
    return _places(plan, collected).merge(found.drop(columns=["arm", "seed"]), on=["study", "run"])


def every_axis(plan: PlanRecord) -> list[list[str]]:
    """The levels of each axis of each study, in the order of the plan."""
    found: dict[tuple[str, str, str], dict[str, None]] = {}
    for p in plan.runs:
        for axis, level in p.levels.items():
            found.setdefault((p.paper, p.study, axis), {})[level] = None
    return [list(levels) for levels in found.values()]


def archives(runs: pd.DataFrame, planned: Iterable[PlannedRun]) -> list[str]:
    """`other_images` of the planned runs."""
    return other_images(runs.loc[runs["run"].isin([p.run for p in planned]), "data"])


def other_images(labels: Iterable[str]) -> list[str]:
    """Of the archives that runs were trained on, each once, those whose images are not the official ones."""
    return sorted({*labels} - {"", *SAME_IMAGES})


def _places(plan: PlanRecord, collected: Path) -> pd.DataFrame:
    """Study, arm, seed and run of each planned run of the paper, from the plan: a file may say another arm."""
    return pd.DataFrame([place(p) for p in plan.of(collected.name)], columns=PLACE)
