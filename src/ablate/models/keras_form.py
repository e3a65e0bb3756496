"""Networks as Keras's ``model.summary()`` lists them: names and types of layers, shapes with the channels last."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from ablate.models.summary import Shape, Summary

TYPES = {
    "Conv2d": "Conv2D",
    "BatchNorm1d": "BatchNormalization",
    "BatchNorm2d": "BatchNormalization",
    "ReLU": "Activation",
    "MaxPool2d": "MaxPooling2D",
    "AdaptiveAvgPool2d": "GlobalAveragePooling2D",
    "Linear": "Dense",
}


@dataclass(frozen=True)
class KerasLayer:
    """One row."""

    name: str  # as Keras gives it: conv2d, conv2d_1
    type: str
    shape: Shape  # None is the batch
    params: int  # moving means and variances among them


def keras_layers(found: Summary) -> list[KerasLayer]:
    """The rows of ``found``.

    An activation right behind a convolution or a dense layer is an argument of that layer and no row; behind a
    normalisation it is a layer of its own, as in the figures 5 to 8 of five-cnns.
    """
    rows: list[KerasLayer] = []
    seen: Counter[str] = Counter()
    before = ""
    for layer in found.layers:
        kind = TYPES.get(layer.type, layer.type)
        if not (kind == "Activation" and before in ("Conv2D", "Dense")):
            name = _snake(kind)
            number = f"_{seen[name]}" if seen[name] else ""
            batch, *sides = layer.output_shape
            rows.append(KerasLayer(name + number, kind, (batch, *sides[1:], *sides[:1]), layer.keras_params))
            seen[name] += 1
        before = kind
    return rows


def _snake(kind: str) -> str:
    """Conv2D: conv2d; BatchNormalization: batch_normalization."""
    return re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", kind).lower()
