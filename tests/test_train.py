"""Training on the embedded data: it learns, repeats to the bit, resumes to the bit, and counts right."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from ablate import checkpoint
from ablate import train as engine
from ablate.augment import AUGMENTS, _crop_matrix, _warp
from ablate.config import Params, Settings
from ablate.data.views import Pack
from ablate.errors import UserError
from ablate.evaluate import Tally
from ablate.files import digest
from ablate.plan import Run, make_plan
from ablate.train import train


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints and heartbeats go below the working directory."""
    monkeypatch.chdir(tmp_path)


def small(**changes: Any) -> Run:
    base = {
        "dataset": "cifar10", "model": "cifar-resnet7", "optimizer": "sgd", "lr": 0.02, "momentum": 0.9,
        "epochs": 3, "batch_size": 32, "per_class": 10, "augment": "resnet-vs-plain", "schedule": "cosine",
    }  # fmt: skip
    return Run(settings=Settings.model_validate(base | changes), seed=0, recipe=1, variant="embedded")


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text())  # type: ignore[no-any-return]


# The demo's arms that should beat chance, with the margin over 10 % that they must keep. Left out: AlexNet, which
# needs far more steps than the demo has, and alexnet10, whose val split is 40 images.
LEARNERS = {"ResNet-18 / none": 0.15, "cnn2": 0.25, "cifar-resnet7": 0.2, "Xavier": 0.08}


@pytest.mark.slow
@pytest.mark.parametrize("arm", LEARNERS)
def test_the_demo_s_arms_learn(arm: str, packs: dict[str, Path], params: Params, tmp_path: Path) -> None:
    """Oracle: chance is 1 in 10 on a balanced val split of 200 images, standard error 2.1 points."""
    run = next(p.run for p in make_plan(params).planned if p.arm == arm and p.run.seed == 0)
    train(run, pack=packs[run.settings.dataset], out=tmp_path / "run", threads=1, device="cpu")
    metrics = results(tmp_path / "run")
    assert metrics["n_val"] == 200
    assert metrics["val_top1"] > 0.1 + LEARNERS[arm]
    rows = list(csv.DictReader((tmp_path / "run" / "predictions.csv").open()))
    assert len(rows) == 200  # and they give the same accuracy
    assert sum(r["label"] == r["predicted"] for r in rows) / 200 == pytest.approx(metrics["val_top1"])


def test_same_run_same_bytes_and_another_seed_others(packs: dict[str, Path], tmp_path: Path) -> None:
    run = small(epochs=1)
    for name, this in (("a", run), ("b", run), ("c", run.model_copy(update={"seed": 1}))):
        train(
            this, pack=packs["cifar10"], out=tmp_path / name, weights=tmp_path / f"{name}.safetensors", device="cpu"
        )
    a, b, c = (digest(tmp_path / f"{name}.safetensors") for name in "abc")
    assert a == b != c
    assert (tmp_path / "a/predictions.csv").read_bytes() == (tmp_path / "b/predictions.csv").read_bytes()


def test_a_resumed_run_ends_in_the_same_bytes(
    packs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the unbroken run. Broken off after the second epoch, as a kill does."""
    run = small()
    train(run, pack=packs["cifar10"], out=tmp_path / "whole", weights=tmp_path / "whole.safetensors", device="cpu")
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    whole_epoch = engine._epoch

    def broken(*arguments: Any) -> Tally:
        if arguments[-1] == 2:
            raise KeyboardInterrupt
        return whole_epoch(*arguments)

    monkeypatch.setattr(engine, "_epoch", broken)
    with pytest.raises(KeyboardInterrupt):
        train(run, pack=packs["cifar10"], out=tmp_path / "part", device="cpu")
    assert not (tmp_path / "part").exists()
    epochs: list[int] = []

    def counted(*arguments: Any) -> Tally:
        epochs.append(arguments[-1])
        return whole_epoch(*arguments)

    monkeypatch.setattr(engine, "_epoch", counted)
    train(run, pack=packs["cifar10"], out=tmp_path / "part", weights=tmp_path / "part.safetensors", device="cpu")
    assert epochs == [2]  # the first two were not done again
    assert digest(tmp_path / "whole.safetensors") == digest(tmp_path / "part.safetensors")
    assert not list((tmp_path / ".ablate/checkpoints").iterdir())


def test_a_damaged_checkpoint_starts_over(packs: dict[str, Path], tmp_path: Path, capsys: Any) -> None:
    run = small(epochs=1)
    checkpoint = tmp_path / ".ablate/checkpoints" / f"{run.id}.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"half a file")
    train(run, pack=packs["cifar10"], out=tmp_path / "run", device="cpu")
    assert "damaged checkpoint" in capsys.readouterr().err
    assert results(tmp_path / "run")["status"] == "done"


def test_divergence_is_a_result(packs: dict[str, Path], tmp_path: Path) -> None:
    run = small(lr=1e30, augment="none")
    train(run, pack=packs["cifar10"], out=tmp_path / "run", device="cpu")
    assert results(tmp_path / "run")["status"] == "diverged"
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "run.json", "metrics.json", "history.csv", "predictions.csv", "manifest.json",
    }  # fmt: skip


def test_weights_start_a_run_and_another_architecture_is_refused(packs: dict[str, Path], tmp_path: Path) -> None:
    source = tmp_path / "w.safetensors"
    train(small(epochs=1), pack=packs["cifar10"], out=tmp_path / "source", weights=source, device="cpu")
    fewer = small(epochs=1, classes=(0, 5), lr=1e-9)
    train(fewer, pack=packs["cifar10"], out=tmp_path / "fewer", start=source, device="cpu")
    replaced = results(tmp_path / "fewer")["replaced_head"]
    assert len(replaced) == 2  # weight and bias of the head, said so
    with pytest.raises(UserError, match="another architecture"):
        train(small(model="cnn2"), pack=packs["cifar10"], out=tmp_path / "no", start=source, device="cpu")
    with pytest.raises(UserError, match="cannot be built"):
        train(small(model="alexnet"), pack=packs["cifar10"], out=tmp_path / "no", device="cpu")


def test_fine_tuning_the_head_alone_leaves_the_rest_to_the_byte(packs: dict[str, Path], tmp_path: Path) -> None:
    """Batch normalisation's running statistics included. Oracle: the file that the run started from."""
    source, tuned = tmp_path / "w.safetensors", tmp_path / "tuned.safetensors"
    train(small(epochs=1), pack=packs["cifar10"], out=tmp_path / "source", weights=source, device="cpu")
    run = small(epochs=1, weights=f"file:{source}", finetune="head", lr=0.1)
    train(run, pack=packs["cifar10"], out=tmp_path / "run", start=source, weights=tuned, device="cpu")
    before, after = load_file(source), load_file(tuned)
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"12.weight", "12.bias"}
    start = json.loads((tmp_path / "run/manifest.json").read_text())["start"]
    assert start == {"weights": f"file:{source}", "sha256": digest(source)}


def test_metrics_are_sums_divided_once() -> None:
    """By hand: 3 of 4 right in a batch of four, 0 of 1 in a last batch of one: 3 / 5, not the mean of 3/4 and 0."""
    tally = Tally()
    logits = torch.tensor([[2.0, 0], [2, 0], [0, 2], [2, 0]])
    first, last = torch.tensor([0, 0, 1, 1]), torch.tensor([1])
    tally.add(logits, first, cross_entropy(logits, first))
    tally.add(logits[:1], last, cross_entropy(logits[:1], last))
    everything = cross_entropy(torch.cat([logits, logits[:1]]), torch.cat([first, last]))
    assert tally.metrics("val") == {"val_top1": 0.6, "val_loss": pytest.approx(float(everything)), "n_val": 5}


@pytest.mark.parametrize("name", AUGMENTS)
def test_augmentations_keep_shape_and_range_and_follow_their_generator(name: str, packs: dict[str, Path]) -> None:
    images = torch.from_numpy(Pack.open(packs["tiny-imagenet"]).images[:64].copy()).permute(0, 3, 1, 2).float() / 255
    once, again, other = (AUGMENTS[name](images, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert once.shape == images.shape and once.min() >= 0 and once.max() <= 1
    assert torch.equal(once, again)
    assert torch.equal(once, other) == (name == "none")
    if name != "none":
        assert (once - images).abs().mean() > 0.01


def test_a_mirrored_whole_crop_is_a_flip_and_a_crop_is_a_resize() -> None:
    """Oracles: torch.flip, and torch's bilinear interpolation of the cut-out square."""
    images = torch.rand(2, 3, 64, 64)
    one, zero = torch.ones(2), torch.zeros(2)
    flipped = _warp(images, _crop_matrix(one, one, zero, zero, -one), "border")
    assert torch.allclose(flipped, images.flip(3), atol=1e-5)
    side, left, top = one * 56 / 64, one * 3 / 64, one * 5 / 64
    cropped = _warp(images, _crop_matrix(side, side, left, top, one), "border")
    cut = images[:, :, 5:61, 3:59]
    resized = torch.nn.functional.interpolate(cut, (64, 64), mode="bilinear", align_corners=False)
    assert torch.allclose(cropped[:, :, 2:-2, 2:-2], resized[:, :, 2:-2, 2:-2], atol=1e-5)


@pytest.mark.parametrize("limit_kb", [1, 500])
def test_no_space_left_is_one_message(limit_kb: int, packs: dict[str, Path], tmp_path: Path) -> None:
    """A real refusal of the kernel's to write more, in the small files (1 kB) and in the weights (500 kB)."""
    words = f"'{Path(sys.executable).with_name('ablate')}' train --run '{small(epochs=1).to_json()}' " \
            f"--pack {packs['cifar10']} --out out --weights w.safetensors --device cpu"  # fmt: skip
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f {limit_kb}; {words}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "cannot write" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out/metrics.json").exists() and not list(tmp_path.rglob("*.part"))
