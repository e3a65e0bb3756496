"""The paper's numbers beside ours. Oracle: arithmetic beside each value."""

from pathlib import Path
from typing import Any

import pytest

from ablate.tables.comparison import NO_TEST, compare
from fabricated import Fabricated, deviation, paper, reported, vouch

ONE = {0: (0.8, 0.40), 1: (0.7, 0.50)}  # seed: train, val


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    made = Fabricated(tmp_path, "pilot")
    made.study("s", ["init"], {}, {})
    for seed, (train, val) in ONE.items():
        made.run("s", {"init": "one"}, seed, train_top1=train, val_top1=val, best_val_top1=val + 0.01, wall_s=90.0,
                 test_top1=val - 0.1, n_test=10)  # fmt: skip
        made.run("s", {"init": "two"}, seed, train_top1=0.5, val_top1=0.3 + 0.05 * seed)
    return made


def rows(made: Fabricated, record: Any, **options: bool) -> dict[str, dict[str, Any]]:
    made.collect(partial=True)
    table = compare(made.planned(), {"p": record}, made.collected.parent, **options)
    return {row["number"]: row for row in table.rows}


@pytest.mark.parametrize(
    ("metric", "printed", "expected"),
    [
        ("train_top1", 0.7, (70.0, 75.0, 5.0, "%")),  # (80 + 70) / 2
        ("val_top1", 0.5, (50.0, 45.0, -5.0, "%")),
        ("best_val_top1", 0.46, (46.0, 46.0, 0.0, "%")),
        ("test_top1", 0.35, (35.0, 35.0, 0.0, "%")),  # (30 + 40) / 2
        ("test_error", 0.539, (53.9, 65.0, 11.1, "%")),  # 100 - 35
        ("val_error", 0.5, (50.0, 55.0, 5.0, "%")),  # 100 - 45
        ("gap", 0.23, (23.0, 30.0, 7.0, "points")),  # (40 + 20) / 2
        ("wall_min", 2.0, (2.0, 1.5, -0.5, "min")),  # 90 s
    ],
)
def test_every_metric_of_runs(made: Fabricated, metric: str, printed: float, expected: tuple[Any, ...]) -> None:
    row = rows(made, paper(reported(study="s", arm="one", metric=metric, value=printed)))["number"]
    assert (row["printed"], row["ours"], row["difference"], row["unit"]) == pytest.approx(expected)
    assert row["n"] == 2 and row["note"] == ""


def test_without_a_test_split_the_error_is_of_validation_and_says_so(made: Fabricated) -> None:
    row = rows(made, paper(reported(study="s", arm="two", metric="test_error", value=0.5)))["number"]
    assert row["ours"] == 67.5 and row["note"] == NO_TEST  # 100 - (30 + 35) / 2
    row = rows(made, paper(reported(study="s", arm="two", metric="test_top1", value=0.5)))["number"]
    assert row["ours"] is None and row["note"] == "2 of 2 without test_top1"


@pytest.mark.parametrize(
    ("metric", "model", "value", "expected"),
    [
        ("parameters", "resnet18", 11_279_112, 11_279_112),
        ("keras_parameters", "cnn2", 2_555_656, 2_555_656),
        ("layers", "net4", 21, 19),  # printed 21; the printed columns have 19
        ("layers", "cifar-resnet7", 7, 7),
    ],
)
def test_numbers_of_networks_are_exact(made: Fabricated, metric: str, model: str, value: int, expected: int) -> None:
    row = rows(made, paper(reported(model=model, metric=metric, value=value)))["number"]
    assert (row["printed"], row["ours"], row["difference"]) == (value, expected, expected - value)
    assert all(isinstance(row[key], int) for key in ("printed", "ours", "difference"))


def test_a_difference_of_arms_is_paired_by_seed(made: Fabricated) -> None:
    entry = reported(study="s", arm="one", minus="two", metric="val_top1", value=0.13)
    row = rows(made, paper(entry))["number"]
    # Seed 0: 40 - 30 = 10; seed 1: 50 - 35 = 15. two seeds, and so themselves.
    assert (row["ours"], row["ours ±"], row["difference"], row["unit"]) == (12.5, None, -0.5, "points")
    assert row["ours by seed"] == "10.0, 15.0"
    (made.runs / "s_two_s1/metrics.json").unlink()
    row = rows(made, paper(entry))["number"]
    assert (row["ours"], row["ours ±"], row["n"]) == (10.0, None, 1) and row["note"] == "two: 1 of 2 missing"


def test_what_was_not_run_not_planned_or_diverged_says_exactly_that(made: Fabricated) -> None:
    entries = [
        reported(id="absent", study="s", arm="three", metric="val_top1", value=0.5),
        reported(id="elsewhere", study="t", arm="one", metric="val_top1", value=0.5),
        reported(id="missing", study="s", arm="one", metric="val_top1", value=0.5),
        reported(id="diverged", study="s", arm="two", metric="val_top1", value=0.5),
    ]
    for seed in (0, 1):
        (made.runs / f"s_one_s{seed}/metrics.json").unlink()
        (made.runs / f"s_two_s{seed}/metrics.json").write_text('{"status": "diverged", "epochs": 1, "val_top1": 0.9}')
        vouch(made.runs / f"s_two_s{seed}")
    found = rows(made, paper(*entries))
    assert {name: row["note"] for name, row in found.items()} == {
        "absent": "not planned at this scale: three",
        "elsewhere": "not planned at this scale: one",
        "missing": "not run",
        "diverged": "diverged",
    }
    assert all(row["ours"] is None and row["n"] == 0 and row["printed"] == 50.0 for row in found.values())


def test_another_source_is_named(made: Fabricated) -> None:
    entry = reported(study="s", arm="one", metric="val_top1", value=0.42, source="Le and Yang 2015")
    assert rows(made, paper(entry))["number"]["note"] == "printed by Le and Yang 2015"


def test_deviations_and_choices_are_told_from_the_plan_the_data_and_the_paper_s_file(made: Fabricated) -> None:
    for run in made.record["runs"]:
        run["facts"] = {"n_classes": 10, "images": 1000, "data": "embedded"}
        if run["arm"] == "one":
            run["deviations"] = {"epochs": [2, 15], "classes": [[0, 10], None], "n_classes": [10, 200],
                                 "images": [1000, 100_000], "gamma": [None, 0.1]}  # fmt: skip
            run["contaminated"] = True
        else:
            run["deviations"] = None
    made._write()
    record = paper(
        reported(id="one", study="s", arm="one", metric="val_top1", value=0.5),
        reported(id="two", study="s", arm="two", metric="val_top1", value=0.5),
        deviations=(
            deviation("crop of 64"),
            deviation("another split", studies=("t",)),
            deviation("bf16", scales=("pilot",)),
            deviation("fp64", scales=("paper",)),
            deviation("without biases", levels=("two",)),
        ),
        dataset="d", model="net1", optimizer="sgd", epochs=30, n_classes=200, images=100_000,
    )  # fmt: skip
    found = rows(made, record)
    assert {key: found["one"][key] for key in ("deviations", "choices", "own", "note")} == {
        "deviations": "epochs 2, not 30; 10 classes, not 200; 1,000 training images, not 100,000; embedded data; "
        "crop of 64; bf16",
        "choices": "learning rate 0.1; gamma none, not our 0.1; batch size 4",
        "own": "",
        "note": "contaminated weights",
    }
    assert {key: found["two"][key] for key in ("deviations", "choices", "own")} == {
        "deviations": "", "choices": "", "own": "the whole study",
    }  # fmt: skip


def test_the_best_arm_and_the_sum_of_all(made: Fabricated) -> None:
    """Oracle: arm one has (40 + 50) / 2 and arm two (30 + 35) / 2; minutes are 1.5 and 1 in each seed."""
    record = paper(
        reported(id="best", study="s", over="best", metric="val_top1", value=0.4),
        reported(id="best-of-two", study="s", over="best", levels=("two",), metric="val_top1", value=0.4),
        reported(id="sum", study="s", over="sum", metric="wall_min", value=2.0),
        reported(id="none", study="t", over="best", metric="val_top1", value=0.4),
    )
    found = rows(made, record)
    assert {k: (r["ours"], r["n"], r["of"]) for k, r in found.items()} == {
        "best": (45.0, 2, "s: the best arm"),
        "best-of-two": (32.5, 2, "s: the best arm of two"),
        "sum": (2.5, 2, "s: all arms together"),
        "none": (None, 0, "t: the best arm"),
    }
    assert found["best"]["note"] == "the best by its mean over seeds: one"
    assert found["none"]["note"] == "not planned at this scale: t: the best arm"


def test_all_papers_together_name_the_paper(made: Fabricated) -> None:
    made.collect()
    record = paper(reported(study="s", arm="one", metric="val_top1", value=0.5))
    table = compare(made.planned(), {"p": record}, made.collected.parent, every=True)
    assert table.rows[0]["paper"] == "p" and set(table.runs["p/number"]["ours"]) == {"s_one_s0", "s_one_s1"}
    table.write(made.collected / "comparison.csv", "Title.")
    assert "45.0 (40.0, 50.0)" in (made.collected / "comparison.md").read_text()


@pytest.mark.parametrize(("printed", "within"), [(0.4, "yes"), (0.95, "yes"), (0.001, "no")])
def test_one_more_run_of_ours_would_give_the_printed_number_or_not(
    made: Fabricated, printed: float, within: str
) -> None:
    """40, 50 and 60: mean 50, s 10, t of 2 degrees of freedom 4.3027, so 50 ± 4.3027 * 10 * sqrt(4 / 3) = 49.68."""
    made.run("s", {"init": "one"}, 2, train_top1=0.7, val_top1=0.6)
    row = rows(made, paper(reported(study="s", arm="one", metric="val_top1", value=printed)))["number"]
    assert (row["one run low"], row["one run high"], row["printed within"]) == (0.3, 99.7, within)


def test_an_interval_ends_where_its_quantity_does(made: Fabricated) -> None:
    """Oracle: of 40, 50 and 100 % one more would lie 159 points around the mean; no accuracy is there."""
    made.run("s", {"init": "one"}, 2, train_top1=0.7, val_top1=1.0)
    entry = reported(study="s", arm="one", metric="val_top1", value=0.5)
    made.collect()
    table = compare(made.planned(), {"p": paper(entry)}, made.collected.parent)
    row = table.rows[0]
    assert (row["one run low"], row["one run high"], row["printed within"]) == (0.0, 100.0, "yes")
    assert row["ours ±"] > 63.3  # the file has it as it is
    assert table.shown["ours"][0] == "63.3 (0.0 to 100.0)"


def test_of_one_run_nothing_is_said_of_another(made: Fabricated) -> None:
    (made.runs / "s_one_s1/metrics.json").unlink()
    row = rows(made, paper(reported(study="s", arm="one", metric="val_top1", value=0.5)))["number"]
    assert row["n"] == 1 and "printed within" not in row
