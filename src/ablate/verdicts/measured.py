"""What one claim's runs are measured by, run by run, and what of the planned runs gives no number."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from ablate.papers.claim import OF_PAIRS, Claim
from ablate.plan import health
from ablate.plan.names import called, shown_arm
from ablate.plan.record import PlannedRun
from ablate.plan.runs import ENDED
from ablate.plurals import many
from ablate.verdicts.behaviours import Row, column, measure_named, speeds
from ablate.verdicts.collected import Collected
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
    claim: Claim, planned: Planned, rows: Sequence[Row], collected: Collected
) -> tuple[dict[str, float], list[str]]:
    """{run: number} of those of ``rows`` that have one, and what is to say of them."""
    done = [row for row in rows if row["status"] in ENDED]
    notes: list[str] = []
    found: dict[str, float | None] = {}
    if claim.kind == "behaviour":
        curves = collected.curves(str(claim.study), [str(row["run"]) for row in rows])
        if claim.behaviour in OF_PAIRS:
            metric = claim.behaviour.replace("-speed", "_top1")
            found |= speeds(
                {row["run"]: column(curves[row["run"]], metric) for row in done if row["run"] in curves}, planned
            )
        else:
            measure = measure_named(str(claim.behaviour), f"claims.{claim.id}.behaviour")
            for row in done:
                run = str(row["run"])
                found[run] = measure(claim, row, curves.get(run, collected.no_curve), collected.folder / run)
    elif claim.kind == "gap" or claim.metric == "gap":
        found = {row["run"]: _less(row["train_top1"], row["val_top1"]) for row in done}
    elif claim.own:
        found = {row["run"]: row[str(claim.metric)] for row in done}
    elif claim.metric == "test_top1":
        found = {row["run"]: row["val_top1"] if row["test_top1"] is None else row["test_top1"] for row in done}
        notes += [NO_TEST] * any(row["test_top1"] is None and row["val_top1"] is not None for row in done)
    else:
        found = {row["run"]: row[str(claim.metric)] for row in done}
    if not claim.own and (claim.metric in CHANCE or claim.behaviour in CHANCE):
        chance = {p.run: p.chance for p in planned}
        found |= {row["run"]: chance[row["run"]] for row in rows if row["status"] == health.DIVERGED}
    return {run: float(v) for run, v in found.items() if v is not None and math.isfinite(v)}, notes


def _less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def absent(claim: Claim, planned: Planned, show: Mapping[str, str]) -> list[str]:
    """Levels that the claim averages over, some of which its scale leaves out, as readers see them."""
    return [
        f"{called(axis, shown_arm(label, show))} is not planned at this scale"
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
    claim: Claim,
    arms: list[str],
    planned: Planned,
    rows: Iterable[Row],
    numbers: Mapping[str, float],
    call: Callable[[str], str],
) -> list[str]:
    """What the arms should have and have not; ``call`` says what sentences call one."""
    here = {p.arm for p in planned}
    absent = [call(arm) for arm in arms if arm not in here]
    if len(absent) > NAMED:
        absent = [f"{absent[0]}, like {many(len(absent) - 1, 'other arm')},"]
    said = [f"{arm} is not planned at this scale" for arm in absent]
    status = {(row["arm"], row["run"]): str(row["status"]) for row in rows}
    for arm in arms:
        mine = [p.run for p in planned if p.arm == arm]
        faults = [status.get((arm, run), "missing") for run in mine if run not in numbers]
        for fault in dict.fromkeys(faults):
            what = f"without {claim.behaviour or claim.metric or 'gap'}" if fault in ENDED else fault
            what = "with other settings" if fault == "other settings" else what
            said.append(f"{faults.count(fault)} of {many(len(mine), 'run')} of {call(arm)} {what}")
    return said
