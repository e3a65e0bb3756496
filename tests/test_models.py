"""Every registered network: shapes, gradients, axes and round trip; and what the papers leave open.

Oracle: torchvision's own networks, the twin from the same seed, and sizes counted by hand. Initialisations and
activation functions are in test_initialise.py.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import ablate.models.registry
from ablate.models._torchvision import import_torchvision
from ablate.models.build import build
from ablate.models.head import head_of
from ablate.models.initialise import initialise
from ablate.models.outline import outline
from ablate.models.registry import INITS, REGISTRY, check, check_name, contaminated, module_of
from ablate.models.residual import Block, from_column
from ablate.models.summary import summary
from ablate.models.weights import load_start

CLASSES = 7
# The smallest images for speed, in pixels; a new network is tried at 64, and the papers' sides without memory.
SIDE = {
    **{"alexnet": 63, "alexnet10": 29, "cnn1": 10, "cnn2": 22, "cnn3": 8, "cnn4": 8, "cnn5": 32},
    **dict.fromkeys(("resnet18", "resnet18-plain", "resnet34", "resnet50"), 32),
    **{"net1": 32, "net3": 32, "net4": 16, "net5": 16, "net6": 32},
    **{"cifar-resnet7": 8, "cifar-plain7": 8, "cifar-resnet9": 8, "cifar-plain9": 8},
}
NO_DROPOUT = {"resnet18", "resnet18-plain", "resnet34", "resnet50", "cnn1", "cnn3", "cnn5"}
TWINS = [("net1", "net6"), ("cifar-resnet7", "cifar-plain7"), ("cifar-resnet9", "cifar-plain9")]


def paper_geometry(name: str) -> dict[str, int]:
    """The classes and image side, in pixels, of the paper that the network comes from."""
    if name.startswith("cifar"):
        return {"classes": 10, "image_size": 32}
    return {"classes": 10 if name == "alexnet10" else 200, "image_size": 64}


def on_paper(name: str, image_size: int = 64, classes: int = CLASSES, **options: Any) -> nn.Module:
    """The network without memory for its weights."""
    return outline(lambda: build(name, classes=classes, image_size=image_size, **options))


def weight_layers(model: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    return {key: m for key, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}


@pytest.mark.parametrize("name", REGISTRY)
def test_network_works(name: str, tmp_path: Path) -> None:
    """Shape, finite loss, a gradient for every parameter, one answer in eval mode, another init, back from a file."""
    torch.manual_seed(0)
    side = SIDE.get(name, 64)
    model = build(name, classes=CLASSES, image_size=side)
    images = torch.randn(4, 3, side, side)
    logits = model(images)
    assert logits.shape == (4, CLASSES)
    loss = nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, CLASSES - 1]))
    assert math.isfinite(loss.item())
    loss.backward()  # type: ignore[no-untyped-call]
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        if parameter.dim() > 1:  # a bias before a normalisation has gradient zero by construction
            assert parameter.grad.abs().sum() > 0, key
        parameter.grad = None
    model.eval()
    with torch.no_grad():
        expected = model(images)
        assert torch.equal(model(images), expected)
        state = {key: value.clone() for key, value in model.state_dict().items()}
        save_file(state, tmp_path / "w.safetensors")
        initialise(model, "xavier-normal")
        assert all(not torch.equal(m.weight, state[f"{key}.weight"]) for key, m in weight_layers(model).items())
        assert load_start(model, tmp_path / "w.safetensors") == []
        assert torch.equal(model(images), expected)


@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.parametrize("image_size", [65, 96])
def test_head_fits_other_image_sizes_and_classes(name: str, image_size: int) -> None:
    model = on_paper(name, image_size)
    assert model(torch.zeros(2, 3, image_size, image_size, device="meta")).shape == (2, CLASSES)
    _, head = head_of(model)
    assert list(weight_layers(head).values())[-1].weight.shape[0] == CLASSES


def test_models_of_torchvision_that_are_refused() -> None:
    for bad in ("torchvision:ResNet18", "torchvision:", "torchvision:a-b", "tv:resnet18"):
        with pytest.raises(ValueError, match="unknown model"):
            check_name(bad)
    check_name("torchvision:mobilenet_v3_smal")  # well formed: only torchvision knows better
    with pytest.raises(ValueError, match="did you mean torchvision:mobilenet_v3_small"):
        on_paper("torchvision:mobilenet_v3_smal")
    with pytest.raises(ValueError, match="it has alexnet, "):
        on_paper("torchvision:zzzz")
    with pytest.raises(ValueError, match="did you mean"):  # a detector is no classifier
        on_paper("torchvision:retinanet_resnet50_fpn")
    with pytest.raises(ValueError, match="64x64 pixels"):
        on_paper("torchvision:inception_v3")
    with pytest.raises(ValueError, match="65x65 pixels: Input shape indivisible"):
        on_paper("torchvision:vit_b_32", 65)


def test_named_model_is_torchvision_s_own_from_the_same_seed() -> None:
    """Oracle: torchvision called by hand. Trying the image size out draws no random number."""
    torch.manual_seed(5)
    ours = build("torchvision:mobilenet_v3_small", classes=3, image_size=64, dropout=0.3)
    torch.manual_seed(5)
    theirs = import_torchvision().models.mobilenet_v3_small(num_classes=3, dropout=0.3)
    assert [repr(m) for m in ours.modules()] == [repr(m) for m in theirs.modules()]
    assert all(
        torch.equal(a, b) for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "cnn5", "torchvision:wide_resnet50_2"])
def test_stem(name: str) -> None:
    """Oracle: 3x3 instead of 7x7 weights, and the last map an eighth of the side (it was a 32nd)."""
    own, same, small = (on_paper(name, 64, stem=stem) for stem in (None, "imagenet", "cifar"))
    assert repr(own) == repr(same)
    count = [sum(p.numel() for p in model.parameters()) for model in (own, small)]
    assert count[0] - count[1] == 3 * 64 * (49 - 9)
    sides = []
    for model in (own, small):
        model.avgpool.register_forward_hook(lambda module, inputs, output: sides.append(inputs[0].shape[-1]))
        model(torch.zeros(2, 3, 64, 64, device="meta"))
    assert sides == [2, 8]


def test_stem_belongs_to_the_resnets() -> None:
    """Oracle: the module in which torchvision defines each of its models."""
    models = import_torchvision().models
    for name in models.list_models(module=models):
        if models.get_model_builder(name).__module__.endswith(".resnet"):
            check(f"torchvision:{name}", stem="cifar")
        else:
            with pytest.raises(ValueError, match="stem"):
                check(f"torchvision:{name}", stem="cifar")
    with pytest.raises(ValueError, match="stem"):
        on_paper("net1", stem="imagenet")


@pytest.mark.parametrize(("residual", "plain"), TWINS)
def test_twins_share_everything_but_the_shortcut(residual: str, plain: str) -> None:
    side = SIDE[residual]
    torch.manual_seed(3)
    one = build(residual, classes=CLASSES, image_size=side)
    torch.manual_seed(3)
    other = build(plain, classes=CLASSES, image_size=side)
    ours, theirs = one.state_dict(), other.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert [repr(m) for m in one.modules()] == [repr(m) for m in other.modules()]  # dropout rates too
    images = torch.randn(4, 3, side, side)
    for train in (False, True):  # in this order, since training moves the running statistics
        torch.manual_seed(4)  # of the dropout
        x = images
        for layer in one.train(train):  # type: ignore[attr-defined]
            x = layer.body(x).relu() if isinstance(layer, Block) else layer(x)  # the shortcut, cut by hand
        torch.manual_seed(4)
        assert torch.equal(other.train(train)(images), x)
        torch.manual_seed(4)
        assert not torch.equal(one(images), x)


def test_resnet18_without_shortcuts_is_resnet18_but_for_them() -> None:
    """Oracle: torchvision's own blocks, whose shortcut is subtracted again by hand."""
    torch.manual_seed(3)
    whole = build("resnet18", classes=CLASSES, image_size=32).eval()
    torch.manual_seed(3)
    plain = build("resnet18-plain", classes=CLASSES, image_size=32).eval()
    ours, theirs = plain.state_dict(), whole.state_dict()
    assert list(ours) == [key for key in theirs if "downsample" not in key]
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    x = images = torch.randn(2, 3, 32, 32)
    for name, layer in whole.named_children():
        if name.startswith("layer"):
            for block in layer:  # type: ignore[attr-defined]
                x = block.bn2(block.conv2(block.bn1(block.conv1(x)).relu())).relu()
        else:
            x = layer(x.flatten(1) if name == "fc" else x)
    assert torch.equal(plain(images), x)
    assert not torch.equal(whole(images), x)


def test_a_last_relu_leaves_no_negative_logit_and_nothing_else() -> None:
    """And where all logits are 0, nothing is learnt any more: the gradient is none."""
    made = []
    for last in (False, True):
        torch.manual_seed(3)
        made.append(build("alexnet10", classes=CLASSES, image_size=29, last_relu=last).eval())
    images = torch.randn(4, 3, 29, 29)
    assert (made[0](images) < 0).any()
    assert torch.equal(made[0](images).relu(), made[1](images))
    head = head_of(made[1])[1]
    assert isinstance(head, nn.Linear)
    nn.init.constant_(head.bias, -10.0)
    nn.functional.cross_entropy(made[1](images), torch.zeros(4, dtype=torch.long)).backward()  # type: ignore[no-untyped-call]
    assert all(not p.grad.any() for p in made[1].parameters() if p.grad is not None)
    with pytest.raises(ValueError, match="last_relu is a choice of alexnet10, not of net1"):
        on_paper("net1", last_relu=True)


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


def test_block_refuses_to_narrow_and_column_unknown_layers() -> None:
    with pytest.raises(ValueError, match="narrow"):
        Block(4, 2, dropout=0.5, residual=True)
    with pytest.raises(ValueError, match="unknown kind"):
        from_column("x", (("mean", 2),), residual=True, classes=2, image_size=8, dropout=None)


@pytest.mark.parametrize("name", [*REGISTRY, "torchvision:vgg11_bn", "torchvision:densenet121"])
def test_dropout(name: str) -> None:
    def rates(dropout: float | None) -> set[float]:
        return {m.p for m in on_paper(name, dropout=dropout).modules() if isinstance(m, nn.Dropout)}

    if name in NO_DROPOUT or name == "torchvision:densenet121":
        assert rates(None) == rates(0.0) == set()
        with pytest.raises(ValueError, match="dropout"):
            rates(0.2)
    else:
        assert (rates(None), rates(0.0), rates(0.2)) == ({0.5}, {0.0}, {0.2})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"init": "orthogonl"}, "unknown init .* orthogonal"),
        ({"init": "gaussian"}, "positive"),
        ({"init": "gaussian", "init_variance": 0.0}, "positive"),
        ({"init": "gaussian", "init_variance": math.nan}, "positive"),
        ({"init": "xavier", "init_variance": 0.1}, "belongs"),
        ({"activation": "tanh"}, "unknown activation"),
        ({"stem": "small"}, "unknown stem"),
        ({"stem": "cifar"}, "torchvision's ResNets"),
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": -0.1}, "dropout"),
        ({"classes": 0}, "classes"),
        ({"image_size": 0}, "image_size"),
        ({"image_size": 31}, "too small"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        on_paper("net1", **settings)


@pytest.mark.parametrize("name", ["alexnet", "alexnet10", "cnn1", "cnn2", "cnn3", "cnn4", "net1", "net2", "net4"])
def test_smallest_image(name: str) -> None:
    smallest = SIDE.get(name, 64)
    assert on_paper(name, smallest)(torch.zeros(2, 3, smallest, smallest, device="meta")).shape == (2, CLASSES)
    with pytest.raises(ValueError, match="too small"):
        on_paper(name, smallest - 1)


def test_unknown_name_offers_the_closest() -> None:
    with pytest.raises(ValueError, match="did you mean resnet18"):
        check_name("resnet_18")
    with pytest.raises(ValueError, match="known: alexnet"):
        build("zzzz", classes=2, image_size=64)


@pytest.mark.parametrize("name", [n for n in REGISTRY if n not in ("resnet34", "resnet50")])  # these are in no paper
def test_choices_where_a_paper_is_silent_are_written_down(name: str) -> None:
    assert "silent" in (summary(name, **paper_geometry(name)).about or "")


def test_names_and_options_are_checked_without_torch() -> None:
    code = (
        "import sys, ablate.models.registry as m; m.check('net1', init='keras', activation='elu');"
        "m.imagenet_name('torchvision:vgg11'); m.module_of('cnn1'); sys.exit('torch' in sys.modules)"
    )
    source = str(Path(ablate.models.registry.__file__).parents[2])
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": source}, check=True, timeout=60)
    assert INITS[0] == "default"
    assert (module_of("net1"), module_of("torchvision:vgg11")) == ("residual", "torchvision_nets")


def test_contaminated_is_imagenet_on_its_own_images_only() -> None:
    assert contaminated("imagenet", "tiny-imagenet")
    assert not contaminated("imagenet", "cifar10")
    assert not contaminated("pretrain:other-classes", "tiny-imagenet")
