"""Captions. Oracle: what the runs were made to say, by hand."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ablate.errors import UserError
from ablate.figures.registry import write_figure
from ablate.figures.style import NARROW, WIDE
from ablate.plan.receipts import FIGURE
from ablate.results.captions import FACTS, about_study, read_caption
from ablate.results.table import Table
from drawn import fabricate, study

pytestmark = pytest.mark.usefixtures("no_figures_left")


def test_facts_are_those_of_the_runs(tmp_path: Path, packs: dict[str, Path]) -> None:
    axes = {"weights": ["scratch", "pretrained"]}
    planned = study(axes, {"pretrained": {"weights": "pretrain:other-classes"}})
    results = fabricate(planned, tmp_path, packs).results
    facts = about_study(results, splits=("val", "test"))
    assert facts == {
        "n": "2 seeds of each arm",
        "split": "validation, test (held out of the training images)",
        "images": "4,000 training, 500 validation, 500 test",
        "epochs": "3",
        "weights": "scratch: from scratch; pretrained: pretrained here on other classes",
        "chance": "10 % (10 classes)",
        "data": "tiny-imagenet (generated images)",
        "scale": "demo (embedded data: no evidence)",
    }
    assert set(facts) <= set(FACTS)
    results.runs.loc[0, "status"] = "diverged"
    assert about_study(results)["n"] == "1 to 2 of 2 seeds of each arm"
    assert about_study(results, ["pretrained"])["n"] == "2 seeds"
    assert about_study(results, ["pretrained"])["weights"] == "pretrained here on other classes"


def test_a_figure_is_written_with_one_caption_everywhere(tmp_path: Path, packs: dict[str, Path]) -> None:
    made = fabricate(study({"net": ["Net 1", "Net 2"]}), tmp_path, packs)
    svg = tmp_path / "p/figure-1.svg"
    svg.parent.mkdir()
    write_figure(made.results, "dots", svg, made.places)
    assert {path.name.removeprefix("figure-1") for path in svg.parent.iterdir()} == set(FIGURE)
    caption = read_caption(svg.with_suffix(".caption.json"))
    assert caption.label == "fig:p-figure-1" and caption.title == "A study"
    markdown, latex = svg.with_suffix(".md").read_text(), svg.with_suffix(".tex").read_text()
    assert markdown.startswith(f"![{caption.alt}](figure-1.png)")
    assert caption.text.removeprefix("A study. ") in markdown
    assert caption.text.replace("%", r"\%") in latex and r"\label{fig:p-figure-1}" in latex
    assert r"\includegraphics{p/figure-1}" in latex
    stored = json.loads(svg.with_suffix(".caption.json").read_text())
    assert stored["text"] == caption.text and stored["alt"] == caption.alt


def test_text_stays_text_and_sizes_are_those_of_columns(tmp_path: Path, packs: dict[str, Path]) -> None:
    """Oracle: an SVG's width is in points, 72 to the inch; a PNG's pixels are 300 to it."""
    from PIL import Image

    made = fabricate(study({"net": ["Net 1", "Net 2"]}), tmp_path, packs)
    for kind, inches in (("dots", 6.75), ("curves:val_top1", 3.25)):
        write_figure(made.results, kind, tmp_path / "f.svg", made.places)
        text = (tmp_path / "f.svg").read_text()
        assert "Net 1</text>" in text and f'width="{72 * inches:g}pt"' in text
        with Image.open(tmp_path / "f.png") as image:
            assert image.width == round(300 * inches)
        assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")
    assert (NARROW, WIDE) == (3.25, 6.75)


def test_deviations_are_told_below_one_table_of_a_study(tmp_path: Path, packs: dict[str, Path]) -> None:
    results = fabricate(study({"net": ["Net 1"]}), tmp_path, packs).results
    assert "paper" not in about_study(results)
    assert about_study(replace(results, told="table-1")).get("paper", "") in ("", " (told below table-1)")


def test_a_damaged_caption_is_named(tmp_path: Path) -> None:
    Table(rows=[{"a": 1}]).write(tmp_path / "t.csv", "A table")
    file = tmp_path / "t.caption.json"
    assert read_caption(file).label == f"tab:{tmp_path.name}-t"
    file.write_text('{"title": 3}')
    with pytest.raises(UserError, match=r"t\.caption\.json: damaged"):
        read_caption(file)
