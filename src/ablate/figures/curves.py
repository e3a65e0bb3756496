"""Metrics against the epoch."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ablate.errors import choose
from ablate.figures.common import (
    DASHES,
    LOSS,
    MARKERS,
    NARROW,
    PALETTE,
    TOP1,
    WIDE,
    Powers,
    label,
    legend_below,
    looks,
    of_arm,
    panels,
)
from ablate.plan.kinds import curves_of
from ablate.results.study import StudyResults

# Columns of history.csv: the panel's title and the axis.
METRICS = {
    "train_top1": ("training", TOP1),
    "val_top1": ("validation", TOP1),
    "train_loss": ("training", LOSS),
    "val_loss": ("validation", LOSS),
}
SPLITS = {"train": DASHES[1], "val": "-"}
FEW = 3  # arms whose training and validation curves can share a panel
HUGE = 50.0  # nats; guessing among 200 classes costs 5.3, so that a linear axis would hide the rest


def curves(results: StudyResults, argument: str = "") -> Figure:
    """A line per arm, the mean over seeds, and a band from the lowest to the highest seed.

    ``argument`` is METRIC+METRIC@ARM+ARM, columns of history.csv and arms; without metrics train_top1 and val_top1,
    without arms all. A panel per metric; the training and validation curves of few arms share one, if asked for.

    Raises:
        UserError: For an unknown metric or arm.
    """
    metrics, arms = curves_of(argument, results.arms)
    quantities = {metric.partition("_")[2] for metric in metrics}
    if argument.partition("@")[0] and len(metrics) == 2 and len(quantities) == 1 and len(arms) <= FEW:
        return _paired(results, metrics, arms)
    rows, columns = {1: (1, 1), 3: (1, 3)}.get(len(metrics), (-(-len(metrics) // 2), 2))
    figure, axes = panels(rows, columns, NARROW if columns == 1 else WIDE, 0.4 + 2.0 * rows)
    look = looks(arms)
    for axis, metric in zip(axes, metrics, strict=True):
        for arm in arms:
            _line(axis, results, arm, metric, **look[arm])
        _finish(axis, metric, title=METRICS[metric][0])
    _scale(axes, metrics)
    legend_below(figure, *_entries(results, look))
    return figure


def _paired(results: StudyResults, metrics: list[str], arms: list[str]) -> Figure:
    """One panel: colour and marker say which arm, dashes are training, solid lines validation."""
    figure, (axis,) = panels(1, 1, NARROW, 2.4)
    look = looks(arms, dashed=False)
    for arm in arms:
        for metric in metrics:
            _line(axis, results, arm, metric, **look[arm] | {"linestyle": SPLITS[metric.partition("_")[0]]})
    _finish(axis, metrics[0], title="")
    _scale([axis], metrics[:1])
    handles, labels = _entries(results, {arm: look[arm] | {"linestyle": ""} for arm in arms})
    for split, dash in SPLITS.items():
        handles.append(Line2D([], [], color="black", linestyle=dash))
        labels.append(METRICS[f"{split}_top1"][0])
    legend_below(figure, handles, labels)
    return figure


def trials(results: StudyResults, argument: str = "") -> Figure:
    """Accuracy and loss of every arm on one split, ``argument``: train or val.

    The first axis gives the colour, the second the dashes, the others the marker and the width.

    Raises:
        UserError: For another split.
    """
    if argument not in SPLITS:
        raise choose("trials", argument, SPLITS, "split")
    figure, axes = panels(1, 2, WIDE, 2.8)
    look = _crossed(results)
    metrics = [f"{argument}_top1", f"{argument}_loss"]
    for axis, metric in zip(axes, metrics, strict=True):
        for arm in results.arms:
            _line(axis, results, arm, metric, band=False, **look[arm])
        _finish(axis, metric, title=METRICS[metric][0])
    _scale(axes, metrics)
    handles, labels = (
        [Line2D([], [], **each) for each in look.values()],
        [label(results, arm, name=arm) for arm in look],
    )
    first = len({of_arm(results, arm)[0].levels.get(results.axes[0]) for arm in results.arms}) if results.axes else 1
    legend_below(figure, handles, labels, ncols=first, title=" / ".join(results.axes), title_fontsize=7)
    return figure


def _crossed(results: StudyResults) -> dict[str, dict[str, Any]]:
    """{arm: look}, where each axis of the study has its own means of telling its levels apart."""
    levels = {arm: list(of_arm(results, arm)[0].levels.values()) for arm in results.arms}
    parts = {arm: (named[:1], named[1:2], named[2:]) for arm, named in levels.items()}
    known = [list(dict.fromkeys(tuple(part[i]) for part in parts.values())) for i in range(3)]
    look = {}
    for arm, part in parts.items():
        color, dash, other = (known[i].index(tuple(part[i])) for i in range(3))
        look[arm] = {
            "color": PALETTE[color % len(PALETTE)],
            "linestyle": DASHES[dash % len(DASHES)],
            "marker": MARKERS[other % len(MARKERS)],
            "linewidth": 1.6 if other == 0 else 0.8,
            "markerfacecolor": PALETTE[color % len(PALETTE)] if other == 0 else "white",
        }
    return look


def _line(axis: Axes, results: StudyResults, arm: str, metric: str, *, band: bool = True, **look: Any) -> None:
    """Mean over seeds against the epoch; the band reaches from the lowest to the highest seed."""
    history = results.history[results.history["arm"] == arm]
    if metric not in history.columns:
        return
    table = history[["epoch", metric]].apply(pd.to_numeric, errors="coerce")
    table = table.replace([float("inf"), float("-inf")], float("nan")).dropna()
    if table.empty:
        return
    by_epoch = table.astype(float).groupby("epoch")[metric].agg(["mean", "min", "max"])
    by_epoch = by_epoch * (100 if metric.endswith("top1") else 1)
    every = max(1, len(by_epoch) // 8)
    axis.plot(by_epoch.index, by_epoch["mean"], markevery=every, **look)
    if band:
        axis.fill_between(by_epoch.index, by_epoch["min"], by_epoch["max"], color=look["color"], alpha=0.15, lw=0)


def _finish(axis: Axes, metric: str, *, title: str) -> None:
    axis.set(title=title, xlabel="epoch", ylabel=METRICS[metric][1])
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if not axis.lines:
        axis.set(xticks=[], yticks=[])
        axis.text(0.5, 0.5, "no epoch to show", ha="center", va="center", transform=axis.transAxes)


def _scale(axes: list[Axes], metrics: list[str]) -> None:
    """Panels of one quantity have one scale: from 0, or logarithmic where some losses dwarf the others."""
    for quantity in {metric.partition("_")[2] for metric in metrics}:
        same = [axis for axis, metric in zip(axes, metrics, strict=True) if metric.endswith(quantity)]
        log = quantity == "loss" and max(axis.dataLim.y1 for axis in same) > HUGE
        for axis in same if log else []:
            axis.set_yscale("log")
            axis.yaxis.set_major_formatter(Powers())
            axis.yaxis.set_minor_formatter(Powers())
        low, high = (pick(axis.get_ylim()[i] for axis in same) for i, pick in enumerate((min, max)))
        for axis in same:
            axis.set_ylim(low if log else 0, 1.03 * high)  # markers at the top stay whole


def _entries(results: StudyResults, look: dict[str, dict[str, Any]]) -> tuple[list[Any], list[str]]:
    """Legend handles and labels, also of arms that have nothing to draw."""
    return [Line2D([], [], **each) for each in look.values()], [label(results, arm) for arm in look]
