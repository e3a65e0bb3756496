"""YAML as far as JSON goes: text, numbers, true, false, null, lists and mappings with text as keys.

YAML 1.2: 1e-3 is a number, `no` is text, and a key written twice is an error. Dates are text as they are written.
Tags, directives and what refers to itself are refused, as is what takes long to read: size, nesting and the number of
values are bounded, with what stands behind aliases counted as often as it is named.
"""

from functools import lru_cache
from itertools import accumulate
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, StringMark
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from ablate.plain import CONTROL, DEPTH, unprintable

LARGEST = 256 * 1024  # bytes: ten times the shipped params.yaml, and about a second
VALUES = 15_000
LONGEST = {"tag:yaml.org,2002:int": 18, "tag:yaml.org,2002:float": 40}  # characters of a number
TAG = "tag:yaml.org,2002:"


@lru_cache(maxsize=16)
def parse(text: str) -> Any:
    """What ``text`` holds, which the caller must not change. Raises ruamel's MarkedYAMLError."""
    if fault := CONTROL.search(text):
        raise _refused(f"the character {fault[0]!a} is not taken", text.count("\n", 0, fault.start()))
    for n, line in enumerate(text.split("\n")):
        if line.startswith("%"):
            raise _refused("a directive is not taken", n)
        # The scanner is slow, and recursive, where brackets are open on one line.
        if max(accumulate((c in "[{") - (c in "]}") for c in line), default=0) > DEPTH:
            raise _refused(f"brackets are nested deeper than {DEPTH}", n)
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer, yaml.Constructor = _Bounded, _Plain
    return yaml.load(text)


def _refused(problem: str, line: int) -> MarkedYAMLError:
    return ComposerError(None, None, problem, StringMark("", 0, line, 0, None, 0))


class _Plain(SafeConstructor):
    """Dates are text."""


_Plain.add_constructor(f"{TAG}timestamp", SafeConstructor.construct_yaml_str)


class _Bounded(Composer):
    """Refuses what the module's text says, before anything is made of it."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self.warn_double_anchors = False  # YAML allows them
        self.seen = 0
        self.level = 0
        self.extent: dict[int, tuple[int, int]] = {}  # of each finished node: values and levels, aliases followed

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.parser.peek_event()
        self.seen += 1
        self.level += 1
        if self.seen > VALUES:
            raise self._refused(f"holds more than {VALUES} values", event)
        if self.level > DEPTH:
            raise self._refused(f"is nested deeper than {DEPTH}", event)
        if getattr(event, "tag", None) is not None:
            raise self._refused(f"the tag {event.tag!r} is not taken; write the plain value", event)
        node = super().compose_node(parent, index)
        self.level -= 1
        if isinstance(event, AliasEvent):
            if id(node) not in self.extent:
                raise self._refused(f"*{event.anchor} stands in what it refers to", event)
            return node
        self._check(node, event)
        return node

    def _check(self, node: Any, event: Any) -> None:
        children: list[Any] = []
        if isinstance(node, ScalarNode):
            if len(node.value) > LONGEST.get(str(node.tag), len(node.value)):
                raise self._refused("a number of so many digits is not taken", event)
            if unprintable(node.value):
                raise self._refused("text with a character that cannot be printed", event)
        elif isinstance(node, SequenceNode):
            children = node.value
        elif isinstance(node, MappingNode):
            for key, _ in node.value:
                if not isinstance(key, ScalarNode) or key.tag not in (f"{TAG}str", f"{TAG}merge"):
                    raise self._refused("a key must be text; put it into quotes", key)
                if "\n" in key.value or "\t" in key.value:
                    raise self._refused("a key must be one line of text", key)
            children = [part for pair in node.value for part in pair]
        extents = [self.extent[id(child)] for child in children]
        values, levels = 1 + sum(v for v, _ in extents), 1 + max((d for _, d in extents), default=0)
        if values > VALUES:
            raise self._refused(f"holds more than {VALUES} values, with what its aliases stand for", event)
        if levels > DEPTH:
            raise self._refused(f"is nested deeper than {DEPTH}, by way of its aliases", event)
        self.extent[id(node)] = values, levels

    def _refused(self, problem: str, at: Any) -> MarkedYAMLError:
        return ComposerError(None, None, problem, at.start_mark)
