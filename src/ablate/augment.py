"""The papers' augmentations, on whole batches, with every draw from an explicit generator.

Each takes images (B, 3, S, S) float in [0, 1] and returns the same shape. Draws are made on the CPU, so that
they are the same on every device.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

Augment = Callable[[Tensor, torch.Generator], Tensor]


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=generator)


def _signs(n: int, generator: torch.Generator) -> Tensor:
    """-1 (mirrored) or 1, each with probability 0.5."""
    return 1 - 2 * (torch.rand(n, generator=generator) < 0.5).float()


def _warp(images: Tensor, matrix: Tensor, padding: str = "zeros") -> Tensor:
    """Resample bilinearly; ``matrix`` (B, 2, 3) maps output to input positions, both in [-1, 1]."""
    grid = affine_grid(matrix.to(images.device), list(images.shape), align_corners=False)
    return grid_sample(images, grid, mode="bilinear", padding_mode=padding, align_corners=False)


def _crop_matrix(width: Tensor, height: Tensor, left: Tensor, top: Tensor, mirror: Tensor) -> Tensor:
    """(B, 2, 3) of a crop whose sides and corner are shares of the image, mirrored where ``mirror`` is -1."""
    zero = torch.zeros_like(width)
    x = torch.stack([width * mirror, zero, 2 * left + width - 1], 1)
    y = torch.stack([zero, height, 2 * top + height - 1], 1)
    return torch.stack([x, y], 1)


def alexnet_vs_resnet(images: Tensor, generator: torch.Generator) -> Tensor:
    """Flip p=0.5, brightness and contrast in [0.9, 1.08], resized crop of scale [0.8, 0.95].

    Source: alexnet-vs-resnet, section Dataset. Paper silent: the crop's aspect ratio; torchvision's 3/4 to 4/3.
    """
    n = len(images)
    area = _uniform(n, 0.8, 0.95, generator)
    ratio = torch.exp(_uniform(n, math.log(3 / 4), math.log(4 / 3), generator))
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    left = torch.rand(n, generator=generator) * (1 - width)
    top = torch.rand(n, generator=generator) * (1 - height)
    images = _warp(images, _crop_matrix(width, height, left, top, _signs(n, generator)), "border")
    brightness, contrast = (_uniform(n, 0.9, 1.08, generator).view(-1, 1, 1, 1).to(images.device) for _ in range(2))
    images = (images * brightness).clamp(0, 1)
    gray = images * torch.tensor([0.2989, 0.587, 0.114], device=images.device).view(1, 3, 1, 1)
    level = gray.sum(1, keepdim=True).mean((2, 3), keepdim=True)  # torchvision's: the mean of the luma
    return (level + contrast * (images - level)).clamp(0, 1)


def five_cnns(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shear, zoom, rotation, flip and brightness.

    Source: five-cnns, section V. Paper silent on the ranges: shear 0.2, zoom 0.8 to 1.2, rotation 20 degrees,
    brightness 0.8 to 1.2, the values of Keras's own examples; edges repeat the nearest pixel, its default.
    """
    n = len(images)
    angle = _uniform(n, -math.radians(20), math.radians(20), generator)
    shear = _uniform(n, -0.2, 0.2, generator)
    zoom = _uniform(n, 0.8, 1.2, generator)
    mirror = _signs(n, generator)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros(n)
    x = torch.stack([zoom * mirror * cos, zoom * (shear * cos - sin), zero], 1)
    y = torch.stack([zoom * mirror * sin, zoom * (shear * sin + cos), zero], 1)
    images = _warp(images, torch.stack([x, y], 1), "border")
    brightness = _uniform(n, 0.8, 1.2, generator).view(-1, 1, 1, 1).to(images.device)
    return (images * brightness).clamp(0, 1)


def resnet_vs_plain(images: Tensor, generator: torch.Generator) -> Tensor:
    """Flip p=0.5, then with p=0.7 a random crop of 56/64 of each side, scaled back.

    Source: resnet-vs-plain, section 4.2.
    """
    n = len(images)
    cropped = torch.rand(n, generator=generator) < 0.7
    side = torch.where(cropped, torch.tensor(56 / 64), torch.tensor(1.0))
    left = torch.rand(n, generator=generator) * (1 - side)
    top = torch.rand(n, generator=generator) * (1 - side)
    return _warp(images, _crop_matrix(side, side, left, top, _signs(n, generator)), "border")


AUGMENTS: dict[str, Augment] = {
    "none": lambda images, generator: images,
    "alexnet-vs-resnet": alexnet_vs_resnet,
    "five-cnns": five_cnns,
    "resnet-vs-plain": resnet_vs_plain,
}
