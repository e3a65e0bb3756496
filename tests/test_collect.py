"""Runs that are missing, diverged, duplicated or of other settings: named, and never averaged."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from ablate.errors import UserError
from ablate.results.study import study_results
from ablate.tables.registry import write_table
from fabricated import Fabricated, vouch

VALUES = {0: 0.2, 1: 0.3, 2: 0.7}


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    made = Fabricated(tmp_path)
    made.study("s", ["init"], {"t": "accuracy"}, {})
    for seed, val in VALUES.items():
        made.run("s", {"init": "one"}, seed, val_top1=val)
    return made


def row(made: Fabricated) -> "pd.Series[object]":
    write_table(made.results("s", partial=True), "accuracy", made.collected / "t.csv")
    return pd.read_csv(made.collected / "t.csv").iloc[0]


def refused(made: Fabricated, said: str) -> None:
    with pytest.raises(UserError, match=said):
        made.collect()
    assert not made.collected.exists()


def test_a_missing_run_is_refused_or_marked(made: Fabricated) -> None:
    (made.runs / "s_one_s2/metrics.json").unlink()
    refused(made, r"s_one_s2/metrics\.json: no such file")
    found = row(made)
    assert found["n"] == 2 and found["note"] == "1 of 3 missing"
    assert found["val_top1 %"] == 25.0  # (20 + 30) / 2
    assert list(pd.read_csv(made.collected / "runs.csv")["status"]) == ["done", "done", "missing"]


def test_nothing_at_all_is_a_table_without_numbers(made: Fabricated) -> None:
    shutil.rmtree(made.runs)
    found = row(made)
    assert found["n"] == 0 and found["note"] == "3 of 3 missing" and "val_top1 %" not in found


def test_diverged_is_marked(made: Fabricated) -> None:
    metrics = made.runs / "s_one_s2/metrics.json"
    metrics.write_text(json.dumps({"status": "diverged", "epochs": 1, "val_top1": 0.99}))
    vouch(metrics.parent)
    found = row(made)
    assert found["n"] == 2 and found["note"] == "1 of 3 diverged" and found["val_top1 %"] == 25.0
    assert json.loads((made.collected / "metrics.json").read_text())["s"]["one"] == 0.25


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": {"lr": 0.2}}, "lr 0.2, planned 0.1"),
        ({"seed": 5}, "seed 5, planned 2"),
        ({"run": "other"}, "run 'other', planned 's_one_s2'"),
    ],
)
def test_a_folder_of_another_run_is_refused_or_marked(made: Fabricated, change: dict[str, object], said: str) -> None:
    file = made.runs / "s_one_s2/run.json"
    found = json.loads(file.read_text())
    settings = found["settings"] | dict(change.pop("settings", {}))  # type: ignore[call-overload]
    file.write_text(json.dumps(found | change | {"settings": settings}))
    refused(made, said)
    assert row(made)["note"] == "1 of 3 other settings" and row(made)["val_top1 %"] == 25.0


def test_a_default_that_run_json_spells_out_is_no_other_setting(made: Fabricated) -> None:
    file = made.runs / "s_one_s2/run.json"
    found = json.loads(file.read_text())
    file.write_text(json.dumps(found | {"settings": found["settings"] | {"augment": "none"}}))
    vouch(file.parent)
    made.collect()


def copied(made: Fabricated, names: list[str]) -> None:
    """Files of seed 1 in the folder of seed 2."""
    for name in names:
        shutil.copy(made.runs / "s_one_s1" / name, made.runs / "s_one_s2" / name)


def test_a_result_copied_to_another_seed_is_no_second_observation(made: Fabricated) -> None:
    """The copy keeps its own run.json, and even gets a manifest of its own: it is still of the other's training."""
    copied(made, ["metrics.json", "history.csv"])
    vouch(made.runs / "s_one_s2", training="of s_one_s1")
    refused(made, "a copy of s_one_s1")
    found = row(made)
    assert found["n"] == 1 and found["note"] == "2 of 3 duplicated" and found["val_top1 %"] == 20.0


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["metrics.json", "history.csv"], r"s_one_s2/metrics\.json: is not as training wrote it"),
        (["manifest.json"], r"s_one_s2/manifest\.json: is of the run s_one_s1, not of s_one_s2"),
        (
            ["metrics.json", "history.csv", "predictions.csv", "filters.npy", "manifest.json"],
            "is of the run s_one_s1",
        ),
    ],
)
def test_files_of_another_run_are_damage(made: Fabricated, names: list[str], said: str) -> None:
    copied(made, names)
    refused(made, said)
    found = row(made)
    assert found["n"] == 2 and found["note"] == "1 of 3 damaged" and found["val_top1 %"] == 25.0


def test_equal_results_of_two_trainings_are_two_observations(tmp_path: Path) -> None:
    """A learner without chance, or a network that learns nothing, gives every seed the same."""
    made = Fabricated(tmp_path)
    made.study("s", ["init"], {"t": "accuracy"}, {})
    for seed in VALUES:
        made.run("s", {"init": "one"}, seed, val_top1=0.1)
    found = row(made)
    assert found["n"] == 3 and pd.isna(found.get("note")) and found["val_top1 %"] == 10.0


def test_a_run_planned_twice_in_a_study_is_refused_or_marked(made: Fabricated) -> None:
    made.record["runs"].append(made.record["runs"][2] | {"arm": "two", "levels": {"init": "two"}})
    made._write()
    refused(made, "s_one_s2: planned twice in the study s")
    assert row(made)["note"] == "1 of 3 duplicated"


def test_a_row_that_stands_twice_in_runs_csv_counts_for_nothing(made: Fabricated) -> None:
    """It cannot be known which of two rows is right, and both would weigh a seed twice."""
    made.collect()
    path = made.collected / "runs.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[-1].replace("0.7", "0.9")]) + "\n")
    results = study_results(made.plan, made.collected, made.papers, "s", made.runs)
    write_table(results, "accuracy", made.collected / "t.csv")
    found = pd.read_csv(made.collected / "t.csv").iloc[0]
    assert found["n"] == 2 and found["note"] == "1 of 3 duplicated" and found["val_top1 %"] == 25.0
    path.write_text("\n".join(lines[:-1]) + "\n")
    results = study_results(made.plan, made.collected, made.papers, "s", made.runs)
    assert list(results.runs["status"]) == ["done", "done", "missing"]
