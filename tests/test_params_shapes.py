"""params.yaml and papers/*.yaml of any shape: accepted, or refused in one sentence; nothing else, and soon.

Oracle: the type of what is raised, and that a message is one line which names the file.
"""

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from ablate.cli import main as cli
from ablate.errors import UserError
from ablate.papers.paper import read
from ablate.plan.drawn import read_drawn
from ablate.plan.params import load, values_of
from ablate.plan.runs import make_plan
from ablate.records import read_yaml
from conftest import ROOT, TINY

BASE: dict[str, Any] = YAML(typ="safe", pure=True).load(TINY)
BASE["studies"]["resnet-vs-plain"]["other"] = {"settings": {"lr": 0.3}, "axes": {"model": "as in shallow"}}
LONGEST = max((ROOT / "papers").glob("*.yaml"), key=lambda path: path.stat().st_size)
WHOLE: dict[str, Any] = YAML(typ="safe", pure=True).load(LONGEST.read_text())
PAPER = {key: value[:2] if isinstance(value, list) else value for key, value in WHOLE.items()}
WORDS = st.sampled_from(
    [
        *"ab",
        "",
        "lr",
        "model",
        "label",
        "axes",
        "settings",
        "curves",
        "net1",
        "imagenet",
        "as in shallow",
        "-1",
        "..",
        "a/b",
        "a\nb",
        "\0",
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
ANY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def places(tree: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a tree, the tree itself first."""
    yield here
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from places(value, (*here, key))


def replaced(tree: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    made = copy.copy(tree)
    made[place[0]] = replaced(tree[place[0]], place[1:], value)
    return made


def refusal(job: Any, *names: str) -> str | None:
    """The one sentence with which ``job`` refuses, and which must name ``names``; None where it does not."""
    try:
        job()
    except UserError as error:
        said = str(error)
        assert len(said.splitlines()) == 1 and len(said) < 3000, said
        assert all(name in said for name in names), said
        return said
    return None


def as_yaml(tree: Any) -> str:
    """JSON is YAML, but for its words of numbers that are none."""
    return json.dumps(tree, default=str).replace("Infinity", ".inf").replace("NaN", ".nan")


@ANY
@given(place=st.sampled_from(list(places(BASE))), tree=TREES)
def test_params_of_any_shape_are_planned_or_refused(tmp_path: Path, place: tuple[Any, ...], tree: Any) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(as_yaml(replaced(BASE, place, tree)))
    refusal(lambda: make_plan(load(path)), "params.yaml")


STUDIES = [
    "studies",
    "studies.tinyimage10",
    "studies.tinyimage10.settings",
    "studies.tinyimage10.optimiser",
    "studies.tinyimage10.optimiser.axes",
    "studies.resnet-vs-plain.shallow.axes.model",
    "studies.resnet-vs-plain.shallow.axes.model.cifar-plain7",
]
SECTIONS = [
    *STUDIES,
    "stand_in",
    "stand_in.imagenet",
    "overrides",
    "seeds",
    "pretraining",
    "datasets",
    "datasets.cifar10",
    "defaults",
    "compute",
    "adaptive",
]


@ANY
@given(place=st.sampled_from(SECTIONS), tree=TREES)
def test_overlays_of_any_shape_are_planned_or_refused(tmp_path: Path, place: str, tree: Any) -> None:
    for key in reversed(place.split(".")):
        tree = {key: tree}
    path = tmp_path / "params.yaml"
    path.write_text(as_yaml(BASE | {"scales": {"tiny": tree}}))
    refusal(lambda: make_plan(load(path)), "params.yaml")


@ANY
@given(values=st.dictionaries(st.sampled_from([*BASE, "scales", "x"]), TREES | st.dates() | st.binary(), max_size=2))
def test_values_of_any_shape_are_planned_or_refused(tmp_path: Path, values: dict[str, Any]) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(TINY)
    refusal(lambda: make_plan(load(path, values)), "params.yaml")


@ANY
@given(
    text=st.text(max_size=30) | TREES.map(json.dumps) | st.sampled_from(["[" * 9999, "9" * 5000, "nope", "[]", ""])
)
def test_values_of_any_text_are_an_object_or_refused(text: str) -> None:
    refusal(lambda: values_of(text), "--values")


@ANY
@given(place=st.sampled_from(list(places(PAPER))), tree=TREES)
def test_papers_of_any_shape_are_read_or_refused(tmp_path: Path, place: tuple[Any, ...], tree: Any) -> None:
    path = tmp_path / "paper.yaml"
    path.write_text(as_yaml(replaced(PAPER, place, tree)))
    refusal(lambda: read(path), "paper.yaml")
    refusal(lambda: read_drawn(path, ["nets", "a"]), "paper.yaml")


@ANY
@given(content=st.binary(max_size=40) | st.text("[]{}:,-?&*!|>'\"%@` \n\t#<a1.~=", max_size=40).map(str.encode))
def test_any_bytes_are_a_mapping_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    refusal(lambda: read_yaml(path), "params.yaml")


BOMB = "a0: &a0 [x, x]\n" + "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))
MERGES = "a0: &a0 {x: 1}\n" + "\n".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}" for i in range(1, 40))
CHAIN = "a0: &a0 [x]\n" + "\n".join(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 3000))
STRANGE: dict[str, tuple[str | bytes, str]] = {  # what a file holds, and what the refusal says
    "NUL": ("a: b\0c", "line 1: the character '\\x00'"),
    "NUL further down": ("a: b\nc: d\0", "line 2"),
    "an escape code": ("a: \x1b[2J", "line 1: the character"),
    "an escaped NUL": ('a: "\\0"', "line 1: text with a character"),
    "half a character": ('a: "\\ud800"', "line 1: text with a character"),
    "a separator of lines": ("a: b\u2028c", "line 1"),
    "brackets": ("[" * 3000, "line 1: brackets are nested"),
    "brackets that close": ("a: " + "[" * 3000 + "]" * 3000, "line 1: brackets are nested"),
    "braces and more": ("a: " + "{a: [" * 400, "line 1: brackets are nested"),
    "brackets on lines": ("[\n" * 3000, "line 51: is nested"),
    "dashes": ("- " * 3000, "line 1: is nested"),
    "question marks": ("? " * 3000, "line 1: is nested"),
    "deep blocks": ("\n".join(" " * i + "a:" for i in range(300)), "line 50: is nested"),
    "a list of itself": ("a: &a [*a]", "line 1: *a stands in what it refers to"),
    "a mapping of itself": ("a:\n  &a\n  b: *a", "stands in what it refers to"),
    "a mapping merged into itself": ("a: &a {<<: *a}", "line 1: *a stands in what it refers to"),
    "an alias bomb": (BOMB, "with what its aliases stand for"),
    "a bomb of merges": (MERGES, "with what its aliases stand for"),
    "a chain of aliases": (CHAIN, "by way of its aliases"),
    "many values": ("a: [" + "1, " * 80_000 + "]", "holds more than"),
    "many keys": ("\n".join(f"k{i}: 1" for i in range(20_000)), "holds more than"),
    "many bytes": ("# " + "x" * 300_000, "is larger than"),
    "a large number": ("a: " + "9" * 5000, "line 1: a number of so many digits"),
    "a large fraction": ("a: 0." + "9" * 5000, "line 1: a number of so many digits"),
    "a key twice": ("a: 1\nb: 2\na: 3", "line 3: found duplicate key"),
    "a key twice, far down": ("a: {b: {c: 1, c: 2}}", "line 1: found duplicate key"),
    "a tab": ("a:\n\tb: 1", "line 2"),
    "a number as key": ("a: 1\n1: 2", "line 2: a key must be text"),
    "nothing as key": ("~: 2", "line 1: a key must be text"),
    "true as key": ("true: 2", "line 1: a key must be text"),
    "a list as key": ("? [a]\n: 2", "line 1: a key must be text"),
    "a mapping as key": ("? {a: b}\n: 2", "line 1: a key must be text"),
    "two lines as key": ('"a\\nb": 2', "line 1: a key must be one line"),
    "UTF-16": ("a: 1".encode("utf-16"), "is not text in UTF-8"),
    "Latin-1": ("a: é".encode("latin-1"), "is not text in UTF-8"),
    "a list": ("- a", "must be a mapping"),
    "null": ("null", "must be a mapping"),
    "nothing": ("", "must be a mapping"),
    "a comment": ("# a", "must be a mapping"),
    "a word": ("a", "must be a mapping"),
    "two documents": ("a: 1\n---\nb: 1", "line 2"),
    "a number merged": ("<<: 3", "line 1"),
    "a list of numbers merged": ("<<: [1]", "line 1"),
    "merged twice": ("a: &a {b: 1}\nc: {<<: *a, <<: *a}", "line 2"),
    "an unknown alias": ("a: *b", "line 1: found undefined alias"),
    "a program": ("a: !!python/object/apply:os.system [touch x]", "line 1: the tag"),
    "an object": ("!!python/object:object {}", "line 1: the tag"),
    "binary": ("a: !!binary x", "line 1: the tag"),
    "a set": ("a: !!set {b}", "line 1: the tag"),
    "a tag of its own": ("a: !mine b", "line 1: the tag"),
    "a number by tag": ("a: !!int abc", "line 1: the tag"),
    "an older YAML": ("%YAML 1.1\n---\na: no", "line 1: a directive"),
    "a tag's directive": ("%TAG ! tag:x,2000:\n---\na: 1", "line 1: a directive"),
    "a colon too many": ("a: b: c", "line 1"),
    "a quote left open": ("a: 'b", "line 1"),
    "a bracket left open": ("a: [b\nc: d", "line"),
}


@pytest.mark.parametrize("case", STRANGE)
@pytest.mark.parametrize("name", ["params.yaml", "paper.yaml"])
def test_strange_yaml_is_refused_in_one_sentence(case: str, name: str, tmp_path: Path) -> None:
    content, expected = STRANGE[case]
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    message = refusal(lambda: (load if name == "params.yaml" else read)(path), name)
    assert message is not None and expected in message


def test_yaml_as_people_write_it_is_read(tmp_path: Path) -> None:
    """Oracle: YAML 1.2, and dates as text."""
    path = tmp_path / "a.yaml"
    text = "\ufeffa: no\r\nb: 010\r\nc: 2001-02-30\r\nd: &d {x: 1e-3, on: off}\r\ne: {<<: *d, x: 2}\r\nf: é 😀\r\n"
    path.write_bytes(text.encode())
    mapped = {"d": {"x": 0.001, "on": "off"}, "e": {"x": 2, "on": "off"}}
    assert read_yaml(path) == {"a": "no", "b": 10, "c": "2001-02-30", "f": "é 😀"} | mapped


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "dead.yaml").symlink_to(tmp_path / "gone")
    for name in ("none.yaml", "folder.yaml", "pipe.yaml", "dead.yaml"):
        assert refusal(lambda name=name: read_yaml(tmp_path / name), name)


@pytest.mark.parametrize(
    "text", ["nope", "[]", "", "{", '{"scale": 3}', '{"scale": null}', '{"scale": []}', '{"scale": {}}', "[" * 9999,
             "1", '{"sede": 1}', '{"seeds": [NaN]}', '{"studies": 5}', '{"scales": {"tiny": 3}}', '{"mirror": [1]}',
             '{"seeds": [1e999]}', '{"a\\u0000b": 1}', '{"mirror": "\\ud800"}', '{"recipe": ' + "9" * 400 + "}"]
)  # fmt: skip
def test_options_are_refused_with_exit_code_2(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(TINY)
    monkeypatch.setattr("sys.argv", ["ablate", "plan", "--values", text])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("ablate: error: ") and len(said.splitlines()) == 1 and len(said) < 3000
