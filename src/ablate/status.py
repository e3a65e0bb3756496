"""What every planned run is doing: from its results, its lock, its heartbeat, its checkpoints and its log."""

from pathlib import Path
from typing import Any

from ablate.checkpoint import CHECKPOINTS, Claim
from ablate.errors import UserError
from ablate.files import read_json
from ablate.plan import PRETRAINED, RUNS, Plan
from ablate.progress import HEARTBEAT_FOLDER, read_heartbeats
from ablate.seals import of_run

LOGS = Path("logs")


def statuses(plan: Plan) -> list[dict[str, Any]]:
    """A record per run of the plan, pretraining first: ``run``, ``state`` and what is known of it.

    States: ``planned``; ``running`` (a process on this file system holds its lock); ``interrupted`` (a checkpoint
    waits); ``failed`` (its log ends with an error); ``damaged`` (its result is not as training wrote it); or how it
    ended: ``done``, ``plateau``, ``diverged``, ``out-of-memory``.
    """
    beats = {beat["run"]: beat for beat in read_heartbeats(HEARTBEAT_FOLDER)}
    return [
        _status(run, folder, kind, beats.get(run))
        for runs, folder, kind in ((plan.pretraining, PRETRAINED, "pretrain"), (plan.runs, RUNS, "train"))
        for run in runs
    ]


def _status(run: str, folder: Path, kind: str, beat: dict[str, Any] | None) -> dict[str, Any]:
    found: dict[str, Any] = {"run": run}
    metrics = folder / run / "metrics.json"
    if metrics.exists():
        try:
            result = read_json(of_run(folder / run, "metrics.json"))
            found |= {"state": result["status"], "epoch": result["epochs"], "val_top1": result.get("val_top1")}
        except UserError as damage:
            found |= {"state": "damaged", "error": str(damage)}
    elif Claim(run).held:
        found["state"] = "running"
        if beat:
            found |= {"epoch": beat["done"], "epochs": beat["epochs"], "val_top1": beat["metrics"].get("val_top1")}
            found |= {"images_per_s": beat["images_per_s"], "eta_s": beat["eta_s"]}
    elif error := _error(LOGS / kind / f"{run}.log"):
        found |= {"state": "failed", "error": error}
    else:
        found["state"] = "interrupted" if any((CHECKPOINTS / run).glob("*.pt")) else "planned"
    return found


def _error(log: Path) -> str | None:
    """The message with which a job ended badly."""
    if not log.exists():
        return None
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    if any(line.startswith("Traceback") for line in lines[-40:]):
        return lines[-1]
    return next((line for line in lines[-5:] if line.startswith("ablate: error")), None)
