"""Plain values: what JSON can hold, in text that can be printed and of bounded size."""

import re
from collections.abc import Mapping
from typing import Any

DEPTH = 50  # of mappings and lists in each other
LARGEST_INT = 10**18
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def not_plain(value: Any, level: int = 0) -> str | None:
    """What keeps ``value`` from being text, numbers, true, false, null, lists and mappings of them; else None."""
    if level > DEPTH:
        return f"is nested deeper than {DEPTH}"
    if isinstance(value, Mapping):
        if any(not isinstance(key, str) or not key.isprintable() for key in value):
            return "has a key that is not one line of text"
        return next(filter(None, (not_plain(part, level + 1) for part in value.values())), None)
    if isinstance(value, list | tuple):
        return next(filter(None, (not_plain(part, level + 1) for part in value)), None)
    if isinstance(value, str):
        return "has text with a character that cannot be printed" if unprintable(value) else None
    if isinstance(value, int) and abs(value) > LARGEST_INT:
        return "has a number of so many digits"
    return None if isinstance(value, int | float | None) else f"has a {type(value).__name__} in it"


def unprintable(text: str) -> bool:
    """Whether it has control characters, tabs and line breaks apart, or halves of a character."""
    return CONTROL.search(text) is not None
