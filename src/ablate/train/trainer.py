"""A run in progress: network, optimiser and where they are, one step at a time, to be saved and gone on with."""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ablate.data.views import Pack
from ablate.errors import UserError
from ablate.models.build import build
from ablate.models.head import head_of
from ablate.models.own import seed_others
from ablate.models.registry import own
from ablate.models.weights import freeze_all_but_head, load_start, train_mode
from ablate.plan.runs import Run
from ablate.plan.settings import Settings
from ablate.runtime.gpus import GIB, Use
from ablate.runtime.manifest import processor
from ablate.train import augment
from ablate.train.batch_norm import reestimate, trained_norms
from ablate.train.evaluate import Predictions, Tally, evaluate, sums_of
from ablate.train.graphs import Graphs
from ablate.train.loader import Loader, seed_for
from ablate.train.optimise import Average, Patience, Rates, Schedule, clip, loss_of, make_optimizer
from ablate.train.precision import fastest
from ablate.train.small_maps import use_products


def pick_device(name: str) -> torch.device:
    """``auto`` is CUDA where there is one.

    Raises:
        UserError: For a CUDA that is not there.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("params.yaml: compute.device: cuda, but torch sees no CUDA device; use auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def limit_memory(device: torch.device, use: Use) -> None:
    """Keep torch's allocator to ``use.memory_gb`` GiB.

    Raises:
        UserError: For a GPU with less, or that is not there.
    """
    if device.type != "cuda" and use.gpus != "auto":
        raise UserError(f"params.yaml: compute.gpus: [{use.gpus}], but torch sees no such GPU; use auto")
    if device.type == "cuda" and use.memory_gb and not use.alone:
        total = torch.cuda.get_device_properties(device).total_memory
        use.check_memory(total, name_of(device))
        torch.cuda.set_per_process_memory_fraction(use.memory_gb * GIB / total)


def out_of_memory(error: RuntimeError) -> bool:
    """Whether memory ran out.

    torch's allocator says so on a GPU; CUDA and cuBLAS have their own words for it, and so has the allocator of a
    CPU.
    """
    words = ("CUDA error: out of memory", "STATUS_ALLOC_FAILED", "can't allocate memory")
    return isinstance(error, torch.OutOfMemoryError) or any(word in str(error) for word in words)


def name_of(device: torch.device) -> str:
    """What the device is called, for people and for the record."""
    return torch.cuda.get_device_name() if device.type == "cuda" else processor()


def network_of(s: Settings, classes: int, image_size: int) -> nn.Module:
    """The network of an arm, drawn from torch's generator.

    Raises:
        UserError: For one that cannot be built so.
    """
    try:
        return build(
            s.model,
            classes=classes,
            image_size=image_size,
            dropout=s.dropout,
            init=s.init,
            init_variance=s.init_variance,
            activation=s.activation,
            stem=s.stem,
            last_relu=s.last_relu,
            model_args=s.model_args,
        )
    except ValueError as error:
        raise UserError(f"{s.model} cannot be built for this data set: {error}") from error


@dataclass
class Position:
    """How far a run is, and what it has found: plain values, which a checkpoint holds beside the tensors."""

    epoch: int = 0
    step: int = 0  # of the epoch, the next one
    lr: float = 0.0  # at the epoch's first step
    tally: Tally = field(default_factory=Tally)  # of the epoch so far
    history: list[dict[str, Any]] = field(default_factory=list)  # a row per finished epoch
    best: dict[str, Any] = field(default_factory=dict)  # of the epoch with the best val accuracy
    seconds: float = 0.0  # of training alone
    starts: int = 0  # how often it was started


class Trainer:
    """A run in progress: network, optimiser, schedule and where they are."""

    def __init__(
        self,
        run: Run,
        opened: Pack,
        start: Path | None,
        threads: int,
        device: torch.device,
        compile_mode: str | None = None,
    ) -> None:
        s = run.settings
        self.run, self.s, self.device = run, s, device
        on_gpu = device.type == "cuda"
        if on_gpu:  # graphs are captured in the stream of all else, which must not be the default one
            torch.cuda.set_stream(torch.cuda.Stream(device))  # type: ignore[no-untyped-call]
        views = opened.views(s, run.seed)
        self.loaders = {name: Loader(view, s, opened.meta, device) for name, view in views.items()}
        self.model, self.replaced = self._network(opened, start)
        self.draws = own(s.model) is not None  # whose forward pass may draw from Python and NumPy as well
        self.optimizer = make_optimizer(self.model, s)
        self.schedule = Schedule(self.optimizer, s, self.loaders["train"].steps)
        self.average = Average(self.model, s.ema) if s.ema else None
        self.patience = Patience(s.stop_after)
        self.at = Position()
        self.found: dict[str, tuple[Tally, Predictions]] = {}  # of splits, since the last step
        self.best: dict[str, Tensor] | None = None  # with `keep: best`, weights of the epoch that is best so far
        self.precision = s.precision if s.precision != "auto" else self._measured(opened, threads)
        self.forward: Callable[[Tensor], Tensor] = self.model  # of training steps
        self.rates = Rates(self.optimizer, device) if on_gpu else None
        self.update = Graphs(self._update) if on_gpu and compile_mode is None else self._update
        if compile_mode not in (None, "eager"):
            from torch._inductor import config as inductor  # takes seconds to import

            inductor.fallback_random = True  # dropout draws as it does without compilation
            self.forward = torch.compile(self.model, mode=compile_mode, dynamic=False)
        else:
            use_products(self.model)

    def _network(self, opened: Pack, start: Path | None) -> tuple[nn.Module, list[str]]:
        s = self.s
        torch.manual_seed(seed_for(self.run.seed, "init"))
        model = network_of(s, len(opened.chosen(s)), opened.meta["image_size"])
        try:
            if s.finetune == "head" or start:
                head_of(model)
        except ValueError as error:
            raise UserError(f"{s.model} cannot be built for this data set: {error}") from error
        if own(s.model) and s.batchnorm == "reestimated" and not trained_norms(model):
            raise UserError(
                f"batchnorm: reestimated, but {s.model} has no batch normalisation with running averages; remove it"
            )
        replaced = load_start(model, start) if start else []
        if replaced:
            print(f"{self.run.id}: head of another size replaced: {', '.join(replaced)}", file=sys.stderr)
        if s.finetune == "head":
            freeze_all_but_head(model)
        return model.to(self.device, memory_format=torch.channels_last), replaced  # type: ignore[call-overload]

    def _measured(self, opened: Pack, threads: int) -> str:
        images, labels = self.loaders["train"].batch(self.run.seed, 0, 0)
        where = f"{name_of(self.device)}, {threads} threads"
        return fastest(self.s.network, lambda: use_products(self._network(opened, None)[0]), images, labels, where)

    def autocast(self) -> Any:
        """The arithmetic of forward passes."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16")

    def state(self) -> dict[str, Any]:
        """All that `load` needs to go on."""
        return {
            "at": vars(self.at) | {"tally": self.at.tally.plain()},
            "precision": self.precision,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "patience": self.patience.state_dict(),
            "best": self.best,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.at = Position(**state["at"] | {"tally": Tally(*state["at"]["tally"])})
        self.precision = state["precision"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for group in self.optimizer.param_groups:  # a checkpoint may come from another device
            if "capturable" in group:
                group["capturable"] = self.device.type == "cuda"
        self.schedule.load_state_dict(state["schedule"])
        if self.average:
            self.average.load_state_dict(state["average"])
        self.patience.load_state_dict(state["patience"])
        self.best = state["best"]

    def step(self) -> Tensor:
        """One optimiser step on the next batch; returns its mean loss, which the next step may write over.

        Draws depend on seed, epoch and step alone.
        """
        s, seed, at, loader = self.s, self.run.seed, self.at, self.loaders["train"]
        images, labels = loader.batch(seed, at.epoch, at.step)
        partner = share = None
        if s.mix != "none":
            generator = torch.Generator().manual_seed(seed_for(seed, "mix", at.epoch, at.step))
            images, partner, share = augment.MIXES[s.mix](images, generator)
        torch.manual_seed(seed_for(seed, "dropout", at.epoch, at.step))
        if self.draws:
            seed_others(seed_for(seed, "dropout", at.epoch, at.step))
        if self.rates:
            self.rates.write()
        self.found.clear()
        loss, sums = self.update(images, labels, partner, share)
        self.schedule.after_step()
        if self.average:
            self.average.update(self.model)
        at.tally.add(sums, len(labels))
        at.step += 1
        return loss

    def _update(
        self, images: Tensor, labels: Tensor, partner: Tensor | None, share: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Gradients of a batch and the optimiser's step; its mean loss and what the tally adds up."""
        with self.autocast():
            logits = self.forward(images)
        loss = loss_of(logits, labels, self.s.label_smoothing, partner, share)
        self.model.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.s.clip_norm:
            clip(self.model, self.s.clip_norm)
        with self.rates.lent() if self.rates else nullcontext():
            self.optimizer.step()
        loss = loss.detach()
        return loss, sums_of(logits.detach(), labels, loss)

    def steps(self) -> Iterator[Tensor]:
        """The rest of the epoch. Accuracy is measured in passing, with augmentation and dropout on."""
        train_mode(self.model)
        if self.at.step == 0:
            self.at.lr = self.optimizer.param_groups[0]["lr"]
        began = time.perf_counter()
        while self.at.step < self.loaders["train"].steps:
            loss = self.step()
            now = time.perf_counter()
            self.at.seconds += now - began
            yield loss
            began = time.perf_counter()

    @property
    def evaluated(self) -> nn.Module:
        """The network that results are of: the averaged one where there is one."""
        return self.average.module if self.average else self.model

    @property
    def kept(self) -> dict[str, Tensor]:
        """The weights to keep, on the CPU: of the best epoch where that is asked for, else as they are."""
        return self.best or self._weights()

    def _weights(self) -> dict[str, Tensor]:
        """A copy of each entry: safetensors refuses tensors that share memory, as tied weights do."""
        state = self.evaluated.state_dict()
        return {k: v.cpu().contiguous().clone() for k, v in state.items() if isinstance(v, Tensor)}

    def measure(self, split: str) -> tuple[Tally, Predictions]:
        """`evaluate` on a split, once between two steps: the last epoch's is what the run ends with."""
        if split not in self.found:
            self.found[split] = evaluate(self.evaluated, self.loaders[split].batches(), self.autocast)
        return self.found[split]

    def end_epoch(self) -> bool:
        """Evaluate, note the epoch and move on; False when the loss is no longer a number."""
        at = self.at
        if not math.isfinite(at.tally.metrics("train")["train_loss"]):
            return False
        if self.s.batchnorm == "reestimated":
            reestimate(self.evaluated, self.loaders["train"], self.autocast)
        val, _ = self.measure("val")
        if not math.isfinite(val.metrics("val")["val_loss"]):  # the last step was one too far
            return False
        row = {
            "epoch": at.epoch + 1,
            "lr": at.lr,
            **at.tally.metrics("train"),
            **val.metrics("val"),
        }
        if self.patience.better(row["val_top1"]):
            at.best = {"best_val_top1": row["val_top1"], "best_val_epoch": at.epoch + 1}
            if self.s.keep == "best":
                self.best = self._weights()
            if "test" in self.loaders:
                at.best["test_top1_at_best_val"] = self.measure("test")[0].metrics("test")["test_top1"]
        self.schedule.after_epoch(row["val_loss"])
        at.history.append(row)
        at.epoch, at.step, at.tally = at.epoch + 1, 0, Tally()
        return True
