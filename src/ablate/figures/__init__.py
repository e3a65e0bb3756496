"""Figures of a study, one function each: (StudyResults) -> figure. A new one is a line in FIGURES of kinds.py."""

import os
from collections.abc import Callable
from inspect import signature
from pathlib import Path

# A notebook names its own backend for all programs that it starts, which need not have it.
os.environ["MPLBACKEND"] = "agg"
import matplotlib

matplotlib.use("agg")
import seaborn as sns
from matplotlib.figure import Figure

from ablate.errors import UserError, choose
from ablate.figures.common import Places, save, wrapped
from ablate.kinds import FIGURES
from ablate.tables import LABELS, StudyResults

__all__ = ["FIGURES", "Places", "draw", "write_figure"]

TITLE_SIZE = 7.5  # points; the scales' labels then fit a narrow figure
# Readable in print and by colour-blind readers; ids in the SVG are fixed, so that equal data give equal bytes.
STYLE = {
    "svg.hashsalt": "ablate",
    "text.parse_math": False,  # a title or a level may hold any $
    "text.usetex": False,
    "figure.dpi": 150,
    "savefig.dpi": 150,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 7,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.handlelength": 3,  # long enough to see the dashes
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    "figure.titlesize": TITLE_SIZE,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.5,
}


def draw(results: StudyResults, kind: str, places: Places) -> Figure:
    """The figure of ``kind``, "name" or "name:argument". Raises UserError for one that there is not."""
    name, _, argument = kind.partition(":")
    if name not in FIGURES:
        raise choose("figures", name, FIGURES, "figure")
    make: Callable[..., Figure] = FIGURES[name].function
    taken = signature(make).parameters
    if argument and "argument" not in taken:
        raise UserError(f"{name} takes no argument; write {name} and not {kind}")
    given = ({"argument": argument} if argument else {}) | ({"places": places} if "places" in taken else {})
    sns.set_theme(context="paper", style="ticks", rc=STYLE)
    figure = make(results, **given)
    seeds = results.runs["seed"].nunique()
    scale = ": ".join(filter(None, [results.scale, LABELS.get(results.scale)]))
    about = f"{scale}; {seeds} seed{'' if seeds == 1 else 's'}"
    width, height = figure.get_size_inches()
    lines = [wrapped(text, width, size=TITLE_SIZE) for text in (results.title, about)]
    figure.set_size_inches(width, height + 0.14 * "\n".join(lines).count("\n"))
    figure.suptitle("\n".join(lines))
    return figure


def write_figure(results: StudyResults, kind: str, svg: Path, places: Places | None = None) -> None:
    """Draw the figure as SVG and, beside it, as PNG.

    Raises UserError, naming the key in params.yaml, for an unknown kind or argument, for a missing source and for a
    study without any run.
    """
    try:
        if (results.runs["status"] == "missing").all():
            raise UserError("no run of its study is there; train them")
        figure = draw(results, kind, places or Places())
    except UserError as error:
        key = f"params.yaml: studies.{results.paper}.{results.study}.figures.{svg.stem}"
        raise UserError(f"{key}: {error}") from error
    save(figure, svg)
