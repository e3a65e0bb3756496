"""Final accuracies, a dot per seed: of a study's arms with what the paper printed, and by label."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ablate.figures.common import (
    Drawn,
    RunFiles,
    by_size,
    finished,
    label,
    legend_below,
    looks_of,
    nothing,
    of_arm,
    panels,
    values,
    wrapped,
)
from ablate.figures.style import CHANCE, NARROW, PALETTE, PRINTED, SEED, TOP1, WIDE
from ablate.results.captions import SPLITS
from ablate.results.stats import FEWEST, Bounds, ends, half_width
from ablate.results.study import StudyResults

FLAT_LABELS, MANY_LABELS = 12, 50  # names that fit side by side, and upright
ROW, BETWEEN = 0.22, 0.5  # inches of an arm's row, and rows between two groups
CLOSE = 0.2  # of the way from 0 to the highest value: what lies closer together is drawn without that way
MEAN: dict[str, Any] = {"marker": "o", "color": "0.4", "ls": "", "ms": 5}  # of no arm: these have their own
INTERVAL: dict[str, Any] = {"lw": 1.4, "zorder": 2}
LITERATURE: dict[str, Any] = PRINTED | {"marker": "^"}
BAND = f"circles are seeds, the filled mark their mean, the bar its 95 % (Student's t, from {FEWEST} seeds on)"


def dots(results: StudyResults) -> Drawn:
    """Validation top-1 of each arm of the last epoch: a dot per seed, their mean and its interval.

    Hollow: what the paper printed of the arm, and what it quotes from other literature. Dashes: guessing, where the
    axis reaches it. Of an own trainer its main metric.
    """
    arms, look, of = results.arms, looks_of(results, results.arms), results.metrics[results.main]
    place = _rows(results)
    texts = [wrapped(label(results, arm), 2.2) for arm in arms]
    rows = max(place.values()) + 1 + 0.6 * sum(text.count("\n") for text in texts)
    figure, (axis,) = panels(1, 1, WIDE, 0.5 + ROW * rows)
    seeds = max((len(finished(results, arm)) for arm in arms), default=0)
    mean = {"mean": MEAN} if seeds < FEWEST else {"mean and 95 %": MEAN | INTERVAL | {"ls": "-"}}
    handles = {"a seed": SEED, **mean}
    quoted: dict[str, None] = {}
    for arm, y in place.items():
        tops = [of.factor * v for v in values(finished(results, arm)[results.main])]
        _row(axis, y, tops, look[arm], of.bounds)
        for marked, printed in _printed(results, arm):
            kind = LITERATURE if marked else PRINTED
            axis.plot(printed, y, **kind)
            handles["other literature, quoted in the paper" if marked else results.printed] = kind
            quoted |= {marked: None} if marked else {}
    guessing = sorted({p.guessing for p in results.planned if p.n_classes})
    low, high = _reach(axis, guessing, alone=sum(len(finished(results, arm)) > 0 for arm in arms) < 2)
    seen = [at for at in guessing if low <= at <= high]
    for at in seen:
        axis.axvline(at, **CHANCE)
    axis.set_yticks([place[arm] for arm in arms], texts)
    axis.tick_params(axis="y", length=0)
    axis.set(ylim=(max(place.values()) + 0.6, -0.6), xlabel="validation " + TOP1 if guessing else results.axis_label)
    if guessing:
        axis.set_xlim(low, high)
    handles |= {"guessing": CHANCE} if seen else {}
    legend_below(figure, [Line2D([], [], **kind) for kind in handles.values()], [*handles])
    what = "Top-1 accuracy on validation images of the last epoch, a row per arm."
    if guessing:
        what += " The axis does not begin at 0." if low > 0 else ""
    else:
        what = f"{results.named.capitalize()}, a row per arm; {of.better} is better."
    what += f" Quoted in the paper: {' '.join(quoted)}" if quoted else ""
    what += f" {results.printed.capitalize()}: {'; '.join(elsewhere)}." if (elsewhere := _elsewhere(results)) else ""
    return Drawn(figure, what, BAND, splits=("val",) if guessing else ())


def _reach(axis: Axes, guessing: list[float], *, alone: bool) -> tuple[float, float]:
    """From 0 to a little beyond what is drawn; around that alone, where arms could not be told apart otherwise."""
    if not axis.lines:
        return 0, 100
    low, high = axis.dataLim.x0, axis.dataLim.x1
    if not alone and high - low < CLOSE * high:
        return low - 0.1 * (high - low), high + 0.1 * (high - low)
    return 0, min(100, 1.08 * max([high, *guessing[-1:]]))


def _rows(results: StudyResults) -> dict[str, float]:
    """{arm: its row}, those that differ in the last axis alone together."""
    rows: dict[str, float] = {}
    before: Sequence[str] | None = None
    y = 0.0
    for arm in by_size(results):
        group = [*of_arm(results, arm)[0].levels.values()][:-1]
        y += BETWEEN if before is not None and group != before else 0
        rows[arm], before, y = y, group, y + 1
    return rows


def _row(axis: Axes, y: float, tops: list[float], look: dict[str, Any], bounds: Bounds) -> None:
    if not tops:
        return
    half = half_width(tops)
    if half is not None:
        reach = ends(float(np.mean(tops)), half, bounds)
        axis.plot(reach, [y, y], color=look["color"], solid_capstyle="butt", **INTERVAL)
    axis.plot(np.mean(tops), y, marker=look["marker"], color=look["color"], ms=5, ls="", zorder=4)
    axis.plot(tops, [y] * len(tops), **SEED)


def _printed(results: StudyResults, arm: str) -> list[tuple[str, float]]:
    """What the paper prints of an arm's main metric, as shown, and by whom, where it quotes."""
    entries = results.record.reported if results.record and results.of_paper else ()
    factor = results.metrics[results.main].factor
    quoted = [
        (e.source, factor * e.value)
        for e in entries
        if e.source and e.study == results.study and e.arm == arm and not e.minus and e.metric == results.main
    ]
    own = results.reported.get(arm, {}).get(results.main)
    return ([] if own is None else [("", factor * own)]) + quoted


def _elsewhere(results: StudyResults) -> list[str]:
    """Where printed numbers of the study come from, where there is no paper."""
    entries = () if results.record is None or results.of_paper else results.record.reported
    return list(dict.fromkeys(e.source for e in entries if e.source and e.study == results.study))


def per_label(results: StudyResults, places: RunFiles, argument: str = "") -> Drawn:
    """Test top-1 of each class, in the order of the classes, and what guessing gets.

    ``argument`` is an arm, or best: the one that is best on val. Of val where there is no test split.
    """
    arm = results.one_arm(argument, "per-label")
    done = finished(results, arm) if arm else pd.DataFrame({"run": []})
    tables = [t for run in done["run"] if len(t := places.predictions(run))]
    if arm is None or not tables:
        figure, (axis,) = panels(1, 1, NARROW, 1.5)
        nothing(axis, "no run trained to the end")
        return Drawn(figure, "No run of the arm trained to the end.", arms=(arm,) if arm else None)
    names = results.classes(arm)
    figure, (axis,) = panels(1, 1, WIDE, 2.2 if len(names) <= FLAT_LABELS else 3.0)
    right = [(t["label"] == t["predicted"]).groupby(t["label"]).mean() for t in tables]
    for i in range(len(names)):
        tops = [100 * float(one[i]) for one in right if i in one.index]
        if tops:
            axis.bar(i, np.mean(tops), 0.8, color=PALETTE[0], ec="white")
            spread = np.linspace(-0.16, 0.16, len(tops)) if len(tops) > 1 else [0.0]
            axis.plot(i + np.array(spread), tops, **SEED)
    axis.axhline(100 / len(names), **CHANCE | {"zorder": 6})
    every = -(-len(names) // MANY_LABELS)
    shown = range(0, len(names), every)
    turned = len(names) > FLAT_LABELS
    axis.set_xticks(shown, [names[i] if turned else wrapped(names[i], 5.6 / len(names)) for i in shown])
    axis.tick_params(axis="x", length=0, labelrotation=90 if turned else 0)
    split = str(tables[0]["split"].iloc[0])
    axis.set(ylabel=f"{SPLITS[split]} {TOP1}", ylim=(0, 100), xlim=(-0.6, len(names) - 0.4))
    legend_below(figure, [Line2D([], [], **SEED), Line2D([], [], **CHANCE)], ["a seed", "guessing"])
    best = ", the best on validation images" if argument == "best" else ""
    what = f"Top-1 accuracy on {SPLITS[split]} images of each class, of the arm {label(results, arm)}{best}."
    return Drawn(figure, what, "bars are means over seeds, a dot is a seed", (arm,), (split,))
