"""A grid of settings as heat maps: ours, the paper's where it prints them, and the difference."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from ablate.figures.common import Drawn, finished, note, of_arm, panels, sized, values
from ablate.figures.style import WIDE
from ablate.plan.kinds import RATE
from ablate.plan.metrics import BUILT_IN, Metric
from ablate.results.study import StudyResults

Grid = np.ndarray[Any, np.dtype[np.float64]]  # rows, columns; NaN where there is nothing
METRICS = {"train_top1": "training", "val_top1": "validation", "test_top1": "test"}
CELL, LETTER = 0.24, 0.06  # inches: the height of a row, and about the width of a letter


def heat(results: StudyResults, argument: str = "") -> Drawn:
    """A metric of each combination, a row per level of the rate (or of the first axis), a column per other levels.

    ``argument`` is a metric, the main one if it is empty. Panels for ours, the printed ones, ours less these, where
    the paper has some.
    """
    argument = argument or results.main
    of = results.metrics[argument]
    row = RATE if RATE in results.axes else results.axes[0]
    others = [axis for axis in results.axes if axis != row]
    levels = {axis: sized(p.levels[axis] for p in results.planned) for axis in results.axes}
    columns = list(product(*(levels[axis] for axis in others)))
    ours, theirs = (np.full((len(levels[row]), len(columns)), np.nan) for _ in range(2))
    said: dict[tuple[int, int], str] = {}
    for arm in results.arms:
        own = of_arm(results, arm)[0].levels
        at = levels[row].index(own[row]), columns.index(tuple(own[axis] for axis in others))
        tops = values(finished(results, arm)[argument])
        ours[at] = of.factor * np.mean(tops) if tops else np.nan
        said[at] = note(results, arm)
        theirs[at] = of.factor * results.reported.get(arm, {}).get(argument, np.nan)
    unit, apart = (f" ({word})" if word else "" for word in (of.shown_unit, of.of_differences))
    shown: list[tuple[str, Grid]] = [(f"ours{unit}", ours)]
    if np.isfinite(theirs).any():
        shown += [(f"printed{unit}", theirs), (f"ours less printed{apart}", ours - theirs)]
    named = [" / ".join(map(results.shown, column)) for column in columns]
    rows = list(map(results.shown, levels[row]))
    across = len(shown) if len(columns) * len(shown) <= 14 else 1
    longest = LETTER * max(map(len, named), default=0)
    upright = longest > 0.8 * WIDE / across / max(1, len(columns))  # names that are wider than their columns
    high = CELL * len(levels[row]) + 0.55 + (longest if upright else 2 * LETTER)
    figure, axes = panels(-(-len(shown) // across), across, WIDE, high * -(-len(shown) // across), space=0.02)
    if of.percent:
        low, top = 0.0, float(np.nanmax([np.nanmax(grid, initial=1.0) for _, grid in shown[:2]]))
    else:  # of a metric of any size, from the lowest to the highest
        every = np.concatenate([grid[np.isfinite(grid)] for _, grid in shown[:2]] or [np.zeros(1)])
        low, top = (float(every.min()), float(every.max())) if every.size else (0.0, 1.0)
        top = top if top > low else low + 1.0
    for n, (axis, (title, grid)) in enumerate(zip(axes, shown, strict=True)):
        reach = float(np.nanmax(np.abs(grid), initial=1.0))
        cells(
            axis,
            grid,
            ("RdBu", -reach, reach) if n == 2 else ("cividis", low, top),
            said if n == 0 else {},
            of.places,
        )
        axis.set(title=title, xlabel=" / ".join(others).replace("-", " "))
        axis.set_xticks(range(len(columns)), named, rotation=90 if upright else 0)
        axis.set_yticks(range(len(levels[row])), rows if n % across == 0 else [""] * len(rows))
        axis.tick_params(length=0)
        if n % across == 0:
            axis.set_ylabel(row.replace("-", " "))
    what = f"{_what(argument, of)}, means over seeds, of each combination"
    by = "what the paper prints" if results.of_paper else "what is printed elsewhere"
    what += f", beside {by}." if len(shown) > 1 else "."
    return Drawn(figure, what, splits=(argument.partition("_")[0],) if argument in METRICS else ())


def _what(name: str, metric: Metric) -> str:
    if BUILT_IN.get(name) == metric:
        return f"Top-1 accuracy on {METRICS[name]} images of the last epoch"
    return f"{(metric.words or name).capitalize()} at the end"


def cells(
    axis: Axes, grid: Grid, scale: tuple[str, float, float], said: Mapping[tuple[int, int], str], decimals: int
) -> None:
    """Coloured cells with their numbers in them, a cross in one of which ``said`` says why it has none.

    ``scale`` is the name of a colour map and the numbers at its ends.
    """
    name, low, high = scale
    colours = plt.get_cmap(name)
    axis.imshow(grid, cmap=colours, vmin=low, vmax=high, aspect="auto")
    for (y, x), value in np.ndenumerate(grid):
        if np.isfinite(value):
            red, green, blue, _ = colours((value - low) / (high - low))
            dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
            text = f"{value + 0.0:.{decimals}f}".replace("-", "−")
            axis.text(x, y, text, ha="center", va="center", color="white" if dark else "black")
        elif said.get((y, x)):
            axis.text(x, y, "×", ha="center", va="center", color="0.4")
    for spine in axis.spines.values():
        spine.set_visible(False)
