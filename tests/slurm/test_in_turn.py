"""Several runs in one job of a real Slurm: five jobs of two runs, each lost in its own way in the second.

Oracle: the same parameters run on this machine without Slurm; a run's manifest, which has a number of its own for
each training; and what Slurm itself says became of its jobs.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import cluster
import psutil
import pytest
import yaml
from events import WAIT_S, cut_power, fields, shorten, wait_for, warned

from conftest import Workspace

pytestmark = [pytest.mark.slurm, pytest.mark.slow]
if os.environ.get("PYTEST_XDIST_WORKER"):
    pytest.skip(
        "one cluster fits on a machine, so these have a call of their own: make slurm", allow_module_level=True
    )
if reason := cluster.why_not():
    pytest.skip(reason, allow_module_level=True)
PAPERS = ["resnet-vs-plain", "tinyimage10"]
LOST = ["cancelled", "killed", "preempted", "warned"]  # in the middle of their second run
BATCHES = """
import json
from ablate.workflow.pipeline import open_pipeline
p = open_pipeline({}, 4)
print(json.dumps({run: p.batch_of(run, 2) for run in p.project.plan.runs}))
"""
# Ends a training as a mistake in somebody's code would, until `BROKEN` is there no more.
BREAKS = """    record, there = Run.from_json(run), finished / out if finished else out
    if Path("broken").exists() and record.id == Path("broken").read_text():
        raise RuntimeError("broken")
"""


@dataclass
class Seen:
    """What is left of the one call on the cluster, and of a second one, after what was broken is mended."""

    there: Workspace
    here: Workspace
    runs: dict[str, list[str]]  # {fate: the two runs of its job}
    first: dict[str, str] = field(default_factory=dict)  # {fate: the run that had ended when it came}
    left: dict[str, bytes] = field(default_factory=dict)  # {fate: the first run's manifest then}
    job: dict[str, str] = field(default_factory=dict)  # {fate: the Slurm job}
    served: dict[str, bool] = field(default_factory=dict)  # {fate: whether a fork server forked the second training}
    code: int = -1
    slurm: dict[str, dict[str, str]] = field(default_factory=dict)  # {job: what `scontrol show job` says of it}
    after: dict[str, bytes] = field(default_factory=dict)  # {run: its manifest after the call}
    again: str = ""  # what the second call says

    def second(self, fate: str) -> str:
        return next(run for run in self.runs[fate] if run != self.first[fate])

    def of(self, folder: Path, run: str, name: str = "manifest.json") -> Path:
        return folder / f"results/runs/{run}/{name}"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("in-turn")
    base = cluster.start(folder)
    try:
        yield run_through_losses(folder, base)
    finally:
        cluster.stop(folder)


def tiny(folder: Path) -> Workspace:
    """Ten runs, long enough that each can be caught after its first checkpoint."""
    made = Workspace(folder)
    made.edit("seeds: [0]", "seeds: [0, 1]")
    made.edit("epochs: 1", "epochs: 30")
    made.edit("settings: {lr: 0.02}", "axes: {lr: [0.02, 0.03, 0.04]}")
    return made


def run_through_losses(folder: Path, base: Path) -> Seen:
    there, here = tiny(folder / "cluster"), tiny(folder / "local")
    there.start_programs()  # which Slurm watches
    there.edit(BREAKS.splitlines(keepends=True)[0], BREAKS, "src/ablate/cli/train.py")
    batches = json.loads(there.run(sys.executable, "-c", BATCHES).stdout)
    shared = [[run for run in batches if batches[run] == name] for name in sorted(set(batches.values()))]
    seen = Seen(there, here, dict(zip([*LOST, "failed"], shared, strict=True)))
    (there.folder / "broken").write_text(seen.runs["failed"][0])
    seen.first["failed"] = seen.runs["failed"][1]
    profile = there.folder / "workflow/profiles/slurm/config.yaml"
    config = yaml.safe_load(profile.read_text())
    config["slurm-init-seconds-before-status-checks"] = 3
    config["latency-wait"] = 10
    config["group-components"] = {"batch": 2}
    config["set-threads"] = {"verify": 1, "train": 1}
    config["set-resources"]["train"]["runtime"] = "10 * attempt"  # on a busy machine ten runs at once take minutes
    profile.write_text(yaml.safe_dump(config))
    words = ["snakemake", "--profile", "workflow/profiles/slurm", *PAPERS]
    with (folder / "snakemake.log").open("w") as log:
        snakemake = subprocess.Popen(words, cwd=there.folder, env=there.env, stdout=log, stderr=subprocess.STDOUT)
    try:
        held = hold_seconds(seen, snakemake)
        cluster.call("scancel", seen.job["cancelled"])
        node = held["preempted"].environ()["SLURMD_NODENAME"]
        cluster.call("sbatch", "-p", "urgent", "-w", node, "-o", "/dev/null", "--wrap", "sleep 5")
        shorten(seen.job["warned"], 2)  # a minute before the end, the warning is due in any case
        lost = held["killed"].environ()["SLURMD_NODENAME"]
        cut_power(lost, seen.job["killed"], base)
        local = here.snakemake("--set-resources", "train:torch_threads=1", "--", *PAPERS)
        assert local.returncode == 0, local.stderr
        show = ("scontrol", "-o", "show", "node", lost)
        wait_for(lambda: fields(cluster.call(*show))["State"].startswith("DOWN"), "Slurm to notice a lost node")
        cluster.start_node(lost)
        wait_for(lambda: warned(held["warned"]), "the warning before the time limit")
        seen.code = snakemake.wait(WAIT_S)
    finally:
        if snakemake.poll() is None:
            snakemake.send_signal(signal.SIGINT)  # cancels its jobs
            snakemake.wait(60)
        print((folder / "snakemake.log").read_text())
        seen.slurm = {j["JobId"]: j for j in map(fields, cluster.call("scontrol", "-o", "show", "job").splitlines())}
    for run in batches:
        if (manifest := seen.of(there.folder, run)).exists():
            seen.after[run] = manifest.read_bytes()
    (there.folder / "broken").unlink()
    again = there.run(*words)
    seen.again = again.stderr + again.stdout
    assert again.returncode == 0, seen.again
    return seen


def hold_seconds(seen: Seen, snakemake: subprocess.Popen[bytes]) -> dict[str, psutil.Process]:
    """{fate: training process of the second run}, all of them stopped, each after its first checkpoint."""
    held: dict[str, psutil.Process] = {}

    def hold() -> bool:
        assert snakemake.poll() is None, "Snakemake ended before all second runs had begun"
        for fate in set(LOST) - set(held):
            ended = [run for run in seen.runs[fate] if seen.of(seen.there.folder, run, "metrics.json").exists()]
            if len(ended) == 1:
                seen.first[fate] = ended[0]
                lock = seen.there.folder / f".ablate/checkpoints/{seen.second(fate)}.lock"
                if any(lock.with_suffix("").glob("*.pt")) and (pid := lock.read_text()):
                    held[fate] = psutil.Process(int(pid))
                    held[fate].suspend()
                    seen.job[fate] = held[fate].environ()["SLURM_JOB_ID"]
                    seen.left[fate] = seen.of(seen.there.folder, ended[0]).read_bytes()
                    seen.served[fate] = "ablate.workflow.fork_server" in (held[fate].parent() or held[fate]).cmdline()
        return len(held) == len(LOST)

    wait_for(hold, "the first checkpoint of every second run")
    return held


def test_two_runs_share_a_job_their_times_and_a_fork_server(seen: Seen) -> None:
    """Ten minutes for each. A job for each pair, a second for those cancelled and warned, and two retries."""
    shared = [job for job in seen.slurm.values() if job.get("Comment", "").startswith("rule_batch-")]
    assert len(shared) == 5 + 2 + 2
    assert "rule_train" not in "".join(job.get("Comment", "") for job in seen.slurm.values())
    limits = sorted(job["TimeLimit"] for job in shared if job["JobId"] != seen.job["warned"])
    assert limits == ["00:20:00"] * 4 + ["00:40:00"] * 3 + ["01:00:00"]
    assert seen.served == dict.fromkeys(LOST, True)


@pytest.mark.parametrize("fate", LOST)
def test_a_run_that_had_ended_is_not_trained_again(seen: Seen, fate: str) -> None:
    """A training's number is in its manifest, and so are the digests of all that it left."""
    assert seen.after[seen.first[fate]] == seen.left[fate]
    assert json.loads(seen.left[fate])["starts"] == 1


@pytest.mark.parametrize("fate", LOST)
def test_the_run_that_was_under_way_goes_on_from_its_checkpoint(seen: Seen, fate: str) -> None:
    assert json.loads(seen.after[seen.second(fate)])["starts"] == 2


def test_slurm_ended_or_put_back_the_jobs_as_meant(seen: Seen) -> None:
    states = {fate: (seen.slurm[seen.job[fate]]["JobState"], seen.slurm[seen.job[fate]]["Restarts"]) for fate in LOST}
    assert states == {
        "cancelled": ("CANCELLED", "0"),
        "killed": ("COMPLETED", "1"),
        "preempted": ("COMPLETED", "1"),
        "warned": ("FAILED", "0"),
    }
    log = seen.there.folder / f"logs/slurm/{seen.slurm[seen.job['warned']]['Comment'].replace('rule_', 'group_')}"
    assert "stopped by SIGUSR1 at epoch" in (log / f"{seen.job['warned']}.log").read_text()


def test_a_run_that_fails_for_good_takes_no_other_with_it(seen: Seen) -> None:
    assert seen.code == 1
    broken, other = seen.runs["failed"]
    assert broken not in seen.after
    assert json.loads(seen.after[other])["starts"] == 1
    assert len(seen.after) == 9


def test_the_next_call_trains_that_one_alone_and_leaves_the_others(seen: Seen) -> None:
    assert seen.of(seen.there.folder, seen.runs["failed"][0]).exists()
    assert seen.again.count("rule train:") == 1
    for run, manifest in seen.after.items():
        assert seen.of(seen.there.folder, run).read_bytes() == manifest
    again = seen.there.snakemake("--dry-run", *PAPERS)
    assert "Nothing to be done" in again.stdout + again.stderr
    assert not list((seen.there.folder / ".ablate/finished").rglob("*.json"))


def test_every_run_and_table_is_the_local_ones_byte_for_byte(seen: Seen) -> None:
    patterns = ["results/tiny/*/table-*", "results/tiny/*/comparison.*", "results/runs/*/[!m]*", "results/runs/*/me*"]
    names = {str(p.relative_to(seen.here.folder)) for pattern in patterns for p in seen.here.folder.glob(pattern)}
    assert len(names) == 2 * (5 + 5) + 10 * 5
    differ = [n for n in sorted(names) if (seen.there.folder / n).read_bytes() != (seen.here.folder / n).read_bytes()]
    assert not differ


def test_each_run_has_its_own_log(seen: Seen) -> None:
    for run in chain(*seen.runs.values()):
        assert run in (seen.there.folder / f"logs/train/{run}.log").read_text()
