"""What people say of runs: a text and tags for each, in results/notes.yaml, which Git keeps. Part of no run's key."""

import json
from collections.abc import Mapping
from pathlib import Path

from ablate.files import write_text
from ablate.records import Record, check_record, read_yaml

FILE = Path("results/notes.yaml")
HEAD = "# What was said of runs, by `ablate note`; no result depends on it.\n"


class Note(Record):
    """Of one run."""

    note: str = ""
    tags: tuple[str, ...] = ()


def read_notes(file: Path = FILE) -> dict[str, Note]:
    """{run: what is said of it}.

    Raises:
        UserError: For a file that is none of notes; it names the line or the key.
    """
    found = read_yaml(file) if file.exists() else {}
    return {run: check_record(Note, said if isinstance(said, dict) else {"note": said}, f"{file}: {run}")
            for run, said in found.items()}  # fmt: skip


def write_notes(notes: Mapping[str, Note], file: Path = FILE) -> None:
    """A line for each run of which something is said, in order, so that branches merge that speak of others."""
    said = {run: note.model_dump(mode="json", exclude_defaults=True) for run, note in sorted(notes.items())}
    lines = [f"{run}: {json.dumps(what, ensure_ascii=False)}\n" for run, what in said.items() if what]
    write_text(file, HEAD + ("".join(lines) or "{}\n"))
