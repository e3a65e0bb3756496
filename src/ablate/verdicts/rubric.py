"""Built, ran, matches: of each figure, table, number and claim of a paper, how far its reproduction has come.

The three questions of rubrics for reproductions: is there code for it, did it run, does the result agree? What ran,
and what agrees, is read from what was collected, compared and judged at one scale.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ablate.csv_text import read_rows
from ablate.files import read_json
from ablate.papers.claim import Claim
from ablate.papers.items import Item
from ablate.papers.marks import NO, YES, Mark, Rubric
from ablate.papers.overview import made
from ablate.papers.paper import OF_NETWORKS, Paper, Reported
from ablate.papers.statement import statement
from ablate.plan.kinds import FIGURES, TABLES
from ablate.plan.record import PlanRecord
from ablate.plan.runs import ENDED
from ablate.plurals import many

NOTHING_TO_RUN = "needs no run"
NOT_RUN, TOO_FEW = "not run", "too few runs"
NONE_PRINTED = "no number printed"
GENERATED = "no evidence: generated images"
OTHER_MACHINE = "not comparable: another machine"
COUNTED = "counted"  # a verdict, of which the finding is the word
AGREE = ("reproduced", "holds here", "as claimed")  # others do not, or not yet


def rubrics(papers: Mapping[str, Paper], plan: PlanRecord, folder: Path) -> dict[str, Rubric]:
    """{paper: its rubric}; ``folder`` is results/<scale>, of which any file may be missing: then nothing ran."""
    compared, judged = folder / "comparison.csv", folder / "claims.json"
    numbers = read_rows(compared, "paper", "number", "n", "difference", "printed within") if compared.exists() else []
    claims = read_json(judged)["claims"] if judged.exists() else []
    return {
        id: _Paper(
            id, paper, plan, folder,
            {row["number"]: row for row in numbers if row["paper"] == id},
            {claim["id"]: claim for claim in claims if claim["paper"] == id},
        ).rubric()
        for id, paper in papers.items()
    }  # fmt: skip


class _Paper:
    """One paper, and what is there of it."""

    def __init__(
        self,
        id: str,
        paper: Paper,
        plan: PlanRecord,
        folder: Path,
        numbers: Mapping[str, Mapping[str, str]],
        claims: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.id, self.paper, self.numbers, self.claims = id, paper, numbers, claims
        self.studies, self.planned = plan.studies_of(id), plan.of(id)
        self.outputs = made(self.studies)
        runs = folder / id / "runs.csv"
        rows = read_rows(runs, "study", "run", "status", "data") if runs.exists() else []
        self.ended = {(row["study"], row["run"]) for row in rows if row["status"] in ENDED}
        self.generated = {row["study"] for row in rows if row["data"] == "embedded"}

    def rubric(self) -> Rubric:
        of_numbers = {entry.id: self._number(entry) for entry in self.paper.reported}
        items = [self._item(item, of_numbers) for item in self.paper.items]
        return [*items, *of_numbers.values(), *map(self._claim, self.paper.claims)]

    def _ran(self, places: Iterable[tuple[str, str]]) -> tuple[str, bool]:
        """Of runs, by study and run."""
        wanted = {*places}
        if not wanted:
            return NOTHING_TO_RUN, True
        ended = len(wanted & self.ended)
        return f"{ended} of {many(len(wanted), 'run')}", ended == len(wanted)

    def _item(self, item: Item, numbers: Mapping[str, Mark]) -> Mark:
        shown = [name for name in item.here(self.outputs) if name in self.outputs]
        built = (NO, False) if not shown else (YES, True) if not item.lacks else ("in part", False)
        kinds = {name: kind for s in self.studies.values() for name, kind in (*s.tables.items(), *s.figures.items())}
        known = TABLES | FIGURES
        resting = {self.outputs[name] for name in shown if known[kinds[name].partition(":")[0]].runs}
        ran = self._ran((p.study, p.run) for p in self.planned if p.study in resting) if shown else (NOT_RUN, False)
        mine = [numbers[e.id].matches for e in self.paper.reported if _at(e.where or "", item.item)]
        layers = [self._layers(n.model) for n in self.paper.networks if n.layers and _at(n.where, item.item)]
        known_ones = [is_so for _, is_so in mine if is_so is not None]
        matches: tuple[str, bool | None] = (NONE_PRINTED, None)
        if layers:
            equal, of = (sum(counts) for counts in zip(*layers, strict=True))
            matches = f"{equal} of {many(of, 'layer')}", equal == of
        elif known_ones:
            matches = f"{sum(known_ones)} of {many(len(known_ones), 'number')}", all(known_ones)
        elif mine:
            matches = "; ".join(dict.fromkeys(said for said, _ in mine)), None
        return Mark("item", item.item, item.what, item.where, built, ran, matches)

    def _layers(self, model: str) -> tuple[int, int]:
        """How many of a printed network's layers are ours, and how many there are."""
        from ablate.tables.networks import agreeing  # imports torch

        return agreeing(next(n for n in self.paper.networks if n.model == model and n.layers), self.planned)

    def _number(self, entry: Reported) -> Mark:
        row = self.numbers.get(entry.id, {})
        what = f"{entry.metric} {entry.value:,.10g}"
        if entry.metric in OF_NETWORKS:
            difference = int(row["difference"]) if row.get("difference") else None
            said = "not compared" if difference is None else YES if difference == 0 else f"{difference:+,}"
            equal = (said, difference == 0)
            return Mark("number", entry.id, what, entry.where or "", (YES, True), (NOTHING_TO_RUN, True), equal)
        arms = {p.arm: tuple(p.levels.values()) for p in self.planned if p.study == entry.study}
        named = entry.arms(arms)
        places = [(p.study, p.run) for p in self.planned if p.study == entry.study and p.arm in named]
        built = (YES, True) if places else ("not planned at this scale", False)
        ran = self._ran(places) if places else (NOT_RUN, False)
        n = int(row.get("n") or 0)
        if entry.study in self.generated:
            matches: tuple[str, bool | None] = (GENERATED, False)
        elif not n:
            matches = (NOT_RUN, False)
        elif entry.metric == "wall_min":
            matches = (OTHER_MACHINE, None)
        else:
            matches = {"yes": (YES, True), "no": (NO, False)}.get(row["printed within"], (TOO_FEW, False))
        return Mark("number", entry.id, what, entry.where or "", built, ran, matches)

    def _claim(self, claim: Claim) -> Mark:
        found = self.claims.get(claim.id)
        built = (YES, True) if claim.study is None or claim.study in self.studies else ("not planned here", False)
        arms = (found or {}).get("arms", {}).values()
        wanted, ended = (sum(int(arm[key]) for arm in arms) for key in ("planned", "ended"))
        ran = (f"{ended} of {many(wanted, 'run')}", 0 < wanted == ended)
        if claim.study is None:
            ran = NOTHING_TO_RUN, True
        elif not wanted:
            ran = NOT_RUN, False
        said = str(found["verdict"]) if found else NOT_RUN
        said = str(found["finding"]) if found and said == COUNTED else said
        return Mark(
            "claim", claim.id, statement(claim, self.paper), claim.where or "", built, ran, (said, said in AGREE)
        )


def _at(where: str, item: str) -> bool:
    """Whether a place is in that figure or table: Table 1, row 2, and Fig. 10, but not Fig. 1."""
    return re.match(rf"{re.escape(item)}(?!\d)", where) is not None
