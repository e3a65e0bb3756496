"""How things are named in text: an arm by its levels, several arms in one argument, classes by their words.

An arm is its tuple of levels. Its name is that tuple as one line of text from which the tuple can be read again, so
that two arms of a study never have the same one: what goes by an arm's name goes by its levels. Imports no pandas.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ablate.errors import UserError, choose

BETWEEN = " / "  # two levels of an arm
BEST = "best"  # in arguments: the arm that is best on val


def arm_name(labels: Collection[str]) -> str:
    """The labels of an arm's levels, one of each axis, joined by " / ".

    Quoted, as JSON, are those that would be read otherwise: one that is empty, that begins with a quote, or that has
    " / " in it where it is not the only one.
    """
    return BETWEEN.join(_quoted(label, alone=len(labels) == 1) for label in labels)


def _quoted(label: str, *, alone: bool) -> str:
    plain = label[:1] not in ("", '"') and (alone or BETWEEN not in f" {label} ")
    return label if plain else json.dumps(label, ensure_ascii=False)


def arms_in(text: str, arms: Sequence[str], where: str) -> list[str]:
    """The arms, of ``arms``, that ``text`` names: one, or several with + between.

    Raises:
        UserError: For a name that there is not, and where names that have a + in them make it readable in more than
            one way.
    """
    parts = text.split("+")
    readings: list[list[list[str]]] = [[] for _ in parts] + [[[]]]  # at most two, of the parts from i on
    for i in reversed(range(len(parts))):
        for j in range(i + 1, len(parts) + 1):
            if (name := "+".join(parts[i:j])) in arms:
                readings[i] += [[name, *rest] for rest in readings[j]]
        readings[i] = readings[i][:2]
    if not readings[0]:
        raise choose(where, next((part for part in parts if part not in arms), text), arms, "arm")
    if len(readings[0]) > 1:
        ways = " or ".join(" and ".join(map(repr, reading)) for reading in readings[0])
        raise UserError(f"{where}: {text!r} names {ways}; give these levels labels without +")
    return readings[0][0]


def arm_or_best(name: str, arms: Collection[str], where: str) -> str:
    """``name``: one of ``arms``, or `BEST` for the best of them.

    Raises:
        UserError: For a name that there is not, and for one that is both.
    """
    if name == BEST and BEST in arms:
        raise UserError(f"{where}: 'best' is an arm here as well as the best arm; give its level another label")
    if name not in (BEST, *arms):
        raise choose(where, name, [BEST, *arms], "arm")
    return name


def shown_arm(arm: str, show: Mapping[str, str]) -> str:
    """The arm's name with what readers see of its levels; ``show`` has that of some labels."""
    if not show or arm in show:
        return show.get(arm, arm)
    return BETWEEN.join(show.get(label, label) for label in arm.split(BETWEEN))


def called_arm(arm: str, axes: Sequence[str], show: Mapping[str, str]) -> str:
    """The arm as sentences and legends call it: `shown_arm`, with its axis before a bare number, or a truth value.

    ``axes`` are its study's. learning rate 0.01 / momentum 0.9 for 0.01 / 0.9.
    """
    labels = arm.split(BETWEEN)
    if arm in show or len(labels) != len(axes):
        return shown_arm(arm, show)
    return BETWEEN.join(show.get(label) or called(axis, label) for axis, label in zip(axes, labels, strict=True))


def called(axis: str, label: str) -> str:
    """A level in a sentence: lr 0.01 for a bare number of the axis lr, and what is no number as it is."""
    try:
        float(label)
    except ValueError:
        if label.lower() not in ("true", "false"):
            return label
    return f"{axis.replace('-', ' ')} {label}"


def title_of(name: str) -> str:
    """A study's or a paper's identifier as a title: batch-size is Batch size."""
    words = name.replace("-", " ")
    return words[:1].upper() + words[1:]


def unique(names: Iterable[str]) -> list[str]:
    """The names, each but the first of equal ones with a number behind it."""
    found: dict[str, None] = {}
    for name in names:
        found[another(name, found)] = None
    return list(found)


def another(name: str, taken: Collection[str]) -> str:
    """``name``, or the first of "name (2)", "name (3)" that is not taken."""
    n, free = 1, name
    while free in taken:
        n += 1
        free = f"{name} ({n})"
    return free


def class_names(meta: Mapping[str, Any], chosen: Iterable[int]) -> list[str]:
    """The ``chosen`` classes of a pack by the first of their words.

    Where two would have the same name, it is by all words, and where these are the same by the class's own id as
    well.
    """
    chosen = list(chosen)
    words = [str(meta["words"][label]) for label in chosen]
    names = [text.split(",")[0] for text in words]
    for better in (words, [f"{text} ({meta['classes'][label]})" for label, text in zip(chosen, words, strict=True)]):
        times = Counter(names)
        names = [name if times[name] == 1 else other for name, other in zip(names, better, strict=True)]
    return unique(names)
