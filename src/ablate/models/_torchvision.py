"""Workarounds for combinations of dependencies that are installable but do not import as they come."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any


def _is_compile_supported(device_type: Any) -> Any:
    return importlib.import_module("torch._dynamo.utils").is_compile_supported(device_type)


# What `import torchvision` takes along and no classifier needs, with the functions that it wants from there. The
# compiler takes longer than all the rest of torch, the others half of what then is left of torchvision.
_SPARED: dict[str, dict[str, Callable[..., Any]]] = {
    "torch._dynamo": {},
    "torch._dynamo.utils": {"is_compile_supported": _is_compile_supported},  # for object detection
    "torchvision.datasets": {},
    "torchvision.ops._register_onnx_ops": {"_register_custom_op": lambda: None},  # imports torch.onnx
}
_STUBBED = "torchvision._meta_registrations"
_SYMPTOM = "operator torchvision::nms does not exist"


def import_torchvision() -> ModuleType:
    """Import torchvision, also where its compiled operators cannot load, and return the module.

    A CPU-only torch beside a CUDA-built torchvision (what PyPI's wheels give together) cannot load
    torchvision's compiled library, and `import torchvision` then dies with RuntimeError "operator
    torchvision::nms does not exist": `torchvision._meta_registrations` describes operators that are not
    there. Models and tensor transforms need none of them, so on exactly that error the import is repeated
    with an empty module in that one's place. Operators such as `torchvision.ops.nms` stay unusable then, and
    say so when called. Repeating the import is free.

    torch's compiler, `torchvision.datasets` and the operators' export to ONNX are not imported along with it; the
    first two are when something asks for them.

    Raises:
        ImportError: torchvision is not installed.
        RuntimeError: the import fails for another reason; the error is passed on as it is.
    """
    if "torchvision" in sys.modules:
        return sys.modules["torchvision"]
    try:
        return _import(_SPARED)
    except (ImportError, AttributeError):  # another torchvision wants more of them, or there is none
        return _import({})


def _import(spared: Mapping[str, Mapping[str, Any]]) -> ModuleType:
    try:
        return _attempt(spared)
    except RuntimeError as error:
        if _SYMPTOM not in str(error):
            raise
    sys.modules[_STUBBED] = ModuleType(_STUBBED, "Empty: its operators could not be loaded.")
    return _attempt(spared)


def _attempt(spared: Mapping[str, Mapping[str, Any]]) -> ModuleType:
    stand_ins = {name: ModuleType(name) for name in spared if name not in sys.modules}
    for name, module in stand_ins.items():
        vars(module).update(spared[name])
    sys.modules.update(stand_ins)
    try:
        package = importlib.import_module("torchvision")
    except BaseException:
        # Python forgets only the package that failed; finished submodules would stay, bound to the old package.
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        raise
    finally:
        for name in stand_ins:
            sys.modules.pop(name, None)
    if vars(package).get("datasets") in stand_ins.values():
        del package.datasets
        vars(package)["__getattr__"] = _late
    return package


def _late(name: str) -> ModuleType:
    if name == "datasets":
        return importlib.import_module("torchvision.datasets")
    raise AttributeError(f"module 'torchvision' has no attribute {name!r}")
