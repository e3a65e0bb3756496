"""Fabricated studies for figures, and what stands written in a figure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ablate.data.views import Pack
from ablate.figures.common import RunFiles
from ablate.figures.registry import caption_of, draw
from ablate.plan.names import arm_name
from ablate.plan.record import PlannedRun
from ablate.results.captions import Caption
from ablate.results.study import StudyResults
from fabricated import vouch

SEEDS = (0, 1)
COUNTS = {"n_train": 4000, "n_val": 500, "n_test": 500}  # images


@dataclass
class Fabricated:
    """A study's results and the files of its runs."""

    results: StudyResults
    places: RunFiles

    def draw(self, kind: str) -> Any:
        return draw(self.results, kind, self.places).figure

    def caption(self, kind: str) -> Caption:
        return caption_of(self.results, kind, draw(self.results, kind, self.places), Path("p/figure-1.svg"))


def study(
    axes: dict[str, Sequence[str]], settings: dict[str, dict[str, Any]] | None = None, **common: Any
) -> list[PlannedRun]:
    """Planned runs of the product of ``axes``; ``settings`` are those of single levels."""
    base = {"dataset": "tiny-imagenet", "model": "alexnet10", "classes": [0, 10], "split": "holdout",
            "optimizer": "sgd", "lr": 0.01, "epochs": 3, "batch_size": 32} | common  # fmt: skip
    planned = []
    for levels, seed in product(product(*axes.values()), SEEDS):
        named = dict(zip(axes, levels, strict=True))
        own = {k: v for level in levels for k, v in (settings or {}).get(level, {}).items()}
        arm = arm_name(levels)
        entry = {"run": f"{'-'.join(levels)}_s{seed}".replace(" ", ""), "paper": "p", "study": "s", "arm": arm,
                 "seed": seed, "levels": named, "settings": base | own, "contaminated": "pretrained" in levels,
                 "facts": {}, "deviations": {}, "n_classes": 10, "image_size": 64, "trainable": 500}  # fmt: skip
        planned.append(PlannedRun.model_validate_json(json.dumps(entry)))
    return planned


def fabricate(
    planned: list[PlannedRun], tmp_path: Path, packs: dict[str, Path], lost: dict[str, str] | None = None
) -> Fabricated:
    """Runs of 3 epochs, each arm a little better than the one before; ``lost`` maps an arm to the status of all its
    runs, of which there are no epochs.
    """
    lost, runs, history = lost or {}, [], []
    arms = list(dict.fromkeys(p.arm for p in planned))
    opened = Pack.open(packs["tiny-imagenet"])
    for p in planned:
        top = 0.2 + 0.05 * arms.index(p.arm) + 0.02 * p.seed
        place = {"study": "s", "arm": p.arm, "seed": p.seed, "run": p.run}
        if p.arm in lost:
            none = dict.fromkeys(("train_top1", "val_top1", "test_top1", "best_val_top1", "epochs", *COUNTS))
            runs.append(place | {"status": lost[p.arm], "data": "", "health": ""} | none)
            continue
        found = {"train_top1": top + 0.1, "val_top1": top, "best_val_top1": top, "test_top1": float("nan")}
        runs.append(
            place | {"status": "done", "data": "embedded", "epochs": 3, "wall_s": 60.0, "health": ""} | found | COUNTS
        )
        for epoch in (1, 2, 3):
            share = epoch / 3
            history.append(place | {"epoch": epoch, "train_top1": top * share, "val_top1": top * share,
                                    "train_loss": 2 - share, "val_loss": 2.1 - share})  # fmt: skip
        folder = tmp_path / "runs" / p.run
        folder.mkdir(parents=True)
        np.save(folder / "filters.npy", np.random.default_rng(0).normal(size=(10, 3, 5, 5)).astype(np.float32))
        test = np.flatnonzero(opened.labels[: opened.meta["train"]] < 10)[:40]
        rows = {"split": "test", "position": test, "label": opened.labels[test], "predicted": opened.labels[test]}
        pd.DataFrame(rows | {"probability": 0.5}).to_csv(folder / "predictions.csv", index=False)
        vouch(folder)
    described = tmp_path / "data/tiny-imagenet.json"  # of which class names are read here
    described.parent.mkdir(exist_ok=True)
    described.write_text(packs["tiny-imagenet"].read_text())
    columns = ["study", "arm", "seed", "run", "epoch", "train_top1", "val_top1", "train_loss", "val_loss"]
    results = StudyResults(
        paper="p",
        study="s",
        title="A study",
        scale="demo",
        axes=list(planned[0].levels),
        planned=planned,
        runs=pd.DataFrame(runs),
        history=pd.DataFrame(history, columns=columns),
        reported={},
        called="demo (embedded data: no evidence)",
        data_folder=described.parent,
    )
    return Fabricated(results, RunFiles(tmp_path / "runs", packs))


GRID = {"lr": ["0.001", "0.005", "0.0001"], "momentum": ["0.9", "0.5"], "gamma": ["0.1", "0.01"]}
RATES = {level: {"lr": float(level)} for level in GRID["lr"]}


def texts(figure: Any) -> list[str]:
    """All that is written in a figure, less empty texts."""
    return [t.get_text() for t in figure.findobj(plt.Text) if t.get_text()]


def legend(figure: Any) -> list[str]:
    return [t.get_text() for t in figure.legends[0].get_texts()]
