"""Own trainers: a command or a function in any language, what it takes and what it leaves, as params.yaml says.

docs/your-study.md has the contract; `train/own.py` keeps it.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, JsonValue, Tag, model_validator

from ablate.errors import UserError, choose
from ablate.plan.health import NUMBERS
from ablate.plan.metrics import BUILT_IN, Metric, Metrics, together
from ablate.plan.settings import Settings
from ablate.records import Positive, Record

VARIANT: Literal["own"] = "own"  # of a run's data: the trainer's own affair
GIVEN = ("seed", "out", "settings", "device", "threads", "resume")  # placeholders beside the settings
# Columns that collected runs and curves have already, and keys of metrics.json that are no metric.
TAKEN = (
    *("study", "arm", "seed", "run", "status", "health", "epoch", "epochs", "wall_s", "data", "contaminated", "gap"),
    *NUMBERS,
)
PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)
Word = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)]
Schema = Annotated[dict[str, Any], AfterValidator(lambda found: json.loads(json.dumps(found)))]  # lists, not tuples


class OwnSettings(Record):
    """Settings of an arm of an own trainer. What the built-in one has, it has not."""

    dataset: ClassVar[str] = ""
    weights: ClassVar[str] = "scratch"
    pretraining: ClassVar[str] = "shared"
    classes: ClassVar[None] = None
    class_range: ClassVar[None] = None
    keep: ClassVar[str] = "none"
    model_args: ClassVar[None] = None

    trainer: str
    values: dict[str, JsonValue]  # those that differ from the schema's defaults
    defaults: dict[str, JsonValue] = Field(default={})  # of the others, as the schema has them

    @property
    def model(self) -> str:
        """What stands where the built-in trainer has its network."""
        return self.trainer

    @property
    def network(self) -> str:
        """As of `Settings`."""
        return self.trainer

    @property
    def every(self) -> dict[str, Any]:
        """All settings by name, in the order of the schema's names."""
        return dict(sorted((self.defaults | self.values).items()))

    @property
    def plain(self) -> dict[str, Any]:
        """As `Settings.plain`."""
        return {"trainer": self.trainer, **self.every}


def _whose(settings: Any) -> str:
    own = "trainer" in settings if isinstance(settings, Mapping) else isinstance(settings, OwnSettings)
    return OWN if own else OF_ABLATE


# Of either trainer: a fault is one of the right kind alone. The tags stand in brackets, which messages leave out.
OWN, OF_ABLATE = "[own]", "[built-in]"
AnySettings = Annotated[Annotated[Settings, Tag(OF_ABLATE)] | Annotated[OwnSettings, Tag(OWN)], Discriminator(_whose)]


class Trainer(Record):
    """One of ``trainers`` in params.yaml."""

    model_config = ConfigDict(serialize_by_alias=True)

    command: str | None = None  # split into words, in which {placeholders} are replaced; no shell reads it
    function: Annotated[str, Field(pattern=r"^[^:]+\.py:[A-Za-z_]\w*$")] | None = None  # file.py:name
    results: str | None = None  # in place of both: a file or folder of results that exist, which are imported
    seed: str = "seed"  # of these, the column that has it
    settings: dict[Word, Schema] = Field(default={}, alias="schema")  # a JSON Schema of each setting
    metrics: Annotated[dict[Word, Metric], Field(min_length=1)]  # the main one first
    files: tuple[str, ...] = ()  # further files or folders that its results depend on
    deterministic: bool = False  # without chance: runs of other seeds with the same bytes are no copies
    timeout: Positive | None = None  # seconds, after which a run has failed

    @model_validator(mode="after")
    def _possible(self) -> "Trainer":
        """Refuse what cannot run; the message's first word is the key to blame."""
        if sum(way is not None for way in (self.command, self.function, self.results)) != 1:
            raise ValueError("command: write command, function or results, and one of them alone")
        for name in self.settings:
            if name in (*GIVEN, "trainer", "label"):
                raise ValueError(f"schema: {name} is a name that every trainer gets already; choose another")
        for name, metric in self.metrics.items():
            if name in TAKEN:
                raise ValueError(f"metrics: {name} is a name of the pipeline's own; choose another")
            if metric.of is not None and metric.of not in self.metrics:
                raise ValueError(f"metrics: {name}.of: {metric.of} is none of its metrics; add it")
        for word in self.placeholders:
            if word not in (*self.settings, *GIVEN):
                raise ValueError(
                    f"command: {{{word}}} is no setting of its schema, and none of {', '.join(GIVEN)}; "
                    f"add it to schema, or correct it"
                )
        if self.command is not None and not self.words:
            raise ValueError("command: is empty; write the program and its arguments")
        return self

    def to_json(self) -> str:
        """One line, of which `from_json` makes it again."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def from_json(cls, text: str) -> "Trainer":
        """The trainer of a line that `to_json` made.

        Raises:
            UserError: If ``text`` is none.
        """
        try:
            return cls.model_validate_json(text)
        except ValueError as error:
            raise UserError(
                f"--trainer: no record of a trainer ({error}); it is what a rule's command says"
            ) from None

    @property
    def free(self) -> bool:
        """Whether it takes any setting: of results that are imported, columns tell."""
        return self.results is not None and not self.settings

    @property
    def words(self) -> list[str]:
        """The command's words, before placeholders are replaced.

        Raises:
            ValueError: For a quote that is not closed.
        """
        try:
            return shlex.split(self.command or "")
        except ValueError as error:
            raise ValueError(f"command: cannot be split into words ({error}); close the quote") from None

    @property
    def placeholders(self) -> list[str]:
        """The names in braces of its command, each once."""
        return list(dict.fromkeys(name for word in self.words for name in PLACEHOLDER.findall(word)))

    @property
    def unpassed(self) -> list[str]:
        """Settings that no word of the command has, where it gets no file of all of them either."""
        if self.command is None or "settings" in self.placeholders:
            return []
        return [name for name in self.settings if name not in self.placeholders]

    def filled(self, values: Mapping[str, object]) -> list[str]:
        """The command's words with ``values`` in place of their names: no value makes two words of one."""
        return [PLACEHOLDER.sub(lambda name: as_text(values[name[1]]), word) for word in self.words]


def as_text(value: object) -> str:
    """A value in a word of a command: text as it is, all else as JSON has it."""
    return value if isinstance(value, str) else json.dumps(value)


def check_schemas(trainers: Mapping[str, Trainer], where: str) -> None:
    """Refuse a schema that is none; ``where`` is the file.

    Raises:
        UserError: It names the key.
    """
    for name, trainer in trainers.items():
        for setting, schema in trainer.settings.items():
            if fault := _schema_fault(schema):
                raise UserError(f"{where}: trainers.{name}.schema.{setting}: {fault}")


KEYWORDS = ("default", "title", "description", "examples")  # that say nothing of a value


def _schema_fault(schema: Schema) -> str | None:
    from jsonschema import Draft202012Validator as Validator  # here: most plans have no own trainer
    from jsonschema.exceptions import SchemaError, best_match

    known = (*KEYWORDS, *Validator.VALIDATORS)
    for key in schema:
        if key not in known:
            return str(choose("", key, known, "keyword")).removeprefix(": ")
    try:
        Validator.check_schema(schema)
    except SchemaError as error:
        return f"is no JSON Schema ({(best_match([error]) or error).message})"
    if "default" in schema and (fault := _fault(schema, schema["default"])):
        return f"its default {fault}"
    return None


def _fault(schema: Schema, value: object) -> str | None:
    """What a value is that the schema does not allow."""
    from jsonschema import Draft202012Validator as Validator
    from jsonschema.exceptions import best_match

    plain = json.loads(json.dumps(value))  # lists for tuples
    error = best_match(Validator(schema).iter_errors(plain))
    return error.message if error else None


def own_settings(name: str, trainer: Trainer, given: Mapping[str, Any], origin: Mapping[str, str]) -> OwnSettings:
    """The arm that ``given`` asks of the trainer ``name``; ``origin`` says where each key stands.

    Raises:
        UserError: For a setting that it does not have or is missing, and for a value that its schema refuses.
    """
    values: dict[str, Any] = {}
    defaults = {key: schema["default"] for key, schema in trainer.settings.items() if "default" in schema}
    for key, value in given.items():
        if trainer.free:
            values[key] = json.loads(json.dumps(value))
            continue
        if key not in trainer.settings:
            raise choose(origin[key], key, ["trainer", *trainer.settings], f"setting of the trainer {name}")
        if fault := _fault(trainer.settings[key], value):
            raise UserError(f"{origin[key]}: {fault}, by the schema of the trainer {name}; correct it")
        plain = json.loads(json.dumps(value))
        if key not in defaults or type(plain) is not type(defaults[key]) or plain != defaults[key]:
            values[key] = plain
    for key in trainer.settings:
        if key not in given and key not in defaults:
            raise UserError(
                f"{origin['trainer']}: the trainer {name} needs {key}, which nothing sets; "
                f"set it in the study, or give it a default in trainers.{name}.schema"
            )
    left = {key: value for key, value in defaults.items() if key not in values}
    return OwnSettings(trainer=name, values=values, defaults=left)


def command_digest(trainer: Trainer) -> str:
    """Stands for all of its declaration that a result follows from but its code, settings and files."""
    told = {
        "run": trainer.command or trainer.function or [trainer.results, trainer.seed],
        "metrics": {
            name: metric.pattern or metric.column
            for name, metric in trainer.metrics.items()
            if metric.pattern or metric.column
        },
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def metrics_of(settings: Iterable[object], trainers: Mapping[str, Trainer]) -> Metrics:
    """What the trainers of arms with these settings measure, the first one's main metric first."""
    names = dict.fromkeys(s.trainer if isinstance(s, OwnSettings) else None for s in settings)
    return together(trainers[name].metrics if name else BUILT_IN for name in names)
