"""The index of labelled images that `verify` writes: a row for each image of the pack."""

import csv
from pathlib import Path
from typing import NamedTuple

from ablate.errors import UserError


class Row(NamedTuple):
    """A line of the index: an image, its label, and what both are. In the order of the pack."""

    split: str
    label: str
    class_name: str
    words: str
    member: str
    filename: str
    grayscale: str  # 0 or 1


def read_index(index: Path) -> list[Row]:
    """A row for each image.

    Raises:
        UserError: If the file is damaged.
    """
    with index.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if not rows or tuple(rows[0]) != Row._fields or any(len(row) != len(Row._fields) for row in rows):
        raise UserError(f"{index}: damaged; delete it and run again")
    return [Row(*row) for row in rows[1:]]
