"""Programs without their imports: a server that has modules of third parties loaded and forks for each call.

A call has a process and a memory of its own, and imports the project's code anew, from where its environment says.
What differs from a process that was started: it is no child of its caller's, in another group and session. Tests of
starts, signals and kills use the programs themselves (`Workspace.start_programs`).
"""

import atexit
import gc
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from importlib.machinery import FileFinder
from pathlib import Path
from typing import Any

from fork_client import early

PROGRAMS = ("ablate", "dvc", "snakemake")
# Each with what it imports. Nothing of the project.
MODULES = [
    "torch",
    "torch._dynamo",
    "torch.optim.lr_scheduler",
    "torch.optim.swa_utils",
    "safetensors.torch",
    "numpy",
    "pandas",
    "scipy.stats",
    "scipy.optimize",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_svg",
    "matplotlib.backends.backend_agg",
    "seaborn",
    "PIL.Image",
    "simplejpeg",
    "sklearn",
    "pydantic",
    "typer",
    "rich.table",
    "rich.console",
    "rich.progress",
    "jinja2",
    "tabulate",
    "ruamel.yaml",
    "requests",
    "psutil",
    "snakemake.cli",
    "snakemake.workflow",
    "snakemake.dag",
    "snakemake.scheduling.greedy",
    "snakemake.executors.local",
    "snakemake.report",
    "fontTools.subset",
    "matplotlib.backends.backend_pdf",
    "dvc.cli",
    "dvc.cli.parser",
    "dvc.repo",
    "dvc.repo.graph",
    "scmrepo.git",
    "dvc_render.vega",
    "networkx",
    "dvc.commands.repro",
    "dvc.commands.status",
    "dvc.stage",
    "dvc.output",
    "concurrent.futures.process",
]
STARTED_S = 120


def start(session: Path, servers: int = 2) -> None:
    """Make an environment like the one of this Python, with clients of servers for programs. The session ends them.

    Each server has its own order of sets, so that what depends on it differs from call to call, as it does without.
    """
    environment = session / "environment"
    (environment / "bin").mkdir(parents=True)
    for name in ("lib", "pyvenv.cfg"):
        (environment / name).symlink_to(Path(sys.prefix) / name)
    real = Path(sys.executable).parent
    for program in real.iterdir():
        if program.name == "activate":  # which names its place
            text = program.read_text().replace(sys.prefix, str(environment))
            (environment / "bin" / program.name).write_text(text)
        elif program.name not in PROGRAMS:
            (environment / "bin" / program.name).symlink_to(program)
    client = Path(__file__).with_name("fork_client.py").read_text()
    for name in PROGRAMS:
        (environment / "bin" / name).write_text(f"#!{sys.executable} -IS\n{client}")
        (environment / "bin" / name).chmod(0o755)
    places = [str(session / f"socket-{number}") for number in range(servers)]
    for place in places:
        with (session / "servers.log").open("a") as log:
            subprocess.Popen(
                [environment / "bin/python", __file__, place], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, env=os.environ | {"PYTHONPATH": ""},
            )  # fmt: skip
    deadline = time.monotonic() + STARTED_S
    while not all(Path(place).exists() for place in places):
        assert time.monotonic() < deadline, (session / "servers.log").read_text()
        time.sleep(0.05)
    says = {"real": str(real), "places": places, "early": early(dict(os.environ))}
    (environment / "server.json").write_text(json.dumps(says))


def load() -> None:
    """Import `MODULES`, without a thread and without the project."""
    gc.disable()
    path = list(sys.path)
    sys.path[:] = [p for p in path if not (Path(p) / "ablate").is_dir()]
    for name in MODULES:
        import_module(name)
    keep_listings()
    sys.path[:] = path
    assert not [name for name in sys.modules if "ablate" in name.split(".")[0]]
    assert threading.active_count() == 1
    gc.freeze()


def keep_listings() -> None:
    """List what is installed once: each start of Snakemake looks through all of it for each of its kinds of plug-ins.

    Folders of the project, and those that a program's environment names, are looked through as they are then.
    """
    look = pkgutil.iter_importer_modules.dispatch(FileFinder)
    installed = {path: list(look(FileFinder(path))) for path in sys.path if Path(path).is_dir()}

    def found(finder: FileFinder, prefix: str = "") -> Iterable[tuple[str, bool]]:
        kept = installed.get(finder.path)
        return look(finder, prefix) if kept is None else ((prefix + name, package) for name, package in kept)

    pkgutil.iter_importer_modules.register(FileFinder, found)


def serve(place: str) -> dict[str, Any]:
    """Fork for each request, until the session has ended. Returns in a fork: the request."""
    session = int(Path(place).with_name("pid").read_text())
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno())
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    running: dict[int, socket.socket] = {}
    with socket.socket(socket.AF_UNIX) as listening, selectors.DefaultSelector() as selector:
        listening.bind(f"{place}.new")
        listening.listen(256)
        Path(f"{place}.new").rename(place)  # there: ready
        selector.register(listening, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while lives(session):
            for key, _ in selector.select(1):
                if key.fileobj is woken:
                    woken.recv(4096)
                elif key.fileobj is listening:
                    caller, _ = listening.accept()
                    request, streams = asked(caller)
                    if not (pid := os.fork()):
                        signal.set_wakeup_fd(-1)
                        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                        for number, stream in enumerate(streams):
                            os.dup2(stream, number)
                        for each in (*streams, woken.fileno(), wakes.fileno()):
                            os.close(each)
                        for other in (caller, *running.values()):
                            other.close()
                        return request
                    for stream in streams:
                        os.close(stream)
                    running[pid] = caller
                    selector.register(caller, selectors.EVENT_READ, pid)
                    caller.sendall(pid.to_bytes(4, "big"))
                elif key.data in running:  # the caller was killed
                    os.kill(key.data, signal.SIGKILL)
                    selector.unregister(key.fileobj)
            for pid in [*running]:
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    end(selector, running.pop(pid), status)
    for pid in running:
        os.kill(pid, signal.SIGKILL)
    os._exit(0)


def asked(caller: socket.socket) -> tuple[dict[str, Any], list[int]]:
    length, streams, _, _ = socket.recv_fds(caller, 8, 3)
    content = b""
    while len(content) < int.from_bytes(length, "big"):
        content += caller.recv(1 << 20)
    return json.loads(content), streams


def end(selector: selectors.BaseSelector, caller: socket.socket, status: int) -> None:
    if caller.fileno() in selector.get_map():
        selector.unregister(caller)
    with suppress(OSError):  # it was killed
        caller.sendall(status.to_bytes(4, "big"))
    caller.close()


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def become(request: dict[str, Any]) -> None:
    """The state of a program that has just been started."""
    os.setsid()
    os.chdir(request["folder"])
    os.umask(request["umask"])
    os.environ.clear()
    os.environ.update(request["environ"])
    for number in request["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    if signal.SIGINT not in request["ignored"]:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = request["argv"]
    bin = os.path.dirname(sys.argv[0])
    sys.executable = f"{bin}/python"
    own = os.environ.get("PYTHONPATH", "")
    sys.path[:] = [bin, *filter(None, own.split(os.pathsep)), *sys.path[1:]]
    sys.path_importer_cache.clear()
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    tempfile.tempdir = None
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # noqa: SIM115
    for name, errors, lines in (("stdout", sys.stdout.errors, os.isatty(1)), ("stderr", "backslashreplace", True)):
        number = 1 if name == "stdout" else 2
        stream = open(number, "w", errors=errors, encoding=sys.stdout.encoding, closefd=False)  # noqa: SIM115
        stream.reconfigure(line_buffering=lines or unbuffered, write_through=unbuffered)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    gc.enable()


if __name__ == "__main__":
    load()
    request = serve(sys.argv[1])
    become(request)
    try:
        runpy.run_path(request["program"], run_name="__main__")
    except SystemExit as left:
        if not isinstance(left.code, int | None):
            raise
        # As Python ends, but for taking each of some thousand modules apart, which takes longer than most programs.
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(left.code or 0)
