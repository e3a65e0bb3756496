"""All right forms of an archive: verify makes the same pixels and labels of each.

Oracle: Pillow on the JPEGs, and the arrays that were pickled. The wrong archives are in attacks/.
"""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablate.data.index import read_index
from ablate.data.verify import verify
from ablate.plan.params import Dataset
from archives import CIFAR, TINY, WNIDS, Make, binary, cifar_batches, pickled, tiny_files, write_tar, write_zip


def forms() -> Iterator[tuple[str, Make, Dataset]]:
    tiny, batches = tiny_files(), cifar_batches()
    junk = {".DS_Store": b"x", "__MACOSX/._train": b"x", "tiny-imagenet-200/train/.DS_Store": b"x"}
    folders = {"tiny-imagenet-200/train/": b"", "tiny-imagenet-200/val/": b""}  # the official zip lists its folders
    label = dict(
        line.split("\t")[:2] for line in tiny["tiny-imagenet-200/val/val_annotations.txt"].decode().splitlines()
    )

    def moved(name: str) -> str:
        file = name.rsplit("/", 1)[-1]
        return name.replace("val/images", f"val/{label[file]}") if file in label else name

    yield "deflated zip", lambda d: write_zip(d / "a", tiny), TINY
    yield "stored zip", lambda d: write_zip(d / "a", tiny, zipfile.ZIP_STORED), TINY
    yield "without a root folder", lambda d: write_zip(d / "a", tiny_files("")), TINY
    yield "members in another order", lambda d: write_zip(d / "a", dict(reversed(tiny.items()))), TINY
    yield "with folders and junk", lambda d: write_zip(d / "a", folders | tiny | junk), TINY
    yield "val in class folders", lambda d: write_zip(d / "a", {moved(n): c for n, c in tiny.items()}), TINY
    yield "python archive", lambda d: write_tar(d / "a", pickled(batches)), CIFAR
    yield "binary archive", lambda d: write_tar(d / "a", binary(batches)), CIFAR
    yield "batches in a zip", lambda d: write_zip(d / "a", pickled(batches)), CIFAR


@pytest.mark.quick
def test_all_right_forms_of_an_archive_give_the_same_pixels_and_labels(tmp_path: Path) -> None:
    """Oracle: Pillow on the JPEGs in the order of sorted class names, and the arrays that were pickled."""
    got: dict[str, list[tuple[bytes, list[tuple[str, str]]]]] = {"tiny-imagenet": [], "cifar10": []}
    for name, make, spec in forms():
        folder = tmp_path / name
        folder.mkdir()
        verify(
            make(folder), spec, index=folder / "index.csv", images=folder / "images.npy", pairs=folder / "d.csv",
            report=folder / "v.json",
        )  # fmt: skip
        labels = [(row.split, row.label) for row in read_index(folder / "index.csv")]
        got[spec.layout].append(((folder / "images.npy").read_bytes(), labels))
    for same in got.values():
        assert all(one == same[0] for one in same[1:])
    files = tiny_files()
    expected = [
        np.asarray(
            Image.open(io.BytesIO(files[f"tiny-imagenet-200/train/{wnid}/images/{wnid}_{n}.JPEG"])).convert("RGB")
        )
        for wnid in sorted(WNIDS)
        for n in range(4)
    ]
    assert np.array_equal(np.load(tmp_path / "deflated zip/images.npy")[:12], expected)
    assert got["tiny-imagenet"][0][1][:12] == [("train", str(label)) for label in range(3) for _ in range(4)]
    cats = np.concatenate([b[b"data"][[0, 2]] for n, b in cifar_batches().items() if n.startswith("data")])
    first = np.load(tmp_path / "binary archive/images.npy")[:10]
    assert np.array_equal(first.transpose(0, 3, 1, 2).reshape(10, -1), cats)
