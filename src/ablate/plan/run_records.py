"""What finished runs left, without their weights, in one file per paper that Git keeps.

results/<scale>/<paper>/records.xz is two streams of xz. The first is JSON: each run's manifest and metrics, and where
its other files are; it is all that a plan needs. The second has the parts of those files (`run_codec`), equal
ones once. A run comes back with the bytes that training wrote, which its manifest vouches for, so whoever reads run
folders needs to know nothing of records.
"""

import hashlib
import json
import lzma
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from ablate.errors import UserError
from ablate.files import atomic_write
from ablate.plan.keys import FILES
from ablate.plan.run_codec import put_together, take_apart
from ablate.plan.runs import PRETRAINED, RUNS, Plan
from ablate.runtime.run_lock import RunLock
from ablate.seals import SEAL, manifest_of, of_run, seal_of, sealed
from ablate.stored import Metrics, Number, Stored, read, shaped

NAME = "records.xz"
FORMAT = 1  # another number where the form of the file changes
TOLD = ("manifest.json", "metrics.json")  # as text in the first stream
OTHERS = tuple(name for name in FILES if name not in TOLD)
FOLDERS = {RUNS.name: RUNS, PRETRAINED.name: PRETRAINED}
Contents = dict[str, bytes]  # of a run's folder: {file: what is in it}


class Entry(Stored):
    """A run in the first stream: bytes of the two files that are text there, as Latin-1, and parts of the others."""

    folder: Literal["runs", "pretrained"]
    manifest: str
    metrics: str
    files: dict[str, tuple[str, list[Number]]]  # name: form, and numbers of its parts

    @property
    def told(self) -> tuple[bytes, bytes]:
        """What is in manifest.json and metrics.json."""
        return self.manifest.encode("latin-1"), self.metrics.encode("latin-1")


class Head(Stored):
    """The first stream."""

    format: int
    scale: str
    paper: str
    runs: dict[str, Entry]
    parts: list[Number]  # bytes of each, in the order of the second stream


@dataclass(frozen=True)
class Kept:
    """A run as the first stream of ``file`` tells it."""

    file: Path
    folder: Path  # RUNS or PRETRAINED
    manifest: bytes
    metrics: bytes

    @property
    def told(self) -> dict[str, Any]:
        """What its manifest says; nothing where that is damaged."""
        return _object(self.manifest)

    @property
    def key(self) -> Any:
        """The key of what it was made of, as its manifest has it."""
        return self.told.get("key")

    @property
    def ended(self) -> Metrics:
        """How it ended.

        Raises:
            UserError: If the metrics do not say.
        """
        return shaped(_object(self.metrics), Metrics, self.file)


class RunRecords:
    """The records of a plan's scale; they are read when a run is looked for whose folder is not there."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        papers = dict.fromkeys(p.paper for p in plan.planned)
        self.files = {paper: Path("results", plan.scale, paper, NAME) for paper in papers}

    @cached_property
    def runs(self) -> dict[str, Kept]:
        """{run: what its record tells}.

        Raises:
            UserError: For a file that is damaged, changed, or another scale's.
        """
        found: dict[str, Kept] = {}
        for paper, file in self.files.items():
            if file.exists():
                found |= kept_in(file, self.plan.scale, paper)
        return found

    def state(self, run: str) -> str:
        """``planned``, how the run ended (``done`` or ``diverged``), or ``damaged`` where its metrics do not say."""
        path = RUNS / run / "metrics.json"
        try:
            if os.path.lexists(path):
                return read(path, Metrics).status
            return self.runs[run].ended.status if run in self.runs else "planned"
        except UserError:
            return "damaged"

    def only_here(self) -> list[str]:
        """The runs of the plan, pretraining included, that have a record and no folder, and that nobody trains."""
        places = [(run, RUNS) for run in self.plan.runs] + [(run, PRETRAINED) for run in self.plan.pretraining]
        gone = [run for run, folder in places if not all((folder / run / name).exists() for name in TOLD)]
        return [run for run in gone if run in self.runs and not RunLock(run).held]

    def restore(self) -> list[str]:
        """Write the folders of the runs that are `only_here`; returns these.

        Raises:
            UserError: For a record that is not as training wrote it; nothing of that run is written.
        """
        wanted = self.only_here()
        for paper, file in self.files.items():
            mine = [run for run in wanted if self.runs[run].file == file]
            contents = read_records(file, self.plan.scale, paper) if mine else {}
            for run in mine:
                for name in (*OTHERS, *TOLD):  # metrics last: their presence says that the run is whole
                    with atomic_write(self.runs[run].folder / run / name) as part:
                        part.write_bytes(contents[run][1][name])
        return wanted

    def pack(self) -> dict[str, dict[str, int]]:
        """Add the planned runs that have a folder to their papers' files, and those whose weights they start from.

        Returns {paper: how many ``runs`` its file has, and how many of them were ``added`` or ``changed``}. A file in
        which nothing changes is not written; nothing is, if a run is damaged.

        Raises:
            UserError: For a run that is not as training wrote it, and for a file of records that cannot be added to.
        """
        before, after = {}, {}
        for paper, file in self.files.items():
            mine = {p.run.id: p.run for p in self.plan.planned if p.paper == paper}
            places = dict.fromkeys(RUNS / run for run in mine)
            places |= dict.fromkeys(run.start_folder / run.start for run in mine.values() if run.start)
            before[paper] = read_records(file, self.plan.scale, paper) if file.exists() else {}
            found = {place.name: (place.parent, _of_folder(place)) for place in places if _ended(place)}
            after[paper] = before[paper] | found
        for paper, runs in after.items():
            if runs != before[paper]:
                _write(self.files[paper], self.plan.scale, paper, runs)
        return {
            paper: {
                "runs": len(runs),
                "added": len(runs.keys() - before[paper].keys()),
                "changed": sum(runs[run] != there for run, there in before[paper].items()),
            }
            for paper, runs in after.items()
            if runs
        }


def kept_in(file: Path, scale: str, paper: str) -> dict[str, Kept]:
    """{run: what its record in ``file`` tells}, planned or not.

    Raises:
        UserError: For a file that is damaged, changed, or another scale's.
    """
    head, _ = _streams(file, scale, paper)
    return {run: Kept(file, FOLDERS[entry.folder], *entry.told) for run, entry in head.runs.items()}


def _ended(folder: Path) -> bool:
    return any((folder / name).exists() for name in TOLD)


def _of_folder(folder: Path) -> Contents:
    """A run's files, with the bytes that training wrote."""
    manifest_of(folder, folder.name)
    return {name: (folder / name if name == TOLD[0] else of_run(folder, name)).read_bytes() for name in FILES}


def read_records(file: Path, scale: str, paper: str) -> dict[str, tuple[Path, Contents]]:
    """{run: RUNS or PRETRAINED, and its files} as they are in ``file``, each compared with its run's manifest.

    Raises:
        UserError: If anything in it is not as it was written, or it is of another scale or paper.
    """
    head, body = _streams(file, scale, paper)
    found: dict[str, tuple[Path, Contents]] = {}
    try:
        whole, parts, at = _unpacked(body)[0], [], 0
        for size in head.parts:
            parts.append(whole[at : at + size])
            at += size
        for run, entry in head.runs.items():
            contents = dict(zip(TOLD, entry.told, strict=True))
            for name, (form, numbers) in entry.files.items():
                contents[name] = put_together(form, [parts[i] for i in numbers])
            found[run] = FOLDERS[entry.folder], contents
    except (ValueError, LookupError) as error:
        raise _refused(file, f"damaged ({error})") from None
    for run, (_, contents) in found.items():
        if fault := _fault(run, contents):
            raise _refused(file, f"the run {run} in it is not as training wrote it ({fault})")
    return found


def _fault(run: str, contents: Contents) -> str | None:
    """Which file of a run is not as its manifest says."""
    if contents.keys() != set(FILES):
        return "files are missing"
    manifest = _object(contents["manifest.json"])
    if manifest.get(SEAL) != seal_of(manifest) or (manifest.get("key") or {}).get("run") != run:
        return "manifest.json"
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    return next((name for name in FILES[:-1] if digests[name] != (manifest.get("files") or {}).get(name)), None)


def _object(text: bytes) -> dict[str, Any]:
    """What JSON holds; nothing where that is no object."""
    with suppress(ValueError, RecursionError):
        found = json.loads(text)
        return found if isinstance(found, dict) else {}
    return {}


def _write(file: Path, scale: str, paper: str, runs: Mapping[str, tuple[Path, Contents]]) -> None:
    """Write a file of records: the same bytes for the same runs."""
    apart = {run: {name: take_apart(name, contents[name]) for name in OTHERS} for run, (_, contents) in runs.items()}
    most = max(len(parts) for files in apart.values() for _, parts in files.values())
    numbers: dict[bytes, int] = {}  # alike beside alike: kind by kind, part by part, run by run
    for name in OTHERS:
        for i in range(most):
            for run in sorted(runs):
                for part in apart[run][name][1][i : i + 1]:
                    numbers.setdefault(part, len(numbers))
    entries = {
        run: Entry(
            folder="runs" if runs[run][0] == RUNS else "pretrained",
            files={name: (form, [numbers[part] for part in parts]) for name, (form, parts) in apart[run].items()},
            **{name.removesuffix(".json"): runs[run][1][name].decode("latin-1") for name in TOLD},
        )
        for run in sorted(runs)
    }
    facts = Head(format=FORMAT, scale=scale, paper=paper, runs=entries, parts=list(map(len, numbers)))
    head = json.dumps(sealed(facts.model_dump()), sort_keys=True).encode()
    with atomic_write(file) as whole:
        whole.write_bytes(_packed(head) + _packed(b"".join(numbers)))


def _streams(file: Path, scale: str, paper: str) -> tuple[Head, bytes]:
    """The first stream's content, and the second stream as it is."""
    try:
        text, body = _unpacked(file.read_bytes())
        found = json.loads(text)
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror or error}); mend that, or its folder") from None
    except (ValueError, RecursionError) as error:
        raise _refused(file, f"damaged ({error})") from None
    if not isinstance(found, dict) or found.get(SEAL) != seal_of(found):
        raise _refused(file, "was changed since it was written")
    if found.get("format") != FORMAT:
        raise UserError(f"{file}: is in the form {found.get('format')} of another version; this one reads {FORMAT}")
    try:
        head = Head.model_validate_json(text)
    except ValidationError:
        raise _refused(file, "damaged (its runs are not as this version writes them)") from None
    if (head.scale, head.paper) != (scale, paper):
        there = Path("results", head.scale, head.paper, NAME)
        raise UserError(f"{file}: is of {head.paper} at the scale {head.scale}; move it to {there}")
    return head, body


def _refused(file: Path, why: str) -> UserError:
    return UserError(f"{file}: {why}; take it from Git again, or delete it and say `ablate records pack`")


def _packed(content: bytes) -> bytes:
    return lzma.compress(content, preset=6 | lzma.PRESET_EXTREME)


def _unpacked(content: bytes) -> tuple[bytes, bytes]:
    """What the first stream of ``content`` holds, and what comes behind it.

    Raises:
        ValueError: If it is damaged or cut short.
    """
    stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    try:
        found = stream.decompress(content)
    except (lzma.LZMAError, EOFError) as error:
        raise ValueError(str(error)) from None
    if not stream.eof:
        raise ValueError("it is cut short")
    return found, stream.unused_data
