"""Where a result came from: code, data, versions, machine. Imports no torch."""

import hashlib
import os
import platform
import re
import resource
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from ablate.files import atomic_write, digest
from ablate.runtime.run_lock import taken_at

PACKAGE = Path(__file__).parents[1]
# Flags of /proc/cpuinfo, the widest first, as people call them.
UNITS = {"avx512_bf16": "AVX-512 with bf16", "avx512f": "AVX-512", "avx2": "AVX2", "sse2": "SSE2"}
LIMITS = (
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "ATEN_CPU_CAPABILITY",
)  # with which users forbid torch a part of it
MOST_PATCH = 2**20  # bytes of a patch that are kept
UNBORN = "(initial)"  # Git's word for the commit that is to come
NO_REPOSITORY = "the package lies in no Git repository, as one that was installed"


def manifest(
    *,
    git: dict[str, Any],
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

    ``started`` is when that start took the run, waiting for a GPU included, and ``ended`` is now, both by the
    machine's clock, in UTC. Manifests of before there were these are without.

    ``git`` is the `source` of the code, ``key`` what the result depends on (`keys.run_key`), ``files`` the SHA-256 of
    what was written beside it.
    """
    return {
        "training": uuid.uuid4().hex,  # no two trainings have the same, whatever their results
        "git": git,
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
        "started": _utc(taken_at(str(key["run"]))),
        "ended": _utc(datetime.now(UTC)),
        "wall_s": round(wall_s, 2),
        "images_per_s": round(images_per_s, 1),
        "peak_memory_mb": peak_memory_mb(),
        "command": ["ablate", *sys.argv[1:]],
    }


def _utc(time: datetime | None) -> str | None:
    """In whole seconds, such as 2026-11-26T14:50:33+00:00."""
    return time.isoformat(timespec="seconds") if time else None


def source(patches: Path) -> dict[str, Any]:
    """The commit of this package and whether the tree is ``dirty``; `why` where it is, or where there is no commit.

    What a dirty tree has that the commit has not of the package and of params.yaml, untracked modules as well, is
    kept as ``patches``/<patch>.diff, once for all runs that have it; ``patch`` is its SHA-256. No absolute path is
    in it, and no password of a URL.
    Where the package is of no repository, as an installed one, the commit is that of the working directory, the
    study's own, and nothing is kept of what is dirty there.
    """
    state = _ask("status", "--porcelain=v2", "--branch", "--untracked-files=no")
    if state.error == NO_REPOSITORY:
        return _study(state.error)
    if state.error:
        return {"commit": None, "dirty": None, "why": state.error}
    commit, changed = _read(state.text)
    listed = _ask("ls-files", "-t", "--cached", "--others", "--exclude-standard", "--", "*.py").text.splitlines()
    if not any(line.startswith("H ") for line in listed):
        return _study("the package is no part of the Git repository that it lies in")
    if commit == UNBORN:
        return {"commit": None, "dirty": None, "why": "the Git repository has no commit yet"}
    new = [line[2:] for line in listed if line.startswith("? ")]
    if not changed and not new:
        return {"commit": commit, "dirty": False}
    patch = _patch(new)
    known = f"{changed} tracked files differ from the commit" + f", {len(new)} modules are untracked" * bool(new)
    if not patch:
        return {"commit": commit, "dirty": True, "why": f"{known}; the package and params.yaml are as committed"}
    name = hashlib.sha256(patch).hexdigest()
    kept = patches / f"{name}.diff"
    if not kept.exists() or digest(kept) != name:
        with atomic_write(kept) as part:
            part.write_bytes(patch)
    return {"commit": commit, "dirty": True, "why": known, "patch": name}


def _study(why: str) -> dict[str, Any]:
    """The commit of the folder of params.yaml, where that is in it; ``why`` there is none of the package."""
    state = _ask("status", "--porcelain=v2", "--branch", "--untracked-files=no", at=Path())
    commit, changed = _read(state.text)
    if state.error or commit == UNBORN or not _ask("ls-files", "--", "params.yaml", at=Path()).text:
        return {"commit": None, "dirty": None, "why": why}
    return {"commit": commit, "dirty": changed > 0, "why": f"of the study's own folder; {why}"}


def _read(status: str) -> tuple[str, int]:
    """The commit that `git status` names, and how many tracked files differ from it."""
    words = [line.split(" ") for line in status.splitlines()]
    commit = next((w[2] for w in words if w[:2] == ["#", "branch.oid"]), UNBORN)
    return commit, sum(w[0] in ("1", "2", "u") for w in words)


def _patch(new: list[str]) -> bytes:
    """What makes the commit's package and params.yaml those that are here, ``new`` modules included."""
    form = ["--no-ext-diff", "--no-textconv", "--no-color", "--no-relative", "--binary", "--full-index"]
    above = _ask("rev-parse", "--show-prefix").text.strip()  # of the package, below the repository's top
    text = _ask("diff", *form, "--src-prefix=a/", "--dst-prefix=b/", "HEAD", "--", ".", ":(top)params.yaml").text
    form += ["--no-index", f"--src-prefix=a/{above}", f"--dst-prefix=b/{above}"]
    text += "".join(_ask("diff", *form, "--", os.devnull, name).text for name in sorted(new))
    patch = re.sub(r"(://[^/\s:@]*):[^/\s@]+@", r"\1:***@", text).encode(errors="surrogateescape")
    if len(patch) > MOST_PATCH:
        end = patch.rindex(b"\n", 0, MOST_PATCH) + 1
        patch = patch[:end] + f"# cut off here: {len(patch) - end} bytes more\n".encode()
    return patch


class _Said(NamedTuple):
    text: str
    error: str | None  # why there is no answer, as a sentence's end


def _ask(*words: str, at: Path | None = None) -> _Said:
    """Ask Git about the repository of ``at``, else the package, whatever the environment says of another one."""
    env = {k: v for k, v in os.environ.items() if k not in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")}
    env |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}  # in words known here; beside jobs that ask as well
    try:
        done = subprocess.run(
            ["git", "-c", "core.quotePath=false", *words],
            cwd=at or PACKAGE, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False,
        )  # fmt: skip
    except OSError as error:
        return _Said("", f"git cannot be run ({error.strerror})")
    text, said = (out.decode(errors="surrogateescape") for out in (done.stdout, done.stderr))
    if done.returncode == 0 or "--no-index" in words:
        return _Said(text, None)
    if "dubious ownership" in said:
        return _Said("", "Git refuses a repository of another user: see safe.directory in `git help config`")
    if "not a git repository" in said:
        return _Said("", NO_REPOSITORY)
    return _Said("", f"git {words[0]} ended with {done.returncode}")


def processor() -> str:
    """The processor's name, and what of its instructions decides speed and the last bits of a product.

    Processors of one name have AVX-512 or not; and a user may forbid what there is.
    """
    limits = [f"{name}={os.environ[name]}" for name in LIMITS if os.environ.get(name)]
    return ", ".join([_processor_name(), *_vector_units(), *limits])


def _processor_name() -> str:
    for value in _cpuinfo("model name"):  # ARM's has no such line
        return value
    if sys.platform == "darwin":
        with suppress(OSError, subprocess.SubprocessError):
            name = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(name, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    return platform.processor() or platform.machine()


def _vector_units() -> list[str]:
    """Of x86, the widest; of others nothing, where a name says enough."""
    flags = next((set(value.split()) for value in _cpuinfo("flags")), set[str]())
    found = [unit for flag, unit in UNITS.items() if flag in flags]
    return found[:1]


def _cpuinfo(field: str) -> Iterator[str]:
    """Each processor's value of a field; Linux alone has the file."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == field:
                yield value.strip()


def peak_memory_mb() -> int:
    """Of this process so far. Linux counts KiB and macOS bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))
