"""The tests over seeds. Oracle: p values by hand, scipy's permutation test, quantiles of t, statsmodels' Holm."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from ablate.verdicts.seed_tests import chance, fewest_seeds, holm, p_values, seeds_needed, sign_flip, t_above

# Sign flips


def test_three_positive_seeds_give_an_eighth_and_a_quarter() -> None:
    assert sign_flip(np.array([1.0, 2.0, 3.0])) == 0.125  # only the pattern that flips none
    assert p_values(np.array([1.0, 2.0, 3.0]), "greater", 2.0)[0] == 0.25
    # Of 1, 2, -4 the subsets that add up to at most 0 are all but {1}, {2} and {1, 2}.
    assert sign_flip(np.array([1.0, 2.0, -4.0])) == 5 / 8


@pytest.mark.parametrize("n", [2, 5, 8, 9])
def test_sign_flips_agree_with_all_patterns_and_with_scipy(n: int) -> None:
    values = np.random.default_rng(n).normal(0.5, 1, (3, n))
    for p, row in zip(sign_flip(values), values, strict=True):
        signs = np.array(list(product([1, -1], repeat=n)))
        assert p == (signs @ row >= row.sum() - 1e-9).mean()
        oracle = stats.permutation_test(
            (row,), np.mean, permutation_type="samples", alternative="greater", n_resamples=np.inf
        )
        assert p == pytest.approx(oracle.pvalue)


def test_equal_sums_count_although_they_are_rounded() -> None:
    # 0.1 + 0.2 - 0.3 is 5.6e-17 in floating point. Subsets of {.1, .2, -.3} with sum <= 0: {}, {-.3}, {.1, -.3},
    # {.2, -.3} and all three.
    assert sign_flip(np.array([0.1, 0.2, -0.3])) == 5 / 8
    assert sign_flip(np.zeros(4)) == 1.0


def test_many_seeds_are_exact_and_very_many_are_drawn() -> None:
    assert sign_flip(np.ones(30)) == 2.0**-30
    assert sign_flip(np.ones(41)) == 1 / 100_000  # none of the drawn patterns, and the observed one


# t tests and Holm


def test_equivalence_follows_from_the_quantiles_of_t() -> None:
    x = np.array([0.4, -0.2, 0.3, 0.1])
    error = x.std(ddof=1) / 2
    shown, opposed = p_values(x, "same", 1.0)
    nearer = (1.0 - x.mean()) / error  # the mean is 0.15: the upper bound is the nearer
    assert shown == pytest.approx(stats.t.sf(nearer, 3)) and opposed == 1.0
    # At the margin that the 90 % interval just fits in, p is 0.05.
    edge = x.mean() + stats.t.ppf(0.95, 3) * error
    assert p_values(x, "same", edge)[0] == pytest.approx(0.05)
    # Beyond, twice the one-sided p: 0.05 at the margin that the 95 % interval just leaves out.
    far = x + 5
    assert p_values(far, "same", far.mean() - stats.t.ppf(0.975, 3) * error)[1] == pytest.approx(0.05)


def test_a_difference_is_shown_on_either_side_and_opposed_by_sameness() -> None:
    """Oracle: scipy's two-sided permutation test, and the p of `same`."""
    for seed in range(4):
        x = np.random.default_rng(seed).normal(0.8, 1, 7)
        shown, opposed = p_values(x, "differs", 1.0)
        options = {"permutation_type": "samples", "n_resamples": np.inf}
        oracle = stats.permutation_test((x,), np.mean, alternative="two-sided", **options)
        assert shown == pytest.approx(oracle.pvalue) and opposed == p_values(x, "same", 1.0)[0]
        assert p_values(-x, "differs", 1.0) == pytest.approx((shown, opposed))


def test_a_difference_that_is_not_there_is_seldom_shown() -> None:
    """Of 4,000 samples of eight seeds around zero at most 5 % and what chance adds to that, three standard errors."""
    x = np.random.default_rng(0).standard_normal((4000, 8))
    assert (p_values(x, "differs", 1.0)[0] <= 0.05).mean() <= 0.05 + 3 * (0.05 * 0.95 / 4000) ** 0.5


def test_a_spread_of_zero_shows_nothing() -> None:
    assert t_above(np.array([1.0, 1.0, 1.0]), 0.0) == 1.0 and t_above(np.array([1.0]), 0.0) == 1.0


def test_holm_by_hand_and_by_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    assert holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    families = np.random.default_rng(0).uniform(0, 0.3, (4, 6))
    for adjusted, p in zip(holm(families), families, strict=True):
        assert adjusted == pytest.approx(multipletests(p, method="holm")[1])


# How many seeds


@pytest.mark.parametrize("z", [0.5, 1.5, 2.5])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
def test_the_chance_at_the_last_look(z: float, share: float) -> None:
    """Oracle: 200,000 drawn sums that go on as they began. At ``share`` of the seeds the sum of N values of sd 1 is
    z sqrt(share N), so that they average z / sqrt(share N) and what is to come adds that and its own scatter.
    """
    n, level = 1000, 0.01
    so_far, left = z * np.sqrt(share * n), (1 - share) * n
    ends = so_far + left * so_far / (share * n) + np.sqrt(left) * np.random.default_rng(0).standard_normal(200_000)
    expected = (ends / np.sqrt(n) >= stats.norm.isf(level / 2)).mean()
    p = np.array([2 * stats.norm.sf(z)])
    assert chance(p, np.array([1.0]), share, np.array([level])) == pytest.approx(expected, abs=0.005)
    assert chance(p, p, share, np.array([level])) == pytest.approx(2 * expected * (1 - expected), abs=0.01)


def test_seeds_needed() -> None:
    assert [fewest_seeds("greater", level) for level in (0.05, 0.05 / 8)] == [6, 9]
    assert seeds_needed([(np.array([5.0]), "greater", 2.0)], 0.05, least=2) is None  # of unknown spread
    # Far below the margin, and nowhere: the fewest seeds that can show it will.
    assert seeds_needed([(np.array([0.4, -0.6, 0.1]), "greater", 8.0)], 0.05, least=4) == 6
    # As far below the margin as above zero: the more seeds, the more surely both are shown.
    values = np.array([-0.3, 1.0, 2.3])  # mean 1, spread 1.3
    assert seeds_needed([(values, "greater", 2.0)], 0.05, least=4) is None
    # Oracle: the noncentral t distribution, at which the exact test can only come a little later.
    for (direction, margin), tail in {("greater", 0.0): 0.975, ("same", 2.0): 0.95}.items():
        power = {n: stats.nct.sf(stats.t.ppf(tail, n - 1), n - 1, n**0.5 / 1.3) for n in range(4, 40)}
        found = seeds_needed([(values, direction, margin)], 0.05, least=4)  # type: ignore[list-item]
        assert found is not None and 0 <= found - min(n for n, p in power.items() if p >= 0.8) <= 2
