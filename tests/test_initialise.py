"""Initialisations and activation functions, in every registered network and in torchvision's families.

Oracle: the moments of each initialisation's formula, and the operators that torch says a network calls.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from ablate.models.activation import replace_relu
from ablate.models.build import build
from ablate.models.head import head_of
from ablate.models.initialise import initialise
from ablate.models.outline import outline
from ablate.models.registry import ACTIVATIONS, INITS, REGISTRY

CLASSES = 7
# One of each of torchvision's families.
FAMILIES = [
    *["alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "mnasnet0_5", "mobilenet_v2"],
    *["mobilenet_v3_small", "regnet_y_400mf", "resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_1"],
    *["swin_v2_t", "vgg11_bn", "vit_b_32", "wide_resnet50_2"],
]


def on_paper(name: str, image_size: int = 64, classes: int = CLASSES, **options: Any) -> nn.Module:
    """The network without memory for its weights."""
    return outline(lambda: build(name, classes=classes, image_size=image_size, **options))


def weight_layers(model: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    return {key: m for key, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}


@pytest.mark.parametrize("name", REGISTRY)
def test_every_init_takes(name: str) -> None:
    entries = list(on_paper(name).state_dict())
    for init in INITS:
        model = on_paper(name, init=init, init_variance=0.1 if init == "gaussian" else None)
        assert list(model.state_dict()) == entries


def moments(init: str, weight: torch.Tensor) -> tuple[float, float]:
    """(variance, fourth moment over squared variance) of an initialisation's formula for this weight."""
    area = weight[0, 0].numel()
    fan_in, fan_out = weight.shape[1] * area, weight.shape[0] * area
    uniform, normal = 9 / 5, 3.0
    return {
        "torch's own": (1 / (3 * fan_in), uniform),  # U(-a, a), a = 1 / sqrt(fan_in)
        "gaussian": (0.1, normal),
        "xavier": (2 / (fan_in + fan_out), uniform),
        "xavier-normal": (2 / (fan_in + fan_out), normal),
        "kaiming": (2 / fan_out, normal),
        "keras": (2 / (fan_in + fan_out), uniform),
    }[init]


def check_moments(model: nn.Module, init: str) -> int:
    """Mean and variance of every layer of 1,000 weights or more, each within 5 standard errors of the formula's."""
    seen = 0
    for key, layer in weight_layers(model).items():
        n = layer.weight.numel()
        if n < 1000:
            continue
        variance, kurtosis = moments(init, layer.weight)
        values = layer.weight.detach().double()
        assert abs(values.mean().item()) < 5 * math.sqrt(variance / n), key
        assert abs(values.square().mean().item() / variance - 1) < 5 * math.sqrt((kurtosis - 1) / n), key
        seen += 1
    return seen


@pytest.mark.parametrize("init", ["gaussian", "xavier", "xavier-normal", "kaiming", "keras"])
@pytest.mark.parametrize(("name", "layers"), [("resnet18", 21), ("alexnet10", 8)])
def test_initialisations_have_their_moments(name: str, layers: int, init: str) -> None:
    torch.manual_seed(0)
    variance = 0.1 if init == "gaussian" else None
    model = build(name, classes=200, image_size=64, init=init, init_variance=variance)
    assert check_moments(model, init) == layers
    for key, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            assert module.bias is None or not module.bias.any(), key
        elif isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all() and (module.bias == 0).all(), key


def test_own_initialisations_have_their_moments() -> None:
    """The default of each family: torch's layers, He's in torchvision's ResNet, Keras's in the five CNNs."""
    torch.manual_seed(0)
    assert check_moments(build("net2", classes=7, image_size=64), "torch's own") == 12
    assert check_moments(build("alexnet10", classes=10, image_size=29), "torch's own") == 8
    trunk = build("resnet18", classes=7, image_size=64, stem="cifar")
    trunk.fc = nn.Identity()  # torch's own, while the rest is He's
    assert check_moments(trunk, "kaiming") == 20
    cnn4 = build("cnn4", classes=7, image_size=16)
    assert check_moments(cnn4, "keras") == 5
    assert all(m.bias is not None and not m.bias.any() for m in weight_layers(cnn4).values())
    top = build("cnn5", classes=7, image_size=32).fc
    assert isinstance(top, nn.Module) and check_moments(top, "keras") == 2
    for module in cnn4.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert (module.momentum, module.eps) == (0.01, 1e-3)  # Keras's momentum 0.99


def test_orthogonal_matrices() -> None:
    """W Wt = 1 where there are no more outputs than inputs, else Wt W = 1."""
    torch.manual_seed(0)
    model = build("cifar-resnet7", classes=10, image_size=8, init="orthogonal")
    wide = 0
    for key, layer in weight_layers(model).items():
        matrix = layer.weight.detach().flatten(1)
        if matrix.shape[0] > matrix.shape[1]:
            matrix, wide = matrix.T, wide + 1
        assert torch.allclose(matrix @ matrix.T, torch.eye(len(matrix)), atol=1e-5), key
    assert wide == 1  # the first convolution: 32 outputs of 27 inputs


def test_default_touches_nothing_and_activation_no_weight() -> None:
    states = []
    for options in ({}, {"activation": "gelu"}, {"init": "default"}):
        torch.manual_seed(1)
        states.append(build("cifar-resnet7", classes=10, image_size=8, **options).state_dict())  # type: ignore[arg-type]
    assert all(torch.equal(value, other[key]) for other in states[1:] for key, value in states[0].items())


def test_functions_refuse_what_build_refuses() -> None:
    with pytest.raises(ValueError, match="unknown init"):
        initialise(nn.Linear(1, 1), "he")
    with pytest.raises(ValueError, match="needs a variance"):
        initialise(nn.Linear(1, 1), "gaussian")
    with pytest.raises(ValueError, match="unknown activation"):
        replace_relu(nn.Sequential(nn.ReLU()), "tanh")
    with pytest.raises(ValueError, match="no linear"):
        head_of(nn.ReLU())


class _Calls(TorchDispatchMode):
    """Counts the calls of each operator."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.overloadpacket.__name__.rstrip("_"))
        return func(*args, **(kwargs or {}))


def calls(model: nn.Module, image_size: int = 64) -> _Calls:
    with torch.no_grad(), _Calls() as seen:
        model.eval()(torch.zeros(1, 3, image_size, image_size, device="meta"))
    return seen


@pytest.mark.parametrize("name", REGISTRY)
def test_activation_replaces_every_relu(name: str) -> None:
    """Oracle: the operators that the network calls, counted by torch, before and after."""
    plain = on_paper(name)
    relus = calls(plain).names.count("relu")
    assert relus
    for activation, operator in zip(ACTIVATIONS, ["relu", "elu", "leaky_relu", "gelu", "silu"], strict=True):
        model = on_paper(name, activation=activation)
        assert list(model.state_dict()) == list(plain.state_dict())
        names = calls(model).names
        assert names.count(operator) == relus
        assert ("relu" in names) == (operator == "relu")


@pytest.mark.parametrize("name", FAMILIES)
def test_any_model_of_torchvision(name: str) -> None:
    """The head follows the classes; an activation takes the place of every ReLU or is refused, never of a part."""
    full = f"torchvision:{name}"
    model = on_paper(full)
    assert model(torch.zeros(2, 3, 64, 64, device="meta")).shape == (2, CLASSES)
    key, head = head_of(model)
    assert isinstance(head, nn.Linear | nn.Conv2d) and head.weight.shape[0] == CLASSES, key
    try:
        replaced = on_paper(full, activation="silu")
    except ValueError as error:
        assert "cannot be replaced" in str(error)
        assert name in {"convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "mobilenet_v2", "vit_b_32"}
    else:
        assert "relu" not in calls(replaced).names and "silu" in calls(replaced).names
