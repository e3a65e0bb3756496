"""The assessed claims, drawn: every claim's effect with its interval against the claim's margin."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.lines import Line2D

from ablate.figures.common import PALETTE, STYLE, WIDE, save
from ablate.papers.paper import LABELS

if TYPE_CHECKING:
    from ablate.verdicts.assess import Judged


LOOKS = {  # word: colour, marker
    "reproduced": (PALETTE[2], "o"),
    "holds here": (PALETTE[2], "D"),
    "contradicted": (PALETTE[3], "X"),
    "does not hold here": (PALETTE[3], "P"),
    "no effect of that size": (PALETTE[1], "s"),
    "open": (PALETTE[0], "o"),
    "not testable": ("0.45", "^"),
    "not comparable": ("0.45", "v"),
    "void": ("0.3", "s"),
    "no evidence": ("0.6", "o"),
    "not run": ("0.6", "|"),
    "counted": ("0.3", "*"),
}
REACH = 4.0  # margins; what lies beyond is drawn at the border


def draw_board(every: Sequence["Judged"], scale: str, svg: Path) -> None:
    """A row per claim, in margins: 0 is no effect, 1 what the claim asks for.

    Shaded is what counts as the same, for claims that something is the same or is not.
    """
    sns.set_theme(context="paper", style="ticks", rc=STYLE)
    height = 1.0 + 0.17 * max(len(every), 4)
    figure, axis = plt.subplots(figsize=(WIDE, height), layout="constrained")
    for y, j in enumerate(every):
        colour, marker = LOOKS[j.word]
        part = next((p for p in j.found.parts if p.name == j.by_test.part), None)
        sense = -1 if part and part.direction == "less" else 1
        if part and part.direction in ("same", "differs"):
            axis.barh(y, 2, left=-1, height=0.8, color="0.92", zorder=0)
        if part is None or j.by_test.estimate is None or not part.margin or j.why or j.word == "counted":
            paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
            axis.text(0, y, j.word, ha="center", va="center", color="0.4", bbox=paper)
            continue
        ends = [v for v in (j.by_test.low, j.by_test.high) if v is not None]
        middle, *ends = (max(-REACH, min(REACH, sense * v / part.margin)) for v in (j.by_test.estimate, *ends))
        axis.plot(ends, [y] * len(ends), color=colour, linewidth=1)
        axis.plot(middle, y, marker=marker, color=colour, markersize=4.5, linestyle="")
    for x, dashes in ((0, "-"), (1, "--")):
        axis.axvline(x, color="0.5", linewidth=0.8, linestyle=dashes, zorder=0)
    axis.set(
        xlim=(-REACH * 1.05, REACH * 1.05),
        ylim=(len(every) - 0.4, -0.6),
        xlabel=f"effect in margins of the claim (beyond {REACH:g}: at the border)",
    )
    axis.set_yticks(range(len(every)), [f"{j.paper}: {j.claim.id}" for j in every])
    for label, j in zip(axis.get_yticklabels(), every, strict=True):
        label.set_fontweight("bold" if j.headline else "normal")
    shown = [word for word in LOOKS if any(j.word == word for j in every)]
    handles = [Line2D([], [], color=LOOKS[w][0], marker=LOOKS[w][1], linestyle="", markersize=4.5) for w in shown]
    counted = [f"{word} ({sum(j.word == word for j in every)})" for word in shown]
    figure.legend(handles, counted, loc="outside lower center", ncols=len(shown), frameon=False)
    about = ": ".join(filter(None, [scale, LABELS.get(scale)]))
    figure.suptitle(f"Claims of all papers\n{about}; lines are simultaneous 95 % intervals, headlines bold")
    save(figure, svg)
