"""Data of one's own: what is refused, by one message each; and how they are counted and pinned.

Oracle: the words that must be in the message; for counts, the views of a pack.
"""

import gzip
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from ablate.data.index import read_index
from ablate.data.measure import measure, pins, write_pins
from ablate.data.verify import differences
from ablate.errors import UserError
from ablate.files import digest
from ablate.plan.datasets import PINS, Dataset, Split, read_pins
from ablate.plan.params import load
from ablate.plan.runs import make_plan
from ablate.plan.settings import Settings
from conftest import TINY as PARAMS
from own_data import COUNTS, exported, folders, idx, pack_of, picture, pixels, spec_of


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# What is wrong: how it is made, of which layout, and what the message says.
def ant() -> Path:
    folders(Path("x"))
    return Path("x/train/ant")


def npz(**arrays: Any) -> None:
    np.savez("x.npz", **arrays)


GOOD = np.zeros((4, 8, 8, 3), np.uint8)
TWO = np.array([0, 1, 0, 1])


def twins(a: str, b: str) -> None:
    folders(Path("x"))
    for split in ("train", "val"):
        for name in (a, b):
            Path("x", split, name).mkdir()
            Path("x", split, name, "1.png").write_bytes(picture(pixels(1)))


def mnist(images: bytes, labels: bytes) -> None:
    Path("x").mkdir()
    for part in ("train", "t10k"):
        Path("x", f"{part}-images-idx3-ubyte").write_bytes(images)
        Path("x", f"{part}-labels-idx1-ubyte").write_bytes(labels)


def split_folders() -> None:
    folders(Path("y"))
    Path("y/train").rename("x")


CIFAR100 = ("train", "test", "meta")
FOLDER, ARRAYS, IDX = spec_of("x", "folder"), spec_of("x.npz", "arrays"), spec_of("x", "idx")
BAD: dict[str, tuple[Callable[[], Any], Dataset, list[str]]] = {
    "no such path": (lambda: None, FOLDER, ["there is no x in ", "correct it"]),
    "an empty class": (lambda: Path("x/val/empty").mkdir(parents=True) or ant(), FOLDER,
                       ["val/empty is empty", "remove that folder"]),
    "a class of notes": (lambda: (ant(), Path("x/train/n").mkdir(), Path("x/train/n/a.txt").touch()),
                         FOLDER, ["class n has no images", "remove its folder"]),
    "a class in val alone": (lambda: (ant(), Path("x/train/ant").rename("gone")), FOLDER,
                             ["class ant has no train images", "remove it from val"]),
    "a class in train alone": (lambda: (ant(), Path("x/val/ant").rename("gone")), FOLDER,
                               ["class ant has no val images", "remove it from train"]),
    "no split": (split_folders, FOLDER, ["no train and val", "split: {val: 0.1"]),
    "a split of its own and another": (ant, spec_of("x", "folder", split=Split(val=0.1)),
                                       ["a split of its own (train, val)", "remove split"]),
    "no val": (lambda: (ant(), Path("x/val").rename("gone")), FOLDER, ["no val part", "split: {val"]),
    "too large a split": (split_folders, spec_of("x", "folder", split=Split(val=0.9)),
                          ["class Bee hive has 4 images, of which split takes 4 for val", "smaller shares"]),
    "no class folders": (lambda: (Path("x").mkdir(), [Path(f"x/{i}.png").write_bytes(b"") for i in (1, 2)]), FOLDER,
                         ["x", "1.png lies in no class folder", "in a folder of its name"]),
    "an image beside class folders": (lambda: ant().parent.joinpath("b.png").write_bytes(picture(pixels(1))),
                                      FOLDER, ["train/b.png lies in no class folder"]),
    "a folder beside train and val": (lambda: ant().rename("x/more"), FOLDER,
                                      ["more/a 0.png is in none of its splits (train, val)"]),
    "no images": (lambda: [Path("x").mkdir(), Path("x/a.csv").touch()], FOLDER,
                  ["holds no images (1 other files: a.csv)"]),
    "names that differ in case": (lambda: twins("Ox", "oX"), FOLDER,
                                  ["classes Ox and oX differ in case alone", "make them one"]),
    "names that look alike": (lambda: twins("\u00e9", "e\u0301"), FOLDER, ["differ in case alone"]),
    "oblong images": (lambda: (ant(), [p.write_bytes(picture(np.zeros((4, 6, 3), np.uint8)))
                      for p in Path("x").rglob("*.png")]), FOLDER, ["a 0.png is 6x4 pixels", "set resize: 4"]),
    "mixed sizes": (lambda: (ant() / "a 3.png").write_bytes(picture(pixels(1, 21))), FOLDER,
                    ["train/ant/a 3.png is 21x21 pixels, others are 20x20", "set resize: 20"]),
    "half an image": (lambda: (ant() / "a 3.png").write_bytes(picture(pixels(1))[:70]), FOLDER,
                      ["train/ant/a 3.png is damaged"]),
    "an image of text": (lambda: (ant() / "a 3.png").write_bytes(b"hello"), FOLDER,
                         ["train/ant/a 3.png is no picture that Pillow reads", "mend or remove"]),
    "an empty image": (lambda: (ant() / "a 3.png").write_bytes(b""), FOLDER, ["a 3.png is empty"]),
    "a PostScript": (lambda: (ant() / "a 3.png").write_bytes(picture(pixels(1), "EPS")), FOLDER,
                     ["a 3.png is EPS, which is not read here"]),
    "16 bits": (lambda: (ant() / "a 3.png").write_bytes(picture(np.zeros((20, 20), np.uint16))),
                FOLDER, ["a 3.png has more than 8 bits a channel"]),
    "a huge image": (lambda: (ant() / "a 3.png").write_bytes(huge()), FOLDER,
                     ["a 3.png has more than 89,478,485 pixels", "make it smaller"]),
    "a link to nothing": (lambda: (ant() / "b.png").symlink_to("gone"), FOLDER,
                          ["is a link to nothing"]),
    "a link back": (lambda: (ant() / "b").symlink_to(".."), FOLDER, ["leads back to a folder"]),
    "a text": (lambda: Path("x").write_text("x"), FOLDER, ["x is neither a zip nor a tar"]),
    "floats": (lambda: npz(images=GOOD / 255, labels=TWO), ARRAYS,
               ["images are float64", "store them as uint8"]),
    "labels of text": (lambda: npz(images=GOOD, labels=TWO.astype(str)), ARRAYS,
                       ["labels are <U21 (4,)", "whole numbers"]),
    "labels of half": (lambda: npz(images=GOOD, labels=TWO / 2), ARRAYS, ["labels are float64"]),
    "one-hot labels": (lambda: npz(images=GOOD, labels=np.eye(4, dtype=int)), ARRAYS,
                       ["labels are int64 (4, 4)", "one for each image"]),
    "a label below 0": (lambda: npz(images=GOOD, labels=TWO - 1), ARRAYS,
                        ["-1 in row 0 is out of range"]),
    "a label beyond the names": (lambda: npz(images=GOOD, labels=TWO, classes=["a"]), ARRAYS,
                                 ["1 in row 1 is out of range (0 to 0)"]),
    "unlike counts": (lambda: npz(images=GOOD, labels=TWO[:3]), ARRAYS,
                      ["4 images and 3 labels"]),
    "four channels": (lambda: npz(images=np.zeros((4, 8, 8, 4), np.uint8), labels=TWO), ARRAYS,
                      ["images are (4, 8, 8, 4)", "(N, H, W, 3)"]),
    "no images in it": (lambda: npz(images=GOOD[:0], labels=TWO[:0]), ARRAYS, ["are (0, 8, 8, 3)"]),
    "arrays of other names": (lambda: npz(pictures=GOOD, labels=TWO), ARRAYS,
                              ["an array is called 'pictures'", "images and labels"]),
    "no labels": (lambda: npz(images=GOOD), ARRAYS, ["has no labels"]),
    "objects": (lambda: npz(images=GOOD, labels=np.array([{}] * 4)), ARRAYS, ["damaged archive"]),
    "half an npz": (lambda: (npz(images=GOOD, labels=TWO), cut("x.npz")), ARRAYS,
                    ["damaged archive (x.npz"]),
    "arrays without a split": (lambda: npz(images=GOOD, labels=TWO), ARRAYS,
                               ["no train and val", "split: {val"]),
    "idx of unlike counts": (lambda: mnist(idx(GOOD[..., 0]), idx(np.zeros(3, np.uint8))), IDX,
                             ["4 images and 3 labels"]),
    "half an idx": (lambda: mnist(idx(GOOD[..., 0])[:-1], idx(np.zeros(4, np.uint8))), IDX,
                    ["t10k-images-idx3-ubyte: 255 bytes, and 4 x 8 x 8 were to come"]),
    "no idx inside": (lambda: mnist(b"hello", idx(np.zeros(4, np.uint8))), IDX, ["is no idx3-ubyte file"]),
    "half a gzip": (lambda: mnist(gzip.compress(idx(GOOD[..., 0]))[:-9], b""), IDX, ["damaged archive"]),
    "idx without labels": (lambda: (mnist(idx(GOOD[..., 0]), idx(np.zeros(4, np.uint8))),
                                    Path("x/train-labels-idx1-ubyte").unlink()), IDX,
                           ["labels of train are missing"]),
    "no idx files": (ant, IDX, ["holds no idx files, such as train-images-idx3-ubyte.gz"]),
    "a parquet without pictures": (lambda: parquet.write_table(pa.table({"label": [0, 1]}), "x.parquet"),
                                   spec_of("x.parquet", "parquet"), ["0 columns of pictures"]),
    "half a parquet": (lambda: (exported(Path("x.parquet"), GOOD, TWO), cut("x.parquet")),
                       spec_of("x.parquet", "parquet"), ["damaged archive (x.parquet"]),
    "a parquet with a label beyond": (lambda: exported(Path("x.parquet"), GOOD, TWO, ["a"]),
                                      spec_of("x.parquet", "parquet"), ["row 1: label 1 is out of range"]),
    "a parquet of paths": (lambda: parquet.write_table(
                           pa.table({"image": [{"bytes": None, "path": "a"}] * 9, "label": [0, 1, 1] * 3}),
                           "x.parquet"),
                           spec_of("x.parquet", "parquet", split=Split(val=0.3)), ["is empty"]),
    "CIFAR-100 of other labels": (lambda: [Path("x").mkdir(), *(Path("x", f).touch() for f in CIFAR100)],
                                  spec_of("x", "cifar100", labels="all"), ["none called 'all'", "fine or coarse"]),
    "no CIFAR-100": (ant, spec_of("x", "cifar100"), ["meta, test, train missing"]),
}  # fmt: skip


def cut(name: str) -> None:
    Path(name).write_bytes(Path(name).read_bytes()[:-40])


def huge() -> bytes:
    """A picture of 100 million pixels in a few kilobytes."""
    out = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_said_once_and_nothing_is_lost(case: str) -> None:
    """One message, whether the mistake shows at the first look or when pictures are decoded."""
    make, spec, expected = BAD[case]
    make()
    before = sorted(Path().rglob("*"))
    with pytest.raises(UserError) as error:
        pack_of(spec)
    message = str(error.value)
    assert all(part in message for part in expected), message
    assert "\n" not in message and "mine" in message
    assert set(before) <= set(Path().rglob("*"))
    assert not Path("data/official/mine/pack.json").exists()


# Of params.yaml: what it says of a data set, and what is refused.
ASKED: dict[str, tuple[str, list[str]]] = {
    "no counts and no path": ("{layout: folder}", ["datasets.mine.archive: is missing; add it"]),
    "no path": ("{layout: folder, archive: a.zip}", ["datasets.mine.image_size: is missing; add it"]),
    "some counts": ("{layout: folder, path: x, n_classes: 3}",
                    ["datasets.mine.image_size: is missing", "give none of image_size, n_classes"]),
    "an option of others": ("{layout: idx, path: x, split: {val: 0.1}}",
                            ["datasets.mine.split: is of the layouts folder, arrays, parquet", "remove it"]),
    "a share of all": ("{layout: folder, path: x, split: {val: 1.0}}", ["datasets.mine.split.val", "less than 1"]),
    "a typo": ("{layout: folders, path: x}", ["datasets.mine.layout", "'folder'"]),
    "an unknown option": ("{layout: folder, path: x, rezise: 4}", ["datasets.mine.rezise", "resize"]),
}  # fmt: skip


def params_with(mine: str) -> Path:
    Path("params.yaml").write_text(PARAMS.replace("datasets:\n", f"datasets:\n  mine: {mine}\n"))
    return Path("params.yaml")


@pytest.mark.parametrize("case", ASKED)
def test_what_params_yaml_may_not_say_of_a_data_set(case: str) -> None:
    ant()
    mine, expected = ASKED[case]
    with pytest.raises(UserError) as error:
        load(params_with(mine))
    assert all(part in str(error.value) for part in expected), str(error.value)


def test_counts_are_measured_and_pinned_and_what_differs_is_refused() -> None:
    made = folders(Path("x"))
    file = params_with("{layout: folder, path: x}")
    spec = load(file).datasets["mine"]
    assert spec.class_counts == dict(sorted(COUNTS.items()))
    assert (spec.image_size, spec.n_classes, spec.train_per_class, spec.val_per_class) == (20, 3, 7, 3)
    text = file.read_text()
    (line,) = write_pins(file, pins(load(file, pinned=False).datasets))
    assert line.startswith(f"{PINS}: mine: 3 classes, 13 train and 6 val images of 20 pixels; content ")
    assert file.read_text() == text and set(read_pins(file)) == {"mine"}
    assert '"ant": [7, 2],' in Path(PINS).read_text()
    (Path("x") / next(iter(made))).unlink()
    pinned = load(file).datasets["mine"]  # the plan is that of what is pinned
    assert pinned.class_counts == spec.class_counts and pinned.pinned
    other = load(params_with("{layout: folder, path: x, resize: 9}")).datasets["mine"]  # as a scale may read it
    assert (other.image_size, other.class_counts["ant"], other.pinned) == (9, (6, 2), pinned.pinned)
    file = params_with("{layout: folder, path: x}")
    Path(PINS).write_text("{")
    with pytest.raises(UserError, match=f"{PINS}: is no JSON"):
        load(file)
    Path(PINS).write_text('{"mine": {"content": 3}}')
    with pytest.raises(UserError, match=f"{PINS}: mine"):
        load(file)


def test_unequal_classes_are_counted_as_views_take_them() -> None:
    """Oracle: the views of a pack of the same counts."""
    x = Path("x")
    folders(x)
    for i in range(20):  # enough of each for a holdout
        for name in COUNTS:
            (x / "train" / name / f"b {i}.png").write_bytes(picture(pixels(i + hash(name) % 97)))
    spec = spec_of("x", "folder")
    pack, spec = pack_of(spec), spec.measured(measure("mine", spec))
    base = {"dataset": "mine", "model": "cnn4", "optimizer": "sgd", "lr": 0.1, "epochs": 1, "batch_size": 2}
    for more in ({}, {"per_class": 23}, {"classes": (0, 2)}, {"classes": ("ant",)}, {"split": "holdout"},
                 {"per_class": 25, "subset": "by-seed"}, {"split": "holdout", "per_class": 16}):  # fmt: skip
        s = Settings.model_validate(base | more)
        views = pack.views(s, seed=0)
        evaluated = [labels for name, view in views.items() if name != "train" for labels in view.labels.tolist()]
        counts = spec.counts(s)
        assert (counts.train, counts.held) == (len(views["train"].labels), len(evaluated)), more
        assert counts.classes == len(set(views["train"].labels.tolist()))
        assert spec.chance(s) == max(Counter(evaluated).values()) / len(evaluated)
        assert spec.tested(s) == len(views.get("test", views["val"]).labels)


# Settings of a run on data with 7, 4 and 2 training images a class: what is refused, or None.
FITS: dict[str, str | None] = {
    "per_class: 7": None,
    "per_class: 3": None,
    "per_class: 8": "per_class: 8, but mine has 7 training images of its largest class; write 7 at most, or null",
    "classes: [0, 2]": None,
    "classes: [0, 4]": r"classes: \[0, 4\], but mine has 3 classes; end at 3",
    "classes: [ant, élan]": None,
    "classes: [ant, elan]": "classes: unknown class 'elan'; allowed: .*did you mean 'élan'",
    "split: holdout": "split: holdout takes tenths .*, but mine has a class of fewer than ten; write split: official",
}


@pytest.mark.parametrize("setting", FITS)
def test_settings_are_compared_with_unequal_classes_before_anything_runs(setting: str) -> None:
    folders(Path("x"))
    file = params_with("{layout: folder, path: x}")
    file.write_text(
        file.read_text().replace("dataset: cifar10", "dataset: mine").replace(", per_class: 5}", f", {setting}}}")
    )
    if (refused := FITS[setting]) is None:
        assert make_plan(load(file)).runs
    else:
        with pytest.raises(UserError, match=refused):
            make_plan(load(file))


def test_differences_are_told_in_words() -> None:
    assert differences({"a": (1, 2)}, {"a": (1, 2)}) == ""
    assert differences({"a": (1, 2), "b": (1, 1)}, {"a": (3, 2), "c": (1, 1)}) == (
        "has no class b, a class c, 3 train images in class a, and not 1"
    )


def test_measuring_again_reads_nothing_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    folders(Path("x"))
    spec = spec_of("x", "folder")
    first = measure("mine", spec)
    monkeypatch.setattr("ablate.data.measure.layout", lambda name: pytest.fail("measured again"))
    assert measure("mine", spec) == first
    Path("x").rename("gone")
    assert measure("mine", spec) == first


def test_large_classes_do_not_change_what_is_pinned(tmp_path: Path) -> None:
    """The content is of names and bytes: a copy elsewhere, with other times, is the same."""
    folders(Path("x"))
    folders(Path("y"))
    a, b = (measure(name, spec_of(name, "folder")) for name in ("x", "y"))
    assert a == b and digest(Path("x/train/ant/a 0.png")) == digest(Path("y/train/ant/a 0.png"))


def test_index_and_labels_go_by_sorted_names() -> None:
    folders(Path("x"))
    pack_of(spec_of("x", "folder"))
    rows = read_index(Path("data/official/mine/index.csv"))
    names = sorted(COUNTS)
    assert [row.class_name for row in rows] == [
        name for k in (0, 1) for name in names for _ in range(COUNTS[name][k])
    ]
    assert {row.class_name: row.label for row in rows} == {name: str(k) for k, name in enumerate(names)}
