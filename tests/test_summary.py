"""What `dvc metrics` gets of an arm. Oracle: scipy's t interval of the mean, to one decimal as in tables."""

import pandas as pd
import pytest
from scipy import stats

from ablate.results.summary import arm_summary


@pytest.mark.parametrize("tops", [(0.5, 0.6, 0.62), (0.5, 0.51), (0.25,), ()])
def test_an_arm_has_its_mean_with_n_and_interval_of_the_runs_that_ended(tops: tuple[float, ...]) -> None:
    rows = [{"run": f"r_s{i}", "status": "done", "val_top1": top} for i, top in enumerate(tops)]
    lost = [{"run": "r_s8", "status": "diverged", "val_top1": 0.9}, {"run": "r_s9", "status": "missing"}]
    found = arm_summary(pd.DataFrame([*rows, *lost]))
    assert found["n"] == len(tops)
    if not tops:
        assert found["val"] is None
    else:
        assert found["val"] == pytest.approx(round(100 * sum(tops) / len(tops), 1))
    if len(tops) < 3:
        assert found["pm"] is None
    else:
        values = [100 * top for top in tops]
        low, high = stats.t.interval(0.95, len(values) - 1, loc=sum(values) / len(values), scale=stats.sem(values))
        assert found["pm"] == pytest.approx(round((high - low) / 2, 1))
