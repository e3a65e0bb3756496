"""What one claim's runs are measured by, run by run, and what of the planned runs gives no number."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ablate.papers.claim import OF_PAIRS, Claim
from ablate.plan import health
from ablate.plan.record import PlannedRun
from ablate.plan.runs import ENDED
from ablate.verdicts.behaviours import MEASURES, column, speeds
from ablate.verdicts.contrasts import Contrast

NAMED = 3  # arms that are missing, beyond which they are counted
NO_TEST = "on validation images, for want of a labelled test split"
Planned = Sequence[PlannedRun]
# Measures that are a share of so many images: their number's column of runs.csv. A run's binomial variance follows.
ACCURACIES = {
    **{"val_top1": "n_val", "best_val_top1": "n_val", "gap": "n_val", "test_top1": "n_test", "train_top1": "n_train"},
    **{"final-train-top1": "n_train", "first-train-top1": "n_train"},
}
# In these a run that diverged stands at chance, since it has learnt nothing.
CHANCE = tuple(name for name in ACCURACIES if name not in ("gap", "first-train-top1"))


def measured(
    claim: Claim, planned: Planned, rows: pd.DataFrame, history: pd.DataFrame, folder: Path
) -> tuple[dict[str, float], list[str]]:
    """{run: number} of those that have one, and what is to say of them."""
    done = rows[rows["status"].isin(ENDED)]
    notes: list[str] = []
    found: dict[str, float | None] = {}
    if claim.kind == "behaviour":
        curves = {str(run): curve.sort_values("epoch") for run, curve in history.groupby("run")}
        if claim.behaviour in OF_PAIRS:
            metric = claim.behaviour.replace("-speed", "_top1")
            found |= speeds({run: column(curves[run], metric) for run in done["run"] if run in curves}, planned)
        else:
            measure = MEASURES[str(claim.behaviour)]
            for row in done.to_dict("records"):
                run = str(row["run"])
                values = {str(key): value for key, value in row.items()}
                found[run] = measure(claim, values, curves.get(run, history.iloc[:0]), folder / run)
    else:
        metric = "gap" if claim.kind == "gap" else str(claim.metric)
        if metric == "gap":
            numbers = done["train_top1"] - done["val_top1"]
        elif metric == "test_top1":
            numbers = done["test_top1"].fillna(done["val_top1"])
            notes += [NO_TEST] * bool((done["test_top1"].isna() & done["val_top1"].notna()).any())
        else:
            numbers = done[metric]
        found = {str(run): None if pd.isna(v) else float(v) for run, v in zip(done["run"], numbers, strict=True)}
    if claim.metric in CHANCE or claim.behaviour in CHANCE:
        n_classes = {p.run: p.n_classes for p in planned}
        found |= {str(run): 1 / n_classes[str(run)] for run in rows.loc[rows["status"] == health.DIVERGED, "run"]}
    return {run: number for run, number in found.items() if number is not None and math.isfinite(number)}, notes


def absent(claim: Claim, planned: Planned) -> list[str]:
    """Levels that the claim averages over, some of which its scale leaves out."""
    return [
        f"{label} is not planned at this scale"
        for axis, labels in claim.at.items()
        for label in labels
        if planned and label not in {p.levels[axis] for p in planned}
    ]


def censored(claim: Claim, values: Mapping[str, Mapping[int, float]], asked: Sequence[Contrast]) -> int:
    """Seeds in which it is not known when an arm overfits, 1.0 being "not before the last epoch".

    Of two arms if neither has; of one arm if "later than that" might be what is claimed or might not.
    """
    if claim.behaviour != "overfit-epoch":
        return 0
    if claim.minus:
        a, b = (values.get(str(arm), {}) for arm in (claim.arm, claim.minus))
        return sum(a[seed] == b[seed] == 1.0 for seed in a.keys() & b.keys())
    last = {
        seed
        for c in asked
        if 1.0 - c.claimed <= claim.margin
        for arm in c.weights
        for seed, value in values[arm].items()
        if value == 1.0
    }
    return len(last)


def lacking(
    claim: Claim, arms: list[str], planned: Planned, rows: pd.DataFrame, numbers: dict[str, float]
) -> list[str]:
    """What the arms should have and have not."""
    absent = [arm for arm in arms if arm not in {p.arm for p in planned}]
    if len(absent) > NAMED:
        absent = [f"{absent[0]}, like {len(absent) - 1} other arms,"]
    said = [f"{arm} is not planned at this scale" for arm in absent]
    for arm in arms:
        mine = [p.run for p in planned if p.arm == arm]
        status = {
            str(run): str(s) for run, s in rows.loc[rows["arm"] == arm, ["run", "status"]].itertuples(index=False)
        }
        faults = [status.get(run, "missing") for run in mine if run not in numbers]
        for fault in dict.fromkeys(faults):
            what = f"without {claim.behaviour or claim.metric or 'gap'}" if fault in ENDED else fault
            what = "with other settings" if fault == "other settings" else what
            said.append(f"{faults.count(fault)} of {len(mine)} runs of {arm} {what}")
    return said
