"""Verdicts on claims. Oracle: planted values whose truth is known, p values by hand, scipy's t interval."""

import re
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from ablate.verdicts.judge import alpha_at, called, judge
from ablate.verdicts.seed_tests import p_values
from ablate.verdicts.verdict import Part, Verdict

SPREAD = [0.31, -0.52, 0.13, 0.44, -0.27, -0.08, 0.61, -0.35, 0.22, -0.49, 0.05, 0.38, -0.16, -0.27, 0.11, -0.11]


def part(mean: float, n: int, direction: str = "greater", margin: float = 2.0, name: str = "A less B") -> Part:
    """``n`` seeds around ``mean`` points."""
    return Part(name, {seed: mean + SPREAD[seed] for seed in range(n)}, direction, margin)  # type: ignore[arg-type]


def only(*parts: Part, looks: tuple[int, ...] = (), look: int = 1) -> Verdict:
    return judge({"claim": parts}, looks=looks, look=look)["claim"]


@pytest.mark.parametrize(
    ("direction", "mean", "expected"),
    [
        ("greater", 3.0, "reproduced"), ("greater", -1.0, "contradicted"), ("greater", 0.01, "contradicted"),
        ("greater", 1.0, "undecided"), ("less", -3.0, "reproduced"), ("less", 1.0, "contradicted"),
        ("less", -1.0, "undecided"), ("same", 0.0, "reproduced"), ("same", 4.0, "contradicted"),
        ("same", -4.0, "contradicted"), ("same", 2.0, "undecided"), ("differs", 3.0, "reproduced"),
        ("differs", -3.0, "reproduced"), ("differs", 0.0, "contradicted"),
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
    differ = (part(-3.0, 9, "differs"), part(0.0, 9, "differs"), part(0.2, 5, "differs"))
    for each in (part(3.0, 9), part(-1.0, 9), part(0.2, 5), part(0.0, 9, "same"), *differ):
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
    with pytest.raises(ValueError, match="above 0"):
        Part("x", {0: 1.0}, "differs", 0.0)
    with pytest.raises(ValueError, match="finite"):
        Part("x", {0: float("nan")}, "greater", 1.0)
    with pytest.raises(ValueError, match="without parts"):
        judge({"claim": []})


@pytest.mark.parametrize("looks", [1, 3, 5])
def test_looks_spend_alpha_once_and_later_ones_more(looks: int) -> None:
    spent = [alpha_at(look, looks) for look in range(1, looks + 1)]
    assert sum(spent) == pytest.approx(0.05) and spent == sorted(spent)
    with pytest.raises(ValueError, match="counted from 1"):
        alpha_at(0, looks)


def test_an_early_look_asks_for_more() -> None:
    assert only(part(5.0, 8)).verdict == "reproduced"  # p is 1 / 128
    assert only(part(5.0, 8), looks=(8, 9, 10)).verdict == "undecided"  # of 0.05 / 9


def test_an_undecided_claim_has_a_chance_until_the_last_look() -> None:
    """Oracle for its size: test_seed_tests. Here: when there is one, and that it vanishes where it must."""
    open_ = Part("x", {seed: 1.2 + 3 * value for seed, value in enumerate(SPREAD[:8])}, "greater", 2.0)
    found = only(open_, looks=(8, 16))
    assert found.chance is not None and 0.1 < found.chance < 0.9
    assert f"the chance that 16 seeds decide it is {found.chance:.0%}" in found.sentence
    assert only(open_, looks=(4, 8), look=2).chance is None and only(open_).chance is None
    assert only(part(5.0, 16), looks=(16, 20)).chance is None  # decided
    both = only(part(1.0, 12), looks=(12, 16))  # above zero and below the margin: more seeds say the same
    assert both.verdict == "undecided" and both.chance == pytest.approx(0, abs=0.02)
    neither = only(Part("x", {seed: 20 * value for seed, value in enumerate(SPREAD)}, "greater", 2.0), looks=(16, 20))
    assert neither.chance is not None and neither.chance < 0.1  # scatters by six points


def test_more_seeds_are_asked_for_where_they_can_help() -> None:
    assert only(part(5.0, 3)).seeds_needed == 6  # no fewer can
    assert only(part(5.0, 1)).seeds_needed is None  # of unknown spread
    assert only(Part("x", {0: 0.1, 1: 0.1}, "same", 1.0)).verdict == "undecided"  # a spread of zero shows nothing
