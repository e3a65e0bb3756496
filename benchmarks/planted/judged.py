"""Cells judged: every fabricated paper goes through `assess_paper`, and what it says is held against what is planted."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from ablate.plan.record import PlanRecord
from ablate.verdicts.assess import Judged, assess_paper
from ablate.verdicts.decide import goes_on
from ablate.verdicts.looks import arms_of
from ablate.verdicts.verdict import NOT_TESTABLE, OPEN, SHOWN
from planted.board import NAME, SHARED, Array, is_true
from planted.cells import Cell
from planted.runs import HISTORY, Results, fabricate

SURE = ("reproduced", "contradicted")
SPARE = 3.0  # margins
NOWHERE = Path("/nowhere")


@dataclass(frozen=True)
class Paper:
    """A fabricated paper and what the board says of it."""

    judged: list[Judged]
    effects: Array  # (8,) in margins, as planted: of runs that learn
    of_all: Array  # (8,), of all runs, those that fail or diverge at chance
    runs: int  # that it took

    def false(self, cell: Cell) -> bool:
        """Whether a finding is untrue; where runs diverge it has to be true of all runs as well."""
        truths = [self.effects, self.of_all] if cell.noise.diverges else [self.effects]
        return any(self._untrue(truth) for truth in truths)

    @property
    def false_of_all(self) -> bool:
        """Whether a finding is untrue of all runs."""
        return self._untrue(self.of_all)

    def _untrue(self, truth: Array) -> bool:
        return any(not is_true(str(j.finding), float(d), j.claim) for j, d in zip(self.judged, truth, strict=True))

    def forbidden(self, cell: Cell) -> int:
        """Claims called reproduced or contradicted at a reduced protocol or with an arm at chance."""
        against = [SHARED in cell.board.compared(i) for i in range(len(self.judged))]
        bad = [cell.protocol == "reduced" or (cell.noise.fails == 1.0 and it) for it in against]
        return sum(j.word in SURE for j, is_bad in zip(self.judged, bad, strict=True) if is_bad)


@cache
def _plan(cell: Cell) -> PlanRecord:
    return cell.board.plan(dict.fromkeys(cell.board.levels, cell.seeds), cell.protocol, cell.looks)


def planted(cell: Cell, number: int) -> tuple[Results, Array, Array, PlanRecord]:
    """A paper's results, its effects, those of all its runs, and its plan."""
    rng = cell.rng(number)
    effects, spare = cell.effects(rng), SPARE * float(rng.integers(2))
    plan = _plan(cell)
    found = fabricate(cell.board, plan, cell.noise, effects, rng, spare)
    of_all = cell.board.effects(*cell.board.arms(effects, spare), failing=max(cell.noise.fails, cell.noise.diverges))
    return found, effects, of_all, plan


def judged(cell: Cell, number: int, least_chance: float) -> Paper:
    """One paper of a cell, at a fixed number of seeds or look by look."""
    results, effects, of_all, plan = planted(cell, number)
    if cell.looks:
        found, runs = _look_by_look(cell, plan, results, least_chance)
    else:
        found, runs = assessed(cell, plan, results.rows, results), len(plan.runs)
    return Paper(found, effects, of_all, runs)


def assessed(cell: Cell, plan: PlanRecord, rows: pd.DataFrame, results: Results) -> list[Judged]:
    """What the board says."""
    return assess_paper(plan, NAME, cell.board.paper, rows, HISTORY, NOWHERE, {}, results.ask)


def _look_by_look(cell: Cell, full: PlanRecord, results: Results, least_chance: float) -> tuple[list[Judged], int]:
    """As `decide` goes: seeds up to the next look for the arms of claims that go on; and the runs that it took."""
    names = {(p.study, p.arm): p.run.rpartition("_s")[0] for p in full.runs}
    seeds = dict.fromkeys(cell.board.levels, cell.looks[0])
    found: list[Judged] = []
    for k in range(len(cell.looks)):
        plan = cell.board.plan(seeds, cell.protocol, cell.looks)
        rows = results.rows[results.rows["run"].isin([p.run for p in plan.runs])]
        found = assessed(cell, plan, rows, results)
        going = [j.claim for j in found if goes_on(j, least_chance)]
        more = {names[str(c.study), arm] for c in going for arm in arms_of(c, cell.board.paper, full.runs)}
        if not more or k + 1 == len(cell.looks):
            break
        seeds |= dict.fromkeys(more, cell.looks[k + 1])
    return found, sum(seeds.values())


def counted(cell: Cell, papers: Iterable[Paper]) -> tuple[dict[str, float | str], pd.DataFrame]:
    """A cell's row, and a row per effect of its claims of a direction: the share of each finding."""
    every = list(papers)
    head, same = cell.board.headlines, cell.board.same
    findings = np.array([[str(j.finding) for j in p.judged] for p in every])
    shown = np.isin(findings, SHOWN)
    false = sum(p.false(cell) for p in every)
    row: dict[str, float | str] = {
        "cell": cell.name, "seeds": cell.seeds, "planted": " ".join(f"{e:g}" for e in cell.planted),
        "protocol": cell.protocol, "looks": " ".join(map(str, cell.looks)), "promised": str(cell.promised).lower(),
        "papers": len(every), "false": false, "rate": false / len(every), "upper": upper(false, len(every)),
        "false_of_all": sum(p.false_of_all for p in every), "forbidden": sum(p.forbidden(cell) for p in every),
        "shown_headlines": shown[:, head].mean(), "shown_orders": shown[:, head][:, :2].mean(),
        "shown_others": shown[:, ~head & ~same].mean() if (~head & ~same).any() else np.nan,
        "shown_same": shown[:, same].mean(), "decided": (~np.isin(findings, (OPEN, NOT_TESTABLE))).mean(),
        "runs": np.mean([p.runs for p in every]) / (len(cell.board.levels) * cell.seeds),
    }  # fmt: skip
    table = pd.DataFrame(
        {
            "cell": cell.name, "seeds": cell.seeds, "effect": np.array([p.effects for p in every]).ravel(),
            "same": np.tile(same, len(every)), "finding": findings.ravel(),
            "word": np.array([[j.word for j in p.judged] for p in every]).ravel(),
        }
    )  # fmt: skip
    return row, table


def upper(false: int, papers: int) -> float:
    """The upper end of the exact 95 % interval of Clopper and Pearson (1934), two-sided."""
    from statsmodels.stats.proportion import proportion_confint

    return float(proportion_confint(false, papers, method="beta")[1])
