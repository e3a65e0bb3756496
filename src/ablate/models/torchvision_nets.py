"""torchvision's own AlexNet and ResNet-18, the pair of the alexnet-vs-resnet and resnet18-init papers."""

from __future__ import annotations

from torch import nn

from ablate.compat import import_torchvision
from ablate.models._checks import refuse_dropout, require_pixels, window


def alexnet(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return torchvision's AlexNet, untrained: (N, 3, image_size, image_size) -> logits (N, classes).

    57,823,240 parameters with 200 classes (alexnet-vs-resnet, text), at any image size: an adaptive pooling
    to 6x6 precedes the classifier. At 64 pixels that pooling repeats a single pixel, which is all that is
    left.

    Args:
        classes: number of classes.
        image_size: side in pixels, at least 63.
        dropout: rate before the first and second fully connected layer; None is torchvision's 0.5.

    Raises:
        ValueError: images below 63 pixels.
    """
    side = window(image_size, 11, 4, 2)
    for _ in range(3):
        side = window(side, 3, 2)
    require_pixels("alexnet", image_size, side)
    rate = 0.5 if dropout is None else dropout
    model: nn.Module = import_torchvision().models.alexnet(weights=None, num_classes=classes, dropout=rate)
    return model


def resnet18(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return torchvision's ResNet-18, untrained: (N, 3, image_size, image_size) -> logits (N, classes).

    11,279,112 parameters with 200 classes (alexnet-vs-resnet, text), at any image size.

    Args:
        classes: number of classes.
        image_size: side in pixels; the global average pooling accepts any.
        dropout: None or 0, the architecture has none.

    Raises:
        ValueError: a dropout rate above 0.
    """
    refuse_dropout("resnet18", dropout)
    model: nn.Module = import_torchvision().models.resnet18(weights=None, num_classes=classes)
    return model
