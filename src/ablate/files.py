"""Files that are either whole or absent: written beside their target, synced, then renamed."""

import csv
import errno
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

from ablate.errors import UserError

# What a file system says that has no such call: Lustre and NFS without their locks, FUSE, some of macOS's.
NO_SUCH_CALL = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL}


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; it replaces ``target`` when the block ends well.

    An error that names another file, which the block read, is said of that one.

    Raises:
        UserError: If the disk is full or the folder cannot be written; nothing half-written stays.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        yield part
        with part.open("rb") as file:
            _sync(file.fileno())
        part.replace(target)
    except OSError as error:
        named = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else part
        if named not in (part, target, *target.parents):
            raise UserError(f"{named}: {error.strerror or error}; needed for {target}, so mend it") from error
        raise UserError(f"cannot write {target}: {error.strerror or error}; free space or mend the folder") from error
    finally:
        with suppress(OSError):  # on a read-only disk, where nothing was written either
            part.unlink(missing_ok=True)


def send_out(file: IO[bytes]) -> None:
    """Send what was written so far to the disk and, where the system can (macOS cannot), out of memory."""
    getattr(os, "fdatasync", os.fsync)(file.fileno())
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), 0, file.tell(), os.POSIX_FADV_DONTNEED)


def _sweep(target: Path) -> None:
    """Remove what killed processes left of ``target``: a pack's part has more than a gigabyte."""
    for part in target.parent.glob(f".{target.name}.*.part"):
        process = part.name.split(".")[-2]
        if re.fullmatch("[0-9]{1,9}", process):
            try:
                os.kill(int(process), 0)
            except ProcessLookupError:
                part.unlink(missing_ok=True)
            except PermissionError:
                pass  # it lives, and is another user's


def _sync(file: int) -> None:
    """Bring a file to the disk, as far as its file system knows how to."""
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in NO_SUCH_CALL:
            raise


def stamp(file: Path) -> tuple[int, int, int] | None:
    """Another where a file was written again, whatever clock its time is of; None where there is none."""
    with suppress(OSError):
        found = file.stat()
        return found.st_mtime_ns, found.st_ino, found.st_size
    return None


def lock(file: int, *, wait: bool = True) -> bool | None:
    """Lock an open file for this process, until it is closed; False: another holds it, and there is no ``wait``.

    None: the file system has no locks, and nobody can hold one.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_SUCH_CALL:
            raise
        return None
    return True


def write_text(target: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole."""
    with atomic_write(target) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def as_json(value: Any) -> str:
    """``value`` as indented JSON; key order is kept."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_json(target: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, whole."""
    write_text(target, as_json(value))


@contextmanager
def reading(source: Path, what: str) -> Iterator[None]:
    """Turn what is wrong with ``source`` while it is read into a UserError that names it; ``what`` it is not."""
    try:
        if source.exists() and not source.is_file():  # of a pipe, one would wait for the end
            raise ValueError("it is no regular file")
        yield
    except FileNotFoundError:
        raise UserError(f"{source}: no such file; run the step that makes it") from None
    except OSError as error:
        raise UserError(f"{source}: cannot be read ({error.strerror or error}); mend that, or its folder") from None
    except (ValueError, RecursionError, csv.Error) as error:
        raise UserError(f"{source}: {what} ({error}); delete it and run the step that makes it") from None


def read_json(source: Path) -> Any:
    """Read JSON; UserError names a file that is missing or damaged. `stored.read` checks what is in it as well."""
    with reading(source, "not valid JSON"):
        text = source.read_text(encoding="utf-8")
        found = json.loads(text)
        if "\\ud" in text.lower():  # half a character, which could not be written or printed
            as_json(found).encode()
    return found


def open_array(source: Path) -> "np.ndarray[Any, Any]":
    """Map a .npy file into memory, read only.

    Raises:
        UserError: If it is missing or damaged.
    """
    import numpy as np  # here and not above, so that planning stays fast

    try:
        array: np.ndarray[Any, Any] = np.load(source, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{source}: damaged ({error}); delete it and run again") from error
    return array


def digest(source: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest of a file's bytes.

    Raises:
        OSError: For what is no file: a pipe would be waited for.
    """
    if source.exists() and not source.is_file():
        raise OSError(errno.EINVAL, "it is no regular file", str(source))
    with source.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
