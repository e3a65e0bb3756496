"""How often the verdicts are right: effects are planted, verdicts counted.

Each claim of a paper compares an arm of its own with an arm that all share, so that claims are as dependent as they
are in an ablation. An arm's seeds scatter around its accuracy by ``sd`` points, normally or with heavier tails
(Student's t with 5 degrees of freedom, scaled to the same sd). Effects are planted in multiples of the margin. A
claim of `greater` is true from 1 margin on, and false at 0 and below; one of `same` is true at 0, and false from 1
margin on. Between these, either verdict is right. The p values and the calls are those of `verdicts`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ablate.csv_text import read_csv
from ablate.results.collect import TEXT
from ablate.results.stats import ended
from ablate.verdicts.judge import alpha_at, called, chances
from ablate.verdicts.seed_tests import Array, Direction, holm, p_values

NOISES = ("normal", "heavy-tailed")
# In margins; the first half of a family's claims has the first effect, the other half the last.
PLANTED: dict[Direction, list[tuple[int, ...]]] = {
    "greater": [(-1,), (0,), (1,), (2,), (2, 0), (1, -1)],
    "same": [(0,), (1,), (2,), (0, 1), (0, 2)],
}
UNKNOWN_SD = 2.0  # points, where no runs tell it
Pair = tuple[Array, Array]  # p for, p against: (families, claims)


@dataclass(frozen=True)
class Design:
    """What is simulated."""

    families: int = 400  # papers
    claims: int = 8  # of a paper
    margin: float = 2.0  # points
    sd: float = UNKNOWN_SD  # points, of an arm over its seeds
    schedule: tuple[int, ...] = (12, 16, 20)  # seeds at each look of the sequential design; the last is the cap
    alpha: float = 0.05
    seed: int = 0
    least_chance: float = 0.1  # of being decided at the cap: below it a claim gets no more seeds

    @property
    def cap(self) -> int:
        """Seeds at the last look."""
        return max(self.schedule)


def pooled_sd(collected: Iterable[Path]) -> float:
    """Of validation accuracy over the seeds of an arm, in points, from the papers' runs.csv; UNKNOWN_SD if none."""
    squares, freedom = 0.0, 0
    for path in collected:
        runs = ended(read_csv(path, TEXT, need=["study", "arm", "status", "val_top1"]))
        groups = (100 * runs["val_top1"]).groupby([runs["study"], runs["arm"]])
        squares += float((groups.var() * (groups.count() - 1)).sum())
        freedom += int((groups.count() - 1).sum())
    return float(np.sqrt(squares / freedom)) if freedom else UNKNOWN_SD


def calibrate(design: Design) -> pd.DataFrame:
    """A row for each direction, noise, number of seeds (or schedule), family and effect in it.

    Columns: direction, noise, design (fixed or sequential), seeds (the cap of a sequential one), planted (effects of
    the family, in margins), effect (of the claims counted), claims (their number), the rates of reproduced,
    contradicted and undecided as fractions with Wilson's 95 % intervals (_low, _high), false (the verdict that would
    be false of this effect) and wrong (its rate), any_wrong (families with one or more false verdicts, over all their
    effects), mean_seeds (used by a claim).
    """
    from statsmodels.stats.proportion import proportion_confint

    rows: list[dict[str, Any]] = []
    for direction, planted in PLANTED.items():
        for i, noise in enumerate(NOISES):
            differences = _differences(design, noise, np.random.default_rng([design.seed, i]))
            effects = sorted({effect for family in planted for effect in family})
            p = {
                (n, effect): p_values(differences[..., :n] + effect * design.margin, direction, design.margin)
                for n in range(2, design.cap + 1)
                for effect in effects
            }
            for family in planted:
                if len(family) <= design.claims:
                    head = {"direction": direction, "noise": noise}
                    rows += [head | row for row in _counted(p, family, direction, design)]
    table = pd.DataFrame(rows)
    for word in ("reproduced", "contradicted", "undecided"):
        low, high = proportion_confint(table[word], table["claims"], method="wilson")
        table[f"{word}_low"], table[f"{word}_high"] = np.asarray(low), np.asarray(high)
        table[word] /= table["claims"]
    table["wrong"] = [row[row["false"]] for row in table.to_dict("records")]
    return table


def _differences(design: Design, noise: str, draw: np.random.Generator) -> Array:
    """(families, claims, seeds), points: each claim's arm less the shared one, without its effect."""
    size = (design.families, design.claims + 1, design.cap)
    arms = draw.standard_normal(size) if noise == "normal" else draw.standard_t(5, size) / np.sqrt(5 / 3)
    return np.asarray(design.sd * (arms[:, 1:] - arms[:, :1]))


def _counted(
    p: dict[tuple[int, int], Pair], family: tuple[int, ...], direction: Direction, design: Design
) -> Iterator[dict[str, Any]]:
    """A row per number of seeds and effect of a family, then those of the sequential design; counts, not rates."""
    effects = np.where(np.arange(design.claims) < (design.claims + 1) // 2, family[0], family[-1])
    pairs = {n: _composed(p, n, effects) for n in range(2, design.cap + 1)}
    for n, (p_for, p_against) in pairs.items():
        words = called(holm(p_for), holm(p_against), design.alpha)
        yield from _rows(words, np.full(words.shape, n), effects, direction, "fixed", n)
    words, used = sequential([pairs[n] for n in design.schedule], design)
    yield from _rows(words, used, effects, direction, "sequential", design.cap)


def _composed(p: dict[tuple[int, int], Pair], n: int, effects: Any) -> Pair:
    """Each claim's p values at its own effect."""
    for_, against = ([p[n, int(e)][side][:, j] for j, e in enumerate(effects)] for side in (0, 1))
    return np.stack(for_, axis=1), np.stack(against, axis=1)


def sequential(looks: Sequence[Pair], design: Design) -> tuple[Any, Any]:
    """Verdicts and seeds used, (families, claims) each, of claims that are judged look by look.

    A claim gets no more seeds once it is decided or has hardly a chance to be. ``looks`` are the p values that all
    claims would have at each look of the schedule. A claim that has ended stays in its paper's family, with the p
    values that it had.
    """
    words = np.full(looks[0][0].shape, "undecided", dtype="<U12")
    used = np.zeros(words.shape, dtype=int)
    p_for, p_against = np.ones(words.shape), np.ones(words.shape)
    going = words == "undecided"
    for k, (n, (next_for, next_against)) in enumerate(zip(design.schedule, looks, strict=True), start=1):
        used[going], p_for[going], p_against[going] = n, next_for[going], next_against[going]
        level = alpha_at(k, len(looks), design.alpha)
        words[going] = called(holm(p_for), holm(p_against), level)[going]
        if k < len(looks):
            odds = chances(words, p_for, p_against, design.schedule, k, design.alpha)
            going &= (words == "undecided") & (odds >= design.least_chance)
    return words, used


def _rows(
    words: Any, used: Any, effects: Any, direction: Direction, kind: str, seeds: int
) -> Iterator[dict[str, Any]]:
    wrong = [words[:, j] == false_word(direction, int(effect)) for j, effect in enumerate(effects)]
    for effect in dict.fromkeys(effects.tolist()):
        mine = words[:, effects == effect]
        yield {
            "design": kind, "seeds": seeds, "planted": " and ".join(map(str, dict.fromkeys(effects.tolist()))),
            "effect": effect, "claims": mine.size, "false": false_word(direction, int(effect)),
            **{word: int((mine == word).sum()) for word in ("reproduced", "contradicted", "undecided")},
            "any_wrong": float(np.any(wrong, axis=0).mean()), "mean_seeds": float(used[:, effects == effect].mean()),
        }  # fmt: skip


def false_word(direction: Direction, effect: int) -> str:
    """The verdict that would be false of an effect of so many margins."""
    true = effect == 0 if direction == "same" else effect >= 1
    return "contradicted" if true else "reproduced"


def summary(table: pd.DataFrame) -> dict[str, float]:
    """The worst rates of false verdicts per claim, and the share of runs that stopping early saved.

    The rates are a maximum over all rows: for papers of a single claim, whose equivalence test errs in exactly 5 % at
    the margin, it lies above 0.05 by chance. The share is the mean over the sequential rows.
    """
    worst = table.groupby("false")["wrong"].max()
    looked = table[table["design"] == "sequential"]
    saved = 1 - (looked["mean_seeds"] / looked["seeds"]).mean()
    numbers = {"false_reproduced": worst["reproduced"], "false_contradicted": worst["contradicted"]}
    return {name: round(float(v), 4) for name, v in (numbers | {"runs_saved": saved}).items()}


def by_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """For reading: a row per number of seeds, rates in percent.

    Power is with normal noise and all claims alike, false verdicts are the worst of all families and noises.
    """
    fixed = table[table["design"] == "fixed"]
    columns = {}
    for name, direction, effect, word in (
        ("greater: reproduced at 1", "greater", 1, "reproduced"),
        ("at 2", "greater", 2, "reproduced"),
        ("contradicted at 0", "greater", 0, "contradicted"),
        ("same: reproduced at 0", "same", 0, "reproduced"),
        ("contradicted at 2", "same", 2, "contradicted"),
    ):
        mine = fixed[(fixed["direction"] == direction) & (fixed["planted"] == str(effect))]
        columns[name] = mine[mine["noise"] == "normal"].set_index("seeds")[word]
    for word in ("reproduced", "contradicted"):
        columns[f"false {word}"] = fixed[fixed["false"] == word].groupby("seeds")["wrong"].max()
    columns["papers with a false verdict"] = fixed.groupby("seeds")["any_wrong"].max()
    return (100 * pd.DataFrame(columns)).round(1)
