"""Tables of networks: in each paper's own form and way to count, every number beside the printed one.

Oracles: what the papers print (papers/*.yaml; copied from the texts once more in test_layers), arithmetic by hand.
"""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from ablate.csv_text import read_rows
from ablate.papers.paper import Paper, read
from ablate.plan.kinds import TABLES
from ablate.plan.project import open_project
from ablate.plan.record import PlanRecord
from ablate.results.study import StudyResults
from ablate.tables.networks import EQUAL, layers, parameters
from ablate.tables.registry import write_table
from conftest import ROOT
from test_layers import FIGURE5, FIGURE6, FIGURE7, FIGURE8, TABLE1

SCALES = ("demo", "pilot", "paper")
PLANS = {scale: open_project(ROOT / "params.yaml", {"scale": scale}).record for scale in SCALES}
KINDS = {kind for kind in TABLES if not TABLES[kind].runs}
WANTED = [
    pytest.param(scale, key, kind, id=f"{scale}-{key}-{kind}")
    for scale, plan in PLANS.items()
    for key, study in plan.studies.items()
    for kind in study.tables.values()
    if kind.partition(":")[0] in KINDS
]


def of(plan: PlanRecord, key: str, record: Paper | None = None) -> StudyResults:
    """A study as planned, of which nothing was run."""
    paper, study = key.split("/")
    planned = [p for p in plan.of(paper) if p.study == study]
    runs = pd.DataFrame([{"study": p.study, "arm": p.arm, "seed": p.seed, "run": p.run, "status": "missing"}
                         for p in planned])  # fmt: skip
    found = plan.studies[key]
    record = record or read(ROOT / f"papers/{paper}.yaml")
    return StudyResults(
        paper, study, found.title, plan.scale, list(found.axes), planned, runs, pd.DataFrame(),
        record.printed(study), record=record,
    )  # fmt: skip


@pytest.mark.parametrize(("scale", "key", "kind"), WANTED)
def test_every_number_is_the_printed_one_or_the_reason_stands_beside_it(
    scale: str, key: str, kind: str, tmp_path: Path
) -> None:
    results = of(PLANS[scale], key)
    assert results.record is not None
    write_table(results, kind, tmp_path / "t.csv")
    rows, seen = read_rows(tmp_path / "t.csv"), 0
    for row in rows:
        count = row.get("Param #") or row["Number Of Parameters"]
        if row.get("printed"):
            seen += 1
            assert (count == row["printed"]) == (row["remark"] == EQUAL), row
            why = f"{int(count) - int(row['printed']):+,}: Keras's ResNet-50 has 26,560 convolution biases"
            assert row["remark"] == EQUAL or row["remark"].startswith(why), row
    models = kind.partition(":")[2].split("+")
    totals = [e.model for e in results.record.reported if e.model in models and e.metric != "layers"]
    printed = [n for n in results.record.networks if n.model in models and kind.startswith("layers:")]
    assert seen == len(totals) + sum(len(n.layers) for n in printed)
    text = (tmp_path / "t.md").read_text()
    assert scale not in text.partition(".")[0], "its title is of no scale: no run is in it"


@pytest.mark.papers("five-cnns", "resnet-vs-plain")
def test_the_printed_layers_in_the_paper_s_file_are_those_of_the_figures() -> None:
    """Oracle: the figures, copied; and Table 1's columns."""
    networks = read(ROOT / "papers/five-cnns.yaml").networks
    assert [n.where for n in networks] == ["Fig. 5", "Fig. 6", "Fig. 7", "Fig. 8"]
    for network, figure in zip(networks, (FIGURE5, FIGURE6, FIGURE7, FIGURE8), strict=True):
        lines = [line.rpartition(" ") for line in figure.strip().splitlines()]
        found = [(head.partition("(")[2].rstrip(")"), int(count.replace(",", ""))) for head, _, count in lines]
        assert [(shape.removeprefix("(None, ").rstrip(")"), count) for _, shape, count in network.layers] == found
    columns = {n.model: list(n.column) for n in read(ROOT / "papers/resnet-vs-plain.yaml").networks}
    for name, text in TABLE1.items():
        assert [line.replace(" ", "") for line in columns[name]] == text.replace(" ", "").split(",")


@pytest.mark.papers("five-cnns")
def test_keras_s_form() -> None:
    """Oracle: figures 5 and 8. No rows of activations that belong to a layer; moving statistics are not trainable."""
    results = of(PLANS["paper"], "five-cnns/models")
    five, caption = (made := layers(results, "cnn1")).frame, made.caption
    assert caption.startswith("Model 1 as the paper has it: 200 classes, 64x64 pixels.")
    assert caption.endswith("Printed: layers in Fig. 5, total in Fig. 9, row 1.")
    assert list(five["Layer (type)"])[:7] == [
        "conv2d (Conv2D)", "max_pooling2d (MaxPooling2D)", "conv2d_1 (Conv2D)", "max_pooling2d_1 (MaxPooling2D)",
        "flatten (Flatten)", "dense (Dense)", "dense_1 (Dense)",
    ]  # fmt: skip
    assert five["Output Shape"][0] == "(None, 62, 62, 32)" and five["Output Shape"][4] == "(None, 12544)"
    eight = layers(results, "cnn4").frame
    assert list(eight["Layer (type)"])[1:3] == ["batch_normalization (BatchNormalization)", "activation (Activation)"]
    totals = dict(zip(eight["Layer (type)"], eight["Param #"], strict=True))
    assert totals["Total params"] == 8_866_376
    assert totals["Non-trainable params"] == 2 * (64 + 128 + 256 + 512) == 8_866_376 - totals["Trainable params"]
    nine = parameters(results, "cnn1+cnn2+cnn3+cnn4+cnn5")
    assert list(nine.frame["Model"]) == [f"Model {n}" for n in range(1, 6)]
    assert list(nine.frame["printed"]) == [13_070_472, 2_555_656, 140_382_728, 8_866_376, 25_890_888]
    assert nine.shown["Number Of Parameters"].iloc[0] == "13,070,472"


@pytest.mark.papers("alexnet-vs-resnet", "tinyimage10", "resnet-vs-plain")
@pytest.mark.parametrize("scale", SCALES)
def test_pytorch_s_form_has_the_classes_of_the_paper_at_every_scale(scale: str) -> None:
    """Oracle: the counts that alexnet-vs-resnet prints; 5,871,434 by hand in test_layers, with ten classes."""
    key, model = "alexnet-vs-resnet/factorial", "resnet18"
    made = layers(of(PLANS[scale], key), model)
    rows = {row["Layer (type)"]: row for row in made.rows}
    assert rows["Total params"]["Param #"] == rows["Total params"]["printed"] == 11_279_112
    assert rows["Non-trainable params"]["Param #"] == 0  # PyTorch's way: running statistics are no parameters
    assert rows["conv1 (Conv2d)"]["Output Shape"] == "[-1, 64, 32, 32]" and rows["fc (Linear)"]["Param #"] == 102_600
    assert made.caption.startswith("ResNet-18 as the paper has it: 200 classes, 64x64 pixels.")
    assert made.caption.endswith("Printed: total in ResNet.")
    assert ("The runs at the scale" in made.caption) == (scale != "paper")
    ten = layers(of(PLANS[scale], "tinyimage10/optimiser"), "alexnet10")
    assert ten.rows[-3]["Param #"] == 5_871_434 and "10 classes, 64x64 pixels." in ten.caption
    assert "printed" not in ten.shown  # it prints no count
    small = parameters(of(PLANS[scale], "resnet-vs-plain/seven-layers"), "cifar-plain7")
    assert small.rows[0] == {"Model": "plain", "Number Of Parameters": 307_946, "printed": None, "remark": ""}


@pytest.mark.papers("five-cnns")
def test_a_number_that_differs_is_said_with_its_reason() -> None:
    paper = read(ROOT / "papers/five-cnns.yaml")
    wrong = [n.model_copy(update={"layers": (*n.layers[:-1], ("dense_1 (Dense)", "(None, 100)", 1))}) for n in
             paper.networks[:1]]  # fmt: skip
    entries = [e.model_copy(update={"value": e.value + 5}) if e.model == "cnn1" else e for e in paper.reported]
    changed = paper.model_copy(update={"networks": tuple(wrong), "reported": tuple(entries)})
    made = layers(of(PLANS["paper"], "five-cnns/models", changed), "cnn1").rows
    assert made[6]["printed"] == 1 and made[6]["remark"] == "printed: dense_1 (Dense) (None, 100)"
    assert made[7]["remark"] == "-5: no reason known"
    short = paper.model_copy(update={"networks": (wrong[0].model_copy(update={"layers": wrong[0].layers[:-1]}),)})
    assert "printed" not in layers(of(PLANS["paper"], "five-cnns/models", short), "cnn1").rows[6]


@pytest.mark.papers("resnet-vs-plain")
def test_table_1_has_the_layers_of_the_networks_stage_by_stage() -> None:
    """Oracle: the columns as the paper prints them, joined again; poolings halve the side, Avg 4 quarters it."""
    from ablate.tables.nets import nets

    results = of(PLANS["paper"], "resnet-vs-plain/nets")
    none = dict.fromkeys(("train_top1", "val_top1", "val_chance_p", "health"))
    results = replace(results, runs=results.runs.assign(**none))
    made = nets(results).frame.set_index("")
    for n, (name, text) in enumerate(TABLE1.items(), start=1):
        assert results.settings(f"Net {n}").model == name
        cells = [cell for stage, cell in made[f"Net {n}"].items() if re.fullmatch(r"\d+×\d+|classifier", str(stage))]
        assert ",".join(filter(None, cells)).replace(" ", "") == text.replace(" ", "")
    assert list(made.index[:6]) == ["64×64", "32×32", "16×16", "8×8", "4×4", "classifier"]
    assert made.loc["32×32", "Net 6"] == "(Conv 64) × 2, (Conv 128) × 2, Avg 2" and made.loc["4×4", "Net 4"] == ""
    assert set(made.loc["layers as printed"]) == {EQUAL}
    assert list(made.loc["layers (conv and fully connected)"]) == [15, 12, 17, 19, 13, 15]
    assert list(made.loc["layers, printed"]) == [15, 12, 17, 21, 15, 15]
    assert "The column printed above it has 19." in made.loc["note", "Net 4"]
    assert "column" not in made.loc["note", "Net 1"]
    assert list(made.loc["gap (points), printed"]) == ["23", "23", "16", "8", "13", "7"]  # 69 - 46, 44 - 36, 55 - 42
