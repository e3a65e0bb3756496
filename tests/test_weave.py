"""`ablate weave`. Oracle: the cells that a table of three runs shows, worked out by hand."""

import sys
from pathlib import Path

import pytest

from ablate.cli import main as cli
from ablate.errors import UserError
from ablate.proof.weave import marks, pinned, tables_of, weave
from ablate.results.stats import rounded
from ablate.results.table import Table
from conftest import Workspace

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
        ("p/table-1:1:note", "row 1, column note is empty"),
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
    assert "text.woven.md: 1 numbers from results/tiny" in capsys.readouterr().out
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
