"""Tables, figures and report from fabricated runs. Oracle: values computed by hand, with the arithmetic beside them.

Student's t for 95 % is 12.7062 with one degree of freedom and 4.3027 with two (any printed table).
"""

import json
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from ablate.data.describe import describe
from ablate.errors import UserError
from ablate.figures.common import RunFiles
from ablate.figures.registry import caption_of, draw, write_figure
from ablate.report.page import write_report
from ablate.results.study import StudyResults
from ablate.results.table import Table
from ablate.tables.registry import write_table
from fabricated import PAPER, Fabricated
from reports import block, cells, words

VAL = {("one", 0): 0.2, ("one", 1): 0.4, ("two", 0): 0.5, ("two", 1): None}  # None: diverged


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    made = Fabricated(tmp_path)
    made.study("s", ["init"], {"t": "accuracy"}, {"f": "curves"})
    for (arm, seed), val in VAL.items():
        metrics = {"status": "diverged", "epochs": 1, "val_top1": 0.9} if val is None else {
            "train_top1": val / 2, "val_top1": val, "n_val": 10, "best_val_top1": val,
        }  # fmt: skip
        made.run("s", {"init": arm}, seed, plan={"contaminated": arm == "two"}, **metrics)
    (made.runs / "stray_s0").mkdir()  # on disk and not planned: must show nowhere
    return made


def written(results: StudyResults, kind: str, folder: Path) -> pd.DataFrame:
    write_table(results, kind, folder / "t.csv")
    return pd.read_csv(folder / "t.csv", dtype={"init": str})


def test_table_figure_and_report(made: Fabricated, packs: dict[str, Path]) -> None:
    folder = made.collected
    results = made.results("s")
    table = written(results, "accuracy", folder).set_index("init")
    assert table.loc["one", "val_top1 %"] == 30.0  # (20 + 40) / 2
    assert table.loc["one", "val_top1 % by seed"] == "20.0, 40.0" and pd.isna(table.loc["one", "val_top1 % ±"])
    assert table.loc["one", "train_top1 %"] == 15.0 and table.loc["one", "n"] == 2
    assert table.loc["two", "n"] == 1 and table.loc["two", "note"] == "1 of 2 diverged; contaminated"
    assert table.loc["two", "val_top1 %"] == 50.0 and pd.isna(table.loc["two", "val_top1 % ±"])
    assert json.loads((folder / "metrics.json").read_text())["s"] == {"one": 0.3, "two": 0.5}
    markdown = (folder / "t.md").read_text()
    assert markdown.startswith("**Study s.** n: 1 to 2 of 2 seeds of each arm. ")
    assert "Scale: demo." in markdown
    assert "| validation (%) " in markdown and "30.0 (20.0, 40.0)" in markdown
    runs = json.loads((folder / "t.runs.json").read_text())
    assert runs["one"]["val_top1 %"] == {"s_one_s0": 20.0, "s_one_s1": 40.0}
    assert runs["two"]["val_top1 %"] == {"s_two_s0": 50.0} and set(runs["two"]["note"]) == {"s_two_s0", "s_two_s1"}

    write_figure(results, "curves", folder / "f.svg")
    drawn = (folder / "f.svg").read_bytes()
    write_figure(results, "curves", folder / "f.svg")
    assert drawn == (folder / "f.svg").read_bytes()  # equal data, equal bytes
    describe(packs["cifar10"], "d", made.plan.parent / "data")
    (folder / "comparison.csv").write_text("number,ours,ours ±,id\nten,10.0,1.0,n01\nmany,13070472,,20000\n")
    write_report(made.plan, made.papers, made.plan.parent / "report.html")
    page = made.plan.parent / "report.html"
    content, texts = block(page, "content"), cells(page)
    data, (study,) = content["data"][0], content["papers"][0]["studies"]
    assert (data["train"], data["images"] - data["train"], data["duplicates"]["near_bits"]) == (500, 100, 4)
    assert "A paper" in words(page) and "30.0 (20.0, 40.0)" in texts and "10.0 ± 1.0" in texts
    assert "13,070,472" in texts and "20000" in texts  # a column of numbers, and one that is not
    caption = json.loads((folder / "f.caption.json").read_text())
    (figure,) = study["figures"]
    assert (figure["id"], figure["asset"]) == ("f", "p/f") and "p/f" in block(page, "assets")
    assert figure["caption"] == caption["text"] and figure["caption"].startswith("Study s. Top-1")
    assert "stray" not in words(page) and set(block(page, "detail")["runs"]) == {p.run for p in results.planned}
    (folder / "f.svg").unlink()
    write_report(made.plan, made.papers, page)
    assert block(page, "content")["papers"][0]["studies"][0]["figures"] == [figure | {"asset": None}]


def test_captions_title_and_report_tell_deviations_choices_and_own(made: Fabricated, packs: dict[str, Path]) -> None:
    """Oracle: what the paper's file states, beside the settings of the fabricated runs; a network has no settings."""
    stated = "settings: {dataset: d, model: net1, optimizer: sgd, epochs: 15, lr: 0.1}"
    own = "own: [{what: another start, why: z, levels: [two]}]\n"
    made.papers.joinpath("p.yaml").write_text(PAPER.replace("where: z}", f"where: z, {stated}}}") + own)
    results = made.results("s")
    told = (
        "Deviations from the paper: epochs 2, not 15; embedded data. "
        "Choices where the paper is silent: batch size 4. Own, not in the paper: two."
    )
    write_table(results, "accuracy", made.collected / "t.csv")
    for suffix in (".md", ".tex"):
        assert told in " ".join((made.collected / "t").with_suffix(suffix).read_text().split())
    write_table(results, "layers:cnn1", made.collected / "t.csv")
    assert "Deviations" not in (made.collected / "t.md").read_text()
    caption = caption_of(results, "curves", draw(results, "curves", RunFiles()), made.collected / "f.svg")
    counted = "2 deviations from the paper; 1 choice where it is silent; our own: two"
    assert caption.facts["paper"] == f"{counted} (told below t)"
    describe(packs["cifar10"], "d", made.plan.parent / "data")
    write_report(made.plan, made.papers, made.plan.parent / "report.html")
    assert block(made.plan.parent / "report.html", "content")["papers"][0]["studies"][0]["words"] == told


def test_latex_is_balanced_and_escaped(made: Fabricated) -> None:
    made.record["studies"]["p/s"]["title"] = r"50 % & more_of {this} #1 \$ ~ ^ <a> ± ×"
    made._write()
    write_table(made.results("s"), "accuracy", made.collected / "t.csv")
    text = (made.collected / "t.tex").read_text()
    for name in re.findall(r"\\begin\{(\w+)\}", text):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") == 1
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\label{tab:p-t}"))
    assert r"50 \% \& more\_of \{this\} \#1 \textbackslash{}\$ \textasciitilde{} \textasciicircum{} $<$a$>$" in text
    bare = re.sub(r"\\[\\&%$#_{}]", "", text)  # what is escaped
    assert bare.count("{") == bare.count("}") and bare.count("$") % 2 == 0
    assert not re.search(r"[#%]", bare) and "_" not in bare and text.isascii()
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0]
    columns = text.split(r"\begin{tabular}")[1].split(r"\toprule")[0]
    columns = len(re.sub(r">\{.*?\}p\{.*?\}|S\[.*?\]|l", "c", columns.strip()[1:-1]))
    assert {line.count("&") - line.count(r"\&") for line in body.strip().splitlines()} == {columns - 1}


def trial(made: Fabricated, lr: str, seed: int, test: float, seconds: float, **more: float) -> None:
    settings = {"lr": float(lr), "momentum": 0.9, "gamma": 0.1, "schedule": "step", "step_epochs": 1}
    metrics = {"train_top1": 0.5, "val_top1": 0.3, "best_val_top1": 0.3, "test_top1": test, "n_test": 4} | more
    made.run("g", {"lr": lr}, seed, settings=settings, wall_s=seconds, **metrics)


def test_trials_are_sorted_by_test_accuracy(tmp_path: Path) -> None:
    made = Fabricated(tmp_path)
    made.study("g", ["lr"], {}, {})
    trial(made, "0.001", 0, 0.4, 60)
    trial(made, "0.001", 1, 0.5, 120, train_top1=0.9)
    trial(made, "0.005", 0, 0.6, 240)
    trial(made, "0.005", 1, 0.7, 240)
    made.run("g", {"lr": "0.1"}, 0, status="diverged")
    results = replace(made.results("g"), reported={"0.005": {"test_top1": 0.546}})
    table = written(results, "trials", made.collected)
    assert list(table["learning_rate"]) == [0.005, 0.001, 0.1]
    assert list(table["test_acc %"])[:2] == [65.0, 45.0]  # (60 + 70) / 2, (40 + 50) / 2
    assert list(table["test_acc %, printed"])[:1] == [54.6] and pd.isna(table["test_acc %, printed"].iloc[1])
    assert list(table["train_acc %"])[:2] == [50.0, 70.0]  # (50 + 90) / 2
    assert table["note"].iloc[2] == "1 of 1 diverged" and pd.isna(table["test_acc %"].iloc[2])
    paper = ["batch_size", "learning_rate", "momentum", "gamma", "optimizer", "train_acc %", "val_acc %"]
    assert [c for c in table if "±" not in c and "by seed" not in c][:8] == [*paper, "test_acc %"]
    lines = (made.collected / "t.md").read_text().splitlines()[4:]
    assert "65.0 (60.0, 70.0)" in lines[0] and "70.0 (50.0, 90.0)" in lines[1]


def test_nets_have_a_column_each_and_train_val_a_row(tmp_path: Path) -> None:
    """Oracle: 15 and 12 layers, counted in resnet-vs-plain's table 1."""
    made = Fabricated(tmp_path)
    made.study("n", ["model"], {}, {})
    for label, model, top1 in (("Net 1", "net1", 0.72), ("Net 2", "net2", 0.69)):
        made.run("n", {"model": label}, 0, settings={"model": model}, train_top1=top1, val_top1=0.4)
    results = made.results("n")
    write_table(results, "nets", made.collected / "t.csv")
    table = pd.read_csv(made.collected / "t.csv", index_col=0)
    assert list(table.columns) == ["Net 1", "Net 2"]
    assert list(table.loc["layers (conv and fully connected)"].astype(int)) == [15, 12]
    assert list(table.loc["training accuracy %"].astype(float)) == [72.0, 69.0]
    runs = json.loads((made.collected / "t.runs.json").read_text())
    assert runs["training accuracy %"]["Net 2"] == {"n_Net2_s0": 69.0}
    table = written(results, "train-val", made.collected).set_index("model")
    assert table.loc["Net 1", "train accuracy %"] == 72.0 and table.loc["Net 1", "validation accuracy %"] == 40.0


def test_accuracy_per_label_is_of_the_best_arm_and_its_test_images(tmp_path: Path) -> None:
    made = Fabricated(tmp_path)
    made.study("g", ["lr"], {}, {})
    # Labels 0 and 1. Seed 0: label 0 right twice of two, label 1 once of two; seed 1: once of two, none of two.
    first = "val,9,0,1,0.5\ntest,1,0,0,0.9\ntest,2,0,0,0.9\ntest,3,1,1,0.9\ntest,4,1,0,0.9\n"
    second = "val,9,0,1,0.5\ntest,1,0,0,0.9\ntest,2,0,1,0.9\ntest,3,1,0,0.9\ntest,4,1,0,0.9\n"
    classes = {"classes": [3, 5]}
    made.run("g", {"lr": "a"}, 0, settings=classes, predictions=first, best_val_top1=0.5, val_top1=0.5)
    made.run("g", {"lr": "a"}, 1, settings=classes, predictions=second, best_val_top1=0.6, val_top1=0.6)
    made.run("g", {"lr": "b"}, 0, settings=classes, best_val_top1=0.5, val_top1=0.9)
    made.run("g", {"lr": "b"}, 1, settings=classes, status="diverged", best_val_top1=0.99)
    (made.plan.parent / "data").mkdir()
    meta = {"classes": ["c"] * 5, "words": ["x", "x", "x", "goldfish, Carassius", "newt"]}
    (made.plan.parent / "data/d.json").write_text(json.dumps(meta))
    table = written(made.results("g"), "per-label:best", made.collected).set_index("label")
    assert list(table.index) == ["goldfish", "newt"]
    assert table.loc["goldfish", "test_acc %"] == 75.0  # (100 + 50) / 2
    assert table.loc["newt", "test_acc %"] == 25.0  # (50 + 0) / 2
    assert list(table["images"]) == [2, 2] and list(table["n"]) == [2, 2]
    assert "Arm: a." in (made.collected / "t.md").read_text()


def test_the_gap_is_of_each_seed_and_stands_beside_the_printed_one(made: Fabricated) -> None:
    """By hand: 50 - 30 and 60 - 50 are 20 and 10, on average 15. The paper: 30 points, reduced by 6."""
    made.study("r", ["augment"], {}, {})
    for seed, train, val in ((0, 0.5, 0.3), (1, 0.6, 0.5)):
        made.run("r", {"augment": "plain"}, seed, train_top1=train, val_top1=val)
        made.run("r", {"augment": "augmented"}, seed, train_top1=0.5, val_top1=0.5)
    of = "metric: gap, study: r, arm: plain, where: w, quote: q"
    entries = f"\n  - {{id: a, value: 0.3, {of}}}\n  - {{id: b, value: 0.06, minus: augmented, {of}}}"
    (made.papers / "p.yaml").write_text(PAPER.replace("reported: []", "reported:" + entries))
    table = written(made.results("r"), "gap", made.collected).set_index("augment")
    assert table["gap (points)"].to_dict() == {"plain": 15.0, "augmented": 0.0}
    assert table["printed"].to_dict() == {"plain": 30, "augmented": 24}
    assert table.loc["plain", "training accuracy %"] == 55.0 and table.loc["plain", "n"] == 2
    runs = json.loads((made.collected / "t.runs.json").read_text())
    assert runs["plain"]["gap (points)"] == {"r_plain_s0": 20.0, "r_plain_s1": 10.0}


def test_whole_numbers_are_grouped_by_thousands_for_readers_and_plain_in_the_file() -> None:
    table = Table(rows=[{"n": 13070472, "half": 1234.5, "is": True, "name": "10000"}])
    assert table.shown.iloc[0].to_dict() == {"n": "13,070,472", "half": "1,234.5", "is": "True", "name": "10000"}
    assert table.frame.iloc[0].to_dict()["n"] == 13070472


def test_a_kind_that_there_is_not_is_refused(made: Fabricated) -> None:
    with pytest.raises(UserError, match="did you mean"):  # arguments are refused by the plan
        write_table(made.results("s"), "accuracies", made.collected / "t.csv")


def test_names_are_shown_in_place_of_labels_and_numbers_stay_as_they_are(tmp_path: Path) -> None:
    """A whole number beside a missing one as well; a number that reads like a label is none."""
    table = Table(names={"3": "three epochs"})
    table.add("3", {"epochs": "3", "n": 3, "images": 500})
    table.add("4", {"epochs": "4", "n": 4, "images": None})
    assert table.shown.to_numpy().tolist() == [["three epochs", "3", "500"], ["4", "4", ""]]
    assert list(table.frame["epochs"]) == ["3", "4"]
