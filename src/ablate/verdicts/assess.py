"""The assessment: every claim of every paper, what the runs say of it, and the verdict.

A verdict of `judge` is lowered, never raised: to ``void`` where a control of one of its data sets did not pass, to
``undecided`` where it would be reproduced although a planned run is missing or has diverged, or although weights have
seen the images, and to ``no evidence`` at the scale demo.
"""

from dataclasses import dataclass
from pathlib import Path

from ablate.papers.claim import Claim
from ablate.papers.paper import Paper, read
from ablate.papers.statement import statement
from ablate.plan.record import PlanRecord
from ablate.results.study import collected_history, collected_runs
from ablate.verdicts.controls import PAPER as CONTROLS
from ablate.verdicts.controls import broken, outcomes
from ablate.verdicts.evidence import Evidence
from ablate.verdicts.looks import look_by_look
from ablate.verdicts.verdict import Verdict, Word

WORDS = ("reproduced", "contradicted", "undecided", "not run", "void", "no evidence")
EXACT = "count of the networks; no run has a say in it"


@dataclass(frozen=True)
class Judged:
    """A claim with its evidence and its verdict."""

    paper: str
    claim: Claim
    statement: str  # the claim in words
    found: Evidence
    verdict: str  # one of WORDS
    by_test: Verdict
    caveat: str  # what lowered the verdict, or what has to be said of the numbers


def claiming(plan: PlanRecord, papers: Path) -> dict[str, Paper]:
    """The papers of ``plan``, from the folder of their files."""
    return {name: read(papers / f"{name}.yaml") for name in plan.papers if name != CONTROLS}


def assess(plan: PlanRecord, papers: dict[str, Paper], folder: Path, runs: Path) -> list[Judged]:
    """Every claim of ``papers``, from what was collected into ``folder``/<paper>; ``runs`` has the runs' folders.

    Where `decide` has added seeds (``looks`` of the plan), claims are judged look by look.
    """
    bad = broken(outcomes(plan, runs))
    every: list[Judged] = []
    for name, paper in papers.items():
        rows, history = collected_runs(plan, folder / name), collected_history(plan, folder / name)
        found = look_by_look(paper, plan.of(name), rows, history, runs, plan.looks)
        for claim in paper.claims:
            e, tested = found[claim.id]
            verdict = tested or _counted(e)
            word, caveat = _lowered(verdict.verdict, e, plan.scale, bad)
            every.append(Judged(name, claim, statement(claim, paper), e, word, verdict, caveat))
    return every


def _counted(e: Evidence) -> Verdict:
    """Of numbers that do not vary: the claim holds or does not."""
    values = [(p, next(iter(p.by_seed.values()))) for p in e.parts if p.by_seed]
    if not values:
        return Verdict("not run", 0)
    part, value = min(values, key=lambda pair: pair[1])
    word: Word = "reproduced" if value > part.margin else "contradicted"
    said = f"{part.name}: {value:,.0f} {e.unit} more."
    return Verdict(word, 0, value, value, value, EXACT, part=part.name, sentence=said)


def _lowered(word: str, e: Evidence, scale: str, bad: dict[str, str]) -> tuple[str, str]:
    """The verdict that is shown, and why it is another than the test's; else what has to be said."""
    said = [*e.missing, *(["starts from weights that have seen the images"] if e.contaminated else [])]
    if word == "not run":
        return word, "; ".join(said)
    if scale == "demo" and e.varies_over == "seeds":
        return "no evidence", "generated data"
    controls = [bad[dataset] for dataset in sorted(e.datasets) if dataset in bad]
    if controls:
        return "void", "; ".join(controls)
    if e.censored:
        said.append(f"no arm had overfitted by its last epoch in {e.censored} of the seeds")
        return "undecided", "; ".join(said)
    if said:
        return ("undecided" if word == "reproduced" else word), "; ".join(said)
    return word, "; ".join(e.notes)
