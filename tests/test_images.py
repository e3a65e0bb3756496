"""What shared images add. Oracles: a planted model of crossed seeds and images, and counts by hand."""

from pathlib import Path

import numpy as np
import pytest

from ablate.verdicts.images import Answers, PerImage, correct, from_folders, image_variance, per_image
from fabricated import Fabricated, claim

LABELS = np.array([0, 0, 1, 1, 2])


def of_arm(runs: list[np.ndarray]) -> PerImage:
    found = per_image(runs)
    assert found is not None
    return found


def answers(*predicted: int) -> Answers:
    return Answers(LABELS, np.array(predicted))


def test_the_sums_over_images_are_the_claim_s_number() -> None:
    """Three of five are right; of label 1 both, of label 0 one of two."""
    said = answers(0, 2, 1, 1, 0)
    for asked, value in (
        (claim(kind="order", metric="val_top1", arms=["A", "B"]), 0.6),
        (claim(kind="gap", arm="A", direction="less"), -0.6),
        (
            claim(
                kind="behaviour", behaviour="label-accuracy", arm="A", labels={"x": 1, "y": 0}, direction="greater"
            ),
            0.5,
        ),
    ):
        found = correct(asked, said)
        assert found is not None and found.mean() == pytest.approx(value)
    none = claim(kind="behaviour", behaviour="label-accuracy", arm="A", labels={"x": 1, "y": 9}, direction="greater")
    assert correct(none, said) is None


def test_the_part_of_the_images_is_what_is_planted() -> None:
    """Each image has a chance of being right in each arm. Over many draws the estimate's mean is the
    variance of the true difference over images, divided by their number; seeds are no part of it.
    """
    draw = np.random.default_rng(0)
    found, true, n, images = [], [], 3, 400
    for _ in range(400):
        p, q = draw.uniform(0.2, 1.0, images), draw.uniform(0.0, 0.8, images)
        runs = {"a": [(draw.random(images) < p) * 1.0 for _ in range(n)]}
        runs["b"] = [(draw.random(images) < q) * 1.0 for _ in range(n)]
        found.append(image_variance({"a": 1.0, "b": -1.0}, {arm: of_arm(each) for arm, each in runs.items()}))
        true.append((p - q).var(ddof=1) / images)
    assert np.mean(found) == pytest.approx(np.mean(true), rel=0.03)


def test_an_arm_s_runs_are_told_by_their_variances() -> None:
    """Oracle: numpy's, of arrays of the runs."""
    every = np.random.default_rng(0).normal(size=(4, 30))
    found = of_arm([*every])
    assert found.between == pytest.approx(every.var(axis=0, ddof=1).mean())
    assert found.binomial == pytest.approx(every.var(axis=1).mean() / 30)
    assert (found.runs, of_arm([every[0]]).between) == (4, 0.0)


def test_equal_answers_of_both_arms_add_nothing() -> None:
    values = np.array([1.0, 0.0, 1.0, 1.0])
    same = of_arm([values] * 3)
    assert image_variance({"a": 1.0, "b": -1.0}, {"a": same, "b": same}) == 0.0
    assert image_variance({"a": 1.0}, {"a": same}) == pytest.approx(np.var(values, ddof=1) / 4)
    assert per_image([]) is None and per_image([values, values[:2]]) is None


def test_answers_are_read_once_and_of_the_split_that_there_is(tmp_path: Path) -> None:
    fab = Fabricated(tmp_path)
    rows = "val,0,1,1,0.9\nval,1,1,0,0.9\n"
    both, alone = fab.run("s", {"net": "A"}, 0, predictions=rows + "test,0,2,2,0.9\n"), fab.run(
        "s", {"net": "A"}, 1, predictions=rows
    )  # fmt: skip
    ask = from_folders(fab.runs)
    of_test, of_val = ask(both, "test"), ask(both, "val")
    assert of_test is not None and of_test.label.tolist() == [2]
    assert of_val is not None and of_val.predicted.tolist() == [1, 0]
    fallen_back = ask(alone, "test")
    assert fallen_back is not None and fallen_back.label.tolist() == [1, 1]
    (fab.runs / both / "predictions.csv").unlink()
    assert ask(both, "test") is of_test and ask("nobody", "val") is None
