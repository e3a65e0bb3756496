"""The two archive layouts, and only here: which members are labelled images, and of which class and split.

Both readers yield `Item`s in one order (split, class in sorted order, member), so that a class index means the
same in train and val, whatever order an archive lists its members in.
"""

import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ablate.errors import UserError

CIFAR_SIDE = 32  # pixels, https://www.cs.toronto.edu/~kriz/cifar.html


@dataclass(frozen=True)
class Item:
    """One labelled image: where it lies and what it shows."""

    split: str  # train or val
    class_name: str  # wnid, or CIFAR-10's class name
    member: str  # path in the archive; for CIFAR-10 batch/row
    filename: str  # its name in a class folder


@dataclass(frozen=True)
class Contents:
    """What an archive holds."""

    items: tuple[Item, ...]
    words: dict[str, str]  # class name: what it means in words
    n_unlabelled: int


def contents(layout: str, archive: Path) -> Contents:
    """List ``archive``. Raises UserError that names what is damaged, missing or contradictory."""
    try:
        return {"tiny-imagenet": _tiny_imagenet, "cifar10": _cifar10}[layout](archive)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(f"{archive}: damaged archive ({error}); delete it and fetch it again") from error
    except KeyError as error:
        raise UserError(f"{archive}: a member is missing ({error}); it is no {layout} archive") from error


def _ordered(items: list[Item], words: dict[str, str], n_unlabelled: int) -> Contents:
    ordered = sorted(items, key=lambda i: (i.split != "train", i.class_name, i.member))
    return Contents(tuple(ordered), words, n_unlabelled)


def _tiny_imagenet(archive: Path) -> Contents:
    """train/<wnid>/images/*.JPEG lies in class folders; val/images/*.JPEG is flat, labelled by a table."""
    root = "tiny-imagenet-200/"
    with zipfile.ZipFile(archive) as zipped:
        wnids = zipped.read(f"{root}wnids.txt").decode().split()
        lines = zipped.read(f"{root}words.txt").decode().splitlines()
        table = zipped.read(f"{root}val/val_annotations.txt").decode().splitlines()
        images = [name for name in zipped.namelist() if name.endswith(".JPEG")]
    words = dict(line.split("\t", 1) for line in lines if "\t" in line)
    val_class: dict[str, str] = {}
    for number, line in enumerate(table, 1):
        where = f"{archive}: val_annotations.txt line {number}"
        columns = line.split("\t")
        if len(columns) != 6:
            raise UserError(f"{where}: {len(columns)} columns, expected 6; fetch the archive again")
        if columns[1] not in wnids:
            raise UserError(f"{where}: class {columns[1]} is not in wnids.txt; fetch the archive again")
        if columns[0] in val_class:
            raise UserError(f"{where}: {columns[0]} is there twice; fetch the archive again")
        val_class[columns[0]] = columns[1]

    items, n_test = [], 0
    for name in images:
        parts = name.removeprefix(root).split("/")
        if parts[0] == "train" and len(parts) == 4 and parts[1] in wnids:
            items.append(Item("train", parts[1], name, parts[-1]))
        elif parts[0] == "val" and parts[-1] in val_class:
            items.append(Item("val", val_class.pop(parts[-1]), name, parts[-1]))
        elif parts[0] == "test":
            n_test += 1
        else:
            raise UserError(f"{archive}: {name} has no label; fetch the archive again")
    if val_class:
        raise UserError(f"{archive}: {next(iter(val_class))} is annotated and missing; fetch the archive again")
    return _ordered(items, {w: words.get(w, w) for w in wnids}, n_test)


class _PlainUnpickler(pickle.Unpickler):
    """Admits the names that CIFAR-10's batches need and no other, so that a pickle cannot run anything."""

    _names = {  # noqa: RUF012
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("_codecs", "encode"),
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._names:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR-10 batch needs")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _batches(archive: Path) -> Iterator[tuple[str, dict[bytes, Any]]]:
    """(name, batch) of each pickle in a CIFAR-10 python archive."""
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            name = member.name.rsplit("/", 1)[-1]
            if member.isfile() and (name == "batches.meta" or "_batch" in name):
                file = tar.extractfile(member)
                assert file is not None
                yield name, _PlainUnpickler(io.BytesIO(file.read()), encoding="bytes").load()


def _split_of(batch: str) -> str:
    return "val" if batch == "test_batch" else "train"  # CIFAR-10's test split has labels: our val


def _cifar10(archive: Path) -> Contents:
    items: list[Item] = []
    names: list[str] = []
    batches = dict(_batches(archive))
    names = [n.decode() for n in batches.pop("batches.meta")[b"label_names"]]
    for batch, data in batches.items():
        pixels = data[b"data"]
        if pixels.shape != (len(data[b"labels"]), 3 * CIFAR_SIDE**2):
            raise UserError(f"{archive}: {batch} holds records of another length; fetch the archive again")
        for row, (label, filename) in enumerate(zip(data[b"labels"], data[b"filenames"], strict=True)):
            if not 0 <= label < len(names):
                raise UserError(f"{archive}: {batch} row {row}: label {label} is out of range; fetch it again")
            filename = filename.decode().rsplit("/", 1)[-1]
            items.append(Item(_split_of(batch), names[label], f"{batch}/{row:05d}", filename))
    return _ordered(items, {n: n for n in names}, 0)


def reader(layout: str, archive: Path) -> Callable[[Item], bytes | np.ndarray[Any, np.dtype[np.uint8]]]:
    """A function from an `Item` to its encoded bytes, or to its (S, S, 3) uint8 pixels where it is not encoded."""
    if layout == "tiny-imagenet":
        zipped = zipfile.ZipFile(archive)
        return lambda item: zipped.read(item.member)
    arrays = {
        name: batch[b"data"].reshape(-1, 3, CIFAR_SIDE, CIFAR_SIDE).transpose(0, 2, 3, 1)
        for name, batch in _batches(archive)
        if name != "batches.meta"
    }

    def read(item: Item) -> np.ndarray[Any, np.dtype[np.uint8]]:
        batch, row = item.member.split("/")
        return np.asarray(arrays[batch][int(row)], dtype=np.uint8)

    return read
