"""The steps of the DAG, one command each. Snakemake calls them with every value spelled out."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ablate.cli.jobs import figure_jobs, table_jobs
from ablate.cli.selecting import Scale, Scope
from ablate.errors import UserError
from ablate.files import read_json, write_json
from ablate.inert import say
from ablate.plan import keys
from ablate.plan.params import Dataset, load, values_of
from ablate.plan.project import papers_protocol
from ablate.plan.receipts import Job, describing, job_of, rendering
from ablate.plan.record import read_plan
from ablate.plan.runs import RUNS
from ablate.plan.select import selection
from ablate.seals import sealed, sha256_of

steps = typer.Typer()


def _spec(text: str) -> Dataset:
    try:
        return Dataset.model_validate_json(text)
    except ValueError as error:
        raise UserError(f"--spec: not a data set record ({error})") from None


Spec = Annotated[str, typer.Option(help="the data set's record, JSON")]


@steps.command()
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


@steps.command()
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
        asked=keys.source_digest(record),
        measured=record.class_counts is not None,
        pinned=record.pinned,
    )


Archive = Annotated[Path, typer.Option(help="the fetched archive")]
Index = Annotated[Path, typer.Option(help="CSV of labelled images")]
Images = Annotated[Path, typer.Option(help="images.npy")]
Receipt = Annotated[Path, typer.Option(help="what fetch wrote")]
Report = Annotated[Path, typer.Option(help="what verify wrote")]


@steps.command("verify-data")
def verify(
    spec: Spec,
    archive: Archive,
    receipt: Receipt,
    index: Index,
    images: Images,
    duplicates: Annotated[Path, typer.Option(help="CSV of pairs")],
    report: Annotated[Path, typer.Option()],
) -> None:
    """Check all of an archive's content; decode it, index it and list its duplicates."""
    from ablate.data.verify import verify as run

    record = _spec(spec)
    key = keys.verify_key(record, read_json(receipt))
    run(archive, record, index=index, images=images, pairs=duplicates, report=report, key=key)


@steps.command()
def reorganise(
    spec: Spec,
    archive: Archive,
    index: Index,
    report: Report,
    tree: Annotated[Path, typer.Option()],
    receipt: Annotated[Path, typer.Option()],
) -> None:
    """Write the labelled images into class folders."""
    from ablate.data.reorganise import reorganise as run

    key, record = keys.derived_key("reorganise", read_json(report)), _spec(spec)
    run(archive, record.layout, index=index, tree=tree, receipt=receipt, key=key, options=record.options)


@steps.command()
def pack(
    images: Images,
    index: Index,
    report: Report,
    receipt: Receipt,
    output: Annotated[Path, typer.Option()],
    named: Annotated[str, typer.Option(help="JSON: class names that the plan asks for, and where")] = "{}",
) -> None:
    """Add labels, statistics and digests to the decoded images."""
    from ablate.data.pack import make_pack
    from ablate.workflow.named_classes import check_classes

    key = keys.derived_key("pack", read_json(report))
    make_pack(images, index=index, report=report, receipt=receipt, pack=output, key=key)
    check_classes(json.loads(named), read_json(output)["classes"])


@steps.command()
def describe(
    pack: Annotated[Path, typer.Option(help="pack.json")],
    name: Annotated[str, typer.Option(help="the data set's")],
    output: Annotated[Path, typer.Option(help="a folder")],
) -> None:
    """Write what a data set holds: facts, a contact sheet, and its duplicates as a list and as a sheet."""
    from ablate.data.describe import describe as run

    with describing(name, pack, output.parent).making():
        run(pack, name, output)


@steps.command()
def imagenet(
    model: Annotated[str, typer.Option(help="one of ours, or torchvision:<name>")],
    output: Annotated[Path, typer.Option(help="safetensors")],
    receipt: Annotated[Path, typer.Option()],
    mirror: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Fetch torchvision's ImageNet weights and write them as safetensors; no pickle is run."""
    from ablate.data.fetch import fetch as bring
    from ablate.models.weights import convert_imagenet, imagenet_url
    from ablate.plan.params import Fingerprint

    url, prefix = imagenet_url(model)
    pth, pin = output.with_suffix(".pth"), Fingerprint(sha256_prefix=prefix)
    bring(
        url.rsplit("/", 1)[-1], pth, path=None, mirror=mirror or None, urls=[url], digests={"torchvision": pin},
        receipt=receipt,
    )  # fmt: skip
    convert_imagenet(pth, output)
    write_json(receipt, sealed(read_json(receipt) | {"weights": sha256_of(output)}))
    pth.unlink()


def _every(plan_file: Path, output: Path, **places: Any) -> dict[str, Job]:
    """The rendered steps of a plan; ``output`` is a file in results/<scale>."""
    return rendering(read_plan(plan_file), plan_file, folder=output.parent, **places)


def _job(step: str, plan_file: Path, output: Path, **places: Any) -> Job:
    """A paper's; ``output`` is its folder."""
    return job_of(_every(plan_file, output, **places), step, output.name)


PlanFile = Annotated[Path, typer.Option("--plan", help="what `ablate plan --output` wrote")]
Papers = Annotated[Path, typer.Option(help="folder of one YAML per paper")]
Folder = Annotated[Path, typer.Option(help="results/<scale>/<paper>")]


@steps.command()
def collect(
    plan_file: PlanFile,
    runs: Annotated[Path, typer.Option(help="folder of the trained runs")],
    output: Folder,
    partial: Annotated[bool, typer.Option("--partial", help="with rows for runs that are missing")] = False,
) -> None:
    """Gather a paper's planned runs into flat files."""
    from ablate.results.collect import collect as run

    with _job("collect", plan_file, output, runs=runs).making():
        run(plan_file, runs, output.name, output, partial=partial)


@steps.command()
def summarise(
    folders: Annotated[list[Path], typer.Argument(help="results/<scale>/<paper>, of each paper")],
    output: Annotated[Path, typer.Option(help="results/summary/<scale>.json")],
) -> None:
    """Join what was collected of each paper, for `dvc metrics` and `dvc plots`."""
    from ablate.results.summary import summarise as run

    plan = folders[0].with_name("plan.json")
    with _every(plan, folders[0])["summarise"].making():
        run(read_plan(plan), folders, output)


@steps.command()
def tables(
    plan_file: PlanFile,
    papers: Papers,
    output: Folder,
    runs: Annotated[Path, typer.Option(help="folder of the trained runs")] = RUNS,
) -> None:
    """Write a paper's tables as CSV, Markdown and LaTeX, and the runs behind cells, from what was collected."""
    with _job("tables", plan_file, output, papers=papers, runs=runs).making():
        for job in table_jobs(plan_file, papers, output, runs).values():
            job()


@steps.command()
def figures(
    plan_file: PlanFile,
    papers: Papers,
    output: Folder,
    runs: Annotated[Path | None, typer.Option(help="folder of the trained runs")] = None,
    pack: Annotated[list[Path] | None, typer.Option(help="<data set>/pack.json; once for each data set")] = None,
) -> None:
    """Draw a paper's figures as SVG and PNG, from what was collected; some read runs and packs as well."""
    packs = {path.absolute().parent.name: path for path in pack or []}
    with _job("figures", plan_file, output, papers=papers, packs=packs).making():
        for job in figure_jobs(plan_file, papers, output, runs, pack or []).values():
            job()


@steps.command()
def judge(
    plan_file: PlanFile,
    papers: Papers,
    output: Annotated[Path, typer.Option(help="results/<scale>/claims.json")],
    runs: Annotated[Path, typer.Option(help="folder of the trained runs")] = RUNS,
) -> None:
    """Write the verdict on every claim of every paper: table, figure, JSON."""
    from ablate.verdicts.claims_table import write_claims

    with _every(plan_file, output, papers=papers)["claims"].making():
        write_claims(plan_file, papers, runs, output)


@steps.command()
def look(
    papers: Papers,
    output: Annotated[Path, typer.Option(help="results/<scale>/decide/look-<k>.json")],
    previous: Annotated[Path | None, typer.Option(help="the look before; none: this is look 0")] = None,
    runs: Annotated[Path, typer.Option(help="folder of the trained runs")] = RUNS,
    values: Annotated[str, typer.Option(help="JSON laid over params.yaml")] = "{}",
) -> None:
    """Judge the claims with the seeds that there are, and say which runs the next look needs."""
    from ablate.verdicts.decide import write_look

    file, over = Path("params.yaml"), values_of(values)
    write_look(load(file, over), papers_protocol(file, over), papers, runs, previous, output)


@steps.command()
def report(
    plan_file: Annotated[Path | None, typer.Option("--plan", help="what `ablate plan --output` wrote")] = None,
    papers: Papers = Path("papers"),
    output: Annotated[Path | None, typer.Option(help="results/<scale>/report.html")] = None,
    runs: Annotated[Path, typer.Option(help="folder of the trained runs")] = RUNS,
    pack: Annotated[list[Path] | None, typer.Option(help="<data set>/pack.json; once for each data set")] = None,
    serve: Annotated[bool, typer.Option("--serve", help="show it at 127.0.0.1, with the study as it runs")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="of --serve; 0: a free one")] = 8765,
    scale: Scale = None,
    scope: Scope = None,
) -> None:
    """Write the report, one HTML file, from the tables and figures beside it.

    Of a paper or study alone it is results/<scale>/report-<paper>.html, or as --output says.
    """
    values = {"scale": scale} if scale else {}
    if serve:
        from ablate.cli.serve import serve as show

        show(Path("params.yaml"), papers, values, port, selection(scope))
        return
    if scope:
        from ablate.cli.serve import write_part

        say(str(write_part(Path("params.yaml"), papers, values, selection(scope), output)))
        return
    if plan_file is None or output is None:
        raise UserError(
            "--plan and --output: say both, or a paper; `ablate render` writes the report, --serve shows it"
        )
    from ablate.report.page import write_report

    packs = {path.absolute().parent.name: path for path in pack or []}
    with _every(plan_file, output, papers=papers, packs=packs)["report"].making():
        write_report(plan_file, papers, output, runs, packs)
