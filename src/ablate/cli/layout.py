"""A command on how params.yaml is laid out, which an experiment of DVC's calls."""

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from ablate.files import write_text
from ablate.inert import say
from ablate.records import read_yaml

layouts = typer.Typer()


@layouts.command()
def layout(
    commit: Annotated[str, typer.Argument(help="whose params.yaml has the layout")],
    file: Annotated[Path, typer.Option(help="the file that DVC wrote its values into")] = Path("params.yaml"),
) -> None:
    """Lay params.yaml out as it is in a commit, after `dvc exp run -S`, which breaks all its lines anew."""
    from ablate.plan.layout import in_layout_of

    shown = subprocess.run(["git", "show", f"{commit}:./{file}"], capture_output=True, check=False)
    now = read_yaml(file)  # before the other, for its message
    text = in_layout_of(shown.stdout.decode(), now) if not shown.returncode else None
    if text is None:
        say(f"{file}: stays as it is laid out; {commit} has no such file, or one with keys that are gone")
    elif text != file.read_text(encoding="utf-8"):
        write_text(file, text)
