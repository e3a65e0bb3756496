"""Claims: verbatim, complete, checked before anything runs; and what runs say about them, against sums by hand."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ablate.claims import BEHAVIOURS, KEYS, METRICS, OF_PAIRS, Claim
from ablate.config import check_record, load
from ablate.evidence import MEASURES, NO_TEST, Evidence, evidence
from ablate.files import read_json
from ablate.papers import Paper
from ablate.plan import Plan, make_plan
from ablate.statements import statement
from ablate.tables import collected_runs
from conftest import ROOT
from fabricated import Fabricated, paper, reported
from test_papers import NUMBER, PAPERS, TEXTS, plain, refused

# By hand, sentence by sentence of what each paper concludes.
COUNTS = {
    # ResNet beats AlexNet, with fewer parameters; pretraining is faster (each network) and better; augmentation
    # helps; agreement with the literature (each network)
    "alexnet-vs-resnet": 1 + 1 + 2 + 1 + 1 + 2,
    # accuracy rises; the net with dropout over the other, dropout by itself; transfer is best; the gap of model 5;
    # validation above training (models 2 and 4); augmentation
    "five-cnns": 1 + 2 + 1 + 1 + 2 + 1,
    # SGD over Adam, Adam's one label; batch sizes: accuracy, loss, which overfits earlier, each one's epoch; two
    # learning rates alike, the third does not learn; ten classes are easier; the best combination
    "tinyimage10": 2 + 5 + 2 + 1 + 1,
    # pretraining is faster; scratch does not overfit; the test error, which scratch does not reach; initialisation
    "resnet18-init": 1 + 1 + 2 + 1,
    # nine and seven layers; Net 1's accuracy; Net 1 over Net 6 in two accuracies, by how much in each, and faster;
    # ResNets overfit more, the gap of each; without regularisation the gap is 30, with it 6 less, by dropout, by
    # augmentation; Net 3's gap in the text and in the conclusion; Net 3 is smaller, has less of a gap, is 3 % worse
    "resnet-vs-plain": 2 + 1 + 5 + 3 + 4 + 2 + 3,
    "controls": 0,  # judged run by run, by controls.py
}
CLAIMS = [pytest.param(id, claim, id=f"{id}:{claim.id}") for id, p in PAPERS.items() for claim in p.claims]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(load(ROOT / "params.yaml", {"scale": "paper"}))


@pytest.mark.parametrize("id", COUNTS)
def test_as_many_claims_as_counted_by_hand(id: str) -> None:
    assert len(PAPERS[id].claims) == COUNTS[id]


@pytest.mark.skipif(not TEXTS.is_dir(), reason="the papers' texts are not beside the repository")
@pytest.mark.parametrize(("id", "claim"), CLAIMS)
def test_every_quote_occurs_in_the_text(id: str, claim: Claim) -> None:
    [text] = TEXTS.glob(f"{NUMBER[id]:03}_*.txt")
    assert plain(claim.quote) in plain(text.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("id", "claim"), CLAIMS)
def test_every_claim_can_be_said_and_says_its_margin(id: str, claim: Claim) -> None:
    said = statement(claim, PAPERS[id])
    assert said[0] != " " and "None" not in said and not said.endswith(".")
    assert claim.margin > 0 and claim.why.endswith(".")


def test_claims_of_the_papers_need_no_pandas_and_no_torch() -> None:
    code = "import sys, ablate.papers, ablate.statements; sys.exit(bool({'torch', 'pandas'} & {*sys.modules}))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_each_behaviour_has_its_function() -> None:
    assert BEHAVIOURS.keys() == MEASURES.keys() | {*OF_PAIRS}


NETS = "id: net-1-over-net-6, kind: order, study: nets, metric: val_top1, arms: [Net 1, Net 6]"
NINE = "study: nine-layers, metric: val_top1, axis: model, level: ResNet,\n     reference: plain, direction: same"
FASTER = "behaviour: val-speed, arm: Net 1, minus: Net 6"
THREE = "arm: Net 1, minus: Net 3,\n     reported: net-1-over-net-3"
SEVEN = "study: nets, arm: Net 6, reported: plain-gap, direction: same"
DROPS = "axis: dropout, level: dropout 0.5,\n     reference: no dropout, direction: less"
BAD = {
    "wrong study": (NETS, NETS.replace("nets,", "netts,"), ["claims.net-1-over-net-6.study", "did you mean 'nets'"]),
    "wrong arm": (NETS, NETS.replace("[Net 1", "[Net1"), ["net-1-over-net-6.arms", "did you mean 'Net 1'"]),
    "wrong metric": (NETS, NETS.replace("val_top1", "val_top"), ["net-1-over-net-6.metric", "mean 'val_top1'"]),
    "one arm": (NETS, NETS.replace(", Net 6", ""), ["net-1-over-net-6.arms", "two or more"]),
    "an arm twice": (NETS, NETS.replace("Net 6", "Net 1"), ["net-1-over-net-6.arms", "each once"]),
    "no study": (NETS, NETS.replace("study: nets, ", ""), ["net-1-over-net-6.study", "add or remove"]),
    "wrong network": ("arms: [net1, net3]", "arms: [net1, nett3]", ["smaller-net.arms", "did you mean 'net3'"]),
    "a network's study": ("arms: [net1, net3]", "arms: [net1, net3], study: nets", ["is-the-smaller-net.study"]),
    "wrong kind": (NETS, NETS.replace("order", "ordering"), ["claims.3.kind", "'order'"]),
    "wrong key": (NETS, NETS.replace("arms", "armes"), ["claims.3.armes", "unknown key", "did you mean 'arms'"]),
    "key of another kind": (NETS, NETS + ", level: Net 1", ["net-1-over-net-6.level", "kind order", "remove it"]),
    "key left out": (NINE, NINE.replace(", direction: same", ""), ["nine-layers-similar.direction", "is missing"]),
    "wrong direction": (NINE, NINE.replace("same", "equal"), ["claims.0.direction", "'same'"]),
    "wrong axis": (NINE, NINE.replace("axis: model", "axis: modell"), ["nine-layers-similar.axis", "mean 'model'"]),
    "wrong level": (NINE, NINE.replace("ResNet", "Resnet"), ["nine-layers-similar.level", "mean 'ResNet'"]),
    "wrong reference": (NINE, NINE.replace("plain", "ResNet"), ["nine-layers-similar.reference", "'ResNet'"]),
    "wrong axis of at": (DROPS, DROPS + ", at: {augmen: plain}", ["dropout-shrinks-the-gap.at", "mean 'augment'"]),
    "wrong level of at": (DROPS, DROPS + ", at: {augment: plane}", ["gap.at.augment", "did you mean 'plain'"]),
    "its own axis in at": (DROPS, DROPS + ", at: {dropout: no dropout}", ["gap.at", "unknown axis 'dropout'"]),
    "wrong behaviour": (FASTER, FASTER.replace("speed", "sped"), ["trains-faster.behaviour", "mean 'val-speed'"]),
    "wrong other arm": (FASTER, FASTER.replace("Net 6", "Nett 6"), ["trains-faster.minus", "did you mean 'Net 6'"]),
    "an arm less itself": (FASTER, FASTER.replace("Net 6", "Net 1"), ["trains-faster.minus", "unknown arm 'Net 1'"]),
    "speed of one arm": (FASTER, FASTER.replace(", minus: Net 6", ""), ["trains-faster.minus", "of two arms"]),
    "arm and arms": (FASTER, FASTER + ", arms: [Net 2]", ["net-1-trains-faster.arms", "or arms"]),
    "wrong number": (THREE, THREE.replace("-net-3", "-net3"), ["net-3.reported", "did you mean 'net-1-over-net-3'"]),
    "number of another arm": (THREE, THREE.replace("minus: Net 3", "minus: Net 2"),
                              ["net-1-over-net-3.reported", "minus 'Net 3', the claim 'Net 2'"]),
    "number of another metric": (SEVEN, SEVEN.replace("plain-gap", "net-6-val"), ["gap-of-net-6", "'val_top1'"]),
    "number of a network": (SEVEN, SEVEN.replace("plain-gap", "net-6-layers"), ["gap-of-net-6.reported", "unknown"]),
    "two values": (SEVEN, SEVEN + ", value: 0.07", ["gap-of-net-6.value", "remove one"]),
    "an id twice": ("{id: gap-of-net-1,", "{id: gap-of-net-6,", ["claims.gap-of-net-6", "twice"]),
    "negative margin": ("margin: &around 0.03", "margin: &around -0.03", ["claims.9.margin", "greater than"]),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD)
def test_what_is_wrong_is_refused_with_file_place_and_spelling(fault: str, plan: Plan, tmp_path: Path) -> None:
    refused(*BAD[fault], plan, tmp_path)


def claim(**fields: Any) -> Claim:
    """One of the study s, as it would be read from a file."""
    raw = {"id": "c", "quote": "q", "where": "w", "why": "Because.", "margin": 0.02, "study": "s"} | fields
    return check_record(Claim, {k: v for k, v in raw.items() if v is not None}, "p.yaml")


def said(fab: Fabricated, asked: Claim, record: Paper | None = None, study: str = "s") -> Evidence:
    fab.collect(partial=True)
    whole = read_json(fab.plan)
    return evidence(
        asked, record or paper(), whole["runs"], collected_runs(whole, fab.collected),
        pd.read_csv(fab.collected / "history.csv"), fab.runs,
    )  # fmt: skip


def curve(fab: Fabricated, run: str, **columns: list[float]) -> None:
    table = pd.DataFrame({"epoch": range(1, len(next(iter(columns.values()))) + 1)} | columns)
    table.to_csv(fab.runs / run / "history.csv", index=False)


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
    return part.by_seed


def test_value_is_less_the_reported_one_in_points(fab: Fabricated) -> None:
    """50 and 52 % against 49."""
    number = reported(value=0.49, metric="val_top1", study="s", arm="A / no")
    found = said(fab, claim(kind="value", metric="val_top1", arm="A / no", reported="number"), paper(number))
    assert only(found) == {0: 1.0, 1: 3.0}
    [part] = found.parts
    assert (part.name, part.direction, part.margin, part.claimed, part.n) == ("A / no", "same", 2.0, 49.0, 2)
    assert (found.unit, found.missing, found.contaminated, found.paired) == ("points", (), False, True)
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
    assert {p.name: p.by_seed for p in found.parts} == {
        "A / yes over A / no": {0: 10.0, 1: 6.0},
        "A / no over B / no": {0: 10.0, 1: 6.0},
    }
    assert {p.direction for p in found.parts} == {"greater"} and len(found.runs) == 6
    rest = said(fab, asked.model_copy(update={"over": "rest"}))
    assert [p.by_seed for p in rest.parts] == [{0: 10.0, 1: 6.0}, {0: 20.0, 1: 12.0}]


def test_order_of_networks_is_of_counts() -> None:
    """Oracle: torchvision's two networks with 200 classes, by their layers' published counts."""
    asked = claim(kind="order", metric="parameters", arms=["alexnet", "resnet18"], study=None, margin=1)
    found = evidence(asked, paper(), [], pd.DataFrame(), pd.DataFrame(), Path())
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
    assert only(found) == {1: 0.0} and found.missing == ("1 of 2 runs of A without largest-label-share",)


def test_behaviours_of_curves(tmp_path: Path) -> None:
    """Lowest loss of A: 1.5, first in epoch 2 of 4; of B: 1.75 in epoch 4 of 5."""
    fab = Fabricated(tmp_path)
    a, b = (fab.run("s", {"net": arm}, 0, train_top1=0.9) for arm in "AB")
    curve(fab, a, train_top1=[0.2, 0.4, 0.6, 0.8], val_loss=[2.0, 1.5, 1.5, 1.8])
    curve(fab, b, train_top1=[0.25] * 5, val_loss=[2.0, 1.9, 1.8, 1.75, 1.8])
    for name, difference in {"overfit-epoch": 0.5 - 0.8, "lowest-val-loss": -0.25, "final-train-top1": 0.0}.items():
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
    assert said(fab, behaviour("val-speed", minus="B")).runs == ("s_A_s0", "s_A_s1", "s_B_s0", "s_B_s1")


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
    assert {p.name: p.by_seed for p in said(fab, asked).parts} == {
        "A / no": {0: 10.0, 1: 17.0},
        "B / no": {0: 0.0, 1: 11.0},
    }


def test_only_complete_seeds_count_and_missing_runs_are_named(fab: Fabricated) -> None:
    for file in (fab.runs / "s_B-no_s1").iterdir():
        file.unlink()
    found = said(fab, claim(kind="order", metric="val_top1", arms=["A / no", "B / no"]))
    assert only(found) == {0: 10.0} and found.missing == ("1 of 2 runs of B / no missing",)
    assert found.runs == ("s_A-no_s0", "s_B-no_s0") and found.paired


def test_other_settings_and_lacking_values_are_named(fab: Fabricated) -> None:
    fab.run("s", {"net": "C", "aug": "no"}, 0, train_top1=0.5)  # no val_top1
    run = fab.run("s", {"net": "C", "aug": "no"}, 1, val_top1=0.5)
    file = fab.runs / run / "run.json"
    file.write_text(json.dumps(read_json(file) | {"seed": 5}))
    found = said(fab, claim(kind="gap", arm="C / no", direction="less"))
    assert only(found) == {}
    assert found.missing == ("1 of 2 runs of C / no without gap", "1 of 2 runs of C / no with other settings")


@pytest.mark.parametrize(("classes", "chance"), [([0, 10], 0.1), (["a", "b", "c", "d"], 0.25), (None, None)])
def test_a_diverged_run_is_missing_but_did_not_learn_either(
    tmp_path: Path, classes: list[Any] | None, chance: float | None
) -> None:
    """It gives no accuracy. A claim about learning as such puts it at chance, if its classes are known."""
    fab = Fabricated(tmp_path)
    settings = {"classes": classes} if classes else {}
    fab.run("s", {"net": "A"}, 0, status="diverged", train_top1=0.7, val_top1=0.6, settings=settings)
    fab.run("s", {"net": "A"}, 1, train_top1=0.8, val_top1=0.5, settings=settings)
    fab.run("s", {"net": "B"}, 0, train_top1=0.8, val_top1=0.5)
    fab.run("s", {"net": "B"}, 1, train_top1=0.8, val_top1=0.4)
    found = said(fab, claim(kind="order", metric="val_top1", arms=["A", "B"]))
    assert only(found) == {1: 10.0} and found.missing == ("1 of 2 runs of A diverged",)
    found = said(fab, behaviour("val-speed", minus="B"))
    assert set(only(found)) == {1} and found.missing == ("1 of 2 runs of A diverged",)
    found = said(fab, behaviour("final-train-top1", threshold=1))
    if chance is None:
        assert only(found) == {1: -20.0} and found.missing == ("1 of 2 runs of A diverged",)
    else:
        assert only(found) == {0: pytest.approx(100 * chance - 100), 1: -20.0} and found.missing == ()
        assert found.notes == ("s_A_s0 diverged and stands at chance",)


def test_contaminated_where_an_arm_of_the_claim_is(fab: Fabricated) -> None:
    for seed in (0, 1):
        fab.run("s", {"net": "C", "aug": "no"}, seed, val_top1=0.7, train_top1=0.9, plan={"contaminated": True})
    assert said(fab, claim(kind="order", metric="val_top1", arms=["C / no", "A / no"])).contaminated
    assert not said(fab, claim(kind="order", metric="val_top1", arms=["A / no", "B / no"])).contaminated


def test_arms_of_other_seeds_are_not_paired(fab: Fabricated) -> None:
    for seed in (1, 2):
        fab.run("s", {"net": "C", "aug": "no"}, seed, val_top1=0.6 + 0.1 * seed)
    found = said(fab, claim(kind="order", metric="val_top1", arms=["C / no", "A / no"]))
    assert only(found) == {1: 18.0} and not found.paired
    assert found.missing == ("C / no over A / no: planned with other seeds for one arm than for another",)


def test_what_a_scale_leaves_out_is_named(fab: Fabricated) -> None:
    found = said(fab, claim(kind="order", metric="val_top1", arms=["A / no", "D / no"]))
    assert only(found) == {} and found.missing == ("D / no is not planned at this scale",) and found.paired
    asked = claim(kind="effect", metric="val_top1", axis="aug", level="much", reference="no", direction="same")
    found = said(fab, asked)
    assert only(found) == {} and found.missing == ("much vs no is not planned at this scale",)
    elsewhere = said(fab, claim(kind="gap", arm="A", study="t", direction="less"))
    assert only(elsewhere) == {} and elsewhere.missing == ("A is not planned at this scale",)


NUMBERS = paper(
    reported(id="n", value=0.49, metric="val_top1", study="s", arm="Net 1"),
    reported(id="less", value=-0.03, metric="val_top1", study="s", arm="Net 3", minus="Net 1"),
    reported(id="g", value=0.06, metric="gap", study="s", arm="X", minus="Y"),
)
EFFECT = {"kind": "effect", "metric": "val_top1", "axis": "lr", "level": "0.1", "reference": "0.2"}
AXES = {"aug": ["yes", "no"], "net": ["A", "B"]}
SAID: list[tuple[dict[str, Any], str]] = [
    ({"kind": "value", "metric": "val_top1", "arm": "Net 1", "reported": "n"},
     "With Net 1 the validation accuracy is 49 %"),
    ({"kind": "value", "metric": "val_top1", "arm": "Net 3", "minus": "Net 1", "reported": "less"},
     "With Net 3 the validation accuracy is 3 points below that with Net 1"),
    ({"kind": "order", "metric": "val_top1", "arms": ["Net 1", "Net 6"]},
     "Net 1 has a higher validation accuracy than Net 6"),
    ({"kind": "order", "metric": "train_top1", "arms": ["A", "B", "C"]},
     "The training accuracy falls from A to B to C"),
    ({"kind": "order", "metric": "test_top1", "arms": ["A", "B", "C"], "over": "rest"},
     "A has a higher test accuracy than each of B and C"),
    ({"kind": "order", "metric": "test_top1", "arms": [*"ABCDEF"], "over": "rest"},
     "A has a higher test accuracy than each of the 5 others"),
    (EFFECT | {"direction": "less", "at": {"momentum": "0.9"}},
     "For lr, 0.1 in place of 0.2 lowers the validation accuracy (momentum: 0.9)"),
    (EFFECT | {"direction": "same"}, "For lr, 0.1 in place of 0.2 does not change the validation accuracy"),
    ({"kind": "interaction", "metric": "val_top1", "axes": AXES, "direction": "greater"},
     "For aug, yes in place of no adds more to the validation accuracy with A than with B"),
    ({"kind": "gap", "arm": "X", "value": 0.1, "direction": "greater"},
     "With X the gap between training and validation accuracy is above 10 points"),
    ({"kind": "gap", "arm": "X", "minus": "Y", "direction": "less"},
     "With X the gap between training and validation accuracy is below that with Y"),
    ({"kind": "gap", "arm": "X", "minus": "Y", "reported": "g", "direction": "greater"},
     "With X the gap between training and validation accuracy is more than 6 points above that with Y"),
    ({"kind": "behaviour", "behaviour": "largest-label-share", "arm": "Adam", "threshold": 1, "direction": "same"},
     "With Adam the share of images given the most predicted label is 100 %"),
    ({"kind": "behaviour", "behaviour": "val-speed", "arm": "A", "minus": "B", "direction": "greater"},
     "With A the speed with which validation accuracy rises is above that with B"),
    ({"kind": "behaviour", "behaviour": "lowest-val-loss", "arm": "A", "threshold": 2.3, "direction": "less"},
     "With A the lowest validation loss of all epochs is below 2.3 nats"),
    ({"kind": "behaviour", "behaviour": "final-train-top1", "arms": ["A", "B"], "threshold": 0.2,
      "direction": "less"},
     "With each of A and B the final training accuracy is below 20 %"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "expected"), SAID)
def test_a_claim_in_words(fields: dict[str, Any], expected: str) -> None:
    assert statement(claim(**fields), NUMBERS) == expected


def test_every_kind_and_metric_is_tried_or_used() -> None:
    assert {fields["kind"] for fields, _ in SAID} == set(KEYS)
    used = {c.metric for p in PAPERS.values() for c in p.claims if c.metric}
    assert used <= {*METRICS, "parameters"}
