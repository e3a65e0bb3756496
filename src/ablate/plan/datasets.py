"""What params.yaml says of a data set: its layout, where it comes from, what must be in it, and what a run gets.

Of data of one's own (``path``) counts need not be given: they are measured (`data/measure.py`), and pinned by
``ablate data --pin`` in a file beside ``params.yaml``.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, model_validator

from ablate.errors import UserError
from ablate.plan.settings import Settings
from ablate.records import Count, Name, OneOf, Record, check_record

# What `Dataset.layout` can be, with the options that it takes: each a module of data/ of that name, with underscores
# for hyphens.
LAYOUTS: dict[str, tuple[str, ...]] = {
    "tiny-imagenet": (),
    "cifar10": (),
    "cifar100": ("resize", "labels"),
    "idx": ("resize",),
    "folder": ("resize", "split"),
    "arrays": ("resize", "split"),
    "parquet": ("resize", "split", "labels"),
}
OPTIONS = ("resize", "split", "labels")
COUNTS = ("image_size", "n_classes", "train_per_class", "val_per_class")
PINS = "datasets.lock.json"  # beside params.yaml
AGAIN = "pin it again: ablate data --pin"
SHA256 = r"^[0-9a-f]{64}$"
Some = Annotated[int, Field(ge=0)]


class Fingerprint(Record):
    """What tells one archive from any other: every value that is given must match."""

    sha256: Annotated[str, Field(pattern=SHA256)] | None = None
    sha256_prefix: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")] | None = None  # in torch.hub's file names
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    bytes: Count | None = None

    @model_validator(mode="after")
    def _digest(self) -> "Fingerprint":
        if not (self.sha256 or self.sha256_prefix or self.md5):
            raise ValueError(
                "sha256: or md5 must be given; write {sha256: ...}, with bytes: ... if you know the size"
            )
        return self


class Split(Record):
    """How images that lie in no split are shared out: of each class the same shares, drawn by ``seed``."""

    val: Annotated[float, Field(gt=0, lt=1)]  # share of each class's images, one of them at least
    test: Annotated[float, Field(ge=0, lt=1)] = 0.0  # held back: counted, and in no pack
    seed: Some = 0


class Counts(NamedTuple):
    """What a run's settings come to on its data."""

    classes: int
    train: int  # images that it is trained on
    held: int  # and evaluated on: of val and, for a holdout, of test


class Dataset(Record):
    """One archive or folder: where it comes from and what must be in it."""

    layout: Annotated[str, OneOf(tuple(LAYOUTS))]
    variant: Literal["official", "embedded"] = "official"
    # file name
    archive: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$", max_length=200)] = "own"
    urls: tuple[Annotated[str, Field(pattern=r"^(https|file)://")], ...] = ()  # tried in order
    digests: dict[Name, Fingerprint] = {}  # label: what its bytes must be; any one of them must match
    path: str | None = None  # an archive, a file or a folder of your own, instead of mirror and urls
    near_duplicates: Annotated[int, Field(ge=0, le=10)] | None = 4  # bits of 64; null: not looked for
    # Counts: all four are given, or with `path` none, and then they are measured.
    image_size: Count = 0  # pixels
    n_classes: Count = 0
    train_per_class: Count = 0  # of the largest class
    val_per_class: Count = 0
    n_test: Some = 0  # images of no label or of a test split, counted and left out
    tree: bool = False  # also write train/<class>/ and val/<class>/ folders
    generator: dict[str, int] = {}  # of the embedded variant: arguments of its generator
    resize: Count | None = None  # pixels: the shorter side is brought to it, and the middle cut out
    split: Split | None = None  # of a folder or file without a split of its own
    labels: str | None = None  # which: of cifar100 fine or coarse, of parquet a column
    class_counts: dict[str, tuple[Count, Count]] | None = None  # measured: {class: images of train, of val}
    pinned: Annotated[str, Field(pattern=SHA256)] | None = None  # of the names and bytes of what is at `path`

    @model_validator(mode="after")
    def _possible(self) -> "Dataset":
        """The message's first word is the key to blame."""
        for option in OPTIONS:
            if getattr(self, option) is not None and option not in LAYOUTS[self.layout]:
                takers = ", ".join(name for name, options in LAYOUTS.items() if option in options)
                raise ValueError(f"{option}: is of the layouts {takers}; remove it from a data set of {self.layout}")
        own = self.path is not None and self.variant == "official"
        named = [] if own or self.class_counts else ["archive"]
        missing = [key for key in (*named, *COUNTS) if key not in self.model_fields_set]
        if missing and not (own and len(missing) == len(COUNTS)):
            remedy = f"add it, or give none of {', '.join(COUNTS)}, which are measured then" if own else "add it"
            raise ValueError(f"{missing[0]}: is missing; {remedy}")
        return self

    @property
    def unmeasured(self) -> bool:
        """Whether what is in it must be looked for at its path."""
        return not self.n_classes

    @property
    def options(self) -> dict[str, Any]:
        """Those that are given, for the layout's `contents`."""
        return {key: found for key in OPTIONS if (found := getattr(self, key)) is not None}

    def counts(self, s: Settings) -> Counts:
        """Classes of a run, its training images and those that it is evaluated on.

        `data.views` makes the same splits of a pack.
        """
        train = [min(n, s.per_class or n) for n in self._trainable(s)]
        return Counts(len(train), sum(train), sum(self._held(s)))

    def trainable(self, s: Settings) -> int:
        """Training images of the largest class that a run may use, of which it takes `per_class`."""
        return max(self._trainable(s))

    def scarcest(self, s: Settings) -> int:
        """The same of the smallest."""
        return min(self._trainable(s))

    def tested(self, s: Settings) -> int:
        """Images that a run is tested on in the end: of test, or of val where there is no test split."""
        return sum(self._held(s)) // (2 if s.split == "holdout" else 1)

    def chance(self, s: Settings) -> float:
        """The share of evaluated images of the commonest label, which naming that one for all would get right."""
        held = self._held(s)
        return max(held) / sum(held) if sum(held) else 1 / len(held)

    def _trainable(self, s: Settings) -> list[int]:
        return [8 * (train // 10) if s.split == "holdout" else train for train, _ in self._classes(s)]

    def _held(self, s: Settings) -> list[int]:
        return [2 * (train // 10) if s.split == "holdout" else val for train, val in self._classes(s)]

    def _classes(self, s: Settings) -> list[tuple[int, int]]:
        """Of each class of a run, its images of train and of val. A name that is none is refused elsewhere."""
        if self.class_counts is None:
            n = self.n_classes if s.classes is None else len(s.classes)
            n = s.class_range[1] - s.class_range[0] if s.class_range else n
            return [(self.train_per_class, self.val_per_class)] * n
        names = sorted(self.class_counts)
        if s.class_range:
            names = names[slice(*s.class_range)]
        elif s.classes:
            names = [name for name in names if name in s.classes]
        return [self.class_counts[name] for name in names] or [(0, 0)]

    def measured(self, found: "Measured", pinned: str | None = None) -> "Dataset":
        """With the counts that were ``found``."""
        train, val = zip(*found.class_counts.values(), strict=True)
        update = {"image_size": found.image_size, "n_classes": len(train), "train_per_class": max(train),
                  "val_per_class": max(val), "n_test": found.n_test, "class_counts": found.class_counts,
                  "pinned": pinned}  # fmt: skip
        return self.model_copy(update=update)


class Measured(Record):
    """What is at the path of a data set, as it was measured."""

    content: Annotated[str, Field(pattern=SHA256)]  # of the names and bytes of all files
    image_size: Count  # pixels
    class_counts: Annotated[dict[str, tuple[Count, Count]], Field(min_length=1)]  # {class: images of train, of val}
    n_test: Some = 0  # images that are held back: of test, or of no label
    ignored: Some = 0  # files in class folders that are no images


class Pin(Measured):
    """A data set in `PINS`: what was measured, and of what."""

    layout: str
    options: dict[str, Any] = {}  # `Dataset.options`, as JSON has them

    def counts(self, spec: Dataset) -> bool:
        """Whether its counts are those of ``spec``, which a scale may read with other options."""
        return (self.layout, self.options) == (spec.layout, plain(spec.options))


def read_pins(params: Path) -> dict[str, Pin]:
    """What is pinned beside ``params``; nothing where there is no such file.

    Raises:
        UserError: For what is none.
    """
    file = params.with_name(PINS)
    if not file.exists():
        return {}
    remedy = "restore it, or delete it and pin again: ablate data --pin"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file}: is no JSON ({error}); {remedy}") from None
    if not isinstance(found, Mapping):
        raise UserError(f"{file}: is no mapping of data sets; {remedy}")
    return {str(name): check_record(Pin, pin, f"{file}: {name}") for name, pin in found.items()}


def plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """`Dataset.options` as JSON has them."""
    return {key: value.model_dump() if isinstance(value, Split) else value for key, value in options.items()}
