"""Which source files a step depends on. Oracle: the import statements themselves, followed from its command."""

import ast
from pathlib import Path

import pytest

from ablate.kinds import FIGURES, TABLES
from ablate.models import REGISTRY
from ablate.provenance import CODE, PACKAGE, code_of

# What no result's value follows from: reading parameters, writing files, messages, progress, the record of origin.
AROUND = {
    "__init__", "config", "plan", "errors", "files", "progress", "provenance", "compat", "resources", "cli", "steps",
    "interrupt", "checkpoint", "gpus", "slots", "recipe_rules", "status", "plan_record", "results_cli", "keys",
    "records", "seals", "receipts", "words", "stored", "takeover", "data.__init__", "plain_yaml", "reserved",
    "fit_rules",
}  # fmt: skip
START = {
    "verify": "data.verify", "reorganise": "data.reorganise", "pack": "data.pack", "describe": "data.describe",
    "train": "train", "collect": "collect", "tables": "tables", "compare": "compare", "claims": "board",
    "calibrate": "calibration", "figures": "figures", "report": "report",
}  # fmt: skip
# Not followed: imported for a type, for reading an index, or by a function that the step does not call.
NOT_USED = {
    "pack": {"data.verify"},
    "reorganise": {"data.verify"},
    "describe": {"data.verify", "data.layouts"},
    "train": {"data.layouts"},
    "tables": {"data.layouts"},
    "figures": {"models", "layers", "data.layouts"},
    "report": {"models"},
    "claims": {"data.layouts", "data.views", "augment"},  # by way of the other figures
}


def file_of(module: str) -> Path | None:
    path = PACKAGE / Path(*module.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.exists()), None)


def imported(module: str) -> set[str]:
    """The package's own modules that ``module`` imports anywhere in its text."""
    path = file_of(module)
    assert path is not None, module
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ablate"):
            base = (node.module or "").removeprefix("ablate").removeprefix(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".strip(".")
                found.add(inner if file_of(inner) else base or "__init__")
    return found


def reached(module: str, leave: set[str]) -> set[str]:
    seen, waiting = set(), [module]
    kinds = {"tables": TABLES, "figures": FIGURES}.get(module, {})  # named in kinds.py, imported when asked for
    waiting += [kind.make.split(":")[0] for kind in kinds.values()]
    while waiting:
        here = waiting.pop()
        if here in seen or here in leave:
            continue
        seen.add(here)
        waiting += imported(here)
    return seen


@pytest.mark.parametrize("step", CODE)
def test_a_step_lists_every_module_that_it_reaches(step: str) -> None:
    listed = {path.resolve() for path in code_of(step)}
    leave = AROUND | NOT_USED.get(step, set())
    families = {REGISTRY[name].split(":")[0] for name in REGISTRY} if step == "train" else set()
    for module in reached(START[step], leave):
        path = file_of(module)
        assert path is not None
        if module.removeprefix("models.") in families:  # added for the run's own network
            continue
        assert path.resolve() in listed, f"{step}: {module} is imported and not in provenance.CODE"


def test_every_listed_file_exists_and_a_network_adds_its_own() -> None:
    for step, names in CODE.items():
        for name in names:
            assert list(PACKAGE.glob(name)), f"{step}: there is no {name}"
    assert code_of("train", "net3")[-1].name == "residual.py"
    assert code_of("train", "torchvision:vgg11")[-1].name == "torchvision_nets.py"
