"""What a network consists of and how its parts are joined, read off the code that runs: boxes and arrows.

`torch.fx` follows one image through ``forward``; nothing is drawn here, and nothing is written down by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn

INPUT, ADDITION = "input", "add"
POINTWISE = ("normalisation", "activation", "dropout", "flatten")  # kinds that `fused` joins to what is before
Shape = tuple[int, ...]  # channels first, without the batch


@dataclass(frozen=True)
class Box:
    """One operation."""

    kind: str  # convolution, normalisation, activation, dropout, pooling, linear, ..., or its own name
    words: tuple[str, ...]  # what it says, a line each
    shape: Shape  # that it gives


@dataclass(frozen=True)
class Structure:
    """Boxes in the order in which they run, and arrows as pairs of their places in it."""

    boxes: tuple[Box, ...]
    arrows: tuple[tuple[int, int], ...]

    def before(self, place: int) -> list[int]:
        """Where the arrows into a box come from."""
        return [a for a, b in self.arrows if b == place]

    def after(self, place: int) -> list[int]:
        """Where the arrows out of a box lead."""
        return [b for a, b in self.arrows if a == place]


def structure(module: nn.Module, image: Shape) -> Structure:
    """Follow an image of the shape (channels, height, width) through a module, on the device where that is.

    Raises:
        ValueError: a forward pass that depends on the values of tensors, which torch.fx cannot follow.
    """
    try:
        traced = fx.symbolic_trace(module.eval())
    except Exception as error:  # torch's own, and whatever a user's code makes of torch.fx's stand-ins
        raise ValueError(f"{type(module).__name__} cannot be drawn: {error}") from error
    shapes = _Shapes(traced)
    with torch.no_grad():
        shapes.run(torch.zeros(1, *image, device=_device(module)))
    places: dict[fx.Node, int] = {}
    boxes: list[Box] = []
    arrows: list[tuple[int, int]] = []
    for node in traced.graph.nodes:
        if node.op == "output" or node not in shapes.found:
            continue
        places[node] = len(boxes)
        kind, words = _told(node, traced)
        boxes.append(Box(kind, words, shapes.found[node]))
        arrows += [(places[source], places[node]) for source in node.all_input_nodes if source in places]
    return Structure(tuple(boxes), tuple(arrows))


def _device(module: nn.Module) -> torch.device:
    return next((p.device for p in module.parameters()), torch.device("meta"))


class _Shapes(fx.Interpreter):
    """Keeps the shape of each tensor on its way."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.found: dict[fx.Node, Shape] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor):
            self.found[n] = tuple(value.shape[1:])
        return value


def _told(node: fx.Node, traced: fx.GraphModule) -> tuple[str, tuple[str, ...]]:
    """Kind and words of one operation."""
    if node.op == "placeholder":
        return INPUT, (INPUT,)
    if node.op == "call_module":
        return _of_module(traced.get_submodule(str(node.target)))
    name = str(node.target) if node.op == "call_method" else str(getattr(node.target, "__name__", node.target))
    match name:
        case "add" | "iadd":
            return ADDITION, ("+",)
        case "flatten":
            return "flatten", ("flatten",)
        case "avg_pool2d" | "max_pool2d":
            size = node.args[1] if len(node.args) > 1 else node.kwargs.get("kernel_size", "")
            return "pooling", (f"{'max' if name[0] == 'm' else 'average'} pool {_square(size)}",)
        case "relu" | "gelu" | "silu" | "elu" | "leaky_relu" | "tanh" | "sigmoid" | "hardswish":
            return "activation", (name,)
        case "dropout":
            return "dropout", ("dropout",)
        case "pad":
            return "padding", ("zeros for new channels",)
    return name, (name.replace("_", " "),)


def _of_module(module: nn.Module) -> tuple[str, tuple[str, ...]]:
    match module:
        case nn.Conv2d():
            return "convolution", (f"{_square(module.kernel_size)} conv, {module.out_channels}{_by(module.stride)}",)
        case nn.BatchNorm2d() | nn.BatchNorm1d():
            return "normalisation", ("batch norm",)
        case nn.Dropout():
            return "dropout", (f"dropout {module.p:g}",)
        case nn.MaxPool2d() | nn.AvgPool2d():
            what = "max" if isinstance(module, nn.MaxPool2d) else "average"
            return "pooling", (f"{what} pool {_square(module.kernel_size)}{_by(module.stride)}",)
        case nn.AdaptiveAvgPool2d():
            return "pooling", (f"average pool to {_square(module.output_size)}",)
        case nn.Linear():
            return "linear", (f"fc {module.out_features}",)
        case nn.Flatten():
            return "flatten", ("flatten",)
        case nn.Identity():
            return "identity", ("identity",)
    name = type(module).__name__
    activation = module.__class__.__module__ == "torch.nn.modules.activation"
    return ("activation" if activation else name), (name,)


def _side(size: Any) -> int:
    return int(size[0] if isinstance(size, tuple) else size)


def _square(size: Any) -> str:
    return f"{_side(size)}×{_side(size)}"


def _by(stride: Any) -> str:
    """As the ResNet paper writes it: 3×3 conv, 128, /2."""
    return f", /{_side(stride)}" if _side(stride) > 1 else ""


def fused(found: Structure) -> Structure:
    """Boxes that act on each value or channel by itself (`POINTWISE`), as further lines of the box before them.

    Only where nothing else begins or ends there.
    """
    into: dict[int, int] = {}  # place: that of the box that it is now in
    kept: dict[int, Box] = {}
    for place, box in enumerate(found.boxes):
        sources = found.before(place)
        joins = box.kind in POINTWISE and len(sources) == 1 and len(found.after(sources[0])) == 1
        if joins and found.boxes[sources[0]].kind != INPUT:
            into[place] = into[sources[0]]
            first = kept[into[place]]
            kept[into[place]] = replace(first, words=first.words + box.words, shape=box.shape)
        else:
            into[place] = place
            kept[place] = box
    places = {place: n for n, place in enumerate(kept)}
    arrows = [(places[into[a]], places[into[b]]) for a, b in found.arrows if into[a] != into[b]]
    return Structure(tuple(kept.values()), tuple(arrows))


def blocks(model: nn.Module, image: Shape) -> dict[str, Structure]:
    """{path: structure} of the building blocks of ``model``, the first of each kind.

    Kinds differ in their operations or arrows. A block is a module whose class is called so (Block, BasicBlock,
    Bottleneck).

    Raises:
        ValueError: For a model without blocks.
    """
    shapes: dict[str, Shape] = {}

    def keep(path: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            shapes[path] = tuple(inputs[0].shape[1:])

        return hook

    known = {path: m for path, m in model.named_modules() if type(m).__name__.endswith(("Block", "Bottleneck"))}
    hooks = [module.register_forward_pre_hook(keep(path)) for path, module in known.items()]
    with torch.no_grad():
        model.eval()(torch.zeros(1, *image, device=_device(model)))
    for hook in hooks:
        hook.remove()
    found: dict[str, Structure] = {}
    seen: list[Any] = []
    for path, module in known.items():
        made = structure(module, shapes[path])
        look = [box.kind for box in made.boxes], made.arrows
        if look not in seen:
            seen.append(look)
            found[path] = made
    if not found:
        raise ValueError(f"{type(model).__name__} has no blocks")
    return found
