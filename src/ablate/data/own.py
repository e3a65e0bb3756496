"""The user's own copy of a data set: an archive, or a folder that one was extracted to."""

import hashlib
import os
import re
import stat
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from ablate.data.containers import OWN_TIMES, is_archive, is_junk, other_kind, shown
from ablate.data.identify import HTML, SourceError, head_of, identify, is_page, readable, unreadable
from ablate.data.origin import note, noted
from ablate.files import digest
from ablate.inert import say
from ablate.plan.params import Fingerprint
from ablate.runtime.progress import track

# The largest data set has 120,000 files in 0.25 GB. Far more than that is another folder, named by mistake.
MAX_FILES = 400_000
MAX_BYTES = 2**30
DATA = re.compile(r".+\.(npz|safetensors|parquet)", re.IGNORECASE)  # a file that is no archive, and taken as it is
ARCHIVES = re.compile(r".+\.(zip|7z|rar|tgz|tbz2?|txz|tar(\.\w+)?)", re.IGNORECASE)
SETTLED_NS = 2_000_000_000  # a file that changed less long ago may change again and show the same time
CHUNK = 2**20  # bytes
MEASURED = "measured"  # in the place of a digest's label: data of the user's own, counted as they are


class Copy(NamedTuple):
    """What stands at a path."""

    path: Path
    files: dict[str, str] | None  # of a folder, by their names in the archive, sorted; None: it is a file
    state: str  # digest of names, sizes, times and inodes: equal only where no byte changed
    settled: bool  # whether the last change was so long ago, when this was seen, that a later one shows in the state


def bring(
    name: str, path: str, part: Path, digests: Mapping[str, Fingerprint], *, measured: bool = False
) -> tuple[str, dict[str, Any]]:
    """Copy what is at ``path`` to ``part``, a folder as a zip.

    Returns:
        Its label in ``digests`` or "unpinned", and what `origin.note` is to keep of it. Where what must be in it was
        ``measured``, it is "measured" and nothing is said.

    Raises:
        SourceError: For what cannot be the archive called ``name``.
    """
    copy = look(path, measured=measured)
    if copy.files is None:
        with part.open("wb") as out:
            found = _pour(copy.path, out)
    else:
        found = _pack(name, copy.files, part)
    if look(path, measured=measured).state != copy.state:
        raise SourceError(f"{copy.path} changed while it was read; run again")
    label, sha256 = (MEASURED, digest(part)) if measured else _own(copy.path, part, digests)
    return label, {"source": path, "own": True, "sha256": sha256, "content": found, "state": _trusted(copy)}


def content(path: str, archive: Path, *, measured: bool = False) -> str | None:
    """A digest of the names and bytes of what is at ``path`` now; None where there is nothing any more.

    Files are read only where names, sizes, times or inodes are others than when they were last read for ``archive``.
    """
    known = noted(archive)
    try:
        if not where(path).exists():
            return None
        copy = look(path, measured=measured)
        if "content" in known and (known.get("source"), known.get("state")) == (path, copy.state):
            return str(known["content"])
        found = _pour(copy.path) if copy.files is None else _content(copy.files)
    except SourceError:
        return "refused"  # `bring` says why
    except OSError:  # of `exists`: what leads there cannot be looked into
        return None
    note(archive, **known | {"source": path, "own": True, "content": found, "state": _trusted(copy)})
    return found


def _trusted(copy: Copy) -> str | None:
    return copy.state if copy.settled else None


def where(path: str) -> Path:
    """``path`` as the user wrote it, with its ~ replaced; a relative one starts where params.yaml lies."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # there is no such user, and so no such path
        return Path(path)


def look(path: str, *, measured: bool = False) -> Copy:
    """What stands at ``path``; what was or is to be ``measured`` may be larger than an archive of a known size.

    Raises:
        SourceError: For what can be neither an archive nor a folder of a data set.
    """
    own = where(path)
    try:
        if own.is_dir():
            return _folder(own, OWN_TIMES if measured else 1)
        if not own.exists():
            raise SourceError(f"there is no {_told(path, own)}; correct it, or set null to download")
        if not own.is_file():
            raise SourceError(f"{own} is neither a file nor a folder; name an archive or an extracted folder")
        if DATA.fullmatch(own.name):  # as of a folder with nothing else in it
            return Copy(own, {own.name: str(own)}, *_state({own.name: own.stat()}))
        _check_archive(own)
        return Copy(own, None, *_state({"": own.stat()}))
    except OSError as error:
        raise unreadable(error.filename or own, error) from error


def _told(path: str, own: Path) -> str:
    """A path that leads nowhere, with what may be the reason."""
    if "$" in path:
        return f"{own} (variables are not replaced here, ~ is)"
    return f"{own}" if own.is_absolute() else f"{own} in {Path.cwd()}"


def _check_archive(own: Path) -> None:
    head = head_of(own)
    if not head or is_page(head):
        raise SourceError(f"{own} is {HTML if head else 'empty'}; get the archive again, or set null to download")
    if not is_archive(own):
        kind = other_kind(head) or "neither a zip nor a tar"
        raise SourceError(f"{own} is {kind}; name an archive (zip, tar, tar.gz, .bz2 or .xz) or the extracted folder")


def _own(path: Path, part: Path, digests: Mapping[str, Fingerprint]) -> tuple[str, str]:
    """The label and sha256 of a copy of the user's own ``path``, which may match none of ``digests``."""
    label, sha256 = identify(part, digests)
    if label is None:
        label = "unpinned"
        pin = f"{{mine: {{sha256: {sha256}, bytes: {part.stat().st_size}}}}}"
        say(
            f"{path}: no digest pins it, so it is accepted by its content alone; to pin it, add {pin} to the data "
            f"set's digests in params.yaml",
            file=sys.stderr,
        )
    return label, sha256


def _folder(folder: Path, times: int) -> Copy:
    """The files of a folder, without archives that lie there too; SourceError if there are none or far too many."""
    found: dict[str, tuple[str, os.stat_result]] = {}  # as text: a Path for each would take half of the time
    size, archives, start = 0, [], len(str(folder)) + (0 if str(folder) == "/" else 1)
    for file, status in _files(str(folder)):
        name = file[start:].replace(os.sep, "/")
        if ARCHIVES.fullmatch(name):
            archives.append(name)
            continue
        size += status.st_size
        found[name] = file, status
        if len(found) > MAX_FILES * times or size > MAX_BYTES * times:
            raise SourceError(
                f"{folder} holds more than {MAX_FILES * times:,} files or {MAX_BYTES * times / 2**30:g} GiB; "
                f"name the data set's own folder"
            )
    if not found and archives:
        raise SourceError(f"{folder} holds no extracted files but {shown(archives)}; name the archive itself")
    if not found:
        raise SourceError(f"{folder} holds no files; name the folder that the archive was extracted to")
    found = dict(sorted(found.items()))
    return Copy(
        folder,
        {name: path for name, (path, _) in found.items()},
        *_state({name: status for name, (_, status) in found.items()}),
    )


def _state(files: Mapping[str, os.stat_result]) -> tuple[str, bool]:
    """`Copy.state` and `Copy.settled`."""
    lines = [f"{name}\0{s.st_size} {s.st_mtime_ns} {s.st_ctime_ns} {s.st_ino}" for name, s in files.items()]
    newest = max(s.st_ctime_ns for s in files.values())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest(), time.time_ns() - newest > SETTLED_NS


def _files(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """The files below ``folder``, links followed; SourceError names anything that is neither a file nor a folder."""
    folders: list[tuple[str, tuple[tuple[int, int], ...]]] = [(folder, ())]
    while folders:
        here, above = folders.pop()
        status = Path(here).stat()
        if (status.st_dev, status.st_ino) in above:
            raise SourceError(f"{here} leads back to a folder that it lies in; remove the link")
        above = (*above, (status.st_dev, status.st_ino))
        with os.scandir(here) as entries:
            for entry in entries:
                if is_junk(entry.name):
                    continue
                if entry.name != entry.name.encode(errors="replace").decode():
                    raise SourceError(f"{entry.path!r}: the name is not UTF-8; rename it")
                try:
                    status = entry.stat()
                except FileNotFoundError:
                    raise SourceError(f"{entry.path} is a link to nothing; mend or remove it") from None
                if stat.S_ISDIR(status.st_mode):
                    folders.append((entry.path, above))
                elif stat.S_ISREG(status.st_mode):
                    yield entry.path, status
                else:
                    raise SourceError(f"{entry.path} is no regular file; put the file itself there, or remove it")


def _pour(path: Path, out: IO[bytes] | None = None) -> str:
    """Copy a file of the user's to ``out``; its SHA-256.

    Raises:
        SourceError: For what cannot be read: an OSError would be blamed on the target.
    """
    sha = hashlib.sha256()
    with readable(path) as file:
        while True:
            try:
                chunk = file.read(CHUNK)
            except OSError as error:
                raise unreadable(path, error) from error
            if not chunk:
                return sha.hexdigest()
            sha.update(chunk)
            if out is not None:
                out.write(chunk)


def _content(files: Mapping[str, str], zipped: zipfile.ZipFile | None = None, name: str = "own copy") -> str:
    """One digest for the names and bytes of ``files``, which are put into ``zipped`` on the way."""
    sha = hashlib.sha256()
    for member, path in ((m, Path(p)) for m, p in track(files.items(), f"{name}: files")):
        info = zipfile.ZipInfo(member)  # dated 1980-01-01
        info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
        if zipped is None:
            file_sha256 = _pour(path)
        else:
            info.file_size = path.stat().st_size  # lets the zip choose its 64-bit form where it must
            with zipped.open(info, "w") as stored:
                file_sha256 = _pour(path, stored)
        sha.update(f"{file_sha256} {member}\n".encode())
    return sha.hexdigest()


def _pack(name: str, files: Mapping[str, str], part: Path) -> str:
    """Write a stored zip that depends on the files' names and bytes alone: no times, no modes. Their `_content`."""
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as zipped:
        return _content(files, zipped, name)
