"""Arrays in .npz or .safetensors: images as bytes, (N, H, W), (N, H, W, C) or (N, C, H, W), and labels from 0 on.

One file has ``images`` and ``labels``, and is shared out by ``split``; or ``train_images``, ``train_labels``,
``val_images``, ``val_labels`` (and test), for which ``x_train``, ``y_train`` and so on do as well. Or a folder has
train.npz and val.npz with ``images`` and ``labels`` each. C is 1 or 3. Class names may stand in ``classes`` (.npz).
"""

import io
import re
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import load as load_safetensors

from ablate.data.containers import Members, damaged, read, refuse, shown
from ablate.data.layouts import READABLE, Contents, Item, Pixels
from ablate.data.rows import PARTS, numbered, resized, row_item, row_of, shared_out
from ablate.plan.datasets import Split

Array = np.ndarray[Any, Any]
FORMS = re.compile(r"(?:.*/)?([^/]+)\.(npz|safetensors)")
NAMES = {"images": "images", "x": "images", "labels": "labels", "y": "labels"}
WANTED = "call them images and labels, or train_images, train_labels, val_images and val_labels"


class Part(NamedTuple):
    """The images of one split."""

    images: Pixels  # (N, H, W) or (N, H, W, 3)
    labels: Array  # (N,), whole numbers


def contents(source: Path | Members, *, resize: int | None = None, split: Split | None = None) -> Contents:
    """List a file of arrays, or a folder or archive of some.

    Raises:
        UserError: It names what is missing, of another shape or type, or out of range.
    """
    members = read(source, own=True)
    archive = members.archive
    found, names = _arrays(members)
    parts = {part: _part(archive, part, arrays) for part, arrays in found.items()}
    if names is None:
        classes = numbered(int(n) for part in parts.values() for n in np.unique(part.labels))
    else:
        classes = dict(enumerate(names))
    items: list[Item] = []
    for part, (_, labels) in parts.items():
        for row, label in enumerate(labels.tolist()):
            if label not in classes or label < 0:
                what = f"labels of {part or 'all'}: {label} in row {row} is out of range"
                raise refuse(archive, f"{what} (0 to {len(classes) - 1})", "number classes from 0 on")
            items.append(row_item(part, row, classes[label]))
    held, tested = shared_out(archive, items, split)
    pixels = partial(_pixels, {part: each.images for part, each in parts.items()})
    words = {name: name for name in classes.values()}
    return resized(Contents.of(archive, held, words, tested, pixels, names=READABLE), resize)


def _pixels(images: dict[str, Pixels], member: str) -> Pixels:
    part, row = row_of(member)
    pixels: Pixels = images[part][row]
    return pixels


def _arrays(members: Members) -> tuple[dict[str, dict[str, Array]], list[str] | None]:
    """({split: images and labels}, class names); the split of all images is "" where there is none."""
    found: dict[str, dict[str, Array]] = {}
    names = None
    files = {name: known[1].lower() for name in sorted(members) if (known := FORMS.fullmatch(name))}
    if not files:
        raise refuse(members.archive, f"holds no .npz or .safetensors file ({shown(members) or 'no file'})")
    for file, stem in files.items():
        for key, array in _load(members.archive, file, members.read(file)).items():
            if key == "classes":
                names = [str(name) for name in array.reshape(-1).tolist()]
                continue
            words = key.lower().split("_")
            what = [NAMES[word] for word in words if word in NAMES]
            part = [PARTS[word] for word in words if word in PARTS] or [PARTS.get(stem, "")]
            if len(what) != 1 or len(part) != 1:
                raise refuse(members.archive, f"{file}: an array is called {key!r}", WANTED)
            if what[0] in found.setdefault(part[0], {}):
                raise refuse(members.archive, f"{file}: {key!r} is there twice")
            found[part[0]][what[0]] = array
    return found, names


def _load(archive: Path, name: str, content: bytes) -> dict[str, Array]:
    try:
        if name.endswith(".npz"):
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                return {key: stored[key] for key in stored.files}
        return dict(load_safetensors(content))
    except Exception as error:  # a damaged file can raise anything
        raise damaged(archive, f"{name}: {error or type(error).__name__}") from error


def _part(archive: Path, part: str, arrays: dict[str, Array]) -> Part:
    of = f" of {part}" if part else ""
    for what in ("images", "labels"):
        if what not in arrays:
            raise refuse(archive, f"has no {what}{of}", WANTED)
    images, labels = arrays["images"], arrays["labels"]
    if images.dtype != np.uint8:
        raise refuse(archive, f"images{of} are {images.dtype}", "store them as uint8, 0 to 255")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        form = f"{labels.dtype} {labels.shape}"
        raise refuse(archive, f"labels{of} are {form}", "store whole numbers, one for each image")
    if images.ndim == 4 and images.shape[3] not in (1, 3) and images.shape[1] in (1, 3):
        images = images.transpose(0, 2, 3, 1)
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] != 3) or 0 in images.shape:
        raise refuse(
            archive, f"images{of} are {arrays['images'].shape}", "store (N, H, W), (N, H, W, 3) or (N, 3, H, W)"
        )
    if len(images) != len(labels):
        raise refuse(archive, f"there are {len(images)} images{of} and {len(labels)} labels")
    return Part(images, labels)
