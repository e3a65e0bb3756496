"""What every planned run is doing: from its results, its lock, its heartbeat, its checkpoints and its log."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablate.errors import UserError
from ablate.files import read_json
from ablate.plan.health import Health, words
from ablate.plan.metrics import BUILT_IN, column, main_of
from ablate.plan.run_records import RunRecords
from ablate.plan.runs import PRETRAINED, RUNS, OwnRun, Plan, Run
from ablate.plan.trainers import Trainer
from ablate.runtime.checkpoint import CHECKPOINTS
from ablate.runtime.progress import HEARTBEAT_FOLDER, read_heartbeats
from ablate.runtime.run_lock import RunLock
from ablate.seals import of_run
from ablate.stored import Metrics, shaped

LOGS = Path("logs")
END = 2**16  # bytes of a log that are looked at


def statuses(
    plan: Plan, limits: Health | None = None, trainers: Mapping[str, Trainer] | None = None
) -> list[dict[str, Any]]:
    """A record per run of the plan, pretraining first: ``run``, its ``name``, ``state`` and what is known of it.

    States: ``planned``; ``running`` (a process on this file system holds its lock or, where that has no locks, or
    none that reach here from its host, has lately given a sign of life); ``interrupted`` (a checkpoint waits);
    ``failed`` (its log ends with an error); ``damaged`` (its result is not as training wrote it); or how it ended:
    ``done``, ``plateau``, ``diverged``, ``out-of-memory``. What ended has its ``health``, the words for it at the
    thresholds ``limits``, and, where its folder is not there, the file of its ``record``. ``val_top1`` is its
    validation accuracy; a run of one of the ``trainers`` has its main metric instead, by its name.
    """
    records = RunRecords(plan)
    beats = {beat["run"]: beat for beat in read_heartbeats(HEARTBEAT_FOLDER)}
    return [
        {"run": run, "name": plan.named(run)}
        | _status(run, folder, kind, beats.get(run), limits or Health(), records, _main(record, trainers or {}))
        for runs, folder, kind in ((plan.pretraining, PRETRAINED, "pretrain"), (plan.runs, RUNS, "train"))
        for run, record in runs.items()
    ]


def _main(run: Run, trainers: Mapping[str, Trainer]) -> str:
    """The name of the metric that is told of it."""
    own = trainers.get(run.settings.trainer) if isinstance(run, OwnRun) else None
    return main_of(own.metrics if own else BUILT_IN)


def _status(
    run: str, folder: Path, kind: str, beat: dict[str, Any] | None, limits: Health, records: RunRecords, main: str
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    metrics = folder / run / "metrics.json"
    if os.path.lexists(metrics):
        try:
            result = shaped(read_json(of_run(folder / run, "metrics.json")), Metrics, metrics)
        except UserError as error:
            return found | {"state": "damaged", "error": str(error)}
        found |= _ended(result, limits, main)
    elif (held := RunLock(run).held) or (beat and (held is None or beat.get("host") not in (None, platform.node()))):
        found["state"] = "running"
        if beat:
            found |= {"host": beat.get("host"), "started": beat.get("started")}
            found |= {"epoch": beat["done"], "epochs": beat["epochs"], main: beat["metrics"].get(main)}
            found |= {"images_per_s": beat["images_per_s"], "eta_s": beat["eta_s"]}
    elif kept := records.runs.get(run):
        found |= _ended(kept.ended, limits, main) | {"record": str(kept.file)}
    elif said := log_error(LOGS / kind / f"{run}.log"):
        found |= {"state": "failed", "error": said}
    else:
        begun = CHECKPOINTS / run
        waits = any(begun.glob("*.pt")) or any(begun.glob("resume/*"))
        found["state"] = "interrupted" if waits else "planned"
    return found


def _ended(result: Metrics, limits: Health, main: str) -> dict[str, Any]:
    every = result.model_dump()
    return {"state": result.status, "epoch": result.epochs, main: every.get(main), "health": words(every, limits)}


def told(found: Mapping[str, Any], run: Run | None, trainers: Mapping[str, Trainer]) -> str:
    """The main metric in what `statuses` found of a run, as shown; of an own trainer with its name."""
    own = trainers.get(run.settings.trainer) if isinstance(run, OwnRun) else None
    metrics = own.metrics if own else BUILT_IN
    name = main_of(metrics)
    if found.get(name) is None:
        return ""
    shown = f"{metrics[name].factor * found[name]:.{metrics[name].places}f}"
    return f"{column(name, metrics[name])} {shown}" if own else shown


def log_error(log: Path) -> str | None:
    """The message with which a job ended badly."""
    if not log.is_file():
        return None
    with log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - END))
        text = file.read().decode(errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    if any(line.startswith("Traceback") for line in lines[-40:]):
        return lines[-1]
    return next((line for line in lines[-5:] if line.startswith("ablate: error")), None)
