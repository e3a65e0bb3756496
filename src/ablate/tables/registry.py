"""Makes the kinds of tables that `plan.kinds` lists, each by one function: (StudyResults) -> Table."""

from pathlib import Path

from ablate.errors import UserError, choose
from ablate.plan.kinds import TABLES
from ablate.results.study import StudyResults, title
from ablate.results.table import Table


def write_table(results: StudyResults, kind: str, csv: Path) -> None:
    """Write the table as CSV, Markdown and LaTeX, and beside them the runs behind each cell.

    Raises:
        UserError: For an unknown kind or argument; it names the key in the paper's file.
    """
    name, _, argument = kind.partition(":")
    where = f"papers/{results.paper}.yaml: drawn.{results.study}.tables.{csv.stem}"
    if name not in TABLES:
        raise choose(where, name, TABLES, "table")
    make = TABLES[name].function("tables")
    try:
        table: Table = make(results, argument) if argument else make(results)
    except UserError as error:
        raise UserError(f"{where}: {kind}: {error}") from error
    if not TABLES[name].runs:  # and so no setting and no scale
        return table.write(csv, f"{results.title}.")
    table.caption = f"{results.words.sentences} {table.caption}".strip()
    table.write(csv, title(results.title, results.scale))
