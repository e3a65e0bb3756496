"""Weight initialisations: the ones of the resnet18-init paper (Gaussian, Xavier) and He's for comparison."""

from __future__ import annotations

import math

from torch import nn

from ablate.models import INITS


def check(init: str, variance: float | None = None) -> None:
    """Raise ValueError unless `initialise` would accept these arguments."""
    if init not in INITS:
        raise ValueError(f"unknown init {init!r}; known: {', '.join(INITS)}")
    if init != "gaussian":
        if variance is not None:
            raise ValueError(f"init_variance belongs to the gaussian initialisation, not to {init!r}")
    elif variance is None or not (math.isfinite(variance) and variance > 0):
        raise ValueError(f"the gaussian initialisation needs a positive, finite variance, got {variance}")


def initialise(model: nn.Module, init: str = "default", variance: float | None = None) -> None:
    """Overwrite the weights of `model` in place, from torch's global random generator.

    Touched are the weight and bias of every `Conv2d` and every `Linear`, the classifier head among them: the
    weights are drawn anew and the biases set to zero. Batch normalisation keeps scale 1 and shift 0.

    Args:
        model: the network; pretrained weights in it are lost unless `init` is "default".
        init: "default" touches nothing; "gaussian" draws from N(0, variance); "xavier" is Glorot's uniform
            (Glorot and Bengio 2010); "kaiming" is He's normal for ReLU with fan-out (He et al. 2015).
        variance: of the Gaussian: its square, not its standard deviation. The resnet18-init paper has 0.1,
            a standard deviation of 0.316, far above He's for layers of that size.

    Raises:
        ValueError: unknown `init`, "gaussian" without a positive variance, or a variance with another `init`.
    """
    check(init, variance)
    if init == "default":
        return
    for module in model.modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        if init == "gaussian":
            assert variance is not None  # check() refused the rest
            nn.init.normal_(module.weight, 0.0, math.sqrt(variance))
        elif init == "xavier":
            nn.init.xavier_uniform_(module.weight)
        else:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
