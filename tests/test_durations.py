"""The time that tests take, as far as it is known. Oracle: the tests, and a process that spins for a known time."""

import subprocess
import sys

from conftest import ROOT
from durations import SECONDS, SLOW_S, taken


def test_what_is_listed_is_a_test_and_slow() -> None:
    """A test of another name would be quick again."""
    texts = {file: (ROOT / file).read_text() for file in {name.partition("::")[0] for name in SECONDS}}
    for name, seconds in SECONDS.items():
        file, _, test = name.partition("::")
        assert f"def {test.partition('[')[0].rpartition('::')[2]}(" in texts[file], name
        assert seconds > SLOW_S, name


def test_what_a_program_takes_is_its_test_s() -> None:
    before = taken()
    spin = "import time\nwhile time.process_time() < 0.05: pass"
    subprocess.run([sys.executable, "-IS", "-c", spin], check=True)
    assert 0.04 < taken() - before < 0.5  # clock ticks are hundredths
