"""Means over runs with their intervals, and what must be said of runs that are not averaged."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from ablate.plan.runs import ENDED

PM = " ±"  # ends the name of a column that holds the half width of the interval of the column of that name
FEWEST = 3  # values of an interval: of two, it is some nine times as wide as they lie apart
SEEDS = " by seed"  # ends that of a column that holds the values of too few seeds for an interval
DECIMALS = 1  # of percent and points: of 500 images one is 0.2 points
Bounds = tuple[float, float]  # the lowest and the highest value of a quantity, as shown
PERCENT, POINTS = (0.0, 100.0), (-100.0, 100.0)
Sources = dict[str, float | None]  # run: the value that it gave


def ended(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs that are averaged."""
    return runs[runs["status"].isin(ENDED)]


def remarks(runs: pd.DataFrame, contaminated: bool = False) -> str:
    """What must be said of the runs that are not averaged: 1 of 3 missing; 1 of 3 diverged."""
    counts = runs.loc[~runs["status"].isin(ENDED), "status"].value_counts()
    said = [f"{count} of {len(runs)} {status}" for status, count in counts.items()]
    return "; ".join([*said, *(["contaminated"] if contaminated else [])])


def mean(values: Iterable[float]) -> float | None:
    """None of nothing."""
    values = list(values)
    return sum(values) / len(values) if values else None


def half_width(values: Iterable[float]) -> float | None:
    """Of the 95 % interval of the mean: Student's t with n - 1 degrees of freedom; None for fewer than `FEWEST`."""
    values = list(values)
    return None if len(values) < FEWEST else _t(len(values)) * deviation(values) / math.sqrt(len(values))


def one_more(values: Iterable[float], least: float = 0.0) -> float | None:
    """Half width of the 95 % interval around the mean for one more value of the same kind: t s sqrt(1 + 1/n).

    s is at least ``least``. None for fewer than `FEWEST` values.
    """
    values = list(values)
    if len(values) < FEWEST:
        return None
    return _t(len(values)) * max(deviation(values), least) * math.sqrt(1 + 1 / len(values))


def ends(middle: float, half: float, bounds: Bounds) -> Bounds:
    """Of an interval as it is shown: what lies beyond the bounds of a quantity, Student's t does not know of."""
    return max(middle - half, bounds[0]), min(middle + half, bounds[1])


def deviation(values: Sequence[float]) -> float:
    """The standard deviation of two values or more, as a sample's."""
    return math.sqrt(sum((v - sum(values) / len(values)) ** 2 for v in values) / (len(values) - 1))


def _t(n: int) -> float:
    from scipy.special import stdtrit  # what scipy.stats calls, and a fifth of the time to import

    return float(stdtrit(n - 1, 0.975))


def measured(
    name: str, runs: Mapping[str, float], decimals: int = DECIMALS
) -> tuple[dict[str, Any], dict[str, Sources]]:
    """The cells ``name`` and its half width, and their sources, from {run: value}; each to ``decimals``.

    In place of the half width, the values themselves where there are too few for one.
    """
    pair = mean(runs.values()), half_width(runs.values())
    names = (name, name + PM)
    cells: dict[str, Any] = {key: rounded(v, decimals) for key, v in zip(names, pair, strict=True)}
    if 1 < len(runs) < FEWEST:
        cells[name + SEEDS] = ", ".join(f"{rounded(v, decimals)}" for v in runs.values())
    return cells, {key: dict(runs) for key in cells}


def rounded(value: float | None, decimals: int = DECIMALS) -> float | None:
    """Percent, points and minutes as any table shows them, or to other decimals; no zero has a sign."""
    return None if value is None else round(value, decimals) + 0.0


def values_of(runs: pd.DataFrame, metric: str, factor: float = 1.0, decimals: int = DECIMALS) -> dict[str, float]:
    """{run: value} of those that have it, of which ``decimals`` will be shown."""
    chosen = runs[runs[metric].notna()]
    return {
        str(run): round(factor * float(v), 5 + decimals) for run, v in zip(chosen["run"], chosen[metric], strict=True)
    }
