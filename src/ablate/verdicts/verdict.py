"""What is judged, and what comes of it: a claim's parts with the runs behind them, and the finding on all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ablate.papers.claim import Direction
from ablate.verdicts.spread import Sample

Finding = Literal[
    "shown at the claimed size",
    "shown, size open",
    "shown, but smaller",
    "no effect of that size",
    "opposite",
    "open",
    "not testable",
]
SHOWN: tuple[Finding, ...] = ("shown at the claimed size", "shown, size open", "shown, but smaller")
OPEN, NOT_TESTABLE = "open", "not testable"


@dataclass(frozen=True)
class Part:
    """A weighted sum of arms' means, and what is claimed of it; a claim of several holds where all of them do.

    Raises:
        ValueError: For other numbers than finite ones, a negative margin, and `same` or `differs` without
            a positive one.
    """

    name: str  # as a sentence names it
    weights: Mapping[str, float]  # by arm; empty: an arm is not planned
    direction: Direction
    margin: float  # greater, less: the size that counts; same, differs: up to where it is no difference
    unit: str = "points"
    claimed: float = 0.0  # is subtracted from the sum
    images: float = 0.0  # variance that the shared images add, see `images`
    n_images: int = 0
    # With all runs that ended, learnt or not, and diverged ones at chance; None: there is no such number.
    of_all: float | None = None

    def __post_init__(self) -> None:
        if not np.isfinite([*self.weights.values(), self.margin, self.claimed, self.images]).all():
            raise ValueError(f"{self.name}: weights, margin and claimed value must be finite")
        if self.margin < 0 or (self.direction in ("same", "differs") and self.margin == 0):
            raise ValueError(f"{self.name}: margin {self.margin:g} must be {'above' if self.margin == 0 else '>='} 0")


@dataclass(frozen=True)
class Asked:
    """A claim as it is tested."""

    parts: tuple[Part, ...]
    samples: Mapping[str, Sample]  # by arm: runs that count
    measure: str  # which claims share one scale of scatter
    study: str = ""
    headline: bool = False
    barred: tuple[str, ...] = ()  # why it can not be tested

    @property
    def testable(self) -> bool:
        """Whether it has a say in its paper's family."""
        return not self.barred

    @property
    def contrast(self) -> object:
        """The same for claims that ask the same numbers, be it with other margins."""
        return self.study, self.measure, tuple((tuple(sorted(p.weights.items())), p.claimed) for p in self.parts)


@dataclass(frozen=True)
class Verdict:
    """What is known of a claim. Estimate and interval are those of its weakest part, in the part's unit."""

    finding: Finding
    n: int = 0  # seeds of the arm that has the fewest
    estimate: float | None = None
    low: float | None = None  # simultaneous over the claims of the paper, at the look that it was judged at
    high: float | None = None
    p: float | None = None  # that what is claimed is not so, adjusted as the interval is
    p_opposite: float | None = None  # that its opposite is not
    share: float | None = None  # of the paper's probability of an error
    # How many seeds an arm would probably decide it: from, to; no upper end: more than MOST.
    seeds_needed: tuple[int, int | None] | None = None
    chance: float | None = None  # of being decided at the last look; None: decided, or no look is left
    part: str = ""  # the weakest
    failing: bool = False  # it would be decided, were runs that failed left out

    def within(self, low: float, high: float) -> "Verdict":
        """As it is shown: an end of the interval that what is measured cannot reach, at ``low`` or ``high``."""
        below, above = (None if end is None else min(max(end, low), high) for end in (self.low, self.high))
        return replace(self, low=below, high=above)
