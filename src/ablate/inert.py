"""Text that others chose (params.yaml, papers, archives, file names), made inert for the place that shows it.

Each place has one function here, and whoever writes there calls it: `visible` for terminals and logs (`say` prints
it, `terminal.show` has tables), `in_markdown`, `in_latex`. HTML needs none, since the report's
script makes text nodes of it, and figures take `visible` text with ``text.parse_math`` off. What is ordinary text
everywhere comes out as it went in.
"""

import re
import unicodedata
from typing import TextIO

# Control characters, which a terminal obeys; breaks of line and paragraph; overrides of the direction of writing, by
# which text looks like another; halves of surrogate pairs, which stand for the bytes of file names that are no UTF-8;
# the mark of byte order, for which a PDF of matplotlib has no glyph.
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")
SPACES = re.compile("\r\n|[\t\n\v\f\r\x85\u2028\u2029]")


def visible(text: object, keep: str = "") -> str:
    r"""``text`` with its `UNSEEN` characters, less those in ``keep``, as escapes: \x1b, \u202e. Twice is as once."""
    return UNSEEN.sub(lambda c: c[0] if c[0] in keep else c[0].encode("unicode_escape").decode(), str(text))


def say(*words: object, file: TextIO | None = None) -> None:
    """`print` one line, on stdout if nowhere else."""
    print(*map(visible, words), file=file, flush=True)


def _line(text: str) -> str:
    """On one line: breaks are spaces, and none at the ends, where ** would be no mark beside them."""
    return visible(SPACES.sub(" ", text).strip())


# What starts markup in CommonMark and GitHub's Markdown. Within a word _ is text, so that val_top1 stays readable;
# < is a tag, and & an entity, only before what follows here; an address would become a link.
MARKUP = re.compile(
    r"[\\`*\[~$|]|(?<!\w)_+|_++(?!\w)|<(?=[A-Za-z/!?])|&(?=[#A-Za-z])|(?<=[A-Za-z]):(?=//)|(?<=www)\.", re.IGNORECASE
)


def in_markdown(text: str) -> str:
    """Text within a line or a table's cell of Markdown."""
    return MARKUP.sub(lambda found: "".join(f"\\{c}" for c in found[0]), _line(text))


SPECIAL = {c: f"\\{c}" for c in "&%$#_{}"} | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
SPECIAL |= {"\\": r"\textbackslash{}", "<": "$<$", ">": "$>$", "|": r"\textbar{}", "`": r"\textasciigrave{}"}
SPECIAL |= {c: f"{{{c}}}" for c in "[]*"}  # behind the end of a row they would be its argument, or its star
SPECIAL |= {"±": r"$\pm$", "×": r"$\times$", "−": "$-$", "²": "$^2$", "³": "$^3$", "°": r"$^\circ$", "·": r"$\cdot$"}
SPECIAL |= {"≤": r"$\leq$", "≥": r"$\geq$", "≠": r"$\neq$", "≈": r"$\approx$", "→": r"$\to$", "∞": r"$\infty$"}
SPECIAL |= {"–": r"\textendash{}", "—": r"\textemdash{}", "…": r"\dots{}", "\u00a0": "~", "µ": r"$\mu$"}
SPECIAL |= {"‘": r"\textquoteleft{}", "’": r"\textquoteright{}", "“": r"\textquotedblleft{}"}
SPECIAL |= {"”": r"\textquotedblright{}", "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}"}
SPECIAL |= {"ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}"}
SPECIAL |= {"α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "δ": r"$\delta$", "Δ": r"$\Delta$", "μ": r"$\mu$"}
SPECIAL |= {"ε": r"$\epsilon$", "η": r"$\eta$", "θ": r"$\theta$", "λ": r"$\lambda$", "π": r"$\pi$", "σ": r"$\sigma$"}
ACCENTS = dict(zip("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0323\u0327",
                   "`'^~=u.\"rHvdc", strict=True))  # fmt: skip


def in_latex(text: str) -> str:
    """Text within an argument or a table's cell of LaTeX: pure ASCII, for any engine.

    What pdflatex has no sign for is named by its number: [U+4E2D].
    """
    out = "".join(_sign(c) for c in unicodedata.normalize("NFC", _line(text)))
    return re.sub(r"([-',])(?=\1)", r"\1{}", out)  # two would become one sign


def _sign(c: str) -> str:
    if c in SPECIAL:
        return SPECIAL[c]
    parts = unicodedata.normalize("NFD", c)
    base, marks = parts[0], parts[1:]
    if not base.isascii() or not all(mark in ACCENTS for mark in marks):
        return f"{{[}}U+{ord(c):04X}{{]}}"
    for mark in marks:
        base = f"\\{ACCENTS[mark]}{{{base}}}"
    return base
