"""A fabricated paper written to disk as training would leave it, and judged from there: collect, then the board."""

import json
from pathlib import Path
from typing import Any

from calibrating.board import NAME, Board
from calibrating.runs import Results, answers

from ablate.papers.paper import read
from ablate.plan.record import PlannedRun, PlanRecord
from ablate.results.collect import collect
from ablate.seals import sealed, sha256_of
from ablate.verdicts.assess import Judged, assess


def judged_from(folder: Path, board: Board, plan: PlanRecord, results: Results) -> list[Judged]:
    """What the board says of it; ``folder`` is empty."""
    scale, runs = folder / "results" / plan.scale, folder / "runs"
    scale.mkdir(parents=True)
    (scale / "plan.json").write_text(json.dumps(plan.plain))
    (folder / f"{NAME}.yaml").write_text(json.dumps(board.raw))  # JSON is YAML
    for entry, metrics in zip(plan.runs, results.metrics, strict=True):
        if metrics:
            _write(runs / entry.run, entry, metrics, results)
    collect(scale / "plan.json", runs, NAME, scale / NAME, partial=True)
    return assess(plan, {NAME: read(folder / f"{NAME}.yaml")}, scale, runs)


def _write(folder: Path, entry: PlannedRun, metrics: dict[str, Any], results: Results) -> None:
    folder.mkdir(parents=True)
    settings = entry.settings.model_dump(mode="json", exclude_defaults=True)
    said = answers(results.right[entry.run]) if entry.run in results.right else None
    lines = [] if said is None else [f"val,{i},{a},{b},0.9" for i, (a, b) in enumerate(zip(*said, strict=True))]
    files = {
        "metrics.json": json.dumps(metrics),
        "history.csv": "epoch,train_top1,val_top1\n1,0.1,0.1\n",
        "run.json": json.dumps({"run": entry.run, "seed": entry.seed, "settings": settings}),
        "predictions.csv": "\n".join(["split,position,label,predicted,probability", *lines, ""]),
        "filters.npy": "",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    manifest = {
        "key": {"run": entry.run}, "git": {"commit": None, "dirty": None}, "device": "cpu", "threads": 1,
        "data": {"archive": {"digest": "official"}, "pack": "0" * 64}, "wall_s": 1.0, "training": f"of {entry.run}",
        "command": ["ablate", "train"], "files": {name: sha256_of(folder / name) for name in files},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(sealed(manifest)))
