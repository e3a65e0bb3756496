"""Tables of accuracies, a row per arm. In percent: the mean over seeds, and half of its 95 % interval."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from ablate.plan import health
from ablate.results.stats import Sources, ended, measured, remarks, values_of
from ablate.results.study import StudyResults
from ablate.results.table import Table

Pair = tuple[dict[str, Any], dict[str, Sources]]  # cells, and the runs behind them


def of_arm(results: StudyResults, arm: str) -> pd.DataFrame:
    """The arm's planned runs."""
    return results.runs[results.runs["arm"] == arm]


def counted(results: StudyResults, arm: str) -> Pair:
    """The cells n, health and note of an arm.

    They say how many runs were averaged, what these have not learnt, and what is to say of the others. Where it is
    known of no run of the study, there is no health.
    """
    runs = of_arm(results, arm)
    done = ended(runs)
    cells: dict[str, Any] = {"n": len(done)}
    if examined(results):
        cells["health"] = health.counted(done["health"])
    cells["note"] = remarks(runs, results.contaminated(arm))
    sources = dict.fromkeys(cells, dict.fromkeys(map(str, done["run"])))
    return cells, sources | {"note": dict.fromkeys(map(str, runs["run"]))}


def examined(results: StudyResults) -> bool:
    """Whether training left the numbers that health follows from; results older than these have none."""
    return bool(ended(results.runs)["val_chance_p"].notna().any())


def legend(results: StudyResults) -> str:
    """What the words under health mean that a table of the study has."""
    said = health.BETWEEN.join(ended(results.runs)["health"]) if examined(results) else ""
    return health.legend(results.health, said.split(health.BETWEEN))


def percents(results: StudyResults, arm: str, columns: Iterable[tuple[str, str]]) -> Pair:
    """Cells of the means of metrics, given as (column, metric); the arm's count and notes behind them."""
    cells: dict[str, Any] = {}
    sources: dict[str, Sources] = {}
    for column, metric in columns:
        pair = measured(column, values_of(ended(of_arm(results, arm)), metric, 100))
        cells |= pair[0]
        sources |= pair[1]
    count = counted(results, arm)
    return cells | count[0], sources | count[1]


def beside(results: StudyResults, arm: str, cells: dict[str, Any]) -> dict[str, Any]:
    """``cells`` behind the arm's levels, or behind its name where the study has no axis.

    An axis that is called as one of the cells gets the column "axis n", which no axis can be called itself.
    """
    levels = next(p.levels for p in results.planned if p.arm == arm) or {"arm": arm}
    return {f"axis {axis}" if axis in cells else axis: label for axis, label in levels.items()} | cells


def accuracy(results: StudyResults) -> Table:
    """Every accuracy that the study has, and over how many images it was measured."""
    table = Table(caption=legend(results))
    metrics = [m for m in ("train_top1", "val_top1", "best_val_top1", "test_top1") if results.runs[m].notna().any()]
    for arm in results.arms:
        cells, sources = percents(results, arm, [(f"{m} %", m) for m in metrics])
        images = {
            f"{split} images": int(of_arm(results, arm)[f"n_{split}"].max())
            for split in ("val", "test")
            if of_arm(results, arm)[f"n_{split}"].notna().any()
        }
        last = {key: cells.pop(key) for key in ("health", "note") if key in cells}
        table.add(arm, beside(results, arm, cells | images | last), sources)
    return table


def train_val(results: StudyResults) -> Table:
    """five-cnns, figure 10: model, train accuracy, validation accuracy."""
    table = Table(caption=legend(results))
    columns = [("train accuracy %", "train_top1"), ("validation accuracy %", "val_top1")]
    for arm in results.arms:
        cells, sources = percents(results, arm, columns)
        table.add(arm, {"model": arm} | cells, sources)
    return table


def trials(results: StudyResults) -> Table:
    """tinyimage10, table 1: settings, minutes and accuracies of each trial, the best test accuracy first.

    Where these settings are the same of two trials, their levels stand before them.
    """
    table = Table(best={"time(m)": "min", "train_acc %": "max", "val_acc %": "max", "test_acc %": "max"})
    table.caption = legend(results)
    rows, shown = [], {}
    for arm in results.arms:
        s = results.settings(arm)
        shown[arm] = {
            "batch_size": s.batch_size,
            "learning_rate": f"{s.lr:g}",
            "momentum": f"{s.momentum:g}",
            "gamma": "" if s.gamma is None else f"{s.gamma:g}",
            "optimizer": s.optimizer,
        }
        minutes, sources = measured("time(m)", values_of(ended(of_arm(results, arm)), "wall_s", 1 / 60))
        columns = [(f"{split}_acc %", f"{split}_top1") for split in ("train", "val", "test")]
        cells, more = percents(results, arm, columns)
        rows.append((arm, shown[arm] | {"time(m)": minutes["time(m)"]} | cells, sources | more))
    alike = len({tuple(settings.values()) for settings in shown.values()}) < len(shown)
    for arm, row, sources in sorted(rows, key=_by_test):
        table.add(arm, beside(results, arm, row) if alike else row, sources)
    return table


def _by_test(entry: tuple[str, dict[str, Any], dict[str, Sources]]) -> tuple[bool, float]:
    """The highest first; what has none last."""
    test = entry[1]["test_acc %"]
    return test is None, 0.0 if test is None else -test
