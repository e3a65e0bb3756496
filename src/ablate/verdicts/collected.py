"""What was collected of a paper's runs, looked up by place: its claims ask for the same runs again and again."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from ablate.papers.claim import Claim
from ablate.plan.record import PlannedRun
from ablate.verdicts.behaviours import Row
from ablate.verdicts.images import Array, Ask, correct, from_folders, split_of, sums_over_images


class Collected:
    """Of one paper."""

    def __init__(self, runs: pd.DataFrame, history: pd.DataFrame, folder: Path, ask: Ask | None = None) -> None:
        """Take what `collect` gathered.

        Args:
            runs: a row per planned run (results.study.collected_runs).
            history: a row per epoch of each run that there is (collected_history).
            folder: holds the runs' own folders.
            ask: what runs answered, image by image; None: read from ``folder``.
        """
        self.folder, self.no_curve = folder, history.iloc[:0]
        self._history = history
        self._ask = ask or from_folders(folder)
        columns = [list(map(str, runs)), *(runs[name].tolist() for name in runs)]
        names, *values = columns
        self._rows: dict[tuple[str, str, str], Row] = {}
        for row, gone in zip(zip(*values, strict=True), runs.isna().to_numpy().tolist(), strict=True):
            found = {name: None if no else v for name, v, no in zip(names, row, gone, strict=True)}
            self._rows[found["study"], found["arm"], found["run"]] = found
        self._sums: dict[tuple[object, ...], Array | None] = {}

    def rows(self, planned: Collection[PlannedRun]) -> list[Row]:
        """Those of ``planned`` that there are, in its order; what a row lacks is None."""
        every = (self._rows.get((p.study, p.arm, p.run)) for p in planned)
        return [row for row in every if row is not None]

    def curves(self, study: str, runs: Collection[str]) -> dict[str, pd.DataFrame]:
        """{run: its epochs in their order}."""
        mine = self._history[(self._history["study"] == study) & self._history["run"].isin([*runs])]
        return {str(run): curve.sort_values("epoch") for run, curve in mine.groupby("run")}

    def sums(self, claim: Claim, runs: Collection[str]) -> list[Array]:
        """What each image adds to each run's number (`correct`); nothing where a run left no such answers."""
        if not sums_over_images(claim):
            return []
        each = [self._sum(claim, run) for run in runs]
        found = [s for s in each if s is not None]
        return found if len(found) == len(each) else []

    def _sum(self, claim: Claim, run: str) -> Array | None:
        key = run, claim.kind == "gap", claim.metric, claim.behaviour, *claim.labels.values()
        if key not in self._sums:
            answers = self._ask(run, split_of(claim))
            self._sums[key] = None if answers is None else correct(claim, answers)
        return self._sums[key]
