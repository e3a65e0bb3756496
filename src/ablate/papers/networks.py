"""Networks as a paper prints them, layer by layer: figures of summaries, and columns of tables."""

from typing import Annotated, Literal

from pydantic import Field

from ablate.records import Record

Text = Annotated[str, Field(min_length=1)]
Counting = Literal["torch", "keras"]  # whose way to name, to list and to count layers


class PrintedNetwork(Record):
    """One network, verbatim: each layer with its output shape and parameters, or a column of layers."""

    model: Text  # a key of models.REGISTRY
    where: Text
    layers: tuple[tuple[Text, Text, Annotated[int, Field(ge=0)]], ...] = ()  # layer, output shape, parameters
    column: tuple[Text, ...] = ()  # top to bottom, its repetitions as they are printed: (BB 64) × 3
