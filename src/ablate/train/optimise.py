"""How a run is optimised: optimiser, learning rates, averaged weights, loss, early stopping.

Each is torch's own implementation, set up from `Settings`, whose combinations `ablate.plan.settings` has checked.
What has a state gives it as a dict of plain values and tensors that `torch.load(weights_only=True)` reads back.
A run that goes on from it ends in the same bytes as one that was not interrupted.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import lr_scheduler as rates
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ablate.plan.settings import Settings

if TYPE_CHECKING:
    from jaxtyping import Float, Int

Tensors = tuple[Tensor, ...] | list[Tensor]


def make_optimizer(model: nn.Module, s: Settings) -> torch.optim.Optimizer:
    """torch's optimiser over the parameters of ``model`` that require a gradient, already on their device.

    Adam, AdamW: beta 0.9 and 0.999, epsilon 1e-8. RMSprop: alpha 0.99, epsilon 1e-8, added after the root.
    Weight decay is added to the gradient (L2); AdamW's is decoupled (Loshchilov and Hutter, 2019): it shrinks
    a weight by lr * weight_decay of itself. Both act on all parameters, biases and normalisation included.
    Kernels are torch's fused ones for CPU and CUDA. RMSprop has none; its foreach form takes their place.
    Clear gradients by ``model.zero_grad()``: the optimiser may hold views of them.

    Raises:
        ValueError: no parameter requires a gradient.
    """
    params = [p for p in model.parameters() if p.requires_grad]
    # The fused kernels copy what is not contiguous, channels_last weights among it, at every step: twice the time.
    # So they get views of the same memory in the order in which it lies, and the gradients likewise.
    views = [p if p.is_contiguous() else nn.Parameter(_as_it_lies(p.detach())) for p in params]
    pairs = [(p, view) for p, view in zip(params, views, strict=True) if view is not p]

    def hand_over(*_: Any) -> None:
        for p, view in pairs:
            view.grad = None if p.grad is None else _as_it_lies(p.grad)

    optimizer: torch.optim.Optimizer = _optimizer(views, s)
    optimizer.register_step_pre_hook(hand_over)
    return optimizer


def _as_it_lies(weight: Tensor) -> Tensor:
    """(O, I, K, K) in channels_last as (O, K, K, I), contiguous; any other as it is."""
    return weight.permute(0, 2, 3, 1) if weight.ndim == 4 else weight


def _optimizer(params: list[nn.Parameter], s: Settings) -> Any:
    lr, decay = s.lr, s.weight_decay
    on_gpu = any(p.is_cuda for p in params)  # where its step counts must be tensors for a CUDA graph to hold them
    match s.optimizer:
        case "sgd":
            return _light(torch.optim.SGD)(
                params, lr, momentum=s.momentum, weight_decay=decay, nesterov=s.nesterov, fused=True
            )
        case "adam":
            return _light(torch.optim.Adam)(params, lr, weight_decay=decay, fused=True, capturable=on_gpu)
        case "adamw":
            return _light(torch.optim.AdamW)(params, lr, weight_decay=decay, fused=True, capturable=on_gpu)
        case "rmsprop":
            return _light(torch.optim.RMSprop)(
                params, lr, weight_decay=decay, momentum=s.momentum, foreach=True, capturable=on_gpu
            )


def _light(kind: type[Any]) -> Any:
    """``kind`` without the wrappers that tell torch.compile to leave it alone.

    They import torch._dynamo at the first call, compiled or not, which takes as long as importing torch. What else
    the one around ``step`` does is to turn gradients off.
    """
    names = ("step", "add_param_group", "state_dict", "load_state_dict", "zero_grad")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    return type(kind.__name__, (kind,), methods | {"step": torch.no_grad()(methods["step"])})


class Rates:
    """Learning rates as tensors on a GPU, where a CUDA graph reads them; a schedule sets the numbers beside them."""

    def __init__(self, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        self._groups = optimizer.param_groups
        self._tensors = [torch.zeros((), device=device) for _ in self._groups]
        self._written: list[float | None] = [None] * len(self._groups)

    def write(self) -> None:
        """Call before a step, outside of a graph."""
        for i, group in enumerate(self._groups):
            if group["lr"] != self._written[i]:
                self._tensors[i].fill_(group["lr"])
                self._written[i] = group["lr"]

    @contextmanager
    def lent(self) -> Iterator[None]:
        """The optimiser's step, within this context, reads the tensors."""
        numbers = [group["lr"] for group in self._groups]
        for group, tensor in zip(self._groups, self._tensors, strict=True):
            group["lr"] = tensor
        try:
            yield
        finally:
            for group, number in zip(self._groups, numbers, strict=True):
                group["lr"] = number


class Schedule:
    """Sets the optimiser's learning rate for each step, from the making of this object on.

    Constant, cosine (down to 0 at the end), step and multi-step move at the end of an epoch. So does plateau: by
    gamma after more than ``patience`` epochs in a row whose validation loss is not below the best by 1e-4 of it.
    One-cycle moves every step: up from lr/25 over 30 % of them and down to lr/250,000, both along a cosine
    (Smith and Topin, 2018, as fastai has it). torch would also cycle the momentum, Adam's first beta included;
    here momentum stays as set, so that a run does what its settings say.

    Warm-up comes first: over its n steps the rate is lr/n, 2 lr/n, ..., lr. The schedule then begins at lr and
    counts its epochs (cosine's length, step_epochs, milestones, patience) from there.

    Make the object before loading a state of the optimiser: making it sets the rate of the first step.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, s: Settings, steps_per_epoch: int) -> None:
        self._epochs = 0  # that have ended
        self._warmup_epochs = s.warmup_epochs
        self._main = _main(optimizer, s, steps_per_epoch)
        self._warmup: rates.LambdaLR | None = None
        self._warmup_steps = n = s.warmup_epochs * steps_per_epoch
        if n:
            # Last, as making a schedule sets the rate. LambdaLR computes each rate from lr; LinearLR computes it
            # from the one before, and ends beside lr by the rounding. SequentialLR cannot count steps, then epochs.
            self._warmup = rates.LambdaLR(optimizer, lambda step: (step + 1) / n)

    def after_step(self) -> None:
        """Call after each step of the optimiser."""
        if self._warmup is not None and self._warmup.last_epoch < self._warmup_steps - 1:
            self._warmup.step()
        # After its last step OneCycleLR would go on, upwards.
        elif isinstance(self._main, rates.OneCycleLR) and self._main.last_epoch < self._main.total_steps - 1:
            self._main.step()

    def after_epoch(self, val_loss: float) -> None:
        """Call at an epoch's end, after its last `after_step`, with the loss that plateau goes by."""
        self._epochs += 1
        if self._epochs <= self._warmup_epochs or isinstance(self._main, rates.OneCycleLR):
            return
        if isinstance(self._main, rates.ReduceLROnPlateau):
            self._main.step(val_loss)
        else:
            self._main.step()

    def state_dict(self) -> dict[str, Any]:
        """The position, to go with the optimiser's state, which holds the rate itself."""
        return {
            "epochs": self._epochs,
            "main": self._main.state_dict(),
            "warmup": self._warmup.state_dict() if self._warmup else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state of the same settings; load the optimiser's too."""
        self._epochs = state["epochs"]
        self._main.load_state_dict(state["main"])
        if self._warmup:
            self._warmup.load_state_dict(state["warmup"])


def _main(optimizer: torch.optim.Optimizer, s: Settings, steps_per_epoch: int) -> rates.LRScheduler:
    """The schedule without its warm-up."""
    match s.schedule:
        case "constant":
            return rates.ConstantLR(optimizer, 1.0)
        case "cosine":
            return rates.CosineAnnealingLR(optimizer, s.epochs - s.warmup_epochs)
        case "step":
            assert s.step_epochs is not None and s.gamma is not None  # `check_settings`, as all below
            return rates.StepLR(optimizer, s.step_epochs, s.gamma)
        case "multi-step":
            assert s.milestones is not None and s.gamma is not None
            return rates.MultiStepLR(optimizer, s.milestones, s.gamma)
        case "plateau":
            assert s.gamma is not None and s.patience is not None
            return rates.ReduceLROnPlateau(optimizer, factor=s.gamma, patience=s.patience)
        case "one-cycle":
            return rates.OneCycleLR(optimizer, s.lr, s.epochs * steps_per_epoch, cycle_momentum=False)


class Average(AveragedModel):
    """Exponential moving average of a model's weights, in `module`, a copy of it.

    The first `update` copies the model; each later one sets average = decay * average + (1 - decay) * model.

    BatchNorm's running statistics are averaged likewise. The averaged weights stand for those of the last
    1 / (1 - decay) steps, and so do statistics averaged over the same steps; a copy would be the statistics of the
    last weights alone. (Exact ones would take a pass over the training images: `torch.optim.swa_utils.update_bn`.)
    Integer buffers, which count batches, are copied: torch would cut their average to whole numbers.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        ema = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

        def mean(averaged: Tensors, current: Tensors, updates: Tensor | int) -> None:
            """For tensors of one type and device."""
            if averaged[0].is_floating_point():
                ema(averaged, current, updates)
            else:
                torch._foreach_copy_(averaged, current)

        super().__init__(model, multi_avg_fn=mean, use_buffers=True)

    def update(self, model: nn.Module) -> None:
        """Take in ``model``; call after each step of the optimiser."""
        self.update_parameters(model)


def clip(model: nn.Module, norm: float) -> None:
    """Scale all gradients together so that their joint Euclidean norm is at most ``norm`` (Pascanu et al., 2013).

    A norm that is not finite is no error here: the loss shows it.
    """
    nn.utils.clip_grad_norm_(model.parameters(), norm, error_if_nonfinite=False)


class Patience:
    """Early stopping: `exhausted` once ``limit`` epochs have passed since the best one; None: never."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.best = -math.inf
        self.waited = 0  # epochs since the best

    def better(self, val_top1: float) -> bool:
        """Take in an epoch's validation accuracy; whether it is the best so far. A tie is not, nor is NaN."""
        if val_top1 > self.best:
            self.best, self.waited = val_top1, 0
            return True
        self.waited += 1
        return False

    @property
    def exhausted(self) -> bool:
        """Whether the run should stop."""
        return self.limit is not None and self.waited >= self.limit

    def state_dict(self) -> dict[str, float]:
        """For `load_state_dict`."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from what `state_dict` gave."""
        self.best, self.waited = state["best"], int(state["waited"])


def loss_of(
    logits: Float[Tensor, "n classes"],
    labels: Int[Tensor, " n"],
    smoothing: float,
    partner: Int[Tensor, " n"] | None = None,
    share: Float[Tensor, " n"] | None = None,
) -> Float[Tensor, ""]:
    """Mean cross-entropy of a batch, in nats per image, computed in float32.

    Label smoothing e makes the target 1 - e + e/C for the label and e/C for each other class (Szegedy et al., 2016).
    For mixed images (Zhang et al., 2018) each target is share times the label's plus 1 - share times the partner's.

    Args:
        logits: What the network says, in any precision.
        labels: In [0, classes).
        smoothing: In [0, 1).
        partner: The image in the batch that each was mixed with; goes with ``share``.
        share: In [0, 1]: the part of each that is its own.
    """
    logits = logits.float()
    if partner is None:
        return cross_entropy(logits, labels, label_smoothing=smoothing)
    assert share is not None
    own, other = (
        cross_entropy(logits, y, reduction="none", label_smoothing=smoothing) for y in (labels, labels[partner])
    )
    return (share * own + (1 - share) * other).mean()
