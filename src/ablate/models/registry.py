"""The networks by name, with all that can be said of one without torch, which importing this leaves out."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# name -> "module:function" in this package; every function takes (classes, image_size, dropout).
REGISTRY: dict[str, str] = {
    "alexnet": "torchvision_nets:alexnet",
    "resnet18": "torchvision_nets:resnet18",
    "resnet34": "torchvision_nets:resnet34",
    "resnet50": "torchvision_nets:resnet50",
    "resnet18-plain": "torchvision_nets:resnet18_plain",
    "cnn1": "keras_cnns:cnn1",
    "cnn2": "keras_cnns:cnn2",
    "cnn3": "keras_cnns:cnn3",
    "cnn4": "keras_cnns:cnn4",
    "cnn5": "keras_cnns:cnn5",
    "alexnet10": "alexnet10:alexnet10",
    "net1": "residual:net1",
    "net2": "residual:net2",
    "net3": "residual:net3",
    "net4": "residual:net4",
    "net5": "residual:net5",
    "net6": "residual:net6",
    "cifar-resnet7": "residual:cifar_resnet7",
    "cifar-plain7": "residual:cifar_plain7",
    "cifar-resnet9": "residual:cifar_resnet9",
    "cifar-plain9": "residual:cifar_plain9",
}
TORCHVISION = "torchvision:"  # before the name of any of torchvision's classification models
TIMM = "timm:"  # and of timm's
# A network of the user's: a file, from the folder of params.yaml on, and a class or function in it.
_OWN = re.compile(r"((?:\w[\w-]*/)*[A-Za-z_][\w-]*\.py):([A-Za-z_]\w*)", re.ASCII)
MOST = 100  # letters of such a name: it becomes part of a folder's
OUTPUTS = ("n_classes", "num_classes")  # the first of these that a user's network has gets the number of classes
GIVEN = (*OUTPUTS, "image_size", "channels")  # and of these, what it has

# What the options of `build` choose from; `None` stands for the architecture's own.
INITS: tuple[str, ...] = ("default", "gaussian", "xavier", "xavier-normal", "kaiming", "orthogonal", "keras")
ACTIVATIONS: tuple[str, ...] = ("relu", "elu", "leaky-relu", "gelu", "silu")
STEMS: tuple[str, ...] = ("imagenet", "cifar")

# Whose ImageNet weights fit: torchvision's name of each.
_IMAGENET = {name: name for name in ("alexnet", "resnet18", "resnet34", "resnet50")} | {"cnn5": "resnet50"}
_AUXILIARY = ("googlenet", "inception_v3")  # built without their auxiliary heads


def contaminated(weights: str, layout: str) -> bool:
    """Say whether starting weights have seen images of a data set of this layout.

    Tiny ImageNet's images are ImageNet's: weights pretrained on ImageNet-1k have very likely seen part of its val.
    """
    return weights == "imagenet" and layout == "tiny-imagenet"


def own(name: str) -> tuple[Path, str] | None:
    """The file of a network of the user's and what it is called there; None for any other network."""
    found = _OWN.fullmatch(name)
    return (Path(found[1]), found[2]) if found and len(name) <= MOST else None


def network_text(model: str, args: Mapping[str, Any] | None) -> str:
    """A network with its arguments as one text, such as my_models.py:Net(width=16)."""
    said = ", ".join(f"{key}={json.dumps(value)}" for key, value in sorted((args or {}).items()))
    return f"{model}({said})" if said else model


def check_name(name: str) -> str:
    """Return `name` if it is in `REGISTRY` or has one of the forms of others' networks; needs no torch.

    These are torchvision:<name>, timm:<name> and <file>.py:<name>. Whether there is such a one is asked elsewhere:
    `torchvision_nets.require`, `plan.fit_rules`.

    Raises:
        ValueError: any other name, with the closest ones.
    """
    if ".py" in name and not own(name):
        raise ValueError(
            f"model {name!r}: a network of your own is FILE.py:NAME, such as my_models.py:Net: the file's path from "
            f"the folder of params.yaml on, of letters, digits, _ and -, {MOST} at most"
        )
    if name not in REGISTRY and not own(name) and not re.fullmatch(f"({TORCHVISION}|{TIMM})[a-z][a-z0-9_]*", name):
        close = difflib.get_close_matches(name, REGISTRY, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(REGISTRY)}"
        raise ValueError(f"unknown model {name!r} ({TORCHVISION}<name> is any other of torchvision's); {hint}")
    return name


def module_of(name: str) -> str:
    """Return the module of this package that defines the network.

    Raises:
        ValueError: For an unknown name.
    """
    if own(check_name(name)):
        return "own"
    other = "timm_nets" if name.startswith(TIMM) else "torchvision_nets"
    return REGISTRY.get(name, other).partition(":")[0]


def imagenet_name(name: str) -> str:
    """Return torchvision's name of the architecture whose ImageNet weights fit.

    Raises:
        ValueError: If none do.
    """
    known = check_name(name).removeprefix(TORCHVISION) if name.startswith(TORCHVISION) else _IMAGENET.get(name)
    if known is None or known in _AUXILIARY:
        raise ValueError(f"{name} has no ImageNet weights; models with them: {', '.join(_IMAGENET)}")
    return known


def check(
    name: str,
    *,
    dropout: float | None = None,
    init: str = "default",
    init_variance: float | None = None,
    activation: str | None = None,
    stem: str | None = None,
    last_relu: bool = False,
    model_args: Mapping[str, Any] | None = None,
) -> None:
    """Refuse options that `build` would refuse, as far as that shows without torch.

    Raises:
        ValueError: It names the option.
    """
    check_name(name)
    if dropout is not None and not 0.0 <= dropout < 1.0:
        raise ValueError(f"dropout must lie in [0, 1), got {dropout}")
    levels = (("init", init, INITS), ("activation", activation, ACTIVATIONS), ("stem", stem, STEMS))
    for key, value, allowed in levels:
        if value is not None and value not in allowed:
            raise ValueError(f"unknown {key} {value!r}; known: {', '.join(allowed)}")
    if init != "gaussian":
        if init_variance is not None:
            raise ValueError(f"init_variance belongs to the gaussian initialisation, not to {init!r}")
    elif init_variance is None or not (math.isfinite(init_variance) and init_variance > 0):
        raise ValueError(f"the gaussian initialisation needs a positive, finite variance, got {init_variance}")
    resnet = name in ("resnet18", "resnet18-plain", "resnet34", "resnet50", "cnn5")
    if stem is not None and not (resnet or name.startswith((f"{TORCHVISION}resne", f"{TORCHVISION}wide_resnet"))):
        raise ValueError(f"stem is a choice of torchvision's ResNets (and cnn5), not of {name}")
    if last_relu and name != "alexnet10":
        raise ValueError(f"last_relu is a choice of alexnet10, not of {name}")
    if model_args and not (own(name) or name.startswith(TIMM)):
        raise ValueError(f"model_args are for networks of your own and of timm's, not for {name}")
    if activation is not None and name.startswith(f"{TORCHVISION}densenet"):
        raise ValueError(f"{name} calls its last ReLU as a function, so its activation cannot be replaced")
