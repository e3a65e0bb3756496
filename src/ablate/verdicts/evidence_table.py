"""evidence.csv: of each paper the runs that there are, how many are above chance, their hours, their machines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ablate.files import read_json
from ablate.plan.health import BETWEEN, NOT_ABOVE_CHANCE
from ablate.plan.names import called_arm
from ablate.plan.receipts import CONTROLS
from ablate.plan.record import PlanRecord
from ablate.plan.runs import ENDED
from ablate.plan.settings import Settings
from ablate.results.study import collected_runs
from ablate.results.table import ALL, Table
from ablate.verdicts.assess import COUNTED, WORDS, Judged

CAPTION = (
    "Runs that two studies share count once. Above chance: of the runs that ended, controls aside, "
    "those whose validation answers are not what guessing gives. Hours are of training, one run after the other."
)


def evidence_table(plan: PlanRecord, every: Sequence[Judged], folder: Path) -> Table:
    """A row per paper and one for all, from what was collected into ``folder``/<paper>; ``every`` is the board."""
    runs = pd.concat([_runs(plan, folder / name) for name in plan.papers], ignore_index=True)
    table = Table(caption=CAPTION)
    for name in (*plan.papers, ALL):
        mine = runs if name == ALL else runs[runs["paper"] == name]
        words = [j.word for j in every if name in (j.paper, ALL)]
        counts = {f"claims: {word}": words.count(word) for word in WORDS if word != COUNTED}
        once = mine.drop_duplicates("run")
        table.add(name, {"paper": name} | _row(once) | counts, {"ended": dict.fromkeys(once["run"][once["there"]])})
    used = {word for row in table.rows for word, n in row.items() if n}
    table.rows = [{k: v for k, v in row.items() if not k.startswith("claims: ") or k in used} for row in table.rows]
    table.notes = [note for name in plan.papers if (note := _at_chance(name, runs[runs["paper"] == name]))]
    return table


def _runs(plan: PlanRecord, collected: Path) -> pd.DataFrame:
    """Of each planned run of a paper what is asked here."""
    runs, records = collected_runs(plan, collected), read_json(collected / "provenance.json")
    # Of an own trainer nobody knows here what guessing gives.
    unasked = {
        p.run
        for p in plan.of(collected.name)
        if not isinstance(p.settings, Settings) or p.settings.labels == "shuffled"
    }
    there = runs["status"].isin(ENDED)
    return pd.DataFrame(
        {
            "paper": collected.name,
            "study": runs["study"],
            "arm": [
                called_arm(arm, (of := plan.studies[f"{collected.name}/{study}"]).axes, of.show)
                for study, arm in zip(runs["study"], runs["arm"], strict=True)
            ],
            "run": runs["run"],
            "there": there,
            "asked": there
            & ~runs["run"].isin(unasked)
            & (collected.name != CONTROLS),  # these have a criterion of their own
            "at_chance": runs["health"].map(lambda words: NOT_ABOVE_CHANCE in words.split(BETWEEN)),
            "seconds": runs["wall_s"],
            "machine": runs["run"].map(lambda run: records.get(run, {}).get("device", "")),
        }
    )


def _row(runs: pd.DataFrame) -> dict[str, Any]:
    asked = runs[runs["asked"]]
    learnt = int((~asked["at_chance"]).sum())
    return {
        "planned": len(runs),
        "ended": int(runs["there"].sum()),
        "above chance": learnt if len(asked) else None,  # of a learner without classes nothing is chance
        "above chance %": round(100 * learnt / len(asked), 1) if len(asked) else None,
        "hours": round(float(runs["seconds"].sum()) / 3600, 2),
        "machines": "; ".join(sorted({machine for machine in runs["machine"][runs["there"]] if machine})),
    }


def _at_chance(paper: str, runs: pd.DataFrame) -> str:
    """Which arms have runs at chance, and how many of how many."""
    asked = runs[runs["asked"]]
    said = [
        f"{study}, {arm}: {int(group['at_chance'].sum())} of {len(group)}"
        for (study, arm), group in asked.groupby(["study", "arm"], sort=False)
        if group["at_chance"].any()
    ]
    return f"Not above chance in {paper}: {'; '.join(said)}." if said else ""
