"""Draws the kinds of figures that `plan.kinds` lists, each by one function: (StudyResults) -> Drawn."""

from inspect import signature
from pathlib import Path

import seaborn as sns

from ablate.errors import UserError, choose
from ablate.figures.common import Drawn, RunFiles
from ablate.figures.save import save
from ablate.figures.style import STYLE
from ablate.plan.kinds import FIGURES
from ablate.results.captions import Caption, about_study, label
from ablate.results.study import StudyResults


def draw(results: StudyResults, kind: str, places: RunFiles) -> Drawn:
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
    drawn: Drawn = make(results, **given)
    return drawn


def caption_of(results: StudyResults, kind: str, drawn: Drawn, svg: Path) -> Caption:
    """What stands under the figure: of one that shows results, what they rest on."""
    about = about_study(results, drawn.arms, drawn.splits) if FIGURES[kind.partition(":")[0]].runs else {}
    facts = about | ({"band": drawn.band} if drawn.band else {}) | dict(drawn.facts)
    return Caption(label=label("fig", svg.parent, svg.stem), title=results.title, what=drawn.what, facts=facts)


def write_figure(results: StudyResults, kind: str, svg: Path, places: RunFiles | None = None) -> None:
    """Draw the figure as SVG and, beside it, as PNG and PDF, with its caption.

    Raises:
        UserError: For an unknown kind or argument, for a missing source and, where the figure shows results, for a
            study without any run; it names the key in the paper's file.
    """
    known = FIGURES.get(kind.partition(":")[0])
    try:
        if known and known.runs and (results.runs["status"] == "missing").all():
            raise UserError("no run of its study is there; train them")
        drawn = draw(results, kind, places or RunFiles())
    except UserError as error:
        key = f"papers/{results.paper}.yaml: drawn.{results.study}.figures.{svg.stem}"
        raise UserError(f"{key}: {error}") from error
    save(drawn.figure, svg, caption_of(results, kind, drawn, svg))
