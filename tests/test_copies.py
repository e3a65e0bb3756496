"""Copies of the data sets as people have them: packed anew, moved about, saved by another editor or pickled again.

Oracle: the pack of the archive in its official form. Each copy gives that pack, or one sentence that names the path
which the user gave and the true reason.
"""

import gzip
import io
import os
import pickle
import random
import re
import tarfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.data import cifar10, own, tiny_imagenet
from ablate.data.assurance import accepted
from ablate.data.fetch import fetch
from ablate.errors import UserError
from ablate.files import digest, read_json
from ablate.plan.keys import content_digest
from ablate.plan.params import Dataset, load
from archives import CIFAR, TINY, WNIDS, Files, Make, binary, cifar_batches, jpeg, pickled, tiny_files, write_zip
from conftest import ROOT as REPOSITORY
from conftest import gate

ROOT = "tiny-imagenet-200/"
TEXTS = ("wnids.txt", "words.txt", "val_annotations.txt")
TARS = {"tar": "w", "tar.gz": "w:gz", "tgz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}
JUNK = (".DS_Store", "Thumbs.db", "desktop.ini", "._train", ".ipynb_checkpoints/val_0-checkpoint.JPEG", "a.JPEG~",
        "__MACOSX/x.JPEG", ".git/config", "words.txt.bak", "@eaDir/x.jpg", "Icon\r", ".words.txt.swp")  # fmt: skip


def pack_of(path: Path | str, spec: Dataset, folder: Path) -> tuple[str, ...]:
    """Digests of what a pack of ``path`` holds: content, images, labels."""
    fetch(
        spec.archive, folder / "archive", path=str(path), mirror=None, urls=[], digests={},
        receipt=folder / "archive.json",
    )  # fmt: skip
    pack = gate(folder / "archive", spec, folder)
    return content_digest(read_json(pack)), *(digest(pack.with_name(f"{name}.npy")) for name in ("images", "labels"))


def write_tar(target: Path, files: Files, mode: str, **how: int) -> Path:
    with tarfile.open(target, mode, **how) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target


def extract(target: Path, files: Files) -> Path:
    for name, content in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)
    return target


def zipped(change: Callable[[Files], Files]) -> Make:
    return lambda folder: write_zip(folder / "copy.zip", change(tiny_files()))


def renamed(change: Callable[[str], str]) -> Make:
    return zipped(lambda files: {change(name): content for name, content in files.items()})


def saved(change: Callable[[str], bytes]) -> Make:
    """The three texts as an editor saved them."""
    return zipped(lambda fs: {n: change(c.decode()) if n.endswith(TEXTS) else c for n, c in fs.items()})


def without(*endings: str) -> Make:
    return zipped(lambda files: {n: c for n, c in files.items() if not n.endswith(endings)})


@cache
def val_labels() -> dict[str, str]:
    """{val image: wnid}."""
    table = tiny_files("")["val/val_annotations.txt"].decode().splitlines()
    return {line.split("\t")[0]: line.split("\t")[1] for line in table}


def in_class_folders(name: str, images: str = "images/") -> str:
    file = PurePosixPath(name).name
    return f"{ROOT}val/{val_labels()[file]}/{images}{file}" if file in val_labels() else name


def beside(images: str = "images/") -> Make:
    return zipped(lambda files: files | {in_class_folders(n, images): c for n, c in files.items()})


def ending(*endings: str) -> Callable[[str], str]:
    turn = random.Random(0)
    return lambda name: re.sub(r"JPEG$", lambda _: turn.choice(endings), name)


def with_junk(folder: Path) -> Path:
    files = tiny_files()
    places = sorted({str(PurePosixPath(name).parent) for name in files})
    return write_zip(folder / "copy.zip", files | {f"{place}/{junk}": b"x" for place in places for junk in JUNK})


def linked(folder: Path) -> Path:
    """Image folders, texts and single images that are links to elsewhere, and a link to the whole."""
    own = extract(folder / "own", tiny_files(""))
    (folder / "elsewhere").mkdir()
    for n, name in enumerate((f"train/{WNIDS[0]}/images", "words.txt", "val/images/val_1.JPEG", "val")):
        (own / name).rename(folder / f"elsewhere/{n}")
        (own / name).symlink_to(folder / f"elsewhere/{n}")
    (folder / "link").symlink_to(own)
    return folder / "link"


def long(folder: Path) -> Path:
    return extract(folder.joinpath(*["long" * 50] * 12), tiny_files(""))


def _behind(folder: Path, head: bytes) -> Path:
    copy = write_zip(folder / "copy", tiny_files())
    copy.write_bytes(head + copy.read_bytes())
    return copy


def read_only(folder: Path) -> Path:
    own = extract(folder / "own", tiny_files())
    for path in [*own.rglob("*"), own]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    return own


def with_archive_beside(folder: Path) -> Path:
    own = extract(folder / "own", tiny_files())
    write_zip(own / "tiny-imagenet-200.zip", tiny_files())
    (own / f"{ROOT}train/n00000009/images").mkdir(parents=True)  # and an empty class folder
    return own


TINY_COPIES: dict[str, Make] = {
    **{
        f".{ending}": lambda d, e=ending, m=mode: write_tar(d / f"copy.{e}", tiny_files(), m)  # type: ignore[misc]
        for ending, mode in TARS.items()
    },
    "a tar of a folder named .": lambda d: write_tar(d / "copy", tiny_files("./"), "w:gz"),
    "extracted": lambda d: extract(d / "own", tiny_files()),
    "extracted, blanks and umlauts": lambda d: extract(d / "my dätä ☃ {x} %s", tiny_files("")),
    "extracted, read only": read_only,
    "extracted, the archive beside it": with_archive_beside,
    "links": linked,
    "a very long path": long,
    "another top folder": zipped(lambda _: tiny_files("Tiny ImageNet (copy).bak/")),
    "extracted into itself": zipped(lambda _: tiny_files(ROOT + ROOT)),
    "no top folder": zipped(lambda _: tiny_files("")),
    "backslashes": renamed(lambda name: name.replace("/", "\\")),
    "val in class folders too": beside(),
    "val in class folders too, flat": beside(""),
    "val in class folders, no table": zipped(
        lambda fs: {in_class_folders(n): c for n, c in fs.items() if not n.endswith("annotations.txt")}
    ),
    "train without images/": renamed(lambda name: re.sub("(train/n.*/)images/", r"\1", name)),
    "train with and without images/": zipped(
        lambda fs: fs | {re.sub("(train/n.*/)images/", r"\1", n): c for n, c in fs.items()}
    ),
    "byte-order mark": saved(lambda text: b"\xef\xbb\xbf" + text.encode()),
    "UTF-16 of Windows": saved(lambda text: b"\xff\xfe" + text.replace("\n", "\r\n").encode("utf-16-le")),
    "UTF-16, big end first": saved(lambda text: b"\xfe\xff" + text.encode("utf-16-be")),
    "CRLF and blank lines": saved(lambda text: text.replace("\n", "\r\n").encode() + b"\r\n\r\n \r\n"),
    "CR alone": saved(lambda text: text.replace("\n", "\r").encode()),
    "blanks behind lines": saved(lambda text: text.replace("\n", " \t\n").encode()),
    "no words.txt": without("words.txt"),
    "no wnids.txt": without("wnids.txt"),
    "no texts but the table": without("words.txt", "wnids.txt", "_boxes.txt"),
    "no test folder": without("test_0.JPEG", "test_1.JPEG"),
    ".jpeg": renamed(ending("jpeg")),
    ".jpg": renamed(ending("jpg")),
    ".JPG and others": renamed(ending("JPG", "jpg", "JPEG", "Jpeg")),
    "junk in every folder": with_junk,
    "unpacks itself": lambda d: _behind(d, b"#!/bin/sh\n"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, ...]]:
    folder = tmp_path_factory.mktemp("right")
    tiny = write_zip(folder / "tiny.zip", tiny_files())
    cifar = write_tar(folder / "cifar.tar.gz", pickled(cifar_batches()), "w:gz")
    return {"tiny": pack_of(tiny, TINY, folder / "tiny"), "cifar": pack_of(cifar, CIFAR, folder / "cifar")}


@pytest.mark.parametrize("copy", TINY_COPIES)
def test_a_copy_of_tiny_imagenet_gives_the_same_pack(
    copy: str, right: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    assert pack_of(TINY_COPIES[copy](tmp_path), TINY, tmp_path / "data") == right["tiny"]


@pytest.mark.parametrize("written", ["own", "own/", "./own", "~/own", "~/../{name}/own//"])
def test_a_path_is_understood_as_it_is_written(
    written: str, right: dict[str, tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    extract(tmp_path / "own", tiny_files())
    assert pack_of(written.format(name=tmp_path.name), TINY, tmp_path / "data") == right["tiny"]


Batches = dict[str, dict[Any, Any]]


def again(change: Callable[[dict[Any, Any]], dict[Any, Any]], protocol: int = 5) -> Make:
    """A folder of batches, each changed and pickled again, as this Python and NumPy do it."""

    def make(folder: Path) -> Path:
        batches = {name: change(dict(table)) for name, table in cifar_batches().items()}
        files = {f"cifar-10-batches-py/{n}": pickle.dumps(t, protocol) for n, t in batches.items()}
        return extract(folder / "own", files)

    return make


def column(name: str, change: Callable[[Any], Any], protocol: int = 5) -> Make:
    key = name.encode()
    return again(lambda table: table | ({key: change(table[key])} if key in table else {}), protocol)


def old_numpy(folder: Path) -> Path:
    files = pickled(cifar_batches())
    return extract(folder / "own", {n: c.replace(b"numpy._core", b"numpy.core") for n, c in files.items()})


def decoded(table: dict[bytes, Any]) -> dict[str, Any]:
    """All in it as text, as torchvision's users write it."""
    names = ("label_names", "filenames")
    return {k.decode(): [t.decode() for t in v] if k.decode() in names else v for k, v in table.items()}


CIFAR_COPIES: dict[str, Make] = {
    **{f"protocol {n}": again(lambda table: table, n) for n in range(6)},
    "old NumPy": old_numpy,
    "int64 labels": column("labels", np.array),
    "int64 labels, protocol 2": column("labels", np.array, 2),
    "uint8 labels": column("labels", lambda labels: np.array(labels, np.uint8)),
    "labels in a column": column("labels", lambda labels: np.array(labels)[:, None]),
    "big-endian labels": column("labels", lambda labels: np.array(labels, ">i4")),
    "NumPy's numbers in a list": column("labels", lambda labels: list(np.array(labels))),
    "NumPy's numbers, protocol 0": column("labels", lambda labels: list(np.array(labels, np.int32)), 0),
    "a tuple of labels": column("labels", tuple),
    "text for bytes": again(decoded),
    "an array of file names": column("filenames", np.array),
    "no file names": again(lambda table: {k: v for k, v in table.items() if k != b"filenames"}),
    "columns first": column("data", np.asfortranarray),
    "a read-only array": column("data", lambda data: np.frombuffer(data.tobytes(), np.uint8).reshape(data.shape)),
    "images in planes": column("data", lambda data: data.reshape(-1, 3, 32, 32)),
    "images in colours": column("data", lambda data: data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)),
    "other names": lambda d: extract(d / "own", {f"{n}.pkl": c for n, c in pickled(cifar_batches()).items()}),
    "binary, extracted": lambda d: extract(d / "own", binary(cifar_batches())),
    "zip": lambda d: write_zip(d / "copy.zip", pickled(cifar_batches())),
    "zip of Windows": lambda d: write_zip(
        d / "c.zip", {n.replace("/", "\\"): c for n, c in pickled(cifar_batches()).items()}
    ),
    "batches alone": lambda d: extract(
        d / "own", {PurePosixPath(n).name: c for n, c in pickled(cifar_batches()).items()}
    ),
    "torchvision's folder": lambda d: extract(
        d / "own", pickled(cifar_batches()) | {"cifar-10-python.tar.gz": b"", "cifar-10-batches-py/readme.html": b""}
    ),
    **{
        f".{ending}": lambda d, e=ending, m=mode: write_tar(d / f"copy.{e}", pickled(cifar_batches()), m)  # type: ignore[misc]
        for ending, mode in TARS.items()
    },
}


@pytest.mark.parametrize("copy", CIFAR_COPIES)
def test_a_copy_of_cifar10_gives_the_same_pack(copy: str, right: dict[str, tuple[str, ...]], tmp_path: Path) -> None:
    assert pack_of(CIFAR_COPIES[copy](tmp_path), CIFAR, tmp_path / "data") == right["cifar"]


def out_of_band(folder: Path) -> Path:
    files = {n: pickle.dumps(t, 5, buffer_callback=lambda _: None) for n, t in cifar_batches().items()}
    return extract(folder / "own", files)


def with_two(name: str, content: bytes) -> Make:
    return zipped(lambda files: files | {ROOT + name: content})


OTHER = f"val/{WNIDS[1]}/images/val_0.JPEG"  # val_0 shows WNIDS[0]
REFUSED: dict[str, tuple[Make, Dataset, list[str]]] = {
    "a copy beside in the wrong folder": (with_two(OTHER, jpeg(101)), TINY, [OTHER, f"says {WNIDS[0]}"]),
    "a copy beside of other bytes": (
        with_two(f"val/{WNIDS[0]}/val_0.JPEG", jpeg(7)), TINY, ["val/images/val_0.JPEG and", "under one name"],
    ),
    "flat val, no table": (without("val_annotations.txt"), TINY, ["val_annotations.txt is missing", "no label"]),
    "a copy of one image": (
        with_two(f"train/{WNIDS[0]}/images/{WNIDS[0]}_0 (1).JPEG", jpeg(1)), TINY, ["(1).JPEG", "no plain file name"],
    ),
    "an image renamed": (
        with_two(f"train/{WNIDS[0]}/images/{WNIDS[0]}_9.JPEG", jpeg(1)), TINY, ["has 5 train images, expected 4"],
    ),
    "all classes smaller": (
        without(*(f"{wnid}_3.JPEG" for wnid in WNIDS)), TINY, ["each class has 3 train", "set train_per_class: 3"],
    ),
    "all val images in one class too few": (
        zipped(lambda fs: {n: c for n, c in fs.items() if f"train/{WNIDS[1]}/images" not in n}), TINY,
        [f"class {WNIDS[1]} has 0 train images, expected 4", "train_per_class"],
    ),
    "a class too few": (
        zipped(lambda fs: {n: c for n, c in fs.items() if WNIDS[2] not in n and not n.endswith("wnids.txt")}), TINY,
        [f"class {WNIDS[2]!r} is not in wnids.txt"],
    ),
    "half of the test images": (without("test_1.JPEG"), TINY, ["1 test images, expected 2 or none", "n_test: 1"]),
    "train alone": (lambda d: extract(d / "own", tiny_files("")) / "train", TINY, ["no folder train/<wnid>"]),
    "another data set": (lambda d: extract(d / "own", pickled(cifar_batches())), TINY, ["no Tiny ImageNet"]),
    "two copies": (zipped(lambda fs: fs | tiny_files("old/")), TINY, ["2 copies", "'old/'"]),
    "an archive in an archive": (
        lambda d: write_zip(d / "a.zip", {"tiny.zip": write_zip(d / "b.zip", tiny_files()).read_bytes()}), TINY,
        ["it holds tiny.zip"],
    ),
    "PNG": (renamed(ending("png")), TINY, ["_0.png belongs to no part"]),
    "larger images": (
        zipped(lambda fs: fs | {f"{ROOT}val/images/val_2.JPEG": jpeg(1, (224, 224))}), TINY, ["val_2.JPEG: 224x224"],
    ),
    "a loader beside": (with_two("dataset.py", b""), TINY, ["dataset.py belongs to no part", "remove it"]),
    "a table in latin-1": (saved(lambda text: text.encode() + b"\n\xe9"), TINY, ["wnids.txt", "can't decode"]),
    "a table with commas": (saved(lambda text: text.replace("\t", ",").encode()), TINY, ["line 1: 1 columns"]),
    "a cut tar.gz": (
        lambda d: (write_tar(d / "c.tgz", tiny_files(), "w:gz"), os.truncate(d / "c.tgz", 9000), d / "c.tgz")[2],
        TINY, ["damaged archive"],
    ),
    "one-hot labels": (column("labels", lambda labels: np.eye(2, dtype=int)[labels]), CIFAR, ["label [1, 0]"]),
    "labels with a point": (column("labels", lambda labels: np.array(labels, float)), CIFAR, ["label 0.0", "whole"]),
    "labels of CIFAR-100": (
        again(lambda t: {(b"fine_labels" if k == b"labels" else k): v for k, v in t.items()}), CIFAR,
        ["'labels' is missing"],
    ),
    "arrays out of band": (out_of_band, CIFAR, ["data_batch_1", "out-of-band"]),
    "labels as text": (column("labels", lambda labels: [str(label) for label in labels]), CIFAR, ["label '0'"]),
    "float images": (column("data", lambda data: data / np.float32(255)), CIFAR, ["no uint8"]),
    "labels that are one number": (column("labels", lambda labels: np.array(3)), CIFAR, ["differ in number"]),
    "no labels in the column": (column("labels", lambda labels: None), CIFAR, ["differ in number"]),
    "no file names in the column": (column("filenames", lambda names: None), CIFAR, ["a file name is no text"]),
    "one file name": (column("filenames", lambda names: np.array(b"x")), CIFAR, ["a file name is no text"]),
    "a class named twice": (column("label_names", lambda names: [b"cat", b"cat"]), CIFAR, ["class twice: cat, cat"]),
    "no records": (
        again(lambda t: {k: v[:0] for k, v in t.items()} if b"data" in t else t), CIFAR, ["class cat has 0 train"],
    ),
    "a gzip of a text": (lambda d: _gzipped(d, b"n01443537"), TINY, ["no zip, and as a tar"]),
    "an empty zip": (zipped(lambda files: {}), TINY, ["it holds no files"]),
    "an empty table": (saved(lambda text: b"" if "val_" in text else text.encode()), TINY, ["has no label"]),
    "no class names": (lambda d: _less(d, "batches.meta"), CIFAR, ["batches.meta missing"]),
    "pickles and binaries": (
        lambda d: extract(d / "own", pickled(cifar_batches()) | binary(cifar_batches())), CIFAR, ["two of one batch"],
    ),
}  # fmt: skip


def _gzipped(folder: Path, content: bytes) -> Path:
    (folder / "a.gz").write_bytes(gzip.compress(content))
    return folder / "a.gz"


def _less(folder: Path, name: str) -> Path:
    own = extract(folder / "own", pickled(cifar_batches()))
    (own / "cifar-10-batches-py" / name).unlink()
    return own


@pytest.mark.parametrize("case", REFUSED)
def test_a_copy_that_cannot_be_read_is_named_by_the_user_s_path(case: str, tmp_path: Path) -> None:
    make, spec, expected = REFUSED[case]
    path = make(tmp_path)
    with pytest.raises(UserError) as caught:
        pack_of(path, spec, tmp_path / "data")
    message = str(caught.value)
    assert message.startswith(f"params.yaml: datasets.data.path: {path}: ") and "mend it there" in message, message
    assert all(part in message for part in expected) and "\n" not in message and len(message) < 600, message
    assert str(tmp_path / "data") not in message and "fetch" not in message, message


def test_a_fetched_copy_that_was_damaged_later_is_told_from_a_bad_one(tmp_path: Path) -> None:
    """Oracle: the user's path is right, the copy of it has other bytes than its receipt says."""
    own = extract(tmp_path / "own", tiny_files())
    pack_of(own, TINY, tmp_path / "data")
    archive = tmp_path / "data/archive"
    archive.write_bytes(archive.read_bytes().replace(b"n00000001\tone", b"n00000001 one"))
    with pytest.raises(UserError, match=f"^{archive}, since it was fetched from {own}: .*delete it and run again"):
        gate(archive, TINY, tmp_path / "data")


def test_a_mirror_s_archive_is_named_by_its_address(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "tiny.zip", {n: c for n, c in tiny_files().items() if "test_1" not in n})
    digests = {"mine": {"sha256": digest(archive)}}
    spec = Dataset.model_validate(TINY.model_dump() | {"digests": digests})
    target = tmp_path / "data/archive"
    fetch(
        "tiny.zip", target, path=None, mirror=str(tmp_path), urls=[], digests=spec.digests,
        receipt=tmp_path / "data/archive.json",
    )  # fmt: skip
    with pytest.raises(UserError) as caught:
        gate(target, spec, tmp_path / "data")
    assert str(caught.value).startswith(f"{archive}, fetched to {target}: 1 test images")


def test_labels_that_are_swapped_throughout_pass_and_the_reader_is_told(
    right: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    """Two classes exchanged in folders, file names and table alike: nothing in the copy contradicts it."""
    text = {
        n.encode(): m.encode() for n, m in ((WNIDS[0], "n99999999"), (WNIDS[1], WNIDS[0]), ("n99999999", WNIDS[1]))
    }

    def swapped(content: bytes) -> bytes:
        for old, new in text.items():
            content = content.replace(old, new)
        return content

    files = {swapped(n.encode()).decode(): swapped(c) if n.endswith(".txt") else c for n, c in tiny_files().items()}
    found = pack_of(write_zip(tmp_path / "copy.zip", files), TINY, tmp_path / "data")
    assert found[1] != right["tiny"][1] and found[2] == right["tiny"][2]
    receipt = read_json(tmp_path / "data/archive.json")
    assert receipt["digest"] == "unpinned" and "by its content alone" in accepted(receipt)


def test_files_of_another_user_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated, since root may read everything."""
    closed = extract(tmp_path / "own", tiny_files("")) / "val"
    scandir = os.scandir

    def refusing(path: str) -> Any:
        if str(path) == str(closed):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(UserError, match=rf"{closed} cannot be read \(Permission denied\); mend its permissions"):
        pack_of(tmp_path / "own", TINY, tmp_path / "data")


WHERE: dict[str, tuple[Callable[[Path], str], str]] = {
    "a variable": (lambda d: "$HOME/own", "variables are not replaced"),
    "nobody's home": (lambda d: "~nobody-at-all/own", "there is no ~nobody-at-all/own"),
    "relative, from elsewhere": (lambda d: "gone/own", "there is no gone/own in "),
    "below a file": (lambda d: str((d / "f").write_bytes(b"x") and d / "f/own"), "there is no "),
    "too long": (lambda d: "x" * 5000, "File name too long"),
    "a loop of links": (lambda d: str((d / "l").symlink_to("l") or d / "l"), "there is no "),
    "a text for a folder": (lambda d: str(extract(d / "own", tiny_files("")) / "words.txt"), "neither a zip nor a"),
    "the archive's folder": (lambda d: str(write_zip(d / "tiny-200.zip", {}).parent), "but tiny-200.zip; name"),
}  # fmt: skip


@pytest.mark.parametrize("case", WHERE)
def test_a_path_that_leads_nowhere_is_refused_with_the_reason(case: str, tmp_path: Path) -> None:
    make, expected = WHERE[case]
    (tmp_path / "user").mkdir()
    with pytest.raises(UserError) as caught:
        pack_of(make(tmp_path / "user"), TINY, tmp_path / "data")
    message = str(caught.value)
    assert message.startswith("params.yaml: datasets: path of tiny.zip: ") and expected in message, message


def listed(archive: Path) -> list[tuple[str, str, str, bytes | bytearray]]:
    found = tiny_imagenet.contents(archive)
    return [(i.split, i.class_name, i.filename, bytes(found.read(i.member))) for i in found.items]


line_ends = st.sampled_from(["\n", "\r\n", "\r"])
roots = st.lists(st.sampled_from([".", "tiny-imagenet-200", "mine 2", "é", "train"]), max_size=3).map(
    lambda parts: "".join(f"{part}/" for part in parts)
)


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(["zip", "stored", *TARS.values()]),
    root=roots,
    shuffle=st.randoms(use_true_random=False),
    junk=st.lists(st.tuples(st.integers(0, 40), st.sampled_from(JUNK)), max_size=5, unique=True),
    end=line_ends,
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    dropped=st.sets(st.sampled_from(["words.txt", "wnids.txt", "_boxes.txt", "test_0.JPEG test_1.JPEG"])),
    doubled=st.sets(st.sampled_from(sorted(f"val_{n}.JPEG" for n in range(6)))),
    suffix=st.sampled_from(["JPEG", "jpg", "jpeg", "JPG"]),
    slash=st.sampled_from(["/", "\\"]),
)
def test_an_archive_packed_anew_in_any_way_holds_the_same(
    tmp_path_factory: pytest.TempPathFactory, kind: str, root: str, shuffle: random.Random, suffix: str, slash: str,
    junk: list[tuple[int, str]], end: str, encoding: str, dropped: set[str], doubled: set[str],
) -> None:  # fmt: skip
    files = tiny_files(root)
    names = sorted(files)
    gone = tuple(name for entry in dropped for name in entry.split())
    copies = {in_class_folders(n).replace(ROOT, root): files[n] for n in names if PurePosixPath(n).name in doubled}
    places = [names[at % len(names)].rpartition("/")[0] for at, _ in junk]
    files |= copies | {f"{place}/{name}".lstrip("/"): b"?" for place, (_, name) in zip(places, junk, strict=True)}
    changed = {}
    for name in shuffle.sample(sorted(files), len(files)):
        content = files[name]
        if name.endswith(TEXTS):
            content = content.decode().replace("\n", end).encode(encoding)
        if not name.endswith(gone or ("\0",)):
            changed[re.sub("JPEG$", suffix, name).replace("/", slash)] = content
    folder = tmp_path_factory.mktemp("anew")
    if kind in TARS.values():
        archive = write_tar(folder / "a", changed, kind)
    else:
        archive = write_zip(folder / "a", changed, zipfile.ZIP_STORED if kind == "stored" else zipfile.ZIP_DEFLATED)
    assert listed(archive) == official()


@cache
def official() -> list[tuple[str, str, str, bytes | bytearray]]:
    """What the archive holds, by its names alone."""
    files, labels = tiny_files(""), val_labels()
    train = [(PurePosixPath(n), c) for n, c in files.items() if n.startswith("train/") and n.endswith("JPEG")]
    val = [(PurePosixPath(n), c) for n, c in files.items() if n.startswith("val/") and n.endswith("JPEG")]
    return [
        *sorted(("train", path.parts[1], path.name, content) for path, content in train),
        *sorted(("val", labels[path.name], path.name, content) for path, content in val),
    ]


MIRROR = os.environ.get("ABLATE_TEST_MIRROR")
on_mirror = [
    pytest.mark.mirror,
    pytest.mark.slow,
    pytest.mark.skipif(not MIRROR, reason="ABLATE_TEST_MIRROR names no folder with the real archives"),
]


class TestRealArchives:
    """The same on the real images, as far as the archives' lists and bytes go: decoding them takes minutes."""

    pytestmark = on_mirror

    def test_tiny_imagenet(self, tmp_path: Path) -> None:
        spec = load(REPOSITORY / "params.yaml", {"scale": "paper"}).datasets["tiny-imagenet"]
        source = Path(str(MIRROR)) / spec.archive
        with zipfile.ZipFile(source) as zipped:
            files = {name: zipped.read(name) for name in zipped.namelist() if not name.endswith("/")}
        expected = listed(source)
        table = f"{ROOT}val/val_annotations.txt"
        label = {line.split("\t")[0]: line.split("\t")[1] for line in files[table].decode().splitlines()}
        folders = {f"{ROOT}val/{label[file]}/{file}": files[f"{ROOT}val/images/{file}"] for file in label}
        folder = extract(tmp_path / "own", files) / "tiny-imagenet-200"
        part = tmp_path / "part"
        label_of, facts = own.bring("own", str(folder), part, spec.digests)
        assert label_of == "extracted" and listed(part) == expected  # the pin of params.yaml
        assert own.content(str(folder), tmp_path / "archive") == facts["content"]
        part.unlink()
        texts = {n: b"\xef\xbb\xbf" + c.replace(b"\n", b"\r\n") for n, c in files.items() if n.endswith(TEXTS)}
        copies = files | folders | texts
        assert listed(write_tar(tmp_path / "copy.tar.gz", copies, "w:gz", compresslevel=1)) == expected
        windows = {name.replace("/", "\\"): body for name, body in copies.items() if name != table}
        lacking = {name: body for name, body in windows.items() if "val\\images" not in name}
        assert listed(write_zip(tmp_path / "copy.zip", lacking, zipfile.ZIP_STORED)) == expected

    def test_cifar10(self, tmp_path: Path) -> None:
        source = Path(str(MIRROR)) / "cifar-10-python.tar.gz"
        expected = cifar10.contents(source)
        batches = {}
        with tarfile.open(source) as tar:
            for member in tar:
                if member.isfile() and "batch" in member.name.rsplit("/", 1)[-1]:
                    table = pickle.loads(tar.extractfile(member).read(), encoding="bytes")  # type: ignore[union-attr]
                    batches[member.name] = table | {k: np.array(v) for k, v in table.items() if k == b"labels"}
        files = {name: pickle.dumps(table, 5) for name, table in batches.items()}
        found = cifar10.contents(write_zip(tmp_path / "copy.zip", files))
        assert found.items == expected.items and len(found.items) == 60_000
        for item in found.items[::97]:
            assert np.array_equal(found.read(item.member), expected.read(item.member))
