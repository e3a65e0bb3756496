"""`ablate power`: how likely each claim is to be decided, by number of seeds, and what that would cost."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ablate.errors import UserError
from ablate.inert import say
from ablate.papers.paper import Paper, check_files
from ablate.plan import cost
from ablate.plan.project import Project, open_project
from ablate.plan.receipts import PLAN, check, rendering
from ablate.plurals import many
from ablate.verdicts.assess import claiming
from ablate.verdicts.judge import MOST
from ablate.verdicts.power_table import enough_text, foresee, in_order, plain, write_power
from ablate.verdicts.prospects import Known
from ablate.verdicts.scatter import scattered
from ablate.verdicts.spread import LEAST
from ablate.workflow import cost_table
from ablate.workflow.seed_hours import SeedHours

RESULTS = Path("results")


def power(
    params: Path, papers: Path, values: Mapping[str, Any], seeds: str, output: Path | None, *, as_json: bool
) -> None:
    """Show or write it; see the command."""
    numbers = _seeds(seeds)
    project = open_project(params, values)
    check_files(project, papers)
    if output:
        write(project, papers, output)
        return
    read = claiming(project.record, papers)
    made = project.plan
    known = _known(project, params, values, read)
    every = in_order(foresee(project.record, project.params.datasets, read, known, numbers))
    machine = cost.machine(project.params.compute, len(made.runs))
    seconds = cost_table.estimates(project.params, made, cost.read_history(RESULTS, project.params.datasets), machine)
    hours = SeedHours(made, seconds, machine)
    rows = []
    for c in every:
        arms = {(c.prospect.paper, c.prospect.asked.study, arm) for arm in c.prospect.arms}
        at = {str(n): round(hours.of(arms, n), 3) for n in numbers} if arms else {}
        rows.append(
            plain(c) | {"hours": at, "hours_needed": round(hours.of(arms, c.enough), 3) if c.enough else None}
        )
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    _show(rows, [enough_text(c) for c in every], numbers)
    unit = "GPU" if machine.gpu else "core"
    said = ", ".join(f"{hours.of(hours.arms, n):.1f} {unit}-hours with {many(n, 'seed')}" for n in numbers)
    say(f"hours in all, every arm of the plan, a run of several claims once: {said}")


def _known(project: Project, params: Path, values: Mapping[str, Any], papers: Mapping[str, Paper]) -> Known:
    """What runs scatter by that were collected: this scale's first, then those of others whose data are real."""
    for scale in dict.fromkeys([project.params.scale, *project.params.scales]):
        files = [file for name in ("runs", "history") for file in (RESULTS / scale).glob(f"*/{name}.csv")]
        if not files:
            continue
        check(RESULTS / scale, files)
        own = scale == project.params.scale
        plan = project.record if own else open_project(params, {**values, "scale": scale}).record
        if own or all(p.facts["data"] != "embedded" for p in plan.runs):
            yield scale, scattered(plan, papers, RESULTS / scale)


def write(project: Project, papers: Path, output: Path) -> None:
    """Write ``output``, results/<scale>/power.csv, and its figure, from what this scale's runs scatter by."""
    with rendering(project.record, output.with_name(PLAN), papers)["power"].making():
        write_power(project.record, project.params.datasets, claiming(project.record, papers), output)


def _seeds(text: str) -> list[int]:
    """Each once, the fewest first.

    Raises:
        UserError: For what is no number of seeds that a claim can be tested with.
    """
    words = [word.strip() for word in text.split(",")]
    if any(
        not (word.isascii() and word.isdigit() and len(word) < 4 and LEAST <= int(word) <= MOST) for word in words
    ):
        raise UserError(
            f"--seeds: {text!r}; write whole numbers from {LEAST} to {MOST} with commas between: 3,5,8,12"
        )
    return sorted({int(word) for word in words})


def _show(rows: Sequence[Mapping[str, Any]], enough: Sequence[str], numbers: Sequence[int]) -> None:
    from rich.table import Table

    from ablate.terminal import show

    heads = [f"n = {n}" for n in numbers]
    table = Table(
        "paper", "claim", "headline", "assumed effect", "sd of a run", *heads, "seeds for 80 %", "hours then"
    )
    for row, needed in zip(rows, enough, strict=True):
        effect = "" if row["effect"] is None else f"{row['effect']:g} {row['unit']}: {row['assumed']}"
        sd = "" if row["sd"] is None else f"{row['sd']:g} ({row['scatter']})"
        chances = [f"{100 * row['chance'][str(n)]:.0f} %" if row["chance"] else "" for n in numbers]
        hours = "" if row["hours_needed"] is None else f"{row['hours_needed']:.2f}"
        table.add_row(
            row["paper"], row["id"], "headline" if row["headline"] else "", effect, sd, *chances,
            row["why"] or needed, hours,
        )  # fmt: skip
    show(table, width=200)
