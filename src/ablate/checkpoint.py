"""The state of an unfinished run, kept so that an interrupted one goes on where it stopped."""

import io
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ablate.files import whole
from ablate.plan import Run

CHECKPOINTS = Path(".ablate/checkpoints")
EVERY_S = 30.0


class Checkpoint:
    """The state at an epoch's end, outside the declared outputs, keyed by the run and its data."""

    def __init__(self, run: Run, data: str) -> None:
        self.path = CHECKPOINTS / f"{run.id}.pt"
        self.key = f"{run.to_json()} {data}"
        self.last = time.monotonic()

    def restore(self, model: nn.Module, optimizer: torch.optim.Optimizer, schedule: Any) -> list[dict[str, Any]]:
        """Load a checkpoint of the same run and data; return its history, or an empty one."""
        if not self.path.exists():
            return []
        try:
            state = torch.load(self.path, weights_only=True, map_location="cpu")
        except Exception as error:  # whatever a damaged file makes torch raise: start again, loudly
            print(f"{self.path}: damaged checkpoint ({type(error).__name__}); starting over", file=sys.stderr)
            return []
        if state["key"] != self.key:
            print(f"{self.path}: checkpoint of other settings or data; starting over", file=sys.stderr)
            return []
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        return list(state["history"])

    def keep(self, model: nn.Module, optimizer: torch.optim.Optimizer, schedule: Any, history: list[Any]) -> None:
        """Write the state, if the last one is old enough to be worth the disk's time."""
        if time.monotonic() - self.last < EVERY_S:
            return
        state = {
            "key": self.key,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            "history": history,
        }
        buffer = io.BytesIO()  # torch's own writer turns a full disk into an error of another kind
        torch.save(state, buffer)
        with whole(self.path) as part:
            part.write_bytes(buffer.getbuffer())
        self.last = time.monotonic()

    def remove(self) -> None:
        """The run is complete."""
        self.path.unlink(missing_ok=True)
