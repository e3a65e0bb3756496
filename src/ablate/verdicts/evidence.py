"""What the runs say about a claim: one number per seed and comparison, and what is missing. No verdict is made here.

A claim comes down to comparisons of arms, each a weighted sum of what their runs are measured by. The sum is taken
within each seed, over the seeds in which every arm has its number; the claimed value is subtracted from it, so that 0
always stands for "exactly as claimed" or, where no value is claimed, for "no difference".
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from ablate.csv_text import read_csv
from ablate.papers.claim import OF_NETWORKS, OF_PAIRS, Claim
from ablate.papers.paper import Paper
from ablate.plan import health
from ablate.plan.names import unique
from ablate.plan.record import PlannedRun
from ablate.plan.runs import ENDED
from ablate.plan.settings import Settings
from ablate.results.stats import mean
from ablate.seals import of_run
from ablate.verdicts.verdict import Part

NAMED = 3  # arms that are missing, beyond which they are counted
NO_TEST = "on validation images, for want of a labelled test split"
Planned = Sequence[PlannedRun]
Weights = dict[str, float]  # arm, or network: what it counts


@dataclass(frozen=True)
class Evidence:
    """All that a verdict on one claim is made from."""

    claim: str  # its id
    parts: tuple[Part, ...]  # by seed, less the claimed value; for `less` not negated
    unit: str  # of the parts: points, nats, share or parameters
    missing: tuple[str, ...]  # what the claim asks for and no run can say
    notes: tuple[str, ...]  # what else has to be said of the numbers
    censored: int  # seeds in which no arm had overfitted by its last epoch, so that none did so earlier
    contaminated: bool  # an arm starts from weights that have seen the data set's images
    paired: bool  # every comparison is between arms of the same planned seeds; also where there is but one arm
    datasets: frozenset[str]
    runs: tuple[str, ...]  # that the numbers come from
    varies_over: str  # seeds; nothing, of a network
    health: tuple[str, ...] = ()  # of each arm whose runs have words: how many of those that ended have which


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of arms, or of networks."""

    name: str
    weights: Weights
    claimed: float = 0.0  # in the unit of the metric


def evidence(
    claim: Claim,
    paper: Paper,
    planned: Planned,
    runs: pd.DataFrame,
    history: pd.DataFrame,
    folder: Path,
) -> Evidence:
    """Measure what ``runs`` say about ``claim``.

    Args:
        claim: one of ``paper``'s, checked.
        paper: has the reported numbers.
        planned: the plan record's runs of this paper; what it has not is not planned at its scale.
        runs: a row per planned run (tables.collected_runs); rows of runs that are not in ``planned`` do not count.
        history: a row per epoch of each run that there is (tables.collected_history).
        folder: holds the runs' own folders.

    A run that diverged, or that is missing, gives no number and is named in ``missing``. The one exception is
    `final-train-top1`: there a run that diverged stands at chance, because not to have learnt is the answer.
    """
    if claim.metric in OF_NETWORKS:
        return _of_networks(claim, paper, planned)
    mine = [p for p in planned if p.study == claim.study]
    asked = contrasts(claim, paper, {p.arm: p.levels for p in mine})
    arms = list(dict.fromkeys(arm for c in asked for arm in c.weights))
    mine = [p for p in mine if p.arm in arms]
    rows, curves = (f[(f["study"] == claim.study) & f["run"].isin([p.run for p in mine])] for f in (runs, history))
    numbers, notes = _measured(claim, mine, rows, curves, folder)
    by_arm = {arm: {p.seed: p.run for p in mine if p.arm == arm} for arm in arms}
    found = {
        arm: {s: numbers[run] for s, run in by_seed.items() if run in numbers} for arm, by_seed in by_arm.items()
    }
    parts = tuple(_part(claim, c, found) for c in asked)
    unpaired = [c.name for c in asked if len({frozenset(by_arm[arm]) for arm in c.weights if by_arm[arm]}) > 1]
    missing = [f"{c.name} is not planned at this scale" for c in asked if not c.weights]
    missing += _absent(claim, mine)
    missing += _missing(claim, arms, mine, rows, numbers)
    missing += [f"{name}: planned with other seeds for one arm than for another" for name in unpaired]
    used = [by_arm[arm][s] for c, part in zip(asked, parts, strict=True) for arm in c.weights for s in part.by_seed]
    return Evidence(
        claim=claim.id,
        parts=parts,
        unit=claim.measure.unit,
        missing=tuple(missing),
        notes=tuple(notes),
        censored=_censored(claim, found),
        contaminated=any(p.contaminated for p in mine),
        paired=not unpaired,
        datasets=frozenset(p.settings.dataset for p in mine),
        runs=tuple(dict.fromkeys(used)),
        varies_over="seeds",
        health=tuple(_health(arms, rows)),
    )


def _health(arms: list[str], rows: pd.DataFrame) -> Iterator[str]:
    done = rows[rows["status"].isin(ENDED)]
    for arm in arms:
        if said := health.counted(done.loc[done["arm"] == arm, "health"]):
            yield f"{arm}: {said}"


def _of_networks(claim: Claim, paper: Paper, planned: Planned) -> Evidence:
    """Counts, which no run and no seed changes; they stand under seed 0."""
    from ablate.tables.networks import as_printed  # imports torch

    found = {arm: {0: float(as_printed(arm, planned).params)} for arm in claim.arms}
    parts = tuple(_part(claim, c, found) for c in contrasts(claim, paper, {}))
    return Evidence(claim.id, parts, claim.measure.unit, (), (), 0, False, True, frozenset(), (), "nothing")


def _part(claim: Claim, contrast: Contrast, found: dict[str, dict[int, float]]) -> Part:
    """The contrast within each seed in which every one of its arms has a number."""
    factor = claim.measure.factor
    seeds = set.intersection(*(set(found[arm]) for arm in contrast.weights)) if contrast.weights else set()
    by_seed = {
        seed: round(factor * (sum(w * found[arm][seed] for arm, w in contrast.weights.items()) - contrast.claimed), 9)
        for seed in sorted(seeds)
    }
    margin, less = (round(factor * v, 9) for v in (claim.margin, contrast.claimed))
    return Part(contrast.name, by_seed, claim.sense, margin, claim.measure.unit, less)


def contrasts(claim: Claim, paper: Paper, levels: dict[str, dict[str, str]]) -> list[Contrast]:
    """What ``claim`` compares. ``levels`` has {arm: {axis: label}} of its study; no weights: not planned."""
    match claim.kind:
        case "order":
            first, *rest = claim.arms
            pairs = [(first, arm) for arm in rest] if claim.over == "rest" else list(pairwise(claim.arms))
            names = unique(f"{a} over {b}" for a, b in pairs)
            return [Contrast(name, {a: 1.0, b: -1.0}) for name, (a, b) in zip(names, pairs, strict=True)]
        case "effect":
            name = f"{claim.level} vs {claim.reference}{_where(claim)}"
            weights = _signed(claim, levels, {str(claim.axis): (str(claim.level), str(claim.reference))})
            return [Contrast(name, weights)]
        case "interaction":
            (a, b), (c, d) = claim.axes.values()
            name = f"{a} vs {b}, at {c} vs {d}{_where(claim)}"
            return [Contrast(name, _signed(claim, levels, claim.axes))]
    value = paper.claimed(claim)
    if claim.arms:
        return [Contrast(arm, {arm: 1.0}, value) for arm in claim.arms]
    weights = {str(claim.arm): 1.0} | ({claim.minus: -1.0} if claim.minus else {})
    name = f"{claim.arm} minus {claim.minus}" if claim.minus else str(claim.arm)
    return [Contrast(name, weights, value)]


def _where(claim: Claim) -> str:
    return "".join(f", {axis} {' and '.join(labels)}" for axis, labels in claim.at.items())


def _signed(claim: Claim, levels: dict[str, dict[str, str]], pairs: dict[str, tuple[str, str]]) -> Weights:
    """Level less reference of each axis in ``pairs``, averaged over the levels of the others; {} if one is absent."""
    chosen = {
        arm: at
        for arm, at in levels.items()
        if all(at[axis] in labels for axis, labels in claim.at.items())
        and all(at[axis] in pair for axis, pair in pairs.items())
    }
    corners = 2 ** len(pairs)
    if len({tuple(at[axis] for axis in pairs) for at in chosen.values()}) < corners:
        return {}
    share = corners / len(chosen)
    signs = {
        arm: (-1) ** sum(at[axis] == reference for axis, (_, reference) in pairs.items())
        for arm, at in chosen.items()
    }
    return {arm: sign * share for arm, sign in signs.items()}


def _measured(
    claim: Claim, planned: Planned, rows: pd.DataFrame, history: pd.DataFrame, folder: Path
) -> tuple[dict[str, float], list[str]]:
    """{run: number} of those that have one, and what is to say of them."""
    done = rows[rows["status"].isin(ENDED)]
    notes: list[str] = []
    found: dict[str, float | None] = {}
    if claim.kind == "behaviour":
        curves = {str(run): curve.sort_values("epoch") for run, curve in history.groupby("run")}
        if claim.behaviour in OF_PAIRS:
            column = claim.behaviour.replace("-speed", "_top1")
            found |= _speeds({run: _column(curves[run], column) for run in done["run"] if run in curves}, planned)
        else:
            measure = MEASURES[str(claim.behaviour)]
            for row in done.to_dict("records"):
                run = str(row["run"])
                values = {str(key): value for key, value in row.items()}
                found[run] = measure(values, curves.get(run, history.iloc[:0]), folder / run)
        if claim.behaviour == "final-train-top1":
            classes = {p.run: _classes(p.settings) for p in planned}
            for run in rows.loc[rows["status"] == "diverged", "run"]:
                if n := classes[run]:
                    found[run] = 1 / n
                    notes.append(f"{run} diverged and stands at chance")
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
    return {run: number for run, number in found.items() if number is not None and math.isfinite(number)}, notes


def _absent(claim: Claim, planned: Planned) -> list[str]:
    """Levels that the claim averages over, some of which its scale leaves out."""
    return [
        f"{label} is not planned at this scale"
        for axis, labels in claim.at.items()
        for label in labels
        if planned and label not in {p.levels[axis] for p in planned}
    ]


def _censored(claim: Claim, found: dict[str, dict[int, float]]) -> int:
    if claim.behaviour != "overfit-epoch" or not claim.minus:
        return 0
    a, b = (found.get(str(arm), {}) for arm in (claim.arm, claim.minus))
    return sum(a[seed] == b[seed] == 1.0 for seed in a.keys() & b.keys())


def _speeds(curves: dict[str, list[float]], planned: Planned) -> dict[str, float | None]:
    """{run: its curve's mean, cut off at the lower best of its seed's runs, as a share of that}."""
    seeds = {p.run: p.seed for p in planned}
    best = {run: max(curve) for run, curve in curves.items() if curve}
    found: dict[str, float | None] = {}
    for run in best:
        level = min(best[other] for other in best if seeds[other] == seeds[run])
        found[run] = mean(min(v / level, 1.0) for v in curves[run]) if level else 0.0
    return found


def _missing(
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


def _classes(settings: Settings) -> int | None:
    """How many classes a run has, where its settings name them."""
    if settings.class_range:
        first, end = settings.class_range
        return end - first
    return len(settings.classes) if settings.classes else None


def _largest_label_share(row: dict[str, Any], curve: pd.DataFrame, folder: Path) -> float | None:
    file = folder / "predictions.csv"
    if not file.exists():
        return None
    table = read_csv(of_run(folder, file.name), ["split"])
    table = table[table["split"] == ("test" if (table["split"] == "test").any() else "val")]
    return float(table["predicted"].value_counts(normalize=True).iloc[0]) if len(table) else None


def _final(row: dict[str, Any], curve: pd.DataFrame, folder: Path) -> float | None:
    return float(row["train_top1"]) if pd.notna(row["train_top1"]) else None


def _overfit_epoch(row: dict[str, Any], curve: pd.DataFrame, folder: Path) -> float | None:
    losses = _column(curve, "val_loss")
    return (losses.index(min(losses)) + 1) / len(losses) if losses else None


def _lowest_val_loss(row: dict[str, Any], curve: pd.DataFrame, folder: Path) -> float | None:
    return min(_column(curve, "val_loss"), default=None)


def _column(curve: pd.DataFrame, name: str) -> list[float]:
    """A value per epoch, in their order; nothing where an epoch lacks it."""
    if name not in curve or curve[name].isna().any():
        return []
    return [float(v) for v in curve[name]]


Measured = Callable[[dict[str, Any], pd.DataFrame, Path], float | None]  # (row of runs.csv, history, folder of a run)
MEASURES: dict[str, Measured] = {
    "largest-label-share": _largest_label_share,
    "final-train-top1": _final,
    "overfit-epoch": _overfit_epoch,
    "lowest-val-loss": _lowest_val_loss,
}
