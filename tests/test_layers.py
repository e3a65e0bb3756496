"""The layer tables and parameter counts against what the papers print, and the arithmetic between them."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from rich.console import Console
from torch import nn

from ablate.models._torchvision import import_torchvision
from ablate.models.build import build
from ablate.models.outline import outline
from ablate.models.registry import REGISTRY
from ablate.models.summary import as_json, as_text, summary

# Oracle: the figures 5 to 8 of the five-cnns paper, copied: type, output shape without the batch, Param #.
# Figures 5 and 6 do not list activations, which Keras puts into the layers before them.
FIGURE5 = """
Conv2D (62, 62, 32) 896
max_pooling2d (31, 31, 32) 0
Conv2D (29, 29, 64) 18,496
max_pooling2d (14, 14, 64) 0
flatten (12544) 0
dense (1024) 12,846,080
dense (200) 205,000
"""
FIGURE6 = """
Conv2D (62, 62, 32) 896
max_pooling2d (31, 31, 32) 0
Conv2D (29, 29, 64) 18,496
max_pooling2d (14, 14, 64) 0
Conv2D (12, 12, 128) 73,856
max_pooling2d (6, 6, 128) 0
flatten (4608) 0
dense (512) 2,359,808
dropout (512) 0
dense (200) 102,600
"""
FIGURE7 = """
Conv2D (64, 64, 64) 1,792
BatchNormalization (64, 64, 64) 256
Activation (64, 64, 64) 0
Conv2D (64, 64, 64) 36,928
BatchNormalization (64, 64, 64) 256
Activation (64, 64, 64) 0
MaxPooling2D (32, 32, 64) 0
Conv2D (32, 32, 128) 73,856
BatchNormalization (32, 32, 128) 512
Activation (32, 32, 128) 0
Conv2D (32, 32, 128) 147,584
BatchNormalization (32, 32, 128) 512
Activation (32, 32, 128) 0
MaxPooling2D (16, 16, 128) 0
Conv2D (16, 16, 256) 295,168
BatchNormalization (16, 16, 256) 1,024
Activation (16, 16, 256) 0
Conv2D (16, 16, 512) 1,180,160
BatchNormalization (16, 16, 512) 2,048
Activation (16, 16, 512) 0
MaxPooling2D (8, 8, 512) 0
Flatten (32768) 0
Dense (4096) 134,221,824
BatchNormalization (4096) 16,384
Activation (4096) 0
Dense (1024) 4,195,328
BatchNormalization (1024) 4,096
Activation (1024) 0
Dense (200) 205,000
"""
FIGURE8 = """
Conv2D (64, 64, 64) 1792
BatchNormalization (64, 64, 64) 256
Activation (64, 64, 64) 0
MaxPooling2D (32, 32, 64) 0
Conv2D (32, 32, 128) 73856
BatchNormalization (32, 32, 128) 512
Activation (32, 32, 128) 0
MaxPooling2D (16, 16, 128) 0
Conv2D (16, 16, 256) 295168
BatchNormalization (16, 16, 256) 1024
Activation (16, 16, 256) 0
MaxPooling2D (8, 8, 256) 0
Flatten (16384) 0
Dense (512) 8389120
BatchNormalization (512) 2048
Activation (512) 0
Dropout (512) 0
Dense (200) 102600
"""
KERAS = {
    **{"Conv2d": "conv2d", "BatchNorm2d": "batchnormalization", "BatchNorm1d": "batchnormalization"},
    **{"ReLU": "activation", "MaxPool2d": "maxpooling2d", "Linear": "dense"},
}

# Parameters with the classes and images of the network's paper. Oracles: the number that a paper prints (alexnet
# and resnet18: alexnet-vs-resnet; cnn1, cnn2: five-cnns, figure 9); for the others, arithmetic by hand or, for
# nets 1 to 6, over the printed columns (test_table_1).
COUNTS = {
    "alexnet": 57_823_240,
    "resnet18": 11_279_112,
    # Without the three shortcuts that widen: 1x1 convolutions with batch normalisation.
    "resnet18-plain": 11_279_112 - sum(a * 2 * a + 2 * 2 * a for a in (64, 128, 256)),
    "resnet34": 21_797_672 + 512 * (200 - 1000) + (200 - 1000),  # torchvision's documented number, another head
    "resnet50": 25_557_032 + 2048 * (200 - 1000) + (200 - 1000),
    "cnn1": 13_070_472,
    "cnn2": 2_555_656,
    "cnn3": 140_382_728 - 2 * (64 + 64 + 128 + 128 + 256 + 512 + 4096 + 1024),  # printed with moving statistics
    "cnn4": 8_866_376 - 2 * (64 + 128 + 256 + 512),
    "cnn5": 23_508_032 + 2_098_176 + 205_000,  # torchvision's trunk, and the two dense layers of the paper
    "alexnet10": sum(n * (k + 1) for n, k in [(64, 75), (192, 1600), (384, 1728), (256, 3456), (256, 2304)])
    + sum(n * (k + 1) for n, k in [(1024, 2304), (1024, 1024), (10, 1024)]),
    "net1": 6_647_176,
    "net2": 6_229_000,
    "net3": 2_366_184,
    "net4": 7_138_696,
    "net5": 12_227_208,
    "net6": 6_647_176,
    "cifar-resnet7": 307_946,
    "cifar-plain7": 307_946,
    "cifar-resnet9": 603_370,
    "cifar-plain9": 603_370,
}


def geometry(name: str) -> dict[str, Any]:
    if name.startswith("cifar"):
        return {"classes": 10, "image_size": 32}
    return {"classes": 10 if name == "alexnet10" else 200, "image_size": 64}


@pytest.mark.parametrize("name", REGISTRY)
def test_count_is_pinned_and_layers_add_up(name: str) -> None:
    made = summary(name, **geometry(name))
    assert made.params == COUNTS.get(name, made.params)  # of a network that no paper here prints there is none
    assert sum(layer.params for layer in made.layers) == made.params
    assert sum(layer.keras_params for layer in made.layers) == made.keras_total
    assert sum(layer.multiply_adds for layer in made.layers) == made.multiply_adds
    assert made.layers[-1].output_shape == (None, made.classes)


def weight_layers(model: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    return [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


# Oracle: Table 1 of resnet-vs-plain, its columns copied from the text; net 6 is printed convolution by convolution.
TABLE1 = {
    "net1": "(Conv 64)×2, Avg 2, BB 64, BB 128, Avg 2, BB 128, BB 256, Avg 2, BB 256, Avg 2, BB 512, Avg 2, FC 200",
    "net2": "Conv 64, Avg 2, BB 128, Avg 2, BB 128, BB 256, Avg 2, BB 256, Avg 2, BB 512, Avg 4, FC 200",
    "net3": "Conv 32, Conv 64, Max 2, (BB 64)×2, Avg 2, (BB 128)×3, Avg 2, BB 128, Avg 2, BB 256, Avg 2, FC 200",
    "net4": "(Conv 64)×2, Avg 2, (BB 64)×3, Max 2, (BB 128)×3, Max 2, BB 256, BB512, Avg 2, Dropout, FC 200",
    "net5": "(Conv 64)×2, Avg 2, BB 128, Max 2, (BB 256)×2, Max 2, (BB 512)×2, Avg 2, Dropout, FC 200",
    "net6": "(Conv 64)×2, Avg 2, (Conv 64)×2, (Conv 128)×2, Avg 2, (Conv 128)×2, (Conv 256)×2, Avg 2, (Conv 256)×2, "
    "Avg 2, (Conv 512)×2, Avg2, FC 200",
}
PRINTED_LAYERS = {"net1": 15, "net2": 12, "net3": 17, "net4": 21, "net5": 15, "net6": 15}


def printed_column(text: str) -> tuple[list[tuple[int, int]], list[tuple[str, int]], int]:
    """(inputs and outputs of each weight layer, poolings, parameters) of a printed column, by hand arithmetic."""
    channels, side, params = 3, 64, 0
    weights: list[tuple[int, int]] = []
    pools: list[tuple[str, int]] = []
    for cell in text.split(", "):
        found = re.fullmatch(r"\(?(Conv|BB|Avg|Max|FC|Dropout) ?(\d*)\)?(?:×(\d))?", cell)
        assert found, cell
        kind, value = found[1], int(found[2] or 0)
        if kind in ("Avg", "Max"):
            pools.append((kind, value))
            side //= value
        for _ in range(int(found[3] or 1) * {"Conv": 1, "BB": 2}.get(kind, 0)):
            weights.append((channels, value))
            params += 9 * channels * value + 2 * value  # 3x3 without bias, and its batch normalisation
            channels = value
        if kind == "FC":
            weights.append((channels * side * side, value))
            params += channels * side * side * value + value
    return weights, pools, params


@pytest.mark.parametrize("name", TABLE1)
def test_table_1(name: str) -> None:
    weights, pools, params = printed_column(TABLE1[name])
    model = outline(lambda: build(name, classes=200, image_size=64))
    assert [(m.weight.shape[1], m.weight.shape[0]) for m in weight_layers(model)] == weights
    assert [
        (type(m).__name__[:3], m.kernel_size) for m in model.modules() if isinstance(m, nn.AvgPool2d | nn.MaxPool2d)
    ] == pools
    assert COUNTS[name] == params
    surplus = {"net4": 2, "net5": 2}.get(name, 0)  # the printed numbers of these two do not follow from their columns
    assert PRINTED_LAYERS[name] - len(weights) == surplus
    assert bool(surplus) == (f"prints {PRINTED_LAYERS[name]} layers" in (summary(name, 200, 64).about or ""))


@pytest.mark.parametrize("name", [n for n in REGISTRY if n.startswith(("cifar-", "alexnet10"))])
def test_number_of_layers_that_the_text_gives(name: str) -> None:
    """Oracle: convolutions and fully connected layers; 7 and 9 in resnet-vs-plain, 8 in tinyimage10."""
    assert len(weight_layers(outline(lambda: build(name, classes=10, image_size=64)))) == (
        8 if name == "alexnet10" else int(name[-1])
    )


def test_cifar_counts_by_hand() -> None:
    """3x3 convolutions without bias, two values of normalisation per channel, and 128 maps of 4x4 to 10 classes."""
    seven = [(3, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128)]
    nine = [*seven, (128, 128), (128, 128)]
    for name, pairs in (("cifar-resnet7", seven), ("cifar-resnet9", nine)):
        assert COUNTS[name] == sum(9 * a * b + 2 * b for a, b in pairs) + 128 * 4 * 4 * 10 + 10


@pytest.mark.parametrize(
    ("name", "figure", "total"),
    [
        ("cnn1", FIGURE5, 13_070_472),
        ("cnn2", FIGURE6, 2_555_656),
        ("cnn3", FIGURE7, 140_382_728),
        ("cnn4", FIGURE8, 8_866_376),
    ],
)
def test_layer_table_as_printed(name: str, figure: str, total: int) -> None:
    printed = []
    for line in figure.strip().splitlines():
        kind, rest = line.split(" (")
        sides, count = rest.split(") ")
        shape = (None, *(int(side) for side in sides.split(", ")))
        printed.append((kind.lower().replace("_", ""), shape, int(count.replace(",", ""))))
    made = summary(name, 200, 64)
    ours = [(KERAS.get(row.type, row.type.lower()), row.keras_shape, row.keras_params) for row in made.layers]
    assert [row for row in ours if "Activation" in figure or row[0] != "activation"] == printed
    assert made.keras_total == sum(count for _, _, count in printed) == total  # figure 9
    assert all(row.keras_shape is not None and len(row.keras_shape) == len(row.output_shape) for row in made.layers)


def test_both_numbers_of_model_5_and_the_reason() -> None:
    made = summary("cnn5", 200, 64)
    assert made.keras_total == 25_864_328
    assert made.note is not None
    for number in ("25,864,328", "25,890,888", "26,560 biases"):  # the second is figure 9's
        assert number in made.note
    assert summary("cnn4", 200, 64).note is None


@pytest.mark.parametrize(
    "name", ["alexnet", "resnet18", "resnet50", "mobilenet_v3_small", "vit_b_32", "regnet_y_400mf"]
)
def test_multiply_adds_are_torchvision_s(name: str) -> None:
    """Oracle: the billions that torchvision documents for 224x224 pixels, to their last digit, and its counts."""
    meta = import_torchvision().models.get_model_weights(name).IMAGENET1K_V1.meta
    made = summary(name if name in REGISTRY else f"torchvision:{name}", 1000, 224)
    assert made.params == meta["num_params"]
    assert made.multiply_adds / 1e9 == pytest.approx(meta["_ops"], abs=0.0006 + 0.002 * meta["_ops"])
    assert sum(layer.params for layer in made.layers) == made.params


def test_options_reach_the_network() -> None:
    small = summary("resnet18", 200, 64, stem="cifar", activation="elu")
    assert small.params == 11_271_432
    assert "ELU" in {layer.type for layer in small.layers} and "ReLU" not in {layer.type for layer in small.layers}
    bare, last = (summary("alexnet10", 10, 64, last_relu=last).layers for last in (False, True))
    assert [layer.type for layer in last] == [*(layer.type for layer in bare), "ReLU"]
    with pytest.raises(ValueError, match="unknown model"):
        summary("resnet_18", 200, 64)


def test_json_and_text() -> None:
    made = summary("cnn1", 200, 64)
    value = json.loads(json.dumps(as_json(made)))
    assert {"params", "buffers", "keras_total", "layers"} <= value.keys()
    assert value["layers"][0] == {
        **{"name": "0", "type": "Conv2d", "output_shape": [None, 32, 62, 62], "keras_shape": [None, 62, 62, 32]},
        **{"params": 896, "keras_params": 896, "multiply_adds": 62 * 62 * 32 * 27},
    }
    text = io.StringIO()
    Console(file=text, width=118).print(as_text(made))
    assert "0 (Conv2d)" in text.getvalue() and "(None, 62, 62, 32)" in text.getvalue()
    assert "13,070,472 values counted as Keras does" in text.getvalue()
    assert summary("resnet18", 200, 64).buffers == 2 * 4800 + 20  # 4,800 normalised channels in 20 layers
