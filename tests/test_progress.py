"""Heartbeats, the loop tracker, and the logger plugin as Snakemake runs it, with and without a terminal."""

import fcntl
import json
import os
import platform
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ablate.runtime import progress
from ablate.runtime.progress import Heartbeat, format_duration, format_metric, heartbeat_path, read_heartbeats, track

SOURCE = Path(progress.__file__).parents[1]

TRAIN_PY = """
import sys, time
from pathlib import Path
from ablate.runtime.progress import Heartbeat, heartbeat_path
run, seconds = sys.argv[1], float(sys.argv[2])
with Heartbeat(heartbeat_path(run), run=run, epochs=2) as beat:
    for epoch in (1, 2):
        time.sleep(seconds)
        beat.epoch(epoch, 212.0, train_top1=0.412, val_top1=0.38)
# One write each: where PYTHONUNBUFFERED is set, print makes a write of every part, and the six runs' parts mix.
sys.stdout.write(f"a word of {run} on stdout\\n")
sys.stderr.write(f"a word of {run} on stderr\\n")
if run == "run" + (sys.argv[3] if len(sys.argv) > 3 else ""):
    sys.exit("this run broke")
Path(run + ".done").touch()
"""

SNAKEFILE = """
rule all:
    input: expand("run{i}.done", i=range(6))

rule train:
    output: "run{i}.done"
    shell: "{config[python]} train.py run{wildcards.i} {config[seconds]} {config[broken]}"
"""


class Clock:
    """A clock that moves only when told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


# heartbeats


def test_heartbeat_file_line_and_eta(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = heartbeat_path("base/seed0", tmp_path)
    assert path == tmp_path / ".ablate" / "progress" / "base__seed0.json"
    clock = Clock()
    with Heartbeat(path, run="base/seed0", epochs=10, clock=clock) as beat:
        assert json.loads(path.read_text())["done"] == 0
        clock.now += 6.0
        beat.epoch(1, 300.0)
        clock.now += 12.0
        beat.epoch(3, 212.4, train_top1=0.412, val_top1=0.38)
        # 18 s for 3 epochs are 6 s each, and 7 are left.
        assert json.loads(path.read_text()) == {
            "run": "base/seed0",
            "epochs": 10,
            "done": 3,
            "images_per_s": 212.4,
            "metrics": {"train_top1": 0.412, "val_top1": 0.38},
            "eta_s": 42.0,
            "host": platform.node(),
            "pid": os.getpid(),
            "started": 1000.0,
            "updated": 1018.0,
        }
        assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert capsys.readouterr().err.splitlines() == [
        "base/seed0: epoch 1/10 300 images/s ETA 0:54",
        "base/seed0: epoch 3/10 train_top1 0.412 val_top1 0.380 212 images/s ETA 0:42",
    ]
    assert list(path.parent.iterdir()) == []


def test_heartbeat_of_resumed_run_counts_only_its_own_epochs(tmp_path: Path) -> None:
    clock = Clock()
    with Heartbeat(tmp_path / "r.json", run="r", epochs=10, clock=clock) as beat:
        clock.now += 5.0
        beat.epoch(6, 1.0)
        assert json.loads(beat.path.read_text())["eta_s"] == 20.0
        clock.now += 7.0
        beat.epoch(7, 1.0)
        assert json.loads(beat.path.read_text())["eta_s"] == 18.0


def test_heartbeat_goes_with_an_error_and_survives_nan_and_a_bad_folder(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    with pytest.raises(RuntimeError), Heartbeat(path, run="r", epochs=2) as beat:
        beat.epoch(1, 1.0, loss=float("nan"))
        assert json.loads(path.read_text())["metrics"] == {"loss": None}
        raise RuntimeError
    assert not path.exists()
    (tmp_path / "file").touch()
    with Heartbeat(tmp_path / "file" / "r.json", run="r", epochs=2) as beat:
        beat.epoch(1, 1.0)


def test_read_heartbeats_skips_broken_and_stale(tmp_path: Path) -> None:
    assert read_heartbeats(tmp_path / "absent") == []
    good = {"run": "b", "epochs": 3, "done": 1, "images_per_s": 2.0, "metrics": {}, "eta_s": None}
    (tmp_path / "b.json").write_text(json.dumps({**good, "updated": 1000.0}))
    (tmp_path / "a.json").write_text(json.dumps({**good, "run": "a", "updated": 99.0}))
    (tmp_path / "half.json").write_text('{"run": "h", "epo')
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "words.json").write_text(json.dumps({**good, "updated": "now"}))
    (tmp_path / ".b.json.1.tmp").write_text(json.dumps({**good, "updated": 1000.0}))
    (tmp_path / "folder.json").mkdir()
    assert [beat["run"] for beat in read_heartbeats(tmp_path, now=1000.0)] == ["b"]
    assert [beat["run"] for beat in read_heartbeats(tmp_path, now=999.0)] == ["a", "b"]


def test_formats() -> None:
    durations = (None, float("nan"), -3, 0, 41.4, 59.6, 3723)
    assert [format_duration(s) for s in durations] == ["-", "-", "0:00", "0:00", "0:41", "1:00", "1:02:03"]
    assert [format_metric(v) for v in (0.38, 0, 1e-5, None)] == ["0.380", "0.000", "1.00e-05", "nan"]


# loops


def test_track_prints_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    seen = []
    for item in track(range(4), "decode", clock=clock):
        seen.append(item)
        clock.now += 6.0
    assert seen == [0, 1, 2, 3]
    # A line is due at 12 s, after two items; at 24 s the last line takes its place.
    assert capsys.readouterr().err.splitlines() == [
        "decode: 0 of 4",
        "decode: 2 of 4 after 0:12, ETA 0:12",
        "decode: 4 of 4 done in 0:24",
    ]


def test_track_without_total(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(iter("ab"), "read", clock=Clock())) == ["a", "b"]
    assert capsys.readouterr().err.splitlines() == ["read: 0", "read: 2 done in 0:00"]


def test_track_draws_a_bar_on_a_terminal(tmp_path: Path) -> None:
    code = "from ablate.runtime.progress import track\nfor _ in track(range(3), 'decode'): pass"
    status, output = in_terminal([sys.executable, "-c", code], tmp_path)
    assert status == 0
    assert "decode" in output and "3/3" in output and output.rstrip().endswith("\x1b[?25h")


# the plugin


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    """A folder with a workflow of six training runs."""
    (tmp_path / "train.py").write_text(TRAIN_PY)
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    return tmp_path


def command(*flags: str, seconds: float = 0.7, broken: str = "") -> list[str]:
    config = [f"python={sys.executable}", f"seconds={seconds}", f"broken={broken}"]
    snakemake = [sys.executable, "-m", "snakemake", "--cores", "6", "--logger", "ablate"]
    # The flags stand before an option, since --quiet would take what follows for its own.
    return [*snakemake, *flags, "--config", *config]


def environment() -> dict[str, str]:
    # PYTHONPATH, since the package may not be installed where the tests run.
    path = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "PYTHONPATH": path, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    for name in ("SNAKEMAKE_PROFILE", "ABLATE_PROGRESS", "ABLATE_LIVE", "NO_COLOR", "FORCE_COLOR"):
        env.pop(name, None)
    return env


def in_terminal(
    arguments: list[str], folder: Path, when: Callable[[str], bool] | None = None, patience_s: float = 60
) -> tuple[int, str]:
    """Run a command on a terminal of its own, and press Ctrl-C there once `when` holds of the output."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe(arguments[0], arguments, environment())
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    output = b""
    deadline = time.monotonic() + patience_s
    try:
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(terminal, 65536)
            except OSError:  # Linux's way to say that the other end is closed
                break
            if not data:
                break
            output += data
            if when is not None and when(output.decode(errors="replace")):
                os.write(terminal, b"\x03")
                when = None
        else:
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output.decode(errors="replace")


def bars_ended(output: str) -> bool:
    """Whether the cursor was hidden for bars, and shown again after the last of them."""
    return "\x1b[?25l" in output and output.rindex("\x1b[?25h") > output.rindex("\x1b[?25l")


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """The exit status and stderr of a workflow whose stderr is a file."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "train.py").write_text(TRAIN_PY)
    (folder / "Snakefile").write_text(SNAKEFILE)
    with (folder / "stderr").open("w") as stderr:
        status = subprocess.run(
            command(seconds=0.1), cwd=folder, env=environment(), stderr=stderr, stdout=subprocess.DEVNULL
        ).returncode
    yield status, (folder / "stderr").read_text()


@pytest.mark.slow
def test_without_terminal_plain_lines(plain_run: tuple[int, str]) -> None:
    status, output = plain_run
    assert status == 0, output
    assert "\x1b" not in output and "\r" not in output
    for i in range(6):
        assert f"run{i}: epoch 2/2 train_top1 0.412 val_top1 0.380 212 images/s ETA 0:00\n" in output
    assert "rule train:" in output and "7 of 7 steps (100%) done" in output


@pytest.mark.slow
def test_terminal_shows_bars_and_ends_clean(workflow: Path) -> None:
    status, output = in_terminal(command(), workflow)
    assert status == 0, output
    assert bars_ended(output)
    assert "epoch 1/2  val_top1 0.380  212 images/s  ETA 0:0" in output
    assert "runs trained" in output and "0 of 6" in output
    assert "finished train i=3" in output
    assert "7 of 7 jobs done, runs trained 6 of 6, in 0:0" in output
    # What a job writes gets through, except for the lines that its bar stands for.
    assert "a word of run2 on stdout\r\n" in output and "a word of run2 on stderr\r\n" in output
    assert "train_top1" not in output


@pytest.mark.slow
def test_terminal_shows_the_error_of_a_failed_job(workflow: Path) -> None:
    status, output = in_terminal(command(seconds=0.1, broken="4"), workflow)
    assert status == 1, output
    assert bars_ended(output)
    assert "Error in rule train:" in output and "this run broke" in output and "1 failed" in output


@pytest.mark.slow
def test_interrupt_restores_the_terminal(workflow: Path) -> None:
    pressed: list[float] = []

    def bars_up(output: str) -> bool:
        if "run0" in output and "epoch 0/2" in output:
            pressed.append(time.monotonic())
        return bool(pressed)

    status, output = in_terminal(command(seconds=20), workflow, when=bars_up)
    assert status == 1, output
    assert pressed and time.monotonic() - pressed[0] < 10
    assert bars_ended(output)


@pytest.mark.slow
@pytest.mark.parametrize("flags", [["--dry-run"], ["--quiet"]])
def test_no_bars_where_none_belong(workflow: Path, flags: list[str]) -> None:
    status, output = in_terminal(command(*flags, seconds=0.1), workflow)
    assert status == 0, output
    assert "\x1b[?25l" not in output
    assert ("This was a dry-run" in output) == (flags == ["--dry-run"])
