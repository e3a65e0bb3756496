"""`ablate status`: each state, made as it comes about. Oracle: what was put on disk."""

import json
from pathlib import Path
from typing import Any

import pytest

from ablate.cli import main as cli
from ablate.plan.params import load
from ablate.plan.runs import RUNS, make_plan
from ablate.plan.status import statuses
from ablate.runtime.checkpoint import CHECKPOINTS
from ablate.runtime.progress import Heartbeat, heartbeat_path
from ablate.runtime.run_lock import RunLock
from conftest import TINY
from fabricated import vouch


def test_every_state_is_told_from_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(TINY.replace("seeds: [0]", "seeds: [0, 1]"))
    plan = make_plan(load(Path("params.yaml")))
    done, diverged, running, failed, stopped, planned = plan.runs
    for run, status in ((done, "done"), (diverged, "diverged")):
        (RUNS / run).mkdir(parents=True)
        numbers = {"val_top1": 0.5, "val_chance_p": 0.4}
        (RUNS / run / "metrics.json").write_text(json.dumps({"status": status, "epochs": 1, **numbers}))
        vouch(RUNS / run)
    Path("logs/train").mkdir(parents=True)
    Path(f"logs/train/{failed}.log").write_text("a line\nablate: error: no such thing\n\n")
    Path(f"logs/train/{planned}.log").write_text("a line\n")
    (CHECKPOINTS / stopped).mkdir(parents=True)
    (CHECKPOINTS / stopped / "000001-00000000.pt").touch()
    with RunLock(running), Heartbeat(heartbeat_path(running), run=running, epochs=4) as heart:
        heart.epoch(1, 100.0, val_top1=0.25)
        found: dict[str, Any] = {f["run"]: f for f in statuses(plan)}
        monkeypatch.setattr("sys.argv", ["ablate", "status"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert not ended.value.code
    assert {run: f["state"] for run, f in found.items()} == {
        done: "done", diverged: "diverged", running: "running", failed: "failed", stopped: "interrupted",
        planned: "planned",
    }  # fmt: skip
    assert found[failed]["error"] == "ablate: error: no such thing"
    assert (found[running]["epoch"], found[running]["epochs"], found[running]["images_per_s"]) == (1, 4, 100.0)
    assert found[done]["val_top1"] == 0.5
    assert (found[done]["health"], found[diverged]["health"]) == (["not above chance"], ["diverged"])
    said = capsys.readouterr().out
    assert "1 running" in said and "done: not above chance" in said and "diverged: " not in said
    assert {f["run"]: f["state"] for f in statuses(plan)}[running] == "planned"  # the lock is given back
