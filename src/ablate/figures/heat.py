"""A grid of settings as heat maps: ours, the paper's where it prints them, and the difference."""

from itertools import product
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from ablate.figures.common import Drawn, finished, note, of_arm, panels, values
from ablate.figures.style import WIDE
from ablate.plan.kinds import RATE
from ablate.results.study import StudyResults

Grid = np.ndarray[Any, np.dtype[np.float64]]  # rows, columns; NaN where there is nothing
METRICS = {"train_top1": "training", "val_top1": "validation", "test_top1": "test"}
CELL = 0.24  # inches


def heat(results: StudyResults, argument: str = "val_top1") -> Drawn:
    """Accuracy of each combination, a row per level of the rate (or of the first axis), a column per other levels.

    ``argument`` is one of METRICS. Panels for ours, the printed ones and ours less these, where the paper has some.
    """
    row = RATE if RATE in results.axes else results.axes[0]
    others = [axis for axis in results.axes if axis != row]
    levels = {axis: list(dict.fromkeys(p.levels[axis] for p in results.planned)) for axis in results.axes}
    columns = list(product(*(levels[axis] for axis in others)))
    ours, theirs = (np.full((len(levels[row]), len(columns)), np.nan) for _ in range(2))
    said: dict[tuple[int, int], str] = {}
    for arm in results.arms:
        own = of_arm(results, arm)[0].levels
        at = levels[row].index(own[row]), columns.index(tuple(own[axis] for axis in others))
        tops = values(finished(results, arm)[argument])
        ours[at] = 100 * np.mean(tops) if tops else np.nan
        said[at] = note(results, arm)
        theirs[at] = 100 * results.reported.get(arm, {}).get(argument, np.nan)
    shown: list[tuple[str, Grid]] = [("ours (%)", ours)]
    if np.isfinite(theirs).any():
        shown += [("printed (%)", theirs), ("ours less printed (points)", ours - theirs)]
    named = [" / ".join(map(results.shown, column)) for column in columns]
    rows = list(map(results.shown, levels[row]))
    across = len(shown) if len(columns) * len(shown) <= 14 else 1
    high = CELL * len(levels[row]) + 0.55 + 0.055 * max(map(len, named), default=0)
    figure, axes = panels(-(-len(shown) // across), across, WIDE, high * -(-len(shown) // across), space=0.02)
    top = float(np.nanmax([np.nanmax(grid, initial=1.0) for _, grid in shown[:2]]))
    for n, (axis, (title, grid)) in enumerate(zip(axes, shown, strict=True)):
        reach = float(np.nanmax(np.abs(grid), initial=1.0))
        _map(axis, grid, ("RdBu", -reach, reach) if n == 2 else ("cividis", 0.0, top), said if n == 0 else {})
        axis.set(title=title, xlabel=" / ".join(others).replace("-", " "))
        axis.set_xticks(range(len(columns)), named, rotation=90)
        axis.set_yticks(range(len(levels[row])), rows if n % across == 0 else [""] * len(rows))
        axis.tick_params(length=0)
        if n % across == 0:
            axis.set_ylabel(row.replace("-", " "))
    what = f"Top-1 accuracy on {METRICS[argument]} images of the last epoch, means over seeds, of each combination"
    by = "what the paper prints" if results.of_paper else "what is printed elsewhere"
    what += f", beside {by}." if len(shown) > 1 else "."
    return Drawn(figure, what, splits=(argument.partition("_")[0],))


def _map(axis: Axes, grid: Grid, scale: tuple[str, float, float], said: dict[tuple[int, int], str]) -> None:
    """Coloured cells with their numbers in them; one without a number says why."""
    name, low, high = scale
    colours = plt.get_cmap(name)
    axis.imshow(grid, cmap=colours, vmin=low, vmax=high, aspect="auto")
    for (y, x), value in np.ndenumerate(grid):
        if np.isfinite(value):
            red, green, blue, _ = colours((value - low) / (high - low))
            dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
            text = f"{value + 0.0:.1f}".replace("-", "−")
            axis.text(x, y, text, ha="center", va="center", color="white" if dark else "black")
        elif said.get((y, x)):
            axis.text(x, y, "×", ha="center", va="center", color="0.4")
    for spine in axis.spines.values():
        spine.set_visible(False)
