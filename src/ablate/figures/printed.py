"""The paper's numbers beside ours: a row for each that it prints of a study, the two joined by a line."""

from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ablate.figures.common import Drawn, legend_below, nothing, panels, wrapped
from ablate.figures.style import NARROW, PALETTE, PRINTED, WIDE
from ablate.papers.paper import Paper
from ablate.results.stats import PERCENT, PM, POINTS, Bounds, ends
from ablate.results.study import StudyResults
from ablate.tables.comparison import MINUTES, beside_of

ROW = 0.2  # inches
OURS: dict[str, Any] = {"marker": "o", "color": PALETTE[0], "ls": "", "ms": 5, "zorder": 4}
BAR: dict[str, Any] = {"color": PALETTE[0], "lw": 1.8, "zorder": 3, "solid_capstyle": "butt"}
PANELS = {
    "train_top1": "training accuracy (%)",
    "val_top1": "validation accuracy (%)",
    "best_val_top1": "validation accuracy,\nbest epoch (%)",
    "test_top1": "test accuracy (%)",
    "val_error": "validation error (%)",
    "test_error": "test error (%)",
    "gap": "gap (points)",
}


def printed(results: StudyResults) -> Drawn:
    """A panel per metric, a row per arm of which the paper prints a number, hollow, and ours, filled."""
    rows: dict[str, dict[str, dict[str, Any]]] = {}  # what it is of: metric: cells of the comparison
    paper = results.record or Paper()
    for entry in paper.reported:
        if entry.study == results.study and entry.metric not in MINUTES:
            name, cells = beside_of(entry, results.planned, results.runs, partial(paper.called, results.study))
            rows.setdefault(name, {}).setdefault(entry.metric, cells)
    metrics = [metric for metric in PANELS if any(metric in cells for cells in rows.values())]
    if not metrics:
        figure, (axis,) = panels(1, 1, NARROW, 1.0)
        said = "the paper prints no number of this study" if results.of_paper else "nothing of this study is printed"
        nothing(axis, said)
        return Drawn(figure, f"{said.capitalize()}.")
    texts = [wrapped(name, 2.1) for name in rows]
    height = 0.6 + ROW * (len(rows) + 0.6 * sum(text.count("\n") for text in texts))
    figure, axes = panels(1, len(metrics), WIDE if len(metrics) > 1 else NARROW, height, space=0.03)
    for axis, metric in zip(axes, metrics, strict=True):
        for y, cells in enumerate(rows.values()):
            if metric in cells:
                _pair(axis, y, cells[metric], POINTS if metric == "gap" else PERCENT)
        axis.set(xlabel=PANELS[metric], ylim=(len(rows) - 0.5, -0.5))
        axis.set_yticks(range(len(rows)), texts if axis is axes[0] else [""] * len(rows))
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="y", color="0.93", zorder=0)
    ours = any(cells["ours"] is not None for of_row in rows.values() for cells in of_row.values())
    several = any(cells["ours" + PM] for of_row in rows.values() for cells in of_row.values())
    mean = {"ours, mean and 95 %": OURS | {"ls": "-", "lw": BAR["lw"]}} if several else {"ours, mean": OURS}
    marks = {results.printed: PRINTED} | (mean if ours else {})
    legend_below(figure, [Line2D([], [], **look) for look in marks.values()], list(marks))
    by = "the paper prints" if results.of_paper else "is printed elsewhere"
    what = f"Each number that {by} of this study, hollow, and ours, filled, joined by a line."
    classes = {p.printed[0] for p in results.planned} - {p.n_classes for p in results.planned}
    if classes:
        what += f" The paper's are of {' or '.join(map(str, sorted(classes)))} classes."
    lost = sum(cells["ours"] is None for of_row in rows.values() for cells in of_row.values())
    if lost:
        what += f" Of {lost} there is no run that ended."
    return Drawn(figure, what, "bars are 95 % over seeds (Student's t), from three seeds on", splits=("val",))


def _pair(axis: Axes, y: int, cells: dict[str, Any], bounds: Bounds) -> None:
    if cells["ours"] is not None:
        axis.plot([cells["printed"], cells["ours"]], [y, y], color="0.7", lw=1.2, zorder=1)
        axis.plot(cells["ours"], y, **OURS)
        if half := cells["ours" + PM]:
            axis.plot(ends(cells["ours"], half, bounds), [y, y], **BAR)
    axis.plot(cells["printed"], y, **PRINTED)
