"""Where a fetched archive came from, for messages. Known on this machine alone, since receipts name no path."""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from ablate.errors import UserError
from ablate.files import digest, write_json

ORIGINS = Path(".ablate/origins-1")  # disposable: without it messages name the fetched archive


def note(archive: Path, **facts: Any) -> None:
    """Remember the ``source`` of ``archive``, where it can be written.

    With it go whether that is the user's ``own`` path, its ``sha256`` and more.
    """
    with suppress(UserError):
        write_json(_file(archive), facts)


def noted(archive: Path) -> dict[str, Any]:
    """What `note` was told; empty where nothing is known."""
    try:
        found = json.loads(_file(archive).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def blame(archive: Path) -> tuple[str, str]:
    """What to name where the content of ``archive`` is wrong, and the remedy.

    The user's own path is to blame, unless the archive is another than it was when it came from there.
    """
    known = noted(archive)
    source, sha256 = known.get("source"), known.get("sha256")
    there = archive.is_file()
    if source is None or not (there or known.get("own")):
        return str(archive), "delete it and fetch it again, or mend your copy"
    if there and sha256 not in (None, digest(archive)):
        return f"{archive}, since it was fetched from {source}", "delete it and run again, which fetches it again"
    if known.get("own"):
        return f"params.yaml: datasets.{archive.parent.name}.path: {source}", "mend it there and run again"
    return f"{source}, fetched to {archive}", "name a better copy by path or mirror; this one is as its digest says"


def _file(archive: Path) -> Path:
    return ORIGINS / f"{hashlib.sha256(os.path.relpath(archive).encode(errors='replace')).hexdigest()[:16]}.json"
