"""Two trained models on the same images: whether they differ, as these two models and not as recipes."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ablate.verdict_text import number, p_text

RESAMPLES = 2000  # the ends of the interval then lie within a few hundredths of its width of where they settle
SEED = 0


@dataclass(frozen=True)
class ModelComparison:
    """Accuracy of model a less that of model b on the same images, in points (percent of images)."""

    n: int  # images
    only_a: int  # right by a alone
    only_b: int
    estimate: float
    low: float  # 95 %, percentile bootstrap over images
    high: float
    p: float  # two-sided
    test: str = field(default="exact McNemar test over images", init=False)
    varies_over: str = field(default="images", init=False)

    @property
    def sentence(self) -> str:
        """What was found, and of what it is a statement."""
        ends = " to ".join(number(end, sign=True) for end in (self.low, self.high))
        return (
            f"The first model's accuracy less the second's is {number(self.estimate, 'points', sign=True)} on "
            f"{self.n} images (95 % interval over images {ends}; {self.only_a} right by the first alone, "
            f"{self.only_b} by the second alone; {p_text(self.p)}, {self.test}). This is a statement about these two "
            "trained models, not about the recipes that made them: another seed of either would give another model."
        )


def compare_models(correct_a: NDArray[np.bool_], correct_b: NDArray[np.bool_]) -> ModelComparison:
    """From whether each image, in the same order, was classified rightly: (N,) bool each.

    The p is the binomial one of the images on which the models disagree (McNemar 1947, exact). Raises ValueError for
    no images, another type than bool, or lengths that differ.
    """
    from scipy import stats
    from statsmodels.stats.contingency_tables import mcnemar

    a, b = np.asarray(correct_a), np.asarray(correct_b)
    if a.dtype != bool or b.dtype != bool or a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"need two bool arrays of one length, not {a.dtype} {a.shape} and {b.dtype} {b.shape}")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    table = [[int((a & b).sum()), only_a], [only_b, int((~a & ~b).sum())]]

    def points(x: Any, y: Any, axis: int = -1) -> Any:
        return 100 * (np.mean(x, axis=axis) - np.mean(y, axis=axis))

    ends = stats.bootstrap(
        (a, b), points, paired=True, vectorized=True, n_resamples=RESAMPLES, batch=100, method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval  # fmt: skip
    p = float(mcnemar(table, exact=True).pvalue) if only_a + only_b else 1.0
    return ModelComparison(len(a), only_a, only_b, float(points(a, b)), float(ends.low), float(ends.high), p)
