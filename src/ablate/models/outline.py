"""Networks without memory for their weights, for counting and for checking shapes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


def outline(make: Callable[[], nn.Module]) -> nn.Module:
    """Return what `make` builds, on torch's "meta" device, or on the CPU where it insists.

    The global random generator stays as it is.
    """
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):  # a network of the user's draws all the same
            return make()
    except NotImplementedError:  # torchvision's RegNets compute their widths with tensors, which need values
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            return make().to("meta")
