"""A job that asks the fork server of its workflow for a process, in which everything is imported already.

The client stays what Snakemake started: it hands its streams, environment and signals on, waits, and ends as the
forked process does, with the same code or by the same signal. It imports of the standard library alone, and little of
that. The other side is `ablate.workflow.fork_server`.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

# Where the workflow's server listens, in the environment of its jobs; `OFF`, set by a user, keeps it from starting.
SERVER, OFF = "ABLATE_SERVER", "off"
# What may be sent to one process. All else that a terminal sends goes to the process group, of which the fork is.
HANDED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
LENGTH = 8  # bytes before the request that say how long it is
FORKED = b"+"  # the answer's first byte; then comes, at the end, what waitpid says
ANSWER = 5  # bytes of the answer


def run_elsewhere() -> int | None:
    """Let the server of this job's workflow run the command; returns the code to end with.

    None: the command is to run here. There is no server, it refuses, or it was killed and its processes with it; then
    every command can be given again. A process that a signal ended ends this one likewise.
    """
    place = os.environ.pop(SERVER, OFF)  # what is started from here on has no server
    if place == OFF or None in (sys.stdin, sys.stdout, sys.stderr):  # one of them is closed
        return None
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(place)
            answer, sent = _asked(server)
        except OSError:  # the server has gone
            return None
    if len(answer) == ANSWER:
        return _ended(int.from_bytes(answer[1:], "big"))
    if sent:  # somebody wants this to stop
        return 128 + sent[0]
    if answer:
        print("ablate: the workflow's fork server was killed; goes on in its own process", file=sys.stderr)
    return None


def _asked(server: socket.socket) -> tuple[bytes, list[int]]:
    """The answer, or as much of it as came; and the signals that were handed on meanwhile."""
    sent: list[int] = []

    def hand_on(number: int, frame: FrameType | None) -> None:
        sent.append(number)
        with suppress(OSError):
            server.send(bytes([number]))

    mask = signal.pthread_sigmask(signal.SIG_BLOCK, HANDED_ON)  # they come behind the request
    ignored = [number for number in HANDED_ON if signal.getsignal(number) is signal.SIG_IGN]
    before = {number: signal.signal(number, hand_on) for number in HANDED_ON if number not in ignored}
    try:
        content = json.dumps(_request(ignored)).encode()
        socket.send_fds(server, [len(content).to_bytes(LENGTH, "big")], [0, 1, 2])
        server.sendall(content)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        answer = b""
        with suppress(ConnectionError):
            while len(answer) < ANSWER and (part := server.recv(ANSWER - len(answer))):
                answer += part
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return answer, sent


def _request(ignored: Sequence[int]) -> dict[str, Any]:
    mask = os.umask(0)
    os.umask(mask)
    return {
        "argv": sys.argv,
        "orig_argv": sys.orig_argv,
        "path": sys.path,
        "prefix": sys.prefix,
        "folder": os.getcwd(),  # noqa: PTH109 (importing pathlib takes as long as all the rest)
        "session": os.getsid(0),
        "group": os.getpgrp(),
        "umask": mask,
        "environ": dict(os.environ),
        "ignored": ignored,
    }


def _ended(status: int) -> int:
    """The code of a process, from what waitpid said of it."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        import resource  # here and not above: hardly ever needed

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the other has left one, where one is wanted
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code
