"""New values in the text of a YAML file as people laid it out: comments, blanks and brackets stay as they are."""

import json
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from ablate.plain_yaml import parse

Edit = tuple[int, int, str]  # from, to, what stands there instead


def in_layout_of(text: str, values: Any) -> str | None:
    """``text`` with ``values`` in it; None where they differ by more than values and keys that were added."""
    edits = sorted(_edits(text, YAML(typ="safe", pure=True).compose(text), parse(text), values))
    for start, end, new in reversed(edits):
        text = text[:start] + new + text[end:]
    return text if parse(text) == values else None


def _edits(text: str, node: Node, old: Any, new: Any) -> Iterator[Edit]:
    if old == new and type(old) is type(new):
        return
    if isinstance(node, MappingNode) and isinstance(new, dict) and node.value:
        for key, value in node.value:
            if key.value not in new:
                continue
            if value.start_mark.index == value.end_mark.index and old[key.value] != new[key.value]:  # nothing there
                at = text.index(":", key.end_mark.index) + 1
                yield at, at, f" {_flow(new[key.value])}"
            else:
                yield from _edits(text, value, old[key.value], new[key.value])
        if added := [f"{_plain(key)}: {_flow(value)}" for key, value in new.items() if key not in old]:
            at = _end(node.value[-1][1])
            if not node.flow_style:
                at = text.find("\n", at) if "\n" in text[at:] else len(text)
            between = ", " if node.flow_style else "\n" + " " * node.value[0][0].start_mark.column
            yield at, at, "".join(between + each for each in added)
    elif isinstance(node, SequenceNode) and isinstance(new, list) and len(new) == len(node.value):
        for item, before, after in zip(node.value, old, new, strict=True):
            yield from _edits(text, item, before, after)
    else:
        yield node.start_mark.index, _end(node), _flow(new)


def _end(node: Node) -> int:
    """Where the text of a node ends: that of one in block style, with its last leaf."""
    if isinstance(node, (MappingNode, SequenceNode)) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_plain(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _plain(value) if isinstance(value, str) else json.dumps(value)


def _plain(word: str) -> str:
    """Without quotes where it is read as that text."""
    simple = word.replace("-", "").replace("_", "").isalnum() and parse(f"[{word}]") == [word]
    return word if simple else json.dumps(word, ensure_ascii=False)
