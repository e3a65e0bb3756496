"""What the evaluated images add to the error of a comparison: all seeds share them, so more seeds do not reduce it.

Seeds and images are crossed random factors: each run answers each image. The variance of a mean over n seeds and N
images is then s2/n + i2/N + r2/(nN), for seeds, images, and what is left, and what runs scatter by holds s2 + r2/N
already (Searle, Casella and McCulloch 1992, chapter 4). Here is the rest, i2/N.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ablate.csv_text import read_csv
from ablate.papers.claim import Claim
from ablate.seals import of_run

Array = NDArray[np.float64]
SPLIT = {
    "val_top1": "val",
    "best_val_top1": "val",
    "gap": "val",
    "test_top1": "test",
}  # measure: images that it is of


class Answers(NamedTuple):
    """What a run said of the images of one split, in their order."""

    label: NDArray[np.int64]  # (N,)
    predicted: NDArray[np.int64]  # (N,)


Ask = Callable[[str, str], Answers | None]  # (run, split): its answers; None where it left none


def from_folders(runs: Path) -> Ask:
    """Reads predictions.csv of the runs' folders, each once; of ``test``, val where test images have no labels."""
    found: dict[str, dict[str, Answers]] = {}

    def ask(run: str, split: str) -> Answers | None:
        if run not in found:
            file = runs / run / "predictions.csv"
            table = read_csv(of_run(file.parent, file.name), ["split"]) if file.exists() else None
            found[run] = {} if table is None else {
                str(name): Answers(*(part[c].to_numpy(np.int64) for c in ("label", "predicted")))
                for name, part in table.groupby("split")
            }  # fmt: skip
        return found[run].get(split) or found[run].get("val")

    return ask


def correct(claim: Claim, answers: Answers) -> Array | None:
    """(N,): what each image adds to the claim's number of a run, their mean; None where a class has no image.

    Of a gap it is the part of validation, negative; training images are those that the arms share by design.
    """
    right = (answers.label == answers.predicted).astype(np.float64)
    if claim.behaviour == "label-accuracy":
        one, other = (answers.label == label for label in claim.labels.values())
        if not one.any() or not other.any():
            return None
        return np.asarray(len(right) * (right * one / one.sum() - right * other / other.sum()))
    return np.asarray(-right if _measure(claim) == "gap" else right)


def sums_over_images(claim: Claim) -> bool:
    """Whether the claim's number of a run is a mean over images whose answers a run leaves."""
    return claim.behaviour == "label-accuracy" or _measure(claim) in SPLIT


def _measure(claim: Claim) -> str:
    return "" if claim.own else "gap" if claim.kind == "gap" else str(claim.metric)


def split_of(claim: Claim) -> str:
    """The images that it is measured on."""
    return SPLIT.get(_measure(claim), "test")


class PerImage(NamedTuple):
    """What an arm's runs add up to, image by image."""

    runs: int
    mean: Array  # (N,)
    between: float  # variance of the runs' answers to one image, mean over images; 0 of one run
    binomial: float  # variance over the images of one run's mean, mean over runs


def per_image(runs: Sequence[Array]) -> PerImage | None:
    """Of one arm's runs, (N,) each; None where there are none, or not of equally many images."""
    if not runs or len({len(run) for run in runs}) > 1:
        return None
    every = np.stack(runs)
    n, images = every.shape
    mean, squares = every.mean(0), np.einsum("ij,ij", every, every)
    between = max(0.0, squares - n * np.vdot(mean, mean)) / ((n - 1) * images) if n > 1 else 0.0
    own = every.mean(1)
    return PerImage(n, mean, float(between), float(squares / (n * images) - np.vdot(own, own) / n) / images)


def image_variance(weights: Mapping[str, float], of_arms: Mapping[str, PerImage]) -> float:
    """i2/N of the contrast, in squares of the metric's unit; all arms are on the same N images.

    It is the variance over images of the contrast of means, less what runs of one arm differ by on the same image,
    which their own scatter has already. An arm of one run gives no such difference, and nothing is taken off for it.
    """
    mean = sum(weight * of_arms[arm].mean for arm, weight in weights.items())
    images = np.size(mean)
    if images < 2:
        return 0.0
    within = math.fsum(weight**2 * of_arms[arm].between / of_arms[arm].runs for arm, weight in weights.items())
    return float(max(0.0, float(np.var(mean, ddof=1)) - within) / images)
