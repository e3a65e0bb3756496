"""What is said of a claim, generated from its numbers: the arms' means, the finding, and what it rests on."""

from collections.abc import Iterator

from ablate.papers.claim import Claim
from ablate.papers.paper import Paper
from ablate.plan.metrics import BUILT_IN
from ablate.plurals import many, plural
from ablate.verdicts.contrasts import Contrast
from ablate.verdicts.evidence import Evidence
from ablate.verdicts.judge import MOST
from ablate.verdicts.verdict import Part, Verdict

DECIMALS = {"points": 1, "%": 1, "parameters": 0}  # of numbers in sentences, tables and files; three of other units
PLURALS = ("points", "nats", "parameters")
NAMED = 5  # arms, beyond which the two sides of a comparison are told by their means
LEVEL = 0.05  # of Fisher's test, which is one of a pair of arms and adjusted for nothing


def rounded(value: float | None, unit: str) -> float | None:
    """As it is shown anywhere."""
    return None if value is None else round(value, DECIMALS.get(unit, 3)) + 0.0


def number(value: float, unit: str, *, sign: bool = False, named: bool = True) -> str:
    """+2.1 points; 0.104; 11,279,112 parameters."""
    text = f"{value:{'+' if sign else ''},.{DECIMALS.get(unit, 3)}f}"
    if not float(text.replace(",", "")):
        text = text.replace("+", "").replace("-", "")
    return f"{text.replace('-', '−')} {unit}" if named and unit not in ("share", "") else text.replace("-", "−")


def p_text(p: float) -> str:
    """p = 0.031, p < 0.0001."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def means(claim: Claim, paper: Paper, e: Evidence, contrast: Contrast | None) -> str:
    """What the arms came to, over how many seeds, and what the paper prints of them."""
    if contrast is None or not any(arm.values for arm in e.arms.values()):
        return ""
    unit = "%" if e.unit == "points" and not _gap(claim) else e.unit
    chosen = [contrast] if claim.kind in ("effect", "interaction") else list(e.contrasts)
    arms = list(dict.fromkeys(arm for c in chosen for arm in c.weights))
    if len(arms) > NAMED and all(contrast.sides):
        said = []
        for side, sign in zip(contrast.sides, (1, -1), strict=True):
            mine = {arm: abs(w) for arm, w in contrast.weights.items() if w * sign > 0}
            values = [(e.arms[arm].mean, w) for arm, w in mine.items()]
            if any(v is None for v, _ in values):
                return ""
            average = sum(v * w for v, w in values if v is not None) / sum(mine.values())
            said.append(f"{side} {number(average, unit)}")
        return f"{', '.join(said)} (means of {many(len(arms) // 2, 'arm')} each, {_seeds(e, arms)})."
    shown = arms[: NAMED + 1] if len(arms) > NAMED + 1 else arms
    parts = []
    counts = {arm: len(e.arms[arm].values) for arm in shown}
    same = len({*counts.values()}) == 1 and all(e.arms[arm].planned == counts[arm] for arm in shown)
    if e.varies_over != "seeds":
        return f"{', '.join(f'{arm} {number(e.arms[arm].mean or 0.0, unit)}' for arm in shown)}."
    for arm in shown:
        mean = e.arms[arm].mean
        of = "" if same else f" ({_count(e, arm)})"
        parts.append(f"{paper.called(claim.study, arm)} {'no number' if mean is None else number(mean, unit)}{of}")
    more = f" and {many(len(arms) - len(shown), 'arm')} more" if len(arms) > len(shown) else ""
    seeds = f" ({_seeds(e, shown)})" if same else ""
    return f"{', '.join(parts)}{more}{seeds}.{_printed(claim, paper, shown)}"


def _gap(claim: Claim) -> bool:
    return claim.kind == "gap" or claim.metric == "gap" or claim.behaviour == "label-accuracy"


def _count(e: Evidence, arm: str) -> str:
    found = e.arms[arm]
    if found.must_learn and found.learnt < found.ended:
        return f"{found.learnt} of {many(found.ended, 'seed')} learnt"
    return f"{len(found.values)} of {many(found.planned, 'seed')}"


def _seeds(e: Evidence, arms: list[str]) -> str:
    counts = sorted({len(e.arms[arm].values) for arm in arms})
    text = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{text} {plural('seed', counts[-1])}"


def _printed(claim: Claim, paper: Paper, arms: list[str]) -> str:
    """The paper's own numbers of the same arms."""
    if claim.study is None or claim.metric is None:
        return ""
    every = paper.printed(claim.study)
    found = {arm: every[arm][claim.metric] for arm in arms if claim.metric in every.get(arm, {})}
    metric = claim.own or BUILT_IN.get(claim.metric)
    unit = metric.shown_unit if metric else claim.measure.unit
    values = [
        f"{paper.called(claim.study, arm)} {number(value * claim.measure.factor, unit)}"
        for arm, value in found.items()
    ]
    who = "The paper prints" if paper.is_document else "Printed elsewhere:"
    return f" {who} {', '.join(values)}." if values else ""


def finding_text(part: Part, v: Verdict, family: int, claims: str = "claims") -> str:
    """The finding with the numbers that it follows from; it holds for all of the ``family`` of ``claims`` at once."""
    if v.estimate is None or v.low is None or v.high is None or v.p is None or v.p_opposite is None:
        return ""
    unit = part.unit.removesuffix("s") if part.margin == 1 and part.unit in PLURALS else part.unit
    margin = f"{part.margin:g}{'' if part.unit in ('', 'share') else f' {unit}'}"
    less = f" less {number(part.claimed, part.unit)}" if part.claimed else ""
    ends = (
        f"{number(v.low, part.unit, sign=True, named=False)} to {number(v.high, part.unit, sign=True, named=False)}"
    )
    over = f" over {family} {claims}" if family > 1 else ""
    measured = f"{part.name}{less}: {number(v.estimate, part.unit, sign=True)} ({ends}, 95 % simultaneous{over}"
    p = v.p_opposite if v.finding == "opposite" else v.p
    counts = f"our margin of {margin}"
    said = {
        "shown at the claimed size": f"{_direction(part)}, by no less than {counts}",
        "shown, size open": f"{_direction(part)}; whether by {counts} is open",
        "shown, but smaller": f"{_direction(part)}, yet by less than {counts}",
        "no effect of that size": f"not by as much as {counts}",
        "opposite": f"the opposite, {_direction(part, opposite=True)}",
        "open": f"neither {_direction(part)}, nor the opposite, nor less than {counts} is shown",
    }
    if part.direction == "same":
        said |= {
            "shown at the claimed size": f"within {counts}",
            "opposite": f"apart by more than {counts}",
            "open": f"neither within nor beyond {counts} is shown",
        }
    return f"{measured}; {p_text(p)}): {said[v.finding]}."


def _direction(part: Part, *, opposite: bool = False) -> str:
    if part.direction == "differs":
        return "other than zero"
    return "above zero" if (part.direction == "greater") != opposite else "below zero"


def remarks(claim: Claim, paper: Paper, e: Evidence, v: Verdict, last: int | None) -> Iterator[str]:
    """What else the reader has to know; ``last`` is how many seeds the last look has, where there are looks."""
    part = next((p for p in e.parts if p.name == v.part), None)
    if part and len(part.weights) == 2 and (said := _failing(claim, paper, e, list(part.weights))):
        yield said
    if v.failing:
        yield "Runs that failed would turn it round, were they counted; so it stays open."
    if v.seeds_needed:
        low, high = v.seeds_needed
        yield f"{low} to {high or f'more than {MOST}'} seeds an arm would probably decide it."
    if v.chance is not None:
        yield f"The chance that {many(last or 0, 'seed')} decide it is {v.chance:.0%}."
    if part and v.low is not None and not part.images and e.unit == "points" and e.datasets:
        yield "The interval is over seeds alone, not over images."


def _failing(claim: Claim, paper: Paper, e: Evidence, arms: list[str]) -> str:
    """How many of each arm's runs have learnt, where they differ, and Fisher's exact test of it."""
    from scipy.stats import fisher_exact

    (first, a), (second, b) = ((paper.called(claim.study, arm), e.arms[arm]) for arm in arms)
    if not (a.must_learn and b.must_learn) or a.learnt * b.ended == b.learnt * a.ended:
        return ""
    p = float(fisher_exact([[a.learnt, a.ended - a.learnt], [b.learnt, b.ended - b.learnt]]).pvalue)
    more = "learns more reliably than" if p <= LEVEL else "is not shown to learn more reliably than"
    better, worse = (first, second) if a.learnt * b.ended > b.learnt * a.ended else (second, first)
    counts = f"{first} learnt in {a.learnt} of {many(a.ended, 'seed')}, {second} in {b.learnt} of {b.ended}"
    return f"{counts}: {better} {more} {worse} (Fisher's exact {p_text(p)})."
