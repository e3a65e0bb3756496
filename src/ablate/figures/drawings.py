"""Drawings of networks and of their blocks: boxes and arrows, made from the networks' own code."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from torch import nn

from ablate.errors import UserError
from ablate.figures.boxes import SHAPES, draw_boxes, height_of
from ablate.figures.common import Drawn, panels, wrapped
from ablate.figures.style import NARROW, WIDE
from ablate.models.build import build
from ablate.models.outline import outline
from ablate.models.structure import Structure, fused
from ablate.models.structure import blocks as blocks_of
from ablate.models.structure import structure as structure_of
from ablate.plurals import many
from ablate.results.study import StudyResults
from ablate.tables.networks import args_of, called, counted, of_study

SHORT = {"batch norm": "BN"}  # in a whole network
T = TypeVar("T")


def network(results: StudyResults, argument: str) -> Drawn:
    """The network ``argument`` of the registry from input to logits, with the paper's classes and pixels.

    There is a box per layer, with what follows it on each value, and beside it channels × height × width.

    Raises:
        UserError: For a network that cannot be drawn.
    """
    found = of_study(results, argument)
    whole = _read(partial(structure_of, _made(results, argument), (3, found.image_size, found.image_size)))
    drawn = fused(whole)
    words = [" · ".join(SHORT.get(word, word) for word in box.words) for box in drawn.boxes]
    height = height_of(drawn, words, NARROW - SHAPES)
    figure, (axis,) = panels(1, 1, NARROW, height)
    draw_boxes(axis, drawn, words, (NARROW, height), shapes=True)
    size = f"{many(found.classes, 'class')}, {many(counted(results, found), 'parameter')}"
    about = f"{called(results, argument)} for {size}"
    return Drawn(figure, f"{about}; beside each layer channels × height × width of what it gives.")


def blocks(results: StudyResults, argument: str) -> Drawn:
    """The building blocks of the networks NETWORK+NETWORK, a panel for each kind of block, operation by operation.

    Raises:
        UserError: For a network without blocks.
    """
    drawn: list[tuple[str, Structure]] = []
    for name in argument.split("+"):
        side = of_study(results, name).image_size
        for found in _read(partial(blocks_of, _made(results, name), (3, side, side))).values():
            channels = f"{found.boxes[0].shape[0]} → {found.boxes[-1].shape[0]}"
            drawn.append((f"{called(results, name)}: {channels} channels", found))
    width = (WIDE if len(drawn) > 2 else NARROW) / len(drawn)
    words = [["\n".join(box.words) for box in found.boxes] for _, found in drawn]
    height = max(height_of(found, each, width) for (_, found), each in zip(drawn, words, strict=True))
    figure, axes = panels(1, len(drawn), width * len(drawn), height + 0.3)
    for n, (axis, (title, found), each) in enumerate(zip(axes, drawn, words, strict=True)):
        draw_boxes(axis, found, each, (width, height), panel=n)
        axis.set_title(wrapped(title, width, size=8))
    return Drawn(figure, "Building blocks, as the networks' code has them; a panel for each, named by its channels.")


def _made(results: StudyResults, name: str) -> nn.Module:
    """With the classes and pixels that the paper has."""
    found = of_study(results, name)
    args = args_of(next((p for p in results.planned if p.settings.model == name), None), name)
    return outline(lambda: build(name, classes=found.classes, image_size=found.image_size, model_args=args))


def _read(make: Callable[[], T]) -> T:
    """What ``make`` reads off a network; UserError for one of which it cannot."""
    try:
        return make()
    except ValueError as error:
        raise UserError(str(error)) from error
