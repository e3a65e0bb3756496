"""Programs that the tests' fork server runs. Oracle: the programs themselves, started."""

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import Workspace, programs
from pretended import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="programs are started here, and not forked"),
]
# In place of the project: what a program finds, and what it does then.
PROBE = """
import json, os, signal, sys, time
def main():
    print(json.dumps([sys.argv[1:], os.getcwd(), sys.path[1], os.environ["PROBED"], sys.stdin.read()]))
    print(sorted(m for m in sys.modules if "ablate" in m), signal.getsignal(signal.SIGINT), sys.stdout.encoding)
    os.umask(mask := os.umask(0))
    print(mask, file=sys.stderr)
    exec(sys.argv[1])
"""


@pytest.fixture
def probe(tmp_path: Path) -> dict[str, Any]:
    for name, text in (("ablate/__init__.py", ""), ("ablate/__main__.py", PROBE)):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_text(text)
    return {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": f"{tmp_path}/source", "PROBED": "ä"}}


def test_the_server_is_asked(probe: dict[str, Any]) -> None:
    """Otherwise all below would compare programs with themselves: what has been forked has torch already.

    It is by a worker that has imported anything, too, which may have left its mark in the environment.
    """
    code = "import os, sklearn, torch._inductor.codecache, torch.utils.flop_counter as f; print(sorted(os.environ))"
    left = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    probe["env"] |= {name: "x" for name in ast.literal_eval(left) if name not in os.environ}
    words = [programs() / "ablate", "print('torch' in sys.modules)"]
    assert subprocess.run(words, **probe, capture_output=True, check=True, stdin=subprocess.DEVNULL).stdout.endswith(
        b"True\n"
    )


@pytest.mark.parametrize(
    "does",
    [
        "", "sys.exit(3)", "sys.exit('why')", "raise ValueError('x')", "os.kill(os.getpid(), 9)", "os._exit(7)",
        "signal.raise_signal(signal.SIGTERM)", "raise KeyboardInterrupt", "sys.stdout.write('no end of a line')",
        "import threading; threading.Timer(.1, print, 'z').start()", "import atexit; atexit.register(print, 'last')",
    ],
)  # fmt: skip
def test_a_fork_is_as_the_program(does: str, probe: dict[str, Any]) -> None:
    ends = []
    for folder in (programs(), Path(sys.executable).parent):
        done = subprocess.run(
            [folder / "ablate", does, "", "ü b"], **probe, capture_output=True, text=True, check=False, input="read",
            umask=0o27,
        )  # fmt: skip
        ends.append((done.returncode, done.stdout, done.stderr.splitlines()[0], done.stderr.splitlines()[-1]))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signals_reach_it_and_it_dies_with_its_client(number: int, probe: dict[str, Any], tmp_path: Path) -> None:
    waits = "open('pid', 'w').write(str(os.getpid())); time.sleep(300)"
    for sent, code in ((number, -number), (signal.SIGKILL, -signal.SIGKILL)):
        with subprocess.Popen(
            [programs() / "ablate", waits], **probe, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as client:  # fmt: skip
            until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
            pid = int((tmp_path / "pid").read_text())
            assert Path(f"/proc/{pid}/stat").exists()
            client.send_signal(sent)
            assert client.wait(60) == code
        until(lambda pid=pid: not Path(f"/proc/{pid}/stat").exists())
        (tmp_path / "pid").unlink()


def test_edited_code_counts_at_once(workspace: Workspace) -> None:
    before = workspace.do("ablate --version")
    file = workspace.folder / "src/ablate/cli/main.py"
    file.write_text(file.read_text().replace('print(f"ablate ', 'print(f"edited '))
    time.sleep(0.01)
    assert workspace.do("ablate --version") == before.replace("ablate", "edited")
