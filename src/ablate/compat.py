"""Workarounds for combinations of dependencies that are installable but do not import as they come."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_COMPILER = ("torch._dynamo", "torch._dynamo.utils")
_STUBBED = "torchvision._meta_registrations"
_SYMPTOM = "operator torchvision::nms does not exist"


def import_torchvision() -> ModuleType:
    """Import torchvision, also where its compiled operators cannot load, and return the module.

    A CPU-only torch beside a CUDA-built torchvision (what PyPI's wheels give together) cannot load
    torchvision's compiled library, and `import torchvision` then dies with RuntimeError "operator
    torchvision::nms does not exist": `torchvision._meta_registrations` describes operators that are not
    there. Models and tensor transforms need none of them, so on exactly that error the import is repeated
    with an empty module in that one's place. Operators such as `torchvision.ops.nms` stay unusable then, and
    say so when called. Where the normal import works, this adds nothing to it. Repeating it is free.

    torch's compiler is not imported along with it: see `_without_compiler`.

    Raises:
        ImportError: torchvision is not installed.
        RuntimeError: the import fails for another reason; the error is passed on as it is.
    """
    if "torchvision" in sys.modules:
        return sys.modules["torchvision"]
    try:
        with _without_compiler():
            return _import()
    except (ImportError, AttributeError):  # another torchvision wants more of the compiler, or there is none
        return _import()


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Keep torchvision from importing torch._dynamo, which takes longer than all the rest of torch.

    It takes one function from there, for object detection; here it gets one that imports torch._dynamo when called.
    """
    if _COMPILER[0] in sys.modules:
        yield
        return

    def is_compile_supported(device_type: Any) -> Any:
        return importlib.import_module(_COMPILER[1]).is_compile_supported(device_type)

    for name in _COMPILER:
        sys.modules[name] = ModuleType(name, "Stands in for torch's compiler while torchvision is imported.")
    vars(sys.modules[_COMPILER[1]])["is_compile_supported"] = is_compile_supported
    try:
        yield
    finally:
        for name in _COMPILER:
            del sys.modules[name]


def _import() -> ModuleType:
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if _SYMPTOM not in str(error):
            raise
    except BaseException:
        _forget_torchvision()
        raise
    # Python forgets only the package that failed; finished submodules would stay, bound to the old package.
    _forget_torchvision()
    sys.modules[_STUBBED] = ModuleType(_STUBBED, "Empty: its operators could not be loaded.")
    try:
        return importlib.import_module("torchvision")
    except BaseException:
        _forget_torchvision()
        raise


def _forget_torchvision() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
