"""Names of arms and classes. Oracle: the tuples that they were made of, read back by a decoder of the tests' own."""

import json
from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ablate.errors import UserError
from ablate.plan.names import arm_name, arms_in, called_arm, class_names, unique

# Pieces that labels are made of, so that separators and quotes meet in every way.
PIECES = st.sampled_from(["", " ", "/", " / ", '"', "\\", "A", "B", "n", "\n", "\\u0041", "é", "e\u0301"])
LABEL = st.lists(PIECES, max_size=5).map("".join) | st.text(max_size=6)


def levels_of(name: str) -> list[str]:
    """A name's labels, of two axes or more."""
    found, decoder = [], json.JSONDecoder()
    while True:
        if name.startswith('"'):
            label, end = decoder.raw_decode(name)
        else:
            end = name.find(" / ") if " / " in name else len(name)
            label = name[:end]
        found.append(label)
        if end == len(name):
            return found
        assert name[end : end + 3] == " / "
        name = name[end + 3 :]


@given(st.lists(LABEL, min_size=2, max_size=4))
@example(["A", "B / C"])
@example(["A / B", "C"])
@example(["A /", "B"])
@example(["A", "/ B"])
@example(["", ""])
@example(['"A"', '"A / B"'])
@settings(max_examples=200)
def test_the_levels_can_be_read_from_an_arms_name(labels: list[str]) -> None:
    assert levels_of(arm_name(labels)) == labels


@given(LABEL, LABEL)
@example("", '""')
@example('"', json.dumps('"'))
@settings(max_examples=150)
def test_arms_of_one_axis_have_names_of_their_own(one: str, other: str) -> None:
    assert arm_name([one]) != "" and (arm_name([one]) == arm_name([other])) == (one == other)


@pytest.mark.parametrize(
    "labels", [("AlexNet", "plain", "scratch"), ("0.001", "0.9", "0.1"), ("w/o", "A/B"), ("a + b",)]
)
def test_ordinary_labels_are_joined_as_they_are(labels: tuple[str, ...]) -> None:
    assert arm_name(labels) == " / ".join(labels)


def test_what_would_be_read_otherwise_is_quoted() -> None:
    assert arm_name(("A", "B / C")) == 'A / "B / C"' and arm_name(("A / B", "C")) == '"A / B" / C'
    assert arm_name(("A / B",)) == "A / B" and arm_name(("", "x")) == '"" / x'


ARM = st.text("ab+@: /", min_size=1, max_size=4)


@given(st.lists(ARM, min_size=1, max_size=5, unique=True), st.data())
@settings(max_examples=150)
def test_an_argument_names_the_arms_that_it_can_only_mean(arms: list[str], data: st.DataObject) -> None:
    """Oracle: every list of up to five arms, joined."""
    chosen = data.draw(st.lists(st.sampled_from(arms), min_size=1, max_size=3))
    text = "+".join(chosen)
    ways = [list(ways) for n in range(1, 6) for ways in product(arms, repeat=n) if "+".join(ways) == text]
    assert chosen in ways
    if len(ways) == 1:
        assert arms_in(text, arms, "curves") == chosen
    else:
        with pytest.raises(UserError, match="give these levels labels without"):
            arms_in(text, arms, "curves")


def test_an_argument_of_many_parts_is_read_at_once() -> None:
    """Each of the parts could end an arm: a reading is not looked for twice."""
    with pytest.raises(UserError, match="unknown arm 'b'"):
        arms_in("+".join(["a"] * 200 + ["b"]), ["a", "a+a"], "curves")
    with pytest.raises(UserError, match="names"):
        arms_in("+".join(["a"] * 200), ["a", "a+a"], "curves")
    assert arms_in("A+B", ["A+B", "C"], "curves") == ["A+B"] and arms_in("A@1+B:2", ["A@1", "B:2"], "c") == [
        "A@1",
        "B:2",
    ]


@given(st.lists(st.sampled_from(["a", "a (2)", "a (3)", "b", ""]), max_size=8))
def test_unique_names_are_all_there_and_all_different(names: list[str]) -> None:
    found = unique(names)
    assert len(set(found)) == len(found) == len(names)
    assert all(new == old or new.startswith(f"{old} (") for new, old in zip(found, names, strict=True))


@given(st.lists(st.sampled_from(["crane", "crane, bird", "crane, machine", "newt", "newt (c1)", ""]), max_size=7))
def test_classes_have_names_of_their_own(words: list[str]) -> None:
    meta = {"words": words, "classes": [f"c{i}" for i in range(len(words))]}
    names = class_names(meta, range(len(words)))
    assert len(set(names)) == len(names) == len(words)


def test_a_class_is_called_by_its_first_word_unless_another_is() -> None:
    meta = {"words": ["crane, bird", "newt, eft", "crane, machine", "ox", "ox"], "classes": list("abcde")}
    assert class_names(meta, range(5)) == ["crane, bird", "newt", "crane, machine", "ox (d)", "ox (e)"]
    assert class_names(meta, [1, 2]) == ["newt", "crane"]


@pytest.mark.parametrize(
    ("arm", "axes", "show", "said"),
    [
        ("8", ["batch-size"], {}, "batch size 8"),
        ("0.01 / 0.9 / SGD", ["lr", "momentum", "optimiser"], {}, "lr 0.01 / momentum 0.9 / SGD"),
        ("true / a", ["flip", "net"], {"a": "Net A"}, "flip true / Net A"),
        ("8", ["batch-size"], {"8": "eight"}, "eight"),  # what the paper's file says is enough
        ("8 / 2", ["batch-size", "depth"], {"8": "16"}, "16 / depth 2"),
        ("5 layers", ["depth"], {}, "5 layers"),
        ("8", [], {}, "8"),  # of a study without axes, or whose axes are not known
        (arm_name(["1 / 2", "3"]), ["a", "b"], {}, '"1 / 2" / 3'),
    ],
)
def test_a_bare_number_has_its_axis_before_it(arm: str, axes: list[str], show: dict[str, str], said: str) -> None:
    assert called_arm(arm, axes, show) == said
