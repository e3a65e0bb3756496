"""The assessment: every claim of every paper, what the runs say of it, and the verdict.

A verdict of `judge` is lowered, never raised: to ``void`` where a control of one of its data sets did not pass, to
``not comparable`` where a printed number belongs to other data or epochs than the runs, to ``not testable`` where an
arm that must have learnt has not, to ``undecided`` where it would be reproduced although a planned run is missing or
has diverged, and to ``no evidence`` at the scale demo. The papers start from weights that have seen the images: such
a verdict is marked as contaminated, with the one from other weights beside it.
"""

from dataclasses import dataclass, replace
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

WORDS = (
    "reproduced",
    "contradicted",
    "undecided",
    "not run",
    "not comparable",
    "not testable",
    "void",
    "no evidence",
)
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

    @property
    def marked(self) -> str:
        """The verdict, with the mark where weights have seen the images."""
        return f"{self.verdict}, contaminated" if self.found.contaminated else self.verdict


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
        mine = {}
        for claim in paper.claims:
            e, tested = found[claim.id]
            verdict = tested or _counted(e)
            word, caveat = _lowered(verdict.verdict, claim, e, plan.scale, bad)
            mine[claim.id] = Judged(name, claim, statement(claim, paper), e, word, verdict, caveat)
        every += [_beside(j, mine) for j in mine.values()]
    return every


def _beside(j: Judged, of_paper: dict[str, Judged]) -> Judged:
    """With what the claim's clean comparison found, where its own is contaminated."""
    if not j.found.contaminated:
        return j
    said = "starts from weights that have seen the images"
    if clean := of_paper.get(j.claim.clean or ""):
        said += f"; from other weights ({clean.claim.id}): {clean.verdict}"
    return replace(j, caveat="; ".join(filter(None, [j.caveat, said])))


def _counted(e: Evidence) -> Verdict:
    """Of numbers that do not vary: the claim holds or does not."""
    values = [(p, next(iter(p.by_seed.values()))) for p in e.parts if p.by_seed]
    if not values:
        return Verdict("not run", 0)
    part, value = min(values, key=lambda pair: pair[1])
    word: Word = "reproduced" if value > part.margin else "contradicted"
    said = f"{part.name}: {value:,.0f} {e.unit} more."
    return Verdict(word, 0, value, value, value, EXACT, part=part.name, sentence=said)


def _lowered(word: str, claim: Claim, e: Evidence, scale: str, bad: dict[str, str]) -> tuple[str, str]:
    """The verdict that is shown, and why it is another than the test's; else what has to be said."""
    said = [*e.missing]
    if word == "not run":
        return word, "; ".join(said)
    if scale == "demo" and e.varies_over == "seeds":
        return "no evidence", "generated data"
    controls = [bad[dataset] for dataset in sorted(e.datasets) if dataset in bad]
    if controls:
        return "void", "; ".join(controls)
    if claim.needs.absolute and e.apart:
        return "not comparable", f"a number of the paper's {', '.join(e.apart)}, which are others here"
    if e.unlearnt:
        return "not testable", "; ".join([*said, *e.unlearnt])
    if e.censored:
        said.append(f"not overfitted by the last epoch in {e.censored} of the seeds")
        return "undecided", "; ".join(said)
    if said:
        return ("undecided" if word == "reproduced" else word), "; ".join(said)
    return word, "; ".join(e.notes)
