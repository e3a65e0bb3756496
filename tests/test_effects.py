"""Main effects, interactions and importance. Oracle: a 2x2 example by hand, scipy's t test, and planted effects."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablate.errors import UserError
from ablate.figures.sensitivity import sensitivity
from ablate.tables.effects import contrasts, importance
from ablate.tables.registry import write_table
from fabricated import Fabricated

# Validation accuracy by seed of each combination of augment (first) and weights (second).
VALUES = {
    ("plain", "scratch"): [0.30, 0.34, 0.30],
    ("plain", "pretrained"): [0.40, 0.42, 0.40],
    ("augmented", "scratch"): [0.36, 0.38, 0.40],
    ("augmented", "pretrained"): [0.50, 0.58, 0.54],
}


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    made = Fabricated(tmp_path)
    made.study("s", ["augment", "weights"], {"t": "effects"}, {})
    for (augment, weights), values in VALUES.items():
        for seed, value in enumerate(values):
            made.run("s", {"augment": augment, "weights": weights}, seed, val_top1=value)
    return made


def test_two_by_two_by_hand(made: Fabricated) -> None:
    augment, weights, both = contrasts(made.results("s"))
    # Seed 0: ((36 - 30) + (50 - 40)) / 2 = 8; seed 1: ((38 - 34) + (58 - 42)) / 2 = 10; seed 2: 12.
    assert augment.by_seed == pytest.approx({0: 8.0, 1: 10.0, 2: 12.0}) and augment.estimate == pytest.approx(10.0)
    # sd 2, half width 4.30265 * 2 / sqrt(3).
    assert augment.half == pytest.approx(4.9683, abs=1e-4)
    # Seed 0: ((40 - 30) + (50 - 36)) / 2 = 12; seed 1: ((42 - 34) + (58 - 38)) / 2 = 14.
    assert (weights.name, weights.levels) == ("weights", "pretrained vs scratch")
    assert weights.by_seed == pytest.approx({0: 12.0, 1: 14.0, 2: 12.0})
    # Seed 0: (50 - 40) - (36 - 30) = 4; seed 1: (58 - 42) - (38 - 34) = 12.
    assert both.name == "augment × weights" and both.by_seed == pytest.approx({0: 4.0, 1: 12.0, 2: 4.0})


def test_the_table_says_n_and_what_varies(made: Fabricated) -> None:
    write_table(made.results("s"), "effects", made.collected / "t.csv")
    table = pd.read_csv(made.collected / "t.csv")
    first = table.iloc[0]
    assert list(table.columns)[:7] == [
        "effect", "level vs reference", "estimate (points)", "low", "high", "n", "varies over",
    ]  # fmt: skip
    assert (first["effect"], first["level vs reference"]) == ("augment", "augmented vs plain")
    assert (first["estimate (points)"], first["low"], first["high"]) == (10.0, 5.0, 15.0)
    assert first["n"] == 3 and first["varies over"] == "seeds"


def test_intervals_agree_with_scipy_on_three_axes(tmp_path: Path) -> None:
    """Oracle: scipy's one-sample t interval of the differences by seed, over a 2 x 3 x 2 factorial."""
    made, draw = Fabricated(tmp_path), np.random.default_rng(0)
    made.study("s", ["a", "b", "c"], {}, {})
    value = {}
    for a, b, c, seed in product("xy", "pqr", "mn", range(4)):
        value[a, b, c, seed] = float(draw.uniform(0.2, 0.8))
        made.run("s", {"a": a, "b": b, "c": c}, seed, val_top1=value[a, b, c, seed])
    found = {(e.name, e.levels): e for e in contrasts(made.results("s"))}
    assert len(found) == (1 + 2 + 1) + (2 + 1 + 2)
    main = [100 * np.mean([value[a, "r", c, s] - value[a, "p", c, s] for a in "xy" for c in "mn"]) for s in range(4)]
    both = [
        100 * np.mean([value["y", "q", c, s] - value["x", "q", c, s] - value["y", "p", c, s] + value["x", "p", c, s]
                       for c in "mn"])
        for s in range(4)
    ]  # fmt: skip
    for key, differences in ((("b", "r vs p"), main), (("a × b", "y vs x, at q vs p"), both)):
        effect, expected = found[key], stats.ttest_1samp(differences, 0).confidence_interval(0.95)
        assert effect.estimate is not None and effect.half is not None
        assert effect.estimate - effect.half == pytest.approx(expected.low)
        assert effect.estimate + effect.half == pytest.approx(expected.high)


def test_an_interval_ends_where_no_difference_goes_on(tmp_path: Path) -> None:
    """By hand: 100, 60 and 95 points are 85 on average, sd 21.794, half 4.30265 * 21.794 / sqrt(3) = 54.14."""
    made = Fabricated(tmp_path)
    made.study("s", ["augment"], {}, {})
    for seed, value in enumerate([1.0, 0.6, 0.95]):
        made.run("s", {"augment": "plain"}, seed, val_top1=0.0)
        made.run("s", {"augment": "augmented"}, seed, val_top1=value)
    results = made.results("s")
    (effect,) = contrasts(results)
    (drawn,) = sensitivity(results).figure.axes[0].containers
    for low, high in (effect.ends(results.metrics["val_top1"]) or (), drawn.lines[2][0].get_segments()[0][:, 0]):
        assert low == pytest.approx(85 - 54.14, abs=0.01) and high == 100


def test_a_seed_with_a_missing_run_is_left_out_and_said(made: Fabricated) -> None:
    (made.runs / "s_augmented-scratch_s1/metrics.json").unlink()
    results = made.results("s", partial=True)
    assert [e.by_seed.keys() for e in contrasts(results)] == [{0, 2}] * 3
    write_table(results, "effects", made.collected / "t.csv")
    table = pd.read_csv(made.collected / "t.csv")
    assert set(table["note"]) == {"1 of 3 seeds incomplete"} and set(table["n"]) == {2}
    assert table["low"].isna().all()  # two seeds have no interval


def test_a_combination_that_is_left_out_is_refused(made: Fabricated) -> None:
    made.record["runs"] = made.record["runs"][3:]  # all seeds of the first
    made._write()
    with pytest.raises(UserError, match="every combination"):
        contrasts(made.results("s"))


def test_importance_finds_the_axis_that_matters_and_is_reproducible(tmp_path: Path) -> None:
    made, draw = Fabricated(tmp_path), np.random.default_rng(1)
    made.study("s", ["model", "lr", "decay"], {}, {})
    for lr, decay, seed in product(("0.1", "0.01", "0.001"), ("0", "1"), range(3)):
        noise = float(draw.normal(0, 0.005))
        levels = {"model": "the only one", "lr": lr, "decay": decay}
        made.run("s", levels, seed, val_top1=0.2 + 0.3 * (lr == "0.01") + noise)
    results = made.results("s")
    found = importance(results)
    assert list(found["axis"]) == ["lr", "decay"]
    assert found["mean"][0] > 0.5 > 0.05 > found["mean"][1]
    assert (found["low"] <= found["mean"]).all() and (found["mean"] <= found["high"]).all()
    pd.testing.assert_frame_equal(found, importance(results))
    write_table(results, "importance", made.collected / "t.csv")
    table = pd.read_csv(made.collected / "t.csv")
    assert list(table["axis"]) == ["lr", "decay"]
    assert list(table["importance (R²)"]) == pytest.approx(list(found["mean"]), abs=0.005)

    figure = sensitivity(results).figure
    left, right = figure.axes
    assert figure.get_size_inches()[0] == 6.75 and left.get_xlabel() == "validation accuracy (points)"
    assert [t.get_text() for t in left.get_yticklabels()] == ["lr: 0.01 vs 0.1", "lr: 0.001 vs 0.1", "decay: 1 vs 0"]
    assert [p.get_width() for p in right.patches] == pytest.approx(list(found["mean"]))
    texts = [*left.get_yticklabels(), *left.get_xticklabels(), left.xaxis.label, right.title]
    assert min(text.get_fontsize() for text in texts) >= 7
