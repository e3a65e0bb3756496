"""Tables of a study, one function each: (Study) -> DataFrame. A new table is a function and its line."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from ablate.errors import UserError, choose
from ablate.files import read_json, write_text

LABELS = {
    "demo": "embedded data: no evidence about the paper",
    "pilot": "ten classes, short schedules",
    "paper": "the paper's protocol",
}


@dataclass(frozen=True)
class StudyResults:
    """What a table or figure is made from."""

    paper: str
    study: str
    title: str
    scale: str
    axes: list[str]
    planned: list[dict[str, Any]]  # run, arm, levels, seed, settings
    runs: pd.DataFrame  # a row per planned run: collect's runs.csv
    history: pd.DataFrame  # a row per epoch of each planned run
    reported: dict[str, dict[str, float]]  # arm: {metric: what the paper printed}

    @property
    def arms(self) -> list[str]:
        """In the order of the plan."""
        return list(dict.fromkeys(p["arm"] for p in self.planned))


def study_results(plan: Path, collected: Path, papers: Path, study: str) -> StudyResults:
    """Read one study's part of what `collect` wrote into ``collected`` (results/<scale>/<paper>), and what the
    paper printed for the same arms.
    """
    whole, paper = read_json(plan), collected.name
    chosen = whole["studies"].get(f"{paper}/{study}")
    if chosen is None:
        raise choose("--study", f"{paper}/{study}", whole["studies"], "study")
    runs, history = (
        table[table["study"] == study]
        for table in (pd.read_csv(collected / "runs.csv"), pd.read_csv(collected / "history.csv"))
    )
    planned = [r for r in whole["runs"] if (r["paper"], r["study"]) == (paper, study)]
    return StudyResults(
        paper,
        study,
        chosen["title"],
        whole["scale"],
        chosen["axes"],
        planned,
        runs,
        history,
        reported(papers / f"{paper}.yaml", study),
    )


def reported(path: Path, study: str) -> dict[str, dict[str, float]]:
    """{arm: {metric: value}} that the paper at ``path`` printed for ``study``; empty where it printed none."""
    if not path.exists():
        raise UserError(f"{path}: no such file; a paper needs one with its reference and reported numbers")
    values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))["reported"]
    found: dict[str, dict[str, float]] = {}
    for entry in values:
        if entry["study"] == study:
            found.setdefault(entry["arm"], {})[entry["metric"]] = entry["value"]
    return found


def accuracy(results: StudyResults) -> pd.DataFrame:
    """A row per arm: mean and standard deviation over seeds, in percent, beside what the paper printed."""
    rows = []
    for arm in results.arms:
        mine = results.runs[results.runs["arm"] == arm]
        done = mine[mine["status"] == "done"]
        levels = next(p["levels"] for p in results.planned if p["arm"] == arm)
        row: dict[str, Any] = dict(levels) if levels else {"arm": arm}
        row["seeds"] = len(done)
        if len(done) < len(mine):
            row["diverged"] = len(mine) - len(done)
        for metric in ("train_top1", "val_top1", "best_val_top1", "test_top1"):
            if done[metric].notna().any():
                row[f"{metric} %"] = round(100 * done[metric].mean(), 2)
                row[f"{metric} sd"] = round(100 * done[metric].std(ddof=1), 2) if len(done) > 1 else None
        for metric, value in results.reported.get(arm, {}).items():
            row[f"paper {metric} %"] = round(100 * value, 2)
        for split in ("val", "test"):
            if done[f"n_{split}"].notna().any():
                row[f"{split} images"] = int(done[f"n_{split}"].iloc[0])
        rows.append(row)
    return pd.DataFrame(rows)


TABLES: dict[str, Callable[[StudyResults], pd.DataFrame]] = {"accuracy": accuracy}


def write_table(results: StudyResults, kind: str, csv: Path) -> None:
    """Write the table as CSV and, beside it, as Markdown with its title and scale."""
    if kind not in TABLES:
        raise choose(f"params.yaml: studies.{results.paper}.{results.study}.tables", kind, TABLES, "table")
    table = TABLES[kind](results)
    write_text(csv, table.to_csv(index=False, lineterminator="\n"))
    note = LABELS.get(results.scale, "")
    body = table.astype(object).where(table.notna(), "").to_markdown(index=False)
    write_text(csv.with_suffix(".md"), f"**{results.title}** ({results.scale}: {note})\n\n{body}\n")
