"""Makes the kinds of tables that `plan.kinds` lists, each by one function: (StudyResults) -> Table."""

from pathlib import Path

from ablate.errors import UserError, choose
from ablate.plan.kinds import TABLES
from ablate.results.captions import about_study, splits_of
from ablate.results.study import StudyResults
from ablate.results.table import Table

INTERVAL = (
    "± half of the 95 % interval of the mean over seeds (Student's t), from three seeds on; of fewer, each seed"
)


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
        return table.write(csv, results.title)
    facts = about_study(results, splits=splits_of(results))
    if csv.stem == results.told and (words := results.words.sentences):
        table.notes.append(words)
        facts["paper"] = results.words.counted
    table.write(csv, results.title, {"band": INTERVAL} | facts)
