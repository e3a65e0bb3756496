"""verify, reorganise, pack, describe: on the embedded archives always, on the real ones where a mirror is.

The bad archives are in attacks/, killed and full-disk runs in faults/, downloads in test_fetch.py.
"""

import csv
import io
import json
import multiprocessing
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from ablate.data.decode import BLOCK
from ablate.data.describe import describe, overview, table_of
from ablate.data.duplicates import exact, near, perceptual_hashes
from ablate.data.index import read_index
from ablate.data.pack import make_pack
from ablate.data.reorganise import reorganise
from ablate.data.views import Pack
from ablate.errors import UserError
from ablate.files import digest, read_json, write_json
from ablate.models._torchvision import import_torchvision
from ablate.plan.keys import content_digest
from ablate.plan.params import Dataset, Params, load
from ablate.plan.settings import Settings
from archives import TINY, WNIDS, Files, jpeg, tiny_files, write_tar, write_zip
from conftest import ROOT, gate, made_once

MIRROR = os.environ.get("ABLATE_TEST_MIRROR")
Found = tuple[Path, Dataset, Path]  # the archive, its record, and pack.json


needs_mirror = pytest.mark.skipif(not MIRROR, reason="ABLATE_TEST_MIRROR names no folder with the real archives")
VARIANTS = ["embedded", pytest.param("real", marks=[pytest.mark.mirror, needs_mirror])]


@pytest.fixture(scope="session", params=VARIANTS)
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Found:
    return prepared("tiny-imagenet", request, tmp_path_factory)


@pytest.fixture(scope="session", params=VARIANTS)
def cifar(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Found:
    return prepared("cifar10", request, tmp_path_factory)


def prepared(name: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Found:
    if request.param == "embedded":
        pack = request.getfixturevalue("packs")[name]
        return pack.with_name("archive"), request.getfixturevalue("params").datasets[name], pack
    spec = load(ROOT / "params.yaml", {"scale": "paper"}).datasets[name]
    archive = Path(str(MIRROR)) / spec.archive

    def make(folder: Path) -> None:
        write_json(folder / "archive.json", {"archive": spec.archive, "digest": "test", "sha256": "", "bytes": 0})
        gate(archive, spec, folder)

    return archive, spec, made_once(tmp_path_factory, f"real-{name}", make) / "pack.json"


# Printed counts: the data sets' own pages. Grayscale images, means, deviations and duplicates were measured here on
# the real archives (CIFAR-10's: the copy of label jpeg75), and pin them.
REAL: dict[str, dict[str, Any]] = {
    "tiny-imagenet": {
        "images": 110_000, "train": 100_000, "grayscale": {"train": 1821, "val": 168},
        "mean": [0.480237, 0.448067, 0.397504], "std_over_pixels": [0.276436, 0.268863, 0.28159],
        "std_over_images": [0.229535, 0.226233, 0.225499], "exact": (20, 0, 7), "near": (3, 0, 0),
    },
    "cifar10": {
        "images": 60_000, "train": 50_000, "grayscale": {"train": 0, "val": 0},
        "mean": [0.49125, 0.48209, 0.446521], "std_over_pixels": [0.245232, 0.242782, 0.260629],
        "std_over_images": [0.200441, 0.19869, 0.200751], "exact": (0, 0, 0), "near": (268, 12, 110),
    },
}  # fmt: skip


def check_against_pins(found: Found) -> None:
    _, spec, pack = found
    if spec.variant == "official":
        meta, audit = read_json(pack), read_json(pack.with_name("verify.json"))["duplicates"]
        pinned = REAL[spec.layout]
        for kind in ("exact", "near"):
            assert tuple(audit[kind][key] for key in ("within_train", "within_val", "across")) == pinned[kind]
        assert {key: meta[key] for key in pinned if key in meta} == {k: v for k, v in pinned.items() if k in meta}


def test_a_tiny_imagenet_pack_holds_what_the_archive_holds(tiny: Found) -> None:
    """Oracle: the zip by `zipfile` and Pillow, image by image; labels from the folders and val_annotations.txt."""
    archive, spec, path = tiny
    pack, rows = Pack.open(path), read_index(path.with_name("index.csv"))
    with zipfile.ZipFile(archive) as zipped:
        root = "tiny-imagenet-200"
        classes = sorted(zipped.read(f"{root}/wnids.txt").decode().split())
        table = [line.split("\t") for line in zipped.read(f"{root}/val/val_annotations.txt").decode().splitlines()]
        val_class = {row[0]: row[1] for row in table}
        gray = {"train": 0, "val": 0}
        sampled = range(0, len(rows), 1 if spec.variant == "embedded" else 25)
        for n, row in enumerate(rows):
            wnid = row.member.split("/")[2] if "/train/" in row.member else val_class[row.filename]
            assert classes[int(row.label)] == wnid == row.class_name and pack.labels[n] == int(row.label)
            image = Image.open(io.BytesIO(zipped.read(row.member)))
            gray[row.split] += image.mode == "L"
            if n in sampled:
                assert np.array_equal(np.asarray(image.convert("RGB")), pack.images[n])
    assert pack.meta["classes"] == classes and pack.meta["grayscale"] == gray and gray["train"] > 0
    counted = np.stack(
        [np.bincount(pack.labels[s]) for s in (slice(pack.meta["train"]), slice(pack.meta["train"], None))]
    )
    assert (counted[0] == spec.train_per_class).all() and (counted[1] == spec.val_per_class).all()
    check_statistics(pack)
    check_against_pins(tiny)


def test_a_cifar10_pack_holds_as_many_of_each_class_as_it_should(cifar: Found) -> None:
    _, spec, path = cifar
    pack = Pack.open(path)
    assert pack.meta["classes"] == sorted(pack.meta["classes"]) and pack.meta["classes"][0] == "airplane"
    train = pack.meta["train"]
    assert (np.bincount(pack.labels[:train]) == spec.train_per_class).all()
    assert (np.bincount(pack.labels[train:]) == spec.val_per_class).all()
    check_statistics(pack)
    check_against_pins(cifar)


def check_statistics(pack: Pack) -> None:
    """Oracle: NumPy's mean and std, over a part of the real data and over all of the embedded."""
    train = pack.images[: pack.meta["train"]]
    means, deviations, squares = [], [], []
    for start in range(0, len(train), 5000):
        part = train[start : start + 5000] / 255.0
        means.append(part.mean((0, 1, 2)))
        squares.append((part**2).mean((0, 1, 2)))
        deviations.append(part.std((1, 2)).mean(0))
    size = [min(5000, len(train) - start) for start in range(0, len(train), 5000)]
    mean, square, deviation = (np.average(values, axis=0, weights=size) for values in (means, squares, deviations))
    assert np.allclose(pack.meta["mean"], mean, atol=1e-6)
    assert np.allclose(pack.meta["std_over_pixels"], np.sqrt(square - mean**2), atol=1e-6)
    assert np.allclose(pack.meta["std_over_images"], deviation, atol=1e-6)


def test_the_digests_in_a_pack_are_those_of_its_files(packs: dict[str, Path]) -> None:
    for path in packs.values():
        for name, sha256 in Pack.open(path).meta["sha256"].items():
            assert digest(path.with_name(name)) == sha256


def test_image_folder_reads_the_tree_with_the_pack_s_labels(
    packs: dict[str, Path], params: Params, tmp_path: Path
) -> None:
    """Oracle: torchvision.datasets.ImageFolder."""
    import_torchvision()
    from torchvision.datasets import ImageFolder

    for name, spec in params.datasets.items():
        index, tree = packs[name].with_name("index.csv"), tmp_path / name
        for _ in range(2):  # idempotent
            reorganise(
                packs[name].with_name("archive"), spec.layout, index=index, tree=tree, receipt=tmp_path / "t.json"
            )
        pack = Pack.open(packs[name])
        for split, rows in (("train", slice(0, pack.meta["train"])), ("val", slice(pack.meta["train"], None))):
            folder = ImageFolder(str(tree / split))
            assert folder.classes == pack.meta["classes"]
            assert np.array_equal(np.bincount(folder.targets), np.bincount(pack.labels[rows]))
            mine = {row.filename: int(row.label) for row in read_index(index) if row.split == split}
            for path, label in folder.samples:
                assert mine[Path(path).name] == label


def settings(**changes: object) -> Settings:
    base = {
        "dataset": "tiny-imagenet", "model": "alexnet", "optimizer": "sgd", "lr": 0.1, "epochs": 1, "batch_size": 8,
    }  # fmt: skip
    return Settings.model_validate(base | changes)


def test_views_are_disjoint_balanced_and_counted_from_the_first_class(packs: dict[str, Path]) -> None:
    pack = Pack.open(packs["tiny-imagenet"])
    views = pack.views(settings(classes=(3, 8), split="holdout"), 0)
    assert {name: len(view.labels) for name, view in views.items()} == {"train": 5 * 16, "val": 5 * 2, "test": 5 * 2}
    positions = np.concatenate([view.positions for view in views.values()])
    assert len(set(positions.tolist())) == len(positions)
    assert max(positions) < pack.meta["train"]  # a holdout never touches the official val images
    for view in views.values():
        assert np.array_equal(pack.labels[view.positions], view.labels + 3)
        assert len(set(np.bincount(view.labels))) == 1
        assert view.images is pack.images  # no copy
    few = pack.views(settings(per_class=5), 0)
    assert len(few["train"].labels) == 20 * 5 and len(few["val"].labels) == 20 * 5


def test_a_subset_by_names_is_the_same_in_any_order(packs: dict[str, Path]) -> None:
    pack = Pack.open(packs["tiny-imagenet"])
    names = pack.meta["classes"]
    for chosen in ((names[7], names[2]), (names[2], names[7])):
        view = pack.views(settings(classes=chosen, per_class=3), 0)["train"]
        assert pack.labels[view.positions].tolist() == [2, 2, 2, 7, 7, 7] and view.labels.tolist() == [
            0,
            0,
            0,
            1,
            1,
            1,
        ]
    with pytest.raises(UserError, match="did you mean"):
        pack.views(settings(classes=(names[0][:-1] + "x",)), 0)


def test_the_papers_subsets_have_their_sizes(tiny: Found) -> None:
    """Oracle: tinyimage10, section 3.1 (400/50/50 of each of ten classes); resnet18-init (5,000 and 100 images)."""
    _, spec, path = tiny
    if spec.variant != "official":
        pytest.skip("the embedded data set has fewer images than these")
    pack = Pack.open(path)
    assert pack.meta["words"][0].startswith("goldfish") and pack.meta["words"][9].startswith("tarantula")
    ten = pack.views(settings(classes=(0, 10), split="holdout"), 0)
    assert {name: np.bincount(view.labels).tolist() for name, view in ten.items()} == {
        "train": [400] * 10, "val": [50] * 10, "test": [50] * 10,
    }  # fmt: skip
    assert len(pack.views(settings(per_class=25), 0)["train"].labels) == 5000
    assert len(pack.views(settings(classes=(0, 10), per_class=10), 0)["train"].labels) == 100


def swap_classes(path: Path) -> None:
    labels = np.load(path)
    np.save(path.open("wb"), np.where(labels < 2, 1 - labels, labels))


def zero(path: Path) -> None:
    """One bad sector."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(512))


def meta_with(**changes: Any) -> Callable[[Path], object]:
    return lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("labels.npy", swap_classes),
        ("images.npy", zero),
        ("pack.json", meta_with(mean=[0.1, 0.2, 0.3])),
        ("pack.json", meta_with(std_over_pixels=[0.1, 0.2, 0.3])),
        ("pack.json", meta_with(train=400)),
        ("pack.json", meta_with(classes=[str(n) for n in range(10)])),
        ("pack.json", meta_with(sha256={})),
        ("verify.json", meta_with(sha256={})),
        ("index.csv", zero),
    ],
)
def test_bytes_that_were_not_made_are_never_trained_on(
    file: str, damage: Callable[[Path], object], packs: dict[str, Path], tmp_path: Path
) -> None:
    """Each has the size and the form of what it replaces. Put back, it is good again."""
    for path in packs["cifar10"].parent.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    kept, clean = (tmp_path / file).read_bytes(), content_digest(Pack.open(tmp_path / "pack.json").meta)
    damage(tmp_path / file)
    if file in ("pack.json", "labels.npy", "images.npy"):
        with pytest.raises(UserError, match=f"{tmp_path / file}: .*; delete {tmp_path / file} and run again"):
            Pack.open(tmp_path / "pack.json")
    else:
        with pytest.raises(UserError, match=f"{tmp_path / file}: .*; delete it and run again"):
            make_pack(
                tmp_path / "images.npy", index=tmp_path / "index.csv", report=tmp_path / "verify.json",
                receipt=tmp_path / "archive.json", pack=tmp_path / "pack.json",
            )  # fmt: skip
    (tmp_path / file).write_bytes(kept)
    assert content_digest(Pack.open(tmp_path / "pack.json").meta) == clean


def test_all_of_a_pack_that_training_follows_from_is_in_its_digest(packs: dict[str, Path]) -> None:
    meta = Pack.open(packs["cifar10"]).meta
    clean = content_digest(meta)
    for name in ("train", "classes", "mean", "std_over_pixels", "std_over_images", "image_size", "sha256"):
        assert content_digest(meta | {name: None}) != clean, name
    assert content_digest(meta | {"archive": {}, "key": None, "words": []}) == clean  # for people


@pytest.mark.parametrize("file", ["images.npy", "labels.npy"])
def test_a_damaged_pack_is_named(file: str, packs: dict[str, Path], tmp_path: Path) -> None:
    for name in ("pack.json", "images.npy", "labels.npy"):
        (tmp_path / name).write_bytes(packs["cifar10"].with_name(name).read_bytes())
    (tmp_path / file).write_bytes((tmp_path / file).read_bytes()[:500])
    with pytest.raises(UserError, match="damaged"):
        Pack.open(tmp_path / "pack.json")


def pictures(n: int, size: int = 64) -> np.ndarray[Any, Any]:
    return np.stack([np.asarray(Image.open(io.BytesIO(jpeg(seed, (size, size))))) for seed in range(n)])


@pytest.mark.parametrize("size", [32, 64])
def test_a_perceptual_hash_is_the_sign_of_the_lowest_frequencies(size: int) -> None:
    """Oracle: the DCT-II written out, of the luma in bands; re-encoding moves few bits, another picture many."""

    def cosines(n: int) -> np.ndarray[Any, Any]:
        return np.array([[np.cos(np.pi * k * (i + 0.5) / n) for i in range(n)] for k in range(8)])

    images = pictures(12, size)
    hashes = perceptual_hashes(images)
    for image, value in zip(images, hashes, strict=True):
        luma = image @ [0.299, 0.587, 0.114]
        low = cosines(16) @ luma.reshape(16, size // 16, size).mean(axis=1) @ cosines(size).T
        bits = np.unpackbits(np.array([value], ">u8").view(np.uint8)).reshape(8, 8)
        differ = bits != (low > np.median(low))
        assert differ.sum() <= 2  # frequencies next to the median, where rounding decides
    again = io.BytesIO()
    Image.fromarray(images[0]).save(again, "JPEG", quality=60)
    moved = perceptual_hashes(np.asarray(Image.open(again))[None])
    assert np.bitwise_count(hashes[0] ^ moved[0]) <= 4
    assert min(np.bitwise_count(hashes[0] ^ other) for other in hashes[1:]) > 4


def test_near_pairs_are_those_that_comparing_all_finds() -> None:
    """Oracle: every pair compared. Hashes close to one another, so that there are many."""
    random = np.random.default_rng(1)
    flips = np.uint64(1) << random.integers(0, 64, (400, 3)).astype(np.uint64)
    base = random.integers(0, 2**63, 40).astype(np.uint64).repeat(10)
    hashes = np.unique(base ^ flips[:, 0] ^ flips[:, 1] ^ flips[:, 2])
    random.shuffle(hashes)
    for most in range(11):
        expected = [
            (a, b, int(d))
            for a in range(len(hashes))
            for b in range(a + 1, len(hashes))
            if (d := np.bitwise_count(hashes[a] ^ hashes[b])) <= most
        ]
        assert [tuple(pair) for pair in near(hashes, most).tolist()] == expected
    copies = np.array([5, 9, 5, 5], np.uint64)
    assert near(copies, 2).tolist() == [[0, 1, 2], [0, 2, 0], [0, 3, 0]]  # 5 and 9 differ in two bits


def test_equal_images_are_paired_with_the_first_of_them() -> None:
    images = pictures(4)[[0, 1, 0, 2, 0]]
    assert exact(perceptual_hashes(images), images).tolist() == [[0, 2, 0], [0, 4, 0]]
    flat = np.zeros((3, 64, 64, 3), np.uint8)
    flat[1] += 1  # the same hash, other pixels
    assert exact(np.zeros(3, np.uint64), flat).tolist() == [[0, 2, 0]]


def test_a_leak_from_train_to_val_is_counted_listed_and_drawn(tmp_path: Path) -> None:
    """Oracle: planted by hand: one val image is a train image, one a train image at another quality."""
    files = tiny_files()
    root = "tiny-imagenet-200"
    files[f"{root}/val/images/val_0.JPEG"] = files[f"{root}/train/n00000001/images/n00000001_0.JPEG"]
    again = io.BytesIO()
    original = files[f"{root}/train/n00000002/images/n00000002_1.JPEG"]
    Image.open(io.BytesIO(original)).save(again, "JPEG", quality=50)
    files[f"{root}/val/images/val_5.JPEG"] = again.getvalue()
    write_json(tmp_path / "archive.json", {"archive": "a", "digest": "d", "sha256": "s", "bytes": 1})
    pack = gate(write_zip(tmp_path / "archive", files), TINY, tmp_path)
    audit = read_json(tmp_path / "verify.json")["duplicates"]
    assert audit["exact"] == {
        "within_train": 0, "within_val": 0, "across": 1, "of_two_classes": 1, "val_images_with_a_twin_in_train": 1,
    }  # fmt: skip
    assert audit["near"]["across"] == audit["near"]["val_images_with_a_twin_in_train"] == 1
    describe(pack, "leaky", tmp_path / "out")
    with (tmp_path / "out/leaky-duplicates.csv").open() as file:
        rows = [
            (r["kind"], r["member_1"].rsplit("/", 1)[-1], r["member_2"].rsplit("/", 1)[-1])
            for r in csv.DictReader(file)
        ]
    assert rows == [("exact", "n00000001_0.JPEG", "val_0.JPEG"), ("near", "n00000002_1.JPEG", "val_5.JPEG")]
    sheet = Image.open(tmp_path / "out/leaky-duplicates.jpg")
    assert sheet.format == "JPEG" and sheet.width > 2 * 64


def test_the_overview_says_what_is_there(
    packs: dict[str, Path], params: Params, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert all(entry["pack"] is None for entry in overview(params))
    for name, path in packs.items():
        folder = tmp_path / "data" / "embedded" / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.symlink_to(path.parent)
    entries = overview(params)
    assert [entry["pack"]["train"] for entry in entries] == [400, 500]
    assert all((tmp_path / entry["samples"]).exists() for entry in entries)
    assert json.loads(json.dumps(entries)) == entries
    shown = [str(cell) for column in table_of(entries[0]).columns for cell in column.cells]
    assert entries[0]["archive"]["sha256"] in shown and "400 train, 100 val, 64x64" in shown


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("unpinned", "accepted by its content alone"),
        ("official", "the archive that params.yaml pins as 'official'"),
        ("embedded", "Generated by this project"),
    ],
)
def test_what_the_checks_can_and_cannot_see_is_said(label: str, said: str) -> None:
    receipt = {"archive": "a.zip", "digest": label, "sha256": "0", "bytes": 1}
    duplicates = dict.fromkeys(("within_train", "within_val", "across", "of_two_classes"), 0)
    pack = {
        "train": 1, "images": 2, "image_size": 64, "grayscale": {"train": 0, "val": 0}, "classes": ["a"],
        "words": ["[/red] [link=x]one"], "duplicates": {"exact": duplicates, "near": duplicates},
        "mean": [0.5], "std_over_pixels": [0.5], "std_over_images": [0.5], "sha256": {"images.npy": "0"},
    }  # fmt: skip
    entry = {
        "dataset": "d", "variant": "official", "archive": receipt, "pack": pack, "tree": None, "samples": "s",
        "duplicates": "d",
    }  # fmt: skip
    out = io.StringIO()
    Console(file=out, width=400).print(table_of(entry))
    text = out.getvalue()
    assert said in text and "Cannot be seen: labels that are wrong throughout" in text
    assert "[/red] [link=x]one" in text  # words are no markup


@pytest.fixture
def spawn() -> Iterator[None]:
    """Start processes as macOS does: with nothing of the parent's."""
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("spawn", force=True)
    yield
    multiprocessing.set_start_method(before, force=True)


MANY = TINY.model_copy(update={"train_per_class": 50})


def many_files() -> Files:
    """More than a block of images, so that several processes share them."""
    files = tiny_files()
    for wnid in WNIDS:
        folder = f"tiny-imagenet-200/train/{wnid}/images/{wnid}"
        files |= {f"{folder}_{n}.JPEG": files[f"{folder}_3.JPEG"] for n in range(4, MANY.train_per_class)}
    assert len(WNIDS) * MANY.train_per_class > BLOCK
    return files


def test_one_bad_image_of_many_ends_all_processes_and_is_named(tmp_path: Path) -> None:
    bad = f"tiny-imagenet-200/train/{WNIDS[0]}/images/{WNIDS[0]}_49.JPEG"
    archive = write_zip(tmp_path / "archive", many_files() | {bad: jpeg(1)[:-100]})
    write_json(tmp_path / "archive.json", {"archive": "a", "digest": "d", "sha256": "s", "bytes": 1})
    with pytest.raises(UserError, match=re.escape(bad)):
        gate(archive, MANY, tmp_path)
    assert not multiprocessing.active_children() and not (tmp_path / "images.npy").exists()


@pytest.mark.parametrize("packed", ["zip", "tar"])
def test_decoding_needs_nothing_that_macos_lacks(
    packed: str, spawn: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the pack that Linux makes."""
    write_json(tmp_path / "archive.json", {"archive": "a", "digest": "d", "sha256": "s", "bytes": 1})
    right = gate(write_zip(tmp_path / "right", many_files()), MANY, tmp_path)
    expected = read_json(right)["sha256"]
    for name in ("sched_getaffinity", "posix_fadvise", "fdatasync"):
        monkeypatch.delattr(os, name)
    monkeypatch.setattr("ablate.data.decode.DRAIN", 1)
    write = write_zip if packed == "zip" else write_tar
    assert read_json(gate(write(tmp_path / "archive", many_files()), MANY, tmp_path))["sha256"] == expected


def test_dataset_records_survive_json(params: Params) -> None:
    for spec in params.datasets.values():
        assert Dataset.model_validate_json(spec.model_dump_json()) == spec
