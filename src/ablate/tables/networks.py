"""Tables of networks as they stand on paper, in the paper's own way to count, beside what it printed."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

from ablate.models.keras_form import KerasLayer, keras_layers
from ablate.models.summary import Shape, Summary, summary
from ablate.papers.networks import PrintedNetwork
from ablate.papers.paper import Paper, Reported
from ablate.plan.record import PlannedRun
from ablate.plurals import many
from ablate.results.study import StudyResults
from ablate.results.table import Table

TINY_IMAGENET = (200, 64)  # classes and pixels
EQUAL = "equal"


def as_printed(model: str, planned: Iterable[PlannedRun]) -> Summary:
    """A network as its paper has it, in classes and pixels.

    Those of the first of ``planned`` that has the network, by the paper's protocol; of Tiny ImageNet where none has.
    """
    mine = next((p for p in planned if p.settings.model == model), None)
    return summary(model, *(mine.printed if mine else TINY_IMAGENET), model_args=args_of(mine, model))


def of_study(results: StudyResults, model: str) -> Summary:
    """`as_printed`; a network that the study does not train has the classes and pixels of its first arm."""
    mine = [p for p in results.planned if p.settings.model == model] or results.planned
    return summary(model, *mine[0].printed, model_args=args_of(mine[0], model))


def args_of(planned: PlannedRun | None, model: str) -> dict[str, Any] | None:
    """What ``model`` is called with in a run: of one's own network, in the first arm that has it."""
    return planned.settings.model_args if planned and planned.settings.model == model else None


def depth(network: Summary) -> int:
    """Layers as resnet-vs-plain counts them: convolutions and fully connected ones."""
    return sum(layer.type in ("Conv2d", "Linear") for layer in network.layers)


def called(results: StudyResults, model: str) -> str:
    """A network by its level of the study's axis ``model``, such as Model 1; by its own name without one."""
    labels = {p.levels["model"]: None for p in results.planned if p.settings.model == model and "model" in p.levels}
    return next(iter(labels)) if len(labels) == 1 else model


def counted(results: StudyResults, network: Summary) -> int:
    """Its parameters as the paper counts them: with moving statistics, as Keras does, or without."""
    return network.keras_total if _in_keras(results) else network.params


def _in_keras(results: StudyResults) -> bool:
    return results.record is not None and results.record.counting == "keras"


def remark(count: int, printed: int | None, reasons: Sequence[str | None]) -> dict[str, Any]:
    """The cells ``printed`` and ``remark``: equal, or by how much ``count`` is not, and the first of ``reasons``."""
    if printed is None:
        return {"printed": None, "remark": ""}
    if count == printed:
        return {"printed": printed, "remark": EQUAL}
    why = next(filter(None, reasons), "no reason known")
    return {"printed": printed, "remark": f"{count - printed:+,}: {why}"}


def layers(results: StudyResults, model: str) -> Table:
    """A network layer by layer, as the paper prints it or would: in Keras's form or in PyTorch's."""
    found, paper = of_study(results, model), results.record
    entry = paper.count_of(model, _metric(paper)) if paper else None
    theirs = next((n for n in paper.networks if n.model == model), None) if paper else None
    table = Table(caption=f"{results.shown(called(results, model))} as the paper has it: {_about(results, found)}")
    places = [f"layers in {theirs.where}"] if theirs else []
    places += [f"total in {entry.where or entry.source}"] if entry else []
    if places:
        table.caption += f" Printed: {', '.join(places)}."
    if keras := _in_keras(results):
        _in_keras_form(table, keras_layers(found), theirs)
    else:
        for layer in found.layers:
            row = {"Layer (type)": f"{layer.name} ({layer.type})", "Output Shape": _shape(layer.output_shape, -1)}
            table.add(layer.name, row | {"Param #": layer.params, "Multiply-adds": layer.multiply_adds})
    total = counted(results, found)
    said = _compared(total, entry, found)
    more = {} if keras else {"Multiply-adds": found.multiply_adds}
    table.add("Total params", {"Layer (type)": "Total params", "Param #": total} | more | said)
    table.add("Trainable params", {"Layer (type)": "Trainable params", "Param #": found.params})
    table.add("Non-trainable params", {"Layer (type)": "Non-trainable params", "Param #": total - found.params})
    return table


def _in_keras_form(table: Table, ours: list[KerasLayer], theirs: PrintedNetwork | None) -> None:
    for layer, printed in zip_longest(ours, theirs.layers if theirs else ()):
        row: dict[str, Any] = {}
        if layer is not None:
            shape = _shape(layer.shape, None)
            row = {"Layer (type)": f"{layer.name} ({layer.type})", "Output Shape": shape, "Param #": layer.params}
        if printed is not None:
            name, sides, count = printed
            same = layer is not None and name in (layer.name, layer.type, f"{layer.name} ({layer.type})")
            agree = same and (sides, count) == (row["Output Shape"], layer.params)
            row |= {"printed": count, "remark": EQUAL if agree else f"printed: {name} {sides}"}
        table.add(layer.name if layer else str(row["remark"]), row)


def agreeing(printed: PrintedNetwork, planned: Iterable[PlannedRun]) -> tuple[int, int]:
    """How many of a network's layers are as the paper prints them, in Keras's form, and how many it prints."""
    table = Table()
    _in_keras_form(table, keras_layers(as_printed(printed.model, planned)), printed)
    theirs = [row for row in table.rows if "printed" in row]
    return sum(row["remark"] == EQUAL for row in theirs), len(theirs)


def parameters(results: StudyResults, models: str) -> Table:
    """Parameters of ``models``, joined by +, as the paper counts them, beside what it printed."""
    table, paper = Table(), results.record
    found = [of_study(results, model) for model in models.split("+")]
    for s in found:
        total = counted(results, s)
        row: dict[str, Any] = {"Model": called(results, s.model), "Number Of Parameters": total}
        if _in_keras(results):
            row["of these non-trainable"] = total - s.params
        table.add(s.model, row | _compared(total, paper.count_of(s.model, _metric(paper)) if paper else None, s))
    table.caption = "As the paper has them: " + " ".join(dict.fromkeys(_about(results, s) for s in found))
    return table


def _metric(paper: Paper) -> str:
    return "keras_parameters" if paper.counting == "keras" else "parameters"


def _compared(count: int, entry: Reported | None, found: Summary) -> dict[str, Any]:
    return remark(count, int(entry.value) if entry else None, [entry.note if entry else None, found.note])


def _shape(sides: Shape, batch: int | None) -> str:
    """As Keras prints it, (None, 62, 62, 32), or as PyTorch's users know it, [-1, 64, 15, 15]."""
    inner = ", ".join(str(side) for side in (batch, *sides[1:]))
    return f"({inner})" if batch is None else f"[{inner}]"


def _about(results: StudyResults, found: Summary) -> str:
    """What the network is built for, and what the runs here have instead."""
    here = {(p.n_classes, p.image_size) for p in results.planned if p.settings.model == found.model}
    said = f"{many(found.classes, 'class')}, {found.image_size}x{found.image_size} pixels."
    others = (many(classes, "class") for classes, _ in sorted(here - {(found.classes, found.image_size)}))
    return said + "".join(f" The runs at the scale {results.scale} have {classes}." for classes in others)
