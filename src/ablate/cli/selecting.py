"""The argument and options by which every command takes the runs that it is about."""

from typing import Annotated

import typer

Scope = Annotated[str | None, typer.Argument(metavar="[PAPER[/STUDY]]", help="by name; nothing: all of them")]
Arm = Annotated[str | None, typer.Option(help="a pattern of arms' names, in quotes: 'SGD*'", metavar="PATTERN")]
Seeds = Annotated[str | None, typer.Option(help="0-2,5", metavar="SEEDS")]
Scale = Annotated[str | None, typer.Option(help="instead of the one in params.yaml")]
