"""A figure's files: pictures for page, screen and print, and its caption as Markdown, LaTeX and JSON."""

from pathlib import Path

import matplotlib.pyplot as plt
from fontTools.subset import Options
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from ablate.figures.common import shown
from ablate.figures.style import NARROW
from ablate.files import atomic_write, write_text
from ablate.inert import in_latex, in_markdown
from ablate.results.captions import Caption

# Each with the key under which it would have the time or version. The first one lays the figure out.
KINDS = (
    ("svg", FigureCanvasSVG, "Date"),
    ("png", FigureCanvasAgg, "Software"),
    ("pdf", FigureCanvasPdf, "CreationDate"),
)
# How letters are joined and set, which a PDF never reads of the font that it embeds: its glyphs have numbers and
# places. To thin these tables took as long as to draw the figure.
Options._drop_tables_default = [*Options._drop_tables_default, "GDEF", "GPOS", "GSUB"]


def save(figure: Figure, svg: Path, caption: Caption) -> None:
    """Write ``figure`` as SVG and, beside it, as PNG and PDF, and its caption; and close it.

    By hand: `Figure.savefig` would lay it out for each, and draw each twice. Here all three have the SVG's layout.
    """
    shown(figure)
    for kind, canvas, dated in KINDS:
        figure.set_dpi(plt.rcParams["savefig.dpi"])  # what is drawn for paper leaves 72
        with atomic_write(svg.with_suffix(f".{kind}")) as part:
            getattr(canvas(figure), f"print_{kind}")(part, metadata={dated: None})
        figure.set_layout_engine("none")
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
