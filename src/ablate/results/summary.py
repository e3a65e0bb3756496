"""What DVC compares between commits: each arm's main metric with its number of runs and interval, and all curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ablate.csv_text import read_csv, to_csv
from ablate.files import write_json, write_text
from ablate.plan.metrics import BUILT_IN, Metrics, main_of
from ablate.plan.record import PlanRecord
from ablate.results.collect import TEXT
from ablate.results.stats import PM, ended, measured, values_of


def summarise(plan: PlanRecord, folders: Sequence[Path], target: Path) -> None:
    """Join what was collected of each paper (``folders``) of ``plan``, for `dvc metrics` and `dvc plots`.

    Metrics go into ``target`` (.json), {paper: {study: {arm: `arm_summary`}}}; curves into ``target`` with .csv.
    """
    write_json(target, {folder.name: _of_paper(plan, folder) for folder in folders})
    curves = pd.concat([read_csv(folder / "history.csv", TEXT).assign(paper=folder.name) for folder in folders])
    write_text(target.with_suffix(".csv"), to_csv(curves))


def _of_paper(plan: PlanRecord, folder: Path) -> dict[str, Any]:
    tree: dict[str, Any] = {}  # DVC compares numbers by their path
    for (study, arm), group in read_csv(folder / "runs.csv", TEXT).groupby(["study", "arm"], sort=False):
        metrics = plan.measured(folder.name, str(study))
        tree.setdefault(str(study), {})[str(arm)] = arm_summary(group, metrics)
    return tree


def arm_summary(runs: pd.DataFrame, metrics: Metrics = BUILT_IN) -> dict[str, float | int | None]:
    """The mean of its main metric, as shown, over ``n`` runs that ended; ``pm``: half of its 95 % interval.

    Its name is the metric's, and ``val`` for the built-in trainer's validation accuracy.
    """
    main = main_of(metrics)
    of = metrics[main]
    values = values_of(ended(runs), main, of.factor, of.places)
    cells, _ = measured(main, values, of.places)
    return {"val" if of == BUILT_IN.get(main) else main: cells[main], "pm": cells[main + PM], "n": len(values)}
