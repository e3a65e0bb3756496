"""Training runs that are killed and asked to stop, at random and inside of saves, again and again.

Oracle: the unbroken run. Weights, optimiser, metrics, history and predictions must be the same to the byte.
"""

import hashlib
import io
import json
import multiprocessing
import os
import random
import signal
import sys
import time
from itertools import pairwise
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from ablate.plan.runs import Run
from ablate.plan.settings import Settings

pytestmark = pytest.mark.slow

# A network of each family that takes 32 pixels, with what else has a state: averages, schedules, mixed labels.
FAMILIES: dict[str, dict[str, Any]] = {
    "cifar-resnet7": {"ema": 0.9, "schedule": "one-cycle", "augment": "resnet-vs-plain"},
    "cifar-plain9": {"optimizer": "adam", "momentum": 0.0, "warmup_epochs": 1, "augment": "crop"},
    "resnet18": {"mix": "cutmix", "schedule": "plateau", "gamma": 0.5, "patience": 0, "augment": "alexnet-vs-resnet"},
    "cnn2": {"optimizer": "rmsprop", "mix": "mixup", "label_smoothing": 0.1, "augment": "five-cnns"},
    "net6": {"optimizer": "adamw", "momentum": 0.0, "clip_norm": 1.0, "augment": "random-erasing"},
}
KILLS, STOPS = 10, 4  # of each family: 50 SIGKILLs and 20 signals that ask


def run_of(model: str, **changes: Any) -> Run:
    base = {
        "dataset": "cifar10", "model": model, "optimizer": "sgd", "lr": 1e-3, "momentum": 0.9, "epochs": 3,
        "batch_size": 20, "per_class": 10, "schedule": "cosine",
    }  # fmt: skip
    return Run(settings=Settings.model_validate(base | changes), seed=0, recipe=1, variant="embedded")


def child(record: str, pack: str, folder: str, stateful: bool, every_s: float) -> None:
    """Train in ``folder`` with a checkpoint every so many seconds, and log which steps were done."""
    import torch

    from ablate.runtime import checkpoint
    from ablate.runtime.signals import Interrupted
    from ablate.train import job as loop
    from ablate.train import loader, trainer

    os.chdir(folder)
    sys.stderr = Path("log").open("a")  # noqa: SIM115
    checkpoint.EVERY_S = every_s
    step, write = trainer.Trainer.step, loop._write

    def logged(self: Any) -> Any:
        with Path("steps").open("a") as file:
            file.write(f"{os.getpid()} {self.at.epoch * self.loaders['train'].steps + self.at.step}\n")
        return step(self)

    def with_optimizer(trained: Any, *arguments: Any) -> None:
        buffer = io.BytesIO()
        torch.save(trained.optimizer.state_dict(), buffer)
        Path("optimizer").write_text(hashlib.sha256(buffer.getvalue()).hexdigest())
        write(trained, *arguments)

    trainer.Trainer.step = logged  # type: ignore[method-assign]
    loop._write = with_optimizer
    if stateful:  # the control: draws that depend on what the process drew before
        stream = random.Random(0)
        loader.seed_for = trainer.seed_for = lambda *_: stream.getrandbits(62)
    try:
        loop.train(
            Run.from_json(record), pack=Path(pack), out=Path("out"), weights=Path("w.safetensors"), device="cpu"
        )
    except Interrupted as stopped:
        sys.exit(stopped.code)


def start(run: Run, pack: Path, folder: Path, stateful: bool = False, every_s: float = 0.0) -> BaseProcess:
    """With a checkpoint at every step, unless ``every_s`` says otherwise."""
    folder.mkdir(exist_ok=True)
    context = multiprocessing.get_context("forkserver")  # with torch imported: a start takes no seconds
    context.set_forkserver_preload(["ablate.train.job", "torch._dynamo"])
    process = context.Process(target=child, args=(run.to_json(), str(pack), str(folder), stateful, every_s))
    process.start()
    return process


def broken(
    run: Run, pack: Path, folder: Path, stateful: bool = False, kills: int = KILLS, stops: int = STOPS
) -> None:
    """Train to the end through ``kills`` SIGKILLs, every other inside of a save, and ``stops`` signals that ask."""
    draw = random.Random(run.id)
    todo = [signal.SIGKILL] * kills + [signal.SIGTERM, signal.SIGINT][:stops] * (stops // 2)
    draw.shuffle(todo)
    for n, number in enumerate(todo):
        before = steps(folder)
        process = start(run, pack, folder, stateful)
        deadline = time.monotonic() + 60
        while len(steps(folder)) < len(before) + 3 and time.monotonic() < deadline:  # past the first save
            assert process.is_alive(), (folder / "log").read_text()
            time.sleep(0.002)
        if n % 2:
            saving = folder / ".ablate/checkpoints" / run.id
            while not list(saving.glob(".*.part")) and process.is_alive():
                pass
        else:
            time.sleep(draw.random() * 0.02)
        assert process.pid
        os.kill(process.pid, number)
        process.join(30)
        assert process.exitcode == (-number if number == signal.SIGKILL else 128 + number)
    process = start(run, pack, folder, stateful)
    process.join(600)
    assert process.exitcode == 0, (folder / "log").read_text()


def steps(folder: Path) -> list[list[str]]:
    path = folder / "steps"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


FILES = ["w.safetensors", "optimizer", "out/metrics.json", "out/history.csv", "out/predictions.csv"]


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}


@pytest.mark.parametrize("model", FAMILIES)
def test_a_run_killed_again_and_again_ends_in_the_same_bytes(
    model: str, packs: dict[str, Path], tmp_path: Path
) -> None:
    run = run_of(model, **FAMILIES[model], epochs=12)
    whole = start(run, packs["cifar10"], tmp_path / "whole", every_s=600)  # as good as none, which changes no byte
    whole.join(600)
    assert whole.exitcode == 0, (tmp_path / "whole/log").read_text()
    broken(run, packs["cifar10"], tmp_path / "broken")
    assert digests(tmp_path / "broken") == digests(tmp_path / "whole")
    manifest = json.loads((tmp_path / "broken/out/manifest.json").read_text())
    assert 1 < manifest["starts"] <= KILLS + STOPS + 1  # a kill before the first save leaves no trace
    assert not (tmp_path / "broken/.ablate/checkpoints" / run.id).exists()

    done = steps(tmp_path / "broken")
    for (one, last), (two, first) in pairwise(done):
        lost = int(last) + 1 - int(first)
        assert lost == 0 if one == two else lost <= 1, done  # the step under way or being saved


def test_draws_that_depend_on_the_past_do_not_survive_a_kill(packs: dict[str, Path], tmp_path: Path) -> None:
    """The control: were this to pass unseen, the test above could not fail."""
    run = run_of("cifar-resnet7", augment="resnet-vs-plain")
    start(run, packs["cifar10"], tmp_path / "whole", stateful=True).join(600)
    broken(run, packs["cifar10"], tmp_path / "broken", stateful=True, kills=2, stops=0)
    assert digests(tmp_path / "broken")["w.safetensors"] != digests(tmp_path / "whole")["w.safetensors"]


def test_of_two_launches_of_a_run_one_trains_and_the_other_leaves(packs: dict[str, Path], tmp_path: Path) -> None:
    run = run_of("cifar-resnet7", epochs=60)
    first = start(run, packs["cifar10"], tmp_path / "here")
    while not steps(tmp_path / "here"):
        time.sleep(0.01)
    second = start(run, packs["cifar10"], tmp_path / "here")
    second.join(60)
    assert (
        second.exitcode == 1 and f"process {first.pid} trains this run already" in (tmp_path / "here/log").read_text()
    )
    assert first.is_alive() and {pid for pid, _ in steps(tmp_path / "here")} == {str(first.pid)}
    first.kill()
    first.join()
