"""Check all that an archive holds against what ``params.yaml`` says, and look for images that are there twice.

What passes is written down for the later steps: the index of labelled images, and their pixels.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ablate.data import duplicates
from ablate.data.containers import refuse, shown
from ablate.data.decode import decode
from ablate.data.index import Row
from ablate.data.layouts import Contents, Item, layout
from ablate.files import atomic_write, digest, open_array, write_json
from ablate.plan.keys import Key
from ablate.plan.params import Dataset
from ablate.seals import sealed

if TYPE_CHECKING:
    from jaxtyping import Bool, Float64, UInt8, UInt64

MOST = 3  # differences that a message tells
PAIR_COLUMNS = ["kind", "distance", "split_1", "class_1", "member_1", "split_2", "class_2", "member_2"]


def verify(
    archive: Path, spec: Dataset, *, index: Path, images: Path, pairs: Path, report: Path, key: Key | None = None
) -> None:
    """Check all that ``archive`` holds, and write what is made of it.

    That is ``images`` (.npy, (N, S, S, 3) uint8), ``index`` (CSV, a row for each of them), ``pairs`` (CSV, the
    duplicates among them) and ``report`` (JSON, counts and ``key``).

    Raises:
        UserError: If classes or images are missing, too many, contradictory or no whole JPEGs of the right size; then
            none of the files is written.
    """
    found = layout(spec.layout).contents(archive, **spec.options)
    names = sorted(found.words)
    counts = _count(archive, spec, found, names)
    facts, sha256 = decode(archive, found, spec.image_size, images)
    with atomic_write(index) as part, part.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(Row._fields)
        labels = {name: label for label, name in enumerate(names)}
        for i, gray in zip(found.items, facts.gray, strict=True):
            words = found.words[i.class_name]
            rows.writerow([i.split, labels[i.class_name], i.class_name, words, i.member, i.filename, int(gray)])
    audit = _audit(found.items, facts.hashes, open_array(images), spec.near_duplicates, pairs)
    train = _split(found.items, "train")
    gray = {"train": int(facts.gray[train].sum()), "val": int(facts.gray[~train].sum())}
    statistics = _statistics(facts.sums[train] / spec.image_size**2)
    write_json(
        report,
        sealed(
            {
                "classes": len(names),
                **counts,
                "grayscale": gray,
                **statistics,
                "duplicates": audit,
                "sha256": {images.name: sha256, index.name: digest(index), pairs.name: digest(pairs)},
                "key": key,
            }
        ),
    )


def _count(archive: Path, spec: Dataset, found: Contents, names: list[str]) -> dict[str, int]:
    """Images of each split. Every class has as many as it should; a copy may lack the unlabelled ones altogether."""
    if spec.class_counts is not None:
        if differs := differences(spec.class_counts, found.counts()):
            raise refuse(archive, f"{differs}, as was counted before; it was changed meanwhile", "run again")
        train, val = map(sum, zip(*spec.class_counts.values(), strict=True))
        return {"train": train, "val": val, "unlabelled": found.n_unlabelled}
    if len(names) != spec.n_classes:
        what = f"{len(names)} classes, expected {spec.n_classes}"
        raise refuse(archive, what, f"set n_classes: {len(names)} in params.yaml")
    counts = {}
    for split, expected in (("train", spec.train_per_class), ("val", spec.val_per_class)):
        per_class = Counter(i.class_name for i in found.items if i.split == split)
        wrong = [name for name in names if per_class[name] != expected]
        if wrong:
            numbers = {per_class[name] for name in names}
            same = len(numbers) == 1 and 0 not in numbers
            what = f"{'each class' if same else f'class {wrong[0]}'} has {per_class[wrong[0]]} {split} images"
            others = "" if same or len(wrong) == 1 else f" ({len(wrong)} classes have another number)"
            key = f"{split}_per_class"
            raise refuse(
                archive,
                f"{what}, expected {expected}{others}",
                f"set {key}: {per_class[wrong[0]]} in params.yaml" if same else f"mend {key} in params.yaml",
            )
        counts[split] = per_class.total()
    if found.n_unlabelled not in (0, spec.n_test):
        what = f"{found.n_unlabelled} test images, expected {spec.n_test} or none"
        raise refuse(archive, what, f"set n_test: {found.n_unlabelled} in params.yaml")
    return counts | {"unlabelled": found.n_unlabelled}


def differences(before: Mapping[str, Sequence[int]], now: Mapping[str, Sequence[int]]) -> str:
    """What {class: images of train, of val} is now that it was not before, in words; empty: nothing."""
    said = [
        f"{kind} {shown(names)}"
        for kind, names in (("no class", before.keys() - now), ("a class", now.keys() - before))
        if names
    ]
    said += [
        f"{n[k]} {split} images in class {name}, and not {before[name][k]}"
        for name, n in now.items()
        for k, split in enumerate(("train", "val"))
        if name in before and n[k] != before[name][k]
    ]
    more = f" (and {len(said) - MOST} more)" if len(said) > MOST else ""
    return f"has {', '.join(said[:MOST])}{more}" if said else ""


def _split(items: tuple[Item, ...], split: str) -> Bool[np.ndarray, " n"]:
    return np.array([i.split == split for i in items], np.bool_)


def _statistics(each: Float64[np.ndarray, "n 2 3"]) -> dict[str, list[float]]:
    """Per-channel statistics in [0, 1] units, in both conventions in use.

    They follow from the means of each train image's values and of their squares. ``mean`` is over all
    pixels of all images; ``std_over_pixels`` is the deviation of all those pixels from it. ``std_over_images`` is the
    mean over images of each image's own deviation, which is smaller: of CIFAR-10, the widely copied (0.2023, 0.1994,
    0.2010), where the first is (0.2470, 0.2435, 0.2616).
    """
    means, squares = each[:, 0] / 255, each[:, 1] / 255**2
    mean = means.mean(axis=0)
    found = {
        "mean": mean,
        "std_over_pixels": np.sqrt(squares.mean(axis=0) - mean**2),
        "std_over_images": np.sqrt(np.maximum(squares - means**2, 0)).mean(axis=0),
    }
    return {name: [round(float(v), 6) for v in values] for name, values in found.items()}


def _audit(
    items: tuple[Item, ...],
    hashes: UInt64[np.ndarray, " n"],
    pixels: UInt8[np.ndarray, "n s s 3"],
    most: int | None,
    pairs: Path,
) -> dict[str, Any]:
    """Write the list of duplicates and return their numbers: pairs by where they lie, and val images with a twin."""
    equal = duplicates.exact(hashes, pixels)
    close = duplicates.near(hashes, most) if most is not None else equal[:0]
    differ = [d > 0 or not np.array_equal(pixels[a], pixels[b]) for a, b, d in close.tolist()]
    found = {"exact": equal, "near": close[np.array(differ, np.bool_)]}
    with atomic_write(pairs) as part, part.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(PAIR_COLUMNS)
        for kind, table in found.items():
            for a, b, distance in table.tolist():
                both = [(i.split, i.class_name, i.member) for i in (items[a], items[b])]
                rows.writerow([kind, distance, *both[0], *both[1]])
    val, label = _split(items, "val"), np.array([i.class_name for i in items])
    audit: dict[str, Any] = {"near_bits": most}
    for kind, table in found.items():
        a, b = table[:, 0], table[:, 1]
        across = ~val[a] & val[b]  # train comes first, so a pair that crosses begins there
        audit[kind] = {
            "within_train": int((~val[b]).sum()),
            "within_val": int(val[a].sum()),
            "across": int(across.sum()),
            "of_two_classes": int((label[a] != label[b]).sum()),
            "val_images_with_a_twin_in_train": len(np.unique(b[across])),
        }
    return audit
