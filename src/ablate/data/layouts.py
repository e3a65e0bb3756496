"""What an archive holds, in the words that all layouts share.

A layout is a module that offers one function: ``contents(archive, **options) -> Contents`` lists the labelled images,
and refuses what is missing or contradictory. ``archive`` is a file that was fetched, or files that lie open, which
`containers.read` makes alike; the options are those that `plan.datasets.LAYOUTS` lets it have.
"""

import importlib
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ablate.data.containers import refuse

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")  # a class or file name that can be one anywhere
READABLE = re.compile(r"(?!\.)[^/\\\x00-\x1f\x7f]{1,200}")  # one of the user's own, that can be one here


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled image: where it lies and what it shows."""

    split: str  # train or val
    class_name: str  # wnid, or CIFAR-10's class name
    member: str  # path in the archive; for CIFAR-10 batch/row
    filename: str  # its name in a class folder


Read = Callable[[str], bytes | Pixels]
Picture = Callable[
    [bytes, int], Pixels
]  # its pixels (S, S, 3), or (S, S) of grayscale; ValueError says what is wrong


@dataclass(frozen=True)
class Contents:
    """What an archive holds: its items in one order, whatever order it lists them in.

    They go by split, class, and what the layout counts them by. So a class index means the same in train and val, and
    all forms of an archive give the same pack.
    """

    items: tuple[Item, ...]
    words: dict[str, str]  # class name: what it means in words
    n_unlabelled: int
    read: Read  # from an item's member to its encoded bytes, or to its uint8 pixels: (S, S, 3), of grayscale (S, S)
    picture: Picture | None = None  # what decodes those bytes; None: they are JPEGs, read strictly
    ignored: int = 0  # files that are no images

    @classmethod
    def of(
        cls,
        archive: Path,
        items: Iterable[Item],
        words: dict[str, str],
        n_unlabelled: int,
        read: Read,
        by: Callable[[Item], str] = attrgetter("member"),
        *,
        names: re.Pattern[str] = SAFE,
        picture: Picture | None = None,
        ignored: int = 0,
    ) -> "Contents":
        """Order the items, those of a class ``by`` their members; ``names`` are what classes and files may be called.

        Raises:
            UserError: If two would have the same name in a class folder.
        """
        ordered = sorted(items, key=lambda i: (i.split != "train", i.class_name, by(i)))
        seen: set[tuple[str, str, str]] = set()
        for i in ordered:
            place = i.split, i.class_name, i.filename
            name = f"{i.class_name}/{i.filename}"
            if not names.fullmatch(i.filename) or not names.fullmatch(i.class_name):
                raise refuse(archive, f"{i.member}: {name!r} is no plain file name")
            if place in seen:
                raise refuse(archive, f"{i.member}: {name} is there twice")
            seen.add(place)
        return cls(tuple(ordered), words, n_unlabelled, read, picture, ignored)

    def counts(self) -> dict[str, tuple[int, int]]:
        """{class: its images of train, of val}."""
        found = Counter((i.class_name, i.split) for i in self.items)
        return {name: (found[name, "train"], found[name, "val"]) for name in sorted(self.words)}


def layout(name: str) -> ModuleType:
    """The module of a layout, one of `plan.datasets.LAYOUTS`."""
    return importlib.import_module(f"ablate.data.{name.replace('-', '_')}")
