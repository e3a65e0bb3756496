"""dvc.yaml: what its stages follow and keep, and that DVC and Snakemake agree on what there is to do."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from conftest import ROOT, Workspace, job_counts

NO_RESULT = {"mirror", "compute"}  # the keys of params.yaml that change no result


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text())


@pytest.fixture(scope="module")
def stages() -> dict[str, Any]:
    with Repo(str(ROOT)) as repo:
        return {stage.name: stage for stage in repo.index.stages}


def test_git_does_not_ignore_the_lock_which_dvc_refuses() -> None:
    ignored = subprocess.run(["git", "check-ignore", "-q", "dvc.lock"], cwd=ROOT, check=False).returncode
    assert ignored == 1


def test_stages_are_the_steps_of_the_pipeline(stages: dict[str, Any]) -> None:
    assert list(stages) == ["data", "train", "report"]
    assert all("snakemake --cores all" in str(stage.cmd) for stage in stages.values())


def test_every_stage_follows_every_value_that_changes_a_result(stages: dict[str, Any]) -> None:
    for name, stage in stages.items():
        tracked = {key for params in stage.params for key in params.params}
        assert tracked == set(read(ROOT / "params.yaml")) - NO_RESULT, name


def test_dvc_removes_no_output_before_a_stage(stages: dict[str, Any]) -> None:
    outs = {out.def_path: out for stage in stages.values() for out in stage.outs}
    assert {"data", "results/runs", "results/pretrained"} <= set(outs)
    assert all(out.persist for out in outs.values())
    assert {path for path, out in outs.items() if not out.use_cache} == {
        f"results/{read(ROOT / 'params.yaml')['scale']}"
    }


def test_git_ignores_what_dvc_caches(stages: dict[str, Any]) -> None:
    """Otherwise DVC writes .gitignore files itself, and a run leaves the working tree dirty."""
    for path in [f"{out.def_path}/" for stage in stages.values() for out in stage.outs if out.use_cache]:
        assert subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False).returncode == 0, path


def test_metrics_and_plots_of_every_paper_are_shown() -> None:
    papers = set(read(ROOT / "params.yaml")["studies"])
    text = read(ROOT / "dvc.yaml")
    assert set(text["metrics"]) == {f"results/${{scale}}/{paper}/metrics.json" for paper in papers}
    plots = {path for plot in text["plots"] for path in plot}
    assert plots == {f"results/${{scale}}/{paper}/history.csv" for paper in papers}


@pytest.mark.slow
def test_repro_and_snakemake_agree_on_what_there_is_to_do(workspace: Workspace, tmp_path: Path) -> None:
    workspace.env["DVC_SITE_CACHE_DIR"] = str(tmp_path / "site")

    def git(*words: str) -> str:
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
        done = workspace.run("git", *identity, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def repro() -> dict[str, dict[str, int]]:
        """{stage: {rule: how many jobs}} of the stages that DVC ran."""
        done = workspace.run("sh", "-c", "dvc repro 2>&1")  # one stream: DVC and Snakemake in turn
        assert done.returncode == 0, done.stdout
        parts = done.stdout.split("Running stage '")[1:]
        return {part.split("'", 1)[0]: job_counts(part) for part in parts}

    # DVC wants each key that a stage names, also one that `load` would fill in.
    workspace.edit("scales:", "pretraining: {}\nscales:")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "start")

    first = repro()
    assert list(first) == ["data", "train", "report"]
    assert first["train"]["train"] == 3 and "train" not in first["report"]
    assert "Nothing to be done" in workspace.snakemake("all").stderr
    assert repro() == {}
    assert git("status", "--porcelain").split() == ["??", "dvc.lock", "??", "results/"]  # results/tiny

    workspace.edit("lr: 0.02", "lr: 0.03")
    assert repro()["train"] == {"train": 1, "runs": 1}
    table = workspace.folder / "results/tiny/resnet-vs-plain/table-shallow.csv"
    assert "cifar-resnet7" in table.read_text()

    workspace.edit("lr: 0.03", "lr: 0.02")
    workspace.edit("[cifar-resnet7, cifar-plain7]", "[cifar-plain7]")
    assert repro()["train"] == {}  # changed back and one level less: nothing to train
    assert "cifar-resnet7" not in table.read_text()
    assert "Nothing to be done" in workspace.snakemake("all").stderr
