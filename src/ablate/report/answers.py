"""Which evaluated images each run got right, as bits, and small pictures of the images that tell runs apart."""

import base64
from collections.abc import Mapping
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ablate.csv_text import read_lines
from ablate.data.views import Pack
from ablate.plan.names import class_names
from ablate.plan.settings import Settings
from ablate.seals import of_run

MOST = 800  # pictures of a data set
SIDE, COLUMNS = 32, 25  # pixels of a picture, pictures in a row
NO_IMAGES, NO_LABELS = np.empty((0, 0, 0, 3), np.uint8), np.empty(0, np.int64)


class Answers:
    """Of many runs: those that were evaluated on the same images share one list of them, ``sets``."""

    def __init__(self, runs: Path, data: Mapping[str, Mapping[str, Any]]) -> None:
        """``runs`` has the runs' folders; ``data`` is {data set: what `ablate describe` found in it}."""
        self._runs, self._data = runs, data
        self._known: dict[Any, int] = {}
        self.sets: list[dict[str, Any]] = []  # dataset, split, classes by name, positions in the pack, labels
        self._right: list[list[NDArray[np.bool_]]] = []  # of each set, a row per run

    def of(self, run: str, settings: Settings) -> dict[str, Any]:
        """``right``, a bit per image (the first one is the highest of its byte), and ``images``, its set.

        Of the test images, or of those for validation where there are none; nothing where the run left no answers.
        """
        file = self._runs / run / "predictions.csv"
        if not file.exists():
            return {}
        heads, rows = read_lines(of_run(file.parent, file.name), ["split", "position", "label", "predicted"])
        at = {name: heads.index(name) for name in ("split", "position", "label", "predicted")}
        splits = {row[at["split"]] for row in rows}
        chosen = "test" if "test" in splits else "val"
        table = np.array(
            [[int(row[at[name]]) for name in ("position", "label", "predicted")] for row in rows
             if row[at["split"]] == chosen], dtype=np.int64,
        ).reshape(-1, 3)  # fmt: skip
        if not len(table):
            return {}
        key = settings.dataset, settings.classes, chosen, table[:, :2].tobytes()
        if key not in self._known:
            self._known[key] = len(self.sets)
            self.sets.append({
                "dataset": settings.dataset, "split": chosen, "classes": self._classes(settings),
                "positions": table[:, 0].tolist(), "labels": table[:, 1].tolist(),
            })  # fmt: skip
            self._right.append([])
        right = table[:, 1] == table[:, 2]
        self._right[self._known[key]].append(right)
        return {"images": self._known[key], "right": base64.b64encode(np.packbits(right).tobytes()).decode()}

    def _classes(self, settings: Settings) -> list[str]:
        """The names of an arm's classes; none where nothing is known of the data set."""
        if settings.dataset not in self._data:
            return []
        facts = dict(self._data[settings.dataset])
        return class_names(facts, Pack(facts, NO_IMAGES, NO_LABELS).chosen(settings))

    def pictures(self, packs: Mapping[str, Path]) -> dict[str, tuple[list[int], Image.Image]]:
        """{data set: positions in its pack, and their pictures, `COLUMNS` in a row}; ``packs`` are {it: pack.json}.

        At most `MOST` of a data set: of each of its sets in turn the one on which runs are divided most.
        """
        found = {}
        for dataset, path in packs.items():
            queues = []
            for each, right in zip(self.sets, self._right, strict=True):
                if each["dataset"] == dataset:
                    share = np.mean(right, axis=0)
                    order = np.argsort(-share * (1 - share), kind="stable")
                    queues.append([each["positions"][i] for i in order])
            in_turn = (position for row in zip_longest(*queues) for position in row if position is not None)
            chosen = sorted(islice(dict.fromkeys(in_turn), MOST))
            if chosen and path.with_name("images.npy").exists():
                found[dataset] = chosen, _sheet(Pack.open(path), chosen)
        return found


def _sheet(pack: Pack, positions: list[int]) -> Image.Image:
    rows = -(-len(positions) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * SIDE, rows * SIDE))
    for n, position in enumerate(positions):
        image = Image.fromarray(np.ascontiguousarray(pack.images[position])).resize((SIDE, SIDE))
        sheet.paste(image, (n % COLUMNS * SIDE, n // COLUMNS * SIDE))
    return sheet
