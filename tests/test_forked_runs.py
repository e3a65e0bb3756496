"""Training by way of the fork server, whole and killed. Oracle: the bytes that processes of their own leave."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from ablate.plan.runs import Run
from ablate.plan.settings import Settings
from ablate.runtime.fork_client import OFF, SERVER
from conftest import Workspace
from pretended import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="there is a fork server on Linux alone"),
]
OF_TIMES = {
    "training",
    "started",
    "ended",
    "wall_s",
    "images_per_s",
    "peak_memory_mb",
    "git",
    "starts",
    "command",
    "seal",
}
NOTING = """
    import sys
    from pathlib import Path

    with Path("started").open("a") as file:
        file.write(f"{sys.argv[1]} {'pydantic' in sys.modules}\\n")
    from ablate.cli.main import main as run
"""
ASKED = ["runs", "results/tiny/tinyimage10/table-optimiser.csv", "results/tiny/tinyimage10/figure-3.svg"]


def left(folder: Path) -> dict[str, Any]:
    """All that must not depend on how jobs were started: trained runs, tables, figures."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if path.name == "manifest.json":
            found[str(path)] = {k: v for k, v in json.loads(path.read_text()).items() if k not in OF_TIMES}
        elif path.suffix in (".svg", ".png", ".npy", ".md", ".tex", ".safetensors") or path.name in (
            "run.json", "metrics.json", "history.csv", "predictions.csv", "table-optimiser.csv",
        ):  # fmt: skip
            found[str(path)] = path.read_bytes()
    return {str(Path(name).relative_to(folder)): content for name, content in found.items()}


def test_a_workflow_leaves_the_same_bytes_either_way(tmp_path: Path) -> None:
    results = {}
    for way in ("", OFF):
        workspace = Workspace(tmp_path / f"way-{way}")
        workspace.start_programs()
        workspace.env |= {SERVER: way, "PS1": "(.venv) $ "}  # which `activate` of an environment exports
        workspace.edit("    from ablate.cli.main import main as run\n", NOTING, "src/ablate/__main__.py")
        done = workspace.snakemake(*ASKED)
        assert done.returncode == 0 and "ablate: " not in done.stderr, done.stderr
        started = (workspace.folder / "started").read_text().splitlines()
        assert [line for line in started if line.startswith("train")]
        assert {line.split()[1] for line in started} == {str(way != OFF)}
        results[way] = left(workspace.folder / "results")
    assert results[""].keys() == results[OFF].keys() and len(results[""]) > 20
    assert [name for name, content in results[""].items() if content != results[OFF][name]] == []


# In Snakemake's place: ends what a dead one left, has a server, and one job in a shell.
PARENT = """
import subprocess, sys
from ablate.runtime.takeover import take_over
from ablate.workflow.fork_server import start
take_over()
prefix = "set -euo pipefail; trap : INT; "
sys.exit(subprocess.run(["bash", "-c", prefix + start(prefix) + sys.argv[1]]).returncode)
"""
KILLS, EPOCHS = 20, 80


def processes(folder: Path) -> dict[str, psutil.Process]:
    """One of each kind that lives in ``folder``: server, fork, and programs by their names; `-c` is `PARENT`."""
    found = {}
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if Path(process.cwd()) == folder and process.status() != psutil.STATUS_ZOMBIE:
                if "ablate.workflow.fork_server" in words:
                    name = "server" if process.pid == os.getpgid(process.pid) else "fork"
                else:
                    program = Path(words[0]).name
                    name = program if not program.startswith("python") else Path(words[1]).name
                found[name] = process
        except (psutil.Error, ProcessLookupError, IndexError):
            pass
    return found


def test_any_process_of_the_path_may_be_killed_at_any_moment(packs: dict[str, Path], tmp_path: Path) -> None:
    """Nothing is lost but the step under way, since there is a checkpoint at each; nobody is left behind."""
    workspace = Workspace(tmp_path / "killed")
    workspace.start_programs()
    workspace.edit("EVERY_S = 30.0", "EVERY_S = 0.0", "src/ablate/runtime/checkpoint.py")
    base = {
        "dataset": "cifar10", "model": "cifar-resnet7", "optimizer": "sgd", "lr": 1e-3, "momentum": 0.9,
        "epochs": EPOCHS, "batch_size": 8, "per_class": 4, "augment": "resnet-vs-plain",
    }  # fmt: skip
    run = Run(settings=Settings.model_validate(base), seed=0, recipe=1, variant="embedded")
    pack = packs["cifar10"]
    train = f"ablate train --run '{run.to_json()}' --pack {pack} --device cpu --out"
    own = workspace.run("bash", "-c", f"{train} own 2>&1")
    assert own.returncode == 0, own.stdout

    folder, draw = workspace.folder, random.Random(0)
    killed: list[str] = []
    ended = 0

    def epochs() -> int:
        return (folder / "said").read_text().count(": epoch ")

    words = [sys.executable, "-c", PARENT, f"{train} forked 2>&1 | tee -i log"]
    with (folder / "said").open("a") as said:
        while len(killed) < KILLS or not ended:
            parent = subprocess.Popen(
                words, cwd=folder, env=workspace.env, stdout=said, stderr=said, start_new_session=True
            )
            while parent.poll() is None:
                if draw.random() < 0.5:  # every other one while it trains, the others while it starts or ends
                    seen = epochs()
                    until(lambda seen=seen, parent=parent: epochs() > seen or parent.poll() is not None)
                time.sleep(draw.random() * 0.5)
                there = processes(folder)
                if len(killed) < KILLS and there:
                    name = draw.choice(sorted(there))
                    killed.append(name)
                    there[name].kill()
            ended += parent.returncode == 0
    until(lambda: not processes(folder))
    assert len(set(killed)) >= 5, killed
    assert left(folder / "forked") == left(folder / "own")
    assert epochs() <= EPOCHS * ended + KILLS, (killed, ended)


@pytest.mark.parametrize("which", ["server", "ablate", "fork"])
def test_snakemake_goes_on_or_says_that_a_job_was_killed(which: str, workspace: Workspace) -> None:
    workspace.start_programs()
    workspace.edit("epochs: 1", "epochs: 6")
    with (workspace.folder / "said").open("w") as said:
        process = subprocess.Popen(
            ["snakemake", "--cores", "1", "--retries", "1", "runs"], cwd=workspace.folder, env=workspace.env,
            stdout=said, stderr=said,
        )  # fmt: skip
        until(lambda: any((workspace.folder / ".ablate/progress").glob("*.json")) or process.poll() is not None)
        processes(workspace.folder)[which].kill()
        assert process.wait(300) == 0, (workspace.folder / "said").read_text()
    text = (workspace.folder / "said").read_text()
    assert ("non-zero exit status 137" in text) == (which != "server")
    assert ("the workflow's fork server was killed" in text) == (which == "server")
    assert len(list((workspace.folder / "results/runs").glob("*/metrics.json"))) == 3
    assert not processes(workspace.folder)
