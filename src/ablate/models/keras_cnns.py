"""The five networks of the five-cnns paper (layer tables: its figures 5 to 8) with the conventions of Keras.

Convolutions are 3x3 with bias, "valid" in models 1 and 2 and "same" in 3 and 4; every pooling is a 2x2
maximum. Paper silent on the constants; these are Keras's: batch normalisation of momentum 0.99 (which torch
writes as 0.01) and epsilon 1e-3, Glorot uniform weights and zero biases. Two differences are left alone: Keras
flattens with the channels last, and its moving variance is not Bessel-corrected. The losses (L2 in model 1)
belong to the training, not here.
"""

from __future__ import annotations

from torch import nn

from ablate.models._checks import refuse_dropout, require_pixels, window
from ablate.models._torchvision import import_torchvision
from ablate.models.head import Head
from ablate.models.initialise import initialise


def keras_count(model: nn.Module) -> int:
    """Return Keras's "Total params": all parameters plus the moving means and variances."""
    moving = (b.numel() for name, b in model.named_buffers() if name.endswith(("running_mean", "running_var")))
    return sum(p.numel() for p in model.parameters()) + sum(moving)


def left_out_biases(model: nn.Module) -> int:
    """Return how many biases the convolutions of `model` would add, which have them in Keras's ResNet-50."""
    return sum(m.out_channels for m in model.modules() if isinstance(m, nn.Conv2d) and m.bias is None)


def _norm2d(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _dense(features: int, units: int) -> list[nn.Module]:
    return [nn.Linear(features, units), nn.BatchNorm1d(units, eps=1e-3, momentum=0.01), nn.ReLU()]


def _stack(
    name: str, image_size: int, blocks: list[list[int]], *, same: bool, norm: bool
) -> tuple[list[nn.Module], int]:
    """Return convolutions of these widths, a pooling after each block and a flatten; and its features."""
    layers: list[nn.Module] = []
    channels, side = 3, image_size
    for widths in blocks:
        for width in widths:
            layers.append(nn.Conv2d(channels, width, 3, padding=1 if same else 0))
            layers += [_norm2d(width), nn.ReLU()] if norm else [nn.ReLU()]
            channels, side = width, side if same else window(side, 3)
        layers.append(nn.MaxPool2d(2))
        side = window(side, 2, 2)
    require_pixels(name, image_size, side)
    return [*layers, nn.Flatten()], channels * side * side


def _finish(layers: list[nn.Module]) -> nn.Module:
    model = nn.Sequential(*layers)
    initialise(model, "keras")
    return model


def cnn1(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return model 1: conv 32, 64, dense 1024; (N, 3, image_size, image_size) -> logits (N, classes).

    13,070,472 values in Keras's count with 200 classes at 64 pixels (figure 9). Paper silent: the activations, here
    ReLU as in model 2.

    Raises:
        ValueError: For a dropout rate above 0 (it has none) and for images below 10 pixels.
    """
    refuse_dropout("cnn1", dropout)
    layers, features = _stack("cnn1", image_size, [[32], [64]], same=False, norm=False)
    return _finish([*layers, nn.Linear(features, 1024), nn.ReLU(), nn.Linear(1024, classes)])


def cnn2(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return model 2: conv 32, 64, 128, dense 512, dropout; shapes as for `cnn1`.

    2,555,656 values in Keras's count with 200 classes at 64 pixels (figure 9). `dropout` None is the paper's 0.5.
    Paper silent: the initial weights, here Keras's.

    Raises:
        ValueError: For images below 22 pixels.
    """
    layers, features = _stack("cnn2", image_size, [[32], [64], [128]], same=False, norm=False)
    drop = nn.Dropout(0.5 if dropout is None else dropout)
    return _finish([*layers, nn.Linear(features, 512), nn.ReLU(), drop, nn.Linear(512, classes)])


def cnn3(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return model 3: six normalised convolutions, dense 4096, 1024; shapes as for `cnn1`.

    140,382,728 values in Keras's count with 200 classes at 64 pixels (figure 9). Paper silent: the constants of its
    batch normalisation, here Keras's. Training needs batches above 1.

    Raises:
        ValueError: For a dropout rate above 0 (going without is its point) and for images below 8 pixels.
    """
    refuse_dropout("cnn3", dropout)
    layers, features = _stack("cnn3", image_size, [[64, 64], [128, 128], [256, 512]], same=True, norm=True)
    return _finish([*layers, *_dense(features, 4096), *_dense(4096, 1024), nn.Linear(1024, classes)])


def cnn4(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return model 4: normalised conv 64, 128, 256, dense 512, dropout; shapes as for `cnn1`.

    8,866,376 values in Keras's count with 200 classes at 64 pixels (figure 9). `dropout` None is the paper's 0.5.
    Paper silent: the constants of its batch normalisation, here Keras's. Training needs batches above 1.

    Raises:
        ValueError: For images below 8 pixels.
    """
    layers, features = _stack("cnn4", image_size, [[64], [128], [256]], same=True, norm=True)
    drop = nn.Dropout(0.5 if dropout is None else dropout)
    return _finish([*layers, *_dense(features, 512), drop, nn.Linear(512, classes)])


def cnn5(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return model 5 (section IV.E), untrained: ResNet-50, dense 1024, head; shapes as for `cnn1`.

    The paper starts from ImageNet weights; loading them is the caller's (`weights.load_start`), and both dense layers
    are its `Head`, for which such weights have nothing. The backbone is torchvision's, with its own initialisation
    and normalisation constants. It counts 25,864,328 values the Keras way with 200 classes; figure 9 has 25,890,888,
    since the convolutions of Keras's ResNet-50 carry 26,560 biases that torchvision's lack.

    Paper silent: everything on top of the backbone. Chosen: global average pooling and a dense layer of 1024, which
    give the printed count to the unit, with ReLU between the two dense layers.

    Raises:
        ValueError: For a dropout rate above 0 (it has none).
    """
    refuse_dropout("cnn5", dropout)
    model: nn.Module = import_torchvision().models.resnet50(weights=None, num_classes=1)
    model.fc = Head(nn.Linear(2048, 1024), nn.ReLU(), nn.Linear(1024, classes))
    initialise(model.fc, "keras")
    return model
