"""What `make demo` takes of the processor, step by step, for one tree or for several beside each other.

    python benchmarks/demo.py [COMMIT ...] [--avx2] [--install] [--target all] [--scale demo] [--cores 2]

Each COMMIT (default: this tree as it is) is unpacked in a folder of its own, where ``snakemake --cores 2 all`` makes
the demo. ``--install`` runs ``make install`` there first, from the package index; without, the demo runs in the
environment of this Python. ``--avx2`` lets torch and oneDNN use no more than AVX2, as on a machine that has no
AVX-512: an imitation, which is no measurement on such a machine. All seconds are of CPU (user and system), since wall
time is the neighbours' as well; of a job they are those of its process and all that it started.

The last line is a JSON object: ``demo_cpu_s`` of the whole call, and of it ``train_cpu_s``, ``render_cpu_s`` (tables,
figures, verdicts, report), ``data_cpu_s``, ``snakemake_cpu_s`` (its own process), ``server_cpu_s`` (imports and forks
of the fork server) and ``start_cpu_s`` (shells, and what hands a job to the server); ``install_cpu_s`` (0: not asked
for) and ``wall_s``; of several commits the last one's, and ``cpu_ratio``: its ``demo_cpu_s`` over the first one's.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from ablate.runtime.manifest import processor

ROOT = Path(__file__).parents[1]
DATA = {"embed", "fetch", "verify-data", "reorganise", "pack", "describe", "imagenet"}
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
# Python runs it at its start. What it writes of a process: its number and its parent's, whether the server forked it,
# its words, and its own and its children's seconds.
HOOK = """
import atexit, json, os, resource, sys

forked, noted = [], []


def note():
    if os.getpid() in noted:
        return
    noted.append(os.getpid())
    own, its = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    seconds = [own.ru_utime + own.ru_stime, its.ru_utime + its.ru_stime]
    line = json.dumps([os.getpid(), os.getppid(), bool(forked), sys.argv, seconds])
    with open(os.environ["ABLATE_DEMO_USAGE"], "a") as file:
        file.write(line + "\\n")


def leave(code, end=os._exit):
    note()
    end(code)


if "ABLATE_DEMO_USAGE" in os.environ:
    atexit.register(note)
    os._exit = leave
    os.register_at_fork(after_in_child=lambda: forked.append(1))
"""


def cpu_s() -> float:
    of = resource.getrusage(resource.RUSAGE_CHILDREN)
    return of.ru_utime + of.ru_stime


def call(folder: Path, env: dict[str, str], *words: str) -> tuple[float, float]:
    """Seconds of CPU and of wall time of a command that must succeed."""
    cpu, began = cpu_s(), time.perf_counter()
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return cpu_s() - cpu, time.perf_counter() - began


def unpacked(commit: str, folder: Path) -> None:
    """The files of this repository at ``commit``; of an empty one: as they are, those that Git knows."""
    git = ["git", "-C", str(ROOT), "-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost"]
    if not commit:  # a commit of no branch, or nothing where all is committed
        commit = subprocess.run([*git, "stash", "create"], capture_output=True, text=True, check=True).stdout.strip()
    archive = subprocess.run([*git, "archive", commit or "HEAD"], capture_output=True, check=False)
    if archive.returncode:
        sys.exit(f"benchmarks/demo.py: {archive.stderr.decode().strip()}")
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)


def measured(commit: str, folder: Path, args: argparse.Namespace) -> dict[str, float]:
    """What the demo of ``commit`` takes, by step."""
    tree = folder / "tree"
    unpacked(commit, tree)
    (folder / "hook").mkdir()
    (folder / "hook/sitecustomize.py").write_text(HOOK)
    env = dict(os.environ) | (AVX2 if args.avx2 else {})
    install = 0.0
    if args.install:
        install, _ = call(tree, env, "make", "install")
        programs = tree / ".venv/bin"
    else:
        programs = Path(sys.executable).parent
        env["PYTHONPATH"] = str(tree / "src")
    env["PATH"] = f"{programs}{os.pathsep}{env['PATH']}"
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder / "hook"), env.get("PYTHONPATH", "")]))
    env["ABLATE_DEMO_USAGE"] = str(folder / "usage")
    words = ["snakemake", "--cores", str(args.cores), args.target, "--config", f"scale={args.scale}"]
    cpu, wall = call(tree, env, *words)
    parts = shares(cpu, (folder / "usage").read_text())
    found = {"demo_cpu_s": cpu, **parts, "install_cpu_s": install, "wall_s": wall}
    return {name: round(value, 1) for name, value in found.items()}


def shares(cpu: float, notes: str) -> dict[str, float]:
    """The parts of ``cpu`` seconds, printed job by job, from what the processes noted at their ends."""
    processes = [json.loads(line) for line in notes.splitlines()]
    jobs = {number for number, _, forked, words, _ in processes if forked and Path(words[0]).name == "ablate"}
    found = dict.fromkeys(("train", "render", "data", "snakemake", "server"), 0.0)
    steps: dict[str, list[float]] = defaultdict(list)
    for _, parent, forked, words, (own, others) in processes:
        if parent in jobs:  # a job's own worker: counted with it
            continue
        program, command = Path(words[0]).name, "".join(words[1:2])
        if program == "snakemake":
            found["snakemake"] += own
        elif program == "fork_server.py":
            found["server"] += own
        elif program == "ablate" and forked:
            steps[command].append(own + others)
            part = "train" if command == "train" else "data" if command in DATA else "render"
            found[part] += own + others
    for step, seconds in sorted(steps.items(), key=lambda item: -sum(item[1])):
        print(f"  {step}: {len(seconds)} jobs, {sum(seconds):.1f} s of CPU, the longest {max(seconds):.1f}")
    found["start"] = cpu - sum(found.values())
    return {f"{name}_cpu_s": value for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commits", nargs="*", default=[""], metavar="COMMIT")
    parser.add_argument("--avx2", action="store_true")
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--target", default="all")
    parser.add_argument("--scale", default="demo")
    parser.add_argument("--cores", type=int, default=2)
    args = parser.parse_args()
    results: list[dict[str, Any]] = []
    for commit in args.commits:
        with tempfile.TemporaryDirectory() as folder:
            print(commit or "this tree", flush=True)
            results.append(measured(commit, Path(folder), args))
            print(f"  {json.dumps(results[-1])}", flush=True)
    ratio = results[-1]["demo_cpu_s"] / results[0]["demo_cpu_s"]
    print(f"{processor()}{', no more than AVX2' if args.avx2 else ''}, load {os.getloadavg()[0]:.1f}")
    print(json.dumps(results[-1] | {"cpu_ratio": round(ratio, 3)}))


if __name__ == "__main__":
    main()
