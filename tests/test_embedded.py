"""The embedded archives against the official layouts, and their bytes against the seed."""

import gzip
import io
import pickle
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablate.data.embedded import SHAPES, TEXTURES, write_cifar10, write_tiny_imagenet

ROOT = "tiny-imagenet-200"
CLASSES, TRAIN, VAL, TEST = 20, 4, 3, 7


def tiny(dest: Path, seed: int = 0, val: int = VAL) -> bytes:
    write_tiny_imagenet(dest, seed=seed, classes=CLASSES, train_per_class=TRAIN, val_per_class=val, test=TEST)
    return dest.read_bytes()


def cifar(dest: Path, seed: int = 0) -> bytes:
    write_cifar10(dest, seed=seed, train_per_batch=20, test=30)
    return dest.read_bytes()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    dest = tmp_path_factory.mktemp("tiny") / "new" / "tiny-imagenet-200.zip"
    tiny(dest)
    with zipfile.ZipFile(dest) as opened:
        yield opened


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    dest = tmp_path_factory.mktemp("cifar") / "cifar-10-python.tar.gz"
    cifar(dest)
    with tarfile.open(dest, "r:gz") as tar:
        return {m.name: pickle.load(tar.extractfile(m), encoding="bytes") for m in tar}


def lines(archive: zipfile.ZipFile, name: str) -> list[str]:
    return archive.read(f"{ROOT}/{name}").decode().splitlines()


def images(archive: zipfile.ZipFile) -> dict[str, Image.Image]:
    names = [n for n in archive.namelist() if n.endswith(".JPEG")]
    return {n.removeprefix(f"{ROOT}/"): Image.open(io.BytesIO(archive.read(n))) for n in names}


@pytest.mark.parametrize("write", [tiny, cifar])
def test_bytes_follow_the_seed_and_nothing_else(write, tmp_path: Path) -> None:
    first, again = write(tmp_path / "a" / "x"), write(tmp_path / "b" / "y")
    assert first == again
    assert write(tmp_path / "a" / "x", seed=1) != first
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["x", "y"]  # no temporary file stays


def test_train_images_do_not_depend_on_the_other_counts(archive: zipfile.ZipFile, tmp_path: Path) -> None:
    tiny(tmp_path / "other.zip", val=1)
    with zipfile.ZipFile(tmp_path / "other.zip") as other:
        train = [n for n in other.namelist() if "/train/" in n]
        assert len(train) == CLASSES * (TRAIN + 1)
        assert all(other.read(n) == archive.read(n) for n in train)


def test_members_are_the_official_ones(archive: zipfile.ZipFile) -> None:
    expected = {"wnids.txt", "words.txt", "val/val_annotations.txt"}
    for wnid in lines(archive, "wnids.txt"):
        expected |= {f"train/{wnid}/{wnid}_boxes.txt"}
        expected |= {f"train/{wnid}/images/{wnid}_{i}.JPEG" for i in range(TRAIN)}
    expected |= {f"val/images/val_{i}.JPEG" for i in range(CLASSES * VAL)}
    expected |= {f"test/images/test_{i}.JPEG" for i in range(TEST)}
    assert sorted(archive.namelist()) == sorted(f"{ROOT}/{name}" for name in expected)


@pytest.mark.parametrize("classes", [2, 10, 20])
def test_wnids_are_unsorted_and_named(classes: int, tmp_path: Path) -> None:
    for seed in range(3):  # of two classes, half of all orders are sorted ones
        dest = tmp_path / f"{seed}.zip"
        write_tiny_imagenet(dest, seed=seed, classes=classes, train_per_class=0, val_per_class=0, test=0)
        with zipfile.ZipFile(dest) as archive:
            wnids = lines(archive, "wnids.txt")
            words = dict(line.split("\t") for line in lines(archive, "words.txt"))
        assert len(set(wnids)) == classes
        assert wnids != sorted(wnids)
        assert sorted(wnids)[:2] == ["n01443537", "n01629819"]
        assert words["n01443537"] == "goldfish, Carassius auratus"
        assert set(wnids) < set(words)
        assert list(words) == sorted(words)


def test_images_are_64_px_jpegs_and_a_few_are_grayscale(archive: zipfile.ZipFile) -> None:
    found = images(archive)
    assert {(image.format, image.size) for image in found.values()} == {("JPEG", (64, 64))}
    modes = Counter(image.mode for image in found.values())
    assert set(modes) == {"RGB", "L"}
    assert 0.01 <= modes["L"] / len(found) <= 0.03


def test_every_val_image_is_annotated_once_in_shuffled_order(archive: zipfile.ZipFile) -> None:
    rows = [line.split("\t") for line in lines(archive, "val/val_annotations.txt")]
    assert [len(row) for row in rows] == [6] * (CLASSES * VAL)
    assert sorted(row[0] for row in rows) == sorted(f"val_{i}.JPEG" for i in range(CLASSES * VAL))
    assert Counter(row[1] for row in rows) == dict.fromkeys(lines(archive, "wnids.txt"), VAL)
    assert [row[1] for row in rows] != sorted(row[1] for row in rows)


def test_boxes_lie_inside_the_image(archive: zipfile.ZipFile) -> None:
    rows = [line.split("\t")[2:] for line in lines(archive, "val/val_annotations.txt")]
    for wnid in lines(archive, "wnids.txt"):
        train = [line.split("\t") for line in lines(archive, f"train/{wnid}/{wnid}_boxes.txt")]
        assert [row[0] for row in train] == [f"{wnid}_{i}.JPEG" for i in range(TRAIN)]
        rows += [row[1:] for row in train]
    boxes = np.array(rows, int)
    assert boxes.shape == (CLASSES * (TRAIN + VAL), 4)
    assert boxes.min() >= 0
    assert boxes.max() <= 63
    assert (boxes[:, :2] < boxes[:, 2:]).all()


def test_all_images_differ(archive: zipfile.ZipFile, batches: dict[str, dict]) -> None:
    jpegs = [archive.read(n) for n in archive.namelist() if n.endswith(".JPEG")]
    rows = [row.tobytes() for batch in batches.values() if b"data" in batch for row in batch[b"data"]]
    assert len(set(jpegs)) == len(jpegs) == CLASSES * (TRAIN + VAL) + TEST
    assert len(set(rows)) == len(rows) == 5 * 20 + 30


def test_class_factors_are_distinct_and_shared_with_other_classes() -> None:
    pairs = [(SHAPES[k % 5], TEXTURES[k % 4]) for k in range(20)]
    assert len(set(pairs)) == 20
    for first, rest in zip(zip(*pairs[:10], strict=True), zip(*pairs[10:], strict=True), strict=True):
        assert set(first) == set(rest)  # pretraining on the others sees every factor of the first ten


@pytest.mark.parametrize("classes", [1, 21])
def test_refuses_a_class_count_it_cannot_draw(classes: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 to 20"):
        write_tiny_imagenet(tmp_path / "x.zip", seed=0, classes=classes, train_per_class=1, val_per_class=1, test=1)
    assert not list(tmp_path.iterdir())


def test_cifar_batches_have_the_official_records(batches: dict[str, dict]) -> None:
    names = ["batches.meta", *(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    assert sorted(batches) == [f"cifar-10-batches-py/{name}" for name in names]
    meta = batches["cifar-10-batches-py/batches.meta"]
    labels = b"airplane automobile bird cat deer dog frog horse ship truck"
    assert meta == {b"num_cases_per_batch": 20, b"num_vis": 3072, b"label_names": labels.split()}
    for name in names[1:]:
        batch = batches[f"cifar-10-batches-py/{name}"]
        count = 30 if name == "test_batch" else 20
        assert set(batch) == {b"batch_label", b"labels", b"data", b"filenames"}
        assert (batch[b"data"].shape, batch[b"data"].dtype) == ((count, 3072), np.uint8)
        assert isinstance(batch[b"labels"], list)
        assert Counter(batch[b"labels"]) == dict.fromkeys(range(10), count // 10)
        assert batch[b"labels"] != sorted(batch[b"labels"])
        assert len(set(batch[b"filenames"])) == count


def test_cifar_rows_are_channels_first(batches: dict[str, dict]) -> None:
    rows = batches["cifar-10-batches-py/test_batch"][b"data"].astype(int)

    def roughness(images: np.ndarray) -> float:  # mean step between horizontal neighbours, (N, 3, H, W)
        return float(abs(np.diff(images, axis=3)).mean())

    right = roughness(rows.reshape(-1, 3, 32, 32))
    wrong = roughness(rows.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2))
    assert right < wrong


def test_gzip_of_several_stored_blocks_reads_back(tmp_path: Path) -> None:
    packed = cifar(tmp_path / "x.tar.gz")
    assert len(packed) > 3 * 65535
    assert len(gzip.decompress(packed)) % 512 == 0  # checks the CRC and the length as well
    assert packed[3:8] == bytes(5)  # no flags, hence no file name, and time 0
