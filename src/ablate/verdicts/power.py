"""The chance to decide each claim by number of seeds, by the board's own procedure on drawn seeds.

A paper is drawn DRAWS times at each number of seeds: each arm's mean and variance over normal seeds, what the shared
images add, and from these the findings of all claims as `judge` makes them, with its shares of alpha, its moderated
variances and its intervals; here on arrays, all draws at once. A claim counts as decided where it is shown or its
opposite is. All runs are taken to learn, and the seeds to be judged once, not look by look.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from ablate.verdicts.judge import ALPHA, MOST, POWER, shares
from ablate.verdicts.prospects import Prospect
from ablate.verdicts.spread import LEAST, PRIOR
from ablate.verdicts.verdict import Part

Array = NDArray[np.float64]
Booleans = NDArray[np.bool_]
DRAWS = 1000
SEEDS = (3, 5, 8, 12)
LADDER = (*range(LEAST, 9), 10, 12, 16, 20, 28, 40, 60, MOST)  # seeds looked at first for `enough`


class Draws(NamedTuple):
    """What one arm's seeds came to, (draws,) each, in the unit of a claim."""

    mean: Array
    variance: Array  # over seeds
    floor: float
    learnt: bool


class Chances(NamedTuple):
    """Of one claim."""

    prospect: Prospect
    share: float | None  # of the paper's alpha; None: it can not be tested
    by_seeds: Mapping[int, float]
    enough: int | None  # seeds for a chance of POWER; None: more than MOST


def chances(every: Sequence[Prospect], seeds: Iterable[int] = SEEDS) -> list[Chances]:
    """Of the claims of one paper, all of them together."""
    of_alpha = shares({p.id: p.asked for p in every})
    of_id = {p.id: p for p in every}
    drawn = cache(lambda n: draw(every, n))
    scatter = cache(lambda n: multiples(every, drawn(n)))

    @cache
    def at(id: str, n: int) -> float:
        p = of_id[id]
        level = of_alpha[id] * ALPHA
        return float(decided(p, drawn(n)[id], n, scatter(n)[p.asked.measure], level).mean())

    return [
        Chances(p, of_alpha[p.id], {n: at(p.id, n) for n in seeds}, _enough(partial(at, p.id)))
        if p.id in of_alpha
        else Chances(p, None, {}, None)
        for p in every
    ]


def _enough(chance: Callable[[int], float]) -> int | None:
    """The fewest seeds for a chance of POWER."""
    below = LEAST - 1
    for n in LADDER:
        if chance(n) >= POWER:
            return next(k for k in range(below + 1, n + 1) if chance(k) >= POWER)
        below = n
    return None


def draw(every: Sequence[Prospect], n: int, draws: int = DRAWS) -> dict[str, dict[str, Draws]]:
    """{claim: {arm: what its ``n`` seeds came to}}, effects left out; claims of one measure share an arm's seeds."""

    def random(*key: object) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(repr(key).encode()))

    found: dict[str, dict[str, Draws]] = {}
    for p in every:
        place = p.paper, p.asked.study, p.asked.measure
        common = np.sqrt(p.common) * random(*place).standard_normal(draws)
        found[p.id] = {}
        for name, arm in p.arms.items():
            seeds, images = random(*place, name).standard_normal((2, draws))
            mean = common + np.sqrt(arm.images) * images + np.sqrt(arm.variance / n) * seeds
            spread = random(*place, name, n).chisquare(n - 1, draws) / (n - 1)
            found[p.id][name] = Draws(mean, arm.variance * spread, arm.floor, arm.learnt)
    return found


def multiples(every: Sequence[Prospect], drawn: Mapping[str, Mapping[str, Draws]]) -> dict[str, Array]:
    """{measure: by how much arms scatter beyond their floors}, as `judge.multiples`, for each draw."""
    of_measure: dict[str, dict[tuple[str, str], Draws]] = {}
    for p in every:
        for name, arm in drawn[p.id].items():
            of_measure.setdefault(p.asked.measure, {}).setdefault((p.asked.study, name), arm)
    ratios = {m: [a.variance / a.floor for a in arms.values() if a.learnt] for m, arms in of_measure.items()}
    return {m: np.maximum(1.0, np.mean(found or [np.ones(1)], axis=0)) for m, found in ratios.items()}


def decided(p: Prospect, arms: Mapping[str, Draws], n: int, multiple: Array, level: float) -> Booleans:
    """(draws,): whether the claim or its opposite is shown at ``level``, as `judge` says it."""
    k = len(p.asked.parts)
    shown: list[Booleans] = []  # of each part: above zero in the claim's direction, or within its margin
    opposite: list[Booleans] = []
    for part, effect in zip(p.asked.parts, p.effects, strict=True):
        mean, se, freedom = _estimate(part, arms, n, multiple)
        mean = mean + effect
        if part.direction == "same":
            within = _above(mean + part.margin, se, freedom, level / k)
            within &= _above(part.margin - mean, se, freedom, level / k)
            shown.append(within)
            opposite.append(_above(abs(mean) - part.margin, se, freedom, level / k))
        elif part.direction == "differs":
            shown.append(_above(abs(mean), se, freedom, level / k))
            opposite.append(np.zeros_like(shown[-1]))
        else:
            towards = -mean if part.direction == "less" else mean
            shown.append(_above(towards, se, freedom, level))
            opposite.append(_above(-towards, se, freedom, level / k))
    return np.asarray(np.all(shown, axis=0) | np.any(opposite, axis=0))


def _estimate(part: Part, arms: Mapping[str, Draws], n: int, multiple: Array) -> tuple[Array, Array, Array]:
    """Mean, standard error and degrees of freedom for each draw, as `spread.estimate`."""
    mean, total = np.zeros_like(multiple), np.full_like(multiple, part.images)
    squares = np.full_like(multiple, part.images**2 / max(1, part.n_images - 1))
    for name, weight in part.weights.items():
        arm = arms[name]
        usual = multiple * arm.floor if arm.learnt else arm.floor
        shrunk = (PRIOR * usual + (n - 1) * arm.variance) / (PRIOR + n - 1)
        variance = weight**2 * np.maximum(shrunk, arm.variance) / n
        mean = mean + weight * arm.mean
        total = total + variance
        squares = squares + variance**2 / (PRIOR + n - 1)
    return mean, np.sqrt(total), total**2 / squares


def _above(distance: Array, se: Array, freedom: Array, level: float) -> Booleans:
    """Whether the interval that misses with probability ``level`` lies above zero."""
    return np.asarray(stdtr(freedom, -distance / se) < level / 2)
