"""Fabricated results of a board: accuracies that are the means of answers, image by image, and what became of runs.

A run answers an image rightly where a latent number is above zero: what the run is good at, less how hard the image
is for all runs and for those of its arm, plus chance. All runs see the same images.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from calibrating.board import CLASSES, SHARED, Array, Board
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import binom

from ablate.plan.health import BETWEEN, Health, words
from ablate.plan.record import PlanRecord
from ablate.results.collect import PLACE
from ablate.verdicts.images import Answers

TRAINED = 2000  # training images of a run
ASKED = ("train_top1", "n_train", "val_top1", "n_val", "test_top1", "n_test")
FAR = 0.005  # accuracies stay within that of 0 and 1
COMMON = 0.8  # share of an image's difficulty that all arms have in common
Scatter = Callable[[np.random.Generator, tuple[int, int]], Array]  # (arms, seeds) of mean 0, in points


@dataclass(frozen=True)
class Noise:
    """How seeds scatter, beside what their answers do by chance, and what becomes of runs."""

    scatter: Scatter
    images: int = 500
    hard: float = 1.0  # sd of the images' difficulty
    chance: float = 1.0  # sd of what an answer has of chance; with 0, seeds of equal skill give equal answers
    fails: float = 0.0  # share of runs of the arm SHARED that stay at chance
    diverges: float = 0.0  # share of its runs that diverge
    missing: float = 0.0  # share of all runs


@dataclass(frozen=True)
class Results:
    """Of one fabricated paper, as `assess_paper` takes them."""

    rows: pd.DataFrame
    metrics: list[dict[str, Any]]  # of each planned run, as in metrics.json; empty: the run is missing
    right: Mapping[str, NDArray[np.bool_]]  # {run: (images,)}

    def ask(self, run: str, split: str) -> Answers | None:
        """What a run answered of val; there is no other split."""
        return answers(self.right[run]) if run in self.right else None


HISTORY = pd.DataFrame({"epoch": pd.Series(dtype=float), **{c: pd.Series(dtype=str) for c in PLACE}})


def answers(right: NDArray[np.bool_]) -> Answers:
    """Labels by turns; a wrong answer is the next label."""
    label = np.arange(len(right)) % CLASSES
    return Answers(label, np.where(right, label, (label + 1) % CLASSES))


def fabricate(
    board: Board, plan: PlanRecord, noise: Noise, effects: Array, rng: np.random.Generator, spare: float = 0.0
) -> Results:
    """Results of all planned runs, with these ``effects`` (8,) in margins; all arms have as many seeds."""
    arms = list(board.levels)
    n = 1 + max(p.seed for p in plan.runs)
    val, train = board.arms(effects, spare)
    size = len(arms), n
    shared = np.array([[arm == SHARED] for arm in arms])
    failed, diverged = (shared & (rng.random(size) < share) for share in (noise.fails, noise.diverges))
    gone = rng.random(size) < noise.missing
    skill = np.clip(val[:, None] + noise.scatter(rng, size) / 100, FAR, 1 - FAR)
    trained = np.clip(train[:, None] + noise.scatter(rng, size) / 200, FAR, 1 - FAR)
    skill[failed] = trained[failed] = 1 / CLASSES
    right = _answers(skill, failed, noise, rng)
    counts, learnt = right.sum(-1), np.rint(trained * TRAINED) / TRAINED
    p_of = _chance_p(noise.images)
    every, kept = [], {}
    for entry in plan.runs:
        at = arms.index(entry.run.rpartition("_s")[0]), entry.seed
        metrics: dict[str, Any] = {}
        if diverged[at]:
            metrics = {"status": "diverged", "epochs": 1}
        elif not gone[at]:
            top1 = float(counts[at] / noise.images)
            metrics = {
                "status": "done", "epochs": 2, "train_top1": float(learnt[at]), "n_train": TRAINED, "val_top1": top1,
                "n_val": noise.images, "best_val_top1": top1, "best_val_epoch": 2, "val_chance": 1 / CLASSES,
                "val_chance_p": float(p_of[counts[at]]), "val_most_predicted": 1 / CLASSES,
            }  # fmt: skip
            kept[entry.run] = right[at]
        every.append(metrics)
    return Results(_rows(plan, every), every, kept)


@cache
def _chance_p(images: int) -> Array:
    """Of so many right answers or more, by chance."""
    return np.asarray(binom.sf(np.arange(images + 1) - 1, images, 1 / CLASSES))


def _answers(skill: Array, failed: NDArray[np.bool_], noise: Noise, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(arms, seeds, images): whether each is right; runs that failed guess."""
    size = (*skill.shape, noise.images)
    if not noise.hard:
        return rng.random(size, dtype=np.float32) < skill[..., None]
    own = rng.standard_normal((len(skill), 1, noise.images), dtype=np.float32) * math.sqrt(1 - COMMON)
    ease = noise.hard * (own + math.sqrt(COMMON) * rng.standard_normal(noise.images, dtype=np.float32))
    good = (ndtri(skill) * math.hypot(noise.hard, noise.chance)).astype(np.float32)
    latent = good[..., None] + ease.astype(np.float32)
    if noise.chance:
        latent += np.float32(noise.chance) * rng.standard_normal(size, dtype=np.float32)
    right = latent > 0
    right[failed] = rng.random((int(failed.sum()), noise.images)) < 1 / CLASSES
    return np.asarray(right)


def _rows(plan: PlanRecord, every: list[dict[str, Any]]) -> pd.DataFrame:
    """A row per planned run, as `collected_runs` gives it, but for what no claim here asks."""
    health = Health()
    table: dict[str, list[Any]] = {key: [getattr(p, key) for p in plan.runs] for key in PLACE}
    table |= {key: [m.get(key, math.nan) for m in every] for key in ASKED}
    table["status"] = [m.get("status", "missing") for m in every]
    table["health"] = [BETWEEN.join(words(m, health)) if m else "" for m in every]
    table["data"] = [""] * len(every)
    return pd.DataFrame(table)
