"""The Slurm profile on a real Slurm: one run of two tiny studies, and something happens to nearly every job.

Oracle: the same parameters run on this machine without Slurm, and what Slurm itself says became of its jobs.

Nothing depends on how fast the machine is: a training process is stopped (SIGSTOP) once it has left a checkpoint, and
its fate finds it there.
"""

import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cluster
import psutil
import pytest
import yaml
from events import WAIT_S, cut_power, fields, shorten, wait_for, warned

from conftest import Workspace

pytestmark = [pytest.mark.slurm, pytest.mark.slow]
# For the module as a whole, so that the reason is said once.
if os.environ.get("PYTEST_XDIST_WORKER"):
    pytest.skip(
        "one cluster fits on a machine, so these have a call of their own: make slurm", allow_module_level=True
    )
if reason := cluster.why_not():
    pytest.skip(reason, allow_module_level=True)
PAPERS = ["resnet-vs-plain", "tinyimage10"]  # the targets: a study of each
FATES = ["warned", "timeout", "cancelled", "requeued", "preempted", "crashed", "gpu", "gpu-too"]


@dataclass
class Seen:
    """What is left of the one run on the cluster."""

    there: Workspace
    here: Workspace
    fate: dict[str, str]  # {fate: the run that it is for}
    code: int = -1
    log: str = ""
    first: dict[str, str] = field(default_factory=dict)  # {fate: the first Slurm job that trained the run}
    environ: dict[str, dict[str, str]] = field(default_factory=dict)  # {fate: of its training process}
    slurm: dict[str, dict[str, str]] = field(default_factory=dict)  # {job: what `scontrol show job` says of it}
    ended: list[dict[str, str]] = field(default_factory=list)  # Slurm's list of completed jobs

    def manifest(self, fate: str) -> dict[str, int]:
        path = self.there.folder / f"results/runs/{self.fate[fate]}/manifest.json"
        return yaml.safe_load(path.read_text())  # type: ignore[no-any-return]


def tiny(folder: Path) -> Workspace:
    """Eight runs, long enough that each can be caught after its first checkpoint."""
    made = Workspace(folder)
    made.edit("seeds: [0]", "seeds: [0, 1]")
    made.edit("epochs: 1", "epochs: 30")
    made.edit("settings: {lr: 0.02}", "axes: {lr: [0.02, 0.03]}")
    return made


def adapt(profile: Path, fate: dict[str, str]) -> None:
    """Fit the profile to this cluster, as its comments tell a user to."""
    config = yaml.safe_load(profile.read_text())
    config["slurm-init-seconds-before-status-checks"] = 3
    config["latency-wait"] = 10
    config["group-components"] = {"batch": 1}  # what befalls a job befalls one run
    config["set-threads"] = {"verify": 1, "train": 1}
    train = config["set-resources"]["train"]
    on_gpu = f"wildcards.run in {[fate['gpu'], fate['gpu-too']]}"
    config["set-resources"]["train"] = train | {
        "gpu": f"int({on_gpu})",
        "gpu_model": f"'pretended' if {on_gpu} else ''",
        "slurm_partition": f"'gpu' if {on_gpu} else 'main'",
        # One run has no warning, so that the time limit itself ends it.
        "slurm_extra": f"'' if wildcards.run == '{fate['timeout']}' else '{train['slurm_extra']}'",
    }
    config["set-resources"]["verify"] = {"mem_mb": "50 if attempt == 1 else 2000"}
    profile.write_text(yaml.safe_dump(config))


@pytest.fixture(scope="module")
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("slurm")
    base = cluster.start(folder)
    try:
        yield run_through_faults(request.config, folder, base)
    finally:
        cluster.stop(folder)


def run_through_faults(config: pytest.Config, folder: Path, base: Path) -> Seen:
    there, here = tiny(folder / "cluster"), tiny(folder / "local")
    there.start_programs()  # which Slurm watches
    plan = there.run("ablate", "plan", "--json")
    runs = sorted({entry["run"] for entry in yaml.safe_load(plan.stdout)})
    seen = Seen(there, here, dict(zip(FATES, runs, strict=True)))
    adapt(there.folder / "workflow/profiles/slurm/config.yaml", seen.fate)
    with (folder / "snakemake.log").open("w") as log:
        snakemake = subprocess.Popen(
            ["snakemake", "--profile", "workflow/profiles/slurm", *PAPERS], cwd=there.folder, env=there.env,
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        held = hold_all(seen, snakemake)
        meet_fates(seen, held, base)
        # While the cluster waits for time limits and lost nodes, this machine has cores to spare.
        local = here.snakemake("--set-resources", "train:torch_threads=1", "--", *PAPERS)
        assert local.returncode == 0, local.stderr
        bring_back(seen, held)
        seen.code = snakemake.wait(WAIT_S)
    finally:
        if snakemake.poll() is None:
            snakemake.send_signal(signal.SIGINT)  # cancels its jobs
            snakemake.wait(60)
        seen.log = (folder / "snakemake.log").read_text()
        print(seen.log)
        seen.slurm = {j["JobId"]: j for j in map(fields, cluster.call("scontrol", "-o", "show", "job").splitlines())}
        seen.ended = [fields(line) for line in (base / "log/jobcomp.log").read_text().splitlines()]
        config.pluginmanager.register(Summary(seen))
    return seen


def hold_all(seen: Seen, snakemake: subprocess.Popen[bytes]) -> dict[str, psutil.Process]:
    """{fate: training process}, all of them stopped, each after its first checkpoint."""
    held: dict[str, psutil.Process] = {}

    def hold() -> bool:
        assert snakemake.poll() is None, "Snakemake ended before all runs had begun"
        for fate, run in seen.fate.items():
            lock = seen.there.folder / f".ablate/checkpoints/{run}.lock"
            if fate not in held and any(lock.with_suffix("").glob("*.pt")) and (pid := lock.read_text()):
                held[fate] = psutil.Process(int(pid))
                held[fate].suspend()
                seen.environ[fate] = held[fate].environ()
                seen.first[fate] = seen.environ[fate]["SLURM_JOB_ID"]
        return len(held) == len(FATES)

    wait_for(hold, "the first checkpoint of every run")
    return held


def meet_fates(seen: Seen, held: dict[str, psutil.Process], base: Path) -> None:
    held["gpu"].resume()
    held["gpu-too"].resume()
    shorten(seen.first["timeout"], 1)
    shorten(seen.first["warned"], 2)  # a minute before the end, the warning is due in any case
    cluster.call("scancel", seen.first["cancelled"])
    cluster.call("scontrol", "requeue", seen.first["requeued"])
    cluster.call("sbatch", "-p", "urgent", "-w", node(seen, "preempted"), "-o", "/dev/null", "--wrap", "sleep 5")
    cut_power(node(seen, "crashed"), seen.first["crashed"], base)


def bring_back(seen: Seen, held: dict[str, psutil.Process]) -> None:
    lost = node(seen, "crashed")
    show = ("scontrol", "-o", "show", "node", lost)
    wait_for(lambda: fields(cluster.call(*show))["State"].startswith("DOWN"), "Slurm to notice that a node is down")
    cluster.start_node(lost)
    wait_for(lambda: warned(held["warned"]), "the warning before the time limit")


def node(seen: Seen, fate: str) -> str:
    return seen.environ[fate]["SLURMD_NODENAME"]


class Summary:
    """What Slurm saw, at the end of pytest's output."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        states = Counter(job["JobState"].replace("PENDING", "REQUEUED") for job in self.seen.ended)
        restarts = sum(int(job["Restarts"]) for job in self.seen.slurm.values())
        terminalreporter.section("Slurm")
        ends = ", ".join(f"{number} {state}" for state, number in states.items())
        terminalreporter.write_line(f"{len(self.seen.slurm)} jobs, {restarts} requeues; ends: {ends}")


def test_it_ends_well_in_one_go_and_leaves_nothing_to_do(seen: Seen) -> None:
    assert seen.code == 0
    again = seen.there.snakemake("--dry-run", *PAPERS)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_every_table_and_run_is_the_local_ones_byte_for_byte(seen: Seen) -> None:
    patterns = [
        "results/tiny/*/table-*",
        "results/tiny/*/comparison.*",
        "results/runs/*/[!m]*",
        "results/runs/*/metrics.json",
    ]
    names = {str(p.relative_to(seen.here.folder)) for pattern in patterns for p in seen.here.folder.glob(pattern)}
    # Two papers' table and comparison as csv, md, tex, runs.json and caption.json; five files of eight runs.
    assert len(names) == 2 * (5 + 5) + 8 * 5
    differ = [n for n in sorted(names) if (seen.there.folder / n).read_bytes() != (seen.here.folder / n).read_bytes()]
    assert not differ


@pytest.mark.parametrize("fate", ["warned", "timeout", "cancelled", "requeued", "preempted", "crashed"])
def test_a_run_whose_job_is_lost_goes_on_from_its_checkpoint(seen: Seen, fate: str) -> None:
    assert seen.manifest(fate)["starts"] == 2


@pytest.mark.parametrize(
    ("fate", "state"), [("warned", "FAILED"), ("timeout", "TIMEOUT"), ("cancelled", "CANCELLED")]
)
def test_a_job_that_slurm_ends_is_tried_again_as_another_job(seen: Seen, fate: str, state: str) -> None:
    assert seen.slurm[seen.first[fate]]["JobState"] == state
    assert len(of(seen, seen.fate[fate])) == 2


@pytest.mark.parametrize("fate", ["requeued", "preempted", "crashed"])
def test_a_job_that_slurm_puts_back_costs_no_retry(seen: Seen, fate: str) -> None:
    job = seen.slurm[seen.first[fate]]
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1")
    assert len(of(seen, seen.fate[fate])) == 1


def of(seen: Seen, name: str) -> list[dict[str, str]]:
    """The jobs for a run or a rule: the executor plugin writes both into the comment."""
    return [job for job in seen.slurm.values() if name in job.get("Comment", "")]


def test_training_answers_slurms_warning_by_saving_its_state_at_once(seen: Seen) -> None:
    log = seen.there.folder / f"logs/slurm/rule_train/{seen.fate['warned']}/{seen.first['warned']}.log"
    assert "stopped by SIGUSR1 at epoch" in log.read_text()


def test_a_retry_has_more_time_and_more_memory(seen: Seen) -> None:
    """Twice the ten minutes that `limit_minutes` grants at least; the memory that the test gave to `verify`."""
    limits = [job["TimeLimit"] for job in of(seen, seen.fate["timeout"]) if job["JobState"] == "COMPLETED"]
    assert limits == ["00:20:00"]
    memory = {job["JobState"] == "COMPLETED": job["MinMemoryNode"] for job in of(seen, "rule_verify_wildcards_")}
    assert memory == {False: "50M", True: "2000M"}


def test_jobs_on_a_node_get_gpus_of_their_own_and_others_none(seen: Seen) -> None:
    devices = {fate: environ.get("CUDA_VISIBLE_DEVICES") for fate, environ in seen.environ.items()}
    assert {devices.pop("gpu"), devices.pop("gpu-too")} == {"0", "1"}
    assert set(devices.values()) <= {None, ""}


def test_a_second_cluster_is_not_started(seen: Seen) -> None:
    assert "Slurm runs here already" in str(cluster.why_not())


def test_steps_that_take_seconds_stay_off_the_cluster(seen: Seen) -> None:
    rules = {re.sub("_wildcards.*", "", job["Comment"]) for job in seen.slurm.values() if "Comment" in job}
    assert rules == {"rule_verify", "rule_train"}
