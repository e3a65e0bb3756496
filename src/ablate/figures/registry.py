"""Draws the kinds of figures that `plan.kinds` lists, each by one function: (StudyResults) -> Drawn."""

from collections.abc import Callable, Mapping
from inspect import getdoc, signature
from pathlib import Path
from typing import Any

import seaborn as sns
from matplotlib.figure import Figure

from ablate.errors import UserError, choose
from ablate.figures.common import Drawn, RunFiles
from ablate.figures.save import save
from ablate.figures.style import STYLE
from ablate.own_code import calling, is_own, parted
from ablate.plan.kinds import FIGURES, kind_of
from ablate.results.captions import Caption, about_study, label
from ablate.results.study import StudyResults


def draw(results: StudyResults, kind: str, places: RunFiles) -> Drawn:
    """The figure of ``kind``, "name" or "name:argument".

    Raises:
        UserError: For one that there is not.
    """
    name, argument = parted(kind)
    if not is_own(name) and name not in FIGURES:
        raise choose("figures", name, FIGURES, "figure")
    make = kind_of(name, FIGURES).function("figures", "figures")
    taken = signature(make).parameters
    if argument and "argument" not in taken:
        raise UserError(f"{name} takes no argument; write {name} and not {kind}")
    given = ({"argument": argument} if argument else {}) | ({"places": places} if "places" in taken else {})
    sns.set_theme(context="paper", style="ticks", rc=STYLE)
    if is_own(name):
        return _of_own(name, make, results, given)
    drawn: Drawn = make(results, **given)
    return drawn


def _of_own(name: str, make: Callable[..., Any], results: StudyResults, given: Mapping[str, Any]) -> Drawn:
    """A figure of matplotlib's is enough; the first line of the function's docstring says then what it shows."""
    with calling(name, name, make):
        drawn = make(results, **given)
    if isinstance(drawn, Figure):
        return Drawn(drawn, (getdoc(make) or "").partition("\n")[0])
    if not isinstance(drawn, Drawn):
        raise UserError(f"{name} gave a {type(drawn).__name__}; return a Drawn or a matplotlib Figure")
    return drawn


def caption_of(results: StudyResults, kind: str, drawn: Drawn, svg: Path) -> Caption:
    """What stands under the figure: of one that shows results, what they rest on."""
    about = about_study(results, drawn.arms, drawn.splits) if kind_of(parted(kind)[0], FIGURES).runs else {}
    facts = about | ({"band": drawn.band} if drawn.band else {}) | dict(drawn.facts)
    return Caption(label=label("fig", svg.parent, svg.stem), title=results.title, what=drawn.what, facts=facts)


def write_figure(results: StudyResults, kind: str, svg: Path, places: RunFiles | None = None) -> None:
    """Draw the figure as SVG and, beside it, as PNG and PDF, with its caption.

    Raises:
        UserError: For an unknown kind or argument, for a missing source and, where the figure shows results, for a
            study without any run; it names the key in the paper's file.
    """
    name = parted(kind)[0]
    shows_runs = is_own(name) or (name in FIGURES and FIGURES[name].runs)
    try:
        if shows_runs and (results.runs["status"] == "missing").all():
            raise UserError("no run of its study is there; train them")
        drawn = draw(results, kind, places or RunFiles())
    except UserError as error:
        key = f"papers/{results.paper}.yaml: drawn.{results.study}.figures.{svg.stem}"
        raise UserError(f"{key}: {error}") from error
    save(drawn.figure, svg, caption_of(results, kind, drawn, svg))
