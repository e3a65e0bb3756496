"""Metrics against the epoch."""

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ablate.errors import choose
from ablate.figures.common import Drawn, by_size, label, legend_below, looks_of, nothing, of_arm, panels, wrapped
from ablate.figures.style import CHANCE, DASHES, LOSS, NARROW, TOP1, WIDE
from ablate.plan.kinds import curves_of, own_curves_of
from ablate.results.captions import SPLITS
from ablate.results.collect import PLACE
from ablate.results.study import StudyResults

Curves = dict[tuple[str, str], pd.DataFrame]  # (arm, metric): mean, min, max and count of seeds, by epoch
QUANTITIES = {"top1": TOP1, "loss": LOSS}
WORDS = {"top1": "top-1 accuracy", "loss": "cross-entropy"}
OF_SPLIT = {"train": DASHES[1], "val": "-"}
ACROSS = 4  # panels of arms side by side
FEW = 3  # arms whose training and validation curves can share a panel
MOST = 3.0  # times the loss of guessing, beyond which a loss would flatten all others
TOP = 103.0  # percent, at which an axis of accuracies ends: a little above what marks at 100 need
HALF = 50.0  # percent, above which an axis of accuracies goes to 100, so that such figures have one scale
BAND = "lines are means over seeds, bands reach from the lowest to the highest seed"


def curves(results: StudyResults, argument: str = "") -> Drawn:
    """A line per arm, the mean over seeds, and a band from the lowest to the highest seed.

    ``argument`` is METRIC+METRIC@ARM+ARM, columns of history.csv and arms; without metrics train_top1 and val_top1,
    without arms all. A panel per metric; the training and validation curves of few arms share one, if asked for.

    Raises:
        UserError: For an unknown metric or arm.
    """
    if results.own:
        return _any_curves(results, *own_curves_of(argument, results.arms))
    metrics, arms = curves_of(argument, results.arms)
    quantities = list(dict.fromkeys(map(_quantity, metrics)))
    found = _found(results, arms, metrics)
    if argument.partition("@")[0] and len(metrics) == 2 * len(quantities) and len(arms) <= FEW:
        return _paired(results, quantities, arms, found)
    rows, columns = {1: (1, 1), 3: (1, 3)}.get(len(metrics), (-(-len(metrics) // 2), 2))
    figure, axes = panels(rows, columns, NARROW if columns == 1 else WIDE, 0.4 + 1.75 * rows)
    look = looks_of(results, arms)
    for axis, metric in zip(axes, metrics, strict=True):
        for arm in arms:
            _line(axis, found[arm, metric], look[arm])
        _finish(axis, metric, title=SPLITS[_split(metric)])
    _scale(results, arms, axes, metrics)
    legend_below(figure, *_entries(results, look))
    return _drawn(results, figure, found, "a line per arm")


def _any_curves(results: StudyResults, metrics: list[str], arms: list[str]) -> Drawn:
    """A panel for each column of the curves that scripts left; none named: the metrics that they have.

    Raises:
        UserError: For one that no run has.
    """
    there = [str(name) for name in results.history if results.history[name].notna().any()]
    there = [name for name in there if name not in (*PLACE, "epoch")]
    metrics = metrics or [name for name in results.metrics if name in there] or there[:1]
    if not metrics:
        figure, (axis,) = panels(1, 1, NARROW, 1.0)
        nothing(axis, "no run left a curve")
        return Drawn(figure, "No run left a curve.", arms=tuple(arms), splits=())
    for metric in metrics:
        if metric not in there:
            raise choose("curves", metric, there, "column of history.csv")
    found = _found(results, arms, metrics)
    rows, columns = -(-len(metrics) // 2), min(len(metrics), 2)
    figure, axes = panels(rows, columns, NARROW if columns == 1 else WIDE, 0.4 + 1.75 * rows)
    look = looks_of(results, arms)
    for axis, metric in zip(axes, metrics, strict=False):
        of = results.metrics.get(metric)
        for arm in arms:
            _line(axis, found[arm, metric], look[arm])
        unit = f" ({of.shown_unit})" if of and of.shown_unit else ""
        axis.set(xlabel="epoch", ylabel=f"{of.words or metric if of else metric}{unit}")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for axis in axes[len(metrics) :]:
        axis.set_axis_off()
    legend_below(figure, *_entries(results, look))
    several = any(table["count"].max() > 1 for table in found.values() if len(table))
    what = f"{' and '.join(metrics)} by epoch, as the script left them; a line per arm."
    return Drawn(figure, what, BAND if several else "", tuple(arms), ())


def _paired(results: StudyResults, quantities: list[str], arms: list[str], found: Curves) -> Drawn:
    """A panel per quantity: colour and marker say which arm, dashes are training, solid lines validation."""
    figure, axes = panels(1, len(quantities), NARROW if len(quantities) == 1 else WIDE, 2.2)
    look = looks_of(results, arms)
    for axis, quantity in zip(axes, quantities, strict=True):
        for arm in arms:
            for split, dash in OF_SPLIT.items():
                _line(axis, found[arm, f"{split}_{quantity}"], look[arm] | {"linestyle": dash})
        _finish(axis, f"val_{quantity}", title="")
    _scale(results, arms, axes, [f"val_{quantity}" for quantity in quantities])
    handles, labels = _entries(results, {arm: look[arm] | {"linestyle": ""} for arm in arms})
    for split, dash in OF_SPLIT.items():
        handles.append(Line2D([], [], color="black", linestyle=dash))
        labels.append(SPLITS[split])
    legend_below(figure, handles, labels)
    told = "colour and marker tell the arm, dashes are training, solid lines validation"
    return _drawn(results, figure, found, told)


def by_arm(results: StudyResults, argument: str = "") -> Drawn:
    """A panel per arm, all on one scale: dashes are training, solid lines validation.

    ``argument`` is as that of `curves`, of metrics of one quantity.

    Raises:
        UserError: For an unknown metric or arm.
    """
    metrics, arms = curves_of(argument, results.arms)
    across = min(len(arms), ACROSS)
    rows = -(-len(arms) // across)
    titles = [wrapped(label(results, arm), 0.9 * WIDE / across, size=8) for arm in arms]
    room = 0.12 * max(title.count("\n") for title in titles)
    figure, axes = panels(rows, across, WIDE if across > 1 else NARROW, 0.4 + (1.75 + room) * rows)
    look, found = looks_of(results, arms), _found(results, arms, metrics)
    for axis, arm, title in zip(axes, arms, titles, strict=False):
        for metric in metrics:
            _line(axis, found[arm, metric], look[arm] | {"linestyle": OF_SPLIT[_split(metric)]})
        _finish(axis, metrics[0], title=title)
    for axis in axes[len(arms) :]:
        axis.set_axis_off()
    _scale(results, arms, axes[: len(arms)], metrics[:1] * len(arms))
    drawn = [axis for axis in axes if axis.lines]
    for axis in drawn:
        axis.set_ylim(min(a.get_ylim()[0] for a in drawn), max(a.get_ylim()[1] for a in drawn))
    splits = dict.fromkeys(map(_split, metrics))
    handles = [Line2D([], [], color="black", linestyle=OF_SPLIT[split]) for split in splits]
    legend_below(figure, handles, [SPLITS[split] for split in splits])
    return _drawn(results, figure, found, "a panel per arm, dashes are training, solid lines validation")


def trials(results: StudyResults, argument: str = "") -> Drawn:
    """Accuracy and loss of every arm on one split, ``argument``: train or val.

    The first axis gives the colour, the second the dashes, the others the marker and the width.

    Raises:
        UserError: For another split.
    """
    if argument not in OF_SPLIT:
        raise choose("trials", argument, OF_SPLIT, "split")
    figure, axes = panels(1, 2, WIDE, 2.4)
    arms = by_size(results)
    metrics = [f"{argument}_top1", f"{argument}_loss"]
    look, found = looks_of(results, arms), _found(results, arms, metrics)
    for axis, metric in zip(axes, metrics, strict=True):
        for arm in arms:
            _line(axis, found[arm, metric], look[arm])
        _finish(axis, metric, title=SPLITS[argument])
    _scale(results, arms, axes, metrics)
    handles = [Line2D([], [], **each) for each in look.values()]
    labels = [label(results, arm, name=results.shown(arm)) for arm in look]
    first = len({of_arm(results, arm)[0].levels.get(results.axes[0]) for arm in arms}) if results.axes else 1
    legend_below(figure, handles, labels, ncols=first, title=" / ".join(results.axes), title_fontsize=7)
    ways = zip(("colour tells the", "dashes the", "marker and width the"), results.axes, strict=False)
    told = ", ".join(f"{way} {name.replace('-', ' ')}" for way, name in ways)
    return _drawn(results, figure, found, told or "a line per arm")


def _quantity(metric: str) -> str:
    return metric.partition("_")[2]


def _split(metric: str) -> str:
    return metric.partition("_")[0]


def _found(results: StudyResults, arms: list[str], metrics: list[str]) -> Curves:
    """What is drawn, in percent and nats."""
    found: Curves = {}
    for arm in arms:
        history = results.history[results.history["arm"] == arm]
        for metric in metrics:
            mine = history[["epoch", metric]] if metric in history else pd.DataFrame({"epoch": [], metric: []})
            table = mine.apply(pd.to_numeric, errors="coerce")
            table = table.replace([float("inf"), float("-inf")], float("nan")).dropna().astype(float)
            table[metric] *= results.metrics[metric].factor if metric in results.metrics else 1
            found[arm, metric] = table.groupby("epoch")[metric].agg(["mean", "min", "max", "count"])
    return found


def curve(axis: Axes, results: StudyResults, arm: str, metric: str, look: dict[str, Any]) -> None:
    """One arm's metric against the epoch, as `curves` draws it; nothing where it has no epoch."""
    _line(axis, _found(results, [arm], [metric])[arm, metric], look)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _line(axis: Axes, by_epoch: pd.DataFrame, look: dict[str, Any]) -> None:
    """Mean over seeds against the epoch; the band reaches from the lowest to the highest seed."""
    if by_epoch.empty:
        return
    axis.plot(by_epoch.index, by_epoch["mean"], markevery=max(1, len(by_epoch) // 8), **look)
    axis.fill_between(by_epoch.index, by_epoch["min"], by_epoch["max"], color=look["color"], alpha=0.15, lw=0)


def _finish(axis: Axes, metric: str, *, title: str) -> None:
    axis.set(title=title, xlabel="epoch", ylabel=QUANTITIES[_quantity(metric)])
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if not axis.lines:
        nothing(axis, "no epoch to show")


def _classes(results: StudyResults, arms: list[str]) -> list[tuple[float, int]]:
    """What guessing gets, in percent, and of how many classes, of each arm: the least first."""
    return sorted({(p.guessing, p.n_classes) for p in results.planned if p.arm in arms})


def _scale(results: StudyResults, arms: list[str], axes: list[Axes], metrics: list[str]) -> None:
    """Accuracies from 0, losses zoomed to the data; dashes where guessing is, where that is in sight."""
    classes = _classes(results, arms)
    for quantity in dict.fromkeys(map(_quantity, metrics)):
        same = [axis for axis, m in zip(axes, metrics, strict=True) if _quantity(m) == quantity and axis.lines]
        guessing = [percent if quantity == "top1" else math.log(n) for percent, n in classes]
        for axis in same:
            low, high = axis.dataLim.y0, axis.dataLim.y1
            if quantity == "top1":
                axis.set_ylim(0, TOP if high > HALF else 1.08 * max(high, guessing[0]))
            else:
                top = min(high, MOST * guessing[0])
                axis.set_ylim(low - 0.04 * (top - low), top + 0.04 * (top - low))
            for at in guessing:
                if axis.get_ylim()[0] <= at <= axis.get_ylim()[1]:
                    axis.axhline(at, **CHANCE)


def _entries(results: StudyResults, look: dict[str, dict[str, Any]]) -> tuple[list[Any], list[str]]:
    """Legend handles and labels, also of arms that have nothing to draw."""
    return [Line2D([], [], **each) for each in look.values()], [label(results, arm) for arm in look]


def _drawn(results: StudyResults, figure: Figure, found: Curves, told: str) -> Drawn:
    """With what the caption says of the lines."""
    arms, metrics = (list(dict.fromkeys(key[i] for key in found)) for i in (0, 1))
    splits = tuple(split for split in SPLITS if any(_split(metric) == split for metric in metrics))
    shown = " and ".join(dict.fromkeys(WORDS[_quantity(metric)] for metric in metrics))
    what = (
        f"{shown.capitalize()} of {' and '.join(SPLITS[split] for split in splits)} images after each epoch; {told}."
    )
    if "train" in splits:
        what += " Training is measured in passing, with augmentation and dropout on."
    classes = _classes(results, arms)
    losses = [table["max"].max() for (_, metric), table in found.items() if metric.endswith("loss") and len(table)]
    if losses and max(losses) > (limit := MOST * math.log(classes[0][1])):
        what += f" Losses are drawn up to {limit:.1f}; the highest is {max(losses):.3g}."
    nats = [f", ln {n} = {math.log(n):.2f} nats" if losses else "" for _, n in classes]
    said = [f"{percent:.3g} %{more}" for (percent, _), more in zip(classes, nats, strict=True)]
    several = any(table["count"].max() > 1 for table in found.values() if len(table))
    facts = {"chance": f"{'; '.join(said)} (short dashes)"}
    return Drawn(figure, what, BAND if several else "", tuple(arms), splits, facts)
