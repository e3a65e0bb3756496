"""Winograd's convolutions. Oracle: torch's own in float64; rounding below 1e-5 of the largest value."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from ablate.train import small_maps, winograd
from ablate.train.small_maps import use_products


@pytest.mark.parametrize("side", [1, 2, 3, 4, 5, 7, 8, 10, 16])
def test_values_and_gradients_are_the_convolutions(side: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(5, 12, side, side).to(memory_format=torch.channels_last).requires_grad_()
    w = torch.randn(8, 12, 3, 3).to(memory_format=torch.channels_last).requires_grad_()
    exact_x, exact_w = (t.detach().double().requires_grad_() for t in (x, w))
    out, exact = winograd.convolve(x, w), conv2d(exact_x, exact_w, padding=1)
    grad = torch.randn_like(exact)
    out.backward(grad.float())
    exact.backward(grad)
    assert x.grad is not None and w.grad is not None
    for mine, theirs in ((out, exact), (x.grad, exact_x.grad), (w.grad, exact_w.grad)):
        assert theirs is not None and mine.shape == theirs.shape
        assert mine.is_contiguous(memory_format=torch.channels_last)  # what the layers around it are fastest on
        assert (mine.double() - theirs).abs().max() < 1e-5 * theirs.abs().max()


def test_tiles_cover_a_map_with_the_fewest_products() -> None:
    """By hand: (m + 2)^2 products a tile. Five pixels: two tiles of 3 a side, 100 in all; of 4, 144; of 2, 144."""
    assert [winograd.tile(side) for side in (2, 3, 4, 5, 6, 7, 8)] == [2, 3, 4, 3, 3, 4, 4]


def test_only_what_gains_takes_this_way(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def watched(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        calls.append(x.shape)
        return conv2d(x, weight, None, 1, 1)

    monkeypatch.setattr(small_maps.winograd, "convolve", watched)
    monkeypatch.setattr(winograd, "CHANNELS", 4)

    def taken(conv: nn.Conv2d, x: torch.Tensor) -> bool:
        calls.clear()
        assert torch.allclose(conv(x), use_products(copy.deepcopy(conv))(x), atol=1e-5)
        return bool(calls)

    x = torch.randn(8, 4, 8, 8)  # 32 tiles
    for conv in (nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1, bias=False)):
        assert taken(conv, x)
    for conv in (nn.Conv2d(4, 3, 3, padding=1), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 5, padding=2), nn.Conv2d(4, 4, 1),
                 nn.Conv2d(4, 4, 3, 2, padding=1), nn.Conv2d(4, 4, 3, padding=1, groups=2)):  # fmt: skip
        assert not taken(conv, x)
    conv = nn.Conv2d(4, 4, 3, padding=1)
    assert not taken(conv, x[:7])
    assert not taken(copy.deepcopy(conv).double(), x.double())
    with torch.autocast("cpu", torch.bfloat16):
        assert not taken(conv, x)


def test_frozen_weights_and_images_get_no_gradient() -> None:
    x, w = torch.randn(2, 4, 4, 4), torch.randn(4, 4, 3, 3, requires_grad=True)
    winograd.convolve(x, w).sum().backward()
    assert x.grad is None and w.grad is not None
    x.requires_grad_()
    winograd.convolve(x, w.detach()).sum().backward()
    assert x.grad is not None


def test_the_same_convolution_gives_the_same_bytes() -> None:
    """A run that goes on computes what the run itself would have."""
    torch.manual_seed(0)
    x, w = torch.randn(40, 128, 7, 7, requires_grad=True), torch.randn(128, 128, 3, 3, requires_grad=True)
    one, other = (torch.autograd.grad(winograd.convolve(x, w).square().sum(), (x, w)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
