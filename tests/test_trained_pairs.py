"""Pairs of trained models. Oracle: images counted by hand, McNemar's exact p from the binomial distribution."""

from pathlib import Path

import pandas as pd
import pytest

from ablate.papers.paper import read
from ablate.verdicts.model_pairs import trained_pairs
from conftest import HEAD
from fabricated import Fabricated

CLAIMS = """
claims:
  - {id: order, kind: order, study: s, metric: test_top1, arms: [a, b], quote: "q", where: "1", margin: 0, why: "w"}
  - {id: loss, kind: order, study: s, metric: val_loss, arms: [a, b], quote: "q", where: "1", margin: 0, why: "w"}
  - {id: effect, kind: effect, study: s, metric: val_top1, axis: arm, level: b, reference: a, direction: greater,
     quote: "q", where: "1", margin: 0.01, why: "w"}
  - {id: count, kind: order, metric: parameters, arms: [alexnet, resnet18], quote: "q", where: "1", margin: 0,
     why: "w"}
"""
PAPER = HEAD + "protocol: [{what: x, stated: y, where: z}]\nreported: []\nsilent: []\ndeviations: []" + CLAIMS


def predictions(right: str, split: str = "val") -> str:
    """A line per image, of label 0: predicted 0 where ``right`` has a 1."""
    return "".join(f"{split},{i},0,{1 - int(r)},0.9\n" for i, r in enumerate(right))


def made(folder: Path, a: str, b: str) -> pd.DataFrame:
    fabricated = Fabricated(folder)
    (fabricated.papers / "p.yaml").write_text(PAPER)
    fabricated.study("s", ["arm"], {}, {})
    for arm, lines in (("a", a), ("b", b)):
        fabricated.run("s", {"arm": arm}, 0, predictions=lines)
    fabricated.run("s", {"arm": "a"}, 1, predictions=a)  # a seed that b has not
    plan = fabricated.planned()
    return trained_pairs({"p": read(fabricated.papers / "p.yaml")}, plan.runs, fabricated.runs).frame


def test_counts_by_hand(tmp_path: Path) -> None:
    """Of eight images a alone is right on five and b alone on none: p = 2 / 2**5; the effect asks the reverse."""
    table = made(tmp_path, predictions("11111110"), predictions("00000110"))
    assert table["claim"].tolist() == ["order", "effect"]
    assert table["first"].tolist() == ["a", "b"] and table["seed"].tolist() == [0, 0]
    assert table["difference"].tolist() == [62.5, -62.5] and table["images"].tolist() == [8, 8]
    assert table["right by the first alone"].tolist() == [5, 0] and table["by the second alone"].tolist() == [0, 5]
    assert [float(p) for p in table["p"]] == pytest.approx([2 / 2**5] * 2, abs=0.001)
    assert set(table["varies over"]) == {"images"}


def test_a_test_split_is_used_where_it_has_labels(tmp_path: Path) -> None:
    both = predictions("0000") + predictions("11", "test")
    assert made(tmp_path, both, predictions("0000") + predictions("00", "test"))["images"].tolist() == [2, 4]


def test_a_table_of_no_pair_has_its_columns_all_the_same(tmp_path: Path) -> None:
    both = (made(tmp_path / "1", predictions("111"), predictions("110")), made(tmp_path / "2", predictions("1"), ""))
    assert list(both[0]) == list(both[1]) and both[1].empty


def test_models_of_other_images_or_of_none_are_left_out(tmp_path: Path) -> None:
    assert made(tmp_path / "1", predictions("111"), predictions("11")).empty
    assert made(tmp_path / "2", predictions("111"), "").empty
