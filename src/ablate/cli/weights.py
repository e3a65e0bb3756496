"""Commands on what runs have learnt: classes of images by kept weights, and more epochs."""

from pathlib import Path
from typing import Annotated

import typer

from ablate.cli.selecting import Arm, Scale, Seeds
from ablate.csv_text import csv_of
from ablate.errors import UserError
from ablate.files import write_text
from ablate.inert import say
from ablate.plan.params import load
from ablate.plan.runs import PRETRAINED, RUNS, Plan, Run, current_plan
from ablate.plan.select import Selection, select, selection
from ablate.plurals import many

weights = typer.Typer()
PARAMS = Path("params.yaml")
HEADS = ("file", "class", "name", "probability")


@weights.command()
def predict(
    where: Annotated[str, typer.Argument(metavar="RUN|GROUP/STUDY", help="a run's folder, or one run by name")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="files, and folders with any below them")],
    arm: Arm = None,
    seeds: Seeds = None,
    scale: Scale = None,
) -> None:
    """Print as CSV what a run's kept weights take images for: file, class, its name, probability."""
    from ablate.plan.keys import RECEIPTS
    from ablate.train.predict import predict as answers
    from ablate.workflow.due import Keys

    params = load(PARAMS, {"scale": scale} if scale else {})
    plan = current_plan(params)
    run = plan.find(where) or _only(plan, selection(where, arm, seeds))
    folder = (PRETRAINED if run.id in plan.pretraining else RUNS) / run.id
    pack = Keys(params, plan).folder(run.settings.dataset) / RECEIPTS["pack"]
    for n, answer in enumerate(answers(run, folder, pack, images)):
        if not n:  # there are weights and images
            print(csv_of(HEADS, []), end="")
        row = (str(answer.file), answer.label, answer.name, f"{answer.probability:.4f}")
        print(csv_of(row, []), end="", flush=True)


def _only(plan: Plan, asked: Selection) -> Run:
    """The run that is asked for.

    Raises:
        UserError: If it is none, or more than one.
    """
    found = select(plan, asked).runs
    if len(found) > 1:
        raise UserError(
            f"{asked}: has {many(len(found), 'run')}; say --arm and --seeds so that one is left, or a run's folder"
        )
    return next(iter(found.values()))


@weights.command()
def extend(
    where: Annotated[str, typer.Argument(metavar="GROUP/STUDY")],
    epochs: Annotated[int, typer.Option(min=1, help="how many in all")],
    arm: Arm = None,
    scale: Scale = None,
) -> None:
    """Add a study to params.yaml that goes on with arms of another one, to the bytes of runs with more epochs."""
    from ablate.plan.extend import read_text, with_more_epochs

    asked = selection(where, arm)
    if asked.study is None:
        raise UserError(f"{where}: name a study, as GROUP/STUDY")
    params = load(PARAMS, {"scale": scale} if scale else {})
    chosen = select(current_plan(params), asked)
    text, name = with_more_epochs(read_text(PARAMS), params, chosen, epochs, str(PARAMS))
    write_text(PARAMS, text)
    say(f"{PARAMS}: studies.{asked.paper}.{name}; `ablate plan {asked.paper}/{name}` says what it takes")
    if forgets := [p for p in chosen.planned if p.run.settings.keep == "none"]:
        first = forgets[0]
        say(f"{first.paper}/{first.study}/{first.arm} keeps no weights, and so no state: these runs begin anew, and "
            "end in the same bytes; with keep: last in its settings they would go on")  # fmt: skip
