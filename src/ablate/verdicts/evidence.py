"""What the runs say about a claim: one number per seed and comparison, and what is missing. No verdict is made here.

A claim comes down to comparisons of arms, each a weighted sum of what their runs are measured by. The sum is taken
within each seed, over the seeds in which every arm has its number; the claimed value is subtracted from it, so that 0
always stands for "exactly as claimed" or, where no value is claimed, for "no difference".
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

import pandas as pd

from ablate.papers.claim import OF_NETWORKS, OF_PAIRS, Claim
from ablate.papers.paper import Paper
from ablate.plan import health
from ablate.plan.names import unique
from ablate.plan.record import PlannedRun
from ablate.plan.runs import ENDED
from ablate.plan.settings import Settings
from ablate.verdicts.behaviours import MEASURES, column, speeds
from ablate.verdicts.verdict import Part

# What a printed number belongs to, of what the plan record says of deviations.
COMPARED = ("dataset", "data", "split", "classes", "n_classes", "images_per_class", "weights", "epochs")
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
    censored: int  # seeds in which what decides had not overfitted by its last epoch, so that it is open when it does
    apart: tuple[str, ...]  # settings of COMPARED in which an arm is not as at the scale `paper`
    contaminated: bool  # an arm starts from weights that have seen the data set's images
    paired: bool  # every comparison is between arms of the same planned seeds; also where there is but one arm
    datasets: frozenset[str]
    runs: tuple[str, ...]  # that the numbers come from
    varies_over: str  # seeds; nothing, of a network
    unlearnt: tuple[str, ...] = ()  # of each arm that must have learnt: how many of its runs have not, if any
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
        censored=_censored(claim, found, parts),
        apart=tuple(key for key in COMPARED if any(key in (p.deviations or {}) for p in mine)),
        contaminated=any(p.contaminated for p in mine),
        paired=not unpaired,
        datasets=frozenset(p.settings.dataset for p in mine),
        runs=tuple(dict.fromkeys(used)),
        varies_over="seeds",
        unlearnt=tuple(_unlearnt(claim, arms, planned, runs)),
        health=tuple(_health(arms, rows)),
    )


def _unlearnt(claim: Claim, arms: list[str], planned: Planned, runs: pd.DataFrame) -> Iterator[str]:
    """Of the arms that ``claim`` needs to have learnt, be they among those that it compares or not."""
    learnt = claim.needs.learnt
    for arm in {"all": tuple(arms), "none": ()}[learnt] if isinstance(learnt, str) else learnt:
        mine = {p.run for p in planned if (p.study, p.arm) == (claim.study, arm)}
        rows = runs[(runs["study"] == claim.study) & (runs["arm"] == arm) & runs["run"].isin(mine)]
        rows = rows[rows["status"].isin((*ENDED, health.DIVERGED))]
        words = rows["health"].fillna("").str.split(health.BETWEEN)
        not_learnt = {health.NOT_ABOVE_CHANCE, health.DIVERGED}
        if failed := sum(bool(not_learnt & {*each}) for each in words):
            yield f"{failed} of {len(rows)} runs of {arm} have not learnt"


def _health(arms: list[str], rows: pd.DataFrame) -> Iterator[str]:
    done = rows[rows["status"].isin(ENDED)]
    for arm in arms:
        if said := health.counted(done.loc[done["arm"] == arm, "health"]):
            yield f"{arm}: {said}"


def _of_networks(claim: Claim, paper: Paper, planned: Planned) -> Evidence:
    """Counts, which no run and no seed changes; they stand under seed 0."""
    from ablate.tables.networks import as_printed  # imports torch

    found = {arm: {0: float(as_printed(arm, planned).params)} for arm in claim.arms + claim.below}
    parts = tuple(_part(claim, c, found) for c in contrasts(claim, paper, {}))
    return Evidence(claim.id, parts, claim.measure.unit, (), (), 0, (), False, True, frozenset(), (), "nothing")


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
            pairs = list(product(claim.arms, claim.below)) if claim.below else pairs
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
            metric = claim.behaviour.replace("-speed", "_top1")
            found |= speeds({run: column(curves[run], metric) for run in done["run"] if run in curves}, planned)
        else:
            measure = MEASURES[str(claim.behaviour)]
            for row in done.to_dict("records"):
                run = str(row["run"])
                values = {str(key): value for key, value in row.items()}
                found[run] = measure(claim, values, curves.get(run, history.iloc[:0]), folder / run)
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


def _censored(claim: Claim, found: dict[str, dict[int, float]], parts: Sequence[Part]) -> int:
    """Seeds in which it is not known when an arm overfits, 1.0 being "not before the last epoch".

    Of two arms if neither has; of one arm if "later than that" might be what is claimed or might not.
    """
    if claim.behaviour != "overfit-epoch":
        return 0
    if claim.minus:
        a, b = (found.get(str(arm), {}) for arm in (claim.arm, claim.minus))
        return sum(a[seed] == b[seed] == 1.0 for seed in a.keys() & b.keys())
    open_ = [part for part in parts if 1.0 - part.claimed <= part.margin]
    last = {seed for part in open_ for seed, value in part.by_seed.items() if value == round(1.0 - part.claimed, 9)}
    return len(last)


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
