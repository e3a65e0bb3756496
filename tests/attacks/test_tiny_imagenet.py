"""Archives of Tiny ImageNet that are wrong, broken or hostile.

Each is refused by `ablate verify-data` with exit code 2 and one message that names the file and the remedy; nothing
is written, and nothing in them is run.

Oracle: the right archive passes (test_forms.py), and each case differs from it in one place.
"""

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from archives import TINY, WNIDS, Make, edited, jpeg, refused, tiny_files, told, write_zip


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


TOO_MANY = 400_001


def too_many(folder: Path) -> Path:
    """A directory of one empty member too many, written without `zipfile`, which would take a minute."""
    entry = b"PK\x01\x02" + struct.pack("<HHHHHHIIIHHHHHII", 20, 20, 0, 0, 0, 33, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0)
    entries = b"".join(entry + b"%07d" % n for n in range(TOO_MANY))
    end64 = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, TOO_MANY, TOO_MANY, len(entries), 0)
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
    "no folder train": (renamed("/train/", "/training/"), "no folder train/<wnid>"),
    "two roots": (zipped(lambda f: f | tiny_files("copy/")), "2 copies of the data set"),
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
    "backslashes, absolute": (added("\\\\host\\share\\ran", b"x"), "points out of the archive"),
    "backslashes behind a slash": (added("tiny-imagenet-200/..\\../ran", b"x"), "points out of the archive"),
    "hidden, and out of it": (added("tiny-imagenet-200/../.ran", b"x"), "points out of the archive"),
    "one name by two slashes": (added("tiny-imagenet-200\\.\\words.txt", b"x"), "is there twice"),
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
    "one member too many": (too_many, "more than 400000 members"),
}  # fmt: skip


@pytest.mark.parametrize("case", ZIPS)
def test_tiny_imagenet(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    make, expected = ZIPS[case]
    archive = make(tmp_path)
    refused(archive, TINY, tmp_path, monkeypatch)
    told(capfd, archive, expected)
