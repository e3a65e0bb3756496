"""The schema of ``params.yaml`` and its loader: every key, its type, unit, default and allowed values.

Nothing else reads ``params.yaml``. `load` merges the chosen scale's overlay and command-line values, refuses
what it does not know, and returns frozen records. It imports no torch, so that planning stays fast.
"""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from ablate.errors import UserError, choose
from ablate.plain import not_plain
from ablate.plan.datasets import LAYOUTS as LAYOUTS
from ablate.plan.datasets import Dataset as Dataset
from ablate.plan.datasets import Fingerprint as Fingerprint
from ablate.plan.datasets import Pin, read_pins
from ablate.plan.health import Health
from ablate.plan.reserved import check_names
from ablate.plan.studies import mapping, merge, studies_at_scale
from ablate.plan.trainers import Trainer, check_schemas
from ablate.records import SHORT, Count, Name, Positive, Record, check_record, read_yaml
from ablate.runtime.gpus import gpu_list

EXAMPLE = '{"scale": "pilot"}'
FULL = "full"  # the scale of a file that names none: all as it stands
PLAIN = {"optimizer": "sgd"}  # the `defaults` of a file without them, and the data set where there is but one


def _once(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds: must each stand there once (got {list(seeds)})")
    return seeds


Gpus = Literal["auto"] | Annotated[tuple[int | str, ...], Field(min_length=1)]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1), AfterValidator(_once)]


class Study(Record):
    """One experiment: the product of its axes, on its settings, over its seeds. What is drawn of it: `drawn.py`."""

    of_paper: dict[str, Any] = {}  # settings of all studies of its paper
    settings: dict[str, Any] = {}
    of_paper_at_scale: dict[str, Any] = {}  # what the scale says of both; these beat its overrides
    at_scale: dict[str, Any] = {}
    axes: dict[Name, Annotated[tuple[Any, ...], Field(min_length=1)]] = {}
    seeds: Seeds | None = None


class StandIn(Record):
    """Weights that take the place of others at a scale."""

    imagenet: str | None = None  # for every `weights: imagenet`; null: none


class Compute(Record):
    """How the work is spread; none of it changes what is computed beyond rounding."""

    threads: Count | None = None  # CPU threads of one training job; null: follow the cores
    device: Literal["auto", "cpu", "cuda"] = "auto"
    tensorboard: bool = False  # event files in logs/tensorboard
    # torch.compile's mode, which needs a C++ compiler. None: step by step on a CPU, one CUDA graph a step on a GPU;
    # eager: step by step on a GPU too, for a network that cannot be captured
    compile: Literal["eager", "default", "reduce-overhead", "max-autotune"] | None = None
    # or a list; as text, with commas between
    gpus: Annotated[str, BeforeValidator(gpu_list, json_schema_input_type=Gpus)] = "auto"
    jobs_per_gpu: Count = 1
    gpu_memory_gb: Positive | None = None  # GiB of each job's tensors; null: whatever is free


class Adaptive(Record):
    """How `decide` adds seeds."""

    looks: Annotated[
        tuple[Annotated[int, Field(ge=2)], ...], Field(min_length=1)
    ]  # seeds of an arm at each look; the last is the cap
    # of being decided at the last look: an open claim below it gets no more seeds; 0: all get them up to the cap
    least_chance: Annotated[float, Field(ge=0, lt=1)] = 0.1

    @field_validator("looks")
    @classmethod
    def _rising(cls, looks: tuple[int, ...]) -> tuple[int, ...]:
        if list(looks) != sorted(set(looks)):
            raise ValueError(f"looks: must rise, as [12, 16, 20] does (got {list(looks)})")
        return looks


class Params(Record):
    """``params.yaml`` with its scale merged in; `studies` is all that a file must have."""

    scale: str = FULL
    scales: tuple[str, ...] = ()  # the names of all of them; `load` fills it
    label: str = ""  # what the scale stands for, in a few words of captions
    mirror: str | None = None  # a folder or https:// URL that holds the archives under their names
    recipe: Count = 2  # raised when the training code changes what a run computes
    # what becomes of results whose code was another: trained anew, or shown as they are
    other_code: Literal["train", "keep"] = "train"
    compute: Compute = Compute()
    seeds: Seeds = (0, 1, 2)
    adaptive: Adaptive | None = None  # null: seeds are not added
    health: Health = Health()
    datasets: dict[Name, Dataset] = {}
    trainers: dict[Name, Trainer] = {}  # own ones
    defaults: dict[str, Any] = {}  # what `at_scale` fills, where nothing is said
    pretraining: dict[Name, dict[str, Any]] = {}
    studies: Annotated[dict[Name, dict[Name, Study]], Field(min_length=1)]
    overrides: dict[str, Any] = {}  # the scale's settings: beat a study's settings, not its axes
    stand_in: StandIn = StandIn()


class Overlay(Record):
    """What a scale changes: merged key by key over the rest of the file, levels of an axis by their labels.

    Any other list is replaced whole.
    """

    label: str = ""
    overrides: dict[str, Any] = {}
    stand_in: StandIn = StandIn()
    seeds: tuple[int, ...] | None = None
    other_code: Literal["train", "keep"] | None = None
    compute: dict[str, Any] = {}
    adaptive: dict[str, Any] = {}
    health: dict[str, Any] = {}
    datasets: dict[str, dict[str, Any]] = {}
    defaults: dict[str, Any] = {}
    pretraining: dict[str, dict[str, Any]] = {}
    studies: dict[str, dict[str, dict[str, Any] | None]] = {}  # null: left out at this scale


def values_of(text: str) -> dict[str, Any]:
    """What `--values` says, to be laid over ``params.yaml``.

    Raises:
        UserError: For what is no JSON object.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"--values: no JSON ({error}); write an object such as {EXAMPLE}") from None
    if not isinstance(found, dict):
        raise UserError(f"--values: must be an object such as {EXAMPLE} (got {SHORT.repr(found)})")
    return found


def load(path: Path, values: Mapping[str, Any] | None = None, *, pinned: bool = True) -> Params:
    """Read ``path``, lay ``values`` (command line) and the scale's overlay over it, check everything.

    Not ``pinned``: what is at the paths of data sets is measured, whatever is pinned.

    Raises:
        UserError: It names the key's full path, what is allowed there and the nearest right spelling.
    """
    return at_scale(read_params(path, values), str(path), pinned=pinned)


def read_params(path: Path, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What ``path`` says with ``values`` over it, all scales; one that names none has `FULL`.

    Raises:
        UserError: For what is no plain YAML.
    """
    if fault := not_plain(values or {}):
        raise UserError(f"{path}: what the command line lays over it {fault}; write plain values")
    raw: dict[str, Any] = {"scale": FULL, **read_yaml(path)}
    if raw["scale"] == FULL:
        raw["scales"] = {FULL: {}, **mapping(raw.get("scales"), f"{path}: scales")}
    merged: dict[str, Any] = merge(raw, values or {}, str(path))
    return merged


def at_scale(raw: dict[str, Any], path: str, *, pinned: bool = True) -> Params:
    """What `read_params` found, at the scale that it names; ``path`` is where it is from.

    Data sets whose counts are not given have those that are pinned beside it, or else those of what is there now.

    Raises:
        UserError: As `load` does.
    """
    raw = {**raw}
    scales = mapping(raw.pop("scales", None), f"{path}: scales")
    overlays = {
        name: check_record(Overlay, mapping(body, f"{path}: scales.{name}"), f"{path}: scales.{name}")
        for name, body in scales.items()
    }
    scale = raw.get("scale")
    if not isinstance(scale, str) or scale not in overlays:
        raise choose(f"{path}: scale", scale, overlays, "scale")
    named = mapping(raw.get("datasets"), f"{path}: datasets")
    overlay = {k: v for k, v in (scales[scale] or {}).items() if v is not None}
    if not raw.get("studies"):
        raise UserError(f"{path}: studies: is missing; add a study, as `ablate init` writes one")
    studies = studies_at_scale(
        raw.get("studies"), f"{path}: studies", overlay.pop("studies", {}), f"{path}: scales.{scale}.studies"
    )
    raw.setdefault("defaults", PLAIN | ({"dataset": next(iter(named))} if len(named) == 1 else {}))
    raw = merge(raw, overlay, f"{path}: scales.{scale}") | {"studies": studies, "scales": tuple(scales)}
    params = check_record(Params, raw, str(path))
    params = _measured(params, read_pins(Path(path)) if pinned else {})
    check_schemas(params.trainers, path)
    check_names(scale, scales=scales, datasets=params.datasets, papers=params.studies, where=path)
    return params


def _measured(params: Params, pins: Mapping[str, Pin]) -> Params:
    """With the counts of data sets that have none: those that are pinned, or those of what is there now."""
    found = {}
    for name, spec in params.datasets.items():
        if spec.unmeasured:
            pin = pins.get(name)
            if pin is None or not pin.counts(spec):
                # Loaded by its name, as layouts are, since what reads data knows of plans.
                measured = importlib.import_module("ablate.data.measure").measure(name, spec)
            else:
                measured = pin
            found[name] = spec.measured(measured, pin.content if pin else None)
    return params.model_copy(update={"datasets": params.datasets | found}) if found else params
