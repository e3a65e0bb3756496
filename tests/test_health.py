"""Whether a run has learnt: the numbers that training leaves in metrics.json, on cases whose answer is known."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from ablate.data.views import Pack
from ablate.plan.runs import Run
from ablate.train import health
from ablate.train.batch_norm import sample
from ablate.train.evaluate import Predictions
from ablate.train.job import train
from ablate.train.trainer import Trainer
from test_train import results, small

pytestmark = pytest.mark.usefixtures("own_folder")


def made(run: Run, pack: Path) -> Trainer:
    """Before its first step."""
    return Trainer(run, Pack.open(pack), None, 1, torch.device("cpu"))


def trained(pack: Path, out: Path, **settings: Any) -> dict[str, Any]:
    """metrics.json of a run of `small` on a CPU."""
    train(small(**settings), pack=pack, out=out, weights=out.with_suffix(".safetensors"), device="cpu")
    return results(out)


def predictions(labels: list[int], predicted: list[int]) -> Predictions:
    return Predictions([*range(len(labels))], labels, predicted, [1.0] * len(labels))


@given(st.integers(1, 10_000), st.floats(0, 1), st.floats(1e-3, 1))
def test_the_chance_of_so_many_right_is_the_exact_binomial_test_s(n: int, share: float, rate: float) -> None:
    """Oracle: scipy's, whose smallest numbers are a double's as well."""
    k = round(share * n)
    expected = binomtest(k, n, rate, alternative="greater").pvalue
    assert health.at_least(k, n, rate) == pytest.approx(expected, rel=1e-7, abs=1e-300)


def test_three_of_four_by_hand() -> None:
    """Two classes in equal parts: P(X >= 3) = (4 + 1) / 16."""
    found = health.against_chance("val", predictions([0, 1, 0, 1], [0, 1, 0, 0]))
    assert found == {
        "val_correct": 3, "val_chance": 0.5, "val_chance_p": pytest.approx(5 / 16), "val_most_predicted": 0.75,
    }  # fmt: skip


def test_a_constant_output_is_at_chance_also_where_classes_are_unequal() -> None:
    """Oracle: it gets the share of the class that it names. By 1 / classes, 80 of 100 would look like skill."""
    found = health.against_chance("test", predictions([0] * 80 + [1] * 20, [0] * 100))
    assert (found["test_chance"], found["test_most_predicted"], found["test_correct"]) == (0.8, 1.0, 80)
    assert found["test_chance_p"] > 0.5 > 1e-9 > binomtest(80, 100, 0.5, alternative="greater").pvalue
    assert (
        health.against_chance("val", predictions([0, 0], [0, 0]))["val_chance_p"] == 1
    )  # one class: nothing to know


@pytest.mark.parametrize(("losses", "slope", "relative", "n"), [
    ([9.0, 3.0, 2.0], -1.0, -0.4, 2),  # two epochs at least
    ([*[9.0] * 12, 3.0, 2.0, 1.0], -1.0, -0.5, 3),  # a fifth of 15
    ([*[9.0] * 13, 1.0, 4.0, 2.0], -1.8, -0.45, 4),  # of 16, rounded up: 9, 1, 4, 2
    ([0.0, 0.0], 0.0, 0.0, 2),
    ([2.3], None, None, 1),
    ([], None, None, 0),
])  # fmt: skip
def test_the_slope_is_that_of_the_last_fifth(
    losses: list[float], slope: float | None, relative: float | None, n: int
) -> None:
    """By hand."""
    found = health.slope(losses)
    assert found["slope_epochs"] == n
    assert (found["train_loss_slope"], found["train_loss_slope_relative"]) == pytest.approx((slope, relative))


@pytest.mark.parametrize(("n", "batch_size", "expected"), [
    (100, 32, 100), (97, 32, 96), (1, 32, 1), (5, 1, 5), (10_000, 64, 512), (10_000, 73, 511),
])  # fmt: skip
def test_the_sample_is_fixed_and_leaves_no_image_alone(n: int, batch_size: int, expected: int) -> None:
    """512 = 7 x 73 + 1."""
    rows = sample(n, batch_size, health.SAMPLE)
    assert len(rows) == len(set(rows.tolist())) == expected and int(rows.max()) < n
    assert torch.equal(rows, sample(n, batch_size, health.SAMPLE))


@pytest.mark.slow
def test_stale_averages_are_seen(packs: dict[str, Path]) -> None:
    """Momentum .99 in Keras's words (model 4) and 40 steps: two thirds of the averages are still their start.

    Oracle: the same weights with exact averages over the training images, by torch's `update_bn`.
    """
    steps = {"epochs": 10, "per_class": 12, "augment": "none", "lr": 0.1, "schedule": "constant"}
    run = small(model="cnn4", dropout=0.0, **steps)
    trainer = made(run, packs["cifar10"])
    for _ in range(10):
        assert len(list(trainer.steps())) == 4 and trainer.end_epoch()
    stale = health.batch_norm(trainer)
    assert stale["n_train_sample"] == 120
    assert stale["train_batch_top1"] > stale["train_running_top1"] + 0.3
    update_bn((images for _, images, _ in trainer.loaders["train"].batches()), trainer.model)
    exact = health.batch_norm(trainer)
    assert exact["train_batch_top1"] == stale["train_batch_top1"]  # which does not look at averages
    assert exact["train_running_top1"] > stale["train_running_top1"] + 0.3


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"ema": 0.9}, {"precision": "bf16"}, {"split": "holdout"}], ids=str)
def test_nothing_else_of_a_run_is_touched(
    settings: dict[str, Any], packs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the same run without these numbers. What it leaves, batch norm's buffers among its weights, and the
    state of torch's generator are equal to the byte; metrics have the same values besides."""
    with monkeypatch.context() as patch:
        patch.setattr(health, "of_run", lambda *_: {})
        plain, drawn = trained(packs["cifar10"], tmp_path / "plain", epochs=2, **settings), torch.get_rng_state()
    found = trained(packs["cifar10"], tmp_path / "run", epochs=2, **settings)
    assert torch.equal(torch.get_rng_state(), drawn)
    for name in ("run/history.csv", "run/predictions.csv", "run/filters.npy", "run.safetensors"):
        assert (tmp_path / name).read_bytes() == (tmp_path / name.replace("run", "plain", 1)).read_bytes(), name
    assert {key: found[key] for key in plain} == plain
    splits = ("val", "test") if "split" in settings else ("val",)
    assert found.keys() - plain.keys() == {
        *(f"{split}_{what}" for split in splits for what in ("correct", "chance", "chance_p", "most_predicted")),
        *("n_train_sample", "train_running_top1", "train_batch_top1"),
        *("train_loss_slope", "train_loss_slope_relative", "slope_epochs"),
    }
    assert found["val_correct"] == round(found["val_top1"] * found["n_val"])


def test_the_batches_statistics_are_those_of_training(packs: dict[str, Path]) -> None:
    """Oracle: the network in training mode on the same batches, which changes its buffers."""
    trainer = made(small(batch_size=16, dropout=0.0), packs["cifar10"])
    list(trainer.steps())
    before = {name: buffer.clone() for name, buffer in trainer.model.named_buffers()}
    found = health.batch_norm(trainer)
    assert all(torch.equal(buffer, before[name]) for name, buffer in trainer.model.named_buffers())
    assert not any(part.training for part in trainer.model.modules())
    trainer.model.train()
    right = sum(
        int((trainer.model(images).argmax(1) == labels).sum())
        for _, images, labels in trainer.loaders["train"].batches(sample(100, 16, health.SAMPLE))
    )
    assert found["train_batch_top1"] == right / 100
    assert any(not torch.equal(buffer, before[name]) for name, buffer in trainer.model.named_buffers())


class Own(nn.Module):
    """A network of someone's own: a convolution, no batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.conv(images).mean((2, 3)))  # type: ignore[no-any-return]


def test_a_network_without_batch_norm_has_one_accuracy(packs: dict[str, Path]) -> None:
    """Nor has one whose batch norm is frozen, or tracks no averages, any other."""
    trainer = made(small(), packs["cifar10"])
    for norm in (m for m in trainer.model.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.requires_grad_(False)
    assert health.batch_norm(trainer)["train_batch_top1"] is None
    for model in (
        Own(),
        nn.Sequential(Own().conv, nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten(), nn.Linear(3600, 10)),
    ):
        trainer.model = model
        found = health.batch_norm(trainer)
        assert 0 <= found["train_running_top1"] <= 1 and found["train_batch_top1"] is None


def test_a_run_that_diverged_has_no_such_numbers(packs: dict[str, Path], tmp_path: Path) -> None:
    found = trained(packs["cifar10"], tmp_path / "run", lr=1e30, augment="none")
    assert found["status"] == "diverged" and not [key for key in found if "chance" in key or "slope" in key]
