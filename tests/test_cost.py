"""What runs will cost: how many images, seconds, bytes; and the plan's table of it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ablate.cli import main as cli
from ablate.data.views import Pack
from ablate.files import read_json
from ablate.models.summary import summary
from ablate.plan.cost import (
    FORWARD,
    NETWORKS,
    PRIOR,
    START_S,
    Machine,
    Measured,
    expected_bytes,
    expected_seconds,
    images_of,
    limit_minutes,
    read_history,
    splits_of,
    wall_seconds,
)
from ablate.plan.keys import FILES
from ablate.plan.params import Dataset, Params, load
from ablate.plan.runs import RUNS, Run, make_plan
from ablate.plan.settings import Settings
from ablate.train.job import train
from ablate.workflow.due import Keys
from conftest import ROOT, TINY, write_tiny
from fabricated import vouch

CIFAR: dict[str, Any] = {"dataset": "cifar10", "model": "cifar-plain7", "optimizer": "sgd", "lr": 0.01}


def run_of(seed: int = 0, **changes: Any) -> Run:
    settings = Settings.model_validate(CIFAR | {"epochs": 2, "batch_size": 10} | changes)
    return Run(settings=settings, seed=seed, recipe=1, variant="embedded")


@pytest.mark.parametrize("model", NETWORKS)
def test_networks_are_counted_as_ablate_model_counts_them(model: str) -> None:
    side, adds, parameters = NETWORKS[model]
    counted = summary(model, 200 if side == 64 else 10, side)
    assert counted.multiply_adds == pytest.approx(adds, rel=0.002)
    assert counted.params == pytest.approx(parameters, rel=0.02)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"per_class": 7},
        {"per_class": 7, "subset": "by-seed"},
        {"split": "holdout"},
        {"split": "holdout", "per_class": 7},
        {"dataset": "tiny-imagenet", "classes": (3, 8)},
        {"dataset": "cifar10", "classes": ("cat", "dog")},
    ],
)
def test_images_are_counted_as_the_pack_splits_them(
    changes: dict[str, Any], packs: dict[str, Path], params: Params
) -> None:
    """Oracle: the splits that training makes."""
    run = run_of(**changes)
    views = Pack.open(packs[run.settings.dataset]).views(run.settings, run.seed)
    sizes = {name: len(view.positions) for name, view in views.items()}
    train_images = sizes.pop("train")
    assert splits_of(run, params.datasets[run.settings.dataset]) == (train_images, sum(sizes.values()))


HERE = Machine("Some CPU", False, slots=2, threads=1)


def measured(name: str, **changes: Any) -> Measured:
    base: dict[str, Any] = {
        "model": "cifar-plain7", "side": 32, "images": 1000.0, "wall_s": 10.0, "device": "Some CPU", "threads": 1,
        "precision": "fp32",
    }  # fmt: skip
    return Measured(run=name, **base | changes)


def test_an_estimate_comes_from_the_nearest_measured_runs(params: Params) -> None:
    """Oracle: by hand. The run takes 2 x 500 images through steps and 2 x 100 through evaluation.

    With exact averages 2 x 500 more through a forward pass: 1,400 in all.
    """
    data, run = params.datasets["cifar10"], run_of()
    images = images_of(run, data)
    assert images == pytest.approx(2 * 500 + 2 * 100 * FORWARD)
    assert images_of(run_of(batchnorm="reestimated"), data) == pytest.approx(1400)
    arm = [measured(run_of(seed=n).id, wall_s=s) for n, s in ((1, 5.0), (2, 7.0), (3, 100.0))]
    network = [measured("a_s0", wall_s=20.0)]  # 0.02 s an image
    # Four times the multiply-adds of cifar-plain7, 154.8e6, and so much slower: 0.04 s for each of its images.
    other = [measured("b_s0", model="cifar-plain9", wall_s=57.5 / 38.7 * 10)]
    gpu = [measured(run_of(seed=4).id, wall_s=1.0, device="NVIDIA H200")]

    def ask(history: list[Measured], machine: Machine | None = HERE, run: Run = run) -> tuple[float, str]:
        seconds, basis = expected_seconds(run, data, history, machine)
        return seconds - START_S, basis

    assert ask([*arm, *network, *other, *gpu]) == (7.0, "measured: 3 runs of this arm on Some CPU")
    assert ask([*network, *other]) == (pytest.approx(0.02 * images), "measured: 1 run of cifar-plain7 on Some CPU")
    assert ask(other) == (pytest.approx(0.01 * images), "measured: 1 run of other networks on Some CPU")
    prior = pytest.approx(images * 38.7e6 / PRIOR["fp32"])
    assert ask([]) == ask(gpu) == (prior, "prior: 14e9 multiply-adds/s, one thread, AMD EPYC")
    assert ask(arm, None)[0] == 7.0
    # Two threads take half as long, another processor's runs are better than none, bf16 counts as the prior has it.
    assert ask(arm, Machine("Some CPU", False, 1, 2))[0] == 3.5
    assert ask(arm, Machine("Another CPU", False, 1, 1)) == ask(arm)
    assert ask([*gpu, *arm], Machine("NVIDIA H200", True, 1, 8))[0] == 1.0
    in_bf16 = ask(network, run=run_of(precision="bf16"))[0]
    assert in_bf16 == pytest.approx(0.02 * images * PRIOR["fp32"] / PRIOR["bf16"])
    assert ask(network, run=run_of(model="torchvision:vgg11"))[1].startswith("measured: 1 run of other networks")


def test_a_limit_has_a_margin_and_doubles_with_each_attempt(params: Params) -> None:
    """Oracle: by hand, four times the estimate in whole minutes, and never below ten."""
    slow = [measured(run_of(seed=1).id, wall_s=600.0)]
    estimate = expected_seconds(run_of(), params.datasets["cifar10"], slow, HERE)
    assert [limit_minutes(estimate, attempt) for attempt in (1, 2, 3)] == [41, 82, 164]  # 602.5 s x 4 = 40.2 minutes
    assert limit_minutes(estimate._replace(seconds=3.0)) == 10


def test_slots_are_filled_longest_first() -> None:
    """Oracle: by hand. 5 | 4, then 3 beside it, then 3: 4 + 3 = 7 and 5 + 3 = 8."""
    lengths = {"a": 3.0, "b": 5.0, "c": 3.0, "d": 4.0}
    assert wall_seconds(lengths, 2) == 8.0
    assert wall_seconds(lengths, 1) == 15.0
    assert wall_seconds(lengths, 9) == 5.0
    assert wall_seconds({}, 3) == 0.0
    # b starts from weights that take 10: none of the three slots makes it end before 15.
    assert wall_seconds(lengths | {"source": 10.0}, 3, {"b": "source"}) == 15.0


@pytest.mark.papers("alexnet-vs-resnet")
def test_the_history_is_read_from_runs_and_from_committed_results(tmp_path: Path) -> None:
    """Oracle: results/pilot's own lines; and what is put beside them here."""
    datasets = load(ROOT / "params.yaml", {"scale": "pilot"}).datasets
    pilot = {m.run: m for m in read_history(ROOT / "results", datasets)}
    name = "resnet18_tiny-imagenet-c0to10_sgd-0.05_ecbf1471bc_s1"
    there = read_json(ROOT / "results/pilot/alexnet-vs-resnet/provenance.json")[name]
    assert pilot[name] == Measured(  # twelve epochs of 2,500 images, and as often 500 evaluated
        name, "resnet18", 64, 12 * (2500 + 500 / 3), there["wall_s"], there["device"], 1, "bf16"
    )
    for source, changes in (("a_s0", {}), ("b_s0", {"starts": 2}), ("c_s0", {"status": "diverged"}), ("d_s0", {})):
        folder = tmp_path / "runs" / source
        folder.mkdir(parents=True)
        manifest = {"starts": 1, "wall_s": 9.0, "device": "Some CPU", "threads": 2, "precision": "fp32"} | changes
        if source != "d_s0":
            manifest["command"] = ["ablate", "train", "--run", run_of().to_json(), "--threads", "2"]
        (folder / "manifest.json").write_text(json.dumps(manifest))
        metrics = {"status": "done", "epochs": 3, "n_train": 100, "n_val": 30} | changes
        (folder / "metrics.json").write_text(json.dumps(metrics))
    assert read_history(tmp_path, datasets) == [
        Measured("a_s0", "cifar-plain7", 32, 3 * 100 + 3 * 30 / 3, 9.0, "Some CPU", 2, "fp32")
    ]


def test_bytes_are_about_those_that_a_run_leaves(
    packs: dict[str, Path], params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the files of a trained run, with and without its weights."""
    monkeypatch.chdir(tmp_path)
    run, out = run_of(per_class=2), tmp_path / "out"
    train(run, pack=packs["cifar10"], out=out, weights=tmp_path / "weights", device="cpu")
    kept = sum(path.stat().st_size for path in out.iterdir())
    weights = (tmp_path / "weights").stat().st_size
    data: Dataset = params.datasets["cifar10"]
    assert 1 / 3 < kept / expected_bytes(run, data) < 3
    assert expected_bytes(run, data, weights=True) - expected_bytes(run, data) == pytest.approx(weights, rel=0.03)


def test_the_plan_says_per_paper_what_is_done_and_what_is_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Oracle: counted by hand in TINY: two arms and one, two seeds; a good run of them is put on disk, and one whose
    code has changed since.
    """
    monkeypatch.chdir(tmp_path)
    write_tiny(Path(), TINY.replace("seeds: [0]", "seeds: [0, 1]"))
    plan = make_plan(load(Path("params.yaml")))
    done, changed, *_ = plan.runs
    keys = Keys(load(Path("params.yaml")), plan)
    for run, code in ((done, {}), (changed, {"code": "another"})):
        for name in FILES:
            (RUNS / run).mkdir(parents=True, exist_ok=True)
            (RUNS / run / name).write_text("{}")
        (RUNS / run / "metrics.json").write_text(json.dumps({"status": "done", "epochs": 1}))
        vouch(RUNS / run, key=keys.key(plan.runs[run]) | code)

    def ask(*words: str) -> str:
        monkeypatch.setattr("sys.argv", ["ablate", "plan", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
        return capsys.readouterr().out

    first, second, whole = json.loads(ask("--json", "--total", "--slots", "2"))
    facts = ("paper", "arms", "seeds", "planned", "runs", "done", "to_run", "why", "jobs")
    assert [first[key] for key in facts] == ["resnet-vs-plain", 2, [2], 4, 4, 1, 3, {"code changed": 1, "new": 2}, 3]
    assert [second[key] for key in facts] == ["tinyimage10", 1, [2], 2, 2, 0, 2, {"new": 2}, 2]
    assert [whole[key] for key in facts] == ["all", 3, [2], 6, 6, 1, 5, {"code changed": 1, "new": 4}, 5]
    assert whole["hours"] == pytest.approx(first["hours"] + second["hours"], abs=0.002)
    assert json.loads(ask("--json", "--total", "--slots", "9"))[-1]["wall_s"] <= whole["wall_s"]
    entries = {e["run"]: e for e in json.loads(ask("--json"))}
    assert (entries[done]["state"], entries[done]["why"]) == ("done", None)
    assert (entries[changed]["state"], entries[changed]["why"]) == ("done", "code changed")
    assert entries[list(plan.runs)[2]]["why"] == "new" and entries[done]["basis"].startswith("prior")
    assert "resnet-vs-plain" in ask() and done in ask("--runs")


@pytest.mark.papers("five-cnns")
def test_a_run_that_is_due_takes_the_training_of_its_starting_weights_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the demo's two arms of five-cnns from other weights share one source; nothing of either is there."""
    from ablate.workflow.cost_table import estimates, reasons, totals

    monkeypatch.chdir(tmp_path)  # where there are no results, as there are here after `make demo`
    params = load(ROOT / "params.yaml", {"scale": "demo"})
    plan = make_plan(params)
    seconds = estimates(params, plan, [], HERE)
    rows = {r["paper"]: r for r in totals(params, plan, reasons(params, plan), seconds, HERE)}
    assert rows["five-cnns"]["jobs"] == rows["five-cnns"]["to_run"] + 1
    assert rows["all"]["jobs"] == rows["all"]["to_run"] + len(plan.pretraining)
    assert rows["five-cnns"]["disk_bytes"] > 4 * NETWORKS["cnn5"][2]


def test_planning_imports_no_torch() -> None:
    code = """
import sys
from ablate.cli.main import app
sys.argv = ["ablate", sys.argv[1]]
app(standalone_mode=False)
print({"torch", "pandas", "scipy"} & {*sys.modules}, file=sys.stderr)
"""
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    for word in ("plan", "status"):
        done = subprocess.run(
            [sys.executable, "-c", code, word], cwd=ROOT, env=env, capture_output=True, text=True, check=True
        )
        assert done.stderr == "set()\n"
