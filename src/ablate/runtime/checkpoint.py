"""The state of an unfinished run on disk, so that a killed one goes on where it stopped; and whose turn it is.

A run's folder below `CHECKPOINTS` holds its last two checkpoints. Each begins with the SHA-256 of the rest; a
damaged one is passed over for the one before. The folder lies outside the declared outputs, which Snakemake deletes
when a job is interrupted.
"""

import hashlib
import io
import pickle
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ablate.errors import UserError
from ablate.files import atomic_write

CHECKPOINTS = Path(".ablate/checkpoints")
EVERY_S = 30.0  # between two checkpoints, so that a kill costs no more
COST = 0.05  # of the time, at most, that checkpoints at the ends of short epochs may take
KEPT = 2


class Checkpoint:
    """The checkpoints of one run with one ``key``: all that its result depends on, the code included."""

    def __init__(self, run_id: str, key: str) -> None:
        self.folder = CHECKPOINTS / run_id
        self.key = key
        self.last = time.monotonic()
        self.cost = 0.0  # seconds that the last one took

    def restore(self) -> dict[str, Any] | None:
        """The newest state that is whole and of the same key, or None. What is not says so on stderr."""
        for path in sorted(self.folder.glob("*.pt"), reverse=True):
            try:
                state = read_state(path)
            except (OSError, ValueError) as error:
                print(f"{path}: damaged checkpoint ({error}); passed over for the one before", file=sys.stderr)
                continue
            if state["key"] != self.key:
                aside = self.folder.with_name(f"{self.folder.name}.aside-{time.time_ns()}")
                try:
                    self.folder.rename(aside)
                except OSError as error:
                    raise UserError(f"{self.folder}: cannot be set aside ({error.strerror}); remove it") from None
                print(
                    f"{self.folder}: of other settings, data or code; set aside as {aside.name}, starting over",
                    file=sys.stderr,
                )
                return None
            return state
        return None

    @property
    def due(self) -> bool:
        """Whether the last checkpoint is old enough."""
        return time.monotonic() - self.last >= EVERY_S

    @property
    def cheap(self) -> bool:
        """Whether one more would keep to its share of the time."""
        return self.cost <= COST * (time.monotonic() - self.last)

    def keep(self, epoch: int, step: int, state: dict[str, Any]) -> None:
        """Write the state before ``step`` of ``epoch``, whole, and drop all but the last two."""
        began = time.monotonic()
        with atomic_write(self.folder / f"{epoch:06d}-{step:08d}.pt") as part, part.open("wb") as file:
            for piece in pieces(state | {"key": self.key}):
                file.write(piece)
        for old in sorted(self.folder.glob("*.pt"))[:-KEPT]:
            with suppress(OSError):  # not one of ours
                old.unlink()
        self.last = time.monotonic()
        self.cost = self.last - began

    def remove(self) -> None:
        """The run is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)


def pieces(state: dict[str, Any]) -> tuple[bytes, memoryview]:
    """What a file of a state holds: its digest, and itself."""
    import torch  # here and not above, so that `ablate plan` and `ablate status` do without

    buffer = io.BytesIO()  # torch's own writer turns a full disk into an error of another kind
    torch.save(state, buffer)
    return hashlib.sha256(buffer.getbuffer()).hexdigest().encode(), buffer.getbuffer()


def read_state(path: Path) -> dict[str, Any]:
    """The state of a run that `pieces` made a file of.

    Raises:
        ValueError: For a file that is not as it was written.
        OSError: For one that cannot be read.
    """
    import torch

    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content[64:]).hexdigest().encode() != content[:64]:
        raise ValueError("its digest differs")
    try:
        state: Any = torch.load(io.BytesIO(content[64:]), weights_only=True, map_location="cpu")
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:  # whole, and no checkpoint of this torch
        raise ValueError(f"torch cannot load it: {str(error).partition(chr(10))[0]}") from error
    if not isinstance(state, dict) or "key" not in state:
        raise ValueError("no state of a run")
    return state
