"""A network of resnet-vs-plain as a column of its Table 1, read off its modules."""

from __future__ import annotations

from itertools import groupby

from torch import nn

from ablate.models.residual import Block

HEAD = "classifier"
Stages = dict[str, list[str]]


def stages(model: nn.Module, image_size: int) -> Stages:
    """{stage: its lines}, such as {"64×64": ["(Conv 64) × 2", "Avg 2"], ..., "classifier": ["FC 200"]}.

    A stage is what works on maps of one side in pixels, and ends with the pooling that shrinks them. A block without
    its shortcut is two convolutions, as the table prints Net 6. Normalisation and activation are not printed.

    Raises:
        ValueError: a module that no column of the table has.
    """
    found: dict[str, list[str]] = {}
    side = image_size
    for module in model.children():
        match module:
            case nn.Conv2d():
                lines = [f"Conv {module.out_channels}"]
            case Block():
                width = module.body[0].out_channels
                lines = [f"BB {width}"] if module.residual else [f"Conv {width}"] * 2
            case nn.AvgPool2d() | nn.MaxPool2d():
                lines = [f"{type(module).__name__[:3]} {module.kernel_size}"]
            case nn.Dropout():
                lines = ["Dropout"]
            case nn.Linear():
                lines = [f"FC {module.out_features}"]
            case nn.BatchNorm2d() | nn.ReLU() | nn.Flatten():
                lines = []
            case _:
                raise ValueError(f"Table 1 has no column with a {type(module).__name__}")
        head = isinstance(module, nn.Dropout | nn.Linear)
        found.setdefault(HEAD if head else f"{side}×{side}", []).extend(lines)
        if isinstance(module, nn.AvgPool2d | nn.MaxPool2d):
            side //= int(str(module.kernel_size))
    return {stage: _counted(lines) for stage, lines in found.items() if lines}


def _counted(lines: list[str]) -> list[str]:
    """Equal lines in a row as one."""
    runs = ((line, len(list(same))) for line, same in groupby(lines))
    return [f"({line}) × {times}" if times > 1 else line for line, times in runs]
