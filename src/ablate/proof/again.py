"""Committed results made again, elsewhere, from the committed records alone, and compared byte by byte."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from ablate.errors import UserError
from ablate.plan.kinds import shows_images
from ablate.plan.project import Project
from ablate.plan.receipts import FIGURE, FOLDER, FROZEN, PLAN, describing, rendering
from ablate.plan.run_records import NAME, RunRecords
from ablate.plan.runs import seeds_file
from ablate.seals import read_if_sealed, sha256_of

RESULTS = Path("results")
MADE = ("results", "logs")
NOT_KEPT = (PLAN, "report.html")  # made with the rest, and not committed
BY_HAND = "README.md"
GIVEN = (FROZEN, "looked.json")  # beside the records, what a step reads that no step makes of them
DATA = "data/"  # what the data gate found is given as well, unless its packs are there
TEXT = (".csv", ".json", ".md", ".svg", ".tex")


@dataclass(frozen=True)
class Comparison:
    """Files of results/<scale>, those that are there beside those that were made again."""

    same: tuple[str, ...]
    vouched: tuple[str, ...]  # not made again, for want of images; as the receipt of their step says
    faults: tuple[str, ...]  # a sentence for each, with the file's name


def make_again(project: Project, into: Path) -> Path:
    """Render a scale anew in the folder ``into`` from the committed records.

    Read are the study's own files (params.yaml, papers, code, images), the records, what is frozen and looked at,
    what the data gate found, and packs where they are there; no table, figure or collected file. Returns
    results/<scale> in ``into``.

    Raises:
        UserError: If rendering ends with an error; it is that error.
    """
    scale = project.params.scale
    here, there = RESULTS / scale, into / RESULTS / scale
    link_study(into)
    receipts = [here / FOLDER / f"describe_{name}.json" for name in project.params.datasets]
    given = [*RunRecords(project.plan).files.values(), *(here / name for name in GIVEN), seeds_file(scale), *receipts]
    for path in [*given, *(here / "data").glob("*")]:
        if path.is_file():
            (into / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, into / path)
    digests = Path(".ablate/digests")  # what the packs' files were last found to hold
    if digests.is_dir():
        (into / digests).parent.mkdir(exist_ok=True)
        (into / digests).symlink_to(digests.absolute())
    run_here(into, "render", "--scale", scale, "--partial")
    return there


def link_study(into: Path) -> None:
    """Put links to the study's own files into the folder ``into``: to all that lies here and is not made of runs."""
    for path in Path().iterdir():
        if path.name not in MADE and not path.name.startswith("."):
            (into / path).symlink_to(path.absolute())


def run_here(folder: Path, *words: str) -> None:
    """Say `ablate` with ``words`` in ``folder``, in a process of its own.

    Raises:
        UserError: If it ends with an error; it has the last line that it printed.
    """
    env = {key: value for key, value in os.environ.items() if key != "ABLATE_SERVER"}
    done = subprocess.run(
        [sys.executable, "-m", "ablate", *words], cwd=folder, env=env | {"ABLATE_PROGRESS": "plain"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        raise UserError(last.removeprefix("ablate: error: "))


def compare(project: Project, there: Path, again: Path) -> Comparison:
    """The files of results/<scale>, ``there``, beside those made ``again`` from its records."""
    kept, made = _files(project, there), _files(project, again)
    receipts = _receipts(there)
    expected, pictures = _expected(project, there)
    same, vouched, faults = [], [], []
    for name in sorted(kept):
        if name in made and (difference := _difference(kept[name], made[name])):
            faults.append(f"{kept[name]}: {difference}")
        elif name in made and not name.startswith(DATA):
            same.append(name)
        elif name not in expected:
            faults.append(f"{kept[name]}: no step of this version makes it; delete it")
        elif not name.startswith(DATA) and name not in pictures:
            faults.append(f"{kept[name]}: is there, and the records do not give it")
        elif receipts.get(name) is None:
            faults.append(f"{kept[name]}: was not made again, and no receipt has it")
        elif receipts[name] != sha256_of(kept[name]):
            faults.append(f"{kept[name]}: was changed since it was made, says its receipt")
        else:
            vouched.append(name)
    records = RunRecords(project.plan).runs
    trained = {p.paper for p in project.plan.planned if p.run.id in records}
    for name in sorted(made.keys() - kept.keys() - pictures):
        if "/" not in name or name.split("/")[0] in trained:
            faults.append(f"{there / name}: is not there, and the records give it")
    return Comparison(tuple(same), tuple(vouched), tuple(faults))


def _files(project: Project, folder: Path) -> dict[str, Path]:
    """{place: file} of what is made of records, and records of papers that are not planned."""
    records = {f"{paper}/{NAME}" for paper in RunRecords(project.plan).files}
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    left_out = {*NOT_KEPT, *GIVEN, BY_HAND, seeds_file("").name}
    return {
        place: path
        for place, path in found.items()
        if place not in (left_out | records) and not place.startswith((f"{FOLDER}/", "decide/", "texts/"))
    }


def _receipts(folder: Path) -> dict[str, str]:
    """{place: digest} of all that the receipts of results/<scale> name as made."""
    every = [read_if_sealed(path) or {} for path in sorted((folder / FOLDER).glob("*.json"))]
    return {place: found for receipt in every for place, found in receipt.get("outputs", {}).items()}


def _expected(project: Project, there: Path) -> tuple[set[str], set[str]]:
    """What the steps of the plan make, and what of it shows images and may be missing therefore."""
    record, datasets = project.record, project.params.datasets
    jobs = [*rendering(record, there / PLAN).values()]
    jobs += [
        describing(name, Path("data", spec.variant, name, "pack.json"), there) for name, spec in datasets.items()
    ]
    pictures = {
        f"{place.split('/')[0]}/{name}{suffix}"
        for place, study in record.studies.items()
        for name, kind in study.figures.items()
        if shows_images(kind)
        for suffix in FIGURE
    }
    shown = {place for job in jobs if job.step == "describe" for place in map(job.place, job.outputs)}
    return {job.place(path) for job in jobs for path in job.outputs}, pictures | shown


def _difference(kept: Path, made: Path) -> str | None:
    """Where two files differ, in words; None where they do not."""
    if kept.read_bytes() == made.read_bytes():
        return None
    if kept.suffix not in TEXT:
        return "is another than the records give"
    ours, theirs = (path.read_text(encoding="utf-8", errors="replace").splitlines() for path in (kept, made))
    for n, (a, b) in enumerate(zip(ours, theirs, strict=False), start=1):
        if a != b:
            return f"line {n}: {_part(a, b)!r}, where the records give {_part(b, a)!r}"
    return f"has {len(ours)} lines, where the records give {len(theirs)}"


def _part(line: str, other: str) -> str:
    """What of ``line`` is another than in ``other``: whole words, and no more than fits."""
    words, others = re.findall(r"\S+\s*", line), re.findall(r"\S+\s*", other)
    before = sum(1 for _ in takewhile(_alike, zip(words, others, strict=False)))
    after = sum(1 for _ in takewhile(_alike, zip(words[before:][::-1], others[before:][::-1], strict=False)))
    found = "".join(words[before : len(words) - after]).strip()
    return found if len(found) <= 60 else f"{found[:59]}…"


def _alike(pair: tuple[str, str]) -> bool:
    return pair[0] == pair[1]
