"""What lies on disk as JSON, as far as later commands rely on it: one record per kind of file, checked as it is read.

A record says what must be there and of which type; other keys are let through, since other versions have others.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ablate.errors import UserError
from ablate.files import read_json
from ablate.records import Count, Positive, explain

Number = Annotated[int, Field(ge=0, le=10**15)]
Share = Annotated[float, Field(ge=0, le=1)]


class Stored(BaseModel):
    """Frozen; a type is what it is, and no number is infinite or none."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False, defer_build=True)


class Metrics(Stored):
    """metrics.json of a run, with whatever else it has."""

    model_config = ConfigDict(extra="allow")

    status: Literal["done", "plateau", "diverged", "out-of-memory"]
    epochs: Number
    val_top1: float | None = None  # of an own trainer what it declares, any number
    val_chance: Share | None = None
    val_chance_p: Share | None = None
    val_most_predicted: Share | None = None
    train_running_top1: Share | None = None
    train_batch_top1: Share | None = None
    train_loss_slope: float | None = None


class Made(Stored):
    """manifest.json of a run: how it was made."""

    command: list[str]


class Timed(Made):
    """manifest.json of a run: what it took."""

    wall_s: Positive
    device: str
    threads: Count
    precision: Literal["fp32", "bf16"]
    starts: Count


class Receipt(Stored):
    """archive.json of a data set."""

    sha256: str
    bytes: Number
    digest: str | None


class Added(Stored):
    """The runs of a look-<k>.json, or of seeds.json, beyond those of params.yaml."""

    added: list[str]


class Decision(Stored):
    """A claim as a look left it."""

    paper: str
    claim: str
    verdict: str
    n: Number


class Look(Added):
    """look-<k>.json; the last one is seeds.json."""

    look: Number
    looks: list[Number]
    claims: list[Decision]


class Verdict(Stored):
    """A claim in claims.json."""

    paper: str
    id: str = ""
    n: int = 0  # seeds of the arm that has the fewest
    statement: str
    finding: str
    protocol: str
    verdict: str
    sentence: str

    @property
    def holds(self) -> bool:
        """Whether it was shown, or counted as claimed."""
        return self.verdict in ("reproduced", "holds here") or self.finding == "as claimed"


class Control(Stored):
    """A control in claims.json."""

    outcome: str
    dataset: str
    control: str
    seed: int
    said: str


class Assessment(Stored):
    """claims.json."""

    claims: list[Verdict]
    controls: list[Control]


class Cells(Stored):
    """<table>.runs.json: {row: {column: {run: value}}}."""

    rows: dict[str, dict[str, dict[str, float | None]]]


S = TypeVar("S", bound=Stored)


def read(path: Path, shape: type[S]) -> S:
    """The file at ``path``.

    Raises:
        UserError: It names it, and the key that is missing or of another type.
    """
    return shaped(read_json(path), shape, path)


def shaped(found: Any, shape: type[S], path: Path) -> S:
    """``found``, which was read from ``path``, as a record; errors as of `read`."""
    try:
        return shape.model_validate(found)
    except ValidationError as error:
        raise damaged(path, error) from None


def damaged(path: Path, error: ValidationError) -> UserError:
    """What to raise for the file at ``path``, in which something else was found than a record has."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"] if not str(part).startswith("["))
    said = explain(first) if len(repr(first["input"])) < LONG or first["type"] == "missing" else first["msg"]
    what = f"{place}: {said.removesuffix('; add it')}" if place else "no object with names and values"
    return UserError(f"{path}: damaged: {what}; delete it and run the step that makes it")


def fits(found: Any, shape: type[Stored]) -> bool:
    """Whether ``found`` is such a record."""
    try:
        shape.model_validate(found)
    except ValidationError:
        return False
    return True


LONG = 80  # characters of what was found instead, to be shown
