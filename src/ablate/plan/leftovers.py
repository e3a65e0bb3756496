"""What is on disk of runs that no plan asks for, and what everything takes there."""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ablate.plan.keys import FILES
from ablate.plan.run_records import NAME, Kept, kept_in
from ablate.plan.runs import PRETRAINED, RUNS, Plan
from ablate.plan.status import LOGS
from ablate.runtime.checkpoint import CHECKPOINTS
from ablate.runtime.run_lock import RunLock

PATCHES = "patches"  # in RUNS: of code, for runs that may be elsewhere
KINDS = ("train", "pretrain", "tensorboard")  # folders of LOGS that have something of each run
ASIDE = ".aside-"  # in a checkpoint's name: of other settings, data or code


@dataclass(frozen=True)
class Leftover:
    """A run of no plan."""

    run: str
    paths: tuple[Path, ...]
    bytes: int
    only_here: bool  # it has a result, and no file of records has that


def leftovers(plans: Sequence[Plan]) -> list[Leftover]:
    """The runs on disk of no arm of ``plans``, whatever their seeds, that nobody trains; by name.

    Checkpoints that were set aside are left over whatever run they are of.

    Raises:
        UserError: For a file of records that is damaged.
    """
    recorded = [(kept.folder / run, kept.manifest) for run, kept in _records()]
    found: dict[str, list[Path]] = {}
    for path in _of_runs():
        run, aside, _ = path.name.removesuffix(".log").partition(ASIDE)
        if (aside or not any(plan.find(run) for plan in plans)) and not RunLock(run).held:
            found.setdefault(run, []).append(path)
    rows = []
    for run, paths in sorted(found.items()):
        ended = [p for p in paths if p.parent in (RUNS, PRETRAINED) and any((p / name).exists() for name in FILES)]
        only_here = any((folder, _bytes_of(folder / "manifest.json")) not in recorded for folder in ended)
        rows.append(Leftover(run, tuple(paths), sum(map(size, paths)), only_here))
    return rows


def remove(leftover: Leftover) -> None:
    """Delete all of it, unless a process has begun to train the run."""
    if not RunLock(leftover.run).held:
        for path in leftover.paths:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def _records() -> Iterator[tuple[str, Kept]]:
    for file in sorted(Path("results").glob(f"*/*/{NAME}")):
        yield from kept_in(file, file.parts[-3], file.parts[-2]).items()


def _of_runs() -> Iterator[Path]:
    """Whatever there is below the folders that have a file or folder for each run; locks are never removed."""
    for folder in (RUNS, PRETRAINED, CHECKPOINTS, *(LOGS / kind for kind in KINDS)):
        if folder.is_dir():
            yield from sorted(
                path for path in folder.iterdir() if path.suffix != ".lock" and (folder, path.name) != (RUNS, PATCHES)
            )


def _bytes_of(file: Path) -> bytes | None:
    with suppress(OSError):
        return file.read_bytes()
    return None


def size(path: Path) -> int:
    """Bytes on disk of a file or of all below a folder; a link counts as one, and hard links below count once."""
    return sum(_sizes([path]).values())


def _sizes(paths: Iterable[Path]) -> dict[tuple[int, int], int]:
    """{device and inode: bytes}."""
    found: dict[tuple[int, int], int] = {}
    for path in paths:
        with suppress(OSError):
            facts = path.lstat()
            found[facts.st_dev, facts.st_ino] = facts.st_blocks * 512
        if path.is_dir() and not path.is_symlink():
            for folder, folders, files in os.walk(path):
                for name in (*folders, *files):
                    with suppress(OSError):  # gone meanwhile
                        facts = Path(folder, name).lstat()
                        found[facts.st_dev, facts.st_ino] = facts.st_blocks * 512
    return found


def usage(plans: Sequence[Plan]) -> dict[str, int]:
    """{what: bytes on disk}: runs by the first scale that plans them, and what else the project keeps."""
    parts: dict[str, list[Path]] = {}
    for folder in (RUNS, PRETRAINED):
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            scale = next((plan.scale for plan in plans if plan.find(path.name)), None)
            whose = f"of the scale {scale}" if scale else PATCHES if path.name == PATCHES else "of no plan"
            parts.setdefault(f"{folder}: {whose}", []).append(path)
    for path in sorted(Path("results").glob("*")):
        if path not in (RUNS, PRETRAINED):
            parts[str(path)] = [path]
    for path in sorted(Path("data").glob("*/*")):
        parts[str(path)] = [path]
    for path in (CHECKPOINTS, LOGS, Path(".dvc/cache"), Path(".snakemake")):
        parts[str(path)] = [path]
    return {what: count for what, paths in parts.items() if (count := sum(_sizes(paths).values()))}
