"""The workflow itself, by Snakemake in a copy of the repository. Oracle: its statistics of the jobs that it ran."""

import inspect
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from snakemake.scheduling.job_scheduler import JobScheduler

from ablate.runtime.cores import share
from conftest import ROOT, Rendered, Workspace

pytestmark = pytest.mark.slow


def stamps(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_a_changed_lr_retrains_its_study_alone_and_changing_it_back_trains_nothing(rendered: Rendered) -> None:
    workspace, first = rendered.workspace, rendered.jobs
    assert first["train"] == 3  # two arms of one study and one of the other
    assert {"embed", "fetch", "verify", "pack", "plan", "collect", "report"} <= set(first)
    assert {"tables_tinyimage10": 1, "figures_tinyimage10": 1}.items() <= first.items()  # of all its studies
    nothing = workspace.snakemake("all")
    assert "Nothing to be done" in nothing.stderr

    runs = workspace.folder / "results/runs"
    before = stamps(runs)
    workspace.edit("lr: 0.02", "lr: 0.03")
    changed = workspace.jobs("all")
    assert changed["train"] == 1
    assert before.items() <= stamps(runs).items()  # nothing of another configuration was touched

    workspace.edit("lr: 0.03", "lr: 0.02")
    assert "train" not in workspace.jobs("all")

    workspace.edit("scale: tiny", "scale: tiny  # a comment")
    assert "Nothing to be done" in workspace.snakemake("all").stderr
    (workspace.folder / "src/ablate/train/augment.py").touch()
    assert "Nothing to be done" in workspace.snakemake("all").stderr

    table = (workspace.folder / "results/tiny/resnet-vs-plain/table-shallow.md").read_text()
    assert "cifar-resnet7" in table and "cifar-plain7" in table
    workspace.edit("[cifar-resnet7, cifar-plain7]", "[cifar-resnet7]")
    workspace.jobs("all")
    table = (workspace.folder / "results/tiny/resnet-vs-plain/table-shallow.md").read_text()
    assert "cifar-resnet7" in table and "cifar-plain7" not in table  # a removed level leaves no row


def test_a_paper_may_draw_nothing(workspace: Workspace) -> None:
    workspace.draw("tinyimage10", "drawn: {optimiser: {tables: {}, figures: {}}}")
    jobs = workspace.jobs("--dry-run", "all")
    assert jobs["train"] == 3 and jobs["tables_resnet-vs-plain"] == 1 and "tables_tinyimage10" not in jobs


def test_a_run_that_is_not_planned_is_refused_in_the_dry_run(workspace: Workspace) -> None:
    done = workspace.snakemake("--dry-run", "results/runs/cifar-plain7_s0/metrics.json")
    assert done.returncode != 0
    assert "no run cifar-plain7_s0 is planned at the scale tiny" in done.stdout + done.stderr


def test_interrupted_by_ctrl_c_the_next_start_goes_on_without_an_unlock(workspace: Workspace) -> None:
    workspace.start_programs()
    workspace.edit("epochs: 1", "epochs: 200")
    process = subprocess.Popen(
        ["snakemake", "--cores", "2", "all"], cwd=workspace.folder, env=workspace.env, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    progress = workspace.folder / ".ablate/progress"
    deadline = time.monotonic() + 120
    while not (progress.is_dir() and any(progress.glob("*.json"))):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)  # what a terminal's Ctrl-C does: the whole group gets it
    _, text = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in text
    assert not list((workspace.folder / "results").rglob("*.part"))

    workspace.edit("epochs: 200", "epochs: 1")
    assert workspace.jobs("runs")["train"] == 3


def test_every_result_names_its_data_code_and_machine(base: Path) -> None:
    provenance = json.loads((base / "repository/results/tiny/resnet-vs-plain/provenance.json").read_text())
    assert len(provenance) == 4
    for manifest in provenance.values():
        assert manifest["data"]["archive"]["digest"] == "embedded"
        assert len(manifest["key"]["code"]) == 64 and manifest["wall_s"] > 0 and manifest["threads"] >= 1
        assert str(base) not in json.dumps(manifest)


@pytest.mark.parametrize(
    ("cores", "available", "jobs"),
    [(8, 2, 30), (3, 2, 30), (1, 2, 5), (8, 8, 2), (16, 16, 5), (None, 4, 9), (8, 1, 3)],
)
def test_jobs_at_once_never_use_more_threads_than_there_are_cores(
    cores: int | None, available: int, jobs: int
) -> None:
    claim, threads = share(cores, available, jobs)
    total = cores or available
    at_once = min(jobs, total // claim)
    assert at_once >= 1
    assert at_once * threads <= min(total, available)


def test_lint_finds_nothing_but_the_missing_containers() -> None:
    """The one exception: the software of every rule is the locked .venv, so no rule names a container of its own."""
    done = subprocess.run(
        ["snakemake", "--lint"], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = {line.strip() for line in (done.stdout + done.stderr).splitlines() if line.startswith("    * ")}
    assert found == {"* Specify a conda environment or container for each rule.:"}


def test_what_runs_before_the_first_job_stands_in_one_place() -> None:
    """Oracle: Snakemake calls the last `onstart` alone. Its limit of jobs a second is an attribute of its scheduler,
    and one of another name would leave the limit on, whose timers look through all jobs again for each that ended.
    """
    texts = [
        path.read_text() for path in (ROOT / "src/ablate/rules/Snakefile", *(ROOT / "src/ablate/rules").glob("*.smk"))
    ]
    found = [hook for text in texts for hook in re.findall(r"^on(?:start|success|error):", text, re.MULTILINE)]
    assert len(found) == len(set(found)) and "onstart:" in found
    assert "self.job_rate_limiter = (" in inspect.getsource(JobScheduler.__init__)
    assert any("scheduler.job_rate_limiter = None" in text for text in texts)
