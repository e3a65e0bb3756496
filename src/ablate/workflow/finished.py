"""Finished runs, kept where Snakemake deletes nothing until it has taken note of them.

Snakemake removes the outputs of a job that it lost, of a group of jobs also what its finished members wrote, and
those of any job before it starts again. So a run of the workflow is written below `FINISHED`, at its own path, which
is no rule's output, and linked out from there. A job that is to make it once more links it out once more.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from ablate.errors import UserError
from ablate.files import atomic_write
from ablate.plan.keys import Key
from ablate.plan.runs import PRETRAINED, RUNS, Run
from ablate.seals import check_file, manifest_of

FINISHED = Path(".ablate/finished")
LAST = "metrics.json"  # of a run's files, the last one that is written
UNNOTED = Path(".snakemake/incomplete")  # Snakemake's marks of jobs that it has not seen end


def is_finished(kept: Path, run: Run, key: Callable[[], Key | None]) -> bool:
    """Whether the folder ``kept`` holds what training ``run`` would leave now, by its ``key``, whole."""
    if not (kept / LAST).exists():
        return False
    try:
        manifest = manifest_of(kept, run.id)
        for name in manifest["files"]:
            check_file(kept / name, manifest, kept)
        return bool(manifest["key"] == key())
    except UserError:
        return False


def link_out(kept: Path, out: Path) -> None:
    """Give the finished run in ``kept`` its place ``out``, and the patch of its code the place beside it.

    Raises:
        UserError: If a file cannot be written.
    """
    for patch in (kept.parent / "patches").glob("*.diff"):
        if not (there := out.parent / "patches" / patch.name).exists():
            _link(patch, there)
    for file in sorted(kept.glob("[!.]*"), key=lambda file: file.name == LAST):
        _link(file, out / file.name)


def settle(*, ended: bool) -> None:
    """Link out what finished runs lost; and forget them, when all jobs of a call have ``ended`` and no other is open.

    Of a job that was cancelled, Snakemake on its node may remove what it wrote some seconds later.

    Raises:
        UserError: If a file cannot be written.
    """
    noted = ended and not any(files for _, _, files in os.walk(UNNOTED))
    for folder in (RUNS, PRETRAINED):
        for last in sorted((FINISHED / folder).glob(f"*/{LAST}")):
            kept = last.parent
            if not (folder / kept.name / LAST).exists():
                link_out(kept, folder / kept.name)
            if noted:
                shutil.rmtree(kept, ignore_errors=True)


def _link(file: Path, target: Path) -> None:
    with atomic_write(target) as part:
        part.unlink(missing_ok=True)
        try:
            os.link(file, part)
        except OSError:  # a file system without links, or with none from folder to folder
            shutil.copyfile(file, part)
