"""`ablate verify` and crates of own trainers. Oracle: scripts whose chance, settings and seed are known."""

import hashlib
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import UserError
from ablate.plan.project import Project, open_project
from ablate.plan.run_records import RunRecords, _write, read_records
from ablate.plan.runs import RUNS
from ablate.proof.again import link_study
from ablate.proof.crate import check_crate, write_crate
from ablate.proof.keep import keep
from ablate.proof.retrain import Trained, train_again
from ablate.proof.verify import verify
from ablate.proof.weave import weave
from ablate.seals import sealed
from conftest import ROOT, Ablate
from own import SCRIPT, STUDIES, TRAINER, planned, words_to_train, write_project
from test_crate import VALIDATOR, validated

SURE = TRAINER + "    deterministic: true\n"
BY_HELPER = SCRIPT.replace("import json, os, sys", "import json, os, sys\nfrom helper import more")
CHANCE = SCRIPT.replace('"loss": 1 / depth', '"loss": 1e-9 * int.from_bytes(os.urandom(4)) + 1 / depth').replace(
    '"score": 0.1', '"score": 1e-12 * int.from_bytes(os.urandom(4)) + 0.1'
)
FUNCTION = TRAINER.replace("command: python train.py {depth} {seed} {out}", "function: train.py:fit").replace(
    "{depth: {type: integer, minimum: 1}}", "{depth: {type: integer}}"
)
FIT = "def fit(settings, seed, out):\n    return {'score': settings['depth'] + seed / 100, 'loss': 1 / (1 + seed)}\n"
OLD = """
trainers:
  old:
    results: old.csv
    metrics: {score: {better: higher}}
"""
ROWS = "depth,seed,score\n" + "".join(f"{d},{s},{d + s / 10}\n" for d in (1, 2) for s in range(3))


def recorded(ablate: Ablate) -> Project:
    """The project here, all of it trained and recorded, without the runs' folders."""
    for entry in planned():
        code, _, err = ablate(*words_to_train(entry))
        assert code == 0, err
    project = open_project(Path("params.yaml"))
    RunRecords(project.plan).pack()
    shutil.rmtree(RUNS)
    return project


def again(folder: Path) -> Trained:
    """Of a project that is opened anew, as `ablate verify` does."""
    (folder / "again").mkdir()
    link_study(folder / "again")
    return train_again(open_project(Path("params.yaml")), "mine", folder / "again", random.Random(0))


def rewritten(change: float = 0.0, **manifest: Any) -> None:
    """All runs with another score, and everything that vouches for them sealed anew."""
    file = Path("results/mine/mine/records.xz")
    runs = read_records(file, "mine", "mine")
    for _, files in runs.values():
        metrics = json.loads(files["metrics.json"])
        files["metrics.json"] = json.dumps(metrics | {"score": metrics["score"] + change}).encode()
        made = {k: v for k, v in json.loads(files["manifest.json"]).items() if k != "seal"} | manifest
        made["files"]["metrics.json"] = hashlib.sha256(files["metrics.json"]).hexdigest()
        files["manifest.json"] = json.dumps(sealed(made)).encode()
    _write(file, "mine", "mine", runs)


@pytest.mark.parametrize(("trainer", "script"), [(TRAINER, SCRIPT), (SURE, SCRIPT), (FUNCTION, FIT)])
def test_a_run_of_an_own_trainer_is_trained_again_to_the_same_bytes(
    ablate: Ablate, tmp_path: Path, trainer: str, script: str
) -> None:
    write_project(tmp_path, trainer, script=script)
    recorded(ablate)
    found = again(tmp_path)
    assert found.word == "same bytes", found.said
    assert not RUNS.exists()


def test_bytes_must_be_the_same_where_the_trainer_says_so(ablate: Ablate, tmp_path: Path) -> None:
    write_project(tmp_path, SURE, script=CHANCE)
    recorded(ablate)
    found = again(tmp_path)
    assert found.word == "wrong" and "other bytes in metrics.json, on the same kind of machine" in found.said


@pytest.mark.parametrize(
    ("trainer", "change", "manifest", "word", "said"),
    [
        (TRAINER, 0.0, {}, "within its arm", "by a trainer that is not called deterministic, score 0."),
        (TRAINER, 1.0, {}, "wrong", " where its arm allows 1."),
        (SURE, 0.0, {"device": "another"}, "within its arm", "on another device, score 0."),
        (SURE, 1.0, {"device": "another"}, "wrong", " where its arm allows 1."),
    ],
)
def test_else_the_spread_of_its_arm_judges(
    ablate: Ablate, tmp_path: Path, trainer: str, change: float, manifest: dict[str, Any], word: str, said: str
) -> None:
    write_project(tmp_path, trainer, script=CHANCE)
    recorded(ablate)
    rewritten(change, **manifest)
    found = again(tmp_path)
    assert found.word == word and said in found.said, found.said


def test_an_arm_whose_runs_are_all_alike_judges_nothing(ablate: Ablate, tmp_path: Path) -> None:
    write_project(tmp_path, SURE, script=SCRIPT.replace(" + 0.01 * seed", ""))
    recorded(ablate)
    rewritten(0.001, device="another")
    found = again(tmp_path)
    assert found.word == "not checked" and "too few unlike runs" in found.said


def test_what_cannot_be_trained_again_says_why(ablate: Ablate, tmp_path: Path) -> None:
    write_project(tmp_path, TRAINER.replace("    schema", "    files: [data.txt]\n    schema"))
    (tmp_path / "data.txt").write_text("1")
    project = recorded(ablate)
    (tmp_path / "data.txt").write_text("2")
    assert again(tmp_path).said == "of its 6 runs 6 of other data than the files of the trainer tree here"
    (tmp_path / "train.py").write_text(f"{SCRIPT}\nprint(1)\n")
    shutil.rmtree("again")
    assert again(tmp_path).said.startswith("of its 6 runs 6 of other code")
    with pytest.raises(UserError, match="of the trainer tree, whose weights are its own affair"):
        keep(project, next(iter(project.plan.runs)), Path("kept"))


def test_imported_results_are_told_as_such(ablate: Ablate, tmp_path: Path) -> None:
    write_project(tmp_path, OLD, STUDIES.replace("trainer: tree", "trainer: old"))
    (tmp_path / "old.csv").write_text(ROWS)
    project = recorded(ablate)
    assert again(tmp_path).said == "of its 6 runs 6 imported, which nobody trained here"
    found = crate(project, tmp_path)
    if VALIDATOR.exists():
        assert validated(tmp_path / "crate") == (0, "")
    actions = [entity for id, entity in found.items() if id.startswith("#run-")]
    assert len(actions) == 6
    for action in actions:
        assert "imported from old.csv and not trained here" in action["description"]
        assert not {"startTime", "endTime", "resourceUsage"} & action.keys()
        assert {"@id": "old.csv"} in action["object"]
    assert found["old.csv"]["sha256"] == hashlib.sha256(ROWS.encode()).hexdigest()


def crate(project: Project, folder: Path) -> dict[str, Any]:
    """{id: what the crate of the project says of it}; each file of it has its digest."""
    shutil.copy(ROOT / "Snakefile", "Snakefile")
    shutil.rmtree(folder / "crate", ignore_errors=True)
    write_crate(project, None, folder / "crate")
    assert check_crate(folder / "crate")
    return {e["@id"]: e for e in json.loads((folder / "crate/ro-crate-metadata.json").read_text())["@graph"]}


def test_a_crate_has_the_scripts_of_an_own_trainer(ablate: Ablate, tmp_path: Path) -> None:
    pytest.importorskip("rocrate")
    write_project(tmp_path, TRAINER.replace("    schema", "    files: [data.txt]\n    schema"), script=BY_HELPER)
    (tmp_path / "helper.py").write_text("more = 0\n")
    (tmp_path / "data.txt").write_text("1")
    project = recorded(ablate)
    found = crate(project, tmp_path)
    if VALIDATOR.exists():
        assert validated(tmp_path / "crate") == (0, "")
    action = found[f"#run-{next(iter(project.plan.runs))}"]
    tool = found[action["instrument"]["@id"]]
    assert tool["name"] == "python train.py {depth} {seed} {out}" and "of other files" not in tool.get(
        "description", ""
    )
    assert [part["@id"] for part in tool["hasPart"]] == ["train.py", "helper.py"]
    assert (tmp_path / "crate/helper.py").read_text() == "more = 0\n"
    assert found["helper.py"]["sha256"] == hashlib.sha256(b"more = 0\n").hexdigest()
    (data,) = [found[e["@id"]] for e in action["object"] if e["@id"].startswith("#data-")]
    assert (
        data["description"] == "data.txt"
        and data["sha256"] == RunRecords(project.plan).runs[action["name"]].key["data"]
    )
    (tmp_path / "helper.py").write_text("more = 1\n")
    found = crate(open_project(Path("params.yaml")), tmp_path)
    assert "hasPart" not in found[action["instrument"]["@id"]] and "helper.py" not in found
    assert found[action["instrument"]["@id"]]["description"].endswith(
        "of other files than are here: train.py, helper.py"
    )


@pytest.mark.slow
def test_the_command_trains_a_run_of_an_own_trainer_again(ablate: Ablate, tmp_path: Path) -> None:
    write_project(tmp_path, SURE)
    recorded(ablate)
    assert ablate("render", "--partial")[0] == 0
    text = Path("text.md")
    text.write_text("{{ ablate:mine/table-depth:2:score }}, {{ ablate:mine/table-depth:1:loss }} nats\n")
    assert weave(text, Path("results/mine")) == "0.21, 1.001 nats\n"  # means over the seeds 0, 1 and 2
    shutil.rmtree(RUNS)
    checks = {check.what: check for check in verify(open_project(Path("params.yaml")), draw=random.Random(0))}
    assert not any(check.faults or check.open for check in checks.values())
    assert "the same bytes in 5 files" in checks["training"].said
    rewritten(1.0)
    assert ablate("verify")[0] == 1
