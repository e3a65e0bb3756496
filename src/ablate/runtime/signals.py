"""Signals that ask a program to stop: training saves its state at the next step and leaves."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

# Ctrl-C, a scheduler's end, Slurm's early warning, where the system has them
ASKED = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]
PATIENCE_S = 5.0  # a second signal within these is an impatient finger's, and means the same


class Interrupted(Exception):
    """The run saved its state and stopped; the process ends with 128 and the signal's number, as shells count."""

    def __init__(self, number: int, where: str) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} {where}; the same command goes on from there")
        self.code = 128 + number


class Signals:
    """Notes the first of `ASKED`; one that comes `PATIENCE_S` later ends the process at once. A context manager."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._since = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        """Only the main thread of a process may handle signals; elsewhere this does nothing."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in ASKED}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number is None:
            self.number, self._since = number, time.monotonic()
        elif time.monotonic() - self._since > PATIENCE_S and self._before[number] is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


def stop_once() -> None:
    """For a whole program: its first Ctrl-C raises KeyboardInterrupt, later ones do not disturb how it ends.

    Where nothing catches it, the program ends without a traceback. Does nothing outside of the main thread, and where
    Ctrl-C is ignored, as in the background of a script.
    """

    def first(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    def quiet(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)

    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if threading.current_thread() is threading.main_thread() and not ignored:
        signal.signal(signal.SIGINT, first)
        sys.excepthook = quiet


@contextmanager
def left_to_child() -> Iterator[None]:
    """Ctrl-C is answered by the program that is started here, which gets it as well, and is waited for."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)  # a child does not inherit a handler
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
