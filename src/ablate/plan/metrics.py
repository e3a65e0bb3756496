"""What a trainer measures of a run: a record of each metric, which tables, figures and claims ask for what they show.

The built-in trainer declares its own here, an own trainer (`trainers.py`) in params.yaml. The first that a trainer
declares is its main one. Imports no torch and no pandas.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ablate.records import Record

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Metric(Record):
    """One number of a run."""

    better: Literal["higher", "lower"]
    words: str | None = None  # in text; null: its name
    unit: str = ""  # of what is shown
    percent: bool = False  # a share of 1, shown as so many percent; differences are points
    decimals: Annotated[int, Field(ge=0, le=10)] | None = None  # of what is shown; null: 1 of percent, else 3
    range: tuple[Finite, Finite] | None = None  # the lowest and the highest value that there can be
    of: str | None = (
        None  # the metric that says over how many images or cases it is a share: its variance is binomial
    )
    column: str | None = None  # its name in results that are imported; null: its own
    pattern: str | None = None  # of a line on standard output, with the number as its group: the last one counts

    @model_validator(mode="after")
    def _possible(self) -> "Metric":
        if self.range and self.range[0] >= self.range[1]:
            raise ValueError(f"range: must be [lowest, highest] (got {list(self.range)})")
        return self

    @field_validator("pattern")
    @classmethod
    def _one_group(cls, pattern: str | None) -> str | None:
        try:
            groups = None if pattern is None else re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"pattern: is no regular expression ({error})") from None
        if groups not in (None, 1):
            raise ValueError(f"pattern: must have one group, the number, as 'F1 = (\\S+)' has (got {pattern!r})")
        return pattern

    @property
    def factor(self) -> float:
        """From what runs say to what is shown."""
        return 100.0 if self.percent else 1.0

    @property
    def places(self) -> int:
        """Decimals of what is shown."""
        return self.decimals if self.decimals is not None else 1 if self.percent else 3

    @property
    def shown_unit(self) -> str:
        """The unit behind a number; nothing where there is none."""
        return self.unit or ("%" if self.percent else "")

    @property
    def of_differences(self) -> str:
        """The unit of differences: the metric's own, or points of a percentage; nothing where it has none."""
        return self.unit or ("points" if self.percent else "")

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest value of what is shown."""
        low, high = self.range or (-math.inf, math.inf)
        return self.factor * low, self.factor * high


Metrics = Mapping[str, Metric]  # by name, the main one first


def _share(words: str, of: str) -> Metric:
    return Metric(better="higher", words=words, percent=True, range=(0, 1), of=of)


def _loss(words: str) -> Metric:
    return Metric(better="lower", words=words, unit="nats")


# Of the built-in trainer, in metrics.json of a run. ``best_val_top1`` is what its arms are chosen by, never by test.
BUILT_IN: Metrics = {
    "val_top1": _share("validation accuracy", "n_val"),
    "test_top1": _share("test accuracy", "n_test"),
    "train_top1": _share("training accuracy", "n_train"),
    "best_val_top1": _share("best validation accuracy", "n_val"),
    "train_loss": _loss("training loss"),
    "val_loss": _loss("validation loss"),
    "test_loss": _loss("test loss"),
}


def main_of(metrics: Metrics) -> str:
    """The name of the main one."""
    return next(iter(metrics))


def chosen_by(metrics: Metrics) -> str:
    """The metric by which the best arm is chosen."""
    return "best_val_top1" if metrics == BUILT_IN else main_of(metrics)


def together(every: Iterable[Metrics]) -> Metrics:
    """Those of several trainers, the first one's before the others'; the built-in one's of none."""
    found: dict[str, Metric] = {}
    for metrics in every:
        found |= {name: metric for name, metric in metrics.items() if name not in found}
    return found or BUILT_IN


def column(name: str, metric: Metric) -> str:
    """The head of a table's column of it: f1, rmse (K), top5 %."""
    if metric.percent and not metric.unit:
        return f"{name} %"
    return f"{name} ({metric.unit})" if metric.unit else name
