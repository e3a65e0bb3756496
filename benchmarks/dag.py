"""What the workflow costs beyond the work: reading the plan, the dry run, a job's start.

    python benchmarks/dag.py [--repeat 5] [--runs 500] [--plan 10000] [--model resnet18] [--growth 100 1000 10000]

The dry run: a workspace with this repository's Snakefile and rules and a generated params.yaml of one study of so
many runs, nothing of which is there; beside it a Snakefile with one rule, without inputs or parameters, for as many
jobs with as many outputs. The start: `ablate train` from the shell's call to the first training step, with the pack
opened, the network built and images and weights in place; beside it `python -c "import torch"`. Pairs alternate in
their order; a ratio is the median over pairs. The last line is a JSON object: ``dag_ratio``, ``startup_ratio``,
``plan_10000_s``: seconds to expand and name so many planned runs (`make_plan`), the median as well; and for each
number of runs that --growth names what `GROWTH` lists, once, such as ``schedule_cpu_s_10000``. There all is real but
training, whose jobs touch their outputs.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ablate.data.embedded import write_cifar10, write_tiny_imagenet
from ablate.data.pack import make_pack
from ablate.data.verify import verify
from ablate.files import write_json
from ablate.plan.params import load
from ablate.plan.runs import make_plan

ROOT = Path(__file__).parents[1]
PARAMS = """
scale: many
mirror: null
recipe: 1
seeds: {seeds}
compute: {{threads: null, device: cpu}}
datasets:
  cifar10:
    layout: cifar10
    variant: embedded
    archive: cifar-10-python.tar.gz
    digests: {{embedded: {{sha256: {digest}}}}}
    generator: {{seed: 0, train_per_batch: 100, test: 100}}
    image_size: 32
    n_classes: 10
    train_per_class: 50
    val_per_class: 10
defaults: {{dataset: cifar10, model: cifar-plain7, optimizer: sgd, lr: 0.01, epochs: 1, batch_size: 50}}
studies:
  tinyimage10:
    optimiser:
      axes: {{lr: {rates}}}
scales: {{many: {{}}}}
"""
PAPER = """
title: A paper
authors: Somebody
reference: Somewhere
protocol: [{what: x, stated: y, where: z}]
reported: []
silent: []
deviations: []
drawn: {optimiser: {title: many, tables: {table-optimiser: accuracy}, figures: {figure-3: curves}}}
"""
EMPTY = """
rule all:
    input: [f"out/{{n}}-0" for n in range({jobs})]
rule job:
    output: [f"out/{{{{n}}}}-{{i}}" for i in range({outputs})]
    shell: "touch {{output}}"
"""
# The command itself, with an end where the first training step would begin.
START = """
import gc
gc.set_threshold(1_000_000)  # as the command does before it imports what is imported here
from ablate.train.trainer import Trainer
Trainer.steps = lambda trainer: exit()
from ablate.cli.main import main
main()
"""


# Of one number of runs: seconds to plan them, to read the workflow, to find out what is to do, and to do it with jobs
# that do nothing; CPU seconds of the last, of all processes; and the most memory of one process, in MiB.
GROWTH = ("plan_s", "parse_s", "dry_run_s", "dry_run_mb", "schedule_s", "schedule_cpu_s", "schedule_mb")
TRAINS = re.compile(r'"ablate train .*?\| tee -i \{log:q\}"', re.DOTALL)  # in train.smk


def timed(command: list[str], folder: Path) -> tuple[float, str]:
    """Seconds, and what was printed. Raises CalledProcessError for a command that fails."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        sys.exit(done.stderr)
    return took, done.stdout + done.stderr


def environment() -> dict[str, str]:
    here = Path(sys.executable).parent
    return os.environ | {"PYTHONPATH": str(ROOT / "src"), "PATH": f"{here}{os.pathsep}{os.environ['PATH']}"}


def paired(ours: Callable[[], float], theirs: Callable[[], float], repeat: int) -> tuple[float, float, float]:
    """Medians: our seconds, theirs, and the ratio within a pair."""
    pairs = []
    for n in range(repeat):
        sides = [(i, side()) for i, side in list(enumerate((ours, theirs)))[:: 1 if n % 2 else -1]]
        a, b = (seconds for _, seconds in sorted(sides))
        pairs.append((a, b, a / b))
    a, b, ratio = (statistics.median(column) for column in zip(*pairs, strict=True))
    return a, b, ratio


def params_of(runs: int) -> str:
    """A params.yaml of ``runs`` runs: learning rates times five seeds."""
    digest = load(ROOT / "params.yaml", {"scale": "demo"}).datasets["cifar10"].digests["embedded"].sha256
    rates = [round(1e-4 + 1e-6 * n, 6) for n in range(runs // 5)]
    return PARAMS.format(seeds=list(range(5)), digest=digest, rates=rates)


def jobs_of(text: str) -> int:
    """How many jobs Snakemake says it would run, the target rule left out."""
    found = re.search(r"^total\s+(\d+)$", text, re.MULTILINE)
    return int(found[1]) - 1 if found else sys.exit(f"no count of jobs in\n{text}")


def workspace(folder: Path, runs: int) -> Path:
    """``folder`` with this repository's workflow and a params.yaml of ``runs`` runs."""
    (folder / "papers").mkdir(parents=True)
    for name in ("Snakefile", "workflow", "src"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "papers/tinyimage10.yaml").write_text(PAPER)
    (folder / "profiles").symlink_to("workflow/profiles")
    (folder / "params.yaml").write_text(params_of(runs))
    return folder


def grown(folder: Path, runs: int) -> dict[str, float]:
    """`GROWTH` of a study of ``runs`` runs."""
    here = workspace(folder / f"grown-{runs}", runs)
    (here / "src").unlink()
    shutil.copytree(ROOT / "src", here / "src")
    rules = here / "src/ablate/rules/train.smk"
    text, found = TRAINS.subn('"touch {output:q}"', rules.read_text())
    if found != 2:
        sys.exit(f"{rules}: {found} commands train, 2 are known")
    rules.write_text(text)
    plan = planning(here, runs, 1)
    parse, *_ = used(["snakemake", "--cores", "8", "--list-rules"], here)
    dry, _, dry_mb = used(["snakemake", "--cores", "8", "--dry-run", "all"], here)
    took, cpu, mb = used(["snakemake", "--cores", "8", "runs"], here)
    shutil.rmtree(here)
    numbers = (round(value, 1) for value in (plan, parse, dry, dry_mb, took, cpu, mb))
    return dict(zip(GROWTH, numbers, strict=True))


def used(command: list[str], folder: Path) -> tuple[float, float, float]:
    """Seconds, CPU seconds of all its processes, and MiB of the largest of them, of a command that must succeed."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            said.seek(0)
            sys.exit(said.read().decode(errors="replace")[-3000:])
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def dry_run(folder: Path, runs: int, repeat: int) -> float:
    ours, theirs = workspace(folder / "ours", runs), folder / "empty"
    theirs.mkdir()
    command = ["snakemake", "--dry-run", "--cores", "8", "all"]
    text = timed(command, ours)[1]
    jobs = jobs_of(text)
    files = re.search(r"^rule train:$.*?^    output: (.*?)$", text, re.MULTILINE | re.DOTALL)
    outputs = files[1].count(",") + 1 if files else sys.exit("no job trains")  # what most of the jobs have
    (theirs / "Snakefile").write_text(EMPTY.format(jobs=jobs, outputs=outputs))
    same = jobs_of(timed(command, theirs)[1])
    if same != jobs:
        sys.exit(f"{jobs} jobs beside {same}")
    a, b, ratio = paired(lambda: timed(command, ours)[0], lambda: timed(command, theirs)[0], repeat)
    print(f"dry run of {jobs} jobs: {a:.2f} s, of as many without inputs {b:.2f} s")
    return ratio


def planning(folder: Path, runs: int, repeat: int) -> float:
    path = folder / "many.yaml"
    path.write_text(params_of(runs))
    params, took = load(path), []
    for _ in range(repeat):
        began = time.perf_counter()
        made = len(make_plan(params).runs)
        took.append(time.perf_counter() - began)
    print(f"plan of {made} runs: {statistics.median(took):.2f} s")
    return statistics.median(took)


def start(folder: Path, model: str, repeat: int) -> float:
    params = load(ROOT / "params.yaml", {"scale": "demo"})
    runs = make_plan(params).runs.values()
    run = next(run for run in runs if run.settings.model == model and not run.start)
    spec, pack = params.datasets[run.settings.dataset], folder / "pack.json"
    archive, index, images, report = (folder / name for name in ("archive", "index.csv", "images.npy", "verify.json"))
    write: Any = write_cifar10 if spec.layout == "cifar10" else write_tiny_imagenet
    write(archive, **spec.generator)
    write_json(folder / "archive.json", {})
    verify(archive, spec, index=index, images=images, pairs=folder / "d.csv", report=report)
    make_pack(images, index=index, report=report, receipt=folder / "archive.json", pack=pack)
    ours = [sys.executable, "-c", START, "train", "--run", run.to_json(), "--pack", str(pack), "--out", "run"]
    theirs = [sys.executable, "-c", "import torch"]
    timed(ours, folder)  # to warm up
    if (folder / "run").exists():
        sys.exit("the run was trained: nothing ended it before its first step")
    a, b, ratio = paired(lambda: timed(ours, folder)[0], lambda: timed(theirs, folder)[0], repeat)
    print(f"start of a job with {model}: {a:.2f} s, import torch {b:.2f} s")
    return ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--runs", type=int, default=500, help="of the dry run")
    parser.add_argument("--plan", type=int, default=10000, help="planned runs")
    parser.add_argument("--growth", type=int, nargs="*", default=[100, 1000, 10000], help="numbers of runs")
    parser.add_argument("--model", default="resnet18", help="of the job that is started")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = {
            "dag_ratio": round(dry_run(folder, args.runs, args.repeat), 3),
            f"plan_{args.plan}_s": round(planning(folder, args.plan, args.repeat), 2),
            "startup_ratio": round(start(folder, args.model, args.repeat), 3),
        }
        for runs in args.growth:
            result |= {f"{name}_{runs}": value for name, value in grown(folder, runs).items()}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
