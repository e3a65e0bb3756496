"""Which runs a cell of a table comes from."""

import shlex
from pathlib import Path
from typing import Any

from ablate.csv_text import read_rows
from ablate.errors import choose
from ablate.files import read_json
from ablate.seals import manifest_of
from ablate.stored import Cells, Made, shaped

SUFFIX = ".runs.json"


def find(name: str, results: Path) -> Path:
    """The .runs.json of a table, by one of its files or by <paper>/<name> below ``results`` (results/<scale>).

    Raises:
        UserError: For a table that is not there.
    """
    stem = name.removesuffix(SUFFIX)
    for suffix in (".csv", ".md", ".tex"):
        stem = stem.removesuffix(suffix)
    for path in (Path(stem + SUFFIX), results / (stem + SUFFIX)):
        if path.is_file():
            return path
    known = [str(p.relative_to(results)).removesuffix(SUFFIX) for p in results.rglob(f"*{SUFFIX}")]
    raise choose(f"{results}", stem, known, "table")


def explain(file: Path, row: str, column: str, runs_folder: Path) -> list[dict[str, Any]]:
    """``run``, ``status``, ``value``, ``command`` and ``manifest`` of each run behind a cell.

    ``row`` is a label or, where no row has that one, a number, counted from 1.

    Raises:
        UserError: For a row or column that is not there.
    """
    table = shaped({"rows": read_json(file)}, Cells, file).rows
    labels = list(table)
    if row not in table and row in map(str, range(1, len(labels) + 1)):
        row = labels[int(row) - 1]
    if row not in table:
        raise choose(str(file), row, labels, "row")
    if column not in table[row]:
        raise choose(f"{file}: {row}", column, table[row], "column made of runs")
    statuses = _statuses(file.parent)
    return [
        _run(run, value, statuses.get(run, "missing"), runs_folder / run / "manifest.json")
        for run, value in table[row][column].items()
    ]


def _statuses(folder: Path) -> dict[str, str]:
    """{run: status} as collected into ``folder`` or, for a table of all papers, below it."""
    files = [folder / "runs.csv"] if (folder / "runs.csv").exists() else sorted(folder.glob("*/runs.csv"))
    return {row["run"]: row["status"] for file in files for row in read_rows(file, "run", "status")}


def _run(run: str, value: float | None, status: str, manifest: Path) -> dict[str, Any]:
    there = manifest.exists()
    return {
        "run": run,
        "status": status,
        "value": value,
        "command": shlex.join(shaped(manifest_of(manifest.parent, run), Made, manifest).command) if there else None,
        "manifest": str(manifest) if there else None,
    }
