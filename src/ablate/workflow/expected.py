"""What runs will take while more and more of them are measured: for thousands of runs, and again and again."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ablate.files import read_json
from ablate.plan.cost import Machine, Measured, add_measured, arm_of, expected_seconds, images_of
from ablate.plan.params import Params
from ablate.plan.runs import Run

LATEST = 100  # measured runs of a network say what the next takes: thousands say no more, and take seconds
GROWN = 1.05  # times as many measured runs, before estimates are made anew


class Expected:
    """`expected_seconds`, kept for all runs that take the same."""

    def __init__(self, params: Params, machine: Machine, history: Iterable[Measured]) -> None:
        self._datasets, self._machine = params.datasets, machine
        self._measured = {m.run: m for m in history}
        self._of_arm: dict[str, list[Measured]] = {}
        self._sample: list[Measured] = []
        self._seconds: dict[Any, float] = {}
        self._known = -1  # measured runs that these follow from
        self._elsewhere = False

    @property
    def measured(self) -> int:
        """Measured runs."""
        return len(self._measured)

    def add(self, run: str, folder: Path) -> None:
        """Take in a run that has ended.

        Raises:
            UserError: If one of its files cannot be read.
        """
        manifest, metrics = read_json(folder / "manifest.json"), read_json(folder / "metrics.json")
        add_measured(self._measured, run, manifest, metrics, self._datasets)

    def look(self, *, elsewhere: bool) -> None:
        """Follow what was added; ``elsewhere``: runs are on other machines, and take what any took anywhere."""
        if elsewhere == self._elsewhere and self.measured <= GROWN * self._known:
            return
        self._known, self._elsewhere, self._seconds, self._of_arm = self.measured, elsewhere, {}, {}
        alike: dict[tuple[str, int], list[Measured]] = {}
        for m in self._measured.values():
            alike.setdefault((m.model, m.side), []).append(m)
            self._of_arm.setdefault(m.arm, []).append(m)
        self._sample = [m for found in alike.values() for m in found[-LATEST:]]

    def seconds(self, id: str, run: Run) -> float:
        """What ``run`` is expected to take as a whole; ``id`` is its own, which takes time to tell."""
        s, data = run.settings, self._datasets.get(run.settings.dataset)
        own = self._of_arm.get(arm_of(id), [])
        kind = arm_of(id) if own else (s.network, s.dataset, s.precision, images_of(run, data)) if data else s.model
        if kind not in self._seconds:
            history = {m.run: m for m in (*own, *self._sample)}.values()
            machine = None if self._elsewhere else self._machine
            self._seconds[kind] = expected_seconds(run, data, history, machine).seconds
        return self._seconds[kind]
