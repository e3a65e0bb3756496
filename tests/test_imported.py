"""Results that exist already, as arms. Oracles: the numbers that were written, and the library that writes events."""

import json
from pathlib import Path
from typing import Any

import pytest

from ablate.csv_text import read_rows
from conftest import Ablate
from own import metrics, planned, words_to_train, write_project

TRAINER = """
trainers:
  old:
    results: %s
    metrics: {score: {better: higher}, loss: {better: lower}}
"""
STUDIES = """
studies:
  mine:
    rates:
      settings: {trainer: old}
      axes: {lr: [0.1, 0.01]}
"""
RUNS = [(lr, seed, 0.5 + lr + seed / 100) for lr in (0.1, 0.01) for seed in range(3)]  # and loss, 1 less that
TABLE = "lr,seed,score,loss\n" + "".join(f"{lr},{seed},{s:.4f},{1 - s:.4f}\n" for lr, seed, s in RUNS)
PAPER = """
claims:
  - {id: faster, quote: q, where: w, why: w, kind: order, study: rates, metric: score, arms: ["0.1", "0.01"],
     margin: 0.01}
drawn: {rates: {tables: {table-rates: accuracy}}}
"""


def scores(ablate: Ablate) -> list[float]:
    for entry in planned():
        code, _, err = ablate(*words_to_train(entry))
        assert code == 0, err
    return [metrics(entry)["score"] for entry in planned()]


def wanted() -> list[Any]:
    return [pytest.approx(score, abs=1e-6) for _, _, score in RUNS]


def test_rows_of_a_table_are_runs_and_tables_and_findings_say_so(ablate: Ablate, tmp_path: Path) -> None:
    write_project(tmp_path, TRAINER % "old.csv", STUDIES, paper=PAPER)
    (tmp_path / "old.csv").write_text(TABLE)
    assert scores(ablate) == wanted()
    code, _, err = ablate("render")
    assert code == 0, err
    assert [row["note"] for row in read_rows(tmp_path / "results/mine/mine/table-rates.csv")] == ["imported"] * 2
    assert "Imported, not trained here: 0.1, 0.01." in (tmp_path / "results/mine/findings.md").read_text()
    provenance = json.loads((tmp_path / "results/mine/mine/provenance.json").read_text())
    assert {record["device"] for record in provenance.values()} == {"imported"}
    assert {record["trainer"]["results"] for record in provenance.values()} == {"old.csv"}


def test_rows_by_epoch_are_a_curve(ablate: Ablate, tmp_path: Path) -> None:
    write_project(tmp_path, TRAINER % "old.csv", STUDIES)
    rows = "".join(f"{lr},{seed},{n},{s - (2 - n) / 10},{n}\n" for lr, seed, s in RUNS for n in (2, 1))
    (tmp_path / "old.csv").write_text("lr,seed,epoch,score,loss\n" + rows)
    assert scores(ablate) == wanted()
    folder = tmp_path / "results/runs" / planned()[0].run.id
    assert [row["epoch"] for row in read_rows(folder / "history.csv")] == ["1", "2"]


def test_an_export_of_weights_and_biases(ablate: Ablate, tmp_path: Path) -> None:
    trainer = (TRAINER % "export.json").replace("better: higher", "better: higher, column: summary.val/score")
    write_project(tmp_path, trainer, STUDIES)
    runs = [
        {"name": "x", "config": {"lr": lr, "seed": seed}, "summary": {"val/score": s, "loss": 1 - s}}
        for lr, seed, s in RUNS
    ]
    (tmp_path / "export.json").write_text(json.dumps(runs))
    assert scores(ablate) == wanted()


def test_a_file_store_of_mlflow(ablate: Ablate, tmp_path: Path) -> None:
    write_project(tmp_path, TRAINER % "mlruns", STUDIES)
    for n, (lr, seed, score) in enumerate(RUNS):
        folder = tmp_path / f"mlruns/0/run{n}"
        files = {
            "meta.yaml": "run_id: x\n",
            "params/lr": f"{lr}",
            "params/seed": f"{seed}",
            "metrics/score": f"1700000000000 0.1 0\n1700000000001 {score} 1\n",
            "metrics/loss": f"1700000000001 {1 - score} 1\n",
        }
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    (tmp_path / "mlruns/0/meta.yaml").write_text("name: Default\n")
    assert scores(ablate) == wanted()


def test_event_files_of_tensorboard_by_their_path(ablate: Ablate, tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    write_project(tmp_path, TRAINER % '"logs/{lr}/{seed}"', STUDIES)
    for lr, seed, score in RUNS:
        with SummaryWriter(str(tmp_path / f"logs/{lr}/{seed}")) as writer:
            for step, value in enumerate((0.0, score)):
                writer.add_scalar("val/score", value, step)
                writer.add_scalar("val/loss", 1 - value, step)
    assert scores(ablate) == wanted()


BAD = {
    "no file": ("", "there is no old.csv"),
    "no column": (TABLE.replace("score", "scroe"), "did you mean 'scroe'?"),
    "no setting": (TABLE.replace("lr", "rate"), "unknown column 'lr'"),
    "no row": (TABLE.replace("0.1,2", "0.1,9"), "has no row with lr 0.1, seed 2"),
    "two rows": (f"{TABLE}0.1,2,0.5,0.5\n", "has 2 rows with lr 0.1, seed 2"),
    "no number": (TABLE.replace("0.1,2,0.6200", "0.1,2,high"), 'score is "high"'),
    "nothing": (TABLE.replace("0.1,2,0.6200", "0.1,2,"), "has no score"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_with_a_file_is_one_message(ablate: Ablate, tmp_path: Path, case: str) -> None:
    text, said = BAD[case]
    write_project(tmp_path, TRAINER % "old.csv", STUDIES)
    (tmp_path / "old.csv").write_text(text)
    entry = planned()[2]
    words = words_to_train(entry)
    if not text:
        (tmp_path / "old.csv").unlink()
    code, _, err = ablate(*words)
    assert code == 2 and said in err and "old.csv" in err
    assert not (tmp_path / "results/runs" / entry.run.id).exists()
