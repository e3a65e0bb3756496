"""plan.json and its records. Oracle: the same plan, written as a plain dictionary key by key; and the file itself."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import UserError
from ablate.files import as_json, write_json
from ablate.models.registry import contaminated
from ablate.plan.params import Params, load
from ablate.plan.project import open_project
from ablate.plan.record import PlanRecord, read_plan
from ablate.plan.runs import Run, make_plan
from ablate.records import read_yaml
from ablate.seals import sealed
from conftest import ROOT

PARAMS = ROOT / "params.yaml"


def record_of(scale: str) -> PlanRecord:
    return open_project(PARAMS, {"scale": scale}).record


@pytest.fixture(scope="module")
def demo() -> PlanRecord:
    return record_of("demo")


def facts(params: Params, run: Run) -> dict[str, Any]:
    """What a run's settings come to on its data."""
    n_classes, images, _ = params.datasets[run.settings.dataset].counts(run.settings)
    return {"n_classes": n_classes, "images": images, "data": run.variant}


def test_the_file_has_the_keys_and_values_of_the_plan_in_this_order(demo: PlanRecord) -> None:
    params = load(PARAMS, {"scale": "demo"})
    plan = make_plan(params)
    drawn = {paper: read_yaml(ROOT / f"papers/{paper}.yaml") for paper in params.studies}
    record: dict[str, Any] = {
        "scale": plan.scale,
        "label": params.label,
        "looks": list(plan.looks),
        "adaptive": params.adaptive and params.adaptive.model_dump(mode="json"),
        "health": params.health.model_dump(mode="json"),
        "studies": {
            f"{paper}/{name}": {
                "title": drawn[paper]["drawn"][name]["title"],
                "axes": list(study.axes),
                "tables": drawn[paper]["drawn"][name]["tables"],
                "figures": drawn[paper]["drawn"][name]["figures"],
                "show": drawn[paper]["drawn"][name].get("show", {}),
            }
            for paper, studies in params.studies.items()
            for name, study in studies.items()
        },
        "runs": [
            {
                "run": p.run.id,
                "paper": p.paper,
                "study": p.study,
                "arm": p.arm,
                "seed": p.run.seed,
                "levels": p.levels,
                "settings": p.run.settings.model_dump(mode="json", exclude_defaults=True),
                "facts": facts(params, p.run),
                "contaminated": contaminated(p.run.settings.weights, params.datasets[p.run.settings.dataset].layout),
                "deviations": d if (d := demo.runs[i].deviations) is None else {k: list(v) for k, v in d.items()},
                "n_classes": params.datasets[p.run.settings.dataset].counts(p.run.settings)[0],
                "image_size": params.datasets[p.run.settings.dataset].image_size,
                "trainable": params.datasets[p.run.settings.dataset].trainable(p.run.settings),
            }
            for i, p in enumerate(plan.planned)
        ],
    }
    plain = {key: value for key, value in demo.plain.items() if key not in ("digest", "seal")}
    assert plain == record
    digest = hashlib.sha256(json.dumps(record).encode()).hexdigest()[:16]
    assert demo.digest == digest
    assert as_json(demo.plain) == as_json(sealed({"digest": digest, **record}))


@pytest.mark.parametrize("scale", ["demo", "pilot", "paper"])
def test_what_is_read_is_what_was_written(scale: str, tmp_path: Path) -> None:
    file, record = tmp_path / "plan.json", record_of(scale)
    write_json(file, record.plain)
    found = read_plan(file)
    assert found == record and as_json(found.plain) == file.read_text(encoding="utf-8")
    assert [p for paper in found.papers for p in found.of(paper)] == list(record.runs)
    assert sum(len(found.studies_of(paper)) for paper in found.papers) == len(record.studies)


def put(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(plain: Any) -> None:
        for key in path[:-1]:
            plain = plain[key]
        plain[path[-1]] = value

    return change


def without(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(plain: Any) -> None:
        for key in path[:-1]:
            plain = plain[key]
        del plain[path[-1]]

    return change


SHAPES = {  # what is said to be wrong: a change of a file that keeps its seal
    "runs: ": put("runs", value={}),
    "runs.0: ": put("runs", 0, value="a run"),
    "runs.1.arm: is missing": without("runs", 1, "arm"),
    "runs.1.seed: ": put("runs", 1, "seed", value="1"),
    "runs.0.levels: ": put("runs", 0, "levels", value=["a"]),
    "runs.0.settings.lr: ": put("runs", 0, "settings", "lr", value=-1.0),
    "runs.0.settings.colour: ": put("runs", 0, "settings", "colour", value="red"),
    "runs.0.settings.model: is missing": without("runs", 0, "settings", "model"),
    "runs.0.facts: is missing": without("runs", 0, "facts"),
    "runs.0.contaminated: ": put("runs", 0, "contaminated", value=1),
    "runs.0.deviations.lr.1: is missing": put("runs", 0, "deviations", value={"lr": [0.1]}),
    "studies: is missing": without("studies"),
    "studies.x/y: ": put("studies", "x/y", value=None),
    "looks: ": put("looks", value=None),
    "adaptive.looks: ": put("adaptive", value={"looks": [3, 2]}),
    "scale: ": put("scale", value=3),
}


@pytest.mark.parametrize("said", SHAPES)
def test_a_file_of_another_shape_is_one_message_with_its_name(said: str, demo: PlanRecord, tmp_path: Path) -> None:
    plain, file = demo.plain, tmp_path / "plan.json"
    SHAPES[said](plain)
    write_json(file, sealed(plain))
    with pytest.raises(UserError) as raised:
        read_plan(file)
    assert str(raised.value).startswith(f"{file}: damaged: {said}") and "\n" not in str(raised.value)


@pytest.mark.parametrize("text", [None, "", "[]", "null", "{}", '{"seal": 1}', "\udcff", '{"runs": []}'])
def test_a_file_that_ablate_plan_did_not_write_is_refused(text: str | None, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    if text is not None:
        file.write_text(text, errors="surrogateescape")
    with pytest.raises(UserError, match="make it again") as raised:
        read_plan(file)
    assert str(raised.value).startswith(f"{file}: ")


def test_a_foreign_record_with_a_seal_of_its_own_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "plan.json", sealed({"code": "0", "inputs": {}, "outputs": {}}))
    with pytest.raises(UserError, match=r"plan\.json: damaged: scale: is missing"):
        read_plan(tmp_path / "plan.json")
