"""dvc.yaml: what its stages follow and keep, and that DVC and Snakemake agree on what there is to do."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from conftest import ROOT, Workspace, job_counts

NO_RESULT = {"mirror", "compute"}  # the keys of params.yaml that change no result


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text())


@pytest.fixture(scope="module")
def stages() -> dict[str, Any]:
    from dvc.repo import Repo  # takes a while

    with Repo(str(ROOT)) as repo:
        return {stage.name: stage for stage in repo.index.stages}


def test_git_does_not_ignore_the_lock_which_dvc_refuses() -> None:
    ignored = subprocess.run(["git", "check-ignore", "-q", "dvc.lock"], cwd=ROOT, check=False).returncode
    assert ignored == 1


def test_stages_are_the_steps_of_the_pipeline(stages: dict[str, Any]) -> None:
    assert list(stages) == ["data", "train", "report"]
    assert all("snakemake --cores all" in str(stage.cmd) for stage in stages.values())


@pytest.mark.parametrize("found", ["beside DVC's Python", "on PATH", "in .venv", "nowhere"])
def test_a_stage_finds_snakemake_whether_an_environment_is_activated_or_not(found: str, tmp_path: Path) -> None:
    """Oracle: which of the programs answers. DVC is here a Python that runs what a stage says, by a shell."""
    (tmp_path / "workflow").mkdir()
    shutil.copy(ROOT / "workflow/snakemake", tmp_path / "workflow")
    folders = {
        "beside DVC's Python": tmp_path / "else where/bin",
        "on PATH": tmp_path / "path",
        "in .venv": tmp_path / ".venv/bin",
    }
    for name, folder in list(folders.items())[list(folders).index(found) if found in folders else 3 :]:
        folder.mkdir(parents=True)
        (folder / "snakemake").write_text(f"#!/bin/sh\necho {shlex.quote(name)} $#\n")
        (folder / "snakemake").chmod(0o755)
    python = tmp_path / "else where/bin/python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.symlink_to(sys.executable)
    program = "import subprocess, sys; sys.exit(subprocess.run(['sh', '-c', sys.argv[1]]).returncode)"
    done = subprocess.run(
        [python, "-c", program, "exec sh workflow/snakemake --cores 'a b'"], cwd=tmp_path, text=True, check=False,
        env={"PATH": f"{tmp_path / 'path'}:/usr/bin:/bin", "HOME": str(tmp_path)}, capture_output=True,
    )  # fmt: skip
    if found == "nowhere":
        assert done.returncode == 127 and "activate the environment" in done.stderr
    else:
        assert done.stdout == f"{found} 2\n", done.stderr


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


def test_metrics_and_plots_are_outputs_in_the_cache() -> None:
    """So that they are there of each commit, whatever Git ignores."""
    text = read(ROOT / "dvc.yaml")
    kept = [path for out in text["stages"]["report"]["outs"] for path, how in out.items() if how.get("cache", True)]
    assert [*text["metrics"], *(path for plot in text["plots"] for path in plot)] == kept


@pytest.mark.slow
def test_repro_trains_what_changed_and_branches_and_experiments_are_compared(finished: Workspace) -> None:
    """Oracle: Snakemake's own statistics of jobs, and the files of results/summary on both branches."""
    summary = finished.folder / "results/summary/tiny.json"

    def repro(command: str = "dvc repro") -> dict[str, dict[str, int]]:
        """{stage: {rule: how many jobs}} of the stages that DVC ran."""
        parts = finished.do(command).split("Running stage '")[1:]
        return {part.split("'", 1)[0]: job_counts(part) for part in parts}

    assert repro() == {}
    first = json.loads(summary.read_text())
    finished.do("git checkout -q -b other")
    finished.edit("settings: {lr: 0.02}", "settings: {lr: 0.02, epochs: 3}")
    ran = repro()
    assert list(ran) == ["data", "train", "report"] and ran["data"] == {}
    assert ran["train"] == {"train": 1, "runs": 1} and "train" not in ran["report"]
    assert repro() == {}
    finished.do("git commit -qam other")
    params = json.loads(finished.do("dvc params diff --json main other"))["params.yaml"]
    assert params["studies.tinyimage10.optimiser.settings.epochs"]["new"] == 3
    second = json.loads(summary.read_text())
    difference = json.loads(finished.do("dvc metrics diff --all --json main"))
    changed = difference["results/summary/tiny.json"]["tinyimage10.optimiser.cifar-plain7.val"]
    old, new = (s["tinyimage10"]["optimiser"]["cifar-plain7"]["val"] for s in (first, second))
    assert (changed["old"], changed["new"]) == (old, new)
    finished.do("dvc plots diff main")
    page = (finished.folder / "dvc_plots/index.html").read_text()
    assert '"rev": "main"' in page and '"rev": "workspace"' in page

    ran = repro("dvc exp run -n brief -S studies.tinyimage10.optimiser.settings.epochs=2")
    assert ran["train"] == {"train": 1, "runs": 1}
    assert "brief" in finished.do("dvc exp show --csv") and "epochs: 2" in finished.params.read_text()
    assert finished.do("git diff --numstat HEAD -- params.yaml").split()[:2] == ["1", "1"]
    finished.do("git checkout -q -f main; dvc checkout")
    assert json.loads(summary.read_text()) == first and "Nothing to be done" in finished.do(
        "dvc status; snakemake -n runs"
    )


@pytest.mark.slow
def test_a_second_clone_renders_every_table_without_training(finished: Workspace) -> None:
    """Oracle: the first one's tables, byte for byte. The remote is a folder; archives are not in it."""
    tables = {
        path.relative_to(finished.folder): path.read_bytes()
        for path in (finished.folder / "results/tiny").rglob("*.csv")
    }
    finished.do("cd ..; mv repository first; git clone -q first repository; cd repository; dvc pull")
    assert not (finished.folder / "data/embedded/cifar10/archive").exists()
    ran = job_counts(finished.do("snakemake --cores 8 all"))
    assert not {"fetch", "verify", "pack", "pretrain", "train"} & set(ran)
    assert len(tables) > 5 and {path: (finished.folder / path).read_bytes() for path in tables} == tables
    assert "up to date" in finished.do("dvc status")  # what was rendered is what dvc.lock says
