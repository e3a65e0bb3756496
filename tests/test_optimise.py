"""Optimisation: every step, learning rate and loss equals its formula, and a restored run ends in the same bits."""

from __future__ import annotations

import copy
import io
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Adam, AdamW, RMSprop, lr_scheduler

from ablate.train.optimise import Average, Patience, Schedule, clip, loss_of, make_optimizer
from recipes import OPTIMIZERS, SCHEDULES, Recipe, recipes

VAL_LOSSES = [1.0, 0.9, 0.9, 0.95, 0.8, 0.9]  # after the fourth epoch two in a row were no better


def by_hand(s: Recipe, w: float, gradients: list[float]) -> float:
    """One weight after a step for each gradient, as the papers (and torch's pages) write the rules."""
    velocity = first = second = 0.0
    for t, g in enumerate(gradients, 1):
        if s.optimizer == "adamw":
            w -= s.lr * s.weight_decay * w
        else:
            g += s.weight_decay * w
        if s.optimizer == "sgd":
            velocity = s.momentum * velocity + g
            w -= s.lr * (g + s.momentum * velocity if s.nesterov else velocity)
        elif s.optimizer == "rmsprop":
            second = 0.99 * second + 0.01 * g**2
            velocity = s.momentum * velocity + g / (math.sqrt(second) + 1e-8)
            w -= s.lr * velocity
        else:
            first = 0.9 * first + 0.1 * g
            second = 0.999 * second + 0.001 * g**2
            w -= s.lr * (first / (1 - 0.9**t)) / (math.sqrt(second / (1 - 0.999**t)) + 1e-8)
    return w


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_equal_the_formula(name: str) -> None:
    """Oracle: `by_hand`, after one step and after three, which show the momentum."""
    s = Recipe(**OPTIMIZERS[name])
    model = nn.Linear(2, 1, bias=False, dtype=torch.float64)
    start, gradients = [1.0, -2.0], [[0.5, -0.25], [-0.1, 0.3], [0.7, 0.0]]
    with torch.no_grad():
        model.weight.copy_(torch.tensor([start]))
    optimizer = make_optimizer(model, s)
    for t, gradient in enumerate(gradients, 1):
        model.weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        expected = [by_hand(s, w, [g[i] for g in gradients[:t]]) for i, w in enumerate(start)]
        assert model.weight[0].tolist() == pytest.approx(expected, rel=1e-9), t


def test_weight_decay_by_numbers() -> None:
    """Oracle, on paper: w = 1, g = 0.5, lr 0.1, decay 0.2. L2 in sgd: 1 - 0.1 * 0.7. Adam's first step is lr times
    the gradient's sign, so L2 is lost in it, while AdamW first takes 0.1 * 0.2 from the weight."""
    for name, expected in (("sgd", 0.93), ("adam", 0.9), ("adamw", 0.88)):
        model = nn.Linear(1, 1, bias=False, dtype=torch.float64)
        nn.init.ones_(model.weight)
        model.weight.grad = torch.full((1, 1), 0.5, dtype=torch.float64)
        make_optimizer(model, Recipe(**OPTIMIZERS[name])).step()
        assert model.weight.item() == pytest.approx(expected, rel=1e-7), name


def net() -> nn.Sequential:
    """No bias before the normalisation: its gradient is rounding alone, which Adam would make as large as any."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def batch(step: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(step)
    return torch.randn(16, 4, generator=generator), torch.randint(3, (16,), generator=generator)


def fit(model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    images, labels = batch(step)
    optimizer.zero_grad()
    loss_of(model(images), labels, 0.1).backward()
    clip(model, 0.5)
    optimizer.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fused_kernels_agree_with_torch_s_plain_loop(name: str) -> None:
    s = Recipe(lr=0.01, **OPTIMIZERS[name])
    more: dict[str, Any] = {"lr": s.lr, "weight_decay": s.weight_decay, "foreach": False}
    more |= {"momentum": s.momentum} if s.optimizer in ("sgd", "rmsprop") else {}
    more |= {"nesterov": s.nesterov} if s.optimizer == "sgd" else {}
    ours, theirs = net(), net()
    fused = make_optimizer(ours, s)
    plain = {"sgd": SGD, "adam": Adam, "adamw": AdamW, "rmsprop": RMSprop}[s.optimizer](theirs.parameters(), **more)
    assert isinstance(fused, type(plain))
    assert fused.defaults["foreach" if s.optimizer == "rmsprop" else "fused"] is True
    for step in range(10):
        fit(ours, fused, step)
        fit(theirs, plain, step)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_channels_last_weights_are_stepped_as_contiguous_ones(name: str) -> None:
    """They reach the optimiser as views: the same numbers, in the order in which they lie."""
    s = Recipe(**OPTIMIZERS[name])
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 1), nn.Flatten(), nn.Linear(5, 2))
    moved = copy.deepcopy(plain).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert not moved[0].weight.is_contiguous()
    models = (plain, moved)
    optimizers = [make_optimizer(model, s) for model in models]
    for step in range(3):
        for model, optimizer in zip(models, optimizers, strict=True):
            generator = torch.Generator().manual_seed(step)
            for p in model.parameters():
                p.grad = torch.empty_like(p).copy_(torch.randn(p.shape, generator=generator))
            optimizer.step()
    for a, b in zip(plain.parameters(), moved.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_frozen_parameters_are_left_out(name: str) -> None:
    model = net()
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    optimizer = make_optimizer(model, Recipe(**OPTIMIZERS[name]))
    assert [id(p) for p in optimizer.param_groups[0]["params"]] == [id(p) for p in model[1:].parameters()]
    fit(model, optimizer, 0)
    assert torch.equal(model[0].weight, before)
    with pytest.raises(ValueError, match="empty parameter list"):
        make_optimizer(net().requires_grad_(False), Recipe())


def learning_rates(s: Recipe, steps: int, losses: list[float] = VAL_LOSSES) -> list[float]:
    """The rate of each step of a run with ``steps`` per epoch."""
    optimizer = make_optimizer(nn.Linear(1, 1), s)
    schedule = Schedule(optimizer, s, steps)
    found = []
    for epoch in range(s.epochs):
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.after_step()
        schedule.after_epoch(losses[epoch])
    return found


def one_cycle(lr: float, n: int) -> list[float]:
    """The closed formula: half a cosine from lr/25 to lr up to step 0.3 n - 1, half a one to lr/250,000 at n - 1."""
    peak, low, end = 0.3 * n - 1, lr / 25, lr / 250_000
    up = [low + (lr - low) * (1 - math.cos(math.pi * k / peak)) / 2 for k in range(n) if k <= peak]
    down = [(k - peak) / (n - 1 - peak) for k in range(len(up), n)]
    return up + [end + (lr - end) * (1 + math.cos(math.pi * part)) / 2 for part in down]


BY_EPOCH = {  # of six epochs at lr 0.1
    "constant": [0.1] * 6,
    "cosine": [0.1 * (1 + math.cos(math.pi * epoch / 6)) / 2 for epoch in range(6)],
    "step": [0.1, 0.1, 0.05, 0.05, 0.025, 0.025],
    "multi-step": [0.1, 0.01, 0.01, 0.01, 0.001, 0.001],
    "plateau": [0.1, 0.1, 0.1, 0.1, 0.05, 0.05],
}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 3, 10])
def test_learning_rates_equal_the_formula(name: str, steps: int) -> None:
    """Oracle: `BY_EPOCH`, by hand, each epoch's for all its steps; one-cycle's formula."""
    expected = one_cycle(0.1, 6 * steps) if name == "one-cycle" else [r for r in BY_EPOCH[name] for _ in range(steps)]
    assert learning_rates(Recipe(schedule=name, **SCHEDULES[name]), steps) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name != "one-cycle"])
@pytest.mark.parametrize(("warm", "steps"), [(1, 1), (1, 3), (2, 7)])
def test_warm_up_is_linear_and_then_the_schedule_begins(name: str, warm: int, steps: int) -> None:
    """Oracle: lr k/n for the k-th of n steps; then, to the bit, the schedule without warm-up in fewer epochs."""
    n, rest = warm * steps, Recipe(schedule=name, epochs=6, lr=0.3, **SCHEDULES[name])
    whole = Recipe(schedule=name, epochs=6 + warm, lr=0.3, warmup_epochs=warm, **SCHEDULES[name])
    found = learning_rates(whole, steps, [0.1] * warm + VAL_LOSSES)  # plateau does not see warm-up's losses
    assert found[:n] == [0.3 * ((k + 1) / n) for k in range(n)]
    assert found[n:] == learning_rates(rest, steps)


def test_schedules_by_epoch_are_torch_s_to_the_bit() -> None:
    """Oracle: torch's class, stepped once an epoch, over the length of a real run."""
    for name, more, make in (
        ("constant", {}, lambda o: lr_scheduler.ConstantLR(o, 1.0)),
        ("cosine", {}, lambda o: lr_scheduler.CosineAnnealingLR(o, 200)),
        ("step", {"step_epochs": 25, "gamma": 0.1}, lambda o: lr_scheduler.StepLR(o, 25, 0.1)),
    ):
        optimizer = SGD([nn.Parameter(torch.zeros(1))], 0.1)
        scheduler, expected = make(optimizer), []
        for _ in range(200):
            expected.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        assert learning_rates(Recipe(schedule=name, epochs=200, **more), 1, [1.0] * 200) == expected


def test_one_cycle_keeps_momentum_and_stays_at_its_end() -> None:
    for more in ({"optimizer": "sgd", "momentum": 0.8}, {"optimizer": "adam"}):
        s = Recipe(schedule="one-cycle", epochs=2, **more)
        optimizer = make_optimizer(nn.Linear(1, 1), s)
        schedule = Schedule(optimizer, s, 5)
        for _ in range(12):  # two more than the run has
            optimizer.step()
            schedule.after_step()
            group = optimizer.param_groups[0]
            assert (group["momentum"] if "momentum" in more else group["betas"][0]) == more.get("momentum", 0.9)
        assert group["lr"] == pytest.approx(0.1 / 25 / 1e4, rel=1e-9)


def test_plateau_wants_an_improvement_of_a_ten_thousandth() -> None:
    """Oracle, by hand: 0.99995 after 1 is none, NaN is none, 0.9998 is one. Patience 1: two in a row reduce."""
    s = Recipe(schedule="plateau", gamma=0.5, patience=1, epochs=7)
    rates = learning_rates(s, 1, [1.0, 0.99995, 0.9998, math.nan, 0.9998, 0.9998, 0.9998])
    assert rates == [0.1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05]


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    """As a checkpoint does it."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)  # type: ignore[no-any-return]


class Job:
    """A small run with everything that has a state."""

    def __init__(self, s: Recipe, steps: int) -> None:
        self.model, self.steps, self.done = net(), steps, 0
        self.optimizer = make_optimizer(self.model, s)
        self.schedule = Schedule(self.optimizer, s, steps)
        self.average, self.patience = Average(self.model, 0.9), Patience(3)

    def parts(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if hasattr(v, "load_state_dict")}

    def step(self) -> float:
        rate: float = self.optimizer.param_groups[0]["lr"]
        fit(self.model, self.optimizer, self.done)
        self.schedule.after_step()
        self.average.update(self.model)
        self.done += 1
        if self.done % self.steps == 0:
            loss = VAL_LOSSES[self.done // self.steps - 1]
            self.schedule.after_epoch(loss)
            self.patience.better(1 - loss)
        return rate


@pytest.mark.parametrize("s", recipes())
def test_a_restored_run_goes_on_to_the_bit(s: Recipe) -> None:
    """Oracle: the unbroken run. Broken off after every step, within epochs and at their ends."""
    steps = 2
    unbroken = Job(s, steps)
    rates, states = [], []
    for _ in range(s.epochs * steps):
        states.append(through_a_file({k: v.state_dict() for k, v in unbroken.parts().items()}))
        rates.append(unbroken.step())
    for at, state in enumerate(states):
        job = Job(s, steps)
        job.done = at
        for name, part in job.parts().items():
            part.load_state_dict(state[name])
        assert [job.step() for _ in rates[at:]] == rates[at:], at
        for one, other in ((job.model, unbroken.model), (job.average, unbroken.average)):
            for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
                assert torch.equal(a, b), at
        assert job.patience.state_dict() == unbroken.patience.state_dict()


def test_average_equals_the_formula() -> None:
    """Oracle: the first model, then decay * average + (1 - decay) * model, in float64; counters as the model's."""
    model = net()
    optimizer, average = make_optimizer(model, Recipe()), Average(model, 0.8)
    expected: dict[str, Tensor] = {}
    for step in range(6):
        fit(model, optimizer, step)
        before = {k: v.clone() for k, v in model.state_dict().items()}
        average.update(model)
        assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
        now = {k: v.double() for k, v in before.items()}
        expected = {k: 0.8 * expected[k] + 0.2 * v for k, v in now.items()} if expected else now
    found = average.module.state_dict()
    assert found.pop("1.num_batches_tracked") == model[1].num_batches_tracked == 6
    assert "1.running_var" in found
    for key, value in found.items():
        torch.testing.assert_close(value.double(), expected[key], rtol=1e-5, atol=1e-6)


def test_patience() -> None:
    patience = Patience(2)
    seen = [(patience.better(top1), patience.exhausted) for top1 in (0.0, 0.3, 0.3, 0.4, math.nan, 0.2, 0.5)]
    assert [better for better, _ in seen] == [True, True, False, True, False, False, True]
    assert [exhausted for _, exhausted in seen] == [False, False, False, False, False, True, False]
    patience.better(0.1)
    again = Patience(2)
    again.load_state_dict(through_a_file(patience.state_dict()))
    assert not again.better(0.5) and again.exhausted
    endless = Patience(None)
    assert [endless.better(0.1) for _ in range(100)] == [True] + [False] * 99 and not endless.exhausted


def test_clip_scales_all_gradients_together() -> None:
    """Oracle: the joint norm of (3, 4) and (0, 12) is 13; torch divides by the norm + 1e-6."""
    model = nn.Linear(2, 2)
    rows, bias = torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([0.0, 12.0])
    for norm, factor in ((20.0, 1.0), (6.5, 0.5)):
        model.weight.grad, model.bias.grad = rows.clone(), bias.clone()
        clip(model, norm)
        torch.testing.assert_close(model.weight.grad, rows * factor)
        torch.testing.assert_close(model.bias.grad, bias * factor)
    model.bias.grad = torch.tensor([math.nan, 0.0])
    clip(model, 1.0)  # no error: the loss shows it


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("mixed", [False, True])
def test_loss_equals_soft_targets_written_out(smoothing: float, mixed: bool) -> None:
    """Oracle: -sum over classes of target * log softmax, mean over images, in float64."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(32, 5, generator=generator)
    labels = torch.randint(5, (32,), generator=generator)
    partner, share = torch.randperm(32, generator=generator), torch.rand(32, generator=generator)
    target = torch.zeros(32, 5, dtype=torch.float64)
    for i in range(32):
        own = float(share[i]) if mixed else 1.0
        target[i] += smoothing / 5
        target[i, labels[i]] += (1 - smoothing) * own
        target[i, labels[partner[i]]] += (1 - smoothing) * (1 - own)
    expected = -(target * logits.double().log_softmax(1)).sum(1).mean()
    found = loss_of(logits, labels, smoothing, *((partner, share) if mixed else ()))
    assert float(found) == pytest.approx(float(expected), rel=1e-6)


def test_the_plain_loss_is_torch_s_to_the_bit_and_in_float32() -> None:
    logits, labels = torch.randn(64, 10, generator=torch.Generator().manual_seed(1)), torch.arange(64) % 10
    assert torch.equal(loss_of(logits, labels, 0.0), cross_entropy(logits, labels))
    half = logits.bfloat16()
    assert torch.equal(loss_of(half, labels, 0.1), loss_of(half.float(), labels, 0.1))
