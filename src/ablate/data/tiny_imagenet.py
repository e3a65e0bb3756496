"""Tiny ImageNet: a zip of class folders for train, and of one flat folder with a table of labels for val.

The flat val folder is the data set's trap: a loader that takes folders for classes sees one class there, and an
index by the order of ``wnids.txt`` is another than that by sorted folders. So every val image's label comes from
``val_annotations.txt``, and what contradicts it is refused. Copies whose val images were already moved into class
folders are read too, as long as the table is still there and agrees.
"""

import re
from collections import Counter
from pathlib import Path

from ablate.data.containers import Members, damaged, refuse, shown
from ablate.data.layouts import Contents, Item

# After the folder that holds wnids.txt. Some copies lack the folder `images`, or have val in class folders.
TRAIN = re.compile(r"train/(n\d{8})/(?:images/)?([^/]+\.JPEG)")
VAL = re.compile(r"val/(?:(n\d{8})/)?(?:images/)?([^/]+\.JPEG)")
TEST = re.compile(r"test/(?:images/)?[^/]+\.JPEG")
OTHER = re.compile(r"wnids\.txt|words\.txt|val/val_annotations\.txt|train/n\d{8}/n\d{8}_boxes\.txt")
WNID = re.compile(r"n\d{8}")  # WordNet's id: a noun and its offset


def contents(archive: Path) -> Contents:
    """List ``archive``. Raises UserError that names what is damaged, missing, unknown or contradictory."""
    members = Members(archive)
    roots = [name.removesuffix("wnids.txt") for name in members if name.endswith("wnids.txt")]
    if len(roots) != 1 or roots[0].rsplit("/", 1)[-1]:
        raise refuse(archive, f"{len(roots)} files wnids.txt, expected one: it is no Tiny ImageNet archive")
    root = roots[0]
    wnids = _text(members, f"{root}wnids.txt").split()
    words = _text(members, f"{root}words.txt").splitlines()
    table = _text(members, f"{root}val/val_annotations.txt").splitlines()
    bad = [w for w in wnids if not WNID.fullmatch(w)] or [w for w, n in Counter(wnids).items() if n > 1]
    if bad:
        raise refuse(archive, f"wnids.txt: {bad[0]!r} is no wnid or is there twice")
    meaning = dict(line.split("\t", 1) for line in words if "\t" in line)
    known = set(wnids)
    val_class = _annotations(archive, table, known)

    items, n_test = [], 0
    for name in members:
        inside = name[len(root) :] if name.startswith(root) else name
        if found := TRAIN.fullmatch(inside):
            wnid, filename = found.groups()
            if wnid not in known:
                raise refuse(archive, f"{name}: class {wnid} is not in wnids.txt")
            if not filename.startswith(f"{wnid}_"):
                raise refuse(archive, f"{name} lies in the folder of another class")
            items.append(Item("train", wnid, name, filename))
        elif found := VAL.fullmatch(inside):
            folder, filename = found.groups()
            wnid = val_class.pop(filename, None)
            if wnid is None:
                raise refuse(archive, f"{name} has no label in val_annotations.txt")
            if folder not in (None, wnid):
                raise refuse(archive, f"{name}: val_annotations.txt says {wnid}; the folder was reorganised wrongly")
            items.append(Item("val", wnid, name, filename))
        elif TEST.fullmatch(inside):
            n_test += 1
        elif not OTHER.fullmatch(inside):
            raise refuse(archive, f"{name} belongs to no part of Tiny ImageNet")
    if val_class:
        raise refuse(archive, f"{shown(val_class)} annotated and missing")
    return Contents.of(archive, items, {w: meaning.get(w, w) for w in wnids}, n_test, members.read)


def _text(members: Members, name: str) -> str:
    try:
        return members.read(name).decode()
    except UnicodeDecodeError as error:
        raise damaged(members.archive, f"{name}: {error}") from error


def _annotations(archive: Path, table: list[str], wnids: set[str]) -> dict[str, str]:
    """{val image: wnid}. Each image stands there once."""
    val_class: dict[str, str] = {}
    for number, line in enumerate(table, 1):
        where = f"val_annotations.txt line {number}"
        columns = line.split("\t")
        if len(columns) != 6:  # file, wnid, x0, y0, x1, y1
            raise refuse(archive, f"{where}: {len(columns)} columns, expected 6")
        if columns[1] not in wnids:
            raise refuse(archive, f"{where}: class {columns[1]!r} is not in wnids.txt")
        if columns[0] in val_class:
            raise refuse(archive, f"{where}: {columns[0]} is there twice")
        val_class[columns[0]] = columns[1]
    return val_class
