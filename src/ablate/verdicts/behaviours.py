"""What one run is measured by in claims of kind `behaviour`: numbers of its curve and of its predictions."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ablate import own_code
from ablate.csv_text import read_csv
from ablate.errors import UserError
from ablate.own_code import is_own
from ablate.papers.claim import Claim
from ablate.plan.record import PlannedRun
from ablate.results.stats import mean
from ablate.seals import of_run

Row = dict[str, Any]  # of runs.csv


def speeds(curves: dict[str, list[float]], planned: Sequence[PlannedRun]) -> dict[str, float | None]:
    """{run: its curve's mean, cut off at the lower best of its seed's runs, as a share of that}."""
    seeds = {p.run: p.seed for p in planned}
    best = {run: max(curve) for run, curve in curves.items() if curve}
    found: dict[str, float | None] = {}
    for run in best:
        level = min(best[other] for other in best if seeds[other] == seeds[run])
        found[run] = mean(min(v / level, 1.0) for v in curves[run]) if level else 0.0
    return found


def _largest_label_share(claim: Claim, row: Row, curve: pd.DataFrame, folder: Path) -> float | None:
    table = _predicted(folder)
    return float(table["predicted"].value_counts(normalize=True).iloc[0]) if len(table) else None


def _label_accuracy(claim: Claim, row: Row, curve: pd.DataFrame, folder: Path) -> float | None:
    table = _predicted(folder)
    right = (table["predicted"] == table["label"]).groupby(table["label"]).mean()
    one, other = claim.labels.values()
    return float(right[one] - right[other]) if {one, other} <= {*right.index} else None


def _predicted(folder: Path) -> pd.DataFrame:
    """Predictions of the test images, or of val where there are none; empty where the run left no file."""
    file = folder / "predictions.csv"
    if not file.exists():
        return pd.DataFrame(columns=["split", "label", "predicted"])
    table = read_csv(of_run(folder, file.name), ["split"])
    return table[table["split"] == ("test" if (table["split"] == "test").any() else "val")]


def _first(claim: Claim, row: Row, curve: pd.DataFrame, folder: Path) -> float | None:
    return next(iter(column(curve, "train_top1")), None)


def _final(claim: Claim, row: Row, curve: pd.DataFrame, folder: Path) -> float | None:
    return float(row["train_top1"]) if pd.notna(row["train_top1"]) else None


def _overfit_epoch(claim: Claim, row: Row, curve: pd.DataFrame, folder: Path) -> float | None:
    losses = column(curve, "val_loss")
    return (losses.index(min(losses)) + 1) / len(losses) if losses else None


def _lowest_val_loss(claim: Claim, row: Row, curve: pd.DataFrame, folder: Path) -> float | None:
    return min(column(curve, "val_loss"), default=None)


def column(curve: pd.DataFrame, name: str) -> list[float]:
    """A value per epoch, in their order; nothing where an epoch lacks it."""
    if name not in curve or curve[name].isna().any():
        return []
    return [float(v) for v in curve[name]]


Measured = Callable[[Claim, Row, pd.DataFrame, Path], float | None]  # (claim; row, history and folder of a run)
MEASURES: dict[str, Measured] = {
    "largest-label-share": _largest_label_share,
    "label-accuracy": _label_accuracy,
    "first-train-top1": _first,
    "final-train-top1": _final,
    "overfit-epoch": _overfit_epoch,
    "lowest-val-loss": _lowest_val_loss,
}


def measure_named(name: str, where: str) -> Measured:
    """The one of this name, or the user's own function, FILE.py:NAME; ``where`` is the key that has it.

    It takes the run's row of runs.csv as a dict, its history, a row per epoch, and its predictions, a row per
    evaluated image, and gives a number, or None.

    Raises:
        UserError: For what fails in the user's own code, then and whenever it is called.
    """
    if not is_own(name):
        return MEASURES[name]
    call = own_code.load(name, where)

    def measure(claim: Claim, row: Row, curve: pd.DataFrame, folder: Path) -> float | None:
        with own_code.calling(name, where, call):
            found = call(dict(row), curve.copy(), _predicted(folder))
        if found is None:
            return None
        try:
            return float(found)
        except (TypeError, ValueError):
            raise UserError(f"{where}: {name} gave a {type(found).__name__}; return a number, or None") from None

    return measure
