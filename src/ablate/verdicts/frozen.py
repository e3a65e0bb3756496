"""Preregistration: the analysis as it was frozen, before runs or after some, and what is another since.

`ablate freeze` writes results/<scale>/frozen.json: claims, headlines, the arms with their settings and seeds, looks,
thresholds of run health and the digest of the code behind the verdicts. `frozen` compares a plan with it.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ablate.csv_text import read_rows
from ablate.errors import UserError
from ablate.files import write_json
from ablate.papers.paper import Paper, read
from ablate.plan.project import Project
from ablate.plan.receipts import FROZEN, FROZEN_AGAIN
from ablate.plan.record import PlanRecord, plan_record
from ablate.plan.run_records import RunRecords
from ablate.plan.runs import make_plan
from ablate.plurals import many
from ablate.runtime.manifest import source
from ablate.seals import read_sealed, seal_of, sealed
from ablate.stored import Number, Stored, shaped
from ablate.verdicts.analysis import Analysis, analysis, differences

MANY = 8  # differences, beyond which a sentence counts them
SHOWN = 12  # characters of a digest


class Commit(Stored):
    """Git's of this package, as `runtime.manifest.source` says it."""

    commit: str | None
    dirty: bool | None
    why: str | None = None  # dirty, or unknown

    def __str__(self) -> str:
        if self.commit is None:
            return "no commit"
        return f"commit {self.commit[:7]}{' with changes' if self.dirty else ''}"


class Freeze(Stored):
    """One freeze."""

    date: str  # of the day, in UTC
    git: Commit
    digest: str  # of the analysis
    ended: Number  # of the planned runs, by then
    planned: Number
    others: Number  # of the scale that had ended, and that are not planned any more
    analysis: Analysis

    @property
    def when(self) -> str:
        """Before or after which runs."""
        after = f"after {self.ended} of {many(self.planned, 'run')}" if self.ended else "before any of its runs"
        others = f", and after {many(self.others, 'other')} of its scale"
        return after + others * bool(self.others)

    @property
    def early(self) -> bool:
        """Whether no result of the scale was known."""
        return not self.ended + self.others


class Frozen(Freeze):
    """frozen.json: the last freeze, and those that it took the place of, the first one first."""

    scale: str
    before: list[Freeze]

    @property
    def said(self) -> str:
        """When, and which."""
        first = f"; first on {self.before[0].date}, {self.before[0].when}" if self.before else ""
        return f"on {self.date} (digest {self.digest[:SHOWN]}, {self.git}), {self.when}{first}"


@dataclass(frozen=True)
class State:
    """What a board says of itself."""

    word: Literal["frozen before its runs", "frozen after runs", "differs", "explored"]
    sentence: str
    differences: tuple[str, ...] = ()  # each in a few words, by name
    digest: str | None = None  # of the analysis that was frozen


def frozen(plan: PlanRecord, papers: Mapping[str, Paper], folder: Path) -> State:
    """Whether the analysis of ``plan`` and ``papers`` is the one that ``folder``, results/<scale>, has frozen.

    Raises:
        UserError: For a frozen.json that is not as it was written, or another scale's.
    """
    if (there := read_frozen(folder, plan.scale)) is None:
        return State("explored", "Explored, not frozen.")
    found = tuple(differences(there.analysis, analysis(plan, papers), plan.looks))
    if found:
        more = [f"and {len(found) - MANY} more"] if len(found) > MANY else []
        said = "; ".join([*found[:MANY], *more])
        return State("differs", f"Differs from what was frozen {there.said}: {said}.", found, there.digest)
    return State(
        "frozen before its runs" if there.early else "frozen after runs", f"Frozen {there.said}.", (), there.digest
    )


def read_frozen(folder: Path, scale: str) -> Frozen | None:
    """What results/<scale>, ``folder``, has frozen; None where nothing is. Errors as of `frozen`."""
    file = folder / FROZEN
    if not file.exists():
        return None
    there = shaped(read_sealed(file, FROZEN_AGAIN), Frozen, file)
    if there.scale != scale:
        raise UserError(f"{file}: is of the scale {there.scale}, not of {scale}; {FROZEN_AGAIN}")
    return there


def write_frozen(project: Project, folder: Path, papers: Path, *, again: bool = False) -> Frozen:
    """Freeze the analysis of ``project`` into ``folder``, results/<scale>; ``papers`` has a file of each paper.

    Raises:
        UserError: If one is frozen there, unless ``again``: then it is kept in the new one.
    """
    scale, file = project.params.scale, folder / FROZEN
    old = read_frozen(folder, scale)
    if old and not again:
        raise UserError(f"{file}: was frozen {old.said}; --again freezes what is planned now, and keeps that in it")
    plan = plan_record(project.params, make_plan(project.params))  # without the seeds that `decide` has added
    now = analysis(plan, {name: read(papers / f"{name}.yaml", plan) for name in plan.papers})
    ended, others = _ended(project, folder)
    before = [*old.before, Freeze.model_validate(old.model_dump(include=set(Freeze.model_fields)))] if old else []
    new = Frozen(
        date=datetime.now(UTC).date().isoformat(),
        git=_commit(),
        digest=seal_of(now.model_dump(mode="json")),
        ended=ended,
        planned=len(project.plan.runs),
        others=others,
        analysis=now,
        scale=scale,
        before=before,
    )
    write_json(file, sealed(new.model_dump(mode="json")))
    return new


def _commit() -> Commit:
    # The patch of a dirty tree is not kept: what is frozen stands in the file itself.
    with tempfile.TemporaryDirectory() as unused:
        return Commit.model_validate(source(Path(unused)))


def _ended(project: Project, folder: Path) -> tuple[int, int]:
    """How many of the planned runs have ended, and how many others of the scale have been seen.

    Runs are there as folders, as records, or in what was collected of them, perhaps on another machine.
    """
    records, plan = RunRecords(project.plan), project.plan
    collected = [row for file in folder.glob("*/runs.csv") for row in read_rows(file, "run", "status")]
    seen = {*records.runs, *(row["run"] for row in collected if row["status"] != "missing")}
    ended = [run for run in plan.runs if run in seen or records.state(run) != "planned"]
    return len(ended), len(seen - plan.runs.keys() - plan.pretraining.keys())
