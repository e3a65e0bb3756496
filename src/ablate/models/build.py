"""A network from its name and options."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn
from ablate.models.registry import REGISTRY, TORCHVISION, check


def build(
    name: str,
    *,
    classes: int,
    image_size: int,
    dropout: float | None = None,
    init: str = "default",
    init_variance: float | None = None,
    activation: str | None = None,
    stem: str | None = None,
    last_relu: bool = False,
) -> nn.Module:
    """Build one network, in training mode, on torch's current default device.

    The network maps float images (N, 3, image_size, image_size) to logits (N, classes), without a softmax.
    The weights come from torch's global random generator: seed it first for a reproducible network.

    Args:
        name: a key of `REGISTRY`, or torchvision:<name> for any of torchvision's classification models.
        classes: number of classes, at least 1.
        image_size: side of the square images in pixels.
        dropout: rate in [0, 1) for every dropout layer of the network; None means the architecture's own.
        init: one of `INITS`, see `ablate.models.initialise.initialise`; "default" is the architecture's own.
        init_variance: variance of the "gaussian" initialisation, needed there and refused elsewhere.
        activation: one of `ACTIVATIONS` in place of every ReLU, see `ablate.models.activation.replace_relu`.
        stem: of torchvision's ResNets, one of `STEMS`: "imagenet" is their own, "cifar" a 3x3 convolution of
            stride 1 without pooling, see `ablate.models.torchvision_nets.cifar_stem`.
        last_relu: of alexnet10, whether a ReLU follows the last fully connected layer as well.

    Raises:
        ValueError: unknown name or level, a value out of range, an image size that the architecture cannot
            take, a dropout rate above 0 for one without a dropout layer, an activation for one without ReLU,
            a stem for one that is no ResNet, or a last ReLU for another than alexnet10.
    """
    check(
        name,
        dropout=dropout,
        init=init,
        init_variance=init_variance,
        activation=activation,
        stem=stem,
        last_relu=last_relu,
    )
    if classes < 1:
        raise ValueError(f"classes must be at least 1, got {classes}")
    if image_size < 1:
        raise ValueError(f"image_size must be at least 1 pixel, got {image_size}")
    # Here and not above: these import torch.
    from ablate.models import torchvision_nets
    from ablate.models.activation import replace_relu
    from ablate.models.initialise import initialise

    if name.startswith(TORCHVISION):
        model = torchvision_nets.named(name, classes=classes, image_size=image_size, dropout=dropout)
    else:
        module, _, function = REGISTRY[name].partition(":")
        family = importlib.import_module(f"ablate.models.{module}")
        own = {"last_relu": True} if last_relu else {}  # an option of one network alone
        model = getattr(family, function)(classes=classes, image_size=image_size, dropout=dropout, **own)
    if stem == "cifar":
        torchvision_nets.cifar_stem(model)
    if activation is not None:
        replace_relu(model, activation)
    initialise(model, init, init_variance)
    return model
