"""Fabricated papers of eight claims whose truth is known: plan, paper, and what each arm comes to by what is planted.

A board's claims share one arm, its runs share their images, and two claims are of one small factorial, so that claims
depend on each other as they do in an ablation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ablate.papers.claim import Claim
from ablate.papers.paper import Paper
from ablate.plan.names import arm_name
from ablate.plan.record import PlannedRun, PlanRecord, StudyPlan
from ablate.records import check_record
from ablate.verdicts.contrasts import contrasts
from ablate.verdicts.verdict import SHOWN

MARGIN = 2.0  # points, of every claim
PRINTED, PRINTED_GAP = 0.5, 0.1  # what the paper prints of an arm, and of a difference between two
BASE, TRAIN = 0.5, 0.7  # accuracies of an arm of which nothing else is planted
CLASSES = 10
NAME = "p"  # of the paper in its plan
SHARED = "a0"  # arm that most claims compare with
SETTINGS = {"dataset": "d", "model": "net1", "optimizer": "sgd", "lr": 0.1, "epochs": 2, "batch_size": 4}
DEVIATES: dict[str, dict[str, Any]] = {"the paper's": {}, "near": {"lr": (0.1, 0.2)}, "reduced": {"epochs": (2, 90)}}
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Board:
    """Eight claims; the first three are the headlines."""

    claims: tuple[Mapping[str, Any], ...]
    reported: tuple[Mapping[str, Any], ...]
    levels: Mapping[str, Mapping[str, str]]  # by arm, whose names are unique over the studies
    studies: Mapping[str, tuple[str, ...]]  # {study: its axes}
    moves: Mapping[str, Mapping[str, tuple[float, float]]]  # {claim: {arm: (val, train) that one margin more adds}}
    values: Mapping[str, float]  # {arm: its val accuracy} where that is not BASE

    @cached_property
    def paper(self) -> Paper:
        """As its file would be read."""
        return check_record(Paper, self.raw, "p.yaml")

    @cached_property
    def raw(self) -> dict[str, Any]:
        """What the paper's file says."""
        heads = {str(claim["id"]): "It is the first thing that the paper says." for claim in self.claims[:3]}
        return {
            "title": "A paper", "authors": "Somebody", "reference": "Somewhere",
            "protocol": [{"what": "x", "stated": "y", "where": "z"}], "silent": [], "deviations": [],
            "reported": [dict(entry) for entry in self.reported],
            "headlines": {"chosen": date(2026, 1, 1).isoformat(), "claims": heads},
            "claims": [
                {"quote": "q", "where": "w", "why": "Because.", "margin": MARGIN / 100, **claim}
                for claim in self.claims
            ],
        }  # fmt: skip

    def effects(self, val: Array, train: Array, failing: float = 0.0) -> Array:
        """(8,): what is true of each claim, in margins and its direction, where arms come to ``val`` and ``train``.

        With ``failing`` it is what is true of all runs, where so many of SHARED's stay at chance.
        """
        names, kept = list(self.levels), np.ones(len(self.levels))
        kept[[arm == SHARED for arm in names]] -= failing
        val, train = (kept * v + (1 - kept) / CLASSES for v in (val, train))
        every = [(self.study_of(arm), arm_name(levels.values())) for arm, levels in self.levels.items()]
        found = []
        for claim in self.paper.claims:
            levels = {
                arm: dict(self.levels[names[i]]) for i, (study, arm) in enumerate(every) if study == claim.study
            }
            of_arm = dict(zip(every, train - val if claim.kind == "gap" else val, strict=True))
            parts = [
                sum(w * of_arm[str(claim.study), arm] for arm, w in c.weights.items()) - c.claimed
                for c in contrasts(claim, self.paper, levels)
            ]
            found.append(min(parts) / claim.margin)
        return np.round(np.array(found), 9)

    def compared(self, number: int) -> set[str]:
        """The arms that a claim compares, by our own names."""
        claim = self.paper.claims[number]
        if claim.kind == "effect":
            return {arm for arm in self.levels if self.study_of(arm) == claim.study}
        return {name for names in claim.named.values() for name in names}

    @property
    def same(self) -> NDArray[np.bool_]:
        """(8,): claims of no difference."""
        return np.array([claim.sense == "same" for claim in self.paper.claims])

    @property
    def headlines(self) -> NDArray[np.bool_]:
        """(8,)."""
        return np.arange(len(self.claims)) < 3

    def arms(self, effects: Array, spare: float) -> tuple[Array, Array]:
        """(arms,) accuracies on val and train with these effects (8,), in margins.

        ``spare`` is by how many margins more the second part of a claim of two holds than its first.
        """
        val, train = ({arm: self.values.get(arm, BASE) for arm in self.levels}, dict.fromkeys(self.levels, TRAIN))
        for claim, effect in zip(self.claims, effects, strict=True):
            for arm, (on_val, on_train) in self.moves[str(claim["id"])].items():
                val[arm] += on_val * effect * MARGIN / 100
                train[arm] += on_train * effect * MARGIN / 100
        if "a4" in val and "a3" in val:
            val["a4"] -= spare * MARGIN / 100
        return np.array([*val.values()]), np.array([*train.values()])

    def study_of(self, arm: str) -> str:
        """The study whose axes the arm's levels are on."""
        return next(study for study, axes in self.studies.items() if axes == tuple(self.levels[arm]))

    def plan(self, seeds: Mapping[str, int], protocol: str, looks: tuple[int, ...]) -> PlanRecord:
        """So many ``seeds`` of each arm."""
        made: dict[str, dict[str, Any]] = {}
        for arm, levels in self.levels.items():
            study = self.study_of(arm)
            made[arm] = {
                "paper": NAME, "study": study, "arm": arm_name(levels.values()), "levels": dict(levels),
                "settings": SETTINGS, "facts": {}, "contaminated": False, "deviations": DEVIATES[protocol],
                "n_classes": CLASSES, "image_size": 64, "trainable": 500,
            }  # fmt: skip
        runs = []
        for arm, entry in made.items():
            first = PlannedRun.model_validate({"run": f"{arm}_s0", "seed": 0, **entry})
            runs += [first.model_copy(update={"run": f"{arm}_s{s}", "seed": s}) for s in range(seeds[arm])]
        studies = {
            f"{NAME}/{name}": StudyPlan(title=name, axes=axes, tables={}, figures={})
            for name, axes in self.studies.items()
        }
        return PlanRecord(scale="full", looks=looks, adaptive=None, studies=studies, runs=tuple(runs))


def _order(id: str, *arms: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "kind": "order", "study": "s", "metric": "val_top1", "arms": list(arms), **more}


def _effect(id: str, axis: str, level: str, reference: str, direction: str) -> dict[str, Any]:
    effect = {"axis": axis, "level": level, "reference": reference, "direction": direction}
    return {"id": id, "kind": "effect", "study": "f", "metric": "val_top1", **effect}


CELLS = {f"f{x}{y}": {"x": x, "y": y} for x in "pq" for y in "uv"}
MIXED = Board(
    claims=(
        _order("order-1", "a1", SHARED),
        _order("order-2", "a2", SHARED),
        _effect("effect", "x", "p", "q", "greater"),
        _order("two-parts", "a3", SHARED, "a4", over="rest"),
        {"id": "value", "kind": "value", "study": "s", "metric": "val_top1", "arm": "a5", "reported": "printed"},
        {"id": "gap", "kind": "gap", "study": "s", "arm": "a6", "minus": SHARED, "direction": "greater"},
        _effect("same", "y", "u", "v", "same"),
        {"id": "difference", "kind": "value", "study": "s", "metric": "val_top1", "arm": "a7", "minus": SHARED,
         "reported": "printed-gap"},
    ),
    reported=(
        {"id": "printed", "value": PRINTED, "metric": "val_top1", "study": "s", "arm": "a5", "where": "T",
         "quote": "q"},
        {"id": "printed-gap", "value": PRINTED_GAP, "metric": "val_top1", "study": "s", "arm": "a7", "minus": SHARED,
         "where": "T", "quote": "q"},
    ),
    levels={**{f"a{i}": {"arm": f"a{i}"} for i in range(8)}, **CELLS},
    studies={"s": ("arm",), "f": ("x", "y")},
    moves={
        "order-1": {"a1": (1, 0)}, "order-2": {"a2": (1, 0)},
        "effect": {"fpu": (1, 0), "fpv": (1, 0)}, "two-parts": {"a3": (1, 0)},
        "value": {"a5": (1, 0)}, "gap": {"a6": (0, 1)}, "same": {"fpu": (1, 0), "fqu": (1, 0)},
        "difference": {"a7": (1, 0)},
    },
    values={"a5": PRINTED, "a7": BASE + PRINTED_GAP},
)  # fmt: skip
VALUES = Board(
    claims=tuple(
        {"id": f"value-{i}", "kind": "value", "study": "s", "metric": "val_top1", "arm": f"v{i}",
         "reported": f"printed-{i}"} for i in range(8)
    ),
    reported=tuple(
        {"id": f"printed-{i}", "value": PRINTED, "metric": "val_top1", "study": "s", "arm": f"v{i}", "where": "T",
         "quote": "q"} for i in range(8)
    ),
    levels={f"v{i}": {"arm": f"v{i}"} for i in range(8)},
    studies={"s": ("arm",)},
    moves={f"value-{i}": {f"v{i}": (1, 0)} for i in range(8)},
    values=dict.fromkeys((f"v{i}" for i in range(8)), PRINTED),
)  # fmt: skip


def is_true(finding: str, effect: float, claim: Claim) -> bool:
    """Whether what the board says of ``claim`` is so, its effect being so many margins in the claim's direction.

    Oracle: what the findings say in README and docs, word for word.
    """
    if claim.sense == "same":
        return {"shown at the claimed size": abs(effect) < 1, "opposite": abs(effect) > 1}.get(finding, True)
    return {
        "shown at the claimed size": effect >= 1,
        "shown, size open": effect > 0,
        "shown, but smaller": 0 < effect < 1,
        "no effect of that size": effect < 1,
        "opposite": effect < 0,
    }.get(finding, True)


STATEMENTS = {  # of an effect of `greater`: the findings that make each
    "above 0": SHOWN,
    "at least the margin": ("shown at the claimed size",),
    "below the margin": ("shown, but smaller", "no effect of that size", "opposite"),
    "below 0": ("opposite",),
}
