"""What DVC compares between commits: each arm's accuracy with its number of runs and interval, and all curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ablate.csv_text import read_csv, to_csv
from ablate.files import write_json, write_text
from ablate.results.collect import TEXT
from ablate.results.stats import PM, ended, measured, values_of

METRIC = "val_top1"


def summarise(folders: Sequence[Path], target: Path) -> None:
    """Join what was collected of each paper (``folders``), for `dvc metrics` and `dvc plots`.

    Metrics go into ``target`` (.json), {paper: {study: {arm: `arm_summary`}}}; curves into ``target`` with .csv.
    """
    write_json(target, {folder.name: _of_paper(read_csv(folder / "runs.csv", TEXT)) for folder in folders})
    curves = pd.concat([read_csv(folder / "history.csv", TEXT).assign(paper=folder.name) for folder in folders])
    write_text(target.with_suffix(".csv"), to_csv(curves))


def _of_paper(runs: pd.DataFrame) -> dict[str, Any]:
    tree: dict[str, Any] = {}  # DVC compares numbers by their path
    for (study, arm), group in runs.groupby(["study", "arm"], sort=False):
        tree.setdefault(str(study), {})[str(arm)] = arm_summary(group)
    return tree


def arm_summary(runs: pd.DataFrame) -> dict[str, float | int | None]:
    """``val``: mean validation accuracy in percent of ``n`` runs that ended; ``pm``: half of its 95 % interval."""
    values = values_of(ended(runs), METRIC, 100)
    cells, _ = measured(METRIC, values)
    return {"val": cells[METRIC], "pm": cells[METRIC + PM], "n": len(values)}
