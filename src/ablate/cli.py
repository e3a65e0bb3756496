"""The command line. Each step of the DAG is one command; Snakemake calls them with every value spelled out."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ablate.config import Dataset, load
from ablate.errors import UserError
from ablate.files import read_json, write_json
from ablate.plan import Run, make_plan, plan_record, state

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
PARAMS = Path("params.yaml")


@app.command()
def plan(
    scale: Annotated[str | None, typer.Option(help="instead of the one in params.yaml")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="a list of objects, for machines")] = False,
    values: Annotated[str, typer.Option(help="JSON laid over params.yaml")] = "{}",
    output: Annotated[Path | None, typer.Option(help="write the plan there for the later steps")] = None,
) -> None:
    """List the planned runs and their states."""
    params = load(PARAMS, json.loads(values) | ({"scale": scale} if scale else {}))
    made = make_plan(params)
    record = plan_record(params, made)
    if output:
        write_json(output, record)
        return
    entries = [entry | {"state": state(entry["run"])} for entry in record["runs"]]
    if as_json:
        print(json.dumps(entries, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("paper", "study", "arm", "seed", "run", "state")
    for e in entries:
        table.add_row(e["paper"], e["study"], e["arm"], str(e["seed"]), e["run"], e["state"])
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)
    unique = {e["run"]: e["state"] for e in entries}
    done = sum(s != "planned" for s in unique.values())
    console.print(
        f"scale {made.scale}: {len(entries)} planned, {len(unique)} to train once each, {done} of them done"
    )


@app.command()
def outputs() -> None:
    """Name the tables and figures of the current scale."""
    params = load(PARAMS)
    for paper, studies in params.studies.items():
        for study in studies.values():
            for name in study.tables:
                print(f"results/{params.scale}/{paper}/{name}.md")
            for name in study.figures:
                print(f"results/{params.scale}/{paper}/{name}.svg")
    print(f"results/{params.scale}/report.html")


def _spec(text: str) -> Dataset:
    try:
        return Dataset.model_validate_json(text)
    except ValueError as error:
        raise UserError(f"--spec: not a data set record ({error})") from None


Spec = Annotated[str, typer.Option(help="the data set's record, JSON")]


@app.command()
def embed(spec: Spec, output: Annotated[Path, typer.Option()]) -> None:
    """Generate an embedded archive in the official layout."""
    from ablate.data.embedded import write_cifar10, write_tiny_imagenet

    record = _spec(spec)
    try:
        if record.layout == "cifar10":
            write_cifar10(output, **record.generator)
        else:
            write_tiny_imagenet(output, **record.generator)
    except (TypeError, ValueError) as error:
        raise UserError(f"params.yaml: datasets: generator {record.generator}: {error}") from None


@app.command()
def fetch(
    spec: Spec,
    output: Annotated[Path, typer.Option()],
    receipt: Annotated[Path, typer.Option()],
    mirror: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Fetch an archive from the mirror or its addresses and check its digest."""
    from ablate.data.fetch import fetch as run

    record = _spec(spec)
    run(
        record.archive,
        output,
        path=record.path if record.variant == "official" else None,
        mirror=mirror or None,
        urls=record.urls,
        digests=record.digests,
        receipt=receipt,
    )


Archive = Annotated[Path, typer.Option(help="the fetched archive")]
Index = Annotated[Path, typer.Option(help="CSV of labelled images")]
Images = Annotated[Path, typer.Option(help="images.npy")]


@app.command()
def verify(
    spec: Spec,
    archive: Archive,
    index: Index,
    images: Images,
    duplicates: Annotated[Path, typer.Option(help="CSV of pairs")],
    report: Annotated[Path, typer.Option()],
) -> None:
    """Check all of an archive's content; decode it, index it and list its duplicates."""
    from ablate.data.verify import verify as run

    run(archive, _spec(spec), index=index, images=images, pairs=duplicates, report=report)


@app.command()
def reorganise(
    spec: Spec,
    archive: Archive,
    index: Index,
    tree: Annotated[Path, typer.Option()],
    receipt: Annotated[Path, typer.Option()],
) -> None:
    """Write the labelled images into class folders."""
    from ablate.data.reorganise import reorganise as run

    run(archive, _spec(spec).layout, index=index, tree=tree, receipt=receipt)


@app.command()
def pack(
    images: Images,
    index: Index,
    report: Annotated[Path, typer.Option(help="what verify wrote")],
    receipt: Annotated[Path, typer.Option(help="what fetch wrote")],
    output: Annotated[Path, typer.Option()],
) -> None:
    """Add labels, statistics and digests to the decoded images."""
    from ablate.data.pack import make_pack

    make_pack(images, index=index, report=report, receipt=receipt, pack=output)


@app.command()
def describe(
    pack: Annotated[Path, typer.Option(help="pack.json")],
    name: Annotated[str, typer.Option(help="the data set's")],
    output: Annotated[Path, typer.Option(help="a folder")],
) -> None:
    """Write what a data set holds: facts, a contact sheet, and its duplicates as a list and as a sheet."""
    from ablate.data.describe import describe as run

    run(pack, name, output)


@app.command()
def data(
    scale: Annotated[str | None, typer.Option(help="instead of the one in params.yaml")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="a list of objects, for machines")] = False,
    values: Annotated[str, typer.Option(help="JSON laid over params.yaml")] = "{}",
) -> None:
    """Show what is there of each data set of the current scale: digests, counts, statistics, contact sheet."""
    from ablate.data.describe import overview, table_of

    params = load(PARAMS, json.loads(values) | ({"scale": scale} if scale else {}))
    entries = overview(params)
    if as_json:
        print(json.dumps(entries, indent=1, ensure_ascii=False))
    else:
        from rich.console import Console

        Console(width=None if sys.stdout.isatty() else 120).print(*(table_of(entry) for entry in entries), sep="\n")


@app.command()
def imagenet(
    model: Annotated[str, typer.Option(help="one of ours, or torchvision:<name>")],
    output: Annotated[Path, typer.Option(help="safetensors")],
    receipt: Annotated[Path, typer.Option()],
    mirror: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Fetch torchvision's ImageNet weights and write them as safetensors; no pickle is run."""
    from ablate.config import Fingerprint
    from ablate.data.fetch import fetch as bring
    from ablate.weights import convert_imagenet, imagenet_url

    url, prefix = imagenet_url(model)
    pth, pin = output.with_suffix(".pth"), Fingerprint(sha256_prefix=prefix)
    bring(
        url.rsplit("/", 1)[-1], pth, path=None, mirror=mirror or None, urls=[url], digests={"torchvision": pin},
        receipt=receipt,
    )  # fmt: skip
    convert_imagenet(pth, output)
    pth.unlink()


@app.command()
def model(
    name: Annotated[str, typer.Argument(help="a network: one of params.yaml's names, or torchvision:<name>")],
    classes: Annotated[int, typer.Option()] = 200,
    size: Annotated[int, typer.Option(help="side of the images in pixels")] = 64,
    activation: Annotated[str | None, typer.Option(help="in place of every ReLU")] = None,
    stem: Annotated[str | None, typer.Option(help="of torchvision's ResNets: imagenet or cifar")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="an object, for machines")] = False,
) -> None:
    """Print a network's layers: output shapes, parameters, multiply-adds."""
    from ablate.layers import as_json as plain
    from ablate.layers import as_text, summary

    try:
        found = summary(name, classes, size, activation=activation, stem=stem)
    except ValueError as error:
        raise UserError(str(error)) from None
    if as_json:
        print(json.dumps(plain(found), indent=1))
    else:
        from rich.console import Console

        Console(width=None if sys.stdout.isatty() else 120).print(as_text(found))


@app.command()
def train(
    run: Annotated[str, typer.Option(help="the run's record, JSON")],
    pack: Annotated[Path, typer.Option(help="pack.json")],
    out: Annotated[Path, typer.Option(help="the run's folder")],
    start: Annotated[Path | None, typer.Option(help="safetensors to start from")] = None,
    weights: Annotated[Path | None, typer.Option(help="where to keep the trained weights")] = None,
    threads: Annotated[int, typer.Option()] = 1,
    device: Annotated[str, typer.Option()] = "auto",
) -> None:
    """Train one run."""
    from ablate.train import train as go

    go(Run.from_json(run), pack=pack, out=out, start=start, weights=weights, threads=threads, device=device)


PlanFile = Annotated[Path, typer.Option("--plan", help="what `ablate plan --output` wrote")]
Papers = Annotated[Path, typer.Option(help="folder of one YAML per paper")]
Output = Annotated[Path, typer.Option(help="results/<scale>/<paper>/<name>")]


@app.command()
def collect(
    plan_file: PlanFile,
    runs: Annotated[Path, typer.Option(help="folder of the trained runs")],
    output: Annotated[Path, typer.Option(help="results/<scale>/<paper>")],
) -> None:
    """Gather a paper's planned runs into flat files."""
    from ablate.collect import collect as run

    run(plan_file, runs, output.name, output)


@app.command()
def table(plan_file: PlanFile, papers: Papers, output: Output) -> None:
    """Write one table as CSV and Markdown, from what was collected into its folder."""
    from ablate.tables import study_results, write_table

    study, kind = _owner(plan_file, "tables", output)
    write_table(study_results(plan_file, output.parent, papers, study), kind, output)


@app.command()
def figure(plan_file: PlanFile, papers: Papers, output: Output) -> None:
    """Draw one figure as SVG and PNG, from what was collected into its folder."""
    from ablate.figures import write_figure
    from ablate.tables import study_results

    study, kind = _owner(plan_file, "figures", output)
    write_figure(study_results(plan_file, output.parent, papers, study), kind, output)


@app.command()
def report(plan_file: PlanFile, papers: Papers, output: Annotated[Path, typer.Option()]) -> None:
    """Write the report, one HTML page, from the tables and figures in the folders beside it."""
    from ablate.report import write_report

    write_report(plan_file, papers, output)


def _owner(plan_file: Path, what: str, output: Path) -> tuple[str, str]:
    """Which study of the paper (the output's folder) has this table or figure, and the function that makes it."""
    for key, study in read_json(plan_file)["studies"].items():
        paper, name = key.split("/")
        if paper == output.parent.name and output.stem in study[what]:
            return name, study[what][output.stem]
    raise UserError(f"{output}: no study in {plan_file} has {what[:-1]} {output.stem}; add it in params.yaml")


def main() -> None:
    """Run the command; a user's mistake ends with its message and exit code 2, an interrupt with 130."""
    try:
        app()
    except UserError as error:
        print(f"ablate: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
