"""The networks of the five papers by name. Importing this does not import torch: names check quickly."""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

# name -> "module:function" in this package; every function takes (classes, image_size, dropout).
REGISTRY: dict[str, str] = {
    "alexnet": "torchvision_nets:alexnet",
    "resnet18": "torchvision_nets:resnet18",
    "cnn1": "keras_cnns:cnn1",
    "cnn2": "keras_cnns:cnn2",
    "cnn3": "keras_cnns:cnn3",
    "cnn4": "keras_cnns:cnn4",
    "cnn5": "keras_cnns:cnn5",
    "alexnet10": "alexnet10:alexnet10",
    "net1": "residual:net1",
    "net2": "residual:net2",
    "net3": "residual:net3",
    "net4": "residual:net4",
    "net5": "residual:net5",
    "net6": "residual:net6",
    "cifar-resnet7": "residual:cifar_resnet7",
    "cifar-plain7": "residual:cifar_plain7",
    "cifar-resnet9": "residual:cifar_resnet9",
    "cifar-plain9": "residual:cifar_plain9",
}

INITS: tuple[str, ...] = ("default", "gaussian", "xavier", "kaiming")

__all__ = ["INITS", "REGISTRY", "build", "check_name"]


def check_name(name: str) -> str:
    """Return `name` if it is in `REGISTRY`, else raise ValueError with the closest ones. Needs no torch."""
    if name not in REGISTRY:
        close = difflib.get_close_matches(name, REGISTRY, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(REGISTRY)}"
        raise ValueError(f"unknown model {name!r}; {hint}")
    return name


def build(
    name: str,
    *,
    classes: int,
    image_size: int,
    dropout: float | None = None,
    init: str = "default",
    init_variance: float | None = None,
) -> nn.Module:
    """Build one network, in training mode, on torch's current default device.

    The network maps float images (N, 3, image_size, image_size) to logits (N, classes), without a softmax.
    The weights come from torch's global random generator: seed it first for a reproducible network.

    Args:
        name: a key of `REGISTRY`.
        classes: number of classes, at least 1.
        image_size: side of the square images in pixels.
        dropout: rate in [0, 1) for every dropout layer of the network; None means the architecture's own.
        init: one of `INITS`, see `ablate.models.initialise.initialise`; "default" is the architecture's own.
        init_variance: variance of the "gaussian" initialisation, needed there and refused elsewhere.

    Raises:
        ValueError: unknown name or initialisation, a value out of range, images too small for the
            architecture, or a dropout rate above 0 for an architecture that has no dropout layer.
    """
    module, _, function = REGISTRY[check_name(name)].partition(":")
    if classes < 1:
        raise ValueError(f"classes must be at least 1, got {classes}")
    if image_size < 1:
        raise ValueError(f"image_size must be at least 1 pixel, got {image_size}")
    if dropout is not None and not 0.0 <= dropout < 1.0:
        raise ValueError(f"dropout must lie in [0, 1), got {dropout}")
    from ablate.models.initialise import check, initialise  # here and not above: it imports torch

    check(init, init_variance)  # before the build: a large network takes seconds
    family = importlib.import_module(f".{module}", __name__)
    model: nn.Module = getattr(family, function)(classes=classes, image_size=image_size, dropout=dropout)
    initialise(model, init, init_variance)
    return model
