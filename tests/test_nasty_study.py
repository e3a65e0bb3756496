"""A whole study whose names are markup for some program: every file of its results holds them as text."""

import csv
import json
import re
import xml.etree.ElementTree
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from matplotlib.lines import Line2D

from ablate.data.describe import describe
from ablate.figures.common import legend_below, panels
from ablate.figures.registry import draw, write_figure
from ablate.figures.save import save
from ablate.figures.style import STYLE
from ablate.files import read_json, write_json
from ablate.inert import UNSEEN, in_latex, in_markdown, visible
from ablate.plain import unprintable
from ablate.plan.kinds import FIGURES
from ablate.plan.names import arm_name
from ablate.report.page import write_report
from ablate.results.captions import Caption
from ablate.seals import sealed
from ablate.tables.comparison import write_comparison
from ablate.tables.registry import write_table
from ablate.verdicts.assess import claiming
from ablate.verdicts.claims_table import write_claims
from ablate.verdicts.power_table import write_power
from archives import CIFAR
from drawn import fabricate, study, texts
from fabricated import Fabricated
from nasty import NASTY
from reports import block, cells

pytestmark = [pytest.mark.usefixtures("no_figures_left"), pytest.mark.slow]  # the study alone takes seconds to make
# Of more than blanks, on one line; and what YAML refuses gets into no parameter and no paper.
SEEN = [text for text in NASTY if text.strip() and not UNSEEN.search(text) and not unprintable(text)]
NAMES = [*SEEN[:2], *(" ".join(SEEN[n::10]) for n in range(10))]  # each is in one of them
TITLE = " ".join(SEEN)
TABLES = {
    "t-accuracy": "accuracy", "t-train-val": "train-val", "t-trials": "trials", "t-nets": "nets",
    "t-effects": "effects", "t-importance": "importance", "t-label": "per-label:best",
    "t-gap": "gap", "t-layers": "layers:net1",
}  # fmt: skip
PLAIN = {text: f"level {n}" for n, text in enumerate(NAMES)}


def quoted(text: str) -> str:
    """For YAML."""
    return '"' + "".join(c if c.isascii() and c.isalnum() else f"\\U{ord(c):08x}" for c in text) + '"'


def paper(arms: list[str], say: str) -> str:
    """A paper whose every free text is ``say``."""
    q, a, b = quoted(say), quoted(arms[0]), quoted(arms[1])
    of_runs = f"metric: val_top1, study: s, where: {q}, quote: {q}"
    return (
        f"title: {q}\nauthors: {q}\nreference: {q}\nprotocol: [{{what: {q}, stated: {q}, where: {q}}}]\n"
        f"reported:\n  - {{id: one, value: 0.5, {of_runs}, arm: {a}, note: {q}, source: {q}}}\n"
        f"  - {{id: two, value: 0.1, {of_runs}, arm: {a}, minus: {b}}}\nsilent: []\n"
        f"deviations: [{{what: {q}, why: {q}}}]\nclaims:\n"
        f"  - {{id: better, kind: order, {of_runs}, arms: [{a}, {b}], margin: 0.01, why: {q}}}\n"
        f"  - {{id: high, kind: value, {of_runs}, arm: {a}, reported: one, margin: 0.03, why: {q}, note: {q}}}\n"
    )


def made(folder: Path, packs: dict[str, Path], names: list[str], title: str) -> Fabricated:
    """A study of an axis with ``names`` for levels, and all of its results but the figures."""
    made = Fabricated(folder)
    made.study("s", ["model", "augment"], TABLES, {})
    for n, seed in product(range(len(names)), (0, 1)):
        top = 0.2 + 0.001 * n + 0.01 * seed
        metrics = {
            "train_top1": top,
            "val_top1": top,
            "best_val_top1": top,
            "test_top1": top,
            "n_val": 9,
            "n_test": 9,
        }
        made.run(
            "s",
            {"model": f"level{n}", "augment": "plain"},
            seed,
            settings={"classes": [0, 10], "model": "cifar-plain7"},
            **metrics,
        )
    arms = [arm_name([name, "plain"]) for name in names]
    for entry, (arm, name) in zip(
        made.record["runs"], [pair for pair in zip(arms, names, strict=True) for _ in (0, 1)], strict=True
    ):
        entry |= {"arm": arm, "levels": {"model": name, "augment": "plain"}}
    made.record["studies"]["p/s"]["title"] = title
    made._write()
    (made.papers / "p.yaml").write_text(paper(arms, title))
    folder = made.plan.parent
    describe(packs["cifar10"], "d", folder / "data")
    facts = read_json(folder / "data/d.json")
    facts |= {"words": [f"{title}, {n}" for n in range(10)], "archive": facts["archive"] | {"digest": title}}
    write_json(folder / "data/d.json", facts)
    results = made.results("s")
    for name, kind in TABLES.items():
        write_table(results, kind, made.collected / f"{name}.csv")
    for output in (made.collected / "comparison.csv", folder / "comparison.csv"):
        write_comparison(made.plan, made.papers, output)
    write_claims(made.plan, made.papers, made.runs, folder / "claims.json")
    planned = made.planned()
    write_power(planned, {"d": CIFAR}, claiming(planned, made.papers), folder / "power.csv")
    manifests = read_json(made.collected / "provenance.json")
    for manifest in manifests.values():
        manifest |= {"device": title, "git": {"commit": title, "dirty": True}}
    write_json(made.collected / "provenance.json", manifests)
    write_report(made.plan, made.papers, folder / "report.html")
    return made


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory, packs: dict[str, Path]) -> Fabricated:
    return made(tmp_path_factory.mktemp("nasty"), packs, NAMES, TITLE)


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.other: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.other.append(data)

    handle_pi = unknown_decl = handle_comment


def test_the_report_has_no_element_or_attribute_that_is_not_ours(
    nasty: Fabricated, tmp_path: Path, packs: dict[str, Path]
) -> None:
    """Oracle: the same study with plain names has the same elements. What the script makes of the names is seen in
    a browser (`test_report_browser.py`).
    """
    file = nasty.plan.parent / "report.html"
    page, other = Page(file.read_text()), made(tmp_path, packs, list(PLAIN.values()), "a title")
    plain = Page((other.plan.parent / "report.html").read_text())

    def shape(of: Page) -> list[tuple[str, list[str]]]:
        return [(tag, list(attrs)) for tag, attrs in of.elements]

    assert shape(page) == shape(plain) and not page.other
    scripts = [attrs for tag, attrs in page.elements if tag == "script"]
    assert [attrs for attrs in scripts if not attrs] == [{}] and all(
        attrs.get("type") == "text/plain" for attrs in scripts[:-1]
    )
    for tag, attrs in page.elements:
        assert not any(name.startswith("on") or name == "src" for name in attrs), (tag, attrs)
        assert not (attrs.get("href") or "#").strip("#/").startswith(("http", "java", "data")), (tag, attrs)
    shown = {*cells(file), *strings(block(file, "content")), *strings(block(file, "detail"))}
    for text in (*NAMES, TITLE, *(arm_name([name, "plain"]) for name in NAMES)):
        assert text in shown, text


def strings(of: Any) -> Iterator[str]:
    """All texts in JSON."""
    match of:
        case str():
            yield of
        case list():
            for each in of:
                yield from strings(each)
        case dict():
            for key, value in of.items():
                yield key
                yield from strings(value)


def test_markdown_has_the_texts_and_no_markup_but_ours(nasty: Fabricated) -> None:
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    files = sorted(nasty.plan.parent.rglob("*.md"))
    tables = [file for file in files if file.with_suffix(".runs.json").exists()]
    assert len(tables) == len(TABLES) + 5  # two comparisons, claims, evidence, models
    figures = {str(file.relative_to(nasty.plan.parent)) for file in files if file.with_suffix(".svg").exists()}
    assert figures == {"board.md", "needed.md", "p/board.md", "power.md"}
    assert len(files) == len(tables) + len(figures) + 1  # findings
    seen = set()
    for file in files:
        assert not UNSEEN.search(file.read_text().replace("\n", ""))
        inline = [token for token in reader.parse(file.read_text()) if token.type == "inline"]
        for token in inline:
            kinds = {child.type for child in token.children or []}
            if token is inline[0] and file.with_suffix(".svg").exists():
                assert [child.type for child in token.children or []] == ["image"], (file, token.content)
                continue
            allowed = {"text", "text_special", "strong_open", "strong_close"}
            assert kinds <= allowed | ({"softbreak"} if file.stem == "findings" else set()), (file, token.content)
            seen.add("".join(child.content for child in token.children or []))
        if file not in tables:
            continue
        with file.with_suffix(".csv").open(newline="") as lines:
            rows = list(csv.reader(lines))
        _, *strong = [token.content for token in inline if token.content.startswith("**")]
        assert not strong, strong  # the title alone
        width = len({id(token.map) for token in inline})
        assert len(rows) <= width  # no row was lost
    squeezed = {" ".join(text.split()) for text in seen}
    for text in NAMES:
        assert " ".join(text.split()) in squeezed, text


def test_latex_has_the_rows_of_the_table(nasty: Fabricated) -> None:
    """Oracle: as many rows and columns as in Markdown; what stands in a cell is held by the tests of `in_latex`."""
    for file in sorted(nasty.plan.parent.rglob("*.tex")):
        tex, lines = file.read_text(), file.with_suffix(".md").read_text().splitlines()
        assert tex.isascii()
        if tex.startswith(r"\begin{figure"):
            continue
        _, kind, formats = re.split(r"\\begin\{(tabular|longtable)\}\{", tex)
        columns = len(re.sub(r">\{[^}]*\}|\{[^}]*\}|\[[^]]*\]", "", formats.split("}\n")[0]))  # a letter each
        body = [line for line in tex.splitlines() if line.endswith(r" \\") and not line.startswith(r"\caption[")]
        rows = sum(line.startswith("|") for line in lines) - 2  # less head and rule
        if "No rows." in body[-1]:  # of networks: none here is the paper's
            assert file.stem == "models" and rows == 1 and len(body) == 2
            continue
        assert len(body) == rows + (2 if kind == "longtable" else 1), file  # each page has a head
        for line in body:
            assert len(re.findall(r"(?<!\\)&", line)) == columns - 1, line
            assert not line.startswith(("[", "*"))
        assert tex.count(r"\caption[") == tex.count(r"\label{tab:") == tex.count(rf"\end{{{kind}}}") == 1
    table = (nasty.collected / "t-accuracy.tex").read_text()
    assert all(f"\n{in_latex(name)} & plain & " in table for name in NAMES)


def test_figures_write_the_names(tmp_path: Path, packs: dict[str, Path]) -> None:
    """All names as labels of one legend and of one axis, as matplotlib gives them back; the SVG is XML."""
    import seaborn as sns

    sns.set_theme(context="paper", style="ticks", rc=STYLE)
    figure, (axis,) = panels(1, 1, 7, 9)
    every = [*NASTY]
    axis.set_yticks(range(len(every)), every)
    axis.set_title(TITLE)
    legend_below(figure, [Line2D([], []) for _ in every], every)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == every
    save(figure, tmp_path / "f.svg", Caption(label="fig:f", title=TITLE, what=" ".join(every)))
    wanted = [visible(text, keep="\n") for text in every]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == wanted
    assert [text.get_text() for text in axis.get_yticklabels()] == wanted
    xml.etree.ElementTree.parse(tmp_path / "f.svg")
    assert (tmp_path / "f.png").stat().st_size > 10_000


KINDS = ["curves", "curves:train_loss+val_loss", "by-arm", "controls", "trials:val", "dots", "printed", "heat",
         "confusion", "cost", "sweep", "sensitivity", "per-label:best",
         "samples", "augmented:flip", "predictions:0", "filters", "gap", "network:net1", "blocks:net1"]  # fmt: skip
WORST = [
    "<img src=x onerror=alert(1)>",
    "$\\frac{$",
    "_nolegend_",
    "**x**",
    "]]>",
    "\\",
    "--",
    "a\nb",
    "\x1b[31m",
    "中文",
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_figure_takes_any_name(kind: str, tmp_path: Path, packs: dict[str, Path]) -> None:
    assert {kind.partition(":")[0] for kind in KINDS} == set(FIGURES)
    fabricated_axes = {"lr": ["0.01"], "model": [f"m{n}" for n in range(len(WORST))]}
    planned = study(fabricated_axes, {"0.01": {"lr": 0.01}})
    for i, p in enumerate(planned):
        levels = {"lr": p.levels["lr"], "model": WORST[int(p.levels["model"][1:])]}
        planned[i] = p.model_copy(update={"levels": levels, "arm": " / ".join(levels.values())})
    title = "$\\frac{$ <b> _x_ --> ✓"
    fabricated = fabricate(planned, tmp_path, packs)
    results = replace(fabricated.results, title=title, scale="$\\pi$")
    pack = fabricated.places.pack("tiny-imagenet")
    pack.meta["words"][:] = [f"{WORST[n % len(WORST)]}, {n}" for n in range(len(pack.meta["words"]))]
    (results.data_folder / "tiny-imagenet.json").write_text(json.dumps(pack.meta))
    places = fabricated.places
    object.__setattr__(places, "pack", lambda name: pack)  # frozen, and its method reads a file
    figure = draw(results, kind, places).figure
    figure.draw_without_rendering()
    said = " ".join(" ".join(texts(figure)).split())
    if kind.partition(":")[0] in ("per-label", "samples", "predictions"):
        assert any(name in said for name in WORST)
    elif kind not in ("printed", "augmented:flip", "network:net1", "blocks:net1"):
        for name in WORST:
            assert " ".join(name.split()) in said, name
    write_figure(results, kind, tmp_path / "f.svg", places)
    xml.etree.ElementTree.parse(tmp_path / "f.svg")
    assert in_latex(title) in (tmp_path / "f.tex").read_text()
    assert in_markdown(title) in (tmp_path / "f.md").read_text()


def test_a_contact_sheet_takes_any_name_of_a_class(tmp_path: Path, packs: dict[str, Path]) -> None:
    """Of lines, of control characters, of megabytes: the names are an archive's."""
    folder = packs["cifar10"].parent
    for file in folder.iterdir():
        if file.is_file():
            (tmp_path / file.name).symlink_to(file)
    (tmp_path / "pack.json").unlink()
    meta = read_json(folder / "pack.json")
    meta["words"] = ["a\nb", "\x00", "\u202e", "x" * 10**6, "", "中文", "<b>", "\x1b[31m", "two\r\nlines", "z" * 300]
    write_json(tmp_path / "pack.json", sealed(meta))
    describe(tmp_path / "pack.json", "d", tmp_path / "out")
    assert read_json(tmp_path / "out/d.json")["words"] == meta["words"]
    assert (tmp_path / "out/d-samples.jpg").stat().st_size > 10_000
