"""Train one run: the loop, and everything that a run leaves behind.

Deterministic by default: with the same settings, data, machine and number of threads, the weights come out the same
to the byte, however often the run was stopped and started again.
"""

import csv
import hashlib
import io
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import nn

from ablate.data.views import Pack
from ablate.errors import UserError
from ablate.files import as_json, atomic_write, write_json
from ablate.models.own import faults_of
from ablate.plan.keys import Key, content_digest, run_key, start_key
from ablate.plan.runs import Run
from ablate.runtime.checkpoint import Checkpoint, pieces
from ablate.runtime.cores import keep_freed_memory
from ablate.runtime.gpus import Use, usable
from ablate.runtime.manifest import manifest, source
from ablate.runtime.progress import Heartbeat, heartbeat_path
from ablate.runtime.run_lock import RunLock
from ablate.runtime.signals import Interrupted, Signals
from ablate.runtime.slots import SharedGpuOutOfMemory, gpu_slot
from ablate.seals import sealed, sha256_of
from ablate.train import health
from ablate.train.continued import STATE, goes_on, state_of
from ablate.train.evaluate import Predictions
from ablate.train.trainer import Trainer, limit_memory, name_of, out_of_memory, pick_device


def train(
    run: Run,
    *,
    pack: Path,
    out: Path,
    start: Path | None = None,
    weights: Path | None = None,
    parent: Path | None = None,
    threads: int = 1,
    device: str = "auto",
    tensorboard: Path | None = None,
    compile_mode: str | None = None,
    gpus: Use | None = None,
) -> None:
    """Train ``run`` on ``pack`` (pack.json) and write run, metrics, history, predictions and manifest into ``out``.

    ``start`` holds the weights to start from, ``weights`` is where to keep the trained ones (safetensors), ``parent``
    the folder of a shorter run of the same settings to go on from, ``tensorboard`` a folder for event files. How it
    ended is ``status`` in the metrics: ``done``; ``plateau`` when early stopping ended it; ``diverged`` when the loss
    was no longer finite; ``out-of-memory``. All are results.

    Raises:
        Interrupted: After a signal, once the state is saved.
        UserError: If another process trains this run.
        SharedGpuOutOfMemory: If memory ran out on a GPU that other jobs may share: the run goes on with
            ``gpus.alone``.
    """
    use, compiled = gpus or Use(), compile_mode not in (None, "eager")
    torch.set_num_threads(threads)
    keep_freed_memory()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if compiled:  # tells the compiler as well
        torch.use_deterministic_algorithms(True, warn_only=True)
    else:  # the same without importing the compiler, which takes as long as importing torch
        torch.set_deterministic_debug_mode("warn")  # CUDA lacks a few; they warn
    # Filling what an operation is about to write takes 3 % of a step on a CPU, and a kernel for each on a GPU.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    with (
        RunLock(run.id),
        gpu_slot(run.id, usable(device, use), 1 if use.alone else use.jobs_per_gpu) as shared,
        _on_shared_gpu(run.id, shared),
        Signals() as signals,
    ):
        began = time.perf_counter()
        target = pick_device(device)
        if device != "cpu":
            limit_memory(target, use)
        opened = Pack.open(pack)
        key = run_key(run, content_digest(opened.meta), start_key(run, start))
        saved = Checkpoint(run.id, json.dumps(key))
        trainer = Trainer(run, opened, start, threads, target, compile_mode)
        state = saved.restore() or (state_of(parent, run, key) if parent else None)
        if state:
            trainer.load(state)
        trainer.at.starts += 1
        origin = source(out.parent / "patches")  # before the steps: who waits for a run edits meanwhile
        try:
            with faults_of(run.settings.model, but=out_of_memory):
                status = _fit(trainer, saved, signals, tensorboard)
        except RuntimeError as error:
            if compiled and isinstance(error, torch._dynamo.exc.TorchDynamoException):
                raise UserError(
                    f"params.yaml: compute.compile: {compile_mode}: {str(error).splitlines()[0]}; "
                    f"a C++ compiler such as g++ must be there; or set compile: null"
                ) from error
            if shared or not out_of_memory(error):
                raise
            print(f"{run.id}: out of memory; lower batch_size or use a larger device", file=sys.stderr)
            status = "out-of-memory"
        took = {
            "wall_s": time.perf_counter() - began,
            "images_per_s": len(trainer.loaders["train"]) * trainer.at.epoch / max(trainer.at.seconds, 1e-9),
        }
        facts = {
            "git": origin,
            "device": name_of(target),
            "threads": threads,
            "precision": trainer.precision,
            "compile": compile_mode,
        } | took
        _write(trainer, status, out, weights, facts, opened.meta["archive"], start, key)
        saved.remove()


@contextmanager
def _on_shared_gpu(run_id: str, shared: bool) -> Iterator[None]:
    """Where a GPU is shared, that its memory ran out is no result yet."""
    try:
        yield
    except RuntimeError as error:
        if shared and out_of_memory(error):
            raise SharedGpuOutOfMemory(
                f"{run_id}: out of memory on a shared GPU; goes on once it has one of its own"
            ) from error
        raise


def _fit(trainer: Trainer, saved: Checkpoint, signals: Signals, tensorboard: Path | None) -> str:
    """Train to the end, leaving checkpoints; returns the status."""
    s, at = trainer.s, trainer.at
    run = trainer.run.id

    def keep() -> None:
        saved.keep(at.epoch, at.step, trainer.state())

    def leave() -> None:
        keep()
        raise Interrupted(signals.number or 0, f"at epoch {at.epoch + 1}, step {at.step}, of {run}")

    with Heartbeat(heartbeat_path(run), run=run, epochs=s.epochs) as heart, _events(tensorboard) as events:
        while at.epoch < s.epochs and not trainer.patience.exhausted:
            for _ in trainer.steps():
                if signals.number:
                    leave()
                if saved.due:
                    keep()
            if not trainer.end_epoch():
                return "diverged"
            if signals.number:  # before a line is printed: Ctrl-C has ended the `tee` that would read it
                leave()
            row = at.history[-1]
            speed = row["n_train"] * len(at.history) / max(at.seconds, 1e-9)
            heart.epoch(at.epoch, speed, train_top1=row["train_top1"], val_top1=row["val_top1"])
            events(row)
            if saved.due or (saved.cheap and at.epoch < s.epochs):  # what follows the last epoch takes less
                keep()
    return "plateau" if at.epoch < s.epochs else "done"


@contextmanager
def _events(folder: Path | None) -> Iterator[Any]:
    """A function that takes a row of the history, for TensorBoard where a folder is given."""
    if folder is None:
        yield lambda row: None
        return
    from torch.utils.tensorboard import SummaryWriter  # takes a second to import

    with SummaryWriter(str(folder)) as writer:

        def write(row: dict[str, Any]) -> None:
            for name in row.keys() - {"epoch"}:
                writer.add_scalar(name, row[name], row["epoch"])

        yield write


def _write(
    trainer: Trainer,
    status: str,
    out: Path,
    weights: Path | None,
    facts: dict[str, Any],
    archive: dict[str, Any],
    start: Path | None,
    key: Key,
) -> None:
    """All files of a run, metrics last: their presence says that it is complete."""
    run, at = trainer.run, trainer.at
    metrics: dict[str, Any] = {"status": status, "epochs": at.epoch}
    tables = {}
    if at.history:
        metrics |= {k: v for k, v in at.history[-1].items() if k not in ("epoch", "lr")} | at.best
    if status in ("done", "plateau"):
        for split in [name for name in trainer.loaders if name != "train"]:
            tally, tables[split] = trainer.measure(split)
            metrics |= tally.metrics(split)
        metrics |= health.of_run(trainer, tables)
    if trainer.replaced:
        metrics["replaced_head"] = trainer.replaced
    filters = io.BytesIO()
    np.save(filters, _first_filters(trainer.evaluated))
    contents = {
        "run.json": as_json({"run": run.id, **run.model_dump(mode="json")}).encode(),
        "history.csv": _csv(at.history, ["epoch"]).encode(),
        "predictions.csv": _predictions(tables).encode(),
        "filters.npy": filters.getvalue(),
        "metrics.json": as_json(metrics).encode(),
    }
    places = {out / name: content for name, content in contents.items()}
    if weights:
        places = {weights: save(trainer.kept), **places}
    if goes_on(run, status):
        places = {out / STATE: b"".join(pieces(trainer.state() | {"key": json.dumps(key)})), **places}
    record = manifest(
        key=key,
        files={path.name: hashlib.sha256(content).hexdigest() for path, content in places.items()},
        archive=archive,
        start={"weights": run.settings.weights, "sha256": sha256_of(start)} if start else None,
        deterministic=torch.are_deterministic_algorithms_enabled(),
        starts=at.starts,
        **facts,
    )
    last = places.popitem()
    for path, content in places.items():
        _put(path, content)
    write_json(out / "manifest.json", sealed(record))
    _put(*last)


def _put(target: Path, content: bytes) -> None:
    with atomic_write(target) as part:
        part.write_bytes(content)


def _first_filters(model: nn.Module) -> np.ndarray[Any, np.dtype[np.float16]]:
    """The first convolution's weights, (filters, 3, height, width): to be looked at, and half as long in records.

    No filters where nothing of the network takes colours so.
    """
    first = next((part for part in model.modules() if isinstance(part, nn.Conv2d)), None)
    if first is None or first.weight.shape[1] != 3:
        return np.zeros((0, 3, 1, 1), np.float16)
    return first.weight.detach().half().cpu().contiguous().numpy()


def _csv(rows: list[dict[str, Any]], columns: list[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _predictions(tables: dict[str, Predictions]) -> str:
    rows = []
    for split, table in tables.items():
        columns = asdict(table)
        columns["probability"] = [round(p, 3) for p in columns["probability"]]
        rows += [
            {"split": split, **dict(zip(columns, values, strict=True))}
            for values in zip(*columns.values(), strict=True)
        ]
    return _csv(rows, ["split", *asdict(Predictions())])
