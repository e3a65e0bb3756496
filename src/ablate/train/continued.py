"""More epochs of a run that has ended: it goes on from the state that it left, to the bytes of a longer run."""

import json
import sys
from pathlib import Path
from typing import Any

from ablate.errors import UserError
from ablate.files import read_json
from ablate.plan.keys import Key
from ablate.plan.runs import Run
from ablate.plan.starts import OTHERS, not_unending
from ablate.runtime.checkpoint import read_state
from ablate.seals import check_file, manifest_of

STATE = "state.pt"  # as a checkpoint: network, optimiser, schedule and where they are


def goes_on(run: Run, status: str) -> bool:
    """Whether a run leaves its state: one that keeps weights, ended, and whose schedule has no end."""
    return run.settings.keep != "none" and status == "done" and not not_unending(run.settings)


def state_of(parent: Path, run: Run, key: Key) -> dict[str, Any] | None:
    """The state in which the run in the folder ``parent`` ended, if ``run``, of this ``key``, can go on from there.

    Where it cannot, that is said on stderr, and ``run`` begins at its beginning, which comes to the same.
    """
    try:
        manifest = manifest_of(parent, parent.name)
        for name in ("run.json", STATE):
            if not (parent / name).exists():
                raise ValueError(f"it left no {name}; `keep: last` in its settings keeps its state")
            check_file(parent / name, manifest, parent)
        found = read_json(parent / "run.json")
        before = Run.model_validate_json(
            json.dumps({name: found[name] for name in Run.model_fields if name in found})
        )
        if fault := _unlike(before, run, manifest["key"], key):
            raise ValueError(fault)
        state = read_state(parent / STATE)
    except (UserError, OSError, ValueError, LookupError, TypeError) as error:
        print(f"{run.id}: does not go on from {parent.name} but begins anew: {error}", file=sys.stderr)
        return None
    print(f"{run.id}: goes on from {parent.name}, after epoch {state['at']['epoch']}", file=sys.stderr)
    return state if run.settings.keep == "best" else state | {"best": None}


def _unlike(before: Run, run: Run, theirs: Key, ours: Key) -> str | None:
    """In what a parent is not the beginning of ``run``."""
    for part in ("data", "start", "code"):
        if theirs.get(part) != ours[part]:
            return f"it is of other {part}"
    a, b = ((r.settings.model_dump(exclude=set(OTHERS)), r.seed, r.recipe, r.variant) for r in (before, run))
    if a != b:
        return "it is of other settings"
    if run.settings.keep == "best" and before.settings.keep != "best":
        return "it has not kept the weights of its best epoch"
    return None
