"""CIFAR-10: six batches of records, as pickles (python archive) or as plain bytes (binary archive).

Pickles are programs. The python archive is read by an unpickler that admits the few names which a batch of arrays
needs, and nothing else; the binary archive needs none. Copies that were pickled again, by another Python or NumPy,
with other types of labels or without file names, are read as well. Source of both formats:
https://www.cs.toronto.edu/~kriz/cifar.html
"""

import io
import pickle
import re
import reprlib
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ablate.data.containers import Members, damaged, read, refuse
from ablate.data.layouts import Contents, Item, Pixels

SIDE = 32  # pixels
RECORD = 3 * SIDE**2  # bytes: red, green, blue planes
TRAIN = [f"data_batch_{n}" for n in range(1, 6)]
TEST = "test_batch"  # has labels: our val
META = "batches.meta"

Array = np.ndarray[Any, Any]


def _encode(text: str, encoding: str) -> bytes:
    """`codecs.encode` for the one codec that protocol 2 writes bytes with."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it asks for the codec {encoding}, which no CIFAR-10 batch needs")
    return text.encode("latin-1")


def _reconstruct(kind: Any, shape: Any, code: Any) -> Array:
    """An empty array, which what follows in the pickle fills."""
    return np.ndarray((0,), np.uint8)


def _frombuffer(
    content: bytes, dtype: Any, shape: tuple[int, ...], order: Literal["C", "F", "K"], axes: Any = None
) -> Array:
    """NumPy's own of that name, with which protocol 5 writes arrays: of plain numbers and text alone.

    Since NumPy 2.2 it has ``axes`` of order K: those of the memory, for an array that is neither C nor F.
    """
    if np.dtype(dtype).hasobject:
        raise pickle.UnpicklingError("it asks for an array of objects, which no CIFAR-10 batch needs")
    flat: Array = np.frombuffer(content, dtype=dtype)
    if order == "K" and axes is not None:
        return flat.reshape(shape).transpose(axes)
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _scalar(dtype: Any, content: bytes) -> int:
    """A label as a NumPy number."""
    if np.dtype(dtype).kind not in "iu":
        raise pickle.UnpicklingError(f"it asks for a number of type {dtype}, which no CIFAR-10 batch needs")
    return int(np.frombuffer(content, dtype=dtype)[0])


# The official archive is of Python 2 and old NumPy, newer copies are of others.
NAMES: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): "ndarray",  # only named: a call of it would give an array of whatever is in memory
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): dict,
    **{
        (f"numpy.{core}.{module}", name): function
        for core in ("core", "_core")
        for module, name, function in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _frombuffer),
        )
    },
}


class _PlainUnpickler(pickle.Unpickler):
    """Admits `NAMES` and nothing else, so that a pickle cannot run anything."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in NAMES:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR-10 batch needs")
        return NAMES[module, name]


def unpickle(archive: Path, name: str, content: bytes) -> dict[str, Any]:
    """A table by the names of its columns, which Python 2 wrote as bytes.

    Raises:
        UserError: For a pickle that is damaged, or asks for more than such a table.
    """
    try:
        found = _PlainUnpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a hostile or broken pickle can raise anything, MemoryError included
        raise damaged(archive, f"{name}: {error or type(error).__name__}") from error
    if not isinstance(found, dict):
        raise damaged(archive, f"{name} holds no table")
    return {key.decode("latin-1") if isinstance(key, bytes) else str(key): value for key, value in found.items()}


Batch = tuple[Pixels, list[Any], list[str]]  # (N, 3072), labels, file names
ENDINGS = re.compile(r"\.(bin|txt|pkl|pickle)$")


def files_of(source: Path | Members, stems: set[str]) -> tuple[Path, dict[str, tuple[str, bytes]]]:
    """(the archive, {stem: name and content of its file}) of all that are asked for.

    Raises:
        UserError: If one is missing or there twice.
    """
    files: dict[str, tuple[str, bytes]] = {}
    members = read(source, lambda name: _stem(name) in stems)
    for name in members:
        if _stem(name) in files:
            raise refuse(members.archive, f"{name} and {files[_stem(name)][0]}: two of one batch")
        if _stem(name) in stems:
            files[_stem(name)] = name, members.read(name)
    if missing := stems - set(files):
        raise refuse(members.archive, f"{', '.join(sorted(missing))} missing")
    return members.archive, files


def _stem(name: str) -> str:
    return ENDINGS.sub("", name.rsplit("/", 1)[-1])


def _load(source: Path | Members) -> tuple[Path, dict[str, Batch], list[str]]:
    """(the archive, {batch: its records}, class names)."""
    archive, files = files_of(source, {*TRAIN, TEST, META})
    meta_name, meta = files.pop(META)
    if meta_name.endswith(".txt"):
        return (
            archive,
            {key: _binary(archive, *file) for key, file in files.items()},
            class_names(archive, META, meta.split()),
        )
    names = class_names(archive, META, unpickle(archive, meta_name, meta).get("label_names"))
    return archive, {key: python_batch(archive, *file) for key, file in files.items()}, names


def class_names(archive: Path, file: str, found: object) -> list[str]:
    """Those that ``file`` lists, each once."""
    names = _texts(found)
    if names is None:
        raise refuse(archive, f"{file} holds no list of class names")
    if len(set(names)) < len(names):
        raise refuse(archive, f"{file} names a class twice: {', '.join(names)}")
    return names


def _texts(found: object) -> list[str] | None:
    """A list of ASCII texts, whatever wrote it; None: it is none."""
    listed = found.tolist() if isinstance(found, np.ndarray) else found
    if not isinstance(listed, list | tuple):
        return None
    texts = [text.decode("latin-1") if isinstance(text, bytes) else text for text in listed]
    return texts if all(isinstance(text, str) and text.isascii() for text in texts) else None


def python_batch(archive: Path, name: str, content: bytes, labelled: str = "labels") -> Batch:
    """The batch of a pickle, with the labels that it has under the key ``labelled``.

    Raises:
        UserError: For what is none.
    """
    batch = unpickle(archive, name, content)
    for key in ("data", labelled):
        if key not in batch:
            raise refuse(archive, f"{name}: {key.encode()!r} is missing")
    pixels, labels = _pixels(batch["data"]), batch[labelled]
    if pixels is None:
        raise refuse(archive, f"{name} holds records of another length than {RECORD}, or no uint8")
    if isinstance(labels, np.ndarray) and labels.ndim:
        labels = (labels.reshape(-1) if labels.size == len(labels) else labels).tolist()
    texts = _texts(batch["filenames"]) if "filenames" in batch else _made_up(name, len(pixels))
    if texts is None:
        raise refuse(archive, f"{name}: a file name is no text")
    if not isinstance(labels, list | tuple) or not len(pixels) == len(labels) == len(texts):
        raise refuse(archive, f"{name}: records, labels and file names differ in number")
    return pixels, list(labels), [text.rsplit("/", 1)[-1] for text in texts]


def _pixels(data: object) -> Pixels | None:
    """(N, 3072) uint8 of records, or of images that were given their shape; None: it is neither."""
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or not data.ndim:
        return None
    if data.shape[1:] == (SIDE, SIDE, 3):
        data = data.transpose(0, 3, 1, 2)
    fits = data.shape[1:] in ((RECORD,), (3, SIDE, SIDE))
    return data.reshape(len(data), RECORD) if fits else None


def _shown(label: object) -> str:
    """A label for a message; Python refuses to write out numbers of thousands of digits."""
    return "of many digits" if type(label) is int and label.bit_length() > 64 else reprlib.repr(label)


def _made_up(name: str, count: int) -> list[str]:
    """File names where a batch has none."""
    stem = ENDINGS.sub("", name.rsplit("/", 1)[-1])
    return [f"{stem}_{row:05d}.png" for row in range(count)]


def _binary(archive: Path, name: str, content: bytes) -> Batch:
    """Records of one byte for the label and then the pixels; without file names, so these are made up."""
    if len(content) % (RECORD + 1):
        raise refuse(archive, f"{name}: {len(content)} bytes are no whole records of {RECORD + 1}")
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD + 1)
    return records[:, 1:], records[:, 0].tolist(), _made_up(name, len(records))


def contents(source: Path | Members) -> Contents:
    """List an archive, or files that lie open.

    Raises:
        UserError: It names what is damaged, missing or out of range.
    """
    return contents_of(*_load(source), val=TEST)


def contents_of(archive: Path, batches: dict[str, Batch], names: list[str], *, val: str) -> Contents:
    """What ``batches`` hold of the classes ``names``, the one called ``val`` for validation.

    Raises:
        UserError: For a label that is out of range.
    """
    items = []
    for batch, (_, labels, files) in batches.items():
        for row, (label, filename) in enumerate(zip(labels, files, strict=True)):
            if type(label) is not int or not 0 <= label < len(names):
                what = f"label {_shown(label)} is out of range (whole numbers from 0 to {len(names) - 1})"
                raise refuse(archive, f"{batch} row {row}: {what}")
            items.append(Item("val" if batch == val else "train", names[label], f"{batch}/{row:05d}", filename))

    def read(member: str) -> Pixels:
        batch, row = member.split("/")
        pixels: Pixels = batches[batch][0][int(row)].reshape(3, SIDE, SIDE).transpose(1, 2, 0)
        return pixels

    return Contents.of(archive, items, {n: n for n in names}, 0, read)
