"""The six networks of the resnet-vs-plain paper (Table 1) and its shallow CIFAR-10 nets (figures 6, 7).

A residual network and its plain twin are one piece of code with one switch: the shortcut has no parameters,
so both hold the same layers, counts and initial weights, and differ in one addition per block.

What the paper leaves open is chosen once for all of them, in `from_column`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

from ablate.models._checks import require_pixels

if TYPE_CHECKING:
    from jaxtyping import Float

# A column of Table 1, its head left out: ("conv" or "bb", width), ("avg" or "max", side), ("drop", 0).
Column = tuple[tuple[str, int], ...]

NET1: Column = (
    *[("conv", 64)] * 2,
    *[("avg", 2), ("bb", 64), ("bb", 128)],
    *[("avg", 2), ("bb", 128), ("bb", 256)],
    *[("avg", 2), ("bb", 256), ("avg", 2), ("bb", 512), ("avg", 2)],
)
NET2: Column = (
    *[("conv", 64), ("avg", 2), ("bb", 128)],
    *[("avg", 2), ("bb", 128), ("bb", 256)],
    *[("avg", 2), ("bb", 256), ("avg", 2), ("bb", 512), ("avg", 4)],
)
NET3: Column = (
    *[("conv", 32), ("conv", 64), ("max", 2)],
    *[("bb", 64)] * 2,
    ("avg", 2),
    *[("bb", 128)] * 3,
    *[("avg", 2), ("bb", 128), ("avg", 2), ("bb", 256), ("avg", 2)],
)
NET4: Column = (
    *[("conv", 64)] * 2,
    ("avg", 2),
    *[("bb", 64)] * 3,
    ("max", 2),
    *[("bb", 128)] * 3,
    *[("max", 2), ("bb", 256), ("bb", 512), ("avg", 2), ("drop", 0)],
)
NET5: Column = (
    *[("conv", 64)] * 2,
    *[("avg", 2), ("bb", 128), ("max", 2)],
    *[("bb", 256)] * 2,
    ("max", 2),
    *[("bb", 512)] * 2,
    *[("avg", 2), ("drop", 0)],
)
CIFAR7: Column = (*[("conv", 32)] * 2, ("avg", 2), ("bb", 64), ("avg", 2), ("bb", 128), ("avg", 2))
CIFAR9: Column = (*CIFAR7[:-1], ("bb", 128), ("avg", 2))


def _conv(channels: int, width: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)


class Block(nn.Module):
    """conv-BN-ReLU-dropout-conv-BN plus the shortcut, then ReLU (resnet-vs-plain, figure 3).

    Maps (n, channels, h, w) to (n, width, ceil(h / stride), ceil(w / stride)). The shortcut shrinks by
    average pooling and widens by appending channels of zeros; with `residual` False it is left out and
    nothing else changes.

    Raises:
        ValueError: If the block would narrow: zero padding cannot.
    """

    def __init__(self, channels: int, width: int, *, stride: int = 1, dropout: float, residual: bool) -> None:
        super().__init__()
        if width < channels:
            raise ValueError(f"a block cannot narrow from {channels} to {width} channels without parameters")
        self.residual = residual
        self.stride = stride
        self.extra = width - channels
        self.body = nn.Sequential(
            _conv(channels, width, stride),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Dropout(dropout),
            _conv(width, width),
            nn.BatchNorm2d(width),
        )
        self.relu = nn.ReLU()

    def shortcut(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        """Return `x` in the shape of the block's output, without parameters."""
        if self.stride > 1:
            # ceil_mode: a padded 3x3 convolution rounds odd sides up; border windows average what they cover.
            x = F.avg_pool2d(x, self.stride, ceil_mode=True)
        return F.pad(x, (0, 0, 0, 0, 0, self.extra)) if self.extra else x

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        """Apply the block."""
        out: Tensor = self.body(x)
        out = self.relu(out + self.shortcut(x) if self.residual else out)
        return out


def from_column(
    name: str, column: Column, *, residual: bool, classes: int, image_size: int, dropout: float | None
) -> nn.Module:
    """Build one column: (N, 3, image_size, image_size) -> logits (N, classes).

    The paper's dropout 0.5 sits in every block of every network ("the basic block that we employed in all our
    networks"), so in the plain twins as well.

    Paper silent: kernels, bias, padding, the order within a block and what follows a convolution outside one,
    the rate of the dropout layer of nets 4 and 5, how the last map meets the fully connected layer, and the
    initial weights. Chosen: every convolution is 3x3, padded, without bias and followed by batch normalisation,
    outside a block by ReLU as well; the order within is that of He et al.; the rate is 0.5; the last map is
    flattened as it is; weights start as torch's layers do.

    Args:
        name: for error messages.
        column: the layers in order; the fully connected layer over the flattened map is added.
        residual: the shortcuts, or the plain twin.
        classes: number of classes.
        image_size: side in pixels.
        dropout: rate of every dropout layer, in the blocks and before the head; None is the paper's 0.5.

    Raises:
        ValueError: images so small that the pooling leaves nothing, or a layer of unknown kind.
    """
    rate = 0.5 if dropout is None else dropout
    layers: list[nn.Module] = []
    channels, side = 3, image_size
    for kind, value in column:
        if kind == "conv":
            layers += [_conv(channels, value), nn.BatchNorm2d(value), nn.ReLU()]
            channels = value
        elif kind == "bb":
            layers.append(Block(channels, value, dropout=rate, residual=residual))
            channels = value
        elif kind in ("avg", "max"):
            layers.append(nn.AvgPool2d(value) if kind == "avg" else nn.MaxPool2d(value))
            side //= value
        elif kind == "drop":
            layers.append(nn.Dropout(rate))
        else:
            raise ValueError(f"{name}: unknown kind of layer {kind!r}")
    require_pixels(name, image_size, side)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * side * side, classes))


def net1(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return Net 1 of Table 1, 15 layers, for at least 32 pixels. Paper silent: as in `from_column`."""
    return from_column("net1", NET1, residual=True, classes=classes, image_size=image_size, dropout=dropout)


def net2(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return Net 2 of Table 1, 12 layers, for at least 64 pixels. Paper silent: as in `from_column`."""
    return from_column("net2", NET2, residual=True, classes=classes, image_size=image_size, dropout=dropout)


def net3(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return Net 3 of Table 1, 17 layers, for at least 32 pixels. Paper silent: as in `from_column`."""
    return from_column("net3", NET3, residual=True, classes=classes, image_size=image_size, dropout=dropout)


def net4(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return Net 4 of Table 1, for at least 16 pixels. Paper silent: as in `from_column`.

    The table prints 21 layers, but its column has 19: 2 convolutions, 8 blocks of 2 and the fully connected
    layer, counted as in nets 1 to 3 and 6, where the two agree. The column is kept, being the full description;
    what the other 2 layers were, the paper does not say.
    """
    return from_column("net4", NET4, residual=True, classes=classes, image_size=image_size, dropout=dropout)


def net5(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return Net 5 of Table 1, for at least 16 pixels. Paper silent: as in `from_column`.

    The table prints 15 layers, but its column has 13: 2 convolutions, 5 blocks of 2 and the fully connected
    layer; it is kept for the reason given at `net4`.
    """
    return from_column("net5", NET5, residual=True, classes=classes, image_size=image_size, dropout=dropout)


def net6(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return Net 6 of Table 1, the plain twin of `net1`, 15 layers, for at least 32 pixels.

    Paper silent: as in `from_column`, and whether its pairs of convolutions keep the dropout of the blocks.
    They do here: "the same architecture" is taken at its word, and the comparison then has the shortcut as its
    only difference.
    """
    return from_column("net6", NET1, residual=False, classes=classes, image_size=image_size, dropout=dropout)


def _cifar(name: str, column: Column, classes: int, image_size: int, dropout: float | None) -> nn.Module:
    residual = name.startswith("cifar-resnet")
    return from_column(name, column, residual=residual, classes=classes, image_size=image_size, dropout=dropout)


def cifar_resnet7(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return the 7-layer residual CIFAR-10 net (figure 6), for at least 8 pixels.

    Paper silent: as in `from_column`, and the whole column. Chosen after Table 1: conv 32, conv 32, Avg 2,
    BB 64, Avg 2, BB 128, Avg 2, FC.
    """
    return _cifar("cifar-resnet7", CIFAR7, classes, image_size, dropout)


def cifar_plain7(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return the plain twin of `cifar_resnet7` (figure 6). Paper silent: as there."""
    return _cifar("cifar-plain7", CIFAR7, classes, image_size, dropout)


def cifar_resnet9(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return the 9-layer residual CIFAR-10 net (figure 7), for at least 8 pixels.

    Paper silent: as in `cifar_resnet7`. Chosen: its column with a second BB 128 after the first.
    """
    return _cifar("cifar-resnet9", CIFAR9, classes, image_size, dropout)


def cifar_plain9(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return the plain twin of `cifar_resnet9` (figure 7). Paper silent: as there."""
    return _cifar("cifar-plain9", CIFAR9, classes, image_size, dropout)
