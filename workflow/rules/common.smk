# What the rules share: the validated parameters, the plan, and the paths that follow from them.
import json
from functools import cache

from snakemake.exceptions import WorkflowError

from ablate.config import load
from ablate.errors import UserError
from ablate.gpus import Use, usable
from ablate.papers import check_files
from ablate.plan import IMAGENET, PRETRAINED, RUNS, current_plan, make_plan
from ablate.plan_record import plan_digest, protocol
from ablate.provenance import PICTURES, code_of
from ablate.resources import available_cores, share

try:
    PARAMS = load(Path("params.yaml"), config)
    PLAN = current_plan(PARAMS)
    check_files(Path("params.yaml"), Path("papers"))
    PROTOCOL = protocol(Path("params.yaml"), config)
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


RESULTS = f"results/{PARAMS.scale}"
ALL_RUNS = Runs({**PLAN.runs, **PLAN.pretraining})
USED = {run.settings.dataset for run in ALL_RUNS.values()}
DATASETS = {name: spec for name, spec in PARAMS.datasets.items() if name in USED}
CLAIM, THREADS = share(workflow.cores, available_cores(), len(ALL_RUNS), PARAMS.compute.threads, SLOTS)


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


def train_options(wildcards):
    events = f"--tensorboard logs/tensorboard/{wildcards.run}" if PARAMS.compute.tensorboard else ""
    compiled = f"--compile {PARAMS.compute.compile}" if PARAMS.compute.compile else ""
    return " ".join(part for part in (events, compiled, GPUS.options) if part)


def made(what, paper):
    return [name for study in PARAMS.studies[paper].values() for name in getattr(study, what)]


def kinds(what, paper):
    return [
        kind.partition(":")[0]
        for study in PARAMS.studies[paper].values()
        for kind in getattr(study, what).values()
    ]


def described(paper):
    """What a table per label needs: the names of the classes."""
    return (
        [f"{RESULTS}/data/{name}.json" for name in DATASETS] if "per-label" in kinds("tables", paper) else []
    )


def packs_of_figures(paper, name="pack.json"):
    if not PICTURES & set(kinds("figures", paper)):
        return []
    used = {p.run.settings.dataset for p in PLAN.planned if p.paper == paper}
    return [f"{data_dir(dataset)}/{name}" for dataset in sorted(used)]


# Wildcards take known values only, so that a mistyped path fails in the dry run. Runs are too many to spell out: a
# pattern of 500 names, compiled for every output, took a sixth of the dry run. `Runs` refuses the unknown ones.
wildcard_constraints:
    variant="official|embedded",
    dataset="|".join(DATASETS),
    run="[^/]+_s[0-9]+",
    paper="|".join(PARAMS.studies),
