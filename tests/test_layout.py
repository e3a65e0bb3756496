"""params.yaml after `dvc exp run -S`: its own text with the new value. Oracle: the shipped file, line by line."""

import copy
import difflib
from typing import Any

import pytest

from ablate.plain_yaml import parse
from ablate.plan.layout import in_layout_of
from conftest import ROOT

SHIPPED = (ROOT / "params.yaml").read_text()


def changed(values: Any, text: str = SHIPPED) -> tuple[list[str], list[str]]:
    """The lines that went, and those that came."""
    after = in_layout_of(text, values)
    assert after is not None and parse(after) == values
    lines = list(difflib.ndiff(text.splitlines(), after.splitlines()))
    return [line[2:] for line in lines if line[0] == "-"], [line[2:] for line in lines if line[0] == "+"]


@pytest.mark.papers("tinyimage10")
@pytest.mark.parametrize(
    ("place", "value", "came"),
    [
        ("mirror", "/data/x y", 'mirror: "/data/x y"'),
        ("seeds", [0, 1], "seeds: [0, 1]"),
        ("compute.threads", 4, "  threads: 4"),
        ("studies.tinyimage10.optimiser.settings.epochs", 7, "      settings: {epochs: 7"),
        ("studies.tinyimage10.optimiser.settings.new_key", 0.5, "new_key: 0.5}"),
        ("studies.tinyimage10.optimiser.added", {"a": [1, "b"]}, "      added: {a: [1, b]}"),
        ("defaults.new", None, "  new: null"),
    ],
)
def test_one_value_is_one_line(place: str, value: Any, came: str) -> None:
    values = copy.deepcopy(parse(SHIPPED))
    *way, last = place.split(".")
    inner = values
    for key in way:
        inner = inner[key]
    inner[last] = value
    went, new = changed(values)
    assert len(new) == 1 and len(went) <= 1 and came in new[0]


def test_what_is_the_same_stays_byte_for_byte() -> None:
    assert in_layout_of(SHIPPED, parse(SHIPPED)) == SHIPPED


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("a:\nb: 1 # one\n", {"a": 2, "b": 3}, "a: 2\nb: 3 # one\n"),
        ("a: {}\n", {"a": {"b": "no"}}, "a: {b: no}\n"),
        ("a: [1, {b: 2}]\n", {"a": [1, {"b": "2"}]}, 'a: [1, {b: "2"}]\n'),
        ("a:\n  b: 1\n  # said\nc: 2", {"a": {"b": 1, "d": 3}, "c": 2, "e": 4}, None),
        ("a: 1\nb: 2\n", {"a": 1}, False),
    ],
)
def test_by_hand(text: str, values: Any, expected: str | None) -> None:
    found = in_layout_of(text, values)
    if expected is False:
        assert found is None  # a key less is more than this can do
    else:
        assert found is not None and parse(found) == values and found == (expected or found)
