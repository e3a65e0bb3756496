"""timm's networks by their names there. timm is an extra: pip install 'ablate[timm]'."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ablate.models._torchvision import import_torchvision
from ablate.models.registry import TIMM


def named(
    name: str, *, classes: int, image_size: int, dropout: float | None = None, args: Mapping[str, Any] | None = None
) -> nn.Module:
    """Return timm's model for timm:<name>, untrained: (N, 3, image_size, image_size) -> logits (N, classes).

    Args:
        name: with its prefix.
        classes: number of classes.
        image_size: side in pixels. Networks that are built for one size get this one.
        dropout: timm's ``drop_rate``; None is the architecture's own.
        args: further arguments of ``timm.create_model``.

    Raises:
        ValueError: timm is not installed, lacks the model, or the model cannot take images of this size, tried out on
            a black one, or these arguments.
    """
    import_torchvision()  # which timm imports, also where its operators cannot load
    try:
        timm = importlib.import_module("timm")
    except ImportError as error:
        raise ValueError(f"{name}: timm cannot be imported ({error}); pip install 'ablate[timm]'") from error
    wanted = name.removeprefix(TIMM)
    if not timm.is_model(wanted):
        close = difflib.get_close_matches(wanted, timm.list_models(), n=3)
        hint = f"did you mean {' or '.join(TIMM + c for c in close)}?" if close else "see timm.list_models()"
        raise ValueError(f"timm has no model {wanted!r}; {hint}")
    options: dict[str, Any] = dict(args or {})
    if dropout is not None:
        options["drop_rate"] = dropout
    try:
        if getattr(timm.get_pretrained_cfg(wanted), "fixed_input_size", False):
            options.setdefault("img_size", image_size)
        model: nn.Module = timm.create_model(wanted, pretrained=False, num_classes=classes, **options).eval()
        with torch.no_grad():
            model(torch.zeros(1, 3, image_size, image_size))
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:  # timm's ways to say it
        reason = str(error).partition("\n")[0]
        said = f" with {options}" if options else ""
        raise ValueError(f"{name}{said} cannot take images of {image_size}x{image_size} pixels: {reason}") from error
    return model.train()
