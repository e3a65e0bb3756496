"""What planned runs will cost: seconds and bytes of each, from measured runs of its kind, or from a stated prior.

Imports no torch, so that the rules can ask while Snakemake reads them.
"""

import hashlib
import heapq
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from ablate.csv_text import read_rows
from ablate.errors import UserError
from ablate.files import digest, read_json, write_json
from ablate.inert import say
from ablate.models.registry import network_text
from ablate.plan.code import own_files
from ablate.plan.params import Compute, Dataset
from ablate.plan.runs import ENDED, OwnRun, Run
from ablate.plurals import many
from ablate.runtime.cores import available_cores, share
from ablate.runtime.gpus import Use, nvidia_smi, usable
from ablate.runtime.manifest import processor
from ablate.stored import Timed

# (side of the images in pixels, multiply-adds of one of them, parameters) as `ablate model` counts them, with 200
# classes at 64 pixels and 10 at 32. At another side, multiply-adds follow the area.
NETWORKS = {
    "alexnet": (64, 94.9e6, 57.82e6),
    "resnet18": (64, 148.1e6, 11.28e6),
    "resnet18-plain": (64, 146.6e6, 11.11e6),
    "resnet34": (64, 299.1e6, 21.39e6),
    "resnet50": (64, 334.1e6, 23.92e6),
    "cnn1": (64, 31.9e6, 13.07e6),
    "cnn2": (64, 31.9e6, 2.56e6),
    "cnn3": (64, 900.7e6, 140.37e6),
    "cnn4": (64, 166.6e6, 8.86e6),
    "cnn5": (64, 335.9e6, 25.81e6),
    "alexnet10": (64, 182.4e6, 6.07e6),
    "net1": (64, 894.6e6, 6.65e6),
    "net2": (64, 667.8e6, 6.23e6),
    "net3": (64, 470.9e6, 2.37e6),
    "net4": (64, 876.9e6, 7.14e6),
    "net5": (64, 1443.2e6, 12.23e6),
    "net6": (64, 894.6e6, 6.65e6),
    "cifar-resnet7": (32, 38.7e6, 0.31e6),
    "cifar-plain7": (32, 38.7e6, 0.31e6),
    "cifar-resnet9": (32, 57.5e6, 0.60e6),
    "cifar-plain9": (32, 57.5e6, 0.60e6),
}
COUNTED = Path(".ablate/networks")  # what `ablate model` counted of other networks
# Multiply-adds of forward passes per second while training, on one thread of an AMD EPYC with AVX-512 while the other
# core trained as well. bf16: median of the 18 networks of results/pilot, whose medians lie between 14e9 and 36e9.
# fp32: ResNet-18 took 1.8 times as long as in bf16, in the same process.
PRIOR = {"bf16": 25e9, "auto": 25e9, "fp32": 14e9}
PRIOR_OWN_S = 60.0  # of a run of an own trainer of which nothing is known; a cluster grants it ten minutes
NO_IMAGES = 0  # side of those of an own trainer
START_S = 2.5  # of a job before `ablate train` begins to count: `start of a job` of benchmarks/dag.py
FORWARD = 1 / 3  # of a training step's multiply-adds are the forward pass; evaluation is only that
MARGIN = 4.0  # 99.5 % of the pilot's runs took less than so many times their estimate: benchmarks/cost.py
MOST = 1e15  # images of a run: more are damage
CHECKPOINTS = 2  # of each run, while it trains


class Estimate(NamedTuple):
    """What one run is expected to take, and what that rests on."""

    seconds: float
    basis: str


@dataclass(frozen=True)
class Machine:
    """What runs are estimated for."""

    device: str  # as manifests name it
    gpu: bool
    slots: int  # runs at once
    threads: int  # of one run, on the CPU


@dataclass(frozen=True)
class Measured:
    """A run that was trained: what it was, how much of it, and how long it took."""

    run: str
    model: str  # with its arguments, as `Settings.network`
    side: int  # of the images, pixels
    images: float  # through a training step, and a third of those that were evaluated
    wall_s: float
    device: str
    threads: int
    precision: str

    @property
    def arm(self) -> str:
        """The run's name without its seed."""
        return arm_of(self.run)


def expected_seconds(
    run: Run, data: Dataset | None, history: Iterable[Measured], machine: Machine | None = None
) -> Estimate:
    """Seconds that a job for ``run`` takes, start included, where no other uses the same cores or GPU.

    From the nearest of: other seeds of its arm; its network on images of this size, by image; any networks, by
    multiply-add; `PRIOR`. Runs on the machine's own device are preferred, then such with the same precision; another
    precision counts as in `PRIOR`, and on a CPU time falls with threads. Without ``machine``, as for a cluster:
    whatever devices were used before.
    """
    if data is None:
        return _expected_own(run, history, machine)
    s, images = run.settings, images_of(run, data)
    known = [m for m in history if m.side == data.image_size or m.model in NETWORKS]
    if machine:
        known = [m for m in known if m.device == machine.device] or [m for m in known if is_gpu(m) == machine.gpu]
    adds = multiply_adds(s.network, data.image_size)
    tiers: list[tuple[str, list[Measured], Callable[[Measured], float]]] = [
        ("of this arm", [m for m in known if m.arm == arm_of(run.id)], lambda m: m.wall_s),
        (
            f"of {s.network}",
            [m for m in known if (m.model, m.side) == (s.network, data.image_size)],
            lambda m: m.wall_s / m.images * images,
        ),
        (
            "of other networks",
            [m for m in known if m.model in NETWORKS],
            lambda m: m.wall_s / (m.images * multiply_adds(m.model, m.side)) * images * adds,
        ),
    ]
    cpu_threads = machine.threads if machine and not machine.gpu else None
    for what, found, seconds in tiers:
        if found:
            alike = [m for m in found if PRIOR[m.precision] == PRIOR[s.precision]] or found
            took = median(
                seconds(m) * PRIOR[m.precision] / PRIOR[s.precision] * (m.threads / cpu_threads if cpu_threads else 1)
                for m in alike
            )
            where = ", ".join(sorted({m.device for m in alike}))
            return Estimate(START_S + took, f"measured: {many(len(alike), 'run')} {what} on {where}")
    unknown = "" if known_network(s.network) else "; a median network, until `ablate model` has counted it"
    basis = f"prior: {PRIOR[s.precision] / 1e9:g}e9 multiply-adds/s, one thread, AMD EPYC{unknown}"
    return Estimate(START_S + images * adds / PRIOR[s.precision] / (cpu_threads or 1), basis)


def _expected_own(run: Run, history: Iterable[Measured], machine: Machine | None) -> Estimate:
    """Of a run of an own trainer: as its arm took, or else as any of its trainer did."""
    known = [m for m in history if m.model == run.settings.model and m.side == NO_IMAGES]
    known = [m for m in known if machine is None or m.device == machine.device] or known
    for what, found in (
        ("of this arm", [m for m in known if m.arm == arm_of(run.id)]),
        (f"of the trainer {run.settings.model}", known),
    ):
        if found:
            where = ", ".join(sorted({m.device for m in found}))
            took = START_S + median(m.wall_s for m in found)
            return Estimate(took, f"measured: {many(len(found), 'run')} {what} on {where}")
    return Estimate(
        START_S + PRIOR_OWN_S, f"prior: {PRIOR_OWN_S:g} s, as no run of {run.settings.model} was measured"
    )


def limit_minutes(estimate: Estimate, attempt: int = 1, least: int = 10) -> int:
    """Whole minutes to grant a run on a cluster, with a margin; each further attempt gets twice as many."""
    return int(max(least, math.ceil(estimate.seconds * MARGIN / 60)) * 2 ** (attempt - 1))


def expected_bytes(run: Run, data: Dataset | None, *, weights: bool = False) -> int:
    """Of a run's folder: 15 KB of records and filters, 25 bytes a prediction, 100 an epoch; and its weights."""
    if data is None:
        return 15_000
    _, held = splits_of(run, data)
    kept = weights_bytes(run) if weights else 0
    return 15_000 + 25 * held + 100 * run.settings.epochs + kept


def weights_bytes(run: Run) -> int:
    """Of a network's weights, float32."""
    return round(4 * _network(run.settings.network)[2])


def checkpoint_bytes(run: Run) -> int:
    """Of what a run keeps to go on from while it trains: weights, and one or two values more for each of them."""
    if isinstance(run, OwnRun):
        return 0  # that is its own affair
    s = run.settings
    moments = 2 if s.optimizer in ("adam", "adamw") else 1
    return CHECKPOINTS * weights_bytes(run) * (1 + moments + (s.ema is not None))


def images_of(run: Run, data: Dataset) -> float:
    """Images that a run takes through training steps, and a third of those that it evaluates after each epoch."""
    return _images(run.settings.epochs, *splits_of(run, data), run.settings.batchnorm)


def _images(epochs: int, train: int, held: int, batchnorm: str | None) -> float:
    """As `images_of`; exact averages of batch norm take a forward pass over the training images after each epoch."""
    return epochs * (train + (held + train * (batchnorm == "reestimated")) * FORWARD)


def splits_of(run: Run, data: Dataset) -> tuple[int, int]:
    """Training images of a run, and images that it is evaluated on."""
    _, train, held = data.counts(run.settings)
    return train, held


def multiply_adds(network: str, side: int) -> float:
    """Of a forward pass of one image through a `Settings.network`; of an unknown one the median of the known ones."""
    known_side, adds, _ = _network(network)
    return adds * (side / known_side) ** 2


def keep_count(network: str, side: int, multiply_adds: float, params: int) -> None:
    """Keep what was counted of a network that NETWORKS does not have; of one's own, as its code is now."""
    if network not in NETWORKS:
        with suppress(UserError):  # a folder that cannot be written makes estimates no worse
            write_json(_count_file(network), {"side": side, "multiply_adds": multiply_adds, "params": params})


def known_network(network: str) -> tuple[int, float, float] | None:
    """As NETWORKS has it, or as `keep_count` kept it."""
    return NETWORKS.get(network) or _counted(network)


@cache
def _counted(network: str) -> tuple[int, float, float] | None:
    with suppress(UserError, AttributeError, LookupError, TypeError, ValueError):  # none, or a damaged one
        found = read_json(_count_file(network))
        return int(found["side"]), float(found["multiply_adds"]), float(found["params"])
    return None


def _count_file(network: str) -> Path:
    files = [digest(file) for file in own_files(network.partition("(")[0])]
    return COUNTED / f"{hashlib.sha256(json.dumps([network, files]).encode()).hexdigest()[:20]}.json"


def _network(network: str) -> tuple[int, float, float]:
    if found := known_network(network):
        return found
    at_64 = [found for found in NETWORKS.values() if found[0] == 64]
    return 64, median(adds for _, adds, _ in at_64), median(params for *_, params in at_64)


def read_history(results: Path, datasets: Mapping[str, Dataset]) -> list[Measured]:
    """The measured runs below ``results``, each once: in runs/ and pretrained/, and those that results name.

    A run that was interrupted is left out, as its manifest has the time of its last start alone. So is what is
    damaged: a run of ours is trained again, and other files are named on stderr.
    """
    found: dict[str, Measured] = {}
    for manifest in sorted([*results.glob("runs/*/manifest.json"), *results.glob("pretrained/*/manifest.json")]):
        metrics = manifest.with_name("metrics.json")
        with suppress(UserError):  # of a damaged run, which is trained again
            add_measured(found, manifest.parent.name, read_json(manifest), read_json(metrics), datasets)
    for provenance in sorted(results.glob("*/*/provenance.json")):
        table = provenance.with_name("runs.csv")
        if table.exists():
            try:
                manifests, rows = read_json(provenance), read_rows(table, "run", "status", "epochs")
                if not isinstance(manifests, dict):
                    raise UserError(f"{provenance}: damaged: no object with names and values; render its paper again")
            except UserError as error:
                say(f"ablate: not counted in what runs cost: {error}", file=sys.stderr)
                continue
            for row in rows:
                add_measured(found, row["run"], manifests.get(row["run"]), row, datasets)
    return list(found.values())


def add_measured(
    found: dict[str, Measured], run: str, manifest: Any, metrics: Any, datasets: Mapping[str, Dataset]
) -> None:
    """Add a run that ended and whose files tell what it took.

    One of a data set that is gone, of another version, trained from Python, or damaged is left out.
    """
    if run in found:
        return
    with suppress(AttributeError, KeyError, TypeError, ValueError, RecursionError):
        timed = Timed.model_validate(manifest)
        settings = json.loads(timed.command[timed.command.index("--run") + 1])["settings"]
        if (own := settings.get("trainer")) and timed.starts == 1 and metrics["status"] in ENDED:
            facts = timed.model_dump(include={"wall_s", "device", "threads", "precision"})
            found[run] = Measured(run=run, model=str(own), side=NO_IMAGES, images=1, **facts)
            return
        side = datasets[settings["dataset"]].image_size
        model = network_text(str(settings["model"]), settings.get("model_args"))
        n_train, *held = (int(metrics.get(f"n_{split}") or 0) for split in ("train", "val", "test"))
        images = _images(int(metrics["epochs"]), n_train, sum(held), settings.get("batchnorm"))
        if timed.starts == 1 and metrics["status"] in ENDED and 0 < images < MOST:
            facts = timed.model_dump(include={"wall_s", "device", "threads", "precision"})
            found[run] = Measured(run=run, model=model, side=side, images=images, **facts)


def size_text(count: int) -> str:
    """Bytes for people: 3.1 GB, 0.4 MB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def arm_of(run: str) -> str:
    """A run's name without its seed."""
    return run.rpartition("_s")[0]


def is_gpu(measured: Measured) -> bool:
    """By the device's name, which is all that a manifest tells."""
    return re.search(r"NVIDIA|Tesla|GeForce|Quadro|Radeon|Instinct", measured.device) is not None


def machine(compute: Compute, jobs: int, slots: int | None = None) -> Machine:
    """This machine, for ``jobs`` runs; ``slots`` of them at once, or as many as the rules would start."""
    if slots is not None and slots < 1:
        raise UserError(f"--slots: {slots}, but it must be 1 or more")
    use = Use(compute.gpus, compute.jobs_per_gpu, compute.gpu_memory_gb)
    if there := len(usable(compute.device, use)):
        threads = compute.threads or available_cores()
        return Machine(_gpu_name(), True, slots or there * use.jobs_per_gpu, threads)
    cores = available_cores()
    claim, threads = share(cores, cores, max(jobs, 1), compute.threads)
    return Machine(processor(), False, slots or cores // claim, threads)


def _gpu_name() -> str:
    """Of the first GPU, as torch has it in manifests."""
    return nvidia_smi("name").partition("\n")[0] or "GPU"


def wall_seconds(seconds: Mapping[str, float], slots: int, after: Mapping[str, str] | None = None) -> float:
    """Until the last of the runs has ended, where each goes to the slot that is free first, the longest first.

    ``seconds`` is {run: how long}, ``after`` {run: the run whose weights it starts from}. Snakemake knows no lengths
    and starts runs in another order, so this is what slots can do, and the true time is somewhat longer.
    """
    after, ends, free = after or {}, dict[str, float](), [0.0] * slots
    waiting = sorted(seconds, key=lambda run: (run in after, -seconds[run]))  # those that others wait for come first
    for run in waiting:
        began = max(heapq.heappop(free), ends.get(after.get(run, ""), 0.0))
        ends[run] = began + seconds[run]
        heapq.heappush(free, ends[run])
    return max(ends.values(), default=0.0)
