"""What tests take, in seconds of a core, with all that they start: which are slow, and which go first.

`pytest -n 0 --measure` writes anew what it runs. Imports and what is made once are their first test's.
"""

import json
import os
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

FILE = Path(__file__).with_suffix(".json")
SLOW_S = 0.08  # what takes longer is for the whole run alone
LONG_S = 15.0  # what takes longer goes first
UNKNOWN_S = 60.0  # what carries `slow` and was never measured
SECONDS: dict[str, float] = json.loads(FILE.read_text())


def taken() -> float:
    """By this process, by those that it started, and by theirs: forks of the programs' servers among them."""
    living = psutil.Process().children()
    return sum(os.times()[:4]) + sum(sum(process.cpu_times()[:4]) for process in living)


class Measure:
    """A plug-in for one process."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        before = taken()
        done = yield
        self.seconds[item.nodeid] = round(taken() - before, 2)
        return done

    def pytest_sessionfinish(self) -> None:
        kept = {name: s for name, s in (SECONDS | self.seconds).items() if s > SLOW_S}
        FILE.write_text(json.dumps(dict(sorted(kept.items())), indent=0) + "\n")
