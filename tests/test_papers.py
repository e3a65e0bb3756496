"""papers/<id>.yaml: every number is the paper's own, stands where it belongs, and what is wrong is refused.

Oracles: the papers' texts where they are at hand, counts by hand, and the networks themselves.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ablate.errors import UserError
from ablate.models.summary import summary
from ablate.papers.paper import OF_NETWORKS, OF_RUNS, Paper, Reported, check, check_files, read
from ablate.plan.params import load
from ablate.plan.project import open_project
from ablate.plan.runs import Plan, make_plan
from conftest import ROOT, SHIPPED, TINY

FOLDER = ROOT / "papers"
TEXTS = ROOT.parent / "shared" / "papers"  # the papers' texts, which are not part of the repository
# By hand, from the texts. Numbers of runs, of networks, and quoted from other literature:
COUNTS = {
    "alexnet-vs-resnet": (4, 2, 2),  # 2 networks x (plain, best from scratch); 2 parameter counts; 2 references
    "five-cnns": (10, 5, 1),  # Fig. 10: 5 models x 2 splits; Fig. 9: 5 totals; the state of the art in Background
    "tinyimage10": (49, 1, 0),  # Table 1: 12 rows x (time, train, val, test); minutes in all; "an eight layer CNN"
    "resnet18-init": (1, 0, 0),  # the test error
    # Table 1: 6 nets x 2 splits, and 9 percentages in sections 5 and 6; 6 numbers of layers, and 2 x 2 shallow nets
    "resnet-vs-plain": (21, 10, 0),
    "controls": (0, 0, 0),  # no paper: it prints nothing
}
COUNTS = {id: counts for id, counts in COUNTS.items() if id in SHIPPED}
NUMBER = {"alexnet-vs-resnet": 0, "five-cnns": 1, "tinyimage10": 2, "resnet18-init": 3, "resnet-vs-plain": 4}
NUMBER = {id: number for id, number in NUMBER.items() if id in SHIPPED}
PAPERS = {id: read(FOLDER / f"{id}.yaml") for id in COUNTS}
ENTRIES = [pytest.param(id, entry, id=f"{id}:{entry.id}") for id, paper in PAPERS.items() for entry in paper.reported]
WORDS = {"eight": 8.0}


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(load(ROOT / "params.yaml", {"scale": "paper"}))


def plain(text: str) -> str:
    """Without bold type, and with one space for all white space."""
    return " ".join(re.sub(r"\*\*|</?\w+>", "", text).split())


def numbers(quote: str) -> list[float]:
    """In the order of the quote; percentages as fractions."""
    found = re.findall(rf"(\d[\d,]*(?:\.\d+)?)(%?)|({'|'.join(WORDS)})", quote)
    return [
        WORDS[word] if word else round(float(digits.replace(",", "")) / (100 if percent else 1), 6)
        for digits, percent, word in found
    ]


def test_every_file_belongs_to_the_studies_there_are(plan: Plan) -> None:
    check({id: read(FOLDER / f"{id}.yaml") for id in SHIPPED}, plan)


@pytest.mark.skipif(not TEXTS.is_dir(), reason="the papers' texts are not beside the repository")
@pytest.mark.parametrize(("id", "entry"), ENTRIES)
def test_every_quote_occurs_in_the_text(id: str, entry: Reported) -> None:
    [text] = TEXTS.glob(f"{NUMBER[id]:03}_*.txt")
    whole = plain(text.read_text(encoding="utf-8"))
    assert plain(entry.quote) in whole
    if entry.source:
        assert plain(entry.source) in plain(whole.replace("*", ""))


@pytest.mark.skipif(not TEXTS.is_dir(), reason="the papers' texts are not beside the repository")
@pytest.mark.parametrize("id", [id for id, paper in PAPERS.items() if paper.networks])
def test_every_printed_layer_occurs_in_the_text(id: str) -> None:
    """In its place: all rows of a table, or lines of a column, one behind the other."""
    [text] = TEXTS.glob(f"{NUMBER[id]:03}_*.txt")
    whole = plain(text.read_text(encoding="utf-8"))
    for network in PAPERS[id].networks:
        rows = [f"{layer} {shape} {count:,}" for layer, shape, count in network.layers]
        plainly = [f"{layer} {shape} {count}" for layer, shape, count in network.layers]  # as figure 8 has them
        assert " ".join(rows or network.column) in whole or " ".join(plainly or ["-"]) in whole, network.where


@pytest.mark.parametrize(("id", "entry"), ENTRIES)
def test_every_value_stands_in_its_quote_and_can_be(id: str, entry: Reported) -> None:
    assert entry.value in numbers(entry.quote)
    kinds = OF_NETWORKS if entry.model else OF_RUNS
    low, high = kinds[entry.metric]
    assert low <= entry.value <= high


@pytest.mark.parametrize("id", COUNTS)
def test_as_many_numbers_as_counted_by_hand(id: str) -> None:
    reported = PAPERS[id].reported
    literature = sum(e.source is not None for e in reported)
    networks = sum(e.model is not None for e in reported)
    assert (len(reported) - networks - literature, networks, literature) == COUNTS[id]


@pytest.mark.papers()
def test_rows_of_the_printed_tables_keep_their_columns() -> None:
    """Oracle: the heads of the three tables, and the row's own first columns."""
    seen = 0
    for e in PAPERS["tinyimage10"].reported:
        if e.arm:
            _, *levels, minutes, train, val, test = numbers(e.quote)
            assert [float(level) for level in e.arm.split(" / ")] == levels
            row = {"wall_min": minutes, "train_top1": train, "val_top1": val, "test_top1": test}
            assert e.value == row[e.metric] and e.id.startswith(f"trial-{e.where.removeprefix('Table 1, row ')}-")
            seen += 1
    for e in PAPERS["five-cnns"].reported:
        if e.arm and e.own:
            _, train, val = numbers(e.quote)
            assert e.quote.startswith(e.arm) and e.value == {"train_top1": train, "val_top1": val}[e.metric]
            seen += 1
    for e in PAPERS["resnet-vs-plain"].reported:
        if e.where.startswith("Table 1"):
            layers, train, val = numbers(e.quote)
            assert e.where.endswith(e.arm or (e.model or "").replace("net", "Net "))
            assert e.value == {"layers": layers, "train_top1": train, "val_top1": val}[e.metric]
            seen += 1
    assert seen == 48 + 10 + 18


@pytest.mark.papers()
def test_printed_parameters_are_those_of_the_networks() -> None:
    """But for model 5 of five-cnns, whose 26,560 biases of Keras torchvision's network lacks."""
    ours = {
        (e.model, e.metric, e.value): summary(e.model, 200, 64)
        for paper in PAPERS.values()
        for e in paper.reported
        if e.model and e.metric != "layers"
    }
    assert len(ours) == 2 + 5
    for (model, metric, value), found in ours.items():
        count = found.params if metric == "parameters" else found.keras_total
        if model == "cnn5":
            assert count == 25_864_328 and value - count == 26_560
        else:
            assert count == value


@pytest.mark.papers()
def test_printed_layers_are_those_of_the_networks() -> None:
    """But for nets 4 and 5 of resnet-vs-plain. Oracle: 2 + 8 x 2 + 1 and 2 + 5 x 2 + 1 in their printed columns."""
    kept = {"net4": 2 + 8 * 2 + 1, "net5": 2 + 5 * 2 + 1}
    entries = [e for paper in PAPERS.values() for e in paper.reported if e.metric == "layers"]
    assert len(entries) == 1 + 6 + 4
    for e in entries:
        small = e.model is not None and e.model.startswith("cifar")
        layers = summary(e.model or "", 10 if small else 200, 32 if small else 64).layers
        count = sum(layer.type in ("Conv2d", "Linear") for layer in layers)
        assert count == kept.get(e.model or "", e.value), e.id
        assert (e.model in kept) == (count != e.value)


@pytest.mark.papers()
def test_numbers_of_a_study_by_arm_and_metric() -> None:
    """Oracle: Table 1 and section 5 of the paper. Differences and other literature are left out, repetitions too."""
    nets = PAPERS["resnet-vs-plain"].printed("nets")
    assert nets["Net 1"] == {"train_top1": 0.72, "val_top1": 0.49, "gap": 0.23}
    assert nets["Net 3"] == {"train_top1": 0.62, "val_top1": 0.46, "gap": 0.16}  # not the conclusion's 14 %
    factorial = PAPERS["alexnet-vs-resnet"].printed("factorial")
    assert factorial == {
        "AlexNet / plain / scratch": {"val_top1": 0.3747},
        "ResNet-18 / plain / scratch": {"val_top1": 0.4077},
    }
    assert PAPERS["resnet-vs-plain"].printed("no such study") == {}


@pytest.mark.parametrize("id", NUMBER)
def test_choices_are_written_down_with_a_place_and_a_reason(id: str, plan: Plan) -> None:
    paper = PAPERS[id]
    assert len({s.what for s in paper.silent}) == len(paper.silent)
    assert len({s.what for s in paper.protocol}) == len(paper.protocol)
    told = [*(s.choice for s in paper.silent), *(s.stated for s in paper.protocol), *(s.what for s in paper.own)]
    said = " ".join(told)
    # Every learning rate, batch size and number of epochs that is used is stated, chosen, or of a study of our own.
    for planned in plan.planned:
        if planned.paper == id:
            s = planned.run.settings
            found = numbers(re.sub(r"(\d)e-(\d)", lambda m: f"{float(m[0]):f}", said))
            assert {s.lr, s.batch_size, s.epochs, s.weight_decay} <= {*found, 0.0}, planned.run.id


LAST = "what: PyTorch in place of Torch"  # the file's one deviation
BAD = {
    "wrong arm": ("arm: Net 3,", "arm: Net3,", ["reported.net-3-train.arm", "unknown arm 'Net3'", "'Net 3'"]),
    "wrong other arm": ("minus: Net 3", "minus: Nett 3", ["net-1-over-net-3.minus", "did you mean 'Net 3'"]),
    "an arm less itself": ("minus: Net 3", "minus: Net 1", ["net-1-over-net-3.minus", "unknown arm 'Net 1'"]),
    "wrong study": ("study: nets, arm: Net 3", "study: net, arm: Net 3", ["net-3-train.study", "mean 'nets'"]),
    "wrong model": ("model: net3", "model: nett3", ["reported.net-3-layers.model", "did you mean 'net3'"]),
    "wrong metric": ("train_top1, study: nets, arm: Net 3", "train_top, study: nets, arm: Net 3",
                     ["reported.net-3-train.metric", "did you mean 'train_top1'", "val_error"]),
    "metric of the other kind": ("metric: layers, model: net3", "metric: gap, model: net3",
                                 ["net-3-layers.metric", "keras_parameters"]),
    "wrong key": ("minus: Net 3", "minu: Net 3", ["reported.26.minu", "unknown key", "did you mean 'minus'"]),
    "wrong key of the file": ("silent:", "silence:", [": silence", "did you mean 'silent'"]),
    "key left out": ("metric: layers, model: net3, ", "model: net3, ", ["reported.6.metric", "is missing"]),
    "percent for a fraction": ("value: 0.62", "value: 62", ["reported.net-3-train.value", "from 0 to 1", "got 62"]),
    "text for a number": ("value: 0.62", "value: '62 %'", ["reported.7.value", "valid number"]),
    "not a number": ("value: 0.62", "value: .nan", ["reported.7.value", "finite"]),
    "printed network unknown": ('- {model: net1, where: "Table 1', '- {model: nett1, where: "Table 1',
                                ["networks.0.model", "did you mean 'net1'"]),
    "printed network without layers": ("{model: net2, where: \"Table 1, Net 2\", column: [",
                                       "{model: net2, where: x}\n  - {model: net2, where: x, column: [",
                                       ["networks.1: add its layers or its column"]),
    "half a layer": ("value: 17", "value: 17.5", ["net-3-layers.value", "whole number"]),
    "an id twice": ("id: net-3-val", "id: net-3-train", ["reported.net-3-train", "twice"]),
    "of runs and a network": ("model: net3", "model: net3, arm: Net 3", ["net-3-layers.arm", "remove one"]),
    "of nothing": ("study: nets, arm: Net 3, where", "where", ["reported.net-3-train", "add study and arm"]),
    "empty quote": ('&shallow "two shallow networks with 7 and 9 layers"', '&shallow ""', ["reported.27.quote"]),
    "best of what is no accuracy": ("gap, study: nets, arm: Net 6", "gap, study: nets, over: best",
                                    ["reported.plain-gap.over", "choose an accuracy"]),
    "several arms and one": ("gap, study: nets, arm: Net 6", "gap, study: nets, over: sum, arm: Net 6",
                             ["reported.plain-gap.over", "remove arm and minus"]),
    "levels without over": ("gap, study: nets, arm: Net 6", "gap, study: nets, arm: Net 6, levels: [Net 6]",
                            ["reported.plain-gap.levels", "goes with over"]),
    "wrong level of several": ("top1, study: nets, arm: Net 2", "top1, study: nets, over: best, levels: [Net2]",
                               ["reported.net-2-train.levels", "did you mean 'Net 2'"]),
    "wrong setting": ("settings: {weights: scratch}", "settings: {weight: scratch}",
                      ["protocol.3.settings", "did you mean 'weights'"]),
    "wrong varied setting": ("varied: {model:", "varied: {modle:", ["protocol.7.settings", "did you mean 'model'"]),
    "wrong setting of a choice": ("settings: [init]", "settings: [int]", [".settings", "did you mean 'init'"]),
    "stated and chosen": ("settings: [init]", "settings: [weights]",
                          ["silent.", "settings: weights of the arm 'Net 1' of nets", "protocol.3", "narrow one"]),
    "wrong arm of an own entry": ("arms: [dropout 0.5 / plain,", "arms: [dropout 0.5 / plane,",
                                  ["own.0.arms", "mean 'dropout 0.5 / plain'"]),
    "wrong study of a deviation": (LAST, f"{LAST}, studies: [netts]", ["deviations.0.studies", "mean 'nets'"]),
    "wrong level of a deviation": (LAST, f"{LAST}, levels: [net 1]", ["deviations.0.levels", "mean 'Net 1'"]),
}  # fmt: skip


def refused(old: str, new: str, said: list[str], plan: Plan, tmp_path: Path) -> None:
    """A file in which ``new`` stands for ``old`` is refused with its name and all that is in ``said``."""
    text = (FOLDER / "resnet-vs-plain.yaml").read_text(encoding="utf-8")
    assert old in text and old != new
    path = tmp_path / "resnet-vs-plain.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        check(PAPERS | {path.stem: read(path)}, plan, tmp_path)
    for part in (f"{path}: ", *said):
        assert part in str(caught.value)


@pytest.mark.papers("resnet-vs-plain")
@pytest.mark.parametrize("fault", BAD)
def test_what_is_wrong_is_refused_with_file_place_and_spelling(fault: str, plan: Plan, tmp_path: Path) -> None:
    refused(*BAD[fault], plan, tmp_path)


@pytest.mark.papers("five-cnns")
def test_files_and_papers_have_to_match(plan: Plan, tmp_path: Path) -> None:
    papers: dict[str, Paper] = dict(PAPERS)
    one = papers.pop("five-cnns")
    check(papers, plan)  # studies need no file
    with pytest.raises(UserError, match=r"papers/five-cnn\.yaml: unknown paper.*did you mean 'five-cnns'"):
        check(PAPERS | {"five-cnn": one}, plan)
    assert read(tmp_path / "none.yaml") == Paper()


def test_reading_papers_needs_no_torch() -> None:
    code = "import sys, ablate.papers.paper; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.papers("five-cnns", "resnet-vs-plain")
def test_files_are_checked_before_anything_runs(tmp_path: Path) -> None:
    """Where params.yaml has a scale `paper`, whatever scale is asked for; a tiny study of one's own needs none."""
    folder = tmp_path / "papers"
    shutil.copytree(ROOT / "papers", folder)
    shipped = open_project(ROOT / "params.yaml", {"scale": "demo"})
    check_files(shipped, folder)
    file = folder / "resnet-vs-plain.yaml"
    before = file.read_text(encoding="utf-8")
    file.write_text(before.replace(LAST, f"{LAST}, scales: [pilots]", 1), encoding="utf-8")
    with pytest.raises(UserError, match=r"deviations\.0\.scales: unknown scale.*did you mean 'pilot'"):
        check_files(shipped, folder)
    file.write_text(before, encoding="utf-8")
    file = folder / "five-cnns.yaml"
    file.write_text(file.read_text().replace("arm: Model 4", "arm: Modle 4"))
    with pytest.raises(UserError, match=r"five-cnns\.yaml: reported\..*did you mean 'Model 4'"):
        check_files(shipped, folder)
    file.unlink()
    check_files(shipped, folder)
    (tmp_path / "own").mkdir()
    (tmp_path / "own/params.yaml").write_text(TINY)
    check_files(open_project(tmp_path / "own/params.yaml"), tmp_path / "nowhere")
