"""Ctrl-C, once and more often, at programs that are really sent it. Oracle: what they leave, say and end with."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# Cleans up for a while after its first interrupt, as training that saves or a pool that is shut down does.
PROGRAM = """
import time
from pathlib import Path
from ablate.runtime.signals import stop_once
stop_once()
try:
    print("ready", flush=True)
    time.sleep(60)
finally:
    print("ending", flush=True)
    time.sleep(0.3)
    Path("ended").touch()
"""
NOTING = """
import time
from ablate.runtime import signals as interrupt
interrupt.PATIENCE_S = {patience}
with interrupt.Signals() as signals:
    print("ready", flush=True)
    while signals.number is None:
        time.sleep(0.01)
    print("ending", flush=True)
    time.sleep(0.3)
print(signals.number, flush=True)
"""
CHILD = """
import subprocess, sys
from ablate.runtime.signals import left_to_child
child = '''
import sys, time
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("ending", flush=True)
    time.sleep(0.5)
    sys.exit(7)
'''
with left_to_child():
    code = subprocess.run([sys.executable, "-c", child]).returncode
print(code, flush=True)
"""


def interrupted(program: str, folder: Path, *, group: bool = False) -> tuple[int, str, str]:
    """(exit code, stdout behind `ending`, stderr) of ``program``, interrupted when ready and thrice when ending."""
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        (os.killpg if group else os.kill)(process.pid, signal.SIGINT)
        assert process.stdout.readline() == "ending\n"
        for _ in range(0 if group else 3):
            process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
        return process.returncode, said, errors


def test_later_interrupts_do_not_disturb_the_ending(tmp_path: Path) -> None:
    code, _, errors = interrupted(PROGRAM, tmp_path)
    assert (tmp_path / "ended").exists() and errors == "" and code != 0


@pytest.mark.parametrize(("patience", "code", "said"), [(60, 0, "2\n"), (-1, -signal.SIGINT, "")])
def test_a_second_signal_means_the_same_for_a_while(patience: int, code: int, said: str, tmp_path: Path) -> None:
    """After that it ends the process at once, and no Python traceback comes of it."""
    assert interrupted(NOTING.format(patience=patience), tmp_path) == (code, said, "")


def test_a_program_that_was_started_ends_in_order_and_is_waited_for(tmp_path: Path) -> None:
    """subprocess.run alone kills it a quarter of a second after Ctrl-C."""
    assert interrupted(CHILD, tmp_path, group=True) == (0, "7\n", "")
