"""Read a pack: memory-mapped arrays, of which every split and subset is a view."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ablate.errors import UserError, choose
from ablate.files import open_array
from ablate.plan.settings import Settings
from ablate.seals import read_sealed, sha256_of

if TYPE_CHECKING:
    from jaxtyping import Int64, UInt8


@dataclass(frozen=True)
class View:
    """One split of one arm: positions in the pack, and labels counted from the arm's first class."""

    images: UInt8[np.ndarray, "all s s 3"]  # the whole pack, memory-mapped
    positions: Int64[np.ndarray, " n"]  # rows of the pack
    labels: Int64[np.ndarray, " n"]  # 0 .. classes - 1


@dataclass(frozen=True)
class Pack:
    """An opened pack."""

    meta: dict[str, Any]
    images: UInt8[np.ndarray, "n s s 3"]  # memory-mapped
    labels: Int64[np.ndarray, " n"]

    @classmethod
    def open(cls, path: Path) -> Pack:
        """``path`` is pack.json.

        Raises:
            UserError: If a file is missing, or is not as it was written.
        """
        meta = read_sealed(path, f"delete {path} and run again")
        for name, wanted in meta["sha256"].items():
            if (file := path.with_name(name)).exists() and sha256_of(file) != wanted:
                raise UserError(f"{file}: damaged pack, is not as it was written; delete {file} and run again")
        try:
            images = open_array(path.with_name("images.npy"))
            labels = np.load(path.with_name("labels.npy"))
        except (OSError, ValueError) as error:
            raise UserError(f"{path.parent}: damaged pack ({error}); delete {path} and run again") from error
        if len(images) != len(labels) or len(images) != meta["images"]:
            raise UserError(f"{path.parent}: arrays of different lengths; delete {path} and run again")
        return cls(meta, images, labels)

    def chosen(self, settings: Settings) -> list[int]:
        """The arm's classes as labels of the pack, ascending.

        Raises:
            UserError: For a class that is not there.
        """
        known = self.meta["classes"]
        if settings.classes is None:
            return list(range(len(known)))
        if settings.class_range:
            return list(range(*settings.class_range))
        for name in settings.classes:
            if name not in known:
                raise choose("params.yaml: classes", name, known, "class")
        return sorted(known.index(name) for name in settings.classes)

    def views(self, settings: Settings, seed: int) -> dict[str, View]:
        """train, val and, for a holdout split, test. Nothing is copied but positions and labels.

        ``seed`` draws the training images with ``subset: by-seed``. Val and test are the same for all seeds.
        """
        train: list[int] = []
        held: dict[str, list[int]] = {"val": [], "test": []}
        chosen = self.chosen(settings)
        n_train = self.meta["train"]
        for label in chosen:
            mine = np.flatnonzero(self.labels[:n_train] == label)
            if settings.split == "holdout":  # tinyimage10, section 3.1: 0.8 : 0.1 : 0.1
                tenth = len(mine) // 10
                held["val"] += mine[8 * tenth : 9 * tenth].tolist()
                held["test"] += mine[9 * tenth : 10 * tenth].tolist()
                mine = mine[: 8 * tenth]
            else:
                held["val"] += (n_train + np.flatnonzero(self.labels[n_train:] == label)).tolist()
            if settings.per_class and settings.subset == "by-seed":
                key = f"{seed}/{settings.dataset}/{self.meta['classes'][label]}"
                mine = mine[drawn(len(mine), settings.per_class, key)]
            train += mine[: settings.per_class].tolist()
        parts = {"train": train, **{name: rows for name, rows in held.items() if rows}}
        labels = {name: np.searchsorted(chosen, self.labels[rows]) for name, rows in parts.items()}
        if settings.labels == "shuffled":
            labels["train"] = np.random.default_rng(0).permutation(labels["train"])
        return {name: View(self.images, np.array(rows, np.int64), labels[name]) for name, rows in parts.items()}


def drawn(n: int, k: int, key: str) -> list[int]:
    """``k`` of ``range(n)`` at random, ascending: the first ``k`` of a permutation that ``key`` alone decides.

    So a smaller draw is part of a larger one. By digests, since NumPy's streams may change with its versions.
    """
    permutation = sorted(range(n), key=lambda i: hashlib.sha256(f"{key}/{i}".encode()).digest())
    return sorted(permutation[:k])
