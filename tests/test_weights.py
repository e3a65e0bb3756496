"""Starting weights: what fits is loaded, what does not is refused by name, and no pickle runs."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from ablate.errors import UserError
from ablate.models._torchvision import import_torchvision
from ablate.models.build import build
from ablate.models.registry import imagenet_name
from ablate.models.weights import convert_imagenet, freeze_all_but_head, imagenet_url, load_start, train_mode


def made(name: str = "cifar-resnet7", classes: int = 10, image_size: int = 8, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build(name, classes=classes, image_size=image_size)


def written(model: nn.Module, path: Path) -> Path:
    save_file({key: value.clone() for key, value in model.state_dict().items()}, path)
    return path


def snapshot(model: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def same(model: nn.Module, other: dict[str, torch.Tensor], without: list[str] | None = None) -> bool:
    return all(torch.equal(v, other[k]) for k, v in model.state_dict().items() if k not in (without or []))


def test_the_same_architecture_is_loaded_whole(tmp_path: Path) -> None:
    source, target = made(seed=1), made(seed=2)
    assert load_start(target, written(source, tmp_path / "w.safetensors")) == []
    assert same(target, source.state_dict())
    assert load_start(made(seed=3), source.state_dict()) == []  # a state dict as well as a file


@pytest.mark.parametrize(("classes", "image_size"), [(5, 8), (10, 16)])
def test_a_head_of_another_size_stays_fresh_and_is_reported(classes: int, image_size: int, tmp_path: Path) -> None:
    """Of more classes, and of larger images, where the bias alone would fit."""
    target = made(classes=classes, image_size=image_size, seed=2)
    fresh = snapshot(target)
    source = made(seed=1)
    left = load_start(target, written(source, tmp_path / "w.safetensors"))
    assert left == ["12.bias", "12.weight"]
    assert same(target, source.state_dict(), without=left)
    assert all(torch.equal(target.state_dict()[key], fresh[key]) for key in left)


def test_another_architecture_is_refused_by_name_and_changes_nothing(tmp_path: Path) -> None:
    target = made()
    before = snapshot(target)
    path = written(made("cifar-resnet9"), tmp_path / "nine.safetensors")
    with pytest.raises(UserError) as caught:
        load_start(target, path)
    message = str(caught.value)
    assert message.startswith(f"{path}: weights of another architecture")
    # By hand: nine has a block of 12 entries where seven has its last pooling, and its head one place further on.
    assert "2 missing (12.bias, 12.weight)" in message
    assert "14 unexpected (10.body.0.weight, 10.body.1.bias, " in message and ", ...)" in message
    assert same(target, before)


def test_a_trunk_of_another_shape_is_refused(tmp_path: Path) -> None:
    wide = made().state_dict()
    wide["0.weight"] = torch.zeros(32, 3, 5, 5)
    with pytest.raises(UserError, match=r"these weights: .*: 1 of another shape \(0\.weight\)"):
        load_start(made(), wide)
    with pytest.raises(UserError, match=r"missing \(12\.weight\)"):  # a head may differ, not be absent
        load_start(made(), {key: value for key, value in made().state_dict().items() if key != "12.weight"})


def test_model_5_starts_from_a_resnet_50() -> None:
    """Its two dense layers are new: the ImageNet head goes, and theirs stay fresh."""
    source = made("resnet50", classes=11, image_size=32, seed=1).state_dict()
    old = {key: value for key, value in source.items() if not key.endswith("num_batches_tracked")}  # as in old files
    target = made("cnn5", classes=7, image_size=32, seed=2)
    fresh = snapshot(target)
    left = load_start(target, old)
    assert left == ["fc.0.bias", "fc.0.weight", "fc.2.bias", "fc.2.weight"]
    assert same(target, {**source, **{key: fresh[key] for key in left}})
    assert load_start(target, snapshot(target)) == []
    with pytest.raises(UserError, match="unexpected"):
        load_start(made("resnet18", image_size=32), old)


@pytest.mark.parametrize("damage", ["cut", "text", "missing", "folder", "pickle"])
def test_a_damaged_file_is_named(damage: str, tmp_path: Path) -> None:
    path = written(made(), tmp_path / "w.safetensors")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "text":
        path.write_text("weights")
    elif damage == "pickle":
        torch.save(made().state_dict(), path)
    else:
        path.unlink()
        if damage == "folder":
            path.mkdir()
    with pytest.raises(UserError, match=r"w\.safetensors: cannot be read as safetensors"):
        load_start(made(), path)


# Oracle: names of files that torchvision's weights have had since 2021.
@pytest.mark.parametrize(
    ("name", "file", "digits"),
    [
        ("resnet18", "resnet18-f37072fd.pth", "f37072fd"),
        ("alexnet", "alexnet-owt-7be5be79.pth", "7be5be79"),
        ("cnn5", "resnet50-0676ba61.pth", "0676ba61"),
        ("torchvision:shufflenet_v2_x0_5", "shufflenetv2_x0.5-f707e7126e.pth", "f707e7126e"),
    ],
)
def test_url_and_digest_of_imagenet_weights(name: str, file: str, digits: str) -> None:
    url, prefix = imagenet_url(name)
    assert url.startswith("https://") and url.endswith(f"/{file}") and prefix == digits


def test_every_model_of_torchvision_has_a_url_or_a_refusal() -> None:
    models = import_torchvision().models
    refused = set()
    for name in models.list_models(module=models):
        try:
            _, prefix = imagenet_url(f"torchvision:{name}")
        except UserError:
            refused.add(name)
        else:
            assert len(prefix) in (8, 10)
    assert refused == {"googlenet", "inception_v3", "vit_h_14", "regnet_y_128gf"}
    with pytest.raises(UserError, match="net1 has no ImageNet weights"):
        imagenet_url("net1")
    with pytest.raises(ValueError, match="unknown model"):
        imagenet_name("torchvision:A")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_in_torchvision_s_form_converts_and_loads_equal(zipped: bool, tmp_path: Path) -> None:
    """Both of torch's formats; parameters and plain tensors, and two entries that share their memory."""
    source = made("resnet18", classes=1000, image_size=32, seed=1)
    state: dict[str, Any] = source.state_dict()
    state["fc.bias"] = nn.Parameter(state["fc.bias"])
    state["bn1.bias"] = state["bn1.running_mean"] = state["bn1.bias"].fill_(0.5)
    torch.save(state, tmp_path / "resnet18.pth", _use_new_zipfile_serialization=zipped)
    convert_imagenet(tmp_path / "resnet18.pth", tmp_path / "out" / "resnet18.safetensors")
    loaded = load_file(tmp_path / "out" / "resnet18.safetensors")
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[key], state[key]) for key in state)
    target = made("resnet18", classes=10, image_size=32, seed=2)
    assert load_start(target, tmp_path / "out" / "resnet18.safetensors") == ["fc.bias", "fc.weight"]
    assert same(target, state, without=["fc.bias", "fc.weight"])


def test_old_names_of_densenet_become_the_new_ones(tmp_path: Path) -> None:
    """Oracle: the model itself; the old files have a dot before the 1 and 2 (torchvision/models/densenet.py)."""
    source = made("torchvision:densenet121", image_size=32).state_dict()
    old = {}
    for key, value in source.items():
        for part in ("norm", "conv"):
            for number in "12":
                if "denselayer" in key:
                    key = key.replace(f".{part}{number}.", f".{part}.{number}.")
        old[key] = value
    assert old.keys() != source.keys()
    torch.save(old, tmp_path / "d.pth")
    convert_imagenet(tmp_path / "d.pth", tmp_path / "d.safetensors")
    assert load_file(tmp_path / "d.safetensors").keys() == source.keys()


class Gadget:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (self.mark,)


@pytest.mark.parametrize("form", ["torch", "old torch", "pickle"])
def test_a_pickle_that_runs_code_is_refused_and_not_run(form: str, tmp_path: Path) -> None:
    path, mark = tmp_path / "evil.pth", tmp_path / "mark"
    content = {"conv1.weight": torch.zeros(1), "bomb": Gadget(mark)}
    if form == "pickle":
        path.write_bytes(pickle.dumps(content, protocol=2))  # torch's own
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "torch")
    with pytest.raises(UserError, match=r"evil\.pth: refused"):
        convert_imagenet(path, tmp_path / "out.safetensors")
    assert not mark.exists() and not list(tmp_path.glob("*out*"))
    if form == "pickle":  # the gadget is a real one
        pickle.loads(path.read_bytes())
        assert mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        *({"a": 1}, {1: torch.zeros(1)}, {}, [torch.zeros(1)], torch.zeros(1), {"a": {"b": torch.zeros(1)}}),
        {"a": torch.zeros(2, 2).to_sparse()},
        {"a": torch.zeros(1).expand(10**9)},  # 4 bytes that claim to be 4 GB
    ],
)
def test_anything_but_tensors_by_name_is_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(UserError, match=r"x\.pth: "):
        convert_imagenet(tmp_path / "x.pth", tmp_path / "out.safetensors")
    assert not list(tmp_path.glob("*out*"))


def test_damaged_pth_files_are_refused(tmp_path: Path) -> None:
    """Cut at every 97th byte, in both formats, and not there at all."""
    path = tmp_path / "x.pth"
    for zipped in (True, False):
        torch.save(nn.Linear(3, 2).state_dict(), path, _use_new_zipfile_serialization=zipped)
        whole = path.read_bytes()
        for end in range(0, len(whole) - 1, 97):
            path.write_bytes(whole[:end])
            with pytest.raises(UserError, match=r"x\.pth: refused"):
                convert_imagenet(path, tmp_path / "out.safetensors")
    path.unlink()
    with pytest.raises(UserError, match=r"x\.pth: refused"):
        convert_imagenet(path, tmp_path / "out.safetensors")


def test_only_the_head_trains_and_the_frozen_trunk_stands_still() -> None:
    model = made()
    assert freeze_all_but_head(model) == 128 * 10 + 10  # one pixel is left of eight
    before = snapshot(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    train_mode(model)
    assert model.training
    for _ in range(2):
        loss = nn.functional.cross_entropy(model(torch.randn(4, 3, 8, 8)), torch.arange(4))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {"12.weight", "12.bias"}
    model.train()  # what train_mode is for
    model(torch.randn(4, 3, 8, 8))
    assert not same(model, before, without=["12.weight", "12.bias"])


def test_train_mode_without_frozen_layers_is_train() -> None:
    model = made().eval()
    train_mode(model)
    assert all(module.training for module in model.modules())
    train_mode(nn.BatchNorm2d(2, affine=False))  # normalisation without parameters has none to freeze


def test_both_dense_layers_of_model_5_are_its_head() -> None:
    assert freeze_all_but_head(made("cnn5", classes=200, image_size=32)) == 2_098_176 + 205_000
