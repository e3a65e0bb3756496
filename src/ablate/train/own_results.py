"""What an own trainer leaves in its folder, checked: each mistake is one message with the file and the remedy."""

import csv
import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ablate.csv_text import NUMBER, read_lines
from ablate.errors import UserError, choose
from ablate.plan.runs import OwnRun
from ablate.plan.trainers import TAKEN, Trainer

METRICS, TABLE, HISTORY, PREDICTIONS = "metrics.json", "metrics.csv", "history.csv", "predictions.csv"
STATUSES = ("done", "plateau", "diverged", "out-of-memory")
ABOUT = ("status", "seed", "run")  # keys of metrics.json beside the metrics
NO_CURVE = b"epoch\n"
NO_ANSWERS = b"split,position,label,predicted,probability\n"


class Left(NamedTuple):
    """What a script left."""

    metrics: dict[str, Any]
    history: bytes
    predictions: bytes


def left_in(out: Path, run: OwnRun, trainer: Trainer, printed: list[str]) -> Left:
    """What the script of ``run`` left in ``out``; ``printed`` are lines in which a metric may be.

    Raises:
        UserError: If it is not as the trainer declares it.
    """
    history, epochs = _history(out / HISTORY)
    found = _found(out, trainer, printed)
    about = {key: found.pop(key) for key in ABOUT if key in found}
    where = f"{run.id}: {METRICS}"
    for key, ours in (("seed", run.seed), ("run", run.id)):
        if about.get(key, ours) != ours:
            raise UserError(
                f"{where}: is of the {key} {about[key]!r}, and this is {ours!r}; the script must write what "
                f"comes of the {key} that it gets, and nothing else"
            )
    metrics = checked(found, epochs, run, trainer, where, about.get("status", "done"))
    answers = (out / PREDICTIONS).read_bytes() if (out / PREDICTIONS).is_file() else NO_ANSWERS
    return Left(metrics, history, answers)


def checked(
    found: Mapping[str, Any], epochs: int, run: OwnRun, trainer: Trainer, where: str, status: Any = "done"
) -> dict[str, Any]:
    """metrics.json of a run, of the metrics ``found``; ``where`` is what messages begin with.

    Raises:
        UserError: For a status that there is not, and for a metric that is not declared, missing, or no number of its
            range.
    """
    if status not in STATUSES:
        raise choose(f"{where}: status", status, STATUSES, "status")
    for name, value in found.items():
        if name not in trainer.metrics:
            raise UserError(
                f"{choose(f'{where}: {name}', name, trainer.metrics, 'metric')}; declare it in "
                f"trainers.{run.settings.trainer}.metrics, or leave it out"
            )
        _check(name, value, trainer, where)
    if status in STATUSES[:2] and (missing := [name for name in trainer.metrics if name not in found]):
        raise UserError(
            f"{where}: has no {missing[0]}, which trainers.{run.settings.trainer}.metrics declares; let the script "
            f"write it, or status: diverged for a run without a result"
        )
    return {"status": status, "epochs": epochs} | {name: found[name] for name in trainer.metrics if name in found}


def _found(out: Path, trainer: Trainer, printed: list[str]) -> dict[str, Any]:
    """Names and values, from wherever the script wrote them."""
    said = {}
    for name, metric in trainer.metrics.items():
        for line in printed if metric.pattern else ():
            if match := re.search(metric.pattern or "", line):
                said[name] = _number(match[1])
    file, table = out / METRICS, out / TABLE
    if file.is_file():
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise UserError(f"{file}: is no JSON ({error}); let the script write an object of metrics") from None
        if not isinstance(found, dict):
            raise UserError(f'{file}: is no object; let the script write {{"{next(iter(trainer.metrics))}": 0.9}}')
        return said | found
    if table.is_file():
        heads, rows = read_lines(table)
        if not rows:
            raise UserError(f"{table}: has no row below its head; let the script write one")
        return said | {head: _number(cell) for head, cell in zip(heads, rows[-1], strict=True)}
    if not said:
        raise UserError(
            f"{file}: the script wrote no metrics; it must write {METRICS} or {TABLE} into the folder that {{out}} "
            f"and ABLATE_OUT name, or print what a metric's pattern finds"
        )
    return said


def _number(text: str) -> float | int | str:
    """A number of text; text that is none stays as it is, for the message."""
    with suppress(ValueError):
        return int(text)
    with suppress(ValueError):
        return float(text)
    return text


def _check(name: str, value: object, trainer: Trainer, where: str) -> None:
    """Refuse what is no finite number in the metric's range."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UserError(
            f"{where}: {name} is {json.dumps(value)}, and no finite number; a run that came to nothing says "
            f"status: diverged instead"
        )
    metric = trainer.metrics[name]
    if metric.range and not metric.range[0] <= value <= metric.range[1]:
        low, high = metric.range
        hint = "; as percent: true it is a share of 1" if metric.percent and 1 < value <= 100 else ""
        raise UserError(
            f"{where}: {name} is {value:g}, and its range goes from {low:g} to {high:g}{hint}; correct one"
        )


def _history(file: Path) -> tuple[bytes, int]:
    """The curve's bytes, and how many epochs it has."""
    if not file.is_file():
        return NO_CURVE, 0
    heads, rows = read_lines(file, ["epoch"])
    if wrong := [head for head in heads if head in TAKEN and head != "epoch"]:
        raise UserError(f"{file}: {wrong[0]} is a name of the pipeline's own; call the column otherwise")
    for line in rows:
        for head, cell in zip(heads, line, strict=True):
            if cell and cell.lower() not in ("nan", "inf", "-inf") and not NUMBER.fullmatch(cell):
                raise UserError(f"{file}: {head} has {cell!r}, and a curve has numbers alone; leave the column out")
    return file.read_bytes(), len(rows)


def last_of(curve: Path) -> tuple[int, Mapping[str, float]]:
    """How many rows a curve has that is being written, and the numbers of the last one."""
    with suppress(OSError, UnicodeDecodeError, csv.Error):
        lines = curve.read_text(encoding="utf-8").splitlines()
        rows = list(csv.reader(lines))
        if len(rows) > 1 and len(rows[-1]) == len(rows[0]):
            named = zip(rows[0], rows[-1], strict=True)
            return len(rows) - 1, {
                head: float(cell) for head, cell in named if head != "epoch" and NUMBER.fullmatch(cell)
            }
    return 0, {}
