"""Run crates: a scale or a paper with every run of it, as a Provenance Run Crate (Workflow Run RO-Crate 0.5).

The workflow is the Snakefile; each training is an action with its settings, data, code, machine and outcome, those
that failed, diverged or were resumed as well. Runs come from records alone, so a clone can export.
"""

import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

from ablate.errors import UserError
from ablate.files import as_json, read_json
from ablate.plan.project import Project
from ablate.plan.receipts import PLAN
from ablate.plan.run_records import RunRecords, read_records
from ablate.plan.runs import ENDED, OwnRun
from ablate.plan.status import statuses
from ablate.plan.trainer_code import results_of
from ablate.proof.again import NOT_KEPT, RESULTS
from ablate.proof.extra import need
from ablate.proof.own import own_code
from ablate.workflow.due import Keys

PROFILES = ("process/0.5", "workflow/0.5", "provenance/0.5")
WORKFLOW_PROFILE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
RUN = "https://w3id.org/ro/terms/workflow-run#"
TERMS = {name: f"{RUN}{name}" for name in ("environment", "resourceUsage", "sha256")}  # beyond RO-Crate's own
LICENCE = "https://spdx.org/licenses/MIT.html"
METADATA = "ro-crate-metadata.json"
OF_RUN = ("run.json", "metrics.json", "manifest.json")  # written out for each run: small, and text
WITHOUT_RESULT = ("failed", "interrupted", "damaged")  # states of runs that have no record
MACHINE = ("device", "threads", "precision", "compile", "starts", "images_per_s", "peak_memory_mb")


def write_crate(project: Project, paper: str | None, target: Path, run: str | None = None) -> int:
    """Write the crate of a scale, or of one paper of it, into the folder ``target``; returns how many runs it has.

    With ``run`` it has that run alone, and nothing that is made of several.

    Raises:
        UserError: For records that are damaged, where there are none, and for a folder that is there already.
    """
    rocrate = need("rocrate.rocrate")
    if target.exists() and any(target.iterdir()):
        raise UserError(f"{target}: is not empty; name another folder, or delete it")
    scale = project.params.scale
    runs = {id: contents for id, contents in _runs(project, paper) if run in (None, id)}
    if not runs:
        raise UserError(f"{RESULTS / scale / (paper or '')}: no records of runs are here to make a crate of")
    target.mkdir(parents=True, exist_ok=True)
    return _Crate(rocrate.ROCrate(version="1.1", gen_preview=True), project, paper, run).write(runs, target)


def _runs(project: Project, paper: str | None) -> Iterator[tuple[str, dict[str, bytes]]]:
    """{run: its files} of records; those whose weights others start from as well."""
    for name, file in RunRecords(project.plan).files.items():
        if file.exists() and paper in (None, name):
            for run, (_, contents) in read_records(file, project.params.scale, name).items():
                yield run, contents


class _Crate:
    """A crate as it is filled."""

    def __init__(self, crate: Any, project: Project, paper: str | None, run: str | None) -> None:
        self.crate, self.project, self.paper, self.run = crate, project, paper, run
        self.keys = Keys(project.params, project.plan)
        self.tools: dict[str, Any] = {}

    def write(self, runs: dict[str, dict[str, bytes]], target: Path) -> int:
        crate, scale = self.crate, self.project.params.scale
        what = self.run or (f"{self.paper} at the scale {scale}" if self.paper else f"the scale {scale}")
        crate.name = f"Runs of {what}"
        crate.description = (
            f"{len(runs)} training runs of {what}: settings, code, data, machine, outcome, and the tables and "
            "figures made of them. When a run began and ended stands where its manifest has it; of a run that was "
            "resumed, when it ended."
        )
        crate.license = self._entity(LICENCE, "CreativeWork", name="MIT licence")
        self._conform()
        crate.metadata.extra_terms.update(TERMS)
        snakemake = self._entity(
            "#snakemake", "SoftwareApplication", name="Snakemake", url="https://snakemake.github.io"
        )
        step = self._entity("#train", "HowToStep", name="train", position="1")
        facts = _digest("Snakefile") | {"@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]}
        workflow = crate.add_workflow("Snakefile", "Snakefile", main=True, lang="snakemake", properties=facts)
        workflow["name"], workflow["step"] = "From archives to a verdict on every claim", step
        params = self._file(Path("params.yaml"))
        papers = [self._file(file) for name in self._papers() if (file := Path("papers", f"{name}.yaml")).exists()]
        made = [self._file(path) for path in self._results()]
        actions, controls = [], []
        for run, contents in sorted(runs.items()):
            actions.append(self._action(run, contents))
            control = self._entity(f"#control-{run}", "ControlAction", name=f"train {run}", instrument=step)
            control["object"] = actions[-1]
            controls.append(control)
        actions += [self._unfinished(found) for found in self._without_result()]
        step["workExample"] = next(iter(self.tools.values()))
        workflow["hasPart"] = [*self.tools.values()]
        whole = self._entity("#workflow-run", "CreateAction", name=crate.name, instrument=workflow)
        whole["object"], whole["result"] = [params, *papers], made
        engine = self._entity("#organize", "OrganizeAction", name="Snakemake ran the workflow", instrument=snakemake)
        engine["object"], engine["result"] = controls, whole
        crate.root_dataset["mentions"] = [whole, *actions]
        crate.write(target)
        return len(runs)

    def _papers(self) -> list[str]:
        return [self.paper] if self.paper else list(self.project.params.studies)

    def _results(self) -> list[Path]:
        """What is made of the runs, and their records."""
        if self.run:
            return []
        folder = RESULTS / self.project.params.scale / (self.paper or "")
        every = sorted(path for path in folder.rglob("*") if path.is_file())
        return [path for path in every if path.name not in (*NOT_KEPT, PLAN) and ".receipts" not in path.parts]

    def _conform(self) -> None:
        said = []
        for profile in PROFILES:
            name, number = profile.split("/")
            id = f"https://w3id.org/ro/wfrun/{profile}"
            said.append(self._entity(id, "CreativeWork", name=f"{name.title()} Run Crate", version=number))
        said.append(self._entity(WORKFLOW_PROFILE, "CreativeWork", name="Workflow RO-Crate", version="1.0"))
        self.crate.root_dataset["conformsTo"] = said

    def _action(self, run: str, contents: dict[str, bytes]) -> Any:
        """One training: what it was made of, on which machine, and how it ended."""
        manifest, metrics, asked = (json.loads(contents[f"{name}.json"]) for name in ("manifest", "metrics", "run"))
        files = {}
        for name in OF_RUN:
            files[name] = self._written(run, name, contents[name])
        action = self._entity(f"#run-{run}", "CreateAction", name=run, instrument=self._tool(run, manifest))
        action["object"] = [files["run.json"], *self._data(run, asked["settings"], manifest)]
        action["result"] = [files["metrics.json"], files["manifest.json"]]
        ended = metrics["status"] in ENDED
        action["actionStatus"] = f"http://schema.org/{'Completed' if ended else 'Failed'}ActionStatus"
        if not ended:
            action["error"] = f"{metrics['status']} after {metrics['epochs']} epochs"
        starts, imported = manifest.get("starts") or 1, (manifest.get("trainer") or {}).get("results")
        times = {"startTime": manifest.get("started") if starts == 1 else None, "endTime": manifest.get("ended")}
        for name, time in times.items():
            if time and not imported:
                action[name] = time
        how = f", resumed {starts - 1} times" if starts > 1 else ""
        how = f", imported from {imported} and not trained here" if imported else how
        action["description"] = f"{metrics['status']}{how}; {' '.join(manifest['command'][:2])}"
        facts = {name: manifest[name] for name in MACHINE if manifest.get(name) is not None}
        facts |= {f"version of {name}": found for name, found in (manifest.get("versions") or {}).items()}
        facts |= {"status": metrics["status"], "seed": asked["seed"]}
        action["environment"] = [self._value(run, name, value) for name, value in facts.items()]
        if not imported:  # of which neither times nor seconds are known
            action["resourceUsage"] = [self._value(run, "wall_s", manifest["wall_s"], unit="SEC")]
        return action

    def _without_result(self) -> list[dict[str, Any]]:
        """Runs of the plan that ended with an error, or were stopped: what is known of each."""
        mine = {p.run.id for p in self.project.plan.planned if self.paper in (None, p.paper) and not self.run}
        every = statuses(self.project.plan, self.project.params.health)
        return [found for found in every if found["run"] in mine and found["state"] in WITHOUT_RESULT]

    def _unfinished(self, found: dict[str, Any]) -> Any:
        tool = self._entity(
            "#code-here", "SoftwareApplication", name="ablate train", softwareVersion=version("ablate")
        )
        self.tools["here"] = tool
        action = self._entity(f"#run-{found['run']}", "CreateAction", name=found["run"], instrument=tool)
        if run := self.project.plan.find(found["run"]):
            asked = as_json({"run": run.id, **run.model_dump(mode="json")}).encode()
            action["object"] = self._written(run.id, "run.json", asked)
        action["actionStatus"] = "http://schema.org/FailedActionStatus"
        action["error"] = f"{found['state']}: {found.get('error', 'its checkpoint waits')}"
        return action

    def _tool(self, run: str, manifest: dict[str, Any]) -> Any:
        """The training code of a run: a tool for each digest of it, with the files of the user's own."""
        code, git, own = manifest["key"]["code"], manifest.get("git") or {}, manifest.get("trainer") or {}
        if code not in self.tools:
            name = own.get("command") or own.get("function") or "ablate train"
            facts: dict[str, Any] = {"name": name, "softwareVersion": str(git.get("commit")), "sha256": code}
            said = ["not as that commit has it: the runs' manifests say how"] if git.get("dirty") else []
            planned = self.project.plan.find(run)
            files = own_code(planned, self.project.params.trainers) if planned else []
            if planned and files and self.keys.key(planned)["code"] != code:
                said.append(f"of other files than are here: {', '.join(map(str, files))}")
                files = []
            if said:
                facts["description"] = "; ".join(said)
            self.tools[code] = self._entity(f"#code-{code[:16]}", "SoftwareApplication", **facts)
            if files:
                self.tools[code]["hasPart"] = [self._file(path) for path in files]
        return self.tools[code]

    def _data(self, run: str, settings: dict[str, Any], manifest: dict[str, Any]) -> list[Any]:
        """What a run was trained on, by the digest of its content: a data set as it was packed, or a trainer's files.

        A data set has that of its archive beside it; a file of results that were imported is in the crate.
        """
        data, own = manifest["data"], manifest.get("trainer")
        if own:
            planned, results = self.project.plan.find(run), []
            if isinstance(planned, OwnRun) and own.get("results"):
                trainer = self.project.params.trainers[planned.settings.trainer]
                path = results_of(planned.settings, planned.seed, trainer)
                results = [self._file(path)] if path.is_file() else []
            if data["pack"] is None:
                return results
            facts = {"name": "files of the trainer", "sha256": data["pack"]}
            facts["description"] = ", ".join([*own.get("files", ()), *filter(None, [own.get("results")])])
            return [*results, self._entity(f"#data-{data['pack'][:16]}", "CreativeWork", **facts)]
        name, archive = settings["dataset"], data.get("archive") or {}
        facts = {"name": f"{name}, packed", "sha256": data["pack"]}
        facts["description"] = (
            f"from {archive.get('archive')}, {archive.get('digest')}, SHA-256 {archive.get('sha256')}"
        )
        return [self._entity(f"#data-{name}-{data['pack'][:16]}", "CreativeWork", **facts)]

    def _value(self, run: str, name: str, value: object, unit: str | None = None) -> Any:
        facts = {"name": name, "propertyID": name.replace(" ", "-"), "value": str(value)}
        return self._entity(
            f"#{run}-{name.replace(' ', '-')}", "PropertyValue", **facts | ({"unitCode": unit} if unit else {})
        )

    def _file(self, path: Path) -> Any:
        """A file of this folder, once; one from elsewhere lies in ``elsewhere``, after its digest."""
        facts = _digest(path) | {"name": path.as_posix(), "encodingFormat": _form(path)}
        outside = path.is_absolute() or ".." in path.parts
        place = f"elsewhere/{facts['sha256'][:16]}/{path.name}" if outside else path.as_posix()
        return self.crate.get(place) or self.crate.add_file(str(path), place, properties=facts)

    def _written(self, run: str, name: str, content: bytes) -> Any:
        """A file of a run, which no folder has."""
        facts = {"sha256": hashlib.sha256(content).hexdigest(), "contentSize": str(len(content))}
        facts |= {"name": f"{name} of {run}", "encodingFormat": "application/json"}
        return self.crate.add_file(BytesIO(content), f"runs/{run}/{name}", properties=facts)

    def _entity(self, id: str, type: str, **facts: Any) -> Any:
        if there := self.crate.get(id):
            return there
        return self.crate.add(
            need("rocrate.model.contextentity").ContextEntity(self.crate, id, {"@type": type, **facts})
        )


def _digest(path: Path | str) -> dict[str, str]:
    content = Path(path).read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "contentSize": str(len(content))}


FORMS = {".md": "text/markdown", ".csv": "text/csv", ".tex": "application/x-tex", ".json": "application/json",
         ".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".xz": "application/x-xz",
         ".yaml": "application/yaml"}  # fmt: skip


def _form(path: Path) -> str:
    return FORMS.get(path.suffix, "text/plain")


def check_crate(folder: Path) -> int:
    """Compare each file of a crate with the digest that its metadata has; returns how many there are.

    Raises:
        UserError: For each file that is not there, is another, or has no digest.
    """
    graph = read_json(folder / METADATA).get("@graph", [])
    files = [entity for entity in graph if "File" in ([t] if isinstance(t := entity.get("@type"), str) else t or [])]
    faults = []
    for entity in files:
        path = folder / entity["@id"]
        if not path.is_file():
            faults.append(f"{path}: is not there")
        elif entity.get("sha256") != _digest(path)["sha256"]:
            faults.append(f"{path}: has another digest than {METADATA}")
    if not files or faults:
        raise UserError("; ".join(faults) or f"{folder}: its {METADATA} names no files")
    return len(files)
