"""Recipes of an optimisation, which the tests of the optimisers and of the rules go through."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest


@dataclass(frozen=True)
class Recipe:
    """The fields of Settings that are read here."""

    optimizer: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    schedule: str = "constant"
    step_epochs: int | None = None
    gamma: float | None = None
    milestones: tuple[int, ...] | None = None
    patience: int | None = None
    warmup_epochs: int = 0
    label_smoothing: float = 0.0
    clip_norm: float | None = None
    ema: float | None = None
    stop_after: int | None = None
    epochs: int = 6


OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"weight_decay": 0.2},
    "sgd, momentum": {"momentum": 0.9, "weight_decay": 0.2},
    "sgd, nesterov": {"momentum": 0.9, "weight_decay": 0.2, "nesterov": True},
    "adam": {"optimizer": "adam", "weight_decay": 0.2},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.2},
    "rmsprop": {"optimizer": "rmsprop", "weight_decay": 0.2},
    "rmsprop, momentum": {"optimizer": "rmsprop", "momentum": 0.9, "weight_decay": 0.2},
}
SCHEDULES: dict[str, dict[str, Any]] = {
    "constant": {},
    "cosine": {},
    "step": {"step_epochs": 2, "gamma": 0.5},
    "multi-step": {"milestones": (1, 4), "gamma": 0.1},
    "plateau": {"gamma": 0.5, "patience": 1},
    "one-cycle": {},
}


def recipes() -> list[Any]:
    """Every schedule, with and without warm-up, under one optimiser; two schedules under every other one."""
    found = []
    for optimizer, schedule, warm in product(OPTIMIZERS, SCHEDULES, (0, 2)):
        chosen = optimizer == "sgd, momentum" or schedule in ("cosine", "one-cycle")
        if chosen and not (warm and schedule == "one-cycle"):
            s = Recipe(schedule=schedule, warmup_epochs=warm, **OPTIMIZERS[optimizer], **SCHEDULES[schedule])
            found.append(pytest.param(s, id=f"{optimizer}-{schedule}-{warm}"))
    return found
