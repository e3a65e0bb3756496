"""Tables, figures and report from fabricated runs. Oracle: values computed by hand."""

import json
from pathlib import Path

import pandas as pd
import pytest

from ablate.collect import collect
from ablate.data.describe import describe
from ablate.errors import UserError
from ablate.figures import write_figure
from ablate.report import write_report
from ablate.tables import study_results, write_table

PAPER = """
title: A paper
authors: Somebody
reported:
  - {study: s, arm: one, metric: val_top1, value: 0.3, where: Table 1, quote: "30 %"}
silent: []
"""
VAL = {("one", 0): 0.2, ("one", 1): 0.4, ("two", 0): 0.5, ("two", 1): None}  # None: diverged


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """results/<scale>/plan.json and the runs that it names."""
    runs = []
    for (arm, seed), val in VAL.items():
        name = f"{arm}_s{seed}"
        runs.append({"run": name, "paper": "p", "study": "s", "arm": arm, "seed": seed, "levels": {"init": arm},
                     "settings": {"dataset": "d"}, "contaminated": arm == "two"})  # fmt: skip
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        metrics = {"status": "diverged", "epochs": 1} if val is None else {
            "status": "done", "epochs": 2, "train_top1": val / 2, "val_top1": val, "n_val": 10, "best_val_top1": val,
        }  # fmt: skip
        (folder / "metrics.json").write_text(json.dumps(metrics))
        (folder / "history.csv").write_text(f"epoch,train_top1,val_top1\n1,0.1,0.1\n2,0.2,{val or 0}\n")
        (folder / "manifest.json").write_text(json.dumps({
            "git": {"commit": None, "dirty": None}, "data": {"archive": {"digest": "embedded"}, "pack": "0" * 64},
            "device": "cpu", "threads": 1, "images_per_s": 1.0, "wall_s": 1.0,
        }))  # fmt: skip
    (tmp_path / "runs" / "stray_s0").mkdir()  # on disk and not planned: must show nowhere
    studies = {"p/s": {"title": "T", "axes": ["init"], "tables": {"t": "accuracy"}, "figures": {"f": "curves"}}}
    path = tmp_path / "results/demo/plan.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"scale": "demo", "studies": studies, "runs": runs}))
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers/p.yaml").write_text(PAPER)
    return path


def test_table_figure_and_report(plan: Path, packs: dict[str, Path], tmp_path: Path) -> None:
    folder = plan.parent / "p"
    collect(plan, tmp_path / "runs", "p", folder)
    results = study_results(plan, folder, tmp_path / "papers", "s")
    write_table(results, "accuracy", folder / "t.csv")
    table = pd.read_csv(folder / "t.csv").set_index("init")
    assert table.loc["one", "val_top1 %"] == 30.0  # (20 + 40) / 2
    assert table.loc["one", "val_top1 sd"] == 14.14  # sqrt(((20-30)^2 + (40-30)^2) / 1)
    assert table.loc["one", "train_top1 %"] == 15.0
    assert table.loc["one", "paper val_top1 %"] == 30.0 and pd.isna(table.loc["two", "paper val_top1 %"])
    assert table.loc["two", "seeds"] == 1 and table.loc["two", "diverged"] == 1  # shown, and not averaged
    assert table.loc["two", "val_top1 %"] == 50.0
    assert json.loads((folder / "metrics.json").read_text())["s"] == {"one": 0.3, "two": 0.5}
    assert "no evidence" in (folder / "t.md").read_text()

    for _ in range(2):
        write_figure(results, "curves", folder / "f.svg")
        drawn = (folder / "f.svg").read_bytes()
    write_figure(results, "curves", folder / "f.svg")
    assert drawn == (folder / "f.svg").read_bytes()  # equal data, equal bytes
    describe(packs["cifar10"], "d", plan.parent / "data")
    write_report(plan, tmp_path / "papers", plan.parent / "report.html")
    page = (plan.parent / "report.html").read_text()
    assert "500 training and 200 validation images" in page and "duplicate pairs" in page
    assert "A paper" in page and "30.0" in page and "stray" not in page and 'src="data:image/png' in page


def test_a_missing_run_and_a_missing_paper_are_named(plan: Path, tmp_path: Path) -> None:
    (tmp_path / "runs/two_s0/metrics.json").unlink()
    with pytest.raises(UserError, match=r"two_s0/metrics\.json"):
        collect(plan, tmp_path / "runs", "p", plan.parent / "p")
    assert not (plan.parent / "p").exists()


def test_layer_and_parameter_tables_hold_the_printed_counts(plan: Path, tmp_path: Path) -> None:
    """Oracle: five-cnns, figure 8 (first and last layers of model 4) and figure 9 (totals)."""
    folder = plan.parent / "p"
    collect(plan, tmp_path / "runs", "p", folder)
    results = study_results(plan, folder, tmp_path / "papers", "s")
    write_table(results, "layers:cnn4", folder / "t.csv")
    table = pd.read_csv(folder / "t.csv")
    assert table["Output shape"][0] == "(None, 64, 64, 64)" and table["Param #"][0] == 1792
    assert table["Param #"].iloc[-2] == 102_600 and table["Param #"].iloc[-1] == 8_866_376
    write_table(results, "parameters:cnn2+cnn5", folder / "t.csv")
    table = pd.read_csv(folder / "t.csv").set_index("model")
    assert table["Keras's total"].to_dict() == {"cnn2": 2_555_656, "cnn5": 25_864_328}
    assert "25,890,888" in table.loc["cnn5", "note"] and pd.isna(table.loc["cnn2", "note"])
    for kind, said in (("layers:cnn9", "did you mean"), ("layers", "layers"), ("accuracies", "did you mean")):
        with pytest.raises(UserError, match=said):
            write_table(results, kind, folder / "t.csv")
