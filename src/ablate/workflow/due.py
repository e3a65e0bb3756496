"""Why a job of the workflow is due: what is there compared with what is asked for, by keys and never by times."""

import os
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from ablate.errors import UserError
from ablate.files import as_json, digest
from ablate.plan.keys import (
    FILES,
    NEW,
    RECEIPTS,
    UNKNOWN,
    VERIFIED,
    WEIGHTS,
    Key,
    _read,
    content_digest,
    derived_key,
    key_digest,
    run_key,
    source_digest,
    verify_key,
)
from ablate.plan.params import Dataset, Fingerprint, Params
from ablate.plan.record import PlanRecord
from ablate.plan.run_records import RunRecords
from ablate.plan.runs import RUNS, OwnRun, Plan, Run
from ablate.plan.trainer_code import code_digest, files_digest, own_key
from ablate.seals import check_file, manifest_of, read_if_sealed, sha256_of
from ablate.stored import Receipt, fits

MARKS = Path(".ablate/due")
FUTURE = "future"  # the folder beside the marks that they lead to
OLD, LATE = 978307200, 2114380800  # 2001-01-01 and 2037-01-01: before and after any result; some disks end in 2038
OWN_CHANGED = "own copy changed", "archive changed"  # of a data set at the user's own path: before fetch, after it


class Keys:
    """The keys that a plan asks for, compared with those that are there."""

    def __init__(self, params: Params, plan: Plan) -> None:
        self.datasets, self._trainers = params.datasets, params.trainers
        self.records = RunRecords(plan)
        self.keep = params.other_code == "keep"
        self.plan = plan
        self._packs: dict[tuple[str, int], str] = {}
        self._own: dict[tuple[str, str | None], str | None] = {}
        self._bytes = cache(digest)
        self._of_code, self._of_files = cache(code_digest), cache(files_digest)

    def run_reason(self, run: Run, folder: Path = RUNS, *, whole: bool = True) -> str | None:
        """Why ``run`` would be trained into ``folder`` (RUNS or PRETRAINED); None: its result is what is asked for.

        ``new``; ``settings changed``, ``data changed``, ``start weights changed``, ``code changed`` or ``no key``;
        ``files missing``; ``weights missing`` of a run from which one that is due starts; ``result damaged`` when a
        file is not as training wrote it. A pack that is not there is no
        reason; whoever makes it must ask again. Of a run without a folder, its record is as good as one. Without
        ``whole`` nobody looks whether files are as training wrote them.
        """
        here = folder / run.id
        try:
            there = {entry.name for entry in os.scandir(here)}
        except (FileNotFoundError, NotADirectoryError):
            there = set()
        except OSError:
            return "result damaged"
        if not {"metrics.json", "manifest.json"} <= there:
            return self._difference(run, kept.key) if (kept := self.records.runs.get(run.id)) else NEW
        if not there.issuperset(FILES):
            return "files missing"
        manifest = _read(here / "manifest.json")
        if manifest is None:
            return "result damaged"
        if reason := self._difference(run, manifest.get("key")):
            return reason
        if run.settings.keep != "none" and WEIGHTS not in there and folder == RUNS and self._weights_wanted(run.id):
            return "weights missing"
        if not whole:
            return None
        try:
            sealed = manifest_of(here, run.id)
            for name in (there & {*FILES, WEIGHTS}) - {"manifest.json"}:
                check_file(here / name, sealed, here)
        except UserError:
            return "result damaged"
        return None

    def _weights_wanted(self, id: str) -> bool:
        """Whether a run that is due starts from this one: else weights may be gone, as records leave them out."""
        return any(self.run_reason(run, whole=False) for run in self._from_run.get(id, ()))

    @cached_property
    def _from_run(self) -> dict[str, list[Run]]:
        """{run: those that start from its weights}."""
        found: dict[str, list[Run]] = {}
        for run in self.plan.runs.values():
            if run.start and run.start_folder == RUNS:
                found.setdefault(run.start, []).append(run)
        return found

    def _difference(self, run: Run, found: Any) -> str | None:
        words = {"run": "settings", "data": "data", "start": "start weights"}
        words |= {"data": "files"} if isinstance(run, OwnRun) else {}
        return _difference(self.key(run), found, words if self.keep else words | {"code": "code"})

    def key(self, run: Run) -> Key:
        """The key that ``run`` must have."""
        if isinstance(run, OwnRun):
            return own_key(run.id, run.settings, self._trainers[run.settings.trainer], self._of_code, self._of_files)
        start = None
        if run.start and (source_run := self.plan.find(run.start)):
            source = self._source_key(source_run, run.start_folder)
            start = UNKNOWN if UNKNOWN in source.values() else key_digest(source)
        elif run.start_file and run.settings.weights.startswith("file:"):
            start = self._bytes(Path(run.start_file))
        return run_key(run, self._pack(run.settings.dataset), start)

    def _source_key(self, source: Run, folder: Path) -> Key:
        """The key of the run whose weights another starts from: with the code that it had, where that is kept."""
        key = self.key(source)
        if self.keep:
            found = self._key_there(source, folder)
            if found and not _difference(key, found, dict.fromkeys(("run", "data", "start"), "")):
                return {**key, "code": found["code"]}
        return key

    def of_other_code(self, run: Run, folder: Path = RUNS) -> bool:
        """Whether ``run`` has a result, in ``folder`` or as a record, that was made by other code than there is."""
        found = self._key_there(run, folder)
        return isinstance(found, dict) and found.get("code") != self.key(run)["code"]

    def _key_there(self, run: Run, folder: Path) -> Any:
        if manifest := _read(folder / run.id / "manifest.json"):
            return manifest.get("key")
        kept = self.records.runs.get(run.id)
        return kept.key if kept else None

    def data_reason(self, name: str, step: str) -> str | None:
        """Why ``step`` (fetch, verify, pack or reorganise) of a data set would run; None: what it made is good.

        An archive is looked for only through its receipt: where it was deleted, what was made of it stays good.
        """
        spec, folder = self.datasets[name], self.folder(name)
        receipt = _read(folder / RECEIPTS["fetch"])
        fetch = NEW if receipt is None else _fetch_reason(spec, receipt) or self._own_reason(name, receipt)
        if step == "fetch":
            return fetch
        report, verify = _read(folder / RECEIPTS["verify"]), fetch
        if report is None or not all((folder / file).exists() for file in VERIFIED):
            verify = NEW
        elif fetch in (None, NEW):
            wanted = verify_key(spec, receipt or {"sha256": UNKNOWN})
            verify = _difference(
                wanted, report.get("key"), {"archive": "archive", "spec": "settings", "code": "code"}
            ) or _damaged(folder, RECEIPTS["verify"])
        if step == "verify" or verify:
            return verify
        made = _read(folder / RECEIPTS[step])
        if made is None or (step == "pack" and not (folder / "labels.npy").exists()):
            return NEW
        reason = _difference(derived_key(step, report or {}), made.get("key"), {"verify": "archive", "code": "code"})
        return reason or (_damaged(folder, RECEIPTS[step]) if step == "pack" else None)

    def _own_reason(self, name: str, receipt: dict[str, Any]) -> str | None:
        """Whether the user's own copy of a data set is another than when it was fetched; one that is gone is not."""
        taken = receipt.get("content", receipt.get("sha256"))
        return OWN_CHANGED[0] if self._own_content(name, taken) not in (None, taken) else None

    def _own_content(self, name: str, taken: str | None) -> str | None:
        """What is at the user's own path, of which ``taken`` was fetched; None where there is nothing, or no path."""
        spec = self.datasets[name]
        if spec.variant != "official" or not spec.path:
            return None
        if (name, taken) not in self._own:  # looked at once: a hundred thousand files take half a second
            from ablate.data.own import content

            measured = spec.class_counts is not None
            self._own[name, taken] = content(spec.path, self.folder(name) / "archive", measured=measured)
        return self._own[name, taken]

    def check_pinned(self) -> None:
        """Refuse data of the user's own that are not as they are pinned; such as are gone are not looked for.

        Raises:
            UserError: It says what differs, and the remedy.
        """
        for name, spec in self.datasets.items():
            if spec.pinned and self._own_content(name, spec.pinned) not in (None, spec.pinned):
                from ablate.data.measure import other_than_pinned

                raise other_than_pinned(name, spec)

    def folder(self, name: str) -> Path:
        """Where a data set's files are."""
        return Path("data", self.datasets[name].variant, name)

    def _pack(self, name: str) -> str:
        """Content digest of a data set's pack. Read again where the file is another: it may be made meanwhile."""
        path = self.folder(name) / RECEIPTS["pack"]
        try:
            known = name, path.stat().st_mtime_ns
        except OSError:
            return UNKNOWN
        if known not in self._packs:
            meta = read_if_sealed(path)  # a damaged one is made again
            self._packs[known] = content_digest(meta) if meta else UNKNOWN
        return self._packs[known]


def plan_reason(file: Path, record: PlanRecord) -> str | None:
    """Why `ablate plan` would write ``file`` anew: ``record`` is what it would write."""
    if not file.exists():
        return NEW
    return None if file.is_file() and file.read_bytes() == as_json(record.plain).encode() else "plan changed"


def look_reason(file: Path) -> str | None:
    """Why a look at the seeds would be judged again though nothing that it follows from has changed."""
    return NEW if not file.exists() else None if read_if_sealed(file) else "files changed"


def _damaged(folder: Path, receipt: str) -> str | None:
    """Whether a step of the data left other bytes than these, by its own receipt."""
    made = read_if_sealed(folder / receipt)
    good = made and all(sha256_of(folder / name) == found for name, found in made["sha256"].items())
    return None if good else "files changed"


def due(reason: str | None) -> list[str]:
    """Inputs that make a job run for ``reason``: a mark of that name. No result is touched.

    Snakemake runs a job whose input is newer than an output, and of a link it takes the later time of its own and of
    what it leads to. When the job ends, it compares its output with the link's own time alone, and would doubt the
    clock if that were later. So a mark is an old link to a folder of the far future. A folder, because a file of
    equal content would excuse the job the second time. Nothing for a job that is `NEW`: it runs where its missing
    files are wanted, and only there.

    Raises:
        UserError: If the mark cannot be made.
    """
    if reason in (None, NEW):
        return []
    mark, future = MARKS / str(reason).replace(" ", "-"), MARKS / FUTURE
    try:
        with suppress(FileNotFoundError, IsADirectoryError, PermissionError):  # macOS says the last of a folder
            future.unlink()  # what is no folder is not ours
        future.mkdir(parents=True, exist_ok=True)
        os.utime(future, (LATE, LATE))
        _link(mark)
        os.utime(mark, (OLD, OLD), follow_symlinks=False)
    except OSError as error:
        raise UserError(
            f"{error.filename or mark}: {error.strerror or error}; it must be a folder that you can write, "
            "with your own results: mend or remove it"
        ) from None
    return [str(mark)]


def _link(mark: Path) -> None:
    """Let ``mark`` lead to `FUTURE`. Jobs on other nodes may do the same at this moment."""
    with suppress(FileNotFoundError):
        if mark.is_symlink() and str(mark.readlink()) == FUTURE:
            return
        if mark.is_dir() and not mark.is_symlink():
            mark.rmdir()
        else:
            mark.unlink()
    with suppress(FileExistsError):
        mark.symlink_to(FUTURE)


def _fetch_reason(spec: Dataset, receipt: dict[str, Any]) -> str | None:
    if not fits(receipt, Receipt):
        return "receipt damaged"
    if receipt.get("asked") != source_digest(spec):
        return "settings changed"
    own = spec.variant == "official" and spec.path
    # By the label that the receipt gives it: tables say by that whether the images are the official ones.
    good = own or any(
        label == receipt.get("digest") and _fits(label, pin, receipt) for label, pin in spec.digests.items()
    )
    return None if good else "digests changed"


def _fits(label: str, pin: Fingerprint, receipt: dict[str, Any]) -> bool:
    """Whether an archive is as ``pin`` says. Receipts have no MD5: where there is nothing else, its name counts."""
    sha256, size = str(receipt["sha256"]), receipt["bytes"]
    if pin.bytes not in (None, size):
        return False
    if pin.sha256 or pin.sha256_prefix:
        return pin.sha256 in (None, sha256) and sha256.startswith(pin.sha256_prefix or "")
    return bool(label == receipt["digest"])


def _difference(wanted: Key, found: Any, words: dict[str, str]) -> str | None:
    """The first part in which the keys differ, in words."""
    if not found or not isinstance(found, dict):
        return "no key"
    return next(
        (f"{word} changed" for part, word in words.items() if wanted[part] not in (UNKNOWN, found.get(part))), None
    )
