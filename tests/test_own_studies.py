"""Studies on data of one's own, by the real commands: class folders of unequal classes, and files as MNIST has them.

Oracle: what Snakemake ran, by its own statistics, and the rows of the tables.
"""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from ablate.csv_text import read_lines
from ablate.files import read_json
from conftest import PAPER, Workspace
from own_data import COUNTS, folders, idx, manifests, picture, pixels

PARAMS = """
scale: tiny
mirror: null
recipe: 1
seeds: [0]
compute: {threads: null, device: cpu}
datasets:
  birds: {layout: folder, path: images, resize: 48}
  digits: {layout: idx, path: raw}
defaults: {dataset: birds, model: cnn4, optimizer: sgd, lr: 0.01, epochs: 1, batch_size: 6}
studies:
  mine:
    birds:
      axes: {lr: [0.01, 0.02]}
    digits:
      settings: {dataset: digits, model: cifar-plain7}
scales: {tiny: {}}
"""
DRAWN = """drawn:
  birds:
    tables: {table-birds: accuracy}
    figures: {figure-birds: curves, figure-classes: "per-label:best", figure-pairs: confusion}
  digits:
    tables: {table-digits: accuracy}
    figures: {figure-digits: dots}
"""


def reasons(w: Workspace) -> dict[str, set[str | None]]:
    """{data set: why its runs would be trained}."""
    found: dict[str, set[str | None]] = {}
    for run in json.loads(w.do("ablate plan --json 2> /dev/null")):
        found.setdefault(run["settings"]["dataset"], set()).add(run["why"])
    return found


@pytest.mark.slow
def test_own_images_and_own_digits_are_trained_on_and_an_overwritten_image_makes_its_runs_due(
    workspace: Workspace,
) -> None:
    w = workspace
    for file in w.folder.glob("papers/*.yaml"):
        file.unlink()
    w.params.write_text(PARAMS)
    (w.folder / "papers/mine.yaml").write_text(PAPER + DRAWN)
    folders(w.folder / "images", size=52)
    (w.folder / "raw").mkdir()
    rng = np.random.default_rng(0)
    for part, n in (("train", 40), ("t10k", 20)):
        labels = (np.arange(n) % 7 % 4).astype(np.uint8)
        (w.folder / f"raw/{part}-images-idx3-ubyte.gz").write_bytes(
            gzip.compress(idx(rng.integers(0, 256, (n, 28, 28), np.uint8)))
        )
        (w.folder / f"raw/{part}-labels-idx1-ubyte").write_bytes(idx(labels))

    assert w.jobs("all")["train"] == 3
    table = w.folder / "results/tiny/mine"
    header, rows = read_lines(table / "table-birds.csv")
    assert len(rows) == 2 and all(row[header.index("val images")] == "6" for row in rows)
    assert len(read_lines(table / "table-digits.csv")[1]) == 1
    run = next(p for p in w.folder.glob("results/runs/*/metrics.json") if "birds" in str(p))
    metrics = read_json(run)
    assert (metrics["n_train"], metrics["n_val"], metrics["val_chance"]) == (13, 6, 0.5)
    caption = read_json(table / "table-birds.caption.json")["facts"]
    assert caption["chance"] == "50 % (3 classes)" and caption["images"] == "13 training, 6 validation"
    facts = read_json(w.folder / "results/tiny/data/birds.json")
    assert facts["class_counts"] == {name: list(n) for name, n in COUNTS.items()} and facts["image_size"] == 48
    assert read_json(w.folder / "results/tiny/data/digits.json")["grayscale"] == {"train": 40, "val": 20}
    assert reasons(w) == {"birds": {None}, "digits": {None}}

    (w.folder / "images/train/ant/a 0.png").write_bytes(picture(pixels(999, 52)))
    assert reasons(w) == {"birds": {"own copy changed"}, "digits": {None}}
    before = manifests(w)
    w.jobs("all")
    after = manifests(w)
    assert [len({*after[data]} - {*before[data]}) for data in ("birds", "digits")] == [2, 0]
    assert reasons(w) == {"birds": {None}, "digits": {None}}

    (w.folder / "images/train/ant/a 0.png").write_bytes(b"no picture")
    done = w.snakemake("all")
    assert done.returncode and "train/ant/a 0.png is no picture that Pillow reads" in done.stderr + done.stdout
    (w.folder / "images/train/ant/a 0.png").write_bytes(picture(pixels(999, 52)))
    w.jobs("all")
    assert manifests(w) == after  # mended, as it was

    assert "3 classes, 13 train and 6 val images of 48 pixels" in w.do("ablate data --pin")
    assert w.params.read_text() == PARAMS and reasons(w)["birds"] == {None} and w.jobs("-n", "all") == {}
    (w.folder / "images/train/ant/a 1.png").unlink()
    done = w.run("ablate", "plan")
    said = done.stderr.splitlines()[-1].removeprefix("ablate: error: ")
    assert done.returncode == 2 and said == (
        "params.yaml: datasets.birds.path: images is not as datasets.lock.json pins it: it has 6 train images in "
        "class ant, and not 7; restore it, or pin it again: ablate data --pin"
    )
    assert said in w.snakemake("-n", "all").stdout
    w.do("ablate data --pin")  # a decision, after which its runs are due
    assert reasons(w) == {"birds": {"own copy changed"}, "digits": {None}}
    Path(w.folder / "images").rename(w.folder / "elsewhere")
    assert reasons(w)["digits"] == {None}  # what is gone is not another
