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

from ablate.calibration import pooled_sd
from ablate.claims import Claim, check_names
from ablate.collect import summarise
from ablate.compare import compare
from ablate.config import Params, Study, load
from ablate.csv_text import read_rows
from ablate.effects import contrasts
from ablate.errors import UserError
from ablate.evidence import evidence
from ablate.explain import explain
from ablate.figures import Places, draw
from ablate.files import read_json
from ablate.looks import arms_of, first_seeds
from ablate.plan import make_plan
from ablate.plan_record import plan_record
from ablate.tables import StudyResults, collected_history, collected_runs, study_results, write_table
from ablate.trained_pairs import trained_pairs
from conftest import TINY
from fabricated import Fabricated, claim, paper, reported

pytestmark = pytest.mark.usefixtures("no_figures_left")

Axes = dict[str, tuple[str, ...]]
# What a column of some file or table, an argument of pandas, or a word of the plan is called as well.
NAMES = [
    "seed", "run", "n", "note", "arm", "epoch", "status", "study", "model", "label", "values", "index", "level",
    "axis", "data", "lr", "weight-decay", "effect", "low", "best", "mean", "columns", "name", "nan", "1", "true",
]  # fmt: skip
LABELS = [
    "A", "A / B", "B / C", "C", "/", " / ", "", " ", "NA", "nan", "None", "null", "1e3", "1000", "01", "1", "0.010",
    "0.01", "True", "=1+1", "+1", "-x", "@a", "a+b", "a", "b", "a@b", "a:b", "best", 'say "x"', '"', "a,b", "a\nb",
    "a\rb", "é", "e\u0301", "label", "Net 1", "'q", "x vs y", "x ±", "x",
]  # fmt: skip
LABEL = st.sampled_from(LABELS) | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5)
AXIS = st.sampled_from(NAMES) | st.from_regex(r"[a-z0-9][a-z0-9-]{0,4}", fullmatch=True)
AXES = st.dictionaries(AXIS, st.lists(LABEL, min_size=1, max_size=3, unique=True).map(tuple), max_size=2)
FIELDS = ("lr", "label_smoothing", "weight_decay")  # what the levels of each axis change
SEEDS = (0, 1)

# By hand: names that met before, and those of the papers' own axes with odd labels.
NAMED: dict[str, Axes] = {
    "joined alike": {"model": ("A", "A / B"), "augment": ("B / C", "C")},
    "numbers alone": {"lr": ("0.01", "0.02")},
    "one number in two spellings": {"lr": ("1e3", "1000", "0.010")},
    "words for nothing": {"init": ("None", "NA", "nan"), "augment": ("null", "")},
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
    (folder / "params.yaml").write_text(TINY)
    levels = {
        axis: tuple({"label": label, field: 0.01 * (1 + i)} for i, label in enumerate(labels))
        for (axis, labels), field in zip(axes.items(), FIELDS, strict=False)
    }
    params = load(folder / "params.yaml")
    studies = {"p": {study: Study(title="A study", axes=levels)}}
    params = Params.model_copy(params, update={"studies": studies, "seeds": SEEDS})
    made = Fabricated(folder)
    made.record = json.loads(json.dumps(plan_record(params, make_plan(params)), ensure_ascii=False))
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
        if kind == "trials":  # the best first
            asked.sort(reverse=True)
        for (mean, n), (wanted, seeds) in zip(found, asked, strict=True):
            assert mean == pytest.approx(wanted, abs=0.011) and n == seeds
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
    runs, history = collected_runs(made.record, made.collected), collected_history(made.record, made.collected)
    assert dict(zip(runs["run"], runs["arm"], strict=True)) == arms and set(runs["study"]) == {"1e3"}
    assert list(history["arm"]) == [arm for arm in arms.values() for _ in range(2)]  # two epochs each
    summarise([made.collected], folder / "summary.json")
    for file in (made.collected / "runs.csv", made.collected / "history.csv", folder / "summary.csv"):
        assert all(row["arm"] == arms[row["run"]] for row in read_rows(file)), file
    expected = by_levels(made)
    squares = sum((100 * (a - b)) ** 2 / 2 for a, b in (tuple(t.values()) for t in expected.values()))
    assert pooled_sd(made.collected.parent) == pytest.approx((squares / len(expected)) ** 0.5)


def check_figures(axes: Axes, folder: Path) -> None:
    made = planned(axes, folder)
    expected, results = by_levels(made), results_of(made)
    means = [100 * fmean(tops.values()) for tops in expected.values()]
    places = Places(made.runs)
    figure = draw(results, "curves:val_top1", places)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert [line.get_ydata()[-1] for line in lines] == pytest.approx(means)
    figure = draw(results, "trials:val", places)
    assert [line.get_ydata()[-1] for line in figure.axes[0].lines] == pytest.approx(means)
    bars = draw(results, "bars", places).axes[0].patches
    assert [bar.get_height() for bar in bars] == pytest.approx(means)
    middles = [round(bar.get_x() + bar.get_width() / 2, 6) for bar in bars]
    assert len(set(middles)) == len(means)  # none is drawn over another
    for arm, mean in zip(results.arms, means, strict=True):
        try:
            alone = draw(results, f"curves:val_top1@{arm}", places).axes[0].lines
        except UserError as refused:
            assert "names" in str(refused) and "+" in arm
        else:
            assert [line.get_ydata()[-1] for line in alone] == [pytest.approx(mean)]
        plt.close("all")


def check_verdicts(axes: Axes, folder: Path) -> None:
    """Claims of pairs of arms, of levels, comparisons, looks: each of the seeds of its own arms."""
    made = planned(axes, folder)
    expected, plan = by_levels(made), made.record
    rows, history = collected_runs(plan, made.collected), collected_history(plan, made.collected)
    arms = list(dict.fromkeys(e["arm"] for e in plan["runs"]))
    tops = dict(zip(arms, expected.values(), strict=True))
    levels = {e["arm"]: e["levels"] for e in plan["runs"]}

    def measured(asked: Claim) -> list[dict[int, float]]:
        check_names(asked, {"s": levels}, {}, "p.yaml")
        found = evidence(asked, paper(), plan["runs"], rows, history, made.runs)
        assert not found.missing and found.paired and len({p.name for p in found.parts}) == len(found.parts)
        assert arms_of(asked, paper(), plan["runs"]) >= {arm for arm in arms if arm in asked.arms}
        return [dict(part.by_seed) for part in found.parts]

    if len(arms) > 1:
        parts = measured(claim(kind="order", metric="val_top1", arms=arms))
        for part, (a, b) in zip(parts, pairwise(arms), strict=True):
            assert part == pytest.approx({s: 100 * (tops[a][s] - tops[b][s]) for s in SEEDS})
        ordered = paper().model_copy(update={"claims": (claim(kind="order", metric="val_top1", arms=arms),)})
        compared = trained_pairs({"p": ordered}, plan["runs"], made.runs)
        assert len(compared.rows) == len(compared.runs) == (len(arms) - 1) * len(SEEDS)
    for i, (axis, labels) in enumerate(axes.items()):
        for level, reference in combinations(filter(None, labels), 2):
            of = {"axis": axis, "level": level, "reference": reference}
            asked = claim(kind="effect", metric="val_top1", direction="less", **of)
            wanted = {}
            for s in SEEDS:
                at, base = ([t[s] for key, t in expected.items() if key[i] == label] for label in (level, reference))
                wanted[s] = 100 * (fmean(at) - fmean(base))
            assert measured(asked) == [pytest.approx(wanted)]
    if axes:
        found = {(e.name, e.levels): e for e in contrasts(results_of(made)) if not e.interaction}
        assert len(found) == sum(len(labels) - 1 for labels in axes.values())
        assert all(len(e.by_seed) == len(SEEDS) for e in found.values())
    table = compare(plan, {"p": paper(*numbers(arms))}, made.collected.parent)
    assert [row["ours"] for row in table.rows] == pytest.approx(
        [100 * fmean(tops[arm].values()) for arm in arms], abs=0.011
    )
    assert {row["n"] for row in table.rows} == {len(SEEDS)}
    assert len(first_seeds(plan["runs"], 1)) == len(arms)


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
