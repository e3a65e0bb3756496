"""Images per second of this engine in training, at the sizes of a GPU.

    python benchmarks/throughput.py [--batch 1024] [--seconds 1] [--device auto] [--pixels 64]

Random images, augmented as in alexnet-vs-resnet, in bf16; a step run by Python and, on a GPU, replayed as a CUDA
graph (elsewhere both are the same). The last line is a JSON object: ``resnet18_images_per_s``,
``resnet50_images_per_s`` and ``alexnet_images_per_s`` (replayed), ``graphs_ratio`` (replayed / run by Python,
ResNet-18 with that batch), ``small_graphs_ratio`` (the ten-class AlexNet in batches of 12, fp32), ``peak_share``
(ResNet-18, of what this device reaches in a large bf16 matrix product; a step is three times the multiply-adds of a
forward pass).
"""

import argparse
import json
import time
from typing import Any

import numpy as np
import torch

from ablate.data.views import Pack
from ablate.plan.cost import multiply_adds
from ablate.plan.runs import Run
from ablate.plan.settings import Settings
from ablate.train.trainer import Trainer, name_of, pick_device


def random_pack(images: int, pixels: int, classes: int) -> Pack:
    """Random images (N, pixels, pixels, 3), of each class as many, and one more of each to validate on."""
    labels = np.concatenate([np.sort(np.arange(images) % classes), np.arange(classes)])
    pixel = np.random.default_rng(0).integers(0, 256, (len(labels), pixels, pixels, 3), np.uint8)
    meta = {"classes": [str(c) for c in range(classes)], "train": images, "image_size": pixels}
    return Pack(meta | {"mean": [0.5] * 3, "std_over_pixels": [0.25] * 3}, pixel, labels)


def trainer_of(pack: Pack, model: str, device: torch.device, mode: str | None, **settings: Any) -> Trainer:
    """A run of ``model`` on ``pack`` that never ends."""
    common = {"dataset": "tiny-imagenet", "optimizer": "sgd", "lr": 1e-3, "momentum": 0.9, "weight_decay": 5e-4}
    chosen = Settings.model_validate(common | {"model": model, "epochs": 10**6} | settings)
    run = Run(settings=chosen, seed=0, recipe=1, variant="embedded")
    trainer = Trainer(run, pack, None, torch.get_num_threads(), device, mode)
    trainer.model.train()
    return trainer


def images_per_s(trainer: Trainer, seconds: float) -> float:
    """Over ``seconds`` or more, after six steps in which kernels are chosen and a graph is captured."""

    def go(steps: int) -> None:
        for _ in range(steps):
            trainer.step()
            if trainer.at.step == trainer.loaders["train"].steps:
                trainer.at.epoch, trainer.at.step = trainer.at.epoch + 1, 0
        if trainer.device.type == "cuda":
            torch.cuda.synchronize()

    go(6)
    steps, began = 0, time.perf_counter()
    while not steps or time.perf_counter() - began < seconds:
        go(2)
        steps += 2
    return steps * trainer.s.batch_size / (time.perf_counter() - began)


def matrix_flops(device: torch.device, side: int) -> float:
    """Operations per second of a product of two bf16 matrices of ``side``: two a multiply-add."""
    a = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        a @ a
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return 2 * side**3 / min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement, at least")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--pixels", type=int, default=64)
    args = parser.parse_args()
    device = pick_device(args.device)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # as in training
    print(f"{name_of(device)}, torch {torch.__version__}, batch {args.batch}, {args.pixels} pixels")
    pack = random_pack(20 * args.batch, args.pixels, 10)
    large = {"batch_size": args.batch, "precision": "bf16", "augment": "alexnet-vs-resnet"}
    result: dict[str, float] = {}
    for name, model in (("resnet18", "resnet18"), ("resnet50", "resnet50"), ("alexnet", "alexnet")):
        result[f"{name}_images_per_s"] = images_per_s(trainer_of(pack, model, device, None, **large), args.seconds)
    small = {"batch_size": 12, "precision": "fp32", "augment": "none"}
    by_python = {"graphs_ratio": ("resnet18", large), "small_graphs_ratio": ("alexnet10", small)}
    for name, (model, settings) in by_python.items():
        replayed, stepped = (
            images_per_s(trainer_of(pack, model, device, mode, **settings), args.seconds) for mode in (None, "eager")
        )
        result[name] = replayed / stepped
        print(f"{model}, batch {settings['batch_size']}: {replayed:.0f} images/s replayed, {stepped:.0f} by Python")
    side = 8192 if device.type == "cuda" else 512
    operations = 6 * multiply_adds("resnet18", args.pixels) * result["resnet18_images_per_s"]
    result["peak_share"] = operations / matrix_flops(device, side)
    print(json.dumps({name: round(value, 4) for name, value in result.items()}))


if __name__ == "__main__":
    main()
