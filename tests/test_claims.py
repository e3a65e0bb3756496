"""Claims: verbatim, complete, checked before anything runs, and in words of ours."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ablate.errors import UserError
from ablate.papers.claim import BEHAVIOURS, KEYS, METRICS, OF_PAIRS, Claim, check_alone
from ablate.papers.statement import statement
from ablate.plan.params import load
from ablate.plan.runs import Plan, make_plan
from ablate.verdicts.evidence import MEASURES
from conftest import ROOT
from fabricated import claim, paper, reported
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
    # the original ResNet overfits, the new block less;
    # nine and seven layers; Net 1's accuracy; Net 1 over Net 6 in two accuracies, by how much in each, and faster;
    # ResNets overfit more, the gap of each; without regularisation the gap is 30, with it 6 less, by dropout, by
    # augmentation; Net 3's gap in the text and in the conclusion; Net 3 is smaller, has less of a gap, is 3 % worse
    "resnet-vs-plain": 2 + 2 + 1 + 5 + 3 + 4 + 2 + 3,
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
    code = "import sys, ablate.papers.paper, ablate.papers.statement as s; "
    code += "sys.exit(bool({'torch', 'pandas'} & {*sys.modules}))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_key_that_a_claim_needs_is_not_null() -> None:
    for id, printed in PAPERS.items():
        for stated in printed.claims:
            for key in KEYS[stated.kind][0]:
                written = stated.model_dump(exclude_unset=True) | {key: None}
                with pytest.raises((UserError, ValidationError), match=rf"{key}\b"):
                    check_alone(Claim.model_validate(written), PAPERS[id].of_runs, "claim")


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
    "wrong kind": (NETS, NETS.replace("order", "ordering"), ["claims.5.kind", "'order'"]),
    "wrong key": (NETS, NETS.replace("arms", "armes"), ["claims.5.armes", "unknown key", "did you mean 'arms'"]),
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
    "negative margin": ("margin: &around 0.03", "margin: &around -0.03", ["claims.11.margin", "greater than"]),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD)
def test_what_is_wrong_is_refused_with_file_place_and_spelling(fault: str, plan: Plan, tmp_path: Path) -> None:
    refused(*BAD[fault], plan, tmp_path)


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
