"""Locks that a killed Snakemake left, by processes that are really killed. Oracle: what is left in their folder."""

import errno
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ablate.runtime import takeover
from conftest import Workspace, made_once, programs
from pretended import until

# Signs as the Snakefile does and locks as Snakemake does; starts what is named behind it in its own process group.
HOLDER = """
import subprocess, sys, time
from pathlib import Path
from ablate.runtime.takeover import take_over
take_over()
Path(".snakemake/locks/0.output.lock").write_text("results/x\\n")
if sys.argv[1:]:
    subprocess.Popen(sys.argv[1:])
print("ready", flush=True)
time.sleep(600)
"""
# As a training job does: answers SIGTERM by saving.
TRAINING = """
import signal, sys, time
from pathlib import Path
def save(*_):
    Path("saved").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
Path("training").touch()
time.sleep(600)
"""
LOCK = Path(".snakemake/locks/0.output.lock")
EPOCHS = 10  # which last longer than a second Snakemake takes to say that it is the second


def holder(*words: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, *words], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def killed(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def owners() -> list[str]:
    return [file.name.split(",")[1] for file in takeover.LOCKS.glob("*.owner")]


def test_the_lock_of_a_dead_process_is_removed_and_the_next_signs() -> None:
    killed(holder())
    assert LOCK.exists()
    takeover.take_over()
    assert not LOCK.exists() and owners() == [str(os.getpid())]


def test_a_number_that_another_process_has_by_now_is_still_dead() -> None:
    """Oracle: this process lives, and holds no signature."""
    killed(holder())
    (signed,) = takeover.LOCKS.glob("*.owner")
    signed.rename(signed.with_name(signed.name.replace(f",{signed.name.split(',')[1]},", f",{os.getppid()},")))
    takeover.take_over()
    assert not LOCK.exists()


def test_the_lock_of_a_living_process_is_respected_whoever_died_beside_it() -> None:
    living = holder()
    try:
        killed(holder())  # as a second Snakemake that was refused
        takeover.take_over()
        assert LOCK.exists() and str(living.pid) in owners()
    finally:
        killed(living)


def elsewhere(signed: Path) -> None:
    signed.rename(signed.with_name(f"elsewhere,{signed.name.split(',', 1)[1]}"))


@pytest.mark.parametrize("change", [elsewhere, Path.unlink], ids=["another host", "no signature"])
def test_what_cannot_be_known_to_be_dead_is_respected(change: Callable[[Path], object]) -> None:
    killed(holder())
    (signed,) = takeover.LOCKS.glob("*.owner")
    change(signed)
    takeover.take_over()
    assert LOCK.exists()


@pytest.mark.parametrize("lives", [True, False])
def test_without_file_locks_the_process_itself_tells(lives: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    living = holder()
    if not lives:
        killed(living)

    def none(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", none)
    takeover.take_over()
    assert LOCK.exists() == lives
    if lives:
        killed(living)


@pytest.mark.parametrize("node", ["", "a,b/c", "höst.example.org", "x" * 60])
def test_any_host_name_will_do(node: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.node", lambda: node)
    takeover.take_over()
    assert owners() == [str(os.getpid())]
    takeover.take_over()  # held by this very process


def test_its_training_jobs_are_ended_and_no_others(tmp_path: Path) -> None:
    """They save their state. One that somebody started by hand, in a group of its own, goes on."""
    program = tmp_path / "ablate"
    program.write_text(TRAINING)
    words = [sys.executable, str(program), "train", "--run", "{}"]
    by_hand = subprocess.Popen(words, start_new_session=True)
    until(Path("training").exists)
    Path("training").unlink()
    snakemake = holder(*words)
    until(Path("training").exists)
    killed(snakemake)
    takeover.take_over()
    assert Path("saved").exists() and not LOCK.exists()
    assert by_hand.poll() is None
    by_hand.kill()
    by_hand.wait()


def started(workspace: Workspace, *words: str) -> subprocess.Popen[str]:
    """Snakemake in a process group of its own, once it trains. Its output goes to a file, which outlives it."""
    workspace.start_programs()
    said = workspace.folder / "said"
    with said.open("a") as file:
        process = subprocess.Popen(
            ["snakemake", "--cores", "2", *words], cwd=workspace.folder, env=workspace.env, start_new_session=True,
            stdout=file, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def trains() -> bool:
        assert process.poll() is None, said.read_text()
        return any((workspace.folder / ".ablate/progress").glob("*.json"))

    until(trains)
    return process


def metrics(workspace: Workspace) -> dict[str, bytes]:
    """What must not depend on how often a run was started."""
    return {
        str(path.relative_to(workspace.folder)): path.read_bytes()
        for path in (workspace.folder / "results/runs").glob("*/*")
        if path.name in ("metrics.json", "history.csv", "predictions.csv")
    }


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """`metrics` of the runs that are killed below."""

    def make(folder: Path) -> None:
        workspace = Workspace(folder / "repository")
        workspace.edit("epochs: 1", f"epochs: {EPOCHS}")
        assert workspace.jobs("runs")["train"] == 3

    return metrics(Workspace(made_once(tmp_path_factory, "undisturbed", make) / "repository"))


@pytest.mark.slow
@pytest.mark.parametrize("whole_group", [True, False], ids=["with its jobs", "alone"])
def test_after_kill_9_the_same_command_goes_on(
    whole_group: bool, undisturbed: dict[str, bytes], workspace: Workspace
) -> None:
    """Oracle: the bytes of an undisturbed run of the same settings."""
    workspace.edit("epochs: 1", f"epochs: {EPOCHS}")
    process = started(workspace, "runs")
    second = workspace.run(str(programs() / "snakemake"), "--cores", "2", "runs")
    assert second.returncode == 1 and "Directory cannot be locked" in second.stderr
    assert process.poll() is None
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
    process.wait()
    assert list((workspace.folder / ".snakemake/locks").glob("*.lock"))
    again = workspace.snakemake("runs")
    assert again.returncode == 0, again.stderr
    assert "locked" not in again.stderr and "Traceback" not in again.stderr + again.stdout
    assert not (workspace.folder / ".snakemake/locks").exists()
    assert len(undisturbed) == 9 and metrics(workspace) == undisturbed


@pytest.mark.slow
def test_ctrl_c_twice_ends_without_a_traceback_and_loses_nothing(workspace: Workspace) -> None:
    """Oracle: the epoch at which each run says that it was stopped; the next start goes on from there."""
    workspace.edit("epochs: 1", "epochs: 400")
    process = started(workspace, "runs")
    progress = workspace.folder / ".ablate/progress"

    def epochs() -> dict[str, int]:
        return {path.stem: json.loads(path.read_text())["done"] for path in progress.glob("*.json")}

    try:
        until(lambda: len(epochs()) == 2 and min(epochs().values()) >= 2)
        for _ in range(2):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.05)
        assert process.wait(120) != 0
        said = (workspace.folder / "said").read_text()
        assert "Traceback" not in said and "KeyboardInterrupt" not in said, said
        # It reached the terminal and the log, since `tee` had not ended before.
        stopped = {
            run: int(n) for n, run in re.findall(r"stopped by SIGINT at epoch (\d+), step \d+, of (\S+);", said)
        }
        assert len(stopped) == 2 and min(stopped.values()) >= 2
        assert not list(workspace.folder.rglob("*.part"))
        process = started(workspace, "runs")

        def firsts() -> dict[str, int]:
            again = (workspace.folder / "said").read_text()[len(said) :]
            return {run: int(n) for run, n in reversed(re.findall(r"(\S+): epoch (\d+)/400", again))}

        until(lambda: stopped.keys() & firsts().keys())  # a third run may have come before one of them
        assert all(firsts()[run] >= stopped[run] for run in stopped.keys() & firsts().keys())
        assert "locked" not in (workspace.folder / "said").read_text()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
