"""Training that runs out of memory on a pretended GPU, alone and beside other jobs. The tensors lie on the CPU."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ablate.runtime.gpus import VISIBLE
from pretended import UUIDS, Jobs, until
from test_train import small

pytestmark = pytest.mark.slow

TRAIN = """
import os, sys
import torch
look = torch.cuda.is_available
def looked():
    print("torch looks for", os.environ["CUDA_VISIBLE_DEVICES"], file=sys.stderr)
    return look()
torch.cuda.is_available = looked
from ablate.cli import main as cli
from ablate.runtime import checkpoint, slots
from ablate.train.trainer import Trainer
checkpoint.EVERY_S, slots.POLL_S = 0.0, 0.01
whole = Trainer.step
def step(self):
    if (self.at.epoch, self.at.step) == (1, 2) and ("--alone" not in sys.argv or "{always}" == "yes"):
        raise torch.OutOfMemoryError("a stand-in")
    return whole(self)
if "{fails}" == "yes":
    Trainer.step = step
cli.main()
"""


@dataclass
class Training:
    """`ablate train` on one pretended GPU, beside a job that shares it or not."""

    jobs: Jobs
    pack: Path

    def begin(self, name: str, *options: str, seed: int = 0, **values: str) -> subprocess.Popen[str]:
        script = self.jobs.folder / f"{name}.py"
        script.write_text(TRAIN.format(**{"always": "no", "fails": "yes"} | values))
        run = small().model_copy(update={"seed": seed})
        words = [sys.executable, str(script), "train", "--run", run.to_json(), "--pack", str(self.pack)]
        env = os.environ | {"TMPDIR": str(self.jobs.folder / "tmp")}
        process = subprocess.Popen(
            [*words, "--out", str(self.jobs.folder / name), *options], cwd=self.jobs.folders[0], env=env, text=True,
            stderr=(self.jobs.folder / f"{name}.err").open("w"),
        )  # fmt: skip
        self.jobs.running[name] = process
        return process

    def result(self, name: str, file: str = "metrics.json") -> dict[str, Any]:
        return json.loads((self.jobs.folder / name / file).read_text())  # type: ignore[no-any-return]


@pytest.fixture
def training(jobs: Jobs, packs: dict[str, Path], four: None, monkeypatch: pytest.MonkeyPatch) -> Training:
    monkeypatch.setenv(VISIBLE, "2")
    return Training(jobs, packs["cifar10"])


def test_out_of_memory_beside_another_job_is_tried_again_alone(training: Training, tmp_path: Path) -> None:
    """Oracle: the unbroken run. It goes on from the step that failed only when the other job has ended."""
    jobs = training.jobs
    assert training.begin("whole", fails="no").wait() == 0
    jobs.begin("other", UUIDS[2], "2", until=str(tmp_path / "go"))
    until(lambda: "other" in jobs.started())
    training.begin("run", "--jobs-per-gpu", "2")
    until(lambda: "waits for GPU 2 to itself: 1 job there, 0 before it" in jobs.said("run"))
    assert "out of memory on a shared GPU" in jobs.said("run") and not (tmp_path / "run").exists()
    (tmp_path / "go").touch()
    jobs.finish()
    assert training.result("run") == training.result("whole") and training.result("run")["status"] == "done"
    made = training.result("run", "manifest.json")
    assert made["starts"] == 2 and made["command"][-1] == "--alone"
    assert jobs.said("run").count("epoch 1/3") == 1  # the first epoch was not trained again
    looks = {line for line in jobs.said("run").splitlines() if line.startswith("torch looks")}
    assert looks == {f"torch looks for {UUIDS[2]}"}  # never before it had the slot: CUDA reads the variable once


def test_out_of_memory_alone_is_a_result(training: Training) -> None:
    training.begin("shared", "--jobs-per-gpu", "2", always="yes")
    training.begin("own", seed=1)
    training.jobs.finish()
    assert training.result("shared")["status"] == training.result("own")["status"] == "out-of-memory"
    assert training.result("shared", "manifest.json")["command"][-1] == "--alone"
    assert "--alone" not in training.result("own", "manifest.json")["command"]


def test_several_out_of_memory_at_once_all_end(training: Training) -> None:
    for seed in range(3):
        training.begin(f"run{seed}", "--jobs-per-gpu", "3", seed=seed)
    training.jobs.finish()
    for seed in range(3):
        assert training.result(f"run{seed}")["status"] == "done", seed


def test_a_signal_ends_a_waiting_job_and_its_place_is_free(training: Training, tmp_path: Path) -> None:
    jobs = training.jobs
    jobs.begin("other", UUIDS[2], until=str(tmp_path / "go"))
    until(lambda: "other" in jobs.started())
    waiting = training.begin("run")
    until(lambda: "waits for GPU 2" in jobs.said("run"))
    waiting.send_signal(signal.SIGTERM)
    assert waiting.wait(300) == -signal.SIGTERM
    del jobs.running["run"]
    jobs.begin("next", UUIDS[2])
    until(lambda: "1 job there, 0 before it" in jobs.said("next"))
    (tmp_path / "go").touch()
    jobs.finish()
