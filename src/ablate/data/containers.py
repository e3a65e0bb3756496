"""Archives as sets of named files, read in place, under limits.

Nothing is ever extracted under a name that an archive chose: readers ask for members, and `reorganise` makes its
own names. An archive that tries it all the same is refused whole, since it is not what it claims to be.
"""

import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ablate.errors import UserError

# Room for the real archives (Tiny ImageNet: 120,609 members, 250 MB) and little more: what is read stays bounded.
MAX_ARCHIVE = 2**30  # bytes on disk
MAX_MEMBERS = 400_000
MAX_MEMBER = 2**28  # bytes of one member, unpacked; CIFAR-10's largest has 31 MB
MAX_TOTAL = 2**31  # bytes of all members, unpacked
MAX_RATIO = 100  # unpacked to packed; JPEG is near 1, the annotations near 5
RATIO_FROM = 2**20  # bytes: below, a ratio says nothing

JUNK = {".DS_Store", "Thumbs.db", "desktop.ini"}  # what file managers leave behind
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError)  # of a broken archive


def is_junk(name: str) -> bool:
    """Whether a file manager left ``name`` behind, so that it is passed over."""
    parts = name.split("/")
    return parts[-1] in JUNK or parts[-1].startswith("._") or "__MACOSX" in parts


def refuse(archive: Path, what: str) -> UserError:
    """The refusal of an archive, with the one remedy that there is."""
    return UserError(f"{archive}: {what}; delete it and fetch it again, or mend your copy")


def damaged(archive: Path, error: object) -> UserError:
    """The refusal of an archive that cannot be read to its end."""
    return refuse(archive, f"damaged archive ({error})")


class _Limits:
    """Checks members one by one, before anything of them is read."""

    def __init__(self, archive: Path) -> None:
        self.archive = archive
        self.seen: set[str] = set()
        self.total = 0
        if not archive.is_file():  # a folder is made an archive of by fetch
            raise UserError(f"{archive}: there is no such file; run the step that fetches it")
        self.packed = archive.stat().st_size
        if self.packed > MAX_ARCHIVE:
            raise refuse(archive, f"{self.packed} bytes, more than {MAX_ARCHIVE}")

    def admit(self, name: str, size: int, *, plain: bool) -> None:
        if not plain:
            raise refuse(self.archive, f"member {name} is a link or a device, no file")
        if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/") or not name.isprintable():
            raise refuse(self.archive, f"member {name!r} points out of the archive")
        if name in self.seen:
            raise refuse(self.archive, f"member {name} is there twice")
        self.seen.add(name)
        self.total += size
        if len(self.seen) > MAX_MEMBERS:
            raise refuse(self.archive, f"more than {MAX_MEMBERS} members")
        if size > MAX_MEMBER:
            raise refuse(self.archive, f"member {name} unpacks to {size} bytes, more than {MAX_MEMBER}")
        if self.total > MAX_TOTAL:
            raise refuse(self.archive, f"unpacks to more than {MAX_TOTAL} bytes")
        if self.total > max(RATIO_FROM, MAX_RATIO * self.packed):
            raise refuse(self.archive, f"unpacks to more than {MAX_RATIO} times its size")


class Members:
    """The files of a zip, read by position, so that many processes can share one list of them.

    `zipfile` reads the directory; its own reading of a member costs as much as decoding the JPEG in it.
    """

    def __init__(self, archive: Path) -> None:
        """List ``archive``, without junk. Raises UserError for an unsafe or a damaged one."""
        self.archive = archive
        limits = _Limits(archive)
        try:
            with zipfile.ZipFile(archive) as zipped:
                infos = zipped.infolist()
        except (*DAMAGE, OSError, ValueError, struct.error) as error:
            raise damaged(archive, error) from error
        for info in infos:
            kind = stat.S_IFMT(info.external_attr >> 16)
            limits.admit(info.filename, info.file_size, plain=kind in (0, stat.S_IFREG, stat.S_IFDIR))
            if info.file_size > max(RATIO_FROM, MAX_RATIO * info.compress_size):
                raise refuse(archive, f"member {info.filename} unpacks to more than {MAX_RATIO} times its size")
            if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise refuse(archive, f"member {info.filename} is encrypted or packed in an unusual way")
        self._places = {
            i.filename: (i.header_offset, i.compress_size, i.file_size, i.compress_type, i.CRC)
            for i in infos
            if not i.is_dir() and not is_junk(i.filename)
        }
        self._file: int | None = None

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_file": None}  # another process opens its own

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def read(self, name: str) -> bytes:
        """The bytes of one file, checked. Raises UserError when it is missing or damaged."""
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


def load(archive: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The wanted files of a zip or of a tar.gz, in memory. Raises UserError for an unsafe or a damaged archive."""
    try:
        if zipfile.is_zipfile(archive):
            members = Members(archive)
            return {name: members.read(name) for name in members if wanted(name)}
        limits = _Limits(archive)
        found = {}
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:  # header by header: a bomb is refused before it is unpacked
                limits.admit(member.name, member.size, plain=member.isfile() or member.isdir())
                if member.isfile() and not is_junk(member.name) and wanted(member.name):
                    file = tar.extractfile(member)
                    assert file is not None
                    found[member.name] = file.read()
        return found
    except (*DAMAGE, OSError) as error:
        raise damaged(archive, error) from error


def shown(names: Iterable[str], most: int = 3) -> str:
    """A few of ``names`` and how many more there are, for a message."""
    listed = sorted(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
