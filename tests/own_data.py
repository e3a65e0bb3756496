"""Small data sets of a user's own, as folders and files of each layout, and their packs."""

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from ablate.data.fetch import fetch
from ablate.data.measure import measure
from ablate.data.views import Pack
from ablate.files import read_json
from ablate.plan.datasets import Dataset
from conftest import Workspace, gate

Array = np.ndarray[Any, Any]
COUNTS = {"ant": (7, 2), "Bee hive": (4, 1), "élan": (2, 3)}  # of train, of val


def pixels(seed: int, size: int = 20, gray: bool = False) -> Array:
    small = np.random.default_rng(seed).integers(0, 256, (4, 4) if gray else (4, 4, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((size, size), Image.Resampling.NEAREST))


def picture(array: Array, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, kind, **options)
    return out.getvalue()


def folders(
    root: Path, size: int = 20, kind: str = "PNG", splits: tuple[str, str] = ("train", "val")
) -> dict[str, Array]:
    """Write class folders of `COUNTS`; {split/class/file: what it was written from}."""
    made = {}
    for k, (name, counts) in enumerate(COUNTS.items()):
        for split, n in zip(splits, counts, strict=True):
            for i in range(n):
                path = root / split / name / f"a {i}.{kind.lower()}"
                path.parent.mkdir(parents=True, exist_ok=True)
                made[f"{split}/{name}/{path.name}"] = array = pixels(1000 * k + 100 * (split == splits[1]) + i, size)
                path.write_bytes(picture(array, kind))
    return made


def idx(array: Array) -> bytes:
    return struct.pack(f">{array.ndim + 1}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


def spec_of(path: str, layout: str, **options: Any) -> Dataset:
    return Dataset(layout=layout, path=path, **options)


def pack_of(spec: Dataset) -> Pack:
    """By way of measure, fetch, verify and pack."""
    spec = spec.measured(measure("mine", spec))
    folder = Path("data/official/mine")
    fetch("own", folder / "archive", path=spec.path, mirror=None, urls=[], digests={}, measured=True,
          receipt=folder / "archive.json")  # fmt: skip
    return Pack.open(gate(folder / "archive", spec, folder))


def held(pack: Pack) -> list[tuple[str, str, bytes]]:
    """(split, class, pixels) of every image of a pack."""
    splits = ["train"] * pack.meta["train"] + ["val"] * (len(pack.labels) - pack.meta["train"])
    names = [pack.meta["classes"][label] for label in pack.labels]
    return sorted(zip(splits, names, [image.tobytes() for image in pack.images], strict=True))


def wanted(made: dict[str, Array]) -> list[tuple[str, str, bytes]]:
    parts = [(*path.split("/")[:2], array) for path, array in made.items()]
    return sorted((split, name, array.tobytes()) for split, name, array in parts)


def exported(path: Path, images: Array, labels: Array, names: list[str] | None = None, **more: Any) -> None:
    """As `datasets.Dataset.to_parquet` writes."""
    rows = [{"bytes": picture(image), "path": None} for image in images]
    table = pa.table({"image": rows, "label": pa.array(labels.tolist(), pa.int64()), **more})
    if names:
        features = {"label": {"names": names, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(exist_ok=True, parents=True)
    parquet.write_table(table, path)


def manifests(w: Workspace) -> dict[str, list[str]]:
    """{data set: manifests of its runs}; a run that is trained again takes another time."""
    found: dict[str, list[str]] = {}
    for path in sorted(w.folder.glob("results/runs/*/run.json")):
        data = read_json(path)["settings"]["dataset"]
        found.setdefault(data, []).append(path.with_name("manifest.json").read_text())
    return found
