"""Small tensors on their way to a device, without a wait for what it is doing."""

import torch
from torch import Tensor


def moved(values: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """``values`` on ``device``, of ``dtype`` where one is given.

    From page-locked memory a copy takes its place in the GPU's queue; an ordinary ``to`` would wait until the queue
    is empty, at every step.
    """
    if device.type == "cuda" and values.device.type == "cpu":
        values = values.pin_memory()
    return values.to(device, dtype, non_blocking=True)
