"""Which settings of the optimisation cannot go together. Imports no torch, so that planning stays fast."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # config calls this module
    from ablate.plan.settings import Settings


NEEDS = {"step": ("step_epochs", "gamma"), "multi-step": ("milestones", "gamma"), "plateau": ("gamma", "patience")}
EXAMPLES = {"step_epochs": "30", "milestones": "[30, 60]", "gamma": "0.1", "patience": "10"}


def check_settings(s: Settings) -> str | None:
    """The first fault as "key: what is wrong; what to write instead", where key is the one to blame; else None.

    A range that one key has to keep by itself is left to its type. Parameters that cannot act because the run
    is too short for them (a milestone after its end) are no fault: scales shorten runs.
    """
    return next(_faults(s), None)


def _faults(s: Settings) -> Iterator[str]:
    if s.momentum and s.optimizer not in ("sgd", "rmsprop"):
        yield f"momentum: is not a parameter of {s.optimizer}; remove it or set 0 with optimizer: {s.optimizer}"
    if s.nesterov and s.optimizer != "sgd":
        yield f"nesterov: is not a parameter of {s.optimizer}; remove it or set optimizer: sgd"
    if s.nesterov and not s.momentum:
        yield "nesterov: is a form of momentum, which is 0; set momentum: 0.9, say, or remove nesterov"

    given = {
        "step_epochs": s.step_epochs is not None,
        "milestones": s.milestones is not None,
        "gamma": s.gamma is not None,
        "patience": s.patience is not None,
    }
    needs = NEEDS.get(s.schedule, ())
    missing = [f"{key}: {EXAMPLES[key]}" for key in needs if not given[key]]
    if missing:
        yield f"schedule: {s.schedule} needs {' and '.join(needs)}; add {' and '.join(missing)}, say"
    for key in given:
        if given[key] and key not in needs:
            takers = " or ".join(name for name, keys in NEEDS.items() if key in keys)
            yield f"{key}: has no meaning with schedule: {s.schedule}; remove it or set schedule: {takers}"
    if s.milestones is not None and not (s.milestones and all(a < b for a, b in pairwise((0, *s.milestones)))):
        yield f"milestones: {list(s.milestones)} are not rising epochs from 1 on; write [30, 60], say"
    if s.schedule == "plateau" and s.gamma == 1:
        yield "gamma: 1 leaves the learning rate as it is; write a factor below 1, such as 0.1"

    if s.warmup_epochs and s.schedule == "one-cycle":
        yield "warmup_epochs: one-cycle begins with a warm-up of its own; remove it or set 0"
    if s.warmup_epochs >= s.epochs:
        yield f"warmup_epochs: leave nothing of {s.epochs} epochs to train; set fewer than epochs, or more epochs"
