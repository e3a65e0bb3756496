"""What runs say about a claim, against sums by hand."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ablate.files import read_json
from ablate.papers.claim import Claim
from ablate.papers.paper import Paper
from ablate.results.study import collected_runs
from ablate.verdicts.collected import Collected
from ablate.verdicts.evidence import Evidence, evidence
from ablate.verdicts.measured import NO_TEST
from fabricated import Fabricated, by_seed, claim, paper, reported, vouch


def said(fab: Fabricated, asked: Claim, record: Paper | None = None, study: str = "s") -> Evidence:
    fab.collect(partial=True)
    whole = fab.planned()
    history = pd.read_csv(fab.collected / "history.csv")
    collected = Collected(collected_runs(whole, fab.collected), history, fab.runs)
    return evidence(asked, record or paper(), whole.runs, collected)


def curve(fab: Fabricated, run: str, **columns: list[float]) -> None:
    table = pd.DataFrame({"epoch": range(1, len(next(iter(columns.values()))) + 1)} | columns)
    table.to_csv(fab.runs / run / "history.csv", index=False)
    vouch(fab.runs / run)


@pytest.fixture
def fab(tmp_path: Path) -> Fabricated:
    """A study of two axes, two seeds."""
    made = Fabricated(tmp_path)
    made.study("s", ["net", "aug"], {}, {})
    val = {  # net, aug: accuracy with seeds 0 and 1
        ("A", "no"): (0.50, 0.52), ("A", "yes"): (0.60, 0.58), ("B", "no"): (0.40, 0.46), ("B", "yes"): (0.44, 0.40),
    }  # fmt: skip
    for (net, aug), values in val.items():
        for seed, v in enumerate(values):
            made.run("s", {"net": net, "aug": aug}, seed, val_top1=v, train_top1=v + 0.1 + 0.05 * seed)
    return made


def only(found: Evidence) -> dict[int, float]:
    [part] = found.parts
    return by_seed(found, part)


def test_value_is_less_the_reported_one_in_points(fab: Fabricated) -> None:
    """50 and 52 % against 49."""
    number = reported(value=0.49, metric="val_top1", study="s", arm="A / no")
    found = said(fab, claim(kind="value", metric="val_top1", arm="A / no", reported="number"), paper(number))
    assert only(found) == {0: 1.0, 1: 3.0}
    [part] = found.parts
    assert (part.name, part.direction, part.margin, part.claimed) == ("A / no", "same", 2.0, 49.0)
    assert (found.unit, found.missing, found.contaminated) == ("points", (), False)
    assert found.datasets == {"d"} and found.varies_over == "seeds" and found.runs == ("s_A-no_s0", "s_A-no_s1")


def test_value_of_an_error_and_of_a_difference(fab: Fabricated) -> None:
    """An error of 0.53 is an accuracy of 47 %; without a test split it is of validation, and said. 4 points more in
    error are 4 less in accuracy.
    """
    error = reported(value=0.53, metric="test_error", study="s", arm="A / no")
    found = said(fab, claim(kind="value", metric="test_top1", arm="A / no", reported="number"), paper(error))
    assert only(found) == {0: 3.0, 1: 5.0} and found.notes == (NO_TEST,)
    more = reported(value=0.04, metric="val_error", study="s", arm="B / no", minus="A / no")
    asked = claim(kind="value", metric="val_top1", arm="B / no", minus="A / no", reported="number")
    assert only(said(fab, asked, paper(more))) == {0: -6.0, 1: -2.0}


def test_order_has_a_part_per_pair(fab: Fabricated) -> None:
    asked = claim(kind="order", metric="val_top1", arms=["A / yes", "A / no", "B / no"])
    found = said(fab, asked)
    assert {p.name: by_seed(found, p) for p in found.parts} == {
        "A / yes over A / no": {0: 10.0, 1: 6.0},
        "A / no over B / no": {0: 10.0, 1: 6.0},
    }
    assert {p.direction for p in found.parts} == {"greater"} and len(found.runs) == 6
    rest = said(fab, asked.model_copy(update={"over": "rest"}))
    assert [by_seed(rest, p) for p in rest.parts] == [{0: 10.0, 1: 6.0}, {0: 20.0, 1: 12.0}]


def test_order_of_groups_has_a_part_for_each_pair_across(fab: Fabricated) -> None:
    """Seeds 0 and 1: 60 and 58, 44 and 40, over 50 and 52, 40 and 46."""
    arms = {"arms": ["A / yes", "B / yes"], "below": ["A / no", "B / no"]}
    found = said(fab, claim(kind="order", metric="val_top1", **arms))
    assert {p.name: by_seed(found, p) for p in found.parts} == {
        "A / yes over A / no": {0: 10.0, 1: 6.0},
        "A / yes over B / no": {0: 20.0, 1: 12.0},
        "B / yes over A / no": {0: -6.0, 1: -12.0},
        "B / yes over B / no": {0: 4.0, 1: -6.0},
    }
    networks = {"arms": ["alexnet"], "below": ["resnet18"], "study": None, "metric": "parameters"}
    found = evidence(claim(kind="order", **networks), paper(), [], Collected(pd.DataFrame(), pd.DataFrame(), Path()))
    assert only(found) == {0: 57_823_240 - 11_279_112}


def test_order_of_networks_is_of_counts() -> None:
    """Oracle: torchvision's two networks with 200 classes, by their layers' published counts."""
    asked = claim(kind="order", metric="parameters", arms=["alexnet", "resnet18"], study=None, margin=1)
    found = evidence(asked, paper(), [], Collected(pd.DataFrame(), pd.DataFrame(), Path()))
    assert only(found) == {0: 57_823_240 - 11_279_112}
    assert (found.unit, found.varies_over, found.runs) == ("parameters", "nothing", ())


def test_effect_is_the_mean_over_the_other_levels(fab: Fabricated) -> None:
    """Seed 0: ((60 - 50) + (44 - 40)) / 2 = 7; seed 1: ((58 - 52) + (40 - 46)) / 2 = 0."""
    asked = claim(kind="effect", metric="val_top1", axis="aug", level="yes", reference="no", direction="greater")
    assert only(said(fab, asked)) == {0: 7.0, 1: 0.0}
    there = asked.model_copy(update={"at": {"net": ("B",)}, "direction": "less"})
    found = said(fab, there)
    assert only(found) == {0: 4.0, 1: -6.0} and found.parts[0].direction == "less"
    assert found.parts[0].name == "yes vs no, net B"
    absent = said(fab, asked.model_copy(update={"at": {"net": ("B", "C")}}))
    assert absent.missing == ("C is not planned at this scale",)


def test_interaction_is_the_difference_of_two_effects(fab: Fabricated) -> None:
    """Seed 0: (60 - 50) - (44 - 40) = 6; seed 1: (58 - 52) - (40 - 46) = 12."""
    axes = {"aug": ["yes", "no"], "net": ["A", "B"]}
    asked = claim(kind="interaction", metric="val_top1", axes=axes, direction="greater")
    assert only(said(fab, asked)) == {0: 6.0, 1: 12.0}
    assert said(fab, asked).parts[0].name == "yes vs no, at A vs B"


def test_gap_is_training_less_validation_less_the_value(fab: Fabricated) -> None:
    """Every gap is 10 points with seed 0 and 15 with seed 1."""
    assert only(said(fab, claim(kind="gap", arm="A / no", value=0.12, direction="greater"))) == {0: -2.0, 1: 3.0}
    assert only(said(fab, claim(kind="gap", arm="A / no", minus="B / no", direction="less"))) == {0: 0.0, 1: 0.0}
    number = reported(value=0.07, metric="gap", study="s", arm="A / no")
    asked = claim(kind="gap", arm="A / no", reported="number", direction="same")
    assert only(said(fab, asked, paper(number))) == {0: 3.0, 1: 8.0}


def test_losses_are_in_nats(tmp_path: Path) -> None:
    fab = Fabricated(tmp_path)
    for arm, loss in (("A", 2.5), ("B", 2.0)):
        fab.run("s", {"net": arm}, 0, val_top1=0.5, val_loss=loss)
    found = said(fab, claim(kind="order", metric="val_loss", arms=["A", "B"], margin=0.1))
    assert only(found) == {0: 0.5} and (found.unit, found.parts[0].margin) == ("nats", 0.1)


def behaviour(name: str, arm: str = "A", **fields: Any) -> Claim:
    return claim(kind="behaviour", behaviour=name, arm=arm, direction="greater", **fields)


def test_largest_label_share_is_of_the_evaluated_split(tmp_path: Path) -> None:
    """Three of four test images get label 1; the validation images, all with label 0, are not looked at."""
    fab = Fabricated(tmp_path)
    rows = "".join(f"test,{i},0,{label},0.9\n" for i, label in enumerate((1, 1, 0, 1)))
    fab.run("s", {"net": "A"}, 0, predictions=rows + "val,0,0,0,0.9\n" * 9)
    fab.run("s", {"net": "A"}, 1, predictions="val,0,1,2,0.9\nval,1,1,2,0.9\n", val_top1=0.5)
    found = said(fab, behaviour("largest-label-share", threshold=1))
    assert only(found) == {0: -0.25, 1: 0.0} and (found.unit, found.parts[0].claimed) == ("share", 1.0)
    (fab.runs / "s_A_s0/predictions.csv").unlink()
    found = said(fab, behaviour("largest-label-share", threshold=1))
    assert only(found) == {1: 0.0} and found.missing == ("1 of 2 runs of A damaged",)


def test_accuracy_of_a_label_is_less_that_of_another(tmp_path: Path) -> None:
    """Of test: label 0 right in 1 of 2, 7 in 1 of 4. Seed 1 has validation images alone, and none of label 7."""
    fab = Fabricated(tmp_path)
    rows = "".join(
        f"test,{i},{label},{hit},0.9\n" for i, (label, hit) in enumerate([(0, 0), (0, 7), (7, 7), *[(7, 0)] * 3])
    )
    fab.run("s", {"net": "A"}, 0, predictions=rows + "val,0,0,0,0.9\n" * 9)
    fab.run("s", {"net": "A"}, 1, predictions="val,0,0,0,0.9\n", val_top1=0.5)
    found = said(fab, behaviour("label-accuracy", labels={"cat": 0, "dog": 7}))
    assert only(found) == {0: 25.0} and found.unit == "points"
    assert found.missing == ("1 of 2 runs of A without label-accuracy",)


def test_behaviours_of_curves(tmp_path: Path) -> None:
    """Lowest loss of A: 1.5, first in epoch 2 of 4; of B: 1.75 in epoch 4 of 5."""
    fab = Fabricated(tmp_path)
    a, b = (fab.run("s", {"net": arm}, 0, train_top1=0.9) for arm in "AB")
    curve(fab, a, train_top1=[0.2, 0.4, 0.6, 0.8], val_loss=[2.0, 1.5, 1.5, 1.8])
    curve(fab, b, train_top1=[0.25] * 5, val_loss=[2.0, 1.9, 1.8, 1.75, 1.8])
    for name, difference in {"overfit-epoch": 0.5 - 0.8, "lowest-val-loss": -0.25,
                             "final-train-top1": 0.0, "first-train-top1": -5.0}.items():  # fmt: skip
        assert only(said(fab, behaviour(name, minus="B"))) == {0: pytest.approx(difference)}, name
    assert only(said(fab, behaviour("overfit-epoch", threshold=0.4))) == {0: pytest.approx(0.1)}
    assert said(fab, behaviour("overfit-epoch")).unit == "share"


def test_speed_is_towards_what_both_reach(tmp_path: Path) -> None:
    """Seed 0, both reach 0.4: A has 1/2, 1, 1, 1 of it, mean 7/8; B has 1/4, 1/2, 3/4, 1, mean 5/8. That A ends
    higher plays no part: in seed 1 it does, and takes as long as B to 0.4. In training B is faster. Seed 2 has no B.
    """
    fab = Fabricated(tmp_path)
    curves = {
        ("A", 0): ([0.2, 0.4, 0.6, 0.8], [0.1, 0.1, 0.1, 0.2]), ("B", 0): ([0.1, 0.2, 0.3, 0.4], [0.2] * 4),
        ("A", 1): ([0.1, 0.2, 0.4, 0.8], [0.0] * 4), ("B", 1): ([0.1, 0.2, 0.4, 0.4], [0.0] * 4),
        ("A", 2): ([0.2, 0.3, 0.4, 0.5], [0.2] * 4),
    }  # fmt: skip
    for (arm, seed), (val, train) in curves.items():
        run = fab.run("s", {"net": arm}, seed, train_top1=train[-1], val_top1=val[-1])
        curve(fab, run, val_top1=val, train_top1=train)
    assert only(said(fab, behaviour("val-speed", minus="B"))) == {0: 0.25, 1: 0.0}
    assert only(said(fab, behaviour("train-speed", minus="B"))) == {0: -0.375, 1: 0.0}
    assert said(fab, behaviour("val-speed", minus="B")).runs == ("s_A_s0", "s_A_s1", "s_A_s2", "s_B_s0", "s_B_s1")


def test_a_run_that_never_learns_is_not_fast(tmp_path: Path) -> None:
    """Both reach its best, 0.12: the other at once, itself in the last of four epochs, from 0.1."""
    fab = Fabricated(tmp_path)
    a, b = (fab.run("s", {"net": arm}, 0, val_top1=0.1, wall_s=1.0) for arm in "AB")
    curve(fab, a, val_top1=[0.2, 0.3, 0.4, 0.5])
    curve(fab, b, val_top1=[0.1, 0.1, 0.1, 0.12])
    assert only(said(fab, behaviour("val-speed", minus="B"))) == {0: pytest.approx(1 - (3 * 0.1 + 0.12) / (4 * 0.12))}


def test_a_behaviour_of_several_arms_has_a_part_for_each(fab: Fabricated) -> None:
    asked = claim(
        kind="behaviour", behaviour="final-train-top1", arms=["A / no", "B / no"], threshold=0.5, direction="less"
    )
    found = said(fab, asked)
    assert {p.name: by_seed(found, p) for p in found.parts} == {
        "A / no": {0: 10.0, 1: 17.0},
        "B / no": {0: 0.0, 1: 11.0},
    }


def test_arms_are_not_paired_and_missing_runs_are_named(fab: Fabricated) -> None:
    for file in (fab.runs / "s_B-no_s1").iterdir():
        file.unlink()
    found = said(fab, claim(kind="order", metric="val_top1", arms=["A / no", "B / no"]))
    assert found.arms["A / no"].values == {0: 50.0, 1: 52.0} and found.arms["B / no"].values == {0: 40.0}
    assert found.missing == ("1 of 2 runs of B / no missing",)
    assert found.runs == ("s_A-no_s0", "s_A-no_s1", "s_B-no_s0")
    assert found.few == (
        "2 of 2 runs of A / no have learnt, and 3 are needed", "1 of 1 run of B / no has learnt, and 3 are needed"
    )  # fmt: skip


def test_other_settings_and_lacking_values_are_named(fab: Fabricated) -> None:
    fab.run("s", {"net": "C", "aug": "no"}, 0, train_top1=0.5)  # no val_top1
    run = fab.run("s", {"net": "C", "aug": "no"}, 1, val_top1=0.5)
    file = fab.runs / run / "run.json"
    file.write_text(json.dumps(read_json(file) | {"seed": 5}))
    found = said(fab, claim(kind="gap", arm="C / no", direction="less"))
    assert only(found) == {}
    assert found.missing == ("1 of 2 runs of C / no without gap", "1 of 2 runs of C / no with other settings")


def test_an_arm_that_must_learn_is_told_by_the_runs_that_have(tmp_path: Path) -> None:
    """Of A's four, one is at chance (p 0.5) and one diverged; with 200 classes it stands at 0.5 %. By hand: of those
    that learnt 50 and 60, of all (50 + 60 + 1 + 0.5) / 4. B need not have learnt.
    """
    fab = Fabricated(tmp_path)
    for seed, (value, p) in enumerate([(0.5, 0.0), (0.6, 0.0), (0.01, 0.5)]):
        fab.run("s", {"net": "A"}, seed, val_top1=value, val_chance_p=p)
    fab.run("s", {"net": "A"}, 3, status="diverged", train_top1=0.7, val_top1=0.6)
    for seed, value in enumerate([0.4, 0.02]):
        fab.run("s", {"net": "B"}, seed, val_top1=value, val_chance_p=0.5)
    found = said(fab, claim(kind="order", metric="val_top1", arms=["A", "B"], needs={"learnt": ["A"]}))
    a, b = found.arms["A"], found.arms["B"]
    assert (a.values, a.planned, a.ended, a.learnt, a.must_learn) == ({0: 50.0, 1: 60.0}, 4, 4, 2, True)
    assert a.of_all == pytest.approx((50 + 60 + 1 + 0.5) / 4)
    assert (b.values, b.learnt, b.must_learn, b.of_all) == ({0: 40.0, 1: 2.0}, 0, False, pytest.approx(21))
    [part] = found.parts
    assert part.of_all == pytest.approx(27.875 - 21) and found.missing == ()
    assert found.few == (
        "2 of 4 runs of A have learnt, and 3 are needed",
        "2 of 2 runs of B have ended, and 3 are needed",
    )


def test_a_loss_of_a_run_that_diverged_is_not_known(tmp_path: Path) -> None:
    fab = Fabricated(tmp_path)
    fab.run("s", {"net": "A"}, 0, status="diverged", val_loss=9.0)
    fab.run("s", {"net": "A"}, 1, val_loss=2.0)
    fab.run("s", {"net": "B"}, 0, val_loss=1.0)
    found = said(fab, claim(kind="order", metric="val_loss", arms=["A", "B"], margin=0.1))
    assert found.missing == ("1 of 2 runs of A diverged",)
    assert found.arms["A"].values == {1: 2.0} and found.arms["A"].of_all is None and found.parts[0].of_all is None


def test_what_a_run_varies_by_at_least(tmp_path: Path) -> None:
    """0.6 of 500 images: 0.6 * 0.4 / 500 * 100**2, but for the Laplace step; from four answers the same with 3 of 4.
    A loss: half the margin. A gap without answers: its validation accuracy's, be it negative.
    """
    fab = Fabricated(tmp_path)
    fab.run("s", {"net": "A"}, 0, val_top1=0.6, n_val=500, val_loss=2.0)
    rows = "".join(f"val,{i},0,{hit},0.9\n" for i, hit in enumerate([0, 0, 0, 1]))
    fab.run("s", {"net": "B"}, 0, val_top1=0.75, n_val=4, predictions=rows)
    found = said(fab, claim(kind="order", metric="val_top1", arms=["A", "B"]))
    assert found.samples["A"].floor == pytest.approx(0.6 * 0.4 / 500 * 1e4, rel=1e-3)
    assert found.samples["B"].floor == pytest.approx(0.75 * 0.25 / 4 * 1e4)
    found = said(fab, claim(kind="order", metric="val_loss", arms=["A", "B"], margin=0.1))
    assert found.samples["A"].floor == pytest.approx(0.0025)
    fab.run("s", {"net": "C"}, 0, val_top1=0.6, train_top1=0.5, n_val=500)
    found = said(fab, claim(kind="gap", arm="C", direction="less"))
    assert found.arms["C"].mean == pytest.approx(-10) and found.samples["C"].floor == pytest.approx(
        0.24 / 500 * 1e4, rel=1e-3
    )


def test_contaminated_where_an_arm_of_the_claim_is(fab: Fabricated) -> None:
    for seed in (0, 1):
        fab.run("s", {"net": "C", "aug": "no"}, seed, val_top1=0.7, train_top1=0.9, plan={"contaminated": True})
    assert said(fab, claim(kind="order", metric="val_top1", arms=["C / no", "A / no"])).contaminated
    assert not said(fab, claim(kind="order", metric="val_top1", arms=["A / no", "B / no"])).contaminated


def test_what_sets_a_printed_number_apart_is_of_the_claim_s_arms(fab: Fabricated) -> None:
    """Data and epochs count, batches do not; those of another arm do not either."""
    for arm, theirs in (
        ("C", {"epochs": [2, 30], "weights": ["scratch", "imagenet"], "lr": [1, 2]}),
        ("D", {"data": [1, 2]}),
    ):
        fab.run("s", {"net": arm, "aug": "no"}, 0, val_top1=0.7, plan={"deviations": theirs})
    fab.run("s", {"net": "E", "aug": "no"}, 0, val_top1=0.7, plan={"deviations": None})
    for arms, apart in ((["C / no", "A / no"], ("weights", "epochs")), (["D / no"], ("data",)), (["E / no"], ())):
        assert (
            said(fab, claim(kind="order", metric="val_top1", arms=arms[:1], below=arms[1:] or ["B / no"])).apart
            == apart
        )


def test_arms_may_have_other_seeds(fab: Fabricated) -> None:
    for seed in (1, 2):
        fab.run("s", {"net": "C", "aug": "no"}, seed, val_top1=0.6 + 0.1 * seed)
    found = said(fab, claim(kind="order", metric="val_top1", arms=["C / no", "A / no"]))
    assert found.arms["C / no"].values == {1: 70.0, 2: 80.0} and found.missing == ()


def test_what_a_scale_leaves_out_is_named(fab: Fabricated) -> None:
    found = said(fab, claim(kind="order", metric="val_top1", arms=["A / no", "D / no"]))
    assert only(found) == {} and found.missing == ("D / no is not planned at this scale",)
    asked = claim(kind="effect", metric="val_top1", axis="aug", level="much", reference="no", direction="same")
    found = said(fab, asked)
    assert only(found) == {} and found.missing == ("much vs no is not planned at this scale",)
    elsewhere = said(fab, claim(kind="gap", arm="A", study="t", direction="less"))
    assert only(elsewhere) == {} and elsewhere.missing == ("A is not planned at this scale",)
