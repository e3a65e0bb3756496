"""3x3 convolutions in float32 on CPUs by Winograd's algorithm: a half to a quarter of the multiplications.

An output tile of m x m pixels needs (m + 2)^2 products per pair of channels instead of 9 m^2 (Lavin and Gray, 2016,
"Fast Algorithms for Convolutional Neural Networks", section 4). Tiles are transformed, multiplied channel by channel,
and transformed back; all three are matrix products. Rounding: less than 1e-5 of the largest value, some three times
that of oneDNN's own.

A step of ResNet-18 at 64 pixels takes two thirds of the time with it where there are no bf16 units. Most of that is
oneDNN's gradients of weights, which on small maps cost up to five times its forward pass.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from jaxtyping import Float

# Where the polynomials behind each tile are evaluated, infinity aside: those that round least (Barabasz and others,
# 2020, "Error Analysis and Improving the Accuracy of Winograd Convolution", table 1).
POINTS = {2: (0.0, 1.0, -1.0), 3: (0.0, 1.0, -1.0, 2.0), 4: (0.0, 1.0, -1.0, 0.5, -2.0)}
# With fewer channels the transforms cost what the products save; with fewer tiles, the transform of the weights does.
CHANNELS, TILES = 128, 32


def tile(side: int) -> int:
    """The side of the output tiles that cover a map of ``side`` pixels with the fewest products."""
    return min(POINTS, key=lambda m: -(-side // m) * (m + 2))


def gains(conv: nn.Conv2d, x: Float[Tensor, "n c h h"]) -> bool:
    """Whether ``conv`` of ``x``, an ordinary square convolution, is faster this way."""
    n, channels, side, wide = x.shape
    return (
        conv.kernel_size == (3, 3)
        and conv.stride == conv.padding == (1, 1)
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and min(channels, conv.out_channels) >= CHANNELS
        and side == wide > 1
        and n * (-(-side // tile(side))) ** 2 >= TILES
    )


def convolve(x: Float[Tensor, "n c h h"], weight: Float[Tensor, "o c 3 3"]) -> Float[Tensor, "n o h h"]:
    """The convolution with stride 1 and padding 1, channels last by its strides."""
    out: Tensor = _Winograd.apply(x, weight, tile(x.shape[2]))  # type: ignore[no-untyped-call]
    return out


@cache
def _transforms(m: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of outputs (m^2, a^2), weights (a^2, 9) and inputs (a^2, a^2), where a = m + 2: each for both axes at once."""
    points, a = POINTS[m], m + 2
    output, weight, inputs = np.zeros((m, a)), np.zeros((a, 3)), np.zeros((a, a))
    for i, p in enumerate(points):
        others = [q for q in points if q != p]
        output[:, i] = p ** np.arange(m)
        weight[i] = p ** np.arange(3) / np.prod([p - q for q in others])
        inputs[i, :-1] = np.poly(others)[::-1]
    output[-1, -1] = weight[-1, -1] = 1  # infinity
    inputs[-1] = np.poly(points)[::-1]
    made = (torch.from_numpy(np.kron(one, one)).float() for one in (output, weight, inputs))
    return next(made), next(made), next(made)


def _tiles(padded: Float[Tensor, "n h2 w2 c"], size: int, step: int, count: int) -> Float[Tensor, "size2 tnc"]:
    """Windows of ``size`` x ``size`` pixels, ``count`` x ``count`` of them, ``step`` apart: pixel by pixel."""
    (n, _, _, channels), (a, b, c, d) = padded.shape, padded.stride()
    windows = padded.as_strided((size, size, count, count, n, channels), (b, c, b * step, c * step, a, d))
    return windows.reshape(size * size, -1)


class _Winograd(torch.autograd.Function):
    """Between the transforms tensors are (a^2, tiles x images, channels)."""

    @staticmethod
    def forward(
        ctx: Any, x: Float[Tensor, "n c h h"], weight: Float[Tensor, "o c 3 3"], m: int
    ) -> Float[Tensor, "n o h h"]:
        (n, channels, side, _), out, a = x.shape, len(weight), m + 2
        count = -(-side // m)
        of_output, of_weight, of_input = _transforms(m)
        rest = count * m - side
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1 + rest, 1, 1 + rest)).contiguous()
        pixels = (of_input @ _tiles(padded, a, m, count)).view(a * a, -1, channels)
        filters = (of_weight @ weight.permute(2, 3, 0, 1).reshape(9, -1)).view(a * a, out, channels)
        ctx.save_for_backward(pixels, filters)
        ctx.shapes = n, side, m, count
        y = of_output @ torch.bmm(pixels, filters.transpose(1, 2)).view(a * a, -1)
        y = y.view(m, m, count, count, n, out).permute(4, 2, 0, 3, 1, 5).reshape(n, count * m, count * m, out)
        return y[:, :side, :side].contiguous().permute(0, 3, 1, 2)

    @staticmethod
    def backward(
        ctx: Any, *grads: Float[Tensor, "n o h h"]
    ) -> tuple[Float[Tensor, "n c h h"] | None, Float[Tensor, "o c 3 3"] | None, None]:
        pixels, filters = ctx.saved_tensors
        n, side, m, count = ctx.shapes
        (_, out, channels), a, rest = filters.shape, m + 2, count * m - side
        of_output, of_weight, of_input = _transforms(m)
        grad = F.pad(grads[0].permute(0, 2, 3, 1), (0, 0, 0, rest, 0, rest)).contiguous()
        products = (of_output.T @ _tiles(grad, m, m, count)).view(a * a, -1, out)
        of_x = of_w = None
        if ctx.needs_input_grad[1]:
            wide = torch.bmm(products.transpose(1, 2), pixels).view(a * a, -1)
            of_w = (of_weight.T @ wide).view(3, 3, out, channels).permute(2, 0, 1, 3).contiguous().permute(0, 3, 1, 2)
        if ctx.needs_input_grad[0]:
            parts = (of_input.T @ torch.bmm(products, filters).view(a * a, -1)).view(a, a, count, count, n, channels)
            padded = parts.new_zeros(n, count * m + 2, count * m + 2, channels)
            for i in range(a):  # windows overlap: their gradients add up
                for j in range(a):
                    of_pixel = parts[i, j].permute(2, 0, 1, 3)
                    padded[:, i : i + count * m : m, j : j + count * m : m].add_(of_pixel)
            of_x = padded[:, 1 : side + 1, 1 : side + 1].contiguous().permute(0, 3, 1, 2)
        return of_x, of_w, None
