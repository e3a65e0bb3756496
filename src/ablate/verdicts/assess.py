"""The board: every claim of every paper, what the runs say of it, under which protocol, and the word for both.

Of studies without a paper the protocol is what was planned, and a claim is a hypothesis that holds here or does not.
The finding is what `judge` makes of the runs, unless something bars it: a control of one of the data sets that did
not pass, generated data, a printed number of other data or epochs than the runs', an arm with too few runs that have
learnt, an event that had not come by the last epoch. A claim of which runs are missing stays open. The protocol is
the paper's, near it, or reduced, by what deviates; only at the first two is a claim reproduced or contradicted.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from ablate.papers.claim import Claim
from ablate.papers.paper import Paper, read
from ablate.papers.statement import hypothetical, statement
from ablate.papers.words import GENERATED, NEAR, PAPERS, PLANNED, REDUCED, deviates
from ablate.plan.receipts import CONTROLS
from ablate.plan.record import PlanRecord
from ablate.plan.shared import shared_factors
from ablate.plan.trainers import OwnSettings
from ablate.plurals import many
from ablate.results.study import archives, collected_history, collected_runs
from ablate.verdicts.collected import Collected
from ablate.verdicts.controls import broken, outcomes
from ablate.verdicts.evidence import Evidence
from ablate.verdicts.images import Ask, from_folders
from ablate.verdicts.looks import look_by_look
from ablate.verdicts.measured import Planned
from ablate.verdicts.sentence import finding_text, means, number, remarks
from ablate.verdicts.verdict import NOT_TESTABLE, OPEN, SHOWN, Finding, Verdict

COUNTED = "counted"
# The word for a finding at the paper's protocol or near it, and at a reduced one; else the finding is its own word.
WORD: dict[str, tuple[str, str]] = {
    **dict.fromkeys(SHOWN, ("reproduced", "holds here")),
    "opposite": ("contradicted", "does not hold here"),
}
VOID, NOT_COMPARABLE, NO_EVIDENCE, NOT_RUN = "void", "not comparable", "no evidence", "not run"
WORDS = (
    *("reproduced", "contradicted", "holds here", "does not hold here", "no effect of that size"),
    *(OPEN, NOT_TESTABLE, NOT_COMPARABLE, VOID, NO_EVIDENCE, NOT_RUN, COUNTED),
)


@dataclass(frozen=True)
class Judged:
    """A claim with its evidence and what was found."""

    paper: str
    claim: Claim
    statement: str  # the claim in words
    headline: bool
    found: Evidence
    by_test: Verdict
    finding: Finding | str
    protocol: str  # PAPERS, NEAR, REDUCED, GENERATED or PLANNED; empty: of networks alone
    word: str  # one of WORDS
    sentence: str
    why: tuple[str, ...] = ()  # what bars a finding, or keeps it open

    @property
    def marked(self) -> str:
        """The word, with the mark where weights have seen the images."""
        return f"{self.word}, contaminated" if self.found.contaminated else self.word


def claiming(plan: PlanRecord, papers: Path) -> dict[str, Paper]:
    """The papers of ``plan``, from the folder of their files."""
    return {name: read(papers / f"{name}.yaml", plan) for name in plan.papers if name != CONTROLS}


def assess(plan: PlanRecord, papers: Mapping[str, Paper], folder: Path, runs: Path) -> list[Judged]:
    """Every claim of ``papers``, from what was collected into ``folder``/<paper>; ``runs`` has the runs' folders.

    Where `decide` has added seeds (``looks`` of the plan), claims are judged look by look.
    """
    bad, ask = broken(outcomes(plan, runs)), from_folders(runs)
    every: list[Judged] = []
    for name, paper in papers.items():
        rows, history = collected_runs(plan, folder / name), collected_history(plan, folder / name)
        every += assess_paper(plan, name, paper, rows, history, runs, bad, ask)
    return every


def assess_paper(
    plan: PlanRecord,
    name: str,
    paper: Paper,
    rows: pd.DataFrame,
    history: pd.DataFrame,
    runs: Path,
    bad: Mapping[str, str],
    ask: Ask,
) -> list[Judged]:
    """The claims of one paper.

    Args:
        plan: of the scale.
        name: of the paper in it.
        paper: its file.
        rows: what was collected of its runs, a row per planned run.
        history: a row per epoch of each.
        runs: has the runs' folders.
        bad: {data set: why results on it prove nothing}.
        ask: what runs answered, image by image.
    """
    planned = plan.of(name)

    def why(claim: Claim, e: Evidence) -> tuple[str, tuple[str, ...]]:
        return _barred(claim, e, bad)

    found = look_by_look(paper, planned, Collected(rows, history, runs, ask), plan.looks, lambda c, e: why(c, e)[1])
    family = sum(v is not None and v.share is not None for _, v in found.values())
    mine, others = {}, deviating(paper, planned, plan.scale, archives(rows, planned))
    for claim in paper.claims:
        e, verdict = found[claim.id]
        at = protocol(claim, planned, e, others, of_paper=paper.is_document)
        word, bars = why(claim, e)
        headline = bool(paper.headlines and claim.id in paper.headlines.claims)
        tested = _in_bounds(verdict, claim, e) if verdict else Verdict("not testable")
        judged = Judged(name, claim, statement(claim, paper), headline, e, tested, OPEN, at, word, "", bars)
        judged = _counted(judged) if verdict is None else _named(judged)
        judged = _said(judged, paper, planned, family, plan.looks)
        mine[claim.id] = replace(judged, sentence=f"{judged.sentence}{_imported(plan, planned, e)}")
    return [_beside(j, mine) for j in mine.values()]


def _in_bounds(verdict: Verdict, claim: Claim, e: Evidence) -> Verdict:
    """With an interval that ends where what is measured does; the finding was made before."""
    part = next((p for p in e.parts if p.name == verdict.part), None)
    if part is None:
        return verdict
    low, high = claim.measure.bounds(part.weights.values())
    return verdict.within(low - part.claimed, high - part.claimed)


def deviating(paper: Paper, planned: Planned, scale: str, other_archives: Collection[str]) -> set[tuple[str, str]]:
    """(study, arm) of those that are not what the paper did, by the deviations that its tables tell."""
    arms = {(p.study, p.arm): p for p in planned}
    return {at for at, p in arms.items() if p.deviations or deviates(paper, p, scale, other_archives)}


def protocol(
    claim: Claim, planned: Planned, e: Evidence, others: Collection[tuple[str, str]], *, of_paper: bool
) -> str:
    """How far the arms of ``claim`` are from what the paper did, if there is one; ``others`` of `deviating`."""
    arms = {arm for contrast in e.contrasts for arm in contrast.weights}
    mine = [p for p in planned if p.study == claim.study and p.arm in arms]
    if not mine:
        return ""
    if _generated(mine):
        return GENERATED
    if not of_paper:
        return REDUCED if e.apart else PLANNED
    if e.apart or any(p.deviations is None for p in mine):
        return REDUCED
    return NEAR if any((p.study, p.arm) in others for p in mine) else PAPERS


def _generated(planned: Planned) -> bool:
    return any(p.facts.get("data") == "embedded" for p in planned)


def _barred(claim: Claim, e: Evidence, bad: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The word that stands in place of a finding's, and why; empty where nothing bars it."""
    if not any(arm.ended for arm in e.arms.values()):
        return NOT_RUN, ("none of its runs has ended",)
    if controls := tuple(bad[dataset] for dataset in sorted(e.datasets) if dataset in bad):
        return VOID, controls
    if claim.needs.absolute and e.apart:
        return NOT_COMPARABLE, (f"the number is of the paper's {', '.join(e.apart)}; these are others here",)
    if unplanned := tuple(said for said in e.missing if "not planned" in said):
        return NOT_TESTABLE, unplanned
    if e.few:
        return NOT_TESTABLE, e.few
    if e.censored:
        return OPEN, (f"not overfitted by the last epoch in {many(e.censored, 'seed')}",)
    return "", ()


def _named(j: Judged) -> Judged:
    """With its finding, and the word for it at its protocol; of generated data no finding is evidence."""
    if j.word:
        j = replace(j, finding=j.word if j.word in (OPEN, NOT_TESTABLE) else NOT_TESTABLE)
    elif j.found.missing:
        j = replace(j, finding=OPEN, word=OPEN, why=j.found.missing)
    else:
        finding = j.by_test.finding
        word = WORD[finding][j.protocol in (REDUCED, PLANNED)] if finding in WORD else finding
        j = replace(j, finding=finding, word=word)
    return replace(j, word=NO_EVIDENCE) if j.protocol == GENERATED and j.word not in (NOT_RUN, VOID) else j


def _counted(j: Judged) -> Judged:
    """Of numbers that do not vary: they are as claimed or are not, and no test has a say."""
    if j.found.varies_over == "seeds":
        return replace(j, finding=NOT_TESTABLE)
    numbers = {p.name: sum(w * (j.found.arms[a].mean or 0.0) for a, w in p.weights.items()) for p in j.found.parts}
    part = min(j.found.parts, key=lambda p: numbers[p.name])
    finding = "as claimed" if numbers[part.name] > part.margin else "not as claimed"
    verdict = Verdict("not testable", estimate=numbers[part.name], part=part.name)
    return replace(j, finding=finding, word=COUNTED, why=(), by_test=verdict)


def _said(j: Judged, paper: Paper, planned: Planned, family: int, looks: tuple[int, ...]) -> Judged:
    """With what is said of it: the arms' means, the finding and what it rests on, or what bars it."""
    e, v = j.found, j.by_test
    part = next((p for p in e.parts if p.name == v.part), None)
    contrast = next((c for c in e.contrasts if c.name == v.part), next(iter(e.contrasts), None))
    said = [means(j.claim, paper, e, contrast)]
    claims = hypothetical("claims", paper.claims)
    if j.word == COUNTED and part:
        said.append(f"{part.name}: {number(v.estimate or 0.0, e.unit, sign=True)}, {j.finding}.")
    elif j.why or part is None:
        said.append(f"{j.word.capitalize()}: {'; '.join(j.why) or 'no run of it has ended'}.")
    else:
        head = j.word if j.finding == j.word else f"{j.word} ({j.finding})"
        said.append(f"{head.capitalize()}. {finding_text(part, v, family, claims)}")
        said += remarks(j.claim, paper, e, v, looks[-1] if looks else None)
    said += [f"{note.capitalize()}." for note in e.notes]
    if shared := shared_factors([p for p in planned if p.run in e.runs]):
        said.append(f"All seeds share {', '.join(shared)}.")
    if j.protocol == REDUCED:
        said.append("Reduced protocol.")
    return replace(j, sentence=" ".join(filter(None, said)))


def _imported(plan: PlanRecord, planned: Planned, e: Evidence) -> str:
    """That numbers of arms were not trained here, where they were imported."""
    own = {p.arm: p.settings for p in planned if p.run in e.runs and isinstance(p.settings, OwnSettings)}
    arms = [arm for arm, settings in own.items() if plan.trainers[settings.trainer].results]
    return f" Imported, not trained here: {', '.join(arms)}." if arms else ""


def _beside(j: Judged, of_paper: Mapping[str, Judged]) -> Judged:
    """With what the claim's clean comparison found, where its own is contaminated."""
    if not j.found.contaminated:
        return j
    said = "Starts from weights that have seen the images"
    if clean := of_paper.get(j.claim.clean or ""):
        said += f"; from other weights ({clean.claim.id}): {clean.word}"
    return replace(j, sentence=f"{j.sentence} {said}.")
