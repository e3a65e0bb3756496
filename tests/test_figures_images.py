"""Figures made of images. Oracle: what the runs were made to say, and the pack's pixels."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_hex

from ablate.data.views import Pack
from ablate.figures.filters import UNKNOWN, first_filters, scaled
from ablate.figures.images import RIGHT, WRONG, mosaic
from drawn import SEEDS, fabricate, study, texts
from fabricated import vouch

pytestmark = pytest.mark.usefixtures("no_figures_left")


def test_predictions_are_green_when_right_and_red_when_wrong(tmp_path: Path, packs: dict[str, Path]) -> None:
    made = fabricate(study({"momentum": ["0.9", "0.5"]}, classes=[3, 7]), tmp_path, packs)
    opened = Pack.open(packs["tiny-imagenet"])
    names = [words.split(",")[0] for words in opened.meta["words"]]
    rows = [("test", int(np.flatnonzero(opened.labels == 3 + i % 4)[i // 4]), i % 4, i % 4 if i < 5 else (i + 1) % 4)
            for i in range(8)]  # fmt: skip
    path = tmp_path / "runs/0.5_s0/predictions.csv"
    pd.DataFrame(rows, columns=["split", "position", "label", "predicted"]).to_csv(path, index=False)
    vouch(path.parent)
    seen = []
    for batch in "01":
        for axis in made.draw(f"predictions:{batch}").axes:
            pixels = axis.images[0].get_array()
            position, label, predicted = next(r[1:] for r in rows if np.array_equal(opened.images[r[1]], pixels))
            sign, colour = ("✓", RIGHT) if label == predicted else ("✗", WRONG)
            said = tuple(" ".join(text.split()) for text in (axis.get_title(), axis.get_xlabel()))
            assert said == (f"{sign} predicted: {names[3 + predicted]}", f"true: {names[3 + label]}")
            assert to_hex(axis.title.get_color()) == to_hex(axis.xaxis.label.get_color()) == to_hex(colour)
            seen.append(position)
    assert sorted(seen) == sorted(r[1] for r in rows)  # two batches, no image twice


def test_predictions_are_of_the_arm_that_is_asked_for(tmp_path: Path, packs: dict[str, Path]) -> None:
    made = fabricate(study({"momentum": ["0.9", "0.5"]}), tmp_path, packs)
    for kind, said in (("predictions:0", "arm momentum 0.5, the best on validation images, answers"),
                       ("predictions:0@best", "arm momentum 0.5, the best on validation images, answers"),
                       ("predictions:0@0.9", "arm momentum 0.9 answers")):  # fmt: skip
        figure = made.draw(kind)
        caption = made.caption(kind)
        assert said in caption.what and caption.what.endswith("seed 0.") and caption.facts["split"].startswith("test")
        assert all(axis.get_title().endswith("(50%)") for axis in figure.axes)  # as every fabricated answer
    for seed in SEEDS:
        (tmp_path / f"runs/0.9_s{seed}/predictions.csv").unlink()
    assert texts(made.draw("predictions:0@0.9")).count("no run trained\nto the end") == 4


def test_samples_take_a_number_of_images_and_say_which_classes_no_run_has(
    tmp_path: Path, packs: dict[str, Path]
) -> None:
    """The runs have the first ten of the pack's twenty classes."""
    made = fabricate(study({"momentum": ["0.9", "0.5"]}), tmp_path, packs)
    words = [text.split(",")[0] for text in json.loads(packs["tiny-imagenet"].read_text())["words"]]
    figure = made.draw(f"samples:{words[1]}+{words[15]}:3")
    titles = [axis.get_title(loc="left").replace("\n", " ") for axis in figure.axes]
    absent = "(not among the 10 classes of the runs at the scale demo)"
    assert titles == [words[1], f"{words[15]} {absent}"]
    assert [axis.images[0].get_array().shape for axis in figure.axes] == [(64, 3 * 66 - 2, 3)] * 2
    four = made.draw(f"samples:{'+'.join(words[:4])}:4")  # a sheet: two panels of four images side by side
    assert [axis.get_subplotspec().rowspan.start for axis in four.axes] == [0, 0, 1, 1]
    for kind in (f"samples:{words[1]}", "augmented:flip"):
        assert made.caption(kind).facts == {"data": "tiny-imagenet (generated images)", "split": "training"}


def test_samples_are_found_by_any_of_their_names(tmp_path: Path, packs: dict[str, Path]) -> None:
    made = fabricate(study({"momentum": ["0.9", "0.5"]}, per_class=2), tmp_path, packs)
    meta = json.loads(packs["tiny-imagenet"].read_text())
    last = meta["words"][1].split(",")[-1].strip()
    figure = made.draw(f"samples:{last.upper()}+no such thing")
    first = meta["words"][0].split(",")[0]
    assert [axis.get_title(loc="left") for axis in figure.axes] == [
        last.upper(), f"no no such thing in this data; instead: {first}"
    ]  # fmt: skip
    opened = Pack.open(packs["tiny-imagenet"])
    corner = figure.axes[0].images[0].get_array()[:64, :64]
    assert np.array_equal(corner, opened.images[np.flatnonzero(opened.labels == 1)[0]])
    grid = made.draw("samples")  # the ten classes that the study trains on, two images of each
    assert len([axis for axis in grid.axes if axis.images]) == 10


def test_augmented_images_stand_beside_their_originals(tmp_path: Path, packs: dict[str, Path]) -> None:
    made = fabricate(study({"momentum": ["0.9"]}), tmp_path, packs)
    same, flipped = (made.draw(f"augmented:{level}").axes[0].images[0].get_array() for level in ("none", "flip"))
    tiles = [
        [p[66 * r : 66 * r + 64, 66 * c : 66 * c + 64] for r in range(3) for c in range(8)] for p in (same, flipped)
    ]
    for n, (plain, other) in enumerate(zip(*tiles, strict=True)):
        assert np.array_equal(plain, tiles[0][n // 8 * 8])
        assert np.array_equal(plain, other) or np.array_equal(plain[:, ::-1], other)
    assert not np.array_equal(same, flipped)


def test_what_an_arm_without_filters_says_widens_no_gap(tmp_path: Path, packs: dict[str, Path]) -> None:
    """Oracle: the room between the three panels of the arm that has some, which is the same on both sides."""
    long = "an arm with a long name of which nothing is left to show"
    made = fabricate(study({"weights": ["a", long]}), tmp_path, packs)
    for planned in made.results.planned:
        if planned.arm == long:
            (tmp_path / "runs" / planned.run / "filters.npy").unlink()
    figure = made.draw("filters")
    figure.draw_without_rendering()
    first, second, third = (axis.get_position() for axis in figure.axes[:3])
    assert second.x0 - first.x1 == pytest.approx(third.x0 - second.x1, abs=0.005)


def test_filters_have_a_row_per_arm_before_after_and_difference(tmp_path: Path, packs: dict[str, Path]) -> None:
    made = fabricate(study({"weights": ["a", "b", "c", "d"]}), tmp_path, packs)
    (tmp_path / "runs/b_s0/filters.npy").unlink()  # its second seed has some
    for seed in SEEDS:
        (tmp_path / f"runs/c_s{seed}/filters.npy").unlink()
    figure = made.draw("filters")
    rows = [figure.axes[3 * n : 3 * n + 3] for n in range(4)]
    assert [axis.get_title() for axis in rows[0]] == ["before training", "after the last epoch", "difference"]
    assert [row[0].get_ylabel() for row in rows] == ["a\nseed 0", "b\nseed 1", "", "d\nseed 0"]
    assert "c: no filters" in texts(figure) and texts(figure).count(UNKNOWN) == 3  # 5 x 5 is no alexnet10's
    picture = rows[0][1].images[0].get_array()
    assert picture.shape == (3 * 6 - 1, 4 * 6 - 1, 3)  # 10 filters of 5 x 5 in a grid of 4 columns
    weights = np.load(tmp_path / "runs/a_s0/filters.npy")
    colours = scaled(weights, weights.min(), weights.max())
    assert colours.min() == 0 and colours.max() == 255 and np.array_equal(picture[:5, 6:11], colours[1])
    assert mosaic(colours[:1], 8).shape[1] == 8 * 7 - 2
    assert scaled(np.zeros((2, 3, 1, 1)), 0, 0).max() == 128  # grey


def test_filters_before_training_are_those_that_training_starts_from(
    tmp_path: Path, packs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: `Trainer`'s own network before its first step, and filters of the run whose weights another takes."""
    from ablate.plan.runs import Run
    from ablate.train.trainer import Trainer

    monkeypatch.chdir(tmp_path)
    planned = study({"net": ["one"]}, model="cifar-resnet7", init="gaussian", init_variance=0.1, per_class=2)
    made = fabricate(planned, tmp_path, packs)
    run = Run(settings=planned[1].settings, seed=planned[1].seed, recipe=1, variant="embedded")
    trainer = Trainer(run, Pack.open(packs["tiny-imagenet"]), None, 1, torch.device("cpu"))
    first = next(part for part in trainer.model.modules() if isinstance(part, torch.nn.Conv2d))
    found = first_filters(planned[1], made.places)
    assert found is not None and np.array_equal(found, first.weight.detach().numpy())
    source = tmp_path / "pretrained/p_s0"
    source.mkdir(parents=True)
    np.save(source / "filters.npy", np.ones((10, 3, 5, 5), np.float16))
    (source / "weights.safetensors").write_bytes(b"weights")
    vouch(source)
    other = planned[0].model_copy(
        update={"settings": planned[0].settings.model_copy(update={"weights": "pretrain:p"})}
    )
    assert first_filters(other, made.places) is None  # none is known that it starts from
    manifest = tmp_path / "runs" / other.run / "manifest.json"
    digest = hashlib.sha256(b"weights").hexdigest()
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"start": {"sha256": digest}}))
    starts = first_filters(other, made.places)
    assert starts is not None and starts.max() == starts.min() == 1
