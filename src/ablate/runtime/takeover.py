"""Whose lock Snakemake finds in a folder: it leaves one when it is killed outright, and names no process in it.

So each Snakemake signs beside its locks, in `.snakemake/locks/<host>,<process>,<group>.owner`, and holds that file's
lock (flock), which is gone with the process, however it ends. The next one removes what dead ones of this host left.
Snakemake itself passes over such files, and removes them with its locks when it ends.
"""

import fcntl
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCKS = Path(".snakemake/locks")
GRACE_S = 60.0  # for a training job to save its state and end


def take_over() -> None:
    """Remove the locks of Snakemakes that were killed on this host, end their training jobs, and sign.

    Left as it is, for Snakemake to refuse: a lock while one that signed lives, one of another host, one without a
    signature, and one that may not be removed.
    """
    with suppress(OSError):
        LOCKS.mkdir(parents=True, exist_ok=True)
        with _alone(LOCKS.parent):
            signed = list(LOCKS.glob("*.owner"))
            if signed and all(map(_dead, signed)):
                for owner in signed:
                    _end_training(group=int(_parts(owner)[2]))
                for file in LOCKS.iterdir():
                    file.unlink()
            _sign()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No two at once, where the file system has locks."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _sign() -> None:
    """The file stays open, and so locked, until this process ends."""
    name = f"{_host()},{os.getpid()},{os.getpgrp()}.owner"
    opened = os.open(LOCKS / name, os.O_RDONLY | os.O_CREAT, 0o644)
    with suppress(OSError):
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _host() -> str:
    return platform.node().replace("/", "-").replace(",", "-") or "unknown"


def _parts(owner: Path) -> list[str]:
    """Host, process and group."""
    return owner.name.removesuffix(".owner").split(",")


def _dead(owner: Path) -> bool:
    host, process, _ = _parts(owner)
    if host != _host():
        return False
    opened = os.open(owner, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return not _lives(int(process))
    finally:
        os.close(opened)
    return True


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True


def _end_training(group: int) -> None:
    """What a killed Snakemake had started trains on without it, and keeps its run from the next: it is ended.

    It saves its state first, so that the next goes on from there.
    """
    import psutil  # here and not above: hardly ever needed

    ended = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            words = process.cmdline()
            is_job = words[2:3] == ["train"] and Path(words[1]).name == "ablate"
            if is_job and os.getpgid(process.pid) == group and Path(process.cwd()) == Path.cwd():
                print(f"ablate: ending process {process.pid}, whose Snakemake was killed", file=sys.stderr)
                process.terminate()
                ended.append(process)
    psutil.wait_procs(ended, timeout=GRACE_S)
