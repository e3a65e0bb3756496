"""The table and the figure of the chances to decide claims, as data, and what they rest on."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ablate.csv_text import to_csv
from ablate.files import read_json, write_text
from ablate.papers.paper import Paper
from ablate.plan.params import Dataset
from ablate.plan.record import PlannedRun, PlanRecord
from ablate.plan.trainers import OwnSettings
from ablate.results.table import Table
from ablate.stored import Assessment, shaped
from ablate.verdicts.judge import MOST, POWER
from ablate.verdicts.power import SEEDS, Chances, chances
from ablate.verdicts.prospects import Known, prospects
from ablate.verdicts.scatter import scattered
from ablate.verdicts.sentence import rounded
from ablate.verdicts.verdict import OPEN


def foresee(
    plan: PlanRecord,
    datasets: Mapping[str, Dataset],
    papers: Mapping[str, Paper],
    known: Known,
    seeds: Sequence[int] = SEEDS,
) -> list[Chances]:
    """The chances of every claim of ``papers`` at the scale of ``plan``; ``known`` as of `prospects`."""

    def images(run: PlannedRun) -> tuple[int, int]:
        if isinstance(run.settings, OwnSettings):
            return 0, 0
        data = datasets[run.settings.dataset]
        return data.counts(run.settings).train, data.tested(run.settings)

    known = list(known)
    return [
        c
        for name, paper in papers.items()
        for c in chances(prospects(name, paper, plan.of(name), images, known), seeds)
    ]


def plain(c: Chances) -> dict[str, Any]:
    """As JSON has it; ``effect`` is that of the part that is nearest to zero, ``sd`` of one run, in ``unit``."""
    p = c.prospect
    unit = p.claim.measure.unit
    return {
        "paper": p.paper,
        "id": p.id,
        "claim": p.statement,
        "headline": p.headline,
        "effect": rounded(min(p.effects, key=abs), unit) if p.assumed else None,
        "unit": unit,
        "assumed": p.assumed,
        "margin": rounded(p.claim.measure.factor * p.claim.margin, unit),
        "sd": rounded(math.sqrt(sum(a.variance for a in p.arms.values()) / len(p.arms)), unit) if p.arms else None,
        "scatter": p.scatter.source,
        "images": p.n_images,
        "alpha": c.share,
        "chance": {str(n): round(v, 3) for n, v in c.by_seeds.items()},
        "seeds_needed": c.enough,
        "why": "; ".join(p.asked.barred),
    }


def enough_text(c: Chances) -> str:
    """How many seeds give a chance of POWER."""
    return "" if c.share is None else f"more than {MOST}" if c.enough is None else str(c.enough)


def power_table(every: Sequence[Chances]) -> Table:
    """A row per claim, headlines first within their paper, chances in percent."""
    table = Table()
    seeds = dict.fromkeys(n for c in every for n in c.by_seeds)
    for c in in_order(every):
        row = plain(c)
        table.add(
            f"{row['paper']}/{row['id']}",
            {
                "paper": row["paper"],
                "claim": row["claim"],
                "headline": "headline" if row["headline"] else "",
                "assumed effect": row["effect"],
                "unit": row["unit"],
                "which is": row["assumed"],
                "margin": row["margin"],
                "sd of a run": row["sd"],
                "sd from": row["scatter"],
                **{f"chance with {n} (%)": round(100 * c.by_seeds[n]) if c.by_seeds else None for n in seeds},
                f"seeds for {POWER:.0%}": enough_text(c),
                "why not": row["why"],
            },
        )
    return table


def in_order(every: Sequence[Chances]) -> list[Chances]:
    """By paper, as they come, its headlines first."""
    papers = list(dict.fromkeys(c.prospect.paper for c in every))
    return sorted(every, key=lambda c: (papers.index(c.prospect.paper), not c.prospect.headline))


def write_power(plan: PlanRecord, datasets: Mapping[str, Dataset], papers: Mapping[str, Paper], output: Path) -> None:
    """Write ``output`` (results/<scale>/power.csv) and its figures, from what this scale's runs scatter by.

    The claims of ``claims.json`` beside it that are open have one of their own.
    """
    from ablate.verdicts.power_figure import draw_needed, draw_power  # takes a second to import

    every = foresee(plan, datasets, papers, [(plan.scale, scattered(plan, papers, output.parent))])
    write_text(output, to_csv(power_table(every).frame))
    draw_power(every, plan.called(), output.with_suffix(".svg"))
    board = output.with_name("claims.json")
    found = shaped(read_json(board), Assessment, board).claims if board.exists() else []
    now = {(c.paper, c.id): c.n for c in found if c.verdict == OPEN}
    draw_needed(every, now, plan.called(), output.with_name("needed.svg"))
