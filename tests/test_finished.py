"""Finished runs outlive what Snakemake deletes. Oracle: bytes, inodes, and the number that each training has."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ablate.plan.runs import PRETRAINED, RUNS, Run
from ablate.plan.settings import Settings
from ablate.workflow import finished
from ablate.workflow.finished import FINISHED, UNNOTED, link_out, settle
from conftest import Workspace

pytestmark = pytest.mark.usefixtures("own_folder")


def leave(run: str, folder: Path = RUNS, **files: str) -> Path:
    """A finished run where training has left it."""
    kept = FINISHED / folder / run
    kept.mkdir(parents=True)
    for name, text in {"metrics_json": "{}", "manifest_json": "{}", **files}.items():
        (kept / name.replace("_", ".")).write_text(text)
    return kept


def test_a_run_is_linked_out_with_its_patch_and_costs_no_disk() -> None:
    kept = leave("a_s0", history_csv="1")
    patch = kept.parent / "patches/ab.diff"
    patch.parent.mkdir()
    patch.write_text("+")
    link_out(kept, RUNS / "a_s0")
    for source in (*kept.iterdir(), patch):
        target = Path(*source.parts[len(FINISHED.parts) :])
        assert target.stat().st_ino == source.stat().st_ino
    (RUNS / "a_s0/history.csv").unlink()
    link_out(kept, RUNS / "a_s0")  # over what is there
    assert sorted(file.name for file in (RUNS / "a_s0").iterdir()) == ["history.csv", "manifest.json", "metrics.json"]


def test_without_links_it_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*files: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(finished.os, "link", refuse)
    link_out(leave("a_s0", history_csv="1"), RUNS / "a_s0")
    assert (RUNS / "a_s0/history.csv").read_text() == "1"


def test_what_is_gone_comes_back_and_then_nothing_is_kept() -> None:
    leave("lost_s0", history_csv="1")
    leave("lost_s0", PRETRAINED, weights_safetensors="w")
    link_out(leave("there_s0"), RUNS / "there_s0")
    (RUNS / "there_s0/manifest.json").write_text("another's by now")
    half = FINISHED / RUNS / "half_s0"  # its training is under way
    half.mkdir()
    (half / "run.json").write_text("{}")
    settle(ended=True)
    assert (RUNS / "lost_s0/history.csv").read_text() == "1"
    assert (PRETRAINED / "lost_s0/weights.safetensors").read_text() == "w"
    assert (RUNS / "there_s0/manifest.json").read_text() == "another's by now"
    assert sorted(FINISHED.rglob("*.*")) == [half / "run.json"] and not (RUNS / "half_s0").exists()


def test_as_long_as_snakemake_knows_no_end_of_a_job_runs_are_kept() -> None:
    """After Ctrl-C it starts those jobs again, and removes what they had made before."""
    kept = leave("a_s0")
    (UNNOTED / "deep").mkdir(parents=True)
    settle(ended=False)  # at a start, or where jobs were cancelled, which may not have come to their end
    assert kept.exists() and (RUNS / "a_s0/metrics.json").exists()
    (UNNOTED / "deep/b64").touch()
    settle(ended=True)
    assert kept.exists()
    (UNNOTED / "deep/b64").unlink()
    settle(ended=True)
    assert not kept.exists() and (RUNS / "a_s0/metrics.json").exists()


@pytest.mark.slow
def test_a_job_that_comes_again_trains_only_what_is_not_there_as_asked(packs: dict[str, Path]) -> None:
    base = {
        "dataset": "cifar10", "model": "cifar-plain7", "optimizer": "sgd", "lr": 0.01, "epochs": 1, "batch_size": 50,
        "per_class": 5,
    }  # fmt: skip
    run = Run(settings=Settings.model_validate(base), seed=0, recipe=1, variant="embedded")
    out, kept = RUNS / run.id, FINISHED / RUNS / run.id
    words = [str(Path(sys.executable).with_name("ablate")), "train", "--run", run.to_json(), "--pack"]

    def trained(*more: str) -> str:
        """The number of the training that has left the run."""
        shutil.rmtree(out, ignore_errors=True)  # Snakemake does so before a job starts
        subprocess.run([*words, str(packs["cifar10"]), "--out", str(out), *more], check=True)
        return str(json.loads((out / "manifest.json").read_text())["training"])

    keeping = ("--device=cpu", f"--finished={FINISHED}", f"--weights={out}/weights.safetensors")
    first = trained(*keeping)
    assert (kept / "weights.safetensors").exists()
    assert trained(*keeping) == first
    assert (out / "weights.safetensors").stat().st_ino == (kept / "weights.safetensors").stat().st_ino
    (kept / "history.csv").write_text("damaged")
    second = trained(*keeping)
    assert second != first
    manifest = json.loads((kept / "manifest.json").read_text())
    (kept / "manifest.json").write_text(json.dumps(manifest | {"key": manifest["key"] | {"data": "other"}}))
    third = trained(*keeping)
    assert third not in (first, second)
    assert trained("--device=cpu") != third  # by hand nothing is kept


@pytest.mark.slow
def test_a_whole_call_leaves_nothing_behind_and_what_a_user_deletes_is_trained_again(workspace: Workspace) -> None:
    assert workspace.jobs("runs")["train"] == 3
    runs = sorted((workspace.folder / RUNS).glob("*_s0"))
    numbers = {run: (run / "manifest.json").read_bytes() for run in runs}
    assert len(runs) == 3 and not list((workspace.folder / FINISHED).rglob("*.json"))
    assert not (workspace.folder / RUNS / "patches").exists()
    shutil.rmtree(runs[0])
    assert workspace.jobs("runs")["train"] == 1
    assert [run for run in runs if (run / "manifest.json").read_bytes() != numbers[run]] == runs[:1]
