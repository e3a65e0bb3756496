"""What tables are made of: rows whose cells name their runs, means with intervals, and the three forms of a file."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ablate.csv_text import NUMBER, to_csv
from ablate.files import write_json, write_text
from ablate.inert import in_latex, in_markdown
from ablate.plan.names import another
from ablate.results.stats import PM, Sources


class Best(str):
    """The text of a cell that is set bold. What marks it is no text, since a text may hold anything."""


@dataclass
class Table:
    """Rows in order. Numbers stay numbers until they are written."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    runs: dict[str, dict[str, Sources]] = field(default_factory=dict)  # row's label: column: its runs
    best: dict[str, str] = field(default_factory=dict)  # column: max or min, whose cell is marked
    caption: str = ""  # behind the title
    across: bool = False  # written with a column per row
    columns: list[str] = field(default_factory=list)  # in this order; none named: as the rows have them

    def add(self, label: str, row: Mapping[str, Any], sources: Mapping[str, Sources] | None = None) -> None:
        """A row, and the runs behind its cells. A label that another row has gets a number behind it."""
        self.rows.append(dict(row))
        self.runs[another(label, self.runs)] = {column: dict(runs) for column, runs in (sources or {}).items()}

    @property
    def frame(self) -> pd.DataFrame:
        """As in the CSV file."""
        frame = self._plain()
        return _across(frame) if self.across else frame

    @property
    def shown(self) -> pd.DataFrame:
        """As a reader sees it: text, intervals beside their means, the best of a column as `Best`."""
        frame = self._plain()
        text = shown(frame)
        for column, which in self.best.items():
            numbers = pd.to_numeric(frame[column])
            if numbers.notna().any():
                for row in numbers.index[numbers == getattr(numbers, which)()]:
                    text.loc[row, column] = Best(text.loc[row, column])
        return _across(text) if self.across else text

    def _plain(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=self.columns or None, dtype=object)

    def write(self, csv: Path, title: str) -> None:
        """Write ``csv``, and beside it .md and .tex with ``title``, and .runs.json: {row: {column: {run: value}}}."""
        write_text(csv, to_csv(self.frame))
        head = f"**{in_markdown(title)}** {in_markdown(self.caption)}".strip()
        write_text(csv.with_suffix(".md"), f"{head}\n\n{markdown(self.shown)}\n")
        write_text(csv.with_suffix(".tex"), latex(self.shown, f"{title} {self.caption}".strip(), csv.stem))
        runs = self.runs
        if self.across:
            columns = dict.fromkeys(column for cells in runs.values() for column in cells)
            runs = {c: {row: cells[c] for row, cells in runs.items() if c in cells} for c in columns}
        write_json(csv.with_suffix(".runs.json"), runs)


def _across(frame: pd.DataFrame) -> pd.DataFrame:
    turned = frame.set_index(frame.columns[0]).T
    return turned.rename_axis(columns=None).reset_index(names="")


def text(value: Any) -> str:
    """A cell as a reader sees it."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def shown(frame: pd.DataFrame) -> pd.DataFrame:
    """All cells as text, half widths beside their means."""
    out = pd.DataFrame({column: [text(v) for v in frame[column]] for column in frame}, dtype=object)
    for column in [c for c in out if str(c).endswith(PM) and str(c).removesuffix(PM) in out]:
        whole = str(column).removesuffix(PM)
        out[whole] = [f"{m} ± {h}" if h else m for m, h in zip(out[whole], out.pop(str(column)), strict=True)]
    return out.loc[:, [len(out) == 0 or str(c) == "" or bool((out[c] != "").any()) for c in out]]  # no empty columns


def read_again(frame: pd.DataFrame) -> pd.DataFrame:
    """Text of a table's file, with whole numbers in columns of numbers as `text` has them."""
    out = frame.copy()
    for column in out:
        cells = [str(cell) for cell in out[column]]
        if all(NUMBER.fullmatch(cell) for cell in cells if cell):
            out[column] = [f"{int(cell):,}" if WHOLE.fullmatch(cell) else cell for cell in cells]
    return out


WHOLE = re.compile(r"-?[1-9]\d{3,}", re.ASCII)


def markdown(frame: pd.DataFrame) -> str:
    """A table of text."""
    return _mapped(frame, in_markdown, "**{}**").to_markdown(index=False, disable_numparse=True)


WIDE = 30  # characters, beyond which a column's text is wrapped


def latex(frame: pd.DataFrame, title: str, name: str) -> str:
    """A float with a booktabs table (packages booktabs and float's own): no file of ours needs another."""
    formats = ["p{4cm}" if max(map(len, frame.iloc[:, i]), default=0) > WIDE else "l" for i in range(frame.shape[1])]
    return _mapped(frame, in_latex, r"\textbf{{{}}}").to_latex(
        index=False,
        escape=False,
        caption=in_latex(title),
        label=f"tab:{re.sub(r'[^A-Za-z0-9:._-]', '-', name)}",
        column_format="".join(formats),
    )


def _mapped(frame: pd.DataFrame, inert: Callable[[str], str], bold: str) -> pd.DataFrame:
    """All text, the columns' names included, as `inert` gives it; the best within ``bold``."""
    out = frame.map(lambda cell: bold.format(inert(cell)) if isinstance(cell, Best) else inert(cell))
    return out.set_axis([inert(str(column)) for column in frame], axis="columns")
