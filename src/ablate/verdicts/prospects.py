"""What is assumed of each claim before its runs are there: its effect, its arms' scatter, and what images add."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ablate.papers.claim import ERRORS, OF_NETWORKS, Claim
from ablate.papers.paper import Paper
from ablate.papers.statement import statement
from ablate.plan.record import PlannedRun
from ablate.verdicts.contrasts import Contrast, contrasts
from ablate.verdicts.evidence import COMPARED, TINY, must_learn, of_margin
from ablate.verdicts.images import sums_over_images
from ablate.verdicts.looks import measure_of
from ablate.verdicts.measured import ACCURACIES, Planned, absent
from ablate.verdicts.scatter import ARMS_DIFFER, PRIOR, SEEDS_DIFFER, Ratio, Scatter, binomial, choose, is_accuracy
from ablate.verdicts.verdict import Asked, Part

Images = Callable[[PlannedRun], tuple[int, int]]  # of a run: for training, and those that it is evaluated on
Known = Iterable[tuple[str, Mapping[tuple[str, str], Sequence[Ratio]]]]  # (scale, `scattered`), the nearest first
PRINTED, TWICE, NOTHING = "the paper's numbers", "twice our margin", "no difference"
MIDDLE = 0.5  # accuracy of an arm of which the paper prints none: it varies most


class Arm(NamedTuple):
    """One arm, in squares of the claim's unit."""

    floor: float  # as of `Sample`
    variance: float  # over seeds
    images: float  # what the images add that are easy for this arm alone
    learnt: bool


@dataclass(frozen=True)
class Prospect:
    """One claim."""

    paper: str
    claim: Claim
    statement: str
    headline: bool
    asked: Asked
    effects: tuple[float, ...]  # of each part, less what is claimed of it
    assumed: str  # PRINTED, TWICE or NOTHING; nothing where there is none
    arms: Mapping[str, Arm]
    scatter: Scatter
    n_images: int = 0  # that all seeds share; 0 where they add nothing
    common: float = 0.0  # what the images add that are easy for all arms, where they do not cancel

    @property
    def id(self) -> str:
        """Within the paper."""
        return self.claim.id


def prospects(name: str, paper: Paper, planned: Planned, images: Images, known: Known) -> list[Prospect]:
    """The claims of one paper; ``planned`` are its runs at the scale, ``known`` what other runs scatter by."""
    known = list(known)
    return [_prospect(name, paper, claim, planned, images, known) for claim in paper.claims]


def _prospect(name: str, paper: Paper, claim: Claim, planned: Planned, images: Images, known: Known) -> Prospect:
    headline = bool(paper.headlines and claim.id in paper.headlines.claims)
    said = statement(claim, paper)
    if claim.metric in OF_NETWORKS:
        counted = Asked((), {}, measure_of(claim), barred=("counted: no run has a say",))
        return Prospect(name, claim, said, headline, counted, (), "", {}, Scatter(None, ""))
    of_study = [p for p in planned if p.study == claim.study]
    asked = contrasts(claim, paper, {p.arm: p.levels for p in of_study})
    names = list(dict.fromkeys(arm for c in asked for arm in c.weights))
    mine = [p for p in of_study if p.arm in names]
    scatter, printed = choose(claim, name, known), _printed(claim, paper)
    effects, assumed = _effects(claim, asked, printed)
    barred = _barred(claim, asked, mine, assumed)
    levels = _printed(claim, paper, "val_top1" if measure_of(claim) == "gap" else None)
    arms, n_images = {}, 0
    for entry in {p.arm: p for p in mine}.values():
        n_train, n_held = images(entry)
        n = n_train if ACCURACIES.get(measure_of(claim)) == "n_train" else n_held
        arms[entry.arm] = _arm(claim, entry, levels.get(entry.arm, MIDDLE), n, scatter)
        n_images = n_held if sums_over_images(claim) else 0
    common = _common(claim, [levels.get(arm, MIDDLE) for arm in arms], n_images)
    parts = tuple(_part(claim, c, arms, common, n_images) for c in asked)
    whole = Asked(parts, {}, measure_of(claim), str(claim.study), headline, barred)
    return Prospect(name, claim, said, headline, whole, effects, assumed, arms, scatter, n_images, common)


def _barred(claim: Claim, asked: Sequence[Contrast], mine: Planned, assumed: str) -> tuple[str, ...]:
    here = {p.arm for p in mine}
    if any(not c.weights or not c.weights.keys() <= here for c in asked) or absent(claim, mine, {}):
        return ("not planned at this scale",)
    if claim.needs.absolute and any(key in (p.deviations or {}) for p in mine for key in COMPARED):
        return ("not comparable: a number of the paper's protocol, which is another here",)
    return () if assumed else ("its margin is 0, and the paper prints no numbers: no size to assume",)


def _printed(claim: Claim, paper: Paper, metric: str | None = None) -> dict[str, float]:
    """{arm: what the paper prints of it} in the claim's metric or another."""
    wanted, found = metric or measure_of(claim), {}
    for arm, numbers in paper.printed(str(claim.study)).items():
        accuracies = {ERRORS.get(name, name): 1 - v if name in ERRORS else v for name, v in numbers.items()}
        if wanted == "gap" and {"train_top1", "val_top1"} <= accuracies.keys():
            accuracies.setdefault("gap", accuracies["train_top1"] - accuracies["val_top1"])
        if wanted in accuracies:
            found[arm] = accuracies[wanted]
    return found


def _effects(claim: Claim, asked: Sequence[Contrast], printed: Mapping[str, float]) -> tuple[tuple[float, ...], str]:
    """Of each contrast, in the claim's unit, and what they are."""
    factor = claim.measure.factor
    if claim.sense == "same":
        return (0.0,) * len(asked), NOTHING
    if all(c.weights and c.weights.keys() <= printed.keys() for c in asked):
        sums = (sum(w * printed[arm] for arm, w in c.weights.items()) - c.claimed for c in asked)
        return tuple(round(factor * s, 9) for s in sums), PRINTED
    sign = -1 if claim.sense == "less" else 1
    return (sign * 2 * factor * claim.margin,) * len(asked), TWICE if claim.margin else ""


def _arm(claim: Claim, entry: PlannedRun, level: float, n: int, scatter: Scatter) -> Arm:
    """``level`` is its accuracy, ``n`` the images that its number is a share of."""
    factor = claim.measure.factor
    learnt = must_learn(claim, entry.arm)
    if not is_accuracy(claim):
        margin = of_margin(claim)
        return Arm(margin, max(margin if scatter.size is None else scatter.size, TINY), 0.0, learnt)
    floor = factor**2 * _labels(claim, entry) * binomial(level, n)
    images = factor**2 * _labels(claim, entry) * ARMS_DIFFER / 2 / n if sums_over_images(claim) else 0.0
    return Arm(floor, max((PRIOR if scatter.size is None else scatter.size) * floor, TINY), images, learnt)


def _labels(claim: Claim, entry: PlannedRun) -> int:
    """A difference of two classes varies as two shares of their images."""
    return 2 * entry.n_classes if claim.labels else 1


def _common(claim: Claim, levels: Sequence[float], n_images: int) -> float:
    """What is left of the variance over images when seeds and arms have had theirs."""
    if not n_images or not levels:
        return 0.0
    level = sum(levels) / len(levels)
    return claim.measure.factor**2 * max(0.0, level * (1 - level) - SEEDS_DIFFER / 2 - ARMS_DIFFER / 2) / n_images


def _part(claim: Claim, contrast: Contrast, arms: Mapping[str, Arm], common: float, n_images: int) -> Part:
    factor, here = claim.measure.factor, contrast.weights.keys() <= arms.keys()
    shared = sum(w**2 * arms[arm].images for arm, w in contrast.weights.items()) if here else 0.0
    return Part(
        name=contrast.name,
        weights=contrast.weights,
        direction=claim.sense,
        margin=round(factor * claim.margin, 9),
        unit=claim.measure.unit,
        claimed=round(factor * contrast.claimed, 9),
        images=shared + sum(contrast.weights.values()) ** 2 * common,
        n_images=n_images,
    )
