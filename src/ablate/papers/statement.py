"""A claim in words of ours, made from its fields. Imports no pandas."""

from collections.abc import Sequence

from ablate.papers.claim import Claim
from ablate.papers.paper import Paper

NAMED = 4  # arms, beyond which they are counted instead
DOES = {"greater": "raises", "less": "lowers", "same": "does not change"}
ADDS = {"greater": "more to", "less": "less to", "same": "as much to"}


def statement(claim: Claim, paper: Paper) -> str:
    """One sentence without a full stop; ``paper`` has the reported numbers."""
    words = claim.measure.words
    match claim.kind:
        case "order":
            first, *rest = claim.arms
            if claim.over == "next" and len(rest) > 1:
                return f"The {words} falls from {' to '.join(claim.arms)}"
            each = f"each of {_listed(rest)}" if len(rest) > 1 else rest[0]
            return f"{first} has a higher {words} than {each}"
        case "effect":
            does = f"{DOES[claim.sense]} the {words}{_at(claim)}"
            return f"For {claim.axis}, {claim.level} in place of {claim.reference} {does}"
        case "interaction":
            [axis, (level, reference)], [_, (other, base)] = claim.axes.items()
            than = "as" if claim.sense == "same" else "than"
            adds = f"adds {ADDS[claim.sense]} the {words} with {other} {than} with {base}"
            return f"For {axis}, {level} in place of {reference} {adds}{_at(claim)}"
    arm = f"each of {_listed(claim.arms)}" if claim.arms else str(claim.arm)
    return f"With {arm} the {words} is {_compared(claim, paper.claimed(claim))}"


def _compared(claim: Claim, value: float) -> str:
    """With a number, with another arm, or with both."""
    if claim.minus is None:
        return {"greater": "above ", "less": "below ", "same": ""}[claim.sense] + _amount(claim, value)
    if not value:
        where = {"greater": "above", "less": "below", "same": "the same as"}[claim.sense]
        return f"{where} that with {claim.minus}"
    more = {"greater": "more than ", "less": "less than ", "same": ""}[claim.sense]
    side = "above" if value > 0 or claim.sense != "same" else "below"
    return f"{more}{_amount(claim, abs(value) if claim.sense == 'same' else value)} {side} that with {claim.minus}"


def _amount(claim: Claim, value: float) -> str:
    """A number of the claim's metric, or a difference in it, with its unit."""
    unit = claim.measure.unit
    if unit not in ("points", "share"):
        return f"{value:g} {unit}"
    of_one = claim.minus is None and "gap" not in (claim.kind, claim.metric)
    return f"{round(100 * value, 2):g} {'%' if of_one else 'points'}"


def _at(claim: Claim) -> str:
    """Where it is asked, if not everywhere."""
    return "".join(f" ({axis}: {_listed(labels)})" for axis, labels in claim.at.items())


def _listed(names: Sequence[str]) -> str:
    if len(names) > NAMED:
        return f"the {len(names)} others"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
