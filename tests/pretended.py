"""Pretended GPUs, and jobs that are processes and want them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

UUIDS = ["GPU-a0000000-1", "GPU-ab000000-2", "GPU-b0000000-3", "GPU-c0000000-4"]
LISTING = "".join(f"{number}, {uuid}, 24576\n" for number, uuid in enumerate(UUIDS))  # MiB: 24 GiB


def listing(folder: Path, text: str, code: int = 0) -> None:
    """A program `nvidia-smi` in ``folder`` that prints ``text``."""
    folder.mkdir(exist_ok=True)
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<END\n{text}END\nexit {code}\n")
    program.chmod(0o755)


JOB = """
import os, sys, time
from pathlib import Path
from ablate.runtime import slots
from ablate.runtime.gpus import Gpu
slots.POLL_S = 0.005
name, names, limits, until, log = sys.argv[1:]
def note(what):
    with open(log, "a") as file:
        file.write(f"{time.monotonic_ns()} {what} {name} {limit} {os.environ['CUDA_VISIBLE_DEVICES']}\\n")
for limit in limits.split(","):
    with slots.gpu_slot(name, [Gpu(name, name) for name in names.split(",")], int(limit)):
        note("start")
        if until.startswith("/"):
            while not Path(until).exists():
                time.sleep(0.005)
        else:
            time.sleep(float(until))
        note("stop")
"""


@dataclass
class Held:
    """That a job had a GPU, from ``start`` to ``stop`` (ns)."""

    job: str
    gpu: str
    limit: int
    start: int
    stop: int | None = None


class Jobs:
    """Jobs of two clones at once: every second one runs in another folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        self.folders = [folder / "clone-1", folder / "clone-2"]
        for each in (*self.folders, folder / "tmp"):
            each.mkdir()
        self.log.touch()
        self.running: dict[str, subprocess.Popen[str]] = {}
        self.killed: dict[str, int] = {}

    def begin(self, name: str, names: str, limits: str = "1", until: str | float = 0.02) -> None:
        words = [sys.executable, "-c", JOB, name, names, limits, str(until), str(self.log)]
        env = os.environ | {"TMPDIR": str(self.folder / "tmp")}
        self.running[name] = subprocess.Popen(
            words, cwd=self.folders[len(self.running) % 2], env=env, text=True,
            stderr=(self.folder / f"{name}.err").open("w"),
        )  # fmt: skip

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.err").read_text()

    def kill(self, name: str) -> None:
        self.killed[name] = time.monotonic_ns()
        self.running[name].kill()
        self.running[name].wait()

    def held(self) -> list[Held]:
        """What the log says; a killed job had its GPU until it was killed."""
        found: list[Held] = []
        for line in self.log.read_text().splitlines():
            when, what, job, limit, gpu = line.split()
            if what == "start":
                found.append(Held(job, gpu, int(limit), int(when), self.killed.get(job)))
            else:
                next(h for h in reversed(found) if h.job == job).stop = int(when)
        return found

    def started(self) -> list[str]:
        return [held.job for held in self.held()]

    def finish(self) -> list[Held]:
        """Wait for all; none may fail, none share with more than the limits of those that share allow."""
        for name, process in self.running.items():
            code = process.wait(300)
            assert code == (-signal.SIGKILL if name in self.killed else 0), self.said(name)
        held = self.held()
        for one in held:
            assert one.stop is not None
            beside = [h for h in held if h.gpu == one.gpu and h.start <= one.start < (h.stop or 0)]
            assert len(beside) <= min(h.limit for h in beside), beside
        return held


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
