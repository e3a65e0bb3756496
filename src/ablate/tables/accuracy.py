"""Tables of metrics, a row per arm: the mean over seeds, and half of its 95 % interval. Accuracies in percent."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from ablate.plan import health
from ablate.plan.metrics import BUILT_IN
from ablate.plan.metrics import column as head
from ablate.results.stats import Sources, ended, measured, remarks, values_of
from ablate.results.study import StudyResults
from ablate.results.table import Table

ACCURACIES = ("train_top1", "val_top1", "best_val_top1", "test_top1")
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
    cells["note"] = "; ".join(filter(None, [remarks(runs, results.contaminated(arm)), results.remark(arm)]))
    sources = dict.fromkeys(cells, dict.fromkeys(map(str, done["run"])))
    return cells, sources | {"note": dict.fromkeys(map(str, runs["run"]))}


def examined(results: StudyResults) -> bool:
    """Whether training left the numbers that health follows from; results older than these have none."""
    return bool(ended(results.runs)["val_chance_p"].notna().any())


def legend(results: StudyResults) -> list[str]:
    """What the words under health mean that a table of the study has, as notes below it."""
    said = health.BETWEEN.join(ended(results.runs)["health"]) if examined(results) else ""
    text = health.legend(results.health, said.split(health.BETWEEN))
    return [text] if text else []


def percents(results: StudyResults, arm: str, columns: Iterable[tuple[str, str]]) -> Pair:
    """Cells of the means of metrics, given as (column, metric), as shown; the arm's count and notes behind them."""
    cells: dict[str, Any] = {}
    sources: dict[str, Sources] = {}
    for column, metric in columns:
        of = results.metrics[metric]
        pair = measured(column, values_of(ended(of_arm(results, arm)), metric, of.factor, of.places), of.places)
        cells |= pair[0]
        sources |= pair[1]
    count = counted(results, arm)
    return cells | count[0], sources | count[1]


def printed(results: StudyResults, arm: str, columns: Iterable[tuple[str, str]]) -> dict[str, float]:
    """Cells of what the paper prints of an arm, in percent."""
    known = results.reported.get(arm, {})
    return {f"{column}, printed": round(100 * known[metric], 2) for column, metric in columns if metric in known}


def beside(results: StudyResults, arm: str, cells: dict[str, Any]) -> dict[str, Any]:
    """``cells`` behind the arm's levels, or behind its name where the study has no axis.

    An axis that is called as one of the cells gets the column "axis n", which no axis can be called itself.
    """
    levels = next(p.levels for p in results.planned if p.arm == arm) or {"arm": arm}
    return {f"axis {axis}" if axis in cells else axis: label for axis, label in levels.items()} | cells


def accuracy(results: StudyResults) -> Table:
    """Every accuracy that the study has, and over how many images it was measured; all metrics of an own trainer."""
    table = Table(notes=legend(results))
    metrics = [m for m in (*ACCURACIES, *results.own_metrics) if results.runs[m].notna().any()]
    for arm in results.arms:
        cells, sources = percents(results, arm, [(head(m, results.metrics[m]), m) for m in metrics])
        images = {
            f"{split} images": int(of_arm(results, arm)[f"n_{split}"].max())
            for split in ("val", "test")
            if BUILT_IN.keys() <= results.metrics.keys() and of_arm(results, arm)[f"n_{split}"].notna().any()
        }
        last = {key: cells.pop(key) for key in ("health", "note") if key in cells}
        table.add(arm, beside(results, arm, cells | images | last), sources)
    return table


def train_val(results: StudyResults) -> Table:
    """five-cnns, figure 10: model, train accuracy, validation accuracy, and the printed ones."""
    table = Table(notes=legend(results))
    columns = [("train accuracy %", "train_top1"), ("validation accuracy %", "val_top1")]
    for arm in results.arms:
        cells, sources = percents(results, arm, columns)
        last = {key: cells.pop(key) for key in ("n", "health", "note") if key in cells}
        table.add(arm, {"model": arm} | cells | printed(results, arm, columns) | last, sources)
    return table


def trials(results: StudyResults) -> Table:
    """tinyimage10, table 1: settings of each trial, accuracies, and the printed ones; the best test accuracy first.

    Where these settings are the same of two trials, their levels stand before them.
    """
    table = Table()
    table.notes = legend(results)
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
        columns = [(f"{split}_acc %", f"{split}_top1") for split in ("train", "val", "test")]
        cells, sources = percents(results, arm, columns)
        last = {key: cells.pop(key) for key in ("n", "health", "note") if key in cells}
        rows.append((arm, shown[arm] | cells | printed(results, arm, columns) | last, sources))
    alike = len({tuple(settings.values()) for settings in shown.values()}) < len(shown)
    for arm, row, sources in sorted(rows, key=_by_test):
        table.add(arm, beside(results, arm, row) if alike else row, sources)
    return table


def _by_test(entry: tuple[str, dict[str, Any], dict[str, Sources]]) -> tuple[bool, float]:
    """The highest first; what has none last."""
    test = entry[1]["test_acc %"]
    return test is None, 0.0 if test is None else -test
