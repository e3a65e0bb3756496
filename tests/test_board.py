"""The board, drawn. Oracle: effects by hand, in margins of their claims."""

from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from ablate.papers.claim import Claim
from ablate.plan.receipts import FIGURE
from ablate.results.captions import read_caption
from ablate.verdicts import claims_figure
from ablate.verdicts.assess import Judged
from ablate.verdicts.claims_figure import Effect, draw_boards, effect_of
from ablate.verdicts.evidence import Evidence
from ablate.verdicts.verdict import Part, Verdict
from drawn import texts
from fabricated import claim

pytestmark = pytest.mark.usefixtures("no_figures_left")
ORDER = {"kind": "order", "metric": "val_top1", "arms": ["a", "b"], "direction": None}


def judged(part: Part, test: Verdict, word: str, *, unit: str = "points", of: Claim | None = None) -> Judged:
    none = (), {}, {}, ()
    found = Evidence("c", (part,), *none[1:], unit, (), (), 0, (), False, frozenset(), (), "seeds")
    asked = of or claim(**ORDER)
    return Judged("p", asked, "A is better than B", True, found, test, test.finding, "near", word, "said")


def test_effects_are_in_margins_with_what_is_claimed_on_the_right() -> None:
    """Of 4, 2 to 10 points where 2 are asked for: 2, 1 to 5 margins; where less is claimed, its mirror."""
    test = Verdict("shown, size open", 3, 4.0, 2.0, 10.0, part="x")
    assert effect_of(judged(Part("x", {"a": 1}, "greater", 2.0), test, "reproduced")) == Effect(2, 1, 5, False)
    assert effect_of(judged(Part("x", {"a": 1}, "less", 2.0), test, "contradicted")) == Effect(-2, -5, -1, False)
    assert effect_of(judged(Part("x", {"a": 1}, "same", 2.0), test, "open")) == Effect(2, 1, 5, True)
    assert effect_of(judged(Part("x", {"a": 1}, "same", 2.0), Verdict("not testable"), "not run")) is None


def test_boards_have_tiles_and_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open claim is hollow, what lies outside has an arrow, and the effect stands there in its own unit."""
    part = Part("x", {"a": 1}, "greater", 2.0)
    shown = judged(part, Verdict("shown, size open", 3, 4.0, 2.0, 10.0, part="x"), "reproduced")
    open_one = judged(part, Verdict("open", 3, 1.0, -1.0, 3.0, part="x"), "open")
    figures = {}
    keep = claims_figure.save

    def save(figure: plt.Figure, svg: Path, caption: object) -> None:
        figures[svg.relative_to(tmp_path).as_posix()] = figure
        keep(figure, svg, caption)  # type: ignore[arg-type]

    monkeypatch.setattr(claims_figure, "save", save)
    (tmp_path / "p").mkdir()
    draw_boards([shown, open_one], ["p"], "pilot", tmp_path)
    tiles, rows = figures["board.svg"], figures["p/board.svg"]
    assert len(tiles.axes[0].patches) == 2 and {"reproduced (1)", "open (1)", "p"} <= set(texts(tiles))
    said = texts(rows)
    assert "+4.0 points\n[+2.0, +10.0]" in said and "+1.0 points\n[−1.0, +3.0]" in said
    marks = [(line.get_marker(), line.get_markerfacecolor()) for line in rows.axes[0].lines]
    assert [face == "white" for mark, face in marks if mark == "o"] == [False, True]
    assert [mark for mark, _ in marks if mark in "<>"] == [">"]
    assert {path.name.removeprefix("board") for path in (tmp_path / "p").iterdir()} == set(FIGURE)
    assert read_caption(tmp_path / "p/board.caption.json").label == "fig:p-board"
