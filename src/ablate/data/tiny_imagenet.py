"""Tiny ImageNet: a zip of class folders for train, and of one flat folder with a table of labels for val.

The flat val folder is the data set's trap: a loader that takes folders for classes sees one class there, and an
index by the order of ``wnids.txt`` is another than that by sorted folders. So every val image's label comes from
``val_annotations.txt``, and what contradicts it is refused. Copies whose val images were moved or copied into class
folders are read too; where the table is gone, the folders are the labels that are left. ``words.txt`` and
``wnids.txt`` say nothing of labels, and may be missing.
"""

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from operator import attrgetter
from pathlib import Path

from ablate.data.containers import Members, damaged, inert, read, refuse, shown
from ablate.data.layouts import Contents, Item

# After the folder that holds train. Some copies lack the folder `images`, or have val in class folders.
IMAGE = r"(?:images/)?([^/]+)\.(?i:jpe?g)"
TRAIN = re.compile(rf"train/(n\d{{8}})/{IMAGE}")
VAL = re.compile(rf"val/(?:(n\d{{8}})/)?{IMAGE}")
TEST = re.compile(rf"test/{IMAGE}")
TABLE = "val/val_annotations.txt"
OTHER = re.compile(rf"wnids\.txt|words\.txt|{TABLE}|train/n\d{{8}}/n\d{{8}}_boxes\.txt")
ROOT = re.compile(r"(.*?/)?train/n\d{8}/.+")
WNID = re.compile(r"n\d{8}")  # WordNet's id: a noun and its offset


Place = tuple[str, str, str]  # split, wnid, and the file name that the image has in the official archive


def contents(source: Path | Members) -> Contents:
    """List an archive, or files that lie open.

    Raises:
        UserError: It names what is damaged, missing, unknown or contradictory.
    """
    members = read(source)
    archive = members.archive
    names = sorted(members)
    root = _root(archive, names)
    wnids = _wnids(members, root)
    meaning = dict(line.split("\t", 1) for line in _lines(members, f"{root}words.txt") if "\t" in line)
    table = root + TABLE in members
    val_class = _annotations(archive, _lines(members, root + TABLE), set(wnids)) if table else None
    kept: dict[Place, str] = {}
    test = set()
    for name in names:
        inside = name[len(root) :] if name.startswith(root) else f"../{name}"
        if place := _place(archive, name, inside, val_class):
            if place[1] not in wnids:
                raise refuse(archive, f"{name}: class {place[1]} is not in wnids.txt")
            # A copy beside the original, as in val/images and in a class folder, is no second image.
            if place in kept and members.read(kept[place]) != members.read(name):
                raise refuse(archive, f"{kept[place]} and {name} are two images under one name")
            kept.setdefault(place, name)
        elif found := TEST.fullmatch(inside):
            test.add(found[1])
        elif not OTHER.fullmatch(inside):
            raise refuse(archive, f"{name} belongs to no part of Tiny ImageNet", "remove it")
    annotated = {f"{stem}.JPEG" for stem in val_class or ()}
    if missing := annotated - {file for split, _, file in kept if split == "val"}:
        raise refuse(archive, f"{shown(missing)} annotated and missing")
    items = [Item(split, wnid, name, file) for (split, wnid, file), name in kept.items()]
    words = {wnid: inert(meaning.get(wnid, wnid)) for wnid in wnids}
    return Contents.of(archive, items, words, len(test), members.read, by=attrgetter("filename"))


def _place(archive: Path, name: str, inside: str, val_class: dict[str, str] | None) -> Place | None:
    """Which labelled image a member is, by its name ``inside`` the data set's folder; None: it is none."""
    if found := TRAIN.fullmatch(inside):
        wnid, stem = found.groups()
        if not stem.startswith(f"{wnid}_"):
            raise refuse(archive, f"{name} lies in the folder of another class")
        return "train", wnid, f"{stem}.JPEG"
    if not (found := VAL.fullmatch(inside)):
        return None
    folder, stem = found.groups()
    label = folder if val_class is None else val_class.get(stem)
    if label is None:
        cause = f"{TABLE} is missing" if val_class is None else f"it is not in {TABLE}"
        raise refuse(archive, f"{name} has no label: {cause}")
    if folder not in (None, label):
        raise refuse(archive, f"{name}: val_annotations.txt says {label}; the folder was reorganised wrongly")
    return "val", label, f"{stem}.JPEG"


def _root(archive: Path, names: list[str]) -> str:
    """The folder that holds train, as a prefix of names.

    Raises:
        UserError: Unless there is one.
    """
    roots = sorted({found[1] or "" for name in names if (found := ROOT.fullmatch(name))})
    if not roots:
        held = f"it holds {shown(names)}" if names else "it holds no files"
        raise refuse(archive, f"no folder train/<wnid>: it is no Tiny ImageNet archive ({held})")
    if len(roots) > 1:
        raise refuse(archive, f"{len(roots)} copies of the data set, {shown(repr(root) for root in roots)}; keep one")
    return roots[0]


def _wnids(members: Members, root: str) -> list[str]:
    """The classes: as ``wnids.txt`` lists them, without it the folders in train."""
    if f"{root}wnids.txt" not in members:
        inside = [name[len(root) :] for name in members if name.startswith(root)]
        return sorted({found[1] for name in inside if (found := TRAIN.fullmatch(name))})
    wnids = " ".join(_lines(members, f"{root}wnids.txt")).split()
    bad = [w for w in wnids if not WNID.fullmatch(w)] or [w for w, n in Counter(wnids).items() if n > 1]
    if bad:
        raise refuse(members.archive, f"wnids.txt: {bad[0]!r} is no wnid or is there twice")
    return wnids


def _lines(members: Members, name: str) -> list[str]:
    """The lines of a text that are not blank, however an editor saved it; none where there is no such file."""
    if name not in members:
        return []
    content = members.read(name)
    try:
        text = content.decode("utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise damaged(members.archive, f"{name}: {error}") from error
    return [line for line in text.splitlines() if line.strip()]


def _annotations(archive: Path, table: list[str], wnids: set[str]) -> dict[str, str]:
    """{val image without its ending: wnid}. Each image stands there once."""
    val_class: dict[str, str] = {}
    for number, line in enumerate(table, 1):
        where = f"val_annotations.txt line {number}"
        columns = line.rstrip().split("\t")
        if len(columns) != 6:  # file, wnid, x0, y0, x1, y1
            raise refuse(archive, f"{where}: {len(columns)} columns, expected 6")
        if columns[1] not in wnids:
            raise refuse(archive, f"{where}: class {columns[1]!r} is not in wnids.txt")
        stem = re.sub(r"\.(?i:jpe?g)$", "", columns[0])
        if stem in val_class:
            raise refuse(archive, f"{where}: {columns[0]} is there twice")
        val_class[stem] = columns[1]
    return val_class
