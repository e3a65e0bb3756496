"""A paper's tables and figures: one process makes them all, and the one that fails is named."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

from ablate.plan.record import read_plan

Jobs = dict[Path, Callable[[], None]]  # the first file of a table or figure: what makes it


def table_jobs(plan: Path, papers: Path, folder: Path, runs: Path) -> Jobs:
    """A job for each table that ``plan`` asks for in ``folder`` (results/<scale>/<paper>).

    Each raises UserError that names the table's key in the paper's file; other errors carry its path as a note.
    """
    from ablate.results.study import study_results  # here: pandas takes a second to import
    from ablate.tables.registry import write_table

    results = cache(lambda study: study_results(plan, folder, papers, study, runs))
    return _jobs(plan, "tables", folder, ".csv", lambda study, kind, csv: write_table(results(study), kind, csv))


def figure_jobs(plan: Path, papers: Path, folder: Path, runs: Path | None, packs: Sequence[Path]) -> Jobs:
    """A job for each figure that ``plan`` asks for in ``folder``; ``packs`` are <data set>/pack.json.

    Each raises UserError that names the figure's key in the paper's file; other errors carry its path as a note.
    """
    from ablate.figures.common import RunFiles
    from ablate.figures.registry import write_figure
    from ablate.results.study import study_results

    results = cache(lambda study: study_results(plan, folder, papers, study))
    places = RunFiles(runs, {path.absolute().parent.name: path for path in packs})

    def draw(study: str, kind: str, svg: Path) -> None:
        write_figure(results(study), kind, svg, places)

    return _jobs(plan, "figures", folder, ".svg", draw)


def _jobs(plan: Path, what: str, folder: Path, suffix: str, make: Callable[[str, str, Path], None]) -> Jobs:
    def job(study: str, kind: str, output: Path) -> None:
        try:
            make(study, kind, output)
        except Exception as error:
            error.add_note(f"while making {output}")  # the traceback names a function, which many of them share
            raise

    return {
        folder / f"{name}{suffix}": partial(job, place, kind, folder / f"{name}{suffix}")
        for place, study in read_plan(plan).studies_of(folder.name).items()
        for name, kind in getattr(study, what).items()
    }
