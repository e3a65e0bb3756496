"""Numbers inside prose: marks in a text that name a cell of a table, and give way to what the cell shows.

A mark is ``{{ ablate:<paper>/<table>:<row>:<column> }}``, its row a label or a number from 1; with ``<scale>:``
before the table it is of that scale. With ``= <digits>`` behind the column it holds only as long as the cell shows
these digits, for which the sentence around it was written. The table ``findings`` counts claims.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ablate.csv_text import NUMBER, read_lines
from ablate.errors import UserError, choose
from ablate.files import read_json, reading
from ablate.inert import in_latex, in_markdown
from ablate.plan.receipts import check
from ablate.results.explain import SUFFIX, find

MARK = re.compile(r"\{\{\s*ablate:(?P<cell>[^{}\n]+?)(?:\s+=\s+(?P<pin>[^{}\n]*?))?\s*\}\}")
BEGINS = re.compile(r"\{\{\s*ablate\b")
UNIT = re.compile(r" (%|points|\([^()]*\))$")  # ends a column's name
FINDINGS, CLAIMS = "findings", "claims"  # a table that is counted here, and its column of all claims but counted ones
FORMS: dict[str, Callable[[str], str]] = {".md": in_markdown, ".tex": in_latex}


@dataclass(frozen=True)
class Mark:
    """A mark in a text."""

    where: str  # the text's file and line
    cell: str  # [<scale>:]<table>:<row>:<column>; rows and columns may have colons of their own
    pin: str | None  # the digits that it was written for

    @property
    def text(self) -> str:
        """The mark without its pin."""
        return f"ablate:{self.cell}"

    def place(self, results: Path) -> tuple[Path, str, str]:
        """Results of its scale, its table, and row and column: of ``results``, results/<scale>, if it names no other.

        A first word is a scale where it is a folder beside ``results``, and no table.
        """
        first, second, *rest = self.cell.split(":")
        other = results.parent / first
        if len(rest) > 1 and "/" not in first and other.is_dir():
            return other, second, ":".join(rest)
        return results, first, ":".join([second, *rest])


def marks(source: Path) -> list[Mark]:
    """The marks of a text, in order.

    Raises:
        UserError: For a file that is no text of Markdown or LaTeX, and for a mark that is none.
    """
    if source.suffix not in FORMS:
        raise UserError(f"{source}: must be Markdown or LaTeX; name it .md or .tex")
    with reading(source, "no text in UTF-8"):
        text = source.read_text(encoding="utf-8")
    found = [mark for mark in MARK.finditer(text) if mark["cell"].count(":") > 1]
    whole = {mark.start() for mark in found}
    for begin in BEGINS.finditer(text):
        if begin.start() not in whole:
            where = _where(source, text, begin.start())
            raise UserError(f"{where}: is no mark; write {{{{ ablate:<paper>/<table>:<row>:<column> }}}}")
    return [Mark(_where(source, text, mark.start()), mark["cell"], mark["pin"]) for mark in found]


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
    """The files that the text takes cells from, whether they are there or not; of another scale those that are."""
    files = []
    for mark in marks(source):
        folder, table, _ = mark.place(results)
        files.append(folder / (f"{CLAIMS}.json" if table == FINDINGS else f"{table}.csv"))
    return [file for file in dict.fromkeys(files) if file.is_relative_to(results) or file.exists()]


def cell_of(mark: Mark, results: Path) -> str:
    """What the cell of a mark shows, half widths and all, as tables show it.

    Raises:
        UserError: If it is not there, is empty, or its table was changed since it was made.
    """
    folder, table, cell = mark.place(results)
    try:
        found = _counted(folder, cell) if table == FINDINGS else _cell(folder, table, cell)
    except UserError as error:
        raise UserError(f"{mark.where}: {error}") from None
    if not NUMBER.fullmatch(found):
        return found
    from ablate.results.table import text as shown  # here: pandas takes a second, which marks alone do not need

    return shown(float(found) if "." in found or "e" in found.lower() else int(found))


def _cell(folder: Path, table: str, cell: str) -> str:
    if "/" not in table and cell.count(":") > 1 and not any(folder.glob(f"{table}{SUFFIX}")):
        raise UserError(f"{table}: no table of {folder}, and no scale of which results are here")
    file = find(table, folder)
    csv = file.with_name(file.name.removesuffix(SUFFIX) + ".csv")
    check(folder, [file, csv])
    heads, rows = read_lines(csv)
    labels = list(read_json(file))
    if len(labels) != len(rows):
        labels = [row[0] for row in rows]
    row, column = _chosen(cell, labels, heads, csv)
    if not (found := rows[row][column]):
        raise UserError(f"{csv}: row {labels[row]}, column {heads[column]} is empty")
    return found


def _counted(folder: Path, cell: str) -> str:
    """How many claims of a paper, or of ``all``, have a verdict."""
    from ablate.results.table import ALL
    from ablate.verdicts.assess import COUNTED, WORDS  # here as above

    file = folder / f"{CLAIMS}.json"
    check(folder, [file])
    claims = read_json(file)[CLAIMS]
    papers, words = [*dict.fromkeys(claim["paper"] for claim in claims), ALL], [CLAIMS, *WORDS]
    row, column = _chosen(cell, papers, words, file)
    mine = [claim["verdict"] for claim in claims if papers[row] in (claim["paper"], ALL)]
    return str(len(mine) - mine.count(COUNTED) if words[column] == CLAIMS else mine.count(words[column]))


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


def _where(source: Path, text: str, at: int) -> str:
    return f"{source}:{text.count(chr(10), 0, at) + 1}"


def _chosen(cell: str, labels: list[str], heads: list[str], file: Path) -> tuple[int, int]:
    """Row and column, both from 0, of ``<row>:<column>``, whichever of its colons parts the two.

    Raises:
        UserError: For a row or column that is not there, with the last colon parting them.
    """
    faults = []
    for part in [at for at, sign in enumerate(cell) if sign == ":"][::-1]:
        try:
            return _row(cell[:part].strip(), labels, file), _column(cell[part + 1 :].strip(), heads, file)
        except UserError as error:
            faults.append(error)
    raise faults[0]


def _row(row: str, labels: list[str], file: Path) -> int:
    """The number of a row, from 0: of its label, or as a number from 1 where no label is so."""
    if row in labels:
        return labels.index(row)
    if row in map(str, range(1, len(labels) + 1)):
        return int(row) - 1
    raise choose(str(file), row, labels, "row")


def _column(column: str, heads: list[str], file: Path) -> int:
    """The number of a column, from 0; without its unit where that leaves one: test_acc for ``test_acc %``."""
    near = [head for head in heads if head == column] or [head for head in heads if _but_unit(head) == column]
    if len(near) != 1:
        raise choose(str(file), column, heads, "column")
    return heads.index(near[0])


def _but_unit(head: str) -> str:
    return UNIT.sub("", head)
