"""Class folders of pictures, as Pillow reads them, in train and val or alone.

That is train/<class>/... and val/<class>/..., or <class>/... alone; what lies below a class's folder is of that
class, however deep. A folder called test is held back: its images are counted, and may lie in no class folder. Where
there is test and no val, test is val. Files that are no pictures by their names are left out and counted.
"""

import unicodedata
from collections import Counter
from functools import partial
from pathlib import Path

from ablate.data.containers import Members, read, refuse, shown
from ablate.data.layouts import READABLE, Contents, Item
from ablate.data.pictures import square, suffixes
from ablate.data.rows import PARTS, shared_out
from ablate.plan.datasets import Split

CLASSES = "put the images of each class in a folder of its name"


def contents(source: Path | Members, *, resize: int | None = None, split: Split | None = None) -> Contents:
    """List a folder, or an archive of one.

    Raises:
        UserError: It names what is missing or contradictory; what is wrong in a picture shows when it is decoded.
    """
    members = read(source, own=True)
    archive, names = members.archive, sorted(members)
    pictures = [name for name in names if name[name.rfind(".") :].lower() in suffixes()]
    if not pictures:
        others = f" ({len(names)} other files: {shown(names)})" if names else ""
        raise refuse(archive, f"holds no images{others}", CLASSES)
    root = _root(pictures)
    items, loose = [], 0
    for name in pictures:
        part, folders = _placed(name[len(root) :])
        if part == "test" and not folders[:-1]:
            loose += 1
        elif not folders[:-1]:
            raise refuse(archive, f"{name} lies in no class folder", CLASSES)
        else:
            items.append(Item(part, folders[0], name, "__".join(folders[1:])))
    held, tested = shared_out(archive, items, split)
    classes = _classes(archive, items, [name[len(root) :] for name in names if name.startswith(root)])
    return Contents.of(
        archive,
        held,
        {name: name for name in sorted(classes)},
        tested + loose,
        members.read,
        names=READABLE,
        picture=partial(square, resize=bool(resize)),
        ignored=len(names) - len(pictures),
    )


def _root(names: list[str]) -> str:
    """The folder, as a prefix, that only wraps the others: in which all lie, at least two folders deep."""
    root = ""
    while True:
        inside = [name[len(root) :].split("/") for name in names]
        first = inside[0][0]
        if first.lower() in PARTS or any(parts[0] != first or len(parts) < 3 for parts in inside):
            return root
        root += f"{first}/"


def _placed(name: str) -> tuple[str, list[str]]:
    """(train, val, test, or "" for no split; the folders and the file below that)."""
    first, *rest = name.split("/")
    part = PARTS.get(first.lower()) if rest else None
    return (part, rest) if part else ("", [first, *rest])


def _classes(archive: Path, items: list[Item], names: list[str]) -> set[str]:
    """Those with images, which must be all class folders that there are, and of which no two may look alike."""
    classes = {i.class_name for i in items}
    folders = {rest[0] for part, rest in map(_placed, names) if len(rest) > 1 and part != "test"}
    if empty := folders - classes:
        raise refuse(archive, f"class {shown(empty)} has no images", "remove its folder")
    alike = Counter(unicodedata.normalize("NFC", name).casefold() for name in classes)
    if twice := [name for name in classes if alike[unicodedata.normalize("NFC", name).casefold()] > 1]:
        raise refuse(archive, f"classes {' and '.join(sorted(twice)[:2])} differ in case alone", "make them one")
    return classes
