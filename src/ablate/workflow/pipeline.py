"""What the rules of the workflow ask: each job's inputs, values and options, from the plan and from what is there.

Snakemake's own objects stay in the rules: nothing here knows of wildcards, checkpoints or ancient files.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from ablate.errors import UserError
from ablate.papers.paper import check_files
from ablate.plan.cost import Estimate, Measured, expected_seconds, limit_minutes, read_history
from ablate.plan.keys import NEW, RECEIPTS, WEIGHTS, content
from ablate.plan.params import Dataset
from ablate.plan.project import Project, open_project
from ablate.plan.receipts import CONTROLS, Rendering, describing, rendering
from ablate.plan.record import plan_record
from ablate.plan.runs import LOOK_AGAIN, PRETRAINED, RUNS, OwnRun, Run, make_plan
from ablate.runtime.cores import available_cores, share
from ablate.runtime.gpus import Use, usable
from ablate.runtime.options import options
from ablate.seals import read_if_sealed, read_sealed
from ablate.workflow.due import Keys, due, look_reason, plan_reason
from ablate.workflow.finished import FINISHED
from ablate.workflow.named_classes import check_packs, classes_named

BATCH = "batch"  # runs that share a job of a cluster, as --group-components says how many
SHORT_S = 60.0  # of a run that shares one: about four starts of a job
LEAST, LEAST_IN_TURN = 10, 3  # minutes that are granted a run with a job of its own, and one that shares it


@dataclass(frozen=True)
class Inputs:
    """A job's input files by their names in its rule, and the marks that make it run (`due`).

    Files that are not ``followed`` are ancient: no age of theirs is a reason to run. Below a job that runs, or may
    run, Snakemake follows only files that are not.
    """

    files: Mapping[str, str | list[str]]
    due: list[str]
    followed: bool


@dataclass(frozen=True)
class Pipeline:
    """The plan with what its jobs need to know; made by `open_pipeline`. Paths are from the working directory."""

    project: Project
    keys: Keys
    values: str  # of `--config`, as JSON, for commands that read params.yaml themselves
    gpus: Use
    claim: int  # of Snakemake's cores, by each training job
    threads: int  # of the CPU, that it uses

    @cached_property
    def results(self) -> Path:
        """The folder of what is made of the runs of this scale."""
        return Path("results", self.project.params.scale)

    @cached_property
    def plan_file(self) -> Path:
        """What all later steps read."""
        return self.results / "plan.json"

    @cached_property
    def runs(self) -> dict[str, Run]:
        """All that is trained, by id: planned runs, and those whose weights they start from."""
        return _trained(self.project)

    @cached_property
    def studies(self) -> dict[str, list[str]]:
        """{paper/study: its runs}."""
        found: dict[str, list[str]] = {}
        for p in self.project.plan.planned:
            found.setdefault(f"{p.paper}/{p.study}", []).append(p.run.id)
        return found

    @cached_property
    def datasets(self) -> dict[str, Dataset]:
        """Those that a run uses, in the order of params.yaml."""
        used = {run.settings.dataset for run in self.runs.values()}
        return {name: spec for name, spec in self.project.params.datasets.items() if name in used}

    @cached_property
    def packs(self) -> dict[str, Path]:
        """{data set: its pack.json}."""
        return {name: self.keys.folder(name) / RECEIPTS["pack"] for name in self.datasets}

    @cached_property
    def rendering(self) -> Rendering:
        """Everything after training."""
        record = self.project.record
        described = [describing(name, pack, self.results) for name, pack in self.packs.items()]
        jobs = {job.name: job for job in described} | rendering(record, self.plan_file, packs=self.packs)
        # Manifests as they will be, when their folders are put back.
        records = self.keys.records.runs if self.recorded else {}
        known = {RUNS / run / "manifest.json": sha256(records[run].manifest).hexdigest() for run in self.recorded}
        return Rendering(jobs, self._made_later, known)

    @cached_property
    def recorded(self) -> list[str]:
        """The planned runs of which only the record is there, as long as that is what is asked for."""
        gone = [run for run in self.keys.records.only_here() if run in self.project.plan.runs]
        return [run for run in gone if not self.keys.run_reason(self.runs[run])]

    def restore(self) -> list[str]:
        """Put the runs back of which only the record is there, those that are to be trained anew as well."""
        return self.keys.records.restore()

    @cached_property
    def _data_due(self) -> dict[str, str | None]:
        return {name: self.keys.data_reason(name, "pack") for name in self.datasets}

    @cached_property
    def _history(self) -> list[Measured]:
        return read_history(Path("results"), self.project.params.datasets)

    @cached_property
    def _estimates(self) -> dict[str, Estimate]:
        return {}

    @cached_property
    def _batches(self) -> dict[int, dict[str, str]]:
        return {1: {}}

    def run(self, id: str) -> Run:
        """A run by its id; `decide` and `ablate run` ask for seeds that are not planned.

        Raises:
            UserError: For one of an arm that is not.
        """
        if id in self.runs:
            return self.runs[id]
        if (found := self.project.plan.find(id)) is None:
            raise UserError(
                f"no run {id} is planned at the scale {self.project.params.scale}; `ablate plan --runs` lists them"
            )
        return found

    def _made_later(self, path: Path) -> bool:
        """Whether a file that is not rendered may be made again before what is rendered from it."""
        for name, pack in self.packs.items():
            if path.parent == pack.parent:
                return bool(self._data_due[name])
        if path.parent.parent != RUNS:
            return False
        run = self.runs[path.parent.name]
        # A new run is trained where it is wanted: that its manifest is missing is a reason to collect.
        return bool(self._data_due.get(run.settings.dataset)) or self.keys.run_reason(run) not in (None, NEW)

    def data_file(self, dataset: str, name: str) -> str:
        """``name`` in the data set's folder."""
        return f"{self.keys.folder(dataset)}/{name}"

    # Inputs. Each may raise UserError: for a run that is not planned, or a mark that cannot be made.

    def inputs_of_embed(self, dataset: str) -> Inputs:
        """An embedded archive is made of nothing but its settings."""
        return _inputs(self.keys.data_reason(dataset, "fetch"))

    def inputs_of_fetch(self, dataset: str, variant: str) -> Inputs:
        """The archive is an input where a rule makes it, and else what its sources have."""
        made = f"data/embedded/mirror/{dataset}/{self.datasets[dataset].archive}"
        return _inputs(self.keys.data_reason(dataset, "fetch"), embedded=made if variant == "embedded" else [])

    def inputs_of_data(self, dataset: str, step: str, **files: str) -> Inputs:
        """Of verify, pack and reorganise: ``files`` of the data set's folder."""
        there: dict[str, str | list[str]] = {key: self.data_file(dataset, file) for key, file in files.items()}
        return _inputs(self.keys.data_reason(dataset, step), **there)

    def inputs_of_run(self, id: str, folder: Path) -> Inputs:
        """Of a training into ``folder``, RUNS or PRETRAINED."""
        run = self.run(id)
        reason, data = self.keys.run_reason(run, folder), run.settings.dataset
        if isinstance(run, OwnRun):
            return _inputs(reason)
        if reason == NEW and folder == PRETRAINED:
            reason = None  # it is trained where a run that is due starts from its weights, and only there
        arrays = [self.data_file(data, name) for name in ("images.npy", "labels.npy")]
        files: dict[str, str | list[str]] = {"pack": self.data_file(data, "pack.json"), "arrays": arrays}
        # A file with braces in its name could be taken for a pattern; its key is compared all the same.
        if run.start and run.start_folder == RUNS:  # whose weights are no output, since most runs have none
            files["start"] = f"{RUNS}/{run.start}/metrics.json"
        elif run.start_file and not {"{", "}"} & set(run.start_file):
            files["start"] = run.start_file
        if run.parent:
            files["parent"] = f"{RUNS}/{run.parent}/metrics.json"
        return _inputs(reason, **files)

    def new_data_of(self, id: str, folder: Path) -> str | None:
        """The data set of a run that is good as it is, if its pack is about to be made again.

        The run is asked once more when it is known what is in the pack.
        """
        run = self.run(id)
        waits = self._data_due.get(run.settings.dataset) and not self.keys.run_reason(run, folder)
        return run.settings.dataset if waits else None

    def inputs_of_plan(self) -> Inputs:
        """plan.json is made of params.yaml, which the rule passes on."""
        return _inputs(plan_reason(self.plan_file, self.project.record))

    def inputs_of_rendered(self, name: str) -> Inputs:
        """Of a step of `rendering`: followed as well where one of its files may be made again first."""
        job, reason = self.rendering.jobs[name], self.rendering.reason(name)
        files = [str(path) for path in job.inputs if path != self.plan_file]
        named: dict[str, str | list[str]] = {"plan": str(self.plan_file), "files": files}
        return Inputs(named, due(reason), bool(reason or self.rendering.open(name)))

    def inputs_of_look(self, look: int, before: str | None) -> Inputs:
        """The runs that the look ``before`` asks for. Look 0 comes before any run."""
        file = self.results / f"decide/look-{look}.json"
        if before is None:
            there = read_if_sealed(file)
            now = plan_record(self.project.params, make_plan(self.project.params, []))
            same = there is not None and there["digest"] == now.digest
            return Inputs({}, due(look_reason(file) or (None if same else "plan changed")), True)
        added: list[str] = read_sealed(Path(before), LOOK_AGAIN)["added"]
        runs = make_plan(self.project.params, added).runs
        files: dict[str, str | list[str]] = {
            "before": before,
            "runs": [f"{RUNS}/{run}/metrics.json" for run in runs],
        }
        return Inputs(files, due(look_reason(file)), True)

    # Values of commands, each a word or a list of whole words.

    def spec(self, dataset: str) -> str:
        """What a data set must hold, as JSON."""
        return content(self.datasets[dataset])

    def source(self, dataset: str) -> str:
        """The same, and where it comes from."""
        return self.datasets[dataset].model_dump_json()

    def named_classes(self, dataset: str) -> str:
        """Which arms ask for which of its classes by name, as JSON."""
        return json.dumps(classes_named(self.project.plan, dataset))

    def mirror(self, embedded: str | None = None) -> list[str]:
        """Where archives are: beside the ``embedded`` one, or where params.yaml says."""
        return options(mirror=Path(embedded).parent if embedded else self.project.params.mirror or None)

    def previous_look(self, look: int) -> list[str]:
        """What the look before this one has found, as an option of `ablate decide`."""
        return options(previous=self.results / f"decide/look-{look - 1}.json" if look else None)

    def train_options(self, id: str, folder: Path = RUNS) -> list[str]:
        """What `ablate train` takes besides the run: data and weights, or the trainer, and how work is spread."""
        compute, run = self.project.params.compute, self.run(id)
        own = self.project.params.trainers[run.settings.trainer] if isinstance(run, OwnRun) else None
        given = options(
            pack=None if own else self.data_file(run.settings.dataset, RECEIPTS["pack"]),
            trainer=own.to_json() if own else None,
            start=run.start_file,
            weights=folder / id / WEIGHTS if folder == PRETRAINED or run.settings.keep != "none" else None,
            parent=RUNS / run.parent if run.parent else None,
            device=compute.device,
            tensorboard=f"logs/tensorboard/{id}" if compute.tensorboard else None,
            compile=compute.compile,
            finished=FINISHED,
        )
        return given + self.gpus.options

    def runtime_of(self, id: str, attempt: int, in_turn: int = 1) -> int:
        """Minutes that a cluster grants a training job, or adds to those of others that share one.

        One that they end goes on from its checkpoint with twice as many.
        """
        return limit_minutes(self._estimate(id), attempt, LEAST_IN_TURN if self.batch_of(id, in_turn) else LEAST)

    def _estimate(self, id: str) -> Estimate:
        if id not in self._estimates:  # Snakemake asks of each waiting job, whenever one has ended
            run = self.run(id)
            data = self.project.params.datasets.get(run.settings.dataset)
            self._estimates[id] = expected_seconds(run, data, self._history)
        return self._estimates[id]

    def batch_of(self, id: str, in_turn: int) -> str | None:
        """The name of the runs that share a job of a cluster with this one, ``in_turn`` at most.

        None: it has its own job. The answer stays the same, since Snakemake groups anew what waits and what runs
        whenever a checkpoint has ended.
        """
        if in_turn not in self._batches:
            self._batches[in_turn] = self._short_runs(in_turn)
        return self._batches[in_turn].get(id)

    def _short_runs(self, size: int) -> dict[str, str]:
        alike: dict[tuple[str, str | None], list[str]] = {}  # those that wait for the same files
        for id, run in self.project.plan.runs.items():
            due = self._data_due.get(run.settings.dataset) or self.keys.run_reason(run)
            if due and self._estimate(id).seconds <= SHORT_S:
                alike.setdefault((run.settings.dataset, run.start), []).append(id)
        batches = [runs[n : n + size] for runs in alike.values() for n in range(0, len(runs), size)]
        return {id: f"{BATCH}-{n}" for n, batch in enumerate(batches, 1) if len(batch) > 1 for id in batch}

    def studies_of(self, what: str, paper: str) -> dict[str, str]:
        """{table or figure of a paper: its study}; ``what`` is ``tables`` or ``figures``."""
        studies = self.project.record.studies_of(paper)
        return {name: key for key, study in studies.items() for name in getattr(study, what)}

    @property
    def claiming(self) -> list[str]:
        """The papers that have claims."""
        return [paper for paper in self.project.params.studies if paper != CONTROLS]

    def packs_of_figures(self, paper: str, *files: str) -> list[str]:
        """``files`` of each data set whose images are in the paper's figures."""
        return self._packs_of(f"figures_{paper}", files)

    def packs_of_report(self, *files: str) -> list[str]:
        """``files`` of each data set that runs are evaluated on."""
        return self._packs_of("report", files)

    def _packs_of(self, step: str, files: tuple[str, ...]) -> list[str]:
        read = self.rendering.jobs[step].inputs
        return [str(pack.with_name(file)) for file in files for pack in self.packs.values() if pack in read]


def open_pipeline(values: Mapping[str, Any], cores: int | None) -> Pipeline:
    """Read params.yaml with ``values`` over it, and check all that can be known now; ``cores`` are Snakemake's.

    Raises:
        UserError: For a mistake in params.yaml, in a paper's file or in ``values``.
    """
    project = open_project(Path("params.yaml"), values)
    check_files(project, Path("papers"))
    keys = Keys(project.params, project.plan)
    keys.check_pinned()
    check_packs(project.plan, keys)
    compute = project.params.compute
    gpus = Use(compute.gpus, compute.jobs_per_gpu, compute.gpu_memory_gb)
    slots = len(usable(compute.device, gpus)) * gpus.jobs_per_gpu
    claim, threads = share(cores, available_cores(), len(_trained(project)), compute.threads, slots)
    return Pipeline(project, keys, json.dumps(dict(values)), gpus, claim, threads)


def _trained(project: Project) -> dict[str, Run]:
    return {**project.plan.runs, **project.plan.pretraining}


def _inputs(reason: str | None, **files: str | list[str]) -> Inputs:
    """A job's files, followed where it runs for ``reason``."""
    return Inputs(files, due(reason), bool(reason))
