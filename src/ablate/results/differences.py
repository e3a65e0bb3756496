"""What two arms, runs or commits differ in: settings, and metrics with n and an interval."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ablate.plan.metrics import BUILT_IN, Metrics
from ablate.results.stats import half_width, mean

SHOWN: Metrics = {name: BUILT_IN[name] for name in ("val_top1", "test_top1", "train_top1")}
Values = dict[str, dict[int, float]]  # metric: {seed: its value as shown}


@dataclass(frozen=True)
class Metric:
    """One metric of both sides, as shown: means with the half widths of their 95 % intervals, and the difference.

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
    """Those that a side has, the first one's order kept."""
    found = []
    for name in dict.fromkeys([*first, *second]):
        a, b = first.get(name, {}), second.get(name, {})
        if a or b:
            change = [b[seed] - a[seed] for seed in a if seed in b]
            found.append(Metric(name, *_summary(a.values()), *_summary(b.values()), *_summary(change)))
    return found


def _summary(values: Collection[float]) -> tuple[int, float | None, float | None]:
    return len(values), mean(values), half_width(values)


def values_of_runs(runs: Iterable[tuple[int, Mapping[str, Any]]], shown: Metrics = SHOWN) -> Values:
    """From (seed, metrics) of runs that ended, of each metric of ``shown`` that they have, in its order."""
    found: Values = {name: {} for name in shown}
    for seed, metrics in runs:
        for name, metric in shown.items():
            if metrics.get(name) not in (None, ""):
                found[name][seed] = metric.factor * float(metrics[name])
    return {name: values for name, values in found.items() if values}


def compare_settings(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """{setting: (first, second)} of those that differ; None where a side has none."""
    keys = dict.fromkeys([*first, *second])
    return {key: (a, b) for key in keys if (a := first.get(key)) != (b := second.get(key))}
