"""Signals that ask a training run to stop: it saves its state at the next step and leaves."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

# Ctrl-C, a scheduler's end, Slurm's early warning, where the system has them
ASKED = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]


def interrupt_once() -> None:
    """Let Ctrl-C end this process at the second time at once, and never with a traceback of what it was about."""

    def first(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as in the background of a script
        signal.signal(signal.SIGINT, first)


class Interrupted(Exception):
    """The run saved its state and stopped; the process ends with 128 and the signal's number, as shells count."""

    def __init__(self, number: int, where: str) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} {where}; the same command goes on from there")
        self.code = 128 + number


class Signals:
    """Notes the first of `ASKED`; a second one ends the process at once, without a word. A context manager.

    What is being written then is whole or absent, as after any kill (`files.whole`).
    """

    def __init__(self) -> None:
        self.number: int | None = None
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
        self.number = number
        ignored = self._before[number] is signal.SIG_IGN  # Slurm's warning, below Snakemake: it may come again
        signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
