# What the rules share: one object that answers what they ask, and how Snakemake is told of it.
import atexit
import signal
import sys
from contextlib import suppress

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import RerunTrigger

from ablate.errors import UserError
from ablate.plan.code import code_of
from ablate.plan.keys import FILES
from ablate.plan.runs import IMAGENET, PRETRAINED, RUNS
from ablate.runtime.options import options, own_programs_first
from ablate.runtime.signals import stop_once
from ablate.runtime.takeover import take_over
from ablate.workflow import fork_server
from ablate.workflow.finished import settle
from ablate.workflow.outcome import begin, show_outcome
from ablate.workflow.pipeline import BATCH, open_pipeline
from snakemake_logger_plugin_ablate.display import Names


def ask(method, *question, **files):
    """What `PIPELINE` says, a user's mistake in Snakemake's own words."""
    try:
        return method(*question, **files)
    except UserError as error:
        raise WorkflowError(str(error))


def inputs(method, *question, **files):
    # A job that is due has a mark newer than its outputs (plan/keys.py, plan/receipts.py). By Snakemake's other triggers
    # all runs would be due when a rule's text is another. Not in a profile, since none is found by way of a module.
    workflow.dag_settings.rerun_triggers = frozenset({RerunTrigger.MTIME})
    share_job()
    found = ask(method, *question, **files)
    return {name: f if found.followed else ancient(f) for name, f in found.files.items()} | {"due": found.due}


def new_data(wildcards, folder):
    """Where a run's data are about to be made again, it is asked once more when it is known what is in them."""
    if dataset := ask(PIPELINE.new_data_of, wildcards.run, folder):
        checkpoints.pack.get(variant=PIPELINE.datasets[dataset].variant, dataset=dataset)
    return []


def look_before(wildcards):
    look = int(wildcards.look)
    return checkpoints.look.get(look=look - 1).output[0] if look else None


def batch(wildcards):
    """The runs with which one shares a job of a cluster, by their name. Snakemake does not ask on this machine."""
    if workflow.group_settings.local_groupid != "local":
        return "members"
    if name := ask(PIPELINE.batch_of, wildcards.run, in_turn()):
        workflow.parent_groupids[name] = BATCH  # by which Snakemake looks up how many they may be
    return name


def in_turn():
    return workflow.group_settings.group_components.get(BATCH, 1)


def share_job():
    """In a job that several runs share, let Snakemake's own Snakemakes train them in turn, with a fork server.

    It does not tell them that these runs are one group, nor that one that fails keeps no other from being trained.
    Here, since where rules are read settings are not known yet.
    """
    if workflow.group_settings.local_groupid != "local":
        workflow.group_settings.group_components = {"members": sys.maxsize}
        workflow.global_resources["in_turn"] = 1
        workflow.execution_settings.keep_going = True
        workflow.execution_settings.no_hooks = False


def settle_at_last():
    with suppress(UserError):  # which the next start says
        settle(ended=workflow.scheduler is not None and not workflow.scheduler.running)


PIPELINE = ask(open_pipeline, config, workflow.cores)
RESULTS, PARAMS = PIPELINE.results, PIPELINE.project.params
Names.of = staticmethod(PIPELINE.project.plan.named)

own_programs_first()
shell.executable("bash")
# A job fails when `ablate` does, and not only when `tee` does. Ctrl-C is for `ablate` alone, and from its first moment
# on, so it is not ignored here, which would be inherited; `tee -i` lives on for what `ablate` says last.
PREFIX = "set -euo pipefail; trap : INT; "
shell.prefix(PREFIX)

# profiles/slurm: before its time limit Slurm warns every process of a job. Training answers, Snakemake must live on.
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
if workflow.is_main_process:
    stop_once()
if workflow.is_main_process and not workflow.output_settings.dryrun:
    take_over()
    ask(settle, ended=False)
    atexit.register(settle_at_last)
    # Before the first job, so that runs of which Git has the record, and which it restores, are asked like any other.
    CALL = ask(begin, PIPELINE)


# Wildcards take known values only, so that a mistyped path fails in the dry run. Runs are too many to spell out: a
# pattern of 500 names, compiled for every output, took a sixth of the dry run. `PIPELINE.run` refuses unknown ones.
wildcard_constraints:
    variant="official|embedded",
    dataset="|".join(PIPELINE.datasets),
    run="[^/]+_s[0-9]+",
    paper="|".join(PARAMS.studies),


# Before the first job, if there is any. The last of several `onstart` is the only one that Snakemake calls.
# Its limit of 100 jobs a second goes: to look again it sets a timer after every look, and each job that ends adds a chain
# of such timers, which in a demo took more time than all else of Snakemake; `--cores` and `--jobs` say how many run.
# Jobs on other machines, which another Snakemake starts, know nothing of the fork server; runs that share one have theirs.
onstart:
    workflow.scheduler.job_rate_limiter = None
    if workflow.is_main_process or workflow.local_exec:
        shell.prefix(PREFIX + fork_server.start(PREFIX))
