"""A figure's files: pictures for page, screen and print, and its caption as Markdown, LaTeX and JSON."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from ablate.figures.common import shown
from ablate.figures.style import NARROW
from ablate.files import atomic_write, write_text
from ablate.inert import in_latex, in_markdown
from ablate.results.captions import Caption

KINDS = {
    "svg": "Date",
    "png": "Software",
    "pdf": "CreationDate",
}  # the key under which each would have the time or version


def save(figure: Figure, svg: Path, caption: Caption) -> None:
    """Write ``figure`` as SVG and, beside it, as PNG and PDF, and its caption; and close it."""
    shown(figure)
    for kind, dated in KINDS.items():
        with atomic_write(svg.with_suffix(f".{kind}")) as part:
            figure.savefig(part, format=kind, metadata={dated: None})
    wide = figure.get_size_inches()[0]
    plt.close(figure)
    caption.write(svg)
    picture = f"![{in_markdown(caption.alt)}]({svg.stem}.png)"
    write_text(svg.with_suffix(".md"), f"{picture}\n\n{caption.markdown}\n")
    write_text(svg.with_suffix(".tex"), _float(caption, f"{svg.parent.name}/{svg.stem}", wide))


def _float(caption: Caption, place: str, wide: float) -> str:
    """A figure of LaTeX, of package graphicx; ``place`` is below results/<scale>."""
    kind = "figure*" if wide > NARROW else "figure"  # of two columns
    lines = (
        rf"\begin{{{kind}}}",
        r"\centering",
        rf"\includegraphics{{{place}}}",
        rf"\caption[{in_latex(caption.title)}]{{{in_latex(caption.text)}}}",
        rf"\label{{{caption.label}}}",
        rf"\end{{{kind}}}",
    )
    return "\n".join(lines) + "\n"
