"""The AlexNet of the tinyimage10 paper, built for ten classes of 64x64 images."""

from __future__ import annotations

from torch import nn

from ablate.models._checks import require_pixels, window


def alexnet10(*, classes: int, image_size: int, dropout: float | None = None, last_relu: bool = False) -> nn.Module:
    """Return the network: (N, 3, image_size, image_size) -> logits (N, classes).

    Five convolutions and three fully connected layers with ReLU, overlapping max-pooling (3x3, stride 2)
    after the first, second and fifth convolution, dropout before the first and second fully connected layer,
    and no normalisation layers (tinyimage10, section 2.1).

    Paper silent: widths, kernels and strides. Chosen: channels 64-192-384-256-256 (torchvision's), a stem of
    5x5 with stride 2 in place of 11x11 with stride 4, so that 64 pixels leave a 3x3 map (32, 15, 7, 3) and
    not a single pixel, and fully connected layers of 1024 in place of 4096 for ten classes. Weights start as
    torch's layers do. 5,871,434 parameters with 10 classes at 64 pixels.

    By the paper's words ReLU follows the last fully connected layer too, whose output "is fed to a softmax". No
    class can then get a negative logit, and where all ten are 0, all classes are equally likely and no gradient
    is left: such a network gives every image the same label for good. That is an option here.

    Args:
        classes: number of classes.
        image_size: side in pixels, at least 29.
        dropout: rate of both dropout layers; None is 0.5 (paper silent on the rate: AlexNet's own).
        last_relu: whether ReLU follows the last fully connected layer as well.

    Raises:
        ValueError: images below 29 pixels.
    """
    side = window(image_size, 5, 2, 2)
    for _ in range(3):
        side = window(side, 3, 2)
    require_pixels("alexnet10", image_size, side)
    rate = 0.5 if dropout is None else dropout
    return nn.Sequential(
        nn.Conv2d(3, 64, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Flatten(),
        nn.Dropout(rate),
        nn.Linear(256 * side * side, 1024),
        nn.ReLU(),
        nn.Dropout(rate),
        nn.Linear(1024, 1024),
        nn.ReLU(),
        nn.Linear(1024, classes),
        *([nn.ReLU()] if last_relu else []),
    )
