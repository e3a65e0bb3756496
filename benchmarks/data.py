"""How long the data gate takes on the Tiny ImageNet archive, beside `unzip` of the same file in the same run.

    python benchmarks/data.py --mirror DIR [--repeat 3] [--work DIR]

``DIR`` holds tiny-imagenet-200.zip; without it, the demo's generated archive is measured. Each repetition runs both,
one after the other, on the same disk. The last line is a JSON object: medians of `ablate verify-data` with
`ablate pack`
(``verify_pack_s``) and of `unzip` (``unzip_s``), the median of the paired ratios (``ratio``), and the highest memory
of all processes of the gate together (``peak_mb``).
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from ablate.data.embedded import write_tiny_imagenet
from ablate.files import digest, write_json
from ablate.plan.params import load
from ablate.runtime.cores import available_cores
from ablate.runtime.manifest import processor

ROOT = Path(__file__).parents[1]
NAME = "tiny-imagenet"


def measured(*words: str) -> tuple[float, float]:
    """Seconds that a command took, and the most memory (MB) that it and its children had at once."""
    began, peak = time.perf_counter(), 0
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, sum(memory(p) for p in [watched, *children(watched)]))
            time.sleep(0.02)
        took = time.perf_counter() - began
        if process.returncode:
            sys.exit(f"{words[0]} {words[1]}: {process.stderr.read() if process.stderr else ''}")
    return took, peak / 2**20


def children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def memory(process: psutil.Process) -> int:
    """Bytes of its own and its share of what it has in common with others."""
    try:
        return process.memory_full_info().pss
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def gate(archive: Path, spec: str, folder: Path) -> tuple[float, float]:
    """`ablate verify-data` and `ablate pack` into ``folder``, as the workflow calls them."""
    folder.mkdir()
    write_json(folder / "archive.json", {"sha256": digest(archive)})
    index, images, report = folder / "index.csv", folder / "images.npy", folder / "verify.json"
    ablate = str(Path(sys.executable).with_name("ablate"))
    verify = measured(
        ablate, "verify-data", "--spec", spec, "--archive", str(archive), "--receipt", str(folder / "archive.json"),
        "--index", str(index), "--images", str(images), "--duplicates", str(folder / "duplicates.csv"),
        "--report", str(report),
    )  # fmt: skip
    pack = measured(
        ablate, "pack", "--images", str(images), "--index", str(index), "--report", str(report),
        "--receipt", str(folder / "archive.json"), "--output", str(folder / "pack.json"),
    )  # fmt: skip
    return verify[0] + pack[0], max(verify[1], pack[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mirror", type=Path, help="folder with the real archives; default: generated images")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--work", type=Path, help="where to write; default: the system's temporary folder")
    args = parser.parse_args()
    dataset = load(ROOT / "params.yaml", {"scale": "paper" if args.mirror else "demo"}).datasets[NAME]
    if args.mirror and not (args.mirror / dataset.archive).is_file():
        sys.exit(f"benchmarks/data.py: {args.mirror / dataset.archive} is missing; name its folder with --mirror")
    if not shutil.which("unzip"):
        sys.exit("benchmarks/data.py: the program unzip is missing; install it")
    spec = dataset.model_dump_json()
    gates, unzips, peaks = [], [], []
    with TemporaryDirectory(dir=args.work) as work:
        archive = (args.mirror or Path(work)) / dataset.archive
        if not args.mirror:
            write_tiny_imagenet(archive, **dataset.generator)
        archive.read_bytes()  # both sides find it in memory
        for n in range(args.repeat):
            for side in ("unzip", "gate") if n % 2 else ("gate", "unzip"):
                os.sync()
                if side == "gate":
                    took, peak = gate(archive, spec, Path(work) / "gate")
                    gates.append(took)
                    peaks.append(peak)
                else:
                    unzips.append(measured("unzip", "-q", str(archive), "-d", f"{work}/unzip")[0])
                shutil.rmtree(Path(work) / side)
            print(f"{n + 1}: verify and pack {gates[-1]:.1f} s, unzip {unzips[-1]:.1f} s", flush=True)
    print(f"{processor()}, {available_cores()} cores, {args.repeat} repetitions, medians:")
    result = {
        "verify_pack_s": round(statistics.median(gates), 2),
        "unzip_s": round(statistics.median(unzips), 2),
        "ratio": round(statistics.median(g / u for g, u in zip(gates, unzips, strict=True)), 3),
        "peak_mb": round(max(peaks)),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
