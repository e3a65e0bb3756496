"""Where a result came from: code, data, versions, machine. Imports no torch."""

import os
import platform
import resource
import subprocess
import sys
import uuid
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ablate.models import module_of

PACKAGE = Path(__file__).parent
READERS = ["data/layouts.py", "data/containers.py", "data/tiny_imagenet.py", "data/cifar10.py"]
NETWORKS = [f"models/{name}.py" for name in ("__init__", "initialise", "activation", "head", "outline", "_checks")]
# What each step's result depends on, since nothing follows imports. Embedded archives and ImageNet's weights are
# not here: their digests are pinned.
CODE = {
    "verify": ["data/verify.py", "data/decode.py", "data/duplicates.py", *READERS],
    "reorganise": ["data/reorganise.py", *READERS],
    "pack": ["data/pack.py"],
    "describe": ["data/describe.py", "data/views.py"],
    "train": [
        *[
            "train.py",
            "trainer.py",
            "feed.py",
            "augment.py",
            "optimise.py",
            "evaluate.py",
            "precision.py",
            "small_maps.py",
            "weights.py",
            "data/views.py",
        ],
        *NETWORKS,
    ],
    "collect": ["collect.py"],
    "tables": [
        *["tables.py", "papers.py", "claims.py", "table_kinds.py", "label_table.py", "network_tables.py"],
        "effects.py",
        *["cells.py", "data/views.py", "layers.py", "models/*.py"],
    ],
    "compare": [
        *["compare.py", "papers.py", "claims.py", "tables.py", "network_tables.py", "cells.py"],
        *["layers.py", "models/*.py"],
    ],
    "claims": [
        *["board.py", "looks.py", "decide.py", "trained_pairs.py", "images_test.py", "figures/*.py", "controls.py"],
        *["verdicts.py", "verdict_text.py", "seed_tests.py", "effects.py"],
        *["evidence.py", "statements.py", "papers.py", "claims.py", "tables.py", "network_tables.py"],
        *["cells.py", "collect.py", "layers.py", "models/*.py"],
    ],
    "calibrate": [
        *["calibration.py", "verdicts.py", "verdict_text.py", "seed_tests.py", "cells.py"],
        *["figures/*.py", "effects.py", "tables.py", "papers.py", "claims.py"],
    ],
    "figures": [
        *["figures/*.py", "tables.py", "papers.py", "claims.py", "effects.py", "cells.py"],
        *["augment.py", "data/views.py"],
    ],
    "report": ["report.py", "report.html.j2", "tables.py", "papers.py", "claims.py", "cells.py"],
}
PICTURES = {"samples", "augmented", "predictions", "per-label"}  # kinds of figures that read the study's pack


@cache
def code_of(step: str, model: str | None = None) -> list[Path]:
    """The source files that ``step`` depends on, relative to the working directory; with a model, its file too."""
    files = list(CODE[step])
    if model:
        files.append(f"models/{module_of(model)}.py")
    return [Path(os.path.relpath(path)) for name in files for path in sorted(PACKAGE.glob(name))]


def manifest(
    *,
    key: dict[str, str | None],
    files: dict[str, str],
    archive: dict[str, Any],
    start: dict[str, Any] | None,
    wall_s: float,
    images_per_s: float,
    device: str,
    threads: int,
    precision: str,
    compile: str | None,
    deterministic: bool,
    starts: int,
) -> dict[str, Any]:
    """A run's provenance: no host name, no absolute path. ``wall_s`` is of the last of its ``starts``.

    ``key`` is what the result depends on (`keys.run_key`), ``files`` the SHA-256 of what was written beside it.
    """
    return {
        "training": uuid.uuid4().hex,  # no two trainings have the same, whatever their results
        "git": git(),
        "key": key,
        "files": files,
        "data": {"pack": key["data"], "archive": archive},
        "start": start,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("ablate", "torch", "torchvision", "numpy", "pillow")},
        },
        "device": device,
        "threads": threads,
        "precision": precision,
        "compile": compile,
        "deterministic_algorithms": deterministic,
        "starts": starts,
        "wall_s": round(wall_s, 2),
        "images_per_s": round(images_per_s, 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "command": ["ablate", *sys.argv[1:]],
    }


def git() -> dict[str, Any]:
    """The commit and whether tracked files differ from it; nulls outside a repository."""

    def ask(*words: str) -> str | None:
        done = subprocess.run(["git", *words], capture_output=True, text=True, cwd=PACKAGE, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    status = ask("status", "--porcelain", "--untracked-files=no")
    return {"commit": ask("rev-parse", "HEAD"), "dirty": None if status is None else bool(status)}


def processor() -> str:
    """The processor's name, for people."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
