"""Commands on runs by their names: train a selection, list, note."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from ablate.cli.selecting import Arm, Scale, Scope, Seeds
from ablate.errors import UserError
from ablate.inert import say
from ablate.plan.params import load
from ablate.plan.runs import RUNS, Plan, current_plan
from ablate.plan.select import Selection, ranges, select, selection
from ablate.plurals import many
from ablate.runtime.signals import Interrupted, left_to_child

runs = typer.Typer()
PARAMS = Path("params.yaml")
AsJson = Annotated[bool, typer.Option("--json", help="a list of objects, for machines")]


def _plan(scale: str | None) -> Plan:
    return current_plan(load(PARAMS, {"scale": scale} if scale else {}))


@runs.command("run")
def train_selected(
    scope: Scope = None,
    arm: Arm = None,
    seeds: Seeds = None,
    scale: Scale = None,
    cores: Annotated[str | None, typer.Option(help="as of snakemake; default: all, or what the profile says")] = None,
    profile: Annotated[str | None, typer.Option(help="as of snakemake: where jobs run")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be trained, and why")] = False,
) -> None:
    """Train the runs of a selection that are not there yet, by Snakemake.

    --seeds may name seeds that are not planned. These are trained and kept, and no table has them until params.yaml
    plans them: then they are found as they are.
    """
    asked = selection(scope, arm, seeds)
    plan = _plan(scale)
    chosen = select(plan, asked, more_seeds=True)
    by_profile = profile or os.environ.get("SNAKEMAKE_PROFILE")
    words = ["--cores", cores or "all"] if cores or not by_profile else []
    words += ["--profile", profile] if profile else []
    words += ["--dry-run"] if dry_run else []
    with left_to_child():
        ended = subprocess.run(
            [sys.executable, "-m", "snakemake", *words, *targets(chosen, asked), "--config", f"scale={plan.scale}"],
            check=False,
        )
    if ended.returncode:
        raise typer.Exit(ended.returncode)
    if more := [p for p in chosen.planned if p.run.id not in plan.runs]:
        arms = ", ".join(dict.fromkeys(f"{p.paper}/{p.study}: {p.arm}" for p in more))
        say(f"seeds {ranges(p.run.seed for p in more)} of {arms}: not planned, so that no table has them; "
            "`seeds` in params.yaml plans seeds")  # fmt: skip


def targets(chosen: Plan, asked: Selection) -> list[str]:
    """What Snakemake is asked for: studies by name where they are whole, else the runs' own files."""
    if asked.whole:
        return ["runs"]
    if not asked.of_arms:
        return list(dict.fromkeys(f"{p.paper}/{p.study}" for p in chosen.planned))
    return [f"{RUNS}/{run}/metrics.json" for run in chosen.runs]


@runs.command("check")
def check_trainer(scope: Scope = None, arm: Arm = None, seeds: Seeds = None, scale: Scale = None) -> None:
    """Run one arm of an own trainer once, keep nothing, and say whether it leaves what it declares."""
    from ablate.cli.check import check

    try:
        for line in check(load(PARAMS, {"scale": scale} if scale else {}), selection(scope, arm, seeds)):
            say(line)
    except Interrupted as stopped:
        raise typer.Exit(stopped.code) from None


@runs.command("runs")
def list_runs(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[PAPER[/STUDY]] [KEY=VALUE]...", help="also !=, <, <=, >, >=")
    ] = None,
    arm: Arm = None,
    seeds: Seeds = None,
    scale: Scale = None,
    as_json: AsJson = False,
) -> None:
    """List runs, planned or there, by setting, state, note or tag: lr=0.05 'model=res*' status=diverged tag=odd."""
    from ablate.plan.run_list import FILTER, filters, run_list
    from ablate.plan.settings import Settings

    scopes = [word for word in words or [] if not FILTER.fullmatch(word)]
    if len(scopes) > 1:
        raise UserError(f"{' '.join(scopes)}: one paper or study at a time; filters have a sign: lr=0.05")
    params = load(PARAMS, {"scale": scale} if scale else {})
    own = params.trainers
    wanted = filters((word for word in words or [] if FILTER.fullmatch(word)), own)
    asked = selection(scopes[0] if scopes else None, arm, seeds)
    listed = run_list(current_plan(params), asked, params.health, own)
    found = [e for e in listed if all(each.lets(e) for each in wanted)]
    if as_json:
        print(json.dumps(found, indent=1))
        return
    from rich.table import Table

    from ablate.terminal import show

    of_own = {name for each in own.values() for name in each.settings}
    keys = list(dict.fromkeys(each.key for each in wanted if each.key in (*Settings.model_fields, *of_own)))
    table = Table("run", "state", "metric" if own else "val top-1 %", *keys, "note", "tags", "folder")
    for e in found:
        top1 = "" if e["val_top1"] is None else f"{100 * e['val_top1']:.1f}"
        top1 = (
            "; ".join(f"{name} {number:.4g}" for name, number in e["metrics"].items() if number is not None) or top1
        )
        state = e["state"] if e["planned"] else f"{e['state']}, not planned"
        values = (str((e["settings"] or {}).get(key, "")) for key in keys)
        table.add_row(e["name"], state, top1, *values, e["note"], ", ".join(e["tags"]), e["run"])
    show(table, width=200)
    say(many(len(found), "run"))


@runs.command()
def note(
    where: Annotated[str, typer.Argument(metavar="RUN|PAPER[/STUDY]", help="a run's folder, or runs by name")],
    text: Annotated[str | None, typer.Argument(help="in place of what was said; '' takes it away")] = None,
    arm: Arm = None,
    seeds: Seeds = None,
    tag: Annotated[list[str] | None, typer.Option(help="one more; once for each")] = None,
    untag: Annotated[list[str] | None, typer.Option(help="one less")] = None,
    scale: Scale = None,
) -> None:
    """Say something of runs, in results/notes.yaml; no result depends on it, and `ablate runs` finds it."""
    from ablate.plan.notes import FILE, Note, read_notes, write_notes
    from ablate.plan.run_list import run_list

    plan, notes = _plan(scale), read_notes()
    if plan.find(where) or (RUNS / where / "metrics.json").exists() or where in notes:
        chosen = [where]
    else:
        chosen = list(dict.fromkeys(e["run"] for e in run_list(plan, selection(where, arm, seeds))))
    if text is None and not tag and not untag:
        for run in chosen:
            if run in notes:
                say(f"{plan.named(run)}: {', '.join(filter(None, [notes[run].note, *notes[run].tags]))} ({run})")
        return
    for run in chosen:
        before = notes.get(run, Note())
        tags = [each for each in dict.fromkeys([*before.tags, *(tag or [])]) if each not in (untag or [])]
        notes[run] = Note(note=before.note if text is None else text, tags=tuple(tags))
    write_notes(notes)
    say(f"{FILE}: {many(len(chosen), 'run')}")


@runs.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="PAPER/STUDY:ARM, a run's folder, or a commit")],
    second: Annotated[str, typer.Argument(metavar="B", help="another of that kind")],
    scale: Scale = None,
    as_json: Annotated[bool, typer.Option("--json", help="an object, for machines")] = False,
) -> None:
    """Compare two arms, runs or commits: settings, metrics with n and interval, the patch of training's code."""
    from ablate.cli.diff import diff as compare
    from ablate.results.differences import SHOWN

    params = load(PARAMS, {"scale": scale} if scale else {})
    own = {name: metric for each in params.trainers.values() for name, metric in each.metrics.items()}
    compare(first, second, current_plan(params), PARAMS, {**SHOWN, **own}, as_json=as_json)
