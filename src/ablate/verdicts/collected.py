"""What was collected of a paper's runs, looked up by place: its claims ask for the same runs again and again."""

from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from ablate.papers.claim import Claim
from ablate.plan.record import PlannedRun
from ablate.verdicts.behaviours import Row
from ablate.verdicts.images import Ask, PerImage, correct, from_folders, per_image, split_of, sums_over_images


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
        self._rows: dict[tuple[str, str, str], Row] = {}
        names = [str(name) for name in runs]
        values = zip(*(runs[name].tolist() for name in names), strict=True)
        for cells, gone in zip(values, runs.isna().to_numpy().tolist(), strict=True):
            row: Row = {name: None if no else cell for name, cell, no in zip(names, cells, gone, strict=True)}
            self._rows[row["study"], row["arm"], row["run"]] = row
        self._per_image: dict[tuple[object, ...], PerImage | None] = {}

    def rows(self, planned: Collection[PlannedRun]) -> list[Row]:
        """Those of ``planned`` that there are, in its order; what a row lacks is None."""
        every = (self._rows.get((p.study, p.arm, p.run)) for p in planned)
        return [row for row in every if row is not None]

    def curves(self, study: str, runs: Collection[str]) -> dict[str, pd.DataFrame]:
        """{run: its epochs in their order}."""
        mine = self._history[(self._history["study"] == study) & self._history["run"].isin([*runs])]
        return {str(run): curve.sort_values("epoch") for run, curve in mine.groupby("run")}

    def per_image(self, claim: Claim, runs: Sequence[str]) -> PerImage | None:
        """What each image adds to the numbers of an arm's ``runs``; None where one of them left no such answers."""
        if not sums_over_images(claim):
            return None
        key = *runs, claim.kind == "gap", claim.metric, claim.behaviour, *claim.labels.values()
        if key not in self._per_image:
            answers = [self._ask(run, split_of(claim)) for run in runs]
            sums = [correct(claim, found) for found in answers if found is not None]
            known = [each for each in sums if each is not None]
            self._per_image[key] = per_image(known) if len(known) == len(runs) else None
        return self._per_image[key]
