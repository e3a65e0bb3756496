"""What the rules ask, without Snakemake. Oracle: the tiny parameters read by eye, and the files that are there."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import UserError
from ablate.files import write_json
from ablate.plan.cost import Estimate
from ablate.plan.runs import PRETRAINED, RUNS
from ablate.seals import sealed
from ablate.workflow.due import MARKS
from ablate.workflow.pipeline import LEAST, LEAST_IN_TURN, SHORT_S, Inputs, Pipeline, open_pipeline
from conftest import TINY, write_tiny

DATA = "data/embedded/cifar10"
SOURCE = "studies:\n", "pretraining: {others: {classes: [5, 10]}}\nstudies:\n"
STARTED = (
    "  tinyimage10:",
    '    started:\n      settings: {classes: [0, 5], weights: "pretrain:others"}\n  tinyimage10:',
)


def opened(values: dict[str, Any] | None = None, *edits: tuple[str, str], cores: int = 4) -> Pipeline:
    text = TINY
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    write_tiny(Path(), text)
    return open_pipeline(values or {}, cores)


pytestmark = pytest.mark.usefixtures("own_folder")


def test_a_new_folder_is_asked_for_everything_and_no_mark_is_made() -> None:
    """What is new runs where its missing files are wanted, and needs no mark."""
    p = opened()
    run = next(iter(p.project.plan.runs))
    arrays = [f"{DATA}/images.npy", f"{DATA}/labels.npy"]
    assert p.inputs_of_run(run, RUNS) == Inputs({"pack": f"{DATA}/pack.json", "arrays": arrays}, [], True)
    embedded = "data/embedded/mirror/cifar10/cifar-10-python.tar.gz"
    assert p.inputs_of_fetch("cifar10", "embedded") == Inputs({"embedded": embedded}, [], True)
    assert p.inputs_of_fetch("cifar10", "official") == Inputs({"embedded": []}, [], True)
    assert p.inputs_of_embed("cifar10") == Inputs({}, [], True)
    asked = p.inputs_of_data("cifar10", "verify", archive="archive", receipt="archive.json")
    assert asked == Inputs({"archive": f"{DATA}/archive", "receipt": f"{DATA}/archive.json"}, [], True)
    assert p.inputs_of_plan() == Inputs({}, [], True)
    assert p.inputs_of_look(0, None) == Inputs({}, [], True)
    for name, job in p.rendering.jobs.items():
        found = p.inputs_of_rendered(name)
        assert (found.due, found.followed) == ([], True)
        assert [found.files["plan"], *found.files["files"]] == [
            "results/tiny/plan.json",
            *(str(path) for path in job.inputs if path.name != "plan.json"),
        ]
    assert not Path(".ablate/due").exists() and not Path("results").exists() and not Path("data").exists()


def test_a_plan_is_due_by_its_content() -> None:
    p = opened()
    write_json(p.plan_file, p.project.record.plain)
    assert p.inputs_of_plan() == Inputs({}, [], False)
    other = opened({"seeds": [1]})
    assert other.inputs_of_plan() == Inputs({}, [str(MARKS / "plan-changed")], True)


def test_a_source_waits_until_a_run_that_is_due_wants_its_weights() -> None:
    p = opened(None, SOURCE, STARTED)
    source, run = next((start, id) for id, r in p.runs.items() if (start := r.start))
    assert p.inputs_of_run(source, PRETRAINED).followed is False
    weights = f"results/pretrained/{source}/weights.safetensors"
    assert p.inputs_of_run(run, RUNS).files["start"] == weights
    assert f"--start={weights}" in p.train_options(run)


@pytest.mark.parametrize("name", ["{run}", "a{b", "b}", "{}", "plain", "with blank"])
def test_a_file_that_could_be_a_pattern_is_no_input_and_still_an_option(name: str) -> None:
    Path(f"{name}.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")  # safetensors without a tensor
    p = opened(None, ("lr: 0.02", f"lr: 0.02, weights: {json.dumps(f'file:{name}.safetensors')}"))
    run = next(id for id, r in p.runs.items() if r.start_file)
    assert ("start" in p.inputs_of_run(run, RUNS).files) == (not {"{", "}"} & set(name))
    assert f"--start={name}.safetensors" in p.train_options(run)


def test_another_seed_of_a_planned_arm_is_known_and_any_other_run_refused() -> None:
    p = opened()
    planned = next(iter(p.project.plan.runs))
    later = planned.removesuffix("_s0") + "_s7"
    assert (p.run(planned).seed, p.run(later).seed) == (0, 7)
    assert later not in p.project.plan.runs
    for unknown in ("x_s0", planned.replace("_sgd", "_adam"), f"{planned}0"):
        with pytest.raises(UserError, match=f"no run {unknown} is planned at the scale tiny"):
            p.inputs_of_run(unknown, RUNS)


def test_a_look_asks_for_the_runs_that_the_one_before_names() -> None:
    p = opened()
    base = list(p.project.plan.runs)
    added = base[0].removesuffix("_s0") + "_s1"
    before = p.results / "decide/look-0.json"
    write_json(before, sealed({"digest": "x", "look": 0, "looks": [2, 3], "claims": [], "added": [added]}))
    assert p.inputs_of_look(0, None).due == [str(MARKS / "plan-changed")]
    asked = p.inputs_of_look(1, str(before))
    assert asked.files["before"] == str(before) and asked.followed
    assert sorted(asked.files["runs"]) == sorted(f"results/runs/{run}/metrics.json" for run in [*base, added])
    assert (p.previous_look(0), p.previous_look(1)) == ([], [f"--previous={before}"])
    before.write_text("{")
    with pytest.raises(UserError, match=r"look-0\.json"):
        p.inputs_of_look(1, str(before))


@pytest.mark.parametrize(
    ("values", "embedded", "expected"),
    [
        ({}, None, []),
        ({"mirror": ""}, None, []),
        ({"mirror": "$(x) y"}, None, ["--mirror=$(x) y"]),
        ({"mirror": "there"}, "data/embedded/mirror/cifar10/a.tar", ["--mirror=data/embedded/mirror/cifar10"]),
    ],
)
def test_the_mirror_of_a_fetch(values: dict[str, Any], embedded: str | None, expected: list[str]) -> None:
    p = opened(values)
    assert p.mirror(embedded) == expected
    assert json.loads(p.values) == values


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        ({}, []),
        ({"tensorboard": True}, ["--tensorboard=logs/tensorboard/{run}"]),
        ({"compile": "default", "gpus": [0, 2]}, ["--compile=default", "--gpus=0,2"]),
        ({"jobs_per_gpu": 3, "gpu_memory_gb": 2.5}, ["--jobs-per-gpu=3", "--gpu-memory-gb=2.5"]),
    ],
)
def test_options_of_training_follow_from_compute(compute: dict[str, Any], expected: list[str]) -> None:
    p = opened({"compute": compute})
    run = next(iter(p.runs))
    kept = "--finished=.ablate/finished"
    assert [word for word in p.train_options(run) if word != kept] == [
        "--pack=data/embedded/cifar10/pack.json",
        "--device=cpu",
        *(word.format(run=run) for word in expected),
    ]


@pytest.mark.parametrize("attempt", [1, 2, 3])
def test_each_attempt_gets_twice_the_time(attempt: int) -> None:
    p = opened()
    run = next(iter(p.runs))
    assert p.runtime_of(run, attempt) == p.runtime_of(run, 1) * 2 ** (attempt - 1) >= 10


def test_short_runs_share_a_job_with_those_that_wait_for_the_same_files() -> None:
    """At most three to a job. Of ten runs two wait for a pretraining, and one of the others is long."""
    p = opened({"seeds": [0, 1]}, SOURCE, STARTED, ("settings: {lr: 0.02}", "axes: {lr: [0.02, 0.03]}"))
    started = [id for id, run in p.project.plan.runs.items() if run.start]
    others = [id for id, run in p.project.plan.runs.items() if not run.start]
    assert (len(started), len(others)) == (2, 8)
    long = others[3]
    p._estimates[long] = Estimate(SHORT_S + 1, "measured")
    batches = {id: p.batch_of(id, 3) for id in p.project.plan.runs}
    short = [id for id in others if id != long]
    assert batches == {
        **dict.fromkeys(started, batches[started[0]]),
        **dict.fromkeys(short[:3], batches[short[0]]),
        **dict.fromkeys(short[3:6], batches[short[3]]),
        short[6]: None,  # it would share with nobody
        long: None,
    }
    assert len(set(batches.values())) == 4
    assert [p.runtime_of(short[0], attempt, 3) for attempt in (1, 2)] == [LEAST_IN_TURN, 2 * LEAST_IN_TURN]
    assert p.runtime_of(short[6], 1, 3) == p.runtime_of(short[0], 1) == LEAST
    assert {p.batch_of(id, 1) for id in p.project.plan.runs} == {None}
    assert {p.batch_of(id, 3) for id in p.project.plan.pretraining} == {None}


def test_data_sets_that_no_run_uses_are_left_out() -> None:
    other = TINY[TINY.index("  cifar10:\n") : TINY.index("defaults:")].replace("  cifar10:", "  unused:", 1)
    p = opened(None, ("defaults:", f"{other}defaults:"))
    assert set(p.project.params.datasets) == {"cifar10", "unused"}
    assert list(p.datasets) == list(p.packs) == ["cifar10"]
    assert json.loads(p.spec("cifar10"))["n_classes"] == 10
    assert json.loads(p.source("cifar10"))["archive"] == "cifar-10-python.tar.gz"
    assert list(p.studies_of("tables", "tinyimage10")) == ["table-optimiser"]
    assert p.packs_of_figures("tinyimage10", "pack.json") == []  # curves show no images


def test_figures_of_images_read_the_pack() -> None:
    opened()
    file = Path("papers/tinyimage10.yaml")
    file.write_text(file.read_text().replace("figure-3: curves", "figure-3: samples"))
    p = open_pipeline({}, 4)
    files = p.packs_of_figures("tinyimage10", "images.npy", "labels.npy")
    assert files == [f"{DATA}/images.npy", f"{DATA}/labels.npy"]


@pytest.mark.parametrize(
    ("values", "message"),
    [({"scale": "big"}, "scale"), ({"compute": {"threads": 0}}, "compute.threads"), ({"colour": 1}, "colour")],
)
def test_a_mistake_on_the_command_line_is_one_message(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        opened(values)


def test_nothing_of_snakemake_is_imported() -> None:
    import subprocess

    code = "import sys, ablate.workflow.pipeline; sys.exit(bool({'snakemake', 'torch', 'pandas'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
