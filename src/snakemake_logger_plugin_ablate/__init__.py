"""Snakemake logger plugin `ablate`: live bars on a terminal, Snakemake's own lines elsewhere.

Snakemake finds the module by its name; `--logger ablate` turns it on, ABLATE_PROGRESS=plain turns
the bars off again.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

from snakemake.common import NOTHING_TO_BE_DONE_MSG
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter, get_event
from snakemake.logging import logger as snakemake_logger
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from ablate.inert import visible
from ablate.runtime.progress import HEARTBEAT_FOLDER
from snakemake_logger_plugin_ablate.display import Display, Jobs, Names, PrintAbove

# The bars say all of these already.
HIDDEN_EVENTS = frozenset({LogEvent.JOB_INFO, LogEvent.JOB_STARTED, LogEvent.PROGRESS, LogEvent.GROUP_INFO})
# Repeated before every batch of jobs; it carries no event to tell it by.
HIDDEN_MESSAGES = frozenset({"Select jobs to execute..."})
# The first output of a training job.
RUN = re.compile(r"    output: results/(?:runs|pretrained)/([^/\s]+)/")
# A debugger and a notebook editor need the terminal for themselves.
INTERACTIVE_FLAGS = frozenset({"--debug", "--edit-notebook", "--draft-notebook"})


class Formatter(DefaultFormatter):  # type: ignore[misc]
    """Snakemake's own lines; a terminal obeys no name of a file in them."""

    def format(self, record: logging.LogRecord) -> str:
        """The lines of one record, a run by its name too; where there is nothing to do, no screen comes."""
        text = super().format(record)
        rule = f"rule {record.__dict__.get('rule_name')}:\n"
        run = RUN.search(text) if get_event(record) in (LogEvent.JOB_INFO, LogEvent.JOB_ERROR) else None
        if run:
            text = text.replace(rule, f"{rule}    run: {Names.of(run[1])}\n", 1)
        more = "\n`ablate outputs` says what there is." if record.msg == NOTHING_TO_BE_DONE_MSG else ""
        return visible(text + more, keep="\n\t")


class LogHandler(LogHandlerBase):
    """Shows a workflow's progress; the class that Snakemake loads by its name."""

    def __post_init__(self) -> None:
        """Set up Snakemake's own text handler, and wait for a run that deserves bars."""
        settings: Any = self.common_settings
        self._filter = DefaultFilter(
            settings.quiet,
            settings.debug_dag,
            settings.verbose,
            settings.dryrun,
            settings.printshellcmds,
        )
        self._formatter = Formatter(settings.quiet, settings.show_failed_logs)
        self._text = self._text_handler(sys.stdout if settings.stdout else sys.stderr)
        self._jobs = Jobs()
        self._display: Display | None = None
        self._live_text: ColorizingTextHandler | None = None
        self._watching = self._bars_wanted()
        if self._watching:
            # Handlers of plugins run in a thread behind a queue, but the display has to be up before
            # the first job starts and inherits stderr: a filter runs in the thread that logs.
            snakemake_logger.addFilter(self._before_queue)

    @property
    def writes_to_stream(self) -> bool:
        """Whether this takes the place of Snakemake's own stream handler."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Whether this writes to a log file."""
        return False

    @property
    def has_filter(self) -> bool:
        """Whether this filters by itself: counting jobs needs records that are not shown."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Whether this formats by itself."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """Whether this needs the rule graph."""
        return False

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record, above the bars where there are any."""
        if self._watching:
            self._jobs.note(record)
        if self._display is None or self._live_text is None:
            self._text.handle(record)
            return
        event = get_event(record)
        if event == LogEvent.JOB_FINISHED:
            self._display.print(self._jobs.finished_line(record))
        elif self.common_settings.verbose or not (event in HIDDEN_EVENTS or record.msg in HIDDEN_MESSAGES):
            self._live_text.handle(record)

    def close(self) -> None:
        """Take the bars away; Snakemake calls this at its end, whatever that was."""
        snakemake_logger.removeFilter(self._before_queue)
        atexit.unregister(self.close)
        self._stop_display()
        super().close()

    def _text_handler(self, stream: Any) -> ColorizingTextHandler:
        return ColorizingTextHandler(
            nocolor=self.common_settings.nocolor,
            stream=stream,
            formatter=self._formatter,
            filter=self._filter,
        )

    def _bars_wanted(self) -> bool:
        from snakemake.settings.enums import Quietness

        settings: Any = self.common_settings
        quiet = settings.quiet or set()
        try:
            on_terminal = sys.stderr.fileno() == 2 and os.isatty(2)
        except (OSError, ValueError, AttributeError):
            on_terminal = False
        return (
            on_terminal
            and os.name == "posix"
            and os.environ.get("TERM") != "dumb"
            and os.environ.get("ABLATE_PROGRESS") != "plain"
            and not settings.dryrun
            and not settings.stdout
            and not getattr(settings, "skip_plugin_handlers", False)
            and not {Quietness.ALL, Quietness.PROGRESS} & set(quiet)
            and not INTERACTIVE_FLAGS & set(sys.argv)
        )

    def _before_queue(self, record: logging.LogRecord) -> bool:
        # RUN_INFO comes only when there are jobs to run: not with --lint, --summary, --unlock and so on.
        if self._display is None and get_event(record) == LogEvent.RUN_INFO:
            self._jobs.note(record)
            display = Display(self._jobs, Path.cwd() / HEARTBEAT_FOLDER, self.common_settings.nocolor)
            # Snakemake closes its handlers even after an error; this is for an exit past that.
            atexit.register(self.close)
            display.start()
            self._live_text = self._text_handler(PrintAbove(display))
            self._display = display
        return True

    def _stop_display(self) -> None:
        display, self._display = self._display, None
        if display is not None:
            display.stop()
