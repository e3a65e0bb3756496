"""The tests over seeds behind a verdict, on arrays: many samples at once, the seeds on the last axis.

A p value here is to be compared with alpha: a one-sided test at alpha / 2 is reported as twice its p, so that both
directions together hold at alpha. The sign-flip test is exact for any distribution that is symmetric about zero, as
differences of two exchangeable arms are, and needs no normality; the price is that n seeds give no p below 2 / 2**n.
The t tests assume normal differences. Imports nothing that planning has not imported; scipy only inside functions.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Direction = Literal["greater", "less", "same", "differs"]
Array = NDArray[np.float64]
Part = tuple[Array, Direction, float]  # values by seed, what is claimed of their mean, margin

EXACT = 40  # seeds up to which sign patterns are all counted: 2**20 sums of each half
RESAMPLED = 99_999  # sign patterns drawn beyond
BLOCK = 2**21  # sums held at a time, 16 MB
POWER = 0.8
DRAWS = 1000  # simulated samples behind a power: its standard error is at most 0.013 at POWER
MOST = 50  # seeds looked at for `seeds_needed`
SIMULATED = 20  # seeds up to which power is that of the exact test; beyond, the t test stands in for it


def sign_flip(values: Array) -> Array:
    """One-sided p of H0: mean <= 0, of ``values`` (..., n), by flipping signs (Fisher 1935, section 21).

    A pattern counts when its mean is at least the observed one, that is when the values it flips add up to at most
    zero. Up to EXACT seeds all 2**n patterns count; beyond, RESAMPLED drawn with a fixed seed and the observed one
    (valid at any number of draws: Phipson and Smyth 2010).
    """
    n = values.shape[-1]
    if n > EXACT:
        from scipy import stats

        options = {"permutation_type": "samples", "alternative": "greater", "vectorized": True, "batch": 1000}
        drawn = stats.permutation_test(
            (values,), np.mean, n_resamples=RESAMPLED, axis=-1, rng=np.random.default_rng(0), **options
        )
        return np.asarray(drawn.pvalue, dtype=np.float64)
    rows = values.reshape(-1, n)
    step = max(1, BLOCK >> (n - n // 2 + 1))
    counts = [_patterns(rows[i : i + step]) for i in range(0, len(rows), step)]
    return np.asarray(np.concatenate(counts).reshape(values.shape[:-1]) / 2.0**n)


def _patterns(rows: Array) -> NDArray[np.int64]:
    """Of each row of (N, n): its subsets that add up to at most zero, sums of the two halves met in the middle."""
    near = 1e-12 * np.abs(rows).sum(1, keepdims=True) + 1e-300  # rounding must not tell equal sums apart
    half = rows.shape[1] // 2
    a, b = _sums(rows[:, :half]), near - _sums(rows[:, half:])
    order = np.argsort(np.concatenate([a, b], axis=1), axis=1)
    first = order < a.shape[1]
    return np.asarray((np.cumsum(first, axis=1) * ~first).sum(1), dtype=np.int64)  # pairs with a < b


def _sums(rows: Array) -> Array:
    """(N, k): the sums of all subsets, (N, 2**k)."""
    sums = np.zeros((len(rows), 1))
    for column in rows.T:
        sums = np.concatenate([sums, sums + column[:, None]], axis=1)
    return sums


def t_above(values: Array, bound: float) -> Array:
    """One-sided p of H0: mean <= ``bound``, by Student's t.

    1 for one seed, and where seeds do not differ at all, since a spread of zero is that of rounded values and would
    make anything certain.
    """
    if values.shape[-1] < 2:
        return np.ones(values.shape[:-1])
    from scipy import stats

    flat = np.ptp(values, axis=-1) <= 1e-12 * np.abs(values).max(axis=-1)
    p = stats.ttest_1samp(np.where(flat[..., None], np.nan, values), bound, axis=-1, alternative="greater").pvalue
    return np.asarray(np.nan_to_num(p, nan=1.0), dtype=np.float64)


def p_values(values: Array, direction: Direction, margin: float, *, exact: bool = True) -> tuple[Array, Array]:
    """p of the test that would show the claim, and p of the test that would show its opposite.

    greater: mean > 0, and mean < margin. less: mean < 0, and mean > -margin. same: -margin < mean < margin by two
    one-sided t tests (Schuirmann 1987), and mean beyond the nearer of the two. differs: mean other than 0 on either
    side, and the two tests that show "same". With ``exact=False`` t tests stand in for the sign-flip tests.
    """
    above = sign_flip if exact else (lambda x: t_above(x, 0.0))
    if direction in ("same", "differs"):
        within = np.maximum(t_above(values, -margin), t_above(-values, -margin))
        if direction == "differs":
            return _doubled(np.minimum(above(values), above(-values))), within
        return within, _doubled(np.minimum(t_above(values, margin), t_above(-values, margin)))
    values = -values if direction == "less" else values
    return _doubled(above(values)), _doubled(above(margin - values))


def _doubled(p: Array) -> Array:
    return np.minimum(1.0, 2 * p)


def holm(p: Array) -> Array:
    """Holm's (1979) adjusted p values within each family, (..., m).

    Vectorised, for statsmodels' multipletests takes one family at a time and tens of milliseconds for it; the tests
    compare the two.
    """
    m = p.shape[-1]
    order = np.argsort(p, axis=-1)
    raised = np.maximum.accumulate(np.take_along_axis(p, order, -1) * np.arange(m, 0, -1), axis=-1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(1.0, raised), -1)
    return adjusted


def chance(p_for: Array, p_against: Array, share: float, level: Array) -> Array:
    """The probability that either p, but not both, ends at ``level`` or below.

    The seeds to come are taken to be like those so far, a ``share`` of all: conditional power under the current trend
    (Lan and Wittes 1988). For doubled p.
    """
    from scipy.special import ndtr, ndtri

    def ends(p: Array) -> Array:
        return np.asarray(ndtr((ndtri(level / 2) - ndtri(p / 2) / np.sqrt(share)) / np.sqrt(1 - share)))

    shown, opposed = ends(p_for), ends(p_against)
    return np.asarray(shown + opposed - 2 * shown * opposed)


def fewest_seeds(direction: Direction, level: float) -> int:
    """With fewer, the test cannot reach ``level`` whatever the numbers are."""
    return 2 if direction in ("same", "differs") else max(1, math.ceil(math.log2(2 / level)))


def seeds_needed(parts: Sequence[Part], level: float, *, least: int) -> int | None:
    """The fewest seeds, from ``least`` to MOST, with which the claim of these parts would probably be decided.

    That is with probability POWER at ``level``, were the observed means and spreads the true ones of normal
    differences. It inherits all of their uncertainty: with few seeds it is a guess of the right order.

    Returns:
        None where not even MOST would do, or no spread is known.
    """
    if any(len(values) < 2 for values, _, _ in parts):
        return None
    noise = np.random.default_rng(0).standard_normal((len(parts), DRAWS, MOST))
    pairs = zip(parts, noise, strict=True)
    drawn = [(v.mean() + v.std(ddof=1) * z, direction, margin) for (v, direction, margin), z in pairs]

    def enough(n: int, *, exact: bool) -> bool:
        p = [p_values(x[:, :n], direction, margin, exact=exact) for x, direction, margin in drawn]
        shown = np.max([each[0] for each in p], axis=0) <= level
        opposed = np.min([each[1] for each in p], axis=0) <= level / len(parts)
        return bool((shown ^ opposed).mean() >= POWER)

    first = max(least, 2, min(fewest_seeds(direction, level) for _, direction, _ in parts))
    for n in range(first, MOST + 1):  # the t test is the more powerful, and a thousand times faster
        if enough(n, exact=False) and (n > SIMULATED or enough(n, exact=True)):
            return n
    return None


def interval(values: Array) -> tuple[float, float] | tuple[None, None]:
    """95 % interval of the mean over seeds, Student's t; None for fewer than two."""
    from ablate.results.stats import half_width

    half: Any = half_width(values.tolist())
    return (None, None) if half is None else (float(values.mean()) - half, float(values.mean()) + half)
