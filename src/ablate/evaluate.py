"""Accuracy, loss and predictions of a network on one split: sums over images, divided once."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


@dataclass
class Tally:
    """Sums over images, so that a last batch of another size counts by its images."""

    correct: int = 0
    loss: float = 0.0
    n: int = 0

    def add(self, logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        """``logits`` (B, C), ``labels`` (B,), ``loss`` their mean cross-entropy."""
        self.correct += int((logits.argmax(1) == labels).sum())
        self.loss += float(loss) * len(labels)
        self.n += len(labels)

    def metrics(self, split: str) -> dict[str, float | int]:
        """``<split>_top1`` in [0, 1], ``<split>_loss`` in nats per image, ``n_<split>`` images."""
        return {
            f"{split}_top1": self.correct / self.n,
            f"{split}_loss": self.loss / self.n,
            f"n_{split}": self.n,
        }


@dataclass
class Predictions:
    """One row per evaluated image."""

    position: list[int] = field(default_factory=list)  # row of the pack
    label: list[int] = field(default_factory=list)
    predicted: list[int] = field(default_factory=list)
    probability: list[float] = field(default_factory=list)  # of the predicted class


@torch.no_grad()
def evaluate(
    model: nn.Module, batches: Iterable[tuple[Tensor, Tensor, Tensor]], precision: torch.dtype | None
) -> tuple[Tally, Predictions]:
    """Run ``model`` in eval mode over ``batches`` of (positions (B,), images (B, 3, S, S), labels (B,))."""
    model.eval()
    tally, predictions = Tally(), Predictions()
    for positions, images, labels in batches:
        with torch.autocast(images.device.type, dtype=precision, enabled=precision is not None):
            logits = model(images)
        logits = logits.float()
        tally.add(logits, labels, cross_entropy(logits, labels))
        probability, predicted = logits.softmax(1).max(1)
        predictions.position += positions.tolist()
        predictions.label += labels.tolist()
        predictions.predicted += predicted.tolist()
        predictions.probability += probability.tolist()
    return tally, predictions
