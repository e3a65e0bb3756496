"""The chance to decide headline claims by number of seeds, a panel per paper; and the seeds that open claims need."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import seaborn as sns
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from ablate.figures.common import legend_below, nothing, panels, wrapped
from ablate.figures.save import save
from ablate.figures.style import NARROW, PALETTE, STYLE, WIDE, looks
from ablate.papers.statement import hypothetical
from ablate.results.captions import Caption
from ablate.verdicts.judge import MOST, POWER
from ablate.verdicts.power import Chances

ACROSS = 3  # panels


def draw_power(every: Sequence[Chances], scale: str, svg: Path) -> None:
    """Write ``svg``, and a PNG beside it; a paper without headlines has no panel."""
    sns.set_theme(context="paper", style="ticks", rc=STYLE)
    headlines = [c for c in every if c.prospect.headline and c.by_seeds]
    papers = list(dict.fromkeys(c.prospect.paper for c in headlines))
    across = min(ACROSS, max(1, len(papers)))
    rows = -(-max(1, len(papers)) // across)
    figure, axes = panels(rows, across, WIDE, 2.5 * rows + 0.4)
    for axis in axes[len(papers) :]:
        nothing(axis, "" if papers else "no headline claim can be tested at this scale")
    for axis, paper in zip(axes, papers, strict=False):
        mine = [c for c in headlines if c.prospect.paper == paper]
        style = looks([c.prospect.id for c in mine])
        for c in mine:
            axis.plot(
                [*c.by_seeds], [100 * v for v in c.by_seeds.values()], label=c.prospect.id, **style[c.prospect.id]
            )
        axis.axhline(100 * POWER, color="0.5", linewidth=0.8, zorder=0)
        seeds = [*mine[0].by_seeds]
        axis.set(
            title=paper, xlabel="seeds of each arm", ylabel="chance to decide it (%)", ylim=(-4, 104), xscale="log"
        )
        axis.xaxis.set_major_locator(FixedLocator(seeds))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xticks(seeds, [str(n) for n in seeds])
        axis.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.32))
    caption = Caption(
        label=f"fig:{svg.parent.name}-{svg.stem}",
        title=hypothetical("The chance to decide the headline claims", (c.prospect.claim for c in every)),
        what=hypothetical(
            f"The chance to show a claim, or its opposite, by seeds of each arm; the grey line is {POWER:.0%}.",
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
        looks_of_marks = {"now": NOW, f"for a chance of {POWER:.0%}": ENOUGH, f"more than {MOST}": BEYOND}
        legend_below(figure, [Line2D([], [], **look) for look in looks_of_marks.values()], list(looks_of_marks))
    caption = Caption(
        label=f"fig:{svg.parent.name}-{svg.stem}",
        title=hypothetical("Seeds that open claims need", (c.prospect.claim for c in every)),
        what=hypothetical(
            f"Of each open claim, the seeds of its arms now, and how many would decide it with a chance of "
            f"{POWER:.0%}, if the assumed effect is true and seeds scatter as those here do.",
            (c.prospect.claim for c in every),
        ),
        facts={"scale": scale},
    )
    save(figure, svg, caption)
