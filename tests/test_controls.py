"""Controls. Oracle: permutations counted by hand, and outcomes of planted runs."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ablate.plan.receipts import CONTROLS as PAPER
from ablate.results.control import LEVEL, chance_range, renaming_p
from ablate.verdicts.controls import broken, outcomes
from fabricated import Fabricated


def test_the_p_value_is_the_share_of_namings_as_right() -> None:
    """Three classes of two images: all namings can be counted. Predictions are right for 3 of 6 images."""
    label, predicted = pd.Series([0, 0, 1, 1, 2, 2]), pd.Series([0, 1, 1, 2, 2, 1])
    counts = [sum(names[p] == t for t, p in zip(label, predicted, strict=True)) for names in permutations(range(3))]
    expected = np.mean([c >= 3 for c in counts])
    assert renaming_p(label, predicted, 3) == pytest.approx(expected, abs=0.02)


def test_images_that_are_mistaken_together_are_not_counted_one_by_one() -> None:
    """Ten classes of 20 images, each predicted as a whole, two of them rightly: 20 % right, and likely by chance.

    Oracle: right namings of ten are near Poisson(1), of which 26 % are at least 2; a binomial test says 1e-5.
    """
    label = pd.Series(np.repeat(range(10), 20))
    names = [0, 1, 3, 4, 5, 6, 7, 8, 9, 2]
    assert renaming_p(label, pd.Series(np.repeat(names, 20)), 10) == pytest.approx(0.264, abs=0.02)
    assert renaming_p(label, label, 10) < 0.001  # all right: labels have leaked


def test_a_run_passes_up_to_the_highest_share_that_chance_gives() -> None:
    """Oracle: `renaming_p` itself, of answers that are right for one image after another."""
    label = pd.Series(np.repeat(range(10), 20))
    passed = {}
    for right in range(0, 200, 4):
        predicted = (label + 1) % 10
        predicted[:right] = label[:right]
        share, (low, high) = right / 200, chance_range(label, predicted, 10)
        passed[right] = renaming_p(label, predicted, 10) > LEVEL
        assert passed[right] == (share <= high) and low <= 0.05
    assert passed[0] and not passed[196]


def planted(folder: Path, predictions: str = "", train: float = 1.0, **metrics: str) -> Fabricated:
    made = Fabricated(folder)
    made.study("d", ["control"], {}, {})
    shuffled = "".join(f"val,{i},{i % 5},{(i * 7 + i // 5) % 5},0.5\n" for i in range(100))
    made.run("d", {"control": "shuffled labels"}, 0, settings={"labels": "shuffled"}, val_top1=0.2,
             predictions=predictions or shuffled, plan={"paper": PAPER}, **metrics)  # fmt: skip
    made.run("d", {"control": "one batch"}, 0, train_top1=train, plan={"paper": PAPER})
    return made


def test_outcomes_of_planted_runs(tmp_path: Path) -> None:
    found = outcomes((good := planted(tmp_path / "good")).planned(), good.runs)
    assert [row["outcome"] for row in found] == ["passed", "passed"] and not broken(found)
    leaked = "".join(f"val,{i},{i % 10},{i % 10},0.5\n" for i in range(100))
    bad = planted(tmp_path / "bad", leaked, train=0.9)
    assert broken(outcomes(bad.planned(), bad.runs)) == {
        "d": "control 'shuffled labels' failed; control 'one batch' failed"
    }
    diverged = planted(tmp_path / "diverged", status="diverged")
    assert broken(outcomes(diverged.planned(), diverged.runs)) == {"d": "control 'shuffled labels' failed"}
    for path in good.runs.glob("*one*/metrics.json"):
        path.unlink()
    assert broken(outcomes(good.planned(), good.runs)) == {"d": "control 'one batch' not run"}
