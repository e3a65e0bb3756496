"""Check what an archive holds against what ``params.yaml`` says, and write the index that later steps follow."""

import csv
from collections import Counter
from pathlib import Path

from ablate.config import Dataset
from ablate.data.layouts import Item, contents
from ablate.errors import UserError
from ablate.files import whole, write_json

COLUMNS = ["split", "label", "class_name", "words", "member", "filename"]


def verify(archive: Path, spec: Dataset, *, index: Path, report: Path) -> None:
    """Write ``index`` (CSV, a row per labelled image) and ``report`` (JSON, counts).

    Raises UserError when classes or images are missing or too many; then neither file is written.
    """
    found = contents(spec.layout, archive)
    per_class = {split: Counter(i.class_name for i in found.items if i.split == split) for split in ("train", "val")}
    names = sorted(found.words)
    if len(names) != spec.n_classes:
        raise UserError(f"{archive}: {len(names)} classes, expected {spec.n_classes}; fetch the right archive")
    for split, expected in (("train", spec.train_per_class), ("val", spec.val_per_class)):
        for name in names:
            if per_class[split][name] != expected:
                raise UserError(
                    f"{archive}: class {name} has {per_class[split][name]} {split} images, expected {expected}; "
                    f"fetch the right archive or mend {split}_per_class in params.yaml"
                )
    if found.n_unlabelled != spec.n_test:
        raise UserError(f"{archive}: {found.n_unlabelled} test images, expected {spec.n_test}; fetch it again")
    with whole(index) as part, part.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for i in found.items:
            rows.writerow(
                [
                    i.split,
                    names.index(i.class_name),
                    i.class_name,
                    found.words[i.class_name],
                    i.member,
                    i.filename,
                ]
            )
    counts = {split: sum(counter.values()) for split, counter in per_class.items()}
    write_json(report, {"classes": len(names), **counts, "unlabelled": found.n_unlabelled})


def read_index(index: Path) -> list[tuple[Item, int, str]]:
    """(item, label, the class in words) of each row, in the order of the pack."""
    with index.open(newline="", encoding="utf-8") as file:
        return [
            (Item(r["split"], r["class_name"], r["member"], r["filename"]), int(r["label"]), r["words"])
            for r in csv.DictReader(file)
        ]
