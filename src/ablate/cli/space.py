"""Commands on disk space: what takes it, and what of it no plan asks for."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ablate.errors import UserError
from ablate.inert import say
from ablate.plan.params import load
from ablate.plan.runs import Plan, current_plan
from ablate.plurals import many

space = typer.Typer()
PARAMS = Path("params.yaml")
AsJson = Annotated[bool, typer.Option("--json", help="for machines: bytes")]


def _plans() -> list[Plan]:
    """Of every scale."""
    return [current_plan(load(PARAMS, {"scale": scale})) for scale in load(PARAMS).scales]


@space.command()
def du(as_json: AsJson = False) -> None:
    """Say what takes how much of the disk: runs by scale, data, checkpoints, logs, results, DVC's cache."""
    from ablate.plan.cost import size_text
    from ablate.plan.leftovers import usage

    found = usage(_plans())
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for what, count in sorted(found.items(), key=lambda item: -item[1]):
        say(f"{size_text(count):>9}  {what}")


@space.command()
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would go, and delete nothing")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="delete it")] = False,
    unrecorded: Annotated[
        bool, typer.Option("--unrecorded", help="results too that no file of records has; they are then lost")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete what there is of runs that no scale plans: results, weights, logs, checkpoints.

    A run of a planned arm is kept whatever its seed, and so is a result that `ablate records` has not packed.
    """
    from ablate.plan.cost import size_text
    from ablate.plan.leftovers import leftovers, remove

    if dry_run == yes:
        raise UserError("gc: say --dry-run, which deletes nothing, or --yes, which deletes what --dry-run names")
    found = leftovers(_plans())
    going = [each for each in found if unrecorded or not each.only_here]
    kept = len(found) - len(going)
    if yes:
        for each in going:
            remove(each)
    if as_json:
        print(
            json.dumps([{"run": e.run, "paths": list(map(str, e.paths)), "bytes": e.bytes} for e in going], indent=1)
        )
        return
    for each in going:
        say(f"{size_text(each.bytes):>9}  {each.run}: {', '.join(map(str, each.paths))}")
    said = f"{many(len(going), 'run')} of no plan, {size_text(sum(each.bytes for each in going))}"
    say(f"{said}{' deleted' if yes else ''}"
        + (f"; {kept} more have results that are recorded nowhere else (--unrecorded)" if kept else ""))  # fmt: skip
