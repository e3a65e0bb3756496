"""Train one run and write everything that later steps read about it.

All randomness is a function of (seed, purpose, epoch), so arms with the same seed share initial weights and data
order where their axes allow it, and a resumed run goes on exactly where it stopped.
"""

import csv
import hashlib
import io
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ablate.augment import AUGMENTS
from ablate.checkpoint import Checkpoint
from ablate.config import Settings
from ablate.data.views import Pack, View, content_digest
from ablate.errors import UserError
from ablate.evaluate import Predictions, Tally, evaluate
from ablate.files import digest, whole, write_json, write_text
from ablate.models import build
from ablate.plan import Run
from ablate.progress import Heartbeat, heartbeat_path
from ablate.provenance import manifest, processor
from ablate.weights import freeze_all_but_head, load_start, train_mode

# ImageNet's, as torchvision's models expect them; quoted in tinyimage10, section 3.1.
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def seed_for(seed: int, purpose: str, epoch: int = 0) -> int:
    """A 63-bit seed for one purpose in one epoch."""
    text = f"{seed}/{purpose}/{epoch}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1


class Feed:
    """One split on the device: uint8 images gathered, scaled, augmented and normalised a batch at a time."""

    def __init__(self, view: View, settings: Settings, meta: dict[str, Any], device: torch.device) -> None:
        self.positions = torch.from_numpy(view.positions)
        self.images = torch.from_numpy(view.images[view.positions]).to(device)  # (n, S, S, 3) uint8
        self.labels = torch.from_numpy(view.labels).to(device)
        own = settings.normalize == "pack"
        mean, std = (meta["mean"], meta["std_over_pixels"]) if own else (IMAGENET_MEAN, IMAGENET_STD)
        self.mean, self.std = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (mean, std))
        self.augment = AUGMENTS[settings.augment]
        self.batch_size = settings.batch_size

    def batches(self, shuffle: int | None = None, draw: int | None = None) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield (positions (B,), images (B, 3, S, S) float, labels (B,)).

        ``shuffle`` and ``draw`` seed the order and the augmentation; None leaves them out.
        """
        n = len(self.labels)
        order = torch.arange(n)
        if shuffle is not None:
            order = torch.randperm(n, generator=torch.Generator().manual_seed(shuffle))
        generator = torch.Generator().manual_seed(draw) if draw is not None else None
        for chosen in torch.split(order, self.batch_size):
            rows = chosen.to(self.labels.device)
            images = self.images[rows].permute(0, 3, 1, 2).float().div_(255)  # channels_last by its strides
            if generator is not None:
                images = self.augment(images, generator)
            images = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
            yield self.positions[chosen], images, self.labels[rows]


def pick_device(name: str) -> torch.device:
    """``auto`` is CUDA where there is one. Raises UserError for a CUDA that is not there."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("params.yaml: compute.device: cuda, but torch sees no CUDA device; use auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def make_optimizer(model: nn.Module, s: Settings) -> tuple[torch.optim.Optimizer, Any]:
    """torch's fused optimiser, and its schedule, stepped once an epoch."""
    if s.optimizer == "sgd":
        optimizer: torch.optim.Optimizer = torch.optim.SGD(
            model.parameters(), s.lr, momentum=s.momentum, weight_decay=s.weight_decay, fused=True
        )
    else:
        optimizer = torch.optim.Adam(model.parameters(), s.lr, weight_decay=s.weight_decay, fused=True)
    if s.schedule == "cosine":
        return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, s.epochs)
    if s.schedule == "step":
        assert s.step_epochs is not None and s.gamma is not None  # the schema's own check
        return optimizer, torch.optim.lr_scheduler.StepLR(optimizer, s.step_epochs, s.gamma)
    return optimizer, torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)


def train(
    run: Run,
    *,
    pack: Path,
    out: Path,
    start: Path | None = None,
    weights: Path | None = None,
    threads: int = 1,
    device: str = "auto",
) -> None:
    """Train ``run`` on ``pack`` (pack.json) and write run, metrics, history, predictions and manifest into ``out``.

    ``start`` holds the weights to start from, ``weights`` is where to keep the trained ones (safetensors).
    A loss that is not finite ends the run as ``status: diverged``, which is a result.
    """
    began = time.perf_counter()
    s, seed = run.settings, run.seed
    target = pick_device(device)
    torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)  # CUDA lacks a few; they warn
    opened = Pack.open(pack)
    feeds = {name: Feed(view, s, opened.meta, target) for name, view in opened.views(s).items()}

    torch.manual_seed(seed_for(seed, "init"))
    try:
        model = build(
            s.model,
            classes=len(opened.chosen(s)),
            image_size=opened.meta["image_size"],
            dropout=s.dropout,
            init=s.init,
            init_variance=s.init_variance,
            activation=s.activation,
            stem=s.stem,
        )
    except ValueError as error:
        raise UserError(f"{s.model} cannot be built for this data set: {error}") from error
    replaced = load_start(model, start) if start else []
    if replaced:
        print(f"{run.id}: head of another size replaced: {', '.join(replaced)}", file=sys.stderr)
    if s.finetune == "head":
        freeze_all_but_head(model)
    model = model.to(target, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer, schedule = make_optimizer(model, s)
    dtype = torch.bfloat16 if s.precision == "bf16" else None

    saved = Checkpoint(run, content_digest(opened.meta))
    history = saved.restore(model, optimizer, schedule)
    status, trained = "done", 0
    with Heartbeat(heartbeat_path(run.id), run=run.id, epochs=s.epochs) as heart:
        for epoch in range(len(history), s.epochs):
            at = time.perf_counter()
            tally = _epoch(model, feeds["train"], optimizer, dtype, seed, epoch)
            took = time.perf_counter() - at
            if not torch.isfinite(torch.tensor(tally.loss)):
                status = "diverged"
                break
            trained += tally.n
            val, _ = evaluate(model, feeds["val"].batches(), dtype)
            row = {
                "epoch": epoch + 1,
                "lr": optimizer.param_groups[0]["lr"],
                **tally.metrics("train"),
                **val.metrics("val"),
                "train_s": round(took, 3),
            }
            schedule.step()
            history.append(row)
            heart.epoch(epoch + 1, tally.n / took, train_top1=row["train_top1"], val_top1=row["val_top1"])
            saved.keep(model, optimizer, schedule, history)

    metrics: dict[str, Any] = {"status": status, "epochs": len(history)}
    tables = {}
    if history:
        best = max(history, key=lambda r: (r["val_top1"], -r["epoch"]))
        metrics |= {k: v for k, v in history[-1].items() if k not in ("epoch", "lr", "train_s")}
        metrics |= {"best_val_top1": best["val_top1"], "best_val_epoch": best["epoch"]}
    if status == "done":
        for split in [name for name in feeds if name != "train"]:
            tally, tables[split] = evaluate(model, feeds[split].batches(), dtype)
            metrics |= tally.metrics(split)
    if replaced:
        metrics["replaced_head"] = replaced
    seconds = sum(r["train_s"] for r in history)
    write_json(out / "run.json", {"run": run.id, **run.model_dump(mode="json")})
    write_text(out / "history.csv", _csv(history, ["epoch"]))
    write_text(out / "predictions.csv", _predictions(tables))
    write_json(
        out / "manifest.json",
        manifest(
            model=s.model,
            pack_digest=content_digest(opened.meta),
            archive=opened.meta["archive"],
            start={"weights": s.weights, "sha256": digest(start)} if start else None,
            wall_s=time.perf_counter() - began,
            images_per_s=sum(r["n_train"] for r in history) / seconds if seconds else 0.0,
            device=torch.cuda.get_device_name() if target.type == "cuda" else processor(),
            threads=threads,
            deterministic=torch.are_deterministic_algorithms_enabled(),
        ),
    )
    if weights:
        with whole(weights) as part:
            part.write_bytes(save({k: v.cpu().contiguous() for k, v in model.state_dict().items()}))
    write_json(out / "metrics.json", metrics)  # last: its presence says that the run is complete
    saved.remove()


def _epoch(
    model: nn.Module,
    feed: Feed,
    optimizer: torch.optim.Optimizer,
    dtype: torch.dtype | None,
    seed: int,
    epoch: int,
) -> Tally:
    """One pass over the training images. Accuracy is measured in passing, with augmentation and dropout on."""
    train_mode(model)
    torch.manual_seed(seed_for(seed, "dropout", epoch))
    tally = Tally()
    for _, images, labels in feed.batches(seed_for(seed, "order", epoch), seed_for(seed, "augment", epoch)):
        with torch.autocast(images.device.type, dtype=dtype, enabled=dtype is not None):
            logits = model(images)
        loss = cross_entropy(logits.float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        tally.add(logits.detach(), labels, loss.detach())
    return tally


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
        columns["probability"] = [round(p, 6) for p in columns["probability"]]
        rows += [
            {"split": split, **dict(zip(columns, values, strict=True))}
            for values in zip(*columns.values(), strict=True)
        ]
    return _csv(rows, ["split", *asdict(Predictions())])
