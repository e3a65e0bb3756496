"""Draws the kinds of figures that `plan.kinds` lists, each by one function: (StudyResults) -> figure."""

from inspect import signature
from pathlib import Path

import seaborn as sns
from matplotlib.figure import Figure

from ablate.errors import UserError, choose
from ablate.figures.common import STYLE, TITLE_SIZE, RunFiles, save, wrapped
from ablate.papers.paper import LABELS
from ablate.plan.kinds import FIGURES
from ablate.results.study import StudyResults


def draw(results: StudyResults, kind: str, places: RunFiles) -> Figure:
    """The figure of ``kind``, "name" or "name:argument".

    Raises:
        UserError: For one that there is not.
    """
    name, _, argument = kind.partition(":")
    if name not in FIGURES:
        raise choose("figures", name, FIGURES, "figure")
    make = FIGURES[name].function("figures")
    taken = signature(make).parameters
    if argument and "argument" not in taken:
        raise UserError(f"{name} takes no argument; write {name} and not {kind}")
    given = ({"argument": argument} if argument else {}) | ({"places": places} if "places" in taken else {})
    sns.set_theme(context="paper", style="ticks", rc=STYLE)
    figure: Figure = make(results, **given)
    about = _about(results) if FIGURES[name].runs else figure.get_suptitle()
    width, height = figure.get_size_inches()
    lines = [wrapped(text, width, size=TITLE_SIZE) for text in (results.title, about)]
    figure.set_size_inches(width, height + 0.14 * "\n".join(lines).count("\n"))
    figure.suptitle("\n".join(lines))
    return figure


def _about(results: StudyResults) -> str:
    """The scale, what it stands for, the seeds, and what the arms are to their paper."""
    seeds = results.runs["seed"].nunique()
    scale = ": ".join(filter(None, [results.scale, LABELS.get(results.scale)]))
    return "; ".join(filter(None, [f"{scale}; {seeds} seed{'' if seeds == 1 else 's'}", results.words.counted]))


def write_figure(results: StudyResults, kind: str, svg: Path, places: RunFiles | None = None) -> None:
    """Draw the figure as SVG and, beside it, as PNG.

    Raises:
        UserError: For an unknown kind or argument, for a missing source and, where the figure shows results, for a
            study without any run; it names the key in the paper's file.
    """
    known = FIGURES.get(kind.partition(":")[0])
    try:
        if known and known.runs and (results.runs["status"] == "missing").all():
            raise UserError("no run of its study is there; train them")
        figure = draw(results, kind, places or RunFiles())
    except UserError as error:
        key = f"papers/{results.paper}.yaml: drawn.{results.study}.figures.{svg.stem}"
        raise UserError(f"{key}: {error}") from error
    save(figure, svg)
