"""torchvision's own networks: AlexNet and the ResNets of the papers, and any other by its name there."""

from __future__ import annotations

import difflib
from typing import Any

import torch
from torch import Tensor, nn

from ablate.models._checks import refuse_dropout, require_pixels, window
from ablate.models._torchvision import import_torchvision
from ablate.models.registry import TORCHVISION


def alexnet(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return torchvision's AlexNet, untrained: (N, 3, image_size, image_size) -> logits (N, classes).

    57,823,240 parameters with 200 classes (alexnet-vs-resnet, text), at any image size: an adaptive pooling
    to 6x6 precedes the classifier.

    Paper silent: the size at which AlexNet sees the images; its random crop says 64. Chosen: the images as
    they are. At 64 pixels the adaptive pooling repeats a single pixel, which is all that is left.

    Args:
        classes: number of classes.
        image_size: side in pixels, at least 63.
        dropout: rate before the first and second fully connected layer; None is torchvision's 0.5.

    Raises:
        ValueError: images below 63 pixels.
    """
    side = window(image_size, 11, 4, 2)
    for _ in range(3):
        side = window(side, 3, 2)
    require_pixels("alexnet", image_size, side)
    rate = 0.5 if dropout is None else dropout
    model: nn.Module = import_torchvision().models.alexnet(weights=None, num_classes=classes, dropout=rate)
    return model


def _resnet(name: str, classes: int, dropout: float | None) -> nn.Module:
    refuse_dropout(name, dropout)
    model: nn.Module = import_torchvision().models.get_model(name, weights=None, num_classes=classes)
    return model


def resnet18(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return torchvision's ResNet-18, untrained: (N, 3, image_size, image_size) -> logits (N, classes).

    11,279,112 parameters with 200 classes (alexnet-vs-resnet, text), at any image size. That number also
    settles the stem, on which both papers are silent: the 3x3 one of `cifar_stem` would make it 11,271,432.

    Args:
        classes: number of classes.
        image_size: side in pixels; the global average pooling accepts any.
        dropout: None or 0, the architecture has none.

    Raises:
        ValueError: a dropout rate above 0.
    """
    return _resnet("resnet18", classes, dropout)


def resnet18_plain(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return `resnet18` with its shortcuts cut: the same layers, and the same initial weights from the same seed.

    It answers whether ResNet-18 beats AlexNet "probably due to the use of skip connections" (alexnet-vs-resnet,
    conclusions). 11,105,288 parameters with 200 classes: the three shortcuts that widen, convolutions of 1x1 with
    batch normalisation, go with the others. Paper silent: it trains no such network.
    """
    refuse_dropout("resnet18-plain", dropout)
    resnet = import_torchvision().models.resnet

    class PlainBlock(resnet.BasicBlock):  # type: ignore[misc, name-defined]
        def forward(self, x: Tensor) -> Tensor:
            out = self.relu(self.bn1(self.conv1(x)))
            return self.relu(self.bn2(self.conv2(out)))  # type: ignore[no-any-return]

    model: nn.Module = resnet.ResNet(PlainBlock, [2, 2, 2, 2], num_classes=classes)
    for module in model.modules():
        if isinstance(module, PlainBlock):
            module.downsample = None  # after it was built, so that all other layers start as with it
    return model


def resnet34(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return torchvision's ResNet-34, untrained, in no paper: 21,387,272 parameters with 200 classes."""
    return _resnet("resnet34", classes, dropout)


def resnet50(*, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return torchvision's ResNet-50, untrained: 23,917,832 parameters with 200 classes; cnn5 has another head."""
    return _resnet("resnet50", classes, dropout)


def cifar_stem(model: nn.Module) -> None:
    """Give one of torchvision's ResNets the stem for small images: a 3x3 convolution of stride 1, no pooling.

    It is the stem of He et al. 2016, section 4.2 (CIFAR-10), at the width of the one that it replaces, and
    starts as theirs do. A network of four stages then ends at an eighth of the image's side instead of a 32nd.
    """
    first = model.conv1
    if not isinstance(first, nn.Conv2d):
        raise ValueError(f"{type(model).__name__} has no stem of a ResNet")
    model.conv1 = nn.Conv2d(3, first.out_channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    model.maxpool = nn.Identity()


def require(name: str) -> str:
    """Return torchvision's name out of torchvision:<name>; ValueError with near spellings where it has none such."""
    models = import_torchvision().models
    known = models.list_models(module=models)  # its classification models, without detection, video and the like
    wanted = name.removeprefix(TORCHVISION)
    if wanted not in known:
        close = [TORCHVISION + c for c in difflib.get_close_matches(wanted, known, n=3)]
        hint = f"did you mean {' or '.join(close)}?" if close else f"it has {', '.join(known)}"
        raise ValueError(f"torchvision has no classification model {wanted!r}; {hint}")
    return wanted


def named(name: str, *, classes: int, image_size: int, dropout: float | None = None) -> nn.Module:
    """Return torchvision's model for torchvision:<name>, untrained: (N, 3, S, S) -> logits (N, classes).

    Inception and GoogLeNet come without their auxiliary heads, and so return one tensor as all others do.

    Args:
        name: with its prefix.
        classes: number of classes.
        image_size: S, the side in pixels. A vision transformer is built for this one size.
        dropout: rate of every `Dropout` layer; None is the architecture's own.

    Raises:
        ValueError: torchvision lacks the model, it cannot take images of this size (tried out on a black one), or
            it gets a dropout rate above 0 without having a dropout layer.
    """
    wanted = require(name)
    try:
        model = _make(wanted, classes, image_size).eval()
        with torch.no_grad():  # on the "meta" device, most networks would import torch's compiler for it
            model(torch.zeros(1, 3, image_size, image_size))
    except NotImplementedError:  # RegNets on the "meta" device
        raise
    except (RuntimeError, AssertionError, ValueError) as error:  # torchvision's ways to say it
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{name} cannot take images of {image_size}x{image_size} pixels: {reason}") from error
    model.train()
    layers = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    if not layers:
        refuse_dropout(name, dropout)
    if dropout is not None:
        for layer in layers:
            layer.p = dropout
    return model


def _make(wanted: str, classes: int, image_size: int) -> nn.Module:
    options: dict[str, Any] = {}
    if wanted.startswith("vit_"):
        options = {"image_size": image_size}
    elif wanted.startswith("maxvit"):
        options = {"input_size": (image_size, image_size)}
    elif wanted in ("googlenet", "inception_v3"):
        options = {"aux_logits": False, "init_weights": True}
    model: nn.Module = import_torchvision().models.get_model(wanted, weights=None, num_classes=classes, **options)
    return model
