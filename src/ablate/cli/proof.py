"""Commands for proof that travels: committed results checked, numbers in prose, crates, cards and checklists."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ablate.errors import UserError, choose
from ablate.files import write_text
from ablate.inert import say, visible
from ablate.plan.params import load
from ablate.plan.project import open_project
from ablate.plurals import many

proof = typer.Typer()
export = typer.Typer(no_args_is_help=True, help="Results in forms that others read; needs ablate[export].")
Scale = Annotated[str | None, typer.Option(help="instead of the one in params.yaml")]
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


@proof.command()
def weave(
    file: Annotated[
        Path, typer.Argument(help="Markdown or LaTeX with marks {{ ablate:<paper>/<table>:<row>:<column> }}")
    ],
    scale: Scale = None,
    output: Annotated[Path | None, typer.Option(help="default: <name>.woven.<suffix> beside it")] = None,
    pin: Annotated[
        bool, typer.Option("--pin", help="write into the file's marks which digits they show now")
    ] = False,
) -> None:
    """Put the numbers of tables into a text; fail where a cell is gone, or shows other digits than were pinned."""
    from ablate.proof.weave import marks, pinned
    from ablate.proof.weave import weave as woven

    results = Path("results") / (scale or load(PARAMS).scale)
    target = output or file.with_name(f"{file.stem}.woven{file.suffix}")
    if target.resolve() == file.resolve():
        raise UserError(f"--output {target}: is the text itself, whose marks would be gone; name another file")
    if pin:
        write_text(file, pinned(file, results))
    write_text(target, woven(file, results))
    say(f"{target}: {many(len(marks(file)), 'number')} from {results}")


@proof.command()
def keep(
    run: Annotated[str, typer.Argument(help="its name, as `ablate plan --runs` has it")],
    output: Annotated[Path, typer.Option(help="a folder that is not there yet")],
    scale: Scale = None,
) -> None:
    """Write a recorded run's weights, trained again where it left none, with a model card and a crate."""
    from ablate.proof.keep import keep as write

    same = write(open_project(PARAMS, {"scale": scale} if scale else {}), run, output)
    say(f"{output}: {'the same bytes as' if same else 'other bytes than'} the record of {run}")


@proof.command()
def checklist(
    name: Annotated[str, typer.Argument(help="neurips, acl or completeness")],
    scale: Scale = None,
    output: Annotated[Path | None, typer.Option(help="a file; default: print it")] = None,
) -> None:
    """Answer a venue's checklist as far as run records do, in Markdown; each other item is left open by name."""
    from ablate.proof.checklist import LISTS
    from ablate.proof.checklist import checklist as answered

    if name not in LISTS:
        raise choose("NAME", name, LISTS, "checklist")
    project = open_project(PARAMS, {"scale": scale} if scale else {})
    text = answered(name, project, output.parent if output else Path())
    if output:
        write_text(output, text)
    else:
        print(visible(text, keep="\n"), end="")


@export.command()
def crate(
    output: Annotated[Path, typer.Option(help="a folder that is not there yet")],
    paper: Annotated[str | None, typer.Option(help="one paper; default: the whole scale")] = None,
    scale: Scale = None,
) -> None:
    """Write a scale or a paper with all of its runs as a Provenance Run Crate (Workflow Run RO-Crate 0.5)."""
    from ablate.proof.crate import check_crate, write_crate

    project = open_project(PARAMS, {"scale": scale} if scale else {})
    if paper not in (None, *project.params.studies):
        raise choose("--paper", paper, project.params.studies, "paper")
    runs = write_crate(project, paper, output)
    say(f"{output}: {many(runs, 'run')}, {many(check_crate(output), 'file')}")


@export.command()
def croissant(output: Annotated[Path, typer.Option(help="a folder")], scale: Scale = None) -> None:
    """Write what the data gate found of each data set as Croissant 1.1 with its RAI vocabulary."""
    from ablate.proof.croissant import write_croissant

    for file, missing in write_croissant(open_project(PARAMS, {"scale": scale} if scale else {}), output).items():
        say(f"{file}: valid; recommended and not known here: {len(missing)}")


@export.command()
def check(folder: Annotated[Path, typer.Argument(help="a crate")]) -> None:
    """Compare each file of a crate with the digest that its metadata has."""
    from ablate.proof.crate import check_crate

    say(f"{folder}: {many(check_crate(folder), 'file')}, as its metadata says")
