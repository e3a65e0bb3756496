"""The batched augmentations against torchvision's per-image transforms, and Keras's written out in NumPy."""

import math
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from ablate.models._torchvision import import_torchvision
from ablate.train import augment
from ablate.train.augment import AUGMENTS, MIXES, RANDAUGMENT, Affine, Boxes, Jitter, Operations

import_torchvision()
with patch("torch.compiler.disable", lambda function: function):  # which brings the compiler, and as long as torch
    from torchvision.transforms import v2
    from torchvision.transforms.v2 import functional as F

N = 4000  # draws on either side of a comparison of distributions


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def photos(n: int, size: int) -> Tensor:
    """Random 8-bit images (n, 3, size, size): noise in [0, 1], each channel in a range of its own."""
    low, high = torch.rand(2, n, 3, 1, 1, generator=generator(7)).sort(0).values
    return ((low + (high - low) * torch.rand(n, 3, size, size, generator=generator(8))) * 255).round() / 255


def row(parameters: Any, i: int) -> Any:
    """Those of image i alone; ``slice`` i keeps the axis."""
    if isinstance(parameters, Tensor):
        return parameters[i]
    return type(parameters)(*(row(values, i) for values in parameters))


def flip(image: Tensor, mirror: Tensor) -> Tensor:
    return F.horizontal_flip(image) if mirror else image


def crop(image: Tensor, box: Boxes) -> Tensor:
    size = image.shape[-1]
    padded = F.pad(flip(image, box.mirror), [size // 8] * 4)
    return F.crop(padded, int(box.top) + size // 8, int(box.left) + size // 8, size, size)


def resized_crop(image: Tensor, box: Boxes) -> Tensor:
    return F.resized_crop(flip(image, box.mirror), *map(int, box[1:]), size=list(image.shape[-2:]), antialias=True)


def random_erasing(image: Tensor, box: Boxes) -> Tensor:
    return F.erase(flip(image, box.mirror), *map(int, box[1:]), v=torch.zeros(1, 1, 1))


def alexnet_vs_resnet(image: Tensor, p: Jitter) -> Tensor:
    order = [(F.adjust_brightness, p.brightness), (F.adjust_contrast, p.contrast)]
    for adjust, factor in order if p.brightness_first else order[::-1]:
        image = adjust(image, float(factor))
    return resized_crop(image, p.boxes)


def five_cnns(image: Tensor, p: Affine) -> Tensor:
    """Keras's formula in double precision: its matrices about its centre, scipy's order 1 with mode nearest."""
    size = image.shape[-1]
    theta, shear = np.deg2rad(float(p.rotation)), np.deg2rad(float(p.shear))
    rotation = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
    sheared = np.array([[1, -np.sin(shear)], [0, np.cos(shear)]])
    matrix = rotation @ sheared @ np.diag([float(p.zoom_x), float(p.zoom_y)])  # of positions (x, y)
    centre = size / 2 - 0.5
    pixels, result = image.double().numpy(), np.empty(image.shape)
    for y in range(size):
        for x in range(size):
            at = matrix @ np.array([x - centre, y - centre]) + centre
            (left, top), (across, down) = np.floor(at).astype(int), at - np.floor(at)
            xs, ys = np.clip([left, left + 1], 0, size - 1), np.clip([top, top + 1], 0, size - 1)
            corners = pixels[:, ys[:, None], xs[None, :]]
            result[:, y, x] = np.array([1 - down, down]) @ corners @ np.array([1 - across, across])
    if p.mirror:
        result = result[:, :, ::-1]
    return torch.from_numpy(np.clip(result * float(p.brightness), 0, 1)).float()


def randaugment(image: Tensor, p: Operations) -> Tensor:
    """torchvision's own application at its own magnitudes."""
    theirs = v2.RandAugment(num_ops=2, magnitude=9, num_magnitude_bins=31)
    for which, negative in zip(p.which, p.negative, strict=True):
        name = list(RANDAUGMENT)[which]
        levels = theirs._AUGMENTATION_SPACE[name][0](31, image.shape[-2], image.shape[-1])
        magnitude = 0.0 if levels is None else float(levels[9]) * (-1 if negative else 1)
        image = theirs._apply_image_or_video_transform(image, name, magnitude, theirs.interpolation, theirs._fill)
    return image


# Level: how it draws, how it applies, and the same for one image.
LEVELS: dict[str, tuple[Callable[..., Any], Callable[..., Tensor], Callable[..., Tensor]]] = {
    "flip": (augment.draw_flip, augment.apply_flip, flip),
    "crop": (augment.draw_crop, augment.apply_crop, crop),
    "random-erasing": (augment.draw_random_erasing, augment.apply_random_erasing, random_erasing),
    "randaugment": (augment.draw_randaugment, augment.apply_randaugment, randaugment),
    "alexnet-vs-resnet": (augment.draw_alexnet_vs_resnet, augment.apply_alexnet_vs_resnet, alexnet_vs_resnet),
    "five-cnns": (augment.draw_five_cnns, augment.apply_five_cnns, five_cnns),
    "resnet-vs-plain": (augment.draw_resnet_vs_plain, augment.apply_crop, resized_crop),
}
# Largest difference of a value, 1e-5 where nothing is said: what is only moved is the same to the bit, and float32
# positions in a grid of [-1, 1] are good to 1e-5 of a pixel, between neighbours that differ by up to 1 per axis.
CLOSE = {"flip": 0.0, "crop": 0.0, "random-erasing": 0.0, "five-cnns": 2e-5}


def agree(ours: Tensor, theirs: Tensor, level: str) -> None:
    far = (ours - theirs).abs() > CLOSE.get(level, 1e-5)
    # Of two operations the second may have steps (posterize, solarize, equalize), where a rounding error of the
    # first shows in a few pixels. The operations alone are tested below without this margin.
    assert far.float().mean() <= (1e-3 if level == "randaugment" else 0)


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("level", LEVELS)
def test_every_image_is_what_the_per_image_transform_makes_of_it(level: str, size: int) -> None:
    """Oracle: torchvision's functional transforms, or Keras's formula, with the drawn parameters."""
    draw, apply, one = LEVELS[level]
    n = 8 if level == "five-cnns" else 64
    images, parameters = photos(n, size), draw(n, size, generator(size))
    before = images.clone()
    ours = apply(images, parameters)
    assert torch.equal(images, before)  # pure
    assert ours.shape == images.shape and ours.dtype == images.dtype
    assert ours.min() >= 0 and ours.max() <= 1
    agree(ours, torch.stack([one(image, row(parameters, i)) for i, image in enumerate(images)]), level)
    assert (ours - images).abs().mean() > 0.01  # and it does something


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("name", RANDAUGMENT)
def test_every_operation_of_randaugment(name: str, size: int) -> None:
    """Oracle: torchvision's RandAugment, one operation with either sign, with its own list of operations."""
    signs = {name: signed for name, (_, signed) in v2.RandAugment._AUGMENTATION_SPACE.items()}
    assert {name: signed for name, (signed, _) in RANDAUGMENT.items()} == signs
    which = torch.tensor([[list(RANDAUGMENT).index(name), 0]] * 4)
    negative = torch.tensor([[False, False], [True, False]] * 2) & signs[name]
    images, operations = photos(4, size), Operations(which, negative)
    theirs = torch.stack([randaugment(image, row(operations, i)) for i, image in enumerate(images)])
    ours = augment.apply_randaugment(images, operations)
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-6)
    assert torch.equal(ours, images) == (name == "Identity")


@pytest.mark.parametrize("level", LEVELS)
def test_a_result_depends_neither_on_the_batch_nor_on_memory_format_or_device(level: str) -> None:
    """Oracle: the same images one at a time, contiguous."""
    draw, apply, _ = LEVELS[level]
    images, parameters = photos(16, 64), draw(16, 64, generator(1))
    single = torch.cat([apply(images[i : i + 1], row(parameters, slice(i, i + 1))) for i in range(16)])
    batches = [images, images.contiguous(memory_format=torch.channels_last)]
    for batch in batches + [b.cuda() for b in batches if torch.cuda.is_available()]:
        agree(apply(batch, parameters).cpu(), single, level)


@pytest.mark.parametrize("level", AUGMENTS | MIXES)
def test_results_follow_the_generator_alone(level: str) -> None:
    """Oracle: the same seed again, with torch's global generator in another state and left alone."""
    function: Callable[..., Any] = (AUGMENTS | MIXES)[level]
    images = photos(16, 32)
    once = function(images, generator(3))
    torch.manual_seed(99)
    state = torch.get_rng_state()
    again, other = function(images, generator(3)), function(images, generator(4))
    assert torch.equal(torch.get_rng_state(), state)
    once, again, other = (r[0] if isinstance(r, tuple) else r for r in (once, again, other))
    assert torch.equal(once, again)
    assert torch.equal(once, other) == (level == "none")


def same_distribution(ours: Tensor, theirs: Tensor) -> None:
    """Mean and variance within 5 standard errors of their difference, all quantiles within the distance that
    Kolmogorov's and Smirnov's statistic for two samples of one distribution exceeds with probability 1e-6 or less.
    """
    values = torch.cat([ours.double(), theirs.double()])
    a, b = (values - values.mean()).split([len(ours), len(theirs)])
    for x, y in ((a, b), (a**2, b**2)):
        assert (x.mean() - y.mean()).abs() <= 5 * (x.var() / len(x) + y.var() / len(y)).sqrt()
    below = [torch.searchsorted(x.sort().values, torch.cat([a, b]), right=True) / len(x) for x in (a, b)]
    assert (below[0] - below[1]).abs().max() < math.sqrt(math.log(2e6) / 2 * (1 / len(a) + 1 / len(b)))


def theirs_drawn(transform: Any, size: int, keys: list[str]) -> dict[str, Tensor]:
    """{key: (N,)} of what a transform of torchvision draws for an image."""
    torch.manual_seed(11)
    drawn = [transform.make_params([torch.zeros(3, size, size)]) for _ in range(N)]
    return {key: torch.tensor([float(d[key]) for d in drawn]) for key in keys}


def happens(flags: Tensor, p: float = 0.5) -> None:
    """With probability p: the share of it within 5 standard errors."""
    assert abs(flags.float().mean() - p) <= 5 * math.sqrt(p * (1 - p) / len(flags))


@pytest.mark.parametrize("size", [32, 64])
def test_crops_are_drawn_as_torchvision_draws_them(size: int) -> None:
    """Oracle: make_params of RandomResizedCrop, and of RandomCrop with padding of an eighth of the side."""
    boxes = augment.draw_alexnet_vs_resnet(N, size, generator()).boxes
    theirs = theirs_drawn(v2.RandomResizedCrop(size, scale=(0.8, 0.95)), size, ["top", "left", "height", "width"])
    for key, values in theirs.items():
        same_distribution(getattr(boxes, key), values)
    same_distribution(boxes.height * boxes.width, theirs["height"] * theirs["width"])
    same_distribution(boxes.height - boxes.width, theirs["height"] - theirs["width"])
    assert (boxes.top + boxes.height).max() == (boxes.left + boxes.width).max() == size
    padded = augment.draw_crop(N, size, generator())
    for key, values in theirs_drawn(v2.RandomCrop(size, padding=size // 8), size, ["top", "left"]).items():
        same_distribution(getattr(padded, key) + size // 8, values)
    for mirror in (boxes.mirror, padded.mirror, augment.draw_flip(N, size, generator())):
        happens(mirror)


def test_where_no_try_fits_the_box_is_the_whole_image() -> None:
    """Oracle: torchvision's rule after ten tries, by hand: the second fits, none does, the first fits."""
    area = torch.tensor([[81.0] * 10, [100.0] * 10, [64.0] + [81.0] * 9])
    aspect = torch.tensor([[4.0, 1.0] + [4.0] * 8, [4.0] * 10, [1.0] * 10])
    height, width = augment._sides(area, aspect, 10, 10)
    assert height.tolist() == width.tolist() == [9, 10, 8]
    assert augment._sides(area, aspect, 9, 0)[0].tolist() == [9, 0, 8]


def test_jitter_is_drawn_as_torchvision_draws_it() -> None:
    """Oracle: ColorJitter's make_params; its order is a permutation in which brightness is 0 and contrast 1."""
    p = augment.draw_alexnet_vs_resnet(N, 64, generator())
    transform = v2.ColorJitter(brightness=(0.9, 1.08), contrast=(0.9, 1.08))
    theirs = theirs_drawn(transform, 64, ["brightness_factor", "contrast_factor"])
    same_distribution(p.brightness, theirs["brightness_factor"])
    same_distribution(p.contrast, theirs["contrast_factor"])
    happens(p.brightness_first)
    draws = torch.stack([p.brightness, p.contrast, p.boxes.mirror, p.brightness_first])
    assert draws.corrcoef().triu(1).abs().max() < 5 / math.sqrt(N)  # independent of each other


@pytest.mark.parametrize("size", [32, 64])
def test_erased_boxes_are_drawn_as_torchvision_draws_them(size: int) -> None:
    """Oracle: RandomErasing's make_params, which gives no value where no try fits; and its probability of 0.5."""
    box = augment.draw_random_erasing(N, size, generator())
    torch.manual_seed(11)
    transform = v2.RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0)
    drawn = [transform.make_params([torch.zeros(3, size, size)]) for _ in range(N)]
    rectangles = torch.tensor([[d[key] for key in "ijhw"] for d in drawn if d["v"] is not None])
    ours, theirs = (torch.stack([*b, b[2] * b[3], b[2] - b[3]]) for b in (torch.stack(box[1:]), rectangles.T))
    ours = ours[:, box.height > 0]
    for values, others in zip(ours, theirs, strict=True):  # corner, sides, area, and by how much it is upright
        same_distribution(values, others)
    assert box.height.max() == box.width.max() == size - 1  # the largest side that torchvision erases
    happens(box.height > 0, 0.5 * len(rectangles) / N)
    happens(box.mirror)


@pytest.mark.parametrize(("size", "side"), [(64, 56), (32, 28)])
def test_resnet_vs_plain_crops_seven_in_ten(size: int, side: int) -> None:
    """Oracle: the paper's 56 of 64 and p=0.7; RandomCrop's make_params for the place."""
    box = augment.draw_resnet_vs_plain(N, size, generator())
    cropped = box.height < size
    assert torch.equal(box.height, box.width) and set(box.height.tolist()) == {side, size}
    assert not (box.top | box.left)[~cropped].any()
    happens(cropped, 0.7)
    happens(box.mirror)
    for key, values in theirs_drawn(v2.RandomCrop(side), size, ["top", "left"]).items():
        same_distribution(getattr(box, key), torch.where(torch.rand(N) < 0.7, values, 0))


def test_keras_s_parameters_are_uniform_on_their_ranges() -> None:
    """Oracle: NumPy's uniform, which is what ImageDataGenerator draws them with."""
    p = augment.draw_five_cnns(N, 64, generator())
    rng, factor = np.random.default_rng(0), (0.8, 1.2)
    ranges = {"rotation": (-20, 20), "shear": (-0.2, 0.2), "zoom_x": factor, "zoom_y": factor, "brightness": factor}
    for name, (low, high) in ranges.items():
        same_distribution(getattr(p, name), torch.from_numpy(rng.uniform(low, high, N)))
    happens(p.mirror)


def test_randaugment_s_operations_are_drawn_as_torchvision_draws_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: what torchvision's RandAugment asks itself to apply, over N images."""
    asked: list[tuple[str, float]] = []
    monkeypatch.setattr(
        v2.RandAugment, "_apply_image_or_video_transform", lambda self, x, name, m, **_: asked.append((name, m)) or x
    )
    torch.manual_seed(13)
    transform, image = v2.RandAugment(), torch.zeros(3, 32, 32)
    for _ in range(N):
        transform(image)
    p = augment.draw_randaugment(N, 32, generator())
    codes = torch.tensor([2 * list(RANDAUGMENT).index(name) + (magnitude < 0) for name, magnitude in asked])
    for step in range(2):
        same_distribution(2 * p.which[:, step] + p.negative[:, step], codes[step::2])
        for k in range(len(RANDAUGMENT)):
            happens(p.which[:, step] == k, 1 / 14)
    happens(p.which[:, 0] == p.which[:, 1], 1 / 14)  # drawn with replacement


def test_mixes_are_drawn_as_torchvision_draws_them() -> None:
    """Oracle: make_params of torchvision's MixUp and CutMix."""
    g = generator()
    ours = torch.tensor([augment.draw_mixup(32, g) for _ in range(N)])
    same_distribution(ours, theirs_drawn(v2.MixUp(alpha=0.2), 32, ["lam"])["lam"])
    boxes = [augment.draw_cutmix(32, g) for _ in range(N)]
    ours = torch.tensor([(columns.start, rows.start, columns.stop, rows.stop) for rows, columns in boxes])
    theirs = torch.tensor([v2.CutMix(alpha=1.0).make_params([torch.zeros(3, 32, 32)])["box"] for _ in range(N)])
    for side in range(4):
        same_distribution(ours[:, side], theirs[:, side])
    same_distribution(*((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) for b in (ours, theirs)))


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("mix", MIXES)
def test_mixes_give_images_and_labels_the_same_shares(mix: str, memory: torch.memory_format) -> None:
    """Oracles: mixup's linear combination; for cutmix the count of the pixels that are the partner's and not the
    image's own. Values as after normalisation, outside [0, 1].
    """
    images = torch.randn(6, 3, 32, 32, generator=generator(5)).contiguous(memory_format=memory)
    before = images.clone()
    for seed in range(20):
        mixed, partner, share = MIXES[mix](images, generator(seed))
        assert torch.equal(images, before)
        assert partner.tolist() == [5, 0, 1, 2, 3, 4] and share.dtype == torch.float32
        if mix == "mixup":
            weight = augment.draw_mixup(32, generator(seed))
            assert torch.equal(mixed, images[partner] * (1 - weight) + images * weight)
            assert torch.equal(share, torch.full((6,), weight))
        else:
            pasted = mixed != images
            assert torch.equal(mixed[pasted], images[partner][pasted])
            assert torch.equal(1 - share, pasted.float().mean((1, 2, 3)))
