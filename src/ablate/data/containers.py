"""Archives as sets of named files, read in place, under limits.

Nothing is ever extracted under a name that an archive chose: readers ask for members, and `reorganise` makes its
own names. An archive that tries it all the same is refused whole, since it is not what it claims to be.
"""

import bz2
import gzip
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from ablate.data.origin import blame
from ablate.errors import UserError

# Room for the real archives (Tiny ImageNet: 120,609 members, 250 MB) and little more: what is read stays bounded.
MAX_ARCHIVE = 2**30  # bytes on disk
MAX_MEMBERS = 400_000
MAX_MEMBER = 2**28  # bytes of one member, unpacked; CIFAR-10's largest has 31 MB
MAX_TOTAL = 2**31  # bytes of all members, unpacked
MAX_RATIO = 100  # unpacked to packed; JPEG is near 1, the annotations near 5
# Of what is the user's own by its layout, and no archive of a known size.
OWN_TIMES = 64  # as many and as large
OWN_MEMBER = 2**31 - 2**13  # bytes; the most that one call reads
RATIO_FROM = 2**20  # bytes: below, a ratio says nothing
MAX_HEADERS = 2**20  # bytes of a tar between two members, what is read ahead included

# What file managers, editors and notebooks leave behind, besides hidden files.
JUNK = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "__pycache__", "@eadir", "$recycle.bin",
        "system volume information", "lost+found"}  # fmt: skip
BACKUP = ("~", ".bak", ".orig", ".swp", ".tmp")
ZIP = b"PK"
PACKED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
OTHERS = {b"7z\xbc\xaf": "a 7z file", b"Rar!": "a RAR file", b"\x28\xb5\x2f\xfd": "a zstd file",
          b"\x04\x22\x4d\x18": "an lz4 file", b"\x89HDF": "an HDF5 file"}  # fmt: skip
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)


def is_junk(name: str) -> bool:
    """Whether ``name`` is nothing of a data set's: hidden, a backup, or left behind by a file manager."""
    parts = name.lower().split("/")
    hidden = any(part in JUNK or (part.startswith(".") and part not in (".", "..")) for part in parts)
    return hidden or any(part.endswith(BACKUP) for part in parts[1:] or parts)  # the top folder may be a backup


def is_archive(path: Path) -> bool:
    """Whether a file may be an archive that `read` can read: by its first bytes, or as a tar from before those."""
    with path.open("rb") as file:
        head = file.read(8)
    return head.startswith((ZIP, *PACKED)) or zipfile.is_zipfile(path) or tarfile.is_tarfile(path)


def other_kind(head: bytes) -> str | None:
    """What a file is that begins with ``head`` and that nothing here reads."""
    return next((kind for mark, kind in OTHERS.items() if head.startswith(mark)), None)


def refuse(archive: Path, what: str, remedy: str | None = None) -> UserError:
    """The refusal of an archive: where it came from, and what to do about it; ``remedy`` is one more way."""
    where, mend = blame(archive)
    return UserError(f"{where}: {inert(what)}; {mend}{f', or {remedy}' if remedy else ''}")


def inert(text: str, most: int = 500) -> str:
    """``text`` of an archive's for a message or a table: cut, and without what a terminal would act upon."""
    shown = "".join(c if c.isprintable() else "?" for c in text[:most])
    return shown if len(text) <= most else f"{shown}..."


def damaged(archive: Path, error: object) -> UserError:
    """The refusal of an archive that cannot be read to its end."""
    return refuse(archive, f"damaged archive ({error})")


class _Limits:
    """Checks members one by one, before anything of them is read."""

    def __init__(self, archive: Path, own: bool) -> None:
        self.archive, self.times = archive, OWN_TIMES if own else 1
        self.largest = OWN_MEMBER if own else MAX_MEMBER
        self.seen: set[str] = set()
        self.members = self.total = 0
        if not archive.is_file():  # a folder is made an archive of by fetch
            raise UserError(f"{archive}: there is no such file; run the step that fetches it")
        self.packed = archive.stat().st_size
        if self.packed > MAX_ARCHIVE * self.times:
            raise refuse(archive, f"{self.packed} bytes, more than {MAX_ARCHIVE * self.times}")

    def admit(self, name: str, size: int, *, plain: bool, folder: bool) -> str | None:
        """The name of a member that may be read, with plain slashes; None for a folder and for junk."""
        if not plain:
            what = f"member {name!r} is a link or a device, no file"
            raise refuse(self.archive, what, "pack the files themselves in place of links")
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]  # Windows' tools, ./
        inside = "/".join(parts)
        junk = is_junk(inside)
        if name.startswith(("/", "\\")) or ":" in name or ".." in parts or not (junk or name.isprintable()):
            raise refuse(self.archive, f"member {name!r} points out of the archive")
        self.members += 1
        self.total += size
        if self.members > MAX_MEMBERS * self.times:
            raise refuse(self.archive, f"more than {MAX_MEMBERS * self.times} members")
        if not 0 <= size <= self.largest:
            raise refuse(self.archive, f"member {name} unpacks to {size} bytes, more than {self.largest}")
        if self.total > MAX_TOTAL * self.times:
            raise refuse(self.archive, f"unpacks to more than {MAX_TOTAL * self.times} bytes")
        if self.total > max(RATIO_FROM, MAX_RATIO * self.times * self.packed):
            raise refuse(self.archive, f"unpacks to more than {MAX_RATIO * self.times} times its size")
        if folder or junk:
            return None
        if inside in self.seen:
            raise refuse(self.archive, f"member {name} is there twice")
        self.seen.add(inside)
        return inside


class Members:
    """The files of an archive by their names, without junk."""

    archive: Path

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError

    def read(self, name: str) -> bytes:
        """The bytes of one file, checked.

        Raises:
            UserError: If it is missing or damaged.
        """
        raise NotImplementedError


class Loose(Members):
    """Files that lie open in a folder of the user's own, at their ``paths`` by name; ``archive`` is for messages."""

    def __init__(self, archive: Path, paths: Mapping[str, str]) -> None:
        self.archive, self._paths = archive, paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def read(self, name: str) -> bytes:
        """As of all members."""
        if name not in self._paths:
            raise refuse(self.archive, f"{name} is missing")
        try:
            return Path(self._paths[name]).read_bytes()
        except OSError as error:
            raise refuse(self.archive, f"{name} cannot be read ({error.strerror})") from error


def read(source: Path | Members, wanted: Callable[[str], bool] = lambda name: True, *, own: bool = False) -> Members:
    """The files of a zip, or the ``wanted`` ones of a tar; those that lie open are so already.

    ``own``: the layout is one of users' own data, which may be large.

    Raises:
        UserError: For an unsafe or damaged archive.
    """
    if isinstance(source, Members):
        return source
    archive, limits = source, _Limits(source, own)
    with archive.open("rb") as file:
        head = file.read(8)
    if kind := other_kind(head):
        raise refuse(archive, f"{kind}, which is not read here; unpack it and name the folder by path")
    return _Zip(archive, limits) if head.startswith(ZIP) or zipfile.is_zipfile(archive) else _Tar(limits, wanted)


class _Zip(Members):
    """A zip, read by position, so that many processes can share one list of its files.

    `zipfile` reads the directory; its own reading of a member costs as much as decoding the JPEG in it.
    """

    def __init__(self, archive: Path, limits: _Limits) -> None:
        self.archive = archive
        try:
            with zipfile.ZipFile(archive) as zipped:
                infos = zipped.infolist()
        except (*DAMAGE, OSError, ValueError, struct.error) as error:
            raise damaged(archive, error) from error
        self._places: dict[str, tuple[int, int, int, int, int]] = {}
        for i in infos:
            kind = stat.S_IFMT(i.external_attr >> 16)
            plain, folder = kind in (0, stat.S_IFREG, stat.S_IFDIR), i.filename.endswith(("/", "\\"))
            name = limits.admit(i.filename, i.file_size, plain=plain, folder=folder)
            most = MAX_RATIO * limits.times
            if i.file_size > max(RATIO_FROM, most * i.compress_size):
                raise refuse(archive, f"member {i.filename} unpacks to more than {most} times its size")
            if i.flag_bits & 1 or i.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise refuse(archive, f"member {i.filename} is encrypted or packed in an unusual way")
            if name is not None:
                self._places[name] = i.header_offset, i.compress_size, i.file_size, i.compress_type, i.CRC
        self._file: int | None = None

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_file": None}  # another process opens its own

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def read(self, name: str) -> bytes:
        if name not in self._places:
            raise refuse(self.archive, f"{name} is missing")
        start, packed, size, method, crc = self._places[name]
        if self._file is None:
            self._file = os.open(self.archive, os.O_RDONLY)
        try:
            # APPNOTE.TXT 4.3.7: 30 bytes, of which the last four are the lengths of two fields before the data.
            fields = os.pread(self._file, 30, start)[26:]
            content = os.pread(self._file, packed, start + 30 + sum(struct.unpack("<HH", fields)))
            if method == zipfile.ZIP_DEFLATED:
                content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, size + 1)
        except (OSError, struct.error, zlib.error) as error:
            raise damaged(self.archive, f"{name}: {error}") from error
        if len(content) != size or zlib.crc32(content) != crc:
            raise damaged(self.archive, f"{name}: bad checksum")
        return content


class _Tar(Members):
    """A tar, packed or not. It can be read from its beginning alone, so what is wanted of it is kept in memory."""

    def __init__(self, limits: _Limits, wanted: Callable[[str], bool]) -> None:
        self.archive = limits.archive
        try:
            self._held = dict(self._files(limits, wanted))
        except (*DAMAGE, OSError, ValueError, OverflowError) as error:
            raise damaged(self.archive, f"no zip, and as a tar: {error}") from error

    def _files(self, limits: _Limits, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
        with self.archive.open("rb") as packed:
            head = packed.read(8)
            packed.seek(0)
            opener = next((opener for mark, opener in PACKED.items() if head.startswith(mark)), None)
            stream = _Metered(self.archive, opener(packed) if opener else packed, MAX_TOTAL * limits.times)
            # Forward alone (r|), so that no header can lead back.
            with tarfile.open(fileobj=stream, mode="r|", bufsize=2**16) as tar:  # type: ignore[call-overload]
                for member in tar:
                    plain = member.isdir() or (member.isreg() and not member.issparse())
                    name = limits.admit(member.name, member.size, plain=plain, folder=member.isdir())
                    stream.left = member.size + MAX_HEADERS
                    if name is not None and wanted(name):
                        file = tar.extractfile(member)
                        assert file is not None
                        yield name, file.read()
                while rest := tar.fileobj.read(2**16):  # to the end, where the packer's checksum is
                    if any(rest):
                        raise tarfile.ReadError("there is more after its end")

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def read(self, name: str) -> bytes:
        if name not in self._held:
            raise refuse(self.archive, f"{name} is missing")
        return self._held[name]


class _Metered:
    """A stream that gives no more bytes than headers and admitted members account for: a bomb ends there."""

    def __init__(self, archive: Path, file: IO[bytes], most: int) -> None:
        self.archive, self.file, self.left, self.total, self.most = archive, file, MAX_HEADERS, 0, most

    def read(self, size: int) -> bytes:
        content: bytes = self.file.read(size)
        self.left -= len(content)
        self.total += len(content)
        if self.left < 0:
            raise refuse(self.archive, f"more than {MAX_HEADERS} bytes of headers")
        if self.total > self.most:
            raise refuse(self.archive, f"unpacks to more than {self.most} bytes")
        return content


def shown(names: Iterable[str], most: int = 3) -> str:
    """A few of ``names`` and how many more there are, for a message."""
    listed = sorted(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
