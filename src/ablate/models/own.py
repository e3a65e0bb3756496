"""Networks of the user's own: loaded from their file, called, and tried out before anything is trained.

Whatever goes wrong in the user's code is one message with its own last line and place, and no traceback of ours.
"""

from __future__ import annotations

import inspect
import random
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from ablate import own_code
from ablate.errors import UserError
from ablate.models._torchvision import import_torchvision
from ablate.models.activation import replace_relu
from ablate.models.own_signature import check_signature, file_fault
from ablate.models.registry import OUTPUTS, own

CHANNELS = 3  # of all images


def named(
    name: str,
    *,
    classes: int,
    image_size: int,
    dropout: float | None = None,
    activation: str | None = None,
    args: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Return the user's network FILE.py:NAME: float images (N, 3, image_size, image_size) -> logits (N, classes).

    It is called with the number of classes, by the first of `OUTPUTS` that it takes, with ``image_size`` and
    ``channels`` where it takes them, and with ``args``. It is made twice from the same state of torch's, NumPy's and
    Python's generators, which must give the same weights; the second one is tried out in training and in evaluation,
    and thrown away. It is made on the CPU, whatever torch's default device is: its code may look at values.

    Args:
        name: with its file, from the working directory on.
        classes: number of outputs.
        image_size: side in pixels.
        dropout: rate of every dropout module; None is the network's own.
        activation: what is to take the place of every ReLU, which only asks here whether it can.
        args: further arguments, by name.

    Raises:
        UserError: for whatever of this is not so, or fails.
    """
    where = own(name)
    assert where, name
    file, called = where
    if fault := file_fault(file):
        raise UserError(f"{name}: {fault}")
    given = {key: list(value) if isinstance(value, tuple) else value for key, value in (args or {}).items()}
    check_signature(file, called, given, name)
    if any(re.search(rb"\b(torchvision|timm)\b", path.read_bytes()) for path in own_code.files(name)):
        import_torchvision()  # also where its operators cannot load
    state = torch.get_rng_state()
    with torch.device("cpu"), redirect_stdout(sys.stderr):
        target = own_code.load(name, f"{name}: cannot be imported")
        given |= _of_the_data(target, classes, image_size)
        call = f"{called}({', '.join(f'{key}={value!r}' for key, value in given.items())})"

        def make() -> nn.Module:
            torch.set_rng_state(state)
            seed_others(torch.initial_seed())
            with own_code.calling(name, f"{name}: {call} fails", target):
                model = target(**given)
            if not isinstance(model, nn.Module):
                raise UserError(f"{name}: {call} gives a {type(model).__name__}; return a torch.nn.Module")
            if any(map(is_lazy, model.parameters())):  # they get their shapes from an image
                said = f"{name}: cannot take images of {image_size}x{image_size} pixels"
                with own_code.calling(name, said), torch.no_grad():
                    model.eval()(torch.zeros(2, CHANNELS, image_size, image_size))
            return model.train()

        model, second = make(), make()
        _check_same(name, model, second)
        layers = [module for module in model.modules() if isinstance(module, _DropoutNd)]
        if dropout and not layers:
            raise UserError(
                f"dropout: {name} has no dropout module (nn.Dropout); if it takes a rate, say so by "
                f"model_args: {{dropout: {dropout:g}}}"
            )
        for layer in layers:
            layer.p = layer.p if dropout is None else dropout
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            _try(name, second, classes, image_size, activation)
    return model


def seed_others(seed: int) -> None:
    """Seed the generators of Python and NumPy, from which a user's network may draw as well."""
    random.seed(seed)
    np.random.seed(seed % 2**32)


@contextmanager
def faults_of(name: str, but: Callable[[RuntimeError], bool]) -> Iterator[None]:
    """Training: an error out of the code of the user's network ``name`` is theirs, memory that ran out (``but``) not.

    Raises:
        UserError: In place of such an error.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        place = own_code.told(error, name) if own(name) else None
        if place is None or (isinstance(error, RuntimeError) and but(error)):
            raise
        hint = "; on a GPU each step is recorded: set compute.compile: eager" if "captur" in str(error) else ""
        raise UserError(f"{name}: training stopped at {place}{hint}") from None


def _of_the_data(target: Any, classes: int, image_size: int) -> dict[str, int]:
    """What the network is given of number of classes, side and channels: what it takes."""
    values = dict.fromkeys(OUTPUTS, classes) | {"image_size": image_size, "channels": CHANNELS}
    try:
        taken = inspect.signature(target).parameters
    except (TypeError, ValueError):  # of a few classes in C
        return {OUTPUTS[0]: classes}
    outputs = next((key for key in OUTPUTS if key in taken), OUTPUTS[0])
    return {key: value for key, value in values.items() if key == outputs or (key not in OUTPUTS and key in taken)}


def _check_same(name: str, first: nn.Module, second: nn.Module) -> None:
    ours, theirs = first.state_dict(), second.state_dict()
    for key in {**ours, **theirs}:
        a, b = ours.get(key), theirs.get(key)
        if not (isinstance(a, Tensor) and isinstance(b, Tensor) and torch.equal(a, b)):
            raise UserError(
                f"{name}: {key} is another each time that it is made from the same seed; draw its values from torch, "
                f"NumPy's or Python's global generators, and leave none uninitialised"
            )
    if not any(p.requires_grad for p in first.parameters()):
        raise UserError(f"{name}: has no parameter to train; assign its layers to attributes of the module")


def _try(name: str, model: nn.Module, classes: int, image_size: int, activation: str | None) -> None:
    """Two images through the network, in training and in evaluation."""
    side = f"{image_size}x{image_size}"
    if activation is not None:
        replace_relu(model, activation)
    for training in (True, False):
        model.train(training)
        said = f"{name}: cannot take images of {side} pixels"
        with own_code.calling(name, said), _NoRelu(name, activation):
            out = model(torch.zeros(2, CHANNELS, image_size, image_size))
        if not isinstance(out, Tensor):
            raise UserError(f"{name}: gives a {type(out).__name__}; return one tensor of logits (images, classes)")
        if out.ndim != 2 or len(out) != 2:
            raise UserError(
                f"{name}: gives a tensor {tuple(out.shape)} for 2 images; it must be (2, {classes}): logits (images, "
                f"classes), so flatten before the last layer"
            )
        if out.shape[1] != classes:
            raise UserError(
                f"{name}: has {out.shape[1]} outputs, but there are {classes} classes; give its last layer n_classes"
            )


class _NoRelu(TorchFunctionMode):
    """Refuses a ReLU that is called as a function while another activation is asked for, which it would escape."""

    def __init__(self, name: str, activation: str | None) -> None:
        super().__init__()
        self.name, self.activation = name, activation

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Called in place of each of torch's functions."""
        if func in _RELUS and self.activation not in (None, "relu"):
            raise UserError(
                f"activation: {self.name} calls relu as a function, which cannot be replaced; make it nn.ReLU"
            )
        return func(*args, **(kwargs or {}))


_RELUS = (F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_)
