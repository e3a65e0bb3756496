"""Parquet as Hugging Face exports it: a column of pictures, {bytes, path}, and one of labels.

Splits are told by files' names (train-00000-of-00002.parquet, default/test/0000.parquet). Class names stand in the
schema. Source: https://huggingface.co/docs/hub/datasets-image
"""

import json
import re
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ablate.data.containers import Members, damaged, read, refuse, shown
from ablate.data.layouts import READABLE, Contents, Item
from ablate.data.pictures import square
from ablate.data.rows import PARTS, numbered, row_item, row_of, shared_out
from ablate.errors import UserError
from ablate.plan.datasets import Split


class Table(NamedTuple):
    """One file."""

    file: str
    pictures: Any  # a column of {bytes, path}
    labels: list[int | None]
    names: list[str] | None  # of the classes


def contents(
    source: Path | Members, *, resize: int | None = None, split: Split | None = None, labels: str | None = None
) -> Contents:
    """List a file, or a folder or archive of some; ``labels`` names their column where there are several.

    Raises:
        UserError: It names what is missing, of another type or out of range.
    """
    members = read(source, own=True)
    archive = members.archive
    tables: dict[str, list[Table]] = {}
    for name in sorted(members):
        if name.lower().endswith(".parquet"):
            tables.setdefault(_part(name), []).append(_table(archive, name, members.read(name), labels))
    if not tables:
        raise refuse(archive, f"holds no .parquet file ({shown(members) or 'no file'})")
    every = [table for part in tables.values() for table in part]
    names = next((table.names for table in every if table.names), None)
    known = {label for table in every for label in table.labels if label is not None and label >= 0}
    classes = dict(enumerate(names)) if names else numbered(known) if known else {}
    items: list[Item] = []
    unlabelled = 0
    for part, of_part in tables.items():
        found = [label for table in of_part for label in table.labels]
        if part == "test" and not any(label is not None and label >= 0 for label in found):
            unlabelled = len(found)  # as competitions hide them
            continue
        for row, label in enumerate(found):
            if label is None or label not in classes:
                what = f"{part or 'all'} row {row}: label {label} is out of range"
                raise refuse(archive, f"{what} (0 to {len(classes) - 1})")
            items.append(row_item(part, row, classes[label]))
    held, tested = shared_out(archive, items, split)
    pictures = partial(_picture, {part: [t.pictures for t in of_part] for part, of_part in tables.items()})
    return Contents.of(
        archive,
        held,
        {name: name for name in classes.values()},
        tested + unlabelled,
        pictures,
        names=READABLE,
        picture=partial(square, resize=bool(resize)),
    )


def _part(name: str) -> str:
    """The split of a file: by the last word of its path that is one; "" where there is none."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word in PARTS]
    return PARTS[words[-1]] if words else ""


def _table(archive: Path, name: str, content: bytes, asked: str | None) -> Table:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise UserError("layout: parquet needs pyarrow; say: python -m pip install pyarrow") from None
    try:
        table = parquet.read_table(pa.BufferReader(content))
        fields = [(f.name, f.type) for f in table.schema]  # names may be no text
        structs = [(column, {f.name for f in kind}) for column, kind in fields if pa.types.is_struct(kind)]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(archive, f"{name}: {error}") from error
    features = _features(table.schema.metadata or {})
    of_pictures = [column for column, inner in structs if {"bytes", "path"} <= inner]
    if len(of_pictures) != 1:
        raise refuse(archive, f"{name}: {len(of_pictures)} columns of pictures ({{bytes, path}}), expected one")
    whole = [column for column, kind in fields if pa.types.is_integer(kind)]
    told = [column for column in whole if "names" in features.get(column, {})]
    of_labels = [asked] if asked else told or [c for c in whole if "label" in c] or whole
    if len(of_labels) != 1 or of_labels[0] not in whole:
        there = f"columns of whole numbers are {', '.join(whole) or 'none'}"
        raise refuse(archive, f"{name}: which column has the labels is not clear ({there})", "write labels: <column>")
    names = features.get(of_labels[0], {}).get("names")
    return Table(name, table.column(of_pictures[0]), table.column(of_labels[0]).to_pylist(), names)


def _features(metadata: dict[bytes, bytes]) -> dict[str, Any]:
    """What Hugging Face's libraries say of columns."""
    try:
        found = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {str(key): value for key, value in found.items() if isinstance(value, dict)}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _picture(columns: dict[str, list[Any]], member: str) -> bytes:
    """The bytes of a row, which may be none: then it is refused as an empty picture is."""
    part, row = row_of(member)
    for column in columns[part]:
        if row < len(column):
            return bytes(column[row]["bytes"].as_py() or b"")  # and not its path, which may be no text
        row -= len(column)
    raise IndexError(member)
