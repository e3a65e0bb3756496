"""How many CPU threads a training job gets, so that jobs at once never use more than the cores that there are."""

import ctypes
import math
import os
import sys
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MINE = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Cores that this process may use, which containers and cluster jobs make fewer than the machine has."""
    try:
        there = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not on macOS and Windows
        there = os.cpu_count() or 1
    return max(1, min(there, *_cores_of_time()))


def _cores_of_time() -> list[int]:
    """What a container may use of the cores' time (`docker run --cpus`), in cores. Of Linux's cgroups, version 2."""
    limits = [sys.maxsize]
    with suppress(OSError, ValueError, ZeroDivisionError):
        group = MINE.read_text().rpartition("0::/")[2].strip()
        for folder in (CGROUPS / group, *(CGROUPS / group).parents):
            if folder.is_relative_to(CGROUPS) and (folder / "cpu.max").is_file():
                quota, period = (folder / "cpu.max").read_text().split()
                if quota != "max":
                    limits.append(math.ceil(int(quota) / int(period)))
    return limits


def share(
    cores: int | None, available: int, jobs: int, threads: int | None = None, slots: int = 0
) -> tuple[int, int]:
    """(what a job claims of Snakemake's ``cores``, the CPU threads that it uses).

    On two cores ``--cores 8`` must not start eight jobs: each claims four, so that two run at once.
    ``threads`` fixes the second number. ``slots`` are those of the GPUs, of which no more jobs can run at once; 0: no
    GPUs. No claim lets three jobs and no fourth into eight cores; then the fourth waits, and no GPU does.
    """
    cores = cores or available
    usable = min(cores, available)
    at_once = max(1, min(jobs, slots or jobs, usable // (threads or 1)))
    claim = cores // (at_once + 1) + 1  # the least claim of which at most at_once fit into cores
    if at_once == slots > cores // claim:
        claim = cores // slots
    return claim, threads or max(1, usable // min(at_once, cores // claim))


def processes_can_share() -> bool:
    """Whether processes can have semaphores in common, which without a /dev/shm that can be written they cannot."""
    import multiprocessing  # here and not above, so that planning stays fast

    try:
        multiprocessing.Lock()
    except (OSError, ImportError, NotImplementedError) as error:
        print(f"ablate: one process works alone: /dev/shm or what stands for it fails ({error})", file=sys.stderr)
        return False
    return True


def keep_freed_memory() -> None:
    """Let glibc keep what tensors free instead of handing it back to the kernel at every step.

    Each step allocates the same blocks again, and fresh pages cost more than the arithmetic on them: training AlexNet
    at 64 pixels was 1.2 to 1.4 times as fast on two cores with this. Other C libraries lack the call.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter in (-1, -3):  # malloc.h: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
            mallopt(parameter, 10**9)
