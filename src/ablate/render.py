"""Everything after training, from what is on disk: the rules' own commands, without Snakemake."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial as bound
from pathlib import Path
from typing import Any

from ablate import steps
from ablate.compare import write_comparison
from ablate.config import load
from ablate.data.describe import overview
from ablate.errors import UserError, choose
from ablate.files import write_json
from ablate.inert import say
from ablate.jobs import Jobs, figure_jobs, table_jobs
from ablate.plan import RUNS, current_plan
from ablate.plan_record import plan_record, protocol

COLLECTED = ("runs.csv", "history.csv", "metrics.json", "provenance.json")


def render(params_file: Path, papers: Sequence[str], values: Mapping[str, Any], *, partial: bool = False) -> Path:
    """Collect ``papers`` (none: all) and make their tables, comparison and figures; of all, the report too.

    Returns the folder of results. Raises UserError for the first thing that cannot be made; with ``partial`` it is
    said on stderr, what an earlier call left of it is removed, and the rest is made.
    """
    params, folder = load(params_file, values), Path("results")
    folder /= params.scale
    for name in papers:
        if name not in params.studies:
            raise choose("PAPER", name, params.studies, "paper")
    plan, sources = folder / "plan.json", Path("papers")
    write_json(plan, plan_record(params, current_plan(params), protocol(params_file, values)))
    _try("the data's description", bound(overview, params), partial)  # draws what is missing of it
    packs = [Path("data", spec.variant, name, "pack.json") for name, spec in params.datasets.items()]
    there = [path for path in packs if path.exists()]
    jobs: Jobs = {}
    for paper in papers or params.studies:
        gather = bound(steps.collect, plan, RUNS, folder / paper, partial=partial)
        if not _try(f"{folder / paper}", gather, partial):
            for name in COLLECTED:  # of an earlier call: nothing is to be made of it
                (folder / paper / name).unlink(missing_ok=True)
        jobs |= table_jobs(plan, sources, folder / paper, RUNS)
        jobs |= figure_jobs(plan, sources, folder / paper, RUNS, there)
        output = folder / paper / "comparison.csv"
        jobs[output] = bound(write_comparison, plan, sources, output)
    if not papers:
        jobs[folder / "comparison.csv"] = bound(write_comparison, plan, sources, folder / "comparison.csv")
        jobs[folder / "claims.json"] = bound(steps.judge, plan, sources, folder / "claims.json")
        jobs[folder / "calibration.csv"] = bound(steps.calibrate, plan, folder / "calibration.csv")
        jobs[folder / "report.html"] = bound(steps.report, plan, sources, folder / "report.html")
    for output, job in jobs.items():
        _do(output, job, partial)
    return folder


def _do(output: Path, job: Callable[[], None], partial: bool) -> None:
    if not _try(f"{output}", job, partial):
        for suffix in (".csv", ".json", ".md", ".tex", ".runs.json", ".svg", ".png", output.suffix):
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
