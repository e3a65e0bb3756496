"""Starting weights: reading them into a network, ImageNet's from torchvision, and training the head alone."""

from __future__ import annotations

import pickle
import re
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ablate.errors import UserError
from ablate.files import atomic_write
from ablate.models._torchvision import import_torchvision
from ablate.models.head import Head, head_of
from ablate.models.registry import imagenet_name

# What torch.load raises for files that are damaged, of another kind, or hold more than tensors.
_REFUSALS = (
    *(pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, TypeError, LookupError, AttributeError),
    *(AssertionError, ArithmeticError, MemoryError, struct.error),
)
# torchvision renames these parts of its DenseNets when it loads them: their files are older than the code.
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")


def load_start(model: nn.Module, source: Path | Mapping[str, Tensor]) -> list[str]:
    """Copy starting weights into `model`, except what does not fit its head; return the entries left out.

    A head (`ablate.models.head.head_of`) of another size keeps its fresh initial values as a whole, and the
    names of its entries are returned for the caller to report. A `Head` that stands on a known network
    may miss from the weights altogether. Counters of batches may miss as well: old files have none.

    Args:
        model: on any device; changed in place, and only if nothing is refused.
        source: a safetensors file, or tensors by name, whose shapes are those of the model's state dict.

    Raises:
        UserError: the file cannot be read, or belongs to another architecture: entries are missing or
            unexpected, or have another shape outside the head.
    """
    theirs = source if isinstance(source, Mapping) else _read(source)
    label = "these weights" if isinstance(source, Mapping) else str(source)
    own = model.state_dict()
    name, head = head_of(model)
    at_head = {key for key in {*own, *theirs} if key.startswith(f"{name}.")}
    free = at_head if isinstance(head, Head) else set()
    missing = {key for key in own.keys() - theirs.keys() - free if not key.endswith(".num_batches_tracked")}
    unexpected = theirs.keys() - own.keys() - free
    shared = own.keys() & theirs.keys()
    differing = {key for key in shared if own[key].shape != theirs[key].shape}
    faults = [
        _some("missing", missing),
        _some("unexpected", unexpected),
        _some("of another shape", differing - at_head),
    ]
    if any(faults):
        raise UserError(f"{label}: weights of another architecture: {'; '.join(filter(None, faults))}")
    left = at_head & own.keys()
    if left <= shared - differing:
        left = set()
    with torch.no_grad():
        for key in shared - left:
            own[key].copy_(theirs[key])  # the state dict's tensors are the model's own
    return sorted(left)


def _some(what: str, names: Iterable[str]) -> str:
    """Name the first few entries and say how many there are; nothing for none."""
    listed = sorted(names)
    return f"{len(listed)} {what} ({', '.join(listed[:3])}{', ...' if len(listed) > 3 else ''})" if listed else ""


def _read(source: Path) -> dict[str, Tensor]:
    try:
        loaded: dict[str, Tensor] = load_file(source)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{source}: cannot be read as safetensors ({error}); make or fetch it again") from error
    return loaded


def imagenet_url(model_name: str) -> tuple[str, str]:
    """Return the URL of torchvision's ImageNet weights for one of our models, and how their SHA-256 begins.

    The first set of weights, IMAGENET1K_V1, is the one that the papers' authors had. The file's name carries
    the first 8 or 10 hexadecimal digits of its SHA-256 (the convention of torch.hub).

    Raises:
        UserError: torchvision has no such weights for this model.
    """
    try:
        weights = import_torchvision().models.get_model_weights(imagenet_name(model_name))
    except ValueError as error:
        raise UserError(f"weights: imagenet: {error}") from error
    first = getattr(weights, "IMAGENET1K_V1", None)
    if first is None:
        raise UserError(f"weights: imagenet: torchvision has no IMAGENET1K_V1 for {model_name}; use weights: scratch")
    found = re.search(r"-([0-9a-f]{8,})\.pth$", first.url)
    if found is None:
        raise UserError(f"weights: imagenet: {first.url} carries no digest in its name, so it cannot be checked")
    return first.url, found[1]


def convert_imagenet(pth: Path, out: Path) -> None:
    """Write the tensors of torchvision's file `pth` to `out` as safetensors, whole, under the same names.

    The file is a pickle. torch's restricted unpickler reads it, which builds tensors and plain containers
    and runs nothing else. Check its digest before: see `imagenet_url`.

    Raises:
        UserError: the file cannot be read, would run code, or holds anything but tensors by name.
    """
    try:
        content = torch.load(pth, weights_only=True, map_location="cpu")
    except _REFUSALS as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(f"{pth}: refused as a file of weights ({reason}); fetch it again") from error
    if not isinstance(content, dict) or not content:
        raise UserError(f"{pth}: holds a {type(content).__name__}, not tensors by name; it is no file of weights")
    tensors: dict[str, Tensor] = {}
    for name, value in content.items():
        if not (isinstance(name, str) and isinstance(value, Tensor) and value.layout == torch.strided):
            raise UserError(f"{pth}: entry {name!r} is a {type(value).__name__}, not a dense tensor with a name")
        tensors[_OLD_DENSENET.sub(r"\1\2", name)] = value.detach()
    if sum(tensor.nbytes for tensor in tensors.values()) > pth.stat().st_size:
        raise UserError(f"{pth}: its tensors claim more bytes than the file has; it is no file of weights")
    # clone: safetensors refuses tensors that share memory
    data = save({name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()})
    with atomic_write(out) as part:
        part.write_bytes(data)


def freeze_all_but_head(model: nn.Module) -> int:
    """Leave only the head of `model` trainable; return its number of parameters.

    Call `train_mode` in place of `model.train()` afterwards, or batch normalisation goes on changing the
    frozen part: its running statistics would follow the new images, and with them what the head sees.
    """
    model.requires_grad_(False)
    _, head = head_of(model)
    head.requires_grad_(True)
    return sum(p.numel() for p in head.parameters())


def train_mode(model: nn.Module) -> None:
    """Set training mode, except for batch normalisation whose parameters are frozen: it uses what it has learnt.

    Frozen normalisation neither uses nor updates the statistics of a batch. Dropout is on everywhere, also in
    the frozen part, where it regularises the head's input. Without frozen layers this is `model.train()`.
    """
    model.train()
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.weight is not None and not module.weight.requires_grad:
            module.eval()
