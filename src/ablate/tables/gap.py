"""The gap between training and validation accuracy: how far a network overfits, in points."""

from typing import Any

from ablate.results.stats import Sources, ended, measured
from ablate.results.study import StudyResults
from ablate.results.table import Table
from ablate.tables.accuracy import beside, legend, of_arm, percents

GAP = "gap (points)"
COLUMNS = [("training accuracy %", "train_top1"), ("validation accuracy %", "val_top1")]


def gaps_of(results: StudyResults, arm: str) -> dict[str, float]:
    """{run: training less validation accuracy in points} of the arm's runs that ended."""
    rows = ended(of_arm(results, arm))
    found = 100 * (rows["train_top1"] - rows["val_top1"]).astype(float)
    return {str(run): round(float(value), 6) for run, value in zip(rows["run"], found, strict=True) if value == value}


def with_gap(results: StudyResults, arm: str) -> tuple[dict[str, Any], dict[str, Sources]]:
    """The cells of the gap and its half width, and their runs."""
    return measured(GAP, gaps_of(results, arm))


def printed_gaps(results: StudyResults) -> dict[str, float]:
    """{arm: the gap that the paper prints, a fraction}.

    Where it prints two accuracies instead, their difference; where it tells how much less than another's a gap is,
    what follows from the two.
    """
    found: dict[str, float] = {}
    for arm, metrics in results.reported.items():
        if "gap" in metrics:
            found[arm] = metrics["gap"]
        elif {"train_top1", "val_top1"} <= set(metrics):
            found[arm] = round(metrics["train_top1"] - metrics["val_top1"], 6)
    for entry in results.record.reported if results.record else ():
        if entry.metric == "gap" and entry.study == results.study and entry.minus and entry.arm in found:
            found.setdefault(entry.minus, round(found[entry.arm] - entry.value, 6))
    return found


def gap(results: StudyResults) -> Table:
    """Training and validation accuracy of each arm, and the difference of the two within each seed."""
    said = "The gap is training less validation accuracy, within each seed."
    table = Table(caption=said, notes=legend(results))
    printed = printed_gaps(results)
    for arm in results.arms:
        cells, sources = percents(results, arm, COLUMNS)
        mine, more = with_gap(results, arm)
        last = {key: cells.pop(key) for key in ("n", "health", "note") if key in cells}
        told = {"printed": f"{100 * printed[arm]:.10g}" if arm in printed else ""}
        table.add(arm, beside(results, arm, cells | mine | told | last), sources | more)
    return table
