"""Numbers inside prose: marks in a text that name a cell of a table, and give way to what the cell shows.

A mark is ``{{ ablate:<paper>/<table>:<row>:<column> }}``, its row a label or a number from 1. With ``= <digits>``
behind the column it holds only as long as the cell shows these digits, for which the sentence around it was written.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ablate.csv_text import NUMBER, read_lines
from ablate.errors import UserError, choose
from ablate.files import read_json, reading
from ablate.inert import in_latex, in_markdown
from ablate.plan.receipts import check
from ablate.results.explain import SUFFIX, find

MARK = re.compile(r"\{\{\s*ablate:(?P<table>[^:{}\s]+):(?P<row>[^{}\n]+):(?P<column>[^:={}\n]+?)\s*"
                  r"(?:=\s*(?P<pin>[^{}\n]*?)\s*)?\}\}")  # fmt: skip
BEGINS = re.compile(r"\{\{\s*ablate\b")
FORMS: dict[str, Callable[[str], str]] = {".md": in_markdown, ".tex": in_latex}


@dataclass(frozen=True)
class Mark:
    """A mark in a text."""

    where: str  # the text's file and line
    table: str
    row: str
    column: str
    pin: str | None  # the digits that it was written for

    @property
    def text(self) -> str:
        """The mark without its pin."""
        return f"ablate:{self.table}:{self.row}:{self.column}"


def marks(source: Path) -> list[Mark]:
    """The marks of a text, in order.

    Raises:
        UserError: For a file that is no text of Markdown or LaTeX, and for a mark that is none.
    """
    if source.suffix not in FORMS:
        raise UserError(f"{source}: must be Markdown or LaTeX; name it .md or .tex")
    with reading(source, "no text in UTF-8"):
        text = source.read_text(encoding="utf-8")
    every = [_mark(source, text, found) for found in MARK.finditer(text)]
    whole = {found.start() for found in MARK.finditer(text)}
    for begin in BEGINS.finditer(text):
        if begin.start() not in whole:
            where = _where(source, text, begin.start())
            raise UserError(f"{where}: is no mark; write {{{{ ablate:<paper>/<table>:<row>:<column> }}}}")
    return every


def weave(source: Path, results: Path) -> str:
    """The text with each mark replaced by its cell of the tables below ``results`` (results/<scale>).

    Raises:
        UserError: For a cell that is not there, and for one that shows other digits than its mark was written for.
    """
    return _replaced(source, results, lambda mark, cell: FORMS[source.suffix](cell))


def pinned(source: Path, results: Path) -> str:
    """The text with each mark pinned to the digits that its cell shows now, whatever it was pinned to.

    Raises:
        UserError: For a cell that is not there.
    """
    return _replaced(source, results, lambda mark, cell: f"{{{{ {mark.text} = {cell} }}}}", hold=False)


def tables_of(source: Path, results: Path) -> list[Path]:
    """The files that the text takes cells from: each table's .csv, whether it is there or not."""
    return list(dict.fromkeys(results / f"{mark.table}.csv" for mark in marks(source)))


def cell_of(mark: Mark, results: Path) -> str:
    """What the cell of a mark shows, half widths and all, as tables show it.

    Raises:
        UserError: If it is not there, is empty, or its table was changed since it was made.
    """
    try:
        file = find(mark.table, results)
        csv = file.with_name(file.name.removesuffix(SUFFIX) + ".csv")
        check(results, [file, csv])
        heads, rows = read_lines(csv)
        labels = list(read_json(file))
        row = rows[_place(mark.row, labels if len(labels) == len(rows) else [row[0] for row in rows], csv)]
        cell = row[heads.index(_column(mark.column, heads, csv))]
    except UserError as error:
        raise UserError(f"{mark.where}: {error}") from None
    if not cell:
        raise UserError(f"{mark.where}: {csv}: row {mark.row}, column {mark.column} is empty")
    if not NUMBER.fullmatch(cell):
        return cell
    from ablate.results.table import (
        text as shown,
    )  # here: pandas takes a second, and the workflow asks for marks alone

    return shown(float(cell) if "." in cell or "e" in cell.lower() else int(cell))


def _replaced(source: Path, results: Path, form: Callable[[Mark, str], str], *, hold: bool = True) -> str:
    every = iter(marks(source))
    text, faults = source.read_text(encoding="utf-8"), list[str]()

    def put(_: re.Match[str]) -> str:
        mark = next(every)
        try:
            cell = cell_of(mark, results)
        except UserError as error:
            faults.append(str(error))
            return ""
        if hold and mark.pin not in (None, cell):
            faults.append(f"{mark.where}: {mark.text} is {cell}, and the text was written for {mark.pin}")
        return form(mark, cell)

    woven = MARK.sub(put, text)
    if faults:
        changed = (
            "; read the text again, and then say `ablate weave --pin`" if "written for" in "".join(faults) else ""
        )
        raise UserError("; ".join(faults) + changed)
    return woven


def _mark(source: Path, text: str, found: re.Match[str]) -> Mark:
    pin = found["pin"]
    return Mark(_where(source, text, found.start()), found["table"], found["row"].strip(), found["column"], pin)


def _where(source: Path, text: str, at: int) -> str:
    return f"{source}:{text.count(chr(10), 0, at) + 1}"


def _place(row: str, labels: list[str], csv: Path) -> int:
    """The number of a row, from 0: of its label, or as a number from 1 where no label is so."""
    if row in labels:
        return labels.index(row)
    if row in map(str, range(1, len(labels) + 1)):
        return int(row) - 1
    raise choose(str(csv), row, labels, "row")


def _column(column: str, heads: list[str], csv: Path) -> str:
    """The column of a name; without its unit where that leaves one: test_acc for ``test_acc %``."""
    near = [head for head in heads if head == column] or [head for head in heads if head in _units(column)]
    if len(near) != 1:
        raise choose(str(csv), column, heads, "column")
    return near[0]


def _units(column: str) -> Iterator[str]:
    yield from (f"{column} %", f"{column} points", f"{column}(m)")
