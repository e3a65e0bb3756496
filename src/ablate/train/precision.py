"""Which arithmetic is fastest for a network on a device, by a short measurement that is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ablate.errors import UserError
from ablate.files import read_json, write_json

if TYPE_CHECKING:
    from jaxtyping import Float, Int

CACHE = Path(".ablate/precision.json")
STEPS = 3  # of each, after one to warm up; the fastest counts
GAIN = 1.1  # that bf16 must bring: it rounds, so it has to be worth it


def fastest(
    name: str, make: Callable[[], nn.Module], images: Float[Tensor, "n 3 s s"], labels: Int[Tensor, " n"], where: str
) -> str:
    """``fp32`` or ``bf16`` (autocast) for training the network that ``make`` makes on such batches.

    ``images`` and ``labels`` are on the device; ``where`` names device and threads. Measured once
    for each name, batch shape, place and version of torch, and then read from `CACHE`.
    """
    key = json.dumps([name, list(images.shape), where, torch.__version__])
    known: Any = None
    with suppress(UserError):  # none yet, or a damaged one
        known = read_json(CACHE)
    known = known if isinstance(known, dict) else {}
    if not (isinstance(known.get(key), dict) and known[key].get("chosen") in ("fp32", "bf16")):
        speed = {kind: _images_per_s(make(), images, labels, kind) for kind in ("fp32", "bf16")}
        known[key] = speed | {"chosen": "bf16" if speed["bf16"] > GAIN * speed["fp32"] else "fp32"}
        with suppress(UserError):  # kept where that is possible
            write_json(CACHE, known)
    return str(known[key]["chosen"])


def _images_per_s(model: nn.Module, images: Float[Tensor, "n 3 s s"], labels: Int[Tensor, " n"], kind: str) -> float:
    model = model.to(images.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    best = float("inf")
    for _ in range(STEPS + 1):
        began = time.perf_counter()
        with torch.autocast(images.device.type, torch.bfloat16, enabled=kind == "bf16"):
            logits = model(images)
        cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
        if images.device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return round(len(images) / best, 1)
