"""Images on their way into a network: gathered from the pack, augmented and normalised on the device, batch by batch.

There are no worker processes: the whole split lies on the device as bytes where it fits, and a batch is a few tensor
operations.
Every random draw is a function of (seed, purpose, epoch, step), so that a run can go on from any step without
replaying those before it, and runs that share a seed share the order of their images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ablate.data.views import View
from ablate.plan.settings import Settings
from ablate.train.own_augment import augmentation
from ablate.train.transfer import moved

if TYPE_CHECKING:
    from jaxtyping import Float, Int

# ImageNet's, as torchvision's models expect them; quoted in tinyimage10, section 3.1.
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
EVALUATED_PIXELS = 1024 * 64 * 64  # of a batch in evaluation on a GPU


def seed_for(seed: int, purpose: str, epoch: int = 0, step: int = 0) -> int:
    """A 63-bit seed for one purpose in one step."""
    text = f"{seed}/{purpose}/{epoch}/{step}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1


class Loader:
    """One split on the device."""

    def __init__(self, view: View, settings: Settings, meta: dict[str, Any], device: torch.device) -> None:
        self.positions = torch.from_numpy(view.positions)
        images = torch.from_numpy(view.images[view.positions]).permute(0, 3, 1, 2)
        self.images = images.contiguous().to(home(device, images.nbytes))  # (n, 3, S, S) uint8
        self.labels = torch.from_numpy(view.labels).to(device)
        self.scale, self.shift = colours(settings, meta, device)
        self.augment = augmentation(settings.augment)
        self.batch_size = settings.batch_size
        self.bounds = _bounds(len(self.labels), settings.batch_size)

    def __len__(self) -> int:
        """Images."""
        return len(self.labels)

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return len(self.bounds) - 1

    def batch(self, seed: int, epoch: int, step: int) -> tuple[Float[Tensor, "n 3 s s"], Int[Tensor, " n"]]:
        """Images, augmented and normalised, and labels of one training step."""
        order = _order(len(self), seed_for(seed, "order", epoch))
        rows = moved(order[self.bounds[step] : self.bounds[step + 1]], self.images.device)
        images = self._gathered(rows)
        images = self.augment(images, torch.Generator().manual_seed(seed_for(seed, "augment", epoch, step)))
        return self._normalised(images), self.labels[moved(rows, self.labels.device)]

    def batches(
        self, chosen: Int[Tensor, " k"] | None = None
    ) -> Iterator[tuple[Int[Tensor, " n"], Float[Tensor, "n 3 s s"], Int[Tensor, " n"]]]:
        """Yield positions in the pack, images and labels of the split, as it lies.

        A GPU takes as many at a time as it has work for. Or of its ``chosen`` rows, in that order and in batches
        as training has them.
        """
        size = self.batch_size
        if chosen is None and self.labels.device.type == "cuda":
            size = max(size, EVALUATED_PIXELS // self.images[0, 0].numel())
        for rows in torch.split(torch.arange(len(self)) if chosen is None else chosen, size):
            labels = self.labels[moved(rows, self.labels.device)]
            yield self.positions[rows], self._normalised(self._gathered(moved(rows, self.images.device))), labels

    def _gathered(self, rows: Int[Tensor, " n"]) -> Float[Tensor, "n 3 s s"]:
        return moved(self.images.index_select(0, rows), self.labels.device) / 255

    def _normalised(self, images: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n 3 s s"]:
        """In place, and in whatever layout they have: the first convolution takes them into its own."""
        return images.mul_(self.scale).add_(self.shift)


def colours(settings: Settings, meta: dict[str, Any], device: torch.device) -> tuple[Tensor, Tensor]:
    """What pixels in [0, 1] are multiplied by, and what is added then, (1, 3, 1, 1) each: (pixel - mean) / std."""
    own = settings.normalize == "pack"
    mean, std = (meta["mean"], meta["std_over_pixels"]) if own else (IMAGENET_MEAN, IMAGENET_STD)
    scale, shift = (
        torch.tensor(v, device=device).view(1, 3, 1, 1)
        for v in ([1 / s for s in std], [-m / s for m, s in zip(mean, std, strict=True)])
    )
    return scale, shift


def home(device: torch.device, size: int) -> torch.device:
    """Where ``size`` bytes of images lie: on the device where they take up at most half of what is free."""
    if device.type == "cuda" and size > torch.cuda.mem_get_info(device)[0] / 2:
        return torch.device("cpu")
    return device


def _bounds(n: int, size: int) -> list[int]:
    """Where batches begin and end. A single image left over joins the batch before: it has no batch statistics."""
    bounds = [*range(0, n, size), n]
    if len(bounds) > 2 and bounds[-1] - bounds[-2] == 1:
        del bounds[-2]
    return bounds


@lru_cache(maxsize=1)
def _order(n: int, seed: int) -> Int[Tensor, " {n}"]:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))
