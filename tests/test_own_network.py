"""Networks of the user's own. Oracles: torch itself for what is built, an edit made by hand for what is due, and for
each mistake the words that tell it: the file, the line, the name or the key that is wrong."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ablate.data.views import Pack
from ablate.errors import UserError
from ablate.models._torchvision import import_torchvision
from ablate.models.build import build
from ablate.models.own_signature import signature
from ablate.models.structure import structure
from ablate.own_code import files
from ablate.plan import code, cost
from ablate.plan.fit_rules import timm_names
from ablate.plan.keys import run_key
from ablate.plan.params import load
from ablate.plan.project import open_project
from ablate.plan.receipts import rendering
from ablate.plan.runs import Run, make_plan
from ablate.plan.settings import Settings
from ablate.train.job import train
from ablate.train.trainer import Trainer
from conftest import DRAWN, ROOT, TINY, Ablate

NET = '''
import torch
from torch import nn
from layers import block


class Net(nn.Module):
    """Blocks of one width."""

    def __init__(self, n_classes, width=4, depth=1, norm=True):
        super().__init__()
        self.body = nn.Sequential(*[block(3 if i == 0 else width, width, norm) for i in range(depth)])
        self.head = nn.Linear(width, n_classes)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))


class Wider(Net):
    pass


def perceptron(num_classes, image_size, channels, hidden=8):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_size**2, hidden), nn.ReLU(), nn.Dropout(0.5),
                         nn.Linear(hidden, num_classes))
'''
LAYERS = """
from torch import nn


def block(inputs, outputs, norm):
    layers = [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs) if norm else nn.Identity(), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(2))
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a network in it; what Python has imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # an edit within a second would be passed over
    (tmp_path / "nets.py").write_text(NET)
    (tmp_path / "layers.py").write_text(LAYERS)
    forget()
    return tmp_path


def forget() -> None:
    for name in ("layers", "part"):
        sys.modules.pop(name, None)
    for cached in (code.code_digest, code._followed, cost._counted):
        cached.cache_clear()


def made(model: str = "nets.py:Net", classes: int = 5, side: int = 16, seed: int = 0, **options: Any) -> nn.Module:
    torch.manual_seed(seed)
    return build(model, classes=classes, image_size=side, **options)


def shapes(model: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for p in model.parameters()]


def test_it_is_called_with_what_it_takes() -> None:
    """Shapes by hand: a class with n_classes, one that inherits it, a function with num_classes, side, channels."""
    conv = [(6, 3, 3, 3), (6,), (6,), (6,)]
    assert shapes(made(model_args={"width": 6})) == [*conv, (5, 6), (5,)]
    assert shapes(made("nets.py:Wider", model_args={"width": 6})) == [*conv, (5, 6), (5,)]
    assert shapes(made("nets.py:perceptron", side=8)) == [(8, 3 * 8 * 8), (8,), (5, 8), (5,)]


def test_its_weights_are_those_that_torch_draws_from_the_seed() -> None:
    sys.path.insert(0, "")
    import nets  # type: ignore[import-not-found]

    torch.manual_seed(3)
    theirs = nets.Net(n_classes=5).state_dict()
    ours = made(seed=3).state_dict()
    assert all(torch.equal(theirs[key], ours[key]) for key in theirs)
    assert not torch.equal(made(seed=4).state_dict()["head.weight"], ours["head.weight"])
    assert all(module.training for module in made().modules())


def test_axes_of_networks_act_on_it() -> None:
    kinds = [type(module) for module in made(activation="silu").modules()]
    assert nn.SiLU in kinds and nn.ReLU not in kinds
    weight = made(init="gaussian", init_variance=4.0, model_args={"width": 64}).get_submodule("body.0.0").weight
    assert torch.std(weight).item() == pytest.approx(2.0, rel=0.1)
    rates = [m.p for m in made("nets.py:perceptron", dropout=0.2).modules() if isinstance(m, nn.Dropout)]
    assert rates == [0.2]


def test_it_is_drawn_with_the_shapes_that_it_has() -> None:
    found = structure(made(), (3, 16, 16))
    assert [box.shape for box in found.boxes][:3] == [(3, 16, 16), (4, 16, 16), (4, 16, 16)]
    assert found.boxes[-1].shape == (5,)


BAD: dict[str, tuple[str, list[str]]] = {
    "an import that fails": (
        "import nothing_of_the_kind\ndef Net(n_classes): ...",
        ["bad.py, line 1: ModuleNotFoundError", "nothing_of_the_kind"],
    ),
    "an error in the file": (
        "x = 1 / 0\ndef Net(n_classes): ...",
        ["cannot be imported: bad.py, line 1: ZeroDivisionError"],
    ),
    "a Python module's name": ("", ["has the name of a Python module"]),
    "the end of the program": ("import sys\nNet = sys.exit(3)", ["bad.py, line 2: SystemExit: 3"]),
    "no callable": ("Net = 3", ["Net cannot be called"]),
    "no such name": ("class Nett: ...", ["'Net'", "did you mean 'Nett'?"]),
    "no Python": ("def Net(:", ["bad.py, line 1: invalid syntax"]),
    "a constructor that raises": (
        "from torch import nn\nclass Net(nn.Module):\n  def __init__(self, n_classes):\n    raise KeyError('w')",
        ["Net(n_classes=5) fails: bad.py, line 4: KeyError: 'w'"],
    ),
    "no network": ("def Net(n_classes): return 5", ["Net(n_classes=5) gives a int", "torch.nn.Module"]),
    "a wrong head": (
        "from torch import nn\ndef Net(n_classes): return nn.Sequential(nn.Flatten(), nn.Linear(768, 7))",
        ["has 7 outputs", "5 classes"],
    ),
    "an output that is not 2-D": (
        "from torch import nn\ndef Net(n_classes): return nn.Conv2d(3, n_classes, 1)",
        ["a tensor (2, 5, 16, 16) for 2 images", "(2, 5)", "flatten"],
    ),
    "two outputs": (
        "from torch import nn\nclass Net(nn.Linear):\n  def __init__(self, n_classes): super().__init__(16, 5)\n"
        "  def forward(self, x): return x, x",
        ["gives a tuple", "one tensor"],
    ),
    "another size": (
        "from torch import nn\nclass Net(nn.Module):\n  def __init__(self, n_classes):\n    super().__init__()\n"
        "    self.a = nn.Linear(3 * 64 * 64, n_classes)\n  def forward(self, x):\n    return self.a(x.flatten(1))",
        ["cannot take images of 16x16 pixels: bad.py, line 7: RuntimeError"],
    ),
    "other weights each time": (
        "import os\nfrom torch import nn\ndef Net(n_classes):\n"
        "  net = nn.Sequential(nn.Flatten(), nn.Linear(768, 5))\n"
        "  net[1].bias.data[0] = int.from_bytes(os.urandom(3), 'big')\n  return net",
        ["1.bias is another each time"],
    ),
    "nothing to train": ("from torch import nn\ndef Net(n_classes): return nn.Flatten()", ["no parameter to train"]),
    "classes that it does not take": ("def Net(classes): ...", ["does not take n_classes"]),
    "an argument that it needs": ("def Net(n_classes, width): ...", ["needs width", "width: ..."]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_one_message_with_its_place(case: str, project: Path, ablate: Ablate) -> None:
    text, words = BAD[case]
    file = "bad.py" if text else "random.py"
    (project / file).write_text(text)
    ended, out, err = ablate("model", f"{file}:Net", "--classes", "5", "--size", "16")
    assert (ended, out, len(err.splitlines())) == (2, "", 1), err
    assert err.startswith("ablate: error: ") and all(word in err for word in words), err


def test_draws_of_python_and_numpy_are_seeded_too(project: Path) -> None:
    draws = "self.a = nn.Parameter(torch.tensor([random.random(), np.random.rand()]))"
    (project / "bad.py").write_text(
        f"import random, numpy as np, torch\nfrom torch import nn\nclass Net(nn.Linear):\n"
        f"  def __init__(self, n_classes):\n    super().__init__(768, n_classes)\n    {draws}\n"
        f"  def forward(self, x): return super().forward(x.flatten(1))\n"
    )
    first, same, other = (made("bad.py:Net", seed=seed).get_parameter("a") for seed in (1, 1, 2))
    assert torch.equal(first, same) and not torch.equal(first, other)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"activation": "elu", "model": "bad.py:functional"}, ["activation", "as a function", "nn.ReLU"]),
        ({"activation": "elu", "model": "bad.py:linear"}, ["no ReLU layer"]),
        ({"dropout": 0.3}, ["dropout", "no dropout module", "model_args: {dropout: 0.3}"]),
        ({"stem": "cifar"}, ["stem"]),
        ({"last_relu": True}, ["last_relu"]),
        ({"init": "kaiming", "model": "bad.py:scale"}, ["init", "Conv2d and Linear", "none"]),
    ],
)
def test_an_axis_that_cannot_act_is_refused(options: dict[str, Any], words: list[str], project: Path) -> None:
    (project / "bad.py").write_text(
        "import torch\nfrom torch import nn\nfrom nets import Net\n"
        "class functional(Net):\n  def forward(self, x): return torch.relu(super().forward(x))\n"
        "def linear(n_classes): return nn.Sequential(nn.Flatten(), nn.Linear(768, n_classes))\n"
        "class scale(nn.Module):\n  def __init__(self, n_classes):\n    super().__init__()\n"
        "    self.a = nn.Parameter(torch.ones(n_classes))\n"
        "  def forward(self, x): return x.mean((1, 2, 3))[:, None] * self.a\n"
    )
    with pytest.raises((UserError, ValueError)) as caught:
        made(**options)
    assert all(word in str(caught.value) for word in words), caught.value


# The plan.

OWN = TINY.replace(
    "  tinyimage10:\n    optimiser:\n      settings: {lr: 0.02}\n",
    "  tinyimage10:\n    optimiser:\n      settings: {model: 'nets.py:Net', width: 6}\n      axes: {depth: [1, 2]}\n",
)


def planned(text: str = OWN) -> list[Run]:
    Path("params.yaml").write_text(text)
    return list(make_plan(load(Path("params.yaml"))).runs.values())


def test_its_arguments_are_settings_and_axes() -> None:
    of_own = [run.settings.model_args for run in planned() if run.settings.model == "nets.py:Net"]
    assert of_own == [{"width": 6, "depth": 1}, {"width": 6, "depth": 2}]
    said = OWN.replace("width: 6", "model_args: {width: 6}").replace(
        "{depth: [1, 2]}", "{model-args: [{label: a, depth: 1}, {label: b, model_args: {depth: 2}}]}"
    )
    assert [run.id for run in planned(said)] == [run.id for run in planned()]  # other words for the same
    assert all(Run.from_json(run.to_json()) == run for run in planned())
    assert {run.id for run in planned(TINY)} >= {run.id for run in planned() if run.settings.model_args is None}


REFUSED = {
    "an argument misspelt": ("width: 6", "widht: 6", ["settings.widht", "did you mean 'width'?"]),
    "a setting misspelt": ("width: 6", "epohcs: 6", ["settings.epohcs", "did you mean 'epochs'?"]),
    "an axis misspelt": ("depth: [", "dept: [", ["axes.dept", "did you mean 'depth'?"]),
    "in model_args": ("width: 6", "model_args: {with: 6}", ["settings.model", "'with'", "did you mean 'width'?"]),
    "what the data set gives": ("width: 6", "model_args: {n_classes: 6}", ["n_classes follows from the data set"]),
    "no file": ("nets.py:Net", "net.py:Net", ["settings.model", "there is no file net.py"]),
    "no such network": ("nets.py:Net", "nets.py:Nett", ["settings.model", "did you mean 'Net'?"]),
    "no name": ("nets.py:Net", "nets.py", ["settings.model", "FILE.py:NAME"]),
    "a file above": ("nets.py:Net", "../nets.py:Net", ["settings.model", "FILE.py:NAME"]),
    "a list of lists": ("width: 6", "width: [[6]]", ["settings.width: must be a number, text"]),
    "arguments of a network of ours": (
        "'nets.py:Net', width: 6}\n      axes: {depth: [1, 2]}", "resnet18, model_args: {width: 6}}",
        ["settings.model_args: model_args are for networks of your own"],
    ),
    "free keys, another network": ("'nets.py:Net', width: 6", "resnet18, width: 6", ["settings.width: unknown key"]),
    "ImageNet's weights": ("width: 6", "width: 6, weights: imagenet", ["no ImageNet weights"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_plan_refuses(case: str) -> None:
    old, new, words = REFUSED[case]
    assert old in OWN
    with pytest.raises(UserError) as caught:
        planned(OWN.replace(old, new))
    assert all(word in str(caught.value) for word in words), caught.value


def test_planning_runs_none_of_it(project: Path) -> None:
    """Oracle: a file that would leave a trace, and sys.modules of a whole `ablate plan`."""
    (project / "nets.py").write_text(f"open('trace', 'w')\n{NET}")
    Path("params.yaml").write_text(OWN)
    code = (
        "import sys\nfrom pathlib import Path\nfrom ablate.plan.params import load\n"
        "from ablate.plan.runs import make_plan\nfrom ablate.workflow.due import Keys\n"
        "p = load(Path('params.yaml')); plan = make_plan(p)\n"
        "[Keys(p, plan).run_reason(run) for run in plan.runs.values()]\nprint({'torch', 'nets'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, Path("trace").exists()) == ("set()\n", False), done.stderr


def digests() -> dict[str, str | None]:
    forget()
    return {model: run_key(run_of(model=model), "", None)["code"] for model in ("nets.py:Net", "cnn1")}


@pytest.mark.parametrize(
    ("file", "old", "new", "due"),
    [
        ("nets.py", "width=4", "width=5", True),
        ("layers.py", "padding=1", "padding=2", True),  # imported by it
        ("nets.py", "Blocks of one width", "Words", False),
        ("layers.py", "\n\n\n", "\n\n\n# why\n", False),
        ("other.py", "", "x = 1", False),
    ],
)
def test_an_edit_of_its_files_makes_its_runs_due_and_no_others(file: str, old: str, new: str, due: bool) -> None:
    Path("other.py").touch()
    before = digests()
    Path(file).write_text(Path(file).read_text().replace(old, new, 1) if old else new)
    after = digests()
    assert {model for model in before if before[model] != after[model]} == ({"nets.py:Net"} if due else set())


def test_its_files_are_followed_through_folders(project: Path) -> None:
    """Oracle: what Python itself imports."""
    inner = project / "inner"
    inner.mkdir()
    (inner / "net.py").write_text("from part import head\ndef Net(n_classes): return head(n_classes)\n")
    (inner / "part.py").write_text(
        "from torch import nn\ndef head(n): return nn.Sequential(nn.Flatten(), nn.Linear(768, n))\n"
    )
    assert [*map(str, files("inner/net.py:Net"))] == ["inner/net.py", "inner/part.py"]
    assert shapes(made("inner/net.py:Net")) == [(5, 768), (5,)]
    assert planned(OWN.replace("'nets.py:Net', width: 6", "'inner/net.py:Net'").replace("depth: [1, 2]", "lr: [0.1]"))


def test_what_only_running_it_would_tell_is_not_guessed(project: Path) -> None:
    (project / "bad.py").write_text(
        "from functools import partial\nfrom dataclasses import dataclass\nfrom nets import Net as Other\n"
        "A = partial(Other)\n"
        "@dataclass\nclass B: ...\nclass C(A): ...\nfrom torchvision.models import *\n"
    )
    assert [signature(Path("bad.py"), name) for name in ("A", "B", "C", "D")] == [None] * 4
    found = signature(Path("bad.py"), "Other")
    assert found and found.names == ("n_classes", "width", "depth", "norm") and found.needed == ("n_classes",)


# The run.


def run_of(**changes: Any) -> Run:
    base = {"dataset": "cifar10", "model": "nets.py:Net", "optimizer": "sgd", "lr": 0.02, "epochs": 2,
            "batch_size": 16, "per_class": 4}  # fmt: skip
    return Run(settings=Settings.model_validate(base | changes), seed=0, recipe=1, variant="embedded")


def trained(run: Run, packs: dict[str, Path], name: str = "run") -> dict[str, Any]:
    train(run, pack=packs["cifar10"], out=Path(name), weights=Path(name) / "weights.safetensors", device="cpu")
    found: dict[str, Any] = json.loads((Path(name) / "metrics.json").read_text())
    return found


@pytest.mark.slow
def test_a_run_of_it_repeats_to_the_byte(packs: dict[str, Path]) -> None:
    run = run_of(model_args={"width": 8}, activation="gelu", init="kaiming", batchnorm="reestimated")
    assert trained(run, packs, "a")["status"] == "done"
    trained(run, packs, "b")
    for name in ("metrics.json", "history.csv", "predictions.csv", "filters.npy", "weights.safetensors"):
        assert (Path("a") / name).read_bytes() == (Path("b") / name).read_bytes()


@pytest.mark.slow
def test_a_network_without_convolutions_leaves_no_filters(packs: dict[str, Path]) -> None:
    assert trained(run_of(model="nets.py:perceptron"), packs)["status"] == "done"
    assert np.load("run/filters.npy").shape == (0, 3, 1, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_args": {"norm": False}, "batchnorm": "reestimated"}, ["batchnorm", "no batch normalisation"]),
        ({"model": "bad.py:late"}, ["training stopped at bad.py, line 7: RuntimeError: not now"]),
        ({"model": "bad.py:scale", "finetune": "head", "weights": "file:x"}, ["no linear or convolutional layer"]),
    ],
)
def test_a_run_stops_with_one_message(changes: Any, words: list[str], packs: dict[str, Path], project: Path) -> None:
    (project / "bad.py").write_text(
        "import torch\nfrom torch import nn\nfrom nets import Net\n"
        "class late(Net):\n  def forward(self, x):\n    if len(x) > 2:\n      raise RuntimeError('not now')\n"
        "    return super().forward(x)\n"
        "class scale(nn.Module):\n  def __init__(self, n_classes):\n    super().__init__()\n"
        "    self.a = nn.Parameter(torch.ones(n_classes))\n"
        "  def forward(self, x): return x.mean((1, 2, 3))[:, None] * self.a\n"
    )
    with pytest.raises(UserError) as caught:
        trained(run_of(**changes), packs)
    assert all(word in str(caught.value) for word in words), caught.value


# The command, and what is estimated.


def test_ablate_model_takes_its_arguments_and_keeps_the_count(ablate: Ablate) -> None:
    """Multiply-adds by hand: 3x3 convolutions from 3 to 6 at 16 pixels and 6 to 6 at 8, and a layer of 6 by 5."""
    ended, out, err = ablate(
        "model", "nets.py:Net", "--classes", "5", "--size", "16", "--width", "6", "--depth=2", "--json"
    )
    assert ended == 0, err
    found = json.loads(out)
    adds = 9 * 3 * 6 * 16**2 + 9 * 6 * 6 * 8**2 + 6 * 5
    assert (found["multiply_adds"], found["network"]) == (adds, "nets.py:Net(depth=2, width=6)")
    assert found["about"] == "Blocks of one width."
    network = run_of(model_args={"width": 6, "depth": 2}).settings.network
    assert cost.multiply_adds(network, 32) == 4 * adds
    Path("nets.py").write_text(NET.replace("width=4", "width=5"))
    forget()
    assert cost.known_network(network) is None  # counted of other code


def test_ablate_model_refuses_what_it_does_not_know(ablate: Ablate) -> None:
    for words, said in (
        (["nets.py:Net", "--widht", "6"], "did you mean 'width'?"),
        (["resnet18", "--clases", "6"], "did you mean '--classes'?"),
        (["nets.py:Net", "--width"], "has no value"),
        (["nets.py:Net", "cnn1"], "one network at a time"),
        (["nots.py:Net"], "there is no file nots.py"),
    ):
        ended, out, err = ablate("model", *words)
        assert (ended, out, len(err.splitlines())) == (2, "", 1) and said in err, err


PAGE = (ROOT / "docs/your-study.md").read_text()


def test_the_page_shows_what_the_commands_print(ablate: Ablate, project: Path) -> None:
    """Oracle: the page's own network, and what each command printed there prints."""
    blocks = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
    (project / "my_models.py").write_text(next(text for _, text in blocks if text.startswith("# my_models.py")))
    for shown in [text for kind, text in blocks if kind == "text" and "$ ablate model" in text]:
        said = ""
        for command in re.findall(r"^\$ ablate (.*)$", shown, re.MULTILINE):
            _, out, err = ablate(*command.split())
            said += f"$ ablate {command}\n" + "".join(f"{line.rstrip()}\n" for line in (out + err).splitlines())
        assert said == shown
    studies = next(text for kind, text in blocks if kind == "yaml" and "my_models.py" in text)
    runs = planned(TINY.replace("studies:\n", studies))
    own = [run.settings.model_args for run in runs if run.settings.model == "my_models.py:Net"]
    assert own == [{"depth": 3, "width": 8}, {"depth": 3, "width": 32}]


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures_left")
def test_a_figure_and_a_table_show_it(packs: dict[str, Path], project: Path) -> None:
    """Oracle: shapes and counts by hand, of the arguments that the first arm with it has."""
    from ablate.tables.networks import layers
    from drawn import fabricate, study, texts

    planned = study({"width": ["wide"]}, model="nets.py:Net", model_args={"width": 6})
    made = fabricate(planned, project, packs)
    assert "6×64×64" in texts(made.draw("network:nets.py:Net"))
    assert made.draw("cost")
    rows = layers(made.results, "nets.py:Net").rows
    assert rows[-3]["Param #"] == 6 * 3 * 9 + 6 + 2 * 6 + 6 * 10 + 10


def test_an_edit_of_it_draws_it_anew() -> None:
    """Where nothing but its drawing follows from it; the other paper's figures do not."""
    Path("papers").mkdir()
    for name, text in DRAWN.items():
        Path(f"papers/{name}.yaml").write_text(text.replace("curves", "network:nets.py:Net", name == "tinyimage10"))
    Path("params.yaml").write_text(TINY)

    def inputs() -> dict[str, list[str | None]]:
        forget()
        jobs = rendering(open_project(Path("params.yaml")).record, Path("results/tiny/plan.json"))
        return {name: [job.code] for name, job in jobs.items()}

    before = inputs()
    Path("layers.py").write_text(LAYERS.replace("3, padding=1", "5, padding=2"))
    assert [name for name, found in inputs().items() if found != before[name]] == ["figures_tinyimage10"]


# Of others.


@pytest.mark.slow
@pytest.mark.skipif(not timm_names(), reason="timm, an extra, is not installed")
def test_timm_s_networks_by_name(packs: dict[str, Path]) -> None:
    """Oracle: timm itself, for the names and for a network's parameters."""
    import_torchvision()
    import timm

    assert timm_names() == {*timm.list_models()}
    theirs = timm.create_model("vit_tiny_patch16_224", num_classes=5, img_size=32)
    assert shapes(made("timm:vit_tiny_patch16_224", side=32)) == shapes(theirs)
    assert trained(run_of(model="timm:mobilenetv3_small_050", epochs=1), packs)["status"] == "done"
    with pytest.raises(ValueError, match=r"timm has no model 'resnet19'; did you mean timm:resnet"):
        made("timm:resnet19")


def test_where_timm_is_missing_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said = TINY.replace("model: cifar-plain7", "model: 'timm:resnet18'").replace("axes: {model:", "axes: {models:")
    said = re.sub(r"axes: \{models: .*\}", "settings: {}", said)
    if timm_names():
        assert planned(said)
        with pytest.raises(UserError, match=r"'timm:resnet19'; allowed: .*; did you mean 'timm:resnet1"):
            planned(said.replace("resnet18", "resnet19"))
    monkeypatch.setattr("ablate.plan.fit_rules.timm_names", frozenset)
    with pytest.raises(UserError, match=r"model: timm:resnet18: timm is not installed; pip install 'ablate\[timm\]'"):
        planned(said)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match=r"pip install 'ablate\[timm\]'"):
        made("timm:resnet18")


def test_a_step_of_it_is_gone_on_with(packs: dict[str, Path], project: Path) -> None:
    """Its forward pass draws from Python's generator: a run that goes on draws what it would have drawn."""
    (project / "bad.py").write_text(
        "import random\nfrom nets import Net\nclass noisy(Net):\n"
        "  def forward(self, x): return super().forward(x) * (1 + random.random() * self.training)\n"
    )
    opened = Pack.open(packs["cifar10"])

    def losses(before: int) -> list[float]:
        trainer = Trainer(run_of(model="bad.py:noisy"), opened, None, 1, torch.device("cpu"))
        for _ in range(before):
            trainer.step()
        state = trainer.state()
        again = Trainer(run_of(model="bad.py:noisy"), opened, None, 1, torch.device("cpu"))
        again.load(state)
        return [float(again.step()) for _ in range(2 - before)]

    assert losses(0)[1:] == losses(1)
