"""Commands for proof that travels: committed results checked, numbers in prose, crates, cards and checklists."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ablate.errors import UserError
from ablate.inert import say
from ablate.plan.project import open_project

proof = typer.Typer()
PARAMS = Path("params.yaml")
SHOWN = 20  # faults of a check on the screen; --json has all


@proof.command()
def verify(
    scale: Annotated[str | None, typer.Option(help="one scale; default: each of which there are records")] = None,
    train: Annotated[bool, typer.Option(help="train a cheap run of each paper again")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="a list of objects, for machines")] = False,
) -> None:
    """Check committed results: whole records, which give the committed tables and findings, and one run again.

    The exit code is 1 where something is wrong.
    """
    from ablate.proof.verify import scales_with_records
    from ablate.proof.verify import verify as check

    scales = [scale] if scale else scales_with_records(PARAMS)
    if not scales:
        raise UserError("results: no scale has records here; `ablate records pack` makes them of finished runs")
    found = []
    for name in scales:
        for one in check(open_project(PARAMS, {"scale": name}), train=train):
            found.append(one)
            if as_json:
                continue
            say(f"{one.scale:8}{one.what:10}{f'{len(one.faults)} WRONG' if one.faults else one.said}")
            for fault in one.faults[:SHOWN]:
                say(f"  wrong: {fault}")
            if len(one.faults) > SHOWN:
                say(f"  and {len(one.faults) - SHOWN} more, which --json has")
            for text in one.open:
                say(f"  open: {text}")
    wrong = sum(len(one.faults) for one in found)
    if as_json:
        print(json.dumps([one.plain for one in found], indent=1))
    else:
        say(f"{wrong} WRONG" if wrong else "nothing wrong found")
    if wrong:
        raise typer.Exit(1)
