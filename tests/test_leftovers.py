"""`ablate gc` and `ablate du`. Oracle: what is put on disk; what is there afterwards."""

import json
import os
from pathlib import Path

from ablate.plan.keys import FILES
from ablate.plan.leftovers import size
from ablate.plan.params import load
from ablate.plan.run_records import RunRecords
from ablate.plan.runs import RUNS, make_plan
from ablate.runtime.checkpoint import CHECKPOINTS
from ablate.runtime.run_lock import RunLock
from conftest import TINY, Ablate, write_tiny
from fabricated import vouch

TWO = TINY.replace("scales: {tiny: {}}", "scales: {tiny: {}, other: {overrides: {lr: 0.5}}}")


def ended(run: str) -> None:
    (RUNS / run).mkdir(parents=True)
    for name in FILES[:-1]:
        (RUNS / run / name).write_text(f"{run} {name}")
    (RUNS / run / "metrics.json").write_text(json.dumps({"status": "done", "epochs": 1}))
    vouch(RUNS / run)


def test_what_no_scale_plans_goes_and_all_else_stays(ablate: Ablate, tmp_path: Path) -> None:
    """Kept: planned runs of two scales, another seed, what is being trained, what only the folder has, patches."""
    write_tiny(tmp_path, TWO.replace("lr: 0.02", "lr: 0.09"))
    old = next(p.run.id for p in make_plan(load(Path("params.yaml"))).planned if p.study == "optimiser")
    ended(old)
    RunRecords(make_plan(load(Path("params.yaml")))).pack()  # now recorded
    write_tiny(tmp_path, TWO)
    here, there = (make_plan(load(Path("params.yaml"), {"scale": scale})) for scale in ("tiny", "other"))
    planned, elsewhere = (next(iter(plan.runs)) for plan in (here, there))
    assert elsewhere not in here.runs
    seed = planned.removesuffix("_s0") + "_s9"
    for run in (planned, elsewhere, seed, "only_here_s0", "begun_s0"):
        ended(run)
    (RUNS / "patches").mkdir()
    for folder, name in (
        (CHECKPOINTS, "stopped_s1"), (CHECKPOINTS, planned), (CHECKPOINTS, f"{planned}.aside-12"),
        (Path("logs/tensorboard"), old),
    ):  # fmt: skip
        (folder / name).mkdir(parents=True)
        (folder / name / "000001-00000000.pt").write_bytes(b"x" * 10_000)
    Path("logs/train").mkdir()
    for name in (old, planned, "failed_s0"):
        Path(f"logs/train/{name}.log").write_text("a line\n")
    going = {
        RUNS / old, CHECKPOINTS / "stopped_s1", CHECKPOINTS / f"{planned}.aside-12", Path("logs/tensorboard", old),
        Path(f"logs/train/{old}.log"), Path("logs/train/failed_s0.log"),
    }  # fmt: skip
    before = {path for path in Path().rglob("*") if path.parts[0] in ("results", "logs", ".ablate")}
    with RunLock("begun_s0"):
        assert ablate("gc")[0] == 2  # neither --dry-run nor --yes
        code, out, _ = ablate("gc", "--dry-run", "--json")
        assert code == 0 and {Path(p) for e in json.loads(out) for p in e["paths"]} == going
        assert all(e["bytes"] == sum(map(size, map(Path, e["paths"]))) for e in json.loads(out))
        assert "1 more have results that are recorded nowhere else" in ablate("gc", "--dry-run")[1]
        assert all(path.exists() for path in before)
        assert ablate("gc", "--yes")[0] == 0
        gone = {path for path in before if not path.exists()}
        assert gone == {p for p in before if {p, *p.parents} & going}
        assert ablate("gc", "--yes", "--unrecorded")[0] == 0
        assert not (RUNS / "only_here_s0").exists() and (RUNS / "begun_s0").exists()
    assert {path.name for path in RUNS.iterdir()} == {planned, elsewhere, seed, "begun_s0", "patches"}


def test_a_result_that_is_another_than_its_record_is_only_here(ablate: Ablate, tmp_path: Path) -> None:
    write_tiny(tmp_path, TWO)
    run = next(iter(make_plan(load(Path("params.yaml"))).runs))
    ended(run)
    RunRecords(make_plan(load(Path("params.yaml")))).pack()
    (RUNS / run / "history.csv").write_text("trained again")
    vouch(RUNS / run)
    write_tiny(tmp_path, TWO.replace("lr: 0.01", "lr: 0.03"))
    assert ablate("gc", "--yes")[0] == 0 and (RUNS / run).exists()


def test_du_counts_what_is_there(ablate: Ablate, tmp_path: Path) -> None:
    """Oracle: st_blocks of each file and folder; a file with two names counts once."""
    write_tiny(tmp_path, TWO)
    run = next(iter(make_plan(load(Path("params.yaml"))).runs))
    ended(run)
    ended("gone_s0")
    (RUNS / run / "big").write_bytes(os.urandom(100_000))
    os.link(RUNS / run / "big", RUNS / run / "again")
    found = json.loads(ablate("du", "--json")[1])
    expected = {"results/runs: of the scale tiny": run, "results/runs: of no plan": "gone_s0"}
    for what, name in expected.items():
        paths = [path for path in (RUNS / name, *(RUNS / name).iterdir()) if path.name != "again"]
        assert found[what] == sum(512 * path.stat().st_blocks for path in paths)
    assert set(found) == set(expected)
    lines = ablate("du")[1].splitlines()
    assert lines[0] == "   0.1 MB  results/runs: of the scale tiny"
