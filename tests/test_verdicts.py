"""Verdicts on claims. Oracle: p values by hand, scipy's permutation test, t quantiles, statsmodels' Holm, and planted
effects whose truth is known.
"""

import json
import re
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablate import calibration
from ablate.seed_tests import fewest_seeds, holm, p_values, seeds_needed, sign_flip, t_above
from ablate.verdicts import Part, Verdict, alpha_at, called, decide_next, judge

SPREAD = [0.31, -0.52, 0.13, 0.44, -0.27, -0.08, 0.61, -0.35, 0.22, -0.49, 0.05, 0.38, -0.16, -0.27, 0.11, -0.11]


def part(mean: float, n: int, direction: str = "greater", margin: float = 2.0, name: str = "A less B") -> Part:
    """``n`` seeds around ``mean`` points."""
    return Part(name, {seed: mean + SPREAD[seed] for seed in range(n)}, direction, margin)  # type: ignore[arg-type]


def only(*parts: Part, **looks: int) -> Verdict:
    return judge({"claim": parts}, **looks)["claim"]


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


def test_a_spread_of_zero_shows_nothing() -> None:
    assert t_above(np.array([1.0, 1.0, 1.0]), 0.0) == 1.0 and t_above(np.array([1.0]), 0.0) == 1.0
    assert only(Part("x", {0: 0.1, 1: 0.1}, "same", 1.0)).verdict == "undecided"


def test_holm_by_hand_and_by_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    assert holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    families = np.random.default_rng(0).uniform(0, 0.3, (4, 6))
    for adjusted, p in zip(holm(families), families, strict=True):
        assert adjusted == pytest.approx(multipletests(p, method="holm")[1])


# Verdicts


@pytest.mark.parametrize(
    ("direction", "mean", "expected"),
    [
        ("greater", 3.0, "reproduced"), ("greater", -1.0, "contradicted"), ("greater", 0.01, "contradicted"),
        ("greater", 1.0, "undecided"), ("less", -3.0, "reproduced"), ("less", 1.0, "contradicted"),
        ("less", -1.0, "undecided"), ("same", 0.0, "reproduced"), ("same", 4.0, "contradicted"),
        ("same", -4.0, "contradicted"), ("same", 2.0, "undecided"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("n", [6, 9, 16])
def test_planted_effects(direction: str, mean: float, expected: str, n: int) -> None:
    assert only(part(mean, n, direction)).verdict == expected


@pytest.mark.parametrize("n", range(1, 6))
def test_up_to_five_seeds_never_decide_a_direction(n: int) -> None:
    for mean in (1000.0, -1000.0):
        found = only(part(mean, n))
        assert found.verdict == "undecided" and found.p_for is not None
        assert found.p_for >= 2 / 2**n and "fewer than 6" in found.sentence.lower()


def test_shown_but_smaller_than_claimed_is_said() -> None:
    found = only(part(1.0, 12))
    assert found.p_for == found.p_against == 2 / 2**12 and found.seeds_needed is None
    assert "above zero" in found.sentence and "smaller than claimed" in found.sentence


def test_a_claim_holds_by_its_weakest_part_and_falls_by_one() -> None:
    strong, weak, wrong = part(5.0, 10), part(0.3, 10, name="weak"), part(-3.0, 10, name="wrong")
    assert only(strong, strong).verdict == "reproduced"
    found = only(strong, weak)
    assert found.p_for == judge({"weak": [weak]})["weak"].p_for and found.part == "weak"
    found = only(strong, strong, wrong)
    assert (found.verdict, found.part, found.p_against) == ("contradicted", "wrong", 3 * 2 / 2**10)
    half = only(strong, Part("absent", {}, "greater", 2.0))
    assert half.verdict == "undecided" and "no seed of absent" in half.sentence


def test_claims_of_a_paper_are_corrected_together_and_those_not_run_do_not_count() -> None:
    claims = {f"c{i}": [part(5.0, 8)] for i in range(6)}
    alone, six = judge({"c0": claims["c0"]})["c0"], judge(claims)["c0"]
    assert (alone.p_for, six.p_for) == (2 / 2**8, 6 * 2 / 2**8) and six.verdict == "reproduced"
    seven = judge(claims | {"c6": [part(5.0, 8)]})
    assert {v.verdict for v in seven.values()} == {"undecided"}  # 7 / 128 is above 0.05
    absent = judge(claims | {"c6": [Part("x", {}, "greater", 2.0)]})
    assert absent["c0"].verdict == "reproduced" and absent["c6"] == Verdict("not run", 0)


def test_a_constant_in_favour_never_takes_a_reproduced_claim_away() -> None:
    draw = np.random.default_rng(0)
    seen = 0
    for _ in range(100):
        values = draw.normal(draw.uniform(0, 3), 1, int(draw.integers(6, 12)))
        p = [p_values(values + favour, "greater", 2.0) for favour in np.sort(draw.uniform(0, 3, 4))]
        assert all(b[0] <= a[0] and b[1] >= a[1] for a, b in pairwise(p))
        words = [str(called(*each, 0.05)) for each in p]
        seen += "reproduced" in words
        assert "reproduced" not in words or set(words[words.index("reproduced") :]) == {"reproduced"}
    assert seen > 50


def test_less_mirrors_greater() -> None:
    mirrored = Part("A less B", {s: -v for s, v in part(1.3, 9).by_seed.items()}, "less", 2.0)
    a, b = only(part(1.3, 9)), only(mirrored)
    assert (a.verdict, a.p_for, a.p_against, a.seeds_needed) == (b.verdict, b.p_for, b.p_against, b.seeds_needed)


def test_the_sentence_has_the_numbers() -> None:
    for each in (part(3.0, 9), part(-1.0, 9), part(0.2, 5), part(0.0, 9, "same")):
        found = only(each)
        expected = stats.ttest_1samp(each.values, 0).confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
        assert found.varies_over == "seeds" and found.sentence.startswith(found.verdict.capitalize())
        assert f"over {found.n} seeds" in found.sentence and "points" in found.sentence
        numbers = [float(n.replace("−", "-")) for n in re.findall(r"[+−][\d.]+\d", found.sentence)]
        assert numbers[:3] == pytest.approx([found.estimate, found.low, found.high], abs=0.006)


@pytest.mark.parametrize("margin", [-1.0, float("nan")])
def test_impossible_parts_are_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        Part("x", {0: 1.0}, "greater", margin)
    with pytest.raises(ValueError, match="above 0"):
        Part("x", {0: 1.0}, "same", 0.0)
    with pytest.raises(ValueError, match="finite"):
        Part("x", {0: float("nan")}, "greater", 1.0)
    with pytest.raises(ValueError, match="without parts"):
        judge({"claim": []})


# Looks and seeds


@pytest.mark.parametrize("looks", [1, 3, 5])
def test_looks_spend_alpha_once_and_later_ones_more(looks: int) -> None:
    spent = [alpha_at(look, looks) for look in range(1, looks + 1)]
    assert sum(spent) == pytest.approx(0.05) and spent == sorted(spent)
    with pytest.raises(ValueError, match="counted from 1"):
        alpha_at(0, looks)


def test_an_early_look_asks_for_more() -> None:
    assert only(part(5.0, 8)).verdict == "reproduced"  # p is 1 / 128
    assert only(part(5.0, 8), looks=3, look=1).verdict == "undecided"  # of 0.05 / 9
    assert [decide_next(n, [3, 6, 9, 12]) for n in (0, 3, 5, 12)] == [3, 6, 6, None]


def test_seeds_needed() -> None:
    assert [fewest_seeds("greater", level) for level in (0.05, 0.05 / 8)] == [6, 9]
    assert only(part(5.0, 3)).seeds_needed == 6  # no fewer can
    assert only(part(5.0, 1)).seeds_needed is None  # of unknown spread
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


# Calibration


@pytest.fixture(scope="module")
def simulated() -> pd.DataFrame:
    return calibration.calibrate(calibration.Design(families=120, claims=4, schedule=(9, 12), sd=1.4))


@pytest.mark.slow
def test_rates_of_false_verdicts_hold_at_every_number_of_seeds(simulated: pd.DataFrame) -> None:
    said = calibration.summary(simulated)
    assert list(said) == ["false_reproduced", "false_contradicted", "runs_saved"] and json.dumps(said)
    assert said["false_reproduced"] <= 0.05 and said["false_contradicted"] <= 0.05
    assert (simulated["any_wrong"] * 120 <= stats.binom.ppf(0.9999, 120, 0.05)).all()  # 5 % of papers, and chance
    assert 0 < said["runs_saved"] < 1 - 9 / 12


@pytest.mark.slow
def test_power_rises_with_seeds_and_few_decide_nothing(simulated: pd.DataFrame) -> None:
    shown = calibration.by_seeds(simulated)["at 2"]
    assert (shown.loc[:7] == 0).all() and shown.loc[12] > 90  # 2 / 2**7 is above 0.05 / 4
    rates = simulated[["reproduced", "contradicted", "undecided"]]
    assert rates.sum(axis=1).to_numpy() == pytest.approx(1.0)
    assert (simulated["reproduced_low"] <= simulated["reproduced"]).all()


@pytest.mark.slow
def test_the_calibration_is_drawn(simulated: pd.DataFrame, tmp_path: Path) -> None:
    from ablate.figures.calibration import write_calibration

    folder = tmp_path / "out"
    write_calibration(simulated, folder)
    assert {p.suffix for p in folder.iterdir()} == {".csv", ".svg", ".png"}
    assert len(pd.read_csv(folder / "calibration.csv")) == len(simulated)
