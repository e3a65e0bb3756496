"""The activation functions that can take the place of ReLU."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

# resnet18-init names activations as work in progress and cites ELU; paper silent on the rest and on every
# constant. Chosen: torch's, which are ELU's alpha 1, a negative slope of 0.01 and the exact GELU.
_LAYERS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "leaky-relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


def replace_relu(model: nn.Module, activation: str) -> None:
    """Put `activation` in the place of every `nn.ReLU` of `model`; parameters and their names stay as they are.

    Other activations of the network (the Hardswish of a MobileNet, say) stay too. A network of ours must
    call ReLU as a module, never as a function.

    Raises:
        ValueError: unknown `activation`, or a network without a ReLU module.
    """
    if activation not in _LAYERS:
        raise ValueError(f"unknown activation {activation!r}; known: {', '.join(_LAYERS)}")
    places = [
        (parent, name)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.ReLU)
    ]
    if not places:
        raise ValueError(f"{type(model).__name__} has no ReLU layer, so its activation cannot be replaced")
    for parent, name in places:
        setattr(parent, name, _LAYERS[activation]())
