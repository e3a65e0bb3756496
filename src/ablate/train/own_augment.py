"""An augmentation by its name: one of `augment.AUGMENTS`, or a function of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Generator, Tensor

from ablate import own_code
from ablate.errors import UserError
from ablate.train.augment import AUGMENTS, Augment

if TYPE_CHECKING:
    from jaxtyping import Float


def augmentation(name: str) -> Augment:
    """The level of this name, or the user's own function, FILE.py:NAME, which takes images and a generator as well.

    Raises:
        UserError: For what fails in the user's own code, then and whenever it is called, and where it does not give
            images of the shape that it was given.
    """
    if not own_code.is_own(name):
        return AUGMENTS[name]
    call = own_code.load(name, "augment")

    def own(images: Float[Tensor, "n 3 s s"], generator: Generator) -> Float[Tensor, "n 3 s s"]:
        with own_code.calling(name, "augment", call):
            found = call(images, generator)
        if not isinstance(found, Tensor) or found.shape != images.shape or found.dtype != images.dtype:
            told = f"{tuple(found.shape)} {found.dtype}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
            raise UserError(f"augment: {name} gave {told}; return {tuple(images.shape)} {images.dtype}")
        return found

    return own
