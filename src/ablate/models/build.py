"""A network from its name and options."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn
from ablate.models.registry import REGISTRY, check, module_of, own


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
    model_args: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Build one network, in training mode, on torch's current default device.

    The network maps float images (N, 3, image_size, image_size) to logits (N, classes), without a softmax.
    The weights come from torch's global random generator: seed it first for a reproducible network.

    Args:
        name: a key of `REGISTRY`, torchvision:<name>, timm:<name>, or <file>.py:<name> for one of the user's own.
        classes: number of classes, at least 1.
        image_size: side of the square images in pixels.
        dropout: rate in [0, 1) for every dropout layer of the network; None means the architecture's own.
        init: one of `INITS`, see `ablate.models.initialise.initialise`; "default" is the architecture's own.
        init_variance: variance of the "gaussian" initialisation, needed there and refused elsewhere.
        activation: one of `ACTIVATIONS` in place of every ReLU, see `ablate.models.activation.replace_relu`.
        stem: of torchvision's ResNets, one of `STEMS`: "imagenet" is their own, "cifar" a 3x3 convolution of
            stride 1 without pooling, see `ablate.models.torchvision_nets.cifar_stem`.
        last_relu: of alexnet10, whether a ReLU follows the last fully connected layer as well.
        model_args: what else a network of the user's, or of timm's, is called with.

    Raises:
        ValueError: unknown name or level, a value out of range, an image size that the architecture cannot
            take, a dropout rate above 0 for one without a dropout layer, an activation for one without ReLU,
            a stem for one that is no ResNet, or a last ReLU for another than alexnet10.
        UserError: whatever is wrong with a network of the user's own.
    """
    check(
        name,
        dropout=dropout,
        init=init,
        init_variance=init_variance,
        activation=activation,
        stem=stem,
        last_relu=last_relu,
        model_args=model_args,
    )
    if classes < 1:
        raise ValueError(f"classes must be at least 1, got {classes}")
    if image_size < 1:
        raise ValueError(f"image_size must be at least 1 pixel, got {image_size}")
    # Here and not above: these import torch.
    from ablate.models import torchvision_nets
    from ablate.models.activation import replace_relu
    from ablate.models.initialise import initialise

    family = importlib.import_module(f"ablate.models.{module_of(name)}")
    options: dict[str, Any] = {"classes": classes, "image_size": image_size, "dropout": dropout}
    if name in REGISTRY:
        options |= {"last_relu": True} if last_relu else {}  # an option of one network alone
        model: nn.Module = getattr(family, REGISTRY[name].partition(":")[2])(**options)
    else:
        options |= {"args": model_args} if model_args else {}
        options |= {"activation": activation} if own(name) else {}
        model = family.named(name, **options)
    if stem == "cifar":
        torchvision_nets.cifar_stem(model)
    if activation is not None:
        replace_relu(model, activation)
    initialise(model, init, init_variance)
    return model
