# What the rules share: the validated parameters, the plan, and the paths that follow from them.
import json
import signal

from snakemake.exceptions import WorkflowError

from ablate.config import load
from ablate.errors import UserError
from ablate.papers import check_files
from ablate.plan import IMAGENET, PRETRAINED, RUNS, make_plan
from ablate.plan_record import plan_digest, protocol
from ablate.provenance import PICTURES, code_of
from ablate.resources import available_cores, share

try:
    PARAMS = load(Path("params.yaml"), config)
    PLAN = make_plan(PARAMS)
    check_files(Path("params.yaml"), Path("papers"))
    PROTOCOL = protocol(Path("params.yaml"), config)
except UserError as error:
    raise WorkflowError(str(error))

# profiles/slurm: before its time limit Slurm warns every process of a job. Training answers, Snakemake must live on.
signal.signal(signal.SIGUSR1, signal.SIG_IGN)

RESULTS = f"results/{PARAMS.scale}"
ALL_RUNS = {**PLAN.runs, **PLAN.pretraining}
USED = {run.settings.dataset for run in ALL_RUNS.values()}
DATASETS = {name: spec for name, spec in PARAMS.datasets.items() if name in USED}
CLAIM, THREADS = share(workflow.cores, available_cores(), len(ALL_RUNS), PARAMS.compute.threads)


def data_dir(name):
    return f"data/{DATASETS[name].variant}/{name}"


def embedded_archive(wildcards):
    if wildcards.variant == "official":
        return []
    return f"data/embedded/mirror/{wildcards.dataset}/{DATASETS[wildcards.dataset].archive}"


def content_spec(wildcards):
    return DATASETS[wildcards.dataset].model_dump_json(exclude={"urls", "digests", "path"})


def record(wildcards):
    return ALL_RUNS[wildcards.run].to_json()


def pack_of(wildcards, name="pack.json"):
    return f"{data_dir(ALL_RUNS[wildcards.run].settings.dataset)}/{name}"


def start_of(wildcards):
    return ALL_RUNS[wildcards.run].start_file or []


def train_code(wildcards):
    return code_of("train", ALL_RUNS[wildcards.run].settings.model)


def runtime_of(wildcards, attempt):
    """Minutes that a cluster grants a training job. One that they end goes on from its checkpoint with twice as many."""
    return 60 * 2 ** (attempt - 1)


def described(wildcards):
    """What a table per label needs: the names of the classes."""
    kinds = [s.tables.get(wildcards.table, "") for s in PARAMS.studies[wildcards.paper].values()]
    return [f"{RESULTS}/data/{name}.json" for name in DATASETS] if "per-label" in str(kinds) else []


def train_options(wildcards):
    events = f"--tensorboard logs/tensorboard/{wildcards.run}" if PARAMS.compute.tensorboard else ""
    return events + (f" --compile {PARAMS.compute.compile}" if PARAMS.compute.compile else "")


def packs_of_figure(wildcards, name="pack.json"):
    for study, spec in PARAMS.studies[wildcards.paper].items():
        if spec.figures.get(wildcards.figure, "").partition(":")[0] in PICTURES:
            used = {p.run.settings.dataset for p in PLAN.of(wildcards.paper, study)}
            return [f"{data_dir(dataset)}/{name}" for dataset in sorted(used)]
    return []


def made(what, suffix):
    return [
        f"{RESULTS}/{paper}/{name}.{suffix}"
        for paper, studies in PARAMS.studies.items()
        for study in studies.values()
        for name in getattr(study, what)
    ]


# Wildcards take known values only, so that a mistyped path fails in the dry run.
wildcard_constraints:
    variant="official|embedded",
    dataset="|".join(DATASETS),
    run="|".join(ALL_RUNS),
    paper="|".join(PARAMS.studies),
