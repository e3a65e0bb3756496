"""`ablate status --watch`: counts, times and lines. Oracle: what was put on disk, counted by hand.

The study is TINY's with two seeds: p1 = resnet-vs-plain/shallow with two arms, p2 = tinyimage10/optimiser with one.
"""

import io
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablate.cli import main as cli
from ablate.cli import watch as shown
from ablate.cli.watch import Screen, in_a_line
from ablate.plan.cost import PRIOR, START_S, Machine, Measured, images_of
from ablate.plan.keys import FILES
from ablate.plan.params import Params, load
from ablate.plan.runs import RUNS, Plan, Run, make_plan, seeds_file
from ablate.plan.status import statuses
from ablate.runtime.checkpoint import CHECKPOINTS
from ablate.runtime.progress import HEARTBEAT_FOLDER, Heartbeat, heartbeat_path
from ablate.seals import sealed
from ablate.terminal import Terminal
from ablate.workflow.due import Keys
from ablate.workflow.watch import ELSEWHERE, SILENT_AFTER_S, Row, View, Watch
from conftest import TINY, Workspace, write_tiny
from test_progress import Clock, environment, in_terminal

STUDIES = "resnet-vs-plain/shallow", "tinyimage10/optimiser"
HERE = Machine("this", gpu=False, slots=2, threads=1)
TOOK = 10.0  # seconds, each measured run


class Study:
    """Six planned runs below the working directory, and what a test has done of them."""

    def __init__(self, text: str = TINY) -> None:
        write_tiny(Path(), text.replace("seeds: [0]", "seeds: [0, 1]"))
        self.params: Params = load(Path("params.yaml"))
        self.plan: Plan = make_plan(self.params)
        self.runs: dict[str, Run] = self.plan.runs
        self.ids = list(self.runs)
        self.clock, self.ticks = Clock(1e9), Clock(0.0)

    def finish(self, run: str, status: str = "done", *, code: str | None = None, wall_s: float = TOOK) -> None:
        """A result as training leaves it, but for the contents that nobody looks at."""
        folder = RUNS / run
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (folder / name).write_text("")
        key = Keys(self.params, self.plan).key(self.runs[run])
        numbers = {"status": status, "epochs": 1, "val_top1": 0.5, "n_train": 50, "n_val": 200}
        (folder / "metrics.json").write_text(json.dumps(numbers))
        manifest = {
            "key": key | ({"code": code} if code else {}), "wall_s": wall_s, "device": "this", "threads": 1,
            "precision": "fp32", "starts": 1, "command": ["ablate", "train", "--run", self.runs[run].to_json()],
        }  # fmt: skip
        (folder / "manifest.json").write_text(json.dumps(sealed(manifest)))

    def beat(self, run: str, **changes: Any) -> Path:
        """A heartbeat of another host, 60 s old, of a run that began 100 s before."""
        beat = {
            "run": run, "epochs": 4, "done": 1, "images_per_s": 100.0, "metrics": {}, "eta_s": 90.0, "host": "node7",
            "pid": 1, "started": self.clock() - 160, "updated": self.clock() - 60,
        } | changes  # fmt: skip
        path = heartbeat_path(run)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(beat))
        return path

    def fail(self, run: str) -> None:
        Path("logs/train").mkdir(parents=True, exist_ok=True)
        Path(f"logs/train/{run}.log").write_text("a line\nablate: error: no such thing\n\n")

    def watch(self, history: list[Measured] | None = None) -> Watch:
        return Watch(self.params, self.plan, HERE, history or [], self.clock, self.ticks)

    def measured(self) -> list[Measured]:
        """Each network's run, measured here: every planned run is expected to take START_S + TOOK."""
        found = []
        for run in self.runs.values():
            s, data = run.settings, self.params.datasets[run.settings.dataset]
            precision = "fp32" if s.precision == "fp32" else "bf16"
            found.append(Measured(f"of-{s.model}_s0", s.model, 32, images_of(run, data), TOOK, "this", 1, precision))
        return found

    def pass_(self, seconds: float) -> None:
        self.clock.now += seconds
        self.ticks.now += seconds


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(tmp_path)
    return Study()


def counts(row: Row) -> tuple[int, int, int, int, int]:
    return row.runs, row.done, row.running, row.to_do, row.failed


def test_counts_speeds_and_time_left(study: Study) -> None:
    done, other_code, running, failed, diverged, _ = study.ids
    study.finish(done)
    study.finish(other_code, code="0")
    study.finish(diverged, "diverged")
    study.fail(failed)
    study.beat(running)
    view = study.watch(study.measured()).look()
    first, second = view.rows
    assert (first.name, second.name) == STUDIES
    assert counts(first) == (4, 1, 1, 1, 1) and counts(second) == (2, 0, 0, 1, 1)
    assert counts(view.total) == (6, 1, 1, 2, 2)
    assert (first.images_per_s, second.images_per_s) == (100.0, None)
    # One is at work, so one after the other: what the heartbeat said 60 s ago, and two runs of the usual length.
    assert view.slots == 1
    assert view.total.left_s == pytest.approx(90 - 60 + 2 * (START_S + TOOK))
    assert first.left_s == pytest.approx(90 - 60 + START_S + TOOK) and second.left_s == pytest.approx(START_S + TOOK)
    (run,) = view.running
    assert (run.run, run.study, run.seed, run.done, run.epochs) == (running, STUDIES[0], 0, 1, 4)
    assert (run.host, run.for_s, run.left_s, run.silent_s) == ("node7", 160.0, 30.0, None)
    assert in_a_line(view).startswith(
        "scale tiny: 1 of 6 done, 1 running, 2 to do, 2 failed, 100 images/s each, 0:55 left at 1 at once (measured"
    )


def test_a_run_of_two_studies_counts_once_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    again = "    again:\n      axes: {model: [cifar-plain7]}\n  tinyimage10:"
    study = Study(TINY.replace("  tinyimage10:", again))
    view = study.watch(study.measured()).look()
    assert [row.runs for row in view.rows] == [4, 2, 2] and view.total.runs == 6
    assert view.total.left_s == pytest.approx(3 * (START_S + TOOK))  # six runs, two at once


def test_what_changes_is_seen_and_what_is_finished_is_not_read_again(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = study.watch()
    assert counts(watch.look().total) == (6, 0, 0, 6, 0)
    study.beat(study.ids[0])
    assert counts(watch.look().total) == (6, 0, 1, 5, 0)
    heartbeat_path(study.ids[0]).unlink()
    study.finish(study.ids[0])
    view = watch.look()
    assert counts(view.total) == (6, 1, 0, 5, 0) and view.measured == 1
    monkeypatch.setattr("ablate.workflow.watch.read", None)  # called for a finished run, it would fail
    monkeypatch.setattr(watch._keys, "run_reason", None)
    assert counts(watch.look().total) == (6, 1, 0, 5, 0)


def test_a_result_that_goes_or_comes_anew_is_looked_at_again(study: Study) -> None:
    run, watch = study.ids[0], study.watch()
    study.finish(run, code="0")
    assert counts(watch.look().total) == (6, 0, 0, 6, 0)
    study.finish(run)  # in so short a time that no heartbeat was seen
    os.utime(RUNS / run / "metrics.json", (1, 1))
    assert counts(watch.look().total) == (6, 1, 0, 5, 0)
    study.beat(run)
    assert counts(watch.look().total) == (6, 0, 1, 5, 0)
    heartbeat_path(run).unlink()
    study.finish(run, "diverged")
    assert counts(watch.look().total) == (6, 0, 0, 5, 1)
    shutil.rmtree(RUNS / run)
    assert counts(watch.look().total) == (6, 0, 0, 6, 0)


def test_new_measured_runs_change_the_time_left(study: Study) -> None:
    watch = study.watch()
    study.finish(study.ids[0], wall_s=20.0)
    watch.look()
    study.finish(study.ids[1], wall_s=40.0)  # the other seed of its arm
    view = watch.look()
    assert view.measured == 1  # at the first look, what was there is the caller's history
    settings = study.runs[study.ids[2]].settings
    per_image = 40.0 / (50 + 200 / 3) * PRIOR["fp32"] / PRIOR[settings.precision]  # of either network
    images = images_of(study.runs[study.ids[2]], study.params.datasets["cifar10"])
    assert view.total.left_s == pytest.approx(2 * (START_S + per_image * images), rel=0.01)  # four runs, two at once


def test_silence(study: Study) -> None:
    run, watch = study.ids[0], study.watch(study.measured())
    study.beat(run)
    assert watch.look().running[0].silent_s is None
    study.pass_(SILENT_AFTER_S - 61)
    assert watch.look().running[0].silent_s is None
    study.pass_(2)
    view = watch.look()
    assert view.running[0].silent_s == SILENT_AFTER_S + 1
    # It is to do again, less the quarter that its heartbeat had told, and no slot is at work for it.
    assert counts(view.total) == (6, 0, 0, 6, 0) and view.slots == HERE.slots
    assert view.rows[0].left_s == pytest.approx(2 * (START_S + TOOK))
    assert "1 silent" in in_a_line(view) and "if 2 ran at once" in in_a_line(view)
    (CHECKPOINTS / run).mkdir(parents=True)  # as a run does each half minute within a long epoch
    assert watch.look().running[0].silent_s is None
    study.pass_(SILENT_AFTER_S + 1)
    assert watch.look().running[0].silent_s
    study.finish(run)  # it is over, whatever became of its heartbeat
    view = watch.look()
    assert counts(view.total) == (6, 1, 0, 5, 0) and view.running == []
    study.beat("other_s0")
    for other in study.ids:
        study.finish(other)
    assert not watch.look().over
    study.pass_(SILENT_AFTER_S + 1)
    assert watch.look().over


@pytest.mark.parametrize("off", [-7200.0, -1200.0, 0.0, 1200.0, 86400.0 * 400])
def test_clocks_of_other_hosts_may_be_wrong(study: Study, off: float) -> None:
    """Oracle: from its second sign of life on a run's times are as with the right clock; never one below zero."""
    run, watch = study.ids[0], study.watch()

    def beat(done: int) -> None:
        now = study.clock() + off
        study.beat(run, done=done, started=study.clock.now + off - 10 * done, updated=now)

    def times() -> tuple[Any, ...]:
        (found,) = watch.look().running
        assert all(t is None or t >= 0 for t in (found.for_s, found.left_s, found.silent_s))
        return found.for_s, found.left_s, found.silent_s

    beat(1)
    times()
    study.pass_(10)
    beat(2)
    assert times() == (20.0, 90.0, None)
    study.pass_(15)
    assert times() == (35.0, 75.0, None)
    study.pass_(SILENT_AFTER_S)
    assert times() == (35.0 + SILENT_AFTER_S, 0.0, 15 + SILENT_AFTER_S)


def test_a_clock_behind_makes_no_new_run_silent(study: Study) -> None:
    watch = study.watch()
    watch.look()
    study.beat(study.ids[0], updated=study.clock() - 7200, started=study.clock() - 7200)
    assert watch.look().running[0].silent_s is None


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", '{"run": 3}', "\x00\xff",
        json.dumps({"run": "r", "epochs": 1, "done": 0, "updated": 1.0, "metrics": {}, "host": 3}),
        json.dumps({"run": "r", "epochs": 1, "done": 0, "updated": 1.0, "metrics": {}, "started": "now"}),
        json.dumps({"run": "r", "epochs": 1, "done": 0, "updated": 1e300, "metrics": {}}),
    ],
)  # fmt: skip
def test_a_damaged_heartbeat_is_no_run(study: Study, text: str) -> None:
    HEARTBEAT_FOLDER.mkdir(parents=True)
    (HEARTBEAT_FOLDER / "r.json").write_bytes(text.encode("latin-1"))
    (HEARTBEAT_FOLDER / "folder.json").mkdir()
    assert study.watch().look().running == []


def test_heartbeats_of_before_and_of_dead_processes(study: Study) -> None:
    old, dead, mine = study.ids[:3]
    path = study.beat(old)
    beat = {k: v for k, v in json.loads(path.read_text()).items() if k not in ("host", "pid", "started")}
    path.write_text(json.dumps(beat))
    ended = subprocess.Popen(["true"])
    ended.wait()
    study.beat(dead, host=platform.node(), pid=ended.pid)
    with Heartbeat(heartbeat_path(mine), run=mine, epochs=2):
        running = study.watch().look().running
    assert [r.run for r in running] == [old, mine]
    assert (running[0].host, running[0].for_s) == (None, None)


def test_runs_that_are_not_planned_are_shown_and_not_counted(study: Study) -> None:
    study.beat("other_s0")
    view = study.watch().look()
    assert [(r.study, r.arm, r.seed) for r in view.running] == [(ELSEWHERE, "other_s0", None)]
    assert counts(view.total) == (6, 0, 0, 6, 0) and view.slots == 1


def test_status_shows_a_run_whose_lock_does_not_reach_here(study: Study) -> None:
    study.clock.now = time.time()
    study.beat(study.ids[0])
    found = statuses(study.plan)[0]
    assert (found["state"], found["host"]) == ("running", "node7")
    study.beat(study.ids[0], host=platform.node(), pid=os.getpid())  # its lock is free
    assert statuses(study.plan)[0]["state"] == "planned"


def test_pretraining_is_to_do_where_a_run_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = TINY.replace("studies:\n", "pretraining: {others: {classes: [5, 10]}}\nstudies:\n", 1)
    study = Study(text.replace("{lr: 0.02}", '{lr: 0.02, classes: [0, 5], weights: "pretrain:others"}'))
    view = study.watch().look()
    assert [(row.name, row.to_do) for row in view.rows] == [("start weights", 1), (STUDIES[0], 4), (STUDIES[1], 2)]
    assert view.total.runs == 7
    for run in study.ids[4:]:
        study.finish(run)
    view = study.watch().look()
    assert [(row.name, row.to_do) for row in view.rows] == [(STUDIES[0], 4), (STUDIES[1], 0)]


def tree() -> dict[str, tuple[int, int]]:
    return {str(p): (p.lstat().st_mtime_ns, p.lstat().st_size) for p in sorted(Path().rglob("*"))}


def test_nothing_is_written_and_no_lock_is_taken(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    study.finish(study.ids[0])
    study.beat(study.ids[1])
    study.fail(study.ids[2])
    before = tree()
    monkeypatch.setattr("fcntl.flock", None)
    monkeypatch.setattr("ablate.files.fcntl.flock", None)
    study.watch().look()
    assert tree() == before


def screen(view: View, width: int, height: int = 24, encoding: str = "utf-8") -> list[str]:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Terminal(file=out, width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as taken:
        console.print(Screen(view))
    return taken.get().encode(encoding).decode(encoding).splitlines()


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_screen_of_any_width(study: Study, width: int, encoding: str) -> None:
    study.finish(study.ids[0])
    study.beat(study.ids[1])
    study.beat(study.ids[2], updated=study.clock() - 2 * SILENT_AFTER_S)
    study.beat("hostile\x1b[31m_s0", host="[bold]\u202e")
    lines = screen(study.watch(study.measured()).look(), width, encoding=encoding)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width and len(lines) <= 24
    assert "\x1b" not in text and "\u202e" not in text
    assert "silent 10:00" in text and "1/4" in text and "1 of 6 done" in text
    heading = next(line for line in lines if line.startswith("running"))
    assert ("host" in heading, " for " in heading) == (width >= 100, width >= 75)
    if width == 200:
        assert any(line.split()[:2] == [STUDIES[0], "1/4"] for line in lines), text
        assert "[bold]" in text


def test_a_screen_too_low_for_all_counts_what_it_leaves_out(study: Study) -> None:
    for n in range(30):
        study.beat(f"other{n:02d}_s0")
    for height in (8, 12, 24):
        lines = screen(study.watch().look(), 120, height)
        assert len(lines) <= max(height, 12), lines
    assert any(line.startswith("and ") for line in lines)
    assert any(line.startswith(STUDIES[0]) for line in lines)


def run_watch(monkeypatch: pytest.MonkeyPatch, *words: str) -> Any:
    monkeypatch.setattr("sys.argv", ["ablate", "status", "--watch", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_lines_where_there_is_no_terminal(
    study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each change and one a minute, and an end when all is done."""
    steps: list[Callable[[], Any]] = [lambda: study.finish(study.ids[0]), lambda: None, lambda: None]
    steps += [lambda run=run: study.finish(run) for run in study.ids[1:]]
    ticks = Clock(0.0)

    def sleep(_: float) -> None:
        ticks.now += 40
        steps.pop(0)()

    monkeypatch.setattr(shown.time, "sleep", sleep)
    monkeypatch.setattr(shown._lines, "__defaults__", (ticks,))
    assert not run_watch(monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    said = [line.split()[3] for line in lines[:-1]]
    # none done; one done; 80 s later the same again; then one after the other
    assert said == ["0", "1", "1", "2", "3", "4", "5", "6"]
    assert lines[-1] == "nothing runs, and nothing is to do"


def test_a_plan_that_changes_meanwhile(
    study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path("params.yaml").read_text()

    def edit(words: str, after: str, when: int) -> None:
        Path("params.yaml").write_text(text.replace(words, after))
        os.utime("params.yaml", (when, when))

    def end() -> None:
        raise KeyboardInterrupt

    steps = [
        lambda: edit("seeds: [0, 1]", "seeds: [0, 1, 2]", 1), lambda: edit("epochs: 1", "epoks: 1", 2),
        lambda: edit("epochs: 1", "epochs: 2", 3), end,
    ]  # fmt: skip
    monkeypatch.setattr(shown.time, "sleep", lambda _: steps.pop(0)())
    assert run_watch(monkeypatch) == 130
    first, second, third, fourth = capsys.readouterr().out.splitlines()
    assert "0 of 6 done" in first and "0 of 9 done" in second and "0 of 6 done" in fourth
    assert "0 of 9 done" in third and "as planned before: params.yaml" in third and "epochs" in third
    assert not seeds_file("tiny").exists()


def test_mistakes_are_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_watch(monkeypatch) == 2
    err = capsys.readouterr().err
    assert err.startswith("ablate: error: params.yaml") and err.count("\n") == 1
    write_tiny(tmp_path)
    assert run_watch(monkeypatch, "--json") == 2
    assert "--watch and --json" in capsys.readouterr().err
    assert run_watch(monkeypatch, "--scale", "huge") == 2
    assert "huge" in capsys.readouterr().err
    none = "{resnet-vs-plain: {shallow: null}, tinyimage10: {optimiser: null}}"
    write_tiny(tmp_path, TINY.replace("{tiny: {}}", f"{{tiny: {{studies: {none}}}}}"))
    assert run_watch(monkeypatch) == 2
    assert "params.yaml: studies" in capsys.readouterr().err


def test_ctrl_c_gives_the_terminal_back(study: Study) -> None:
    study.clock.now = time.time()
    study.beat(study.ids[0])
    words = [sys.executable, "-m", "ablate", "status", "--watch"]
    status, output = in_terminal(words, Path.cwd(), when=lambda output: "Ctrl-C ends" in output)
    assert status == 130, output
    assert "Traceback" not in output
    assert output.rindex("\x1b[?1049l") > output.index("\x1b[?1049h")
    assert output.rindex("\x1b[?25h") > output.rindex("\x1b[?25l")
    assert "0 of 6 done, 1 running" in output.partition("\x1b[?1049l")[2]


@pytest.mark.parametrize(
    "locale", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"}, {"TERM": "dumb"}]
)
def test_locales_and_terminals_that_know_little(study: Study, locale: dict[str, str]) -> None:
    study.fail("x")
    for run in study.ids:
        study.finish(run)
    done = subprocess.run(
        [sys.executable, "-m", "ablate", "status", "--watch"],
        env=environment() | locale, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.endswith("nothing runs, and nothing is to do\n") and "6 of 6 done" in done.stdout


@pytest.mark.slow
def test_a_watch_beside_snakemake_sees_a_run_and_its_end(workspace: Workspace) -> None:
    """The watch starts first, on a terminal; of Snakemake it knows no more than the files."""
    workspace.edit("epochs: 1", "epochs: 6")
    with (workspace.folder / "said").open("w") as said:
        words = ["snakemake", "--cores", "1", "runs"]
        snakemake = subprocess.Popen(words, cwd=workspace.folder, env=workspace.env, stdout=said, stderr=said)
    try:
        words = [sys.executable, "-m", "ablate", "status", "--watch"]
        status, output = in_terminal(words, workspace.folder, patience_s=300)
        assert snakemake.wait(60) == 0, (workspace.folder / "said").read_text()
    finally:
        snakemake.kill()
        snakemake.wait()
    assert status == 0, output
    assert "1 running" in output and "/6" in output and "images/s each" in output
    assert "3 of 3 done, 0 running, 0 to do" in output.partition("\x1b[?1049l")[2]
    assert output.rstrip().endswith("nothing runs, and nothing is to do")
