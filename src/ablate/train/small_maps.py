"""Convolutions on small maps as one matrix product, for bf16 on CPUs, where oneDNN's own are far from its products.

Training ResNet-18 at 64 pixels spends a third of its time in the four convolutions that yield 2x2 maps; as products
they take a third to a quarter of that. The sums are the same but for the order of their terms.
In float32 `winograd` takes their place.
"""

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.train import winograd

if TYPE_CHECKING:
    from jaxtyping import BFloat16, Float

POSITIONS = (
    9  # of an output map, at most: on these the product was 0.85 to 4.9 times as fast, on larger ones no faster
)


def use_products(model: nn.Module) -> nn.Module:
    """Let the model's ordinary convolutions (square, neither grouped nor dilated) take this way where it applies."""
    for part in model.modules():
        if (
            type(part) is nn.Conv2d
            and part.groups == 1
            and part.dilation == (1, 1)
            and part.padding_mode == "zeros"
            and not isinstance(part.padding, str)
            and all(len(set(pair)) == 1 for pair in (part.kernel_size, part.stride, part.padding))
        ):
            part.forward = MethodType(_forward, part)  # type: ignore[method-assign]
    return model


def _forward(conv: nn.Conv2d, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n o h2 w2"]:
    """nn.Conv2d's, by a product where it is bf16 on a CPU and its map is small; in fp32, by Winograd's algorithm."""
    if not torch.is_autocast_enabled(x.device.type) and winograd.gains(conv, x):
        sums = winograd.convolve(x, conv.weight)
        return sums if conv.bias is None else sums + conv.bias.view(1, -1, 1, 1)
    side, stride, padding = conv.kernel_size[0], conv.stride[0], int(conv.padding[0])
    high, wide = ((length + 2 * padding - side) // stride + 1 for length in x.shape[2:])
    small = high == wide and high * wide <= POSITIONS
    if not (small and x.device.type == "cpu" and torch.is_autocast_enabled("cpu")):
        return nn.Conv2d.forward(conv, x)
    out: Tensor = _Product.apply(x.bfloat16(), conv.weight.bfloat16(), stride, padding)  # type: ignore[no-untyped-call]
    return out if conv.bias is None else out + conv.bias.bfloat16().view(1, -1, 1, 1)


class _Product(torch.autograd.Function):
    """The convolution of two bf16 tensors, channels last by its strides."""

    @staticmethod
    def forward(
        ctx: Any, x: BFloat16[Tensor, "n c h h"], weight: BFloat16[Tensor, "o c k k"], stride: int, padding: int
    ) -> BFloat16[Tensor, "n o h2 h2"]:
        n, _, high, _ = x.shape
        out, channels, side, _ = weight.shape
        to = (high + 2 * padding - side) // stride + 1
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, *[padding] * 4))
        a, b, c, d = padded.stride()
        patches = padded.as_strided((n, to, to, side, side, channels), (a, b * stride, c * stride, b, c, d))
        columns = patches.reshape(n * to * to, side * side * channels)
        flat = weight.permute(0, 2, 3, 1).reshape(out, -1)
        ctx.save_for_backward(columns, flat)
        ctx.shapes = x.shape, weight.shape, to, stride, padding
        return (columns @ flat.T).view(n, to, to, out).permute(0, 3, 1, 2)

    @staticmethod
    def backward(
        ctx: Any, *grads: BFloat16[Tensor, "n o h2 h2"]
    ) -> tuple[BFloat16[Tensor, "n c h h"] | None, BFloat16[Tensor, "o c k k"], None, None]:
        columns, flat = ctx.saved_tensors
        (n, channels, high, wide), (out, _, side, _), to, stride, padding = ctx.shapes
        grad = grads[0].permute(0, 2, 3, 1).reshape(n * to * to, out)
        of_weight = (grad.T @ columns).view(out, side, side, channels).permute(0, 3, 1, 2)
        if not ctx.needs_input_grad[0]:
            return None, of_weight, None, None
        parts = (grad @ flat).view(n, to, to, side, side, channels)
        # Patches overlap: their gradients add up, in float32, and are rounded once.
        padded = torch.zeros(n, high + 2 * padding, wide + 2 * padding, channels)
        reach = stride * (to - 1) + 1
        for i in range(side):
            for j in range(side):
                padded[:, i : i + reach : stride, j : j + reach : stride].add_(parts[:, :, :, i, j])
        of_x = padded[:, padding : padding + high, padding : padding + wide].to(grad.dtype)
        return of_x.permute(0, 3, 1, 2), of_weight, None, None
