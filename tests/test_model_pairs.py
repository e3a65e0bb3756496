"""Two models on the same images. Oracle: the binomial distribution by hand, and the normal approximation."""

from math import comb

import numpy as np
import pytest

from ablate.verdicts.model_pairs import compare_models


def answers(both: int, only_a: int, only_b: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    counts = both, only_a, only_b, neither
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def test_mcnemar_by_hand() -> None:
    found = compare_models(*answers(50, 9, 2, 39))
    # Two-sided binomial tail of at most 2 of 11: 2 (1 + 11 + 55) / 2048.
    assert found.p == pytest.approx(2 * sum(comb(11, k) for k in range(3)) / 2**11) == pytest.approx(134 / 2048)
    assert (found.n, found.only_a, found.only_b, found.estimate) == (100, 9, 2, pytest.approx(7.0))


def test_the_bootstrap_agrees_with_the_normal_interval_and_is_reproducible() -> None:
    a, b = answers(2000, 300, 200, 500)
    found, again = compare_models(a, b), compare_models(a, b)
    differences = 100.0 * (a.astype(float) - b.astype(float))
    half = 1.96 * differences.std(ddof=1) / np.sqrt(len(a))
    assert found == again
    assert (found.low, found.high) == pytest.approx((found.estimate - half, found.estimate + half), abs=0.2 * half)


def test_it_says_of_what_it_is_a_statement() -> None:
    found = compare_models(*answers(5, 0, 0, 5))
    assert (found.p, found.low, found.high) == (1.0, 0.0, 0.0) and found.varies_over == "images"
    assert "these two trained models, not about the recipes" in found.sentence and "10 images" in found.sentence


@pytest.mark.parametrize("b", [np.ones(3, bool), np.ones(2), np.ones((2, 1), bool)])
def test_answers_that_do_not_belong_together_are_refused(b: np.ndarray) -> None:
    with pytest.raises(ValueError, match="two bool arrays of one length"):
        compare_models(np.ones(2, bool), b)
