"""The chance to decide each headline claim by number of seeds, a panel per paper."""

from collections.abc import Sequence
from pathlib import Path

import seaborn as sns
from matplotlib.ticker import FixedLocator, NullLocator

from ablate.figures.common import STYLE, WIDE, looks, nothing, panels, save
from ablate.papers.paper import LABELS
from ablate.verdicts.judge import POWER
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
    about = ": ".join(filter(None, [scale, LABELS.get(scale)]))
    figure.suptitle(f"Chance to decide the headline claims, by seeds\n{about}; the grey line is {POWER:.0%}")
    save(figure, svg)
