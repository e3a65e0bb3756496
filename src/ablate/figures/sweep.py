"""Final accuracy against learning rate and weight decay."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ablate.errors import UserError, choose
from ablate.figures.common import Drawn, finished, legend_below, looks_of_levels, note, of_arm, panels, values
from ablate.figures.style import CHANCE, NARROW, SEED, TOP1, WIDE, looks
from ablate.plan.kinds import DECAY, RATE
from ablate.plan.metrics import Metric
from ablate.plan.names import called
from ablate.results.study import StudyResults
from ablate.tables.effects import contrasts, importance

WORDS = {RATE: "learning rate", DECAY: "weight decay"}


def sweep(results: StudyResults, argument: str = "") -> Drawn:
    """Validation top-1 against the learning rate, a line per weight decay.

    There is a panel for each combination of the other axes; a cross at the bottom where no seed trained to the end.
    With a level of another axis as ``argument``, the four panels of `_four`.

    Raises:
        UserError: If no axis varies the rate.
    """
    if RATE not in results.axes:
        raise choose("sweep", ", ".join(results.axes), [RATE], "axis")
    if argument:
        return _four(results, argument)
    rows = []
    for arm in results.arms:
        first = of_arm(results, arm)[0]
        others = tuple(called(k, results.shown(v)) for k, v in first.levels.items() if k not in (RATE, DECAY))
        chosen = results.settings(arm)
        rows.append((others, chosen.weight_decay, chosen.lr, arm))
    if len({row[:3] for row in rows}) < len(rows):
        raise UserError("sweep draws one arm for each rate and weight decay, and here are several; write curves")
    names = list(dict.fromkeys(row[0] for row in rows))
    panel_of = [(names.index(others), *rest) for others, *rest in rows]
    table = pd.DataFrame(panel_of, columns=["panel", "decay", "lr", "arm"])
    decays = sorted(set(table["decay"]))
    figure, axes = panels(1, len(names), NARROW if len(names) == 1 else WIDE, 2.2)
    look = looks(decays)
    guessing = min(p.guessing for p in results.planned)
    lost: dict[str, None] = {}
    for axis, (panel, name) in zip(axes, enumerate(names), strict=True):
        for decay in decays:
            mine = table[(table["panel"] == panel) & (table["decay"] == decay)].sort_values("lr")
            for lr, said in _swept(axis, results, mine, look[decay]):
                at = 0.02 + 0.05 * decays.index(decay)  # of the height: crosses of several lines at one rate
                axis.plot(lr, at, "x", color=look[decay]["color"], ms=5, mew=1.5, clip_on=False,
                          transform=axis.get_xaxis_transform())  # fmt: skip
                lost[said] = None
        rates = sorted(set(table["lr"]))
        axis.set(
            title="\n".join(name),
            xlabel="learning rate",
            ylabel="validation " + TOP1,
            xscale="log",
        )
        axis.set_xticks(rates, [f"{rate:g}" for rate in rates])
        axis.minorticks_off()
        axis.axhline(guessing, **CHANCE)
    top = max(axis.get_ylim()[1] for axis in axes)
    for axis in axes:
        axis.set_ylim(0, max(top, 1.2 * guessing))
    handles = [Line2D([], [], label=f"weight decay {decay:g}", **each) for decay, each in look.items()]
    if lost:
        handles.append(Line2D([], [], color="black", marker="x", ls="", mew=1.5, label=", ".join(lost)))
    legend_below(figure, handles, [str(h.get_label()) for h in handles])
    what = "Top-1 accuracy on validation images of the last epoch against the learning rate, a line per weight decay."
    if lost:
        what += " A cross at the bottom: no seed trained to the end."
    return Drawn(figure, what, BAND)


def _swept(axis: Axes, results: StudyResults, mine: pd.DataFrame, look: dict[str, Any]) -> list[tuple[float, str]]:
    """One line over the arms in ``mine``; returns (rate, why) of those of which no seed trained to the end."""
    tops = [[100 * v for v in values(finished(results, arm)["val_top1"])] for arm in mine["arm"]]
    lost = [(lr, note(results, arm)) for lr, arm, t in zip(mine["lr"], mine["arm"], tops, strict=True) if not t]
    means, lows, highs = ([float(of(t)) if t else float("nan") for t in tops] for of in (np.mean, np.min, np.max))
    axis.plot(mine["lr"], means, **look)
    axis.fill_between(mine["lr"], lows, highs, color=look["color"], alpha=0.15, lw=0)
    return lost


def _four(results: StudyResults, level: str) -> Drawn:
    """alexnet-vs-resnet, figure 4.

    Left: validation top-1 of each network against the learning rate and against the weight decay, a dot per
    combination with the other, and the mean of these. Right: the same of ``level`` alone, as effects: points gained
    over the axis's first level, the mean over the other axis, a dot per seed, and from three seeds on the 95 %
    interval.
    """
    figure, axes = panels(2, 2, WIDE, 4.4, space=0.04)
    other = next(axis for axis in results.axes if axis not in (RATE, DECAY) and level in _levels(results, axis))
    look = looks_of_levels(results, _levels(results, other))
    alone = _only(results, other, level)
    weights: dict[str, float] = dict(importance(alone)[["axis", "mean"]].itertuples(index=False))
    lost: dict[str, None] = {}
    for row, varied in enumerate((RATE, DECAY)):
        left, right = axes[2 * row : 2 * row + 2]
        order = sorted(_levels(results, varied), key=float)
        for name, each in look.items():
            lost |= dict.fromkeys(_means(left, _only(results, other, name), varied, order, each))
        left.set(ylabel="validation " + TOP1, title=f"accuracy against the {WORDS[varied]}")
        first = _levels(results, varied)[0]
        found = {e.levels.partition(" vs ")[0]: e for e in contrasts(alone) if e.name == varied and not e.interaction}
        _effects(right, {at: found.get(at) for at in order}, first, look[level], alone.metrics[alone.main])
        said = f" (importance {weights[varied]:.2f})" if varied in weights else ""
        right.set(ylabel="gain (points)", title=f"{results.shown(level)}: {WORDS[varied]}{said}")
        for axis in (left, right):
            axis.set_xlabel(WORDS[varied])
            axis.set_xticks(range(len(order)), [f"{float(at):g}" for at in order])
            axis.set_xlim(-0.4, len(order) - 0.6)
    for axis in axes[::2]:
        axis.axhline(min(p.guessing for p in results.planned), **CHANCE)
        axis.set_ylim(0, 1.05 * max([100 * v for v in values(results.runs["val_top1"])], default=100))
    low, high = (pick(axis.get_ylim()[i] for axis in axes[1::2]) for i, pick in enumerate((min, max)))
    for axis in axes[1::2]:
        axis.set_ylim(low, high)
    handles: list[Any] = [Line2D([], [], label=f"{results.shown(name)}, mean", **each) for name, each in look.items()]
    handles.append(Line2D([], [], label="a combination, mean over seeds", **DOT))
    handles.append(Line2D([], [], label="a seed", **SEED))
    if lost:
        handles.append(Line2D([], [], color="black", marker="x", ls="", mew=1.5, label=", ".join(lost)))
    legend_below(figure, handles, [str(h.get_label()) for h in handles])
    what = (
        "Left, top-1 accuracy on validation images of the last epoch against the learning rate and against the "
        "weight decay, a dot per combination with the other and a line through their means; right, for "
        f"{results.shown(level)}, the points gained over the level at zero, averaged over the other axis, with "
        "importance as the R² that a random forest loses when the axis is shuffled."
    )
    return Drawn(figure, what, "right, a dot is a seed, bars are 95 % over seeds (Student's t) from three seeds on")


BAND = "lines are means over seeds, bands reach from the lowest to the highest seed"
DOT: dict[str, Any] = {"marker": ".", "ls": "", "ms": 5, "color": "0.5"}


def _levels(results: StudyResults, axis: str) -> list[str]:
    """The labels of an axis, in the order of the plan."""
    return list(dict.fromkeys(p.levels[axis] for p in results.planned))


def _only(results: StudyResults, axis: str, level: str) -> StudyResults:
    """The study at one level of an axis, as a study without that axis."""
    kept = [p for p in results.planned if p.levels[axis] == level]
    planned = [p.model_copy(update={"levels": {k: v for k, v in p.levels.items() if k != axis}}) for p in kept]
    runs = results.runs[results.runs["arm"].isin([p.arm for p in kept])]
    return replace(results, planned=planned, runs=runs, axes=[name for name in results.axes if name != axis])


def _means(axis: Axes, mine: StudyResults, varied: str, order: list[str], look: dict[str, Any]) -> list[str]:
    """One line with its dots. It is broken where an arm has no run that ended, which gets a cross and is said."""
    heights: dict[str, list[float]] = {at: [] for at in order}
    lost: list[str] = []
    for arm in mine.arms:
        at = of_arm(mine, arm)[0].levels[varied]
        tops = [100 * v for v in values(finished(mine, arm)["val_top1"])]
        heights[at].append(float(np.mean(tops)) if tops else float("nan"))
        if tops:
            axis.plot(order.index(at), np.mean(tops), **DOT | {"color": look["color"], "alpha": 0.6})
        else:
            axis.plot(order.index(at), 0.02, "x", color=look["color"], ms=5, mew=1.5, clip_on=False,
                      transform=axis.get_xaxis_transform())  # fmt: skip
            lost.append(note(mine, arm))
    axis.plot(range(len(order)), [float(np.mean(heights[at])) for at in order], **look)
    return lost


def _effects(axis: Axes, found: dict[str, Any], reference: str, look: dict[str, Any], of: Metric) -> None:
    """Mean, seeds and interval of each level; the reference is zero."""
    axis.axhline(0, color="0.6", lw=0.8, zorder=0)
    for x, (at, effect) in enumerate(found.items()):
        if at == reference:
            axis.plot(x, 0, look["marker"], mfc="white", color=look["color"], ms=5)
        elif effect is None or effect.estimate is None:
            axis.text(x, 0, "no complete seed", rotation=90, ha="center", va="center")
        else:
            reach = effect.bars(of)
            axis.errorbar(x, effect.estimate, yerr=reach, fmt=look["marker"], color=look["color"], ms=5, capsize=2)
            axis.plot([x] * len(effect.by_seed), list(effect.by_seed.values()), **SEED)
