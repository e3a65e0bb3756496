"""What a call of Snakemake has made and what is found now: the screen at its end, which `ablate outputs` shows again.

`.ablate/last/<scale>.json` keeps what the last call made that came to its end, and the word on each claim before and
after it. So a call that goes on where another was killed tells what has changed since there was a screen, and not
since the kill.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.errors import UserError
from ablate.files import read_json, stamp, write_json
from ablate.inert import say
from ablate.papers.words import GENERATED, PLANNED
from ablate.plan.receipts import check
from ablate.plan.runs import PRETRAINED, RUNS
from ablate.plurals import many
from ablate.runtime.progress import open_streams
from ablate.stored import Assessment, Stored, shaped
from ablate.workflow.pipeline import Pipeline

LAST = Path(".ablate/last")
MOST = 10  # changed verdicts that are named
Words = dict[str, str]  # <paper>/<claim>: what was found


class Made(Stored):
    """What one call has made."""

    trained: int
    weights: int  # trained to start from
    restored: int
    reused: int
    tables: int
    of_tables: int  # that there are
    figures: int
    of_figures: int


class Note(Stored):
    """A file below `LAST`."""

    made: Made | None = None  # None: nothing that this file knows of
    before: Words | None = None
    words: Words


@dataclass(frozen=True)
class Call:
    """A call of Snakemake: what there was at its start."""

    pipeline: Pipeline
    restored: list[str]  # runs
    before: dict[Path, tuple[int, int, int] | None]  # every file that it may make, as `stamp` says it was

    def end(self) -> list[str]:
        """Note what was made since; the screen."""
        plan, folder = self.pipeline.project.plan, self.pipeline.results
        changed = {file for file, there in self.before.items() if stamp(file) != there}
        trained = {file.parent.name for file in changed if file.parent.parent == RUNS}
        restored = {run for run in self.restored if run in plan.runs} - trained
        made = Made(
            trained=len(trained),
            weights=sum(file.parent.parent == PRETRAINED for file in changed),
            restored=len(restored),
            reused=len(plan.runs) - len(trained) - len(restored),
            tables=_count(".runs.json", changed),
            of_tables=_count(".runs.json", self.before),
            figures=_count(".svg", changed),
            of_figures=_count(".svg", self.before),
        )
        last, words = _note(plan.scale), _words(folder)
        _write(plan.scale, Note(made=made, before=last.words if last else None, words=words))
        return screen(plan.scale)


def begin(pipeline: Pipeline) -> Call:
    """Put back the runs of which only the record is there, and look at what there is.

    Raises:
        UserError: As `Pipeline.restore` does.
    """
    restored, plan = pipeline.restore(), pipeline.project.plan
    if _note(plan.scale) is None:
        with suppress(UserError):  # none there, or none that can be read
            _write(plan.scale, Note(words=_words(pipeline.results)))
    files = [RUNS / run / "manifest.json" for run in plan.runs]
    files += [PRETRAINED / run / "manifest.json" for run in plan.pretraining]
    files += [file for job in pipeline.rendering.jobs.values() for file in job.outputs]
    return Call(pipeline, restored, {file: stamp(file) for file in files})


def show_outcome(lines: Callable[[], list[str]]) -> None:
    """Print ``lines``; what keeps that from being done makes no call fail that has come to its end."""
    open_streams()
    try:
        for line in lines():
            say(line)
    except UserError as error:
        say(f"ablate: no summary: {error}", file=sys.stderr)
    except OSError:
        pass  # nobody reads it


def screen(scale: str) -> list[str]:
    """What the last call has made and what is found now, as lines.

    Raises:
        UserError: For a claims.json that is not as the rule `claims` left it.
    """
    folder, note = Path("results", scale), _note(scale)
    lines = [f"scale {scale}", *(_made(note.made) if note and note.made else [])]
    if (folder / "claims.json").exists():
        check(folder, [folder / "claims.json"])
        found = _claims(folder)
        lines += [*_controls(found["controls"]), *_papers(found["claims"]), *_changes(note, _words(folder))]
    report = folder / "report.html"
    if not report.exists():
        return [*lines, f"{report}: not there yet; snakemake --cores 8 all"]
    return [*lines, f"report: {report}", f"  {report.resolve().as_uri()}"]


def _made(made: Made) -> list[str]:
    runs = [f"{many(made.trained, 'run')} trained", *([f"{made.weights} for start weights"] if made.weights else [])]
    runs += [f"{made.restored} restored from records"] if made.restored else []
    drawn = f"{made.tables} of {many(made.of_tables, 'table')}, {made.figures} of {many(made.of_figures, 'figure')}"
    return [f"made: {', '.join([*runs, f'{made.reused} reused'])}; {drawn}"]


def _controls(controls: list[dict[str, Any]]) -> list[str]:
    if not controls:
        return []
    count = Counter(k["outcome"] for k in controls)
    said = [f"  {k['outcome']}: {k['dataset']}, {k['control']}, seed {k['seed']}: {k['said']}" for k in controls]
    return [
        f"controls: {_counted(count)}",
        *(line for line, k in zip(said, controls, strict=True) if k["outcome"] == "failed"),
    ]


def _papers(claims: list[dict[str, Any]]) -> list[str]:
    lines = []
    for paper in dict.fromkeys(c["paper"] for c in claims):
        mine = [c for c in claims if c["paper"] == paper]
        lines.append(f"{paper}: {_counted(Counter(c['verdict'] for c in mine))}")
        for c in mine:
            if c.get("headline"):
                finding = [] if c["finding"] == c["verdict"] else [c["finding"]]
                said = "; ".join([*finding, *_protocol(c["protocol"])])
                lines.append(f"  {c['statement']}: {c['verdict']} ({said})")
    return lines


def _protocol(protocol: str) -> list[str]:
    """In words; nothing of networks alone."""
    return [protocol if protocol in (GENERATED, PLANNED) else f"{protocol} protocol"] if protocol else []


def _changes(note: Note | None, now: Words) -> list[str]:
    """Against the words before the last call, or where something else has judged since, those after it."""
    before = None if note is None else note.before if now == note.words else note.words
    if before is None:
        return []
    changed = [
        f"  {claim}: {word}, was {before.get(claim, 'not there')}"
        for claim, word in now.items()
        if before.get(claim) != word
    ]
    more = [f"  and {len(changed) - MOST} more"] if len(changed) > MOST else []
    return [f"verdicts that changed: {len(changed) or 'none'}", *changed[:MOST], *more]


def _counted(count: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {word}" for word, n in count.items())


def _claims(folder: Path) -> dict[str, Any]:
    found = read_json(folder / "claims.json")
    shaped(found, Assessment, folder / "claims.json")
    return dict(found)


def _words(folder: Path) -> Words:
    return {f"{c['paper']}/{c.get('id')}": c["verdict"] for c in _claims(folder)["claims"]}


def _note(scale: str) -> Note | None:
    """None where there is none, or none that can be read."""
    with suppress(UserError):
        file = LAST / f"{scale}.json"
        return shaped(read_json(file), Note, file)
    return None


def _write(scale: str, note: Note) -> None:
    write_json(LAST / f"{scale}.json", note.model_dump(mode="json"))


def _count(suffix: str, files: Iterable[Path]) -> int:
    return sum(file.name.endswith(suffix) for file in files)
