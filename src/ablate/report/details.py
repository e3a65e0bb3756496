"""What a number opens: its runs with their curves, settings and manifests, and which images each got right."""

import json
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ablate.files import read_json
from ablate.plan.record import PlannedRun, PlanRecord
from ablate.plan.settings import Settings
from ablate.report.answers import Answers
from ablate.results.collect import PLACE
from ablate.results.study import collected_history, collected_runs

# Columns of runs.csv that a reader of a run wants, as they are called there.
SHOWN = (
    *("status", "health", "epochs", "best_val_epoch", "wall_s", "data"),
    *("train_top1", "val_top1", "best_val_top1", "test_top1", "train_loss", "val_loss", "test_loss"),
    *("n_train", "n_val", "n_test"),
)
NO_CURVES = (*PLACE, "epoch", "lr", "n_train", "n_val")  # columns of history.csv
DIGITS = 4  # that count, of a curve's values
Run = dict[str, Any]


def details(plan: PlanRecord, collected: Path, answers: Answers) -> dict[str, Any]:
    """``arms`` in the order of the plan, ``runs`` by id, and ``images``, what the answers of runs share.

    ``collected`` is results/<scale>; ``answers`` are those of its runs, which are read here.
    """
    found: dict[str, Run] = {}
    own = {name: None for trainer in plan.trainers.values() for name in trainer.metrics}
    for paper in plan.papers:
        folder = collected / paper
        if not (folder / "runs.csv").exists():
            continue
        manifests = read_json(folder / "provenance.json")
        curves = _curves(collected_history(plan, folder))
        rows = collected_runs(plan, folder).drop_duplicates("run").astype(object)
        for row in rows.where(rows.notna(), None).to_dict("records"):
            run = str(row["run"])
            if run not in found:
                found[run] = {
                    **{key: _plain(row[key]) for key in (*SHOWN, *own) if row.get(key) not in (None, "")},
                    **_made(manifests.get(run, {})),
                    "curve": curves.get(run),
                }
    for entry in plan.runs:
        planned = found.setdefault(entry.run, {"status": "missing"})
        planned["seed"] = entry.seed
        if "commit" in planned and "right" not in planned:
            planned |= answers.of(entry.run, entry.settings) if isinstance(entry.settings, Settings) else {}
    return {"arms": list(_arms(plan.runs)), "runs": found, "images": answers.sets}


def _plain(value: Any) -> Any:
    """As JSON has it; whole floats as whole numbers."""
    number = value.item() if isinstance(value, np.generic) else value
    return int(number) if isinstance(number, float) and number.is_integer() and abs(number) >= 1 else number


def _made(manifest: Mapping[str, Any]) -> Run:
    """How a run was made, from its manifest; nothing of a run that has none."""
    if not manifest:
        return {}
    git, data = manifest.get("git") or {}, manifest.get("data") or {}
    archive = data.get("archive") or {}
    return {
        "commit": f"{git.get('commit') or 'none'}{' with changes' if git.get('dirty') else ''}",
        "digest": archive.get("sha256") or data.get("pack"),
        "pack": data.get("pack"),
        "device": manifest.get("device"),
        "threads": manifest.get("threads"),
        "precision": manifest.get("precision"),
        "images_per_s": manifest.get("images_per_s"),
        "ended": manifest.get("ended"),  # none of a run of before manifests had it
        "versions": ", ".join(f"{name} {number}" for name, number in (manifest.get("versions") or {}).items()),
        "command": shlex.join(map(str, manifest.get("command") or [])),
    }


def _curves(history: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """{run: {epoch, and each measure that it has}}."""
    found = {}
    there = [str(name) for name in history if name not in NO_CURVES]
    for run, part in history.drop_duplicates(["run", "epoch"]).groupby("run", sort=False):
        values = {name: [_rounded(v) for v in part[name]] for name in there}
        kept = {name: column for name, column in values.items() if any(v is not None for v in column)}
        found[str(run)] = {"epoch": [int(e) for e in part["epoch"]], **kept}
    return found


def _rounded(value: Any) -> float | None:
    return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None


def _arms(planned: Iterable[PlannedRun]) -> Iterable[dict[str, Any]]:
    """Each arm of each study, with its settings, what they come to on its data, and its runs."""
    arms: dict[tuple[str, str, str], list[PlannedRun]] = {}
    for entry in planned:
        arms.setdefault((entry.paper, entry.study, entry.arm), []).append(entry)
    for (paper, study, arm), entries in arms.items():
        first = entries[0]
        deviations = {key: list(pair) for key, pair in (first.deviations or {}).items()}
        yield {
            "paper": paper,
            "study": study,
            "arm": arm,
            "levels": first.levels,
            "settings": first.settings.plain
            | first.facts
            | ({"image_size": first.image_size} if first.image_size else {}),
            "deviations": json.loads(json.dumps(deviations)),
            "contaminated": first.contaminated,
            "runs": [entry.run for entry in entries],
        }
