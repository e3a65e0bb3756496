"""Results that exist already, read as what a script would leave: a run is the rows that have its settings and seed.

CSV and JSON as people and Weights & Biases export them, MLflow's file store, folders of TensorBoard's event files.
"""

import json
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ablate.csv_text import csv_of, read_lines
from ablate.errors import UserError, choose
from ablate.plan.runs import OwnRun
from ablate.plan.trainer_code import results_of
from ablate.plan.trainers import Trainer
from ablate.train.own_results import NO_ANSWERS, NO_CURVE, Left, checked

Row = dict[str, Any]
EPOCHS = ("epoch", "step", "_step")  # columns that tell the rows of one run apart
EVENTS = "events.out.tfevents"


def imported(run: OwnRun, trainer: Trainer) -> Left:
    """What the results of ``trainer`` have of ``run``.

    Raises:
        UserError: For a file that cannot be read, a column that it lacks, and where no row or several are the run.
    """
    path = results_of(run.settings, run.seed, trainer)
    rows = read(path)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    wanted = {} if "{" in (trainer.results or "") else {**run.settings.every, trainer.seed: run.seed}
    asked = {_column(name, columns, f"{path}: {name}"): value for name, value in wanted.items()}
    mine = [row for row in rows if all(_same(row.get(name), value) for name, value in asked.items())]
    said = ", ".join(f"{name} {value}" for name, value in wanted.items())
    if not mine:
        raise UserError(f"{path}: has no row with {said}; leave the arm or the seed out, or correct the file")
    by = next((name for name in EPOCHS if name in columns), None)
    if by is None and len(mine) > 1:
        raise UserError(
            f"{path}: has {len(mine)} rows with {said}; make what tells them apart a setting, or remove all but one"
        )
    if by is not None:
        mine = sorted((row for row in mine if _number(row.get(by)) is not None), key=lambda row: float(row[by]))
        if len({float(row[by]) for row in mine}) < len(mine):
            raise UserError(f"{path}: has rows of several runs with {said}; make what tells them apart a setting")
    found = {}
    for name, metric in trainer.metrics.items():
        place = _column(metric.column or name, columns, f"{path}: {name}")
        values = [row[place] for row in mine if row.get(place) not in (None, "")]
        if values:
            found[name] = value if (value := _number(values[-1])) is not None else values[-1]
    history = _curve(mine, by, trainer, columns) if by else NO_CURVE
    return Left(checked(found, len(mine) if by else 0, run, trainer, f"{run.id}: {path}"), history, NO_ANSWERS)


def read(path: Path) -> list[Row]:
    """The rows of a file or a folder.

    Raises:
        UserError: For what is none of the forms above.
    """
    if path.is_dir():
        if any(path.glob(f"{EVENTS}*")):
            return _events(path)
        if found := [row for meta in sorted(path.rglob("meta.yaml")) for row in _mlflow(meta.parent)]:
            return found
        raise UserError(f"{path}: has neither TensorBoard's event files nor runs of MLflow; export it as CSV")
    if path.suffix == ".json":
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise UserError(f"{path}: cannot be read as JSON ({error}); export it again") from None
        rows = found.get("runs", [found]) if isinstance(found, dict) else found
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise UserError(f"{path}: is no list of objects, one for each run; export it as CSV")
        return [_flat(row) for row in rows]
    heads, lines = read_lines(path)
    return [dict(zip(heads, line, strict=True)) for line in lines]


def _flat(row: Mapping[str, Any], before: str = "") -> Row:
    """Objects within as names with dots: config.lr."""
    found: Row = {}
    for name, value in row.items():
        found |= _flat(value, f"{before}{name}.") if isinstance(value, Mapping) else {f"{before}{name}": value}
    return found


def _mlflow(folder: Path) -> Iterable[Row]:
    """A run of the file store: a row for each step, parameters in all of them."""
    if not (folder / "metrics").is_dir():
        return []
    names = {
        file.relative_to(folder / "params").as_posix(): file
        for file in (folder / "params").rglob("*")
        if file.is_file()
    }
    params = {name: file.read_text(encoding="utf-8").strip() for name, file in names.items()}
    steps: dict[int, Row] = {}
    for file in sorted((folder / "metrics").rglob("*")):
        for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
            _, value, step = line.split()[:3]
            steps.setdefault(int(step), {})[file.relative_to(folder / "metrics").as_posix()] = value
    return [{**params, **row, "step": step} for step, row in sorted(steps.items())]


def _events(folder: Path) -> list[Row]:
    """Scalars by step; their tags are columns."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # takes a second

    found = EventAccumulator(str(folder), {"scalars": 0})
    found.Reload()
    steps: dict[int, Row] = {}
    for tag in found.Tags()["scalars"]:
        for event in found.Scalars(tag):
            steps.setdefault(event.step, {"step": event.step})[tag] = event.value
    return [steps[step] for step in sorted(steps)]


def _column(name: str, columns: list[str], where: str) -> str:
    """The column called so, or the one that ends so behind a dot or a slash."""
    if name in columns:
        return name
    ends = [column for column in columns if column.replace("/", ".").rpartition(".")[2] == name]
    if len(ends) != 1:
        raise choose(where, name, columns, "column")
    return ends[0]


def _same(found: Any, value: Any) -> bool:
    """Whether a cell has the value: a number by its size, else by its text."""
    a, b = _number(found), _number(value)
    if a is not None and b is not None:
        return math.isclose(a, b, rel_tol=1e-12)
    return str(found).casefold() == str(value).casefold()


def _number(value: Any) -> float | int | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return value
    with suppress(ValueError, TypeError):
        return float(value)
    return None


def _curve(rows: list[Row], by: str, trainer: Trainer, columns: list[str]) -> bytes:
    """history.csv of the declared metrics."""
    places = {name: _column(metric.column or name, columns, name) for name, metric in trainer.metrics.items()}
    lines = [[row[by], *(_number(row.get(place)) for place in places.values())] for row in rows]
    return csv_of(["epoch", *places], lines).encode()
