"""Gather a paper's planned runs into flat files. Iterates over the plan, never over files on disk."""

from pathlib import Path
from typing import Any

import pandas as pd

from ablate.files import read_json, write_json, write_text

METRICS = [
    "status",
    "epochs",
    "train_top1",
    "train_loss",
    "n_train",
    "val_top1",
    "val_loss",
    "n_val",
    "best_val_top1",
    "best_val_epoch",
    "test_top1",
    "test_loss",
    "n_test",
]


def collect(plan: Path, runs: Path, paper: str, out: Path) -> None:
    """Write ``out``/runs.csv (a row per planned run of ``paper``), history.csv (a row per epoch of each),
    metrics.json and provenance.json.

    ``plan`` is what `ablate plan --output` wrote; ``runs`` holds a folder per run.
    Raises UserError for a missing run.
    """
    planned = [entry for entry in read_json(plan)["runs"] if entry["paper"] == paper]
    rows, histories, provenance = [], [], {}
    for entry in planned:
        folder = runs / entry["run"]
        metrics = read_json(folder / "metrics.json")
        place = {key: entry[key] for key in ("study", "arm", "seed", "run")}
        rows.append(place | {name: metrics.get(name) for name in METRICS} | {"contaminated": entry["contaminated"]})
        histories.append(pd.read_csv(folder / "history.csv").assign(**place))
        provenance[entry["run"]] = read_json(folder / "manifest.json")
    table = pd.DataFrame(rows).convert_dtypes()
    write_text(out / "runs.csv", table.to_csv(index=False, lineterminator="\n"))
    write_text(out / "history.csv", pd.concat(histories).to_csv(index=False, lineterminator="\n"))
    write_json(out / "metrics.json", _summary(table))
    write_json(out / "provenance.json", provenance)


def _summary(table: pd.DataFrame) -> dict[str, Any]:
    """{study: {arm: mean val_top1}} for `dvc metrics`, which compares numbers by their path."""
    tree: dict[str, Any] = {}
    for (study, arm), group in table.groupby(["study", "arm"], sort=False):
        mean = group["val_top1"].mean()
        tree.setdefault(str(study), {})[str(arm)] = None if pd.isna(mean) else round(float(mean), 6)
    return tree
