"""Tables as LaTeX: booktabs, numbers in columns of siunitx, longtable where a page might not hold it."""

import re
import textwrap
from collections.abc import Sequence

import pandas as pd

from ablate.inert import in_latex
from ablate.results.captions import Caption

# What a document needs in its preamble for every table and figure that is written here.
PREAMBLE = r"""\usepackage{booktabs,longtable,array,graphicx}
\usepackage{siunitx}
\sisetup{separate-uncertainty=true,group-separator={,},group-minimum-digits=4,retain-zero-uncertainty=true}
"""
NUMBER = re.compile(r"[+\-−]?\d[\d,]*(\.\d+)?( ± \d[\d,]*(\.\d+)?)?")
NUMBER_OR_ENDS = re.compile(NUMBER.pattern + r"( \(.* to .*\))?")  # a mean with the ends of its interval
NONE = "No rows."  # in place of those of an empty table
ROWS = 30  # beyond which a table may break between pages
ACROSS = 95.0  # characters that a line of text holds at \footnotesize
LONG = 24  # characters, beyond which a column's text is wrapped where the table is too wide


def latex(frame: pd.DataFrame, caption: Caption) -> str:
    """``frame`` of text, with its caption, label and notes."""
    columns = [[str(cell) for cell in frame.iloc[:, i]] for i in range(frame.shape[1])]
    numbers = [
        any(map(NUMBER.fullmatch, cells)) and all(map(NUMBER_OR_ENDS.fullmatch, filter(None, cells)))
        for cells in columns
    ]
    heads = [_head(str(head), cells) for head, cells in zip(frame, columns, strict=True)]
    formats = _formats([str(head) for head in frame], columns, numbers) or "l"
    cells = [
        [_number(cell) if n else in_latex(cell) for cell in column]
        for column, n in zip(columns, numbers, strict=True)
    ]
    rows = [" & ".join(row) + r" \\" for row in zip(*cells, strict=True)] if columns else []
    rows = rows or [rf"\multicolumn{{{max(1, len(columns))}}}{{l}}{{{NONE}}} \\"]
    head = [r"\toprule", *([" & ".join(heads) + r" \\", r"\midrule"] if columns else [])]
    said = rf"\caption[{in_latex(caption.title)}]{{{in_latex(caption.text)}}}\label{{{caption.label}}}"
    notes = [rf"\par\smallskip {in_latex(note)}" for note in caption.notes]
    if len(rows) > ROWS:
        begin = [r"{\footnotesize\setlength{\tabcolsep}{3pt}", rf"\begin{{longtable}}{{{formats}}}", said + r" \\"]
        lines = [*begin, *head, r"\endfirsthead", *head, r"\endhead", r"\bottomrule", r"\endlastfoot", *rows]
        lines += [r"\end{longtable}", *(rf"\noindent {in_latex(note)}\par" for note in caption.notes), "}"]
    else:
        begin = [r"\begin{table}", r"\centering\footnotesize\setlength{\tabcolsep}{3pt}", said]
        lines = [*begin, rf"\begin{{tabular}}{{{formats}}}", *head, *rows, r"\bottomrule", r"\end{tabular}", *notes]
        lines += [r"\end{table}"]
    return "\n".join(lines) + "\n"


def _number(cell: str) -> str:
    """As siunitx reads it; what is no number, in braces."""
    if cell and not NUMBER.fullmatch(cell):
        return f"{{{in_latex(cell)}}}"
    return cell.replace(",", "").replace("−", "-").replace("±", "+-")


def _head(head: str, cells: Sequence[str]) -> str:
    """Broken between words, so that it is no wider than it must be; in braces, as columns of numbers need it."""
    room = max(len(_longest(head)), *map(len, cells), 1)
    lines = [in_latex(line) for line in textwrap.wrap(head, room, break_long_words=False, break_on_hyphens=False)]
    stacked = r" \\ ".join(lines)
    return rf"{{\shortstack{{{stacked}}}}}" if len(lines) > 1 else f"{{{stacked}}}"


def _formats(heads: Sequence[str], columns: Sequence[Sequence[str]], numbers: Sequence[bool]) -> str:
    """S with its places for numbers, l for text, and p for long text where the table is wider than a line."""
    wide = [max(map(len, [_longest(head), *cells])) for head, cells in zip(heads, columns, strict=True)]
    long = [w if w > LONG and not n else 0 for w, n in zip(wide, numbers, strict=True)]
    fits = sum(wide) + 2 * len(wide) <= ACROSS
    room = max(0.3, 1 - (sum(w for w, each in zip(wide, long, strict=True) if not each) + 2 * len(wide)) / ACROSS)
    shares = [each**0.5 for each in long]
    formats = []
    for cells, number, each, share in zip(columns, numbers, long, shares, strict=True):
        if number:
            formats.append(_places(cells))
        elif fits or not each:
            formats.append("l")
        else:
            part = room * share / sum(shares)
            formats.append(rf">{{\raggedright\arraybackslash}}p{{{part:.3f}\linewidth}}")
    return "".join(formats)


def _longest(head: str) -> str:
    return max(head.split() or [""], key=len)


def _places(cells: Sequence[str]) -> str:
    """S with the digits that the column's numbers have before and behind the point, and their uncertainties'."""
    whole = decimals = behind = 0
    minus = ""
    for cell in map(_number, filter(NUMBER.fullmatch, cells)):
        value, _, half = cell.partition(" +- ")
        first, _, after = value.lstrip("+-").partition(".")
        whole, decimals = max(whole, len(first)), max(decimals, len(after))
        minus = "-" if value[0] in "+-" else minus
        behind = max(behind, len(half.replace(".", "")))
    return f"S[table-format={minus}{whole}.{decimals}{f'({behind})' if behind else ''}]"
