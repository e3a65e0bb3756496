"""Tars of Tiny ImageNet, in every packing, that are wrong, broken or hostile.

Each is refused by `ablate verify-data` with exit code 2 and one message that names the file and the remedy; nothing
is written, and memory stays bounded.

Oracle: the right archive passes (test_copies.py), and each case differs from it in one place.
"""

import bz2
import gzip
import io
import lzma
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from archives import TINY, refused, tiny_files, told

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "tar.gz": gzip.compress,
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
}


def tar(*special: tarfile.TarInfo, raw: bytes = b"", tail: bytes = b"", form: int = tarfile.PAX_FORMAT) -> bytes:
    """A right archive behind ``raw`` headers and ``special`` members, with ``tail`` behind its end."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as packed:
        for info in special:
            packed.addfile(info, io.BytesIO(bytes(info.size)) if info.isreg() else None)
        for name, content in tiny_files().items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return raw + out.getvalue() + tail


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def header(name: str, kind: bytes, size: int) -> bytes:
    """A header that promises ``size`` bytes, alone."""
    return member(name, kind, size=size).tobuf(tarfile.GNU_FORMAT)


def extended(**records: str) -> bytes:
    """A pax header and the member that it speaks of, whose own header says nothing."""
    info = member("tiny-imagenet-200/x")
    info.pax_headers = dict(records)
    return info.tobuf(tarfile.PAX_FORMAT)


SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x", "GNU.sparse.realsize": "9" * 15}
MEGABYTES = 2**25
TARS: dict[str, tuple[Callable[[], bytes], str]] = {
    "symbolic link": (lambda: tar(member("tiny-imagenet-200/x", tarfile.SYMTYPE, "/tmp")), "is a link or a device"),
    "hard link": (
        lambda: tar(member("tiny-imagenet-200/x", tarfile.LNKTYPE, "/etc/passwd")),
        "is a link or a device",
    ),
    "device": (lambda: tar(member("tiny-imagenet-200/x", tarfile.BLKTYPE)), "is a link or a device"),
    "pipe": (lambda: tar(member("tiny-imagenet-200/x", tarfile.FIFOTYPE)), "is a link or a device"),
    "hidden link": (lambda: tar(member("tiny-imagenet-200/.x", tarfile.SYMTYPE, "/tmp")), "is a link or a device"),
    "sparse": (lambda: tar(raw=header("tiny-imagenet-200/x", tarfile.GNUTYPE_SPARSE, 0)), "is a link or a device"),
    "sparse, as pax": (lambda: tar(raw=extended(**SPARSE)), "damaged"),
    "absolute": (lambda: tar(member("/tmp/ran")), "points out of the archive"),
    "climbing": (lambda: tar(member("tiny-imagenet-200/../../ran")), "points out of the archive"),
    "climbing by backslashes": (lambda: tar(member("tiny-imagenet-200\\..\\..\\ran")), "points out of the archive"),
    "drive letter": (lambda: tar(member("C:\\ran")), "points out of the archive"),
    "control characters": (lambda: tar(member("tiny-imagenet-200/\x1b[2J")), "points out of the archive"),
    "a name that is no UTF-8": (lambda: tar(member("tiny-imagenet-200/\udcff")), "points out of the archive"),
    "climbing by pax": (lambda: tar(raw=extended(path="../ran")), "points out of the archive"),
    "a member twice": (lambda: tar(member("tiny-imagenet-200/words.txt")), "words.txt is there twice"),
    "a bomb": (lambda: tar(member("tiny-imagenet-200/x", size=MEGABYTES)), "belongs to no part"),
    "a member of 1 GB": (
        lambda: tar(raw=header("tiny-imagenet-200/x", tarfile.REGTYPE, 2**30)),
        "unpacks to 1073741824",
    ),
    "a size below zero": (
        lambda: tar(raw=header("tiny-imagenet-200/x", tarfile.REGTYPE, -512)),
        "unpacks to -512 bytes",
    ),
    "a name of 32 MB": (
        lambda: tar(raw=header("x", tarfile.GNUTYPE_LONGNAME, MEGABYTES) + bytes(MEGABYTES)),
        "of headers",
    ),
    "a pax header of 32 MB": (
        lambda: tar(raw=header("x", tarfile.XHDTYPE, MEGABYTES) + bytes(MEGABYTES)),
        "of headers",
    ),
    "a pax header of all": (
        lambda: tar(raw=header("x", tarfile.XGLTYPE, MEGABYTES) + bytes(MEGABYTES)),
        "of headers",
    ),
    "bytes behind its end": (lambda: tar(tail=b"#!/bin/sh"), "there is more after its end"),
    "zeros behind its end": (lambda: tar(tail=bytes(MEGABYTES)), "of headers"),
    "another archive behind its end": (lambda: tar(tail=tar()), "there is more after its end"),
    "a bad header in the middle": (lambda: tar()[:512] + tar()[512:].replace(b"ustar", b"rats!", 9), "n"),
}


BOMBS = [name for name in TARS if "32 MB" in name or "1 GB" in name or "zeros" in name or "bomb" in name]


@pytest.mark.parametrize(
    ("case", "packer"), [(case, packer) for case in TARS for packer in (PACKERS if case in BOMBS else ["tar.gz"])]
)
def test_tar(
    case: str, packer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    content, expected = TARS[case]
    archive = tmp_path / "bad.archive"
    archive.write_bytes(PACKERS[packer](content()))
    if case == "a bomb" and packer != "tar":
        expected = "times its size"
    refused(archive, TINY, tmp_path, monkeypatch)
    told(capfd, archive, expected)


@pytest.mark.parametrize("packer", [name for name in PACKERS if name != "tar"])
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_packing(
    packer: str, damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(PACKERS[packer](tar()))
    if damage == "cut":
        del content[-40:]
    else:
        content[len(content) // 2] ^= 16
    archive = tmp_path / "bad.archive"
    archive.write_bytes(content)
    refused(archive, TINY, tmp_path, monkeypatch)
    told(capfd, archive, "")


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not limit a process's memory")
@pytest.mark.parametrize("packer", [name for name in PACKERS if name != "tar"])
def test_a_bomb_of_headers_needs_no_memory(packer: str, tmp_path: Path) -> None:
    """Two gigabytes of one pax header. Oracle: the kernel, which grants the process half of one more than it has."""
    archive = tmp_path / "bad.archive"
    opener: Callable[..., io.BufferedIOBase] = {"tar.gz": gzip.open, "tar.bz2": bz2.open, "tar.xz": lzma.open}[packer]  # type: ignore[assignment]
    options = {"preset": 0} if packer == "tar.xz" else {"compresslevel": 1}
    with opener(archive, "wb", **options) as out:
        out.write(header("x", tarfile.XHDTYPE, 2**31 - 512))
        for _ in range(64):
            out.write(bytes(2**20))
    script = (
        "import resource, sys; from pathlib import Path; from ablate.data import tiny_imagenet;"
        "resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31)); tiny_imagenet.contents(Path(sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", script, archive], capture_output=True, text=True, check=False)
    assert "bytes of headers" in done.stderr and "MemoryError" not in done.stderr, done.stderr
