"""Which GPUs training may use: found without torch, whose import takes seconds.

They are those that `nvidia-smi` lists, which comes with NVIDIA's driver and knows of containers and cluster jobs,
less what CUDA_VISIBLE_DEVICES hides. Where it is not there (AMD's GPUs, macOS) none is found, and jobs use what torch
finds, without slots; to have slots on AMD's, name the GPUs: `compute: {gpus: [0, 1]}`. An instance of a divided GPU
(MIG) is found where CUDA_VISIBLE_DEVICES names it.

By hand: nvidia-ml-py calls the driver in this process, which a driver that hangs would stop for good; a program is
given up after `LIST_S`.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from ablate.errors import UserError
from ablate.runtime.options import options

VISIBLE = "CUDA_VISIBLE_DEVICES"
LIST_S = 60.0  # that nvidia-smi may take, which wakes sleeping GPUs one by one
GIB = 2**30


@dataclass(frozen=True)
class Gpu:
    """One GPU; ``uuid`` names it in whatever order and under whatever numbers a program sees them."""

    number: str  # nvidia-smi's
    uuid: str
    memory: int | None = None  # bytes, where known


@dataclass(frozen=True)
class Use:
    """What a job asks of the GPUs; the first three are `compute`'s in ``params.yaml``."""

    gpus: str = "auto"  # or numbers and UUIDs, with commas between
    jobs_per_gpu: int = 1
    memory_gb: float | None = None  # GiB for each of them; None: whatever is free
    alone: bool = False  # with a whole GPU's memory, as a retry

    @property
    def options(self) -> list[str]:
        """These as options of `ablate train`, less the defaults."""
        return options(
            gpus=None if self.gpus == "auto" else self.gpus,
            jobs_per_gpu=None if self.jobs_per_gpu == 1 else self.jobs_per_gpu,
            gpu_memory_gb=self.memory_gb,
        )

    def check_memory(self, total: int, gpu: str) -> None:
        """Refuse settings by which the jobs of one GPU may use more than its ``total`` bytes.

        Raises:
            UserError: If they may.
        """
        if self.memory_gb and self.memory_gb * self.jobs_per_gpu * GIB > total:
            raise UserError(
                f"params.yaml: compute.gpu_memory_gb: {self.memory_gb:g} GiB for each of {self.jobs_per_gpu} jobs, "
                f"but GPU {gpu} has {total / GIB:.1f} GiB; lower it or jobs_per_gpu"
            )


def gpu_list(value: object) -> str:
    """`compute.gpus` as text: ``auto``, or numbers and UUIDs with commas between.

    Raises:
        ValueError: For others.
    """
    names = [str(name) for name in value] if isinstance(value, tuple) else []
    names = [str(int(name)) if re.fullmatch("[0-9]{1,9}", name) else name for name in names]
    known = names and all(re.fullmatch(r"[0-9]+|(GPU|MIG)-[\w/-]+", name) for name in names)
    if value != "auto" and not (known and len(set(names)) == len(names)):
        got = list(value) if isinstance(value, tuple) else value
        raise ValueError(
            f"gpus: {got!r}, but it takes auto, or a list such as [0, 2]: numbers or UUIDs of `nvidia-smi -L`, each "
            f"once; for none write device: cpu"
        )
    return ",".join(names) or "auto"


def usable(device: str, use: Use) -> list[Gpu]:
    """The GPUs among which a job on ``device`` (`compute.device`) has the choice; empty: do without slots.

    Raises:
        UserError: For a GPU in ``use`` that is not visible, and for memory that it does not have.
    """
    if device == "cpu":
        return []
    found, wanted, named = _listed(), use.gpus.split(","), os.environ.get(VISIBLE)
    if not found and use.gpus != "auto":
        found = [Gpu(name, name) for name in (wanted if named is None else _entries(named))]
    visible = found if named is None else _visible(found, _entries(named))
    if use.gpus != "auto":
        chosen = [gpu for name in wanted for gpu in visible if _is(gpu, name)]
        if len(set(chosen)) != len(wanted):
            those = ", ".join(f"{gpu.number} ({gpu.uuid})" for gpu in visible) or "none"
            hidden = "" if named is None else f" with {VISIBLE}={named}"
            raise UserError(
                f"params.yaml: compute.gpus: [{', '.join(wanted)}], but the GPUs that can be seen{hidden} are: "
                f"{those}; name some of those, each once, or write auto"
            )
        visible = chosen
    for gpu in visible:
        if gpu.memory:
            use.check_memory(gpu.memory, gpu.number)
    return visible


def _listed() -> list[Gpu]:
    """All GPUs that `nvidia-smi` shows here. It fails where the driver does, and then torch sees none either."""
    lines = nvidia_smi("index,uuid,memory.total").splitlines()
    found = [re.fullmatch(r"([0-9]{1,9}), (GPU-[\w-]+), (?:([0-9]{1,9})|.*)", line.strip()) for line in lines]
    return [Gpu(m[1], m[2], int(m[3]) * 2**20 if m[3] else None) for m in found if m]


def nvidia_smi(what: str) -> str:
    """What `nvidia-smi` says of each GPU, a line each; empty where it is not there or does not run.

    Raises:
        UserError: If it says nothing for `LIST_S`.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    query = [program, f"--query-gpu={what}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            query, stdin=subprocess.DEVNULL, capture_output=True, errors="replace", timeout=LIST_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise UserError(
            f"nvidia-smi says nothing for {LIST_S:.0f} s; mend the driver, or set compute: {{device: cpu}}"
        ) from None
    except OSError:  # a file of that name that is no program here
        return ""
    return done.stdout


def _entries(named: str) -> list[str]:
    return [name.strip() for name in named.split(",")]


def _is(gpu: Gpu, name: str) -> bool:
    """Whether ``name`` is a GPU's number or UUID, or the beginning of its UUID."""
    if re.fullmatch("[0-9]+", name):
        return (name.lstrip("0") or "0") == gpu.number
    return name.startswith(("GPU-", "MIG-")) and gpu.uuid.startswith(name)


def _visible(found: list[Gpu], names: Iterable[str]) -> list[Gpu]:
    """What CUDA makes of CUDA_VISIBLE_DEVICES: all up to the first that is unknown; none where one stands twice."""
    visible: list[Gpu] = []
    for name in names:
        matches = [gpu for gpu in found if _is(gpu, name)]
        if found and name.startswith("MIG-"):
            matches = [Gpu(name, name)]
        if len(matches) != 1:
            break
        if matches[0] in visible:
            return []
        visible += matches
    return visible
