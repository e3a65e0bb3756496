"""The calibration of the board on fabricated papers. Oracle: what is planted, and numbers by hand.

Rates are of few papers and their bounds wide: a board that errs in 5 % of papers fails one such test in ten thousand.
Papers are the same in every run of the tests. `benchmarks/claims.py` measures the rates themselves.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from calibrating.board import MIXED, PRINTED, SHARED, VALUES, Board, is_true
from calibrating.cells import AT_THE_MARGIN, POWER, Cell, cells, growing, noises
from calibrating.folders import judged_from
from calibrating.judged import Paper, assessed, counted, grown, judged, planted, summary, upper
from calibrating.runs import fabricate
from calibrating.spread import measured_sds, pooled
from scipy import stats

from ablate.plan.params import load
from ablate.verdicts import evidence, judge
from ablate.verdicts.verdict import SHOWN
from conftest import ROOT

SD = 2.5  # points
NOISES = noises(SD, np.array([0.1, 0.6, 1.4, 2.1, 5.0]))
PAPERS = 60


def papers(cell: Cell, count: int = PAPERS) -> list[Paper]:
    return [judged(cell, number, 0.1) for number in range(count)]


def most(count: int = PAPERS) -> float:
    """Papers with an untrue finding, at 5 % and by bad luck."""
    return float(stats.binom.ppf(0.9999, count, 0.05))


@pytest.mark.parametrize("board", [MIXED, VALUES], ids=["mixed", "values"])
def test_the_effects_are_those_that_are_planted(board: Board) -> None:
    """Oracle: the weights of the claims' own contrasts, on the arms' true accuracies. Each moves no other claim."""
    draw = np.random.default_rng(0)
    for spare in (0.0, 3.0):
        effects = draw.choice([-1.0, 0.0, 0.2, 1.0, 4.0], 8)
        assert board.effects(*board.arms(effects, spare)) == pytest.approx(effects)


def test_of_all_runs_the_arm_that_fails_is_worse() -> None:
    """30 % of a0's runs at 10 % in place of 50 % are 12 points less: 6 margins more for those held against it."""
    val, train = MIXED.arms(np.zeros(8), 0.0)
    of_all = dict(zip([c.id for c in MIXED.paper.claims], MIXED.effects(val, train, failing=0.3), strict=True))
    assert of_all["order-1"] == pytest.approx(6) and of_all["difference"] == pytest.approx(6)
    assert of_all["effect"] == of_all["value"] == of_all["two-parts"] == 0  # its second part is a3 over a4
    assert of_all["gap"] == pytest.approx(3)  # 20 points between training and validation, of which 30 % are gone


@pytest.mark.parametrize(
    ("effect", "true"),
    [
        (-1.0, {"no effect of that size", "opposite"}),
        (0.0, {"no effect of that size"}),
        (0.5, {"shown, size open", "shown, but smaller", "no effect of that size"}),
        (1.0, {"shown at the claimed size", "shown, size open"}),
    ],
)
def test_what_is_true_of_an_effect(effect: float, true: set[str]) -> None:
    order = MIXED.paper.claims[0]
    said = {*SHOWN, "no effect of that size", "opposite"}
    assert {finding for finding in said if is_true(finding, effect, order)} == true
    assert is_true("open", effect, order) and is_true("not testable", effect, order)


def test_what_is_true_of_no_difference() -> None:
    """At the margin itself it is neither within nor beyond it."""
    value = MIXED.paper.claims[4]
    said = {
        d: [is_true(f, d, value) for f in ("shown at the claimed size", "opposite")] for d in (0.0, -0.5, 1.0, -2.0)
    }
    assert said == {0.0: [True, False], -0.5: [True, False], 1.0: [False, False], -2.0: [False, True]}


@pytest.mark.parametrize("name", ["normal", "discrete", "ties", "skewed", "one very skewed"])
def test_runs_come_to_what_is_planted_over_many_images_and_seeds(name: str) -> None:
    """The mean of 40 papers' arms lies within five standard errors, and accuracies are the means of the answers."""
    plan, arms = MIXED.plan(dict.fromkeys(MIXED.levels, 5), "the paper's", ()), []
    for number in range(40):
        found = fabricate(MIXED, plan, NOISES[name], np.zeros(8), np.random.default_rng(number))
        assert found.rows["val_top1"].tolist() == [found.right[run].mean() for run in found.rows["run"]]
        arms.append(found.rows.groupby("arm")["val_top1"].mean())
    table = pd.DataFrame(arms)
    want = dict.fromkeys(table, PRINTED) | {"a7": PRINTED + 0.1}
    for arm in table:
        assert table[arm].mean() == pytest.approx(want[arm], abs=5 * table[arm].sem() + 1e-9), arm
    if name == "ties":
        assert (found.rows.groupby("arm")["val_top1"].nunique() == 1).all()


def test_seeds_scatter_as_measured_ones() -> None:
    """With the answers' own chance, an arm's accuracies over its seeds have the sd that was asked for."""
    plan = MIXED.plan(dict.fromkeys(MIXED.levels, 200), "the paper's", ())
    found = fabricate(MIXED, plan, NOISES["normal"], np.zeros(8), np.random.default_rng(0))
    sds = 100 * found.rows.groupby("arm")["val_top1"].std()
    assert float(np.sqrt((sds**2).mean())) == pytest.approx(SD, rel=0.05)


def test_what_becomes_of_runs() -> None:
    plan = MIXED.plan(dict.fromkeys(MIXED.levels, 100), "the paper's", ())
    draw = np.random.default_rng(0)
    failing = fabricate(MIXED, plan, NOISES["30 % fail"], np.zeros(8), draw).rows
    bad = failing["health"] == "not above chance"
    assert {*failing[bad]["arm"]} == {SHARED} and 18 <= bad.sum() <= 42
    assert failing[bad]["val_top1"].mean() == pytest.approx(0.1, abs=0.02)
    diverging = fabricate(MIXED, plan, NOISES["40 % diverge"], np.zeros(8), draw).rows
    gone = diverging["status"] == "diverged"
    assert (
        {*diverging[gone]["arm"]} == {SHARED} and 25 <= gone.sum() <= 55 and diverging[gone]["val_top1"].isna().all()
    )
    missing = fabricate(MIXED, plan, NOISES["2 % missing"], np.zeros(8), draw).rows
    assert 5 <= (missing["status"] == "missing").sum() <= 50


def test_the_spread_is_of_runs_that_have_learnt_pooled_over_arms(tmp_path: Path) -> None:
    """Variances of 2 and 0, one degree of freedom each. Of c one run learnt; d is at chance, by its numbers alone."""
    rows = [("a", 0.50, ""), ("a", 0.52, ""), ("b", 0.30, ""), ("b", 0.30, "still falling"), ("c", 0.9, ""),
            ("c", 0.1, "not above chance")]  # fmt: skip
    head = {"study": "s", "status": "done", "n_val": 500}
    table = pd.DataFrame(
        [head | {"arm": a, "run": f"{a}{i}", "val_top1": v, "health": h} for i, (a, v, h) in enumerate(rows)]
    )
    old = pd.DataFrame(
        [
            head | {"arm": "d", "run": f"net_tiny-imagenet-c0to10_{i}", "val_top1": v}
            for i, v in enumerate((0.1, 0.12))
        ]
    )
    other = table.assign(run="other")
    for name, frame in (
        ("pilot/p", table),
        ("pilot/q", old),
        ("pilot/controls", other),
        ("paper/same", table),
        ("demo/p", other),
    ):
        (tmp_path / name).mkdir(parents=True)
        frame.to_csv(tmp_path / name / "runs.csv", index=False)
    sds, freedom = measured_sds(tmp_path)
    assert sorted(sds) == pytest.approx([0, np.sqrt(2)]) and freedom.tolist() == [1, 1]
    assert pooled(sds, freedom) == pytest.approx(1.0)


def test_the_upper_end_is_exact() -> None:
    """None of n: the share at which that happens in 2.5 %."""
    assert upper(0, 100) == pytest.approx(1 - 0.025 ** (1 / 100))


FROM_DISK = [
    *(Cell(name, NOISES[name], 3) for name in ("normal", "10 % fail", "40 % diverge", "2 % missing", "discrete")),
    Cell("values", NOISES["shared images"], 3, board=VALUES),
    Cell("near", NOISES["normal"], 3, (POWER,), protocol="near"),
    Cell("reduced", NOISES["normal"], 5, (POWER,), protocol="reduced"),
]


@pytest.mark.slow
@pytest.mark.parametrize("cell", FROM_DISK, ids=lambda cell: cell.name)
def test_run_folders_give_the_same_board(cell: Cell, tmp_path: Path) -> None:
    """Written as training leaves them, collected and judged: evidence, findings, words, sentences, digit by digit."""
    results, _, _, plan = planted(cell, 0)
    ours = assessed(cell, plan, results.rows, results)
    assert judged_from(tmp_path, cell.board, plan, results) == ours
    assert {j.protocol for j in ours} == {cell.protocol} and sum(j.headline for j in ours) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "seeds"),
    [
        *(("normal", n) for n in (3, 9)), ("unequal", 5), ("heavy-tailed", 5), ("discrete", 5), ("ties", 5),
        ("skewed", 9), ("one skewed", 9), ("10 % fail", 12), ("30 % fail", 12), ("40 % diverge", 12),
    ],
)  # fmt: skip
def test_few_papers_have_an_untrue_finding(name: str, seeds: int) -> None:
    assert sum(p.false for p in papers(Cell(name, NOISES[name], seeds))) <= most()


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 20])
def test_shared_images_are_in_the_error(seeds: int) -> None:
    assert sum(p.false for p in papers(Cell("values", NOISES["shared images"], seeds, board=VALUES))) <= most()


@pytest.mark.slow
def test_it_would_show_where_images_were_taken_for_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "image_variance", lambda weights, of_arms: 0.0)
    assert sum(p.false for p in papers(Cell("values", NOISES["shared images"], 20, board=VALUES))) > 2 * most()


@pytest.mark.slow
def test_it_would_show_where_only_survivors_had_a_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "_named", lambda said, of_all, margin: (judge._name(said), False))
    assert sum(p.false for p in papers(Cell("40 % diverge", NOISES["40 % diverge"], 20))) > most()


@pytest.mark.slow
def test_eight_points_are_shown_from_three_seeds_on() -> None:
    """Of headlines half at three seeds, three quarters at five; and more of them with more seeds."""
    shown = {}
    for n in (3, 5):
        row, _ = counted(cell := Cell("power", NOISES["normal"], n, (POWER,)), papers(cell, 40))
        shown[n] = float(row["shown_headlines"])
    assert shown[3] >= 0.5 and shown[5] >= 0.75 and shown[3] < shown[5]


@pytest.mark.slow
@pytest.mark.parametrize(
    "cell",
    [
        Cell("reduced", NOISES["normal"], 5, (POWER,), protocol="reduced"),
        Cell("at chance", NOISES["at chance"], 5, (POWER,)),
    ],
    ids=lambda cell: cell.name,
)
def test_nothing_is_reproduced_at_a_reduced_protocol_or_with_an_arm_at_chance(cell: Cell) -> None:
    found = papers(cell, 15)
    assert sum(p.forbidden for p in found) == 0
    words = {word for p in found for word in p.words}
    assert "holds here" in words if cell.protocol == "reduced" else {"reproduced", "not testable"} <= words


@pytest.mark.slow
def test_looks_save_runs_and_keep_to_the_truth() -> None:
    found = papers(Cell("looks", NOISES["normal"], 16, (0.0, 2.0), looks=(9, 16)), 30)
    row, _ = counted(Cell("looks", NOISES["normal"], 16, looks=(9, 16)), found)
    assert 9 / 16 <= float(row["runs"]) < 1 and sum(p.false for p in found) <= most(30)


def test_the_long_form_has_every_cell() -> None:
    adaptive = load(ROOT / "params.yaml").adaptive
    assert adaptive is not None
    every = [*cells(NOISES, adaptive.looks), *growing(NOISES)]
    assert {cell.name for cell in every if cell.planted == AT_THE_MARGIN and not cell.looks} >= {*NOISES} - {
        "at chance"
    }
    assert len({(cell.name, cell.seeds) for cell in every}) == len(every)
    assert max(cell.seeds for cell in every) == 160


def test_peaks_and_falls_by_hand() -> None:
    """Of 100 claims each: reproduced falls from 40 to 10 %; above zero, which is true, from 60 to 50: the standard
    error of the difference is sqrt(2 * .55 * .45 / 100) = .07.
    """
    counts = {3: (40, 60), 5: (10, 50)}
    frames = []
    for seeds, (reproduced, shown) in counts.items():
        words = ["reproduced"] * reproduced + ["open"] * (100 - reproduced)
        findings = ["shown, size open"] * shown + ["open"] * (100 - shown)
        frames.append(
            pd.DataFrame({"same": False, "effect": 0.5, "seeds": seeds, "finding": findings, "word": words})
        )
    by_seeds = grown(pd.concat(frames))
    above = by_seeds[by_seeds["said"] == "above 0"]
    assert above["share"].tolist() == [0.6, 0.5] and above["true"].tolist() == [True, True]
    row, _ = counted(cell := Cell("normal", NOISES["normal"], 3), papers(cell, 1))
    said = summary(pd.DataFrame([row]), by_seeds)
    assert said["least_of_peak"] == 0.25 and said["largest_drop"] == pytest.approx(0.1 / 0.0704, rel=0.02)
    assert said["papers"] == 1
