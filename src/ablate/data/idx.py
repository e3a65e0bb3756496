"""MNIST's files, and Fashion-MNIST's and others of that format: bytes behind a head of sizes, gzipped or not.

``train-images-idx3-ubyte`` (N, S, S) and ``train-labels-idx1-ubyte`` (N,), and ``t10k-...``, which is our val.
Source: http://yann.lecun.com/exdb/mnist/
"""

import gzip
import re
import struct
import zlib
from functools import partial
from pathlib import Path

import numpy as np

from ablate.data.containers import Members, damaged, read, refuse
from ablate.data.layouts import Contents, Item, Pixels
from ablate.data.rows import PARTS, numbered, resized, row_item, row_of, shared_out

NAME = re.compile(
    r"(?:.*[-_.])?(train|t10k|test|val)[-_.](images|labels)[-_.]idx([13])[-_.]ubyte(\.gz)?", re.IGNORECASE
)
Arrays = dict[str, Pixels]  # by split


def contents(source: Path | Members, *, resize: int | None = None) -> Contents:
    """List a folder with the files, or an archive of it.

    Raises:
        UserError: It names what is missing, damaged or contradictory.
    """
    members = read(source, own=True)
    archive, files = members.archive, _files(members)
    images: Arrays = {}
    labels: Arrays = {}
    for (part, what), name in files.items():
        (images if what == "images" else labels)[part] = _array(archive, name, members.read(name))
    items: list[Item] = []
    classes = numbered(int(label) for found in labels.values() for label in found)
    for part in images.keys() | labels.keys():
        if part not in images or part not in labels:
            lacks = "labels" if part in images else "images"
            raise refuse(archive, f"{lacks} of {part} are missing; there are {', '.join(sorted(files.values()))}")
        if len(images[part]) != len(labels[part]):
            both = f"{len(images[part])} images and {len(labels[part])} labels"
            raise refuse(archive, f"{files[part, 'images']} and {files[part, 'labels']}: {both}")
        items += [row_item(part, row, classes[int(label)]) for row, label in enumerate(labels[part])]
    held, tested = shared_out(archive, items, None)
    found = Contents.of(archive, held, {n: n for n in classes.values()}, tested, partial(_pixels, images))
    return resized(found, resize)


def _pixels(images: Arrays, member: str) -> Pixels:
    part, row = row_of(member)
    pixels: Pixels = images[part][row]
    return pixels


def _files(members: Members) -> dict[tuple[str, str], str]:
    """{(split, images or labels): its file}, the plain one where there is a packed one as well."""
    found: dict[tuple[str, str], str] = {}
    for name in sorted(members):  # x before x.gz
        if known := NAME.fullmatch(name.rsplit("/", 1)[-1]):
            key = PARTS[known[1].lower()], known[2].lower()
            if key not in found:
                found[key] = name
            elif name != f"{found[key]}.gz":
                raise refuse(members.archive, f"{found[key]} and {name} are two of one part", "remove one")
    if not found:
        raise refuse(members.archive, "holds no idx files, such as train-images-idx3-ubyte.gz")
    return found


def _array(archive: Path, name: str, content: bytes) -> Pixels:
    """The (N, S, S) or (N,) uint8 of one file."""
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise damaged(archive, f"{name}: {error}") from error
    wanted = 3 if "images" in name.rsplit("/", 1)[-1].lower() else 1
    head = 4 * (wanted + 1)
    magic, *shape = struct.unpack(f">{wanted + 1}I", content[:head]) if len(content) >= head else (0, 0)
    if magic != 0x0800 + wanted:  # unsigned bytes, and how many sizes follow
        raise refuse(archive, f"{name} is no idx{wanted}-ubyte file")
    if len(content) - head != int(np.prod(shape, dtype=np.int64)):
        sizes = " x ".join(map(str, shape))
        raise damaged(archive, f"{name}: {len(content) - head} bytes, and {sizes} were to come")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)
