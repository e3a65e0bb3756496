"""Tables of networks as they stand on paper: no run is behind them."""

from ablate.models.summary import Summary, summary
from ablate.plan.kinds import printed_side
from ablate.results.study import StudyResults
from ablate.results.table import Table

PRINTED_CLASSES = 200  # of the summaries in five-cnns: Tiny ImageNet's
CIFAR_CLASSES = 10


def printed(model: str) -> Summary:
    """A network of a paper with the classes and the images (side in pixels) that the paper has for it."""
    return summary(model, CIFAR_CLASSES if model.startswith("cifar-") else PRINTED_CLASSES, printed_side(model))


def depth(network: Summary) -> int:
    """Layers as resnet-vs-plain counts them: convolutions and fully connected ones."""
    return sum(layer.type in ("Conv2d", "Linear") for layer in network.layers)


def layers(results: StudyResults, model: str) -> Table:
    """A network layer by layer, as a paper prints it: of ``model`` with 200 classes and images of 64 pixels."""
    found = printed(model)
    table = Table()
    for layer in found.layers:
        row = {
            "Layer (type)": f"{layer.name} ({layer.type})",
            "Output shape": str(layer.keras_shape or layer.output_shape),
            "Param #": layer.keras_params,
            "Multiply-adds": layer.multiply_adds,
        }
        table.add(layer.name, row)
    total = {"Layer (type)": "Total", "Output shape": "", "Param #": found.keras_total}
    table.add("Total", total | {"Multiply-adds": found.multiply_adds})
    return table


def parameters(results: StudyResults, models: str) -> Table:
    """Parameters of ``models``, joined by +, counted as Keras does and as torch does, and why the two may differ."""
    table = Table()
    for s in map(printed, models.split("+")):
        row = {"model": s.model, "Keras's total": s.keras_total, "parameters": s.params, "note": s.note or ""}
        table.add(s.model, row)
    return table
