"""What the runs say about a claim: the numbers of each arm's runs that count, and what is missing. No finding here.

A claim comes down to contrasts: weighted sums of arms' means. An arm that must have learnt is told by its runs that
have (`plan.health`): those at chance and diverged ones say nothing about how good it is, but how often it fails,
which is counted beside. Every other arm is told by all of its runs.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ablate.papers.claim import OF_NETWORKS, Claim
from ablate.papers.paper import Paper
from ablate.plan import health
from ablate.plan.runs import ENDED
from ablate.plurals import many, plural
from ablate.verdicts.behaviours import Row
from ablate.verdicts.collected import Collected
from ablate.verdicts.contrasts import Contrast, contrasts
from ablate.verdicts.images import PerImage, image_variance
from ablate.verdicts.measured import ACCURACIES, Planned, absent, censored, lacking, measured
from ablate.verdicts.spread import LEAST, Sample
from ablate.verdicts.verdict import Part

# What a printed number belongs to, of what the plan record says of deviations.
COMPARED = ("dataset", "data", "split", "classes", "n_classes", "images_per_class", "weights", "epochs")

TINY = 1e-9  # least variance of one run, in squares of any unit: nothing is certain


@dataclass(frozen=True)
class Arm:
    """What became of one arm's planned runs."""

    values: Mapping[int, float]  # by seed: those that count, in the unit of the comparison
    planned: int
    ended: int  # diverged ones among them
    learnt: int
    must_learn: bool
    of_all: float | None  # mean of all that ended, diverged ones at chance; None: one of them has no number

    @property
    def mean(self) -> float | None:
        """Of the values that count."""
        return math.fsum(self.values.values()) / len(self.values) if self.values else None


@dataclass(frozen=True)
class Evidence:
    """All that a finding on one claim is made from."""

    claim: str  # its id
    parts: tuple[Part, ...]
    samples: Mapping[str, Sample]  # by arm
    arms: Mapping[str, Arm]
    contrasts: tuple[Contrast, ...]
    unit: str  # of the parts: points, nats, share or parameters
    missing: tuple[str, ...]  # what the claim asks for and no run can say
    notes: tuple[str, ...]  # what else has to be said of the numbers
    censored: int  # seeds in which what decides had not overfitted by its last epoch, so that it is open when it does
    apart: tuple[str, ...]  # settings of COMPARED in which an arm is not as at the scale `paper`
    contaminated: bool  # an arm starts from weights that have seen the data set's images
    datasets: frozenset[str]
    runs: tuple[str, ...]  # that the numbers come from
    varies_over: str  # seeds; nothing, of a network
    few: tuple[str, ...] = ()  # arms that have too few runs which count, and why
    health: tuple[str, ...] = ()  # of each arm whose runs have words: how many of those that ended have which

    @property
    def early(self) -> bool:
        """Whether it can not be tested for want of seeds alone: no run of its arms is missing or has failed."""
        return bool(self.few) and all(len(arm.values) == arm.planned for arm in self.arms.values())


def evidence(claim: Claim, paper: Paper, planned: Planned, collected: Collected) -> Evidence:
    """Measure what the runs say about ``claim``.

    Args:
        claim: one of ``paper``'s, checked.
        paper: has the reported numbers.
        planned: the plan record's runs of this paper; what it has not is not planned at its scale.
        collected: what is known of these runs; of others nothing counts.

    A run that is missing gives no number and is named in ``missing``.
    """
    if claim.metric in OF_NETWORKS:
        return _of_networks(claim, paper, planned)
    of_study = [p for p in planned if p.study == claim.study]
    asked = contrasts(claim, paper, {p.arm: p.levels for p in of_study})
    names = list(dict.fromkeys(arm for c in asked for arm in c.weights))
    mine = [p for p in of_study if p.arm in names]
    rows = collected.rows(mine)
    numbers, notes = measured(claim, mine, rows, collected)
    arms, samples, answered = {}, {}, {}
    counting: dict[str, list[str]] = {}
    for arm in names:
        entries = [p for p in mine if p.arm == arm]
        of_arm = [row for row in rows if row["arm"] == arm]
        found = arms[arm] = _arm(claim, arm, entries, of_arm, numbers)
        counting[arm] = [p.run for p in entries if p.seed in found.values]
        answered[arm] = collected.per_image(claim, counting[arm])
        if found.values:
            floor = _floor(claim, of_arm, found, answered[arm])
            samples[arm] = Sample(tuple(found.values.values()), floor, found.must_learn)
    parts = tuple(_part(claim, c, arms, answered) for c in asked)
    missing = [f"{c.name} is not planned at this scale" for c in asked if not c.weights]
    call = partial(paper.called, claim.study)
    missing += absent(claim, mine, paper.shown(claim.study))
    missing += lacking(claim, names, mine, rows, numbers, call)
    return Evidence(
        claim=claim.id,
        parts=parts,
        samples=samples,
        arms=arms,
        contrasts=tuple(asked),
        unit=claim.measure.unit,
        missing=tuple(missing),
        notes=tuple(notes),
        censored=censored(claim, {name: arm.values for name, arm in arms.items()}, asked),
        apart=tuple(key for key in COMPARED if any(key in (p.deviations or {}) for p in mine)),
        contaminated=any(p.contaminated for p in mine),
        datasets=frozenset(p.settings.dataset for p in mine) - {""},
        runs=tuple(dict.fromkeys(run for arm in names for run in counting[arm])),
        varies_over="seeds",
        few=tuple(_few(claim, arms, of_study, collected, call)),
        health=tuple(_health(names, rows, call)),
    )


def must_learn(claim: Claim, arm: str) -> bool:
    """Whether the arm is told by its runs that have learnt."""
    learnt = claim.needs.learnt
    return learnt == "all" if isinstance(learnt, str) else arm in learnt


def _failed(row: Row) -> bool:
    """Whether a run is at chance, or diverged."""
    words = {*(row["health"] or "").split(health.BETWEEN)}
    return bool(words & {health.NOT_ABOVE_CHANCE, health.DIVERGED}) or row["status"] == health.DIVERGED


def _ended(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["status"] in (*ENDED, health.DIVERGED)]


def _arm(claim: Claim, arm: str, planned: Planned, rows: Sequence[Row], numbers: Mapping[str, float]) -> Arm:
    ended = _ended(rows)
    failed = {row["run"] for row in ended if _failed(row)}
    must = must_learn(claim, arm)
    factor = claim.measure.factor
    values = {
        p.seed: round(factor * numbers[p.run], 9)
        for p in planned
        if p.run in numbers and not (must and p.run in failed)
    }
    every: list[float | None] = [numbers.get(row["run"]) for row in ended]
    known = [factor * v for v in every if v is not None]
    return Arm(
        values=dict(sorted(values.items())),
        planned=len(planned),
        ended=len(ended),
        learnt=len(ended) - len(failed),
        must_learn=must,
        of_all=math.fsum(known) / len(known) if known and len(known) == len(every) else None,
    )


def of_margin(claim: Claim) -> float:
    """What one run's number is taken to vary by where it is no mean over images: half of what counts, squared."""
    return max((claim.measure.factor * claim.margin / 2) ** 2, TINY)


def _floor(claim: Claim, rows: Sequence[Row], arm: Arm, answered: PerImage | None) -> float:
    """What one run's number varies by at least, in squares of its unit: binomially over its images, if there are."""
    factor = claim.measure.factor
    measure = str("gap" if claim.kind == "gap" else claim.behaviour or claim.metric)
    if answered:
        return max(factor**2 * answered.binomial, TINY)
    of = claim.own.of if claim.own else ACCURACIES.get(measure)
    counts = [row[of] for row in rows] if of else []
    n = float(next((count for count in counts if count is not None), 0))
    if not n:
        return of_margin(claim)
    mean = (arm.mean or 0.0) / factor
    if measure == "gap":  # of which validation is the part that varies with the images
        every = [float(row["val_top1"]) for row in rows if row["val_top1"] is not None]
        mean = math.fsum(every) / len(every) if every else 0.5
    share = (min(max(mean, 0.0), 1.0) * n + 1) / (n + 2)  # away from 0 and 1, at which nothing would vary
    return factor**2 * share * (1 - share) / n


def _few(
    claim: Claim, arms: Mapping[str, Arm], planned: Planned, collected: Collected, call: Callable[[str], str]
) -> Iterator[str]:
    """Arms with fewer than LEAST runs that count, be they compared or named as what another is held against."""
    counts = {name: (arm.learnt if arm.must_learn else len(arm.values), arm) for name, arm in arms.items()}
    for name, (count, arm) in counts.items():
        if count < LEAST:
            yield _too_few(call(name), count, arm.ended, arm.planned, must_learn=arm.must_learn)
    named = claim.needs.learnt
    for name in () if isinstance(named, str) else [arm for arm in named if arm not in arms]:
        entries = [p for p in planned if p.arm == name]
        ended = _ended(collected.rows(entries))
        if (learnt := sum(not _failed(row) for row in ended)) < LEAST:
            yield _too_few(call(name), learnt, len(ended), len(entries), must_learn=True)


def _too_few(arm: str, count: int, ended: int, planned: int, *, must_learn: bool) -> str:
    if not ended:
        return f"none of {many(planned, 'run')} of {arm} has ended"
    what = f"{count} of {many(ended, 'run')} of {arm} {plural('has', count)} {'learnt' if must_learn else 'ended'}"
    return f"{what}, and {LEAST} are needed"


def _health(arms: list[str], rows: Sequence[Row], call: Callable[[str], str]) -> Iterator[str]:
    for arm in arms:
        mine = [row["health"] or "" for row in rows if row["arm"] == arm and row["status"] in ENDED]
        if said := health.counted(mine):
            yield f"{call(arm)}: {said}"


def _of_networks(claim: Claim, paper: Paper, planned: Planned) -> Evidence:
    """Counts, which no run and no seed changes; they stand under seed 0."""
    from ablate.tables.networks import as_printed  # imports torch

    counts = {arm: float(as_printed(arm, planned).params) for arm in claim.arms + claim.below}
    arms = {name: Arm({0: count}, 0, 0, 0, False, count) for name, count in counts.items()}
    asked = tuple(contrasts(claim, paper, {}))
    parts = tuple(Part(c.name, c.weights, claim.sense, claim.margin, claim.measure.unit) for c in asked)
    return Evidence(
        claim.id, parts, {}, arms, asked, claim.measure.unit, (), (), 0, (), False, frozenset(), (), "nothing"
    )  # fmt: skip


def _part(claim: Claim, contrast: Contrast, arms: Mapping[str, Arm], answered: Mapping[str, PerImage | None]) -> Part:
    factor = claim.measure.factor
    margin, claimed = (round(factor * v, 9) for v in (claim.margin, contrast.claimed))
    known = {arm: found for arm in contrast.weights if (found := answered[arm])}
    sizes = {len(found.mean) for found in known.values()}
    complete = len(sizes) == 1 and len(known) == len(contrast.weights)
    every = [arms[arm].of_all for arm in contrast.weights]
    of_all = None
    if every and None not in every:
        of_all = math.fsum(w * v for w, v in zip(contrast.weights.values(), every, strict=True) if v is not None)
        of_all -= claimed
    return Part(
        name=contrast.name,
        weights=contrast.weights,
        direction=claim.sense,
        margin=margin,
        unit=claim.measure.unit,
        claimed=claimed,
        images=factor**2 * image_variance(contrast.weights, known) if complete else 0.0,
        n_images=sizes.pop() if complete else 0,
        of_all=of_all,
    )
