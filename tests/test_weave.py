"""`ablate weave`. Oracle: the cells that a table of three runs shows, worked out by hand."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ablate.cli import main as cli
from ablate.errors import UserError
from ablate.proof.weave import marks, pinned, tables_of, weave
from ablate.results.stats import rounded
from ablate.results.table import Table
from conftest import ROOT, Workspace

RESULTS = Path("results/tiny")


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ablate.proof.weave.check", lambda folder, files: None)  # receipts: a test of its own
    table = Table()
    table.add(
        "SGD", {"optimiser": "SGD", "test_acc %": 57.6, "test_acc % ±": 2.742, "n": 3, "steps": 12345, "note": ""}
    )
    table.add(
        "Adam / big",
        {"optimiser": "Adam", "test_acc %": 10.0, "test_acc % ±": 0.5, "n": 2, "steps": 7, "note": "a_b"},
    )
    table.write(RESULTS / "p/table-1.csv", "A table")
    return table


def text(words: str, name: str = "text.md") -> Path:
    Path(name).write_text(words)
    return Path(name)


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        ("p/table-1:1:test_acc", "57.6"),
        ("p/table-1:SGD:test_acc %", "57.6"),
        ("p/table-1:Adam / big:test_acc % ±", "0.5"),
        ("p/table-1:2:n", "2"),
        ("p/table-1:1:steps", "12,345"),
        ("p/table-1:2:note", "a_b"),
        ("p/table-1:1:test_acc = 57.6", "57.6"),
    ],
)
def test_a_mark_gives_way_to_what_its_cell_shows(mark: str, expected: str) -> None:
    assert weave(text(f"so {{{{ ablate:{mark} }}}} %\n"), RESULTS) == f"so {expected} %\n"
    assert weave(text(f"so {{{{ablate:{mark}}}}} %\n"), RESULTS) == f"so {expected} %\n"


@pytest.mark.usefixtures("table")
def test_in_latex_the_cell_is_latex_and_all_else_stays() -> None:
    source = text(r"$x_{{1}}$ {{ ablate:p/table-1:2:note }} \% {{ other }}", "text.tex")
    assert weave(source, RESULTS) == r"$x_{{1}}$ a\_b \% {{ other }}"


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        ("p/table-2:1:test_acc", "unknown table 'p/table-2'; allowed: p/table-1"),
        ("p/table-1:3:test_acc", "unknown row '3'"),
        ("p/table-1:1:val_acc", "unknown column 'val_acc'"),
        ("p/table-1:1:note", "row SGD, column note is empty"),
        ("p/table-1:1:test_acc = 57.7", "ablate:p/table-1:1:test_acc is 57.6, and the text was written for 57.7"),
        ("p/table-1:1", "is no mark"),
    ],
)
def test_a_cell_that_is_gone_or_changed_is_an_error_with_its_line(mark: str, expected: str) -> None:
    with pytest.raises(UserError) as refused:
        weave(text(f"one\ntwo {{{{ ablate:{mark} }}}}\n"), RESULTS)
    assert str(refused.value).startswith("text.md:2: ") and expected in str(refused.value)


def test_a_pinned_text_fails_when_the_digits_change_and_only_then(table: Table) -> None:
    source = text("so {{ ablate:p/table-1:1:test_acc }} beside {{ ablate:p/table-1:2:test_acc }}")
    source.write_text(pinned(source, RESULTS))
    assert (
        source.read_text()
        == "so {{ ablate:p/table-1:1:test_acc = 57.6 }} beside {{ ablate:p/table-1:2:test_acc = 10.0 }}"
    )
    table.rows[0]["test_acc %"] = rounded(57.64)  # shows the same digits
    table.write(RESULTS / "p/table-1.csv", "A table")
    assert weave(source, RESULTS) == "so 57.6 beside 10.0"
    table.rows[0]["test_acc %"] = rounded(57.66)
    table.write(RESULTS / "p/table-1.csv", "A table")
    with pytest.raises(UserError, match=r"is 57\.7, and the text was written for 57\.6; read the text again"):
        weave(source, RESULTS)
    source.write_text(pinned(source, RESULTS))
    assert weave(source, RESULTS) == "so 57.7 beside 10.0"


@pytest.mark.usefixtures("table")
def test_the_command_writes_beside_the_text_and_never_over_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "so {{ ablate:p/table-1:1:n }}\n"
    source = text(words)

    def said(*more: str) -> int:
        monkeypatch.setattr(sys, "argv", ["ablate", "weave", "text.md", "--scale", "tiny", *more])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    assert said() == 0 and source.read_text() == words and Path("text.woven.md").read_text() == "so 3\n"
    assert "text.woven.md: 1 number from results/tiny" in capsys.readouterr().out
    assert said("--output", "text.md") == 2 and source.read_text() == words
    assert said("--pin") == 0 and source.read_text() == "so {{ ablate:p/table-1:1:n = 3 }}\n"
    source.write_text(source.read_text().replace("= 3", "= 4"))
    Path("text.woven.md").unlink()
    assert said() == 2 and not Path("text.woven.md").exists()


def test_a_table_that_was_edited_by_hand_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = Table()
    table.add("SGD", {"optimiser": "SGD", "n": 3})
    table.write(RESULTS / "p/table-1.csv", "A table")
    with pytest.raises(UserError, match="has no receipt of the step that made it"):
        weave(text("{{ ablate:p/table-1:1:n }}"), RESULTS)


@pytest.fixture
def claims(table: Table) -> None:
    """Beside the table: three claims of p, one of q, and a table with colons in its rows and columns."""
    words = [("p", "open"), ("p", "reproduced"), ("p", "counted"), ("q", "open")]
    RESULTS.joinpath("claims.json").write_text(
        json.dumps({"claims": [{"paper": paper, "verdict": word} for paper, word in words]})
    )
    other = Table()
    other.add("p", {"paper": "p", "claims: open": 1, "loss (nats)": -0.25})
    other.add("a: b", {"paper": "a: b", "claims: open": 2, "loss (nats)": 0.5})
    other.write(RESULTS / "evidence.csv", "Evidence")
    table.rows[0]["n"] = 8
    table.write(RESULTS.with_name("paper") / "p/table-1.csv", "A table of another scale")


@pytest.mark.usefixtures("claims")
@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        ("paper:p/table-1:1:n", "8"),  # of another scale
        ("tiny:p/table-1:1:n", "3"),  # of this one, by its name
        ("p/table-1:1:n", "3"),
        ("findings:p:claims", "2"),  # what is counted is outside of them, as in the tally
        ("findings:p:open", "1"),
        ("findings:all:open", "2"),
        ("findings:q:contradicted", "0"),
        ("tiny:findings:all:claims", "3"),
        ("evidence:a: b:claims: open", "2"),
        ("evidence:p:loss", "-0.25"),  # without its unit
        ("tiny:evidence:a: b:loss (nats)", "0.5"),
    ],
)
def test_marks_name_other_scales_counts_of_findings_and_names_with_colons(mark: str, expected: str) -> None:
    assert weave(text(f"{{{{ ablate:{mark} }}}}"), RESULTS) == expected
    assert weave(text(f"{{{{ ablate:{mark} = {expected} }}}}"), RESULTS) == expected


@pytest.mark.usefixtures("claims")
@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        ("pilot:p/table-1:1:n", "pilot: no table of results/tiny, and no scale of which results are here"),
        ("paper:findings:p:open", "results/paper/claims.json: no such file"),
        ("paper:p/table-2:1:n", "results/paper: unknown table 'p/table-2'"),
        ("findings:p:opne", "results/tiny/claims.json: unknown column 'opne'"),
        ("findings:r:open", "results/tiny/claims.json: unknown row 'r'; allowed: all, p, q"),
        ("evidence:a: c:claims: open", "unknown row 'a: c:claims'"),
    ],
)
def test_what_they_name_has_to_be_there(mark: str, expected: str) -> None:
    with pytest.raises(UserError) as refused:
        weave(text(f"{{{{ ablate:{mark} }}}}"), RESULTS)
    assert str(refused.value).startswith("text.md:1: ") and expected in str(refused.value)


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs pdflatex: apt-get install texlive-latex-base")
@pytest.mark.usefixtures("claims")
def test_a_woven_document_compiles() -> None:
    """Oracle: pdflatex, which stops at the first error."""
    marks = "{{ ablate:p/table-1:2:note }} ${{ ablate:evidence:p:loss }}$ {{ablate:paper:p/table-1:1:steps}} \\%"
    source = text(rf"\documentclass{{article}}\begin{{document}}{marks}\end{{document}}", "a.tex")
    Path("woven.tex").write_text(weave(source, RESULTS))
    assert r"a\_b $-0.25$ 12,345 \%" in Path("woven.tex").read_text()
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "woven.tex"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_committed_results_answer_marks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the receipts that they have, from another scale's text. Oracle: the rows, read here."""
    monkeypatch.chdir(ROOT)
    cells = {
        "tinyimage10/table-1:1:test_acc": rows("tinyimage10/table-1")[0]["test_acc %"],
        "claims:tinyimage10/sgd-over-adam:effect": next(
            row["effect"] for row in rows("claims") if row["claim"].startswith("SGD has a higher validation accuracy")
        ),
        "comparison:tinyimage10/trial-1-test:printed": "54.6",  # as the paper has it
        "evidence:tinyimage10:ended": next(row["ended"] for row in rows("evidence") if row["paper"] == "tinyimage10"),
        "findings:all:open": str(sum(row["verdict"] == "open" for row in rows("claims"))),
    }
    source = tmp_path / "text.md"
    source.write_text("\n".join(f"{{{{ ablate:paper:{mark} }}}}" for mark in cells))
    assert weave(source, Path("results/pilot")).splitlines() == list(cells.values())
    assert weave(Path("docs/proof.md"), Path("results/paper"))  # whose marks are pinned
    # What the results say is woven from them, and pinned: the sentences around were written for these digits.
    assert weave(Path("results/README.in.md"), Path("results/pilot")) == Path("results/README.md").read_text()


def rows(table: str) -> list[dict[str, str]]:
    with Path(f"results/paper/{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("claims")
def test_the_dag_waits_for_the_claims_and_takes_another_scale_s_tables_as_they_are() -> None:
    source = text("{{ ablate:findings:p:open }} {{ ablate:paper:p/table-1:1:n }} {{ ablate:paper:p/table-9:1:n }}")
    assert tables_of(source, RESULTS) == [RESULTS / "claims.json", RESULTS.with_name("paper") / "p/table-1.csv"]


@pytest.mark.usefixtures("table")
def test_the_tables_of_a_text_are_what_the_dag_waits_for() -> None:
    source = text("{{ ablate:p/table-1:1:n }} {{ ablate:p/table-1:2:n }} {{ ablate:comparison:1:n }}")
    assert tables_of(source, RESULTS) == [RESULTS / "p/table-1.csv", RESULTS / "comparison.csv"]
    assert [mark.where for mark in marks(source)] == ["text.md:1"] * 3


@pytest.mark.slow
def test_the_dag_weaves_a_text_again_when_a_table_of_its_changes(finished: Workspace) -> None:
    """And fails with the text's line where the text was written for other digits."""
    w = finished
    (w.folder / "texts").mkdir()
    (w.folder / "texts/paper.md").write_text("of {{ ablate:resnet-vs-plain/table-shallow:1:n }} runs\n")
    assert w.jobs("woven") == {"weave": 1, "woven": 1}
    assert (w.folder / "results/tiny/texts/paper.md").read_text() == "of 1 runs\n"
    assert w.jobs("woven") == {}
    (w.folder / "texts/paper.md").write_text("of {{ ablate:resnet-vs-plain/table-shallow:1:n = 2 }} runs\n")
    done = w.snakemake("woven")
    assert (
        done.returncode
        and "texts/paper.md:1: ablate:resnet-vs-plain/table-shallow:1:n is 1" in done.stderr + done.stdout
    )
