"""Weight initialisations: those of the resnet18-init paper (Gaussian, Xavier) and others for comparison."""

from __future__ import annotations

import math

from torch import Tensor, nn

from ablate.models.registry import INITS


def initialise(model: nn.Module, init: str = "default", variance: float | None = None) -> None:
    """Overwrite the weights of `model` in place, from torch's global random generator.

    Touched are the weight and bias of every `Conv2d` and every `Linear`, the classifier head among them: the
    weights are drawn anew and the biases set to zero. Batch normalisation keeps scale 1 and shift 0, and
    parameters outside these layers (a transformer's position embedding, the joint query, key and value
    matrix of torch's attention) keep their start.

    `fan_in` and `fan_out` are a layer's input and output channels times its kernel's area. No formula
    changes with the activation. Paper silent on gains: Glorot's are 1, and He's is that of ReLU, the square
    root of 2, also where another activation has replaced it, so that the two axes do not mix.

    Args:
        model: the network; pretrained weights in it are lost unless `init` is "default".
        init: "default" touches nothing;
            "gaussian" draws from N(0, `variance`);
            "xavier" is Glorot's uniform, of variance 2 / (fan_in + fan_out), and "xavier-normal" the normal
            of that variance (Glorot and Bengio 2010);
            "kaiming" is He's normal, of variance 2 / fan_out (He et al. 2015);
            "orthogonal" has orthonormal rows, or columns where there are fewer of them, in the matrix
            (outputs, everything else) (Saxe et al. 2014); it decomposes that matrix, which takes a minute
            for the largest layer of cnn3;
            "keras" is what Keras does unless told otherwise, Glorot's uniform and zero biases, which makes
            it "xavier" to the bit: a name for those who look for it.
        variance: of the Gaussian: its square, not its standard deviation. The resnet18-init paper has 0.1,
            a standard deviation of 0.316, far above He's for layers of that size.

    Raises:
        ValueError: unknown `init`, or "gaussian" without a variance.
    """
    if init not in INITS:
        raise ValueError(f"unknown init {init!r}; known: {', '.join(INITS)}")
    if init == "default":
        return
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    if not layers:
        raise ValueError(f"init: acts on Conv2d and Linear layers, and {type(model).__name__} has none; remove it")
    for module in layers:
        _draw(module.weight, init, variance)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _draw(weight: Tensor, init: str, variance: float | None) -> None:
    if init == "gaussian":
        if variance is None:
            raise ValueError("the gaussian initialisation needs a variance")
        nn.init.normal_(weight, 0.0, math.sqrt(variance))
    elif init == "xavier-normal":
        nn.init.xavier_normal_(weight)
    elif init == "kaiming":
        nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
    elif init == "orthogonal":
        nn.init.orthogonal_(weight)
    else:  # xavier and keras
        nn.init.xavier_uniform_(weight)
