"""The sentence of a verdict, generated from its numbers."""

from ablate.verdicts.seed_tests import MOST
from ablate.verdicts.verdict import Part, Verdict


def number(value: float, unit: str = "", *, sign: bool = False) -> str:
    """Two decimals, or two digits where these would be zeros: +2.10 points."""
    digits = ".2g" if 0 < abs(value) < 0.1 else ".2f"
    text = format(value, f"+{digits}" if sign else digits).replace("-", "−")
    return f"{text} {unit}".strip()


def p_text(p: float) -> str:
    """p = 0.031, p < 0.0001."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def aims(part: Part) -> tuple[str, str]:
    """In words: what is claimed of the part, and its opposite."""
    d = number(part.margin, part.unit)
    if part.direction == "same":
        return f"within {d} of zero", f"more than {d} from zero"
    if part.direction == "differs":
        return "other than zero", f"within {d} of zero"
    side, other = ("above", "below") if part.direction == "greater" else ("below", "above")
    size = number(part.margin if part.direction == "greater" else -part.margin, part.unit)
    return f"{side} zero", f"{other} the claimed {size}" if part.margin else f"{other} zero"


def sentence(found: Verdict, part: Part, parts: int, claims: int, *, both: bool, fewest: int) -> str:
    """What was found, with the numbers.

    ``parts`` of the claim, ``claims`` adjusted for; ``both``: shown, and shown to be smaller than claimed;
    ``fewest``: seeds below which the test of this part decides nothing.
    """
    if found.estimate is None or found.p_for is None or found.p_against is None:
        return f"Undecided: no seed of {part.name} has been run, one of the claim's {parts} parts."
    shown, opposed = aims(part)
    seeds = "1 seed" if found.n == 1 else f"{found.n} seeds"
    measured = f"{part.name} averages {number(found.estimate, part.unit, sign=True)} over {seeds}"
    if found.low is not None and found.high is not None:
        ends = (number(end, sign=True) for end in (found.low, found.high))
        measured += f" (95 % interval {' to '.join(ends)})"
    p_for, p_against = p_text(found.p_for), p_text(found.p_against)
    holm = f", Holm over {claims} claims" if claims > 1 else ""
    of_parts = f" Of the claim's {parts} parts this one {{}}." if parts > 1 else ""
    if both:
        text = f"Undecided: {measured}: shown to be {shown} ({p_for}) and {opposed} ({p_against}{holm}), "
        return text + "so the effect is there but smaller than claimed." + of_parts.format("is the smallest")
    if found.verdict == "reproduced":
        return f"Reproduced: {measured}, {shown} ({p_for}, {found.test}{holm})." + of_parts.format("is the weakest")
    if found.verdict == "contradicted":
        said = f"{p_against}, {found.test}{holm}"
        return f"Contradicted: {measured}, {opposed} ({said})." + of_parts.format("decides")
    text = f"Undecided: {measured}; neither {shown} ({p_for}) nor {opposed} ({p_against}{holm}) is shown."
    return text + of_parts.format("is the weakest") + f" {_more(found, fewest)}"


def _more(found: Verdict, fewest: int) -> str:
    if found.seeds_needed is not None:
        least = f" (fewer than {fewest} cannot)" if found.n < fewest else ""
        return f"About {found.seeds_needed} seeds would probably decide it{least}."
    if found.n < fewest:
        return f"Fewer than {fewest} seeds cannot decide it."
    return f"With this mean and spread, {MOST} seeds would probably not decide it."
