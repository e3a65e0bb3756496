"""Show a data set to a reader: what is there, what was found out about it, and contact sheets of its images."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rich.table import Table
from rich.text import Text

from ablate.csv_text import csv_of, read_lines
from ablate.data.assurance import CHECKED, UNSEEN, accepted
from ablate.data.index import read_index
from ablate.data.layouts import Pixels
from ablate.data.views import Pack
from ablate.errors import UserError
from ablate.files import atomic_write, read_json, write_json, write_text
from ablate.inert import visible
from ablate.plan.datasets import Dataset
from ablate.plan.params import Params
from ablate.plan.receipts import Rendering, describing
from ablate.seals import SEAL, read_sealed, sha256_of

CELL = 64  # pixels; smaller images are doubled, larger ones averaged
LINE = 14  # pixels of a caption
LONGEST = 200  # characters of a caption
NAMED = 5  # classes, or four and dots, on the screen
PER_CLASS = 8  # images on the contact sheet; 3 where there are many classes
MOST_PAIRS = 48  # on the sheet of duplicates; the list has them all


def describe(pack: Path, name: str, folder: Path) -> None:
    """Write into ``folder`` what a reader should know of a data set, from the files beside ``pack``.

    These are <name>.json (pack.json and verify.json in one), <name>-samples.jpg, <name>-duplicates.jpg and
    <name>-duplicates.csv.

    Raises:
        UserError: If one is not as it was written.
    """
    opened = Pack.open(pack)
    report = read_sealed(pack.with_name("verify.json"), "delete it and run again")
    for file, wanted in report["sha256"].items():
        if sha256_of(path := pack.with_name(file)) != wanted:
            raise UserError(f"{path}: is not as `verify` wrote it; delete it and run again")
    _sheet(sample_rows(opened), folder / f"{name}-samples.jpg", columns=1 if len(opened.meta["classes"]) <= 20 else 5)
    pairs = pack.with_name("duplicates.csv")
    _sheet(_pairs(opened, pairs, pack.with_name("index.csv")), folder / f"{name}-duplicates.jpg", columns=8)
    write_text(folder / f"{name}-duplicates.csv", csv_of(*read_lines(pairs)))  # names of members are an archive's own
    facts = {key: value for key, value in opened.meta.items() if key != SEAL} | _unequal(opened)
    write_json(folder / f"{name}.json", facts | {"duplicates": report["duplicates"]})


def _unequal(pack: Pack) -> dict[str, Any]:
    """{class: images of train, of val}, where classes differ in them."""
    names, train = pack.meta["classes"], pack.meta["train"]
    counts = np.stack([np.bincount(part, minlength=len(names)) for part in np.split(pack.labels, [train])], axis=1)
    if (counts == counts[0]).all():
        return {}
    return {"class_counts": dict(zip(names, counts.tolist(), strict=True))}


Row = tuple[str, list[Pixels]]  # a caption, and images (S, S, 3) side by side


def sample_rows(pack: Pack) -> Iterable[Row]:
    """Each class in words, and some of its training images, at equal steps through the class."""
    count = PER_CLASS if len(pack.meta["classes"]) <= 20 else 3
    for label, words in enumerate(pack.meta["words"]):
        mine = np.flatnonzero(pack.labels[: pack.meta["train"]] == label)
        chosen = mine[np.linspace(0, len(mine) - 1, min(count, len(mine))).round().astype(int)]
        yield words.split(",")[0], [pack.images[row] for row in chosen]


def _pairs(pack: Pack, pairs: Path, index: Path) -> Iterable[Row]:
    """The first pairs, those across train and val before the others."""
    with pairs.open(newline="", encoding="utf-8") as file:
        listed = list(csv.DictReader(file))
    if not listed:
        return
    row_of = {(row.split, row.member): n for n, row in enumerate(read_index(index))}
    listed.sort(key=lambda p: (p["split_1"] == p["split_2"], p["kind"] != "exact", int(p["distance"])))
    for p in listed[:MOST_PAIRS]:
        both = [pack.images[row_of[p[f"split_{i}"], p[f"member_{i}"]]] for i in (1, 2)]
        yield f"{p['kind']}: {p['split_1']}, {p['split_2']}", both


def _sheet(rows: Iterable[Row], target: Path, *, columns: int) -> None:
    """Rows of captioned images in ``columns``, as a JPEG."""
    rows = list(rows) or [("none", [])]
    per_row = max(len(images) for _, images in rows) or 2
    wide, high = per_row * (CELL + 2) + 8, CELL + LINE + 6
    lines = -(-len(rows) // columns)
    sheet = Image.new("RGB", (columns * wide + 8, lines * high + 8), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for n, (caption, images) in enumerate(rows):
        left, top = 8 + n // lines * wide, 8 + n % lines * high
        draw.text((left, top), _fitting(draw, caption, font, wide - 10), fill="black", font=font)
        for k, pixels in enumerate(images):
            image = Image.fromarray(np.ascontiguousarray(pixels))
            how = Image.Resampling.BOX if image.width > CELL else Image.Resampling.NEAREST
            sheet.paste(image.resize((CELL, CELL), how), (left + k * (CELL + 2), top + LINE))
    with atomic_write(target) as part:
        sheet.save(part, "JPEG", quality=85)


def _fitting(draw: ImageDraw.ImageDraw, text: str, font: Any, width: int) -> str:
    """On one line, and cut: first to what can be measured again and again, whatever an archive has for a name."""
    text = visible(text[:LONGEST])
    while draw.textlength(text, font=font) > width:
        text = text.removesuffix("…")[:-1] + "…"
    return text


def overview(params: Params) -> list[dict[str, Any]]:
    """What is there of each data set, by step; draws the sheets that are missing, or not as they were drawn.

    Raises:
        UserError: As `describe` does.
    """
    entries = []
    for name, spec in params.datasets.items():
        folder, out = Path("data") / spec.variant / name, Path("results") / params.scale / "data"
        entry: dict[str, Any] = {"dataset": name, "variant": spec.variant, "archive": None, "pack": None}
        entry["measured"] = None if spec.class_counts is None else told(spec)
        if (folder / "archive.json").exists():
            entry["archive"] = read_json(folder / "archive.json")
        if (folder / "pack.json").exists():
            facts, job = out / f"{name}.json", describing(name, folder / "pack.json", out.parent)
            if Rendering({job.name: job}).reason(job.name):
                with job.making():
                    describe(folder / "pack.json", name, out)
            entry["pack"] = read_json(facts)
            entry["samples"], entry["duplicates"] = (
                str(out / f"{name}-{what}.jpg") for what in ("samples", "duplicates")
            )
        entry["tree"] = str(folder / "tree") if (folder / "tree.json").exists() else None
        entries.append(entry)
    return entries


def told(spec: Dataset) -> str:
    """What was measured or is pinned of a data set, in words."""
    counts = spec.class_counts or {}
    train, val = map(sum, zip(*counts.values(), strict=True))
    size, held = f"{spec.image_size}x{spec.image_size}", f", {spec.n_test:,} held back" if spec.n_test else ""
    return f"{train:,} train, {val:,} val{held}, {size}; classes: {_classes(list(counts), list(counts), counts)}"


def _classes(names: list[str], words: list[str], counts: Mapping[str, Sequence[int]]) -> str:
    named = [
        word.split(",")[0] + (" ({} train, {} val)".format(*counts[name]) if counts else "")
        for name, word in zip(names, words, strict=True)
    ]
    more = [] if len(named) <= NAMED else ["..."]
    return f"{len(named)}: {', '.join(named[: NAMED - len(more)] + more)}"


def table_of(entry: dict[str, Any]) -> Table:
    """One data set of `overview`, for a terminal."""
    table = Table(title=f"{entry['dataset']} ({entry['variant']})", title_justify="left", show_header=False)
    archive, pack = entry["archive"], entry["pack"]
    rows: dict[str, str] = {"archive": "not fetched; say: snakemake --cores all packs"}
    if entry.get("measured") and not pack:
        rows["measured"] = entry["measured"]
    if archive:
        rows["archive"] = f"{archive['archive']}, {archive['bytes']:,} bytes, digest: {archive['digest']}"
        rows["sha256"] = archive["sha256"]
        rows["accepted"] = accepted(archive)
    if pack:
        train, total = pack["train"], pack["images"]
        gray, found = pack["grayscale"], pack["duplicates"]
        rows["images"] = f"{train:,} train, {total - train:,} val, {pack['image_size']}x{pack['image_size']}"
        rows["classes"] = _classes(pack["classes"], pack["words"], pack.get("class_counts", {}))
        rows["grayscale"] = f"{gray['train']:,} train, {gray['val']:,} val; kept as RGB"
        rows["mean"] = _numbers(pack["mean"])
        rows["std over pixels"] = _numbers(pack["std_over_pixels"])
        rows["std over images"] = _numbers(pack["std_over_images"])
        for kind in ("exact", "near"):
            d = found[kind]
            rows[f"{kind} duplicates"] = (
                f"{d['within_train']} pairs within train, {d['within_val']} within val, {d['across']} across; "
                f"{d['of_two_classes']} of two classes"
            )
        rows["checks"] = f"{CHECKED} {UNSEEN}"
        rows["images.npy"] = pack["sha256"]["images.npy"]
        rows["sheets"] = f"{entry['samples']}\n{entry['duplicates']}"
    if entry["tree"]:
        rows["tree"] = entry["tree"]
    for key, value in rows.items():
        table.add_row(key, Text(value))  # as it is: brackets in a class's words are no markup
    return table


def _numbers(values: list[float]) -> str:
    return ", ".join(f"{v:.4f}" for v in values)
