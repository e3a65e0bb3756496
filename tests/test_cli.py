"""Commands that need no workflow: `ablate model`, `ablate imagenet` and `--version`."""

import hashlib
import json
import tomllib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ablate.cli import main as cli
from ablate.files import read_json
from ablate.models import weights
from ablate.models._torchvision import import_torchvision
from conftest import ROOT


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["ablate", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_version_is_the_project_s(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--version") == 0
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert capsys.readouterr().out.strip() == f"ablate {stated}"


def test_model_prints_the_paper_s_count(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: alexnet-vs-resnet's 57,823,240; and torchvision's documented 69.76 M of ResNet-50's 25,557,032."""
    assert run(monkeypatch, "model", "alexnet") == 0
    assert "57,823,240" in capsys.readouterr().out
    assert run(monkeypatch, "model", "resnet50", "--classes", "1000", "--size", "224", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["params"] == 25_557_032
    assert {"params", "buffers", "keras_total", "layers"} <= found.keys()
    assert sum(layer["params"] for layer in found["layers"]) == found["params"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["resnet81"], "did you mean resnet18"),
        (["torchvision:resnet81"], "did you mean torchvision:resnet18"),
        (["alexnet", "--size", "32"], "32x32 pixels are too small"),
        (["alexnet", "--stem", "cifar"], "stem"),
        (["alexnet", "--last-relu"], "last_relu is a choice of alexnet10"),
        (["alexnet", "--classes", "0"], "classes"),
        (["alexnet", "--activation", "rule"], "unknown activation 'rule'"),
    ],
)
def test_model_refuses(
    words: list[str], expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "model", *words) == 2
    assert expected in capsys.readouterr().err


def test_imagenet_weights_come_from_a_mirror_by_the_digest_in_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Oracle: a file of torchvision's own form, saved by torch.save under a name that carries its digest."""
    net = import_torchvision().models.resnet18(weights=None)
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    torch.save(net.state_dict(), mirror / "x.pth")
    sha256 = hashlib.sha256((mirror / "x.pth").read_bytes()).hexdigest()
    name = f"resnet18-{sha256[:8]}.pth"
    (mirror / "x.pth").rename(mirror / name)
    monkeypatch.setattr(weights, "imagenet_url", lambda model: (f"https://example.invalid/{name}", sha256[:8]))
    words = ["--output", str(tmp_path / "out/resnet18.safetensors"), "--receipt", str(tmp_path / "out/resnet18.json")]
    assert run(monkeypatch, "imagenet", "--model", "resnet18", "--mirror", str(mirror), *words) == 0
    loaded = load_file(tmp_path / "out/resnet18.safetensors")
    assert loaded.keys() == net.state_dict().keys()
    assert all(torch.equal(loaded[key], value) for key, value in net.state_dict().items())
    assert read_json(tmp_path / "out/resnet18.json")["sha256"] == sha256
    assert not list((tmp_path / "out").glob("*.pth"))

    (mirror / name).write_bytes(b"PK another")
    (tmp_path / "out/resnet18.safetensors").unlink()
    monkeypatch.setattr("ablate.data.download.ATTEMPTS", 1)
    assert run(monkeypatch, "imagenet", "--model", "resnet18", "--mirror", str(mirror), *words) == 2
    assert "wrong digest" in capsys.readouterr().err
    assert not (tmp_path / "out/resnet18.safetensors").exists()
