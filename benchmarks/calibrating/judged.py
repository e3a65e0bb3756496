"""Cells judged: every fabricated paper goes through `assess_paper`, and what it says is held against the truth."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from calibrating.board import NAME, SHARED, STATEMENTS, Array, is_true
from calibrating.cells import Cell
from calibrating.runs import HISTORY, Results, fabricate

from ablate.plan.record import PlanRecord
from ablate.verdicts.assess import Judged, assess_paper
from ablate.verdicts.decide import goes_on
from ablate.verdicts.looks import arms_of
from ablate.verdicts.verdict import NOT_TESTABLE, OPEN, SHOWN

SURE = ("reproduced", "contradicted")
WORDS = (*SURE, "holds here", "does not hold here")
RARE = 0.1  # a word that is said less often has no peak to fall from
SPARE = 3.0  # margins
NOWHERE = Path("/nowhere")


@dataclass(frozen=True)
class Paper:
    """What the board says of a fabricated paper, and whether it is so."""

    findings: tuple[str, ...]
    words: tuple[str, ...]
    effects: Array  # (8,) in margins, as planted: of runs that learn
    false: bool  # a finding is untrue; where runs diverge it has to be true of all runs as well
    false_of_all: bool  # a finding is untrue of all runs, those that fail or diverge at chance
    forbidden: int  # claims called reproduced or contradicted at a reduced protocol or with an arm at chance
    runs: int  # that it took


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
    false, false_of_all = (
        any(not is_true(str(j.finding), float(d), j.claim) for j, d in zip(found, truth, strict=True))
        for truth in (effects, of_all)
    )
    forbidden = sum(
        j.word in SURE
        and (cell.protocol == "reduced" or (cell.noise.fails == 1.0 and SHARED in cell.board.compared(i)))
        for i, j in enumerate(found)
    )
    return Paper(
        tuple(str(j.finding) for j in found), tuple(j.word for j in found), effects,
        false or bool(cell.noise.diverges and false_of_all), false_of_all, forbidden, runs,
    )  # fmt: skip


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
    findings = np.array([p.findings for p in every])
    shown = np.isin(findings, SHOWN)
    false = sum(p.false for p in every)
    row: dict[str, float | str] = {
        "cell": cell.name, "seeds": cell.seeds, "planted": " ".join(f"{e:g}" for e in cell.planted),
        "protocol": cell.protocol, "looks": " ".join(map(str, cell.looks)), "promised": str(cell.promised).lower(),
        "papers": len(every), "false": false, "rate": false / len(every), "upper": upper(false, len(every)),
        "false_of_all": sum(p.false_of_all for p in every), "forbidden": sum(p.forbidden for p in every),
        "shown_headlines": shown[:, head].mean(), "shown_orders": shown[:, head][:, :2].mean(),
        "shown_others": shown[:, ~head & ~same].mean() if (~head & ~same).any() else np.nan,
        "shown_same": shown[:, same].mean(), "decided": (~np.isin(findings, (OPEN, NOT_TESTABLE))).mean(),
        "runs": np.mean([p.runs for p in every]) / (len(cell.board.levels) * cell.seeds),
    }  # fmt: skip
    table = pd.DataFrame(
        {
            "cell": cell.name, "seeds": cell.seeds, "effect": np.array([p.effects for p in every]).ravel(),
            "same": np.tile(same, len(every)), "finding": findings.ravel(),
            "word": np.array([p.words for p in every]).ravel(),
        }
    )  # fmt: skip
    return row, table


def upper(false: int, papers: int) -> float:
    """The upper end of the exact 95 % interval of Clopper and Pearson (1934), two-sided."""
    from statsmodels.stats.proportion import proportion_confint

    return float(proportion_confint(false, papers, method="beta")[1])


def grown(findings: pd.DataFrame) -> pd.DataFrame:
    """A row per direction, effect, seeds, and statement or word: its share of so many claims, and its truth."""
    rows = []
    findings = findings.assign(effect=np.where(findings["same"], findings["effect"].abs(), findings["effect"]))
    for (same, effect, seeds), mine in findings.groupby(["same", "effect", "seeds"]):
        head = {"direction": "same" if same else "greater", "effect": effect, "seeds": seeds, "claims": len(mine)}
        for said, (names, true) in statements(bool(same), float(effect)).items():
            rows.append(head | {"said": said, "true": true, "share": mine["finding"].isin(names).mean()})
        rows += [head | {"said": word, "true": None, "share": (mine["word"] == word).mean()} for word in WORDS]
    return pd.DataFrame(rows, columns=["direction", "effect", "said", "true", "seeds", "claims", "share"])


def statements(same: bool, effect: float) -> dict[str, tuple[tuple[str, ...], bool]]:
    """{statement about an effect of so many margins: the findings that make it, and whether it is true}."""
    if same:
        found = {"within the margin": ("shown at the claimed size",), "beyond it": ("opposite",)}
        return {said: (names, (effect < 1, effect > 1)[i]) for i, (said, names) in enumerate(found.items())}
    true = effect > 0, effect >= 1, effect < 1, effect < 0
    return {said: (names, is_so) for (said, names), is_so in zip(STATEMENTS.items(), true, strict=True)}


def summary(table: pd.DataFrame, by_seeds: pd.DataFrame) -> dict[str, float]:
    """The numbers that the last line promises, but for those of cells that were left out."""
    promised = table[(table["promised"] == "true") & (table["looks"] == "") & (table["cell"] != "growing")]
    if len(promised):
        worst = promised.loc[promised["upper"].idxmax()]
        print(
            f"worst cell: {worst['cell']}, {worst['seeds']} seeds, {worst['false']} of {worst['papers']} papers with "
            f"an untrue finding, {worst['rate']:.2%} (at most {worst['upper']:.2%})"
        )

    def bound(*names: str) -> float:
        return float(table.loc[table["cell"].isin(names), "upper"].max())

    def power(seeds: int, column: str) -> float:
        return float(table.loc[(table["cell"] == "power") & (table["seeds"] == seeds), column].mean())

    looked = table[table["looks"] != ""]
    series = [mine.sort_values("seeds") for _, mine in by_seeds.groupby(["direction", "effect", "said"])]
    kept = [left for mine in series if mine["said"].iloc[0] in WORDS for left in _of_peak(mine["share"].to_numpy())]
    drops = [_drop(mine) for mine in series if mine["true"].iloc[0] is True]
    found = {
        "false_papers": float(promised["upper"].max()),
        "false_papers_rate": float(promised["rate"].max()),
        "false_failing": bound("10 % fail", "30 % fail"),
        "false_diverging": bound("40 % diverge"),
        "false_shared_images": bound("shared images"),
        "false_looks": float(looked["upper"].max()),
        **{f"power_{n}": power(n, "shown_headlines") for n in (3, 5)},
        **{f"power_{n}_orders": power(n, "shown_orders") for n in (3, 5)},
        **{f"power_{n}_others": power(n, "shown_others") for n in (3, 5)},
        "runs_saved": float(1 - looked["runs"].mean()),
        "forbidden": int(table["forbidden"].sum()),
        "least_of_peak": min(kept, default=np.nan),
        "largest_drop": max(drops, default=np.nan),
        "papers": int(table["papers"].max()),
    }
    return {name: round(float(v), 4) for name, v in found.items() if not np.isnan(v)}


def _of_peak(shares: Array) -> list[float]:
    """What is left of the peak with more seeds, least; nothing of a word that is hardly ever said."""
    top = int(shares.argmax())
    return [float(shares[top:].min() / shares[top])] if shares[top] >= RARE else []


def _drop(mine: pd.DataFrame) -> float:
    """The largest fall from one number of seeds to the next, in standard errors."""
    p, n = mine["share"].to_numpy(), mine["claims"].to_numpy()
    both = (p[1:] * n[1:] + p[:-1] * n[:-1] + 1) / (n[1:] + n[:-1] + 2)
    se = np.sqrt(both * (1 - both) * (1 / n[1:] + 1 / n[:-1]))
    return float(((p[:-1] - p[1:]) / se).max(initial=0.0))
