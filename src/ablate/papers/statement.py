"""A claim in words of ours, made from its fields. Imports no pandas."""

import re
from collections.abc import Iterable, Sequence

from ablate.papers.claim import Claim
from ablate.papers.paper import Paper
from ablate.plan.names import shown_arm

NAMED = 4  # arms, beyond which they are counted instead
DOES = {"greater": "raises", "less": "lowers", "same": "does not change", "differs": "changes"}
ADDS = {"greater": "more to", "less": "less to", "same": "as much to", "differs": "more or less to"}


WORDS = {"claim": "hypothesis", "claims": "hypotheses", "paper": "group of studies", "papers": "groups of studies"}


def hypothetical(text: str, claims: Iterable[Claim]) -> str:
    """``text``, one of ours about ``claims``, in which they are hypotheses where none of them stands in a paper."""
    claims = list(claims)
    if not claims or any(claim.quote is not None for claim in claims):
        return text

    def other(found: re.Match[str]) -> str:
        word = WORDS[found[0].lower()]
        return word.capitalize() if found[0][0].isupper() else word

    return re.sub(rf"\b({'|'.join(WORDS)})\b", other, text, flags=re.IGNORECASE)


def statement(claim: Claim, paper: Paper) -> str:
    """One sentence without a full stop; ``paper`` has the reported numbers, and says which claims are clean ones."""
    clean = claim.id in {other.clean for other in paper.claims}
    if claim.says:
        return claim.says.rstrip(".")
    return _said(as_shown(claim, paper), paper) + _where(claim, paper, clean=clean)


def _where(claim: Claim, paper: Paper, *, clean: bool) -> str:
    """What tells a claim from another of the same words: clean weights, or the study, where several ask it."""
    if clean:
        return ", from weights that have not seen the images"
    studies = {c.study for c in paper.claims if _asked(c) == _asked(claim) and c.id != claim.clean}
    return f" (study {claim.study})" if len(studies) > 1 else ""


def _asked(claim: Claim) -> tuple[object, ...]:
    """What is compared by what, wherever and with whatever outcome."""
    arms = (claim.arm, claim.minus, claim.arms, claim.below, claim.axis, claim.level, claim.reference)
    return claim.kind, claim.metric, claim.behaviour, *arms, str(claim.axes), str(claim.at)


def as_shown(claim: Claim, paper: Paper) -> Claim:
    """The claim with what readers see of its arms and levels, for words about it; nothing is looked up by these."""
    if claim.study is None:
        return claim
    show = paper.shown(claim.study)

    def arms(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(paper.called(claim.study, name) for name in names)

    def levels(labels: Iterable[str]) -> tuple[str, ...]:
        return tuple(shown_arm(label, show) for label in labels)

    return claim.model_copy(
        update={key: paper.called(claim.study, arm) for key in ("arm", "minus") if (arm := getattr(claim, key))}
        | {key: shown_arm(label, show) for key in ("level", "reference") if (label := getattr(claim, key))}
        | {"arms": arms(claim.arms), "below": arms(claim.below)}
        | {"axes": {axis: levels(pair) for axis, pair in claim.axes.items()}}
        | {"at": {axis: levels(labels) for axis, labels in claim.at.items()}}
    )


def _said(claim: Claim, paper: Paper) -> str:
    words, higher, falls = claim.measure.words, "higher", "falls"
    if claim.lower:
        higher, falls = "lower", "rises"
    match claim.kind:
        case "order":
            if claim.below:
                return f"{_each(claim.arms, 'arms')} has a {higher} {words} than {_each(claim.below)}"
            first, *rest = claim.arms
            if claim.over == "next" and len(rest) > 1:
                return f"The {words} {falls} from {' to '.join(claim.arms)}"
            return f"{first} has a {higher} {words} than {_each(rest)}"
        case "effect":
            does = f"{DOES[claim.sense]} the {words}{_at(claim)}"
            return f"For {claim.axis}, {claim.level} in place of {claim.reference} {does}"
        case "interaction":
            [axis, (level, reference)], [_, (other, base)] = claim.axes.items()
            than = "as" if claim.sense == "same" else "than"
            adds = f"adds {ADDS[claim.sense]} the {words} with {other} {than} with {base}"
            return f"For {axis}, {level} in place of {reference} {adds}{_at(claim)}"
    arm = _each(claim.arms or [str(claim.arm)], "arms")
    if claim.labels:
        one, other = claim.labels
        return f"With {arm} the {words} on {one} is {_beside(claim)} that on {other}"
    return f"With {arm} the {words} is {_compared(claim, paper.claimed(claim))}"


def _compared(claim: Claim, value: float) -> str:
    """With a number, with another arm, or with both."""
    if claim.minus is None:
        side = {"greater": "above ", "less": "below ", "same": "", "differs": "not "}[claim.sense]
        return side + _amount(claim, value)
    if not value:
        return f"{_beside(claim)} that with {claim.minus}"
    more = {"greater": "more than ", "less": "less than ", "same": "", "differs": "not "}[claim.sense]
    side = "above" if value > 0 or claim.sense != "same" else "below"
    return f"{more}{_amount(claim, abs(value) if claim.sense == 'same' else value)} {side} that with {claim.minus}"


def _beside(claim: Claim) -> str:
    return {"greater": "above", "less": "below", "same": "the same as", "differs": "other than"}[claim.sense]


def _amount(claim: Claim, value: float) -> str:
    """A number of the claim's metric, or a difference in it, with its unit."""
    unit = claim.measure.unit
    if not unit:
        return f"{value:g}"
    if unit == "share":
        return f"{round(value, 3):g}"
    if unit != "points":
        return f"{value:g} {unit}".rstrip()
    return f"{round(100 * value, 2):g} {'%' if of_one(claim) else 'points'}"


def of_one(claim: Claim) -> bool:
    """Whether its number is one of an arm, an accuracy in percent, and no difference of two, in points."""
    return claim.minus is None and "gap" not in (claim.kind, claim.metric) and not claim.labels


def _at(claim: Claim) -> str:
    """Where it is asked, if not everywhere."""
    return "".join(f" ({axis}: {_listed(labels)})" for axis, labels in claim.at.items())


def _each(names: Sequence[str], many: str = "others") -> str:
    return f"each of {_listed(names, many)}" if len(names) > 1 else names[0]


def _listed(names: Sequence[str], many: str = "others") -> str:
    if len(names) > NAMED:
        return f"the {len(names)} {many}"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
