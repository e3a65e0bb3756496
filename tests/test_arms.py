"""An arm is its tuple of levels, from params.yaml to every table, figure and verdict.

Studies with any names of axes and any labels go through the plan, the collected files, and every kind of table and
figure. Oracle: each arm's own runs, whose numbers the test has chosen, found by the run's record in the plan.
"""

import json
import tempfile
from itertools import combinations, pairwise, product
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib.pyplot as plt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from ablate.cli.render import render
from ablate.csv_text import read_rows
from ablate.errors import UserError
from ablate.figures.common import RunFiles
from ablate.figures.registry import draw
from ablate.files import read_json
from ablate.papers.claim import Claim, check_names
from ablate.papers.paper import check
from ablate.plan.drawn import Drawn
from ablate.plan.params import Params, Study, load
from ablate.plan.record import plan_record
from ablate.plan.runs import RUNS, make_plan
from ablate.report.page import write_report
from ablate.results.explain import explain
from ablate.results.study import StudyResults, collected_history, collected_runs, study_results
from ablate.results.summary import summarise
from ablate.results.table import Table
from ablate.seals import sealed
from ablate.tables.comparison import compare, write_comparison
from ablate.tables.effects import contrasts
from ablate.tables.registry import write_table
from ablate.verdicts.collected import Collected
from ablate.verdicts.evidence import evidence
from ablate.verdicts.looks import arms_of, first_seeds
from ablate.verdicts.model_pairs import trained_pairs
from conftest import TINY
from drawn import legend
from fabricated import PAPER, Fabricated, by_seed, claim, deviation, paper, reported
from reports import block

pytestmark = pytest.mark.usefixtures("no_figures_left")

Axes = dict[str, tuple[str, ...]]
# What a column of some file or table, an argument of pandas, or a word of the plan is called as well.
NAMES = [
    "seed", "run", "n", "note", "arm", "epoch", "status", "study", "model", "label", "values", "index", "level",
    "axis", "data", "lr", "weight-decay", "effect", "low", "best", "mean", "columns", "name", "nan", "1", "true",
]  # fmt: skip
LABELS = [
    "A", "A / B", "B / C", "C", "/", " / ", "NA", "nan", "None", "null", "1e3", "1000", "01", "1", "0.010",
    "0.01", "True", "=1+1", "+1", "-x", "@a", "a+b", "a", "b", "a@b", "a:b", "best", 'say "x"', '"', "a,b", "a\nb",
    "a\rb", "é", "e\u0301", "label", "Net 1", "'q", "x vs y", "x ±", "x",
]  # fmt: skip
LABEL = st.sampled_from(LABELS) | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5).filter(
    str.strip
)
AXIS = st.sampled_from(NAMES) | st.from_regex(r"[a-z0-9][a-z0-9-]{0,4}", fullmatch=True)
AXES = st.dictionaries(AXIS, st.lists(LABEL, min_size=1, max_size=3, unique=True).map(tuple), max_size=2)
FIELDS = ("lr", "label_smoothing", "weight_decay")  # what the levels of each axis change
SEEDS = (0, 1)
ROUNDED = 0.051  # percent: half of the one decimal that tables and metrics show; no two arms are so close

# By hand: names that met before, and those of the papers' own axes with odd labels.
NAMED: dict[str, Axes] = {
    "joined alike": {"model": ("A", "A / B"), "augment": ("B / C", "C")},
    "numbers alone": {"lr": ("0.01", "0.02")},
    "one number in two spellings": {"lr": ("1e3", "1000", "0.010")},
    "words for nothing": {"init": ("None", "NA", "nan"), "augment": ("null", "~")},
    "true and one": {"label": ("True", "1", "01")},
    "columns of tables": {"n": ("a", "b"), "note": ("x", "y")},
    "columns of files": {"seed": ("1", "0"), "run": ("s_0", "s_1"), "epoch": ("1",)},
    "one label in two axes": {"model": ("plain", "x"), "augment": ("plain", "x")},
    "formulas": {"model": ("=1+1", "+a", "-a", "@a")},
    "what an argument is made of": {"model": ("a", "b", "a+b", "a@b", "a:b")},
    "white space": {"model": ("a", " a", "a ", "a\nb", "a\rb")},
    "equal to the eye": {"model": ("é", "e\u0301"), "lr": ("0.01", "lr 0.01")},
    "no axis": {},
}


def planned(axes: Axes, folder: Path, study: str = "s") -> Fabricated:
    """The study of ``axes``, planned from parameters as `ablate plan` does, and each run with an accuracy of its own
    that `top_of` gives. A level changes a setting of its own, so that no two arms are one.
    """
    levels = {
        axis: tuple({"label": label, field: 0.01 * (1 + i)} for i, label in enumerate(labels))
        for (axis, labels), field in zip(axes.items(), FIELDS, strict=False)
    }
    return fabricated(levels, folder, study)


def fabricated(levels: dict[str, tuple[Any, ...]], folder: Path, study: str = "s") -> Fabricated:
    """The study with these levels, as they would stand in params.yaml."""
    (folder / "params.yaml").write_text(TINY)
    params = load(folder / "params.yaml")
    studies = {"p": {study: Study(axes=levels)}}
    params = Params.model_copy(params, update={"studies": studies, "seeds": SEEDS})
    made = Fabricated(folder)
    drawn = {"p": {study: Drawn(title="A study")}}
    record = plan_record(params, make_plan(params), drawn=drawn)
    made.record = json.loads(json.dumps(record.plain, ensure_ascii=False))
    made._write()
    for i, entry in enumerate(made.record["runs"]):
        top = top_of(i)
        made.train(
            entry, predictions=f"val,0,0,{i % 2},0.9\nval,1,1,1,0.9\n", train_top1=top / 2, val_top1=top,
            best_val_top1=top, test_top1=top, train_loss=1.0, val_loss=1.0, n_val=10, n_test=2, n_train=20,
        )  # fmt: skip
    made.collect()
    return made


def top_of(i: int) -> float:
    """Of the i-th planned run: no two are equal, and they do not rise with i."""
    return 0.1 + 0.013 * ((7 * i) % 31)


def results_of(made: Fabricated, study: str = "s") -> StudyResults:
    return study_results(made.plan, made.collected, made.papers, study, made.runs)


def by_levels(made: Fabricated) -> dict[tuple[str, ...], dict[int, float]]:
    """{levels: {seed: accuracy}}: the oracle."""
    found: dict[tuple[str, ...], dict[int, float]] = {}
    for i, entry in enumerate(made.record["runs"]):
        found.setdefault(tuple(entry["levels"].values()), {})[entry["seed"]] = top_of(i)
    return found


def check_tables(axes: Axes, folder: Path) -> None:
    made = planned(axes, folder)
    expected, results = by_levels(made), results_of(made)
    assert len(expected) == len(results.arms) and list(expected) == list(product(*axes.values()))
    values = [[100 * v for v in tops.values()] for tops in expected.values()]
    heads = ["axis " + axis if axis in ("n", "note") else axis for axis in axes] or ["arm"]
    columns = {"accuracy": "val_top1 %", "train-val": "validation accuracy %", "trials": "val_acc %"}
    for kind, metric in columns.items():
        csv = made.collected / f"{kind}.csv"
        write_table(results, kind, csv)
        rows = read_rows(csv)
        assert len(rows) == len(expected), kind
        found = [(float(row[metric]), int(row["n"])) for row in rows]
        asked = [(fmean(v), len(SEEDS)) for v in values]
        if kind == "trials":  # the best first; the first axis changes lr, which is a column, the second one nothing
            order = sorted(range(len(asked)), key=lambda i: -asked[i][0])
            asked = [asked[i] for i in order]
            if len(axes) > 1 and len(list(axes.values())[1]) > 1:
                own = [f"axis {axis}" if axis in ("n", "note") else axis for axis in axes]
                assert [tuple(row[head] for head in own) for row in rows] == [list(expected)[i] for i in order]
        for (mean, n), (wanted, seeds) in zip(found, asked, strict=True):
            assert mean == pytest.approx(wanted, abs=ROUNDED) and n == seeds
        if kind == "accuracy":
            named = list(expected) if axes else [(results.arms[0],)]
            assert [tuple(row[head] for head in heads) for row in rows] == named
        behind = read_json(csv.with_suffix(".runs.json"))
        assert len(behind) == len(expected)
        for label in behind:
            runs = behind[label][metric]
            mine = [e["run"] for e in made.record["runs"] if e["arm"] == label]
            assert list(runs) == mine and len(mine) == len(SEEDS)
            assert [e["run"] for e in explain(csv.with_suffix(".runs.json"), label, metric, made.runs)] == mine
    summed = read_json(made.collected / "metrics.json")["s"]
    assert [summed[arm] for arm in results.arms] == pytest.approx([fmean(t.values()) for t in expected.values()])
    best = max(expected, key=lambda levels: fmean(expected[levels].values()))
    assert results.best_arm == results.arms[list(expected).index(best)]


def check_files(axes: Axes, folder: Path) -> None:
    """runs.csv and history.csv, as they are and as what is joined of them for DVC, name each run's arm."""
    made = planned(axes, folder, study="1e3")
    arms = {e["run"]: e["arm"] for e in made.record["runs"]}
    assert len(set(arms.values())) * len(SEEDS) == len(arms)
    plan = made.planned()
    runs, history = collected_runs(plan, made.collected), collected_history(plan, made.collected)
    assert dict(zip(runs["run"], runs["arm"], strict=True)) == arms and set(runs["study"]) == {"1e3"}
    assert list(history["arm"]) == [arm for arm in arms.values() for _ in range(2)]  # two epochs each
    summarise(made.planned(), [made.collected], folder / "summary.json")
    for file in (made.collected / "runs.csv", made.collected / "history.csv", folder / "summary.csv"):
        assert all(row["arm"] == arms[row["run"]] for row in read_rows(file)), file


def check_figures(axes: Axes, folder: Path) -> None:
    made = planned(axes, folder)
    expected, results = by_levels(made), results_of(made)
    means = [100 * fmean(tops.values()) for tops in expected.values()]
    places = RunFiles(made.runs)
    figure = draw(results, "curves:val_top1", places).figure
    assert ends(figure) == pytest.approx(means)
    figure = draw(results, "trials:val", places).figure  # in an order of its own, each line by its legend
    drawn = sorted(zip(legend(figure), ends(figure), strict=True))
    named = sorted(zip(results.arms, means, strict=True))
    assert [name for name, _ in drawn] == [name for name, _ in named]
    assert [end for _, end in drawn] == pytest.approx([mean for _, mean in named])
    dots = draw(results, "dots", places).figure.axes[0].lines
    marks = [line for line in dots if line.get_markersize() == 5]
    assert sorted(line.get_xdata()[0] for line in marks) == pytest.approx(sorted(means))  # rows stand by size
    assert len({line.get_ydata()[0] for line in marks}) == len(means)  # none is drawn over another
    for arm, mean in zip(results.arms, means, strict=True):
        try:
            alone = draw(results, f"curves:val_top1@{arm}", places).figure
        except UserError as refused:
            assert "names" in str(refused) and "+" in arm
        else:
            assert ends(alone) == [pytest.approx(mean)]
        plt.close("all")


def ends(figure: Figure) -> list[float]:
    """Where the lines of the first panel end, but those of guessing, which have no markers."""
    return [float(line.get_ydata()[-1]) for line in figure.axes[0].lines if line.get_marker() != "None"]


def check_verdicts(axes: Axes, folder: Path) -> None:
    """Claims of pairs of arms, of levels, comparisons, looks: each of the seeds of its own arms."""
    made = planned(axes, folder)
    expected, plan = by_levels(made), made.planned()
    rows, history = collected_runs(plan, made.collected), collected_history(plan, made.collected)
    arms = list(dict.fromkeys(p.arm for p in plan.runs))
    tops = dict(zip(arms, expected.values(), strict=True))
    levels = {p.arm: p.levels for p in plan.runs}

    def measured(asked: Claim) -> list[dict[int, float]]:
        check_names(asked, {"s": levels}, {}, "p.yaml")
        found = evidence(asked, paper(), plan.runs, Collected(rows, history, made.runs))
        assert not found.missing and len({p.name for p in found.parts}) == len(found.parts)
        assert arms_of(asked, paper(), plan.runs) >= {arm for arm in arms if arm in asked.arms}
        return [by_seed(found, part) for part in found.parts]

    if len(arms) > 1:
        parts = measured(claim(kind="order", metric="val_top1", arms=arms))
        for part, (a, b) in zip(parts, pairwise(arms), strict=True):
            assert part == pytest.approx({s: 100 * (tops[a][s] - tops[b][s]) for s in SEEDS})
        ordered = paper().model_copy(update={"claims": (claim(kind="order", metric="val_top1", arms=arms),)})
        compared = trained_pairs({"p": ordered}, plan.runs, made.runs)
        assert len(compared.rows) == len(compared.runs) == (len(arms) - 1) * len(SEEDS)
    for i, (axis, labels) in enumerate(axes.items()):
        for level, reference in combinations(filter(None, labels), 2):
            of = {"axis": axis, "level": level, "reference": reference}
            asked = claim(kind="effect", metric="val_top1", direction="less", **of)
            assert measured(asked) == [pytest.approx(difference(expected, i, level, reference))]
    if axes:
        main = iter(e for e in contrasts(results_of(made)) if not e.interaction)
        for i, labels in enumerate(axes.values()):
            for level in labels[1:]:
                assert next(main).by_seed == pytest.approx(difference(expected, i, level, labels[0]))
        assert next(main, None) is None
    table = compare(plan, {"p": paper(*numbers(arms))}, made.collected.parent)
    assert [row["ours"] for row in table.rows] == pytest.approx(
        [100 * fmean(tops[arm].values()) for arm in arms], abs=ROUNDED
    )
    assert {row["n"] for row in table.rows} == {len(SEEDS)}
    assert len(first_seeds(plan.runs, 1)) == len(arms)


def difference(tops: dict[tuple[str, ...], dict[int, float]], i: int, level: str, reference: str) -> dict[int, float]:
    """{seed: points between two levels of the i-th axis, averaged over the other axes}."""
    at, base = ([t for key, t in tops.items() if key[i] == label] for label in (level, reference))
    return {s: 100 * (fmean(t[s] for t in at) - fmean(t[s] for t in base)) for s in SEEDS}


def numbers(arms: list[str]) -> list[Any]:
    of = {"value": 0.5, "metric": "val_top1", "study": "s"}
    return [reported(id=f"number-{i}", arm=arm, **of) for i, arm in enumerate(arms)]


CHECKS = {"tables": check_tables, "files": check_files, "figures": check_figures, "verdicts": check_verdicts}


@pytest.mark.parametrize("axes", NAMED.values(), ids=NAMED)
@pytest.mark.parametrize("what", CHECKS)
def test_named_studies(what: str, axes: Axes, tmp_path: Path) -> None:
    CHECKS[what](axes, tmp_path)


@pytest.mark.parametrize("what", CHECKS)
def test_studies_of_any_names(what: str) -> None:
    """Examples are few for figures, which take most of the time."""

    @given(AXES)
    @settings(max_examples=5 if what == "figures" else 12, deadline=None)
    def check(axes: Axes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            CHECKS[what](axes, Path(folder))

    check()


def test_a_row_is_asked_for_by_its_label_before_its_number(tmp_path: Path) -> None:
    """Arms called 2 and 1: each row is there by its own label; a number that is no label counts rows."""
    made = planned({"lr": ("2", "1", "x")}, tmp_path)
    write_table(results_of(made), "accuracy", made.collected / "t.csv")
    for label, row in (("2", 0), ("1", 1), ("x", 2), ("3", 2)):
        found = explain(made.collected / "t.runs.json", label, "val_top1 %", made.runs)
        assert [e["run"] for e in found] == [e["run"] for e in made.record["runs"]][2 * row : 2 * row + 2]
    for number in ("0", "4", "²", "03", "1" * 5000):
        with pytest.raises(UserError, match="unknown row"):
            explain(made.collected / "t.runs.json", number, "val_top1 %", made.runs)


def test_rows_with_one_label_are_two_rows(tmp_path: Path) -> None:
    table = Table()
    for value in (1.0, 2.0, 3.0):
        table.add("a", {"x": value}, {"x": {f"run-{value:g}": value}})
    table.add("a (2)", {"x": 4.0}, {"x": {"run-4": 4.0}})
    assert [list(cells["x"]) for cells in table.runs.values()] == [["run-1"], ["run-2"], ["run-3"], ["run-4"]]
    made = planned({"lr": ("a",)}, tmp_path)
    write_table(results_of(made), "parameters:cnn2+cnn2", made.collected / "t.csv")
    assert len(read_json(made.collected / "t.runs.json")) == len(read_rows(made.collected / "t.csv")) == 2


def test_classes_of_one_first_word_have_a_row_and_a_panel_each(tmp_path: Path, packs: dict[str, Path]) -> None:
    made = planned({"lr": ("a",)}, tmp_path)
    words = ["crane, bird", "crane, machine", *(f"word {i}, other" for i in range(8))]
    (made.plan.parent / "data").mkdir()
    meta = {"classes": [f"c{i}" for i in range(10)], "words": words}
    (made.plan.parent / "data/cifar10.json").write_text(json.dumps(meta))
    write_table(results_of(made), "per-label:best", made.collected / "t.csv")
    rows, behind = read_rows(made.collected / "t.csv"), read_json(made.collected / "t.runs.json")
    assert [row["label"] for row in rows] == list(behind) and len(behind) == 10
    # By hand: image 0 is of label 0, right with every second run, image 1 of label 1, always right.
    assert [(row["label"], float(row["val_acc %"])) for row in rows[:2]] == [(words[0], 50.0), (words[1], 100.0)]
    assert list(behind[words[0]]["val_acc %"].values()) == [100.0, 0.0]

    pack = tmp_path / "pack.json"
    for name in ("images.npy", "labels.npy"):
        (tmp_path / name).symlink_to(packs["cifar10"].with_name(name))
    pack.write_text(json.dumps(sealed(read_json(packs["cifar10"]) | {"words": words})))
    places = RunFiles(made.runs, {"cifar10": pack})
    drawn = draw(results_of(made), "samples", places).figure
    assert {words[0], words[1], "word 0"} <= {axis.get_title(loc="left") for axis in drawn.axes}
    ticks = draw(results_of(made), "per-label:best", places).figure.axes[0].get_xticklabels()
    assert [tick.get_text().replace("\n", " ") for tick in ticks][:2] == words[:2]
    assert draw(results_of(made), "samples:bird+machine", places).figure.axes
    with pytest.raises(
        UserError, match=r"'crane' is a name of 2 classes \(crane, bird; crane, machine\); write another"
    ):
        draw(results_of(made), "samples:crane", places)


def test_what_could_be_meant_in_two_ways_is_refused_with_the_remedy(tmp_path: Path) -> None:
    made = planned({"model": ("best", "a", "a+b", "b")}, tmp_path)
    results, places = results_of(made), RunFiles(made.runs)
    said = "'best' is an arm here as well as the best arm; give its level another label"
    with pytest.raises(UserError, match=said):
        draw(results, "per-label:best", places)
    with pytest.raises(UserError, match=said):
        write_table(results, "per-label:best", tmp_path / "t.csv")
    with pytest.raises(UserError, match=r"'a\+b' names 'a' and 'b' or 'a\+b'; give these levels labels without \+"):
        draw(results, "curves:val_top1@a+b", places)
    assert len(ends(draw(results, "curves:val_top1@best+a", places).figure)) == 2


def test_a_sweep_does_not_draw_two_arms_as_one(tmp_path: Path) -> None:
    made = planned({"lr": ("a", "b"), "weight-decay": ("x", "y")}, tmp_path)  # the second changes something else
    with pytest.raises(UserError, match="one arm for each rate and weight decay"):
        draw(results_of(made), "sweep", RunFiles(made.runs))


@pytest.mark.parametrize("label", ["NA", "=1+1", "x ±", "1e3"])
def test_the_report_shows_the_labels_that_were_written(label: str, tmp_path: Path) -> None:
    made = planned({"model": (label, "other", "x")}, tmp_path)
    made.record["studies"]["p/s"]["tables"] = {"t": "accuracy", "nets": "nets"}
    for entry in made.record["runs"]:
        entry["settings"]["model"] = "net1"
    made._write()
    results = results_of(made)
    write_table(results, "accuracy", made.collected / "t.csv")
    write_table(results, "nets", made.collected / "nets.csv")
    write_comparison(made.plan, made.papers, made.collected / "comparison.csv")
    write_report(made.plan, made.papers, tmp_path / "results/demo/report.html")
    tables = {
        t["name"]: t for t in block(made.plan.parent / "report.html", "content")["papers"][0]["studies"][0]["tables"]
    }
    assert [row[0] for row in tables["t"]["rows"]] == [label, "other", "x"]
    assert {label, "other"} <= {*tables["nets"]["columns"]}  # of the networks side by side


@pytest.mark.parametrize(
    "levels",
    [
        {"lr": (0.01, 0.02)},
        {"lr": (1e-3, 1e-05, 1.0)},
        {"per-class": (None, 5)},
        {"stem": (None,)},
        {"mix": ("none", {"label": "None", "mix": "mixup"}), "lr": (0.01, 0.1)},
        {"labels": ("true", {"label": "True", "labels": "shuffled"})},
        {"batch-size": (10, 20), "momentum": (0.0, 0.5)},
    ],
    ids=str,
)
def test_levels_that_are_bare_values_are_drawn_and_tabled(levels: dict[str, tuple[Any, ...]], tmp_path: Path) -> None:
    """Also where they are the only axis and its labels look like numbers, or like nothing."""
    made = fabricated(levels, tmp_path)
    means, results = [100 * fmean(tops.values()) for tops in by_levels(made).values()], results_of(made)
    assert ends(draw(results, "curves:val_top1", RunFiles(made.runs)).figure) == pytest.approx(means)
    write_table(results, "accuracy", made.collected / "t.csv")
    found = [(float(row["val_top1 %"]), row["n"]) for row in read_rows(made.collected / "t.csv")]
    assert found == [(pytest.approx(mean, abs=ROUNDED), "2") for mean in means]
    labels = [tuple(str(x["label"] if isinstance(x, dict) else x) for x in arm) for arm in product(*levels.values())]
    assert [tuple(p.levels.values()) for p in results.planned][:: len(SEEDS)] == labels


@pytest.mark.parametrize("name", ["joined alike", "words for nothing", "columns of tables", "formulas"])
def test_every_axis_and_level_has_its_rows_in_the_tables_of_effects(name: str, tmp_path: Path) -> None:
    """A row per level but the first and per pair of these of two axes; one of importance per axis."""
    axes = NAMED[name]
    made = planned(axes, tmp_path)
    write_table(results_of(made), "effects", made.collected / "t.csv")
    write_table(results_of(made), "importance", made.collected / "i.csv")
    sizes = [len(labels) - 1 for labels in axes.values()]
    main = [f"{label} vs {labels[0]}" for labels in axes.values() for label in labels[1:]]
    rows = read_rows(made.collected / "t.csv")
    assert [row["level vs reference"] for row in rows[: len(main)]] == main
    assert len(rows) == sum(sizes) + (sizes[0] * sizes[1] if len(sizes) > 1 else 0)
    important = read_rows(made.collected / "i.csv")
    assert [row["axis"] for row in important] == list(axes)
    assert len(read_json(made.collected / "t.runs.json")) == len(rows)
    assert list(read_json(made.collected / "i.runs.json")) == list(axes)


def test_a_level_of_two_axes_is_refused_where_only_its_label_is_written(tmp_path: Path) -> None:
    """Deviations name levels without their axis; arms and claims name all of them, or the axis."""
    levels = {
        "model": ({"label": "plain"}, {"label": "x", "lr": 0.1}),
        "augment": ({"label": "plain"}, {"label": "y", "weight_decay": 0.1}),
    }
    (tmp_path / "params.yaml").write_text(TINY)
    params = load(tmp_path / "params.yaml")
    plan = make_plan(Params.model_copy(params, update={"studies": {"p": {"s": Study(axes=levels)}}}))
    check({"p": paper(deviations=(deviation("it", levels=("x",)),))}, plan)
    said = r"p.yaml: deviations.0.levels: 'plain' is a level of model and of augment in the study s; rename one of"
    with pytest.raises(UserError, match=said):
        check({"p": paper(deviations=(deviation("it", levels=("x", "plain")),))}, plan)


STUDY = """
studies:
  p:
    s:
      axes:
        model: [{label: A, lr: 0.01}, {label: A / B, lr: 0.02}]
        augment: [{label: B / C, weight_decay: 0.1}, {label: C, weight_decay: 0.2}]
    rates:
      axes: {lr: [0.01, 0.020]}
scales: {tiny: {}}
"""
DRAWN = """drawn:
  s:
    title: one
    tables: {t: accuracy, e: effects}
    figures: {f: curves, g: 'curves:val_top1@A / C+"A / B" / C', b: dots}
  rates:
    title: two
    tables: {u: accuracy}
    figures: {h: curves}
"""


def test_four_arms_joined_alike_from_params_to_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `ablate render`, as a user has it: four rows of one run each, two of them named in a figure and a number."""
    monkeypatch.chdir(tmp_path)
    params = Path("params.yaml")
    params.write_text(TINY.split("\nstudies:")[0] + STUDY)
    made = Fabricated(tmp_path, "tiny")
    number = 'id: n, study: s, arm: "\\"A / B\\" / C", metric: val_top1, value: 0.5, where: here, quote: it'
    (made.papers / "p.yaml").write_text(PAPER.replace("reported: []", f"reported: [{{{number}}}]") + DRAWN)
    made.runs = tmp_path / RUNS
    record = plan_record(load(params), make_plan(load(params))).plain
    for i, entry in enumerate(record["runs"]):
        made.train(entry, train_top1=0.5, val_top1=0.1 * (i + 1), best_val_top1=0.5, train_loss=1.0, val_loss=1.0)
    assert render(params, [], {}) == Path("results/tiny")
    here = Path("results/tiny/p")
    rows = [(row["model"], row["augment"], row["val_top1 %"], row["n"]) for row in read_rows(here / "t.csv")]
    arms = product(("A", "A / B"), ("B / C", "C"))
    assert rows == [(*arm, val, "1") for arm, val in zip(arms, ("10.0", "20.0", "30.0", "40.0"), strict=True)]
    assert [(row["lr"], row["val_top1 %"]) for row in read_rows(here / "u.csv")] == [
        ("0.01", "50.0"),
        ("0.02", "60.0"),
    ]
    [compared] = read_rows(here / "comparison.csv")
    assert (compared["ours"], compared["n"], compared["of"]) == ("40.0", "1", 's: "A / B" / C')
    for name in "fgh":
        assert "no epoch to show" not in (here / f"{name}.svg").read_text()


def test_dvc_tells_all_arms_apart(tmp_path: Path) -> None:
    """Oracle: DVC's own flattening of metrics, which joins keys with dots; only labels have dots."""
    from dvc.utils.flatten import flatten  # here, since DVC takes a while

    made = planned({"lr": ("0.1", "0", "0.1.2", ".", "a.b", "a"), "n": ("0.1", "a", "b.c")}, tmp_path)
    summarise(made.planned(), [made.collected], tmp_path / "summary.json")
    found = flatten(read_json(tmp_path / "summary.json"))
    means = [value for key, value in found.items() if key.endswith(".val")]
    expected = [100 * fmean(t.values()) for t in by_levels(made).values()]
    assert sorted(means) == pytest.approx(sorted(expected), abs=ROUNDED) and len(found) == 3 * len(means)
