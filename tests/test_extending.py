"""Each addition that docs/extending.md names, made as it says in one copy of the project, which then plans and runs.

Oracles: what is added shows up, in the plan, in results and in evidence; and the price of each addition, counted from
what was written, is the one that the page gives: files made new, lines added to others, and to how many of those.
"""

import hashlib
import io
import json
import re
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from conftest import ROOT, TINY, Workspace

PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
PRICE = re.compile(r"^\| (an? [^|]+?) \|.*\| (\d+), (\d+) in (\d+) \|$", re.MULTILINE)
PARAMS = "params.yaml"


class Addition(NamedTuple):
    """What a user writes: whole files, and lines of others behind the line that contains a text, in this order."""

    files: dict[str, str]
    lines: list[tuple[str, str, str]]  # file, text, and the lines that come after it


MODEL = '''"""A small network."""

from torch import nn


def small(*, classes: int, image_size: int, dropout: float | None) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.Flatten(), nn.Linear(2 * image_size**2, classes))
'''
LAYOUT = '''"""Class folders, train/<class>/<file> and val/<class>/<file>."""

from pathlib import Path

from ablate.data.containers import read
from ablate.data.layouts import Contents, Item


def contents(archive: Path) -> Contents:
    members = read(archive)
    parts = [(*name.split("/"), name) for name in sorted(members)]
    items = [Item(split, folder, name, file) for split, folder, file, name in parts]
    return Contents.of(archive, items, {i.class_name: i.class_name for i in items}, 0, members.read)
'''
TABLE = '''"""How many runs there are."""

from ablate.results.study import StudyResults
from ablate.results.table import Table


def numbers(results: StudyResults) -> Table:
    table = Table()
    for arm in results.arms:
        table.add(arm, {"arm": arm, "runs": int((results.runs["arm"] == arm).sum())}, {})
    return table
'''
FIGURE = '''"""A dot for each run."""

from ablate.figures.common import Drawn, panels
from ablate.results.study import StudyResults


def points(results: StudyResults) -> Drawn:
    figure, (axis,) = panels(1, 1, 3.0, 2.0)
    axis.plot(range(len(results.runs)), results.runs["val_top1"].astype(float), "o")
    return Drawn(figure, "A dot for each run.")
'''
PAPER = """title: Mine
authors: "nobody"
reference: "nowhere"
protocol:
  - {what: all of it, stated: "one epoch", where: here}
reported: []
silent: []
deviations: []
claims:
  - {id: one-epoch, quote: "one epoch", where: here, kind: behaviour, study: nets, behaviour: epochs-trained,
     arm: "0.5 / none", direction: greater, margin: 0, why: "Any is more than none."}
drawn:
  nets:
    title: Small networks
    tables: {table-mine: numbers}
    figures: {figure-mine: points}
"""
ADDITIONS = {
    "a model": Addition(
        {"src/ablate/models/small.py": MODEL},
        [
            ("src/ablate/models/registry.py", "REGISTRY: ", '    "small": "small:small",\n'),
            ("src/ablate/plan/fit_rules.py", "NETWORKS: ", '    "small": Network(False, False, 1),\n'),
        ],
    ),
    "an axis": Addition(
        {},
        [
            (
                "src/ablate/plan/settings.py",
                "    label_smoothing: ",
                "    gain: Positive = 1.0  # factor of the loss\n",
            ),
            ("src/ablate/train/trainer.py", "        loss = loss_of(", "        loss = loss * self.s.gain\n"),
        ],
    ),
    "an augmentation": Addition(
        {},
        [
            ("src/ablate/plan/settings.py", "AUGMENTS = (", '    "dim",\n'),
            (
                "src/ablate/train/augment.py",
                "apply_resnet_vs_plain = ",
                """

def draw_dim(n: int, size: int, generator: Generator) -> Tensor:
    return torch.rand(n, generator=generator)


def apply_dim(images: Tensor, light: Tensor) -> Tensor:
    return images * _per_image(light, images)
""",
            ),
        ],
    ),
    "a table": Addition(
        {"src/ablate/tables/numbers.py": TABLE},
        [("src/ablate/plan/kinds.py", "TABLES: ", '    "numbers": Kind("numbers:numbers", _none),\n')],
    ),
    "a figure": Addition(
        {"src/ablate/figures/points.py": FIGURE},
        [("src/ablate/plan/kinds.py", "FIGURES: ", '    "points": Kind("points:points", _none),\n')],
    ),
    "a behaviour to claim": Addition(
        {},
        [
            (
                "src/ablate/papers/claim.py",
                "BEHAVIOURS = {",
                '    "epochs-trained": Measure("number of epochs", "epochs", 1),\n',
            ),
            (
                "src/ablate/verdicts/behaviours.py",
                "MEASURES: ",
                '    "epochs-trained": lambda claim, row, curve, folder: float(len(curve)),\n',
            ),
        ],
    ),
    "a layout": Addition(
        {"src/ablate/data/class_folders.py": LAYOUT},
        [("src/ablate/plan/datasets.py", "LAYOUTS: ", '    "class-folders": (),\n')],
    ),
    "a data set": Addition(
        {},
        [
            (
                PARAMS,
                "datasets:",
                """  mine:
    layout: class-folders
    archive: mine.zip
    path: mine.zip
    image_size: 32
    n_classes: 2
    train_per_class: 4
    val_per_class: 2
""",
            )
        ],
    ),
    "an archive's digest": Addition({}, [(PARAMS, "    path: mine.zip", "    digests: {found: {sha256: DIGEST}}\n")]),
    "a paper": Addition(
        {"papers/mine.yaml": PAPER},
        [
            (
                PARAMS,
                "studies:",
                """  mine:  # a paper
    nets:
      settings: {dataset: mine, model: small, per_class: null}
      axes:
        gain: [1.0, 0.5]
        augment:
          - none
""",
            )
        ],
    ),
    "a level": Addition({}, [(PARAMS, "          - none", "          - dim\n")]),
    "a study": Addition(
        {},
        [
            (
                PARAMS,
                "  mine:  # a paper",
                """    others:
      settings: {model: small}
""",
            ),
            (
                "papers/mine.yaml",
                "drawn:",
                """  others:
    tables: {table-others: numbers}
""",
            ),
        ],
    ),
}


def archive(path: Path) -> str:
    """Write one of the layout `class-folders`; its SHA-256."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as out:
        for split, n in (("train", 4), ("val", 2)):
            for name in ("cats", "dogs"):
                for i in range(n):
                    jpeg = io.BytesIO()
                    Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(jpeg, "JPEG")
                    out.writestr(f"{split}/{name}/{split}-{i}.jpg", jpeg.getvalue())
    return hashlib.sha256(path.read_bytes()).hexdigest()


def add(folder: Path, addition: Addition) -> tuple[int, ...]:
    """Write it; its price: files made new, lines added to others (blank ones apart), and to how many of those."""
    for name, text in addition.files.items():
        assert not (folder / name).exists()
        (folder / name).write_text(text)
    lines, changed = 0, set()
    for name, behind, added in addition.lines:
        old = (folder / name).read_text().splitlines(keepends=True)
        (at,) = [i for i, line in enumerate(old) if line.startswith(behind)]
        (folder / name).write_text("".join([*old[: at + 1], added, *old[at + 1 :]]))
        lines += sum(bool(line.strip()) for line in added.splitlines())
        changed.add(name)
    return len(addition.files), lines, len(changed)


def test_the_page_has_a_price_for_each_addition() -> None:
    rows = re.findall(r"^\| (an? [^|]+?) \|", PAGE.partition("\n\n##")[0], re.MULTILINE)
    assert rows == [name for name, *_ in PRICE.findall(PAGE)]
    assert set(rows) == set(ADDITIONS)


@pytest.mark.slow
def test_each_addition_costs_what_the_page_says_and_shows_up(workspace: Workspace) -> None:
    w = workspace
    w.params.write_text(TINY[: TINY.index("  tinyimage10:")] + TINY[TINY.index("scales:") :])
    digest = archive(w.folder / "mine.zip")
    priced = {name: tuple(map(int, price)) for name, *price in PRICE.findall(PAGE)}
    paid = {name: add(w.folder, addition) for name, addition in ADDITIONS.items()}
    assert paid == priced
    w.edit("DIGEST", digest)

    results = w.folder / "results/tiny"
    files = ["table-mine.csv", "table-others.csv", "figure-mine.png"]
    jobs = w.jobs(*(f"results/tiny/mine/{file}" for file in files), "results/tiny/claims.json")
    assert jobs["train"] == 4 + 1 + 2  # of nets, of others, and the two of the paper that was there

    plan = json.loads((results / "plan.json").read_text())
    nets = [run["arm"] for run in plan["runs"] if (run["paper"], run["study"]) == ("mine", "nets")]
    assert nets == ["1.0 / none", "1.0 / dim", "0.5 / none", "0.5 / dim"]
    assert json.loads((w.folder / "data/official/mine/archive.json").read_text())["digest"] == "found"
    for file in files[:2]:
        assert (results / "mine" / file).read_text().splitlines()[0] == "arm,runs"
    assert Image.open(results / "mine/figure-mine.png").size > (100, 100)
    loss = {run["arm"]: last_loss(w, run["run"]) for run in plan["runs"] if run["study"] == "nets"}
    assert len(set(loss.values())) == 4, loss  # a level of the augmentation's and of the axis's is another training
    assert loss["1.0 / none"] == pytest.approx(2 * loss["0.5 / none"])  # of the first step, before which all is alike
    found = [c for c in json.loads((results / "claims.json").read_text())["claims"] if c["id"] == "one-epoch"]
    assert [claim["statement"] for claim in found] == ["With gain 0.5 / none the number of epochs is above 0 epochs"]
    # Of all runs that ended: the one that there is has not learnt, so that it is no value to test.
    assert [arm["of_all"] for claim in found for arm in claim["arms"].values()] == [1.0]


def last_loss(w: Workspace, run: str) -> float:
    """Of training, in the last epoch."""
    return float(pd.read_csv(w.folder / "results/runs" / run / "history.csv")["train_loss"].iloc[-1])
