"""What the verdicts give on planted effects, drawn from the table of `ablate.verdicts.calibration`."""

from pathlib import Path

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ablate.figures.common import STYLE, WIDE, legend_below, looks, panels, save
from ablate.files import write_text

# Of each direction: effect in margins, verdict counted.
LINES = {
    "greater": [(2, "reproduced"), (1, "reproduced"), (0, "contradicted")],
    "same": [(0, "reproduced"), (2, "contradicted")],
}
FALSE = 5.0  # percent, what the tests promise at most


def calibration(table: pd.DataFrame) -> Figure:
    """Rate of verdicts by number of seeds, all of a paper's claims alike, normal noise.

    The right verdict for each effect (left: greater, middle: same) with Wilson's 95 % intervals, and the worst rate
    of false ones (right).
    """
    sns.set_theme(context="paper", style="ticks", rc=STYLE)
    fixed = table[table["design"] == "fixed"]
    names = [f"{effect} x margin: {word}" for effect, word in dict.fromkeys(LINES["greater"] + LINES["same"])]
    false = [f"false {word}, worst case" for word in ("reproduced", "contradicted")]
    style = looks([*names, *false])
    figure, axes = panels(1, 3, WIDE, 2.3)
    for axis, (direction, lines) in zip(axes, LINES.items(), strict=False):
        for effect, word in lines:
            chosen = (fixed["direction"] == direction) & (fixed["noise"] == "normal")
            mine = fixed[chosen & (fixed["planted"] == str(effect))]
            name = f"{effect} x margin: {word}"
            axis.plot(mine["seeds"], 100 * mine[word], label=name, **style[name])
            low, high = 100 * mine[f"{word}_low"], 100 * mine[f"{word}_high"]
            axis.fill_between(mine["seeds"], low, high, color=style[name]["color"], alpha=0.2, linewidth=0)
        axis.set(title=f"claims of {direction}", ylabel="verdicts (% of claims)", ylim=(-3, 103))
    for word, name in zip(("reproduced", "contradicted"), false, strict=True):
        worst = 100 * fixed[fixed["false"] == word].groupby("seeds")["wrong"].max()
        axes[2].plot(worst.index, worst, label=name, **style[name])
    axes[2].axhline(FALSE, color="0.5", linewidth=0.8)
    axes[2].set(
        title="false verdicts", ylabel="verdicts (% of claims)", ylim=(-0.2, max(FALSE + 1, axes[2].dataLim.y1 + 0.5))
    )
    for axis in axes:
        axis.set_xlabel("seeds")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    found = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    legend_below(figure, list(found.values()), list(found))
    return figure


def write_calibration(table: pd.DataFrame, folder: Path) -> None:
    """Write calibration.csv, .svg and .png."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "calibration.csv", table.to_csv(index=False, lineterminator="\n", float_format="%.6g"))
    figure = calibration(table)
    save(figure, folder / "calibration.svg")
