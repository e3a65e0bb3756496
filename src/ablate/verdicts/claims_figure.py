"""The assessed claims, drawn: a tile for each, and a forest table of each paper."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ablate.figures.common import wrapped
from ablate.figures.save import save
from ablate.figures.style import PALETTE, STYLE, WIDE
from ablate.papers.statement import hypothetical, of_one
from ablate.results.captions import Caption
from ablate.verdicts.sentence import number

if TYPE_CHECKING:
    from ablate.verdicts.assess import Judged


LOOKS: dict[str, tuple[Any, str]] = {  # word: colour, marker
    "reproduced": (PALETTE[2], "o"),
    "holds here": (PALETTE[2], "D"),
    "contradicted": (PALETTE[3], "X"),
    "does not hold here": (PALETTE[3], "P"),
    "no effect of that size": (PALETTE[1], "s"),
    "open": (PALETTE[0], "o"),
    "not testable": ((0.45, 0.45, 0.45), "^"),
    "not comparable": ((0.45, 0.45, 0.45), "v"),
    "void": ((0.3, 0.3, 0.3), "s"),
    "no evidence": ((0.6, 0.6, 0.6), "o"),
    "not run": ((0.6, 0.6, 0.6), "|"),
    "counted": ((0.3, 0.3, 0.3), "*"),
}
OPEN = "open"
TILE, LINE, ROOM = 0.2, 0.115, 0.07  # inches: a tile, a line of text, between rows
SENTENCE, PRINTED, FOREST, EFFECT, SEEDS, WORD = 0.0, 2.5, (3.2, 4.6), 4.7, 5.75, 5.95  # inches from the left
REACH = 4.0  # margins that the forest shows; an arrow leads to what lies beyond
INTERVALS = "simultaneous 95 % over the claims of a paper, over seeds and, of accuracies, over images"


class Effect(NamedTuple):
    """A claim's estimate and interval, in margins, what is claimed being on the right."""

    middle: float
    low: float | None
    high: float | None
    same: bool  # whether it is claimed, or denied, that there is no difference


def draw_boards(every: Sequence["Judged"], papers: Sequence[str], scale: str, folder: Path) -> None:
    """Write the figures board and <paper>/board into ``folder``, results/<scale>; ``scale`` is for captions."""
    sns.set_theme(context="paper", style="ticks", rc=STYLE)
    _strip(every, papers, scale, folder / "board.svg")
    for paper in papers:
        _forest([j for j in every if j.paper == paper], scale, folder / paper / "board.svg")


def effect_of(j: "Judged") -> Effect | None:
    """Of a claim that has one."""
    part = next((p for p in j.found.parts if p.name == j.by_test.part), None)
    if part is None or j.by_test.estimate is None or not part.margin or j.why or j.word == "counted":
        return None
    sense = -1 if part.direction == "less" else 1
    middle, *ends = (None if v is None else sense * v / part.margin for v in _numbers(j))
    low, high = ends[::sense]
    return Effect(middle or 0.0, low, high, part.direction in ("same", "differs"))


def _numbers(j: "Judged") -> tuple[float | None, float | None, float | None]:
    return j.by_test.estimate, j.by_test.low, j.by_test.high


def _canvas(width: float, height: float) -> tuple[Any, Axes]:
    """A figure whose axis is in inches from its upper left corner."""
    figure = plt.figure(figsize=(width, height))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, width), ylim=(height, 0))
    axis.set_axis_off()
    return figure, axis


def _glyph(axis: Axes, x: float, y: float, word: str) -> None:
    """Hollow while it is open."""
    colour, marker = LOOKS[word]
    face = "white" if word == OPEN else colour
    axis.plot(x, y, marker=marker, mfc=face, mec=colour, color=colour, ms=4.5, ls="", zorder=5)


def _strip(every: Sequence["Judged"], papers: Sequence[str], scale: str, svg: Path) -> None:
    """A row per paper, a tile per claim, in the order of the table; headlines have a frame."""
    rows = [(paper, [j for j in every if j.paper == paper]) for paper in papers]
    rows = [(paper, mine) for paper, mine in rows if mine]
    counts = Counter(j.word for j in every)
    words = [word for word in LOOKS if counts[word]]
    lines = -(-len(words) // 4)
    figure, axis = _canvas(WIDE, (TILE + 0.06) * max(len(rows), 1) + 0.17 * lines + 0.2)
    for row, (paper, mine) in enumerate(rows):
        top = 0.05 + row * (TILE + 0.06)
        axis.text(1.15, top + TILE / 2, paper, ha="right", va="center")
        for x, j in enumerate(mine):
            left = 1.25 + x * TILE
            tint = tuple(1 - 0.35 * (1 - part) for part in LOOKS[j.word][0])
            frame: dict[str, Any] = (
                {"edgecolor": "black", "lw": 1.2} if j.headline else {"edgecolor": "white", "lw": 0.8}
            )
            axis.add_patch(Rectangle((left, top), TILE * 0.94, TILE, facecolor=tint, zorder=2 + j.headline, **frame))
            _glyph(axis, left + TILE * 0.47, top + TILE / 2, j.word)
    if not rows:
        axis.text(WIDE / 2, 0.15, "no claims", ha="center", va="center")
    below = 0.2 + (TILE + 0.06) * max(len(rows), 1)
    for n, word in enumerate(words):
        across, down = 0.3 + (n % 4) * 1.6, below + 0.17 * (n // 4)
        _glyph(axis, across, down, word)
        axis.text(across + 0.1, down, f"{word} ({counts[word]})", va="center")
    caption = Caption(
        label=f"fig:{svg.parent.name}-board",
        title=hypothetical("Claims of all papers", (j.claim for j in every)),
        what=hypothetical(
            "A tile for each claim, in the order of the table; black frames are headlines, numbers count claims.",
            (j.claim for j in every),
        ),
        facts={"scale": scale},
    )
    save(figure, svg, caption)


def _forest(mine: Sequence["Judged"], scale: str, svg: Path) -> None:
    """A row per claim: sentence, what is printed, effect in margins, in its own unit, seeds, and the word for it."""
    texts = [wrapped(j.statement, PRINTED - 0.1) for j in mine]
    words = [wrapped(j.marked, WIDE - WORD - 0.15) for j in mine]
    lines = [max(2, text.count("\n") + 1, word.count("\n") + 1) for text, word in zip(texts, words, strict=True)]
    head, foot = 0.2, 0.4
    total = sum(LINE * n + ROOM for n in lines)
    figure, axis = _canvas(WIDE, head + total + foot)
    claim = hypothetical("claim", (j.claim for j in mine))
    heads = ((SENTENCE + 0.05, claim), (PRINTED, "printed"), (EFFECT, "effect"), (SEEDS, "n"), (WORD, "verdict"))
    for x, text in heads:
        axis.text(x, head / 2, text, va="center", fontweight="bold")
    zero, one = _place(0), _place(1)
    for x, dash in ((zero, "-"), (one, "--")):
        axis.plot([x, x], [head, head + total], color="0.6", lw=0.7, ls=dash, zorder=1)
    y = head
    for j, text, word, n in zip(mine, texts, words, lines, strict=True):
        middle = y + (LINE * n + ROOM) / 2
        axis.plot([0.03, WIDE - 0.03], [y, y], color="0.9", lw=0.6, zorder=0)
        weight = "bold" if j.headline else "normal"
        axis.text(SENTENCE + 0.05, middle, text, va="center", fontweight=weight, linespacing=1.05)
        _row(axis, j, middle)
        axis.text(WORD, middle, word, va="center", color=[0.7 * part for part in LOOKS[j.word][0]])
        y += LINE * n + ROOM
    if not mine:
        axis.text(WIDE / 2, head + 0.1, "no claims", ha="center", va="center")
    for at in (-REACH, -REACH / 2, 0, 1, REACH / 2, REACH):
        axis.plot([_place(at)] * 2, [y, y + 0.03], color="0.4", lw=0.7)
        axis.text(_place(at), y + 0.1, f"{at:g}".replace("-", "−"), ha="center", va="center")
    axis.text(_place(0), y + 0.26, f"effect, in margins of the {claim}", ha="center", va="center")
    in_words = partial(hypothetical, claims=[j.claim for j in mine])
    facts = {"band": in_words(INTERVALS), "scale": scale}
    caption = Caption(
        label=f"fig:{svg.parent.name}-board",
        title=f"{in_words('Claims')} of {svg.parent.name}",
        what=in_words(
            "Each claim with its effect in margins (dashes: what it asks for; grey: what counts as the same) and in "
            "its own unit. Open claims are hollow, an arrow leads to what lies outside, headlines are bold; n are "
            "seeds of the arm that has the fewest."
        ),
        facts=facts,
    )
    save(figure, svg, caption)


def _place(margins: float) -> float:
    """Inches from the left."""
    left, right = FOREST
    return left + (max(-REACH, min(REACH, margins)) + REACH) / (2 * REACH) * (right - left)


def _row(axis: Axes, j: "Judged", y: float) -> None:
    """What is printed, and the effect."""
    part = next((p for p in j.found.parts if p.name == j.by_test.part), None)
    unit = j.found.unit
    if part and part.claimed:
        printed = "%" if of_one(j.claim) and unit == "points" else unit
        axis.text(PRINTED, y, number(part.claimed, printed), va="center")
    effect = effect_of(j)
    if effect is None:
        return
    if effect.same:
        left, right = _place(-1), _place(1)
        axis.add_patch(Rectangle((left, y - 0.08), right - left, 0.16, facecolor="0.9", edgecolor="none", zorder=0))
    colour = LOOKS[j.word][0]
    low, high = (-REACH if effect.low is None else effect.low, REACH if effect.high is None else effect.high)
    if effect.low is not None or effect.high is not None:
        axis.plot([_place(low), _place(high)], [y, y], color=colour, lw=1, zorder=3)
    for end, clipped, mark in ((low, low < -REACH, "<"), (high, high > REACH, ">")):
        if clipped:
            axis.plot(_place(end), y, marker=mark, color=colour, ms=3.5, ls="", zorder=4)
    if abs(effect.middle) <= REACH:
        _glyph(axis, _place(effect.middle), y, j.word)
    estimate, below, above = _numbers(j)
    ends = ["…" if v is None else number(v, unit, sign=True, named=False) for v in (below, above)]
    told = "" if below is None and above is None else f"\n[{ends[0]}, {ends[1]}]"
    axis.text(EFFECT, y, number(estimate or 0.0, unit, sign=True) + told, va="center", linespacing=1.05)
    axis.text(SEEDS, y, f"{j.by_test.n}", va="center")
