"""LaTeX: tables as text, and a document of every table and figure, compiled where there is a compiler."""

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from ablate.figures.registry import write_figure
from ablate.results.captions import Caption
from ablate.results.latex import PREAMBLE, ROWS, latex
from ablate.results.table import Table, markdown
from drawn import fabricate, study
from nasty import NASTY

PDFLATEX = shutil.which("pdflatex")


def caption(**more: object) -> Caption:
    return Caption.model_validate({"label": "tab:p-t", "title": "A table", "notes": ["Of a note: 10 %."]} | more)


def test_numbers_stand_in_columns_of_numbers() -> None:
    """Oracle: siunitx's manual: table-format has the digits before and behind the point and of the uncertainty."""
    frame = pd.DataFrame(
        {"net": ["a", "b"], "top (%)": ["9.5 ± 0.8", "57.5 ± 12.1"], "less": ["−1.5", ""], "n": ["1,000", "3"]}
    )
    text = latex(frame, caption())
    assert r"\begin{tabular}{lS[table-format=2.1(3)]S[table-format=-1.1]S[table-format=4.0]}" in text
    assert r"a & 9.5 +- 0.8 & -1.5 & 1000 \\" in text and r"\par\smallskip Of a note: 10 \%." in text
    assert text.count(r"\label{tab:p-t}") == 1


def test_an_interval_beyond_what_there_is_is_told_by_its_ends() -> None:
    """Oracle: 0 and 100 percent, 100 points apart; of other numbers nothing is known."""
    rows = [
        {"top %": 31.4, "top % ±": 46.4, "gap (points)": -80.0, "gap (points) ±": 30.0, "loss": 0.1, "loss ±": 0.5},
        {"top %": 97.0, "top % ±": 3.5, "gap (points)": 5.0, "gap (points) ±": 6.0, "loss": 2.0, "loss ±": 0.5},
        {"top %": 50.0, "top % ±": 50.0, "gap (points)": 5.0, "gap (points) ±": 1.0, "loss": 2.0, "loss ±": 0.5},
    ]
    shown = Table(rows=rows).shown
    assert list(shown["top %"]) == ["31.4 (0.0 to 77.8)", "97.0 (93.5 to 100.0)", "50.0 ± 50.0"]
    assert list(shown["gap (points)"]) == ["-80.0 (-100.0 to -50.0)", "5.0 ± 6.0", "5.0 ± 1.0"]
    assert list(Table(rows=[{"wer %": 130.0, "wer % ±": 9.0}]).shown["wer %"]) == ["130.0 ± 9.0"]  # no share
    assert list(Table(rows=[{"a %": "many", "a % ±": "few"}]).shown["a %"]) == ["many ± few"]
    assert list(shown["loss"]) == ["0.1 ± 0.5", "2.0 ± 0.5", "2.0 ± 0.5"]
    text = latex(shown, caption())
    assert r"{31.4 (0.0 to 77.8)} &" in text and r"50.0 +- 50.0 & 5.0 +- 1.0 & 2.0 +- 0.5 \\" in text
    assert "{lll}" not in text and "S[table-format=2.1(3)]" in text


def test_a_long_table_may_break() -> None:
    text = latex(pd.DataFrame({"n": [str(i) for i in range(ROWS + 1)]}), caption())
    assert r"\begin{longtable}" in text and r"\endhead" in text and r"\begin{table}" not in text


def test_a_table_without_rows_says_so() -> None:
    """Whatever is known of its columns; a tabular without a column or a line is none, and stops LaTeX."""
    for frame, row in (
        (pd.DataFrame({"a": [], "b": []}), r"\multicolumn{2}{l}{No rows.} \\"),
        (pd.DataFrame(), r"\multicolumn{1}{l}{No rows.} \\"),
    ):
        text = latex(frame, caption())
        assert row in text and r"\begin{tabular}{}" not in text
        assert "No rows." in markdown(frame)


@pytest.mark.slow
@pytest.mark.skipif(PDFLATEX is None, reason="needs pdflatex with siunitx: apt-get install texlive-science")
def test_every_table_and_figure_compiles_in_one_document(tmp_path: Path, packs: dict[str, Path]) -> None:
    """Oracle: pdflatex itself, which stops at the first error, and says which label stands there twice."""
    assert PDFLATEX
    made = fabricate(study({"net": ["Net 1", "Net 2"]}), tmp_path, packs)
    for folder in ("p", "q"):
        (tmp_path / folder).mkdir()
        write_figure(made.results, "dots", tmp_path / folder / "figure-1.svg", made.places)
        rows = [{"net": name, "top %": 50.5, "top % ±": 0.5, "n": 12345, "less": -0.5, "x": name} for name in NASTY]
        rows[0]["top % ±"] = 60.0  # beyond 0 and 100 %
        table = Table(rows=rows[:20], notes=NASTY[20:], caption=" ".join(NASTY))
        table.write(tmp_path / folder / "table-1.csv", "A table")
        long = Table(rows=[row | {"long": "word " * 40} for row in rows], notes=NASTY)
        long.write(tmp_path / folder / "table-2.csv", "A long table")
        Table().write(tmp_path / folder / "table-3.csv", "An empty table")
        Table(columns=["a", "b"]).write(tmp_path / folder / "table-4.csv", "A table without rows")
    inputs = "\n".join(rf"\input{{{path.relative_to(tmp_path)}}}" for path in sorted(tmp_path.glob("[pq]/*.tex")))
    body = rf"\begin{{document}}{inputs}\end{{document}}"
    (tmp_path / "all.tex").write_text(rf"\documentclass{{article}}{PREAMBLE}{body}")
    labels = re.findall(r"\\label\{(.*?)\}", "".join(path.read_text() for path in tmp_path.glob("[pq]/*.tex")))
    assert len(labels) == len(set(labels)) == 10
    for _ in range(2):
        done = subprocess.run(
            [PDFLATEX, "-interaction=nonstopmode", "-halt-on-error", "all.tex"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:]
    assert "multiply defined" not in done.stdout and "undefined" not in done.stdout
