"""The pack: a data set decoded once into flat arrays, memory-mapped, of which every subset is a view.

A pack is three files: ``images.npy`` (N, S, S, 3) uint8, ``labels.npy`` (N,) int64, both in the index's order
(train before val), and ``pack.json`` with class names, statistics and the digests of the other two.
"""

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ablate.config import Settings
from ablate.data.layouts import Item, reader
from ablate.data.verify import read_index
from ablate.errors import UserError
from ablate.files import digest, read_json, whole, write_json
from ablate.progress import track

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Indices = np.ndarray[Any, np.dtype[np.int64]]


def make_pack(archive: Path, layout: str, image_size: int, *, index: Path, receipt: Path, pack: Path) -> None:
    """Decode every image of ``index`` into ``pack``'s two arrays, then describe them in ``pack`` (pack.json).

    Raises UserError for an image that does not decode or has another size, naming it.
    """
    rows = read_index(index)
    read = reader(layout, archive)
    train = sum(item.split == "train" for item, _, _ in rows)
    shape = (len(rows), image_size, image_size, 3)
    histogram = np.zeros((3, 256), np.int64)
    gray = 0
    with whole(pack.with_name("images.npy")) as part:
        images = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:  # Pillow decodes outside the GIL
            decoded = _ordered(pool, [item for item, _, _ in rows], read, image_size)
            for n, (pixels, was_gray) in enumerate(track(decoded, f"pack {archive.name}", total=len(rows))):
                images[n] = pixels
                gray += was_gray
        for channel in range(3):
            for start in range(0, train, 10_000):
                block = images[start : min(start + 10_000, train), :, :, channel]
                histogram[channel] += np.bincount(block.reshape(-1), minlength=256)
        images.flush()
        del images
    labels = np.array([label for _, label, _ in rows], np.int64)
    with whole(pack.with_name("labels.npy")) as part, part.open("wb") as file:
        np.save(file, labels)
    names = {label: (item.class_name, words) for item, label, words in rows}
    mean, std = _statistics(histogram)
    write_json(
        pack,
        {
            "images": len(rows),
            "train": train,
            "image_size": image_size,
            "grayscale": gray,
            "classes": [names[label][0] for label in sorted(names)],
            "words": [names[label][1] for label in sorted(names)],
            "mean": mean,
            "std_over_pixels": std,
            "archive": read_json(receipt),
            "sha256": {name: digest(pack.with_name(name)) for name in ("images.npy", "labels.npy")},
        },
    )


Read = Callable[[Item], bytes | Pixels]


def _ordered(pool: ThreadPoolExecutor, items: list[Item], read: Read, size: int) -> Iterator[tuple[Pixels, bool]]:
    """Decode in parallel, in order, a block at a time, so that memory stays bounded."""
    for start in range(0, len(items), 2048):
        yield from pool.map(lambda item: _decode(item, read, size), items[start : start + 2048])


def _decode(item: Item, read: Read, size: int) -> tuple[Pixels, bool]:
    """One image as (S, S, 3) uint8 RGB, and whether it was grayscale."""
    content = read(item)
    if not isinstance(content, bytes):
        return content, False
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            if image.size != (size, size) or image.mode not in ("RGB", "L"):
                raise UserError(f"{item.member}: {image.size} {image.mode}, expected {size}x{size} RGB or L")
            return np.asarray(image.convert("RGB")), image.mode == "L"
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{item.member}: not a whole JPEG ({error}); fetch the archive again") from error


def _statistics(histogram: np.ndarray[Any, Any]) -> tuple[list[float], list[float]]:
    """Per-channel mean and standard deviation over all pixels of all train images, in [0, 1] units.

    The other convention in use, the mean over images of each image's own deviation, gives smaller numbers.
    """
    values = np.arange(256) / 255
    share = histogram / histogram.sum(axis=1, keepdims=True)
    mean = share @ values
    std = np.sqrt(share @ values**2 - mean**2)
    return [round(float(m), 6) for m in mean], [round(float(s), 6) for s in std]


@dataclass(frozen=True)
class View:
    """One split of one arm: positions in the pack, and labels counted from the arm's first class."""

    images: Pixels  # (N, S, S, 3) uint8, the whole pack, memory-mapped
    positions: Indices  # (n,) rows of the pack
    labels: Indices  # (n,) 0 .. classes - 1


@dataclass(frozen=True)
class Pack:
    """An opened pack."""

    meta: dict[str, Any]
    images: Pixels  # (N, S, S, 3) uint8, memory-mapped
    labels: Indices  # (N,)

    @classmethod
    def open(cls, path: Path) -> "Pack":
        """``path`` is pack.json. Raises UserError when a file is missing or of another shape."""
        meta = read_json(path)
        try:
            images = np.load(path.with_name("images.npy"), mmap_mode="r")
            labels = np.load(path.with_name("labels.npy"))
        except (OSError, ValueError) as error:
            raise UserError(f"{path.parent}: damaged pack ({error}); delete {path} and run again") from error
        if len(images) != len(labels) or len(images) != meta["images"]:
            raise UserError(f"{path.parent}: arrays of different lengths; delete {path} and run again")
        return cls(meta, images, labels)

    def views(self, settings: Settings) -> dict[str, View]:
        """train, val and, for a holdout split, test. Nothing is copied but positions and labels."""
        first, end = settings.classes or (0, len(self.meta["classes"]))
        train: list[int] = []
        held: dict[str, list[int]] = {"val": [], "test": []}
        n_train = self.meta["train"]
        for label in range(first, end):
            mine = np.flatnonzero(self.labels[:n_train] == label)
            if settings.split == "holdout":  # tinyimage10, section 3.1: 0.8 : 0.1 : 0.1
                tenth = len(mine) // 10
                held["val"] += mine[8 * tenth : 9 * tenth].tolist()
                held["test"] += mine[9 * tenth : 10 * tenth].tolist()
                mine = mine[: 8 * tenth]
            else:
                held["val"] += (n_train + np.flatnonzero(self.labels[n_train:] == label)).tolist()
            train += mine[: settings.per_class].tolist()
        parts = {"train": train, **{name: rows for name, rows in held.items() if rows}}
        return {
            name: View(self.images, np.array(rows, np.int64), self.labels[rows] - first)
            for name, rows in parts.items()
        }


def content_digest(meta: dict[str, Any]) -> str:
    """One digest for a pack's content: images, labels and class names, whatever archive they came from."""
    parts = [*meta["sha256"].values(), *meta["classes"]]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
