"""fetch, verify, reorganise and pack on the embedded archives: the same code as on the real ones."""

import io
import json
import os
import pickle
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablate.compat import import_torchvision
from ablate.config import Dataset, Params, Settings, load
from ablate.data.fetch import fetch
from ablate.data.layouts import contents
from ablate.data.pack import Pack, make_pack
from ablate.data.reorganise import reorganise
from ablate.data.verify import read_index, verify
from ablate.errors import UserError
from ablate.files import digest, read_json
from conftest import ROOT

MIRROR = os.environ.get("ABLATE_TEST_MIRROR")


def archive_of(packs: dict[str, Path], name: str) -> Path:
    return packs[name].with_name("archive")


def test_a_pack_holds_what_the_archive_holds(packs: dict[str, Path], params: Params) -> None:
    """Oracle: the zip read and decoded image by image, labels from the folders and val_annotations.txt."""
    pack = Pack.open(packs["tiny-imagenet"])
    spec = params.datasets["tiny-imagenet"]
    with zipfile.ZipFile(archive_of(packs, "tiny-imagenet")) as zipped:
        root = "tiny-imagenet-200"
        classes = sorted(zipped.read(f"{root}/wnids.txt").decode().split())
        table = [line.split("\t") for line in zipped.read(f"{root}/val/val_annotations.txt").decode().splitlines()]
        val_class = {row[0]: row[1] for row in table}
        gray = 0
        for n, (item, label, _) in enumerate(read_index(packs["tiny-imagenet"].with_name("index.csv"))):
            wnid = item.member.split("/")[2] if "/train/" in item.member else val_class[item.filename]
            assert classes[label] == wnid and pack.labels[n] == label
            image = Image.open(io.BytesIO(zipped.read(item.member)))
            gray += image.mode == "L"
            assert np.array_equal(np.asarray(image.convert("RGB")), pack.images[n])
    assert pack.meta["classes"] == classes and pack.meta["grayscale"] == gray > 0
    assert pack.meta["train"] == spec.n_classes * spec.train_per_class
    train = pack.images[: pack.meta["train"]] / 255.0
    assert np.allclose(pack.meta["mean"], train.mean((0, 1, 2)), atol=1e-6)
    assert np.allclose(pack.meta["std_over_pixels"], train.std((0, 1, 2)), atol=1e-6)
    assert pack.meta["sha256"]["images.npy"] == digest(packs["tiny-imagenet"].with_name("images.npy"))


def test_image_folder_reads_the_tree_with_the_pack_s_labels(
    packs: dict[str, Path], params: Params, tmp_path: Path
) -> None:
    """Oracle: torchvision.datasets.ImageFolder."""
    import_torchvision()
    from torchvision.datasets import ImageFolder

    for name, spec in params.datasets.items():
        index, tree = packs[name].with_name("index.csv"), tmp_path / name
        for _ in range(2):  # idempotent
            reorganise(archive_of(packs, name), spec.layout, index=index, tree=tree, receipt=tmp_path / "tree.json")
        pack = Pack.open(packs[name])
        for split, rows in (("train", slice(0, pack.meta["train"])), ("val", slice(pack.meta["train"], None))):
            folder = ImageFolder(str(tree / split))
            assert folder.classes == pack.meta["classes"]
            assert np.array_equal(np.bincount(folder.targets), np.bincount(pack.labels[rows]))
            mine = {item.filename: label for item, label, _ in read_index(index) if item.split == split}
            for path, label in folder.samples:
                assert mine[Path(path).name] == label


def settings(**changes: object) -> Settings:
    base = {
        "dataset": "tiny-imagenet", "model": "alexnet", "optimizer": "sgd", "lr": 0.1, "epochs": 1, "batch_size": 8,
    }  # fmt: skip
    return Settings.model_validate(base | changes)


def test_views_are_disjoint_balanced_and_counted_from_the_first_class(packs: dict[str, Path]) -> None:
    pack = Pack.open(packs["tiny-imagenet"])
    views = pack.views(settings(classes=(3, 8), split="holdout"))
    assert {name: len(view.labels) for name, view in views.items()} == {"train": 5 * 32, "val": 5 * 4, "test": 5 * 4}
    positions = np.concatenate([view.positions for view in views.values()])
    assert len(set(positions.tolist())) == len(positions)
    assert max(positions) < pack.meta["train"]  # a holdout never touches the official val images
    for view in views.values():
        assert np.array_equal(pack.labels[view.positions], view.labels + 3)
        assert len(set(np.bincount(view.labels))) == 1
        assert view.images is pack.images  # no copy
    few = pack.views(settings(per_class=5))
    assert len(few["train"].labels) == 20 * 5 and len(few["val"].labels) == 20 * 20


# What is wrong with the source, and what the message must say.
SOURCES: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "no mirror folder": (lambda m: None, ["there is no folder", "mirror"]),
    "no archive in it": (lambda m: m.mkdir(), ["no such file", "mirror"]),
    "an HTML page": (
        lambda m: (m.mkdir(), (m / "a.zip").write_text("<html>404</html>"))[0],
        ["HTML", "wrong digest"],
    ),
    "other bytes": (lambda m: (m.mkdir(), (m / "a.zip").write_bytes(b"PK\x03\x04"))[0], ["wrong digest", "digests"]),
}


@pytest.mark.parametrize("case", SOURCES)
def test_fetch_refuses_a_bad_source_and_leaves_nothing(case: str, tmp_path: Path) -> None:
    prepare, expected = SOURCES[case]
    prepare(tmp_path / "mirror")
    target = tmp_path / "data" / "archive"
    with pytest.raises(UserError) as caught:
        fetch(
            "a.zip", target, mirror=str(tmp_path / "mirror"), urls=[], digests={"official": "md5:" + "0" * 32},
            receipt=tmp_path / "data" / "archive.json",
        )  # fmt: skip
    assert all(part in str(caught.value) for part in expected), str(caught.value)
    assert not target.exists() and not list(tmp_path.rglob("*.part"))


def test_fetch_takes_the_first_source_that_answers(tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(b"PK")
    (tmp_path / "empty").mkdir()
    fetch(
        "b.zip", tmp_path / "archive", mirror=str(tmp_path / "empty"), urls=[f"file://{tmp_path}/b.zip"],
        digests={"mine": "sha256:" + digest(tmp_path / "b.zip")}, receipt=tmp_path / "archive.json",
    )  # fmt: skip
    assert read_json(tmp_path / "archive.json")["digest"] == "mine"


def rewrite(archive: Path, target: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> Path:
    """A copy of a zip with members changed, or dropped where ``change`` says None."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            member = change(name, old.read(name))
            if member:
                new.writestr(*member)
    return target


def annotations(edit: Callable[[list[str]], list[str]]) -> Callable[[str, bytes], tuple[str, bytes]]:
    def change(name: str, data: bytes) -> tuple[str, bytes]:
        if name.endswith("val_annotations.txt"):
            data = "\n".join(edit(data.decode().splitlines())).encode()
        return name, data

    return change


CONTENT: dict[str, tuple[Callable[[str, bytes], tuple[str, bytes] | None], str]] = {
    "unknown wnid": (annotations(lambda ls: [ls[0].replace(ls[0].split("\t")[1], "n99"), *ls[1:]]), "n99"),
    "annotated twice": (annotations(lambda ls: [ls[0], *ls]), "twice"),
    "not annotated": (annotations(lambda ls: ls[1:]), "no label"),
    "annotated and missing": (lambda n, d: None if n.endswith("/val_0.JPEG") else (n, d), "annotated and missing"),
    "wrong columns": (annotations(lambda ls: [ls[0] + "\t9", *ls[1:]]), "columns"),
    "39 images": (lambda n, d: None if n.endswith("n01443537_0.JPEG") else (n, d), "39 train images, expected 40"),
    "no wnids.txt": (lambda n, d: None if n.endswith("wnids.txt") else (n, d), "wnids.txt"),
}


@pytest.mark.parametrize("case", CONTENT)
def test_verify_refuses_wrong_content(case: str, packs: dict[str, Path], params: Params, tmp_path: Path) -> None:
    change, expected = CONTENT[case]
    bad = rewrite(archive_of(packs, "tiny-imagenet"), tmp_path / "bad.zip", change)
    with pytest.raises(UserError) as caught:
        verify(bad, params.datasets["tiny-imagenet"], index=tmp_path / "i.csv", report=tmp_path / "r.json")
    assert expected in str(caught.value) and "bad.zip" in str(caught.value)
    assert not (tmp_path / "i.csv").exists()


@pytest.mark.parametrize("case", ["truncated", "PNG", "65x64"])
def test_pack_refuses_an_image_that_is_none(case: str, packs: dict[str, Path], tmp_path: Path) -> None:
    def change(name: str, data: bytes) -> tuple[str, bytes]:
        if name.endswith("n01443537_7.JPEG"):
            image = io.BytesIO()
            if case == "PNG":
                Image.new("RGB", (64, 64)).save(image, "PNG")
            else:
                Image.new("RGB", (65, 64)).save(image, "JPEG")
            data = data[: len(data) // 2] if case == "truncated" else image.getvalue()
        return name, data

    bad = rewrite(archive_of(packs, "tiny-imagenet"), tmp_path / "bad.zip", change)
    source = packs["tiny-imagenet"]
    with pytest.raises(UserError, match=r"n01443537_7\.JPEG"):
        make_pack(
            bad, "tiny-imagenet", 64, index=source.with_name("index.csv"), receipt=source.with_name("archive.json"),
            pack=tmp_path / "out" / "pack.json",
        )  # fmt: skip
    assert not list((tmp_path / "out").iterdir())


def test_a_truncated_zip_is_named(packs: dict[str, Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.zip"
    bad.write_bytes(archive_of(packs, "tiny-imagenet").read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"bad\.zip: damaged"):
        contents("tiny-imagenet", bad)


class Gadget:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def test_a_pickle_that_asks_for_more_than_arrays_is_refused_and_not_run(tmp_path: Path) -> None:
    bad, payload = tmp_path / "bad.tar.gz", pickle.dumps({b"data": Gadget(tmp_path / "ran")}, protocol=2)
    with tarfile.open(bad, "w:gz") as tar:
        info = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        info.size = len(payload)
        tar.addfile(info, io.BytesIO(payload))
    with pytest.raises(UserError, match="system"):
        contents("cifar10", bad)
    assert not (tmp_path / "ran").exists()


def test_no_space_left_is_one_message_and_leaves_nothing(
    packs: dict[str, Path], params: Params, tmp_path: Path
) -> None:
    """A real refusal of the kernel's to write more: a limit on the file size, which acts as a full disk does."""
    source = packs["tiny-imagenet"]
    spec = params.datasets["tiny-imagenet"].model_dump_json()
    ablate = Path(sys.executable).with_name("ablate")
    words = f"'{ablate}' pack --spec '{spec}' --archive {source.with_name('archive')} " \
            f"--index {source.with_name('index.csv')} --receipt {source.with_name('archive.json')} " \
            f"--output {tmp_path}/out/pack.json"  # fmt: skip
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 1000; {words}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "cannot write" in done.stderr and "free space" in done.stderr and "Traceback" not in done.stderr
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.mirror
@pytest.mark.skipif(not MIRROR, reason="ABLATE_TEST_MIRROR names no folder with the real archives")
def test_the_real_archives(tmp_path: Path) -> None:
    """Oracle: the data sets' published counts."""
    assert MIRROR
    for name, spec in load(ROOT / "params.yaml", {"scale": "paper"}).datasets.items():
        verify(Path(MIRROR) / spec.archive, spec, index=tmp_path / f"{name}.csv", report=tmp_path / f"{name}.json")
    tiny, cifar = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("tiny-imagenet", "cifar10"))
    assert tiny == {"classes": 200, "train": 100_000, "val": 10_000, "unlabelled": 10_000}
    assert cifar == {"classes": 10, "train": 50_000, "val": 10_000, "unlabelled": 0}
    first = {words for item, label, words in read_index(tmp_path / "tiny-imagenet.csv") if label == 0}
    assert first == {"goldfish, Carassius auratus"}


def test_dataset_records_survive_json(params: Params) -> None:
    for spec in params.datasets.values():
        assert Dataset.model_validate_json(spec.model_dump_json()) == spec
