"""`ablate run`: a selection trained by Snakemake. Oracle: the folders of runs that are there after it."""

import json
from pathlib import Path

import pytest

from ablate.cli.runs import targets
from ablate.plan.params import load
from ablate.plan.runs import make_plan
from ablate.plan.select import select, selection
from conftest import Workspace, write_tiny


def test_whole_studies_are_asked_for_by_their_names(tmp_path: Path) -> None:
    plan = make_plan(load(write_tiny(tmp_path)))

    def asked(*words: str | None) -> list[str]:
        one = selection(*words)
        return targets(select(plan, one, more_seeds=True), one)

    assert asked() == ["runs"]
    assert asked("resnet-vs-plain") == ["resnet-vs-plain/shallow"]
    arm = next(p.run.id for p in plan.planned if p.arm == "cifar-resnet7").removesuffix("_s0")
    assert asked(None, "*resnet7", "0,4") == [f"results/runs/{arm}_s{seed}/metrics.json" for seed in (0, 4)]


@pytest.mark.slow
def test_a_selection_is_trained_and_seeds_that_are_planned_later_are_found(workspace: Workspace) -> None:
    w = workspace
    plan = {(p.study, p.arm): p.run for p in make_plan(load(w.params)).planned}
    runs = {f"{run.with_seed(seed).id}" for run in [plan["shallow", "cifar-plain7"]] for seed in (0, 3)}
    words = "ablate run resnet-vs-plain --arm '*plain7' --seeds 0,3"
    dry = w.do(f"{words} --dry-run")
    assert all(run in dry for run in runs) and not (w.folder / "results/runs").exists()
    said = w.do(words)
    assert "seeds 3 of resnet-vs-plain/shallow: cifar-plain7: not planned" in said
    assert "resnet-vs-plain/shallow: cifar-plain7, seed 3" in said  # the job, by its name
    assert {path.name for path in (w.folder / "results/runs").iterdir() if path.name != "patches"} == runs
    assert len(json.loads(w.do("ablate plan --json"))) == 3  # as before
    assert w.jobs("tinyimage10/optimiser") == {"train": 1, "tinyimage10/optimiser": 1}
    w.edit("seeds: [0]", "seeds: [0, 3]")
    found = json.loads(w.do("ablate plan --arm '*plain7' resnet-vs-plain --json"))
    assert {e["seed"]: e["state"] for e in found} == {0: "done", 3: "done"}
    assert w.jobs("-n", "resnet-vs-plain/shallow")["train"] == 2  # of the other arm
    refused = w.run("ablate", "run", "resnet-vs-plain/shalow")
    assert refused.returncode == 2 and "did you mean 'shallow'" in refused.stderr
