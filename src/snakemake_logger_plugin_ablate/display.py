"""The bars, the counts behind them, and the pipe that keeps other output from tearing them."""

from __future__ import annotations

import codecs
import contextlib
import logging
import os
import re
import select
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snakemake.logging import get_event
from snakemake_interface_logger_plugins.common import LogEvent

from ablate.inert import visible
from ablate.runtime.progress import LIVE_VARIABLE, format_duration, format_metric, read_heartbeats

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

TRAIN_RULES = frozenset({"train", "pretrain"})
POLL_S = 0.5
COLOUR = re.compile(r"(\x1b\[[\d;]*m)")
SEQUENCE = re.compile(r"\x1b(?:\[(?![\d;]*m)[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")


class Names:
    """How a run is called: by its id, unless the Snakefile knows better."""

    of: Callable[[str], str] = str


class Jobs:
    """Counts the jobs of a workflow from its log records."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.started = time.time()
        self.total = 0
        self.done = 0
        self.runs_planned = 0
        self.runs_trained = 0
        self.failed: set[int] = set()
        self.running: dict[int, str] = {}
        self._names: dict[int, tuple[str, str]] = {}

    def note(self, record: logging.LogRecord) -> None:
        """Take in one record; records that say nothing about jobs change nothing."""
        event = get_event(record)
        data = record.__dict__
        with self.lock:
            if event == LogEvent.RUN_INFO:
                stats = data.get("stats") or {}
                self.total = int(stats.get("total", 0))
                self.runs_planned = sum(int(stats.get(rule, 0)) for rule in TRAIN_RULES)
            elif event == LogEvent.PROGRESS:
                # A checkpoint may have added jobs since the start.
                self.done, self.total = int(data["done"]), int(data["total"])
            elif event == LogEvent.JOB_INFO:
                rule, wildcards = data["rule_name"], data.get("wildcards") or {}
                named = " ".join(f"{name}={value}" for name, value in wildcards.items())
                if rule in TRAIN_RULES and "run" in wildcards:
                    named = Names.of(wildcards["run"])
                self._names[data["jobid"]] = (rule, named)
                self.running[data["jobid"]] = rule
                self.failed.discard(data["jobid"])
            elif event == LogEvent.JOB_ERROR:
                self.running.pop(data["jobid"], None)
                self.failed.add(data["jobid"])
            elif event == LogEvent.JOB_FINISHED:
                self.running.pop(data["job_id"], None)
                if self._names.get(data["job_id"], ("", ""))[0] in TRAIN_RULES:
                    self.runs_trained += 1
                    self.runs_planned = max(self.runs_planned, self.runs_trained)

    def finished_line(self, record: logging.LogRecord) -> str:
        """Say in one line which job finished."""
        jobid = record.__dict__["job_id"]
        with self.lock:
            rule, wildcards = self._names.get(jobid, ("", ""))
        name = " ".join(part for part in (rule, wildcards) if part)
        return f"[{time.strftime('%H:%M:%S')}] finished {name or 'a job'} (job {jobid})"

    def eta(self, beats: list[dict[str, Any]], now: float) -> float | None:
        """Estimate the seconds left.

        Training takes nearly all the time, so runs count while there are any left, those going on by their
        epochs; without runs, jobs count.
        """
        with self.lock:
            done, total = float(self.done), float(self.total)
            if self.runs_trained < self.runs_planned:
                parts = (min(beat["done"] / beat["epochs"], 1.0) for beat in beats if beat["epochs"] > 0)
                done, total = self.runs_trained + sum(parts), float(self.runs_planned)
        if done <= 0 or total <= 0:
            return None
        return (now - self.started) / done * max(total - done, 0.0)


class Display:
    """The bars at the foot of the terminal, and the lines that scroll by above them.

    While it is up, stderr (and stdout, where that is a terminal too) of this process and of all jobs that
    it starts leads through a pipe to here: what a job writes cannot tear the bars.
    """

    def __init__(self, jobs: Jobs, folder: Path, nocolor: bool) -> None:
        self._jobs = jobs
        self._folder = folder
        self._nocolor = nocolor
        # Rich takes care of its own data, but not of two threads that move the cursor at once.
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._console: Console | None = None
        self._live: Live | None = None
        self._capture: _Capture | None = None

    def start(self) -> None:
        """Put up the bars."""
        from rich.console import Console
        from rich.live import Live

        self._jobs.started = time.time()
        terminal = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")
        self._console = Console(file=terminal, force_terminal=True, no_color=self._nocolor or None)
        self._live = Live(
            self._render([]),
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._capture = _Capture([fd for fd in (1, 2) if os.isatty(fd)], self.print)
        self._capture.start()
        with self._lock:
            self._live.start(refresh=True)
        threading.Thread(target=self._poll, name="ablate-progress", daemon=True).start()

    def stop(self) -> None:
        """Take the bars away, give the terminal back and leave one line of summary."""
        self._stopping.set()
        try:
            if self._capture is not None:
                self._capture.stop()
        finally:
            with self._lock:
                live, self._live = self._live, None
                if live is not None and self._console is not None:
                    # The terminal may be gone by now.
                    with contextlib.suppress(OSError, ValueError):
                        live.stop()
                        self._console.print(self._summary(), highlight=False, markup=False, soft_wrap=True)

    def print(self, text: str) -> None:
        """Print text above the bars; of its control sequences only colours count."""
        from rich.text import Text

        with self._lock:
            if self._console is not None:
                # A thread that dies here would leave the jobs writing into a full pipe.
                with contextlib.suppress(OSError, ValueError):
                    self._console.print(Text.from_ansi(coloured(text)), soft_wrap=True)

    def _poll(self) -> None:
        while not self._stopping.wait(POLL_S):
            # What an earlier session left behind when it was killed is no run of this one.
            beats = [b for b in read_heartbeats(self._folder) if b["updated"] >= self._jobs.started - 1]
            with self._lock:
                if self._live is None:
                    return
                with contextlib.suppress(OSError, ValueError):
                    self._live.update(self._render(beats), refresh=True)

    def _render(self, beats: list[dict[str, Any]]) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now = time.time()
        jobs = self._jobs
        eta = jobs.eta(beats, now)
        with jobs.lock:
            done, total, failed = jobs.done, jobs.total, len(jobs.failed)
            trained, planned = jobs.runs_trained, jobs.runs_planned
            others = Counter(rule for rule in jobs.running.values() if rule not in TRAIN_RULES or not beats)

        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=36)
        table.add_column(width=24)
        table.add_column(no_wrap=True, overflow="ellipsis")

        def row(label: str, completed: float, out_of: float, text: str) -> None:
            bar = ProgressBar(total=max(out_of, 1), completed=completed, width=24)
            table.add_row(Text(visible(label)), bar, Text(visible(text)))

        failures = f", {failed} failed" if failed else ""
        row("jobs", done, total, f"{done} of {total}{failures}, ETA {format_duration(eta)}")
        if planned:
            row("runs trained", trained, planned, f"{trained} of {planned}")
        for beat in beats:
            row(beat["run"], beat["done"], beat["epochs"], describe(beat, now))
        if not others:
            return table
        names = ", ".join(rule if count == 1 else f"{rule} x{count}" for rule, count in others.items())
        return Group(table, Text(f"running: {names}", no_wrap=True, overflow="ellipsis"))

    def _summary(self) -> str:
        jobs = self._jobs
        with jobs.lock:
            parts = [f"{jobs.done} of {jobs.total} jobs done"]
            if jobs.runs_planned:
                parts.append(f"runs trained {jobs.runs_trained} of {jobs.runs_planned}")
            if jobs.failed:
                parts.append(f"{len(jobs.failed)} failed")
        return ", ".join(parts) + f", in {format_duration(time.time() - jobs.started)}"


def coloured(text: str) -> str:
    """``text`` without the control sequences that move the cursor, make links and so on; its colours stay."""
    parts = COLOUR.split(SEQUENCE.sub("", text))
    return "".join(part if n % 2 else visible(part, keep="\n\t") for n, part in enumerate(parts))


def describe(beat: dict[str, Any], now: float) -> str:
    """Write what a heartbeat says beside its bar; validation metrics take precedence."""
    parts = [f"epoch {beat['done']}/{beat['epochs']}"]
    metrics = beat["metrics"]
    shown = [name for name in metrics if name.startswith("val")] or list(metrics)
    parts += [f"{name} {format_metric(metrics[name])}" for name in shown[:2]]
    if beat.get("images_per_s"):
        parts.append(f"{beat['images_per_s']:.0f} images/s")
    eta = beat.get("eta_s")
    if eta is not None:
        parts.append(f"ETA {format_duration(eta - (now - beat['updated']))}")
    return "  ".join(parts)


class PrintAbove:
    """The stream of a text handler whose messages go above the bars."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._parts: list[str] = []

    def write(self, text: str) -> int:
        """Keep ``text`` until `flush`, as a stream does."""
        self._parts.append(text)
        return len(text)

    def flush(self) -> None:
        """Print what was written above the bars."""
        text, self._parts = "".join(self._parts), []
        if text:
            self._display.print(text.removesuffix("\n"))

    def isatty(self) -> bool:
        """Always: the bars are drawn on terminals alone."""
        return True


class _Capture:
    """Leads file descriptors through a pipe and hands on what comes out of it line by line."""

    def __init__(self, fds: list[int], sink: Callable[[str], None]) -> None:
        self._fds = fds
        self._sink = sink
        self._saved: dict[int, int] = {}
        self._stop_by: float | None = None
        self._reading = -1
        self._thread = threading.Thread(target=self._read, name="ablate-output", daemon=True)

    def start(self) -> None:
        self._flush_python()
        self._reading, writing = os.pipe()
        stat = os.fstat(writing)
        os.environ[LIVE_VARIABLE] = f"{stat.st_dev}:{stat.st_ino}"
        self._thread.start()
        for fd in self._fds:
            self._saved[fd] = os.dup(fd)
            os.dup2(writing, fd)
        os.close(writing)

    def stop(self) -> None:
        self._flush_python()
        os.environ.pop(LIVE_VARIABLE, None)
        while self._saved:
            fd, saved = self._saved.popitem()
            os.dup2(saved, fd)
            os.close(saved)
        # A job that outlives Snakemake holds the pipe open, so its end is not a thing to wait for.
        self._stop_by = time.monotonic() + 1.0
        self._thread.join(2.0)

    @staticmethod
    def _flush_python() -> None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()

    def _read(self) -> None:
        decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        rest = ""
        while (stop_by := self._stop_by) is None or time.monotonic() < stop_by:
            ready, _, _ = select.select([self._reading], [], [], 0.1)
            if not ready:
                # As it was before the look: what came between the look and the stop is still to be read.
                if stop_by is not None:
                    break
                continue
            data = os.read(self._reading, 65536)
            if not data:
                break
            *lines, rest = (rest + decode(data)).split("\n")
            if lines:
                self._sink("\n".join(self._last_state(line) for line in lines))
        if rest:
            self._sink(self._last_state(rest))

    @staticmethod
    def _last_state(line: str) -> str:
        # A bar drawn with carriage returns is worth its last state only.
        return line.rstrip("\r").rsplit("\r", 1)[-1]
