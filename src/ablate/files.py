"""Files that are either whole or absent: written beside their target, synced, then renamed."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

from ablate.errors import UserError


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; it replaces ``target`` when the block ends well.

    Raises UserError when the disk is full or the folder cannot be written; nothing half-written stays.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
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
        if process.isdigit():
            try:
                os.kill(int(process), 0)
            except ProcessLookupError:
                part.unlink(missing_ok=True)
            except PermissionError:
                pass  # it lives, and is another user's


def write_text(target: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole."""
    with whole(target) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def as_json(value: Any) -> str:
    """``value`` as indented JSON; key order is kept."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_json(target: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, whole."""
    write_text(target, as_json(value))


def read_json(source: Path) -> Any:
    """Read JSON; UserError names a file that is missing or damaged."""
    try:
        return json.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{source}: no such file; run the step that makes it") from None
    except ValueError as error:
        raise UserError(f"{source}: not valid JSON ({error}); delete it and run the step that makes it") from None


def open_array(source: Path) -> "np.ndarray[Any, Any]":
    """Map a .npy file into memory, read only. Raises UserError when it is missing or damaged."""
    import numpy as np  # here and not above, so that planning stays fast

    try:
        array: np.ndarray[Any, Any] = np.load(source, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{source}: damaged ({error}); delete it and run again") from error
    return array


def digest(source: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest of a file's bytes."""
    with source.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
