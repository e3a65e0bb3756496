"""What a network consists of: its layers as the papers print them, with shapes, parameters and multiply-adds.

By hand: torchinfo has not Keras's columns (channels last, moving means among the parameters), and it estimates
multiply-adds from the weights of modules, without attention's matrix products, which torch's own counter has.
"""

from __future__ import annotations

import importlib
import inspect
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from rich.console import Group
from rich.table import Table
from rich.text import Text
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ablate.models.build import build
from ablate.models.keras_cnns import keras_count, left_out_biases
from ablate.models.outline import outline
from ablate.models.registry import REGISTRY, network_text, own
from ablate.plurals import many

Shape = tuple[int | None, ...]  # None is the batch


@dataclass(frozen=True)
class Layer:
    """One module of a network, in the order of execution; a module that runs twice stands once."""

    name: str  # as in the state dict
    type: str
    output_shape: Shape  # channels first
    keras_shape: Shape | None  # channels last, as the five-cnns paper prints it, for its models 1 to 4
    params: int
    keras_params: int  # with the moving means and variances, as Keras prints them
    multiply_adds: int  # of one image, in convolutions and matrix products; additions of biases not counted


@dataclass(frozen=True)
class Summary:
    """A network on paper. Counts are numbers of values, multiply-adds those of one image."""

    model: str
    network: str  # the model with its arguments
    classes: int
    image_size: int  # pixels
    params: int
    buffers: int  # batch normalisation's running means and variances, and its counters of batches
    keras_total: int  # Keras's "Total params": params and the running means and variances
    multiply_adds: int
    layers: tuple[Layer, ...]
    note: str | None  # why a printed number differs
    about: str | None  # what the network's docstring says: source, and choices where its paper is silent


def summary(
    name: str,
    classes: int,
    image_size: int,
    *,
    dropout: float | None = None,
    activation: str | None = None,
    stem: str | None = None,
    last_relu: bool = False,
    model_args: Mapping[str, Any] | None = None,
) -> Summary:
    """Summarise one network by running one image through it.

    That takes no memory for weights or activations, but for the user's own, whose code may look at values.

    Arguments are those of `ablate.models.build.build`, which also says which ValueError it raises.
    """
    options: dict[str, Any] = {"dropout": dropout, "activation": activation, "stem": stem, "last_relu": last_relu}
    options["model_args"] = model_args
    model = outline(lambda: build(name, classes=classes, image_size=image_size, **options)).eval()
    shapes = _trace(model)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, image_size, image_size, device=next(model.parameters()).device))
    flops = {path.partition(".")[2]: sum(ops.values()) for path, ops in counter.get_flop_counts().items()}
    flops[""] = counter.get_total_flops()
    return Summary(
        model=name,
        network=network_text(name, model_args),
        classes=classes,
        image_size=image_size,
        params=sum(p.numel() for p in model.parameters()),
        buffers=sum(b.numel() for b in model.buffers()),
        keras_total=keras_count(model),
        multiply_adds=flops[""] // 2,
        layers=_layers(model, shapes, flops, keras=name in ("cnn1", "cnn2", "cnn3", "cnn4")),
        note=_note(name, model),
        about=_about(name, model),
    )


def _trace(model: nn.Module) -> dict[str, Shape]:
    """Return a dictionary that the next forward pass fills: module -> output shape, in the order of finishing."""
    shapes: dict[str, Shape] = {}

    def hook(path: str) -> Any:
        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            first = output if isinstance(output, Tensor) else output[0]  # attention also returns its weights
            shapes.setdefault(path, (None, *first.shape[1:]))

        return keep

    for path, module in model.named_modules():
        module.register_forward_hook(hook(path))
    return shapes


def _layers(model: nn.Module, shapes: dict[str, Shape], flops: dict[str, int], *, keras: bool) -> tuple[Layer, ...]:
    """Give every value to the innermost module that ran, and leave out containers that are left with none."""

    def owner(entry: str) -> str:
        while entry not in shapes:
            entry = entry.rpartition(".")[0]
        return entry

    params: Counter[str] = Counter()
    moving: Counter[str] = Counter()
    for entry, parameter in model.named_parameters():
        params[owner(entry)] += parameter.numel()
    for entry, buffer in model.named_buffers():
        if entry.endswith(("running_mean", "running_var")):
            moving[owner(entry)] += buffer.numel()
    own: dict[str, int] = {}
    rows = []
    for path, shape in shapes.items():
        below = [p for p in own if p.startswith(f"{path}." if path else "")]
        own[path] = flops.get(path, 0) - sum(own[p] for p in below)
        if below and not (params[path] or own[path]):
            continue
        rows.append(
            Layer(
                name=path or "(the network itself)",
                type=type(model.get_submodule(path)).__name__,
                output_shape=shape,
                keras_shape=(shape[0], *shape[2:], shape[1]) if keras else None,
                params=params[path],
                keras_params=params[path] + moving[path],
                multiply_adds=own[path] // 2,
            )
        )
    return tuple(rows)


def _note(name: str, model: nn.Module) -> str | None:
    if name != "cnn5":
        return None
    ours, biases = keras_count(model), left_out_biases(model)
    return (
        f"Counted as Keras does this network has {ours:,} values, and on Keras's own ResNet-50 it would have "
        f"{ours + biases:,}, which with 200 classes is the number that the paper prints (figure 9): Keras's "
        f"convolutions carry {biases:,} biases, which torchvision's leave out because the batch normalisation "
        f"behind them takes away any constant."
    )


def _about(name: str, model: nn.Module) -> str | None:
    """Return the docstring of the network as unwrapped paragraphs, up to its arguments; of one's own, its class's."""
    if name in REGISTRY:
        module, _, function = REGISTRY[name].partition(":")
        text = inspect.getdoc(getattr(importlib.import_module(f"ablate.models.{module}"), function)) or ""
    elif own(name):
        text = inspect.cleandoc(vars(type(model)).get("__doc__") or "")
    else:
        return None
    return "\n".join(" ".join(lines.split()) for lines in text.partition("\nArgs:")[0].strip().split("\n\n"))


def as_json(summary: Summary) -> dict[str, Any]:
    """Return the summary as an object for JSON, with the fields of `Summary` and `Layer` as keys."""
    return asdict(summary)


def as_text(summary: Summary) -> Group:
    """Return the layer table in the papers' form, for a rich console; Keras's shapes and counts where it has them."""
    keras = any(layer.keras_shape for layer in summary.layers)
    size = summary.image_size
    table = Table(
        title=f"{summary.network}: {many(summary.classes, 'class')}, {size}x{size} pixels", title_justify="left"
    )
    table.add_column("Layer (type)", overflow="fold")
    table.add_column("Output shape")
    table.add_column("Param #", justify="right")
    table.add_column("Multiply-adds", justify="right")
    for layer in summary.layers:
        shape = ", ".join(str(side) for side in layer.keras_shape or layer.output_shape)
        count = layer.keras_params if keras else layer.params
        table.add_row(f"{layer.name} ({layer.type})", f"({shape})", f"{count:,}", f"{layer.multiply_adds:,}")
    totals = (
        f"{summary.params:,} parameters, {summary.keras_total:,} values counted as Keras does, "
        f"{summary.multiply_adds:,} multiply-adds per image"
    )
    below = [text for text in (totals, summary.note, summary.about) if text]
    return Group(table, *(Text(text) for text in below))  # Text, so that no bracket is read as markup
