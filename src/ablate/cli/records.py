"""Commands that keep what finished runs left, in one file per paper for Git, and put it back."""

from pathlib import Path
from typing import Annotated

import typer

from ablate.errors import UserError
from ablate.inert import say
from ablate.plan.params import load
from ablate.plan.run_records import RunRecords
from ablate.plan.runs import current_plan

records = typer.Typer(no_args_is_help=True, help="What finished runs left, in a file per paper for Git.")
Scale = Annotated[str | None, typer.Option(help="instead of the one in params.yaml")]


@records.command()
def pack(scale: Scale = None) -> None:
    """Add the finished runs of the plan, whatever code made them, to the records of their papers."""
    found = _records(scale)
    packed = found.pack()
    if not packed:
        raise UserError(f"no run of the scale {found.plan.scale} has ended, and there is nothing to keep")
    for paper, counts in packed.items():
        file = found.files[paper]
        said = ", ".join(f"{n} {what}" for what, n in counts.items() if n or what == "runs")
        say(f"{file}: {said}, {file.stat().st_size / 1000:.1f} kB")


@records.command()
def unpack(scale: Scale = None) -> None:
    """Put planned runs back into results/runs that only their record has, as `ablate render` does by itself."""
    for run in (found := _records(scale)).restore():
        say(f"{found.runs[run].folder / run}: from {found.runs[run].file}")


def _records(scale: str | None) -> RunRecords:
    return RunRecords(current_plan(load(Path("params.yaml"), {"scale": scale} if scale else {})))
