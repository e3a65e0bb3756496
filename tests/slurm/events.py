"""What happens to jobs of the tests' cluster, and how it is waited for."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import cluster
import psutil

WAIT_S = 600  # for anything at all; a sign of a hang and no measure of speed


def wait_for(what: Callable[[], object], why: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < deadline, f"waited in vain for {why}"
        time.sleep(0.05)


def fields(line: str) -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\S*)", line))


def shorten(job: str, minutes: int) -> None:
    """Let a job's time limit, of whole minutes, come at most so many from now."""
    ran = fields(cluster.call("scontrol", "-o", "show", "job", job))["RunTime"]  # hh:mm:ss
    cluster.call("scontrol", "update", f"JobId={job}", f"TimeLimit={int(ran[3:5]) + minutes}")


def warned(process: psutil.Process) -> bool:
    """Whether SIGUSR1 has come; a stopped process goes on with it. Slurm may have seen to that itself."""
    try:
        # Of a signal that waits, a bit is set in one of two masks: proc(5).
        status = Path(f"/proc/{process.pid}/status").read_text()
        masks = [int(word, 16) for word in re.findall(r"^(?:Sig|Shd)Pnd:\s*(\w+)", status, re.MULTILINE)]
        if not any(mask >> (signal.SIGUSR1 - 1) & 1 for mask in masks):
            return False
        process.resume()
    except (FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):
        pass
    return True


def cut_power(node: str, job: str, base: Path) -> None:
    """SIGKILL for the node's daemon and for all that runs on it: the job's steps and their processes."""
    os.kill(int((base / f"run/slurmd-{node}.pid").read_text()), signal.SIGKILL)
    for process in psutil.process_iter(["name", "cmdline"]):
        try:
            step = process.info["name"] == "slurmstepd" and f"[{job}." in " ".join(process.info["cmdline"] or [])
            if step or process.environ().get("SLURM_JOB_ID") == job:
                process.kill()
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue
