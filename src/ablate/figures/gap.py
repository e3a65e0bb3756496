"""How far each arm overfits: its two accuracies, and the gap between them beside the paper's."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ablate.figures.common import Drawn, finished, label, legend_below, panels, values, wrapped
from ablate.figures.style import PALETTE, PRINTED, SEED, TOP1, WIDE
from ablate.results.study import StudyResults
from ablate.tables.gap import gaps_of, printed_gaps

TRAINING: dict[str, Any] = {"marker": "^", "color": PALETTE[1], "ls": ""}
VALIDATION: dict[str, Any] = {"marker": "o", "color": PALETTE[0], "ls": ""}
MEAN: dict[str, Any] = {"marker": "|", "ls": "", "ms": 10, "mew": 2, "color": PALETTE[0]}


def gap(results: StudyResults) -> Drawn:
    """How far each arm overfits.

    Left: training and validation accuracy, means over seeds, joined by a line. Right: the difference of the two, a
    dot per seed and their mean, and what the paper prints.
    """
    arms = results.arms
    figure, (left, right) = panels(1, 2, WIDE, 1.0 + 0.3 * len(arms), space=0.04)
    printed = printed_gaps(results)
    for y, arm in enumerate(arms):
        _accuracies(left, results, arm, y)
        gaps = list(gaps_of(results, arm).values())
        right.plot(gaps, [y] * len(gaps), **SEED)
        if gaps:
            right.plot(np.mean(gaps), y, **MEAN)
        if arm in printed:
            right.plot(100 * printed[arm], y, **PRINTED)
    right.axvline(0, color="0.6", lw=0.8, zorder=0)
    left.set(xlabel=TOP1, title="training and validation", xlim=(0, 1.05 * left.dataLim.x1 if left.lines else 100))
    right.set(xlabel="training less validation (points)", title="gap")
    left.set_yticks(range(len(arms)), [wrapped(label(results, arm), 1.6) for arm in arms])
    right.set_yticks(range(len(arms)), [""] * len(arms))
    for axis in (left, right):
        axis.set_ylim(len(arms) - 0.5, -0.5)
        axis.tick_params(axis="y", length=0)
    entries = {"training": TRAINING, "validation": VALIDATION, "a seed": SEED, "mean": MEAN}
    entries |= {results.printed: PRINTED} if printed else {}
    legend_below(figure, [Line2D([], [], **look) for look in entries.values()], list(entries))
    what = (
        "Left, training and validation accuracy of the last epoch, means over seeds; right, their difference "
        "within each seed, which is how far a network overfits."
    )
    return Drawn(figure, what, "a dot is a seed, a bar their mean", splits=("train", "val"))


def _accuracies(axis: Axes, results: StudyResults, arm: str, y: int) -> None:
    rows = finished(results, arm)
    train, val = ([100 * v for v in values(rows[metric])] for metric in ("train_top1", "val_top1"))
    if not (train and val):
        return
    axis.plot([np.mean(train), np.mean(val)], [y, y], color="0.7", lw=2, zorder=1)
    axis.plot(np.mean(train), y, **TRAINING)
    axis.plot(np.mean(val), y, **VALIDATION)
