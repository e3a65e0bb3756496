"""CSV files that give back what was written: text as text and numbers as numbers, as declared and never as guessed.

`to_csv` writes every such file of results, `read_csv` and its like read it. Nothing is taken for a missing value but
an empty cell among numbers; "NA", "1e3" and "01" are text where the column is one of text. A spreadsheet runs text
that begins like a formula: such text is written with an apostrophe before it, which reading takes off again.
"""

import csv
import io
import math
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.errors import UserError
from ablate.files import reading

if TYPE_CHECKING:
    import pandas as pd

FORMULA = re.compile(r"'*(\s*[=+\-@＝＋－＠]|[\t\r\n])")
QUOTED = ',"\r\n\ufeff'  # the last is no letter where a file begins with it
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def to_csv(frame: "pd.DataFrame") -> str:
    """The file's text, of a head and a line per row. A cell that is missing is empty, as empty text is."""
    columns = [frame.iloc[:, i] for i in range(frame.shape[1])]
    plain = [[None if gone else v for v, gone in zip(c.astype(object), c.isna(), strict=True)] for c in columns]
    return csv_of(map(str, frame), zip(*plain, strict=True))


def csv_of(heads: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """`to_csv` of rows without a frame; None is missing."""
    return "".join(_line([_cell(value) for value in line]) for line in (heads, *rows))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"'{value}" if isinstance(value, str) and _runs(value) else str(value)
    return '"{}"'.format(text.replace('"', '""')) if any(c in text for c in QUOTED) else text


def _line(cells: list[str]) -> str:
    return (",".join(cells) if cells != [""] else '""') + "\n"  # an empty line would be no row


def _runs(text: str) -> bool:
    """Whether a spreadsheet might take ``text`` for a formula; a number is none."""
    return FORMULA.match(text) is not None and NUMBER.fullmatch(text) is None


def read_rows(source: Path, *need: str) -> list[dict[str, str]]:
    """The rows by their heads, all of them text. Raises as `read_lines`."""
    heads, rows = read_lines(source, need)
    return [dict(zip(heads, row, strict=True)) for row in rows]


def read_csv(source: Path, text: Collection[str], need: Collection[str] = ()) -> "pd.DataFrame":
    """The columns ``text`` as text, empty where there is none, and all others as numbers, NaN where there is none.

    Raises:
        UserError: If the file is missing or damaged, where it lacks a column of ``need`` and where a column of
            numbers has something else in it.
    """
    import pandas as pd  # here and not above: planning reads rows alone

    heads, rows = read_lines(source, need)
    cells = dict(zip(heads, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(heads, ())
    return pd.DataFrame({
        head: pd.Series(column, dtype=str) if head in text else pd.Series(_numbers(column, f"{source}: {head}"))
        for head, column in cells.items()
    })  # fmt: skip


def read_text(source: Path) -> "pd.DataFrame":
    """Every column as text."""
    import pandas as pd

    heads, rows = read_lines(source)
    return pd.DataFrame(rows, columns=heads, dtype=object)


def _numbers(cells: Collection[str], where: str) -> Any:
    """Whole numbers where all are, else floats."""
    import numpy as np

    try:
        found = np.array([float(cell) if cell else math.nan for cell in cells], dtype=np.float64)
    except ValueError as error:
        raise UserError(f"{where}: {error}; delete the file and run the step that makes it") from None
    if all(cell.removeprefix("-").isdecimal() and len(cell) < 16 for cell in cells):
        return found.astype(np.int64)
    return found


def read_lines(source: Path, need: Collection[str] = ()) -> tuple[list[str], list[list[str]]]:
    """Heads and rows, all of them text.

    Spreadsheets save others than they open: with another separator, or in another encoding.

    Raises:
        UserError: If the file is missing, damaged, or without a column of ``need``.
    """
    with reading(source, "not as it was written"):
        text = source.read_bytes().decode("utf-8-sig")
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
        heads, *rows = lines or [[]]
        if len(set(heads)) < len(heads):
            raise ValueError("two columns have one name")
        for n, row in enumerate(rows, start=2):
            if len(row) != len(heads):
                raise ValueError(f"row {n} has {len(row)} cells under {len(heads)} heads")
        heads = [_text(head) for head in heads]
        if absent := [column for column in need if column not in heads]:
            raise ValueError(f"it has no column {absent[0]}")
    return heads, [[_text(cell) for cell in row] for row in rows]


def _text(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and _runs(cell[1:]) else cell
