"""The user's own files that a run is trained by: those of a trainer, of a network, of an augmentation."""

from collections.abc import Mapping
from pathlib import Path

from ablate.own_code import files, is_own, parted
from ablate.plan.code import own_files
from ablate.plan.runs import OwnRun, Run
from ablate.plan.trainer_code import scripts
from ablate.plan.trainers import Trainer


def own_code(run: Run, trainers: Mapping[str, Trainer]) -> list[Path]:
    """From the working directory on, each once, with what they import from their own folders."""
    if isinstance(run, OwnRun):
        begun = scripts(trainers[run.settings.trainer]).items()
        found = [files(f"{path}:main", folder) if path.suffix == ".py" else [path] for path, folder in begun]
        return list(dict.fromkeys(path for every in found for path in every))
    augment = run.settings.augment
    return [*own_files(run.settings.model), *(files(parted(augment)[0]) if is_own(augment) else [])]
