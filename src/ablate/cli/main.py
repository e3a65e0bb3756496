"""The command line: what a user asks for here, and the steps of the DAG from `ablate.cli.steps`."""

import errno
import gc
import json
import sys
from collections import Counter
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

from ablate.cli.init import init
from ablate.cli.layout import layouts
from ablate.cli.proof import export, proof
from ablate.cli.records import records
from ablate.cli.results import results
from ablate.cli.runs import runs as of_runs
from ablate.cli.selecting import Arm, Scale, Scope, Seeds
from ablate.cli.space import space
from ablate.cli.steps import steps
from ablate.cli.train import training
from ablate.cli.weights import weights
from ablate.errors import UserError
from ablate.files import write_json, write_text
from ablate.inert import say, visible
from ablate.plan.datasets import PINS
from ablate.plan.params import load, values_of
from ablate.plan.project import PAPERS_SCALE, open_project
from ablate.plan.runs import current_plan
from ablate.plan.select import select, selection
from ablate.runtime.progress import nowhere, open_streams
from ablate.runtime.signals import stop_once

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
PARAMS, PAPERS, RESULTS = Path("params.yaml"), Path("papers"), Path("results")
PAGE = Path("docs/papers.md")  # what `ablate papers --write` makes


def _version(asked: bool) -> None:
    if asked:
        print(f"ablate {version('ablate')}")
        raise typer.Exit


@app.callback()
def ablate(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print it and leave")
    ] = False,
) -> None:
    """Ablation studies, from archives to a verdict on every claim. `snakemake --cores 8 all` does all of it."""


@app.command()
def plan(
    scope: Scope = None,
    arm: Arm = None,
    seeds: Seeds = None,
    scale: Scale = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="a list of objects, for machines: one for each run")
    ] = False,
    runs: Annotated[bool, typer.Option("--runs", help="list the runs")] = False,
    total: Annotated[
        bool, typer.Option("--total", help="with --json: one object for each paper, and one of all")
    ] = False,
    slots: Annotated[int | None, typer.Option(help="runs at once; default: what this machine would start")] = None,
    values: Annotated[str, typer.Option(help="JSON laid over params.yaml")] = "{}",
    output: Annotated[Path | None, typer.Option(help="write the whole plan there for the later steps")] = None,
) -> None:
    """Say per paper what is done, what is to run, why, and what that will cost."""
    asked = selection(scope, arm, seeds)
    if output and not asked.whole:
        raise UserError(f"--output: later steps read the whole plan, and not {asked}; leave one of them out")
    from ablate.papers.paper import check_files
    from ablate.workflow.due import Keys
    from ablate.workflow.named_classes import check_packs

    project = open_project(PARAMS, values_of(values) | ({"scale": scale} if scale else {}))
    params, made = project.params, select(project.plan, asked)
    check_files(project, PAPERS)
    keys = Keys(params, made)
    keys.check_pinned()
    check_packs(made, keys)
    if output:
        write_json(output, project.record.plain)
        return
    from ablate.plan import cost
    from ablate.workflow import cost_table as plan_cost

    here = cost.machine(params.compute, len(made.runs), slots)
    seconds = plan_cost.estimates(params, made, cost.read_history(RESULTS, params.datasets), here)
    reason = plan_cost.reasons(params, made)
    if as_json and not total:
        places = {(p.paper, p.study, p.run.id) for p in made.planned}
        entries = [
            p.model_dump(mode="json")
            | {"state": keys.records.state(p.run), "why": reason[p.run], "seconds": round(seconds[p.run].seconds, 1),
               "basis": seconds[p.run].basis}
            for p in project.record.runs
            if (p.paper, p.study, p.run) in places
        ]  # fmt: skip
        print(json.dumps(entries, indent=1))
        return
    rows = plan_cost.totals(params, made, reason, seconds, here)
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    from ablate.plan.hidden import hidden
    from ablate.terminal import show

    table = plan_cost.runs_table(made, reason, seconds, keys.records) if runs else plan_cost.as_table(rows, here)
    show(table, width=200)
    say(f"scale {made.scale}: {len(made.planned)} planned, {len(made.runs)} to train once each, "
        f"{rows[-1]['done']} of them done")  # fmt: skip
    for line in [*hidden(params), *plan_cost.other_code(params, made), *plan_cost.said(rows, seconds, here)]:
        say(line)


@app.command()
def status(
    scope: Scope = None,
    arm: Arm = None,
    seeds: Seeds = None,
    scale: Scale = None,
    as_json: Annotated[bool, typer.Option("--json", help="a list of objects, for machines")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="the whole study, again and again, with the time left")
    ] = False,
) -> None:
    """Say what every run of the plan is doing: planned, running, interrupted, failed, done, diverged."""
    from ablate.plan.status import statuses, told
    from ablate.runtime.progress import format_duration

    values, asked = {"scale": scale} if scale else {}, selection(scope, arm, seeds)
    if watch:
        from ablate.cli.watch import watch as show_again

        if as_json:
            raise UserError("--watch and --json: say one of them; --json tells what is so now")
        show_again(PARAMS, values, asked)
        return
    params = load(PARAMS, values)
    chosen = select(current_plan(params), asked)
    found = statuses(chosen, params.health, params.trainers)
    if as_json:
        print(json.dumps(found, indent=1))
        return
    from rich.table import Table

    from ablate.terminal import show

    main = "metric" if params.trainers else "val top-1 %"
    table = Table("run", "state", "epoch", main, "images/s", "ETA", "folder")
    for f in found:
        epoch = f"{f['epoch']}/{f['epochs']}" if "epochs" in f else str(f.get("epoch", ""))
        speed = f"{f['images_per_s']:.0f}" if f.get("images_per_s") else ""
        eta = format_duration(f["eta_s"]) if "eta_s" in f else f.get("error", "")
        unlike = [word for word in f.get("health", []) if word != f["state"]]
        state = ": ".join(filter(None, [f["state"], ", ".join(unlike)]))
        table.add_row(f["name"], state, epoch, told(f, chosen.find(f["run"]), params.trainers), speed, eta, f["run"])
    show(table, width=200)
    counted = Counter(f["state"] for f in found)
    say(", ".join(f"{n} {state}" for state, n in counted.items()))


@app.command()
def papers(write: Annotated[bool, typer.Option("--write", help="to docs/papers.md")] = False) -> None:
    """Say what each document has, where it stands in the project, and what is not done and why."""
    from ablate.papers.overview import overview
    from ablate.papers.paper import check_files, read
    from ablate.verdicts.rubric import rubrics

    project = open_project(PARAMS, {"scale": PAPERS_SCALE})
    check_files(project, PAPERS)
    every = {id: read(PAPERS / f"{id}.yaml", project.record) for id in project.record.papers}
    page = overview(every, project.record, rubrics(every, project.record, RESULTS / PAPERS_SCALE))
    if write:
        write_text(PAGE, page)
    else:
        print(visible(page, keep="\n"), end="")


@app.command()
def outputs(
    scale: Scale = None,
) -> None:
    """Show what `snakemake all` says at its end: what it made, what was found of claims, where the report is."""
    from ablate.workflow.outcome import screen

    for line in screen(load(PARAMS, {"scale": scale} if scale else {}).scale):
        say(line)


@app.command()
def schema(
    output: Annotated[Path, typer.Option(help="where params.yaml names it")] = Path("params.schema.json"),
) -> None:
    """Write the JSON schema of params.yaml, by which editors complete and check it."""
    from ablate.plan.schema import params_schema

    write_json(output, params_schema())
    say(f"{output}")


@app.command()
def data(
    scale: Scale = None,
    as_json: Annotated[bool, typer.Option("--json", help="a list of objects, for machines")] = False,
    values: Annotated[str, typer.Option(help="JSON laid over params.yaml")] = "{}",
    pin: Annotated[bool, typer.Option("--pin", help=f"pin your own data as they are now, in {PINS}")] = False,
) -> None:
    """Show what is there of each data set of the current scale: digests, counts, statistics, contact sheet."""
    from ablate.data.describe import overview, table_of

    over = values_of(values) | ({"scale": scale} if scale else {})
    params = load(PARAMS, over, pinned=not pin)
    if pin:
        from ablate.data.measure import pins, write_pins

        for line in write_pins(PARAMS, pins(params.datasets)):
            say(line)
        return
    entries = overview(params)
    if as_json:
        print(json.dumps(entries, indent=1))
    else:
        from ablate.terminal import show

        show(*(table_of(entry) for entry in entries), width=120)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def model(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help="one of params.yaml's names, torchvision:<name>, timm:<name>, or FILE.py:NAME")
    ],
    classes: Annotated[int, typer.Option()] = 200,
    size: Annotated[int, typer.Option(help="side of the images in pixels")] = 64,
    activation: Annotated[str | None, typer.Option(help="in place of every ReLU")] = None,
    stem: Annotated[str | None, typer.Option(help="of torchvision's ResNets: imagenet or cifar")] = None,
    last_relu: Annotated[bool, typer.Option("--last-relu", help="of alexnet10: behind its last layer too")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="an object, for machines")] = False,
) -> None:
    """Print a network's layers: output shapes, parameters, multiply-adds.

    Your own, FILE.py:NAME, takes its arguments as options (--width 16), and is tried out as before a training.
    """
    from ablate.cli.model_args import check_network, model_args
    from ablate.models.summary import as_json as plain
    from ablate.models.summary import as_text, summary
    from ablate.plan.cost import keep_count

    given = model_args(context.args)
    check_network(name, given, [name for option in context.command.params for name in option.opts])
    try:
        found = summary(name, classes, size, activation=activation, stem=stem, last_relu=last_relu, model_args=given)
    except ValueError as error:
        raise UserError(str(error)) from None
    keep_count(found.network, size, found.multiply_adds, found.params)
    if as_json:
        print(json.dumps(plain(found), indent=1))
    else:
        from ablate.terminal import show

        show(as_text(found), width=120)


for step in (*steps.registered_commands, *training.registered_commands):
    step.rich_help_panel = "Steps, as the workflow's rules call them"
app.add_typer(records, name="records")
app.add_typer(export, name="export")
for commands in (init, of_runs, weights, space, results, proof, layouts, steps, training):
    app.registered_commands += commands.registered_commands
COMMAND = get_command(app)  # once, where the fork server imports it, and not in each of its jobs


def main() -> None:
    """Run the command; a user's mistake ends with its message and exit code 2, an interrupt with 130."""
    gc.set_threshold(1_000_000)  # looking for garbage while torch or pandas is imported costs a sixth of that
    stop_once()
    open_streams()
    try:
        try:
            COMMAND()
        finally:
            sys.stdout.flush()  # and not when Python has gone: `| head`, a full disk
    except UserError as error:
        print(f"ablate: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if error.filename or error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EDQUOT):
            raise
        with suppress(OSError):  # stderr may have gone as well; whoever reads no further knows it
            if error.errno != errno.EPIPE:
                print(
                    f"ablate: error: cannot write what was asked for: {error.strerror}", file=sys.stderr, flush=True
                )
        sys.stdout = sys.stderr = nowhere()
        sys.exit(1 if error.errno == errno.EPIPE else 2)


if __name__ == "__main__":
    main()
