"""A fork of the server becomes the program that its client would have been."""

import atexit
import ctypes
import importlib
import os
import signal
import sys
import threading
from importlib.machinery import PathFinder
from typing import Any

from ablate.runtime.fork_client import HANDED_ON

PACKAGE = __name__.partition(".")[0]
Files = dict[str, tuple[int, int, int] | None]  # modules' change, size, inode; None: not to be trusted


def end_with(parent: int) -> None:
    """Let the kernel kill this process when the one that forked it is dead."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # linux/prctl.h: PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


def own_files() -> Files:
    """This package's modules that were imported, as their files are now."""
    found: Files = {}
    for name, module in sys.modules.items():
        if name.partition(".")[0] == PACKAGE and module.__file__:
            try:
                now = os.stat(module.__file__)  # noqa: PTH116 (a hundred of them, for each job)
                found[module.__file__] = now.st_mtime_ns, now.st_size, now.st_ino
            except OSError:
                found[module.__file__] = None
    return found


def become(request: dict[str, Any], streams: list[int], files: Files) -> None:
    """Take on what a program gets from those who start it; ``files`` are this package's as they were imported."""
    os.setpgid(0, request["group"])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    for number, name in enumerate(("stdin", "stdout", "stderr")):  # what the server's own were may be no pipe
        old = getattr(sys, name)
        new = open(number, "w" if number else "r", encoding=old.encoding, errors=old.errors, closefd=False)  # noqa: SIM115
        lines = old.line_buffering if name == "stderr" else new.line_buffering
        new.reconfigure(line_buffering=lines, write_through=old.write_through)
        setattr(sys, name, new)
    os.chdir(request["folder"])
    os.umask(request["umask"])
    os.environ.clear()
    os.environ.update(request["environ"])
    sys.argv, sys.orig_argv, sys.path[:] = request["argv"], request["orig_argv"], request["path"]
    importlib.invalidate_caches()
    place = PathFinder.find_spec(PACKAGE, sys.path)
    if own_files() != files or None in files.values() or not place or place.origin != sys.modules[PACKAGE].__file__:
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # of its global stream, which all forks would have in common
    for number in HANDED_ON:
        signal.signal(number, signal.SIG_IGN if number in request["ignored"] else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDED_ON)  # one that came before ends this process here
    if signal.SIGINT not in request["ignored"]:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def run() -> int:
    """Run the command to its end, as Python would; returns its code."""
    code: Any = 0
    try:
        importlib.import_module("ablate.__main__").main()  # by name: it is another program's beginning
    except SystemExit as leave:
        code = leave.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    if not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for file in (sys.stdout, sys.stderr):
        file.flush()
    return int(code) & 0xFF
