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

    def contaminated(self, arm: str) -> bool:
        """Whether it starts from weights that have seen the data set's images."""
        return any(p["contaminated"] for p in self.planned if p["arm"] == arm)


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
        done = mine[mine["status"].isin(["done", "plateau"])]
        levels = next(p["levels"] for p in results.planned if p["arm"] == arm)
        row: dict[str, Any] = dict(levels) if levels else {"arm": arm}
        row["seeds"] = len(done)
        row |= {str(k): n for k, n in mine["status"].value_counts().items() if k != "done"}
        for metric in ("train_top1", "val_top1", "best_val_top1", "test_top1"):
            if done[metric].notna().any():
                row[f"{metric} %"] = round(100 * done[metric].mean(), 2)
                row[f"{metric} sd"] = round(100 * done[metric].std(ddof=1), 2) if len(done) > 1 else None
        for metric, value in results.reported.get(arm, {}).items():
            row[f"paper {metric} %"] = round(100 * value, 2)
        for split in ("val", "test"):
            if done[f"n_{split}"].notna().any():
                row[f"{split} images"] = int(done[f"n_{split}"].iloc[0])
        if results.contaminated(arm):
            row["note"] = "contaminated"
        rows.append(row)
    return pd.DataFrame(rows)


def layers(results: StudyResults, model: str) -> pd.DataFrame:
    """A network layer by layer, as a paper prints it: of ``model`` with 200 classes and images of 64 pixels."""
    from ablate.layers import summary  # here and not above: it imports torch

    found = summary(model, PRINTED_CLASSES, PRINTED_SIDE)
    rows = [
        {
            "Layer (type)": f"{layer.name} ({layer.type})",
            "Output shape": str(layer.keras_shape or layer.output_shape),
            "Param #": layer.keras_params,
            "Multiply-adds": layer.multiply_adds,
        }
        for layer in found.layers
    ]
    total = {"Layer (type)": "Total", "Output shape": "", "Param #": found.keras_total}
    return pd.DataFrame([*rows, total | {"Multiply-adds": found.multiply_adds}])


def parameters(results: StudyResults, models: str) -> pd.DataFrame:
    """Parameters of ``models``, joined by +, counted as Keras does and as torch does, and why the two may differ."""
    from ablate.layers import summary

    found = [summary(model, PRINTED_CLASSES, PRINTED_SIDE) for model in models.split("+")]
    return pd.DataFrame(
        {"model": s.model, "Keras's total": s.keras_total, "parameters": s.params, "note": s.note or ""}
        for s in found
    )


PRINTED_CLASSES, PRINTED_SIDE = 200, 64  # of the summaries in five-cnns: Tiny ImageNet's

# A name in params.yaml may carry an argument after a colon, as in layers:cnn1.
TABLES: dict[str, Callable[..., pd.DataFrame]] = {
    "accuracy": accuracy,
    "layers": layers,
    "parameters": parameters,
}


def write_table(results: StudyResults, kind: str, csv: Path) -> None:
    """Write the table as CSV and, beside it, as Markdown with its title and scale."""
    name, _, argument = kind.partition(":")
    where = f"params.yaml: studies.{results.paper}.{results.study}.tables"
    if name not in TABLES:
        raise choose(where, name, TABLES, "table")
    try:
        table = TABLES[name](results, argument) if argument else TABLES[name](results)
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: {kind}: {error}") from error
    write_text(csv, table.to_csv(index=False, lineterminator="\n"))
    note = LABELS.get(results.scale, "")
    body = table.astype(object).where(table.notna(), "").to_markdown(index=False)
    write_text(csv.with_suffix(".md"), f"**{results.title}** ({results.scale}: {note})\n\n{body}\n")
