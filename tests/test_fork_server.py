"""Jobs of a fork server, real processes all of them. Oracle: what a process that was started by itself does.

What a job runs here is its last word, a Python program; a package called `ablate` that does so stands in for ours.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ablate.runtime.fork_client import SERVER
from ablate.workflow import fork_server
from conftest import ROOT
from pretended import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is a fork server on Linux alone")

# Starts a server and lives until its stdin ends, as Snakemake does until its jobs are done.
PARENT = """
import sys
from ablate.workflow.fork_server import start
print(start(sys.argv[1]), flush=True)
sys.stdin.read()
"""
CLIENT = """
import os, sys
from ablate.runtime.fork_client import run_elsewhere
sys.path.insert(0, "package")
code = run_elsewhere()
os._exit(99 if code is None else code)
"""
JOB = "import sys\ndef main():\n    exec(sys.argv[-1], {})\n"
WAITING = "import os, time\nopen('job', 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
SAVING = (
    "import signal, sys, os\ndef save(number, frame):\n    open('saved', 'a').write(f'{number} ')\n    sys.exit(7)\n"
    "for number in (1, 2, 3, 10, 12, 15):\n    signal.signal(number, save)\n" + WAITING
)
PROMPTS = ("PS1", "PS2")
OWN = 99  # the client is to run the command by itself


class Parent:
    def __init__(self, prefix: str = "", **environ: str) -> None:
        # Pytest changes it as a test goes on. An activated shell's prompt does not get past the shell of a job.
        self.environ = {name: value for name, value in os.environ.items() if name not in PROMPTS} | environ
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT, prefix], env=self.environ, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout is not None
        found = re.fullmatch(f"export {SERVER}=(.*); \n", self.process.stdout.readline())
        assert found, self.process.stderr and self.process.stderr.read()
        self.place = found[1]
        (self.server,) = psutil.Process(self.process.pid).children()

    def start(self, program: str, *before: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*before, sys.executable, "-c", CLIENT, "test", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL, text=True, process_group=0, env=self.environ | {SERVER: self.place} | environ,
        )  # fmt: skip

    def run(self, program: str, *before: str, **environ: str) -> tuple[int, str, str]:
        process = self.start(program, *before, **environ)
        out, errors = process.communicate(timeout=120)
        return process.returncode, out, errors

    def end(self) -> str:
        """What it and its server said; both have ended by then."""
        said = self.process.communicate(timeout=120)[1]
        assert not self.server.is_running()
        return said


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Parent]:
    monkeypatch.chdir(tmp_path)
    Path("package/ablate").mkdir(parents=True)
    Path("package/ablate/__init__.py").touch()
    Path("package/ablate/__main__.py").write_text(JOB)
    made = Parent()
    yield made
    made.process.kill()
    made.process.communicate()
    until(lambda: not made.server.is_running())
    assert not Path(made.place).parent.exists()


def job() -> psutil.Process:
    until(lambda: Path("job").exists() and Path("job").read_text())
    return psutil.Process(int(Path("job").read_text()))


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


ENDS: dict[str, Any] = {
    "pass": (0, ""),
    "import sys; sys.exit(3)": (3, ""),
    "import sys; sys.exit(None)": (0, ""),
    "import sys; sys.exit('no')": (1, "no\n"),
    "import os; os._exit(5)": (5, ""),
    "import atexit; atexit.register(print, 'last', file=__import__('sys').stderr)": (0, "last\n"),
    "import os; os.kill(os.getpid(), 9)": (-9, ""),
    "import os; os.abort()": (-6, ""),
    "import os, signal; signal.signal(2, signal.SIG_DFL); os.kill(os.getpid(), 2)": (-2, ""),
}


def test_a_job_ends_its_client_as_it_ended(parent: Parent) -> None:
    for program, (code, said) in ENDS.items():
        assert parent.run(program) == (code, "", said), program
    code, _, said = parent.run("1 / 0")
    assert code == 1 and said.splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert parent.end() == ""


FACTS = """
import json, os, resource, signal, sys, threading
print(json.dumps({
    "argv": sys.argv[1:-1], "folder": os.getcwd(), "umask": os.umask(0), "session": os.getsid(0),
    "environ": {name: value for name, value in os.environ.items() if name != "_"}, "terminal": os.isatty(1),
    "signals": [str(signal.getsignal(number)) for number in (1, 2, 3, 10, 12, 13, 15)],
    "threads": threading.active_count(), "files": resource.getrlimit(resource.RLIMIT_NOFILE),
    "streams": [(s.encoding, s.errors, s.line_buffering) for s in (sys.stdin, sys.stdout, sys.stderr)],
}))
"""
OPEN = """
import os
for number in range(3, 50):
    if os.path.lexists(f"/proc/self/fd/{number}"):
        print(os.readlink(f"/proc/self/fd/{number}"))
"""


def test_it_is_the_process_that_its_client_would_have_been(parent: Parent) -> None:
    """Oracle: the same program as a process of its own. No file of another job or of the server is open in it."""
    waits = parent.start(WAITING)
    job()
    before = ["bash", "-c", 'trap "" HUP; umask 027; exec "$@"', "bash"]
    code, out, errors = parent.run(FACTS, *before, OMP_NUM_THREADS="7")
    assert (code, errors) == (0, "")
    words = [*before, sys.executable, "-c", FACTS, "test", FACTS]
    env = parent.environ | {"OMP_NUM_THREADS": "7"}
    alone = subprocess.run(words, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL, env=env)
    assert json.loads(out) == json.loads(alone.stdout)
    group = "import os; print(os.getpgrp())"
    client = parent.start(group)
    assert client.communicate(timeout=60)[0] == f"{client.pid}\n"
    out = parent.run(OPEN)[1]
    assert len(out.splitlines()) == 1 and "socket:" in out, out  # the connection, by which its end is known
    waits.kill()
    waits.communicate()


@pytest.mark.parametrize("number", [1, 2, 3, 10, 12, 15])
def test_a_signal_to_the_client_reaches_the_job(number: int, parent: Parent) -> None:
    client = parent.start(SAVING)
    job()
    client.send_signal(number)
    assert client.wait(60) == 7 and Path("saved").read_text() == f"{number} "


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_before_the_fork_is_not_lost(number: int, parent: Parent) -> None:
    """The first client waits while the server imports, and is sent it at several moments of that."""
    for wait in (0.05, 0.1, 0.2, 0.3):
        client = parent.start(f"import signal\nsignal.signal(2, signal.SIG_DFL)\n{WAITING}")
        time.sleep(wait)
        client.send_signal(number)
        errors = client.communicate(timeout=60)[1]
        assert client.returncode == -number or (number == signal.SIGINT and "KeyboardInterrupt" in errors)


def test_ctrl_c_reaches_the_job_and_not_the_server(parent: Parent) -> None:
    client = parent.start("import signal\nsignal.signal(2, signal.SIG_DFL)\n" + WAITING)
    job()
    os.killpg(client.pid, signal.SIGINT)
    assert client.wait(60) == -signal.SIGINT
    assert parent.run("pass")[0] == 0


def test_with_its_client_a_job_is_killed_at_once(parent: Parent) -> None:
    client = parent.start(SAVING)
    process = job()
    client.kill()
    client.wait()
    until(lambda: gone(process))
    assert not Path("saved").exists()
    assert parent.run("pass")[0] == 0


def test_with_the_server_jobs_are_killed_and_clients_go_on_by_themselves(parent: Parent) -> None:
    client = parent.start(SAVING)
    process = job()
    parent.server.kill()
    out, errors = client.communicate(timeout=60)
    until(lambda: gone(process))
    assert not Path("saved").exists()
    assert client.returncode == OWN and out == "" and "fork server was killed" in errors
    assert parent.run("pass") == (OWN, "", "")  # and so does every later one
    parent.end()


@pytest.mark.parametrize("killed", [True, False])
def test_when_snakemake_has_gone_jobs_save_and_the_server_ends(killed: bool, parent: Parent) -> None:
    client = parent.start(SAVING)
    job()
    if killed:
        parent.process.kill()
        until(lambda: not parent.server.is_running())
    else:
        assert parent.end() == ""
    assert client.wait(60) == 7 and Path("saved").read_text() == f"{signal.SIGTERM.value} "


def test_a_job_that_does_not_end_is_killed(parent: Parent) -> None:
    """By a server with a grace of half a second in the place of a minute."""
    program = "import sys, socket; from ablate.workflow import fork_server; fork_server.GRACE_S = 0.5; "
    program += "fork_server.Server(socket.socket(fileno=int(sys.argv[1])), 0, 'own').serve()"
    Path("own").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("own/server")
        listener.listen()
        words = [sys.executable, "-c", program, str(listener.fileno())]
        server = subprocess.Popen(words, stdin=subprocess.PIPE, pass_fds=[listener.fileno()], env=parent.environ)
    client = parent.start(f"import signal\nsignal.signal(15, signal.SIG_IGN)\n{WAITING}", **{SERVER: "own/server"})
    job()
    server.communicate()
    assert client.wait(60) == -signal.SIGKILL and not Path("own").exists()


def test_an_edited_source_is_what_the_next_job_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the changed words. The control, words that changed while the file looks the same: they are not seen."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "src/ablate", "src/ablate", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", "src")
    parent, file = Parent(), Path("src/ablate/cli/main.py")

    def version() -> str:
        words = [sys.executable, "-m", "ablate", "--version"]
        env = parent.environ | {SERVER: parent.place}
        return subprocess.run(words, capture_output=True, text=True, check=True, env=env).stdout.split()[0]

    assert version() == "ablate"
    text, was = file.read_text(), file.stat()
    file.write_text(text.replace('print(f"ablate {', 'print(f"ABLATE {'))
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert version() == "ablate"
    file.write_text(text.replace('print(f"ablate {', 'print(f"edited {'))
    assert version() == "edited"
    assert version() == "edited"
    assert parent.end() == ""


def test_another_environment_is_refused_and_said_once(parent: Parent) -> None:
    assert parent.run("pass", OMP_WAIT_POLICY="active") == (OWN, "", "")
    assert parent.run("pass", OMP_WAIT_POLICY="active") == (OWN, "", "")
    assert parent.run("pass", OMP_NUM_THREADS="7")[0] == 0
    assert parent.end() == "ablate: the fork server is not used: a job's environment is another in OMP_WAIT_POLICY\n"


def test_what_the_shell_of_a_job_makes_of_an_environment_is_none_of_another(parent: Parent) -> None:
    """Oracle: the same program as a process of its own. What bash is known to change, and what a user's file does."""
    parent.end()
    Path("env.sh").write_text("export ADDED=1 CHANGED=2; unset LOST\n")
    given = {"PS1": "(.venv) $ ", "PS2": "> ", "SHELLOPTS": "braceexpand:hashall", "BASHOPTS": "extglob", "ENV": "x"}
    given |= {"BASH_ENV": "env.sh", "CHANGED": "1", "LOST": "1", "BASH_FUNC_module%%": "() {  echo; }", "a.b": "c"}
    prefix = "set -euo pipefail; trap : INT; "
    other, shell = Parent(prefix, **given), ["bash", "-c", f'{prefix}exec "$@"', "bash"]
    code, out, errors = other.run(FACTS, *shell)
    assert (code, errors) == (0, "")
    words = [*shell, sys.executable, "-c", FACTS, "test", FACTS]
    alone = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=other.environ)
    theirs, ours = (json.loads(text)["environ"] for text in (alone.stdout, out))
    assert ours["ADDED"] == "1" and not {"LOST", *PROMPTS} & set(ours)
    different = {name for name in ours | theirs if ours.get(name) != theirs.get(name)}
    assert not different - fork_server.OF_A_JOB
    assert other.end() == ""


def test_what_could_not_be_forked_is_refused(parent: Parent) -> None:
    """Another session, whose group a fork cannot join; a closed stream; and what is no request at all."""
    assert parent.run("pass", "setsid", "--wait")[0] == OWN
    assert parent.run("pass", "bash", "-c", 'exec "$@" <&-', "bash")[0] == OWN
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(parent.place)
        stranger.send(b"hello there, who are you?")
    assert parent.run("pass")[0] == 0
    assert "session" in parent.end()


def test_with_threads_there_is_no_fork(parent: Parent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: a module that starts one when it is imported, in the place of one that the server imports."""
    parent.end()
    Path("stand_in/ruamel").mkdir(parents=True)
    Path("stand_in/ruamel/yaml.py").write_text(
        "import threading, time; threading.Thread(target=time.sleep, args=[9], daemon=True).start()"
    )
    monkeypatch.setenv("PYTHONPATH", f"stand_in:{os.environ.get('PYTHONPATH', '')}")
    other = Parent()
    assert other.run("pass")[0] == OWN
    assert other.end() == "ablate: the fork server is not used: a module that it imported started threads\n"


def test_where_it_cannot_start_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    assert fork_server.start("") == ""
    said = capsys.readouterr().err
    assert said.startswith("ablate: no fork server (") and said.count("\n") == 1
    assert not list(long.iterdir())


def test_it_can_be_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SERVER, "off")
    assert fork_server.start("") == ""
