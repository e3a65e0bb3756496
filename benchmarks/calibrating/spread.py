"""How much the seeds of an arm scatter in results that there are, over the runs that have learnt."""

from pathlib import Path

import numpy as np
import pandas as pd
from calibrating.board import Array
from scipy.stats import binom

from ablate.csv_text import read_csv
from ablate.plan.health import NOT_ABOVE_CHANCE, Health
from ablate.plan.runs import ENDED
from ablate.results.collect import TEXT


def measured_sds(results: Path) -> tuple[Array, Array]:
    """(sd in points, degrees of freedom) of validation accuracy over the seeds of each learnt arm with two or more.

    ``results`` has the scales, of which the demo's generated data do not count, nor do the controls, which have no
    papers' networks. An arm that stands in several files counts once.
    """
    arms: dict[tuple[str, ...], Array] = {}
    for file in sorted(results.glob("*/*/runs.csv")):
        if file.parent.name != "controls" and file.parts[-3] != "demo":
            runs = read_csv(file, TEXT, need=["study", "arm", "run", "status", "val_top1", "n_val"])
            runs = runs[runs["status"].isin(ENDED) & runs["val_top1"].notna()]
            for _, arm in runs[_learnt(runs)].groupby(["study", "arm"]):
                arms[tuple(sorted(arm["run"]))] = 100 * arm["val_top1"].to_numpy(float)
    several = [values for values in arms.values() if len(values) > 1]
    return np.array([v.std(ddof=1) for v in several]), np.array([len(v) - 1.0 for v in several])


def _learnt(runs: pd.DataFrame) -> "pd.Series[bool]":
    """By the health word; in files older than it, by the same test."""
    if "health" in runs:
        return ~runs["health"].fillna("").astype(str).str.contains(NOT_ABOVE_CHANCE)
    ten = runs["run"].str.contains("-c0to10_|_cifar10_")  # of 10 classes, all others of Tiny ImageNet's 200
    chance = ten.map({True: 1 / 10, False: 1 / 200}).astype(float)
    right = (runs["val_top1"] * runs["n_val"]).round().astype(float)
    p = binom.sf(right.to_numpy() - 1, runs["n_val"].to_numpy(float), chance.to_numpy())
    return pd.Series(p < Health().chance_p, index=runs.index)


def pooled(sds: Array, freedom: Array) -> float:
    """The root of the mean variance, by degrees of freedom."""
    return float(np.sqrt((sds**2 * freedom).sum() / freedom.sum()))
