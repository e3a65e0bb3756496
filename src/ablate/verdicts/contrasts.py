"""What a claim compares: weighted sums of arms, or of networks."""

from dataclasses import dataclass
from itertools import pairwise, product

from ablate.papers.claim import Claim
from ablate.papers.paper import Paper
from ablate.papers.statement import as_shown
from ablate.plan.names import called, unique

Weights = dict[str, float]  # arm, or network: what it counts


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of arms, or of networks; a claim of several holds where all of them do."""

    name: str
    weights: Weights  # empty: an arm of it is not planned
    claimed: float = 0.0  # what is subtracted, in the unit of the metric
    sides: tuple[str, str] = ("", "")  # what the arms of positive and of negative weight are, where they are several


def contrasts(claim: Claim, paper: Paper, levels: dict[str, dict[str, str]]) -> list[Contrast]:
    """What ``claim`` compares. ``levels`` has {arm: {axis: label}} of its study; no weights: not planned.

    Names and sides are what readers see.
    """
    seen = as_shown(claim, paper)
    match claim.kind:
        case "order":
            first, *rest = claim.arms
            pairs = [(first, arm) for arm in rest] if claim.over == "rest" else list(pairwise(claim.arms))
            pairs = list(product(claim.arms, claim.below)) if claim.below else pairs
            see = dict(zip(claim.arms + claim.below, seen.arms + seen.below, strict=True))
            names = unique(f"{see[a]} {'under' if claim.lower else 'over'} {see[b]}" for a, b in pairs)
            return [Contrast(name, {a: 1.0, b: -1.0}) for name, (a, b) in zip(names, pairs, strict=True)]
        case "effect":
            name = f"{called(str(seen.axis), str(seen.level))} vs {seen.reference}{_where(seen)}"
            weights = _signed(claim, levels, {str(claim.axis): (str(claim.level), str(claim.reference))})
            return [Contrast(name, weights, sides=(str(seen.level), str(seen.reference)))]
        case "interaction":
            (a, b), (c, d) = ((called(axis, level), reference) for axis, (level, reference) in seen.axes.items())
            name = f"{a} vs {b}, at {c} vs {d}{_where(seen)}"
            sides = f"{a} at {c} with {b} at {d}", f"{a} at {d} with {b} at {c}"
            return [Contrast(name, _signed(claim, levels, claim.axes), sides=sides)]
    value = paper.claimed(claim)
    if claim.arms:
        return [Contrast(name, {arm: 1.0}, value) for name, arm in zip(seen.arms, claim.arms, strict=True)]
    weights = {str(claim.arm): 1.0} | ({claim.minus: -1.0} if claim.minus else {})
    name = f"{seen.arm} minus {seen.minus}" if claim.minus else str(seen.arm)
    return [Contrast(name, weights, value)]


def _where(claim: Claim) -> str:
    return "".join(f", {axis} {' and '.join(labels)}" for axis, labels in claim.at.items())


def _signed(claim: Claim, levels: dict[str, dict[str, str]], pairs: dict[str, tuple[str, str]]) -> Weights:
    """Level less reference of each axis in ``pairs``, averaged over the levels of the others; {} if one is absent."""
    chosen = {
        arm: at
        for arm, at in levels.items()
        if all(at[axis] in labels for axis, labels in claim.at.items())
        and all(at[axis] in pair for axis, pair in pairs.items())
    }
    corners = 2 ** len(pairs)
    if len({tuple(at[axis] for axis in pairs) for at in chosen.values()}) < corners:
        return {}
    share = corners / len(chosen)
    signs = {
        arm: (-1) ** sum(at[axis] == reference for axis, (_, reference) in pairs.items())
        for arm, at in chosen.items()
    }
    return {arm: sign * share for arm, sign in signs.items()}
