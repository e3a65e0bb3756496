"""Text that others chose shows as that text, in every form. Oracles: other programs that read the form back (an HTML
parser, a Markdown parser, rich's own record), and for LaTeX a reader that knows what its commands stand for.
"""

import base64
import io
import json
import logging
import re
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console
from rich.table import Table
from snakemake.logging import DefaultFormatter

from ablate.cli import main as cli
from ablate.errors import UserError
from ablate.inert import UNSEEN, in_latex, in_markdown, visible
from ablate.report.packed import packed
from ablate.report.page import assembled, json_of
from ablate.results.captions import Caption
from ablate.results.latex import latex
from ablate.results.table import markdown
from ablate.runtime.progress import Heartbeat, track
from ablate.terminal import Terminal
from conftest import ROOT, TINY, Workspace
from nasty import NASTY
from snakemake_logger_plugin_ablate import Formatter
from snakemake_logger_plugin_ablate.display import Display, Jobs, coloured

SRC = ROOT / "src/ablate"
TEXT = st.text(max_size=40) | st.lists(st.sampled_from(NASTY), max_size=3).map("".join)
ORDINARY = ["val_top1 %", "best_val_top1 % ±", "p < 0.0001", "Keras's total", "0.005 vs 0.001, at 0.5 vs 0.9", "R²",
            "× −3", "dropout 0.5 / augmented", "Study (demo: embedded data; 2 of 3).", "#Net-1 = 5 > 4"]  # fmt: skip


def flat(text: str) -> str:
    """What stays of a text on one line: breaks are blanks, several blanks one, what nobody sees is spelt out."""
    words = "".join(" " if c in "\t\n\v\f\r\x85\u2028\u2029" else c for c in text)
    return re.sub(" +", " ", visible(words.strip()))


def of_all(test: Any) -> Any:
    """A test of a text, by all of `NASTY` and by others."""
    for text in NASTY:
        test = example(text)(test)
    return settings(max_examples=100, deadline=None)(given(TEXT)(test))


# terminals


@of_all
def test_nothing_that_a_terminal_obeys_is_visible_text(text: str) -> None:
    shown = visible(text)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    assert not [
        c
        for c in shown
        if unicodedata.bidirectional(c) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    ]
    assert visible(shown) == shown == str(UserError(text)) == str(UserError(f"{UserError(text)}"))
    assert shown == text or UNSEEN.search(text)
    shown.encode()


@of_all
def test_rich_prints_every_string_as_it_is(text: str) -> None:
    console = Terminal(file=io.StringIO(), width=4000, record=True, force_terminal=True, color_system=None)
    wide = "W" * 3000  # so that the title has room
    table = Table(text, wide, title=f"title {text}", title_justify="left", show_lines=False, box=None, padding=0)
    table.add_row(text, wide)
    console.print(table)
    console.print(f"printed {text}")
    first, *more = visible(text, keep="\n").split("\n")
    wanted = [f"title {first}", *more, first, *more, first, *more, f"printed {first}", *more, ""]
    lines = [line.replace(wide, "") for line in console.export_text(clear=False).split("\n")]
    assert [line.rstrip() for line in lines] == [line.rstrip() for line in wanted]
    assert "\x1b" not in console.file.getvalue()


def test_every_console_is_that_one() -> None:
    """Oracle: the calls in the source; the bars have Text alone, and are told apart below."""
    made = {
        f"{path.name}: {call}"
        for path in SRC.parent.rglob("*.py")
        for call in re.findall(r"\bConsole\([^)]*", path.read_text())
        if path.name != "terminal.py"
    }
    assert made == {
        "progress.py: Console(stderr=True",  # markup=False, and its only text is visible
        "display.py: Console(file=terminal, force_terminal=True, no_color=self._nocolor or None",
    }


@of_all
def test_a_mistake_is_one_line_on_stderr(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        err = io.StringIO()
        patch.setattr("sys.argv", ["ablate", "outputs"])
        patch.setattr("sys.stderr", err)
        patch.setattr(cli, "load", lambda *_: (_ for _ in ()).throw(UserError(f"{text}: no such file")))
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert ended.value.code == 2
    assert err.getvalue() == f"ablate: error: {visible(text)}: no such file\n"


def test_a_file_s_name_in_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By way of the real commands: a key of params.yaml, and a table's name."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text('"a\\e[31m\\n\\u202eb": 1\nscales: {demo: {}}\nscale: demo\n')
    for words in (["outputs"], ["explain", "x\x1b]0;y\x07\udcff", "1", "c", "--scale", "z\x9b"]):
        monkeypatch.setattr("sys.argv", ["ablate", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        err = capsys.readouterr().err
        assert ended.value.code == 2 and err.endswith("\n") and not UNSEEN.search(err[:-1]), repr(err)


@pytest.mark.slow
def test_snakemake_shows_no_character_of_a_file_s_name_that_a_terminal_obeys(workspace: Workspace) -> None:
    """params.yaml holds none; what it may hold, a text that turns around, is shown by its code."""
    for shown, said in (
        (r"a\x1b]0;x\x07\x1b[31m\x9b.safetensors", "a character that cannot be printed"),
        (r"a\u202e.safetensors", r"a\u202e.safetensors"),
    ):
        workspace.params.write_text(TINY.replace("lr: 0.02", f'lr: 0.02, weights: "file:{shown}"'))
        done = workspace.snakemake("--dry-run")
        text = done.stdout + done.stderr
        assert done.returncode == 1 and said in text
        assert not UNSEEN.search(text.replace("\n", "").replace("\t", ""))


@of_all
def test_snakemake_s_lines_and_what_jobs_print(text: str) -> None:
    record = logging.makeLogRecord({"msg": f"Missing input:\n    {text}\tx", "levelname": "ERROR"})
    assert Formatter().format(record) == visible(DefaultFormatter().format(record), keep="\n\t")
    assert not UNSEEN.search(re.sub(r"[\n\t]|\x1b\[[\d;]*m", "", coloured(text)))


def test_bars_and_lines_of_progress(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for text in NASTY:
        beat = {"run": text, "epochs": 2, "done": 1, "metrics": {f"val{text}": 0.5}, "images_per_s": 1.0,
                "eta_s": 1.0, "updated": 0.0}  # fmt: skip
        console = Console(file=io.StringIO(), width=4000, force_terminal=True, color_system=None)
        console.print(Display(Jobs(), tmp_path, nocolor=True)._render([beat]))
        bars = console.file.getvalue()
        list(track([1], text))
        with Heartbeat(tmp_path / "beat.json", run=text, epochs=2) as heart:
            heart.epoch(1, 1.0)
        lines = capsys.readouterr().err
        for shown in (bars, lines):
            assert not UNSEEN.search(shown.replace("\n", "")), repr(shown)
        assert visible(text) in lines and lines.count("\n") == 3


def test_only_colours_of_jobs_are_obeyed() -> None:
    red = "\x1b[1;31mred\x1b[0m"
    assert coloured(f"a {red}\x1b[2K\x1b[3A b") == f"a {red} b"
    assert coloured("\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\ \x1b]0;title\x07.") == "link ."
    assert coloured("\x1bc\x9b2J\x08") == r"\x1bc\x9b2J\x08"


# Markdown

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def cells(text: str) -> Iterator[list[tuple[str, str]]]:
    """Of each paragraph and cell of a Markdown text: (type, content) of what stands in it."""
    for token in READER.parse(text):
        assert token.type in ("inline", "paragraph_open", "paragraph_close") or re.fullmatch(
            "(table|thead|tbody|tr|th|td)_(open|close)", token.type
        ), token
        if token.type == "inline":
            yield [(child.type, child.content) for child in token.children or []]


@of_all
def test_a_cell_of_markdown_is_the_text(text: str) -> None:
    frame = pd.DataFrame([["a", text, text, "b"], ["c"] * 4], columns=["x", text, "y", "z"], dtype=object)
    found = list(cells(f"**{in_markdown(f'({text}).')}**\n\n{markdown(frame)}\n"))
    assert len(found) == 13
    title, head, cell, best = (found[i] for i in (0, 2, 6, 7))
    for tokens in (head, cell):
        assert {kind for kind, _ in tokens} <= {"text", "text_special"}
        assert re.sub(" +", " ", "".join(content for _, content in tokens)).strip(" ") == flat(text)
    for tokens, words in ((title, flat(f"({text}).")), (best, flat(text))):
        assert {kind for kind, _ in tokens} <= {"text", "text_special", "strong_open", "strong_close"}
        read = re.sub(" +", " ", "".join(content for _, content in tokens)).strip(" ")
        assert read == words or not words or (tokens is best and read == f"**{words}**")
    assert not re.search(r"(?i)[a-z]://|www\.", markdown(frame))  # or GitHub makes links of them


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_written_as_it_is(text: str) -> None:
    assert in_markdown(text) == visible(text) == text
    assert UserError(text).args == (text,) and str(UserError(text)) == text


# LaTeX

COMMANDS = {
    "textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textbar": "|", "textasciigrave": "`",
    "textendash": "–", "textemdash": "—", "dots": "…", "textquoteleft": "‘", "textquoteright": "’",
    "textquotedblleft": "“", "textquotedblright": "”", "ss": "ß", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ",
    "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "i": "ı",
}  # fmt: skip
MATH = {
    "<": "<", ">": ">", "-": "−", "^2": "²", "^3": "³", "^\\circ": "°", "\\pm": "±", "\\times": "×", "\\cdot": "·",
    "\\leq": "≤", "\\geq": "≥", "\\neq": "≠", "\\approx": "≈", "\\to": "→", "\\infty": "∞", "\\alpha": "α",
    "\\beta": "β", "\\gamma": "γ", "\\delta": "δ", "\\Delta": "Δ", "\\mu": "μ", "\\epsilon": "ε", "\\eta": "η",
    "\\theta": "θ", "\\lambda": "λ", "\\pi": "π", "\\sigma": "σ",
}  # fmt: skip
MARKS = {"`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", "=": "\u0304", "u": "\u0306", ".": "\u0307",
         '"': "\u0308", "r": "\u030a", "H": "\u030b", "v": "\u030c", "d": "\u0323", "c": "\u0327"}  # fmt: skip
PIECE = re.compile(r"""
    \\(?P<word>[a-zA-Z]+)\{\} | \\(?P<sign>[&%$\#_{}]) | \$(?P<math>[^$]+)\$ | \{(?P<group>[][*])\} | (?P<empty>\{\})
    | \\(?P<accent>[`'^~=."]|[urHvdc](?=\{))\{(?P<on>[^{}]+|\\.\{[^{}]+\})\} | (?P<tie>~)
    | (?P<plain>[ !"'()+,\-./0-9:;=?@A-Za-z])
""", re.VERBOSE)  # fmt: skip


def read_latex(tex: str) -> str:
    """The text that LaTeX sets; fails for what it would take as anything else."""
    out, at, last = "", 0, ""
    while at < len(tex):
        found = PIECE.match(tex, at)
        assert found, tex[at:]
        at = found.end()
        piece = {key: value for key, value in found.groupdict().items() if value is not None}
        assert not (last and last == piece.get("plain") and last in "-',"), f"one sign of two: {tex}"
        last = piece.get("plain", "")
        match piece:
            case {"word": word}:
                out += COMMANDS[word]
            case {"math": math}:
                out += MATH[math]
            case {"accent": accent, "on": on}:
                out += read_latex(on) + MARKS[accent]
            case {"tie": _}:
                out += "\u00a0"
            case {"empty": _}:
                pass
            case {"sign": c} | {"group": c} | {"plain": c}:
                out += c
    return unicodedata.normalize("NFC", out)


def numbered(text: str) -> str:
    """[U+4E2D] as the sign that it names; for the micro sign LaTeX has the letter."""
    signs = re.sub(r"\[U\+([0-9A-F]{4,6})\]", lambda n: chr(int(n[1], 16)), text).replace("µ", "μ")
    return unicodedata.normalize("NFC", signs)


@of_all
def test_latex_sets_the_text(text: str) -> None:
    tex = in_latex(text)
    assert tex.isascii() and "\n" not in tex
    wanted = unicodedata.normalize("NFC", flat(text))
    assert numbered(re.sub(" +", " ", read_latex(tex)).strip(" ")) == numbered(wanted)


@of_all
def test_a_table_of_latex_has_its_rows_and_nothing_else(text: str) -> None:
    frame = pd.DataFrame([[text, "a", text], [text, text, "b"]], columns=[text, "x", "y"], dtype=object)
    tex = latex(frame, Caption(label="tab:p-x", title="x", what=f"({text})"))
    t, lines = in_latex(text), tex.split("\n")
    assert rf"\caption[x]{{x. {in_latex(f'({text})')}}}\label{{tab:p-x}}" in lines
    first, last = lines.index(r"\midrule"), lines.index(r"\bottomrule")
    assert lines[first + 1 : last] == [rf"{t} & a & {t} \\", rf"{t} & {t} & b \\"]
    assert lines[last:] == [r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
    assert not re.match(r"\s*[\[*]", t)  # behind \\ or \toprule


# HTML


def test_the_report_makes_elements_of_no_text() -> None:
    """What is in the page's data reaches the screen as text nodes and attributes, by one function of `dom.js`."""
    for path in (SRC / "report/js").glob("*.js"):
        assert not re.search(
            r"(inner|outer)HTML|insertAdjacent|document\.write|eval\(|Function\(|DOMParser", path.read_text()
        ), path
    for path in SRC.rglob("*.py"):
        assert not re.search(r"Markup|to_html|autoescape=(?!True)", path.read_text()), path


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40) | st.sampled_from(["</script>", "<!--", "]]>", "\ud800", "&lt;", "%%title%%"]))
def test_any_text_comes_out_of_the_page_as_it_went_in(text: str) -> None:
    """Oracle: the text; halves of surrogate pairs as well, which are no UTF-8."""
    page = assembled({"content": packed(json_of({text: text}))}, text)
    assert len(re.findall("<script", page)) == 2 and page.count("%%") == text.count("%%")
    found = re.search(r'data-id="content">([^<]*)<', page)
    assert found is not None
    assert json.loads(zlib.decompress(base64.b64decode(found[1]))) == {text: text}
