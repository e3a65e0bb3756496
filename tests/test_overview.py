"""docs/papers.md: every figure, table and number of the documents is in it. Oracle: the documents' texts."""

import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from ablate.cli.main import app
from ablate.errors import UserError
from ablate.papers.items import Item, LeftOut
from ablate.papers.overview import made, overview
from ablate.papers.paper import read
from ablate.plan.project import open_project
from ablate.plan.record import PlanRecord
from ablate.verdicts.rubric import rubrics
from conftest import ROOT
from test_papers import NUMBER, PAPERS, TEXTS, numbers, plain

texts = pytest.mark.skipif(not TEXTS.is_dir(), reason="the papers' texts are not beside the repository")
# Figures, tables, and numbers with a decimal point or a percent sign, each as often as the document has it. By hand.
COUNTS = {
    "alexnet-vs-resnet": (4, 0, 13),  # 7 of the augmentation, 2 of other literature, 4 results
    "five-cnns": (12, 0, 29),  # 1 of other literature; IV: 3, 3, 2, 3, 2; Fig. 10: 5 x 2; Conclusions: 5
    "tinyimage10": (9, 1, 109),  # Table 1: 12 x 7; split 3, normalisation 6, 3.2.2: 4, 3.2.3: 2, 3.3: 3 + 2 + 2 + 3
    "resnet18-init": (0, 0, 4),  # its nine figures have no numbers; the error three times, the variance
    "resnet-vs-plain": (9, 1, 26),  # Table 1: 6 x 2; 4.1: 2, 4.2: 2; 5: 9, 6: 1
}
COUNTS = {id: counts for id, counts in COUNTS.items() if id in PAPERS}
MENTION = re.compile(r"\b(Figure|Fig\.|Table)s? (\d+)(?: and (\d+))?", re.IGNORECASE)
QUANTITY = re.compile(r"\d[\d,]*(?:\.\d+)?%|\d*\.\d+")
HEADING = re.compile(r"^(#+ .*|\d+(\.\d+)*\.? [A-Z].*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def plan() -> PlanRecord:
    return open_project(ROOT / "params.yaml", {"scale": "paper"}).record


def body(id: str) -> str:
    """The document's text without its list of references, which a poster has in the middle."""
    [file] = TEXTS.glob(f"{NUMBER[id]:03}_*.txt")
    return re.sub(r"(?ims)^#*[ ]*references\s*$.*?(?=^## |\Z)", "", file.read_text(encoding="utf-8"))


def test_the_page_is_as_the_command_makes_it(plan: PlanRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/papers.md").read_text(encoding="utf-8")
    papers = {id: read(ROOT / f"papers/{id}.yaml", plan) for id in plan.papers}
    made = overview(papers, plan, rubrics(papers, plan, ROOT / "results/paper"))
    assert page == made, "say `ablate papers --write`"
    monkeypatch.chdir(ROOT)
    assert CliRunner().invoke(app, ["papers"]).output == page


@texts
@pytest.mark.parametrize("id", COUNTS)
def test_every_figure_and_table_is_an_item(id: str) -> None:
    named = {(kind.lower()[0], int(n)) for kind, *ns in MENTION.findall(body(id)) for n in ns if n}
    items = [item.item for item in PAPERS[id].items]
    found = {(kind.lower()[0], int(n)) for kind, n, _ in MENTION.findall("\n".join(items))}
    assert found == named and len({*items}) == len(items)
    assert (sum(kind == "f" for kind, _ in named), sum(kind == "t" for kind, _ in named)) == COUNTS[id][:2]


@texts
@pytest.mark.parametrize("id", COUNTS)
def test_every_number_is_in_an_item_or_left_out_with_a_reason(id: str) -> None:
    paper, text = PAPERS[id], plain(HEADING.sub("", body(id)))
    known = {entry.value for entry in paper.reported}
    known |= {n for entry in paper.protocol for n in numbers(entry.stated)}
    quotes = [entry.quote for entry in paper.left_out if entry.quote]
    spans = [m.span() for quote in quotes for m in re.finditer(re.escape(plain(quote)), text)]
    found = list(QUANTITY.finditer(text))
    lost = [
        m[0] for m in found
        if not {*numbers(m[0])} <= known and not any(start <= m.start() < end for start, end in spans)
    ]  # fmt: skip
    assert lost == [] and len(found) == COUNTS[id][2]


@texts
@pytest.mark.parametrize("id", COUNTS)
def test_captions_and_quotes_are_the_document_s(id: str) -> None:
    whole = plain(body(id))
    said = [item.caption for item in PAPERS[id].items] + [entry.quote for entry in PAPERS[id].left_out]
    assert all(plain(text) in whole for text in said if text)
    assert all(item.caption or MENTION.match(item.item) for item in PAPERS[id].items)


@pytest.mark.parametrize("id", COUNTS)
def test_every_item_is_here_or_says_what_it_lacks(id: str, plan: PlanRecord) -> None:
    outputs = made(plan.studies_of(id))
    shown = {name for item in PAPERS[id].items for name in item.here(outputs)}
    assert all(item.here(outputs) or item.lacks for item in PAPERS[id].items)
    figures = {name for asked in plan.studies_of(id).values() for name in asked.figures}
    drawn = [
        item.item for item in PAPERS[id].items if {*item.here(outputs)} & figures and "draw" in (item.lacks or "")
    ]
    assert drawn == [], "a figure shows what is said to lack a drawing"
    assert {name for name in outputs if re.fullmatch(r"(figure|table)-\d+", name)} <= shown  # the papers' numbering


@pytest.mark.papers("five-cnns")
def test_an_item_of_a_figure_that_there_is_not_is_refused(plan: PlanRecord) -> None:
    item = Item(item="Figure 1", what="x", where="y", ours=("figure-99",))
    with pytest.raises(UserError, match=r"papers/five-cnns.yaml: items: Figure 1: no study has .* figure-99"):
        overview(
            {
                "five-cnns": PAPERS["five-cnns"].model_copy(
                    update={"items": (item.model_copy(update={"ours": ("figure-99",)}),)}
                )
            },
            plan,
            {"five-cnns": ()},
        )


def test_text_is_inert_on_the_page(plan: PlanRecord) -> None:
    left = LeftOut(what="a | b", where="*c*", why="`d`")
    page = overview({"controls": PAPERS["controls"].model_copy(update={"left_out": (left,)})}, plan, {"controls": ()})
    assert r"| a \| b | \*c\* | \`d\` |" in page


def test_the_page_needs_no_torch_and_no_pandas() -> None:
    code = "import sys, ablate.papers.overview; sys.exit(bool({'torch', 'pandas'} & {*sys.modules}))"
    subprocess.run([sys.executable, "-c", code], check=True)
