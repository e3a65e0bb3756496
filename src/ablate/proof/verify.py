"""Whether committed results are what their records give: what `ablate verify` checks, and what it found."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ablate.errors import UserError
from ablate.files import read_json
from ablate.plan.keys import content_digest
from ablate.plan.params import read_params
from ablate.plan.project import Project
from ablate.plan.run_records import NAME, RunRecords, read_records
from ablate.plurals import many
from ablate.proof.again import RESULTS, compare, make_again
from ablate.proof.retrain import train_again


@dataclass(frozen=True)
class Check:
    """One of the checks of a scale."""

    scale: str
    what: str  # records, data, tables, claims or training
    said: str
    faults: tuple[str, ...] = ()  # a sentence for each
    open: tuple[str, ...] = ()  # what could not be checked, and why

    @property
    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def scales_with_records(params: Path) -> list[str]:
    """The scales of ``params`` of which there are records."""
    named = read_params(params).get("scales") or {}
    return [scale for scale in named if any((RESULTS / scale).glob(f"*/{NAME}"))]


def verify(project: Project, *, train: bool = True, draw: random.Random | None = None) -> Iterator[Check]:
    """Check what is committed of a scale, in the working directory; ``draw`` chooses the runs to train again.

    Records that are damaged end it: nothing can be made of them.
    """
    scale, here = project.params.scale, RESULTS / project.params.scale
    whole = _records(project)
    yield whole
    if whole.faults:
        return
    yield _data(project)
    with TemporaryDirectory(prefix="ablate-verify-") as folder:
        try:
            again = make_again(project, Path(folder))
        except UserError as error:
            yield Check(scale, "tables", "nothing could be made of the records", (str(error),))
            return
        yield from _rendered(project, here, again)
        if train:
            yield _training(project, Path(folder), draw or random.SystemRandom())


def _records(project: Project) -> Check:
    """Each file of records is whole, and each run in it as its manifest says."""
    scale, faults, n = project.params.scale, [], 0
    records = RunRecords(project.plan)
    there = {paper: file for paper, file in records.files.items() if file.exists()}
    for paper, file in there.items():
        try:
            n += len(read_records(file, scale, paper))
        except UserError as error:
            faults.append(str(error))
    said = f"{many(n, 'run')} of {many(len(there), 'paper')}, each as its manifest says"
    if not faults:
        commits = {str((kept.told.get("git") or {}).get("commit"))[:7] for kept in records.runs.values()}
        said += f"; made at {', '.join(sorted(commits))}"
    return Check(scale, "records", said, tuple(faults))


def _data(project: Project) -> Check:
    """All runs of a data set had the same data: those that were described, from an archive that params.yaml knows."""
    every = project.plan.runs | project.plan.pretraining
    mine = {
        id: kept
        for id, kept in RunRecords(project.plan).runs.items()
        if id in every and every[id].settings.dataset  # of an own trainer's data nothing more is known than its key
    }
    of = {id: every[id].settings.dataset for id in mine}
    said = {id: _faults(kept.told, project, of[id]) for id, kept in mine.items()}
    faults = [f"{mine[id].file}: {id}: {fault}" for id, found in said.items() for fault in found]
    for name in dict.fromkeys(of.values()):
        file = RESULTS / project.params.scale / "data" / f"{name}.json"
        if not file.exists():
            continue
        try:
            described: str | None = content_digest(read_json(file))
        except (UserError, LookupError, TypeError):
            described = None
        if unlike := [id for id, kept in mine.items() if of[id] == name and kept.key.get("data") != described]:
            faults.append(f"{file}: describes other data than {many(len(unlike), 'run')} had, as {unlike[0]}")
    names = ", ".join(dict.fromkeys(of.values())) or "none"
    return Check(project.params.scale, "data", f"{names}: as the runs' manifests say", tuple(faults))


def _faults(manifest: Mapping[str, Any], project: Project, dataset: str) -> list[str]:
    """What a manifest says of its data that does not go together."""
    data, faults = manifest.get("data") or {}, []
    if data.get("pack") != (manifest.get("key") or {}).get("data"):
        faults.append("its data have two digests in its manifest")
    archive = data.get("archive") or {}
    pin = project.params.datasets[dataset].digests.get(str(archive.get("digest")))
    if pin and pin.sha256 not in (None, archive.get("sha256")):
        faults.append(f"its archive, {archive.get('digest')}, has another digest in params.yaml")
    return faults


def _rendered(project: Project, here: Path, again: Path) -> Iterator[Check]:
    found, scale = compare(project, here, again), project.params.scale
    said = f"{many(len(found.same), 'file')} made again from the records, with the same bytes"
    left = f"{many(len(found.vouched), 'file')} of the data and its images: as their receipts say, not made again"
    yield Check(scale, "tables", said, found.faults, (left,) if found.vouched else ())
    kept, made = (_findings(folder / "claims.json") for folder in (here, again))
    faults = [
        f"{here}/claims.json: {claim}: {kept.get(claim)!r}, where the records give {made.get(claim)!r}"
        for claim in dict.fromkeys([*kept, *made])
        if kept.get(claim) != made.get(claim)
    ]
    yield Check(scale, "claims", f"{many(len(made), 'claim')}, with the findings that are committed", tuple(faults))


def _findings(file: Path) -> dict[str, str]:
    """{paper/claim: finding and verdict}; nothing where the file does not say."""
    try:
        return {f"{c['paper']}/{c['id']}": f"{c['finding']}, {c['verdict']}" for c in read_json(file)["claims"]}
    except (UserError, LookupError, TypeError):
        return {}


def _training(project: Project, into: Path, draw: random.Random) -> Check:
    papers = [paper for paper, file in RunRecords(project.plan).files.items() if file.exists()]
    every = [train_again(project, paper, into, draw) for paper in papers]
    good = [f"{t.paper}: {t.said}" for t in every if t.word in ("same bytes", "within its arm")]
    wrong = [f"{t.paper}: {t.said}" for t in every if t.word == "wrong"]
    left = [f"{t.paper}: not trained again: {t.said}" for t in every if t.word == "not checked"]
    said = "; ".join(good) or "no run was trained again"
    return Check(project.params.scale, "training", said, tuple(wrong), tuple(left))
