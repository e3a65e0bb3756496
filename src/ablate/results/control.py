"""What a control must show: at most what chance gives on shuffled labels, and one batch learnt by heart.

Images of a class look alike and are mistaken together, so a binomial test over images would be too strict. Under
shuffled labels every naming of the predicted classes is as likely as any other: an exact permutation test.
"""

from typing import Any

import numpy as np
import pandas as pd

RENAMINGS = 9999
LEVEL = 0.001  # of the test on shuffled labels: a dozen runs then fail by chance in one study of a hundred
LEARNT = 0.99  # share of the batch's images; accuracy is measured in passing, while the weights still move
Labels = pd.Series  # of whole numbers, 0 to the number of classes less 1


def renaming_p(label: "Labels[int]", predicted: "Labels[int]", classes: int) -> float:
    """How often a random renaming of the predicted classes is right at least as often as the predictions are.

    Args:
        label: What each image is.
        predicted: What the network takes it for, in the same order.
        classes: How many there are.
    """
    right = _renamed(label, predicted, classes)
    return float((1 + (right >= (label.to_numpy() == predicted.to_numpy()).sum()).sum()) / (1 + RENAMINGS))


def chance_range(label: "Labels[int]", predicted: "Labels[int]", classes: int) -> tuple[float, float]:
    """The lowest share of right answers that a random renaming gives, and the highest by which a run still passes.

    Arguments are as of `renaming_p`: a run passes whose p is above `LEVEL`.
    """
    right = np.sort(_renamed(label, predicted, classes))
    fail = int(LEVEL * (1 + RENAMINGS))  # so many renamings, the run itself among them, are too few
    return float(right[0] / len(label)), float(right[-fail] / len(label))


def _renamed(label: "Labels[int]", predicted: "Labels[int]", classes: int) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """How many answers are right under each random renaming of the predicted classes."""
    confusion = np.zeros((classes, classes))
    np.add.at(confusion, (label.to_numpy(), predicted.to_numpy()), 1)
    names = np.random.default_rng(0).permuted(np.tile(np.arange(classes), (RENAMINGS, 1)), axis=1)
    found: np.ndarray[Any, np.dtype[np.float64]] = confusion[np.arange(classes), names].sum(1)
    return found
