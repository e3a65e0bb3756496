"""Final accuracies: by arm, by hyperparameter and by label. Bars are means, dots single seeds."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ablate.figures.common import (
    NARROW,
    PALETTE,
    TOP1,
    WIDE,
    RunFiles,
    finished,
    label,
    legend_below,
    named,
    note,
    nothing,
    of_arm,
    panels,
    values,
    wrapped,
)
from ablate.plan.names import class_names
from ablate.results.study import StudyResults

HATCHES = ["", "////", "....", "xxxx", "\\\\\\\\", "----"]
FLAT_LABELS, MANY_LABELS = 12, 50  # names that fit side by side, and upright


def bars(results: StudyResults) -> Figure:
    """Validation top-1 of each arm.

    The last of several axes gives the colour, the others the group; where the paper printed a value, a line across
    the bar.
    """
    place = _places(results)
    groups, inner = (list(dict.fromkeys(p[i] for p in place.values())) for i in (0, 1))
    words = {level: named(results.axes[-1], *level) if level else "" for level in inner}
    width = WIDE if len(results.arms) > 4 else NARROW
    figure, (axis,) = panels(1, 1, width, 2.6)
    in_group = {group: _contaminated(results, [a for a in place if place[a][0] == group]) for group in groups}
    in_colour = {level: _contaminated(results, [a for a in place if place[a][1] == level]) for level in inner}
    wide = 0.8 / len(inner)
    for arm, (group, level) in place.items():
        i = inner.index(level)
        x = groups.index(group) + (i - (len(inner) - 1) / 2) * wide
        tops = [100 * v for v in values(finished(results, arm)["val_top1"])]
        _bar(axis, x, tops, 0.9 * wide, i)
        printed = results.reported.get(arm, {}).get("val_top1")
        if printed is not None:
            for color, thick in (("white", 3.4), ("black", 1.8)):  # the rim shows it on a dark bar
                axis.plot([x - wide / 2, x + wide / 2], [100 * printed] * 2, color=color, lw=thick, zorder=4)
        marked = in_group[group] or in_colour[level] or not results.contaminated(arm)
        if said := ", ".join(filter(None, [note(results, arm), "" if marked else "contaminated"])):
            axis.text(x, max(tops, default=0) + 2, said, rotation=90, ha="center", va="bottom")
    room = width * 0.85 / len(groups)
    lines = [[*_words(results, group), *["(contaminated)"] * in_group[group]] for group in groups]
    axis.set_xticks(range(len(groups)), ["\n".join(wrapped(text, room) for text in each) for each in lines])
    axis.tick_params(axis="x", length=0)
    axis.set(ylabel="validation " + TOP1, ylim=(0, None if axis.patches else 100), xlim=(-0.6, len(groups) - 0.4))
    handles: list[Any] = [
        Patch(fc=PALETTE[i], hatch=HATCHES[i % len(HATCHES)], ec="white",
              label=words[level] + " (contaminated)" * (in_colour[level] and not all(in_group.values())))
        for i, level in enumerate(inner)
    ] if len(inner) > 1 else []  # fmt: skip
    handles.append(Line2D([], [], label="a seed", **DOTS))
    if any("val_top1" in results.reported.get(arm, {}) for arm in place):
        handles.append(Line2D([], [], color="black", lw=1.8, label="printed in the paper"))
    legend_below(figure, handles, [str(h.get_label()) for h in handles])
    return figure


Levels = tuple[str, ...]


def _places(results: StudyResults) -> dict[str, tuple[Levels, Levels]]:
    """{arm: (levels of its group, that of its colour)}; with one axis a group for each arm, of one colour."""
    levels = {arm: tuple(of_arm(results, arm)[0].levels.values()) for arm in results.arms}
    if len(results.axes) > 1:
        return {arm: (labels[:-1], labels[-1:]) for arm, labels in levels.items()}
    return {arm: (labels, ()) for arm, labels in levels.items()}


def _words(results: StudyResults, group: Levels) -> list[str]:
    """The levels of a group in words, or the arm where the study has no axis."""
    return [named(*level) for level in zip(results.axes, group, strict=False)] or results.arms


def _contaminated(results: StudyResults, arms: list[str]) -> bool:
    """Whether all are: then their group or colour is marked, and not each bar."""
    return all(results.contaminated(arm) for arm in arms)


def _bar(axis: Axes, x: float, tops: list[float], width: float, i: int) -> None:
    """One bar and its seeds, side by side so that equal ones are seen."""
    if not tops:
        return
    axis.bar(x, np.mean(tops), width, color=PALETTE[i % len(PALETTE)], hatch=HATCHES[i % len(HATCHES)], ec="white")
    spread = np.linspace(-0.2, 0.2, len(tops)) * width if len(tops) > 1 else [0.0]
    axis.plot(x + np.array(spread), tops, **DOTS)


DOTS: dict[str, Any] = {
    "marker": "o", "ls": "", "ms": 3, "mfc": "white", "mec": "black", "mew": 0.7, "zorder": 5, "clip_on": False,
}  # fmt: skip


def per_label(results: StudyResults, places: RunFiles, argument: str = "") -> Figure:
    """Test top-1 of each class, in the order of the classes, and what guessing gets.

    ``argument`` is an arm, or best: the one that is best on val. Of val where there is no test split.
    """
    arm = results.one_arm(argument, "per-label")
    done = finished(results, arm) if arm else pd.DataFrame({"run": []})
    tables = [t for run in done["run"] if len(t := places.predictions(run))]
    if arm is None or not tables:
        figure, (axis,) = panels(1, 1, NARROW, 1.5)
        nothing(axis, "no run trained to the end")
        return figure
    chosen = results.settings(arm)
    pack = places.pack(chosen.dataset)
    names = class_names(pack.meta, pack.chosen(chosen))
    figure, (axis,) = panels(1, 1, WIDE, 2.6 if len(names) <= FLAT_LABELS else 3.4)
    right = [(t["label"] == t["predicted"]).groupby(t["label"]).mean() for t in tables]
    for i in range(len(names)):
        _bar(axis, i, [100 * float(one[i]) for one in right if i in one.index], 0.8, 0)
    axis.axhline(100 / len(names), color="black", ls="--", lw=1, zorder=6)
    every = -(-len(names) // MANY_LABELS)
    shown = range(0, len(names), every)
    turned = len(names) > FLAT_LABELS
    axis.set_xticks(shown, [names[i] if turned else wrapped(names[i], 6 / len(names)) for i in shown])
    axis.tick_params(axis="x", length=0, labelrotation=90 if turned else 0)
    split = {"test": "test", "val": "validation"}[tables[0]["split"].iloc[0]]
    axis.set(ylabel=f"{split} {TOP1}", ylim=(0, 100), xlim=(-0.6, len(names) - 0.4))
    axis.set_title(f"{label(results, arm)}, the best on val" if argument == "best" else label(results, arm))
    handles = [Line2D([], [], label="a seed", **DOTS), Line2D([], [], color="black", ls="--", lw=1, label="guessing")]
    legend_below(figure, handles, [str(h.get_label()) for h in handles])
    return figure
