"""Every registered network: shapes, gradients and determinism; and the sizes that the papers print."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

import pytest
import torch
from torch import nn

import ablate.models
from ablate.models import INITS, REGISTRY, build, check_name
from ablate.models.initialise import initialise
from ablate.models.keras_cnns import keras_count
from ablate.models.residual import Block, from_column

NO_DROPOUT = {"resnet18", "cnn1", "cnn3", "cnn5"}
# Half the paper's side, for speed. The paper's own side is covered without memory, further down.
QUICK_AT_32 = {"cnn5", "net1", "net3", "net4", "net5", "net6"}
TWINS = [("net1", "net6"), ("cifar-resnet7", "cifar-plain7"), ("cifar-resnet9", "cifar-plain9")]


class Geometry(TypedDict):
    classes: int
    image_size: int


def geometry(name: str) -> Geometry:
    """The classes and image side, in pixels, of the paper that the network comes from."""
    if name.startswith("cifar"):
        return {"classes": 10, "image_size": 32}
    return {"classes": 10 if name == "alexnet10" else 200, "image_size": 64}


def outline(name: str, *, image_size: int | None = None, classes: int | None = None) -> nn.Module:
    """The network without memory for its weights: for counting."""
    paper = geometry(name)
    with torch.device("meta"):
        return build(
            name,
            classes=paper["classes"] if classes is None else classes,
            image_size=paper["image_size"] if image_size is None else image_size,
        )


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


# cnn3 has 140 million parameters: 0.5 GB, and as much again for the gradients.
@pytest.mark.parametrize("name", [name for name in REGISTRY if name != "cnn3"])
def test_forward_backward_and_determinism(name: str) -> None:
    torch.manual_seed(0)
    shape = geometry(name)
    if name in QUICK_AT_32:
        shape["image_size"] = 32
    model = build(name, **shape)
    images = torch.randn(2, 3, shape["image_size"], shape["image_size"])
    logits = model(images)
    assert logits.shape == (2, shape["classes"])
    loss = nn.functional.cross_entropy(logits, torch.tensor([0, shape["classes"] - 1]))
    assert math.isfinite(loss.item())
    loss.backward()  # type: ignore[no-untyped-call]
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        if parameter.dim() > 1:  # a bias before a normalisation has gradient zero by construction
            assert parameter.grad.abs().sum() > 0, key
    model.eval()
    with torch.no_grad():
        assert torch.equal(model(images), model(images))


def test_cnn3_shape() -> None:
    model = outline("cnn3")
    assert model(torch.zeros(2, 3, 64, 64, device="meta")).shape == (2, 200)


@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.parametrize("image_size", [64, 65, 96])
def test_head_fits_other_image_sizes_and_classes(name: str, image_size: int) -> None:
    model = outline(name, image_size=image_size, classes=7)
    assert model(torch.zeros(2, 3, image_size, image_size, device="meta")).shape == (2, 7)


# Oracle: the numbers printed in alexnet-vs-resnet (text) and five-cnns (figure 9); Keras counts the latter.
@pytest.mark.parametrize(("name", "printed"), [("alexnet", 57_823_240), ("resnet18", 11_279_112)])
def test_count_of_torchvision_networks(name: str, printed: int) -> None:
    assert count(outline(name)) == printed


@pytest.mark.parametrize(
    ("name", "printed"),
    [("cnn1", 13_070_472), ("cnn2", 2_555_656), ("cnn3", 140_382_728), ("cnn4", 8_866_376)],
)
def test_count_of_keras_networks(name: str, printed: int) -> None:
    assert keras_count(outline(name)) == printed


def test_count_of_cnn5_differs_by_the_biases_that_keras_adds() -> None:
    model = outline("cnn5")
    biases = sum(m.out_channels for m in model.modules() if isinstance(m, nn.Conv2d) and m.bias is None)
    assert keras_count(model) + biases == 25_890_888  # figure 9


# Oracle: conv and FC layers counted by hand in the columns of Table 1; the CIFAR nets from the paper's text.
@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("net1", 15),
        ("net2", 12),
        ("net3", 17),
        ("net4", 19),
        ("net5", 13),
        ("net6", 15),
        ("cifar-resnet7", 7),
        ("cifar-plain7", 7),
        ("cifar-resnet9", 9),
        ("cifar-plain9", 9),
        ("alexnet10", 8),
    ],
)
def test_number_of_layers(name: str, layers: int) -> None:
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in outline(name).modules()) == layers


@pytest.mark.parametrize(("residual", "plain"), TWINS)
def test_twins_share_everything_but_the_shortcut(residual: str, plain: str) -> None:
    torch.manual_seed(3)
    one = build(residual, **geometry(residual))
    torch.manual_seed(3)
    other = build(plain, **geometry(plain))
    ours, theirs = one.state_dict(), other.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert [repr(m) for m in one.modules()] == [repr(m) for m in other.modules()]  # dropout rates too
    blocks = [m for m in other.modules() if isinstance(m, Block)]
    assert blocks and not any(block.residual for block in blocks)
    assert all(m.residual for m in one.modules() if isinstance(m, Block))


@pytest.mark.parametrize(("side", "stride"), [(6, 1), (6, 2), (5, 2)])
def test_shortcut_averages_and_pads(side: int, stride: int) -> None:
    block = Block(2, 3, stride=stride, dropout=0.5, residual=True).eval()
    second = block.body[4]
    assert isinstance(second, nn.Conv2d)
    nn.init.zeros_(second.weight)  # the body then adds nothing, and the shortcut is all that is left
    x = torch.rand(1, 2, side, side)
    out = block(x)
    assert out.shape == block.body(x).shape
    assert torch.equal(out[:, 2], torch.zeros_like(out[:, 2]))
    assert torch.allclose(out[0, 0, 0, 0], x[0, 0, :stride, :stride].mean())
    block.residual = False
    assert not block(x).any()


def test_block_refuses_to_narrow() -> None:
    with pytest.raises(ValueError, match="narrow"):
        Block(4, 2, dropout=0.5, residual=True)


def test_column_refuses_unknown_layers() -> None:
    with pytest.raises(ValueError, match="unknown kind"):
        from_column("x", (("mean", 2),), residual=True, classes=2, image_size=8, dropout=None)


@pytest.mark.parametrize("name", REGISTRY)
def test_dropout(name: str) -> None:
    def rates(dropout: float | None) -> set[float]:
        with torch.device("meta"):
            model = build(name, **geometry(name), dropout=dropout)
        return {m.p for m in model.modules() if isinstance(m, nn.Dropout)}

    if name in NO_DROPOUT:
        assert rates(None) == rates(0.0) == set()
        with pytest.raises(ValueError, match="dropout"):
            rates(0.2)
    else:
        assert (rates(None), rates(0.0), rates(0.2)) == ({0.5}, {0.0}, {0.2})


def test_initialisations_have_their_variance() -> None:
    torch.manual_seed(0)
    expected = {"gaussian": 0.1, "xavier": 2 / (2304 + 1024), "kaiming": 2 / 1024}
    for init, variance in expected.items():
        model = build(
            "alexnet10",
            classes=10,
            image_size=64,
            init=init,
            init_variance=0.1 if init == "gaussian" else None,
        )
        linear = model[15]  # type: ignore[index]
        assert linear.weight.shape == (1024, 2304)
        tolerance = 5 * math.sqrt(2 / linear.weight.numel())  # the sample variance's relative error, five sigma
        assert linear.weight.var().item() == pytest.approx(variance, rel=tolerance), init
        assert abs(linear.weight.mean().item()) < 5 * math.sqrt(variance / linear.weight.numel())
        layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        assert len(layers) == 8
        assert not any(m.bias.any() for m in layers if m.bias is not None), init


def test_gaussian_reaches_every_layer_and_leaves_normalisation() -> None:
    torch.manual_seed(0)
    model = build("resnet18", classes=200, image_size=64, init="gaussian", init_variance=0.1)
    for key, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            tolerance = 5 * math.sqrt(2 / module.weight.numel())
            assert module.weight.var().item() == pytest.approx(0.1, rel=tolerance), key
        elif isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all() and (module.bias == 0).all(), key


def test_default_touches_nothing() -> None:
    model = build("cifar-plain7", classes=10, image_size=32)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    initialise(model)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_keras_networks_start_as_keras_does() -> None:
    torch.manual_seed(0)
    model = build("cnn4", classes=200, image_size=64)
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert all(m.bias is not None and not m.bias.any() for m in layers)
    bound = math.sqrt(6 / (16_384 + 512))  # Glorot's limit of the first dense layer
    assert bound * 0.999 < layers[3].weight.abs().max() <= bound
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert (module.momentum, module.eps) == (0.01, 1e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"init": "orthogonal"}, "unknown init"),
        ({"init": "gaussian"}, "positive"),
        ({"init": "gaussian", "init_variance": 0.0}, "positive"),
        ({"init": "gaussian", "init_variance": math.nan}, "positive"),
        ({"init": "xavier", "init_variance": 0.1}, "belongs"),
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": -0.1}, "dropout"),
        ({"classes": 0}, "classes"),
        ({"image_size": 0}, "image_size"),
        ({"image_size": 31}, "too small"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"classes": 200, "image_size": 64, **settings}
    with pytest.raises(ValueError, match=message):
        build("net1", **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "smallest"),
    [("alexnet", 63), ("alexnet10", 29), ("cnn1", 10), ("cnn2", 22), ("cnn3", 8), ("cnn4", 8), ("net2", 64)],
)
def test_smallest_image(name: str, smallest: int) -> None:
    model = outline(name, image_size=smallest)
    assert model(torch.zeros(2, 3, smallest, smallest, device="meta")).shape == (2, geometry(name)["classes"])
    with pytest.raises(ValueError, match="too small"):
        outline(name, image_size=smallest - 1)


def test_unknown_name_offers_the_closest() -> None:
    with pytest.raises(ValueError, match="did you mean resnet18"):
        check_name("resnet_18")
    with pytest.raises(ValueError, match="known: alexnet"):
        build("zzzz", classes=2, image_size=64)


def test_names_are_checked_without_torch() -> None:
    code = "import sys, ablate.models as m; m.check_name('net1'); sys.exit('torch' in sys.modules)"
    source = str(Path(ablate.models.__file__).parents[2])
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": source}, check=True, timeout=60)
    assert INITS[0] == "default"
