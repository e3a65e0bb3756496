"""params.yaml and papers/*.yaml of any shape: accepted, or refused in one sentence; nothing else, and soon.

Oracle: the type of what is raised, and that a message is one line which names the file.
"""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from ablate.config import load, values_of
from ablate.errors import UserError
from ablate.papers import read
from ablate.plan import make_plan
from ablate.records import read_yaml
from conftest import ROOT, TINY

BASE: dict[str, Any] = YAML(typ="safe", pure=True).load(TINY)
WHOLE: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "papers/resnet-vs-plain.yaml").read_text())
PAPER = {key: value[:2] if isinstance(value, list) else value for key, value in WHOLE.items()}
WORDS = st.sampled_from(
    [
        *"ab",
        "",
        "lr",
        "model",
        "label",
        "axes",
        "tables",
        "curves",
        "net1",
        "imagenet",
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
    return json.dumps(tree).replace("Infinity", ".inf").replace("NaN", ".nan")


@ANY
@given(place=st.sampled_from(list(places(BASE))), tree=TREES)
def test_params_of_any_shape_are_planned_or_refused(tmp_path: Path, place: tuple[Any, ...], tree: Any) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(as_yaml(replaced(BASE, place, tree)))
    refusal(lambda: make_plan(load(path)), "params.yaml")


STUDY = ["studies", "studies.tinyimage10", "studies.tinyimage10.optimiser", "studies.tinyimage10.optimiser.axes"]
SECTIONS = [
    *STUDY,
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


@ANY
@given(content=st.binary(max_size=40) | st.text("[]{}:,-?&*!|>'\"%@` \n\t#<a1.~=", max_size=40).map(str.encode))
def test_any_bytes_are_a_mapping_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    refusal(lambda: read_yaml(path), "params.yaml")
