"""Whether a finished run has learnt: numbers from its predictions, its curve and a sample of its training images.

They go into metrics.json, as `of_run` says. No word is made of them here: thresholds are the reader's.
"""

import math
from collections import Counter
from collections.abc import Sequence
from statistics import fmean, linear_regression
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ablate.train.batch_norm import batch_statistics, sample
from ablate.train.evaluate import Predictions, Tally, sums_of
from ablate.train.loader import Loader
from ablate.train.trainer import Trainer

SAMPLE = 512  # training images at most: a standard error of at most 2.2 points
LAST = 5  # the slope is that of the last fifth of the epochs


def of_run(trainer: Trainer, tables: dict[str, Predictions]) -> dict[str, Any]:
    """All of them for a run that ended (``done``, ``plateau``), ``tables`` its {split: predictions}.

    The network is left in evaluation mode, its buffers as they were, and no random state is touched.
    """
    found: dict[str, Any] = {}
    for split, table in tables.items():
        found |= against_chance(split, table)
    return found | batch_norm(trainer) | slope([row["train_loss"] for row in trainer.at.history])


def against_chance(split: str, table: Predictions) -> dict[str, Any]:
    """How far a network is from one that does not look at the images, by its predictions of one split.

    ``<split>_correct``: right answers.
    ``<split>_chance``: the share of the commonest label, which always naming that one would get right: 1 / classes
    where all are equally common. Whatever it names, and however often, who does not look gets no more on average.
    ``<split>_chance_p``: the chance of so many right answers or more at that rate, by the exact binomial test. It
    takes images as independent: where a class's images look alike, even a network that was taught shuffled labels
    gets whole classes right or wrong, so small thresholds are in place.
    ``<split>_most_predicted``: the share of the class that is predicted most often; 1 is a constant output.
    """
    n = len(table.label)
    correct = sum(label == predicted for label, predicted in zip(table.label, table.predicted, strict=True))
    chance = _largest(table.label) / n
    return {
        f"{split}_correct": correct,
        f"{split}_chance": chance,
        f"{split}_chance_p": at_least(correct, n, chance),
        f"{split}_most_predicted": _largest(table.predicted) / n,
    }


def _largest(values: list[int]) -> int:
    return max(Counter(values).values())


def at_least(k: int, n: int, rate: float) -> float:
    """P(X >= k) for X binomial of ``n`` and ``rate``.

    That is `scipy.stats.binomtest`, one-sided, whose import would take longer than all else here.
    """
    if k == 0 or rate == 1:
        return 1.0
    whole = math.lgamma(n + 1)
    logs = (
        whole - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(rate) + (n - i) * math.log1p(-rate)
        for i in range(k, n + 1)
    )
    return min(1.0, math.fsum(map(math.exp, logs)))


def batch_norm(trainer: Trainer) -> dict[str, Any]:
    """Whether batch norm's running averages fit the network, on up to `SAMPLE` training images without augmentation.

    ``n_train_sample``: how many, the same for all seeds.
    ``train_running_top1``: accuracy in evaluation mode, as results are measured.
    ``train_batch_top1``: the same, but with the statistics of each batch of ``batch_size`` images, as in training.
    Dropout is off in both, so that the difference is the averages' alone: where this is far above the other, they
    are stale. None where no batch norm keeps averages that training moves.
    """
    model, loader = trainer.evaluated, trainer.loaders["train"]
    rows = sample(len(loader), loader.batch_size, SAMPLE)
    running = _top1(trainer, model.eval(), loader, rows)
    batch = None
    with batch_statistics(model) as norms:
        if norms:
            batch = _top1(trainer, model, loader, rows)
    return {"n_train_sample": len(rows), "train_running_top1": running, "train_batch_top1": batch}


@torch.no_grad()
def _top1(trainer: Trainer, model: nn.Module, loader: Loader, rows: Tensor) -> float:
    """Accuracy of ``model`` on those rows, in the mode that it is in."""
    tally = Tally()
    for _, images, labels in loader.batches(rows):
        with trainer.autocast():
            logits = model(images)
        logits = logits.float()
        tally.add(sums_of(logits, labels, cross_entropy(logits, labels)), len(labels))
    return tally.metrics("train")["train_top1"]


def slope(losses: Sequence[float]) -> dict[str, Any]:
    """The least-squares slope of the training loss over the last fifth of the epochs, two of them at least.

    ``train_loss_slope``: in nats per image and epoch, below 0 where the loss still falls.
    ``train_loss_slope_relative``: the same as a share of the mean loss of those epochs.
    ``slope_epochs``: how many. A run of one epoch has none: both are None. How far the last epoch is behind the
    best one, `best_val_epoch`, `best_val_top1`, `epochs` and `val_top1` say already.
    """
    last = list(losses)[-max(2, math.ceil(len(losses) / LAST)) :]
    n = len(last)
    if n < 2:
        return {"train_loss_slope": None, "train_loss_slope_relative": None, "slope_epochs": n}
    rise, mean = linear_regression(range(n), last).slope, fmean(last)
    return {"train_loss_slope": rise, "train_loss_slope_relative": rise / mean if mean else 0.0, "slope_epochs": n}
