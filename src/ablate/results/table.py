"""What tables are made of: rows whose cells name their runs, means with intervals, and the three forms of a file."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ablate.csv_text import NUMBER, to_csv
from ablate.files import write_json, write_text
from ablate.inert import in_markdown
from ablate.plan.names import another
from ablate.results.captions import Caption, label
from ablate.results.latex import NONE, latex
from ablate.results.stats import PERCENT, PM, POINTS, SEEDS, Sources, ends

ALL = "all"  # in place of a paper's name, the row of all of them


@dataclass
class Table:
    """Rows in order. Numbers stay numbers until they are written."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    runs: dict[str, dict[str, Sources]] = field(default_factory=dict)  # row's label: column: its runs
    caption: str = ""  # what it shows, behind the title
    notes: list[str] = field(default_factory=list)  # below it
    across: bool = False  # written with a column per row
    columns: list[str] = field(default_factory=list)  # in this order; none named: as the rows have them
    apart: tuple[str, ...] = ()  # columns of the CSV alone, of which notes tell
    names: dict[str, str] = field(default_factory=dict)  # a cell of text: what readers see in its place

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
        """As a reader sees it: text, intervals beside their means, and names in place of labels."""
        plain = self._plain()
        for column in plain if self.names else ():  # cell by cell, so that a whole number stays one
            cells = [self.names.get(cell, cell) if isinstance(cell, str) else cell for cell in plain[column]]
            plain[column] = pd.Series(cells, index=plain.index, dtype=object)
        text = shown(plain.drop(columns=list(self.apart), errors="ignore"))
        return _across(text) if self.across else text

    def _plain(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=self.columns or None, dtype=object)

    def write(self, csv: Path, title: str, facts: Mapping[str, str] | None = None) -> None:
        """Write ``csv``, and beside it .md and .tex, and the caption, of ``title`` and ``facts``.

        And .runs.json: {row: {column: {run: value}}}.
        """
        caption = Caption(
            label=label("tab", csv.parent, csv.stem),
            title=title,
            what=self.caption,
            facts=dict(facts or {}),
            notes=self.notes,
        )
        caption.write(csv)
        write_text(csv, to_csv(self.frame))
        text = self.shown.rename(columns=in_words)
        notes = "".join(f"\n{in_markdown(note)}\n" for note in caption.notes)
        write_text(csv.with_suffix(".md"), f"{caption.markdown}\n\n{markdown(text)}\n{notes}")
        write_text(csv.with_suffix(".tex"), latex(text, caption))
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
    if isinstance(value, float):  # the decimals that it was rounded to
        return f"{value:,.10f}".rstrip("0").rstrip(".") + (".0" if value.is_integer() else "")
    return str(value)


def shown(frame: pd.DataFrame) -> pd.DataFrame:
    """All cells as text, half widths beside their means."""
    out = pd.DataFrame({column: [text(v) for v in frame[column]] for column in frame}, dtype=object)
    for column in [c for c in out if str(c).endswith(PM) and str(c).removesuffix(PM) in out]:
        whole = str(column).removesuffix(PM)
        units = out["unit"] if "unit" in out else [whole] * len(out)
        out[whole] = [
            f"{mean} {_interval(mean, half, unit)}".strip()
            for mean, half, unit in zip(out[whole], out.pop(str(column)), units, strict=True)
        ]
    for column in [c for c in out if str(c).endswith(SEEDS) and str(c).removesuffix(SEEDS) in out]:
        whole = str(column).removesuffix(SEEDS)
        out[whole] = [f"{m} ({s})" if s else m for m, s in zip(out[whole], out.pop(str(column)), strict=True)]
    return out.loc[:, [len(out) == 0 or str(c) == "" or bool((out[c] != "").any()) for c in out]]  # no empty columns


def _interval(mean: str, half: str, unit: str) -> str:
    """± half of an interval, or its ends where one would lie beyond 0 or 100 percent, or 100 points."""
    if not half:
        return ""
    low, high = PERCENT if "%" in unit else POINTS if "points" in unit else (-math.inf, math.inf)
    try:
        middle, reach = (float(cell.replace(",", "")) for cell in (mean, half))
    except ValueError:  # a table of the user's own may have any text there
        return f"± {half}"
    inside = low <= middle - reach and middle + reach <= high
    if inside or not low <= middle <= high:  # a rate of errors may be above 100 %, and has no bound then
        return f"± {half}"
    decimals = len(half.partition(".")[2])
    return "({:.{d}f} to {:.{d}f})".format(*ends(middle, reach, (low, high)), d=decimals)


def read_again(frame: pd.DataFrame) -> pd.DataFrame:
    """Text of a table's file, with whole numbers in columns of numbers as `text` has them."""
    out = frame.copy()
    for column in out:
        cells = [str(cell) for cell in out[column]]
        if all(NUMBER.fullmatch(cell) for cell in cells if cell):
            out[column] = [f"{int(cell):,}" if WHOLE.fullmatch(cell) else cell for cell in cells]
    return out


WHOLE = re.compile(r"-?[1-9]\d{3,}", re.ASCII)


def in_words(head: str) -> str:
    """The name of a column for readers; the CSV keeps its own, by which `ablate explain` asks."""
    for name, words in HEADS.items():
        head = re.sub(rf"^{name}(_top1|_acc) %", f"{words} (%)", head)
    return head.replace("_", " ")


HEADS = {"best_val": "validation, best epoch", "train": "training", "val": "validation", "test": "test"}


def markdown(frame: pd.DataFrame) -> str:
    """A table of text."""
    if frame.empty:
        frame = pd.DataFrame({column: [NONE if i == 0 else ""] for i, column in enumerate(frame)} or {"": [NONE]})
    out = frame.map(in_markdown).set_axis([in_markdown(str(column)) for column in frame], axis="columns")
    return str(out.to_markdown(index=False, disable_numparse=True))
