"""Train a run of an own trainer: start its command, watch it, check what it leaves, write the run's folder.

docs/your-study.md has the contract. The folder of a run is that of the built-in trainer, so that all later steps are
the same; what an own trainer has nothing of is there and empty.
"""

import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from ablate.errors import UserError
from ablate.files import as_json, atomic_write, write_json, write_text
from ablate.plan.keys import Key
from ablate.plan.runs import OwnRun
from ablate.plan.trainers import Trainer
from ablate.runtime.checkpoint import CHECKPOINTS
from ablate.runtime.gpus import Use, usable
from ablate.runtime.manifest import manifest, processor, source
from ablate.runtime.progress import Heartbeat, heartbeat_path
from ablate.runtime.run_lock import RunLock
from ablate.runtime.signals import Interrupted, Signals
from ablate.runtime.slots import gpu_slot
from ablate.seals import sealed
from ablate.train.imported import imported
from ablate.train.own_results import HISTORY, Left, last_of, left_in

IMPORTED = "imported"  # the device of a run that was not trained here
LOOK_S, BEAT_S = 0.1, 2.0  # between looks at the process, and at its curve
GRACE_S = 30.0  # that a script has to save its state after SIGTERM
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def train_own(
    run: OwnRun, trainer: Trainer, key: Key, *, out: Path, threads: int, device: str, gpus: Use | None = None
) -> None:
    """Train ``run`` and write the files of a run into ``out``; ``key`` is what it depends on.

    Raises:
        Interrupted: After a signal, which the script got as SIGTERM.
        UserError: If another process trains this run, if the script fails, and for what it leaves, if that is not as
            its trainer declares it. Nothing is written then.
    """
    use = gpus or Use()
    with RunLock(run.id), gpu_slot(run.id, usable(device, use), 1 if use.alone else use.jobs_per_gpu), Signals() as s:
        began, folder = time.perf_counter(), _folder(run, key)
        origin = source(out.parent / "patches")
        place = _place(device, use)
        if trainer.results:
            left, place = imported(run, trainer), IMPORTED
        else:
            with Heartbeat(heartbeat_path(run.id), run=run.id, epochs=0) as heart:
                printed = _watched(run, trainer, folder, threads, place, s, heart)
            left = left_in(folder / "out", run, trainer, printed)
        facts = {"wall_s": time.perf_counter() - began, "device": processor() if place == "cpu" else place}
        _write(run, trainer, left, out, key, facts | {"git": origin, "threads": threads})
        shutil.rmtree(folder, ignore_errors=True)


def tried(run: OwnRun, trainer: Trainer, folder: Path, *, device: str, gpus: Use) -> Left:
    """What its script leaves, run once in ``folder``, which is empty; no run is written. Raises as `train_own`."""
    with gpu_slot(run.id, usable(device, gpus), gpus.jobs_per_gpu), Signals() as asked:
        for name in ("out", "resume"):
            (folder / name).mkdir(parents=True)
        if trainer.results:
            return imported(run, trainer)
        printed = _watched(run, trainer, folder, 1, _place(device, gpus), asked)
        return left_in(folder / "out", run, trainer, printed)


def _place(device: str, use: Use) -> str:
    """Where the script is to work: cuda, which is one GPU, or cpu."""
    return "cuda" if usable(device, use) else "cpu"


def _folder(run: OwnRun, key: Key) -> Path:
    """Where the script works: ``out``, empty, and ``resume``, as its last start left it if that had the same key."""
    folder = CHECKPOINTS / run.id
    asked, known = as_json(key), folder / "key.json"
    with suppress(OSError, ValueError):
        if known.read_text(encoding="utf-8") != asked:
            shutil.rmtree(folder / "resume")
            print(f"{folder}: of other settings, files or code; starting over", file=sys.stderr)
    if not known.exists():
        shutil.rmtree(folder / "resume", ignore_errors=True)
    shutil.rmtree(folder / "out", ignore_errors=True)
    for name in ("out", "resume"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_text(known, asked)
    return folder


def _watched(
    run: OwnRun,
    trainer: Trainer,
    folder: Path,
    threads: int,
    device: str,
    asked: Signals,
    heart: Heartbeat | None = None,
) -> list[str]:
    """Run the script to its end; returns the lines in which it printed a metric, where one has a pattern.

    Raises:
        Interrupted, UserError: As `train_own` does.
    """
    settings, name = folder / "settings.json", run.settings.trainer
    write_json(settings, run.settings.every)
    given = {
        "seed": run.seed,
        "out": str(folder / "out"),
        "settings": str(settings),
        "device": device,
        "threads": threads,
        "resume": str(folder / "resume"),
    }
    words = (
        [sys.executable, "-m", "ablate.train.call", trainer.function, f"params.yaml: trainers.{name}.function"]
        if trainer.function
        else trainer.filled(run.settings.every | given)
    )
    env = os.environ | {f"ABLATE_{name.upper()}": str(value) for name, value in given.items()}
    env |= {"ABLATE_RUN": run.id, **dict.fromkeys(THREADS, str(threads))}
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])
    patterns = [re.compile(m.pattern) for m in trainer.metrics.values() if m.pattern]
    try:
        process = subprocess.Popen(
            words,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if patterns else None,
            start_new_session=True,  # Ctrl-C comes to it from here, as SIGTERM
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"params.yaml: trainers.{run.settings.trainer}.command: {words[0]} cannot be started ({why}); "
            f"install it, or correct its name"
        ) from None
    printed: list[str] = []
    reader = threading.Thread(target=_pass_on, args=(process.stdout, patterns, printed), daemon=True)
    if patterns:
        reader.start()
    try:
        _wait(run, trainer, process, folder / "out" / HISTORY, asked, heart)
    finally:
        _end(process, signal.SIGKILL)
    if patterns:
        reader.join(GRACE_S)
    return printed


def _wait(
    run: OwnRun,
    trainer: Trainer,
    process: "subprocess.Popen[bytes]",
    curve: Path,
    asked: Signals,
    heart: Heartbeat | None,
) -> None:
    """Until the script has ended well; ``heart`` tells of its curve meanwhile."""
    name, began, beat, done = run.settings.trainer, time.monotonic(), 0.0, 0
    epochs = run.settings.every.get("epochs")
    total = epochs if isinstance(epochs, int) and epochs > 0 else 0
    while process.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_S)
        now = time.monotonic()
        if asked.number:
            _end(process, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)
            raise Interrupted(asked.number, f"in {run.id}, of the trainer {name}")
        if trainer.timeout and now - began > trainer.timeout:
            raise UserError(
                f"{run.id}: took longer than the {trainer.timeout:g} seconds of trainers.{name}.timeout, and was "
                f"ended; raise that, or see what it printed"
            )
        if heart and now - beat > BEAT_S:
            beat, (rows, values) = now, last_of(curve)
            if rows > done:
                done, heart.epochs = rows, max(total, rows)
                heart.epoch(done, None, **values)
    code = process.returncode
    if code < 0:
        known = signal.Signals(-code).name if -code in [*signal.Signals] else str(-code)
        raise UserError(f"{run.id}: the trainer {name} was ended by the signal {known}; its memory may have run out")
    if code:
        raise UserError(
            f"{run.id}: the trainer {name} ended with exit code {code}; what it printed stands above, and in "
            f"logs/train/{run.id}.log where the workflow started it"
        )


def _pass_on(stream: "IO[bytes]", patterns: list[re.Pattern[str]], printed: list[str]) -> None:
    """Print what the script prints, and keep the lines that have a metric in them."""
    for line in stream:
        with suppress(OSError, ValueError):  # whoever reads ours may have gone
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
        text = line.decode(errors="replace")
        if any(pattern.search(text) for pattern in patterns):
            printed.append(text)


def _end(process: "subprocess.Popen[bytes]", number: int) -> None:
    """Signal the script and what it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _end_with_parent() -> None:
    """In the child: it does not outlive this process, however that ends. Its own children it has to see to itself."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _write(run: OwnRun, trainer: Trainer, left: Left, out: Path, key: Key, facts: Mapping[str, Any]) -> None:
    """All files of a run, metrics last: their presence says that it is complete."""
    none = io.BytesIO()
    np.save(none, np.zeros((0, 3, 0, 0), np.float16))  # no filters
    contents = {
        "run.json": as_json({"run": run.id, **run.model_dump(mode="json")}).encode(),
        HISTORY: left.history,
        "predictions.csv": left.predictions,
        "filters.npy": none.getvalue(),
        "metrics.json": as_json(left.metrics).encode(),
    }
    record = manifest(
        key=key,
        files={name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
        archive={},
        start=None,
        deterministic=trainer.deterministic,
        starts=1,
        images_per_s=0.0,
        precision="fp32",
        compile=None,
        **facts,
    )
    last = contents.popitem()
    for name, content in contents.items():
        _put(out / name, content)
    write_json(out / "manifest.json", sealed(record | {"trainer": json.loads(trainer.to_json())}))
    _put(out / last[0], last[1])


def _put(target: Path, content: bytes) -> None:
    with atomic_write(target) as part:
        part.write_bytes(content)
