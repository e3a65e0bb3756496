"""What the seeds of arms scatter by before their own runs are there: measured on others, or a stated prior.

Of accuracies it is told as a multiple of the binomial variance of one run on its images, so that runs on other images
can stand for those to come; of other numbers as a variance. Only arms of two runs or more that have learnt count.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ablate.csv_text import read_csv
from ablate.papers.claim import OF_NETWORKS, Claim
from ablate.papers.paper import Paper
from ablate.plan.record import PlannedRun, PlanRecord
from ablate.plan.runs import ENDED
from ablate.plurals import many
from ablate.results.collect import METRICS, PLACE, TEXT
from ablate.verdicts.behaviours import Row
from ablate.verdicts.collected import Collected
from ablate.verdicts.contrasts import contrasts
from ablate.verdicts.looks import measure_of
from ablate.verdicts.measured import ACCURACIES, measured

# Priors, from 25 arms of two runs or more that learnt Tiny ImageNet or CIFAR-10. Their variances were 1.0 times the
# binomial one on average; arms that learn well in some seeds and badly in others have hundreds of it.
PRIOR = 2.0
FROM_FOLDERS = ("largest-label-share", "label-accuracy")  # behaviours that need what runs predicted
# Of two seeds of one arm, one alone is right on SEEDS_DIFFER of the images (the arms' median); of two arms, on
# ARMS_DIFFER more (the median of 124 pairs; a quarter of them lay at 0.10 or above).
ARMS_DIFFER, SEEDS_DIFFER = 0.05, 0.10


class Ratio(NamedTuple):
    """How much an arm's runs scatter."""

    size: float  # variance over seeds: of an accuracy in binomial variances, else in squares of the claim's unit
    level: float  # mean, in the unit of margins


@dataclass(frozen=True)
class Scatter:
    """What a claim's arms are taken to scatter by."""

    size: float | None  # as `Ratio` has it; None: the prior
    source: str


def is_accuracy(claim: Claim) -> bool:
    """Whether its number is a share of images, which has a binomial variance."""
    return measure_of(claim) in ACCURACIES or measure_of(claim) == "label-accuracy"


def binomial(level: float, images: float) -> float:
    """Variance of a share of ``images``, moved off 0 and 1 as the board does."""
    share = (min(max(level, 0.0), 1.0) * images + 1) / (images + 2)
    return share * (1 - share) / images


def scattered(plan: PlanRecord, papers: Mapping[str, Paper], folder: Path) -> dict[tuple[str, str], list[Ratio]]:
    """{(paper, measure): of each arm that has learnt in two runs or more} of what was collected into ``folder``."""
    found: dict[tuple[str, str], list[Ratio]] = {}
    for name, paper in papers.items():
        planned = plan.of(name)
        if planned and (folder / name / "runs.csv").exists():
            for (measure, *_), ratio in _of_paper(paper, planned, folder / name, plan.health.chance_p).items():
                found.setdefault((name, measure), []).append(ratio)
    return found


def _of_paper(
    paper: Paper, planned: Sequence[PlannedRun], folder: Path, chance_p: float
) -> dict[tuple[str, str, str], Ratio]:
    runs = read_csv(folder / "runs.csv", TEXT, need=[*PLACE, *METRICS[:2]])
    history = read_csv(folder / "history.csv", TEXT, need=[*PLACE, "epoch"])
    collected = Collected(runs, history, folder)
    # By arm and not by run: those of other settings or more seeds than are planned now tell it as well.
    arms = {(p.study, p.arm): p for p in planned}
    places = zip(runs["study"], runs["arm"], runs["run"], runs["seed"], strict=True)
    there = [
        arms[study, arm].model_copy(update={"run": run, "seed": int(seed)})
        for study, arm, run, seed in places
        if (study, arm) in arms
    ]
    found: dict[tuple[str, str, str], Ratio] = {}
    for claim in paper.claims:
        if claim.metric in OF_NETWORKS or claim.behaviour in FROM_FOLDERS:
            continue
        of_study = [p for p in planned if p.study == claim.study]
        asked = contrasts(claim, paper, {p.arm: p.levels for p in of_study})
        names = list(dict.fromkeys(arm for c in asked for arm in c.weights))
        if all((measure_of(claim), str(claim.study), arm) in found for arm in names):
            continue
        mine = [p for p in there if p.study == claim.study and p.arm in names]
        chance = {p.run: p.chance for p in mine if p.n_classes}
        rows = [row for row in collected.rows(mine) if claim.own or _learnt(row, chance[row["run"]], chance_p)]
        numbers, _ = measured(claim, mine, rows, collected)
        for arm in names:
            ratio = _ratio(claim, [row for row in rows if row["arm"] == arm and row["run"] in numbers], numbers)
            if ratio is not None:
                found[measure_of(claim), str(claim.study), arm] = ratio
    return found


def _learnt(row: Row, chance: float, chance_p: float) -> bool:
    """Whether a run ended, above chance by its validation answers."""
    from scipy.special import bdtrc

    n, share = row["n_val"] or row["n_test"], row["val_top1"]
    if row["status"] not in ENDED or not n or share is None:
        return False
    return bool(bdtrc(round(share * n) - 1, int(n), chance) < chance_p)


def _ratio(claim: Claim, rows: Sequence[Row], numbers: Mapping[str, float]) -> Ratio | None:
    values = [numbers[row["run"]] for row in rows if row["status"] in ENDED]
    if len(values) < 2:
        return None
    level = math.fsum(values) / len(values)
    variance = math.fsum((v - level) ** 2 for v in values) / (len(values) - 1)
    if not is_accuracy(claim):
        return Ratio(claim.measure.factor**2 * variance, level)
    # A gap varies as the validation accuracy in it does.
    shares = [row["val_top1"] for row in rows] if measure_of(claim) == "gap" else values
    n = float(next((row[ACCURACIES[measure_of(claim)]] or row["n_val"] for row in rows), 0) or 0)
    return Ratio(variance / binomial(math.fsum(shares) / len(shares), n), level) if n else None


def choose(
    claim: Claim, paper: str, known: Iterable[tuple[str, Mapping[tuple[str, str], Sequence[Ratio]]]]
) -> Scatter:
    """From the nearest of ``known``, (scale, `scattered`) in their order: runs of the paper's first, then any's."""
    known, measure = list(known), measure_of(claim)
    for own in (True, False):
        for scale, found in known:
            ratios = [r for (name, m), each in found.items() if m == measure and (name == paper) is own for r in each]
            if ratios:
                size = math.fsum(r.size for r in ratios) / len(ratios)
                arms = many(len(ratios), "arm")
                return Scatter(size, f"{arms} at {scale}" if own else f"{arms} of other papers at {scale}")
    if is_accuracy(claim):
        return Scatter(None, f"prior: {PRIOR:g} x the binomial variance")
    return Scatter(None, "prior: half the margin")
