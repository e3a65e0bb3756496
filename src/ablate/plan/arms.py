"""One arm: its settings from all that says something of it, checked against network, data set and start weights."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ablate import own_code
from ablate.errors import UserError, choose
from ablate.models import registry as models
from ablate.models.own_signature import check_signature, file_fault, signature
from ablate.own_code import is_own
from ablate.plan.fit_rules import FORMS, check_fit, weights_fault
from ablate.plan.params import Dataset, Params
from ablate.plan.settings import Settings
from ablate.plan.trainer_code import check_there
from ablate.plan.trainers import OwnSettings, own_settings
from ablate.records import explain, tuples

OF_RUN = "run:"  # before an arm whose weights another starts from
OF_ALL = (
    "params.yaml: defaults",
    ".overrides",
)  # ends of layers that are no study's: of them a trainer takes its own


def resolve(layers: Iterable[tuple[str, Mapping[str, Any]]], params: Params) -> Settings | OwnSettings:
    """The settings of one arm from ``layers`` of (where it stands, values), later ones beating earlier ones.

    Raises:
        UserError: It names the layer and key to blame.
    """
    layers = list(layers)
    if own := next((layer["trainer"] for _, layer in reversed(layers) if "trainer" in layer), None):
        return _own(str(own), layers, params)
    merged: dict[str, Any] = {}
    origin: dict[str, str] = {}
    free: dict[str, str] = {}  # where it stands, of each key that is no setting
    args: dict[str, Any] = {}
    for where, layer in layers:
        for key, value in layer.items():
            origin[key] = f"{where}.{key}"
            if key == "model_args" and isinstance(value, Mapping):
                args |= value
            elif key not in Settings.model_fields:
                free[key], args[key] = f"{where}.{key}", value
            else:
                merged[key] = value
    if isinstance(model := merged.get("model"), str):
        _check_name(model, origin["model"])
    _check_free(free, model, origin.get("model", ""))
    if args:
        merged["model_args"] = args
    if merged.get("weights") == "imagenet" and params.stand_in.imagenet:
        merged["weights"], origin["weights"] = params.stand_in.imagenet, _stand_in(params)
    try:
        arm = Settings.model_validate(tuples(merged))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else str(first["msg"]).split("error, ")[-1].split(":")[0]
        if key == "model_args" and len(first["loc"]) > 1:
            name = str(first["loc"][1])
            place = free.get(name) or f"{origin[key]}.{name}"
            raise UserError(f"{place}: must be a number, text, true, false, null or a list of these") from None
        raise UserError(f"{origin.get(key, f'params.yaml: defaults.{key}')}: {explain(first)}") from None
    if arm.dataset not in params.datasets:
        raise choose(origin["dataset"], arm.dataset, params.datasets, "dataset")
    _check_model(arm, origin)
    if is_own(arm.augment):
        own_code.check(arm.augment, origin["augment"])
    _check_weights(arm.weights, params, origin.get("weights", "params.yaml: defaults.weights"))
    if fault := check_fit(arm, params.datasets[arm.dataset]):
        key, said = fault.split(": ", 1)
        raise UserError(f"{origin.get(key, f'params.yaml: defaults.{key}')}: {said}")
    return _as_it_acts(arm, params.datasets[arm.dataset])


def _own(name: str, layers: Iterable[tuple[str, Mapping[str, Any]]], params: Params) -> OwnSettings:
    """The arm of an own trainer. Of what is said of all studies it takes what its schema names."""
    merged: dict[str, Any] = {}
    origin: dict[str, str] = {}
    known = params.trainers[name].settings if name in params.trainers else {}
    for where, layer in layers:
        for key, value in layer.items():
            if key in known or not where.endswith(OF_ALL):
                merged[key], origin[key] = value, f"{where}.{key}"
    if name not in params.trainers:
        raise choose(origin["trainer"], name, params.trainers, "trainer")
    check_there(params.trainers[name], f"params.yaml: trainers.{name}")
    del merged["trainer"]
    return own_settings(name, params.trainers[name], merged, origin)


def _check_name(model: str, where: str) -> None:
    """Refuse a network that is not known, or whose file is not there."""
    try:
        models.check_name(model)
    except ValueError as error:
        if ".py" in model:
            raise UserError(f"{where}: {error}") from None
        raise choose(where, model, FORMS, "model") from None
    if (own := models.own(model)) and (fault := file_fault(own[0])):
        raise UserError(f"{where}: {fault}")


def _check_free(free: Mapping[str, str], model: Any, model_at: str) -> None:
    """Refuse keys that are neither settings nor arguments that the user's own network names."""
    where = models.own(model) if isinstance(model, str) else None
    found = signature(*where, model_at) if free and where else None
    names = set(found.names) - set(models.GIVEN) if found else set[str]()
    for key, place in free.items():
        if key not in names:
            what = f"key (no setting, and no argument that {where[1]} names)" if where else "key"
            raise choose(place, key, [*Settings.model_fields, *names], what)


def _as_it_acts(arm: Settings, data: Dataset) -> Settings:
    """The arm, with what there is nothing to draw for at its default.

    So a scale can ask for draws by seed of all its arms, and those without any keep their runs.
    """
    idle = {}
    if arm.per_class in (None, data.trainable(arm)):
        idle["subset"] = "first"
    if not arm.weights.startswith("pretrain:"):
        idle["pretraining"] = "shared"
    return arm.model_copy(update=idle)


def check_stand_in(params: Params) -> None:
    """Refuse weights to stand in for ImageNet's that are not known, whether an arm asks for them or not.

    Raises:
        UserError: It names the key.
    """
    if params.stand_in.imagenet:
        _check_weights(params.stand_in.imagenet, params, _stand_in(params))


def _stand_in(params: Params) -> str:
    return f"params.yaml: scales.{params.scale}.stand_in.imagenet"


def _check_weights(weights: str, params: Params, where: str) -> None:
    """Refuse weights that are not known, and a file that is none of weights."""
    sources = {"scratch", "imagenet", *(f"pretrain:{name}" for name in params.pretraining)}
    if weights in sources or weights.startswith(OF_RUN):  # whose arm is looked up when all are known
        return
    file = re.fullmatch(r"file:(.+\.safetensors)", weights)
    if not file:
        raise choose(where, weights, {*sources, "file:<path>.safetensors", f"{OF_RUN}<group>/<study>/<arm>"})
    if not Path(file[1]).is_file():
        raise UserError(f"{where}: there is no file {file[1]}; correct the path")
    if fault := weights_fault(Path(file[1])):
        raise UserError(f"{where}: {file[1]} is no safetensors file ({fault}); make it again")


def _check_model(arm: Settings, origin: Mapping[str, str]) -> None:
    """Refuse options that a network does not have, and what one's own cannot be called with."""
    if where := models.own(arm.model):
        check_signature(*where, arm.model_args or {}, origin["model"])
    try:
        models.check(
            arm.model,
            dropout=arm.dropout,
            init=arm.init,
            init_variance=arm.init_variance,
            activation=arm.activation,
            stem=arm.stem,
            last_relu=arm.last_relu,
            model_args=arm.model_args,
        )
        if arm.weights == "imagenet":
            models.imagenet_name(arm.model)
    except ValueError as error:
        # Which option to blame: the one that was set and that the message speaks of.
        options = ("stem", "activation", "last_relu", "weights", "model_args")
        key = next((k for k in options if k in origin and k in f"{error}"), "model")
        raise UserError(f"{origin[key]}: {error}") from None
