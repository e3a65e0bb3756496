"""Arguments of a user's own network on a command line: --width 16, as YAML would read their values."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from ablate.errors import UserError, choose
from ablate.models.own_signature import check_signature
from ablate.models.registry import TIMM, own
from ablate.plan.fit_rules import network_fault


def model_args(words: Sequence[str]) -> dict[str, Any]:
    """{argument: value} of words such as --width 16, --width=16 and --norm batch.

    Raises:
        UserError: For a word that is no option, and an option without a value.
    """
    found: dict[str, Any] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("--"):
            raise UserError(f"{word!r}: one network at a time; write its arguments as options, --width 16")
        name, equals, value = word[2:].partition("=")
        if not equals:
            if not left:
                raise UserError(f"{word}: has no value; write {word} 16, say")
            value = left.pop(0)
        found[name.replace("-", "_")] = _value(value)
    return found


def _value(text: str) -> Any:
    """A number, true, false, null or a list where it reads as one; else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def check_network(name: str, args: Collection[str], options: Collection[str]) -> None:
    """Refuse ``args`` that a network does not take, as far as its text tells; ``options`` are the command's own.

    Raises:
        UserError: It names the argument, or what the network's file lacks.
    """
    where = own(name)
    if args and not where and not name.startswith(TIMM):
        raise choose(f"ablate model {name}", f"--{next(iter(args)).replace('_', '-')}", options, "option")
    if where:
        if fault := network_fault(name, 1):
            raise UserError(f"{name}: {fault}")
        check_signature(*where, args, name)
