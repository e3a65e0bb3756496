"""CIFAR-10: six batches of records, as pickles (python archive) or as plain bytes (binary archive).

Pickles are programs. The python archive is read by an unpickler that admits the few names which a batch of arrays
needs, and nothing else; the binary archive needs none. Source of both formats:
https://www.cs.toronto.edu/~kriz/cifar.html
"""

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ablate.data.containers import damaged, load, refuse
from ablate.data.layouts import Contents, Item, Pixels

SIDE = 32  # pixels
RECORD = 3 * SIDE**2  # bytes: red, green, blue planes
TRAIN = [f"data_batch_{n}" for n in range(1, 6)]
TEST = "test_batch"  # has labels: our val


def _encode(text: str, encoding: str) -> bytes:
    """`codecs.encode` for the one codec that protocol 2 writes bytes with."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it asks for the codec {encoding}, which no CIFAR-10 batch needs")
    return text.encode("latin-1")


# The official archive is of Python 2 and old NumPy, newer copies are of others.
NAMES: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("numpy._core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("_codecs", "encode"): _encode,
}


class _PlainUnpickler(pickle.Unpickler):
    """Admits `NAMES` and nothing else, so that a pickle cannot run anything."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in NAMES:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR-10 batch needs")
        return NAMES[module, name]


def _unpickle(archive: Path, name: str, content: bytes) -> dict[bytes, Any]:
    try:
        found = _PlainUnpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a hostile or broken pickle can raise anything, MemoryError included
        raise damaged(archive, f"{name}: {error or type(error).__name__}") from error
    if not isinstance(found, dict):
        raise damaged(archive, f"{name} holds no table")
    return found


Batch = tuple[Pixels, list[int], list[str]]  # (N, 3072), labels, file names


def _load(archive: Path) -> tuple[dict[str, Batch], list[str]]:
    """({batch: its records}, class names)."""
    stems = {*TRAIN, TEST, "batches.meta"}

    def stem(name: str) -> str:
        return name.rsplit("/", 1)[-1].removesuffix(".bin").removesuffix(".txt")

    files: dict[str, tuple[str, bytes]] = {}
    for name, content in load(archive, lambda name: stem(name) in stems).items():
        if stem(name) in files:
            raise refuse(archive, f"{name} and {files[stem(name)][0]}: two of one batch")
        files[stem(name)] = name, content
    if missing := stems - set(files):
        raise refuse(archive, f"{', '.join(sorted(missing))} missing")
    meta_name, meta = files.pop("batches.meta")
    if meta_name.endswith(".txt"):
        return {key: _binary(archive, *file) for key, file in files.items()}, _names(archive, meta.split())
    table = _unpickle(archive, meta_name, meta)
    return {key: _python(archive, *file) for key, file in files.items()}, _names(archive, table.get(b"label_names"))


def _names(archive: Path, found: object) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(n, bytes) and n.isascii() for n in found):
        raise refuse(archive, "batches.meta holds no list of class names")
    return [name.decode() for name in found]


def _python(archive: Path, name: str, content: bytes) -> Batch:
    batch = _unpickle(archive, name, content)
    try:
        pixels, labels, files = batch[b"data"], batch[b"labels"], batch[b"filenames"]
    except KeyError as error:
        raise refuse(archive, f"{name}: {error} is missing") from None
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (RECORD,):
        raise refuse(archive, f"{name} holds records of another length than {RECORD}")
    if not isinstance(labels, list) or not isinstance(files, list) or not len(pixels) == len(labels) == len(files):
        raise refuse(archive, f"{name}: records, labels and file names differ in number")
    if not all(isinstance(file, bytes) and file.isascii() for file in files):
        raise refuse(archive, f"{name}: a file name is no text")
    return pixels, labels, [file.decode().rsplit("/", 1)[-1] for file in files]


def _binary(archive: Path, name: str, content: bytes) -> Batch:
    """Records of one byte for the label and then the pixels; without file names, so these are made up."""
    if len(content) % (RECORD + 1):
        raise refuse(archive, f"{name}: {len(content)} bytes are no whole records of {RECORD + 1}")
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD + 1)
    stem = name.rsplit("/", 1)[-1].removesuffix(".bin")
    return records[:, 1:], records[:, 0].tolist(), [f"{stem}_{row:05d}.png" for row in range(len(records))]


def contents(archive: Path) -> Contents:
    """List ``archive``. Raises UserError that names what is damaged, missing or out of range."""
    batches, names = _load(archive)
    items = []
    for batch, (_, labels, files) in batches.items():
        for row, (label, filename) in enumerate(zip(labels, files, strict=True)):
            if not isinstance(label, int) or not 0 <= label < len(names):
                raise refuse(archive, f"{batch} row {row}: label {label!r} is out of range")
            items.append(Item("val" if batch == TEST else "train", names[label], f"{batch}/{row:05d}", filename))

    def read(member: str) -> Pixels:
        batch, row = member.split("/")
        pixels: Pixels = batches[batch][0][int(row)].reshape(3, SIDE, SIDE).transpose(1, 2, 0)
        return pixels

    return Contents.of(archive, items, {n: n for n in names}, 0, read)
