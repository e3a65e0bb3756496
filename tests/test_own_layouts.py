"""Data of one's own: every layout, unequal classes, any size.

Oracle: the arrays that the files were written from.
"""

import gzip
import pickle
import re
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import chdir, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import save_file

from ablate.data.describe import describe
from ablate.data.duplicates import perceptual_hashes
from ablate.data.index import read_index
from ablate.data.layouts import Item
from ablate.data.measure import measure
from ablate.data.reorganise import reorganise
from ablate.data.rows import shared_out
from ablate.errors import UserError
from ablate.files import read_json
from ablate.plan.datasets import Dataset, Split
from own_data import COUNTS, Array, exported, folders, held, idx, pack_of, picture, pixels, spec_of, wanted


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM"])
def test_class_folders_of_any_format(kind: str) -> None:
    made = folders(Path("birds"), kind=kind)
    if kind in ("WEBP", "GIF"):  # lossy, or of fewer colours: as Pillow shows them
        made = {name: np.asarray(Image.open(Path("birds") / name).convert("RGB")) for name in made}
    pack = pack_of(spec_of("birds", "folder"))
    assert held(pack) == wanted(made)
    assert pack.meta["classes"] == sorted(COUNTS) and pack.meta["image_size"] == 20
    assert pack.meta["archive"]["digest"] == "measured"


@pytest.mark.parametrize("size", [1, 7, 28, 48, 100, 224, 300])
def test_images_of_any_size_go_through_the_gate_and_are_described(size: int) -> None:
    """Oracle of the statistics: NumPy's, of float64."""
    made = folders(Path("birds"), size)
    pack = pack_of(spec_of("birds", "folder"))
    assert held(pack) == wanted(made)
    train = np.stack([array for name, array in made.items() if name.startswith("train")]) / 255
    np.testing.assert_allclose(pack.meta["mean"], train.mean(axis=(0, 1, 2)), atol=1e-6)
    np.testing.assert_allclose(pack.meta["std_over_pixels"], train.std(axis=(0, 1, 2)), atol=1e-6)
    describe(Path("data/official/mine/pack.json"), "mine", Path("out"))
    assert read_json(Path("out/mine.json"))["class_counts"] == {name: list(n) for name, n in COUNTS.items()}
    assert Image.open("out/mine-samples.jpg").width > 64


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 320), seed=st.integers(0, 99))
def test_images_of_any_size_have_a_hash_that_equal_ones_share(size: int, seed: int) -> None:
    a, b = pixels(seed, size), pixels(seed + 100, size)
    first, second, third = perceptual_hashes(np.stack([a, b, a])).tolist()
    assert first == third and (size < 8 or first != second)


def test_resize_takes_pictures_of_any_shape() -> None:
    """Oracle: a picture of two halves, scaled to its shorter side and cut in the middle, has their border there."""
    wide = np.zeros((40, 100, 3), np.uint8)
    wide[:, 50:] = 255
    for split in ("train", "val"):
        for name, array in {"wide": wide, "high": wide.transpose(1, 0, 2)}.items():
            path = Path("x", split, name, "0.png")
            path.parent.mkdir(parents=True)
            path.write_bytes(picture(np.ascontiguousarray(array)))
    pack = pack_of(spec_of("x", "folder", resize=10))
    high, wide = pack.images[0].astype(int), pack.images[1].astype(int)
    assert pack.images.shape == (4, 10, 10, 3) and pack.meta["classes"] == ["high", "wide"]
    assert wide[:, :4].max() < 20 and wide[:, 6:].min() > 235 and (high == wide.transpose(1, 0, 2)).all()


def test_pictures_stand_as_their_camera_held_them_and_gray_ones_have_three_channels() -> None:
    up = np.zeros((8, 8, 3), np.uint8)
    up[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    files = {
        "turned.png": picture(up[::-1].copy(), exif=exif),
        "gray.png": picture(up[..., 0].copy()),
        "palette.gif": picture(up, "GIF"),
        "clear.png": picture(np.dstack([up, np.full((8, 8), 255, np.uint8)])),
    }
    for name, content in files.items():
        for split in ("train", "val"):
            Path("x", split, name[0]).mkdir(parents=True)
            Path("x", split, name[0], name).write_bytes(content)
    pack = pack_of(spec_of("x", "folder"))
    assert all((image == up).all() for image in pack.images)
    assert pack.meta["grayscale"] == {"train": 1, "val": 1}


def test_one_folder_of_classes_is_shared_out_by_a_seed() -> None:
    folders(Path("x"), splits=("one", "two"))
    Path("x/one").rename("one")
    (Path("one/élan/a 2.png")).write_bytes(picture(pixels(1)))
    spec = spec_of("one", "folder", split=Split(val=0.3, test=0.2, seed=1))
    found = measure("mine", spec)
    assert found.class_counts == {"Bee hive": (2, 1), "ant": (4, 2), "élan": (1, 1)} and found.n_test == 3
    again = pack_of(spec).labels.tolist(), read_index(Path("data/official/mine/index.csv"))
    assert again == (pack_of(spec).labels.tolist(), read_index(Path("data/official/mine/index.csv")))
    pack_of(spec_of("one", "folder", split=Split(val=0.3, test=0.2, seed=2)))
    assert again[1] != read_index(Path("data/official/mine/index.csv"))


def test_a_test_folder_is_held_back_and_is_val_where_there_is_none() -> None:
    folders(Path("x"), splits=("train", "test"))
    assert measure("mine", spec_of("x", "folder")).class_counts == dict(sorted(COUNTS.items()))
    folders(Path("x"), splits=("training", "validation"))
    for name in COUNTS:
        Path("x/train").joinpath(name).rename(Path("x/training") / name / "more")
    Path("x/train").rmdir()
    found = measure("mine", spec_of("x", "folder"))
    assert found.class_counts == {n: (2 * COUNTS[n][0], COUNTS[n][1]) for n in sorted(COUNTS)} and found.n_test == 6


def test_a_folder_an_archive_of_it_and_a_link_to_it_are_the_same_data(capsys: pytest.CaptureFixture[str]) -> None:
    made = folders(Path("birds"))
    Path("birds/train/ant/notes.txt").write_text("x")
    Path("birds/README").write_text("x")
    with zipfile.ZipFile("birds.zip", "w") as zipped:
        for path in sorted(Path("birds").rglob("*")):
            zipped.write(path, Path("wrapped") / path)
    Path("link").symlink_to("birds")
    Path("elsewhere").mkdir()
    (Path("birds/train/ant/a 0.png")).rename("elsewhere/a.png")
    Path("birds/train/ant/a 0.png").symlink_to(Path("elsewhere/a.png").absolute())
    for path in ("birds", "link", "birds.zip"):
        spec = spec_of(path, "folder")
        assert held(pack_of(spec)) == wanted(made)
        assert measure("mine", spec).ignored == 2
    assert "no digest pins it" not in capsys.readouterr().err


def arrays() -> tuple[Array, Array, Array, Array]:
    """Images (N, 20, 20, 3) and labels of train and val: classes 0, 1 and 2 of 7, 4 and 2, and 2, 1 and 3 images."""
    parts = []
    for split in (0, 1):
        labels = np.concatenate([np.full(n[split], k) for k, n in enumerate(COUNTS.values())])
        parts += [np.stack([pixels(1000 * split + i) for i in range(len(labels))]), labels]
    return tuple(parts)  # type: ignore[return-value]


def of_arrays(gray: bool = False, names: tuple[str, ...] = ("0", "1", "2")) -> list[tuple[str, str, bytes]]:
    x, y, vx, vy = arrays()
    found = []
    for split, images, labels in (("train", x, y), ("val", vx, vy)):
        images = np.repeat(images[..., :1], 3, axis=3) if gray else images
        found += [(split, names[k], image.tobytes()) for image, k in zip(images, labels, strict=True)]
    return sorted(found)


FORMS: dict[str, tuple[Callable[[Array], Array], bool]] = {
    "NHWC": (lambda x: x, False),
    "NCHW": (lambda x: x.transpose(0, 3, 1, 2).copy(), False),
    "NHW": (lambda x: x[..., 0].copy(), True),
    "NHW1": (lambda x: x[..., :1].copy(), True),
    "N1HW": (lambda x: x[..., :1].transpose(0, 3, 1, 2).copy(), True),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["npz", "safetensors", "folder", "keras"])
def test_arrays(form: str, kind: str) -> None:
    (x, y, vx, vy), (make, gray) = arrays(), FORMS[form]
    x, vx, path = make(x), make(vx), f"x.{kind}"
    if kind == "npz":
        np.savez_compressed(path, train_images=x, train_labels=y.astype(np.int64), val_images=vx, val_labels=vy)
    elif kind == "safetensors":
        save_file({"train_images": x, "train_labels": y, "val_images": vx, "val_labels": vy.astype(np.uint8)}, path)
    elif kind == "keras":
        path = "mnist.npz"
        np.savez(path, x_train=x, y_train=y, x_test=vx, y_test=vy)
    else:
        Path(path).mkdir()
        np.savez(f"{path}/train.npz", images=x, labels=y)
        np.savez(f"{path}/val.npz", images=vx, labels=vy[:, None])
    assert held(pack_of(spec_of(path, "arrays"))) == of_arrays(gray)


def test_arrays_have_names_of_classes_and_a_split_by_seed() -> None:
    x, y, *_ = arrays()
    np.savez("x.npz", images=x, labels=y, classes=np.array(["ant", "Bee hive", "élan"]))
    assert pack_of(spec_of("x.npz", "arrays", split=Split(val=0.3))).meta["classes"] == ["Bee hive", "ant", "élan"]


def test_idx_files_packed_or_not_are_mnist(tmp_path: Path) -> None:
    """28 pixels, grayscale; a file that lies there packed as well counts once, as torchvision leaves them."""
    rng = np.random.default_rng(0)
    made = []
    Path("raw").mkdir()
    for part, split, n in (("train", "train", 30), ("t10k", "val", 12)):
        labels = (np.arange(n) % 10 % 7).astype(np.uint8)
        images = rng.integers(0, 256, (n, 28, 28), np.uint8)
        for what, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            Path("raw", f"{what}.gz").write_bytes(gzip.compress(idx(array)))
            if part == "train":
                Path("raw", what).write_bytes(idx(array))
        made += [
            (split, str(k), np.repeat(i[..., None], 3, 2).tobytes()) for i, k in zip(images, labels, strict=True)
        ]
    pack = pack_of(spec_of("raw", "idx"))
    assert held(pack) == sorted(made)
    assert pack.meta["grayscale"] == {"train": 30, "val": 12} and pack.meta["image_size"] == 28


@pytest.mark.parametrize("labels", ["fine", "coarse", None])
def test_cifar100(labels: str | None) -> None:
    rng = np.random.default_rng(0)
    Path("c/cifar-100-python").mkdir(parents=True)
    made, names = [], {"fine": ["apple", "bee", "cat"], "coarse": ["animal", "fruit"]}
    coarse = [1, 0, 0]
    for part, split, n in (("train", "train", 12), ("test", "val", 6)):
        data, fine = rng.integers(0, 256, (n, 3072), np.uint8), [i % 3 for i in range(n)]
        table = {b"data": data, b"fine_labels": fine, b"coarse_labels": [coarse[k] for k in fine],
                 b"filenames": [f"{part}_{i}.png".encode() for i in range(n)]}  # fmt: skip
        Path("c/cifar-100-python", part).write_bytes(pickle.dumps(table, 2))
        kind = labels or "fine"
        made += [
            (
                split,
                names[kind][k if kind == "fine" else coarse[k]],
                row.reshape(3, 32, 32).transpose(1, 2, 0).tobytes(),
            )
            for row, k in zip(data, fine, strict=True)
        ]
    meta = {b"fine_label_names": [b"apple", b"bee", b"cat"], b"coarse_label_names": [b"animal", b"fruit"]}
    Path("c/cifar-100-python/meta").write_bytes(pickle.dumps(meta, 2))
    assert held(pack_of(spec_of("c", "cifar100", labels=labels))) == sorted(made)


def test_parquet_as_hugging_face_exports_it() -> None:
    x, y, vx, vy = arrays()
    names = ["ant", "Bee hive", "élan"]
    exported(Path("d/data/train-00000-of-00002.parquet"), x[:5], y[:5], names)
    exported(Path("d/data/train-00001-of-00002.parquet"), x[5:], y[5:], names)
    exported(Path("d/data/validation-00000-of-00001.parquet"), vx, vy, names)
    exported(Path("d/data/test-00000-of-00001.parquet"), vx, np.full(len(vx), -1), names)
    spec = spec_of("d", "parquet")
    assert held(pack_of(spec)) == of_arrays(names=tuple(names))
    assert measure("mine", spec).n_test == len(vx)


def test_parquet_in_one_file_with_two_columns_of_labels() -> None:
    x, y, *_ = arrays()
    exported(Path("d.parquet"), x, y, other_label=pa.array((y % 2).tolist()))
    with pytest.raises(UserError, match=r"which column has the labels is not clear.*write labels: <column>"):
        measure("mine", spec_of("d.parquet", "parquet", split=Split(val=0.3)))
    found = measure("mine", spec_of("d.parquet", "parquet", split=Split(val=0.3), labels="other_label"))
    assert sorted(found.class_counts) == ["0", "1"]


def test_the_tree_has_the_files_as_they_are() -> None:
    made = folders(Path("birds"))
    spec = spec_of("birds", "folder", tree=True)
    pack_of(spec)
    f = Path("data/official/mine")
    reorganise(f / "archive", "folder", index=f / "index.csv", tree=f / "tree", receipt=f / "t.json", options={})
    for name in made:
        assert (f / "tree" / name).read_bytes() == (Path("birds") / name).read_bytes()


@settings(max_examples=100, deadline=None)
@given(
    counts=st.lists(st.integers(4, 40), min_size=1, max_size=5),
    val=st.floats(0.01, 0.5),
    test=st.floats(0, 0.15),
    seed=st.integers(0, 9),
)
def test_a_split_takes_its_share_of_each_class_and_moves_few_where_an_image_comes(
    counts: list[int], val: float, test: float, seed: int
) -> None:
    """Oracle: the shares; and with one image more of a class, at most two others of it go elsewhere."""

    def split_of(counts: list[int]) -> dict[str, str]:
        items = [Item("", f"c{k}", f"c{k}/{i}", f"{i}") for k, n in enumerate(counts) for i in range(n)]
        split = Split(val=val, test=test, seed=seed)
        kept, held = shared_out(Path("x"), items, split)
        assert len(kept) + held == len(items)
        return {i.member: i.split for i in kept} | dict.fromkeys(
            {i.member for i in items} - {i.member for i in kept}, "test"
        )

    first = split_of(counts)
    for k, n in enumerate(counts):
        mine = Counter(split for member, split in first.items() if member.startswith(f"c{k}/"))
        assert mine["val"] == max(1, round(val * n)) and mine["test"] == (max(1, round(test * n)) if test else 0)
        assert mine["train"] >= 1
    again = split_of([counts[0] + 1, *counts[1:]])
    moved = {member for member in first if first[member] != again[member]}
    assert len(moved) <= 2 and all(member.startswith("c0/") for member in moved)


def valid(kind: str) -> tuple[Path, Dataset]:
    """A small data set, and the file of it that is to be damaged."""
    x, y, vx, vy = arrays()
    if kind == "npz":
        np.savez("d.npz", train_images=x, train_labels=y, val_images=vx, val_labels=vy)
        return Path("d.npz"), spec_of("d.npz", "arrays")
    if kind == "safetensors":
        save_file({"train_images": x, "train_labels": y, "val_images": vx, "val_labels": vy}, "d.safetensors")
        return Path("d.safetensors"), spec_of("d.safetensors", "arrays")
    if kind == "idx":
        Path("d").mkdir(exist_ok=True)
        for part, images, labels in (("train", x, y), ("t10k", vx, vy)):
            Path(f"d/{part}-images-idx3-ubyte").write_bytes(idx(images[..., 0].copy()))
            Path(f"d/{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels.astype(np.uint8))))
        return Path("d/train-labels-idx1-ubyte.gz"), spec_of("d", "idx")
    if kind == "parquet":
        exported(Path("d/train.parquet"), x, y)
        exported(Path("d/val.parquet"), vx, vy)
        return Path("d/val.parquet"), spec_of("d", "parquet")
    folders(Path("d"), kind=kind)
    return Path(f"d/train/ant/a 1.{kind.lower()}"), spec_of("d", "folder")


@pytest.mark.parametrize("word", [b"image", b"bytes", b"path", b"label"])
def test_a_name_in_parquet_that_is_no_text_is_refused(
    word: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each place where the file has it, alone, which may still be read, and all: a schema has names twice."""
    monkeypatch.chdir(tmp_path)
    file, spec = valid("parquet")
    content = file.read_bytes()
    places = [at.start() for at in re.finditer(re.escape(word), content)]
    assert places
    for changed, ends in (*(([at], suppress(UserError)) for at in places), (places, pytest.raises(UserError))):
        broken = bytearray(content)
        for at in changed:
            broken[at] = 0x80
        file.write_bytes(broken)
        with ends:
            pack_of(spec)


@pytest.mark.parametrize(
    "kind", ["npz", "safetensors", "idx", "parquet", "PNG", "TIFF", "WEBP", "GIF", "JPEG", "PPM"]
)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_read_and_never_anything_else(kind: str, data: st.DataObject) -> None:
    """Bytes changed and cut off anywhere: what is no pack is one message."""
    with TemporaryDirectory() as folder, chdir(folder):
        file, spec = valid(kind)
        content = bytearray(file.read_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        file.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
        with suppress(UserError):
            pack_of(spec)
