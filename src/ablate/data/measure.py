"""What is at the path of a data set whose counts are not given: measured, kept, and written down to be pinned."""

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ablate.data.containers import Loose, is_junk, refuse
from ablate.data.identify import SourceError
from ablate.data.layouts import Contents, layout
from ablate.data.own import content, look
from ablate.data.pictures import size_of
from ablate.data.verify import differences
from ablate.errors import UserError
from ablate.files import as_json, read_json, write_json, write_text
from ablate.plan.code import code_digest
from ablate.plan.datasets import PINS, Dataset, Measured, Pin, plain, read_pins
from ablate.plan.keys import key_digest

KEPT = Path(".ablate/measured-1")  # disposable: without it, what is there is measured again


def measure(name: str, spec: Dataset) -> Measured:
    """What is at the path of the data set ``name`` now; where it is gone, what was there when it was last looked at.

    Raises:
        UserError: It names what is wrong there, and the remedy.
    """
    assert spec.path is not None
    archive, file = Path("data", spec.variant, name, "archive"), KEPT / f"{name}.json"
    found, kept = content(spec.path, archive, measured=True), _kept(file)
    asked = key_digest([spec.path, spec.layout, plain(spec.options), code_digest("verify")])
    if kept and kept[0] == asked and found in (None, kept[1].content):
        return kept[1]
    try:
        copy = look(spec.path, measured=True)
        listed = layout(spec.layout).contents(
            copy.path if copy.files is None else Loose(archive, copy.files), **spec.options
        )
    except SourceError as error:
        raise UserError(f"params.yaml: datasets.{name}.path: {error}") from error
    if found is None or copy.state != look(spec.path, measured=True).state:
        raise UserError(f"params.yaml: datasets.{name}.path: {spec.path} changed while it was read; run again")
    _check(listed, archive, copy.path)
    measured = Measured(
        content=found,
        image_size=spec.resize or _side(listed, archive),
        class_counts=listed.counts(),
        n_test=listed.n_unlabelled,
        ignored=listed.ignored,
    )
    with suppress(UserError):  # a folder that cannot be written only costs time
        write_json(file, {"asked": asked, "measured": measured.model_dump(mode="json")})
    return measured


def pins(datasets: Mapping[str, Dataset]) -> dict[str, Pin]:
    """What is at the paths of those that were measured, to be pinned.

    Raises:
        UserError: As `measure` does.
    """
    own = {name: spec for name, spec in datasets.items() if spec.path and spec.class_counts}
    return {
        name: Pin(layout=spec.layout, options=plain(spec.options), **measure(name, spec).model_dump())
        for name, spec in own.items()
    }


def write_pins(params: Path, found: Mapping[str, Pin]) -> list[str]:
    """Write ``found`` beside ``params``, one class a line, for Git; what was pinned, in words.

    Pins of others stay; those of data sets that are gone, nobody asks for.

    Raises:
        UserError: If there is nothing to pin.
    """
    if not found:
        raise UserError(
            f"{params}: no data set has a path and no counts, so there is nothing to pin; the archives of others are "
            f"pinned by digests there"
        )
    every = {**read_pins(params), **found}
    plain_pins = {name: pin.model_dump(mode="json") for name, pin in sorted(every.items())}
    text = re.sub(r"\[\s+(\d+),\s+(\d+)\s+\]", r"[\1, \2]", as_json(plain_pins))
    write_text(params.with_name(PINS), text)
    return [f"{PINS}: {name}: {_told(pin)}" for name, pin in found.items()]


def _told(found: Measured) -> str:
    train, val = map(sum, zip(*found.class_counts.values(), strict=True))
    more = "".join(
        f", {n} {what}" for n, what in ((found.n_test, "held back"), (found.ignored, "files ignored")) if n
    )
    return (
        f"{len(found.class_counts)} classes, {train} train and {val} val images of {found.image_size} pixels{more}; "
        f"content {found.content[:12]}"
    )


def other_than_pinned(name: str, spec: Dataset) -> UserError:
    """The refusal of a data set that is not as it was pinned: what differs, and the remedy."""
    try:
        now = measure(name, spec)
    except UserError as error:
        return error
    differs = differences(spec.class_counts or {}, now.class_counts)
    if not differs and now.image_size != spec.image_size:
        differs = f"has images of {now.image_size} pixels, and not {spec.image_size}"
    what = differs or "has as many images of each class, but other names or bytes of files"
    return UserError(
        f"params.yaml: datasets.{name}.path: {spec.path} is not as {PINS} pins it: it {what}; restore it, or pin it "
        f"again: ablate data --pin"
    )


def _kept(file: Path) -> tuple[str, Measured] | None:
    """(what was asked, what was measured); None where that is not known."""
    with suppress(UserError, ValueError, KeyError, TypeError):
        found = read_json(file)
        return str(found["asked"]), Measured.model_validate_json(json.dumps(found["measured"]))
    return None


def _check(found: Contents, archive: Path, path: Path) -> None:
    """Refuse a class that has no images of train or of val."""
    empty = _empty_folder(path) if path.is_dir() else None
    if empty:
        raise refuse(archive, f"{empty} is empty", "remove that folder")
    for name, counts in found.counts().items():
        for count, split, other in zip(counts, ("train", "val"), ("val", "train"), strict=True):
            if not count:
                raise refuse(archive, f"class {name} has no {split} images", f"remove it from {other}")


def _empty_folder(path: Path) -> str | None:
    """A folder without anything in it, at most two deep: a class's, which no list of files would show."""
    for here in [path, *(p for p in sorted(path.iterdir()) if p.is_dir() and not is_junk(p.name))]:
        for entry in os.scandir(here):
            if entry.is_dir() and not is_junk(entry.name) and not any(os.scandir(entry.path)):
                return Path(entry.path).relative_to(path).as_posix()
    return None


def _side(found: Contents, archive: Path) -> int:
    """The side of the first image, in pixels; that all others have it is checked as they are decoded."""
    first = found.items[0].member
    picture = found.read(first)
    try:
        width, height = size_of(picture) if isinstance(picture, bytes) else (picture.shape[1], picture.shape[0])
    except ValueError as error:
        raise refuse(archive, f"{first} {error}") from error
    if width != height:
        what = f"{first} is {width}x{height} pixels, and networks take squares"
        raise refuse(archive, what, f"set resize: {min(width, height)} in params.yaml, say")
    return width
