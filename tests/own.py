"""Projects with a trainer of their own, and what their runs come to: what the tests of own trainers share."""

import json
from pathlib import Path
from typing import Any

from ablate.plan.params import load
from ablate.plan.runs import Planned, current_plan

# What a file of parameters must have, with nothing of the built-in trainer.
PARAMS = """
scale: mine
mirror: null
recipe: 1
seeds: [0, 1, 2]
compute: {device: cpu}
datasets: {}
defaults: {}
scales: {mine: {}}
"""
PAPER = """
title: Mine
authors: Nobody
reference: Nowhere
protocol: [{what: x, stated: y, where: z}]
reported: []
silent: []
deviations: []
"""
# Answers at once, as its settings and seed say; what else a trainer may do, each test writes itself.
SCRIPT = """
import json, os, sys
from pathlib import Path

depth, seed, out = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
found = {"seed": seed, "score": 0.1 * depth + 0.01 * seed, "loss": 1 / depth + 0.001 * seed}
(out / "metrics.json").write_text(json.dumps(found))
"""
TRAINER = """
trainers:
  tree:
    command: python train.py {depth} {seed} {out}
    schema: {depth: {type: integer, minimum: 1}}
    metrics: {score: {better: higher}, loss: {better: lower, unit: nats}}
"""
STUDIES = """
studies:
  mine:
    depth:
      settings: {trainer: tree}
      axes: {depth: [1, 2]}
"""


def write_project(
    folder: Path, trainer: str = TRAINER, studies: str = STUDIES, script: str = SCRIPT, paper: str = ""
) -> None:
    """params.yaml, papers/mine.yaml and train.py in ``folder``."""
    (folder / "papers").mkdir(exist_ok=True)
    (folder / "params.yaml").write_text(PARAMS + trainer + studies)
    (folder / "papers/mine.yaml").write_text(PAPER + paper)
    (folder / "train.py").write_text(script)


def planned() -> list[Planned]:
    """The runs of the project in the working directory."""
    return list(current_plan(load(Path("params.yaml"))).planned)


def words_to_train(entry: Planned) -> list[str]:
    """What its rule says: words behind `ablate`."""
    trainer = load(Path("params.yaml")).trainers[entry.run.settings.trainer]  # type: ignore[attr-defined]
    words = ["train", "--run", entry.run.to_json(), "--out", f"results/runs/{entry.run.id}"]
    return [*words, f"--trainer={trainer.to_json()}", "--device=cpu"]


def metrics(entry: Planned) -> Any:
    return json.loads(Path(f"results/runs/{entry.run.id}/metrics.json").read_text())
