"""Importing torchvision with and without its compiled operators, in subprocesses: it is done only once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ablate.models._torchvision

SOURCE = Path(ablate.models._torchvision.__file__).parents[2]
STUB = "torchvision._meta_registrations"


def run(code: str, *first_on_path: Path) -> str:
    path = os.pathsep.join(str(p) for p in (*first_on_path, SOURCE))
    env = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def fake(root: Path, body: str) -> Path:
    package = root / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(body)
    (package / "extension.py").write_text("")
    (package / "_meta_registrations.py").write_text("real = True\n")
    return root


@pytest.mark.slow
def test_torchvision_imports_twice_and_builds_a_network() -> None:
    code = """
import torch
from ablate.models._torchvision import import_torchvision
first = import_torchvision()
assert import_torchvision() is first
import torchvision
assert torchvision is first
from torchvision.transforms import v2
model = first.models.resnet18(weights=None, num_classes=200).eval()
print(tuple(model(torch.zeros(1, 3, 64, 64)).shape))
"""
    assert run(code) == "(1, 200)"


def test_working_torchvision_is_left_alone(tmp_path: Path) -> None:
    root = fake(tmp_path, "ready = True\n")
    code = f"""
import sys
from ablate.models._torchvision import import_torchvision
before = set(sys.modules)
assert import_torchvision().ready
print(sorted(set(sys.modules) - before), {STUB!r} in sys.modules)
"""
    assert run(code, root) == "['torchvision'] False"


def test_missing_operators_are_stubbed_and_the_import_starts_over(tmp_path: Path) -> None:
    body = """
from . import extension, _meta_registrations
if hasattr(_meta_registrations, "real"):
    raise RuntimeError("operator torchvision::nms does not exist")
"""
    code = f"""
import sys
from ablate.models._torchvision import import_torchvision
package = import_torchvision()
assert package.extension is sys.modules["torchvision.extension"]
print(hasattr(sys.modules[{STUB!r}], "real"), import_torchvision() is package)
"""
    assert run(code, fake(tmp_path, body)) == "False True"


def test_other_errors_pass_through_without_a_stub(tmp_path: Path) -> None:
    root = fake(tmp_path, "raise RuntimeError('compiled with different CUDA major versions')\n")
    code = f"""
import sys
from ablate.models._torchvision import import_torchvision
try:
    import_torchvision()
except RuntimeError as error:
    print(error, {STUB!r} in sys.modules)
"""
    assert run(code, root) == "compiled with different CUDA major versions False"


@pytest.mark.slow
def test_torchvision_does_not_bring_what_no_classifier_needs() -> None:
    """Oracle: sys.modules, and torch's own answer to the question that the stand-in passes on."""
    code = """
import sys
from ablate.models._torchvision import import_torchvision
vision = import_torchvision()
vision.models.resnet18
print(*(name in sys.modules for name in ("torch._dynamo", "torch.onnx", "torchvision.datasets")))
ours = sys.modules["torchvision.ops.roi_align"].is_compile_supported("cpu")
from torch._dynamo.utils import is_compile_supported
print(ours == is_compile_supported("cpu"))
print(vision.datasets.CIFAR10.__module__)
from torchvision import datasets
print(datasets is vision.datasets, hasattr(vision, "nonsense"))
"""
    assert run(code).split() == ["False"] * 3 + ["True", "torchvision.datasets.cifar", "True", "False"]


@pytest.mark.slow
def test_a_torchvision_that_wants_more_of_the_compiler_gets_it(tmp_path: Path) -> None:
    root = fake(tmp_path, "from . import extension\nfrom torch._dynamo.eval_frame import is_dynamo_supported\n")
    code = """
import sys
from ablate.models._torchvision import import_torchvision
package = import_torchvision()
print(package.is_dynamo_supported.__module__, package.extension is sys.modules["torchvision.extension"])
"""
    assert run(code, root) == "torch._dynamo.eval_frame True"
