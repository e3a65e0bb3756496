"""Controls, each beside what it must show: a batch learnt by heart, and shuffled labels that stay at chance."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ablate.csv_text import read_csv
from ablate.figures.common import Drawn, RunFiles, finished, label, legend_below, looks_of, nothing, panels, wrapped
from ablate.figures.curves import TOP, curve
from ablate.figures.style import CHANCE, SEED, TOP1, WIDE
from ablate.plan.record import PlannedRun
from ablate.results.control import LEARNT, LEVEL, chance_range
from ablate.results.study import StudyResults

WANTED: dict[str, Any] = {"color": "black", "lw": 1, "zorder": 2}  # the border between passed and failed
BAND = "a dot is a seed, the line the mean over seeds, its band from the lowest to the highest"


def controls(results: StudyResults, places: RunFiles) -> Drawn:
    """Left the arms on one batch by epoch, with the share to be learnt; right the seeds of those on shuffled labels.

    The bar behind a seed is what random renamings of its answers get, up to the highest share that still passes.
    """
    shuffled = [arm for arm in results.arms if results.settings(arm).labels == "shuffled"]
    figure, (learnt, chance) = panels(1, 2, WIDE, 2.1)
    _learnt(results, learnt, [arm for arm in results.arms if arm not in shuffled])
    _chance(results, chance, [p for p in results.planned if p.arm in shuffled], places)
    bar = Line2D([], [], color="0.8", lw=5, solid_capstyle="butt")
    entries = {"a seed": Line2D([], [], **SEED), "random renamings of its answers": bar}
    entries |= {"passed up to here": Line2D([], [], marker="|", ls="", color="black", ms=9, mew=1.2)}
    legend_below(figure, [*entries.values()], [*entries])
    what = (
        f"Left: trained on one batch alone, a network must get {100 * LEARNT:g} % of its images right (line). Right: "
        "trained on shuffled labels, it must stay at chance on validation images: a control passes that is right no "
        f"more often than all but {100 * LEVEL:g} % of random renamings of its answers (mark)."
    )
    return Drawn(figure, what, BAND, splits=("train", "val"))


def _learnt(results: StudyResults, axis: Axes, arms: list[str]) -> None:
    look = looks_of(results, arms)
    for arm in arms:
        curve(axis, results, arm, "train_top1", look[arm])
    if not axis.lines:
        return nothing(axis, "; ".join(label(results, arm) for arm in arms) or "no such arm")
    axis.axhline(100 * LEARNT, **WANTED)
    axis.set(title="; ".join(label(results, arm) for arm in arms), xlabel="epoch", ylabel=f"training {TOP1}")
    axis.set(ylim=(0, TOP))


def _chance(results: StudyResults, axis: Axes, planned: list[PlannedRun], places: RunFiles) -> None:
    rows: list[str] = []
    height = 0.32
    for p in planned:
        path = places.file(p.run, "predictions.csv") if p.run in set(finished(results, p.arm)["run"]) else None
        table = read_csv(path, ["split"]) if path else None
        if table is None or (table := table[table["split"] == "val"]).empty:
            continue
        classes = max(p.n_classes, int(table[["label", "predicted"]].to_numpy().max()) + 1)
        low, high = (100 * share for share in chance_range(table["label"], table["predicted"], classes))
        y = len(rows)
        axis.barh(y, high - low, 2 * height, left=low, color="0.8")
        axis.plot([high, high], [y - height, y + height], **WANTED)
        axis.plot(100 * np.mean(table["label"] == table["predicted"]), y, **SEED)
        rows.append(f"seed {p.seed}")
    arms = [label(results, arm) for arm in dict.fromkeys(p.arm for p in planned)]
    if not rows:
        return nothing(axis, "; ".join(arms))
    for guessing in sorted({100 / p.n_classes for p in planned if p.n_classes}):
        axis.axvline(guessing, **CHANCE)
    axis.set(title=wrapped("; ".join(arms), WIDE / 2.5, size=8), xlabel=f"validation {TOP1}")
    axis.set_yticks(range(len(rows)), rows)
    axis.tick_params(axis="y", length=0)
    axis.set(ylim=(len(rows) - 0.4, -0.6), xlim=(0, 1.08 * axis.dataLim.x1))
