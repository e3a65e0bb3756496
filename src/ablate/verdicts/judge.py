"""Findings on all claims of a paper from one family of simultaneous intervals.

A claim of k parts is about its weakest: the smallest of their means, counted in the claim's direction. Its interval
at level a has as lower end the smallest of the parts' lower ends, each at a, since all parts must hold
(intersection-union: Berger 1982), and as upper end the smallest of their upper ends, each at a / k. Finding, p and
interval all follow from these, so none can say what another denies. Every finding but "open" is a statement about
where the effect lies, true or false of it, and is false only where the interval misses: no more than ALPHA of the
papers have one that is (weighted Bonferroni). More seeds sharpen a statement and do not turn it round.

Headline claims have HEADLINES of ALPHA among them, all others the rest; where one of the two is empty, the other has
all. Claims that ask the same numbers count once, and those that can not be tested do not count.

Looks. Where seeds are added until claims are decided, the look k of K spends alpha * (2k - 1) / K**2, so that after k
looks alpha * (k / K)**2 is spent (the power family of Kim and DeMets 1987, rho = 2). The looks are corrected by the
union bound. At each look but the last an open claim has a chance of being decided at the last; to add no seeds where
it is small costs some power and makes no finding falser.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ablate.verdicts.spread import Estimate, Sample, estimate, usual
from ablate.verdicts.verdict import OPEN, Asked, Finding, Part, Verdict

ALPHA = 0.05
HEADLINES = 0.8  # of alpha
POWER = 0.8
MOST = 100  # seeds looked at for `seeds_needed`
FEWEST = 5  # seeds from which on a guess of how many would do is worth saying


def alpha_at(look: int, looks: int) -> float:
    """The share of ALPHA that look 1, 2, ... ``looks`` spends.

    Raises:
        ValueError: For another look.
    """
    if not 1 <= look <= looks:
        raise ValueError(f"look {look} of {looks}: looks are counted from 1")
    return ALPHA * (2 * look - 1) / looks**2


def shares(asked: Mapping[str, Asked]) -> dict[str, float]:
    """{claim: its share of alpha} of those that can be tested; claims of one contrast have one share between them."""
    of_contrast: dict[object, bool] = {}
    for claim in asked.values():
        if claim.testable:
            of_contrast[claim.contrast] = of_contrast.get(claim.contrast, False) or claim.headline
    first = sum(of_contrast.values())
    rest = len(of_contrast) - first
    headline = (HEADLINES if rest else 1.0) / max(1, first)
    other = (1.0 - HEADLINES if first else 1.0) / max(1, rest)
    return {
        name: headline if of_contrast[claim.contrast] else other for name, claim in asked.items() if claim.testable
    }


def multiples(asked: Mapping[str, Asked]) -> dict[str, float]:
    """{measure: by how much arms scatter beyond their floors}, over the arms of all claims, each once."""
    of_measure: dict[str, dict[tuple[str, str], Sample]] = {}
    for claim in asked.values():
        for arm, sample in claim.samples.items():
            of_measure.setdefault(claim.measure, {}).setdefault((claim.study, arm), sample)
    return {measure: usual(arms.values()) for measure, arms in of_measure.items()}


def judge(asked: Mapping[str, Asked], *, looks: Sequence[int] = (), look: int = 1) -> dict[str, Verdict]:
    """A finding on each claim of one paper, all of them together, at one of the ``looks`` (seeds of an arm at each).

    Raises:
        ValueError: For a claim without parts, and for a look that there is not.
    """
    count = max(1, len(looks))
    level = alpha_at(look, count)
    if empty := [name for name, claim in asked.items() if not claim.parts]:
        raise ValueError(f"claims without parts: {', '.join(empty)}")
    of_alpha, scatter = shares(asked), multiples(asked)
    last = alpha_at(count, count)
    verdicts = {}
    for name, claim in asked.items():
        n = min((claim.samples[arm].n for p in claim.parts for arm in p.weights if arm in claim.samples), default=0)
        if not claim.testable:
            verdicts[name] = Verdict("not testable", n, estimate=_mean(claim), part=claim.parts[0].name)
            continue
        share = of_alpha[name]
        estimates = [_estimate(part, claim, scatter[claim.measure]) for part in claim.parts]
        found = _found(claim.parts, estimates, share * level)
        verdict = replace(
            found, n=n, share=share, p=min(1.0, (found.p or 0.0) / share),
            p_opposite=min(1.0, (found.p_opposite or 0.0) / share),
        )  # fmt: skip
        if verdict.finding == OPEN and look < count:
            verdict = replace(verdict, chance=_chance(found, looks[look - 1] / looks[-1], share * last))
        elif verdict.finding == OPEN and n >= FEWEST and not verdict.failing:
            verdict = replace(verdict, seeds_needed=_seeds(claim.parts, estimates, share * level, n))
        verdicts[name] = verdict
    return verdicts


def _estimate(part: Part, claim: Asked, multiple: float) -> Estimate:
    found = estimate(part.weights, claim.samples, multiple, part.images, part.n_images)
    return found._replace(mean=found.mean - part.claimed)


def _mean(claim: Asked) -> float | None:
    """Of the first part, less what is claimed of it; None where an arm of it has no run that counts."""
    part = claim.parts[0]
    if not part.weights or any(arm not in claim.samples for arm in part.weights):
        return None
    return math.fsum(w * claim.samples[arm].mean for arm, w in part.weights.items()) - part.claimed


def _found(parts: Sequence[Part], estimates: Sequence[Estimate], level: float) -> Verdict:
    """With unadjusted p."""
    match parts[0].direction:
        case "same":
            return _same(parts, estimates, level)
        case "differs":
            return _differs(parts, estimates, level)
    sign = -1 if parts[0].direction == "less" else 1
    towards = [e._replace(mean=sign * e.mean) for e in estimates]
    k = len(parts)
    low = min(e.ends(level)[0] for e in towards)
    high = min(e.ends(level / k)[1] for e in towards)
    all_runs = [p.of_all for p in parts]
    of_all = None if None in all_runs else min(sign * v for v in all_runs if v is not None)
    margin = min(p.margin for p in parts)
    said = _Said(low > 0, low >= margin, high < margin, high < 0)
    finding, failing = _named(said, of_all, margin)
    weakest = min(range(k), key=lambda i: towards[i].mean)
    ends = sorted((sign * low, sign * high))
    return Verdict(
        finding, estimate=estimates[weakest].mean, low=ends[0], high=ends[1], part=parts[weakest].name,
        failing=failing, p=max(e.above(0.0) for e in towards),
        p_opposite=min(1.0, k * min(e._replace(mean=-e.mean).above(0.0) for e in towards)),
    )  # fmt: skip


def _same(parts: Sequence[Part], estimates: Sequence[Estimate], level: float) -> Verdict:
    """All parts within their margins, or one beyond: two one-sided tests (Schuirmann 1987), by the interval."""
    k = len(parts)
    ends = [e.ends(level / k) for e in estimates]
    within = all(-p.margin < low and high < p.margin for p, (low, high) in zip(parts, ends, strict=True))
    beyond = any(low > p.margin or high < -p.margin for p, (low, high) in zip(parts, ends, strict=True))
    of_all = [p.of_all for p in parts]
    known = None not in of_all
    near = all(v is not None and abs(v) < p.margin for v, p in zip(of_all, parts, strict=True))
    finding: Finding = "shown at the claimed size" if within else "opposite" if beyond else "open"
    failing = finding != OPEN and (not known or near != within)
    pairs = [(e, e._replace(mean=-e.mean), p.margin) for e, p in zip(estimates, parts, strict=True)]
    far = max(range(k), key=lambda i: abs(estimates[i].mean) - parts[i].margin)
    return Verdict(
        "open" if failing else finding, estimate=estimates[far].mean, low=ends[far][0], high=ends[far][1],
        part=parts[far].name, failing=failing,
        p=min(1.0, k * max(max(e.above(-m), back.above(-m)) for e, back, m in pairs)),
        p_opposite=min(1.0, k * min(min(e.above(m), back.above(m)) for e, back, m in pairs)),
    )  # fmt: skip


def _differs(parts: Sequence[Part], estimates: Sequence[Estimate], level: float) -> Verdict:
    """Every part other than zero, on either side; there is no opposite but that an effect is smaller than counts."""
    k = len(parts)
    sides = [e._replace(mean=abs(e.mean)) for e in estimates]
    ends = [e.ends(level / k) for e in estimates]
    low = min(e.ends(level / k)[0] for e in sides)
    margin = min(p.margin for p in parts)
    small = any(-p.margin < a and b < p.margin for p, (a, b) in zip(parts, ends, strict=True))
    all_runs = [p.of_all for p in parts]
    of_all = None if None in all_runs else min(
        v * math.copysign(1, e.mean) for v, e in zip(all_runs, estimates, strict=True) if v is not None
    )  # fmt: skip
    finding, failing = _named(_Said(low > 0, low >= margin, small, False), of_all, margin)
    weakest = min(range(k), key=lambda i: sides[i].mean)
    return Verdict(
        finding, estimate=estimates[weakest].mean, low=ends[weakest][0], high=ends[weakest][1],
        part=parts[weakest].name, failing=failing,
        p=min(1.0, k * max(e.above(0.0) for e in sides)), p_opposite=1.0,
    )  # fmt: skip


class _Said(NamedTuple):
    """Statements about an effect, counted in the claim's direction."""

    shown: bool
    at_size: bool
    smaller: bool
    opposite: bool


def _named(said: _Said, of_all: float | None, margin: float) -> tuple[Finding, bool]:
    """The finding, and whether runs that failed kept it from being another.

    A statement stands where the mean of all runs, those that failed at what they came to, says the same.
    """
    if of_all is None:
        kept = _Said(False, False, False, False)
    else:
        kept = _Said(
            said.shown and of_all > 0, said.at_size and of_all >= margin, said.smaller and of_all < margin,
            said.opposite and of_all < 0,
        )  # fmt: skip
    finding = _name(kept)
    return finding, finding == OPEN and _name(said) != OPEN


def _name(said: _Said) -> Finding:
    if said.opposite:
        return "opposite"
    if said.shown:
        if said.at_size:
            return "shown at the claimed size"
        return "shown, but smaller" if said.smaller else "shown, size open"
    return "no effect of that size" if said.smaller else "open"


def _chance(found: Verdict, part: float, level: float) -> float:
    """That the claim or its opposite is shown at the last look, of whose seeds ``part`` are there.

    The seeds to come are taken to be like those so far: conditional power under the current trend (Lan and Wittes
    1988). ``found`` has unadjusted p, twice one-sided.
    """
    from scipy.special import ndtr, ndtri

    def ends(p: float | None) -> float:
        return float(ndtr((ndtri(level / 2) - ndtri((p or 0.0) / 2) / math.sqrt(part)) / math.sqrt(1 - part)))

    shown, opposed = ends(found.p), ends(found.p_opposite)
    return shown + opposed - shown * opposed


def _seeds(
    parts: Sequence[Part], estimates: Sequence[Estimate], level: float, n: int
) -> tuple[int, int | None] | None:
    """From how many to how many seeds an arm would decide it with probability POWER.

    Its effect is taken to be one standard error larger, and one smaller, than measured; for `same` nearer to its
    bound and farther from it. None where even the first needs more than MOST, as where the images bound what any
    number of seeds can show.
    """
    weakest = min(range(len(parts)), key=lambda i: abs(estimates[i].mean))
    part, found = parts[weakest], estimates[weakest]
    size = abs(abs(found.mean) - part.margin) if part.direction == "same" else abs(found.mean)
    spread = max(0.0, found.se**2 - part.images) * n  # variance that falls with the seeds
    first, last = (_enough(size + d, spread, part.images, level, n) for d in (found.se, -found.se))
    return None if first is None else (first, last)


def _enough(size: float, spread: float, images: float, level: float, n: int) -> int | None:
    from scipy.special import ndtri, stdtrit

    if size <= 0:
        return None
    power = float(ndtri(POWER))

    def enough(more: int) -> bool:
        return size >= math.sqrt(spread / more + images) * (power - float(stdtrit(2.0 * more, level / 2)))

    found = bisect_left(range(MOST + 1), True, lo=n + 1, key=enough)  # more seeds are never worse
    return found if found <= MOST else None
