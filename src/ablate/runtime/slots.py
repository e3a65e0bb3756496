"""Whose turn it is on the GPUs, among all jobs of one user on a machine, in whatever folder they run.

Each job has a file in a folder of the user's: its ticket. It says which GPUs the job can use, with how many jobs it
may share one, and, once it has one, which. The job holds the ticket's lock (flock) while it lives; a ticket without
its lock is a dead job's and counts for nothing, however the job ended. Tickets are read and written under a lock on
the folder. A waiting job holds nothing that another waits for, so that none waits for ever.

By hand: a lock of filelock's goes to whoever looks first, so that a job that wants a GPU alone might never get it,
and it knows neither several holders nor a choice of GPUs.

The folder lies below $TMPDIR or what the system has in its place: pipelines with another one know nothing of these.
"""

import json
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter

from ablate.errors import UserError
from ablate.files import lock
from ablate.plurals import many
from ablate.runtime.gpus import VISIBLE, Gpu

POLL_S = 0.2  # between two looks of a waiting job


class SharedGpuOutOfMemory(Exception):
    """A job that shared its GPU ran out of memory: no result before it has had a GPU of its own."""


@dataclass(frozen=True)
class Ticket:
    """What a job asks for; lower numbers came first."""

    number: int
    gpus: tuple[str, ...]  # UUIDs, the first being tried first
    limit: int  # jobs on its GPU at once, itself included
    gpu: str | None = None  # which one it holds; None: it waits


def grants(tickets: Iterable[Ticket]) -> dict[int, str]:
    """{number of a waiting ticket: the GPU that it may take now}: first come, first served.

    A ticket that must wait keeps a place on the GPU with the fewest jobs, which nobody behind it may enter: that GPU
    drains, so that even one that wants it alone gets it.
    """
    tickets = sorted(tickets, key=lambda ticket: ticket.number)
    limits: dict[str, list[int]] = {gpu: [] for ticket in tickets for gpu in ticket.gpus}
    for ticket in tickets:
        if ticket.gpu:
            limits[ticket.gpu].append(ticket.limit)
    granted = {}
    for ticket in tickets:
        if ticket.gpu is None:
            free = [gpu for gpu in ticket.gpus if len(limits[gpu]) < min([ticket.limit, *limits[gpu]])]
            best = min(free or ticket.gpus, key=lambda gpu: len(limits[gpu]))
            if free:
                granted[ticket.number] = best
            limits[best].append(ticket.limit if free else 0)
    return granted


@contextmanager
def gpu_slot(job: str, gpus: Sequence[Gpu], limit: int) -> Iterator[bool]:
    """Wait for a GPU that fewer than ``limit`` jobs use, and hold it; yields whether others may join.

    Without ``gpus`` it does nothing. The GPU becomes the only one that CUDA_VISIBLE_DEVICES shows, which CUDA reads
    when it starts: torch's default device is then the right one everywhere, and no other GPU gives memory to this
    process.

    Raises:
        UserError: If the folder of the tickets cannot be used.
    """
    if not gpus:
        yield False
        return
    folder = tickets_folder()
    with _turn(folder):
        number = max((ticket.number for ticket in _living(folder)), default=-1) + 1
        mine = Ticket(number, tuple(gpu.uuid for gpu in gpus), limit)
        path = folder / f"{number:09d}.json"
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            lock(file)
            _write(file, mine)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise UserError(f"{folder}: {error.strerror or error}; free space there or set TMPDIR") from error
    before = os.environ.get(VISIBLE)
    try:
        os.environ[VISIBLE] = _wait(folder, file, mine, job, " or ".join(gpu.number for gpu in gpus))
        yield limit > 1
    finally:
        if before is None:
            os.environ.pop(VISIBLE, None)
        else:
            os.environ[VISIBLE] = before
        path.unlink(missing_ok=True)
        os.close(file)


def tickets_folder() -> Path:
    """The user's folder of tickets.

    Raises:
        UserError: For one that is somebody else's or cannot be written.
    """
    try:
        folder = Path(tempfile.gettempdir()) / f"ablate-{os.getuid()}"
    except OSError as error:  # none that can be written
        raise UserError(f"{error.strerror or error}; set TMPDIR to a folder of your own") from None
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o022:
            raise PermissionError("not a folder that you alone can write")
    except OSError as error:
        raise UserError(
            f"{folder}: cannot keep there whose turn it is on the GPUs ({error.strerror or error}); remove it, or "
            f"set TMPDIR to a folder of your own"
        ) from None
    return folder


def _wait(folder: Path, file: int, mine: Ticket, job: str, names: str) -> str:
    """The GPU, once it is this job's turn. What it waits for is said once."""
    told = False
    while True:
        with _turn(folder):
            living = _living(folder)
            gpu = grants(living).get(mine.number)
            if gpu:
                _write(file, replace(mine, gpu=gpu))
                return gpu
        if not told:
            told = True
            busy = sum(ticket.gpu in mine.gpus for ticket in living)
            ahead = sum(ticket.gpu is None and ticket.number < mine.number for ticket in living)
            what = f"a share of GPU {names}" if mine.limit > 1 else f"GPU {names} to itself"
            there = f"{many(busy, 'job')} there, {ahead} before it"
            print(f"{job}: waits for {what}: {there}", file=sys.stderr, flush=True)
        time.sleep(POLL_S)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Only one process at a time is in here."""
    file = os.open(folder, os.O_RDONLY)
    try:
        if lock(file) is None:
            raise UserError(
                f"{folder}: its file system has no locks, by which jobs take turns on the GPUs; set TMPDIR to a "
                "folder on another"
            )
        yield
    finally:
        os.close(file)


def _living(folder: Path) -> list[Ticket]:
    """The tickets of living jobs; dead ones' are removed. Only in `_turn`."""
    tickets = []
    for path in folder.glob("*.json"):
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:  # its job has just ended
            continue
        try:
            if lock(file, wait=False) is False:
                tickets.append(_TICKET.validate_json(os.pread(file, 2**20, 0)))
            else:
                path.unlink(missing_ok=True)
        except ValueError:
            raise UserError(
                f"{path}: damaged, or of another version of ablate, and its job goes on; end that job first"
            ) from None
        finally:
            os.close(file)
    return tickets


_TICKET = TypeAdapter(Ticket)


def _write(file: int, ticket: Ticket) -> None:
    content = json.dumps(asdict(ticket)).encode()
    os.pwrite(file, content, 0)
    os.ftruncate(file, len(content))
