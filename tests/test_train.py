"""Training on the embedded data: it learns, repeats to the bit, and counts right."""

import csv
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from ablate.data.views import Pack
from ablate.errors import UserError
from ablate.files import digest
from ablate.plan.params import load
from ablate.plan.runs import Run
from ablate.plan.settings import Settings
from ablate.runtime.run_lock import taken_at
from ablate.train import trainer
from ablate.train.evaluate import Tally, evaluate, sums_of
from ablate.train.job import train
from ablate.train.loader import _bounds, home
from ablate.train.trainer import Trainer
from conftest import ROOT

pytestmark = pytest.mark.usefixtures("own_folder")


def small(**changes: Any) -> Run:
    base = {
        "dataset": "cifar10", "model": "cifar-resnet7", "optimizer": "sgd", "lr": 0.02, "momentum": 0.9,
        "epochs": 3, "batch_size": 32, "per_class": 10, "augment": "resnet-vs-plain", "schedule": "cosine",
    }  # fmt: skip
    return Run(settings=Settings.model_validate(base | changes), seed=0, recipe=1, variant="embedded")


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text())  # type: ignore[no-any-return]


# What must learn on the demo's data in five epochs of the official split, and by how much it must beat chance. Not
# here: AlexNet, which needs far more steps, and alexnet10.
LEARNERS: dict[str, tuple[float, dict[str, Any]]] = {
    "resnet18": (0.15, {"lr": 0.02}),
    "cnn2": (
        0.25,
        {"optimizer": "adam", "momentum": 0.0, "lr": 1e-3, "augment": "five-cnns"},
    ),
    "cifar-resnet7": (0.2, {"dataset": "cifar10", "lr": 0.01, "classes": None}),
}


def learner(model: str, **changes: Any) -> Run:
    base = {"dataset": "tiny-imagenet", "classes": (0, 10), "augment": "none", "per_class": None, "epochs": 5,
            "batch_size": 16, "model": model}  # fmt: skip
    return small(**base | LEARNERS[model][1] | changes)


@pytest.mark.slow
def test_a_job_imports_neither_torch_s_compiler_nor_what_tables_need(packs: dict[str, Path], tmp_path: Path) -> None:
    """Oracle: sys.modules after a whole `ablate train`. torch._dynamo alone takes as long to import as torch."""
    code = """
import sys
from ablate.cli.main import app
app(standalone_mode=False)
print({"torch._dynamo", "torch._inductor", "pandas", "scipy", "ruamel.yaml", "ablate.papers.paper"} & {*sys.modules})
"""
    # One of torchvision's, and one of ours. A small one, since most of a large one's time would be its weights'.
    for model in ("torchvision:squeezenet1_1", "cifar-resnet7"):
        run = small(dataset="tiny-imagenet", classes=(0, 10), model=model, epochs=1, per_class=2)
        words = ["train", "--run", run.to_json(), "--pack", str(packs["tiny-imagenet"]), "--out", model]
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
        assert (done.stdout, results(Path(model))["epochs"]) == ("set()\n", 1), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("model", LEARNERS)
def test_networks_learn(model: str, packs: dict[str, Path], tmp_path: Path) -> None:
    """Oracle: chance is 1 in 10 on a balanced val split of 50 or 100 images, standard error 4.2 or 3 points."""
    run = learner(model)
    train(run, pack=packs[run.settings.dataset], out=tmp_path / "run", threads=1, device="cpu")
    metrics = results(tmp_path / "run")
    n = metrics["n_val"]
    assert n == (100 if run.settings.dataset == "cifar10" else 50)
    assert metrics["val_top1"] > 0.1 + LEARNERS[model][0]
    rows = list(csv.DictReader((tmp_path / "run" / "predictions.csv").open()))
    assert len(rows) == n  # and they give the same accuracy
    assert sum(r["label"] == r["predicted"] for r in rows) / n == pytest.approx(metrics["val_top1"])
    assert np.load(tmp_path / "run/filters.npy").shape[1] == 3


@pytest.mark.slow
def test_with_shuffled_labels_val_stays_at_chance(packs: dict[str, Path], tmp_path: Path) -> None:
    """Oracle: chance, 1 in 10. A class's images look alike and get one label together, so the ten classes count and
    not the 50 images: the standard error is sqrt(0.1 * 0.9 / 10), 9.5 points. The true labels reach 35 % (above)."""
    train(learner("cnn2", labels="shuffled"), pack=packs["tiny-imagenet"], out=tmp_path / "run", device="cpu")
    assert abs(results(tmp_path / "run")["val_top1"] - 0.1) < 2 * 0.095


def test_shuffling_moves_training_labels_alone(packs: dict[str, Path]) -> None:
    pack = Pack.open(packs["cifar10"])
    true, shuffled = (pack.views(small(labels=kind).settings, 0) for kind in ("true", "shuffled"))
    assert sorted(true["train"].labels) == sorted(shuffled["train"].labels)
    assert (true["train"].labels != shuffled["train"].labels).mean() > 0.8  # 9 in 10 by chance
    assert (true["val"].labels == shuffled["val"].labels).all()
    assert (true["train"].positions == shuffled["train"].positions).all()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_run_computes_the_same(packs: dict[str, Path], tmp_path: Path) -> None:
    """Oracle: the run without compilation, dropout's draws included; the order of sums may differ."""
    run = small(epochs=1, per_class=8)
    for mode in (None, "default"):
        train(run, pack=packs["cifar10"], out=tmp_path / str(mode), device="cpu", compile_mode=mode)
    plain, compiled = (results(tmp_path / str(mode)) for mode in (None, "default"))
    assert compiled["train_loss"] == pytest.approx(plain["train_loss"], rel=1e-3)
    assert json.loads((tmp_path / "default/manifest.json").read_text())["compile"] == "default"


@pytest.mark.slow
def test_compiling_without_a_compiler_is_one_message(
    packs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own, since torch remembers what it compiled."""
    text = f"""
from ablate.train.job import train
from ablate.plan.runs import Run
from datetime import UTC, datetime
from pathlib import Path
train(Run.from_json({small(epochs=1).to_json()!r}), pack=Path({str(packs["cifar10"])!r}), out=Path("out"),
      device="cpu", compile_mode="default")
"""
    env = os.environ | {"CXX": "/nowhere/c++", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", text], env=env, capture_output=True, text=True, check=False)
    assert "ablate.errors.UserError: params.yaml: compute.compile: default: " in done.stderr
    assert "compile: null" in done.stderr


@pytest.mark.slow
def test_same_run_same_bytes_and_another_seed_others(packs: dict[str, Path], tmp_path: Path) -> None:
    run = small(epochs=1)
    for name, this in (("a", run), ("b", run), ("c", run.model_copy(update={"seed": 1}))):
        train(
            this, pack=packs["cifar10"], out=tmp_path / name, weights=tmp_path / f"{name}.safetensors", device="cpu"
        )
    a, b, c = (digest(tmp_path / f"{name}.safetensors") for name in "abc")
    assert a == b != c
    assert (tmp_path / "a/predictions.csv").read_bytes() == (tmp_path / "b/predictions.csv").read_bytes()


def test_a_split_is_evaluated_once_between_two_steps(
    packs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand: val and test after each of two epochs: the first is the best so far, and results are of the second."""
    seen = []

    def counted(*arguments: Any) -> Any:
        seen.append(arguments)
        return evaluate(*arguments)

    monkeypatch.setattr(trainer, "evaluate", counted)
    run = small(epochs=2, split="holdout")
    train(run, pack=packs["cifar10"], out=tmp_path / "run", device="cpu")
    metrics = results(tmp_path / "run")
    assert len(seen) == 4
    last = list(csv.DictReader((tmp_path / "run/history.csv").open()))[-1]
    assert (metrics["val_top1"], metrics["val_loss"]) == (float(last["val_top1"]), float(last["val_loss"]))


@pytest.mark.slow
def test_early_stopping_and_the_best_epoch_are_named(packs: dict[str, Path], tmp_path: Path) -> None:
    """At a rate of 1e-12 nothing changes: the first epoch stays the best, and two more end the run."""
    run = small(epochs=9, lr=1e-12, stop_after=2, split="holdout", per_class=None)
    train(run, pack=packs["cifar10"], out=tmp_path / "run", device="cpu")
    metrics = results(tmp_path / "run")
    history = list(csv.DictReader((tmp_path / "run/history.csv").open()))
    best = max(range(len(history)), key=lambda n: (float(history[n]["val_top1"]), -n))
    assert metrics["status"] == "plateau" and metrics["epochs"] == len(history) == best + 3 < 9
    assert metrics["best_val_epoch"] == best + 1 and metrics["best_val_top1"] == float(history[best]["val_top1"])
    assert metrics["n_test"] == 50 and 0 <= metrics["test_top1_at_best_val"] <= 1


def test_out_of_memory_is_an_outcome_with_a_name(
    packs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """A real refusal: a batch for which no machine has the memory."""

    def huge(self: Trainer) -> Any:
        return torch.empty(2**60)

    monkeypatch.setattr(Trainer, "step", huge)
    train(small(), pack=packs["cifar10"], out=tmp_path / "run", device="cpu")
    assert results(tmp_path / "run")["status"] == "out-of-memory"
    assert "lower batch_size" in capsys.readouterr().err


@pytest.mark.slow
def test_precision_is_measured_once_and_recorded(packs: dict[str, Path], tmp_path: Path) -> None:
    run = small(epochs=1, precision="auto")
    train(run, pack=packs["cifar10"], out=tmp_path / "run", device="cpu")
    (entry,) = json.loads((tmp_path / ".ablate/precision.json").read_text()).values()
    assert entry["chosen"] == ("bf16" if entry["bf16"] > 1.1 * entry["fp32"] else "fp32")
    cache = (tmp_path / ".ablate/precision.json").stat().st_mtime_ns
    train(run, pack=packs["cifar10"], out=tmp_path / "run", device="cpu")
    assert (tmp_path / ".ablate/precision.json").stat().st_mtime_ns == cache
    assert json.loads((tmp_path / "run/manifest.json").read_text())["precision"] == entry["chosen"]


@pytest.mark.slow
def test_tensorboard_has_a_row_per_epoch(packs: dict[str, Path], tmp_path: Path) -> None:
    """Oracle: TensorBoard's own reader."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(small(), pack=packs["cifar10"], out=tmp_path / "run", device="cpu", tensorboard=tmp_path / "events")
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    history = list(csv.DictReader((tmp_path / "run/history.csv").open()))
    assert [e.step for e in events.Scalars("val_top1")] == [1, 2, 3]
    assert [e.value for e in events.Scalars("val_loss")] == pytest.approx([float(r["val_loss"]) for r in history])


def test_losses_are_those_of_the_recipe(
    packs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the losses kept in golden.json for this `recipe` of params.yaml. A change of what a run computes needs
    a higher recipe there, so that all runs get new names, and new losses here: `python tests/golden.py`.
    """
    from golden import FILE, losses

    golden = json.loads(FILE.read_text())
    assert golden["recipe"] == load(ROOT / "params.yaml").recipe, "another recipe; run tests/golden.py"
    for name, expected in golden["losses"].items():
        assert losses(name, packs["cifar10"], tmp_path) == pytest.approx(expected, rel=2e-3), name


def test_images_lie_on_the_device_where_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most half of what is free: of 1,000 bytes, 500."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 4000))
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    assert home(gpu, 500) == gpu and home(gpu, 501) == cpu and home(cpu, 10**15) == cpu


@pytest.mark.parametrize(("n", "size", "expected"), [
    (10, 4, [0, 4, 8, 10]), (9, 4, [0, 4, 9]), (8, 4, [0, 4, 8]), (1, 4, [0, 1]), (5, 4, [0, 5]), (3, 1, [0, 1, 3]),
])  # fmt: skip
def test_no_batch_of_one_is_left_over(n: int, size: int, expected: list[int]) -> None:
    """By hand."""
    assert _bounds(n, size) == expected


def test_divergence_is_a_result(packs: dict[str, Path], tmp_path: Path) -> None:
    run = small(lr=1e30, augment="none")
    before = datetime.now(UTC)
    train(run, pack=packs["cifar10"], out=tmp_path / "run", device="cpu")
    assert results(tmp_path / "run")["status"] == "diverged"
    told = json.loads((tmp_path / "run/manifest.json").read_text())
    started, ended = (datetime.fromisoformat(told[key]) for key in ("started", "ended"))
    assert before.replace(microsecond=0) <= started <= ended <= datetime.now(UTC)  # whole seconds
    assert taken_at(run.id) is not None and taken_at("another") is None
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "run.json", "metrics.json", "history.csv", "predictions.csv", "filters.npy", "manifest.json",
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
    tally.add(sums_of(logits, first, cross_entropy(logits, first)), 4)
    tally.add(sums_of(logits[:1], last, cross_entropy(logits[:1], last)), 1)
    everything = cross_entropy(torch.cat([logits, logits[:1]]), torch.cat([first, last]))
    assert tally.metrics("val") == {"val_top1": 0.6, "val_loss": pytest.approx(float(everything)), "n_val": 5}


@pytest.mark.slow
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
