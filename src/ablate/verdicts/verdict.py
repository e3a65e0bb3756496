"""What is judged, and what comes of it: a claim's parts with a value per seed, and the verdict on all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ablate.verdicts.seed_tests import Array, Direction

Word = Literal["reproduced", "contradicted", "undecided", "not run"]


@dataclass(frozen=True)
class Part:
    """A statistic with a value per seed, and what is claimed of its mean.

    A claim of several parts holds where all of them do.

    Raises:
        ValueError: For other numbers than finite ones, a negative margin, and `same` or `differs` without
            a positive one.
    """

    name: str  # as a sentence names it
    by_seed: Mapping[int, float]
    direction: Direction
    margin: float  # greater, less: the size that the claim gives the effect; same, differs: up to where it is none
    unit: str = "points"
    claimed: float = 0.0  # what was subtracted from each value

    @property
    def n(self) -> int:
        """Seeds that count."""
        return len(self.by_seed)

    def __post_init__(self) -> None:
        if not np.isfinite([*self.by_seed.values(), self.margin]).all():
            raise ValueError(f"{self.name}: values and margin must be finite; leave out seeds without a value")
        if self.margin < 0 or (self.direction in ("same", "differs") and self.margin == 0):
            raise ValueError(f"{self.name}: margin {self.margin:g} must be {'above' if self.margin == 0 else '>='} 0")

    @property
    def values(self) -> Array:
        """By rising seed."""
        return np.array([self.by_seed[seed] for seed in sorted(self.by_seed)], dtype=np.float64)


@dataclass(frozen=True)
class Verdict:
    """What is known of a claim. Estimate and interval are those of the part named, in its unit."""

    verdict: Word
    n: int  # seeds of the part
    estimate: float | None = None
    low: float | None = None  # 95 %, Student's t, of this part alone and of this look alone
    high: float | None = None
    test: str = ""
    # Holm-adjusted, to be compared with `judge.alpha_at`: twice the one-sided p of sign flips.
    p_for: float | None = None
    p_against: float | None = None
    seeds_needed: int | None = None  # in all; None: decided, or not to be had, or not to be told from one seed
    chance: float | None = None  # of being decided at the last look; None: decided, or no look is left
    part: str = ""  # the one that decides: against its claim, or the weakest
    varies_over: str = field(default="seeds", init=False)
    sentence: str = "No seed of this claim has been run."
