"""Gather a paper's planned runs into flat files. Iterates over the plan, never over files on disk."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ablate.csv_text import read_csv, to_csv
from ablate.errors import UserError
from ablate.files import read_json, write_json, write_text
from ablate.inert import say
from ablate.plan.health import BETWEEN, NUMBERS, words
from ablate.plan.metrics import main_of
from ablate.plan.record import PlannedRun, PlanRecord, read_plan
from ablate.plan.runs import ENDED
from ablate.plan.trainers import OwnSettings, Trainer
from ablate.seals import manifest_of, of_run

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
CURVES = ["epoch", "train_top1", "train_loss", "val_top1", "val_loss"]  # of history.csv where no run has one
PLACE = ["study", "arm", "seed", "run"]
TEXT = ("study", "arm", "run", "status", "health", "data", "contaminated")  # columns of text; all others are numbers


def collect(plan: Path, runs: Path, paper: str, out: Path, *, partial: bool = False) -> None:
    """Gather the planned runs of ``paper`` into flat files in ``out``.

    These are runs.csv (a row per run), history.csv (a row per epoch of each), metrics.json and provenance.json.
    ``plan`` is what `ablate plan --output` wrote; ``runs`` holds a folder per run. With ``partial`` its row says so
    in ``status`` (``missing``, ``other settings``, ``damaged``, ``duplicated``) and has no values. The column health
    has the words for each run (`plan.health`) by the plan's thresholds.

    Raises:
        UserError: For a run that is missing, that is another than planned, that is not as training wrote it, or that
            stands there twice.
    """
    whole = read_plan(plan)
    planned = whole.of(paper)
    faults = _faults(planned, runs)
    if faults and not partial:
        raise UserError("; ".join(fault for _, fault in faults.values()))
    rows, histories, provenance = [], [], {}
    wanted = columns(whole, planned)
    for entry in planned:
        folder = runs / entry.run
        row = place(entry) | dict.fromkeys([*wanted, "health"])
        if entry.run in faults:
            row["status"] = faults[entry.run][0]
            manifest: dict[str, Any] = {}
        else:
            metrics, manifest = read_json(of_run(folder, "metrics.json")), manifest_of(folder, entry.run)
            row |= {name: metrics.get(name) for name in wanted}
            row["health"] = BETWEEN.join(words(metrics, whole.health))
            histories.append(read_csv(of_run(folder, "history.csv"), ()).assign(**place(entry)))
            provenance[entry.run] = manifest
        row["wall_s"] = manifest.get("wall_s")
        row["data"] = manifest.get("data", {}).get("archive", {}).get("digest")  # the label of the archive's digest
        rows.append(row | {"contaminated": entry.contaminated})
    table = pd.DataFrame(rows).convert_dtypes()
    _say_alike(whole, planned, table)
    history = pd.concat(histories) if histories else pd.DataFrame(columns=[*CURVES, *PLACE])
    write_text(out / "runs.csv", to_csv(table))
    write_text(out / "history.csv", to_csv(history))
    write_json(out / "metrics.json", _summary(table, whole, planned))
    write_json(out / "provenance.json", provenance)


def equal_seeds(runs: pd.DataFrame, trainer: Trainer) -> list[int]:
    """Seeds among ``runs`` of one arm that another one equals in every metric, where its trainer has a say in chance.

    They are no copies by that: only the manifest of one training proves one. A script that forgets its seed looks so.
    """
    done = runs[runs["status"].isin(ENDED)]
    alike = done.duplicated(list(trainer.metrics), keep=False) & done[trainer.metrics.keys()].notna().all(axis=1)
    return [] if trainer.deterministic else [int(seed) for seed in done.loc[alike, "seed"]]


def _say_alike(plan: PlanRecord, planned: Sequence[PlannedRun], table: pd.DataFrame) -> None:
    arms = {(p.study, p.arm): p.settings.trainer for p in planned if isinstance(p.settings, OwnSettings)}
    for (study, arm), name in arms.items():
        mine = table[(table["study"] == study) & (table["arm"] == arm)]
        if seeds := equal_seeds(mine, plan.trainers[name]):
            say(
                f"ablate: warning: {study}, {arm}: seeds {', '.join(map(str, seeds))} have equal scores; see that "
                f"the script uses its seed, or say trainers.{name}.deterministic: true if there is no chance in it",
                file=sys.stderr,
            )


def place(planned: PlannedRun) -> dict[str, Any]:
    """The columns that say where a row belongs."""
    return {key: getattr(planned, key) for key in PLACE}


def columns(plan: PlanRecord, planned: Sequence[PlannedRun]) -> list[str]:
    """What runs.csv has of each of ``planned``: status, epochs, its trainer's metrics, numbers of its health."""
    own = [p for p in planned if isinstance(p.settings, OwnSettings)]
    built_in = [*METRICS, *NUMBERS] if len(own) < len(planned) or not planned else METRICS[:2]
    return list(dict.fromkeys([*built_in, *(plan.metrics_of(own) if own else ())]))


def _faults(planned: list[PlannedRun], runs: Path) -> dict[str, tuple[str, str]]:
    """{run: (status, message)} of the runs that have no result of their own."""
    faults: dict[str, tuple[str, str]] = {}
    seen: dict[str, str] = {}
    times = Counter((entry.study, entry.run) for entry in planned)
    for entry in planned:
        run, folder = entry.run, runs / entry.run
        if times[entry.study, run] > 1:
            faults[run] = "duplicated", f"{run}: planned twice in the study {entry.study}; plan again"
        elif not (folder / "metrics.json").exists():
            faults[run] = "missing", f"{folder}/metrics.json: no such file; train the run, or say --partial"
        elif difference := _difference(entry, folder / "run.json"):
            faults[run] = "other settings", f"{folder}/run.json: {difference}; delete the folder and train the run"
        elif fault := _damage(folder):
            faults[run] = "damaged", fault
        else:  # equal numbers may be the truth; only a copy is of the same training
            first = seen.setdefault(manifest_of(folder, run).get("training", run), run)
            if first != run:
                for name in (first, run):
                    faults[name] = "duplicated", f"{folder}: a copy of {first}; delete both and train them"
    return faults


def _damage(folder: Path) -> str | None:
    """What of the run in ``folder`` is not as training wrote it."""
    try:
        for name in ("metrics.json", "history.csv", "predictions.csv", "filters.npy", "run.json"):
            of_run(folder, name)
    except UserError as error:
        return str(error)
    return None


def _difference(entry: PlannedRun, file: Path) -> str | None:
    """What the run in ``file`` has that is not as planned."""
    try:
        found = read_json(file)
    except UserError:
        return "damaged"
    if not isinstance(found, dict):
        return "no object with names and values"
    for key, planned in (("run", entry.run), ("seed", entry.seed)):
        if found.get(key) != planned:
            return f"{key} {found.get(key)!r}, planned {planned!r}"
    of = type(entry.settings)
    try:  # both with their defaults filled in
        ours = of.model_validate_json(json.dumps(found["settings"])).plain
    except (KeyError, ValueError) as error:
        return f"no settings of a run ({error})"
    theirs = entry.settings.plain
    return next(
        (f"{key} {ours.get(key)!r}, planned {theirs[key]!r}" for key in theirs if ours.get(key) != theirs[key]), None
    )


def _summary(table: pd.DataFrame, plan: PlanRecord, planned: Sequence[PlannedRun]) -> dict[str, Any]:
    """{study: {arm: mean of its main metric}} for `dvc metrics`, which compares numbers by their path."""
    tree: dict[str, Any] = {}
    main = {study: main_of(plan.metrics_of(p for p in planned if p.study == study)) for study in {*table["study"]}}
    for (study, arm), group in table.groupby(["study", "arm"], sort=False):
        mean = group.loc[group["status"].isin(ENDED), main[study]].mean()
        tree.setdefault(str(study), {})[str(arm)] = None if pd.isna(mean) else round(float(mean), 6)
    return tree
