"""The chance to decide claims by number of seeds. Oracles: scipy's noncentral t, `judge` itself, hand-made sums."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist, fmean, variance
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.stats import nct, t

from ablate.cli import main
from ablate.papers.claim import Claim
from ablate.papers.headlines import Headlines
from ablate.papers.paper import read
from ablate.plan.cost import Estimate, Machine
from ablate.plan.params import load
from ablate.plan.project import open_project
from ablate.plan.runs import make_plan
from ablate.verdicts import power_figure
from ablate.verdicts.judge import MOST, judge, shares
from ablate.verdicts.power import Draws, chances, decided, multiples
from ablate.verdicts.power_table import foresee, plain
from ablate.verdicts.prospects import MIDDLE, NOTHING, PRINTED, TWICE, Arm, Prospect, prospects
from ablate.verdicts.scatter import Ratio, Scatter, binomial, choose, scattered
from ablate.verdicts.spread import Sample
from ablate.verdicts.verdict import Asked, Part
from ablate.workflow.seed_hours import SeedHours
from conftest import PAPER, ROOT, TINY, write_tiny
from fabricated import Fabricated, claim, paper, reported

ARMS = "abcd"
IMAGES = 400


def of(folder: Path, *claims: Claim, headlines: Sequence[str] = (), known: Any = (), **fields: Any) -> list[Prospect]:
    """The prospects of ``claims`` about arms a, b, c and d of 400 images, in a paper with ``fields``."""
    made = Fabricated(folder)
    made.study("s", ["model"], {}, {})
    for arm in ARMS:
        for seed in range(2):
            made.run("s", {"model": arm}, seed)
    chosen = Headlines(chosen="2026-11-26", claims=dict.fromkeys(headlines, "Because.")) if headlines else None
    source = paper(*fields.pop("entries", ())).model_copy(update={"claims": claims, "headlines": chosen, **fields})
    return prospects("p", source, made.planned().of("p"), lambda run: (900, IMAGES), known)


def order(id: str, *arms: str, **fields: Any) -> Claim:
    return claim(**{"id": id, "kind": "order", "metric": "val_loss", "arms": list(arms)} | fields)


def test_many_seeds_of_two_arms_have_the_power_of_students_t(tmp_path: Path) -> None:
    """Losses add no images; with 40 seeds the usual variance hardly moderates. 2 x 0.28 nats, sd 1, level 5 %."""
    n, margin = 40, 0.28
    (p,) = of(tmp_path, order("c", "a", "b", margin=margin), known=[("x", {("p", "val_loss"): [Ratio(1.0, 0.0)]})])
    assert p.assumed == TWICE and p.effects == (2 * margin,) and p.n_images == 0
    freedom, shift = 2 * (n - 1), 2 * margin / (2 / n) ** 0.5
    exact = nct.sf(t.ppf(0.975, freedom), freedom, shift)
    (found,) = chances([p], [n])
    assert 0.6 < exact < 0.8 and found.share == 1
    assert found.by_seeds[n] == pytest.approx(exact, abs=0.05)  # three standard errors of 1000 draws


def test_images_bound_what_seeds_can_decide(tmp_path: Path) -> None:
    """With seeds that hardly scatter, what is left is normal noise of two arms' images."""
    (p,) = of(
        tmp_path, order("c", "a", "b", metric="val_top1"), known=[("x", {("p", "val_top1"): [Ratio(1e-6, 0.5)]})]
    )
    (part,) = p.asked.parts
    assert part.images == pytest.approx(100**2 * 0.05 / IMAGES) and p.n_images == IMAGES  # E(p_a - p_b)^2 = 0.05
    normal = NormalDist()
    exact = normal.cdf(4.0 / part.images**0.5 - normal.inv_cdf(0.975))
    many = chances([p], [2000])[0].by_seeds[2000]
    assert many == pytest.approx(exact, abs=0.05) and chances([p], [5000])[0].by_seeds[5000] == pytest.approx(
        many, abs=0.05
    )


KINDS: list[tuple[str, tuple[dict[str, float], ...]]] = [
    ("greater", ({"a": 1.0, "b": -1.0},)),
    ("less", ({"a": 1.0, "b": -1.0}, {"a": 1.0, "c": -1.0})),
    ("same", ({"b": 1.0, "c": -1.0},)),
    ("same", ({"b": 1.0, "c": -1.0}, {"a": 0.5, "b": 0.5, "c": -1.0})),
    ("differs", ({"a": 1.0, "d": -1.0}, {"c": 1.0, "d": -1.0})),
    ("greater", ({"d": 1.0},)),
]


@pytest.mark.parametrize("n", [3, 6])
def test_each_draw_is_decided_as_the_board_decides_it(n: int) -> None:
    draws, rng = 60, np.random.default_rng(n)
    means, floors = {"a": 9.0, "b": 1.0, "c": 0.0, "d": -6.0}, {"a": 1.0, "b": 2.0, "c": 0.5, "d": 4.0}
    values = {arm: mean + rng.normal(0, n / 2, (draws, n)) for arm, mean in means.items()}
    every: list[Prospect] = []
    for i, (direction, weights) in enumerate(KINDS):
        parts = tuple(
            Part(str(k), w, direction, 3.0, images=0.1 * k, n_images=50)
            for k, w in enumerate(weights)  # type: ignore[arg-type]
        )
        asked = Asked(parts, {}, "m", "s", headline=i < 2)
        arms = {a: Arm(floors[a], 1.0, 0.0, a != "d") for w in weights for a in w}
        made = claim(id=f"c{i}", kind="order", metric="val_loss", arms=["a", "b"])
        every.append(Prospect("p", made, "", i < 2, asked, (0.0,) * len(parts), TWICE, arms, Scatter(1.0, ""), 50))
    drawn = {
        p.id: {
            a: Draws(values[a].mean(1), values[a].var(1, ddof=1), arm.floor, arm.learnt) for a, arm in p.arms.items()
        }
        for p in every
    }
    of_alpha, usual = shares({p.id: p.asked for p in every}), multiples(every, drawn)
    ours = {p.id: decided(p, drawn[p.id], n, usual["m"], 0.05 * of_alpha[p.id]) for p in every}
    for k in range(draws):
        asked = {}
        for p in every:
            samples = {a: Sample(tuple(values[a][k]), arm.floor, arm.learnt) for a, arm in p.arms.items()}
            parts = tuple(
                Part(q.name, q.weights, q.direction, q.margin, images=q.images, n_images=50,
                     of_all=sum(w * fmean(samples[a].values) for a, w in q.weights.items()))
                for q in p.asked.parts
            )  # fmt: skip
            asked[p.id] = Asked(parts, samples, "m", "s", p.headline)
        for id, verdict in judge(asked).items():
            said = verdict.finding.startswith("shown") or verdict.finding == "opposite"
            assert ours[id][k] == said, (id, k, verdict)
    assert sum(0 < found.mean() < 1 for found in ours.values()) >= 2  # else the comparison would say little


def test_more_seeds_decide_more_and_enough_are_the_fewest(tmp_path: Path) -> None:
    known = [("x", {("p", "val_loss"): [Ratio(0.0016, 0.0)]})]
    every = of(tmp_path, order("c", "a", "b"), order("d", "a", "b", "c"), known=known)
    for found in chances(every, [3, 5, 8, 12, 40]):
        rates = list(found.by_seeds.values())
        assert rates == sorted(rates) and rates[0] < 0.5 < 0.8 <= rates[-1]
        assert found.enough is not None
        before, then = chances(every, [found.enough - 1, found.enough])[every.index(found.prospect)].by_seeds.values()
        assert before < 0.8 <= then


def test_a_headline_has_four_fifths_and_decides_sooner(tmp_path: Path) -> None:
    known = [("x", {("p", "val_loss"): [Ratio(0.0016, 0.0)]})]
    asked = [order("main", "a", "b"), *(order(f"other-{n}", *pair) for n, pair in enumerate(("cd", "bc", "da")))]
    main, *others = chances(of(tmp_path, *asked, headlines=["main"], known=known), [6])
    assert main.share == 0.8 and [c.share for c in others] == pytest.approx([0.2 / 3] * 3)
    assert all(main.by_seeds[6] > c.by_seeds[6] + 0.2 for c in others)


def test_what_can_not_be_tested_has_no_chance_and_takes_none_from_others(tmp_path: Path) -> None:
    every = of(
        tmp_path,
        order("here", "a", "b"),
        order("absent", "a", "e"),
        order("counts", "net1", "net2", study=None, metric="parameters"),
        order("nothing", "b", "c", margin=0),
    )
    here, *rest = chances(every)
    assert here.share == 1 and list(here.by_seeds) == [3, 5, 8, 12]
    assert [(c.share, c.by_seeds, c.enough) for c in rest] == [(None, {}, None)] * 3
    assert [plain(c)["why"].partition(":")[0] for c in rest] == [
        "not planned at this scale", "counted", "its margin is 0, and the paper prints no numbers",
    ]  # fmt: skip


def test_the_printed_difference_is_assumed_where_all_arms_have_one(tmp_path: Path) -> None:
    """Errors are one less accuracies, and a gap is training less validation accuracy."""
    printed = [("a", "val_error", 0.30), ("b", "val_top1", 0.65), ("a", "train_top1", 0.9), ("b", "train_top1", 0.7)]
    entries = [
        reported(id=f"r{n}", study="s", arm=arm, metric=metric, value=value)
        for n, (arm, metric, value) in enumerate(printed)
    ]
    less = {"kind": "gap", "direction": "less", "metric": None}
    every = of(
        tmp_path,
        order("both", "a", "b", metric="val_top1"),
        order("one", "a", "c", metric="val_top1"),
        claim(id="gap", **less, arm="b", minus="a"),
        claim(id="low", **less, arm="c", minus="d"),
        claim(id="same", kind="gap", direction="same", arm="a", minus="b"),
        entries=entries,
    )
    assert [(p.assumed, [round(e, 6) for e in p.effects]) for p in every] == [
        (PRINTED, [5.0]), (TWICE, [4.0]), (PRINTED, [-15.0]), (TWICE, [-4.0]), (NOTHING, [0.0]),
    ]  # fmt: skip
    assert every[0].arms["a"].floor == pytest.approx(100**2 * binomial(0.7, IMAGES))
    assert every[1].arms["c"].floor == pytest.approx(100**2 * binomial(MIDDLE, IMAGES))


@pytest.mark.papers("tinyimage10")
def test_images_are_all_that_a_run_is_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten classes of 500 images, of which a fifth is held out, half for validation and half for test."""
    project = open_project(ROOT / "params.yaml", {"scale": "paper"})
    seen: set[tuple[int, int]] = set()

    def look(name: str, of: Any, planned: Any, images: Any, known: Any) -> list[Any]:
        seen.update(images(p) for p in planned if p.study == "grid")
        return []

    monkeypatch.setattr("ablate.verdicts.power_table.prospects", look)
    monkeypatch.setattr("ablate.verdicts.power_table.chances", lambda found, seeds: [])
    papers = {"tinyimage10": read(ROOT / "papers/tinyimage10.yaml")}
    assert foresee(project.record, project.params.datasets, papers, []) == [] and seen == {(4000, 500)}


def test_scatter_is_that_of_arms_that_learnt_the_nearest_first(tmp_path: Path) -> None:
    made = Fabricated(tmp_path)
    made.study("s", ["model"], {}, {})
    tops, losses = {"a": (0.50, 0.54, 0.55), "b": (0.01, 0.0, 0.0), "c": (0.6,)}, (1.0, 1.5, 1.2)
    for arm, values in tops.items():
        for seed, top in enumerate(values):
            made.run("s", {"model": arm}, seed, val_top1=top, val_loss=losses[seed], n_val=IMAGES)
    made.collect()
    claims = (order("acc", "a", "b", "c", metric="val_top1"), order("loss", "a", "b", "c"))
    source = paper().model_copy(update={"claims": claims})
    found = scattered(made.planned(), {"p": source}, made.collected.parent)
    mean = fmean(tops["a"])  # b is at chance, c has one seed
    assert found["p", "val_top1"] == [pytest.approx((variance(tops["a"]) / binomial(mean, IMAGES), mean))]
    assert found["p", "val_loss"] == [pytest.approx((variance(losses), fmean(losses)))]
    other = {("q", "val_top1"): [Ratio(9.0, 0.5), Ratio(3.0, 0.5)]}
    assert choose(claims[0], "p", [("small", other), ("large", found)]).source == "1 arm at large"
    others = choose(claims[0], "r", [("small", other), ("large", found)])
    assert others == Scatter(6.0, "2 arms of other papers at small")
    assert choose(claims[0], "p", []).source.startswith("prior: 2 x") and choose(claims[1], "p", []).size is None
    (p,) = of(tmp_path / "of", claims[0], known=[("large", found)])
    ratio = found["p", "val_top1"][0].size
    assert [arm.variance for arm in p.arms.values()] == pytest.approx([ratio * p.arms["a"].floor] * 3)


PRETRAINED = TINY.replace("scales:", "pretraining: {source: {lr: 0.03}}\nscales:").replace(
    "settings: {lr: 0.02}", "axes: {weights: [scratch, 'pretrain:source'], lr: [0.01, 0.02]}"
)


@pytest.mark.parametrize("by_seed", [False, True])
def test_hours_are_those_of_each_training_once(tmp_path: Path, by_seed: bool) -> None:
    """Networks of 36 s on two threads are 0.02 core-hours; the plan has 5 of them and a pretraining run of 72 s."""
    text = PRETRAINED.replace("per_class: 5}", "per_class: 5, pretraining: by-seed}") if by_seed else PRETRAINED
    made = make_plan(load(write_tiny(tmp_path, text)))
    seconds = {run: Estimate(36.0, "") for run in made.runs} | {run: Estimate(72.0, "") for run in made.pretraining}
    hours = SeedHours(made, seconds, Machine("cpu", False, 1, 2))
    two = [("tinyimage10", "optimiser", f"pretrain:source / {lr}") for lr in (0.01, 0.02)]
    assert {*two} < {*hours.arms} and len(made.runs) == 5
    assert hours.of(two, 10) == pytest.approx(2 * 10 * 0.02 + (10 if by_seed else 1) * 0.04)
    shared = [("resnet-vs-plain", "shallow", "cifar-plain7"), ("tinyimage10", "optimiser", "scratch / 0.01")]
    assert hours.of(shared, 10) == hours.of(shared[:1], 10) == pytest.approx(0.2)  # the same run
    assert hours.of(hours.arms, 3) == pytest.approx(5 * 3 * 0.02 + (3 if by_seed else 1) * 0.04)
    gpu = SeedHours(made, seconds, Machine("gpu", True, 1, 2))
    assert gpu.of(shared, 10) == pytest.approx(0.1)


CLAIMED = PAPER + (
    "claims:\n  - {id: better, kind: order, study: shallow, metric: val_top1, margin: 0.02, why: Because.,\n"
    "     quote: q, where: w, arms: [cifar-resnet7, cifar-plain7]}\n"
)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_tiny(tmp_path)
    name = "papers/resnet-vs-plain.yaml"
    text = (tmp_path / name).read_text()
    (tmp_path / name).write_text(text.replace(PAPER, CLAIMED))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["ablate", "power", *words])
    with pytest.raises(SystemExit) as ended:
        main.main()
    return int(ended.value.code or 0)


def test_without_any_runs_the_prior_is_named(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(monkeypatch, "--json", "--seeds", "12, 4") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["id"] == "better" and row["scatter"].startswith("prior: 2 x") and row["images"] == 200
    assert list(row["chance"]) == list(row["hours"]) == ["4", "12"] and row["chance"]["4"] < row["chance"]["12"]
    assert row["hours"]["12"] == pytest.approx(3 * row["hours"]["4"], rel=0.5) and row["alpha"] == 1
    assert said(monkeypatch, "--seeds", "4") == 0
    out = capsys.readouterr().out
    assert "n = 4" in out and "hours in all" in out and "-hours with 4 seeds" in out
    assert not (tiny / "results").exists()


@pytest.mark.parametrize("seeds", ["2", "3,x", "", "101", "3;5", "3.5", "³", "-4"])
def test_bad_seeds_are_one_message(
    tiny: Path, seeds: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(monkeypatch, f"--seeds={seeds}") == 2
    err = capsys.readouterr().err
    assert (
        err == f"ablate: error: --seeds: {seeds!r}; write whole numbers from 3 to 100 with commas between: 3,5,8,12\n"
    )


def test_the_figure_has_a_row_per_headline_and_a_column_per_number_of_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the chances; two headlines of the same chances are both to be read, and bold from 80 % on."""
    known = [("x", {("p", "val_loss"): [Ratio(0.0016, 0.0)]})]
    claims = (order("main", "a", "b"), order("same", "a", "b"), order("other", "c", "d"))
    found = chances(of(tmp_path, *claims, headlines=["main", "same"], known=known))
    monkeypatch.setattr(power_figure, "save", lambda figure, svg, caption: None)
    power_figure.draw_power(found, "pilot", tmp_path / "power.svg")
    (axis,) = plt.gcf().axes
    headlines = [c for c in found if c.prospect.headline]
    assert len(headlines) == 2 and len(axis.get_yticklabels()) == 2
    assert all(label.get_text().startswith("p: ") for label in axis.get_yticklabels())
    assert [label.get_text() for label in axis.get_xticklabels()] == ["3", "5", "8", "12"]
    expected = [100 * v for c in headlines for v in c.by_seeds.values()]
    assert [text.get_text() for text in axis.texts] == [f"{v:.0f}" for v in expected]
    assert [text.get_fontweight() == "bold" for text in axis.texts] == [round(v) >= 80 for v in expected]
    plt.close("all")
    power_figure.draw_power([], "pilot", tmp_path / "power.svg")  # nothing to draw is said
    assert "no headline claim" in plt.gcf().axes[0].texts[0].get_text()
    plt.close("all")


def test_open_claims_have_the_seeds_that_they_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the chances themselves; a claim that is not open has no row."""
    known = [("x", {("p", "val_loss"): [Ratio(0.0016, 0.0)]})]
    found = chances(of(tmp_path, order("main", "a", "b"), order("other", "c", "d"), known=known))
    monkeypatch.setattr(power_figure, "save", lambda figure, svg, caption: None)
    power_figure.draw_needed(found, {("p", "main"): 3}, "pilot", tmp_path / "needed.svg")
    (axis,) = plt.gcf().axes
    assert [label.get_text().startswith("p: ") for label in axis.get_yticklabels()] == [True]
    assert {line.get_marker(): line.get_xdata()[0] for line in axis.lines}["|"] == 3
    assert [line.get_xdata()[0] for line in axis.lines if line.get_marker() in "o>"] == [found[0].enough or MOST]
    plt.close("all")
    power_figure.draw_needed(found, {}, "pilot", tmp_path / "needed.svg")
    assert "no claim is open" in plt.gcf().axes[0].texts[0].get_text()
    plt.close("all")
