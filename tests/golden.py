"""Losses of the first steps of tiny runs, by which a change of what a run computes is seen.

python tests/golden.py        # after raising `recipe` in params.yaml: write golden.json anew
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ablate.plan.params import load
from ablate.plan.runs import Run
from ablate.plan.settings import Settings
from ablate.train.job import train
from ablate.train.trainer import Trainer

FILE = Path(__file__).with_name("golden.json")
RUNS: dict[str, dict[str, Any]] = {
    "sgd, cosine": {"model": "cifar-resnet7", "augment": "resnet-vs-plain", "schedule": "cosine", "momentum": 0.9},
    "adam, dropout": {"model": "cnn2", "optimizer": "adam", "augment": "five-cnns", "lr": 1e-3},
}


def losses(name: str, pack: Path, folder: Path) -> list[float]:
    """The loss of each step of one of `RUNS`, two epochs of five steps, trained in ``folder``."""
    base = {"dataset": "cifar10", "optimizer": "sgd", "lr": 0.01, "epochs": 2, "batch_size": 20, "per_class": 10}
    run = Run(settings=Settings.model_validate(base | RUNS[name]), seed=0, recipe=1, variant="embedded")
    seen: list[float] = []
    step = Trainer.step

    def watched(self: Trainer) -> Any:
        loss = step(self)
        seen.append(float(loss))
        return loss

    before = Path.cwd()
    os.chdir(folder)
    Trainer.step = watched  # type: ignore[method-assign]
    try:
        train(run, pack=pack, out=folder / "golden", device="cpu")
    finally:
        Trainer.step = step  # type: ignore[method-assign]
        os.chdir(before)
    return seen


if __name__ == "__main__":
    from conftest import ROOT, made_packs

    params = load(ROOT / "params.yaml", {"scale": "demo"})
    with tempfile.TemporaryDirectory() as folder:
        pack = made_packs(params, Path(folder))["cifar10"]
        kept = {name: [round(loss, 5) for loss in losses(name, pack, Path(folder))] for name in RUNS}
    FILE.write_text(json.dumps({"recipe": params.recipe, "losses": kept}, indent=1) + "\n")
