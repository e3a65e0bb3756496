"""The kinds of tables, one function each: (StudyResults) -> Table. A new one is a line here and one in plan/kinds."""

import importlib
from pathlib import Path

from ablate.errors import UserError, choose
from ablate.results.study import StudyResults, title

# Kind: module of this package, and function. A kind in params.yaml may carry an argument after a colon: layers:cnn1.
TABLES = {
    "accuracy": "accuracy:accuracy",
    "train-val": "accuracy:train_val",
    "trials": "accuracy:trials",
    "nets": "accuracy:nets",
    "per-label": "per_label:per_label",
    "layers": "networks:layers",
    "parameters": "networks:parameters",
    "effects": "effects:effects",
    "sensitivity": "effects:sensitivity",
}


def write_table(results: StudyResults, kind: str, csv: Path) -> None:
    """Write the table as CSV, Markdown and LaTeX, and beside them the runs behind each cell.

    Raises UserError, naming the key in params.yaml, for an unknown kind or argument.
    """
    name, _, argument = kind.partition(":")
    where = f"params.yaml: studies.{results.paper}.{results.study}.tables.{csv.stem}"
    if name not in TABLES:
        raise choose(where, name, TABLES, "table")
    module, _, function = TABLES[name].partition(":")
    make = getattr(importlib.import_module(f"ablate.tables.{module}"), function)  # here: some import torch
    try:
        table = make(results, argument) if argument else make(results)
    except UserError as error:
        raise UserError(f"{where}: {kind}: {error}") from error
    table.write(csv, title(results.title, results.scale))
