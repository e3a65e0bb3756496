"""The user's own copy of a data set: an archive, or a folder that one was extracted to."""

import shutil
import stat
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ablate.config import Fingerprint
from ablate.data.containers import is_junk
from ablate.data.identify import HTML, SourceError, head_of, identify, is_page, readable
from ablate.inert import say
from ablate.progress import track

# The largest data set has 120,000 files in 0.25 GB. Far more than that is another folder, named by mistake.
MAX_FILES = 400_000
MAX_BYTES = 2**30


def bring(name: str, path: Path, part: Path, digests: Mapping[str, Fingerprint]) -> tuple[str, str]:
    """Copy ``path`` to ``part``, a folder as a zip; its label in ``digests`` or "unpinned", and its sha256.

    Raises SourceError for what cannot be the archive called ``name``.
    """
    files = _inspect(path)
    if files is None:
        shutil.copyfile(path, part)
    else:
        _pack(name, files, part)
    return _own(path, part, digests)


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


def _inspect(path: Path) -> dict[str, Path] | None:
    """The files of a folder by their names in the archive, sorted; None for a file, which may be an archive."""
    try:
        if path.is_dir():
            return _members(path)
        if not path.exists():
            raise SourceError(f"there is no {path}; correct it, or set null to download")
        if not path.is_file():
            raise SourceError(f"{path} is neither a file nor a folder; name an archive or an extracted folder")
        head = head_of(path)
    except OSError as error:
        raise SourceError(
            f"{error.filename or path} cannot be read ({error.strerror}); mend its permissions"
        ) from error
    if not head or is_page(head):
        raise SourceError(f"{path} is {HTML if head else 'empty'}; get the archive again, or set null to download")
    return None


def _members(folder: Path) -> dict[str, Path]:
    """{POSIX name within ``folder``: file}, sorted by name; SourceError if there are none or far too many."""
    members: dict[str, Path] = {}
    size = 0
    for path in _files(folder):
        size += path.lstat().st_size
        members[path.relative_to(folder).as_posix()] = path
        if len(members) > MAX_FILES or size > MAX_BYTES:
            raise SourceError(
                f"{folder} holds more than {MAX_FILES:,} files or {MAX_BYTES / 2**30:g} GiB; "
                f"name the data set's own folder"
            )
    if not members:
        raise SourceError(f"{folder} holds no files; name the folder that the archive was extracted to")
    return dict(sorted(members.items()))


def _files(folder: Path) -> Iterator[Path]:
    """The regular files below ``folder``; SourceError names anything that is neither one nor a folder."""
    folders = [folder]
    while folders:
        for path in folders.pop().iterdir():
            if is_junk(path.name):
                continue
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                folders.append(path)
            elif not stat.S_ISREG(mode):
                what = "a symbolic link" if stat.S_ISLNK(mode) else "no regular file"
                raise SourceError(f"{path} is {what}; put the file itself there, or remove it")
            elif path.name != path.name.encode(errors="replace").decode():
                raise SourceError(f"{path}: the name is not UTF-8; rename it")
            else:
                yield path


def _pack(name: str, files: Mapping[str, Path], part: Path) -> None:
    """Write a stored zip that depends on the files' names and bytes alone: no times, no modes."""
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as zipped:
        for member, path in track(files.items(), f"{name}: files"):
            info = zipfile.ZipInfo(member)  # dated 1980-01-01
            info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            with readable(path) as file:
                info.file_size = path.stat().st_size  # lets the zip choose its 64-bit form where it must
                with zipped.open(info, "w") as stored:
                    shutil.copyfileobj(file, stored)
