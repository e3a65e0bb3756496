"""Pairs of trained models that a claim compares, over the images that both were evaluated on.

It answers another question than the verdicts: whether these two models differ, not whether their recipes do.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from ablate.cells import Sources, Table
from ablate.claims import OF_NETWORKS, Claim
from ablate.csv_text import read_csv
from ablate.evidence import Planned, contrasts
from ablate.images_test import compare_models
from ablate.papers import Paper
from ablate.seals import of_run

SPLITS = {"val_top1": "val", "test_top1": "test"}  # metric: the split of predictions.csv that it is over
CAPTION = (
    "Each row is a statement about these two trained models, not about the recipes that made them: another seed of "
    "either gives another model. Intervals are 95 %, over images (percentile bootstrap); p is McNemar's, exact, of "
    "one pair alone, and adjusted for nothing."
)


def trained_pairs(papers: dict[str, Paper], planned: Planned, runs: Path) -> Table:
    """A row per claim that sets the accuracy of one arm against that of another, and per seed that both have.

    ``planned`` are the plan record's runs, ``runs`` has their folders. Points are percent of images.
    """
    table = Table(caption=CAPTION)
    for name, paper in papers.items():
        for claim in paper.claims:
            mine = [entry for entry in planned if (entry["paper"], entry["study"]) == (name, claim.study)]
            for first, second in pairs(claim, paper, mine):
                for a, b in _by_seed(mine, first, second):
                    found = _compared(runs / a["run"], runs / b["run"], SPLITS[str(claim.metric)])
                    if found is None:
                        continue
                    row = {"paper": name, "claim": claim.id, "first": first, "second": second, "seed": a["seed"]}
                    of_both: Sources = dict.fromkeys((a["run"], b["run"]))
                    label = f"{name}/{claim.id}/{first}/{second}/{a['seed']}"
                    table.add(label, row | found, dict.fromkeys(found, of_both))
    return table


def pairs(claim: Claim, paper: Paper, planned: Planned) -> list[tuple[str, str]]:
    """(first, second) of each comparison of ``claim`` that is the accuracy of one arm less that of another."""
    if claim.metric in OF_NETWORKS or claim.metric not in SPLITS:
        return []
    found = []
    for contrast in contrasts(claim, paper, {entry["arm"]: entry["levels"] for entry in planned}):
        arms = sorted(contrast.weights, key=lambda arm: -contrast.weights[arm])
        if [contrast.weights[arm] for arm in arms] == [1.0, -1.0]:
            found.append((arms[0], arms[1]))
    return found


def _by_seed(planned: Planned, first: str, second: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The entries of both arms, by the seeds that both have."""
    others = {entry["seed"]: entry for entry in planned if entry["arm"] == second}
    return [(e, others[e["seed"]]) for e in planned if e["arm"] == first and e["seed"] in others]


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
        "difference": round(found.estimate, 2),
        "low": round(found.low, 2),
        "high": round(found.high, 2),
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
