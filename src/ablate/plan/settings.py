"""Everything that defines one arm: each key, its type, unit, default and allowed values, and which go together."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ablate.models.registry import ACTIVATIONS, INITS, STEMS, network_text
from ablate.records import Count, Name, NotNegative, OneOf, Positive, Record

# Of an argument of a user's own network or trainer: what YAML and a command line can say.
Value = bool | int | Annotated[float, Field(allow_inf_nan=False)] | str | None

# Each is a function, or a pair of them, of its name in train/augment.py.
AUGMENTS = (
    *("none", "alexnet-vs-resnet", "five-cnns", "resnet-vs-plain"),
    *("flip", "crop", "random-erasing", "randaugment"),
)
MIXES = ("none", "mixup", "cutmix")
# What each schedule needs, and what a message says for instance.
NEEDS = {"step": ("step_epochs", "gamma"), "multi-step": ("milestones", "gamma"), "plateau": ("gamma", "patience")}
EXAMPLES = {"step_epochs": "30", "milestones": "[30, 60]", "gamma": "0.1", "patience": "10"}


class Settings(Record):
    """Everything that defines one arm. A run is these and a seed.

    A field added later takes as default here what was done before it existed: run identities leave defaults
    out, so that existing results stay valid.
    """

    dataset: Name
    classes: tuple[int | str, ...] | None = None  # [first, end) of the sorted classes, or names; null: all
    per_class: Count | None = None  # so many training images of each class; null: all
    # which: the first, or for each seed a draw of its own, the same for all arms. The split stays what it is.
    subset: Literal["first", "by-seed"] = "first"
    labels: Literal["true", "shuffled"] = "true"  # of training images; shuffled: a control, val stays at chance
    split: Literal["official", "holdout"] = "official"  # holdout: val and test cut from train, 0.8/0.1/0.1
    model: str  # a name of models/registry.py, torchvision:<name>, timm:<name>, or one's own, <file>.py:<name>
    # What one's own network, or timm's, is called with; of one's own, a key that is no setting is also one of these.
    model_args: dict[str, Value | tuple[Value, ...]] | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None  # null: the architecture's own rate
    init: Annotated[str, OneOf(INITS)] = "default"
    init_variance: Positive | None = None  # of gaussian
    activation: Annotated[str, OneOf(ACTIVATIONS)] | None = None  # null: the architecture's own
    stem: Annotated[str, OneOf(STEMS)] | None = None  # of torchvision's ResNets; cifar: 3x3, no pooling
    last_relu: bool = False  # of alexnet10: a ReLU after the last fully connected layer as well
    # Or imagenet, pretrain:<name under pretraining>, file:<path>.safetensors, run:<group>/<study>/<arm>: of the arm's
    # run with the same seed, or with the one that stands behind an @.
    weights: str = "scratch"
    pretraining: Literal["shared", "by-seed"] = "shared"  # a run of pretrain:<name> for all seeds, or one for each
    finetune: Literal["all", "head"] = "all"  # which parameters are trained; head goes with weights to start from
    augment: Annotated[str, OneOf(AUGMENTS, own=True)] = "none"  # or FILE.py:NAME, a function of one's own
    mix: Annotated[str, OneOf(MIXES)] = "none"  # of images and their labels
    normalize: Literal["pack", "imagenet"] = "pack"  # whose per-channel mean and std
    optimizer: Literal["sgd", "adam", "adamw", "rmsprop"]
    lr: Positive
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0  # SGD's and RMSprop's; Adam keeps beta1 = 0.9
    nesterov: bool = False  # SGD's
    weight_decay: NotNegative = 0.0  # L2, added to the gradient; AdamW's is decoupled
    schedule: Literal["constant", "cosine", "step", "multi-step", "one-cycle", "plateau"] = "constant"
    step_epochs: Count | None = None  # of step: epochs between two steps
    milestones: Annotated[tuple[Count, ...], Field(min_length=1)] | None = None  # of multi-step: epochs
    gamma: Annotated[float, Field(gt=0, le=1)] | None = None  # of step, multi-step, plateau: lr factor at each step
    patience: Annotated[int, Field(ge=0)] | None = None  # of plateau: epochs without a lower val loss
    warmup_epochs: Annotated[int, Field(ge=0)] = 0  # linear, by step, before the schedule begins
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    clip_norm: Positive | None = None  # of all gradients together
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None  # decay by step of averaged weights, which are evaluated
    batchnorm: Literal["running", "reestimated"] = "running"  # evaluated with what training left, or exact averages
    stop_after: Count | None = None  # epochs without a better val accuracy, after which the run stops
    epochs: Count
    batch_size: Count
    # Of its weights, what is kept: for `weights: run:...` and `ablate predict`. Of a pretraining run, none is last.
    keep: Literal["none", "last", "best"] = "none"
    precision: Literal["fp32", "bf16", "auto"] = "fp32"  # bf16: autocast; auto: measured on the machine

    @model_validator(mode="after")
    def _possible(self) -> "Settings":
        """Refuse combinations that cannot run; the message's first word is the key to blame."""
        if self.classes is not None:
            named = all(isinstance(c, str) for c in self.classes) and len(set(self.classes)) == len(self.classes) > 0
            if not named and not self.class_range:
                raise ValueError(
                    f"classes: {list(self.classes)} is neither a range nor names; write [first, end] with "
                    f"0 <= first < end, or class names, each once"
                )
        if (self.init == "gaussian") != (self.init_variance is not None):
            raise ValueError("init_variance: goes with init: gaussian, and only with it; set both or neither")
        if self.finetune == "head" and self.weights == "scratch":
            raise ValueError("finetune: head leaves untrained layers as they are; set weights as well")
        if fault := check_settings(self):
            raise ValueError(fault)
        return self

    @property
    def plain(self) -> dict[str, Any]:
        """All settings as JSON has them, defaults included."""
        return self.model_dump(mode="json")

    @property
    def network(self) -> str:
        """The model with its arguments, as one text."""
        return network_text(self.model, self.model_args)

    @property
    def class_range(self) -> tuple[int, int] | None:
        """[first, end) where the classes are given as a range."""
        match self.classes:
            case (int(first), int(end)) if 0 <= first < end:
                return first, end
        return None


def check_settings(s: Settings) -> str | None:
    """The first fault as "key: what is wrong; what to write instead", where key is the one to blame; else None.

    A range that one key has to keep by itself is left to its type. Parameters that cannot act because the run
    is too short for them (a milestone after its end) are no fault: scales shorten runs.
    """
    return next(_faults(s), None)


def _faults(s: Settings) -> Iterator[str]:
    if s.momentum and s.optimizer not in ("sgd", "rmsprop"):
        yield f"momentum: is not a parameter of {s.optimizer}; remove it or set 0 with optimizer: {s.optimizer}"
    if s.nesterov and s.optimizer != "sgd":
        yield f"nesterov: is not a parameter of {s.optimizer}; remove it or set optimizer: sgd"
    if s.nesterov and not s.momentum:
        yield "nesterov: is a form of momentum, which is 0; set momentum: 0.9, say, or remove nesterov"

    given = {
        "step_epochs": s.step_epochs is not None,
        "milestones": s.milestones is not None,
        "gamma": s.gamma is not None,
        "patience": s.patience is not None,
    }
    needs = NEEDS.get(s.schedule, ())
    missing = [f"{key}: {EXAMPLES[key]}" for key in needs if not given[key]]
    if missing:
        yield f"schedule: {s.schedule} needs {' and '.join(needs)}; add {' and '.join(missing)}, say"
    for key in given:
        if given[key] and key not in needs:
            takers = " or ".join(name for name, keys in NEEDS.items() if key in keys)
            yield f"{key}: has no meaning with schedule: {s.schedule}; remove it or set schedule: {takers}"
    if s.milestones is not None and not (s.milestones and all(a < b for a, b in pairwise((0, *s.milestones)))):
        yield f"milestones: {list(s.milestones)} are not rising epochs from 1 on; write [30, 60], say"
    if s.schedule == "plateau" and s.gamma == 1:
        yield "gamma: 1 leaves the learning rate as it is; write a factor below 1, such as 0.1"

    if s.warmup_epochs and s.schedule == "one-cycle":
        yield "warmup_epochs: one-cycle begins with a warm-up of its own; remove it or set 0"
    if s.warmup_epochs >= s.epochs:
        yield f"warmup_epochs: leave nothing of {s.epochs} epochs to train; set fewer than epochs, or more epochs"
