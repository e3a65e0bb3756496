"""`ablate report --serve`: the report, with the study as it runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablate.cli.watch import Looks
from ablate.inert import say
from ablate.plan.project import open_project
from ablate.plan.runs import RUNS
from ablate.plan.select import Selection
from ablate.report.live import Site, Status, kept
from ablate.report.live import serve as answer
from ablate.report.page import text_of


def serve(params_file: Path, papers: Path, values: Mapping[str, Any], port: int) -> None:
    """Show the report of the chosen scale on loopback until Ctrl-C; writes nothing.

    Raises:
        UserError: For a mistake in ``params_file``, and for a port that is taken.
    """
    looks = Looks(params_file, values, Selection())
    folder = Path("results") / open_project(params_file, values).params.scale

    def make() -> str:
        project = open_project(params_file, values)
        packs = {
            name: Path("data", spec.variant, name, "pack.json") for name, spec in project.params.datasets.items()
        }
        there = {name: path for name, path in packs.items() if path.exists()}
        return text_of(project.record, papers, folder, RUNS, there, live=True)

    site = Site(kept(folder, make), Status(looks.look, lambda: looks.fault))
    answer(site, port, lambda address: say(f"{address}  Ctrl-C ends this server, and no run"))
