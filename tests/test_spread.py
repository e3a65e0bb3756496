"""Moderated variances and the t of a contrast. Oracles: limma's numbers, scipy's Welch test, sums by hand."""

import numpy as np
import pytest
from scipy import stats

from ablate.verdicts import spread
from ablate.verdicts.spread import Sample, estimate, moderated, usual

A, B = (61.0, 58.5, 60.2, 57.9), (52.1, 55.0, 49.8)


def test_the_shrunk_variance_is_limma_s() -> None:
    """Oracle: squeezeVar of limma (Smyth 2004), by its port in inmoose 0.9.1:
    `_squeezeVar(var, df, var_prior=4.0, df_prior=3.0)` of variances 1, 2.5, 9 and 0.25 with 2, 4, 2 and 9 degrees.
    """
    limma = [2.8, 22 / 7, 6.0, 1.1875]
    for variance, d, expected in zip([1.0, 2.5, 9.0, 0.25], [2, 4, 2, 9], limma, strict=True):
        values = np.linspace(-1, 1, d + 1)
        sample = Sample(tuple(float(v) for v in values * np.sqrt(variance / values.var(ddof=1))), 2.0)
        assert sample.variance == pytest.approx(variance)
        found, freedom = moderated(sample, 2.0)
        assert found == pytest.approx(max(variance, expected)) and freedom == 3 + d


def test_without_a_prior_it_is_welch_s_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "PRIOR", 0.0)
    found = estimate({"a": 1.0, "b": -1.0}, {"a": Sample(A, 1.0), "b": Sample(B, 1.0)}, 1.0, 0.0, 0)
    welch = stats.ttest_ind(A, B, equal_var=False)
    assert found.mean / found.se == pytest.approx(welch.statistic) and found.freedom == pytest.approx(welch.df)
    assert found.above(0.0) == pytest.approx(welch.pvalue)
    low, high = welch.confidence_interval(0.98)
    assert found.ends(0.02) == pytest.approx((low, high))


def test_shared_images_are_one_more_part_of_the_variance() -> None:
    """By hand: 2.25 of 500 images beside the seeds' own; with images alone the freedom is that of the images."""
    samples = {"a": Sample(A, 1.0), "b": Sample(B, 1.0)}
    without, with_ = (estimate({"a": 1.0, "b": -1.0}, samples, 1.0, v, 500) for v in (0.0, 2.25))
    assert with_.mean == without.mean and with_.se**2 == pytest.approx(without.se**2 + 2.25)
    seeds = {"a": 4, "b": 3}
    parts = [(moderated(s, 1.0)[0] / seeds[arm], moderated(s, 1.0)[1]) for arm, s in samples.items()]
    total = sum(v for v, _ in parts) + 2.25
    assert with_.freedom == pytest.approx(total**2 / (sum(v**2 / f for v, f in parts) + 2.25**2 / 499))


def test_what_is_usual_is_of_arms_that_learn() -> None:
    """Variances 4 and 2 over floors 1 and 4 are ratios of 4 and 0.5, mean 2.25; an arm that fails at times says
    nothing of them, nor they of it; below one it is one.
    """
    wide, narrow = Sample((0.0, 2.0, 4.0), 1.0), Sample((0.0, 2.0), 4.0)
    failing = Sample((0.0, 100.0), 1.0, learnt=False)
    assert usual([wide, narrow, failing, Sample((1.0,), 1.0)]) == pytest.approx(2.25)
    assert usual([narrow]) == usual([]) == 1.0
    assert moderated(Sample((0.0, 0.1, 0.2), 1.0, learnt=False), 50.0)[0] == pytest.approx((3 * 1 + 2 * 0.01) / 5)


def test_seeds_that_do_not_differ_are_no_certainty() -> None:
    same = {"a": Sample((50.0,) * 3, 5.0), "b": Sample((49.0,) * 3, 5.0)}
    found = estimate({"a": 1.0, "b": -1.0}, same, 1.0, 0.0, 0)
    assert found.se == pytest.approx(np.sqrt(2 * 3 * 5 / 5 / 3)) and found.above(0.0) > 0.3
