"""From an empty folder to findings, by the commands that are printed and the few lines that are a study's own."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT, programs
from test_package import done

pytestmark = pytest.mark.slow

SCRIPT = '''"""A decision tree on the digits of scikit-learn."""

import argparse
import json
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int)
parser.add_argument("--seed", type=int)
parser.add_argument("--out", type=Path)
args = parser.parse_args()

images, labels = load_digits(return_X_y=True)
parts = train_test_split(images, labels, test_size=0.3, random_state=args.seed, stratify=labels)
train_images, val_images, train_labels, val_labels = parts

model = DecisionTreeClassifier(max_depth=args.depth, random_state=args.seed)
model.fit(train_images, train_labels)
answers = model.predict(val_images)
metrics = {
    "f1": f1_score(val_labels, answers, average="macro"),
    "accuracy": float((answers == val_labels).mean()),
}
(args.out / "metrics.json").write_text(json.dumps(metrics))
'''
# Instead of the line of params.yaml that begins as each of these does.
TREES = {
    "    metrics:": "    metrics: {f1: {better: higher, range: [0, 1]}, accuracy: {better: higher, percent: true}}",
    "      axes:": "      axes: {depth: [2, 8, 12]}",
}
HYPOTHESES = """title: What depth is worth
claims:
  - {id: deeper, kind: order, study: depth, metric: f1, arms: ["8", "2"], margin: 0.1}
  - {id: deepest, kind: effect, study: depth, metric: f1, axis: depth, level: "12", reference: "8",
     direction: greater, margin: 0.1}
"""

NETWORK = """from torch import nn


class Net(nn.Module):
    def __init__(self, n_classes, width=16):
        super().__init__()
        layers = []
        for channels in (3, width):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(4)]
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(width, n_classes)

    def forward(self, images):
        return self.head(self.body(images))
"""
WIDTHS = {
    "    shortcuts:": "    width:",
    "      settings:": "      settings: {model: my_models.py:Net, lr: 0.1, momentum: 0.9, epochs: 6, batch_size: 16}",
    "      axes:": "      axes: {width: [2, 16]}",
}
WIDER = """claims:
  - {id: wider, kind: order, study: width, metric: val_top1, arms: ["16", "2"], margin: 0.02, needs: {learnt: none}}
"""
BIRDS = {"finch": (60, (200, 40, 40)), "gull": (40, (220, 220, 230)), "owl": (25, (120, 90, 40))}  # images, colour


def birds(folder: Path) -> None:
    """Squares of a colour on noise, 48 pixels, in three classes of unlike sizes."""
    drawn = np.random.default_rng(0)
    for name, (n, colour) in BIRDS.items():
        (folder / name).mkdir(parents=True)
        for i in range(n):
            pixels = drawn.integers(0, 255, (48, 48, 3))
            top, left = drawn.integers(0, 24, 2)
            pixels[top : top + 24, left : left + 24] = colour
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{i}.png")


class Study:
    """An empty folder, and a shell in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            "PATH": f"{programs()}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
            "ABLATE_PROGRESS": "plain",
        }

    def say(self, command: str) -> str:
        return done(self.folder, "bash", "-ec", command, **self.env)

    def write(self, lines: dict[str, str], file: str = "params.yaml") -> None:
        """Put ``lines`` in the place of those that begin as their keys do."""
        path = self.folder / file
        text = path.read_text().splitlines()
        for start, line in lines.items():
            (at,) = [n for n, there in enumerate(text) if there.startswith(start)]
            text[at] = line
        path.write_text("\n".join(text) + "\n")

    def found(self) -> dict[str, tuple[str, str]]:
        claims = json.loads((self.folder / "results/full/claims.json").read_text())["claims"]
        return {claim["id"]: (claim["finding"], claim["verdict"]) for claim in claims}


def test_a_script_of_scikit_learn_with_f1_and_two_hypotheses(tmp_path: Path) -> None:
    """Oracle: scikit-learn's own F1, of the script called by hand; that a tree of depth 2 cannot tell ten digits."""
    study = Study(tmp_path)
    assert len(SCRIPT.splitlines()) <= 30 and len(TREES) + len(HYPOTHESES.splitlines()) <= 10
    (tmp_path / "train.py").write_text(SCRIPT)
    assert "ablate check; snakemake --cores 8 all" in study.say("ablate init --script train.py")
    study.write(TREES)
    (tmp_path / "papers/mine.yaml").write_text(HYPOTHESES)
    study.say("ablate check")
    assert "made: 9 runs trained" in study.say("snakemake --cores 8 all")
    findings = study.found()
    assert "holds here" in findings["deeper"] and "holds here" not in findings["deepest"]

    study.say("mkdir by-hand; python train.py --depth 8 --seed 1 --out by-hand")
    (run,) = [
        json.loads(path.read_text())
        for path in tmp_path.glob("results/runs/*_s1/metrics.json")
        if json.loads(path.with_name("run.json").read_text())["settings"]["values"]["depth"] == 8
    ]
    by_hand = json.loads((tmp_path / "by-hand/metrics.json").read_text())
    assert {key: run[key] for key in by_hand} == by_hand
    assert "0.8" in (tmp_path / "results/full/mine/table-depth.md").read_text()
    study.say("ablate records pack")
    assert "nothing wrong found" in study.say("ablate verify")


def test_unequal_classes_of_images_with_a_network_of_ones_own_and_its_width(tmp_path: Path) -> None:
    """Oracles: the images that were written, of which a fifth is held out; the largest class's share of those."""
    study = Study(tmp_path)
    birds(tmp_path / "birds")
    (tmp_path / "my_models.py").write_text(NETWORK)
    assert len(NETWORK.splitlines()) <= 15 and len(WIDTHS) + len(WIDER.splitlines()) <= 10
    assert "ablate plan; snakemake --cores 8 all" in study.say("ablate init --data birds")
    study.write(WIDTHS)
    (tmp_path / "papers/mine.yaml").write_text(WIDER)
    assert "6 planned, 6 to train once each, 0 of them done" in study.say("ablate plan")
    assert "made: 6 runs trained" in study.say("snakemake --cores 8 all")
    described = json.loads((tmp_path / "results/full/data/birds.json").read_text())
    assert described["classes"] == sorted(BIRDS)
    assert {name: sum(counts) for name, counts in described["class_counts"].items()} == {
        name: n for name, (n, _) in BIRDS.items()
    }
    runs = [json.loads(path.read_text()) for path in tmp_path.glob("results/runs/*/metrics.json")]
    held = {name: round(0.2 * n) for name, (n, _) in BIRDS.items()}
    chance = max(held.values()) / sum(held.values())
    assert {(run["n_train"], run["n_val"], run["val_chance"]) for run in runs} == {(100, 25, chance)}
    assert max(run["best_val_top1"] for run in runs) > chance
    assert study.found().keys() == {"wider"}
    study.say("ablate data --pin; ablate records pack")
    assert "nothing wrong found" in study.say("ablate verify")
