"""What each rendered step was made of and made, by content: a receipt for each, in ``.receipts`` of results/<scale>.

A receipt has the digests of the step's inputs, code and outputs. Why a step would run again follows from it and from
no file's time; and what a step reads is compared with the receipt of the step that made it.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ablate.errors import UserError, choose
from ablate.files import write_json
from ablate.own_code import is_own, parted
from ablate.plan.code import code_digest, with_own
from ablate.plan.drawn import digest_of_said, own_behaviours
from ablate.plan.keys import NEW
from ablate.plan.kinds import OF_CLASSES, shows_images
from ablate.plan.record import AGAIN, PlannedRun, PlanRecord, read_plan
from ablate.plan.runs import RUNS
from ablate.plan.studies import DRAWN
from ablate.seals import read_if_sealed, read_sealed, sealed, sha256_of

FOLDER = ".receipts"
PLAN = "plan.json"
FROZEN = "frozen.json"  # the analysis as `ablate freeze` wrote it, where it did
CONTROLS = "controls"  # under `studies` in params.yaml: runs whose outcome is known beforehand
FROZEN_AGAIN = "restore it from Git, or delete it and say `ablate freeze`"
COLLECTED = ("runs.csv", "history.csv", "metrics.json", "provenance.json")
TABLE = (".csv", ".md", ".tex", ".runs.json", ".caption.json")
FIGURE = (".svg", ".png", ".pdf", ".md", ".tex", ".caption.json")
DESCRIBED = (".json", "-samples.jpg", "-duplicates.jpg", "-duplicates.csv")


@dataclass(frozen=True)
class Job:
    """A rendered step: the files that it reads, and those that it makes."""

    name: str
    step: str  # of `code.STEPS`
    folder: Path  # results/<scale>
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    asked: str = ""  # stands for what it takes from the plan, where that is an input
    kinds: tuple[str, ...] = ()  # of the tables or figures that it makes

    @property
    def code(self) -> str:
        """Stands for the code that it runs."""
        built_in = tuple(kind for kind in self.kinds if not is_own(kind))
        return with_own(code_digest(self.step, None, built_in), self.kinds)

    @property
    def receipt(self) -> Path:
        """Where the step says what it was made of."""
        return self.folder / FOLDER / f"{self.name}.json"

    def place(self, path: Path) -> str:
        """The path in a receipt: from its folder, so that both can be moved."""
        return Path(os.path.relpath(path, self.folder)).as_posix()

    def digest_of(self, path: Path) -> str | None:
        """What stands for an input in a receipt; None where there is no such file.

        Its bytes; of the plan what the step takes from it, of a paper's file what it says, since the plan has what is
        drawn.
        """
        if path.name == PLAN:
            return self.asked
        return digest_of_said(path) if path.suffix == ".yaml" else sha256_of(path)

    @contextmanager
    def making(self, only: Collection[Path] | None = None) -> Iterator[None]:
        """Check what the step reads; after the block, write down what was made of what.

        One that is not there is for the block. Where that makes ``only`` some of the outputs, an earlier receipt goes
        on to speak for the others, if it is of the same code and inputs; else they have none.

        Raises:
            UserError: For an input that is not as the step before left it.
        """
        check(self.folder, self.inputs)
        before = read_if_sealed(self.receipt) or {}
        self.receipt.unlink(missing_ok=True)
        read = {self.place(path): self.digest_of(path) for path in self.inputs}
        yield
        outputs = self.outputs if only is None else only
        made = {self.place(path): found for path in outputs if (found := sha256_of(path))}
        if only is not None and (before.get("code"), before.get("inputs")) == (self.code, read):
            others = before["outputs"].keys() - {self.place(path) for path in only}
            made |= {place: before["outputs"][place] for place in others}
        write_json(self.receipt, sealed({"code": self.code, "inputs": read, "outputs": made}))


def check(folder: Path, paths: Collection[Path]) -> None:
    """Refuse one of ``paths`` below results/<scale>, ``folder``, that is not as its step left it.

    The plan and what is frozen carry their own digest. What lies elsewhere is checked by whoever reads it.
    """
    known = _recorded(folder)
    for path in paths:
        if path.name == PLAN:
            read_plan(path)
        elif path.name == FROZEN:
            read_sealed(path, FROZEN_AGAIN)
        elif not (place := Path(os.path.relpath(path, folder)).as_posix()).startswith("../") and path.exists():
            if known.get(place) is None:
                raise UserError(f"{path}: has no receipt of the step that made it; {AGAIN}")
            if known[place] != sha256_of(path):
                raise UserError(f"{path}: was changed since it was made; {AGAIN}")


def _recorded(folder: Path) -> dict[str, str]:
    """{place: digest} of all that the receipts name as made."""
    receipts = [read_if_sealed(path) or {} for path in sorted((folder / FOLDER).glob("*.json"))]
    return {place: found for receipt in receipts for place, found in receipt.get("outputs", {}).items()}


def describing(name: str, pack: Path, folder: Path) -> Job:
    """The step that describes a data set; ``pack`` is its pack.json, ``folder`` results/<scale>."""
    read = ("pack.json", "verify.json", "index.csv", "duplicates.csv")
    made = tuple(folder / "data" / f"{name}{suffix}" for suffix in DESCRIBED)
    return Job(f"describe_{name}", "describe", folder, tuple(pack.with_name(file) for file in read), made)


def rendering(
    record: PlanRecord,
    plan: Path,
    papers: Path = Path("papers"),
    runs: Path = RUNS,
    packs: Mapping[str, Path] | None = None,
    folder: Path | None = None,
) -> dict[str, Job]:
    """The rendered steps of the plan ``record``, which the file ``plan`` holds, in an order that works.

    ``packs`` are {data set: its pack.json}, ``folder`` is results/<scale>, by default that of ``plan``.
    """
    folder = folder or plan.parent
    names = record.papers
    collected = {name: [folder / name / file for file in COLLECTED] for name in names}
    files = {name: [file for file in (papers / f"{name}.yaml",) if file.exists()] for name in names}
    jobs: dict[str, Job] = {}

    def add(
        name: str,
        step: str,
        inputs: Collection[Path],
        outputs: Collection[Path],
        *drawn: str,
        kinds: Collection[str] = (),
    ) -> None:
        """``drawn`` are the keys of studies that it draws: of the paper in its name, or else of all."""
        asked = record.digest_for(drawn, [paper for paper in names if name == f"{step}_{paper}"] or names)
        jobs[name] = Job(name, step, folder, (plan, *inputs), tuple(outputs), asked, tuple(sorted(kinds)))

    shown: list[Path] = []  # in the report
    for name in names:
        planned, studies = record.of(name), record.studies_of(name).values()
        used = _datasets(planned)
        add(f"collect_{name}", "collect", _manifests(planned, runs), collected[name])
        tables = {k: v for study in studies for k, v in study.tables.items()}
        figures = {k: v for study in studies for k, v in study.figures.items()}
        described = [folder / "data" / f"{each}.json" for each in used]
        made = [folder / name / f"{table}{suffix}" for table in tables for suffix in TABLE]
        add(
            f"tables_{name}",
            "tables",
            [*collected[name], *files[name], *(described if OF_CLASSES & _kinds(tables) else [])],
            made,
            "title",
            "tables",
            "show",
            kinds=_kinds(tables),
        )
        pictures = (
            [packs[each] for each in used if packs and each in packs]
            if any(map(shows_images, figures.values()))
            else []
        )
        made = [folder / name / f"{figure}{suffix}" for figure in figures for suffix in FIGURE]
        read = [*collected[name], *files[name], *pictures, *(described if OF_CLASSES & _kinds(figures) else [])]
        add(f"figures_{name}", "figures", read, made, "title", "figures", "show", kinds=_kinds(figures))
        made = [folder / name / f"comparison{suffix}" for suffix in TABLE]
        add(f"compare_{name}", "compare", [*collected[name], *files[name]], made, "show")
        shown += [folder / name / f"{table}{suffix}" for table in (*tables, "comparison") for suffix in TABLE]
        shown += collected[name]
        shown += [folder / name / f"{figure}{suffix}" for figure in figures for suffix in FIGURE]
    every = [path for name in names for path in (*collected[name], *files[name])]
    add("comparison", "compare", every, [folder / f"comparison{suffix}" for suffix in TABLE], "show")
    claims = [folder / f"claims{suffix}" for suffix in (".json", *TABLE)]
    boards = [folder / "board", *(folder / name / "board" for name in names if name != CONTROLS)]
    claims += [board.with_suffix(suffix) for board in boards for suffix in FIGURE]
    claims.append(folder / "findings.md")
    analysis = [path for path in (folder / FROZEN,) if path.exists()]
    claims += [folder / f"{name}{suffix}" for name in ("evidence", "models") for suffix in TABLE]
    own = {name for paths in files.values() for path in paths for name in own_behaviours(path)}
    add("claims", "claims", [*every, *analysis], claims, "show", kinds=own)
    rows = [folder / name / file for name in names for file in ("runs.csv", "history.csv")]
    rows += [path for name in names for path in files[name]]
    chances = [folder / f"{name}{suffix}" for name in ("power", "needed") for suffix in FIGURE]
    add("power", "power", [*rows, folder / "claims.json"], [folder / "power.csv", *chances], "show", kinds=own)
    curves = [folder / name / file for name in names for file in ("runs.csv", "history.csv")]
    summary = folder.parent / "summary" / f"{folder.name}.json"
    add("summarise", "summarise", curves, [summary, summary.with_suffix(".csv")])
    used = _datasets(record.runs)
    shown += [folder / "data" / f"{each}{suffix}" for each in used for suffix in DESCRIBED[:3]]
    shown += [
        folder / f"{name}{suffix}" for name in ("claims", "evidence", "models", "comparison") for suffix in TABLE
    ]
    shown += [folder / f"{name}" for name in ("claims.json", "power.csv", "power.svg")]
    shown += [path for name in names for path in files[name]]
    shown += [path for name, path in (packs or {}).items() if name in used]
    add("report", "report", shown, [folder / "report.html"], *DRAWN)
    return jobs


def _manifests(planned: list[PlannedRun], runs: Path) -> list[Path]:
    """Of the runs, each once: what says of every file of theirs what is in it."""
    return [runs / run / "manifest.json" for run in dict.fromkeys(entry.run for entry in planned)]


def _datasets(planned: Iterable[PlannedRun]) -> list[str]:
    """Those that runs use; of an own trainer's, data are its own affair."""
    return sorted({entry.settings.dataset for entry in planned} - {""})


def _kinds(made: Mapping[str, str]) -> set[str]:
    """The kinds, and the user's own code among their arguments."""
    words = [parted(kind) for kind in made.values()]
    return {word for word, _ in words} | {
        name for _, argument in words for name in argument.split("+") if is_own(name)
    }


def job_of(jobs: Mapping[str, Job], step: str, paper: str) -> Job:
    """The job of ``step`` for one paper.

    Raises:
        UserError: For a paper that is not in the plan.
    """
    if f"{step}_{paper}" not in jobs:
        raise choose("--output", paper, [name.partition("_")[2] for name in jobs if name.startswith(step)], "paper")
    return jobs[f"{step}_{paper}"]


class Rendering:
    """Why rendered steps would run, from their receipts and the content of files."""

    def __init__(
        self,
        jobs: Mapping[str, Job],
        later: Callable[[Path], bool] | None = None,
        known: Mapping[Path, str] | None = None,
    ) -> None:
        """``later`` says of an input that is not rendered whether it may be made again first.

        ``known`` are digests that inputs will have, whatever is there now.
        """
        self.jobs, self.known = jobs, known or {}
        self._later = later or (lambda path: False)
        self._makers = {path: job.name for job in jobs.values() for path in job.outputs}
        self._reasons: dict[str, str | None] = {}
        self._opens: dict[str, bool] = {}

    def reason(self, name: str) -> str | None:
        """Why the step would run; None: what is there is good as far as what it is made of is.

        ``new`` (nothing is there), ``no receipt``, ``code changed``, ``files missing``, ``files changed`` (other
        bytes than it left) or ``inputs changed``.
        """
        if name not in self._reasons:
            self._reasons[name] = self._reason(self.jobs[name])
        return self._reasons[name]

    def open(self, name: str) -> bool:
        """Whether something that the step is made of may be made again before it."""
        if name not in self._opens:
            self._opens[name] = any(map(self._open, self.jobs[name].inputs))
        return self._opens[name]

    def _open(self, path: Path) -> bool:
        maker = self._makers.get(path)
        return bool(self.reason(maker)) or self.open(maker) if maker else self._later(path)

    def _reason(self, job: Job) -> str | None:
        if not any(path.exists() for path in job.outputs):
            return NEW
        receipt = read_if_sealed(job.receipt)
        if receipt is None:
            return "no receipt"
        if receipt["code"] != job.code:
            return "code changed"
        found = {job.place(path): sha256_of(path) for path in job.outputs}
        if None in found.values() or found.keys() != receipt["outputs"].keys():
            return "files missing"
        if found != receipt["outputs"]:
            return "files changed"
        if {job.place(path) for path in job.inputs} != receipt["inputs"].keys():
            return "inputs changed"
        for path in job.inputs:
            maker, now = self._makers.get(path), self.known.get(path) or job.digest_of(path)
            # What is made again first is another then; where nothing of it is there, this step makes it wanted.
            waits = self.reason(maker) not in (None, NEW) if maker else self._later(path) and now is None
            if not waits and now != receipt["inputs"][job.place(path)]:
                return "inputs changed"
        return None
