"""What the figures share: what they give back, files that some of them read, how an arm is named, legends."""

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation

from ablate.csv_text import NUMBER, read_csv
from ablate.data.views import Pack
from ablate.errors import UserError
from ablate.figures.style import CHARACTER, crossed, level_colours
from ablate.inert import visible
from ablate.plan.health import STALE
from ablate.plan.names import called_arm
from ablate.plan.record import PlannedRun
from ablate.plan.runs import ENDED
from ablate.results.study import StudyResults
from ablate.seals import of_run

STATUS = {"missing": "not run", "out-of-memory": "out of memory"}  # in words, where they differ


@dataclass(frozen=True)
class Drawn:
    """A figure, and what its caption says beside what follows from the study's runs."""

    figure: Figure
    what: str  # in whole sentences, what is drawn and how it is to be read
    band: str = ""  # what bands, bars and dots reach over
    arms: tuple[str, ...] | None = None  # those that are drawn; None: all of the study
    splits: tuple[str, ...] = ("val",)  # that numbers are of
    facts: Mapping[str, str] = field(default_factory=dict)  # of `captions.FACTS`, in place of what follows from runs


@dataclass(frozen=True)
class RunFiles:
    """What some figures read besides the collected tables."""

    runs: Path | None = None  # a folder per run
    packs: dict[str, Path] = field(default_factory=dict)  # data set: its pack.json

    def pack(self, dataset: str) -> Pack:
        """The opened pack.

        Raises:
            UserError: If it was not given or is damaged.
        """
        if dataset not in self.packs:
            raise UserError(f"no pack of {dataset}; add --pack data/<variant>/{dataset}/pack.json")
        return Pack.open(self.packs[dataset])

    def file(self, run: str, name: str) -> Path | None:
        """The file ``name`` that ``run`` left behind, or None.

        Raises:
            UserError: If no folder of runs was given, and for a file that is not as training wrote it.
        """
        if self.runs is None:
            raise UserError("no folder of runs; add --runs results/runs")
        path = self.runs / run / name
        return of_run(path.parent, name) if path.exists() else None

    def predictions(self, run: str) -> pd.DataFrame:
        """A row per image: split, position in the pack, label, predicted, probability.

        The test split where there is one, else val; empty where the run evaluated none.
        """
        path = self.file(run, "predictions.csv")
        table = (
            read_csv(path, ["split"]) if path else pd.DataFrame(columns=["split", "position", "label", "predicted"])
        )
        splits = set(table["split"])
        return table[table["split"] == ("test" if "test" in splits else "val")]


def of_arm(results: StudyResults, arm: str) -> list[PlannedRun]:
    """The arm's planned runs, a seed each."""
    return [p for p in results.planned if p.arm == arm]


def by_size(results: StudyResults) -> list[str]:
    """The arms, those of an axis whose levels are all numbers by their size, others in the order of the plan."""
    place = {axis: sized(p.levels[axis] for p in results.planned) for axis in results.axes}
    levels = {arm: of_arm(results, arm)[0].levels for arm in results.arms}
    return sorted(levels, key=lambda arm: [place[axis].index(level) for axis, level in levels[arm].items()])


def sized(levels: Iterable[str]) -> list[str]:
    """Levels of an axis, each once: by their size where all are numbers."""
    found = list(dict.fromkeys(levels))
    return sorted(found, key=float) if all(map(NUMBER.fullmatch, found)) else found


def finished(results: StudyResults, arm: str) -> pd.DataFrame:
    """The arm's rows of runs.csv that trained to the end."""
    mine = results.runs[results.runs["arm"] == arm]
    return mine[mine["status"].isin(ENDED)]


def note(results: StudyResults, arm: str) -> str:
    """What became of the arm's runs where any did not end well: 'diverged', '1 of 2 not run'; else empty."""
    planned = of_arm(results, arm)
    known = dict(zip(results.runs["run"], results.runs["status"], strict=True))
    statuses = [known.get(p.run, "missing") for p in planned]
    parts = []
    for status in dict.fromkeys(s for s in statuses if s not in ENDED):
        count = statuses.count(status)
        some = "" if count == len(planned) else f"{count} of {len(planned)} "
        parts.append(some + STATUS.get(status, str(status)))
    return ", ".join(parts)


def title(results: StudyResults, arm: str) -> str:
    """The arm's name, in which a level that is a bare number has its axis before it: 'lr 0.01 / momentum 0.9'.

    The name stays as it is where that would be another arm's as well.
    """
    names = [called_arm(each, results.axes, results.show) for each in results.arms]
    mine = names[results.arms.index(arm)]
    return mine if names.count(mine) == 1 else results.shown(arm)


def label(results: StudyResults, arm: str, *, name: str | None = None) -> str:
    """The arm as legends and axes show it: its title, or ``name``, and in brackets what a reader must know of it."""
    words = ["contaminated"] if results.contaminated(arm) else []
    words += [said] if (said := note(results, arm)) else []
    stale = sum(STALE in health for health in finished(results, arm)["health"])
    words += [f"{stale} of {len(of_arm(results, arm))} {STALE}"] if stale else []
    name = name or title(results, arm)
    return f"{name} ({'; '.join(words)})" if words else name


def looks_of(results: StudyResults, arms: Sequence[str]) -> dict[str, dict[str, Any]]:
    """{arm: colour, marker, dashes and width of its line}, a level's colour being the same in all figures."""
    levels = {arm: list(of_arm(results, arm)[0].levels.values()) for arm in arms}
    return crossed(levels, level_colours(results.every_axis))


def looks_of_levels(results: StudyResults, levels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`looks_of` the levels of one axis."""
    return crossed({level: [level] for level in levels}, level_colours(results.every_axis))


def values(series: "pd.Series[Any]") -> list[float]:
    """Finite numbers only."""
    numbers = pd.to_numeric(series, errors="coerce").to_numpy(dtype=float)
    return [float(n) for n in numbers if np.isfinite(n)]


def panels(
    rows: int,
    columns: int,
    width: float,
    height: float,
    *,
    space: float = 0.0,
    heights: Sequence[float] | None = None,
) -> tuple[Figure, list[Axes]]:
    """A figure of ``width`` x ``height`` inches and its axes, row by row.

    ``space`` is between columns, in panels; ``heights`` are what the rows take of the height, all alike without.
    """
    engine = ConstrainedLayoutEngine(wspace=space)
    size = (width, height)
    figure, axes = plt.subplots(rows, columns, figsize=size, layout=engine, squeeze=False, height_ratios=heights)
    return figure, list(axes.flat)


def legend_below(figure: Figure, handles: Sequence[Any], labels: Sequence[str], **options: Any) -> None:
    """A legend under the axes, in as many columns as fit; the figure grows by its height."""
    width, height = figure.get_size_inches()
    each = max(len(text) for text in labels) + 9  # the handle is about so wide
    columns = max(1, min(len(labels), int(width * 72 / (each * CHARACTER))))
    columns = options.pop("ncols", None) or -(-len(labels) // -(-len(labels) // columns))  # rows of equal length
    lines = -(-len(labels) // columns) + bool(options.get("title"))
    figure.set_size_inches(width, height + 0.15 * lines + 0.1)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, **options)


def wrapped(text: str, width: float, *, size: float = 7.0) -> str:
    """Broken into lines that fit ``width`` inches at a font of ``size`` points, and not before a number."""
    fitting = max(1, int(width * 72 / (CHARACTER * size / 7)))  # characters; of a hundred bars, none has room for one
    kept = re.sub(r"(?<=[^\s,]) (?=[\d(][\d.,]*\W*(\s|$))", "\N{NO-BREAK SPACE}", text)
    return "\n".join(textwrap.wrap(kept, fitting, break_long_words=False)).replace("\N{NO-BREAK SPACE}", " ")


def nothing(axis: Axes, text: str) -> None:
    """Say in the panel why it is empty."""
    axis.set_axis_off()
    axis.text(0.5, 0.5, text, ha="center", va="center", transform=axis.transAxes, wrap=True)


class Powers(LogFormatterSciNotation):
    """Labels of a logarithmic axis as matplotlib's own, 10⁻² and 2×10³, but without its mathtext, which is off."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """The label of ``x``."""
        words = super().__call__(x, pos).removeprefix(r"$\mathdefault{").removesuffix("}$").replace(r"\times", "×")
        return re.sub(r"\^\{(.*)\}", lambda power: power[1].translate(RAISED), words)


RAISED = str.maketrans("-−0123456789", "⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def shown(figure: Figure) -> Figure:
    """``figure`` with all of its text `visible`: no character of it can be beyond what XML and fonts have."""
    for text in figure.findobj(Text):
        text.set_text(visible(text.get_text(), keep="\n"))
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            names = axis.get_major_formatter()
            if isinstance(names, FuncFormatter):  # of ticks with names, whose texts it writes anew at every drawing
                names.func = partial(_shown, names.func)
    return figure


def _shown(name: Callable[..., str], *place: Any) -> str:
    return visible(name(*place), keep="\n")
