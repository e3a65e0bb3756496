"""The shapes and kinds of numbers that signatures promise. Oracle: jaxtyping, on the values of real calls."""

import sys
from collections.abc import Callable
from inspect import signature
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import jaxtyping
import numpy as np
import pytest
import torch

from ablate.data import duplicates
from ablate.figures import filters, images
from ablate.models.residual import Block
from ablate.plan import settings
from ablate.train import augment, evaluate, optimise, small_maps

GENERATOR = torch.Generator().manual_seed(0)
BATCH = torch.rand(5, 3, 32, 32, generator=GENERATOR)
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)


def hints_of(thing: Any) -> dict[str, Any]:
    """A module imports these names for types alone."""
    return get_type_hints(thing, {**vars(jaxtyping), **vars(sys.modules[thing.__module__])})


def check(value: Any, hint: Any, where: str) -> None:
    """Whether ``value`` is as ``hint`` says: an array, a tuple or a record of them; letters mean one number each."""
    if get_origin(hint) is tuple:
        for n, (part, of_part) in enumerate(zip(value, get_args(hint), strict=True)):
            check(part, of_part, f"{where}[{n}]")
    elif isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields"):
        for name, of_part in hints_of(hint).items():
            check(getattr(value, name), of_part, f"{where}.{name}")
    elif get_origin(hint) is UnionType or get_origin(hint) is Union:  # with None, which stands last
        if value is not None:
            check(value, get_args(hint)[0], where)
    elif isinstance(hint, type):
        assert isinstance(value, hint), f"{where}: {getattr(value, 'dtype', '')}{getattr(value, 'shape', value)}"


def checked(function: Callable[..., Any], *args: Any) -> Any:
    """Call ``function``, and compare what goes in and what comes out with its signature."""
    hints = hints_of(function)
    assert any("jaxtyping" in f"{type(hint)}{hint}" for hint in hints.values()), "it promises no shape"
    with jaxtyping.jaxtyped("context"):
        for name, value in signature(function).bind(*args).arguments.items():
            check(value, hints[name], name)
        out = function(*args)
        check(out, hints["return"], "return")
    return out


@pytest.mark.parametrize("name", [name for name in settings.AUGMENTS if name != "none"])
def test_augmentations(name: str) -> None:
    draw, apply = (getattr(augment, f"{step}_{name.replace('-', '_')}") for step in ("draw", "apply"))
    drawn = draw(5, 32, GENERATOR)
    check(drawn, hints_of(draw)["return"], "drawn")
    checked(apply, BATCH, drawn)


@pytest.mark.parametrize("name", [name for name in settings.MIXES if name != "none"])
def test_mixes(name: str) -> None:
    checked(getattr(augment, name), BATCH, GENERATOR)


def test_networks() -> None:
    block = Block(3, 8, stride=2, residual=True, dropout=0.0)
    checked(block.shortcut, BATCH)
    checked(block.forward, BATCH)
    checked(small_maps._forward, torch.nn.Conv2d(3, 4, 3), BATCH)


def test_losses() -> None:
    logits, labels = torch.rand(5, 7, generator=GENERATOR), torch.arange(5)
    loss = checked(optimise.loss_of, logits, labels, 0.1)
    checked(optimise.loss_of, logits, labels, 0.1, labels.roll(1), torch.full((5,), 0.5))
    checked(evaluate.sums_of, logits, labels, loss)


def test_data_and_pictures() -> None:
    hashes = checked(duplicates.perceptual_hashes, PIXELS)
    checked(duplicates.exact, hashes, PIXELS)
    checked(duplicates.near, hashes, 4)
    checked(images.mosaic, checked(filters.scaled, np.random.default_rng(0).normal(size=(6, 3, 3, 3)), -1.0, 1.0), 3)


def test_another_shape_is_found() -> None:
    """Images that are not square, labels as numbers with a point, two lengths under one letter."""
    for wrong in (BATCH[:, :, :16], BATCH[:, :2], BATCH.long()):
        with pytest.raises(AssertionError, match="images: torch"):
            checked(augment.apply_flip, wrong, torch.ones(5, dtype=torch.bool))
    with pytest.raises(AssertionError, match="mirror: torch"):
        checked(augment.apply_flip, BATCH, torch.ones(4, dtype=torch.bool))
