"""Class names that are typed wrong: refused by whoever first knows the classes, before any run."""

import subprocess
import sys
from pathlib import Path

import pytest

from ablate.errors import UserError
from ablate.plan.params import load
from ablate.plan.runs import make_plan
from ablate.workflow.named_classes import check_classes, classes_named
from conftest import TINY, Workspace

WRONG = TINY.replace("per_class: 5}", "classes: [cat, dgo]}")
ARM = "params.yaml: studies.resnet-vs-plain.shallow: arm 'cifar-resnet7': classes"


def test_the_names_that_a_plan_asks_for_and_who_asks(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(WRONG)
    plan = make_plan(load(path))
    assert classes_named(plan, "cifar10") == {"cat": ARM, "dgo": ARM} and classes_named(plan, "other") == {}
    path.write_text(TINY)
    assert classes_named(make_plan(load(path)), "cifar10") == {}
    start = "pretraining: {p: {classes: [dog, cta]}}\nstudies:\n"
    path.write_text(TINY.replace("studies:\n", start).replace("{lr: 0.02}", "{lr: 0.02, weights: 'pretrain:p'}"))
    assert set(classes_named(make_plan(load(path)), "cifar10")) == {"dog", "cta"}
    with pytest.raises(UserError, match=r"dgo.*did you mean 'dog'") as caught:
        check_classes({"cat": "x", "dgo": ARM}, ["cat", "dog"])
    assert str(caught.value).startswith(ARM)


@pytest.mark.slow
def test_a_wrong_name_ends_the_workflow_before_any_run(workspace: Workspace) -> None:
    """First when the pack is made in the same start, then when it is there."""
    workspace.params.write_text(WRONG)
    first = workspace.snakemake("all")
    assert first.returncode and f"{ARM}: unknown class 'dgo'" in first.stdout + first.stderr
    assert not list(workspace.folder.glob("results/runs/*"))
    workspace.params.write_text(TINY)
    workspace.jobs("packs")
    workspace.params.write_text(WRONG)
    for command in (["snakemake", "--cores", "1", "-n", "all"], ["ablate", "plan"]):
        done = workspace.run(*command)
        said = done.stdout + done.stderr
        assert done.returncode and f"{ARM}: unknown class 'dgo'" in said and "Traceback" not in said


def test_a_plan_imports_no_torch(tmp_path: Path) -> None:
    """Not even where it names a network of torchvision's, ImageNet's weights and a file of weights."""
    header = b"{}" + b" " * 6
    (tmp_path / "w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    axes = "{model: ['torchvision:resnet18', cifar-plain7], weights: [scratch, 'file:w.safetensors']}"
    (tmp_path / "params.yaml").write_text(TINY.replace("{model: [cifar-resnet7, cifar-plain7]}", axes))
    code = "import sys; from pathlib import Path; from ablate.plan.params import load; "
    code += "from ablate.plan.runs import make_plan; "
    code += (
        "make_plan(load(Path('params.yaml'))); sys.exit(bool({'torch', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
