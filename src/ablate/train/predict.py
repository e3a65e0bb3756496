"""Classes of images by a run's kept weights."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from ablate.data.views import Pack
from ablate.errors import UserError
from ablate.models.weights import load_start
from ablate.plan.keys import WEIGHTS
from ablate.plan.names import class_names
from ablate.plan.runs import Run
from ablate.seals import of_run
from ablate.train.loader import colours
from ablate.train.trainer import network_of

AT_ONCE = 64  # images
KINDS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".tif", ".tiff")  # of files in a folder


class Answer(NamedTuple):
    """What the network says of an image."""

    file: Path
    label: str  # the class, as its data set calls it
    name: str  # in words
    probability: float  # of that class


def predict(run: Run, folder: Path, pack: Path, images: Sequence[Path]) -> Iterator[Answer]:
    """The most probable class of each image, by the weights in the run's ``folder``.

    Images are taken as RGB; those of another size are scaled to the pack's, their sides each by itself.

    Raises:
        UserError: For weights that are not there, and for a file that is no image.
    """
    if not (folder / WEIGHTS).exists():
        raise UserError(
            f"{folder}: has no {WEIGHTS}; add keep: last, or keep: best, to its settings and train it again"
        )
    opened = Pack.open(pack)
    chosen, side = opened.chosen(run.settings), opened.meta["image_size"]
    names = class_names(opened.meta, chosen)
    model = network_of(run.settings, len(chosen), side)
    load_start(model, of_run(folder, WEIGHTS))
    scale, shift = colours(run.settings, opened.meta, torch.device("cpu"))
    files = _files(images)
    for n in range(0, len(files), AT_ONCE):
        some = files[n : n + AT_ONCE]
        batch = torch.from_numpy(np.stack([_pixels(file, side) for file in some])).permute(0, 3, 1, 2) / 255
        with torch.inference_mode():
            shares = torch.softmax(model.eval()(batch * scale + shift).float(), 1)
        for file, (probability, label) in zip(
            some, zip(*(x.tolist() for x in shares.max(1)), strict=True), strict=True
        ):
            yield Answer(file, str(opened.meta["classes"][chosen[label]]), names[label], probability)


def _files(places: Sequence[Path]) -> list[Path]:
    """The images that are named, and those in the folders that are, whatever the depth."""
    found: list[Path] = []
    for place in places:
        inside = [p for p in sorted(place.rglob("*")) if p.suffix.lower() in KINDS and p.is_file()]
        if not place.exists():
            raise UserError(f"{place}: there is no such file or folder")
        if place.is_dir() and not inside:
            raise UserError(f"{place}: has no image ({', '.join(KINDS)})")
        found += inside if place.is_dir() else [place]
    return found


def _pixels(file: Path, side: int) -> Any:
    """(side, side, 3) uint8."""
    try:
        with Image.open(file) as opened:
            image = opened.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{file}: cannot be read as an image ({error})") from None
    return np.asarray(image if image.size == (side, side) else image.resize((side, side), Image.Resampling.BICUBIC))
