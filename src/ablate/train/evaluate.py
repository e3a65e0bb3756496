"""Accuracy, loss and predictions of a network on one split: sums over images, divided once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ablate.train.transfer import moved

if TYPE_CHECKING:
    from jaxtyping import Float, Float64, Int


class Tally:
    """Sums over images, so that a last batch of another size counts by its images.

    They stay on the device until they are asked for: a training step must not wait for them.
    """

    def __init__(self, correct: float = 0, loss: float = 0.0, n: int = 0) -> None:
        self._sums = torch.tensor([correct, loss], dtype=torch.float64)
        self.n = n

    def add(self, sums: Float[Tensor, " 2"], n: int) -> None:
        """``sums`` as `sums_of` gives them, of ``n`` images."""
        self._sums = moved(self._sums, sums.device) + sums
        self.n += n

    def plain(self) -> tuple[float, float, int]:
        """What makes an equal one: right answers, summed loss, images."""
        correct, loss = self._sums.tolist()
        return correct, loss, self.n

    def metrics(self, split: str) -> dict[str, float | int]:
        """``<split>_top1`` in [0, 1], ``<split>_loss`` in nats per image, ``n_<split>`` images."""
        correct, loss, n = self.plain()
        return {f"{split}_top1": correct / n, f"{split}_loss": loss / n, f"n_{split}": n}


def sums_of(
    logits: Float[Tensor, "n classes"], labels: Int[Tensor, " n"], loss: Float[Tensor, ""]
) -> Float64[Tensor, " 2"]:
    """Right answers and summed loss, where ``loss`` is the mean over images."""
    correct = (logits.argmax(1) == labels).sum()
    return torch.stack([correct.double(), loss.double() * len(labels)])


@dataclass
class Predictions:
    """One row per evaluated image."""

    position: list[int] = field(default_factory=list)  # row of the pack
    label: list[int] = field(default_factory=list)
    predicted: list[int] = field(default_factory=list)
    probability: list[float] = field(default_factory=list)  # of the predicted class


@torch.no_grad()
def evaluate(
    model: nn.Module,
    batches: Iterable[tuple[Int[Tensor, " n"], Float[Tensor, "n 3 s s"], Int[Tensor, " n"]]],
    autocast: Callable[[], Any],
) -> tuple[Tally, Predictions]:
    """Run ``model`` in eval mode over ``batches`` of positions, images and labels.

    ``autocast`` makes the context of each forward pass.
    """
    model.eval()
    tally = Tally()
    columns: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for positions, images, labels in batches:
        with autocast():
            logits = model(images)
        logits = logits.float()
        tally.add(sums_of(logits, labels, cross_entropy(logits, labels)), len(labels))
        probability, predicted = logits.softmax(1).max(1)
        columns.append((positions, labels, predicted, probability))
    # Fetched at the end: a batch must not wait for the one before.
    return tally, Predictions(*(torch.cat(column).tolist() for column in zip(*columns, strict=True)))
