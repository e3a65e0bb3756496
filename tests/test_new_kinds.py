"""Figures that compare: printed numbers, grids, answers, cost. Oracle: the numbers that runs were made to have."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ablate.figures.confusion import shares
from ablate.figures.registry import draw
from ablate.papers.paper import Reported
from drawn import GRID, RATES, fabricate, study, texts
from fabricated import paper, reported

pytestmark = pytest.mark.usefixtures("no_figures_left")


def entry(arm: str, metric: str, value: float) -> Reported:
    name = f"{arm}-{metric}".lower().replace(" ", "-").replace("_", "-")
    return reported(id=name, study="s", arm=arm, metric=metric, value=value)


def test_printed_numbers_stand_beside_ours(tmp_path: Path, packs: dict[str, Path]) -> None:
    """Seeds of the first arm have 20 and 22 % on val and 10 points more in training."""
    made = fabricate(study({"net": ["Net 1", "Net 2"]}), tmp_path, packs, lost={"Net 2": "diverged"})
    record = paper(
        entry("Net 1", "val_top1", 0.4), entry("Net 1", "train_top1", 0.5), entry("Net 2", "val_top1", 0.3)
    )
    drawn = draw(replace(made.results, record=record), "printed", made.places)
    training, validation = drawn.figure.axes
    assert [training.get_xlabel(), validation.get_xlabel()] == ["training accuracy (%)", "validation accuracy (%)"]
    assert _marks(training, "D") == [(50.0, 0)] and _marks(training, "o") == [(31.0, 0)]
    assert _marks(validation, "D") == [(40.0, 0), (30.0, 1)] and _marks(validation, "o") == [(21.0, 0)]
    assert "Of 1 there is no run that ended." in drawn.what
    assert "prints no number" in draw(made.results, "printed", made.places).what


def _marks(axis: object, marker: str) -> list[tuple[float, float]]:
    lines = [line for line in axis.lines if line.get_marker() == marker]  # type: ignore[attr-defined]
    return [(round(float(line.get_xdata()[0]), 6), line.get_ydata()[0]) for line in lines]


def test_a_grid_has_ours_printed_and_the_difference(tmp_path: Path, packs: dict[str, Path]) -> None:
    """Arms rise by 5 points each from 21 % on; levels stand by their size, not in the order of the study."""
    made = fabricate(study(GRID, RATES), tmp_path, packs)
    results = replace(made.results, reported={"0.005 / 0.9 / 0.1": {"val_top1": 0.5}})
    ours, theirs, less = (
        np.ma.filled(axis.images[0].get_array(), np.nan) for axis in draw(results, "heat", made.places).figure.axes
    )
    assert ours == pytest.approx(np.arange(21, 81, 5).reshape(3, 4)[[2, 0, 1], ::-1])
    assert theirs[2, 3] == 50 and np.isnan(theirs).sum() == 11
    assert less[2, 3] == pytest.approx(-9) and np.isnan(less).sum() == 11
    assert {"41.0", "50.0", "−9.0"} <= set(texts(draw(results, "heat", made.places).figure))
    assert len(made.draw("heat").axes) == 1  # nothing is printed


def test_confusion_is_of_each_class_and_shows_collapse(tmp_path: Path, packs: dict[str, Path]) -> None:
    """By hand: of two images of class 0 one gets 1; class 1 always gets 1; class 2 has no image."""
    table = pd.DataFrame({"label": [0, 0, 1], "predicted": [0, 1, 1]})
    found = shares([table, table], 3)
    assert found[:2].tolist() == [[0.5, 0.5, 0], [0, 1, 0]] and np.isnan(found[2]).all()
    made = fabricate(study({"net": ["Net 1", "Net 2"]}), tmp_path, packs, lost={"Net 2": "diverged"})
    figure = made.draw("confusion")
    assert "diverged" in texts(figure) and np.trace(np.nan_to_num(figure.axes[0].images[0].get_array())) >= 1


def test_cost_is_of_the_network_as_it_ran(tmp_path: Path, packs: dict[str, Path]) -> None:
    """Oracle: 5,871,434 parameters of alexnet10 with ten classes, summed by hand in the paper's tests; 60 s a run."""
    made = fabricate(study({"net": ["Net 1"]}), tmp_path, packs)
    adds, parameters, seconds = made.draw("cost").axes
    at = [axis.containers[0].lines[0].get_xdata()[0] for axis in (adds, parameters, seconds)]
    assert at[1:] == [5_871_434, 60.0] and at[0] > 1e7
    assert parameters.containers[0].lines[0].get_ydata()[0] == pytest.approx(21)
