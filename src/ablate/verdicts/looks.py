"""Claims judged look by look, as seeds are added for those that are still open."""

from collections import Counter
from collections.abc import Callable, Sequence

from ablate.papers.claim import OF_NETWORKS, Claim
from ablate.papers.paper import Paper
from ablate.verdicts.collected import Collected
from ablate.verdicts.contrasts import contrasts
from ablate.verdicts.evidence import Evidence, evidence
from ablate.verdicts.judge import judge
from ablate.verdicts.measured import Planned
from ablate.verdicts.verdict import OPEN, Asked, Verdict

Barred = Callable[[Claim, Evidence], tuple[str, ...]]


def look_by_look(
    paper: Paper,
    planned: Planned,
    collected: Collected,
    looks: Sequence[int],
    barred: Barred,
) -> dict[str, tuple[Evidence, Verdict | None]]:
    """{claim: evidence and verdict} of ``paper``; no verdict where no seed has a say. Arguments as of `evidence`.

    ``barred`` says why a claim can not be tested, if it can not; it has then no say in its paper's family. Without
    ``looks`` there is one, at all planned seeds. With them, look k sees the first looks[k - 1] seeds of each arm. A
    claim that it decides stays as it is, and in its paper's family; one that is open, or has too few seeds to be
    tested, goes on to the next look if all its arms have the seeds for that.
    """
    found: dict[str, tuple[Evidence, Verdict | None]] = {}
    headlines = paper.headlines.claims if paper.headlines else {}
    going = list(paper.claims)
    for k, n in enumerate(looks or [None], start=1):
        seen = first_seeds(planned, n)
        if n and k > 1:
            going = [c for c in going if _open(*found[c.id]) and _has(seen, c, paper, n)]
        measured = {c.id: evidence(c, paper, seen, collected) for c in going}
        of_all = {id: e for id, (e, _) in found.items()} | measured
        asked = {
            c.id: Asked(e.parts, e.samples, measure_of(c), c.study or "", c.id in headlines, barred(c, e))
            for c in paper.claims
            if (e := of_all[c.id]).varies_over == "seeds" and e.parts
        }
        verdicts = judge(asked, looks=looks, look=k)
        found |= {id: (e, verdicts.get(id)) for id, e in measured.items()}
    return found


def measure_of(claim: Claim) -> str:
    """What arms of different claims must have in common for their seeds to scatter alike."""
    if claim.own:
        return f"{claim.metric} of an own trainer"
    return "gap" if claim.kind == "gap" else str(claim.behaviour or claim.metric)


def first_seeds(planned: Planned, n: int | None) -> Planned:
    """The first ``n`` planned runs of each arm; None: all."""
    if n is None:
        return planned
    seen: Counter[tuple[str, str]] = Counter()
    first = []
    for entry in planned:
        seen[entry.study, entry.arm] += 1
        if seen[entry.study, entry.arm] <= n:
            first.append(entry)
    return first


def arms_of(claim: Claim, paper: Paper, planned: Planned) -> set[str]:
    """The arms of its study that ``claim`` compares."""
    if claim.metric in OF_NETWORKS:
        return set()
    levels = {entry.arm: entry.levels for entry in planned if entry.study == claim.study}
    return {arm for c in contrasts(claim, paper, levels) for arm in c.weights if arm in levels}


def _open(e: Evidence, verdict: Verdict | None) -> bool:
    return verdict is not None and (verdict.finding == OPEN or e.early)


def _has(planned: Planned, claim: Claim, paper: Paper, n: int) -> bool:
    seeds = Counter(entry.arm for entry in planned if entry.study == claim.study)
    return all(seeds[arm] >= n for arm in arms_of(claim, paper, planned))
