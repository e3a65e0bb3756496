"""Archives that are wrong, broken or hostile. Each is refused by `ablate verify` with exit code 2 and one message
that names the file and the remedy; nothing is written, and nothing in them is run.

Oracle: the right archive passes, and each case differs from it in one place.
"""

import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ablate import cli
from ablate.config import Dataset
from archives import (
    CIFAR,
    TINY,
    WNIDS,
    binary,
    cifar_batches,
    edited,
    jpeg,
    pickled,
    tiny_files,
    write_tar,
    write_zip,
)  # fmt: skip

Make = Callable[[Path], Path]  # from the folder for the archive to the archive


def verify(archive: Path, spec: Dataset, out: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    words = ["ablate", "verify", "--spec", spec.model_dump_json(), "--archive", str(archive)]
    for option, name in (
        ("index", "index.csv"),
        ("images", "images.npy"),
        ("duplicates", "d.csv"),
        ("report", "v.json"),
    ):
        words += [f"--{option}", str(out / name)]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def refused(archive: Path, spec: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    code = verify(archive, spec, out, monkeypatch)
    assert code == 2
    assert not out.exists() or not list(out.iterdir())
    assert not (tmp_path / "ran").exists()


def zipped(change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> Make:
    return lambda folder: write_zip(folder / "bad.zip", change(tiny_files()))


def changed(ending: str, change: Callable[[bytes], bytes | None]) -> Make:
    return zipped(lambda files: edited(files, ending, change))


def image(content: bytes) -> Make:
    return changed("n00000001_2.JPEG", lambda _: content)


def table(change: Callable[[list[str]], list[str]]) -> Make:
    return changed("val_annotations.txt", lambda c: "\n".join(change(c.decode().split("\n"))).encode())


def renamed(old: str, new: str) -> Make:
    return zipped(lambda files: {name.replace(old, new): content for name, content in files.items()})


def added(name: str, content: bytes = b"") -> Make:
    return zipped(lambda files: files | {name: content})


def resized(content: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header claims another size (ITU T.81, B.2.2: SOF0, length, precision, height, width)."""
    at = content.index(b"\xff\xc0") + 5
    return content[:at] + struct.pack(">HH", height, width) + content[at + 4 :]


def special(name: str, mode: int, content: bytes = b"/etc/passwd") -> Make:
    """A member that a Unix mode declares to be a link or a device."""

    def make(folder: Path) -> Path:
        archive = write_zip(folder / "bad.zip", tiny_files())
        with zipfile.ZipFile(archive, "a") as out:
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, mode << 16
            out.writestr(info, content)
        return archive

    return make


def patched(signature: bytes, offset: int, value: bytes) -> Make:
    """Every directory entry of the zip with some of its bytes changed."""

    def make(folder: Path) -> Path:
        archive = write_zip(folder / "bad.zip", tiny_files())
        content = bytearray(archive.read_bytes())
        at = content.find(signature)
        while at >= 0:
            content[at + offset : at + offset + len(value)] = value
            at = content.find(signature, at + 1)
        archive.write_bytes(content)
        return archive

    return make


def raw(content: bytes) -> Make:
    def make(folder: Path) -> Path:
        (folder / "bad.zip").write_bytes(content)
        return folder / "bad.zip"

    return make


def cut(folder: Path) -> Path:
    archive = write_zip(folder / "bad.zip", tiny_files())
    archive.write_bytes(archive.read_bytes()[:-300])
    return archive


def flipped(folder: Path) -> Path:
    """One bit of one stored image is another: only the checksum can tell."""
    files = tiny_files()
    archive = write_zip(folder / "bad.zip", files, zipfile.ZIP_STORED)
    content = archive.read_bytes()
    at = content.index(files["tiny-imagenet-200/train/n00000001/images/n00000001_2.JPEG"]) + 400
    archive.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    return archive


def million(folder: Path) -> Path:
    """A directory of a million empty members, written without `zipfile`, which would take a minute."""
    entry = b"PK\x01\x02" + struct.pack("<HHHHHHIIIHHHHHII", 20, 20, 0, 0, 0, 33, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0)
    entries = b"".join(entry + b"%07d" % n for n in range(1_000_000))
    end64 = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 10**6, 10**6, len(entries), 0)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, len(entries), 1)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    (folder / "bad.zip").write_bytes(entries + end64 + locator + end)
    return folder / "bad.zip"


FIRST = "tiny-imagenet-200/train/n00000001/images/n00000001"

# What is wrong, how it is made, and what the message says of it.
ZIPS: dict[str, tuple[Make, str]] = {
    "truncated zip": (cut, "damaged"),
    "HTML as zip": (raw(b"<!doctype html><title>404</title>"), "damaged"),
    "empty file": (raw(b""), "damaged"),
    "no archive there": (lambda folder: folder / "bad.zip", "there is no such file"),
    "a folder in its place": (lambda folder: (folder / "bad.zip").mkdir() or folder / "bad.zip", "no such file"),
    "missing class": (zipped(lambda f: {n: c for n, c in f.items() if "train/n00000001/" not in n}), "has 0 train"),
    "one class too few": (changed("wnids.txt", lambda c: c.rsplit(b"\n", 1)[0]), "not in wnids.txt"),
    "one class too many": (changed("wnids.txt", lambda c: c + b"\nn00000009"), "4 classes, expected 3"),
    "one image too few": (changed("n00000001_2.JPEG", lambda _: None), "has 3 train images, expected 4"),
    "one image too many": (added(f"{FIRST}_9.JPEG", jpeg(9)), "has 5 train"),
    "test image missing": (changed("test_1.JPEG", lambda _: None), "1 test images, expected 2"),
    "extra file": (added("tiny-imagenet-200/train/notes.txt"), "notes.txt belongs to no part"),
    "extra image": (added("tiny-imagenet-200/more/images/x.JPEG", jpeg(1)), "x.JPEG belongs to no part"),
    "extra file beside the root": (added("setup.py", b"raise SystemExit"), "setup.py belongs to no part"),
    "0-byte JPEG": (image(b""), "n00000001_2.JPEG: not a whole JPEG"),
    "truncated JPEG": (image(jpeg(5)[:-200]), "n00000001_2.JPEG: not a whole JPEG"),
    "garbage in a JPEG": (image(jpeg(5)[:300] + bytes(50) + jpeg(5)[350:-2]), "n00000001_2.JPEG: not a whole JPEG"),
    "PNG with a JPEG's name": (image(jpeg(5, kind="PNG")), "n00000001_2.JPEG: not a whole JPEG"),
    "GIF with a JPEG's name": (image(jpeg(5, kind="GIF")), "n00000001_2.JPEG: not a whole JPEG"),
    "CMYK": (image(jpeg(5, mode="CMYK")), "n00000001_2.JPEG: 64x64 CMYK"),
    "65x64": (image(jpeg(5, (65, 64))), "n00000001_2.JPEG: 65x64"),
    "64x65": (image(jpeg(5, (64, 65))), "n00000001_2.JPEG: 64x65"),
    "30000x30000": (image(resized(jpeg(5), 30000, 30000)), "n00000001_2.JPEG: 30000x30000"),
    "unknown wnid": (table(lambda ls: [ls[0].replace(WNIDS[0], "n99999999"), *ls[1:]]), "'n99999999' is not in"),
    "annotated twice": (table(lambda ls: [ls[0], *ls]), "line 2: val_0.JPEG is there twice"),
    "not annotated": (table(lambda ls: ls[1:]), "val_0.JPEG has no label"),
    "annotated and missing": (changed("/val_0.JPEG", lambda _: None), "val_0.JPEG annotated and missing"),
    "five columns": (table(lambda ls: [ls[0].rsplit("\t", 1)[0], *ls[1:]]), "line 1: 5 columns, expected 6"),
    "spaces for tabs": (table(lambda ls: [ls[0].replace("\t", " "), *ls[1:]]), "line 1: 1 columns"),
    "labels swapped away": (table(lambda ls: [ls[0].replace(WNIDS[0], WNIDS[1]), *ls[1:]]), "val images, expected 2"),
    "no annotations": (changed("val_annotations.txt", lambda _: None), "val_annotations.txt is missing"),
    "annotations no text": (changed("val_annotations.txt", lambda _: b"\xff\xfe\x00"), "val_annotations.txt"),
    "no words.txt": (changed("words.txt", lambda _: None), "words.txt is missing"),
    "no wnids.txt": (changed("wnids.txt", lambda _: None), "0 files wnids.txt"),
    "two roots": (zipped(lambda f: f | tiny_files("copy/")), "2 files wnids.txt"),
    "a wnid twice": (changed("wnids.txt", lambda c: c + b"\n" + c[:9]), "is no wnid or is there twice"),
    "no wnid": (changed("wnids.txt", lambda c: c + b"\n../../x"), "'../../x' is no wnid"),
    "val folder reorganised wrongly": (
        renamed("val/images/val_0.JPEG", f"val/{WNIDS[1]}/images/val_0.JPEG"), f"val_annotations.txt says {WNIDS[0]}",
    ),
    "train image in another's folder": (
        renamed("n00000001/images/n00000001_2", "n00000002/images/n00000001_2"), "folder of another class",
    ),
    "../ in a name": (added("tiny-imagenet-200/../../ran", b"x"), "points out of the archive"),
    "absolute name": (added("/tmp/ran", b"x"), "points out of the archive"),
    "backslashes": (added("tiny-imagenet-200\\..\\ran", b"x"), "points out of the archive"),
    "drive letter": (added("C:/ran", b"x"), "points out of the archive"),
    "control characters": (added("tiny-imagenet-200/\x1b[2Jx", b"x"), "points out of the archive"),
    "symbolic link": (special("tiny-imagenet-200/val/images/val_0.JPEG2", 0o120777), "is a link or a device"),
    "link, then a file through it": (special("tiny-imagenet-200/train/n00000001", 0o120777, b"/tmp"), "is a link"),
    "device node": (special("tiny-imagenet-200/null", 0o020666, b""), "is a link or a device"),
    "named pipe": (special("tiny-imagenet-200/pipe", 0o010666, b""), "is a link or a device"),
    "zip bomb": (added("tiny-imagenet-200/words2.txt", bytes(2**24)), "times its size"),
    "a member of 4 GB": (patched(b"PK\x01\x02", 24, struct.pack("<I", 2**32 - 2)), "unpacks to"),
    "encrypted": (patched(b"PK\x01\x02", 8, b"\x01\x00"), "is encrypted"),
    "unusual compression": (lambda d: write_zip(d / "bad.zip", tiny_files(), zipfile.ZIP_LZMA), "unusual way"),
    "a bit flipped": (flipped, "n00000001_2.JPEG: bad checksum"),
    "a million members": (million, "more than 400000 members"),
}  # fmt: skip


@pytest.mark.parametrize("case", ZIPS)
def test_tiny_imagenet(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    make, expected = ZIPS[case]
    archive = make(tmp_path)
    refused(archive, TINY, tmp_path, monkeypatch)
    told(capfd, archive, expected)


def told(capfd: pytest.CaptureFixture[str], archive: Path, expected: str) -> None:
    lines = [line for line in capfd.readouterr().err.splitlines() if not line.startswith("verify ")]
    assert len(lines) == 1, lines
    assert lines[0].startswith("ablate: error: ") and str(archive) in lines[0] and expected in lines[0], lines
    assert any(word in lines[0] for word in ("fetch", "mend")), lines


class Gadget:
    """Pickles as a call of anything."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def batch(change: Callable[[dict[bytes, Any]], object], files: Callable[..., dict[str, bytes]] = pickled) -> Make:
    """The archive with one batch changed in place, or replaced where ``change`` returns something."""

    def make(folder: Path) -> Path:
        batches = cifar_batches()
        replacement = change(batches["data_batch_2"])
        if replacement is not None:
            batches["data_batch_2"] = replacement  # type: ignore[assignment]
        return write_tar(folder / "bad.tar.gz", files(batches))

    return make


def gadget(function: Callable[..., Any], *arguments: Any) -> Make:
    return batch(lambda b: b.update({b"data": Gadget(function, *arguments)}))


def marking(folder: Path) -> Path:
    mark = f"touch {folder / 'ran'}"
    return batch(lambda b: Gadget(os.system, mark))(folder)


def nested(folder: Path) -> Path:
    """The gadget is an element of a list in a tuple among right entries."""
    mark = f"open({str(folder / 'ran')!r}, 'w')"
    return batch(lambda b: b.update({b"batch_label": [(1, [Gadget(eval, mark)])]}))(folder)


def member(name: str, kind: bytes, link: str = "") -> Make:
    def make(folder: Path) -> Path:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        return write_tar(folder / "bad.tar.gz", pickled(cifar_batches()), info)

    return make


def tar_with(name: str, content: bytes) -> Make:
    return lambda folder: write_tar(folder / "bad.tar.gz", pickled(cifar_batches()) | {name: content})


def tar_changed(ending: str, change: Callable[[bytes], bytes | None]) -> Make:
    return lambda folder: write_tar(folder / "bad.tar.gz", edited(pickled(cifar_batches()), ending, change))


def without(ending: str) -> Make:
    return tar_changed(ending, lambda _: None)


def binary_batch(change: Callable[[bytes], bytes]) -> Make:
    return lambda folder: write_tar(
        folder / "bad.tar.gz", edited(binary(cifar_batches()), "data_batch_2.bin", change)
    )


def tar_cut(folder: Path) -> Path:
    archive = write_tar(folder / "bad.tar.gz", pickled(cifar_batches()))
    archive.write_bytes(archive.read_bytes()[:-500])
    return archive


TARS: dict[str, tuple[Make, str]] = {
    "truncated tar.gz": (tar_cut, "damaged"),
    "HTML as tar.gz": (lambda d: (d / "bad.tar.gz").write_bytes(b"<html>") and d / "bad.tar.gz", "damaged"),
    "label too high": (batch(lambda b: b.update({b"labels": [0, 1, 0, 2]})), "data_batch_2 row 3: label 2"),
    "label below zero": (batch(lambda b: b.update({b"labels": [0, 1, 0, -1]})), "label -1 is out of range"),
    "label no number": (batch(lambda b: b.update({b"labels": [0, 1, 0, "1"]})), "label '1' is out of range"),
    "binary label too high": (binary_batch(lambda c: b"\x09" + c[1:]), "label 9 is out of range"),
    "binary record cut": (binary_batch(lambda c: c[:-1]), "are no whole records of 3073"),
    "records of another length": (batch(lambda b: b.update({b"data": np.zeros((4, 3071), np.uint8)})), "of another"),
    "records of another type": (batch(lambda b: b.update({b"data": np.zeros((4, 3072), np.int64)})), "of another"),
    "records of objects": (batch(lambda b: b.update({b"data": np.array([[1, None]], object)})), "data_batch_2"),
    "fewer labels": (batch(lambda b: b.update({b"labels": [0, 1, 0]})), "differ in number"),
    "no labels": (batch(lambda b: b.pop(b"labels") and None), "b'labels' is missing"),
    "classes of unequal size": (batch(lambda b: b.update({b"labels": [0, 0, 0, 1]})), "train images, expected 10"),
    "file name twice": (batch(lambda b: b.update({b"filenames": [b"a.png"] * 4})), "is there twice"),
    "file name that climbs": (batch(lambda b: b.update({b"filenames": [b"..", b"b", b"c", b"d"]})), "no plain file"),
    "a list for a table": (batch(lambda b: [1, 2]), "holds no table"),
    "batch missing": (without("data_batch_3"), "data_batch_3 missing"),
    "names missing": (without("batches.meta"), "batches.meta missing"),
    "a batch twice": (tar_with("copy/data_batch_2", b""), "two of one batch"),
    "pickle of os.system": (marking, "which no CIFAR-10 batch needs"),
    "pickle of eval, nested": (nested, "eval, which no CIFAR-10 batch needs"),
    "pickle of exec": (gadget(exec, "import os"), "exec, which no CIFAR-10 batch needs"),
    "pickle of numpy.load": (gadget(np.load, "/etc/passwd"), "which no CIFAR-10 batch needs"),
    "pickle of getattr": (gadget(getattr, "x", "y"), "getattr, which no CIFAR-10 batch needs"),
    "pickle of another codec": (gadget(__import__("codecs").encode, "x", "rot13"), "the codec rot13"),
    "pickle of a huge array": (gadget(np.ndarray, (10**15,), "u1"), "data_batch_2"),
    "pickle cut": (tar_changed("h_2", lambda c: c[:-9]), "data_batch_2"),
    "../ in a tar": (member("cifar-10-batches-py/../../ran", tarfile.REGTYPE), "points out of the archive"),
    "absolute name in a tar": (member("/tmp/ran", tarfile.REGTYPE), "points out of the archive"),
    "symbolic link in a tar": (member("cifar-10-batches-py/x", tarfile.SYMTYPE, "/tmp"), "is a link or a device"),
    "hard link in a tar": (member("cifar-10-batches-py/x", tarfile.LNKTYPE, "/etc/passwd"), "is a link or a device"),
    "device in a tar": (member("cifar-10-batches-py/x", tarfile.CHRTYPE), "is a link or a device"),
    "gzip bomb": (tar_with("cifar-10-batches-py/zeros", bytes(2**25)), "times its size"),
}  # fmt: skip


@pytest.mark.parametrize("case", TARS)
def test_cifar10(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    make, expected = TARS[case]
    archive = make(tmp_path)
    refused(archive, CIFAR, tmp_path, monkeypatch)
    told(capfd, archive, expected)


def test_a_tar_of_400_001_members_is_refused_before_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ablate.data.containers.MAX_MEMBERS", 20)  # a real one would take half a minute to write
    files = pickled(cifar_batches()) | {f"x{n}": b"" for n in range(20)}
    archive = write_tar(tmp_path / "bad.tar.gz", files)
    refused(archive, CIFAR, tmp_path, monkeypatch)
    told(capfd, archive, "more than 20 members")


def forms() -> Iterator[tuple[str, Callable[[Path], Path], Dataset]]:
    tiny, batches = tiny_files(), cifar_batches()
    junk = {".DS_Store": b"x", "__MACOSX/._train": b"x", "tiny-imagenet-200/train/.DS_Store": b"x"}
    folders = {"tiny-imagenet-200/train/": b"", "tiny-imagenet-200/val/": b""}  # the official zip lists its folders
    label = dict(
        line.split("\t")[:2] for line in tiny["tiny-imagenet-200/val/val_annotations.txt"].decode().splitlines()
    )

    def moved(name: str) -> str:
        file = name.rsplit("/", 1)[-1]
        return name.replace("val/images", f"val/{label[file]}") if file in label else name

    yield "deflated zip", lambda d: write_zip(d / "a", tiny), TINY
    yield "stored zip", lambda d: write_zip(d / "a", tiny, zipfile.ZIP_STORED), TINY
    yield "without a root folder", lambda d: write_zip(d / "a", tiny_files("")), TINY
    yield "members in another order", lambda d: write_zip(d / "a", dict(reversed(tiny.items()))), TINY
    yield "with folders and junk", lambda d: write_zip(d / "a", folders | tiny | junk), TINY
    yield "val in class folders", lambda d: write_zip(d / "a", {moved(n): c for n, c in tiny.items()}), TINY
    yield "python archive", lambda d: write_tar(d / "a", pickled(batches)), CIFAR
    yield "binary archive", lambda d: write_tar(d / "a", binary(batches)), CIFAR
    yield "batches in a zip", lambda d: write_zip(d / "a", pickled(batches)), CIFAR


def test_all_right_forms_of_an_archive_give_the_same_pixels_and_labels(tmp_path: Path) -> None:
    """Oracle: Pillow on the JPEGs in the order of sorted class names, and the arrays that were pickled."""
    from ablate.data.verify import read_index
    from ablate.data.verify import verify as check

    got: dict[str, list[tuple[bytes, list[tuple[str, str]]]]] = {"tiny-imagenet": [], "cifar10": []}
    for name, make, spec in forms():
        folder = tmp_path / name
        folder.mkdir()
        check(
            make(folder), spec, index=folder / "index.csv", images=folder / "images.npy", pairs=folder / "d.csv",
            report=folder / "v.json",
        )  # fmt: skip
        labels = [(row.split, row.label) for row in read_index(folder / "index.csv")]
        got[spec.layout].append(((folder / "images.npy").read_bytes(), labels))
    for same in got.values():
        assert all(one == same[0] for one in same[1:])
    files = tiny_files()
    expected = [
        np.asarray(
            Image.open(io.BytesIO(files[f"tiny-imagenet-200/train/{wnid}/images/{wnid}_{n}.JPEG"])).convert("RGB")
        )
        for wnid in sorted(WNIDS)
        for n in range(4)
    ]
    assert np.array_equal(np.load(tmp_path / "deflated zip/images.npy")[:12], expected)
    assert got["tiny-imagenet"][0][1][:12] == [("train", str(label)) for label in range(3) for _ in range(4)]
    cats = np.concatenate([b[b"data"][[0, 2]] for n, b in cifar_batches().items() if n.startswith("data")])
    first = np.load(tmp_path / "binary archive/images.npy")[:10]
    assert np.array_equal(first.transpose(0, 3, 1, 2).reshape(10, -1), cats)


def test_unpickling_admits_what_official_batches_need_and_no_more() -> None:
    from ablate.data.cifar10 import NAMES

    assert {name for _, name in NAMES} == {"dtype", "ndarray", "_reconstruct", "encode"}
    assert pickle.loads(pickle.dumps(np.zeros(3, np.uint8), 2)).dtype == np.uint8
