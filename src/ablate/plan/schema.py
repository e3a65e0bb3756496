"""The JSON schema of ``params.yaml``, made from the records that read it, by which editors complete and check it.

What only the loader can know is not in it: whether names lead anywhere, and whether settings go together.
"""

from typing import Any

from ablate.plan.params import Overlay, Params
from ablate.plan.settings import Settings

Schema = dict[str, Any]
NAME = {"pattern": "^[a-z0-9][a-z0-9-]*$", "maxLength": 64}  # as of `records.Name`
OR_NULL = {"type": "null"}


def params_schema() -> Schema:
    """By JSON Schema 2020-12; a misspelt key, another type and a value out of range do not fit."""
    whole, settings = _plain(Params.model_json_schema()), _plain(Settings.model_json_schema())
    settings["properties"]["extends"] = {
        "type": "string",
        "pattern": "^[^/]+/[^/]+/.",
    }  # another arm, for more epochs
    defs, seeds = (
        whole["$defs"],
        {key: value for key, value in whole["properties"]["seeds"].items() if key != "default"},
    )
    defs["Settings"] = _some_of(settings)
    defs["Level"] = _record({"label": {"type": "string", "minLength": 1}} | _refs("Settings", settings), "label")
    defs["Axes"] = _named(_levels()) | {
        "properties": {name.replace("_", "-"): _levels(ref) for name, ref in _refs("Settings", settings).items()}
    }
    # Where a study's own settings name a network of the user's, arguments of that stand among them and in its axes.
    argument = _ref("Settings/properties/model_args/anyOf/0/additionalProperties")
    own = {"model": {"type": "string", "pattern": r"\.py:"}}
    defs["OwnSettings"] = _record(_refs("Settings", settings) | own, "model") | {"additionalProperties": argument}
    defs["OwnLevel"] = defs["Level"] | {"additionalProperties": argument}
    defs["OwnAxes"] = _named(_levels(argument, level="OwnLevel"))
    defs["Study"] = _either(
        _study(seeds, _ref("Axes")),
        _study(seeds, _ref("OwnAxes"), _ref("OwnSettings")) | {"required": ["settings"]},
    )
    defs["ByLabel"] = {"type": "object", "additionalProperties": _either(_ref("Settings"), OR_NULL)}
    defs["AxesAtScale"] = _named(_either(_levels(), _ref("ByLabel"))) | {
        "properties": {name: _either(ref, _ref("ByLabel")) for name, ref in _refs("Axes", defs["Axes"]).items()}
    }
    defs["StudyAtScale"] = _study(seeds, _ref("AxesAtScale"))
    for name in ("Adaptive", "Compute", "Dataset", "Health"):
        defs[f"{name}AtScale"] = _record(_refs(name, defs[name]))
    shared = {
        "defaults": _ref("Settings"),
        "overrides": _ref("Settings"),
        "pretraining": _named(_ref("Settings")),
        "stand_in": _ref("StandIn"),
    }
    at_scale = {
        "label": {"type": "string"},
        "other_code": whole["properties"]["other_code"],
        "seeds": seeds,
        "compute": _ref("ComputeAtScale"),
        "adaptive": _ref("AdaptiveAtScale"),
        "health": _ref("HealthAtScale"),
        "datasets": _named(_ref("DatasetAtScale")),
        "studies": _studies("StudyAtScale"),
    }
    assert at_scale.keys() | shared.keys() == Overlay.model_fields.keys()
    defs["Scale"] = _record(shared | at_scale)
    top = shared | {"studies": _studies("Study"), "scales": _named(_either(_ref("Scale"), OR_NULL))}
    every = whole["properties"] | top
    # What an own trainer takes, its schema says, which the loader reads: where there is one, editors let all through.
    built_in = {key: every[key] for key in ("studies", "scales", "defaults", "overrides")}
    free = {key: {"type": "object"} for key in built_in}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "params.yaml of ablate",
        **_record(every | free, *whole["required"]),
        "if": {"required": ["trainers"], "properties": {"trainers": {"minProperties": 1}}},
        "else": {"properties": built_in},
        "$defs": dict(sorted(defs.items())),
    }


def _study(seeds: Schema, axes: Schema, settings: Schema | None = None) -> Schema:
    return _record({"settings": settings or _ref("Settings"), "axes": axes, "seeds": _either(seeds, OR_NULL)})


def _studies(study: str) -> Schema:
    """Papers, of each its settings and its studies."""
    return _named(_named(_either(_ref(study), OR_NULL)) | {"properties": {"settings": _ref("Settings")}})


def _levels(*value: Schema, level: str = "Level") -> Schema:
    """Of an axis: values of the setting that it is called after, if it is after one, and labelled ones."""
    levels = {"type": "array", "minItems": 1, "items": _either(*value, _ref(level))}
    return _either(levels, {"type": "string", "pattern": "^as in ."})


def _refs(name: str, record: Schema) -> dict[str, Schema]:
    """The properties of the definition ``name``, each by reference."""
    return {key: _ref(f"{name}/properties/{key}") for key in record["properties"]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _either(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)} if len(schemas) > 1 else schemas[0]


def _record(properties: Schema, *required: str) -> Schema:
    need = {"required": list(required)} if required else {}
    return {"type": "object", "properties": properties, **need, "additionalProperties": False}


def _named(value: Schema) -> Schema:
    """A mapping of names to ``value``."""
    return {"type": "object", "propertyNames": NAME, "additionalProperties": value}


def _some_of(record: Schema) -> Schema:
    """The record, of which any part may be left out."""
    return {key: value for key, value in record.items() if key not in ("required", "description")}


def _plain(found: Any) -> Any:
    """pydantic's schema without the titles that it makes of names, and with all names of a mapping checked."""
    if isinstance(found, list):
        return [_plain(each) for each in found]
    if not isinstance(found, dict):
        return found
    if "patternProperties" in found:
        (value,) = found["patternProperties"].values()
        kept = {
            key: each for key, each in found.items() if key not in ("patternProperties", "propertyNames", "title")
        }
        return kept | _named(_plain(value))
    return {key: _plain(each) for key, each in found.items() if key != "title" or not isinstance(each, str)}
