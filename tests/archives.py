"""Small archives in the official layouts, made wrong in one place, for the tests of attacks and faults; and checks
that `ablate verify-data` refuses one of them.
"""

import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ablate.cli import main as cli
from ablate.plan.params import Dataset

WNIDS = ["n00000003", "n00000001", "n00000002"]  # unsorted, as in the real archive
TINY = Dataset(
    layout="tiny-imagenet",
    archive="tiny.zip",
    image_size=64,
    n_classes=3,
    train_per_class=4,
    val_per_class=2,
    n_test=2,
)
CIFAR = Dataset(
    layout="cifar10", archive="cifar.tar.gz", image_size=32, n_classes=2, train_per_class=10, val_per_class=2
)
Files = dict[str, bytes]
Make = Callable[[Path], Path]  # from the folder for the archive to the archive


@cache
def jpeg(seed: int, size: tuple[int, int] = (64, 64), mode: str = "RGB", kind: str = "JPEG") -> bytes:
    """A picture of smooth noise."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).convert(mode).save(out, kind)
    return out.getvalue()


def tiny_files(root: str = "tiny-imagenet-200/") -> Files:
    """{member: content} of a right archive of `TINY`; one train and one val image are grayscale."""
    files = {"wnids.txt": "\n".join(WNIDS).encode(), "words.txt": b"n00000001\tone, first\nn00000002\ttwo\nn9\tother"}
    rows, seed = [], 0
    for wnid in WNIDS:
        files[f"train/{wnid}/{wnid}_boxes.txt"] = b""
        for n in range(4):
            seed += 1
            files[f"train/{wnid}/images/{wnid}_{n}.JPEG"] = jpeg(seed, mode="L" if seed == 2 else "RGB")
        for _ in range(2):
            name = f"val_{len(rows)}.JPEG"
            rows.append(f"{name}\t{wnid}\t0\t0\t63\t63")
            files[f"val/images/{name}"] = jpeg(100 + len(rows), mode="L" if len(rows) == 3 else "RGB")
    files["val/val_annotations.txt"] = "\n".join(rows).encode()
    files |= {f"test/images/test_{n}.JPEG": jpeg(200 + n) for n in range(2)}
    return {root + name: content for name, content in files.items()}


def write_zip(target: Path, files: Files, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(target, "w", method) as out:
        for name, content in files.items():
            out.writestr(name, content)
    return target


def cifar_batches() -> dict[str, dict[bytes, Any]]:
    """{batch: its table} of a right archive of `CIFAR`."""
    random = np.random.default_rng(0)
    batches: dict[str, dict[bytes, Any]] = {"batches.meta": {b"label_names": [b"cat", b"dog"]}}
    for name in (*[f"data_batch_{n}" for n in range(1, 6)], "test_batch"):
        batches[name] = {
            b"labels": [0, 1, 0, 1],
            b"data": random.integers(0, 256, (4, 3072), np.uint8),
            b"filenames": [f"{name}_{n}.png".encode() for n in range(4)],
        }
    return batches


def pickled(batches: dict[str, Any]) -> Files:
    return {f"cifar-10-batches-py/{name}": pickle.dumps(table, protocol=2) for name, table in batches.items()}


def binary(batches: dict[str, dict[bytes, Any]]) -> Files:
    """The same records in the layout of the binary archive."""
    names = b"\n".join(batches["batches.meta"][b"label_names"]) + b"\n\n"
    files = {"cifar-10-batches-bin/batches.meta.txt": names, "cifar-10-batches-bin/readme.html": b"<html>"}
    for name, table in batches.items():
        if name != "batches.meta":
            labels = np.array(table[b"labels"], np.uint8)[:, None]
            files[f"cifar-10-batches-bin/{name}.bin"] = np.hstack([labels, table[b"data"]]).tobytes()
    return files


def write_tar(target: Path, files: Files, *special: tarfile.TarInfo) -> Path:
    with tarfile.open(target, "w:gz", compresslevel=1) as tar:
        for info in special:
            tar.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target


def edited(files: Files, ending: str, change: Callable[[bytes], bytes | None]) -> Files:
    """``files`` with the one that ends so changed, or left out where ``change`` says None."""
    (name,) = [name for name in files if name.endswith(ending)]
    content = change(files[name])
    rest = {n: c for n, c in files.items() if n != name}
    return rest if content is None else rest | {name: content}


def verify(archive: Path, spec: Dataset, out: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    receipt = out.with_name("receipt.json")
    receipt.write_text('{"sha256": "of no account here"}')
    words = ["ablate", "verify-data", "--spec", spec.model_dump_json(), "--archive", str(archive)]
    words += ["--receipt", str(receipt)]
    for option, name in (
        ("index", "index.csv"),
        ("images", "images.npy"),
        ("duplicates", "d.csv"),
        ("report", "v.json"),
    ):
        words += [f"--{option}", str(out / name)]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def refused(archive: Path, spec: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    code = verify(archive, spec, out, monkeypatch)
    assert code == 2, code
    assert not out.exists() or not list(out.iterdir())
    assert not (tmp_path / "ran").exists()


def told(capfd: pytest.CaptureFixture[str], archive: Path, expected: str) -> None:
    lines = [line for line in capfd.readouterr().err.splitlines() if not line.startswith("verify ")]
    assert len(lines) == 1, lines
    assert lines[0].startswith("ablate: error: ") and str(archive) in lines[0] and expected in lines[0], lines
    assert any(word in lines[0] for word in ("fetch", "mend")), lines
