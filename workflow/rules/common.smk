# What the rules share: the validated parameters, the plan, and the paths that follow from them.
import hashlib
import json
import signal
from functools import cache

from snakemake.exceptions import WorkflowError
from snakemake.io import contains_wildcard

from ablate.plan.cost import expected_seconds, limit_minutes, read_history
from ablate.errors import UserError
from ablate.files import as_json
from ablate.runtime.gpus import Use, usable
from ablate.runtime.signals import stop_once
from ablate.plan.keys import FILES, NEW, RECEIPTS, content
from ablate.workflow.due import Keys, due, why_look, why_plan
from ablate.workflow.named_classes import asked, check_packs
from ablate.papers.paper import check_files
from ablate.plan.runs import IMAGENET, LOOK_AGAIN, PRETRAINED, RUNS, make_plan
from ablate.plan.project import open_project
from ablate.plan.record import plan_record
from ablate.plan.code import code_of
from ablate.plan.receipts import Rendering, describing, rendering
from ablate.runtime.cores import available_cores, share
from ablate.seals import read_if_sealed, read_sealed
from ablate.runtime.takeover import take_over
from ablate.runtime.options import options, own_programs_first

try:
    PROJECT = open_project(Path("params.yaml"), config)
    PARAMS, PLAN, RECORD = PROJECT.params, PROJECT.plan, PROJECT.record
    check_files(PROJECT, Path("papers"))
    KEYS = Keys(PARAMS, PLAN)
    check_packs(PLAN, KEYS)
    GPUS = Use(PARAMS.compute.gpus, PARAMS.compute.jobs_per_gpu, PARAMS.compute.gpu_memory_gb)
    SLOTS = len(usable(PARAMS.compute.device, GPUS)) * GPUS.jobs_per_gpu
except UserError as error:
    raise WorkflowError(str(error))


@cache
def runs_of_all_looks():
    return make_plan(PARAMS, whole=True).runs


class Runs(dict):
    def __missing__(self, run):  # `decide` asks for seeds that are not planned yet
        if run not in runs_of_all_looks():
            raise WorkflowError(
                f"no run {run} is planned at the scale {PARAMS.scale}; `ablate plan --runs` lists them"
            )
        return runs_of_all_looks()[run]


own_programs_first()
shell.executable("bash")
# A job fails when `ablate` does, and not only when `tee` does. Ctrl-C is for `ablate`: it says last what it did.
shell.prefix("set -euo pipefail; trap '' INT; ")

# profiles/slurm: before its time limit Slurm warns every process of a job. Training answers, Snakemake must live on.
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
if workflow.is_main_process:
    stop_once()
if workflow.is_main_process and not workflow.output_settings.dryrun:
    take_over()

RESULTS = f"results/{PARAMS.scale}"
ALL_RUNS = Runs({**PLAN.runs, **PLAN.pretraining})
USED = {run.settings.dataset for run in ALL_RUNS.values()}
DATASETS = {name: spec for name, spec in PARAMS.datasets.items() if name in USED}
DATA_DUE = {name: KEYS.why_data(name, "pack") for name in DATASETS}
CLAIM, THREADS = share(workflow.cores, available_cores(), len(ALL_RUNS), PARAMS.compute.threads, SLOTS)


def data_dir(name):
    return f"data/{DATASETS[name].variant}/{name}"


def content_spec(wildcards):
    return content(DATASETS[wildcards.dataset])


def record(wildcards):
    return ALL_RUNS[wildcards.run].to_json()


def inputs(reason, record, **files):
    """A job's files, and the input that makes it run for ``reason``. Without a reason no file's age is one.

    With a reason they are not ancient: below a job that runs, Snakemake follows only files that are not.
    """
    return {name: f if reason else ancient(f) for name, f in files.items()} | {"due": due(reason, record)}


def inputs_of_fetch(wildcards):
    name, embedded = wildcards.dataset, []
    if wildcards.variant == "embedded":
        embedded = f"data/embedded/mirror/{name}/{DATASETS[name].archive}"
    return inputs(KEYS.why_data(name, "fetch"), KEYS.folder(name) / RECEIPTS["fetch"], embedded=embedded)


def inputs_of_data(wildcards, step, **files):
    name = wildcards.dataset
    folder = KEYS.folder(name)
    files = {key: f"{folder}/{file}" for key, file in files.items()}
    return inputs(KEYS.why_data(name, step), folder / RECEIPTS[step], **files)


def inputs_of_run(wildcards, folder):
    run = ALL_RUNS[wildcards.run]
    start = run.start_file
    reason, data = KEYS.why(run, folder), data_dir(run.settings.dataset)
    if reason == NEW and folder == PRETRAINED:
        reason = None  # it is trained where a run that is due starts from its weights, and only there
    files = {"pack": f"{data}/pack.json", "arrays": [f"{data}/images.npy", f"{data}/labels.npy"]}
    return inputs(
        reason,
        folder / run.id / "manifest.json",
        **files,
        # A file with braces in its name would be taken for a pattern; its key is compared all the same.
        **({"start": start} if start and not contains_wildcard(start) else {}),
    )


def new_data(wildcards, folder):
    """Where a run's data are about to be made again, it is asked once more when it is known what is in them."""
    run = ALL_RUNS[wildcards.run]
    if DATA_DUE[run.settings.dataset] and not KEYS.why(run, folder):
        checkpoints.pack.get(variant=run.variant, dataset=run.settings.dataset)
    return []


PLAN_FILE = Path(RESULTS, "plan.json")
PACKS = {name: Path(data_dir(name), "pack.json") for name in DATASETS}
DATA_OF = {KEYS.folder(name): name for name in DATASETS}


def made_later(path):
    """Whether a file that is not rendered may be made again before what is rendered from it."""
    if path.parent in DATA_OF:
        return bool(DATA_DUE[DATA_OF[path.parent]])
    if path.parent.parent != RUNS:
        return False
    run = ALL_RUNS[path.parent.name]
    # A new run is trained where it is wanted: that its manifest is missing is a reason to collect.
    return bool(DATA_DUE[run.settings.dataset]) or KEYS.why(run) not in (None, NEW)


RENDERING = Rendering(
    {
        **{job.name: job for name, pack in PACKS.items() for job in [describing(name, pack, Path(RESULTS))]},
        **rendering(RECORD, PLAN_FILE, packs=PACKS),
    },
    {PLAN_FILE: hashlib.sha256(as_json(RECORD).encode()).hexdigest()},  # as it will be, when it is made anew
    made_later,
)


def inputs_of_rendered(name):
    """A rendered step's files, ancient as in `inputs` unless one of them may be made again first."""
    job, reason = RENDERING.jobs[name], RENDERING.why(name)
    keep = str if reason or RENDERING.open(name) else ancient
    record = next((path for path in job.outputs if path.exists()), job.receipt)
    return {
        "plan": keep(str(PLAN_FILE)),
        "files": [keep(str(path)) for path in job.inputs if path != PLAN_FILE],
        "due": due(reason, record),
    }


def previous_look(wildcards):
    before = int(wildcards.look) - 1
    return options(previous=f"{RESULTS}/decide/look-{before}.json" if before >= 0 else None)


def inputs_of_look(wildcards):
    """What the look before it asks for. Look 0 comes before any run."""
    if wildcards.look == "0":
        file, record = Path(RESULTS, "decide/look-0.json"), plan_record(PARAMS, make_plan(PARAMS, []))
        there = read_if_sealed(file)
        reason = why_look(file) or (None if there["digest"] == record["digest"] else "plan changed")
        return {"due": due(reason, file)}
    before = checkpoints.look.get(look=int(wildcards.look) - 1).output[0]
    try:
        runs = make_plan(PARAMS, read_sealed(Path(before), LOOK_AGAIN)["added"]).runs
    except UserError as error:
        raise WorkflowError(str(error))
    file = Path(RESULTS, f"decide/look-{wildcards.look}.json")
    return {
        "before": before,
        "runs": [f"{RUNS}/{run}/metrics.json" for run in runs],
        "due": due(why_look(file), file),
    }


@cache
def history():
    return read_history(Path("results"), PARAMS.datasets)


def runtime_of(wildcards, attempt):
    """Minutes that a cluster grants a training job. One that they end goes on from its checkpoint with twice as many."""
    run = ALL_RUNS[wildcards.run]
    return limit_minutes(expected_seconds(run, PARAMS.datasets[run.settings.dataset], history()), attempt)


def train_options(wildcards):
    events = f"logs/tensorboard/{wildcards.run}" if PARAMS.compute.tensorboard else None
    given = options(
        start=ALL_RUNS[wildcards.run].start_file,
        device=PARAMS.compute.device,
        tensorboard=events,
        compile=PARAMS.compute.compile,
    )
    return given + GPUS.options


def mirror(wildcards, embedded=None):
    return options(mirror=Path(embedded).parent if embedded else PARAMS.mirror or None)


def command_values(wildcards):  # a function, since Snakemake looks for wildcards in texts and lists
    return json.dumps(dict(config))


def made(what, paper):
    return [name for study in PARAMS.studies[paper].values() for name in getattr(study, what)]


def packs_of_figures(paper, name="pack.json"):
    """Of the data sets whose images are in the paper's figures."""
    return [
        str(path.with_name(name))
        for path in PACKS.values()
        if path in RENDERING.jobs[f"figures_{paper}"].inputs
    ]


# Wildcards take known values only, so that a mistyped path fails in the dry run. Runs are too many to spell out: a
# pattern of 500 names, compiled for every output, took a sixth of the dry run. `Runs` refuses the unknown ones.
wildcard_constraints:
    variant="official|embedded",
    dataset="|".join(DATASETS),
    run="[^/]+_s[0-9]+",
    paper="|".join(PARAMS.studies),
