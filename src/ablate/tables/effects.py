"""What each axis of a study is worth: main effects, two-way interactions and importance.

The estimand of a main effect is the mean, over all combinations of the other axes' levels, of the main metric at the
level less that at the reference, the axis's first level. An interaction is how much that difference itself
differs between two levels of another axis, averaged over the remaining axes. Arms of a seed share initial weights and
data order where their axes allow it, so both are computed within each seed, and the 95 % interval is Student's t over
seeds (a seed is a block). A seed in which a run of a contrast has not ended is left out of that contrast, and said.
"""

from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd

from ablate.errors import UserError
from ablate.plan.metrics import Metric
from ablate.plurals import many
from ablate.results.stats import Bounds, Sources, ended, ends, half_width, mean, rounded
from ablate.results.study import StudyResults
from ablate.results.table import Table

REPEATS = 30  # permutations of each axis
Signs = dict[str, int]  # arm: +1 or -1


@dataclass(frozen=True)
class Effect:
    """A contrast of arms, in the unit in which the main metric's differences are shown: points, of accuracies."""

    name: str  # axis, or axis × axis
    levels: str  # level vs reference
    shown: str  # the same, as readers see it
    by_seed: dict[int, float]
    seeds: int  # planned
    runs: Sources  # of the seeds that count, with the metric as shown
    interaction: bool

    @property
    def estimate(self) -> float | None:
        """In that unit."""
        return mean(self.by_seed.values())

    @property
    def half(self) -> float | None:
        """Half of the 95 % interval; None for fewer than three seeds."""
        return half_width(self.by_seed.values())

    def ends(self, of: Metric) -> Bounds | None:
        """Of its interval, no further than a difference of ``of`` can be, or two of them in an interaction."""
        middle, half = self.estimate, self.half
        reach = (of.bounds[1] - of.bounds[0]) * (2 if self.interaction else 1)
        return None if middle is None or half is None else ends(middle, half, (-reach, reach))

    def bars(self, of: Metric) -> list[list[float]] | None:
        """How far these lie to either side, as an error bar is told."""
        return None if (shown := self.ends(of)) is None else [[abs(end - (self.estimate or 0))] for end in shown]


def contrasts(results: StudyResults) -> list[Effect]:
    """Main effects, then interactions.

    Raises:
        UserError: For a study without axes or with a combination left out.
    """
    arms = {tuple(p.levels.values()): p.arm for p in results.planned}
    levels = [list(dict.fromkeys(key[i] for key in arms)) for i in range(len(results.axes))]
    if not results.axes or set(arms) != set(product(*levels)):
        raise UserError(
            f"params.yaml: studies.{results.paper}.{results.study}: effects need axes, and every combination of them"
        )
    found = []
    for i, axis in enumerate(results.axes):
        for level in levels[i][1:]:
            signs = {
                arm: 1 if key[i] == level else -1 for key, arm in arms.items() if key[i] in (level, levels[i][0])
            }
            found.append(_effect(results, axis, [(level, levels[i][0])], signs))
    for i, j in combinations(range(len(results.axes)), 2):
        for a, b in product(levels[i][1:], levels[j][1:]):
            signs = {
                arm: (1 if key[i] == a else -1) * (1 if key[j] == b else -1)
                for key, arm in arms.items()
                if key[i] in (a, levels[i][0]) and key[j] in (b, levels[j][0])
            }
            pairs = [(a, levels[i][0]), (b, levels[j][0])]
            found.append(_effect(results, f"{results.axes[i]} × {results.axes[j]}", pairs, signs))
    return found


def _effect(results: StudyResults, name: str, pairs: list[tuple[str, str]], signs: Signs) -> Effect:
    """Within each seed the signed sum of its arms, over the number of other levels' combinations.

    ``pairs`` are level and reference, of two axes for an interaction.
    """
    interaction = len(pairs) > 1
    levels = ", at ".join(f"{level} vs {reference}" for level, reference in pairs)
    seen = ", at ".join(f"{results.shown(level)} vs {results.shown(reference)}" for level, reference in pairs)
    done, name_of = ended(results.runs[results.runs["arm"].isin(list(signs))]), results.main
    factor = results.metrics[name_of].factor
    by_seed: dict[int, float] = {}
    runs: Sources = {}
    for seed, group in done.groupby("seed"):
        if len(group) == len(signs):
            signed = group[name_of] * group["arm"].map(signs)
            by_seed[int(str(seed))] = factor * float(signed.sum()) / (len(signs) / (4 if interaction else 2))
            runs |= {str(r): factor * float(v) for r, v in zip(group["run"], group[name_of], strict=True)}
    return Effect(name, levels, seen, by_seed, results.runs["seed"].nunique(), runs, interaction)


def importance(results: StudyResults) -> pd.DataFrame:
    """Permutation importance of each axis in a random forest that predicts the main metric from the levels.

    Columns axis, mean, low, high: the loss of R² on the runs themselves when an axis's levels are shuffled among
    them, its mean and its middle 95 % over repeats. It tells which axes the metric follows, not in which direction.
    An axis of a single level has none.
    """
    from sklearn.ensemble import RandomForestRegressor  # takes a second to import
    from sklearn.inspection import permutation_importance
    from sklearn.metrics import r2_score

    done = ended(results.runs)
    if len(done) < 2:
        return pd.DataFrame(columns=["axis", "mean", "low", "high"])
    levels = {p.arm: p.levels for p in results.planned}
    encoded = pd.DataFrame([levels[arm] for arm in done["arm"]])
    counts: list[int] = []
    for axis in map(str, encoded):  # by their order in the plan
        order = list(dict.fromkeys(p.levels[axis] for p in results.planned))
        encoded[axis] = encoded[axis].map(order.index)
        counts.append(len(order))
    x, y = encoded.to_numpy(float), results.metrics[results.main].factor * done[results.main].to_numpy(float)
    forest = RandomForestRegressor(n_estimators=200, random_state=0).fit(x, y)
    # A study is the product of its axes, so shuffled levels are those of its arms: each is asked for once, and not in
    # every shuffle, which takes a forest ten times as long as all else here.
    of_arms = forest.predict(np.indices(counts).reshape(len(counts), -1).T.astype(float))

    def score(_: object, levels: "np.ndarray[Any, np.dtype[np.float64]]", y: Any) -> float:
        return float(r2_score(y, of_arms[np.ravel_multi_index(tuple(levels.T.astype(int)), counts)]))

    shuffled = permutation_importance(forest, x, y, scoring=score, n_repeats=REPEATS, random_state=0)
    low, high = np.percentile(shuffled["importances"], [2.5, 97.5], axis=1)
    found = pd.DataFrame({"axis": encoded.columns, "mean": shuffled["importances_mean"], "low": low, "high": high})
    return found[[count > 1 for count in counts]].reset_index(drop=True)


def effects(results: StudyResults) -> Table:
    """Main effects and two-way interactions."""
    of = results.metrics[results.main]
    unit = of.of_differences
    head = f"estimate ({unit})" if unit else "estimate"
    what = f"{unit} of {results.main}" if unit else results.main
    lower = " Lower is better." if of.better == "lower" else ""
    table = Table(caption=f"Estimates are {what}, with 95 % intervals over seeds.{lower}")
    for e in contrasts(results):
        left_out = e.seeds - len(e.by_seed)
        low, high = e.ends(of) or (None, None)
        row: dict[str, Any] = {
            "effect": e.name,
            "level vs reference": e.levels,
            head: rounded(e.estimate, of.places),
            "low": rounded(low, of.places),
            "high": rounded(high, of.places),
            "n": len(e.by_seed),
            "varies over": "seeds",
            "note": f"{left_out} of {many(e.seeds, 'seed')} incomplete" if left_out else "",
        }
        table.names |= {e.levels: e.shown} if e.shown != e.levels else {}
        table.add(f"{e.name}: {e.levels}", row, dict.fromkeys((head, "low", "high", "n"), e.runs))
    return table


def importances(results: StudyResults) -> Table:
    """The importance of each axis."""
    table = Table(
        caption=f"Importance is the R² that a random forest, which predicts {results.named} from levels, loses "
        f"when an axis is shuffled; low and high are the middle 95 % of {REPEATS} shuffles."
    )
    factor, done = results.metrics[results.main].factor, ended(results.runs)[["run", results.main]]
    used: Sources = {str(r): factor * float(v) for r, v in done.itertuples(index=False)}
    for axis, middle, low, high in importance(results).itertuples(index=False):
        row = {"axis": axis, "importance (R²)": round(middle, 2), "low": round(low, 2), "high": round(high, 2)}
        table.add(axis, row, dict.fromkeys(("importance (R²)", "low", "high"), used))
    return table
