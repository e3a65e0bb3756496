"""The step that trains a run, by the built-in trainer or an own one. Snakemake spells out all of its values."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from ablate.errors import UserError
from ablate.plan import keys
from ablate.plan.runs import OwnRun, Run
from ablate.plan.trainer_code import own_key
from ablate.plan.trainers import Trainer
from ablate.seals import read_if_sealed

training = typer.Typer()


@training.command()
def train(
    run: Annotated[str, typer.Option(help="the run's record, JSON")],
    out: Annotated[Path, typer.Option(help="the run's folder")],
    pack: Annotated[Path | None, typer.Option(help="pack.json; of the built-in trainer")] = None,
    trainer: Annotated[str | None, typer.Option(help="the own trainer's record, JSON")] = None,
    start: Annotated[Path | None, typer.Option(help="safetensors to start from")] = None,
    weights: Annotated[Path | None, typer.Option(help="where to keep the trained weights")] = None,
    parent: Annotated[Path | None, typer.Option(help="folder of a shorter run to go on from")] = None,
    threads: Annotated[int, typer.Option()] = 1,
    device: Annotated[str, typer.Option()] = "auto",
    tensorboard: Annotated[Path | None, typer.Option(help="a folder for event files")] = None,
    compile_mode: Annotated[str | None, typer.Option("--compile", help="torch.compile's mode")] = None,
    gpus: Annotated[str, typer.Option(help="auto, or numbers and UUIDs with commas between")] = "auto",
    jobs_per_gpu: Annotated[int, typer.Option(min=1)] = 1,
    gpu_memory_gb: Annotated[float | None, typer.Option(help="GiB of each job of a GPU")] = None,
    alone: Annotated[bool, typer.Option("--alone", help="with a GPU of its own")] = False,
    finished: Annotated[Path | None, typer.Option(help="a folder that keeps what --out may lose")] = None,
) -> None:
    """Train one run. SIGINT, SIGTERM and SIGUSR1 save its state and end it with 130, 143 and 138."""
    from ablate.runtime.gpus import Use
    from ablate.runtime.signals import Interrupted
    from ablate.runtime.slots import SharedGpuOutOfMemory
    from ablate.workflow.finished import is_finished, link_out

    record, there = Run.from_json(run), finished / out if finished else out
    if (trainer is None) != (pack is not None) or isinstance(record, OwnRun) != (pack is None):
        raise UserError("--pack: goes with a run of the built-in trainer, --trainer with one of an own; say the one")
    use = Use(gpus, jobs_per_gpu, gpu_memory_gb, alone)
    own = Trainer.from_json(trainer) if trainer else None
    try:
        if finished and is_finished(there, record, lambda: _key(record, pack, start, own)):
            print(f"ablate: {record.id} has been trained, and is linked out again", file=sys.stderr, flush=True)
        else:
            if weights and finished:
                weights = there / weights.name
            if own and isinstance(record, OwnRun):
                from ablate.train.own import train_own

                key = own_key(record.id, record.settings, own)
                train_own(record, own, key, out=there, threads=threads, device=device, gpus=use)
            elif pack:
                from ablate.train.job import train as go

                go(
                    record, pack=pack, out=there, start=start, weights=weights, parent=parent, threads=threads,
                    device=device, tensorboard=tensorboard, compile_mode=compile_mode, gpus=use,
                )  # fmt: skip
        if finished:
            link_out(there, out)
    except Interrupted as stopped:
        with suppress(OSError):  # Ctrl-C may have ended the `tee` that reads it
            print(f"ablate: {stopped}", file=sys.stderr, flush=True)
        raise typer.Exit(stopped.code) from None
    except SharedGpuOutOfMemory as error:
        print(f"ablate: {error}", file=sys.stderr, flush=True)
        # A new program in this process's place: only so is all of the GPU's memory given back while it waits.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:], "--alone"])


def _key(run: Run, pack: Path | None, start: Path | None, own: Trainer | None) -> keys.Key | None:
    """What a run's result would depend on; None where there is no pack to tell."""
    if own and isinstance(run, OwnRun):
        return own_key(run.id, run.settings, own)
    meta = read_if_sealed(pack) if pack else None
    return None if meta is None else keys.run_key(run, keys.content_digest(meta), keys.start_key(run, start))
