"""How much the seeds of an arm scatter, judged from few of them: moderated variances and the t of a contrast.

An arm's variance s2 over n seeds is shrunk towards what is usual in its paper, as in Smyth (2004, section 3,
https://doi.org/10.2202/1544-6115.1027): (d0 * s0 + d * s2) / (d0 + d) with d = n - 1, on d0 + d degrees of freedom.
Here d0 is fixed, since a paper has too few arms to estimate it. A mean of few seeds is at risk where an arm scatters
more than the others, so the larger of the two, own and moderated, is taken.

What is usual is told as a multiple of each arm's own floor: the binomial variance of one run's accuracy on its
images, or the square of half the claim's margin where the number is no accuracy. So arms on 500 images and on 10,000
can stand in one paper. The multiple is the mean over the paper's arms that must learn, and never below one. An arm of
which a claim says that it fails, in some seeds and not in others, tells nothing of how the rest scatter, nor they of
it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

PRIOR = 3.0  # degrees of freedom that what is usual counts for
LEAST = 3  # seeds that an arm must have


@dataclass(frozen=True)
class Sample:
    """The numbers of one arm's runs that count."""

    values: tuple[float, ...]  # in the unit of the comparison
    floor: float  # in its square
    learnt: bool = True  # all of its runs have, so that its scatter is told by, and tells, that of other such arms

    @property
    def n(self) -> int:
        """Seeds."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Over seeds."""
        return math.fsum(self.values) / self.n

    @property
    def variance(self) -> float:
        """Over seeds, unbiased; of two or more."""
        mean = self.mean
        return math.fsum((v - mean) ** 2 for v in self.values) / (self.n - 1)


def usual(samples: Iterable[Sample]) -> float:
    """By how much arms scatter beyond their floors: the mean of their ratios, at least 1."""
    ratios = [s.variance / s.floor for s in samples if s.learnt and s.n > 1 and s.floor > 0]
    return max(1.0, math.fsum(ratios) / len(ratios)) if ratios else 1.0


def moderated(sample: Sample, multiple: float) -> tuple[float, float]:
    """An arm's variance over seeds, and its degrees of freedom; ``multiple`` of `usual`."""
    d = sample.n - 1
    multiple = multiple if sample.learnt else 1.0
    shrunk = (PRIOR * multiple * sample.floor + d * sample.variance) / (PRIOR + d)
    return max(shrunk, sample.variance), PRIOR + d


class Estimate(NamedTuple):
    """Of a contrast: its mean, what it errs by, and the degrees of freedom of that."""

    mean: float
    se: float
    freedom: float  # Satterthwaite (1946)

    def ends(self, level: float) -> tuple[float, float]:
        """The two-sided interval that misses with probability ``level``, Student's t."""
        from scipy.special import stdtrit

        half = -float(stdtrit(self.freedom, level / 2)) * self.se
        return self.mean - half, self.mean + half

    def above(self, bound: float) -> float:
        """Twice the one-sided p of a mean at or below ``bound``, at most 1."""
        from scipy.special import stdtr

        if self.se == 0:
            return 1.0
        return min(1.0, 2 * float(stdtr(self.freedom, -(self.mean - bound) / self.se)))


def estimate(
    weights: Mapping[str, float], samples: Mapping[str, Sample], multiple: float, images: float, n_images: int
) -> Estimate:
    """The contrast of unpaired arms.

    Args:
        weights: by arm.
        samples: by arm, of two seeds or more.
        multiple: of `usual`.
        images: the variance that shared images add (`image_variance`), in the square of the unit.
        n_images: how many these are; 0 where they add nothing.
    """
    parts = [(images, float(n_images - 1))] if images else []
    for arm, weight in weights.items():
        variance, freedom = moderated(samples[arm], multiple)
        parts.append((weight**2 * variance / samples[arm].n, freedom))
    total = math.fsum(v for v, _ in parts)
    mean = math.fsum(weight * samples[arm].mean for arm, weight in weights.items())
    freedom = total**2 / math.fsum(v**2 / f for v, f in parts) if total else 1.0
    return Estimate(mean, math.sqrt(total), freedom)
