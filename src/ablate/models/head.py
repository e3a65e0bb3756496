"""Which part of a network is its head, the part that depends on the classes."""

from __future__ import annotations

from torch import nn


class Head(nn.Sequential):
    """New layers on top of a known network: weights for that network bring their own top, which is left out."""


def head_of(model: nn.Module) -> tuple[str, nn.Module]:
    """Return the name and module of the head: the last `Head`, or else the last `Linear` or `Conv2d`.

    Last in order of registration, which in every network here is that of execution.

    Raises:
        ValueError: a network without any of these.
    """
    named = list(model.named_modules())
    for kinds in (Head, (nn.Linear, nn.Conv2d)):
        found = [(name, module) for name, module in named if isinstance(module, kinds)]
        if found:
            return found[-1]
    raise ValueError(f"{type(model).__name__} has no linear or convolutional layer to be its head")
