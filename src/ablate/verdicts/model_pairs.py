"""Two trained models on the same images: whether they differ, as these two models and not as recipes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ablate.csv_text import read_csv
from ablate.papers.claim import OF_NETWORKS, Claim
from ablate.papers.paper import Paper
from ablate.plan.record import PlannedRun
from ablate.plurals import many
from ablate.results.stats import Sources, rounded
from ablate.results.table import Table
from ablate.seals import of_run
from ablate.verdicts.contrasts import contrasts
from ablate.verdicts.measured import Planned
from ablate.verdicts.sentence import number, p_text

RESAMPLES = 2000  # the ends of the interval then lie within a few hundredths of its width of where they settle
SEED = 0


@dataclass(frozen=True)
class ModelComparison:
    """Accuracy of model a less that of model b on the same images, in points (percent of images)."""

    n: int  # images
    only_a: int  # right by a alone
    only_b: int
    estimate: float
    low: float  # 95 %, percentile bootstrap over images
    high: float
    p: float  # two-sided
    test: str = field(default="exact McNemar test over images", init=False)
    varies_over: str = field(default="images", init=False)

    @property
    def sentence(self) -> str:
        """What was found, and of what it is a statement."""
        ends = " to ".join(number(end, "points", sign=True, named=False) for end in (self.low, self.high))
        return (
            f"The first model's accuracy less the second's is {number(self.estimate, 'points', sign=True)} on "
            f"{many(self.n, 'image')} (95 % interval over images {ends}; {self.only_a} right by the first alone, "
            f"{self.only_b} by the second alone; {p_text(self.p)}, {self.test}). This is a statement about these two "
            "trained models, not about the recipes that made them: another seed of either would give another model."
        )


def compare_models(correct_a: NDArray[np.bool_], correct_b: NDArray[np.bool_]) -> ModelComparison:
    """From whether each image, in the same order, was classified rightly: (N,) bool each.

    The p is the binomial one of the images on which the models disagree (McNemar 1947, exact).

    Raises:
        ValueError: For no images, another type than bool, or lengths that differ.
    """
    from scipy import stats
    from statsmodels.stats.contingency_tables import mcnemar

    a, b = np.asarray(correct_a), np.asarray(correct_b)
    if a.dtype != bool or b.dtype != bool or a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"need two bool arrays of one length, not {a.dtype} {a.shape} and {b.dtype} {b.shape}")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    table = [[int((a & b).sum()), only_a], [only_b, int((~a & ~b).sum())]]

    def points(x: Any, y: Any, axis: int = -1) -> Any:
        return 100 * (np.mean(x, axis=axis) - np.mean(y, axis=axis))

    ends = stats.bootstrap(
        (a, b), points, paired=True, vectorized=True, n_resamples=RESAMPLES, batch=100, method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval  # fmt: skip
    p = float(mcnemar(table, exact=True).pvalue) if only_a + only_b else 1.0
    return ModelComparison(len(a), only_a, only_b, float(points(a, b)), float(ends.low), float(ends.high), p)


SPLITS = {"val_top1": "val", "test_top1": "test"}  # metric: the split of predictions.csv that it is over
COLUMNS = ["paper", "claim", "first", "second", "seed", "difference", "low", "high", "unit"]
COLUMNS += ["right by the first alone", "by the second alone", "images", "p", "varies over"]
CAPTION = (
    "Each row is a statement about these two trained models, not about the recipes that made them: another seed of "
    "either gives another model. Intervals are 95 %, over images (percentile bootstrap); p is McNemar's, exact, of "
    "one pair alone, and adjusted for nothing."
)


def trained_pairs(papers: dict[str, Paper], planned: Planned, runs: Path) -> Table:
    """A row per claim that sets the accuracy of one arm against that of another, and per seed that both have.

    ``planned`` are the plan record's runs, ``runs`` has their folders. Points are percent of images.
    """
    table = Table(caption=CAPTION, columns=COLUMNS)
    for name, paper in papers.items():
        for claim in paper.claims:
            mine = [entry for entry in planned if (entry.paper, entry.study) == (name, claim.study)]
            for first, second in pairs(claim, paper, mine):
                for a, b in _by_seed(mine, first, second):
                    found = _compared(runs / a.run, runs / b.run, SPLITS[str(claim.metric)])
                    if found is None:
                        continue
                    row = {"paper": name, "claim": claim.id, "first": first, "second": second, "seed": a.seed}
                    of_both: Sources = dict.fromkeys((a.run, b.run))
                    label = f"{name}/{claim.id}/{first}/{second}/{a.seed}"
                    table.add(label, row | found, dict.fromkeys(found, of_both))
    return table


def pairs(claim: Claim, paper: Paper, planned: Planned) -> list[tuple[str, str]]:
    """(first, second) of each comparison of ``claim`` that is the accuracy of one arm less that of another."""
    if claim.own or claim.metric in OF_NETWORKS or claim.metric not in SPLITS:
        return []
    found = []
    for contrast in contrasts(claim, paper, {entry.arm: entry.levels for entry in planned}):
        arms = sorted(contrast.weights, key=lambda arm: -contrast.weights[arm])
        if [contrast.weights[arm] for arm in arms] == [1.0, -1.0]:
            found.append((arms[0], arms[1]))
    return found


def _by_seed(planned: Planned, first: str, second: str) -> list[tuple[PlannedRun, PlannedRun]]:
    """The entries of both arms, by the seeds that both have."""
    others = {entry.seed: entry for entry in planned if entry.arm == second}
    return [(e, others[e.seed]) for e in planned if e.arm == first and e.seed in others]


def _compared(first: Path, second: Path, split: str) -> dict[str, Any] | None:
    """The cells of a row; None where a model is missing or the two were not evaluated on the same images."""
    tables = [_predictions(folder / "predictions.csv", split) for folder in (first, second)]
    if any(table.empty for table in tables) or not tables[0][["position", "label"]].equals(
        tables[1][["position", "label"]]
    ):
        return None
    a, b = ((table["predicted"] == table["label"]).to_numpy() for table in tables)
    found = compare_models(a, b)
    return {
        "difference": rounded(found.estimate),
        "low": rounded(found.low),
        "high": rounded(found.high),
        "unit": "points",
        "right by the first alone": found.only_a,
        "by the second alone": found.only_b,
        "images": found.n,
        "p": f"{found.p:.2g}",
        "varies over": found.varies_over,
    }


def _predictions(file: Path, split: str) -> pd.DataFrame:
    """Of ``split``, or of val where the data set has no labels for its test images."""
    if not file.exists():
        return pd.DataFrame()
    table = read_csv(of_run(file.parent, file.name), ["split"])
    mine = table[table["split"] == split]
    return (mine if len(mine) else table[table["split"] == "val"]).reset_index(drop=True)
