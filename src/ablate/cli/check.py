"""`ablate check`: one arm of an own trainer, run once into a folder that is thrown away."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ablate.errors import UserError
from ablate.plan.metrics import column
from ablate.plan.params import Params
from ablate.plan.runs import OwnRun, current_plan
from ablate.plan.select import Selection, select
from ablate.plan.trainer_code import scripts
from ablate.runtime.gpus import Use


def check(params: Params, asked: Selection) -> Iterator[str]:
    """Run the first seed of the first arm of ``asked`` that has an own trainer; yields what came of it, by lines.

    Raises:
        UserError: Where there is no such arm, and for whatever its run would fail for.
    """
    from ablate.train.own import tried

    planned = select(current_plan(params), asked).planned
    place, run = next(((p, p.run) for p in planned if isinstance(p.run, OwnRun)), (None, None))
    if place is None or not isinstance(run, OwnRun):
        raise UserError(f"{asked}: no arm of it has a trainer of your own; `ablate run` trains it")
    name, trainer = run.settings.trainer, params.trainers[run.settings.trainer]
    yield f"{place.paper}/{place.study}: {place.arm}, seed {run.seed}, by the trainer {name}"
    code = ", ".join(path.as_posix() for path in scripts(trainer)) or "no file that its command names"
    files = ", ".join(trainer.files) or "none"
    yield f"results depend on {code}, with the local modules that it imports, and on files: {files}"
    if left := trainer.unpassed:
        yield (
            f"warning: no word of the command passes {', '.join(left)}: the script has to read the file that "
            f"ABLATE_SETTINGS names, or arms that differ in nothing else are the same"
        )
    compute, folder = params.compute, Path(tempfile.mkdtemp(prefix="ablate-check-"))
    use = Use(compute.gpus, compute.jobs_per_gpu, compute.gpu_memory_gb)
    try:
        found = tried(run, trainer, folder, device=compute.device, gpus=use)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    yield f"status: {found.metrics['status']}"
    for metric, of in trainer.metrics.items():
        if metric in found.metrics:
            yield f"{column(metric, of)}: {of.factor * found.metrics[metric]:.{of.places}f} ({of.better} is better)"
    yield f"epochs in history.csv: {found.metrics['epochs'] or 'none, which is allowed'}"
    rows = max(len(found.predictions.splitlines()) - 1, 0)
    yield f"rows in predictions.csv: {rows or 'none, which is allowed'}"
    yield "good: `snakemake --cores 8 all` trains every run"
