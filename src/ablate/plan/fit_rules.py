"""Whether an arm fits its data set and its network: counts of images, sizes, and options that a network lacks.

What follows from a network's layers stands here as a table, which tests compare with the networks themselves, since
building one imports torch, and planning must not. Names of torchvision's and timm's models are read from their source
text. Of a network of the user's own nothing is known here: the job that trains it tries it out first (`models.own`).
"""

import re
from collections.abc import Collection, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ablate.errors import choose
from ablate.models.own_signature import file_fault
from ablate.models.registry import REGISTRY, TIMM, TORCHVISION, check_name, own
from ablate.plan.params import Dataset
from ablate.plan.settings import Settings


class Network(NamedTuple):
    """What a network can take."""

    dropout: bool  # whether it has a layer of it
    relu: bool  # whether it has one that another activation can replace
    pixels: int  # the smallest side of an image
    step: int = 1  # of which the side must be a multiple
    alone: int | None = 1  # the smallest side at which it can be trained on one image at a time; None: at none
    blocks: bool = False  # whether it is built of blocks, with or without shortcuts


# By name or, for torchvision's, by how the name begins; the longest beginning counts.
RESNET = Network(dropout=False, relu=True, pixels=1, alone=33, blocks=True)
NETWORKS: dict[str, Network] = {
    **dict.fromkeys(("resnet18", "resnet18-plain", "resnet34", "resnet50", "cnn5"), RESNET),
    **dict.fromkeys(
        ("cifar-resnet7", "cifar-plain7", "cifar-resnet9", "cifar-plain9"), Network(True, True, 8, blocks=True)
    ),
    **dict.fromkeys(("net1", "net3", "net6"), Network(True, True, 32, blocks=True)),
    **dict.fromkeys(("net4", "net5"), Network(True, True, 16, blocks=True)),
    "net2": Network(True, True, 64, blocks=True),
    "alexnet": Network(True, True, 63),
    "alexnet10": Network(True, True, 29),
    "cnn1": Network(False, True, 10),
    "cnn2": Network(True, True, 22),
    "cnn3": Network(False, True, 8, alone=None),
    "cnn4": Network(True, True, 8, alone=None),
    "torchvision:alexnet": Network(True, True, 63),
    "torchvision:convnext": Network(False, False, 32),
    "torchvision:densenet": Network(False, False, 29, alone=61),
    "torchvision:efficientnet": Network(True, False, 1, alone=33),
    "torchvision:googlenet": Network(True, False, 15, alone=47),
    "torchvision:inception": Network(True, False, 75, alone=107),
    "torchvision:maxvit": Network(True, False, 224, step=224),
    "torchvision:mnasnet": Network(True, True, 1, alone=33),
    "torchvision:mobilenet_v2": Network(True, False, 1, alone=33),
    "torchvision:mobilenet_v3": Network(True, True, 1, alone=33),
    "torchvision:regnet": Network(False, True, 1, alone=33),
    "torchvision:resne": RESNET,
    "torchvision:shufflenet": Network(False, True, 1, alone=33),
    "torchvision:squeezenet1_0": Network(True, True, 21),
    "torchvision:squeezenet1_1": Network(True, True, 17),
    "torchvision:swin_": Network(True, False, 4),
    "torchvision:swin_v2": Network(True, True, 4),
    "torchvision:vgg": Network(True, True, 32),
    "torchvision:vit_b_16": Network(True, False, 16, step=16),
    "torchvision:vit_b_32": Network(True, False, 32, step=32),
    "torchvision:vit_h_14": Network(True, False, 14, step=14),
    "torchvision:vit_l_16": Network(True, False, 16, step=16),
    "torchvision:vit_l_32": Network(True, False, 32, step=32),
    "torchvision:wide_resnet": RESNET,
}
FORMS = (*REGISTRY, f"{TORCHVISION}<name>", f"{TIMM}<name>", "<file>.py:<name>")  # what a model can be called
IMAGENET_SIDE = 224  # pixels
ALONE_CIFAR = 9  # `Network.alone` of a ResNet with the stem for small images, which shrinks a quarter as much


def facts(model: str) -> Network | None:
    """What is known of a network; None for one that is not in the table."""
    if not model.startswith(TORCHVISION):
        return NETWORKS.get(model)
    return NETWORKS.get(max((key for key in NETWORKS if model.startswith(key)), key=len, default=""))


def network_fault(model: str, pixels: int) -> str | None:
    """Why there is no network of this name for images of this side; None where there is."""
    try:
        check_name(model)
    except ValueError:
        return _unknown(model, FORMS)
    if model.startswith(TIMM):
        if not (names := timm_names()):
            return f"{model}: timm is not installed; pip install 'ablate[timm]'"
        return None if model.removeprefix(TIMM) in names else _unknown(model, [TIMM + name for name in names])
    if where := own(model):
        return file_fault(where[0])
    if model.startswith(TORCHVISION) and model.removeprefix(TORCHVISION) not in torchvision_names():
        return _unknown(model, [TORCHVISION + name for name in torchvision_names()])
    net = facts(model)
    if net and (pixels < net.pixels or pixels % net.step):
        sizes = f"multiples of {net.step} pixels" if net.step > 1 else f"at least {net.pixels} pixels"
        return f"{model} cannot take images of {pixels}x{pixels} pixels; it takes {sizes}"
    return None


def _unknown(model: str, known: Collection[str]) -> str:
    return f"{choose('', model, known, 'model')}".removeprefix(": ")


@cache
def timm_names() -> frozenset[str]:
    """timm's models, as ``list_models`` names them; none where it is not installed."""
    spec = find_spec("timm")  # imports nothing
    files = [
        file
        for folder in (spec.submodule_search_locations or () if spec else ())
        for file in Path(folder, "models").glob("*.py")
    ]
    texts = (file.read_text(encoding="utf-8") for file in files)
    return frozenset(name for text in texts for name in re.findall(_TIMM_BUILDER, text))


@cache
def torchvision_names() -> dict[str, bool]:
    """torchvision's classification models, as `list_models` names them: whether each has IMAGENET1K_V1 weights."""
    spec = find_spec("torchvision")  # imports nothing
    texts = [
        file.read_text(encoding="utf-8")
        for folder in (spec.submodule_search_locations or () if spec else ())
        for file in sorted(Path(folder, "models").glob("*.py"))
    ]
    bodies = {name: body for text in texts for name, body in re.findall(_CLASS, text)}
    made = [found for text in texts for found in re.findall(_BUILDER, text)]
    return {given or name: "IMAGENET1K_V1 = " in bodies.get(weights, "") for given, name, weights in made}


_TIMM_BUILDER = re.compile(r"^@register_model\s*\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)
_CLASS = re.compile(r"^class (\w+)\(WeightsEnum\):\n((?:    .*\n|\n)+)", re.MULTILINE)
_BUILDER = re.compile(
    r'^@register_model\((?:name="(\w+)")?\)\n(?:@.*\n(?:[ )].*\n)*)*def (\w+)\(\s*\*, weights: Optional\[(\w+)\]',
    re.MULTILINE,
)


def check_fit(s: Settings, data: Dataset) -> str | None:
    """The first fault as "key: what is wrong; what to write instead", where key is the one to blame; else None."""
    return next(_faults(s, data), None)


def _faults(s: Settings, data: Dataset) -> Iterator[str]:
    has = f"but {s.dataset} has"
    if s.class_range and s.class_range[1] > data.n_classes:
        yield f"classes: {list(s.class_range)}, {has} {data.n_classes} classes; end at {data.n_classes}"
    if s.classes and not s.class_range and len(s.classes) > data.n_classes:
        yield f"classes: {len(s.classes)} names, {has} {data.n_classes} classes; name some of those"
    if s.classes and not s.class_range and data.class_counts:
        for name in s.classes:
            if name not in data.class_counts:
                yield f"classes: {choose('', name, sorted(data.class_counts), 'class')}".replace(": : ", ": ")
    each = data.trainable(s)
    if not data.scarcest(s):
        fewest = data.train_per_class if data.class_counts is None else "a class of fewer than ten"
        yield (
            f"split: holdout takes tenths of the training images of each class, {has} {fewest}; write split: official"
        )
    if s.per_class and s.per_class > each:
        left = " that the holdout leaves" if s.split == "holdout" else ""
        which = "each class" if data.scarcest(s) == each else "its largest class"
        yield (
            f"per_class: {s.per_class}, {has} {each} training images of {which}{left}; write {each} at most, "
            f"or null for all"
        )
    if fault := network_fault(s.model, data.image_size):
        yield f"model: {fault}"
    images = data.counts(s).train
    # An image left over joins the batch before it (train/loader.py): one is alone where there is one, or all are.
    alone = images == 1 or (s.batch_size == 1 and images > 2)
    cause = "batch_size: 1" if images > 1 else f"{'per_class' if s.per_class else 'dataset'}: one image in all"
    if alone and s.mix != "none":
        yield f"mix: {s.mix} mixes images of a batch, which has one here; set batch_size: 2 or more, or remove it"
    if s.weights == "imagenet":
        yield from _start_faults(s, data.image_size)
    yield from _network_faults(s, data.image_size, f"{cause} leaves batches of one image" if alone else None)


def _network_faults(s: Settings, pixels: int, alone: str | None) -> Iterator[str]:
    """``alone`` says why batches have one image, if they have."""
    net = facts(s.model)
    if net is None:
        return
    if s.dropout and not net.dropout:
        yield f"dropout: {s.model} has no dropout layer; remove it or set 0"
    if s.activation and not net.relu:
        yield f"activation: {s.model} has no ReLU that could be replaced; remove it"
    least = ALONE_CIFAR if s.stem == "cifar" else net.alone
    if alone and s.finetune == "all" and (least is None or pixels < least):
        yield f"{alone}, on which the batch normalisation of {s.model} cannot be trained; set 2 or more"


def _start_faults(s: Settings, pixels: int) -> Iterator[str]:
    """Of ImageNet's weights."""
    name = s.model.removeprefix(TORCHVISION)
    if name != s.model and not torchvision_names()[name]:
        yield f"weights: torchvision has no IMAGENET1K_V1 for {name}; write scratch"
    if s.stem == "cifar":
        yield "stem: cifar is another first layer than ImageNet's weights have; remove it or start from scratch"
    if name.startswith("vit_") and pixels != IMAGENET_SIDE:
        yield (
            f"weights: {s.model} has a position for each part of an image of {IMAGENET_SIDE} pixels, but "
            f"{s.dataset} has {pixels}; write scratch"
        )


@cache
def weights_fault(file: Path) -> str | None:
    """What is wrong with a file's list of tensors; whether they fit a network shows when they are loaded."""
    from safetensors import SafetensorError, safe_open  # here: few plans name a file

    try:
        with safe_open(file, framework="numpy"):
            return None
    except (SafetensorError, OSError) as error:
        return str(error)
