"""A small study from the archive to its table: by this pipeline, and by what people use instead.

    python benchmarks/study.py [--mirror DIR] [--repeat 1] [--runs 8] [--per-class 500] [--epochs 2] [--batch 64]
        [--precision auto]

ResNet-18 on the first ten classes, four learning rates with two seeds each. ``DIR`` holds tiny-imagenet-200.zip;
without it, the demo's generated archive is taken. This pipeline: `snakemake --cores 2` in a fresh copy of it, up to
the table. Instead (benchmarks/usual): the archive unpacked, class folders, a Lightning script with ImageFolder and
two workers, started once per run, in float32, as Lightning has it where nothing is said; a small pandas table. This
pipeline trains in what is fastest on the machine, unless ``--precision fp32`` holds it to the same. Both get the same
network, flips, batches, optimiser and schedule, and both start from the archive as it was downloaded: this pipeline
checks and decodes all of its images, the other side unpacks them all. Sides alternate in their order; CPU time is of
all their processes, user and system. Wall times want a machine that has nothing else to do; a command of either side
that takes more than an hour ends it all.

The last line is a JSON object: medians of ``study_ratio`` (wall time, Lightning's / ours) and ``cpu_ratio``,
``ours_s``, ``ours_cpu_s``, ``usual_s`` and ``usual_cpu_s``, ``runs``, ``load``, what else ran when it
began, and the ``processor``'s class: avx2, avx512 or avx512_bf16.
"""

import argparse
import ctypes
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training import processor_class

from ablate.data.embedded import write_tiny_imagenet
from ablate.records import read_yaml
from ablate.runtime.manifest import processor

ROOT, USUAL = Path(__file__).parents[1], Path(__file__).parent / "usual"
RATES = [0.01, 0.02, 0.04, 0.08]
CLASSES = 10
PAPER = """
title: A study
authors: Somebody
reference: Somewhere
protocol: [{what: x, stated: y, where: z}]
reported: []
silent: []
deviations: []
drawn: {rates: {title: Learning rates, tables: {table-rates: accuracy}, figures: {}}}
"""
LIMIT_S = 3600  # of a command
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h: what a side leaves running becomes ours, so that its CPU time counts


def params_of(data: dict[str, Any], mirror: Path | None, args: argparse.Namespace) -> dict[str, Any]:
    """The study: learning rates times seeds."""
    rates = RATES[: max(1, args.runs // 2)]
    return {
        "scale": "study",
        "mirror": str(mirror) if mirror else None,
        "recipe": 1,
        "seeds": list(range(args.runs // len(rates))),
        "compute": {"threads": None, "device": "cpu"},
        "datasets": {"tiny-imagenet": data},
        "defaults": {
            "dataset": "tiny-imagenet", "model": "resnet18", "classes": [0, CLASSES], "per_class": args.per_class,
            "augment": "flip", "normalize": "imagenet", "optimizer": "sgd", "momentum": 0.9, "weight_decay": 5e-4,
            "schedule": "cosine", "epochs": args.epochs, "batch_size": args.batch,
            "precision": args.precision,
        },
        "studies": {"tinyimage10": {"rates": {"axes": {"lr": rates}}}},
        "scales": {"study": {}},
    }  # fmt: skip


def ours(folder: Path, params: dict[str, Any]) -> Path:
    for name in ("Snakefile", "workflow", "src"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "profiles").symlink_to("workflow/profiles")
    (folder / "papers").mkdir()
    (folder / "papers/tinyimage10.yaml").write_text(PAPER)
    (folder / "params.yaml").write_text(json.dumps(params))  # which is YAML too
    table = "results/study/tinyimage10/table-rates.md"
    call(folder, "snakemake", "--cores", "2", table)
    return folder / table


def usual(folder: Path, archive: Path, params: dict[str, Any]) -> Path:
    python, runs = sys.executable, folder / "runs"
    runs.mkdir()
    s = params["defaults"]
    call(folder, python, str(USUAL / "unpack.py"), str(archive), "data", str(CLASSES), str(s["per_class"]))
    for lr in params["studies"]["tinyimage10"]["rates"]["axes"]["lr"]:
        for seed in params["seeds"]:
            words = "data", lr, seed, s["epochs"], s["batch_size"], f"runs/{lr}-{seed}.json"
            call(folder, python, str(USUAL / "train.py"), *map(str, words))
    call(folder, python, str(USUAL / "table.py"), "runs", "table.md")
    return folder / "table.md"


def call(folder: Path, *words: str) -> None:
    here = Path(sys.executable).parent
    env = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PATH": f"{here}{os.pathsep}{os.environ['PATH']}"}
    try:
        done = subprocess.run(
            words, cwd=folder, env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"benchmarks/study.py: {words[0]} took more than {LIMIT_S} s; the machine is busy")
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")


def measured(side: Callable[[Path], Path]) -> tuple[float, float]:
    """Wall and CPU seconds of a side in a folder of its own, and print its table."""
    with tempfile.TemporaryDirectory() as folder:
        os.sync()  # the other side's files
        cpu, began = cpu_s(), time.perf_counter()
        table = side(Path(folder))
        took = time.perf_counter() - began
        while any_child():
            time.sleep(0.1)
        print(table.read_text(), flush=True)
        return took, cpu_s() - cpu


def cpu_s() -> float:
    of = resource.getrusage(resource.RUSAGE_CHILDREN)
    return of.ru_utime + of.ru_stime


def any_child() -> bool:
    """Whether one is left; those that ended are counted."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mirror", type=Path, help="folder with the real archive; default: generated images")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--runs", type=int, choices=(1, 2, 4, 6, 8), default=8)
    parser.add_argument("--per-class", type=int, default=500, help="training images")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto", help="of this pipeline")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    if importlib.util.find_spec("lightning") is None:
        sys.exit("benchmarks/study.py: lightning is missing; install it with: pip install -e '.[dev]'")
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    raw = read_yaml(ROOT / "params.yaml")
    data = raw["datasets"]["tiny-imagenet"]
    if not args.mirror:
        data |= raw["scales"]["demo"]["datasets"]["tiny-imagenet"]
    params = params_of(data, args.mirror and args.mirror.resolve(), args)
    with tempfile.TemporaryDirectory() as folder:
        archive = (args.mirror or Path(folder)).resolve() / data["archive"]
        if not args.mirror:
            write_tiny_imagenet(archive, **data["generator"])
        elif not archive.is_file():
            sys.exit(f"benchmarks/study.py: {archive} is missing; name its folder with --mirror")
        archive.read_bytes()  # both sides find it in memory
        sides = {"ours": lambda at: ours(at, params), "usual": lambda at: usual(at, archive, params)}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
        for n in range(args.repeat):
            for name in list(sides)[:: -1 if n % 2 else 1]:
                times[name].append(measured(sides[name]))
                wall, cpu = times[name][-1]
                print(f"{name}: {wall:.1f} s, {cpu:.1f} s of CPU, load {os.getloadavg()[0]:.1f}", flush=True)
    ratios = [[b / a for a, b in zip(*pair, strict=True)] for pair in zip(times["ours"], times["usual"], strict=True)]
    result: dict[str, Any] = {"load": round(load, 1)}
    for name, column in zip(("study_ratio", "cpu_ratio"), zip(*ratios, strict=True), strict=True):
        result[name] = round(statistics.median(column), 3)
    for name, pairs in times.items():
        for unit, column in zip(("s", "cpu_s"), zip(*pairs, strict=True), strict=True):
            result[f"{name}_{unit}"] = round(statistics.median(column), 1)
    runs = f"{args.runs} runs of {CLASSES * args.per_class} images for {args.epochs} epochs"
    print(f"{processor()}, {runs}, ours {args.precision}")
    print(json.dumps(result | {"runs": args.runs, "processor": processor_class()}))


if __name__ == "__main__":
    main()
