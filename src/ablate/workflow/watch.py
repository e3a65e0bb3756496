"""The whole study, looked at again and again: what is done, running and to do, how fast, and for how long still.

By files alone, so that it works beside a cluster's jobs and without the Snakemake that started them. Nothing is
written and no lock is touched: to ask `RunLock.held` is to have it for a moment, in which a job could not take it.
"""

import math
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from ablate.errors import UserError
from ablate.files import stamp
from ablate.plan.cost import Machine, Measured, wall_seconds
from ablate.plan.params import Params
from ablate.plan.runs import ENDED, PRETRAINED, RUNS, Plan, Run
from ablate.plan.status import LOGS, log_error
from ablate.runtime.checkpoint import CHECKPOINTS
from ablate.runtime.progress import HEARTBEAT_FOLDER, read_heartbeats
from ablate.stored import Metrics, read
from ablate.workflow.due import Keys
from ablate.workflow.expected import Expected

SILENT_AFTER_S = 300.0  # a run that trains leaves a checkpoint every half minute
WEIGHTS = "start weights"  # the row of pretraining runs
ELSEWHERE = "not planned here"  # of runs that another scale, or `decide`, trains in this folder


@dataclass(frozen=True)
class Row:
    """A study, or all of them; a run counts once in each. ``runs`` is the sum of the four counts."""

    name: str
    runs: int
    done: int
    running: int
    to_do: int
    failed: int  # diverged and out of memory as well
    images_per_s: float | None  # mean of its running runs
    left_s: float  # if all slots worked for it


@dataclass(frozen=True)
class Running:
    """A run that a process trains, or that has fallen silent."""

    run: str
    study: str
    arm: str
    seed: int | None
    done: int  # epochs
    epochs: int
    images_per_s: float | None
    host: str | None
    for_s: float | None  # since its process began to train
    left_s: float | None
    silent_s: float | None  # since its last sign of life; None while it is not overdue
    metrics: Mapping[str, float | None]  # of its last epoch: train_top1, val_top1


@dataclass(frozen=True)
class View:
    """What one look has found."""

    scale: str
    rows: list[Row]
    total: Row
    running: list[Running]  # silent ones behind the others
    slots: int  # runs at work; where there are none, those that this machine would start at once
    measured: int  # runs that the estimates rest on

    @property
    def over(self) -> bool:
        """Whether nothing runs and nothing is to do."""
        return not (self.total.to_do or any(r.silent_s is None for r in self.running))


class Watch:
    """Looks at a plan's runs; what is known of a finished one is kept."""

    def __init__(
        self,
        params: Params,
        plan: Plan,
        machine: Machine,
        history: Iterable[Measured] = (),
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._machine, self._clock, self._ticks = machine, clock, ticks
        self._scale, self._keys = plan.scale, Keys(params, plan)
        self._runs: dict[str, tuple[Run, Path]] = {id: (run, PRETRAINED) for id, run in plan.pretraining.items()}
        self._studies: dict[str, list[str]] = {WEIGHTS: list(plan.pretraining)} if plan.pretraining else {}
        self._places = {run: (WEIGHTS, found.settings.model) for run, found in plan.pretraining.items()}
        for p in plan.planned:
            run, study = p.run.id, f"{p.paper}/{p.study}"
            self._runs[run] = p.run, RUNS
            self._studies.setdefault(study, []).append(run)
            self._places.setdefault(run, (study, p.arm))
        self._expected = Expected(params, machine, history)
        self._looked = False
        self._results: dict[str, tuple[Any, str | None]] = {}  # run: what its metrics.json was then, how it ended
        self._said: dict[str, tuple[Any, bool]] = {}  # run: what its log was then, whether it ends with an error
        self._seen: dict[tuple[str, str], tuple[float, float, float]] = {}  # see `_since`

    def look(self) -> View:
        """What every run is doing now."""
        running = self._running()
        alive = {r.run for r in running if r.silent_s is None}
        folders = {folder: _names(folder) for folder in (PRETRAINED, RUNS)}
        logs = {PRETRAINED: _names(LOGS / "pretrain"), RUNS: _names(LOGS / "train")}
        states: dict[str, str] = {}
        for run, (_, folder) in self._runs.items():
            if run in alive:
                self._results.pop(run, None)  # it is trained again
                states[run] = "running"
            elif ended := self._ended(run, run in folders[folder]):
                states[run] = ended
            else:
                failed = f"{run}.log" in logs[folder] and self._failed(run)
                states[run] = "failed" if failed else "to do"
        self._looked = True
        running = [r for r in running if states.get(r.run) not in ("done", "failed")]  # what a killed process left
        wanted = {found.start for run, (found, _) in self._runs.items() if states[run] == "to do"}
        for run in self._studies.get(WEIGHTS, []):
            if states[run] == "to do" and run not in wanted:
                del states[run]  # trained where a run that is to do starts from it, and only there
        slots = len(alive) or self._machine.slots
        by_run = {r.run: r for r in running}
        left = self._left(states, by_run)
        rows = [self._row(name, runs, states, left, by_run, slots) for name, runs in self._studies.items()]
        total = self._row("all", self._runs, states, left, by_run, slots)
        return View(self._scale, [row for row in rows if row.runs], total, running, slots, self._expected.measured)

    def _running(self) -> list[Running]:
        """The runs with a heartbeat."""
        now, tick, before = self._clock(), self._ticks(), self._seen
        self._seen = {}

        def since(run: str, what: str, when: float) -> float:
            """Seconds since ``when``, by the clock of the run's host, which need not go as ours.

            So they count from the moment when it was seen to change; ours has a say only at the first look.
            """
            value, at, age = before.get((run, what), (None, tick, 0.0))
            if value is None:
                age = 0.0 if self._looked else max(0.0, now - when)
            elif value != when:
                at, age = tick, 0.0
            self._seen[run, what] = when, at, age
            return age + tick - at

        found = []
        for beat in read_heartbeats(HEARTBEAT_FOLDER, max_age_s=math.inf, now=now):
            run, updated = beat["run"], beat["updated"]
            quiet = since(run, "life", max(updated, _changed(CHECKPOINTS / run)))
            ago = since(run, "numbers", updated)
            started, eta = beat.get("started"), beat.get("eta_s")
            study, arm = self._places.get(run, (ELSEWHERE, run))
            found.append(
                Running(
                    run=run,
                    study=study,
                    arm=arm,
                    seed=self._runs[run][0].seed if run in self._runs else None,
                    done=int(beat["done"]),
                    epochs=int(beat["epochs"]),
                    images_per_s=beat.get("images_per_s") or None,
                    host=beat.get("host"),
                    for_s=None if started is None else max(0.0, updated - started) + ago,
                    left_s=None if eta is None else max(0.0, eta - ago),
                    silent_s=quiet if quiet > SILENT_AFTER_S else None,
                    metrics=beat["metrics"],
                )
            )
        order = {run: n for n, run in enumerate(self._places)}
        return sorted(found, key=lambda r: (r.silent_s is not None, order.get(r.run, len(order)), r.run))

    def _ended(self, run: str, there: bool) -> str | None:
        """How a run ended whose result is what is asked for; ``there``: it has a folder."""
        known = self._results.get(run)
        if known and known[1] and (there or known[0] is None):
            return known[1]
        found, folder = self._runs[run]
        now = stamp(folder / run / "metrics.json") if there else None
        if now is None and run not in self._keys.records.runs:
            self._results.pop(run, None)
            return None
        if known is None or known[0] != now:
            known = self._results[run] = now, self._result(found, run, folder, now is not None)
        return known[1]

    def _result(self, found: Run, run: str, folder: Path, there: bool) -> str | None:
        if self._keys.run_reason(found, folder, whole=False):
            return None
        metrics = folder / run / "metrics.json"
        try:
            status = (read(metrics, Metrics) if there else self._keys.records.runs[run].ended).status
            if self._looked and there:
                self._expected.add(run, metrics.parent)
        except UserError:
            return None  # damaged: it is trained again
        return "done" if status in ENDED else "failed"

    def _failed(self, run: str) -> bool:
        """Whether the log of a run without a result ends with an error."""
        log = LOGS / ("train" if self._runs[run][1] == RUNS else "pretrain") / f"{run}.log"
        now = stamp(log)
        if run not in self._said or self._said[run][0] != now:
            said = False
            with suppress(OSError):
                said = log_error(log) is not None
            self._said[run] = now, said
        return self._said[run][1]

    def _left(self, states: Mapping[str, str], running: Mapping[str, Running]) -> dict[str, float]:
        """{run that is to do or running: seconds that it will still take}."""
        self._expected.look(elsewhere=any(r.host not in (None, platform.node()) for r in running.values()))
        found = {}
        for run, state in states.items():
            if state in ("to do", "running"):
                beat = running.get(run)
                if beat and beat.silent_s is None and beat.left_s is not None:
                    found[run] = beat.left_s
                else:
                    trained = min(beat.done / beat.epochs, 1.0) if beat and beat.epochs > 0 else 0.0
                    found[run] = self._expected.seconds(run, self._runs[run][0]) * (1 - trained)
        return found

    def _row(
        self,
        name: str,
        runs: Iterable[str],
        states: Mapping[str, str],
        left: Mapping[str, float],
        running: Mapping[str, Running],
        slots: int,
    ) -> Row:
        runs = [run for run in dict.fromkeys(runs) if run in states]
        count = Counter(states[run] for run in runs)
        speeds = [speed for run in runs if states[run] == "running" and (speed := running[run].images_per_s)]
        return Row(
            name=name,
            runs=len(runs),
            done=count["done"],
            running=count["running"],
            to_do=count["to do"],
            failed=count["failed"],
            images_per_s=fmean(speeds) if speeds else None,
            left_s=wall_seconds({run: left[run] for run in runs if run in left}, slots),
        )


def _names(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except OSError:
        return set()


def _changed(folder: Path) -> float:
    """When a checkpoint was last put there."""
    with suppress(OSError):
        return folder.stat().st_mtime
    return 0.0
