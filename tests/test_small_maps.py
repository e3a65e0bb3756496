"""Convolutions as matrix products. Oracle: torch's own convolution in float64, with bf16's rounding of 2^-8."""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from ablate.train.small_maps import POSITIONS, _Product, use_products

SHAPES = {  # channels, filters, kernel, stride, padding, side of the input
    "3x3": (16, 8, 3, 1, 1, 2),
    "3x3, stride 2": (8, 16, 3, 2, 1, 4),
    "3x3, stride 2, odd": (8, 16, 3, 2, 1, 5),
    "1x1, stride 2": (8, 4, 1, 2, 0, 4),
    "5x5": (4, 8, 5, 1, 2, 3),
    "valid": (4, 8, 3, 1, 0, 3),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_values_and_gradients_are_the_convolutions(shape: tuple[int, ...]) -> None:
    channels, filters, side, stride, padding, size = shape
    torch.manual_seed(0)
    x = torch.randn(5, channels, size, size).bfloat16().requires_grad_()
    w = torch.randn(filters, channels, side, side).bfloat16().requires_grad_()
    exact_x, exact_w = (t.detach().double().requires_grad_() for t in (x, w))
    out: Any = _Product.apply(x, w, stride, padding)  # type: ignore[no-untyped-call]
    exact = conv2d(exact_x, exact_w, stride=stride, padding=padding)
    grad = torch.randn_like(out)
    out.backward(grad)
    exact.backward(grad.double())
    for mine, theirs in ((out, exact), (x.grad, exact_x.grad), (w.grad, exact_w.grad)):
        assert mine.shape == theirs.shape
        assert (mine.double() - theirs).norm() < 2**-8 * theirs.norm()


def both(x: torch.Tensor, conv: nn.Conv2d) -> tuple[torch.Tensor, torch.Tensor]:
    """(without, with) products, in bf16."""
    with torch.autocast("cpu", torch.bfloat16):
        return conv(x), use_products(copy.deepcopy(conv))(x)


def test_only_ordinary_convolutions_on_small_maps_under_bf16_take_this_way(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def watched(x: torch.Tensor, weight: torch.Tensor, stride: int, padding: int) -> torch.Tensor:
        calls.append(x.shape)
        return conv2d(x, weight, None, stride, padding)

    monkeypatch.setattr(_Product, "apply", watched)
    small, large = torch.randn(2, 8, 3, 3), torch.randn(2, 8, 4, 4)
    assert POSITIONS == 9
    for conv in (nn.Conv2d(8, 8, 3, padding=1, groups=2), nn.Conv2d(8, 8, 3, padding=2, dilation=2),
                 nn.Conv2d(8, 8, 3, padding="same"), nn.Conv2d(8, 8, (1, 3), padding=(0, 1)),
                 nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect")):  # fmt: skip
        one, other = both(small, conv)
        assert torch.equal(one, other) and not calls
    conv = nn.Conv2d(8, 8, 3, padding=1)
    assert torch.equal(*both(large, conv)) and not calls
    use_products(copy.deepcopy(conv))(small)  # float32
    assert not calls
    one, other = both(small, conv)  # with a bias
    assert len(calls) == 1 and torch.allclose(one, other, atol=2**-6)


def test_a_copy_computes_with_its_own_weights() -> None:
    """An averaged network is a deep copy."""
    conv = use_products(nn.Conv2d(8, 8, 3, padding=1))
    other = copy.deepcopy(conv)
    nn.init.zeros_(other.weight)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(other(torch.randn(1, 8, 2, 2)), other.bias.bfloat16().view(1, -1, 1, 1))
