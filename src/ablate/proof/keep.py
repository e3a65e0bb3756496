"""Weights that a user keeps, with a model card and a crate: a folder that says by itself where they came from."""

import json
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ruamel.yaml import YAML

from ablate.errors import UserError, choose
from ablate.files import atomic_write, write_text
from ablate.inert import in_markdown
from ablate.plan.keys import FILES, WEIGHTS
from ablate.plan.project import Project
from ablate.plan.run_records import RunRecords, read_records
from ablate.plan.runs import ENDED, PRETRAINED, OwnRun, Run
from ablate.proof.crate import write_crate
from ablate.proof.retrain import train_in
from ablate.seals import of_run, read_if_sealed

CARD = "README.md"
SPLITS = {"val": ("validation", "val_top1"), "test": ("test", "test_top1")}  # ours: Hugging Face's name, the metric


def keep(project: Project, id: str, target: Path) -> bool:
    """Write weights.safetensors, README.md and crate/ of a recorded run into ``target``.

    Most runs leave no weights: they are trained again, which takes as long as it did. Whether that gave the bytes of
    the record is returned, and stands in the card; the card's numbers are those of the weights that are kept.

    Raises:
        UserError: For a run that is not planned, has no record, did not end, or is of an own trainer; and as
            training does.
    """
    runs = project.plan.runs | project.plan.pretraining
    if id not in runs:
        raise choose("RUN", id, runs, "run")
    if isinstance(runs[id], OwnRun):
        raise UserError(f"{id}: is of the trainer {runs[id].settings.model}, whose weights are its own affair")
    if target.exists() and any(target.iterdir()):
        raise UserError(f"{target}: is not empty; name another folder, or delete it")
    recorded = _recorded(project, id)
    manifest, metrics = json.loads(recorded["manifest.json"]), json.loads(recorded["metrics.json"])
    if metrics["status"] not in ENDED:
        raise UserError(f"{id}: ended as {metrics['status']}; there are no weights to keep")
    with TemporaryDirectory(prefix="ablate-keep-") as folder:
        weights = PRETRAINED / id / WEIGHTS
        if weights.exists():
            of_run(PRETRAINED / id, WEIGHTS)
            same = True
        else:
            weights = Path(folder) / WEIGHTS
            out = train_in(Path(folder), project, runs[id], manifest, "--weights", str(weights))
            again = read_if_sealed(out / "manifest.json") or {}
            same = all(again["files"][name] == manifest["files"][name] for name in FILES[:-1])
            manifest, metrics = again, json.loads((out / "metrics.json").read_text(encoding="utf-8"))
        with atomic_write(target / WEIGHTS) as part:
            part.write_bytes(weights.read_bytes())
    write_text(target / CARD, card(runs[id], metrics, manifest, same=same))
    write_crate(project, None, target / "crate", run=id)
    return same


def _recorded(project: Project, id: str) -> dict[str, bytes]:
    records = RunRecords(project.plan)
    kept = records.runs.get(id)
    if kept is None:
        raise UserError(f"{id}: has no record; say `ablate records pack` when it has ended")
    paper = next(name for name, file in records.files.items() if file == kept.file)
    return read_records(kept.file, project.params.scale, paper)[id][1]


def card(run: Run, metrics: dict[str, Any], manifest: dict[str, Any], *, same: bool) -> str:
    """A model card: evaluation results as Hugging Face reads them, and where the weights came from in words."""
    s, data = run.settings, manifest["data"]
    results = [
        {
            "task": {"type": "image-classification"},
            "dataset": {
                "name": s.dataset, "type": s.dataset, "config": _config(run), "split": split,
                "revision": data["pack"],
            },
            "metrics": [{"type": "accuracy", "name": metric, "value": metrics[metric]}],
        }
        for split, metric in SPLITS.values()
        if metrics.get(metric) is not None
    ]  # fmt: skip
    head = {
        "library_name": "pytorch", "pipeline_tag": "image-classification", "tags": [s.model, "ablate"],
        "datasets": [s.dataset], "model-index": [{"name": run.id, "results": results}],
    }  # fmt: skip
    text = StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(head, text)
    archive, git = data.get("archive") or {}, manifest.get("git") or {}
    made = "the bytes of the record" if same else "other bytes than the record has, on another machine or version"
    lines = [
        f"# {in_markdown(run.id)}",
        f"`{s.model}`, {_config(run)} of {s.dataset}, seed {run.seed}. The weights are in `{WEIGHTS}`; "
        f"their training gave {made}.",
        "| split | images | top-1 accuracy |\n| --- | --- | --- |\n"
        + "\n".join(f"| {split} | {metrics.get(f'n_{ours}')} | {100 * metrics[metric]:.2f} % |"
                    for ours, (split, metric) in SPLITS.items() if metrics.get(metric) is not None),
        "| of | is |\n| --- | --- |\n" + "\n".join(f"| {name} | `{value}` |" for name, value in {
            "archive": f"{archive.get('archive')}, {archive.get('sha256')}",
            "data, packed": data["pack"],
            "code": f"{git.get('commit')}, {manifest['key']['code']}",
            "machine": f"{manifest['device']}, {manifest['threads']} threads, {manifest['precision']}",
            **{f"version of {name}": value for name, value in (manifest.get("versions") or {}).items()},
            **{f"setting {name}": value for name, value in s.model_dump(mode="json", exclude_none=True).items()},
        }.items()),
        "One seed of an arm says little of its recipe: the tables of the study have the others. `crate/` has this "
        "run as a Provenance Run Crate.",
    ]  # fmt: skip
    return f"---\n{text.getvalue()}---\n\n" + "\n\n".join(lines) + "\n"


def _config(run: Run) -> str:
    """What of the data set was used."""
    s = run.settings
    classes = f"classes {s.class_range[0]} to {s.class_range[1]}" if s.class_range else "all classes"
    if s.classes and not s.class_range:
        classes = f"{len(s.classes)} classes by name"
    return classes if s.per_class is None else f"{classes}, {s.per_class} images each"
