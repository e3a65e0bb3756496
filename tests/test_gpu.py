"""What only a real GPU can show; skipped where there is none."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ablate.data.views import Pack
from ablate.errors import UserError
from ablate.plan.runs import Run
from ablate.plan.settings import Settings
from ablate.runtime.gpus import Use, usable
from ablate.runtime.signals import Interrupted
from ablate.train.evaluate import evaluate
from ablate.train.graphs import FIRST, Graphs
from ablate.train.job import train
from ablate.train.trainer import Trainer, limit_memory

pytestmark = [
    pytest.mark.usefixtures("own_folder"),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use"),
]

# Of each, what a captured step might get wrong: draws, rates that move, state that an optimiser makes, other batches.
STEPS: dict[str, dict[str, Any]] = {
    "dropout, a step schedule": {"model": "alexnet10", "schedule": "step", "step_epochs": 2, "gamma": 0.1},
    "batch normalisation, cosine": {"model": "resnet18", "schedule": "cosine"},
    "bf16": {"model": "resnet18", "schedule": "cosine", "precision": "bf16"},
    "adam, warm-up": {"model": "cnn2", "optimizer": "adam", "momentum": 0.0, "lr": 1e-3, "warmup_epochs": 2},
    "adamw, one cycle": {"model": "cnn2", "optimizer": "adamw", "momentum": 0.0, "lr": 1e-3, "schedule": "one-cycle"},
    "rmsprop": {"model": "cnn2", "optimizer": "rmsprop", "lr": 1e-4, "schedule": "constant"},
    "mixed images, smoothing": {"model": "cnn2", "mix": "mixup", "label_smoothing": 0.1},
    "averaged weights, clipping": {"model": "cnn2", "ema": 0.9, "clip_norm": 1.0},
    "augmentation, small shapes left over": {"model": "resnet18", "augment": "alexnet-vs-resnet", "batch_size": 24},
}


def planned(**changes: Any) -> Run:
    base = {
        "dataset": "tiny-imagenet", "classes": (0, 10), "optimizer": "sgd", "lr": 0.01, "momentum": 0.9, "epochs": 6,
        "batch_size": 32, "per_class": 10, "augment": "none", "schedule": "constant", "precision": "fp32",
    }  # fmt: skip
    return Run(settings=Settings.model_validate(base | changes), seed=0, recipe=1, variant="embedded")


def left_by(folder: Path) -> dict[str, bytes]:
    names = ("metrics.json", "history.csv", "predictions.csv", "filters.npy", "w.safetensors")
    return {name: (folder / name).read_bytes() for name in names}


@pytest.mark.parametrize("kind", STEPS)
def test_a_replayed_step_is_the_step_to_the_byte(kind: str, packs: dict[str, Path], tmp_path: Path) -> None:
    """Oracle: the same run, each step run by Python; 24 steps or more, the first few of which are alike."""
    for mode in ("eager", None):
        train(
            planned(**STEPS[kind]), pack=packs["tiny-imagenet"], out=tmp_path / str(mode), device="cuda",
            weights=tmp_path / str(mode) / "w.safetensors", compile_mode=mode,
        )  # fmt: skip
    assert left_by(tmp_path / "eager") == left_by(tmp_path / "None")


@pytest.mark.parametrize("kind", ["dropout, a step schedule", "bf16", "adam, warm-up", "averaged weights, clipping"])
def test_it_goes_on_to_the_same_bytes(
    kind: str, packs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the same run without a stop. Stopped by a signal in the middle of the third epoch, when steps are
    replayed; it begins again with steps that are not."""
    step = Trainer.step

    def signalled(self: Trainer) -> torch.Tensor:
        if (self.at.epoch, self.at.step) == (2, 1):
            signal.raise_signal(signal.SIGUSR1)
        return step(self)

    def go(name: str) -> None:
        out = tmp_path / name
        pack, weights = packs["tiny-imagenet"], out / "w.safetensors"
        train(planned(**STEPS[kind]), pack=pack, out=out, weights=weights, device="cuda")

    go("whole")
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(Trainer, "step", signalled)
        go("parts")
    go("parts")
    assert json.loads((tmp_path / "parts/manifest.json").read_text())["starts"] == 2
    assert left_by(tmp_path / "whole") == left_by(tmp_path / "parts")


def test_a_network_that_cannot_be_captured_is_one_message_and_trains_eagerly() -> None:
    layer = nn.Linear(4, 2).cuda()

    def step(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        out = layer(x)
        return (out * float(out.sum()),)  # waits for the GPU

    graphs, x = Graphs(step), torch.ones(3, 4, device="cuda")
    with torch.cuda.stream(torch.cuda.Stream()):  # type: ignore[no-untyped-call]
        for _ in range(FIRST):
            graphs(x)
        with pytest.raises(UserError, match=r"compute\.compile: .*set compile: eager"):
            graphs(x)


def test_evaluation_is_of_each_image_whatever_the_batch(packs: dict[str, Path]) -> None:
    """Oracle: the predictions on batches of another size; sums are of the same images."""
    pack = Pack.open(packs["tiny-imagenet"])
    trainer = Trainer(planned(model="resnet18"), pack, None, 1, torch.device("cuda"))
    large = evaluate(trainer.model, trainer.loaders["val"].batches(), trainer.autocast)
    whole = list(trainer.loaders["val"].batches())
    halves = [tuple(part[i::2] for part in batch) for batch in whole for i in (0, 1)]
    small = evaluate(trainer.model, halves, trainer.autocast)  # type: ignore[arg-type]
    assert len(whole) == 1 and sorted(large[1].position) == sorted(small[1].position)
    by_position = dict(zip(small[1].position, small[1].probability, strict=True))
    assert large[1].probability == pytest.approx([by_position[p] for p in large[1].position], rel=1e-3)


def test_the_gpu_that_torch_sees_is_the_one_that_was_found() -> None:
    """Oracle: torch's own UUID of its first device."""
    found = usable("auto", Use())
    assert f"GPU-{torch.cuda.get_device_properties(0).uuid}" in {gpu.uuid for gpu in found}


def test_memory_that_runs_out_is_a_result_of_a_run_that_was_alone(packs: dict[str, Path], tmp_path: Path) -> None:
    """In a process of its own, since a limit stays. 0.1 GiB hold no ResNet-18 with its gradients and activations."""
    run = planned(model="resnet18", batch_size=100)
    words = ["train", "--run", run.to_json(), "--pack", str(packs["tiny-imagenet"]), "--device", "cuda"]
    for options, status in ([], "done"), (["--gpu-memory-gb", "0.1"], "out-of-memory"):
        out = tmp_path / status
        code = [sys.executable, "-m", "ablate", *words, "--out", str(out), *options]
        done = subprocess.run(code, capture_output=True, text=True, check=False)
        assert json.loads((out / "metrics.json").read_text())["status"] == status, done.stderr


def test_more_memory_than_there_is_is_one_message() -> None:
    with pytest.raises(UserError, match="gpu_memory_gb"):
        limit_memory(torch.device("cuda"), Use(memory_gb=10_000.0))
