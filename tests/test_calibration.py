"""The calibration of verdicts: rates of false verdicts, power, and the figure."""

import json
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from ablate.verdicts import calibration


def test_the_spread_is_pooled_over_arms(tmp_path: Path) -> None:
    assert calibration.pooled_sd([]) == calibration.UNKNOWN_SD
    (tmp_path / "p").mkdir()
    rows = [("a", 0.50), ("a", 0.52), ("b", 0.30), ("b", 0.30), ("c", 0.9)]
    table = pd.DataFrame([{"study": "s", "arm": a, "val_top1": v, "status": "done"} for a, v in rows])
    table.to_csv(tmp_path / "p/runs.csv")
    assert calibration.pooled_sd(tmp_path.glob("*/runs.csv")) == pytest.approx(
        1.0
    )  # variances of 2 and 0, one degree of freedom each


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
    from ablate.verdicts.calibration_figure import write_calibration

    folder = tmp_path / "out"
    write_calibration(simulated, folder)
    assert {p.suffix for p in folder.iterdir()} == {".csv", ".svg", ".png"}
    assert len(pd.read_csv(folder / "calibration.csv")) == len(simulated)
