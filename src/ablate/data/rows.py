"""What layouts share whose images are rows of arrays or tables, or lie in no split of their own."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from PIL import Image

from ablate.data.containers import refuse
from ablate.data.layouts import Contents, Item, Pixels, Read
from ablate.data.pictures import fitted
from ablate.plan.datasets import Split

PARTS = {
    **{"train": "train", "training": "train"},
    **{"val": "val", "valid": "val", "validation": "val"},
    **{"test": "test", "testing": "test", "t10k": "test"},
}  # what folders, files and names of arrays call splits: which it is
NO_VAL = "add a val part, or cut one by split: {val: 0.1, seed: 0} in params.yaml"


def numbered(labels: Iterable[int]) -> dict[int, str]:
    """{label: the name of its class}, where labels are all there is: of one width, so that names sort as they do."""
    listed = sorted(set(labels))
    width = len(str(max(listed, default=0)))
    return {label: f"{label:0{width}d}" for label in listed}


def row_item(split: str, row: int, class_name: str) -> Item:
    """One row of a split."""
    return Item(split, class_name, f"{split}/{row:08d}", f"{split}-{row:08d}.png")


def row_of(member: str) -> tuple[str, int]:
    """The split and row of `row_item`'s member."""
    split, _, row = member.partition("/")
    return split, int(row)


def shared_out(archive: Path, items: Sequence[Item], split: Split | None) -> tuple[list[Item], int]:
    """``items`` in train and val alone, and how many others there are, which are held back.

    Of images in no split (""), ``split`` says how many of each class are for val and test; by digests of their names,
    so that one image more moves few others. A test part is val where there is no val.

    Raises:
        UserError: Where there is no train, or no val and no ``split``, or both.
    """
    there = {i.split for i in items}
    if "" in there:
        if there != {""}:
            other = next(i.member for i in items if not i.split)
            raise refuse(archive, f"{other} is in none of its splits ({', '.join(sorted(there - {''}))})")
        if split is None:
            raise refuse(archive, "has no train and val", NO_VAL)
        items = list(_drawn(archive, items, split))
    elif split is not None and there & {"val", "test"}:
        raise refuse(archive, f"has a split of its own ({', '.join(sorted(there))})", "remove split from params.yaml")
    elif split is not None:
        items = list(_drawn(archive, items, split))
    if "train" not in {i.split for i in items}:
        raise refuse(archive, f"has no train part ({', '.join(sorted(there)) or 'no image'})")
    kept = {i.split for i in items}
    if "val" not in kept and "test" in kept:
        items = [replace(i, split="val") if i.split == "test" else i for i in items]
    elif "val" not in kept:
        raise refuse(archive, "has no val part", NO_VAL)
    held = [i for i in items if i.split != "test"]
    return held, len(items) - len(held)


def _drawn(archive: Path, items: Iterable[Item], split: Split) -> Iterable[Item]:
    of_class: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        of_class[item.class_name].append(item)
    for name, mine in of_class.items():
        mine.sort(key=lambda i: hashlib.sha256(f"{split.seed}/{i.class_name}/{i.member}".encode()).digest())
        val, test = (max(1, round(share * len(mine))) if share else 0 for share in (split.val, split.test))
        if val + test >= len(mine):
            asked = f"{val} for val" + (f" and {test} for test" if test else "")
            what = f"class {name} has {len(mine)} images, of which split takes {asked}: none is left to train on"
            raise refuse(archive, what, "set smaller shares")
        for n, item in enumerate(mine):
            yield replace(item, split="val" if n < val else "train" if n < len(mine) - test else "test")


def resized(found: Contents, size: int | None) -> Contents:
    """With pixels of ``size``, where that is given."""
    return replace(found, read=partial(_read_at, found.read, size)) if size else found


def _read_at(read: Read, size: int, member: str) -> bytes | Pixels:
    content = read(member)
    return content if isinstance(content, bytes) else fitted(Image.fromarray(content), size, resize=True)
