"""Augmentations as pure functions on whole batches, with every draw from an explicit generator.

Each level is a pair: ``draw_x(n, size, generator)`` draws the parameters of n images of ``size`` x ``size`` pixels
on the CPU, so that they are the same on every device; ``apply_x(images, parameters)`` applies them on the images'
own device, to the result of torchvision's per-image ``transforms.v2`` (for five-cnns, of Keras). ``x`` is its name,
with underscores for hyphens: `plan.settings` has the names. Images are
(B, 3, S, S) float in [0, 1], in any memory format, and keep shape and range.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample

from ablate.models._torchvision import import_torchvision
from ablate.plan import settings
from ablate.train.transfer import moved

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, Shaped

Augment = Callable[[Tensor, Generator], Tensor]
Mix = Callable[[Tensor, Generator], tuple[Tensor, Tensor, Tensor]]


class Boxes(NamedTuple):
    """Whether each image is mirrored left to right, and the box in it thereafter, in whole pixels."""

    mirror: Bool[Tensor, " n"]
    top: Int[Tensor, " n"]
    left: Int[Tensor, " n"]
    height: Int[Tensor, " n"]
    width: Int[Tensor, " n"]


class Jitter(NamedTuple):
    """Factors of brightness and contrast, whether brightness comes first; and the boxes."""

    brightness: Float[Tensor, " n"]
    contrast: Float[Tensor, " n"]
    brightness_first: Bool[Tensor, " n"]
    boxes: Boxes


class Affine(NamedTuple):
    """Keras's parameters: angles in degrees, zooms and brightness as factors."""

    rotation: Float[Tensor, " n"]
    shear: Float[Tensor, " n"]
    zoom_x: Float[Tensor, " n"]
    zoom_y: Float[Tensor, " n"]
    mirror: Bool[Tensor, " n"]
    brightness: Float[Tensor, " n"]


class Operations(NamedTuple):
    """Positions in ``RANDAUGMENT``, in the order of application, and whether magnitudes are negative."""

    which: Int[Tensor, "n 2"]
    negative: Bool[Tensor, "n 2"]


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _whole(most: Tensor, generator: Generator) -> Tensor:
    """Whole numbers, each uniform from 0 to its ``most``, both included."""
    return (torch.rand(most.shape, generator=generator, dtype=torch.float64) * (most + 1)).long()


def _per_image(values: Shaped[Tensor, " n"], images: Float[Tensor, "n 3 s s"]) -> Shaped[Tensor, "n 1 1 1"]:
    return moved(values, images.device).view(-1, 1, 1, 1)


def _sides(
    area: Float[Tensor, "n 10"], aspect: Float[Tensor, "n 10"], most: int, otherwise: int
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """Heights and widths as torchvision finds them: the first of ten tries, each an area and height / width.

    A try with a side above ``most`` does not count; where none does, both sides are ``otherwise``.
    """
    tries = torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()]).round().long()
    fits = (tries <= most).all(0)
    height, width = torch.where(fits.any(1), tries[:, torch.arange(len(area)), fits.int().argmax(1)], otherwise)
    return height, width


def _positions(start: Int[Tensor, " n"], length: Int[Tensor, " n"], size: int) -> Float[Tensor, "n {size}"]:
    """Where in the input the pixels of a stretch lie that is resized to ``size`` pixels.

    Pixel centres lie at halves, and the stretch's own border repeats, not the image's: torchvision crops first.
    """
    length = length[:, None]
    centre = (torch.arange(size) + 0.5) * length / size - 0.5
    return start[:, None] + centre.clamp(min=0).minimum(length - 1)


def apply_crop(images: Float[Tensor, "n 3 s s"], boxes: Boxes) -> Float[Tensor, "n 3 s s"]:
    """Mirror, cut the box out, resize it to the whole side: bilinear; zeros where a box leaves the image.

    torchvision's ``resized_crop``, whose antialiasing changes nothing, as no box is larger than the image. On CUDA
    it counts on torch's default for matrix products, full float32 precision without TF32.
    """
    n, channels, size, _ = images.shape
    rows, columns = _positions(boxes.top, boxes.height, size), _positions(boxes.left, boxes.width, size)
    columns = torch.where(boxes.mirror[:, None], size - 1 - columns, columns)
    # Columns by a product with the weights (n, input, output) of the two nearest pixels, which add up to exactly 1,
    # or to 0 outside. Rows lie whole in memory: taking the two nearest and blending them costs half of a product.
    distance = moved(columns, images.device)[:, None] - torch.arange(size, device=images.device)[:, None]
    by_column = distance.abs_().neg_().add_(1).clamp_(min=0)
    images = torch.bmm(images.reshape(n, channels * size, size), by_column).view(-1, size)
    above = rows.floor()
    start = size * torch.arange(n * channels, device=images.device).view(n, channels, 1)
    blended: list[Tensor] = []
    for row, weight in ((above, above + 1 - rows), (above + 1, rows - above)):
        at = (start + moved(row.clamp(0, size - 1).long(), images.device)[:, None]).flatten()
        weight = moved(weight * ((row >= 0) & (row < size)), images.device)
        blended.append(images.index_select(0, at).view(n, channels, size, size).mul_(weight[:, None, :, None]))
    return blended[0].add_(blended[1])


def draw_flip(n: int, size: int, generator: Generator) -> Bool[Tensor, " n"]:
    """Whether to mirror each image left to right, p=0.5."""
    return torch.rand(n, generator=generator) < 0.5


def apply_flip(images: Float[Tensor, "n 3 s s"], mirror: Bool[Tensor, " n"]) -> Float[Tensor, "n 3 s s"]:
    """torchvision's ``horizontal_flip`` where asked."""
    return torch.where(_per_image(mirror, images), images.flip(3), images)


def draw_crop(n: int, size: int, generator: Generator) -> Boxes:
    """Flip p=0.5, pad an eighth of the side with zeros (4 pixels of 32), crop the side anywhere.

    Source: arXiv 1512.03385, section 4.2. Counted from the image's corner, boxes start at -(size // 8) to size // 8.
    """
    mirror, pad = draw_flip(n, size, generator), size // 8
    top, left = (_whole(torch.full((n,), 2 * pad), generator) - pad for _ in range(2))
    return Boxes(mirror, top, left, torch.full((n,), size), torch.full((n,), size))


def draw_random_erasing(n: int, size: int, generator: Generator) -> Boxes:
    """Flip p=0.5, then with p=0.5 a box of 0.02 to 0.33 of the area, height / width 0.3 to 3.3, set to 0.

    Source: arXiv 1708.04896, with torchvision's defaults. Images are not normalised yet, so 0 is black.
    """
    mirror, erased = draw_flip(n, size, generator), torch.rand(n, generator=generator) < 0.5
    area = size**2 * _uniform((n, 10), 0.02, 0.33, generator)
    aspect = _uniform((n, 10), math.log(0.3), math.log(3.3), generator).exp()
    height, width = (side * erased for side in _sides(area, aspect, size - 1, 0))
    return Boxes(mirror, _whole(size - height, generator), _whole(size - width, generator), height, width)


def apply_random_erasing(images: Float[Tensor, "n 3 s s"], boxes: Boxes) -> Float[Tensor, "n 3 s s"]:
    """Mirror, then torchvision's ``erase``; a box of no pixels erases nothing."""
    at = torch.arange(images.shape[-1])
    _, top, left, height, width = (values[:, None] for values in boxes)
    rows, columns = (at >= top) & (at < top + height), (at >= left) & (at < left + width)
    kept = ~(rows[:, None, :, None] & columns[:, None, None, :])
    return apply_flip(images, boxes.mirror).mul_(moved(kept, images.device, images.dtype))


def draw_randaugment(n: int, size: int, generator: Generator) -> Operations:
    """Two operations per image, each with its own sign.

    Source: arXiv 1909.13719, with torchvision's space and defaults: bin 9 of 0 to 30, nearest pixel, zeros outside.
    """
    which = torch.randint(len(RANDAUGMENT), (n, 2), generator=generator)
    signed = torch.tensor([has_sign for has_sign, _ in RANDAUGMENT.values()])[which]
    return Operations(which, (torch.rand((n, 2), generator=generator) < 0.5) & signed)


def apply_randaugment(images: Float[Tensor, "n 3 s s"], operations: Operations) -> Float[Tensor, "n 3 s s"]:
    """torchvision's own functions, each once on all images that drew it with the same sign."""
    import_torchvision()
    functional = importlib.import_module("torchvision.transforms.v2.functional")
    calls = [call for _, call in RANDAUGMENT.values()]
    images = images.contiguous()  # several of them are far slower on channels_last
    for drawn in (2 * operations.which + operations.negative).T:
        order = drawn.argsort()
        groups, counts = (values.tolist() for values in drawn[order].unique_consecutive(return_counts=True))
        parts = torch.split(images.index_select(0, moved(order, images.device)), counts)
        done = [calls[group // 2](functional, part, (-1) ** group) for group, part in zip(groups, parts, strict=True)]
        images = torch.cat(done).index_select(0, moved(order.argsort(), images.device))
    return images


# By torchvision's names: whether the magnitude has a sign, and the call for it. Bin 9 of 30 is 0.3 of each range.
_SHEAR, _SHIFT = math.degrees(math.atan(0.3 * 0.3)), 0.3 * 150 / 331
RANDAUGMENT: dict[str, tuple[bool, Callable[[Any, Tensor, int], Tensor]]] = {
    "Identity": (False, lambda f, x, sign: x),
    "ShearX": (True, lambda f, x, sign: f.affine(x, 0.0, [0, 0], 1.0, [sign * _SHEAR, 0.0], center=[0, 0])),
    "ShearY": (True, lambda f, x, sign: f.affine(x, 0.0, [0, 0], 1.0, [0.0, sign * _SHEAR], center=[0, 0])),
    "TranslateX": (True, lambda f, x, sign: f.affine(x, 0.0, [sign * int(_SHIFT * x.shape[-1]), 0], 1.0, [0.0, 0.0])),
    "TranslateY": (True, lambda f, x, sign: f.affine(x, 0.0, [0, sign * int(_SHIFT * x.shape[-1])], 1.0, [0.0, 0.0])),
    "Rotate": (True, lambda f, x, sign: f.rotate(x, sign * 0.3 * 30)),
    "Brightness": (True, lambda f, x, sign: f.adjust_brightness(x, 1 + sign * 0.3 * 0.9)),
    "Color": (True, lambda f, x, sign: f.adjust_saturation(x, 1 + sign * 0.3 * 0.9)),
    "Contrast": (True, lambda f, x, sign: f.adjust_contrast(x, 1 + sign * 0.3 * 0.9)),
    "Sharpness": (True, lambda f, x, sign: f.adjust_sharpness(x, 1 + sign * 0.3 * 0.9)),
    "Posterize": (False, lambda f, x, sign: f.posterize(x, 7)),  # 8 bits less 0.3 of 4, rounded
    "Solarize": (False, lambda f, x, sign: f.solarize(x, 0.7)),
    "AutoContrast": (False, lambda f, x, sign: f.autocontrast(x)),
    "Equalize": (False, lambda f, x, sign: f.equalize(x)),
}


def draw_alexnet_vs_resnet(n: int, size: int, generator: Generator) -> Jitter:
    """Flip p=0.5, brightness and contrast in [0.9, 1.08], resized crop of scale [0.8, 0.95], in this order.

    Source: alexnet-vs-resnet, section Dataset, which names torchvision's transforms. Paper silent: the crop's
    aspect ratio, torchvision's 3/4 to 4/3; which of brightness and contrast is first, random as torchvision's.
    """
    mirror, brightness_first = (torch.rand(n, generator=generator) < 0.5 for _ in range(2))
    brightness, contrast = (_uniform((n,), 0.9, 1.08, generator) for _ in range(2))
    area = size**2 * _uniform((n, 10), 0.8, 0.95, generator)
    height, width = _sides(area, _uniform((n, 10), -math.log(4 / 3), math.log(4 / 3), generator).exp(), size, size)
    boxes = Boxes(mirror, _whole(size - height, generator), _whole(size - width, generator), height, width)
    return Jitter(brightness, contrast, brightness_first, boxes)


def apply_alexnet_vs_resnet(images: Float[Tensor, "n 3 s s"], jitter: Jitter) -> Float[Tensor, "n 3 s s"]:
    """torchvision's ``adjust_brightness`` and ``adjust_contrast`` in the drawn order, then ``resized_crop``."""
    brightness, contrast, first = (_per_image(values, images) for values in jitter[:3])
    luma, out = moved(torch.tensor([0.2989, 0.587, 0.114]), images.device), torch.empty_like(images)
    for bright in (first, ~first):
        level = _per_image(images.mean((2, 3)) @ luma, images)  # contrast blends with it
        shift = torch.where(bright, 0, (1 - contrast) * level)
        images = torch.mul(images, torch.where(bright, brightness, contrast), out=out).add_(shift).clamp_(0, 1)
    return apply_crop(images, jitter.boxes)


def draw_five_cnns(n: int, size: int, generator: Generator) -> Affine:
    """Shear, zoom, rotation, flip and brightness, as Keras's ImageDataGenerator draws them.

    Source: five-cnns, text after figure 10, and its reference 6. Paper silent: the ranges. They are those of
    Keras's own examples, shear_range=0.2, zoom_range=0.2 and rotation_range=20, and a brightness_range like the
    zoom's, [0.8, 1.2]. Keras counts 0.2 in degrees: a shear that moves no pixel of 64 x 64 by more than 0.14.
    """
    rotation, shear = _uniform((n,), -20, 20, generator), _uniform((n,), -0.2, 0.2, generator)
    zoom_x, zoom_y, brightness = (_uniform((n,), 0.8, 1.2, generator) for _ in range(3))
    return Affine(rotation, shear, zoom_x, zoom_y, draw_flip(n, size, generator), brightness)


def apply_five_cnns(images: Float[Tensor, "n 3 s s"], p: Affine) -> Float[Tensor, "n 3 s s"]:
    """Keras's ``apply_transform``: bilinear about the centre, edges repeated; then the flip; then brightness.

    Source: https://github.com/keras-team/keras/blob/master/keras/src/legacy/preprocessing/image.py, less its cut
    of values to 8 bits before and after brightness.
    """
    angle, sheared = torch.deg2rad(p.rotation), torch.deg2rad(p.rotation + p.shear)
    # Rotation times shear times zoom, from output to input positions; mirrored in the output, as the flip is last.
    zoom_x = torch.where(p.mirror, -p.zoom_x, p.zoom_x)
    x = torch.stack([zoom_x * angle.cos(), -p.zoom_y * sheared.sin(), torch.zeros_like(angle)], 1)
    y = torch.stack([zoom_x * angle.sin(), p.zoom_y * sheared.cos(), torch.zeros_like(angle)], 1)
    # Keras's centre, (S - 1) / 2 from the first pixel's centre, is torch's where corners are not aligned.
    grid = affine_grid(moved(torch.stack([x, y], 1), images.device), list(images.shape), align_corners=False)
    images = grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return images.mul_(_per_image(p.brightness, images)).clamp_(0, 1)


def draw_resnet_vs_plain(n: int, size: int, generator: Generator) -> Boxes:
    """Flip p=0.5, then with p=0.7 a random crop of 56/64 of each side, scaled back.

    Source: resnet-vs-plain, section 4.2. Paper silent: the interpolation; bilinear.
    """
    mirror = draw_flip(n, size, generator)
    side = torch.where(torch.rand(n, generator=generator) < 0.7, size * 56 // 64, size)
    return Boxes(mirror, _whole(size - side, generator), _whole(size - side, generator), side, side)


apply_resnet_vs_plain = apply_crop


def draw_mixup(size: int, generator: Generator) -> float:
    """The weight of the image itself, Beta(0.2, 0.2); one per batch, as torchvision's MixUp.

    Source: arXiv 1710.09412, figure 1 (one per batch) and section 3.1 (alpha of 0.1 to 0.4 for ImageNet).
    """
    seed = int(torch.randint(2**63 - 1, (), generator=generator))  # torch's Beta takes no generator
    return float(np.random.default_rng(seed).beta(0.2, 0.2))


def apply_mixup(images: Float[Tensor, "n 3 s s"], share: float) -> Float[Tensor, "n 3 s s"]:
    """Blend each image with the one before it in the batch. Any range of values."""
    return images.roll(1, 0).mul_(1 - share).add_(images * share)


def draw_cutmix(size: int, generator: Generator) -> tuple[slice, slice]:
    """Rows and columns of a box; one per batch, as torchvision's CutMix.

    Source: arXiv 1905.04899, section 3.1: its share of the area, before the border cuts it, is uniform, Beta(1, 1).
    """
    half = int(0.5 * math.sqrt(torch.rand((), generator=generator)) * size)
    centre = torch.randint(size, (2,), generator=generator).tolist()
    rows, columns = (slice(max(at - half, 0), min(at + half, size)) for at in centre)
    return rows, columns


def apply_cutmix(images: Float[Tensor, "n 3 s s"], box: tuple[slice, slice]) -> Float[Tensor, "n 3 s s"]:
    """Paste into each image the box of the one before it in the batch. Any range of values."""
    mixed = images.clone()
    mixed[:, :, *box] = images[:, :, *box].roll(1, 0)
    return mixed


def mixup(
    images: Float[Tensor, "n 3 s s"], generator: Generator
) -> tuple[Float[Tensor, "n 3 s s"], Int[Tensor, " n"], Float[Tensor, " n"]]:
    """Mixed images, each one's partner, and the weight of its own label."""
    share = draw_mixup(images.shape[-1], generator)
    return apply_mixup(images, share), *_labels(images, share)


def cutmix(
    images: Float[Tensor, "n 3 s s"], generator: Generator
) -> tuple[Float[Tensor, "n 3 s s"], Int[Tensor, " n"], Float[Tensor, " n"]]:
    """As ``mixup``; the weight is the share of the image's own pixels that are left."""
    rows, columns = draw_cutmix(images.shape[-1], generator)
    share = 1 - (rows.stop - rows.start) * (columns.stop - columns.start) / images.shape[-1] ** 2
    return apply_cutmix(images, (rows, columns)), *_labels(images, share)


def _labels(images: Float[Tensor, "n 3 s s"], share: float) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    partner = torch.arange(len(images), device=images.device).roll(1)
    return partner, torch.full((len(images),), share, device=images.device)


def _augment(name: str) -> Augment:
    """The level of this name, from its pair of functions."""
    draw, apply = (globals()[f"{step}_{name.replace('-', '_')}"] for step in ("draw", "apply"))

    def both(images: Float[Tensor, "n 3 s s"], generator: Generator) -> Float[Tensor, "n 3 s s"]:
        augmented: Tensor = apply(images, draw(len(images), images.shape[-1], generator))
        return augmented

    return both


AUGMENTS: dict[str, Augment] = {name: _augment(name) for name in settings.AUGMENTS if name != "none"}
AUGMENTS["none"] = lambda images, generator: images
MIXES: dict[str, Mix] = {name: globals()[name] for name in settings.MIXES if name != "none"}
