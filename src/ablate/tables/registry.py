"""Makes the kinds of tables that `plan.kinds` lists, each by one function: (StudyResults) -> Table."""

from pathlib import Path
from typing import Any

import pandas as pd

from ablate.errors import UserError, choose
from ablate.own_code import calling, is_own, parted
from ablate.plan.kinds import TABLES, kind_of
from ablate.results.captions import about_study, splits_of
from ablate.results.study import StudyResults
from ablate.results.table import Table

INTERVAL = (
    "± half of the 95 % interval of the mean over seeds (Student's t), from three seeds on, or its ends where one "
    "would lie beyond 0 or 100 %; of fewer, each seed"
)


def write_table(results: StudyResults, kind: str, csv: Path) -> None:
    """Write the table as CSV, Markdown and LaTeX, and beside them the runs behind each cell.

    A function of the user's own may give a data frame instead of a `Table`.

    Raises:
        UserError: For an unknown kind or argument, and for what fails in the user's own code; it names the key in the
            paper's file.
    """
    name, argument = parted(kind)
    where = f"papers/{results.paper}.yaml: drawn.{results.study}.tables.{csv.stem}"
    if not is_own(name) and name not in TABLES:
        raise choose(where, name, TABLES, "table")
    given = (results, argument) if argument else (results,)
    table = _of_own(name, where, given) if is_own(name) else _made(kind, where, given)
    table.names = results.names | table.names
    if not kind_of(name, TABLES).runs:  # and so no setting and no scale
        return table.write(csv, results.title)
    facts = about_study(results, splits=splits_of(results))
    if csv.stem == results.told and (words := results.words.sentences):
        table.notes.append(words)
        facts["paper"] = results.words.counted
    table.write(csv, results.title, {"band": INTERVAL} | facts)


def _made(kind: str, where: str, given: tuple[Any, ...]) -> Table:
    try:
        table: Table = TABLES[parted(kind)[0]].function("tables", where)(*given)
    except UserError as error:
        raise UserError(f"{where}: {kind}: {error}") from error
    return table


def _of_own(name: str, where: str, given: tuple[Any, ...]) -> Table:
    make = kind_of(name, TABLES).function("tables", where)
    with calling(name, where, make):
        table = make(*given)
    if isinstance(table, pd.DataFrame):
        return Table(rows=[{str(column): cell for column, cell in row.items()} for row in table.to_dict("records")])
    if not isinstance(table, Table):
        raise UserError(f"{where}: {name} gave a {type(table).__name__}; return a Table or a pandas.DataFrame")
    return table
