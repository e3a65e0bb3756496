"""Batch norm's running averages: exact ones in their place, and a network with the statistics of its batches instead.

Both leave dropout off and read training images without augmentation, as they are evaluated.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ablate.models.weights import train_mode
from ablate.train.loader import Loader, seed_for

PRECISE = 1024  # training images at most behind averages: a thousand suffice (Wu & Johnson, 2021, section 3)


def sample(n: int, batch_size: int, most: int) -> Tensor:
    """Rows (k,) of a split of ``n`` images, k at most ``most``, in an order that mixes the classes.

    The same for all seeds. No image is left alone in a last batch: it would have no batch statistics.
    """
    rows = torch.randperm(n, generator=torch.Generator().manual_seed(seed_for(0, "batch-norm")))[:most]
    return rows[:-1] if len(rows) > 1 and batch_size > 1 and len(rows) % batch_size == 1 else rows


def trained_norms(model: nn.Module) -> list[_BatchNorm]:
    """The layers whose running averages training moves: not frozen ones (`train_mode`).

    ``model`` is then in evaluation mode.
    """
    train_mode(model)
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.training and m.track_running_stats]
    model.eval()
    return norms


@contextmanager
def batch_statistics(model: nn.Module) -> Iterator[list[_BatchNorm]]:
    """Evaluation mode, but with batch statistics in the layers that it yields; their averages stay as they are."""
    norms = trained_norms(model)
    try:
        for norm in norms:
            norm.training, norm.track_running_stats = True, False
        yield norms
    finally:
        for norm in norms:
            norm.training, norm.track_running_stats = False, True


@torch.no_grad()
def reestimate(model: nn.Module, loader: Loader, autocast: Callable[[], Any]) -> None:
    """Set the running averages of ``model`` to the means over a sample of ``loader``'s images, batch by batch.

    What `torch.optim.swa_utils.update_bn` does, but deterministic, since dropout is off. Later training goes on
    moving them, with the momentum that they have.
    """
    norms = trained_norms(model)
    kept = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    counts = [count if count is None else count.clone() for *_, count in kept]
    for norm in norms:
        norm.reset_running_stats()
        norm.training, norm.momentum = True, None  # the mean of all batches, each counted once
    if norms:
        for _, images, _ in loader.batches(sample(len(loader), loader.batch_size, PRECISE)):
            with autocast():
                model(images)
    for (norm, momentum, tracked), count in zip(kept, counts, strict=True):
        norm.training, norm.momentum = False, momentum
        if tracked is not None and count is not None:
            tracked.copy_(count)
