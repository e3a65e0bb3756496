"""What two arms, runs or commits differ in: settings, and metrics with n and an interval."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ablate.results.stats import half_width, mean

SHOWN = ("val_top1", "test_top1", "train_top1")  # in percent
Values = dict[str, dict[int, float]]  # metric: {seed: percent}


@dataclass(frozen=True)
class Metric:
    """One metric of both sides in percent: means with the half widths of their 95 % intervals, and the difference.

    The difference is of the second less the first within each seed that both have, so that what seeds share cancels:
    Student's t over those ``n``.
    """

    name: str
    n_first: int
    first: float | None
    first_pm: float | None
    n_second: int
    second: float | None
    second_pm: float | None
    n: int
    difference: float | None
    pm: float | None


def compare_metrics(first: Values, second: Values) -> list[Metric]:
    """Those of `SHOWN` that a side has."""
    found = []
    for name in SHOWN:
        a, b = first.get(name, {}), second.get(name, {})
        if a or b:
            change = [b[seed] - a[seed] for seed in a if seed in b]
            found.append(Metric(name, *_summary(a.values()), *_summary(b.values()), *_summary(change)))
    return found


def _summary(values: Collection[float]) -> tuple[int, float | None, float | None]:
    return len(values), mean(values), half_width(values)


def values_of_runs(runs: Iterable[tuple[int, Mapping[str, Any]]]) -> Values:
    """From (seed, metrics) of runs that ended."""
    found: Values = {}
    for seed, metrics in runs:
        for name in SHOWN:
            if metrics.get(name) not in (None, ""):
                found.setdefault(name, {})[seed] = 100 * float(metrics[name])
    return found


def compare_settings(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """{setting: (first, second)} of those that differ; None where a side has none."""
    keys = dict.fromkeys([*first, *second])
    return {key: (a, b) for key in keys if (a := first.get(key)) != (b := second.get(key))}
