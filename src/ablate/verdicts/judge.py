"""Whether results support claims: exact tests over seeds, corrected for all claims of a paper and for all looks.

A claim is one or more parts, and holds only if all of them do (intersection-union: Berger 1982), so its p is the
largest of theirs. It is contradicted if one part is: the smallest of their p for the opposite, times their number.
The p of a paper's claims with runs are then adjusted by Holm, the family of "for" apart from that of "against". Which
tests these are is in `seed_tests`; what they give on planted effects, in `calibration`.

Looks. Where seeds are added until claims are decided, the look k of K spends alpha * (2k - 1) / K**2, so that after k
looks alpha * (k / K)**2 is spent (the power family of Kim and DeMets 1987, rho = 2): little at first, when few seeds
could only show large effects, and most of it at the last. The looks are corrected by the union bound and not by their
joint distribution, because discrete p values of dependent claims have none that is known; it holds whatever they are.
At each look but the last an undecided claim has a chance of being decided at the last. To add no seeds where it is
small costs some power and makes no verdict falser, since nothing is called for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ablate.verdicts.seed_tests import Array, chance, fewest_seeds, holm, interval, p_values, seeds_needed
from ablate.verdicts.sentence import sentence
from ablate.verdicts.verdict import Part, Verdict, Word

FLIPS, WITHIN, BEYOND = (
    "exact sign-flip test over seeds",
    "equivalence by two one-sided t tests over seeds",
    "t test over seeds",
)
TESTS = {  # direction: the test that shows it, and the one that shows the opposite
    "greater": (FLIPS, FLIPS),
    "less": (FLIPS, FLIPS),
    "same": (WITHIN, BEYOND),
    "differs": (FLIPS, WITHIN),
}


def alpha_at(look: int, looks: int, alpha: float = 0.05) -> float:
    """The share of ``alpha`` that look 1, 2, ... ``looks`` spends.

    Raises:
        ValueError: For another look.
    """
    if not 1 <= look <= looks:
        raise ValueError(f"look {look} of {looks}: looks are counted from 1")
    return alpha * (2 * look - 1) / looks**2


def called(p_for: Array, p_against: Array, level: float) -> "np.ndarray[tuple[int, ...], np.dtype[np.str_]]":
    """The verdict for each pair of adjusted p values.

    Shown and opposed is neither: the effect is there, but smaller than claimed.
    """
    shown, opposed = p_for <= level, p_against <= level
    return np.select([shown & ~opposed, opposed & ~shown], ["reproduced", "contradicted"], "undecided")


def judge(
    claims: Mapping[str, Sequence[Part]], *, alpha: float = 0.05, looks: Sequence[int] = (), look: int = 1
) -> dict[str, Verdict]:
    """A verdict on each claim of one paper, all of them together, at one of the ``looks`` (seeds of an arm at each).

    Raises:
        ValueError: For a claim without parts, and for a look that there is not.
    """
    count = max(1, len(looks))
    level = alpha_at(look, count, alpha)
    if empty := [name for name, parts in claims.items() if not parts]:
        raise ValueError(f"claims without parts: {', '.join(empty)}")
    run = {name: parts for name, parts in claims.items() if any(part.by_seed for part in parts)}
    raw = {name: [_of_part(part) for part in parts] for name, parts in run.items()}
    p_for = np.array([max(p for p, _ in each) for each in raw.values()])
    p_against = np.array([min(1.0, len(each) * min(p for _, p in each)) for each in raw.values()])
    verdicts = dict.fromkeys(claims, Verdict("not run", 0))
    if run:
        last = alpha_at(count, count, alpha) / len(run)
        adjusted = holm(p_for), holm(p_against)
        words = called(*adjusted, level)
        odds = chances(words, p_for, p_against, looks, look, alpha) if look < count else None
        for i, (name, parts) in enumerate(run.items()):
            pair = float(adjusted[0][i]), float(adjusted[1][i])
            found = _verdict(words[i].item(), parts, raw[name], pair, (level, last, len(run)))
            said = found.sentence
            if count > 1:
                said += f" Look {look} of {count}, at which p must be at most {level:.2g}."
            mine = float(odds[i]) if odds is not None and found.verdict == "undecided" else None
            if mine is not None:
                said += f" At this rate the chance that {looks[-1]} seeds decide it is {mine:.0%}."
            verdicts[name] = replace(found, chance=mine, sentence=said)
    return verdicts


def chances(words: Any, p_for: Array, p_against: Array, looks: Sequence[int], look: int, alpha: float) -> Array:
    """How probably each claim, (..., m) with the claims of a paper last, is decided at the last of ``looks``.

    It is judged at the level that Holm leaves it if all that are undecided in ``words`` go on. Its p are unadjusted.
    """
    level = alpha_at(len(looks), len(looks), alpha) / np.maximum(1, (words == "undecided").sum(-1, keepdims=True))
    return chance(p_for, p_against, looks[look - 1] / looks[-1], level)


def _of_part(part: Part) -> tuple[float, float]:
    """p for and p against it by itself; 1 where it has no seed."""
    if not part.by_seed:
        return 1.0, 1.0
    p_for, p_against = p_values(part.values, part.direction, part.margin)
    return float(p_for), float(p_against)


def _verdict(
    word: Word,
    parts: Sequence[Part],
    raw: Sequence[tuple[float, float]],
    adjusted: tuple[float, float],
    levels: tuple[float, float, int],
) -> Verdict:
    """``levels``: at this look; of one claim at the last look; claims in the family."""
    level, last, claims = levels
    both = max(adjusted) <= level
    opposed = word == "contradicted" or both
    index = min(range(len(parts)), key=lambda i: raw[i][1] if opposed else -raw[i][0])
    part = parts[index]
    values = part.values
    n = len(values)
    needed = None
    if word == "undecided" and all(p.by_seed for p in parts):
        needed = seeds_needed([(p.values, p.direction, p.margin) for p in parts], last, least=n + 1)
    low, high = interval(values)
    mean = float(values.mean()) if n else None
    test = TESTS[part.direction][word == "contradicted"]
    found = Verdict(word, n, mean, low, high, test, *adjusted, needed, part=part.name)
    said = sentence(found, part, len(parts), claims, both=both, fewest=fewest_seeds(part.direction, last))
    return replace(found, sentence=said)
