"""Progress of long steps: heartbeats of training runs, and a tracker for plain loops.

A training process writes a heartbeat: a small JSON file that the Snakemake logger plugin turns into
a bar on a terminal. Where there is no such display, the lines that it prints to stderr are the progress.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

from ablate.errors import UserError
from ablate.files import read_json
from ablate.inert import visible

T = TypeVar("T")

HEARTBEAT_FOLDER = Path(".ablate") / "progress"
STALE_AFTER_S = 15 * 60.0
LINE_EVERY_S = 10.0
LARGEST = 1e15  # number in a heartbeat: others are damage
# Set by the logger plugin to "device:inode" of the pipe that it put in place of stderr.
LIVE_VARIABLE = "ABLATE_LIVE"


def heartbeat_path(run: str, root: Path | None = None) -> Path:
    """Where the heartbeat of `run` lies under `root` (the working directory unless given)."""
    return (root or Path()) / HEARTBEAT_FOLDER / f"{run.replace('/', '__')}.json"


def format_duration(seconds: float | None) -> str:
    """Write a duration as 0:41 or 1:02:03; an unknown one as '-'."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    minutes, secs = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"


def format_metric(value: float | None) -> str:
    """Write a metric with three decimals, or with an exponent where those would show only zeros."""
    if value is None or not math.isfinite(value):
        return "nan"
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.001 else f"{value:.2e}"


def nowhere() -> TextIO:
    """A stream that takes everything and keeps nothing."""
    return Path(os.devnull).open("w", encoding="utf-8")


def open_streams() -> None:
    """Let stdout and stderr take any text: where one is closed (`>&-`), and where the locale has few characters."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, nowhere())
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def under_live_display() -> bool:
    """Whether stderr leads into the live display, which shows heartbeats as bars already.

    Comparing the file behind stderr, as well as the variable being set, keeps the lines
    for a process whose stderr was redirected to a log file.
    """
    expected = os.environ.get(LIVE_VARIABLE)
    if not expected:
        return False
    try:
        stat = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return expected == f"{stat.st_dev}:{stat.st_ino}"


class Heartbeat:
    """Reports the epochs of one training run to a file at `path` and, as lines, to stderr.

    Use it as a context manager: the file exists only while the run goes on.
    """

    def __init__(self, path: Path, *, run: str, epochs: int, clock: Callable[[], float] = time.time) -> None:
        self.path = Path(path)
        self.run = run
        self.epochs = epochs
        self._clock = clock
        self._started = clock()
        self._done_before: int | None = None

    def __enter__(self) -> Heartbeat:
        """Announce the run, so that its bar shows before the first epoch ends."""
        self._started = self._clock()
        self._write(0, 0.0, {}, None)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the file, whether or not the run went well."""
        for path in (self.path, self._temporary):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def epoch(self, done: int, images_per_s: float | None, **metrics: float) -> None:
        """Report that `done` epochs have finished, with the speed, if it is known, and any metrics."""
        # A resumed run starts above zero: only the epochs done here tell how long one takes.
        if self._done_before is None:
            self._done_before = done - 1
        here = done - self._done_before
        eta = (self._clock() - self._started) / here * max(self.epochs - done, 0) if here > 0 else None
        values = {name: float(value) for name, value in metrics.items()}
        self._write(done, images_per_s, values, eta)
        if not under_live_display():
            speed = "" if images_per_s is None else f"{images_per_s:.0f} images/s "
            shown = "".join(f"{name} {format_metric(value)} " for name, value in values.items())
            sys.stderr.write(
                f"{visible(self.run)}: epoch {done}/{self.epochs} {shown}{speed}ETA {format_duration(eta)}\n"
            )
            sys.stderr.flush()

    @property
    def _temporary(self) -> Path:
        return self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")

    def _write(self, done: int, images_per_s: float | None, metrics: dict[str, float], eta: float | None) -> None:
        state = {
            "run": self.run,
            "epochs": self.epochs,
            "done": done,
            "images_per_s": images_per_s if images_per_s is not None and math.isfinite(images_per_s) else None,
            # JSON has no word for nan and inf.
            "metrics": {name: v if math.isfinite(v) else None for name, v in metrics.items()},
            "eta_s": eta,
            "host": platform.node(),
            "pid": os.getpid(),
            "started": self._started,
            "updated": self._clock(),
        }
        # A full disk or a removed folder must not end a training run for the sake of its bar.
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._temporary.write_text(json.dumps(state), encoding="utf-8")
            self._temporary.replace(self.path)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def _is_heartbeat(beat: object) -> bool:
    if not isinstance(beat, dict):
        return False
    metrics = beat.get("metrics")
    return (
        isinstance(beat.get("run"), str)
        and isinstance(metrics, dict)
        and all(_is_number(beat.get(key)) for key in ("epochs", "done", "updated"))
        and all(beat.get(key) is None or _is_number(beat[key]) for key in ("eta_s", "images_per_s", "started", "pid"))
        and isinstance(beat.get("host", ""), str)
        and all(v is None or _is_number(v) for v in metrics.values())
    )


def left(beat: dict[str, Any]) -> bool:
    """Whether a heartbeat is all that a process of this host left when it was killed."""
    if beat.get("host") != platform.node() or not beat.get("pid"):
        return False
    try:
        os.kill(int(beat["pid"]), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        pass  # it lives, and is another user's
    return False


def read_heartbeats(
    folder: Path, *, max_age_s: float = STALE_AFTER_S, now: float | None = None
) -> list[dict[str, Any]]:
    """Read the heartbeats in `folder`, by name, less broken ones, those older than `max_age_s`, and those `left`."""
    now = time.time() if now is None else now
    found = []
    try:
        paths = sorted(Path(folder).glob("*.json"))
    except OSError:
        return []
    for path in paths:
        # Runs come and go while the folder is read.
        try:
            beat = read_json(path)
        except UserError:
            continue
        if not _is_heartbeat(beat) or left(beat):
            continue
        if now - beat["updated"] <= max_age_s:
            found.append(beat)
    return found


def track(
    iterable: Iterable[T],
    description: str,
    total: int | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[T]:
    """Yield the items of `iterable` and show on stderr how far it is.

    A terminal gets a bar; anything else gets a line at the start, one about every ten seconds
    and one at the end.
    """
    description = visible(description)
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    if on_terminal():
        from rich.progress import MofNCompleteColumn

        with bar(MofNCompleteColumn()) as shown:
            yield from shown.track(iterable, total=total, description=description)
    else:
        yield from _track_lines(iterable, description, total, clock)


def on_terminal() -> bool:
    """Whether stderr can show a bar."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def bar(*amounts: ProgressColumn, transient: bool = False) -> Progress:
    """A bar on stderr, to be used as a context manager: its ``amounts``, times; a ``transient`` one vanishes."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *amounts,
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=transient,
    )


def _track_lines(
    iterable: Iterable[T], description: str, total: int | None, clock: Callable[[], float]
) -> Iterator[T]:
    of_total = "" if total is None else f" of {total}"

    def line(text: str) -> None:
        sys.stderr.write(f"{description}: {text}\n")
        sys.stderr.flush()

    started = last = clock()
    done = 0
    line(f"0{of_total}")
    for item in iterable:
        yield item
        done += 1
        now = clock()
        if now - last >= LINE_EVERY_S and done != total:
            last = now
            elapsed = now - started
            eta = "" if total is None else f", ETA {format_duration(elapsed / done * (total - done))}"
            line(f"{done}{of_total} after {format_duration(elapsed)}{eta}")
    line(f"{done}{of_total} done in {format_duration(clock() - started)}")
