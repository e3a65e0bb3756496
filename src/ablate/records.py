"""Records and the YAML that they are read from: types, ranges, spellings are checked; a mistake is one sentence."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from reprlib import Repr
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import CoreSchema, core_schema

from ablate.errors import UserError, choose

# Names become names of files and rules: lower case, since some file systems know no other, and short.
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
OWN = r"^[^:]+\.py:[A-Za-z_][A-Za-z0-9_]*$"  # as of `own_code`, less an argument


@dataclass(frozen=True)
class OneOf:
    """Of a text, that it is one of ``names``, which other code needs as well; refused as by a `Literal`.

    With ``own``, or that it names code of the user's own, as FILE.py:NAME.
    """

    names: tuple[str, ...]
    own: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        names = core_schema.literal_schema(list(self.names))
        return core_schema.union_schema([names, core_schema.str_schema(pattern=OWN)]) if self.own else names


SHORT = Repr()  # of a value in a message
SHORT.maxstring = SHORT.maxother = 80


class Record(BaseModel):
    """Frozen; an unknown key or another type is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


R = TypeVar("R", bound=Record)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file's mapping, of what JSON can hold.

    Raises:
        UserError: It names the file, and the line of a fault.
    """
    from ruamel.yaml.error import MarkedYAMLError  # here and not above: a training job reads none

    from ablate.plain_yaml import LARGEST, parse

    try:
        if not path.is_file() and path.exists():
            raise UserError(f"{path}: is no file; put a text file in its place")
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path}: is larger than {LARGEST // 1024} KiB; shorten it")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not text in UTF-8; save it as that") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); run from the repository's top folder") from None
    try:
        raw = parse(text)
    except MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path}{line}: {str(error.problem).splitlines()[0]}; correct it there") from None
    if not isinstance(raw, dict):
        raise UserError(f"{path}: must be a mapping of keys to values")
    return raw


def tuples(value: Any) -> Any:
    """YAML's lists as tuples, which strict frozen records want."""
    if isinstance(value, Mapping):
        return {k: tuples(v) for k, v in value.items()}
    return tuple(tuples(v) for v in value) if isinstance(value, list) else value


def check_record(record: type[R], raw: Mapping[str, Any], where: str) -> R:
    """``raw`` as a record.

    Raises:
        UserError: It names ``where``, the key's path, what is allowed, the nearest spelling.
    """
    try:
        return record.model_validate(tuples(raw))
    except ValidationError as error:
        # A misspelt key is also a missing one: say the spelling.
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        parts = [str(part) for part in first["loc"] if part != "[key]"]
        if first["type"] == "value_error" and parts[-1:] != [key := blamed(first)] and key.isidentifier():
            parts.append(key)  # of a whole record
        place = ".".join(parts)
        path = f"{where}: {place}" if where.endswith(".yaml") else f"{where}.{place}"
        path = path if place else where
        if first["type"] == "extra_forbidden":
            raise choose(path, first["loc"][-1], _keys_at(record, first["loc"][:-1]), "key") from None
        raise UserError(f"{path}: {explain(first)}") from None


def _keys_at(record: type[BaseModel], loc: tuple[int | str, ...]) -> Iterable[str]:
    """The keys that the record at ``loc`` below ``record`` knows."""
    for part in loc:
        if part in record.model_fields:
            inner: Any = record.model_fields[str(part)].annotation
            while getattr(inner, "__args__", None):  # dict[Name, X], tuple[X, ...], X | None: X
                inner = [arg for arg in inner.__args__ if arg not in (..., type(None))][-1]
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                record = inner
    return [field.alias or name for name, field in record.model_fields.items()]


def blamed(error: Any) -> str:
    """The key that our own message begins with."""
    return str(error["msg"]).removeprefix("Value error, ").partition(": ")[0]


def explain(error: Any) -> str:
    """pydantic's error as one sentence."""
    if error["type"] == "missing":
        return "is missing; add it"
    message = str(error["msg"]).removeprefix("Value error, ")
    message = message.replace("valid tuple", "list").replace("valid dictionary", "mapping")  # YAML's words
    message = message.split(": ", 1)[1] if error["type"] == "value_error" else message
    return f"{message} (got {SHORT.repr(error['input'])})" if error["type"] != "value_error" else message
