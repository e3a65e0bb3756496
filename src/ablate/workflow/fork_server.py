"""The fork server of a workflow: others' modules are imported once, and each job is a fork of the process that did.

Snakemake starts one with its first jobs (`start`), a small process that waits. The first job that asks (`ablate`, by
`ablate.runtime.fork_client`) makes it import torch or whatever its command needs. Each job gets a process of its own,
in its client's process group, with its client's streams, folder, environment and signals. Where a file of this
package was edited since the server imported it, the job imports the package from the files as they are then.

Who dies: with its client a job's process is killed, as if it were the client; with the server all of them are, and
their clients start again by themselves; when Snakemake ends or is killed, jobs save and end, and then the server.

By hand: multiprocessing's forkserver serves the program that started it, and pickles what is to be called. Jobs are
started by shells, and each is what its own command line, streams and environment say.

Linux alone: elsewhere nobody is told that a parent died, and macOS's libraries do not survive a fork.
"""

import atexit
import gc
import importlib
import json
import os
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.runtime.fork_client import FORKED, HANDED_ON, LENGTH, OFF, SERVER
from ablate.workflow import forked

GRACE_S = 60.0  # for jobs to save and end, once Snakemake has gone
STALL_S = 10.0  # that a client may take to say what it wants

# What commands import, imported for the first job that needs it. A name that is missing here costs time and nothing
# else.
COMMON = ("pydantic.dataclasses", "rich.console", "ruamel.yaml", "ablate.cli.main")
TORCH = ("torch", "torch.optim.swa_utils", "safetensors.torch", "scipy.special")
LAYERS = (*TORCH, "torch.utils.flop_counter", "torch._dynamo")  # to count on "meta", torch imports its compiler
TABLES = ("pandas", "tabulate")
FORMATS = tuple(f"matplotlib.backends.backend_{kind}" for kind in ("svg", "agg", "pdf"))
DRAWING = ("matplotlib.pyplot", *FORMATS, "fontTools.subset", "seaborn", "scipy.stats", "statsmodels.api")
IMPORTS: dict[str, tuple[str, ...]] = {
    "train": (*TORCH, "ablate.train.job"),
    "collect": TABLES,
    "summarise": TABLES,
    "tables": TABLES + LAYERS,
    "report": TABLES,
    "compare": TABLES + LAYERS,
    "figures": TABLES + DRAWING + LAYERS,
    "calibrate": TABLES + DRAWING,
    "judge": TABLES + DRAWING + LAYERS,
    "power": TABLES + DRAWING,
}
# What Snakemake and bash set anew for each job. Numbers of threads are one in a server, since a program with threads
# cannot fork; torch gets its own from --threads, and nothing else here has a use for more.
THREADS = [
    "OMP_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
]
# pandas imports pyarrow where it is installed, whose allocator would start a thread of its own.
NO_THREAD = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
OF_A_JOB = {SERVER, *THREADS, *NO_THREAD, "TMPDIR", "TMP", "TEMPDIR", "TEMP", "_", "SHLVL", "PWD", "OLDPWD"}
OF_A_JOB |= {"COLUMNS", "LINES"}


def start(prefix: str) -> str:
    """Start the server of this process's jobs, which ends with this process; returns what tells a shell of it.

    ``prefix`` is what the shell of each job begins with. The server is started by such a shell as well, since bash
    changes the environment in ways of its own: it takes away the prompt that `activate` of a virtual environment
    exports, and `BASH_ENV` may set anything.

    Empty where there is none: not on Linux, where `OFF` asks for none, and where it cannot start, which is said.
    """
    if sys.platform != "linux" or os.environ.get(SERVER) == OFF:
        return ""
    folder = None
    try:
        os.close(os.pidfd_open(os.getpid()))  # Linux 5.3
        folder = tempfile.mkdtemp(prefix="ablate-")
        place = f"{folder}/server"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(place)
            listener.listen(128)
            words = ["bash", "-c", f'{prefix}exec "$@"', "bash"]
            words += [sys.executable, "-P", "-m", __name__, str(listener.fileno()), folder]
            # In a process group of its own, out of Ctrl-C's reach. Its stdin ends when this process does.
            server = subprocess.Popen(words, stdin=subprocess.PIPE, pass_fds=[listener.fileno()], process_group=0)
    except OSError as error:
        print(f"ablate: no fork server ({error}); each job imports for itself", file=sys.stderr)
        if folder:
            shutil.rmtree(folder)
        return ""
    atexit.register(_end, server, folder)
    quoted = shlex.quote(place).replace("{", "{{").replace("}", "}}")  # for Snakemake, which looks for wildcards
    return f"export {SERVER}={quoted}; "


def _end(server: "subprocess.Popen[bytes]", folder: str) -> None:
    """Let the server end, and wait until it has; what it left, if it was killed, is removed."""
    server.communicate()
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class _Job:
    process: int
    ended: int  # pidfd
    client: socket.socket


class _Refused(Exception):
    """The client is to run its command itself."""


class Server:
    """Forks for the clients of ``listener``, in ``folder``, until ``lifeline`` ends."""

    def __init__(self, listener: socket.socket, lifeline: int, folder: str) -> None:
        self.listener, self.lifeline, self.folder = listener, lifeline, folder
        self.environ = _settled(dict(os.environ))
        self.jobs: list[_Job] = []
        self.selector = selectors.DefaultSelector()
        self.told: set[str] = set()
        self.files: forked.Files = {}
        self.deadline: float | None = None  # once Snakemake has gone

    def serve(self) -> None:
        """Until Snakemake has gone and all jobs have ended."""
        os.environ.update(dict.fromkeys(THREADS, "1") | NO_THREAD, MPLBACKEND="agg")  # as ablate.figures sets it
        # Who sends one to all processes of a machine's job means the jobs. A fork takes them once it is ready.
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDED_ON)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self.selector.register(self.lifeline, selectors.EVENT_READ, self._leave)
        while self.deadline is None or self.jobs:
            patience = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
            events = self.selector.select(patience)
            for key, _ in events[:1]:  # which may close the others' files
                key.data()
            if not events:
                self._send(signal.SIGKILL)
                self.deadline = None if self.deadline is None else self.deadline + GRACE_S

    def _leave(self) -> None:
        """Snakemake has gone: nobody is served any more, and jobs save and end."""
        self.selector.unregister(self.lifeline)
        self.selector.unregister(self.listener)
        self.listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._send(signal.SIGTERM)
        self.deadline = time.monotonic() + GRACE_S

    def _send(self, number: int) -> None:
        for job in self.jobs:
            signal.pidfd_send_signal(job.ended, number)

    def _accept(self) -> None:
        client, _ = self.listener.accept()
        streams: list[int] = []
        try:
            client.settimeout(STALL_S)
            request, streams = _received(client)
            self._check(request)
            process = self._fork(request, streams, client)
        except (_Refused, OSError, ValueError) as error:
            client.close()
            if isinstance(error, _Refused) and str(error) not in self.told:
                self.told.add(str(error))
                print(f"ablate: the fork server is not used: {error}", file=sys.stderr, flush=True)
            return
        finally:
            for stream in streams:
                os.close(stream)
        job = _Job(process, os.pidfd_open(process), client)
        self.jobs.append(job)
        self.selector.register(client, selectors.EVENT_READ, lambda: self._hand_on(job))
        self.selector.register(job.ended, selectors.EVENT_READ, lambda: self._end(job))
        with suppress(OSError):
            client.send(FORKED)

    def _check(self, request: dict[str, Any]) -> None:
        """Refuse what would not be the process that the client would have been."""
        theirs = _settled(request["environ"])
        names = {name for name in theirs | self.environ if theirs.get(name) != self.environ.get(name)}
        if names:
            raise _Refused(f"a job's environment is another in {', '.join(sorted(names))}")
        if request["prefix"] != sys.prefix:
            raise _Refused(f"a job runs in the Python environment {request['prefix']}")
        if request["session"] != os.getsid(0):
            raise _Refused("a job is in another session")
        began = time.time_ns()
        imports = (*COMMON, *IMPORTS.get("".join(request["argv"][1:2]), ()))
        wanted = [name for name in imports if name not in sys.modules]
        for name in wanted:
            _import(name)
        if wanted:
            self.files |= {file: stamp for file, stamp in forked.own_files().items() if file not in self.files}
            self.files = {file: stamp if stamp and stamp[0] < began else None for file, stamp in self.files.items()}
        if len(list(Path("/proc/self/task").iterdir())) > 1:
            raise _Refused("a module that it imported started threads")

    def _fork(self, request: dict[str, Any], streams: list[int], client: socket.socket) -> int:
        """The number of a new process, which runs the command and holds the connection until it ends."""
        gc.freeze()  # a collection in one of the processes would copy all that they share
        server = os.getpid()
        process = os.fork()
        if process:
            return process
        code = 1
        try:
            forked.end_with(server)
            self.selector.close()
            self.listener.close()
            for job in self.jobs:
                os.close(job.ended)
                job.client.close()
            forked.become(request, streams, self.files)
            code = forked.run()
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)  # what an interpreter does at its end would copy most of the shared memory

    def _hand_on(self, job: _Job) -> None:
        """A signal to the job; or its client is dead, and it must not go on in secret."""
        try:
            numbers = job.client.recv(64)
        except ConnectionError:
            numbers = b""
        if not numbers:
            self.selector.unregister(job.client)
        for number in numbers or [signal.SIGKILL]:
            signal.pidfd_send_signal(job.ended, number)

    def _end(self, job: _Job) -> None:
        _, status = os.waitpid(job.process, 0)
        self.selector.unregister(job.ended)
        with suppress(KeyError):
            self.selector.unregister(job.client)
        self.jobs.remove(job)
        with suppress(OSError):
            job.client.sendall(status.to_bytes(4, "big"))
        job.client.close()
        os.close(job.ended)


def _settled(environ: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name not in OF_A_JOB}


def _received(client: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What a client wants, and its streams."""
    head, streams, _, _ = socket.recv_fds(client, LENGTH, 3)
    try:
        if len(streams) != 3:
            raise ValueError("no request")
        missing = int.from_bytes(head, "big")
        parts = []
        while missing and (part := client.recv(min(missing, 2**16))):
            parts.append(part)
            missing -= len(part)
        request: dict[str, Any] = json.loads(b"".join(parts))
    except BaseException:
        for stream in streams:
            os.close(stream)
        raise
    return request, streams


def _import(name: str) -> None:
    """What cannot be imported is left to the job that needs it, which says so."""
    with suppress(Exception):
        importlib.import_module(name)
        if name == "torch":
            from ablate.models._torchvision import import_torchvision

            import_torchvision()


if __name__ == "__main__":
    Server(socket.socket(fileno=int(sys.argv[1])), 0, sys.argv[2]).serve()
