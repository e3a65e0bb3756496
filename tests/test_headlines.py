"""Headlines of papers/<id>.yaml: few, known, such as seeds can decide, and on the page of the papers.

Oracle: the documents' abstracts and conclusions, read by hand.
"""

from datetime import date
from pathlib import Path

import pytest

from ablate.errors import UserError
from ablate.inert import in_markdown
from ablate.papers.paper import read
from conftest import ROOT
from test_papers import FOLDER, PAPERS

# By hand: what the abstract (or, without one, the conclusions) says was found.
STANDS_FOR = {
    "alexnet-vs-resnet": {"resnet-over-alexnet", "pretraining-raises-accuracy", "augmentation-helps"},
    "five-cnns": {"dropout-net-over-the-other", "transfer-is-best"},
    "tinyimage10": {"ten-classes-are-easier", "sgd-over-adam"},
    "resnet18-init": {"scratch-is-harder", "scratch-does-not-overfit"},
    "resnet-vs-plain": {"net-1-over-net-6", "net-1-trains-faster", "resnet-overfits-more"},
}


@pytest.mark.parametrize("id", [id for id in STANDS_FOR if id in PAPERS])
def test_a_paper_s_headlines(id: str) -> None:
    headlines = PAPERS[id].headlines
    assert headlines is not None and headlines.claims.keys() == STANDS_FOR[id]
    assert headlines.chosen >= date(2026, 11, 26)
    for why in headlines.claims.values():
        assert why.endswith(".") and not {"pilot", "our", "ours", "seen"} & {*why.lower().split()}
    page = (ROOT / "docs/papers.md").read_text(encoding="utf-8").split(f"`{id}`.")[1]
    for claim in PAPERS[id].claims:
        [row] = [line for line in page.split("\n## ")[0].splitlines() if line.startswith(f"| {claim.id} |")]
        why = row.removesuffix(" |").rsplit("| ", 1)[1]
        assert why == in_markdown(headlines.claims.get(claim.id, ""))


def test_the_controls_have_none() -> None:
    assert PAPERS["controls"].headlines is None


FIRST, LAST = "net-1-over-net-6:", "    resnet-overfits-more:"
BAD = {
    "unknown": (FIRST, "net-1-over-net-7:", ["claims.net-1-over-net-7", "unknown claim", "mean 'net-1-over-net-6'"]),
    "four": (LAST, f"    net-1-is-the-best: x\n{LAST}", [".claims: has 4; keep at most 3"]),
    "none": (None, "headlines: {chosen: 2026-11-26, claims: {}}", [".claims", "at least 1"]),
    "a count of networks": (FIRST, "net-3-is-the-smaller-net:", ["net-3-is-the-smaller-net: counts networks"]),
    "an absolute number": (FIRST, "accuracy-of-net-1:", ["accuracy-of-net-1: its number belongs", "choose a claim"]),
    "no reason": (FIRST, "net-1-is-the-best: ''\n    net-1-over-net-6:", ["net-1-is-the-best", "at least 1 char"]),
    "no day": ("chosen: 2026-11-26", "chosen: today", [".chosen", "must be a day, as 2026-11-26 (got"]),
    "a number for a day": ("chosen: 2026-11-26", "chosen: 20261126", [".chosen", "must be a day"]),
    "wrong key": ("chosen: 2026-11-26", "choosen: 2026-11-26", [".choosen", "did you mean 'chosen'"]),
    "twice": (LAST, f"    {FIRST} x\n{LAST}", ["line", "duplicate key"]),
}  # fmt: skip


@pytest.mark.papers("resnet-vs-plain")
@pytest.mark.parametrize("fault", BAD)
def test_what_is_no_headline_is_refused_with_file_and_key(fault: str, tmp_path: Path) -> None:
    old, new, said = BAD[fault]
    text = (FOLDER / "resnet-vs-plain.yaml").read_text(encoding="utf-8")
    old = old or text[text.index("headlines:") : text.index("\n\n# A claim's")]
    assert text.count(old) >= 1
    path = tmp_path / "resnet-vs-plain.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read(path)
    for part in (str(path), *said):
        assert part in str(caught.value)


@pytest.mark.papers("alexnet-vs-resnet")
def test_a_comparison_that_the_paper_does_not_have_is_none(tmp_path: Path) -> None:
    text = (FOLDER / "alexnet-vs-resnet.yaml").read_text(encoding="utf-8")
    path = tmp_path / "alexnet-vs-resnet.yaml"
    own, clean = "pretraining-raises-accuracy", "other-classes-raise-accuracy"
    path.write_text(text.replace(f"{own}:", f"{clean}:", 1), encoding="utf-8")
    with pytest.raises(UserError, match=rf"claims\.{clean}.*; choose {own}"):
        read(path)
