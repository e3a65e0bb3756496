"""`ablate explain` and `ablate render`, by their commands. Oracle: what was fabricated."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from ablate.cli import steps
from ablate.cli.jobs import figure_jobs
from ablate.plan.params import load
from ablate.plan.runs import RUNS, make_plan
from conftest import TINY, Ablate, write_tiny
from fabricated import Fabricated, vouch
from reports import words


@pytest.fixture
def table(tmp_path: Path) -> Path:
    made = Fabricated(tmp_path)
    made.study("s", ["init"], {"t": "accuracy"}, {})
    made.run("s", {"init": "one"}, 0, val_top1=0.2)
    made.run("s", {"init": "one"}, 1, val_top1=0.4)
    made.run("s", {"init": "two"}, 0, status="diverged")
    steps.collect(made.plan, made.runs, made.collected)
    steps.tables(made.plan, made.papers, made.collected, made.runs)
    return made.collected / "t.csv"


def test_explain_names_the_runs_of_a_cell(ablate: Ablate, table: Path) -> None:
    for name in ("p/t", str(table), str(table.with_suffix(".md")), str(table.with_suffix(".runs.json"))):
        for row in ("one", "1"):
            code, out, _ = ablate("explain", name, row, "val_top1 %", "--scale", "demo", "--runs", "runs", "--json")
            assert code == 0
            assert json.loads(out) == [
                {
                    "run": f"s_one_s{seed}", "status": "done", "value": value,
                    "command": f"ablate train --run 'the record of s_one_s{seed}'",
                    "manifest": f"runs/s_one_s{seed}/manifest.json",
                }
                for seed, value in ((0, 20.0), (1, 40.0))
            ]  # fmt: skip
    _, out, _ = ablate("explain", "p/t", "2", "note", "--scale", "demo", "--runs", "runs")
    assert out.splitlines()[:2] == ["s_two_s0", "  status   diverged"] and "  value    none" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["p/tt", "one", "n"], "unknown table 'p/tt'; allowed: p/t; did you mean 'p/t'?"),
        (["p/t", "ones", "n"], "unknown row 'ones'; allowed: one, two; did you mean 'one'?"),
        (["p/t", "3", "n"], "unknown row '3'"),
        (["p/t", "one", "val_top %"], "did you mean 'val_top1 %'?"),
    ],
)
def test_explain_refuses(ablate: Ablate, table: Path, words: list[str], said: str) -> None:
    code, _, err = ablate("explain", *words, "--scale", "demo")
    assert code == 2 and said in err and "Traceback" not in err


@pytest.fixture
def trained(tmp_path: Path) -> list[str]:
    """The tiny parameters' three runs as if they had been trained; their ids."""
    made = Fabricated(tmp_path)
    write_tiny(tmp_path, TINY.replace("seeds: [0]", "seeds: [0, 1]"))
    number = "{id: n, study: shallow, arm: cifar-resnet7, metric: val_top1, value: 0.5, where: here, quote: it}"
    file = made.papers / "resnet-vs-plain.yaml"
    file.write_text(file.read_text().replace("reported: []", f"reported: [{number}]"))
    runs = make_plan(load(tmp_path / "params.yaml")).runs
    for n, (name, run) in enumerate(runs.items()):
        folder = tmp_path / RUNS / name
        folder.mkdir(parents=True)
        source = made.run("any", {"init": str(n)}, 0, train_top1=0.5, val_top1=0.1 * n, train_loss=1.0, val_loss=1.0)
        shutil.copytree(made.runs / source, folder, dirs_exist_ok=True)
        (folder / "run.json").write_text(json.dumps({"run": name, **run.model_dump(mode="json")}))
        vouch(folder)
    return list(runs)


def test_render_makes_everything_without_training(ablate: Ablate, trained: list[str], tmp_path: Path) -> None:
    code, out, err = ablate("render")
    assert (code, out.strip(), err) == (0, "results/tiny", "")
    here = tmp_path / "results/tiny"
    names = {"table-shallow", "comparison"}
    assert all(
        (here / f"resnet-vs-plain/{n}{s}").exists() for n in names for s in (".csv", ".md", ".tex", ".runs.json")
    )
    assert (here / "resnet-vs-plain/figure-6.svg").exists() and (here / "comparison.md").exists()
    row = pd.read_csv(here / "comparison.csv").iloc[0]
    assert (row["printed"], row["ours"], row["n"]) == (50.0, 5.0, 2)  # (0 + 10) / 2
    assert "cifar-resnet7" in words(here / "report.html")
    assert ablate("render", "tinyimage11")[2].endswith("did you mean 'tinyimage10'?\n")


def test_of_many_figures_and_tables_in_a_process_the_one_that_fails_is_named(
    ablate: Ablate, trained: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the key of the one that is asked for wrongly, and the path of the one whose code fails."""
    file = tmp_path / "papers/resnet-vs-plain.yaml"
    assert ablate("render")[0] == 0
    here = ["--plan", "results/tiny/plan.json", "--papers", "papers", "--output", "results/tiny/resnet-vs-plain"]
    for what, name in (("tables", "table-shallow: accuracy"), ("figures", "figure-6: curves")):
        whole = file.read_text()
        file.write_text(whole.replace(name, f"{name}, spoiled: {name.split()[1]}:nonsense"))
        code, _, err = ablate("plan", "--output", "results/tiny/plan.json")
        assert code == 2 and f"papers/resnet-vs-plain.yaml: drawn.shallow.{what}.spoiled: " in err
        file.write_text(whole)
    monkeypatch.setattr("ablate.figures.registry.draw", lambda *_: 1 / 0)
    first = next(iter(figure_jobs(Path(here[1]), Path("papers"), Path(here[-1]), None, []).items()))
    with pytest.raises(ZeroDivisionError) as raised:
        first[1]()
    assert raised.value.__notes__ == [f"while making {first[0]}"]


def test_render_with_half_of_the_runs_gone(ablate: Ablate, trained: list[str], tmp_path: Path) -> None:
    for name in trained[::2]:  # seed 0 of every arm
        shutil.rmtree(tmp_path / RUNS / name)
    code, _, err = ablate("render")
    assert code == 2 and trained[0] in err and "Traceback" not in err
    assert not (tmp_path / "results/tiny/report.html").exists()
    code, _, err = ablate("render", "--partial")
    assert code == 0
    table = pd.read_csv(tmp_path / "results/tiny/resnet-vs-plain/table-shallow.csv")
    assert list(table["n"]) == [1, 1] and set(table["note"]) == {"1 of 2 missing"}
    assert list(table["val_top1 %"]) == pytest.approx([10.0, 30.0])  # of seed 1 alone
    row = pd.read_csv(tmp_path / "results/tiny/comparison.csv").iloc[0]
    assert (row["ours"], row["n"], row["note"]) == (10.0, 1, "1 of 2 missing")
    assert "1 of 2 missing" in words(tmp_path / "results/tiny/report.html")


def test_render_with_no_run_at_all_says_so_everywhere(ablate: Ablate, trained: list[str], tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / RUNS)
    code, _, err = ablate("render", "--partial")
    assert code == 0 and "Traceback" not in err
    assert pd.read_csv(tmp_path / "results/tiny/comparison.csv")["note"][0] == "not run"
    assert "2 of 2 missing" in words(tmp_path / "results/tiny/report.html")
