"""What says that bytes are as they were written: digests of files, and records that carry their own.

A run's manifest names the digest of every file that training wrote beside it. `of_run` is the one way to such a file.
"""

import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ablate.errors import UserError
from ablate.files import read_json, write_text

SEAL = "seal"  # the key of a record's own digest
KNOWN = Path(".ablate/digests")
LARGE = 2**20  # bytes, from which a digest is kept: a smaller file is read in less time than a note about it
SETTLED_NS = 2 * 10**9  # a file that was changed so lately may be changed again under the same times


def sha256_of(path: Path) -> str | None:
    """Of a file's bytes; None where there is no file that can be read: nothing, a folder, a pipe, a broken link.

    That of a large file is kept below `KNOWN`, and taken again where inode, size or a time is another.
    """
    with suppress(OSError):
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its other end
            return None
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            if facts.st_size < LARGE:
                return hashlib.file_digest(file, "sha256").hexdigest()
            note = KNOWN / f"{facts.st_dev}-{facts.st_ino}"
            when = f"{facts.st_size} {facts.st_mtime_ns} {facts.st_ctime_ns} "
            with suppress(OSError, ValueError):
                kept = note.read_text(encoding="utf-8")
                if kept.startswith(when) and re.fullmatch("[0-9a-f]{64}", kept.removeprefix(when)):
                    return kept.removeprefix(when)
            found = hashlib.file_digest(file, "sha256").hexdigest()
            after = os.fstat(file.fileno())
        settled = time.time_ns() - max(facts.st_mtime_ns, facts.st_ctime_ns) > SETTLED_NS
        if settled and (after.st_mtime_ns, after.st_ctime_ns) == (facts.st_mtime_ns, facts.st_ctime_ns):
            with suppress(UserError):  # on a read-only disk it is taken each time
                write_text(note, when + found)
        return found
    return None


def seal_of(record: Mapping[str, Any]) -> str:
    """SHA-256 of a record of plain JSON without its seal, whatever the order of its keys."""
    rest = {key: value for key, value in record.items() if key != SEAL}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """``record`` as plain JSON, with its own digest."""
    plain = json.loads(json.dumps(record))
    return {**plain, SEAL: seal_of(plain)}


def read_if_sealed(path: Path) -> dict[str, Any] | None:
    """The record in a file; None where there is none, or its bytes are not as they were written."""
    try:
        found = read_json(path)
    except UserError:
        return None
    return found if isinstance(found, dict) and found.get(SEAL) == seal_of(found) else None


def read_sealed(path: Path, remedy: str) -> dict[str, Any]:
    """The record in a file.

    Raises:
        UserError: If it is not as it was written; it ends in ``remedy``.
    """
    found = read_if_sealed(path)
    if found is None:
        what = "was changed since it was written" if path.exists() else "no such file"
        raise UserError(f"{path}: {what}; {remedy}")
    return found


def manifest_of(folder: Path, run: str) -> dict[str, Any]:
    """The manifest of ``run`` in its ``folder``.

    Raises:
        UserError: If it is another's, or not as it was written.
    """
    remedy = f"delete {folder} and train the run again"
    manifest = read_sealed(folder / "manifest.json", remedy)
    key = manifest.get("key")
    found = key.get("run") if isinstance(key, dict) else None
    if found != run:
        raise UserError(f"{folder}/manifest.json: is of the run {found}, not of {run}; {remedy}")
    return manifest


def of_run(folder: Path, name: str) -> Path:
    """The file ``name`` of the run whose folder this is, with the bytes that training wrote.

    Raises:
        UserError: If it has others or is not there, and for a manifest that is not the run's own.
    """
    check_file(folder / name, manifest_of(folder, folder.name), folder)
    return folder / name


def check_file(path: Path, manifest: Mapping[str, Any], folder: Path) -> None:
    """Refuse other bytes of ``path`` than those that the run's ``manifest`` names.

    Raises:
        UserError: If they are others, or there is no such file; ``folder`` is the run's.
    """
    if (found := sha256_of(path)) is None or found != (manifest.get("files") or {}).get(path.name):
        what = "no such file" if found is None else "is not as training wrote it"
        raise UserError(f"{path}: {what}; delete {folder} and train the run again")
