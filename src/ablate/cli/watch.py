"""`ablate status --watch`: a screen on a terminal, lines elsewhere."""

import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ablate.errors import UserError
from ablate.files import stamp
from ablate.inert import say, visible
from ablate.plan import cost
from ablate.plan.params import load
from ablate.plan.runs import current_plan, seeds_file
from ablate.plan.select import Selection, select
from ablate.plurals import many
from ablate.runtime.progress import format_duration
from ablate.terminal import Terminal
from ablate.workflow.watch import Row, Running, View, Watch

EVERY_S = 2.0
LINE_EVERY_S = 60.0  # where nothing changes
WIDE = 100  # characters, from which there is room for more columns
NARROW = 75


class Looks:
    """Looks at what is planned now: `decide` plans seeds, and params.yaml may be edited meanwhile."""

    def __init__(self, params_file: Path, values: Mapping[str, Any], asked: Selection) -> None:
        self._file, self._values, self._asked = params_file, values, asked
        self.fault = ""  # why the plan of before is shown
        self._open()

    def _open(self) -> None:
        params = load(self._file, self._values)
        self._files = self._file, seeds_file(params.scale)
        self._read = self._times()
        plan = select(current_plan(params), self._asked)
        here = cost.machine(params.compute, len(plan.planned))
        self._watch = Watch(params, plan, here, cost.read_history(Path("results"), params.datasets))

    def _times(self) -> list[tuple[int, int, int] | None]:
        return list(map(stamp, self._files))

    def look(self) -> View:
        """What is found now; after a mistake in params.yaml, as planned before it."""
        if (now := self._times()) != self._read:
            self._read = now
            try:
                self._open()
                self.fault = ""
            except UserError as error:
                self.fault = f"as planned before: {error}"
        return self._watch.look()


def watch(params_file: Path, values: Mapping[str, Any], asked: Selection) -> None:
    """Show what runs are doing until there is nothing left to do, or until Ctrl-C.

    Raises:
        UserError: For a mistake in ``params_file``, and where nothing is ``asked`` for.
    """
    looks = Looks(params_file, values, asked)
    console = Terminal()
    last = _screen(looks, console) if console.is_terminal and not console.is_dumb_terminal else _lines(looks)
    if last.over:
        say(
            "nothing runs, and nothing is to do", *(["but what failed: `ablate status`"] if last.total.failed else [])
        )


def _screen(looks: Looks, console: Console) -> View:
    """On a screen of its own, which goes when the command ends."""

    def stop(number: int, _: object) -> NoReturn:
        sys.exit(128 + number)  # and not at once, which would leave that screen and no cursor

    before = signal.signal(signal.SIGTERM, stop)
    view = looks.look()
    live = Live(console=console, screen=True, auto_refresh=False)
    try:
        live.start()
        while not view.over:
            live.update(Screen(view, looks.fault), refresh=True)
            time.sleep(EVERY_S)
            view = looks.look()
    finally:
        live.stop()  # of a start as well into which Ctrl-C came
        signal.signal(signal.SIGTERM, before)
        say(in_a_line(view))
    return view


def _lines(looks: Looks, ticks: Callable[[], float] = time.monotonic) -> View:
    """A line for each change, and one a minute."""
    counts, said = None, 0.0
    while True:
        view = looks.look()
        t = view.total
        now = t.done, t.running, t.to_do, t.failed, looks.fault
        if now != counts or ticks() - said >= LINE_EVERY_S:
            counts, said = now, ticks()
            say(time.strftime("%H:%M:%S"), "; ".join(filter(None, [in_a_line(view), looks.fault])))
        if view.over:
            return view
        time.sleep(EVERY_S)


def in_a_line(view: View) -> str:
    """The whole study: counts, speed, time left."""
    t = view.total
    silent = sum(r.silent_s is not None for r in view.running)
    parts = [f"scale {view.scale}: {t.done} of {t.runs} done", f"{t.running} running", f"{t.to_do} to do"]
    parts += [f"{t.failed} failed"] if t.failed else []
    parts += [f"{silent} silent"] if silent else []
    parts += [f"{t.images_per_s:.0f} images/s each"] if t.images_per_s else []
    if t.to_do or t.running:
        at_once = f"at {view.slots} at once" if len(view.running) > silent else f"if {view.slots} ran at once"
        basis = "from a prior, as no run was measured yet"
        if view.measured:
            basis = f"measured: {many(view.measured, 'run')}"
        parts.append(f"{format_duration(t.left_s)} left {at_once} ({basis})")
    return ", ".join(parts)


class Screen:
    """One look, for a terminal of any size: what runs, then the studies that are not finished, then the others."""

    def __init__(self, view: View, fault: str = "") -> None:
        self._view, self._fault = view, fault

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rows that have no room are counted."""
        view, width = self._view, options.max_width
        lines = Text(visible("\n".join(filter(None, [in_a_line(view), self._fault]))))
        head = len(lines.wrap(console, width)) + 2
        room = max(options.height or console.height, 8) - head - 5  # two headings, two blank lines, the last line
        order = sorted(view.rows, key=lambda row: not (row.to_do or row.running))
        few = min(len(order), max(room // 2, room - len(view.running)))
        running = _running(view.running, max(room - few, 1), options)
        bar = ProgressBar(total=max(view.total.runs, 1), completed=view.total.done + view.total.failed, width=width)
        studies = _studies(order, max(few, 1), options)
        now = time.strftime("%H:%M:%S")
        foot = Text(f"{now}  Ctrl-C ends this screen, and no run", no_wrap=True, overflow="crop")
        yield lines
        yield bar
        yield Text("")
        if view.running:
            yield running
            yield Text("")
        yield studies
        yield foot


def _table(options: ConsoleOptions) -> Table:
    return Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, width=options.max_width)


def _name(table: Table, heading: str, options: ConsoleOptions, ratio: int = 1) -> None:
    """A column that takes what room there is; the sign for what is cut off is not in every locale."""
    overflow = "crop" if options.ascii_only else "ellipsis"
    table.add_column(heading, ratio=ratio, no_wrap=True, overflow=overflow)  # type: ignore[arg-type]


def _numbers(table: Table, *headings: str) -> None:
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)


def _running(running: list[Running], room: int, options: ConsoleOptions) -> Table:
    table, width = _table(options), options.max_width
    _name(table, "running", options)
    _name(table, "arm", options)
    _numbers(table, "seed", "epoch", "images/s", *(["for"] if width >= NARROW else []), "left")
    if width >= WIDE:
        table.add_column("host", no_wrap=True, overflow="crop", max_width=20)
    shown = running if len(running) <= room else running[: room - 1]
    for r in shown:
        left = format_duration(r.left_s) if r.silent_s is None else f"silent {format_duration(r.silent_s)}"
        cells = [r.study, r.arm, "" if r.seed is None else str(r.seed), f"{r.done}/{r.epochs}", _speed(r)]
        cells += [format_duration(r.for_s)] if width >= NARROW else []
        table.add_row(*cells, left, *([r.host or ""] if width >= WIDE else []))
    if len(shown) < len(running):
        table.add_row(f"and {len(running) - len(shown)} more")
    return table


def _studies(rows: list[Row], room: int, options: ConsoleOptions) -> Table:
    table = _table(options)
    _name(table, "study", options)
    _numbers(table, "done", "running", "to do", "failed", "images/s", "left")
    shown = rows if len(rows) <= room else rows[: room - 1]
    for r in shown:
        counts = (str(n or "") for n in (r.running, r.to_do, r.failed))
        left = format_duration(r.left_s) if r.to_do or r.running else ""
        table.add_row(r.name, f"{r.done}/{r.runs}", *counts, _speed(r), left)
    if len(shown) < len(rows):
        table.add_row(f"and {len(rows) - len(shown)} more")
    return table


def _speed(of: Row | Running) -> str:
    return f"{of.images_per_s:.0f}" if of.images_per_s else ""
