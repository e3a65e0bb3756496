"""Make the pack: a data set decoded once into flat arrays, with all that is known of them.

A pack is three files: ``images.npy`` (N, S, S, 3) uint8, as `verify` decoded it, ``labels.npy`` (N,) int64, both in
the index's order (train before val), and ``pack.json`` with class names, statistics and the digests of the other two.
"""

from pathlib import Path

import numpy as np

from ablate.data.index import read_index
from ablate.errors import UserError
from ablate.files import atomic_write, digest, open_array, read_json, write_json
from ablate.plan.keys import Key
from ablate.seals import read_sealed, sealed, sha256_of

STATISTICS = ("mean", "std_over_pixels", "std_over_images")


def make_pack(images: Path, *, index: Path, report: Path, receipt: Path, pack: Path, key: Key | None = None) -> None:
    """Write ``pack`` (pack.json) and labels.npy beside ``images``, and describe both in it; ``key`` too.

    ``report`` is what verify wrote, ``receipt`` what fetch wrote.

    Raises:
        UserError: If images and index do not belong together or one of them is not as verify wrote it.
    """
    again = "delete it and run again"
    rows, array, checked = read_index(index), open_array(images), read_sealed(report, again)
    for path in (images, index):
        if sha256_of(path) != checked["sha256"][path.name]:
            raise UserError(f"{path}: is not as `verify` wrote it; {again}")
    if len(array) != len(rows):
        raise UserError(f"{images}: {len(array)} images, {index} lists {len(rows)}; delete both and run again")
    with atomic_write(pack.with_name("labels.npy")) as part, part.open("wb") as file:
        np.save(file, np.array([int(row.label) for row in rows], np.int64))
    names = {int(row.label): (row.class_name, row.words) for row in rows}
    train = checked["train"]
    record = sealed(
        {
            "images": len(rows),
            "train": train,
            "splits": {"train": [0, train], "val": [train, len(rows)]},  # [first, end) rows
            "image_size": array.shape[1],
            "classes": [names[label][0] for label in sorted(names)],
            "words": [names[label][1] for label in sorted(names)],
            **{name: checked[name] for name in ("grayscale", *STATISTICS)},
            "archive": read_json(receipt),
            "sha256": {
                "images.npy": checked["sha256"]["images.npy"],
                "labels.npy": digest(pack.with_name("labels.npy")),
            },
            "key": key,
        }
    )
    write_json(pack, record)
