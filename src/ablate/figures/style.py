"""How figures look: two sizes, one type, and a fixed colour for each level in all of them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import Any, TypeVar

import seaborn as sns

NARROW, WIDE = 3.25, 6.75  # inches: one and two columns of a printed page
CHARACTER = 4.0  # points that a character takes at the style's 7 points, on average
# Readable in print and by colour-blind readers; ids in the SVG are fixed, so that equal data give equal bytes.
STYLE = {
    "svg.hashsalt": "ablate",
    "svg.fonttype": "none",  # text stays text: it can be searched, copied and set in another face
    "pdf.fonttype": 42,
    "text.parse_math": False,  # a title or a level may hold any $
    "text.usetex": False,
    "figure.dpi": 150,
    "savefig.dpi": 300,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 7,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.handlelength": 3,  # long enough to see the dashes
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
}

LOSS, TOP1 = "cross-entropy (nats)", "top-1 accuracy (%)"

# seaborn's colorblind palette, its two palest colours last
PALETTE = [sns.color_palette("colorblind")[i] for i in (0, 1, 2, 3, 4, 5, 9, 7, 6, 8)]
DASHES: list[Any] = ["-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)), (0, (7, 1.5)), (0, (3, 1, 1, 1, 1, 1))]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
T = TypeVar("T")

CHANCE: dict[str, Any] = {"color": "0.35", "ls": (0, (2, 2)), "lw": 0.8, "zorder": 1}
SEED: dict[str, Any] = {
    "marker": "o", "ls": "", "ms": 3, "mfc": "white", "mec": "black", "mew": 0.7, "zorder": 5, "clip_on": False,
}  # fmt: skip
PRINTED: dict[str, Any] = {
    "marker": "D", "ls": "", "ms": 5, "mfc": "none", "mec": "black", "mew": 1, "zorder": 6, "clip_on": False,
}  # fmt: skip


def level_colours(axes: Iterable[Sequence[str]]) -> dict[str, int]:
    """{level: place in `PALETTE`}, a level of one name having one colour in all figures.

    ``axes`` are the levels of each axis of each study, in the order of the plan. A level takes the first colour that
    no level has which stands beside it on some axis; of more levels on an axis than there are colours, some share.
    """
    beside: dict[str, set[str]] = {}
    for levels in axes:
        for level in levels:
            beside.setdefault(level, set()).update(levels)
    found: dict[str, int] = {}
    for level, others in beside.items():
        taken = {found[other] for other in others if other in found}
        found[level] = next((i for i in range(len(PALETTE)) if i not in taken), len(found) % len(PALETTE))
    return found


def looks(names: Sequence[T], *, dashed: bool = True) -> dict[T, dict[str, Any]]:
    """{name: colour, marker and dashes of its line}, of what is no level: it is told apart without the colour too."""
    dashes = cycle(DASHES if dashed else ["-"])
    return {
        name: {"color": color, "linestyle": dash, "marker": marker}
        for name, color, dash, marker in zip(names, cycle(PALETTE), dashes, cycle(MARKERS), strict=False)
    }


def crossed(arms: Mapping[str, Sequence[str]], colours: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """{arm: look}; ``arms`` are {arm: its levels}, each axis having its own means of telling its levels apart.

    The first axis gives the colour, the second the dashes, the others marker, width and filling. Of one axis, its
    levels have dashes and markers of their own as well, for readers who do not see the colour.
    """
    parts = {arm: (tuple(levels[:1]), tuple(levels[1:2]), tuple(levels[2:])) for arm, levels in arms.items()}
    known = [list(dict.fromkeys(part[i] for part in parts.values())) for i in range(3)]
    look = {}
    for arm, part in parts.items():
        first, dash, other = (known[i].index(part[i]) for i in range(3))
        color = PALETTE[(colours.get(part[0][0], first) if part[0] else first) % len(PALETTE)]
        if len(known[1]) == len(known[2]) == 1:
            dash, mark = first, first
        else:
            mark = other if len(known[2]) > 1 else first
        look[arm] = {
            "color": color,
            "linestyle": DASHES[dash % len(DASHES)],
            "marker": MARKERS[mark % len(MARKERS)],
            "linewidth": 1.6 if len(known[2]) > 1 and other == 0 else 1.2 if len(known[2]) == 1 else 0.8,
            "markerfacecolor": color if dash % 2 == 0 or len(known[1]) == 1 else "white",
        }
    return look
