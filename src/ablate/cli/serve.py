"""`ablate report` of a part of the plan, and with --serve of the study as it runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablate.cli.watch import Looks
from ablate.files import write_text
from ablate.inert import say
from ablate.plan.project import Project, open_project
from ablate.plan.runs import RUNS
from ablate.plan.select import Selection
from ablate.report.live import Site, Status, kept
from ablate.report.live import serve as answer
from ablate.report.page import text_of


def serve(params_file: Path, papers: Path, values: Mapping[str, Any], port: int, asked: Selection) -> None:
    """Show the report, or the part that is ``asked`` for, on loopback until Ctrl-C; writes nothing.

    Raises:
        UserError: For a mistake in ``params_file``, for what there is not, and for a port that is taken.
    """
    looks = Looks(params_file, values, asked)
    folder = _folder(open_project(params_file, values), asked)

    def make() -> str:
        return _text(open_project(params_file, values), papers, asked, live=True)

    site = Site(kept(folder, make), Status(looks.look, lambda: looks.fault))
    answer(site, port, lambda address: say(f"{address}  Ctrl-C ends this server, and no run"))


def write_part(
    params_file: Path, papers: Path, values: Mapping[str, Any], asked: Selection, output: Path | None = None
) -> Path:
    """Write the report of one paper or study, from what is there; returns where: results/<scale>/report-<part>.html.

    Raises:
        UserError: For a mistake in ``params_file``, and for what there is not.
    """
    project = open_project(params_file, values)
    name = "-".join(filter(None, ("report", asked.paper, asked.study)))
    page = output or _folder(project, asked) / f"{name}.html"
    write_text(page, _text(project, papers, asked))
    return page


def _folder(project: Project, asked: Selection) -> Path:
    project.record.part(asked)  # refuses what there is not
    return Path("results") / project.params.scale


def _text(project: Project, papers: Path, asked: Selection, *, live: bool = False) -> str:
    packs = {name: Path("data", spec.variant, name, "pack.json") for name, spec in project.params.datasets.items()}
    there = {name: path for name, path in packs.items() if path.exists()}
    return text_of(project.record.part(asked), papers, _folder(project, asked), RUNS, there, live=live)
