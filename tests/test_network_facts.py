"""What the plan knows of networks without building them. Oracle: the networks, built and run without memory."""

from typing import Any

import pytest
import torch

from ablate.models._torchvision import import_torchvision
from ablate.models.build import build
from ablate.models.outline import outline
from ablate.models.registry import REGISTRY, TORCHVISION
from ablate.models.structure import blocks
from ablate.plan.fit_rules import ALONE_CIFAR, IMAGENET_SIDE, NETWORKS, facts, network_fault, torchvision_names

# One of torchvision's for each line of the table that is of a family.
FAMILIES = [
    *["alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3", "maxvit_t"],
    *["mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "resnet18", "shufflenet_v2_x0_5"],
    *["squeezenet1_0", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11", "vit_b_16"],
]
NAMES = [*REGISTRY, *(pytest.param(f"{TORCHVISION}{name}", marks=pytest.mark.slow) for name in FAMILIES)]


def can(name: str, pixels: int, *, train: bool = False, **options: Any) -> bool:
    """Whether there is such a network, and it takes one image of this side."""
    try:
        model = outline(lambda: build(name, classes=10, image_size=pixels, **options)).train(train)
        with torch.no_grad():
            model(torch.zeros(1, 3, pixels, pixels, device="meta"))
    except (ValueError, RuntimeError, AssertionError):
        return False
    return True


def built_of_blocks(name: str, pixels: int) -> bool:
    """Whether blocks can be found in it."""
    try:
        return bool(blocks(outline(lambda: build(name, classes=10, image_size=pixels)), (3, pixels, pixels)))
    except ValueError:
        return False


def test_every_network_is_known() -> None:
    assert all(facts(name) for name in REGISTRY)
    assert all(facts(TORCHVISION + name) for name in torchvision_names())
    assert facts("mine") is None


@pytest.mark.parametrize("name", NAMES)
def test_facts_are_those_of_the_network(name: str) -> None:
    known = facts(name)
    assert known is not None
    large = max(known.pixels, 64 if known.step == 1 else 0)
    assert can(name, large, dropout=0.3) == known.dropout
    assert can(name, large, activation="elu") == known.relu
    smaller = known.pixels - known.step
    assert can(name, known.pixels) and not (smaller and can(name, smaller))
    assert network_fault(name, known.pixels) is None and network_fault(name, smaller)
    if name in REGISTRY:
        assert built_of_blocks(name, large) == known.blocks
    if known.step > 1:
        assert not can(name, known.pixels + 1) and network_fault(name, known.pixels + 1)
    alone = max(known.alone or 224, known.pixels)
    assert can(name, alone, train=True) == (known.alone is not None)
    if known.alone is not None and known.alone > known.pixels:
        assert not can(name, known.alone - 1, train=True)
    if known == NETWORKS["resnet18"] and can(name, 64, stem="cifar"):
        assert can(name, ALONE_CIFAR, train=True, stem="cifar")
        assert not can(name, ALONE_CIFAR - 1, train=True, stem="cifar")


def test_torchvision_s_names_are_those_that_it_lists() -> None:
    models = import_torchvision().models
    known = torchvision_names()
    assert set(known) == set(models.list_models(module=models))
    for name, there in known.items():
        assert there == hasattr(models.get_model_weights(name), "IMAGENET1K_V1")


@pytest.mark.slow
def test_only_vision_transformers_have_weights_of_one_size() -> None:
    """Oracle: shapes of a small one's state at two sizes."""
    for name in ("vit_b_32", "swin_t", "mobilenet_v3_small", "squeezenet1_1"):
        shapes = [
            {key: value.shape for key, value in outline(
                lambda side=side, name=name: build(TORCHVISION + name, classes=10, image_size=side)
            ).state_dict().items()}
            for side in (64, IMAGENET_SIDE)
        ]  # fmt: skip
        assert (shapes[0] == shapes[1]) != name.startswith("vit_")
