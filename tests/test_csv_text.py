"""CSV files give back what was written. Oracles: the values themselves, Python's csv module, committed results."""

import csv
import io
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ablate.csv_text import read_csv, read_rows, read_text, to_csv
from ablate.data.describe import describe
from ablate.errors import UserError
from ablate.files import digest, read_json, write_json
from ablate.results.collect import TEXT
from ablate.seals import sealed
from conftest import ROOT

WORDS = [
    "", " ", "NA", "nan", "NaN", "None", "null", "NULL", "N/A", "#N/A", "-", "1e3", "1000", "01", "1", "1.0", "0.010",
    "True", "inf", "-5", "+5", "-1e-3", "=1+1", "=cmd|' /C calc'!A0", "+1-1", "-1+1", "@SUM(A1)", "\t=1", "\r=1",
    "\n=1", " =1", "'=1", "''=1", "'", "'a", "=", "a,b", 'a"b', '"', "a\nb", "a\rb", "a\r\nb", "\r", "\n", "\0",
    "\ufeff", "\ufeff=", "é", "e\u0301", "\u2028", "\x85", "\x1c", "＝1",
]  # fmt: skip
PIECES = st.sampled_from([*"=+-@'\",\r\n\t \0;1e.", "NA", "nan"])
CELL = (
    st.sampled_from(WORDS)
    | st.lists(PIECES, max_size=4).map("".join)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)
NUMBER = st.none() | st.floats() | st.integers(-(2**53), 2**53)


def back(tmp_path: Path, frame: pd.DataFrame) -> Path:
    file = tmp_path / "t.csv"
    file.write_text(to_csv(frame), encoding="utf-8", newline="")
    return file


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("csv")


@given(st.lists(st.tuples(CELL, NUMBER, CELL), max_size=5), st.lists(CELL, min_size=3, max_size=3, unique=True))
@example([("NA", 0.1, ""), ("", None, "=1")], ["", "=1", "nan"])
@example([], ["\ufeff", "a", "b"])
@settings(max_examples=150, deadline=None)
def test_text_and_numbers_come_back(here: Path, rows: list[tuple[str, float | None, str]], heads: list[str]) -> None:
    """Text to the letter, numbers to the last bit; what is missing among numbers is NaN."""
    frame = pd.DataFrame(rows, columns=heads, dtype=object)
    file = back(here, frame)
    found = read_csv(file, {heads[0], heads[2]})
    assert list(found) == heads and len(found) == len(rows)
    for i in (0, 2):
        assert list(found[heads[i]]) == [row[i] for row in rows]
    for value, (_, number, _) in zip(found[heads[1]], rows, strict=True):
        assert math.isnan(value) if number is None or math.isnan(number) else value == number, (value, number)
    assert [tuple(row.values()) for row in read_rows(file)] == list(
        read_text(file).itertuples(index=False, name=None)
    )


@given(CELL)
@settings(max_examples=150, deadline=None)
def test_a_lone_column_of_text_comes_back(here: Path, text: str) -> None:
    """An empty cell in a file of one column is a row still."""
    file = back(here, pd.DataFrame({"a": [text, "x", text]}))
    assert list(read_csv(file, ["a"])["a"]) == [text, "x", text]


@given(st.lists(CELL, min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_no_cell_of_text_begins_like_a_formula(cells: list[str]) -> None:
    """Seen as a spreadsheet does, by Python's own csv module: a cell that begins with = + - @, a tab or a line's end,
    or with blanks before these, is a number, and text that does not is written as it is.
    """
    text = to_csv(pd.DataFrame({"a": cells, "b": 1}))
    for (seen, number), cell in zip([*csv.reader(io.StringIO(text, newline=""))][1:], cells, strict=True):
        risky = re.match(r"\s*[=+\-@]|[\t\r\n]", cell)
        if re.match(r"\s*[=+\-@]|[\t\r\n]", seen):
            assert math.isfinite(float(seen)) and "_" not in seen and seen == cell
        elif not risky and not cell.startswith(("'", "＝")) and "＝" not in cell:
            assert seen == cell
        assert number == "1"


def test_numbers_stay_numbers() -> None:
    """Negative ones too, and floats with all their digits."""
    values: list[Any] = [-1.5, 1e-7, 0.1 + 0.2, -3, True, None, float("nan"), float("-inf"), pd.NA]
    text = to_csv(pd.DataFrame({"a": values}, dtype=object))
    assert text.split("\n")[1:-1] == ["-1.5", "1e-07", "0.30000000000000004", "-3", "True", '""', '""', "-inf", '""']


COMMITTED = sorted((ROOT / "results/pilot").glob("*/runs.csv")) + sorted(
    (ROOT / "results/pilot").glob("*/history.csv")
)
TABLES = sorted(set((ROOT / "results/pilot").rglob("*.csv")) - set(COMMITTED))


@pytest.mark.parametrize("file", COMMITTED, ids=lambda f: f"{f.parent.name}/{f.name}")
def test_collected_files_of_the_pilot_come_back(file: Path, tmp_path: Path) -> None:
    """Text to the byte, numbers by their value: beside a run that is missing whole ones are read as floats."""
    found = read_csv(file, TEXT)
    (tmp_path / "again.csv").write_text(to_csv(found), encoding="utf-8")
    pd.testing.assert_frame_equal(read_csv(tmp_path / "again.csv", TEXT), found, check_exact=True)
    words = [name for name in TEXT if name in found]
    assert words and read_text(tmp_path / "again.csv")[words].equals(read_text(file)[words])


@pytest.mark.parametrize("file", TABLES, ids=lambda f: f"{f.parent.name}/{f.name}")
def test_tables_of_the_pilot_come_back_to_the_byte(file: Path) -> None:
    """Read as text: the writer leaves ordinary cells as they are."""
    assert to_csv(read_text(file)) == file.read_text(encoding="utf-8")


DAMAGED = {
    "missing": (None, "no such file"),
    "empty": (b"", "no column a"),
    "a column gone": (b"b,n\n1,1\n", "no column a"),
    "a head twice": (b"a,a,n\n1,2,3\n", "two columns have one name"),
    "a short row": (b"a,n\n1\n", "row 2 has 1 cells under 2 heads"),
    "semicolons": (b"a;n\nx;1\n", "no column a"),
    "a word among numbers": (b"a,n\nx,many\n", "n: could not convert string to float: 'many'"),
    "decimal commas": (b'a,n\nx,"0,5"\n', "n: could not convert"),
    "bytes that are no text": (b"a,n\n\xff\xfe,1\n", "not as it was written"),
    "an open quote": (b'a,n\n"x,1\n', "not as it was written"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_one_sentence_that_names_it(name: str, tmp_path: Path) -> None:
    content, said = DAMAGED[name]
    file = tmp_path / "runs.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError) as raised:
        read_csv(file, ["a"], need=["a", "n"])
    assert said in str(raised.value) and str(file) in str(raised.value) and "run the step" in str(raised.value)


def test_a_byte_order_mark_and_other_line_ends_change_nothing(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes("\ufeffa,n\r\nx,1\r\n".encode())
    found = read_csv(file, ["a"])
    assert list(found["a"]) == ["x"] and list(found["n"]) == [1]


def test_the_list_of_duplicates_has_no_formula_of_an_archives_own(packs: dict[str, Path], tmp_path: Path) -> None:
    """A folder in an archive may be called as a formula is. Ordinary lists are copied to the byte."""
    for name in ("pack.json", "images.npy", "labels.npy", "verify.json", "index.csv", "duplicates.csv"):
        (tmp_path / name).write_bytes(packs["cifar10"].with_name(name).read_bytes())
    pairs = tmp_path / "duplicates.csv"
    describe(tmp_path / "pack.json", "d", tmp_path / "plain")
    assert (tmp_path / "plain/d-duplicates.csv").read_bytes() == pairs.read_bytes()
    [first, *_] = read_rows(tmp_path / "index.csv")
    evil = f"=cmd|'/C calc'!A0/{first['member']}"
    for file in (pairs, tmp_path / "index.csv"):
        file.write_text(file.read_text().replace(first["member"], evil))
    if evil not in pairs.read_text():
        row = ["near", "1", *[first["split"], first["class_name"], evil] * 2]
        pairs.write_text(pairs.read_text().splitlines()[0] + "\n" + ",".join(row) + "\n")
    report = read_json(tmp_path / "verify.json")
    report["sha256"] |= {file.name: digest(file) for file in (pairs, tmp_path / "index.csv")}
    write_json(tmp_path / "verify.json", sealed(report))
    describe(tmp_path / "pack.json", "d", tmp_path / "evil")
    text = (tmp_path / "evil/d-duplicates.csv").read_text()
    assert f"'{evil}" in text and f",{evil}" not in text
    assert evil in {row["member_1"] for row in read_rows(tmp_path / "evil/d-duplicates.csv")}
