"""Everything after training, from what is on disk: the rules' own commands, without Snakemake."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial as bound
from pathlib import Path
from typing import Any

from ablate.cli import steps
from ablate.cli.jobs import figure_jobs, table_jobs
from ablate.cli.power import write
from ablate.data.describe import overview
from ablate.errors import UserError
from ablate.files import write_json
from ablate.inert import say
from ablate.plan.project import open_project
from ablate.plan.receipts import COLLECTED, FIGURE, TABLE, Job, rendering
from ablate.plan.run_records import RunRecords
from ablate.plan.runs import RUNS
from ablate.plan.select import Selection, select
from ablate.tables.comparison import write_comparison

SUFFIXES = (*TABLE, *FIGURE)  # of the files of one table or figure


def render(
    params_file: Path, asked: Sequence[Selection], values: Mapping[str, Any], *, partial: bool = False
) -> Path:
    """Collect papers and make their tables, comparison and figures; where nothing is left out, the report too.

    ``asked`` are the selections of papers, none being all; of their studies, those with a selected run are drawn.
    Returns the folder of results.

    Raises:
        UserError: For the first thing that cannot be made; with ``partial`` it is said on stderr, what an earlier
            call left of it is removed, and the rest is made.
    """
    project, folder = open_project(params_file, values), Path("results")
    params = project.params
    folder /= params.scale
    planned = [p for one in asked or [Selection()] for p in select(project.plan, one).planned]
    drawn = dict.fromkeys((p.paper, p.study) for p in planned)
    RunRecords(project.plan).restore()
    plan, sources = folder / "plan.json", Path("papers")
    write_json(plan, project.record.plain)
    _try("the data's description", bound(overview, params), partial)  # draws what is missing of it
    packs = {name: Path("data", spec.variant, name, "pack.json") for name, spec in params.datasets.items()}
    there = {name: path for name, path in packs.items() if path.exists()}
    steps_of = rendering(project.record, plan, sources, packs=there)
    whole = all(one.whole for one in asked)
    for paper in params.studies if whole else dict.fromkeys(paper for paper, _ in drawn):
        gather = bound(steps.collect, plan, RUNS, folder / paper, partial=partial)
        if not _try(f"{folder / paper}", gather, partial):
            for name in COLLECTED:  # of an earlier call: nothing is to be made of it
                (folder / paper / name).unlink(missing_ok=True)
        for step, jobs in (
            ("tables", table_jobs(plan, sources, folder / paper, RUNS)),
            ("figures", figure_jobs(plan, sources, folder / paper, RUNS, list(there.values()))),
        ):
            named = {
                name
                for study, made in project.record.studies_of(paper).items()
                if (paper, study) in drawn
                for name in getattr(made, step)
            }
            job = steps_of[f"{step}_{paper}"]
            mine = {f"{name}{suffix}" for name in named for suffix in SUFFIXES}
            made = None if whole else [path for path in job.outputs if path.name in mine]
            _do_all(job, {path: draw for path, draw in jobs.items() if path.stem in named}, partial, made)
        _compare(steps_of[f"compare_{paper}"], plan, sources, folder / paper / "comparison.csv", partial)
    if whole:
        _compare(steps_of["comparison"], plan, sources, folder / "comparison.csv", partial)
        claims, also = folder / "claims.json", steps_of["claims"].outputs
        _do(claims, bound(steps.judge, plan, sources, claims), partial, also)
        _do(folder / "power.csv", bound(write, project, sources, folder / "power.csv"), partial)
        page = folder / "report.html"
        _do(page, bound(steps.report, plan, sources, page, RUNS, list(there.values())), partial)
    return folder


def _do_all(
    step: Job, jobs: Mapping[Path, Callable[[], object]], partial: bool, made: Sequence[Path] | None = None
) -> None:
    def work() -> None:
        for output, job in jobs.items():
            _do(output, job, partial)

    if not _try(step.name, bound(_made, step, work, made), partial):
        for output in jobs:
            _remove(output)


def _compare(step: Job, plan: Path, papers: Path, output: Path, partial: bool) -> None:
    _do(output, bound(_made, step, bound(write_comparison, plan, papers, output)), partial)


def _made(step: Job, work: Callable[[], object], only: Sequence[Path] | None = None) -> None:
    with step.making(only):
        work()


def _do(output: Path, job: Callable[[], object], partial: bool, also: Sequence[Path] = ()) -> None:
    if not _try(f"{output}", job, partial):
        for path in also:
            path.unlink(missing_ok=True)
        _remove(output)


def _remove(output: Path) -> None:
    for suffix in {*TABLE, *FIGURE, ".json", output.suffix}:
        output.with_suffix(suffix).unlink(missing_ok=True)


def _try(what: str, job: Callable[[], object], partial: bool) -> bool:
    """Do it; with ``partial``, a UserError is said on stderr, and the answer is False."""
    try:
        job()
    except UserError as error:
        if not partial:
            raise
        say(f"ablate: left out: {what}: {error}", file=sys.stderr)
        return False
    return True
