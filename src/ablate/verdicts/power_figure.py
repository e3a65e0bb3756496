"""The chance to decide each headline claim by number of seeds; and the seeds that open claims need."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.lines import Line2D

from ablate.figures.common import legend_below, nothing, panels, wrapped
from ablate.figures.heat import cells
from ablate.figures.save import save
from ablate.figures.style import NARROW, PALETTE, STYLE, WIDE
from ablate.papers.statement import hypothetical
from ablate.results.captions import Caption
from ablate.verdicts.judge import MOST, POWER
from ablate.verdicts.power import Chances

SENTENCE = 4.3  # inches for a claim's words


def draw_power(every: Sequence[Chances], scale: str, svg: Path) -> None:
    """Write ``svg`` and what goes with it: a row per headline claim, a column per number of seeds."""
    sns.set_theme(context="paper", style="ticks", rc=STYLE)
    headlines = [c for c in every if c.prospect.headline and c.by_seeds]
    texts = [wrapped(f"{c.prospect.paper}: {c.prospect.statement}", SENTENCE) for c in headlines]
    lines = max((text.count("\n") + 1 for text in texts), default=1)  # rows are alike
    figure, (axis,) = panels(1, 1, WIDE, 0.5 + (0.12 * lines + 0.08) * max(1, len(texts)))
    if not headlines:
        nothing(axis, "no headline claim can be tested at this scale")
    else:
        seeds = [*headlines[0].by_seeds]
        grid = np.array([[100 * c.by_seeds[n] for n in seeds] for c in headlines])
        cells(axis, grid, ("Blues", 0, 140), {}, 0)
        for text in axis.texts:
            text.set_fontweight("bold" if float(text.get_text()) >= 100 * POWER else "normal")
        axis.set(xlabel="seeds of each arm")
        axis.set_xticks(range(len(seeds)), [str(n) for n in seeds])
        axis.set_yticks(range(len(texts)), texts)
        axis.tick_params(length=0)
        axis.hlines(np.arange(1, len(texts)) - 0.5, -0.5, len(seeds) - 0.5, color="white", lw=1.5)
    caption = Caption(
        label=f"fig:{svg.parent.name}-{svg.stem}",
        title=hypothetical("The chance to decide the headline claims", (c.prospect.claim for c in every)),
        what=hypothetical(
            "The chance in percent to show a claim, or its opposite, by seeds of each arm, if the assumed effect is "
            f"true; bold from {100 * POWER:g} % on.",
            (c.prospect.claim for c in every),
        ),
        facts={"scale": scale},
    )
    save(figure, svg, caption)


NOW: dict[str, Any] = {"marker": "|", "ls": "", "ms": 8, "mew": 1.5, "color": "black"}
ENOUGH: dict[str, Any] = {"marker": "o", "ls": "", "ms": 4.5, "color": PALETTE[0]}
BEYOND: dict[str, Any] = ENOUGH | {"marker": ">"}


def draw_needed(every: Sequence[Chances], now: Mapping[tuple[str, str], int], scale: str, svg: Path) -> None:
    """Write ``svg`` and what goes with it: a row per open claim, its seeds, and those that it needs.

    ``now`` are the seeds of the open claims, by paper and id.
    """
    sns.set_theme(context="paper", style="ticks", rc=STYLE)
    wanted = [c for c in every if c.share is not None and (c.prospect.paper, c.prospect.id) in now]
    texts = [wrapped(f"{c.prospect.paper}: {c.prospect.statement}", 3.4) for c in wanted]
    lines = sum(text.count("\n") + 1 for text in texts)
    figure, (axis,) = panels(1, 1, WIDE if wanted else NARROW, 0.7 + 0.12 * lines + 0.08 * len(wanted))
    if not wanted:
        nothing(axis, "no claim is open that more seeds could decide")
    else:
        for y, c in enumerate(wanted):
            axis.plot(now[c.prospect.paper, c.prospect.id], y, **NOW)
            axis.plot(c.enough or MOST, y, **BEYOND if c.enough is None else ENOUGH)
        ticks = [1, 2, 3, 5, 10, 20, 50, MOST]
        axis.set(xscale="log", xlabel="seeds of each arm", ylim=(len(wanted) - 0.5, -0.5), xlim=(0.9, 1.15 * MOST))
        axis.set_xticks(ticks, [str(n) for n in ticks])
        axis.minorticks_off()
        axis.set_yticks(range(len(wanted)), texts)
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="y", color="0.93")
        looks_of_marks = {"now": NOW, f"for a chance of {100 * POWER:g} %": ENOUGH, f"more than {MOST}": BEYOND}
        legend_below(figure, [Line2D([], [], **look) for look in looks_of_marks.values()], list(looks_of_marks))
    caption = Caption(
        label=f"fig:{svg.parent.name}-{svg.stem}",
        title=hypothetical("Seeds that open claims need", (c.prospect.claim for c in every)),
        what=hypothetical(
            f"Of each open claim, the seeds of its arms now, and how many would decide it with a chance of "
            f"{100 * POWER:g} %, if the assumed effect is true and seeds scatter as those here do.",
            (c.prospect.claim for c in every),
        ),
        facts={"scale": scale},
    )
    save(figure, svg, caption)
