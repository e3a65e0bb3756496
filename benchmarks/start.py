"""What one more short run costs beyond its training: by the workflow's fork server, and in a process of its own.

    python benchmarks/start.py [--repeat 3] [--runs 20] [--long 0]

A workspace with this repository's Snakefile, rules and package, and a study of so many runs of one epoch on embedded
images. ``snakemake --cores 2`` trains one of them, and all of them; the difference in CPU time (user and system,
Snakemake's own share included), less what training took, over the number of runs is the price of one more, from due
to finished. Training is all that `ablate.train.job.train` does, measured in its process. Both ways alternate; a
number is the median over pairs. ``--long`` is a number of runs of about a second each, by the epochs that one took
before; for them the whole call's wall time is divided by the sum of their training (`wall_s` in their manifests) over
two cores. That is a time of the machine's, which must have nothing else to do: ``--repeat 0 --long 500`` is these
alone, five minutes on two idle cores. A call of Snakemake that takes more than half an hour ends it all.

The last line is a JSON object: ``server_price_s`` and ``own_price_s`` in seconds of CPU, ``long_ratio`` (0: not asked
for), and ``load``, what else ran when it began.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dag import PAPER, ROOT, environment, params_of

CORES = 2
LIMIT_S = 1800  # of a call
TRIAL = 20  # epochs of the run that tells how many take a second
# Behind the function itself: what it took, for each run.
TIMED = """

_train = train


def train(*arguments: Any, **named: Any) -> None:
    began = time.process_time()
    _train(*arguments, **named)
    with Path("trained").open("a") as file:
        file.write(f"{time.process_time() - began}\\n")
"""


def workspace(folder: Path, runs: int, epochs: int = 1) -> Path:
    folder.mkdir()
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    with (folder / "src/ablate/train/job.py").open("a") as file:
        file.write(TIMED)
    for name in ("Snakefile", "workflow"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "profiles").symlink_to("workflow/profiles")
    (folder / "papers").mkdir()
    (folder / "papers/tinyimage10.yaml").write_text(PAPER)
    small = params_of(max(runs, 5)).replace("epochs: 1,", f"epochs: {epochs}, per_class: 5,")
    (folder / "params.yaml").write_text(small)
    return folder


def call(folder: Path, *targets: str, server: bool = True) -> tuple[float, float]:
    """Seconds of CPU and of wall time that Snakemake and all that it started took."""
    env = environment() | {"PYTHONPATH": str(folder / "src")} | ({} if server else {"ABLATE_SERVER": "off"})
    began, before = time.perf_counter(), os.times()
    words = ["snakemake", "--cores", str(CORES), "--quiet", "all", "--", *targets]
    try:
        done = subprocess.run(
            words, cwd=folder, env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"benchmarks/start.py: {len(targets)} jobs took more than {LIMIT_S} s; the machine is busy")
    after = os.times()
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return cpu, time.perf_counter() - began


def price(folder: Path, targets: list[str], server: bool) -> float:
    spent = []
    for asked in (targets[:1], targets):
        shutil.rmtree(folder / "results", ignore_errors=True)
        (folder / "trained").unlink(missing_ok=True)
        cpu, _ = call(folder, *asked, server=server)
        trained = [float(line) for line in (folder / "trained").read_text().split()]
        if len(trained) != len(asked):
            sys.exit(f"{len(trained)} runs were trained, not {len(asked)}")
        spent.append(cpu - sum(trained))
    return (spent[1] - spent[0]) / (len(targets) - 1)


def targets_of(folder: Path, runs: int) -> list[str]:
    """The files of the first runs, once the data are there."""
    words = [sys.executable, "-m", "ablate", "plan", "--json"]
    env = environment() | {"PYTHONPATH": str(folder / "src")}
    said = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=True).stdout
    call(folder, "packs")
    return [f"results/runs/{run['run']}/metrics.json" for run in json.loads(said)[:runs]]


def long(folder: Path, runs: int) -> float:
    folder.mkdir()
    _, _, took = trained(folder / "trial", 1, TRIAL)
    cpu, wall, training = trained(folder / "all", runs, max(1, round(TRIAL / took)))
    print(f"{runs} runs of {training / runs:.2f} s: {wall:.0f} s, {cpu:.0f} s of CPU")
    return wall / (training / CORES)


def trained(folder: Path, runs: int, epochs: int) -> tuple[float, float, float]:
    """Seconds of CPU, of wall time, and of training in all runs."""
    cpu, wall = call(folder, *targets_of(workspace(folder, runs, epochs), runs))
    manifests = [json.loads(path.read_text()) for path in (folder / "results/runs").glob("*/manifest.json")]
    return cpu, wall, sum(manifest["wall_s"] for manifest in manifests)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--long", type=int, default=0, help="runs of a second")
    args = parser.parse_args()
    load, server, own = os.getloadavg()[0], 0.0, 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.repeat:
            short = workspace(folder / "short", args.runs)
            targets = targets_of(short, args.runs)
            pairs = [(price(short, targets, True), price(short, targets, False)) for _ in range(args.repeat)]
            server, own = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(f"one more run of {args.runs}: {server:.2f} s of CPU by the server, {own:.2f} s in its own process")
        ratio = long(folder / "long", args.long) if args.long else 0
    found = {"server_price_s": round(server, 3), "own_price_s": round(own, 3), "long_ratio": round(ratio, 2)}
    print(json.dumps(found | {"load": round(load, 1)}))


if __name__ == "__main__":
    main()
