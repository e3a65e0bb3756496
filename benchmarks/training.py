"""Images per second of this engine beside a training loop in the usual style, in one process, on the same images.

    python benchmarks/training.py [--repeat 3] [--steps 12] [--batch 64] [--device auto]

The usual loop: torchvision's ImageFolder, v2 transforms, a DataLoader with two workers, float32, eager. This engine:
the pack, whole-batch augmentation, and the precision that `precision: auto` chooses. Both train the same network on
the demo's 64x64 images with the augmentation of alexnet-vs-resnet, turn by turn. The last line is a JSON object of
medians: ``resnet18_ratio`` and ``alexnet_ratio`` (engine / usual), ``input_ratio`` (augmented input alone),
``input_share`` (of the engine's ResNet-18 step), and the ``processor``'s class, by which these differ: avx2, avx512
or avx512_bf16. ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 before the command make an avx2 of either other.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from ablate.data.embedded import write_tiny_imagenet
from ablate.data.pack import make_pack
from ablate.data.reorganise import reorganise
from ablate.data.verify import verify
from ablate.data.views import Pack
from ablate.files import write_json
from ablate.models._torchvision import import_torchvision
from ablate.models.build import build
from ablate.plan.params import load
from ablate.plan.runs import Run
from ablate.plan.settings import Settings
from ablate.runtime.cores import keep_freed_memory
from ablate.train.trainer import Trainer, name_of, pick_device

ROOT = Path(__file__).parents[1]
LR = {"resnet18": 0.02, "alexnet": 0.01}


def processor_class() -> str:
    """The vector units that torch uses, and whether they multiply bf16."""
    level = torch.backends.cpu.get_cpu_capability().lower()
    return "avx512_bf16" if level == "avx512" and torch.cpu._is_avx512_bf16_supported() else level


def prepared(folder: Path) -> tuple[Path, Path]:
    """The demo's Tiny ImageNet as pack.json and as class folders."""
    spec = load(ROOT / "params.yaml", {"scale": "demo"}).datasets["tiny-imagenet"]
    archive, index, images, report = (folder / name for name in ("archive", "index.csv", "images.npy", "verify.json"))
    write_tiny_imagenet(archive, **spec.generator)
    write_json(folder / "archive.json", {})
    verify(archive, spec, index=index, images=images, pairs=folder / "d.csv", report=report)
    pack = folder / "pack.json"
    make_pack(images, index=index, report=report, receipt=folder / "archive.json", pack=pack)
    reorganise(archive, spec.layout, index=index, tree=folder / "tree", receipt=folder / "tree.json")
    return pack, folder / "tree"


def loader(tree: Path, batch: int) -> DataLoader[Any]:
    torchvision = import_torchvision()
    from torchvision.transforms import v2  # after the above, which makes it importable

    transform = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(brightness=(0.9, 1.08), contrast=(0.9, 1.08)),
            v2.RandomResizedCrop(64, scale=(0.8, 0.95)),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    data = torchvision.datasets.ImageFolder(str(tree / "train"), transform)
    return DataLoader(data, batch, shuffle=True, num_workers=2, drop_last=True, persistent_workers=True)


def forever(batches: DataLoader[Any]) -> Iterator[Any]:
    while True:
        yield from batches


def usual(model: str, batches: Iterator[Any], classes: int, device: torch.device) -> Callable[[], None]:
    """A step of the usual loop."""
    torch.manual_seed(0)
    net = build(model, classes=classes, image_size=64).to(device).train()
    optimizer = torch.optim.SGD(net.parameters(), LR[model], momentum=0.9, weight_decay=5e-4)
    running = [0.0]

    def step() -> None:
        images, labels = next(batches)
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = cross_entropy(net(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        running[0] += loss.item()

    return step


def engine(model: str, pack: Pack, batch: int, device: torch.device) -> Trainer:
    settings = Settings(
        dataset="tiny-imagenet", model=model, augment="alexnet-vs-resnet", optimizer="sgd", lr=LR[model],
        momentum=0.9, weight_decay=5e-4, epochs=10**6, batch_size=batch, precision="auto",
    )  # fmt: skip
    run = Run(settings=settings, seed=0, recipe=1, variant="embedded")
    trainer = Trainer(run, pack, None, torch.get_num_threads(), device)
    trainer.model.train()
    return trainer


def step_of(trainer: Trainer) -> Callable[[], None]:
    def step() -> None:
        trainer.step()
        if trainer.at.step == trainer.loaders["train"].steps:
            trainer.at.epoch, trainer.at.step = trainer.at.epoch + 1, 0

    return step


def input_of(trainer: Trainer) -> Callable[[], None]:
    train, n = trainer.loaders["train"], iter(range(10**9))
    return lambda: (train.batch(0, *divmod(next(n), train.steps)), None)[1]


def seconds(step: Callable[[], Any], steps: int, device: torch.device, rest: float = 0.0) -> float:
    """Of one step, on average, after ``rest`` seconds in which the loader's workers fill their queue."""
    time.sleep(rest)
    began = time.perf_counter()
    for _ in range(steps):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12, help="of each side at a time")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    device, here = pick_device(args.device), Path.cwd()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    keep_freed_memory()  # of both sides: they share the process
    with tempfile.TemporaryDirectory() as folder:
        path, tree = prepared(Path(folder))
        os.chdir(folder)  # the measured precision is kept below the working directory
        pack = Pack.open(path)
        batches = forever(loader(tree, args.batch))
        result: dict[str, float] = {}
        print(f"{name_of(device)}, {torch.get_num_threads()} threads, torch {torch.__version__}, batch {args.batch}")
        for model in ("resnet18", "alexnet"):
            trainer = engine(model, pack, args.batch, device)
            ours, theirs = step_of(trainer), usual(model, batches, len(pack.meta["classes"]), device)
            times: dict[str, list[float]] = {"engine": [], "usual": []}
            for step in (ours, theirs):
                seconds(step, 3, device)  # to warm up
            for n in range(args.repeat):
                for side, step in (("engine", ours), ("usual", theirs))[:: 1 if n % 2 else -1]:
                    times[side].append(seconds(step, args.steps, device, rest=0.5 if side == "engine" else 0))
            fast, slow = (args.batch / statistics.median(times[side]) for side in ("engine", "usual"))
            ratios = [b / a for a, b in zip(times["engine"], times["usual"], strict=True)]
            result[f"{model}_ratio"] = round(statistics.median(ratios), 3)
            print(f"{model}: {fast:.0f} images/s in {trainer.precision}, {slow:.0f} in the usual loop")
            if model == "resnet18":
                batch = input_of(trainer)
                share = [seconds(batch, args.steps, device) / t for t in times["engine"]]
                result["input_share"] = round(statistics.median(share), 4)
        pairs = []
        for _ in range(args.repeat):
            own = seconds(input_of(trainer), 100, device, rest=0.5)
            seconds(lambda: next(batches), 4, device)  # what was in the queue
            pairs.append((own, seconds(lambda: next(batches), 50, device)))
        mine, other = (args.batch / statistics.median(side) for side in zip(*pairs, strict=True))
        result["input_ratio"] = round(statistics.median(b / a for a, b in pairs), 3)
        print(f"augmented input alone: {mine:.0f} images/s, {other:.0f} from two workers")
        os.chdir(here)
    print(json.dumps(result | {"processor": processor_class()}))


if __name__ == "__main__":
    main()
