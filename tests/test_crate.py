"""Run crates. Oracle: the bytes and the words of runs made up here, and roc-validator where there is one."""

import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ablate.cli import main as cli
from ablate.errors import UserError
from ablate.plan.project import open_project
from ablate.plan.run_records import RunRecords
from ablate.plan.runs import RUNS
from ablate.proof.crate import _Crate, check_crate, write_crate
from ablate.proof.own import own_code
from ablate.runtime.manifest import processor
from conftest import ROOT, TINY, write_tiny
from fabricated import vouch
from test_run_records import predictions

pytest.importorskip("rocrate")
CONTEXT = Path("data/ro-crate.jsonld")  # in the library
VALIDATOR = Path(os.environ.get("ABLATE_ROC_VALIDATOR", ROOT / ".venv/roc-validator/bin/python"))
DAY = "2026-11-26T"
TIMES = {  # those of seed 1 are of before there were any
    seed: {"started": f"{DAY}1{seed}:00:00+00:00", "ended": f"{DAY}1{seed}:00:02+00:00"} for seed in (0, 2)
}
ENDS = {0: ("done", 1), 1: ("diverged", 1), 2: ("done", 3)}  # seed: status, starts


@pytest.fixture
def crate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of nine runs: of each arm one is done, one diverged, one was resumed twice."""
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path, TINY.replace("seeds: [0]", "seeds: [0, 1, 2]"))
    shutil.copy(ROOT / "Snakefile", "Snakefile")
    project = open_project(Path("params.yaml"))
    for run in project.plan.runs.values():
        folder, (status, starts) = RUNS / run.id, ENDS[run.seed]
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({"run": run.id, **run.model_dump(mode="json")}))
        (folder / "metrics.json").write_text(json.dumps({"status": status, "epochs": 1, "val_top1": 0.5}))
        (folder / "history.csv").write_text(f"epoch,val_top1\n1,0.{run.seed}\n")
        (folder / "predictions.csv").write_text(predictions(run.seed))
        (folder / "filters.npy").write_bytes(b"")
        archive = {"archive": "cifar.tar.gz", "digest": "official", "sha256": "a" * 64}
        vouch(
            folder, key={"run": run.id, "data": "d" * 64, "start": None, "code": "c" * 64}, training=run.id,
            git={"commit": "e82657d72cd1", "dirty": False}, data={"pack": "d" * 64, "archive": archive},
            device=processor(), threads=2, precision="fp32", compile=None, starts=starts, wall_s=1.5,
            versions={"torch": "2.13.0"}, command=["ablate", "train", "--run", run.to_json()],
            **TIMES.get(run.seed, {}),
        )  # fmt: skip
    RunRecords(project.plan).pack()
    shutil.rmtree(RUNS)
    Path("results/tiny/resnet-vs-plain/table-1.md").write_text("a table\n")
    write_crate(project, None, tmp_path / "crate")
    return tmp_path / "crate"


def graph(crate: Path) -> dict[str, Any]:
    return {entity["@id"]: entity for entity in json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]}


def test_each_run_is_an_action_with_its_outcome(crate: Path) -> None:
    """Three arms: a done, a diverged and a resumed run of each."""
    found = graph(crate)
    actions = [e for id, e in found.items() if id.startswith("#run-")]
    assert len(actions) == 9
    assert sum(e["actionStatus"].endswith("/FailedActionStatus") for e in actions) == 3
    assert {e.get("error") for e in actions} == {None, "diverged after 1 epochs"}
    assert sum("resumed 2 times" in e["description"] for e in actions) == 3
    one = actions[0]
    values = {found[v["@id"]]["name"]: found[v["@id"]]["value"] for v in one["environment"]}
    assert values["threads"] == "2" and values["version of torch"] == "2.13.0" and values["device"] == processor()
    assert found[one["resourceUsage"]["@id"] if isinstance(one["resourceUsage"], dict) else
                 one["resourceUsage"][0]["@id"]]["value"] == "1.5"  # fmt: skip
    assert found[one["instrument"]["@id"]]["sha256"] == "c" * 64
    inputs = [found[v["@id"]] for v in one["object"]]
    assert inputs[1]["sha256"] == "d" * 64 and "a" * 64 in inputs[1]["description"]
    settings = json.loads((crate / inputs[0]["@id"]).read_text())
    assert settings["run"] == one["name"] and settings["settings"]["model"].startswith("cifar-")


def test_times_are_those_that_are_known(crate: Path) -> None:
    """Of a run of before there were any: none; of one that was resumed: its end, since its first start is lost."""
    found = [e for id, e in graph(crate).items() if id.startswith("#run-")]
    times = {(e.get("startTime"), e.get("endTime")) for e in found}
    assert times == {tuple(TIMES[0].values()), (None, None), (None, TIMES[2]["ended"])}


def test_the_workflow_orchestrates_them_and_people_can_read_it(crate: Path) -> None:
    found = graph(crate)
    assert found["./"]["mainEntity"] == {"@id": "Snakefile"}
    assert {c["@id"].rsplit("/", 2)[-2] for c in found["./"]["conformsTo"]} == {
        "process", "workflow", "provenance", "workflow-ro-crate"
    }  # fmt: skip
    assert len(found["#organize"]["object"]) == 9 and found["#organize"]["result"] == {"@id": "#workflow-run"}
    assert "results/tiny/resnet-vs-plain/table-1.md" in {e["@id"] for e in found["#workflow-run"]["result"]}
    assert "Runs of the scale tiny" in (crate / "ro-crate-preview.html").read_text()


def test_a_failed_run_is_in_it_as_well(crate: Path, tmp_path: Path) -> None:
    project = open_project(Path("params.yaml"))
    run = next(iter(project.plan.runs))
    records = RunRecords(project.plan)
    records.files["resnet-vs-plain"].unlink()
    log = Path("logs/train") / f"{run}.log"
    log.parent.mkdir(parents=True)
    log.write_text("Traceback (most recent call last):\n  File\nValueError: no such thing\n")
    write_crate(open_project(Path("params.yaml")), None, tmp_path / "other")
    failed = graph(tmp_path / "other")[f"#run-{run}"]
    assert failed["actionStatus"].endswith("/FailedActionStatus") and "ValueError: no such thing" in failed["error"]


def test_a_run_that_was_stopped_is_in_it_with_its_settings(crate: Path, tmp_path: Path) -> None:
    project = open_project(Path("params.yaml"))
    run = next(iter(project.plan.runs.values()))
    RunRecords(project.plan).files["resnet-vs-plain"].unlink()
    (tmp_path / ".ablate/checkpoints" / run.id).mkdir(parents=True)
    (tmp_path / ".ablate/checkpoints" / run.id / "last.pt").write_bytes(b"")
    write_crate(open_project(Path("params.yaml")), None, tmp_path / "other")
    found = graph(tmp_path / "other")
    stopped = found[f"#run-{run.id}"]
    assert stopped["error"] == "interrupted: its checkpoint waits"
    asked = found[stopped["object"]["@id"]]
    written = (tmp_path / "other" / asked["@id"]).read_bytes()
    assert json.loads(written)["seed"] == run.seed and asked["sha256"] == hashlib.sha256(written).hexdigest()


def test_the_file_of_an_own_network_is_in_it(crate: Path, tmp_path: Path) -> None:
    """With the code that made its runs; of runs that other code made it is said that the file is another."""
    project = open_project(Path("params.yaml"))
    run = next(iter(project.plan.runs.values()))
    (tmp_path / "nets.py").write_text("from torch import nn\n\n\nclass Net(nn.Linear):\n    pass\n")
    own = run.model_copy(update={"settings": run.settings.model_copy(update={"model": "nets.py:Net"})})
    assert own_code(own, {}) == [Path("nets.py")]
    writer = _Crate(importlib.import_module("rocrate.rocrate").ROCrate(version="1.1"), project, None, None)
    writer.project = SimpleNamespace(plan=SimpleNamespace(find=lambda id: own), params=project.params)  # type: ignore[assignment]
    made = {"key": writer.keys.key(own), "git": {"commit": "e82657d72cd1"}}
    (part,) = writer._tool(own.id, made)["hasPart"]
    assert part.id == "nets.py" and part["sha256"] == hashlib.sha256((tmp_path / "nets.py").read_bytes()).hexdigest()
    other = writer._tool(own.id, {"key": made["key"] | {"code": "0" * 64}})
    assert other.get("hasPart") is None and other["description"] == "of other files than are here: nets.py"


@pytest.mark.parametrize("name", ["results/tiny/resnet-vs-plain/table-1.md", "runs", "params.yaml"])
def test_a_file_with_another_digest_is_refused(crate: Path, name: str) -> None:
    files = check_crate(crate)
    assert files == 3 * 9 + 2 + 1 + 1 + 1 + 2  # of runs, records, table, params, Snakefile, papers
    broken = next((crate / name).rglob("metrics.json")) if name == "runs" else crate / name
    broken.write_bytes(broken.read_bytes() + b" ")
    with pytest.raises(UserError, match=f"{broken.name}: has another digest"):
        check_crate(crate)
    broken.unlink()
    with pytest.raises(UserError, match=f"{broken.name}: is not there"):
        check_crate(crate)


def test_the_commands_write_and_check_a_crate(
    crate: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["ablate", "export", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out = capsys.readouterr()
        return int(ended.value.code or 0), out.out + out.err

    assert said("crate", "--paper", "tinyimage10", "--output", "one") == (0, "one: 3 runs, 13 files\n")
    assert said("check", "one") == (0, "one: 13 files, as its metadata says\n")
    assert said("crate", "--output", "one")[0] == 2
    assert "did you mean 'tinyimage10'" in said("crate", "--paper", "tinyimage1", "--output", "two")[1]
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    code, text = said("crate", "--output", "two")
    assert code == 2 and "pip install 'ablate[export]'" in text


@pytest.mark.skipif(not VALIDATOR.exists(), reason="roc-validator is not there: make validators")
def test_roc_validator_finds_a_valid_provenance_run_crate_offline(crate: Path) -> None:
    """And finds what is wrong in one that is none."""
    assert validated(crate) == (0, "")
    metadata = crate / "ro-crate-metadata.json"
    metadata.write_text(metadata.read_text().replace('"HowToStep"', '"Thing"'))
    code, said = validated(crate)
    assert code == 1 and "ControlAction must reference a HowToStep" in said


def validated(crate: Path) -> tuple[int, str]:
    """Exit code and words of roc-validator."""
    import rocrate

    context = Path(rocrate.__file__).parent / CONTEXT
    words = [str(VALIDATOR), str(ROOT / "tests/validators/validate_crate.py"), str(crate), str(context)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert not done.returncode or done.stdout, done.stderr
    return done.returncode, done.stdout
