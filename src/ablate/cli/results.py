"""Commands on results: what made a number, and everything after training."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Mapping
from itertools import compress
from pathlib import Path
from typing import Annotated, Any

import typer

from ablate import stored
from ablate.cli.selecting import Arm, Scale, Scope, Seeds
from ablate.cli.steps import Papers, PlanFile
from ablate.files import read_json
from ablate.inert import say
from ablate.plan.params import load, values_of
from ablate.plan.project import open_project
from ablate.plan.receipts import FROZEN, check, job_of, rendering
from ablate.plan.record import read_plan
from ablate.plan.runs import LOOK_AGAIN, RUNS, current_plan, seeds_file
from ablate.plan.select import Selection, select, selection
from ablate.plurals import many
from ablate.runtime.signals import left_to_child
from ablate.seals import read_sealed

results = typer.Typer()
PARAMS, PAPERS = Path("params.yaml"), Path("papers")


@results.command()
def compare(
    plan_file: PlanFile,
    papers: Papers,
    output: Annotated[Path, typer.Option(help="results/<scale>/[<paper>/]comparison.csv")],
) -> None:
    """Write the numbers that a paper, or every paper, printed beside ours."""
    from ablate.tables.comparison import write_comparison

    plan = read_plan(plan_file)
    every = output.parent == plan_file.parent
    jobs = rendering(plan, plan_file, papers, folder=output.parent if every else output.parent.parent)
    with (jobs["comparison"] if every else job_of(jobs, "compare", output.parent.name)).making():
        write_comparison(plan_file, papers, output)


@results.command()
def explain(
    table: Annotated[str, typer.Argument(help="a table's file, or <paper>/<name>, or comparison")],
    row: Annotated[str, typer.Argument(help="its label, or its number from 1 where no label is so")],
    column: Annotated[str, typer.Argument(help="its name, as in the .csv file")],
    scale: Scale = None,
    runs: Annotated[Path, typer.Option(help="folder of the trained runs")] = RUNS,
    as_json: Annotated[bool, typer.Option("--json", help="a list of objects, for machines")] = False,
) -> None:
    """Name the runs behind one cell of a table: status, value, command line, manifest."""
    from ablate.results.explain import explain as ask
    from ablate.results.explain import find

    here = Path("results") / (scale or load(PARAMS).scale)
    file = find(table, here)
    check(here, [file, *here.glob("*/runs.csv")])
    found = ask(file, row, column, runs)
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for entry in found:
        say(entry.pop("run"))
        for key, value in entry.items():
            say(f"  {key:9}{'none' if value is None else value}")


@results.command()
def claims(
    scope: Scope = None,
    arm: Arm = None,
    seeds: Seeds = None,
    scale: Scale = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="exit with 1 unless every claim is shown, or counted as claimed")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="what the rule `claims` wrote, for machines")] = False,
) -> None:
    """Show what was found of every claim, as the rule `claims` found it; or of those with runs of the selection."""
    asked = selection(scope, arm, seeds)
    file = Path("results") / (scale or load(PARAMS).scale) / "claims.json"
    check(file.parent, [file])
    found = read_json(file)
    assessed = stored.shaped(found, stored.Assessment, file)
    if not asked.whole:
        runs = select(current_plan(load(PARAMS, {"scale": file.parent.name})), asked).runs
        about = [_about(c, asked, runs) for c in found["claims"]]
        found |= {"controls": [], "claims": list(compress(found["claims"], about))}
        assessed = stored.shaped(found, stored.Assessment, file)
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        from rich.table import Table

        from ablate.terminal import show

        table = Table("paper", "claim", "finding", "protocol", "verdict", "what was found")
        for c in assessed.claims:
            table.add_row(c.paper, c.statement, c.finding, c.protocol, c.verdict, c.sentence)
        show(table, width=200)
        for k in assessed.controls:
            say(f"control {k.outcome}: {k.dataset}, {k.control}, seed {k.seed}: {k.said}")
        counted = Counter(c.verdict for c in assessed.claims)
        say(", ".join(f"{n} {word}" for word, n in counted.items()))
    if strict and not all(c.holds for c in assessed.claims):
        raise typer.Exit(1)


def _about(claim: Mapping[str, Any], asked: Selection, runs: Collection[str]) -> bool:
    """Whether a claim of claims.json is of the paper and study, and rests on one of the ``runs`` where arms count."""
    study = (claim.get("claim") or {}).get("study")
    here = asked.paper in (None, claim["paper"]) and asked.study in (None, study)
    return here and (not asked.of_arms or not set(claim.get("runs") or ()).isdisjoint(runs))


@results.command()
def power(
    scale: Scale = None,
    seeds: Annotated[str, typer.Option(help="of each arm, with commas between")] = "3,5,8,12",
    as_json: Annotated[
        bool, typer.Option("--json", help="a list of objects, for machines: one for each claim")
    ] = False,
    values: Annotated[str, typer.Option(help="JSON laid over params.yaml")] = "{}",
    output: Annotated[
        Path | None, typer.Option(help="write results/<scale>/power.csv and its figure, from this scale's runs")
    ] = None,
) -> None:
    """Say before training how likely each claim is to be decided, by number of seeds, and what that would cost."""
    from ablate.cli.power import power as run

    run(PARAMS, PAPERS, values_of(values) | ({"scale": scale} if scale else {}), seeds, output, as_json=as_json)


@results.command()
def freeze(
    scale: Scale = None,
    again: Annotated[bool, typer.Option("--again", help="over an earlier one, which is kept in the file")] = False,
) -> None:
    """Write down the analysis before its runs: claims, margins, headlines, arms, seeds, looks, thresholds, code."""
    from ablate.papers.paper import check_files
    from ablate.verdicts.frozen import write_frozen

    project = open_project(PARAMS, {"scale": scale} if scale else {})
    check_files(project, PAPERS)
    folder = Path("results") / project.params.scale
    say(f"{folder / FROZEN}: frozen {write_frozen(project, folder, PAPERS, again=again).said}")


@results.command()
def decide(
    scale: Scale = None,
    cores: Annotated[str, typer.Option(help="as of snakemake --cores")] = "all",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what the next look would train")] = False,
) -> None:
    """Run `snakemake decide`: add seeds to the arms of open claims, look by look, and show what was decided."""
    chosen = scale or load(PARAMS).scale
    words = [sys.executable, "-m", "snakemake", "--cores", cores, "decide", *(["--dry-run"] if dry_run else [])]
    with left_to_child():
        ended = subprocess.run([*words, "--config", f"scale={chosen}"], check=False)
    if ended.returncode or dry_run:
        raise typer.Exit(ended.returncode)
    file = seeds_file(chosen)
    found = stored.shaped(read_sealed(file, LOOK_AGAIN), stored.Look, file)
    for c in found.claims:
        say(f"{c.paper}/{c.claim}: {c.verdict}, n = {c.n}")
    counted = Counter(c.verdict for c in found.claims)
    say(", ".join(f"{n} {word}" for word, n in counted.items()), f"with {many(len(found.added), 'run')} more;",
        f"looks at {', '.join(map(str, found.looks))} seeds. Now: snakemake --cores {cores} all")  # fmt: skip


@results.command()
def render(
    scopes: Annotated[
        list[str] | None, typer.Argument(metavar="[PAPER[/STUDY]]...", help="none: all of them, and the report")
    ] = None,
    arm: Arm = None,
    seeds: Seeds = None,
    scale: Scale = None,
    partial: Annotated[bool, typer.Option("--partial", help="with runs missing, which is then said")] = False,
) -> None:
    """Collect, and make tables, comparison, figures and report from what is on disk. Trains nothing.

    Of a selection, the tables and figures of the studies that have a run in it: whole ones, with all arms and seeds.
    """
    from ablate.cli.render import render as run

    asked = [selection(scope, arm, seeds) for scope in scopes or [""]]
    say(run(PARAMS, asked, {"scale": scale} if scale else {}, partial=partial))
