"""Images and pretraining runs that are drawn anew for each seed. Oracles: draws counted by hand on a set of two
classes of five images; the runs and weights that there were before these settings.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ablate.data.views import Pack, drawn
from ablate.errors import UserError
from ablate.files import digest, read_json
from ablate.plan.params import load
from ablate.plan.runs import Plan, make_plan
from ablate.plan.settings import Settings
from ablate.runtime import checkpoint
from ablate.train.job import train
from ablate.train.trainer import Trainer
from conftest import TINY, Workspace
from test_checkpoints import Killed, killed_at
from test_train import small

# Rows of training images: cat 0 2 4 6 8, dog 1 3 5 7 9. Digests of `printf 7/d/cat/0 | sha256sum` and so on begin
# with 9f 17 cc 0b 05, of dog with df 23 aa 2f 34: ascending, these are images 4 3 1 0 2 and 1 3 4 2 0.
PERMUTED = {"cat": [8, 6, 2, 0, 4], "dog": [3, 7, 9, 5, 1]}
PACK = Pack({"classes": ["cat", "dog"], "train": 10}, np.zeros((12, 1, 1, 3), np.uint8), np.array([0, 1] * 6))


def settings(**changes: Any) -> Settings:
    base = {"dataset": "d", "model": "cnn1", "optimizer": "sgd", "lr": 0.1, "epochs": 1, "batch_size": 2}
    return Settings.model_validate(base | changes)


def rows(seed: int, split: str = "train", **changes: Any) -> list[int]:
    found: list[int] = PACK.views(settings(**changes), seed)[split].positions.tolist()
    return found


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_a_seed_draws_the_first_of_a_permutation_of_each_class(k: int) -> None:
    expected = sorted(PERMUTED["cat"][:k]) + sorted(PERMUTED["dog"][:k])
    assert rows(7, per_class=k, subset="by-seed") == expected
    assert rows(7, per_class=k) == [0, 2, 4, 6, 8][:k] + [1, 3, 5, 7, 9][:k]  # the first, as ever
    assert rows(7, "val", per_class=k, subset="by-seed") == [10, 11]


def test_a_draw_follows_from_seed_data_set_and_class_alone() -> None:
    own = {"per_class": 2, "subset": "by-seed"}
    for arm in ({"model": "alexnet"}, {"lr": 0.5}, {"augment": "flip"}, {"weights": "imagenet"}, {"epochs": 3}):
        assert rows(7, **own, **arm) == rows(7, **own)
    assert rows(7, **own, classes=(1, 2)) == [3, 7] and rows(7, **own, classes=("dog",)) == [3, 7]
    assert len({tuple(rows(seed, **own)) for seed in range(20)}) > 10  # of 100 that there are
    assert rows(7, **own) != rows(7, **own, dataset="other")


def test_every_image_is_drawn_as_often() -> None:
    """Oracle: 2 of 5 is 40 %, whose standard error over 2,000 draws is 1.1 points."""
    times = Counter(i for n in range(2000) for i in drawn(5, 2, f"key {n}"))
    assert sorted(times) == [0, 1, 2, 3, 4] and all(abs(count / 2000 - 0.4) < 0.04 for count in times.values())


def test_a_holdout_keeps_its_val_and_test_images(packs: dict[str, Path]) -> None:
    pack = Pack.open(packs["tiny-imagenet"])
    held = {"dataset": "tiny-imagenet", "split": "holdout"}
    whole = pack.views(settings(**held), 0)
    views = [pack.views(settings(**held, per_class=8, subset="by-seed"), seed) for seed in (0, 1)]
    for view in views:
        assert np.bincount(view["train"].labels).tolist() == [8] * 20
        assert set(view["train"].positions.tolist()) < set(whole["train"].positions.tolist())
        for split in ("val", "test"):
            assert np.array_equal(view[split].positions, whole[split].positions)
    assert not np.array_equal(views[0]["train"].positions, views[1]["train"].positions)


def test_initial_weights_and_order_are_those_of_the_seed(packs: dict[str, Path]) -> None:
    pack, cpu = Pack.open(packs["cifar10"]), torch.device("cpu")
    first, own = (Trainer(small(subset=kind), pack, None, 1, cpu) for kind in ("first", "by-seed"))
    states = [trainer.model.state_dict() for trainer in (first, own)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(first.loaders["train"].positions, own.loaders["train"].positions)
    assert torch.equal(first.loaders["train"].labels, own.loaders["train"].labels)
    assert torch.equal(first.loaders["val"].positions, own.loaders["val"].positions)


@pytest.mark.slow
def test_a_run_that_goes_on_has_the_images_that_it_had(
    packs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the unbroken run."""
    monkeypatch.chdir(tmp_path)
    run, pack = small(subset="by-seed"), packs["cifar10"]
    train(run, pack=pack, out=tmp_path / "whole", weights=tmp_path / "whole.safetensors", device="cpu")
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_at(6, patch)
        train(run, pack=pack, out=tmp_path / "part", device="cpu")
    train(run, pack=pack, out=tmp_path / "part", weights=tmp_path / "part.safetensors", device="cpu")
    assert digest(tmp_path / "whole.safetensors") == digest(tmp_path / "part.safetensors")


# Of ten classes with 50 training images each: one arm from scratch, one from weights of the other five classes.
STARTED = TINY.replace("studies:\n", "pretraining: {others: {classes: [5, 10]}}\nstudies:\n", 1).replace(
    "      settings: {lr: 0.02}\n",
    "      settings: {classes: [0, 5]}\n"
    "      axes: {weights: [{label: scratch}, {label: started, weights: 'pretrain:others'}]}\n",
)


def planned(tmp_path: Path, **values: Any) -> Plan:
    path = tmp_path / "params.yaml"
    path.write_text(STARTED)
    return make_plan(load(path, {"seeds": [0, 1, 2], **values}))


def starts(plan: Plan) -> dict[int, str]:
    """Of the arm that has one: the seed of each run, and the run whose weights it starts from."""
    return {p.run.seed: p.run.start for p in plan.of("tinyimage10", "optimiser") if p.run.start}


def test_a_seed_starts_from_the_pretraining_run_of_its_own(tmp_path: Path) -> None:
    one, own = planned(tmp_path), planned(tmp_path, overrides={"pretraining": "by-seed"})
    (source,) = one.pretraining
    stem = source.removesuffix("_s0")
    assert starts(one) == dict.fromkeys((0, 1, 2), source)
    assert starts(own) == {seed: f"{stem}_s{seed}" for seed in (0, 1, 2)}  # the same pretraining, with other seeds
    assert {*own.pretraining} == {*starts(own).values()}
    assert own.pretraining[source] == one.pretraining[source]
    assert [run.seed for run in own.pretraining.values()] == [0, 1, 2]
    # An arm's runs differ in their seeds alone, and from those that share one pretraining.
    names = {kind: {id.rpartition("_s")[0] for id, run in plan.runs.items() if run.start} for kind, plan in
             (("one", one), ("own", own))}  # fmt: skip
    assert len(names["one"]) == len(names["own"]) == 1 and names["one"] != names["own"]
    for run in own.runs.values():
        if run.start:
            assert run.start_file == f"results/pretrained/{stem}_s{run.seed}/weights.safetensors"


def test_a_look_adds_the_pretraining_runs_of_the_seeds_that_it_adds(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(STARTED)
    params = load(path, {"overrides": {"pretraining": "by-seed"}})  # seeds: [0], looks at 2 and 3 seeds
    everything = make_plan(params, whole=True)
    assert [*starts(everything)] == [0, 1, 2] and len(everything.pretraining) == 3
    (added,) = [id for id, run in everything.runs.items() if run.start and run.seed == 1]
    assert [run.seed for run in make_plan(params, [added]).pretraining.values()] == [0, 1]
    assert [run.seed for run in make_plan(params).pretraining.values()] == [0]


def ids(plan: Plan) -> list[str]:
    return [*plan.runs, *plan.pretraining]


def test_the_defaults_leave_every_name_as_it_was(tmp_path: Path) -> None:
    assert ids(planned(tmp_path)) == ids(planned(tmp_path, overrides={"subset": "first", "pretraining": "shared"}))


def test_where_nothing_is_drawn_a_run_keeps_its_name(tmp_path: Path) -> None:
    both = {"subset": "by-seed", "pretraining": "by-seed"}
    for all_of_them in ({"per_class": None}, {"per_class": 50}, {"per_class": 40, "split": "holdout"}):
        ours, asked = (planned(tmp_path, overrides=all_of_them | more) for more in ({}, both))
        assert [p.run.id for p in ours.planned if not p.run.start] == [
            p.run.id for p in asked.planned if not p.run.start
        ]
    fewer = planned(tmp_path, overrides=both)
    assert not {*ids(fewer)} & {*ids(planned(tmp_path))}  # each draws five of its images
    assert {run.settings.pretraining for run in fewer.runs.values() if not run.start} == {"shared"}
    assert {run.settings.subset for run in fewer.pretraining.values()} == {"by-seed"}  # it is a run like others


@pytest.mark.parametrize("key", ["subset", "pretraining"])
@pytest.mark.parametrize("value", ["by-sed", "by_seed", True, 3, None, ["by-seed"]], ids=json.dumps)
def test_other_words_are_refused(key: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        planned(tmp_path, overrides={key: value})
    message = str(caught.value)
    assert message.startswith(f"params.yaml: scales.tiny.overrides.{key}: ") and "by-seed" in message
    assert len(message.splitlines()) == 1


def test_an_axis_of_draws_without_any_is_refused(tmp_path: Path) -> None:
    study = {"settings": {"per_class": None}, "axes": {"subset": ["first", "by-seed"]}}
    with pytest.raises(UserError, match="'by-seed' repeats another arm's settings"):
        planned(tmp_path, studies={"tinyimage10": {"optimiser": {"axes": None}, "draws": study}})


@pytest.mark.slow
def test_the_workflow_trains_each_run_from_the_weights_of_its_seed(workspace: Workspace) -> None:
    """Oracle: the digests of the weights that it kept."""
    asked = "scales: {tiny: {seeds: [0, 1], overrides: {subset: by-seed, pretraining: by-seed}}}"
    workspace.params.write_text(STARTED.replace("scales: {tiny: {}}", asked))
    assert workspace.jobs("runs")["pretrain"] == 2
    results = workspace.folder / "results"
    kept = {int(file.parent.name[-1]): digest(file) for file in results.glob("pretrained/*/weights.safetensors")}
    started = {
        read_json(file.with_name("run.json"))["seed"]: start["sha256"]
        for file in results.glob("runs/*/manifest.json")
        if (start := read_json(file)["start"])
    }
    assert started == kept and len(set(kept.values())) == 2
    assert "Nothing to be done" in workspace.snakemake("runs").stderr
