"""A structure as boxes and arrows in a figure: its longest way from top to bottom, and what passes beside it."""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, PathPatch
from matplotlib.path import Path

from ablate.errors import UserError
from ablate.figures.common import wrapped
from ablate.figures.style import CHARACTER, PALETTE
from ablate.models.structure import ADDITION, INPUT, Structure

LINE, PAD, BETWEEN = 0.115, 0.055, 0.095  # inches: a line of text, what a box has around it, between two boxes
WIDER = 1.08  # than `CHARACTER`: digits and capitals
SHAPES, LANE = 0.72, 0.26  # inches: beside the boxes for their shapes, and for an arrow that passes others
COLOURS = {  # of PALETTE, very pale
    "convolution": 0, "linear": 4, "pooling": 2, "normalisation": 7, "activation": 1, "dropout": 3, ADDITION: 8,
}  # fmt: skip
Point = tuple[float, float]  # inches from the left and from the top


@dataclass(frozen=True)
class Placed:
    """A box where it is drawn, in inches; ``y`` is its top."""

    text: str
    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Half way down."""
        return self.y + self.height / 2

    @property
    def entry(self) -> float:
        """Where an arrow comes in from the side."""
        return self.y + 0.3 * self.height

    @property
    def exit(self) -> float:
        """Where one leaves to the side."""
        return self.y + 0.7 * self.height


def _main(found: Structure) -> list[int]:
    """The longest way from the input to the output."""
    length: dict[int, tuple[int, list[int]]] = {}
    for place in range(len(found.boxes)):
        best = max((length[a] for a in found.before(place)), default=(0, []), key=lambda way: way[0])
        length[place] = (best[0] + 1, [*best[1], place])
    return length[len(found.boxes) - 1][1]


def _chains(found: Structure, main: list[int]) -> list[list[int]]:
    """What leaves the main way and comes back: each from the box where it begins to that where it ends.

    Raises:
        UserError: For a network of which that is not all.
    """
    chains = []
    for a, b in found.arrows:
        if a not in main or (b in main and main.index(b) == main.index(a) + 1):
            continue
        chain = [a, b]
        while chain[-1] not in main:
            after = found.after(chain[-1])
            if len(after) != 1 or len(found.before(chain[-1])) != 1:
                raise UserError("this network has more branches than the shortcuts that can be drawn")
            chain += after
        chains.append(chain)
    return chains


def _wrapped(word: str, width: float) -> str:
    return "\n".join(wrapped(line, (width - 0.12) / WIDER) for line in word.split("\n"))


def _tall(word: str) -> float:
    return LINE * (word.count("\n") + 1) + PAD


def height_of(found: Structure, words: list[str], width: float) -> float:
    """Inches that the main way takes."""
    main = _main(found)
    room = _room(found, words, width)
    return sum(_tall(_wrapped(words[place], room[0])) + BETWEEN for place in main) + BETWEEN


def _room(found: Structure, words: list[str], width: float) -> tuple[float, float]:
    """Inches for the boxes of the main way, and for what passes beside them."""
    main = _main(found)
    chains = _chains(found, main)
    if not chains:
        return width - 0.1, 0.0
    beside = [place for chain in chains for place in chain[1:-1]]
    longest = max((len(part) for place in beside for part in words[place].split()), default=0)
    lane = max(LANE, min(0.36 * width, (longest + 8) * CHARACTER / 72)) if beside else LANE
    return width - lane - 0.15, lane


def draw_boxes(
    axis: Axes,
    found: Structure,
    words: list[str],
    size: tuple[float, float],
    *,
    shapes: bool = False,
    panel: int = 0,
) -> None:
    """Boxes of the main way from top to bottom, the others to their right."""
    width, height = size
    left = SHAPES if shapes else 0.05
    axis.set(xlim=(0, width), ylim=(height, 0))
    axis.set_axis_off()
    main = _main(found)
    room, lane = _room(found, words, width - left)
    placed: dict[int, Placed] = {}
    y = BETWEEN
    for place in main:
        text = _wrapped(words[place], room)
        longest = max(len(line) for line in text.split("\n"))
        wide = min(room, longest * WIDER * CHARACTER / 72 + 0.16)
        placed[place] = Placed(text, left + (room - wide) / 2, y, wide, _tall(text))
        y += placed[place].height + BETWEEN
    for chain in _chains(found, main):
        _beside(placed, chain, words, left + room + 0.1, lane)
    for n, box in enumerate(found.boxes):
        _box(axis, placed[n], box.kind, f"{panel}-box-{n}")
        if shapes:
            said = "×".join(map(str, box.shape))
            if n in main:
                axis.text(SHAPES - 0.06, placed[n].middle, said, ha="right", va="center", color="0.35", fontsize=7)
    for a, b in found.arrows:
        far = left + room + 0.1 + lane / 2
        _arrow(axis, _way(placed[a], placed[b], far), f"{panel}-arrow-{a}-{b}")


def _beside(placed: dict[int, Placed], chain: list[int], words: list[str], x: float, lane: float) -> None:
    """Place the boxes of a chain one below the other, half way between its ends."""
    texts = [_wrapped(words[place], lane) for place in chain[1:-1]]
    total = sum(map(_tall, texts)) + BETWEEN * (len(texts) - 1)
    y = (placed[chain[0]].middle + placed[chain[-1]].middle - total) / 2
    for place, text in zip(chain[1:-1], texts, strict=True):
        placed[place] = Placed(text, x, y, lane, _tall(text))
        y += _tall(text) + BETWEEN


def _way(a: Placed, b: Placed, far: float) -> list[Point]:
    """Corners of an arrow: straight down, or by way of the lane at ``far``."""
    start, end = a.x + a.width / 2, b.x + b.width / 2
    if abs(start - end) < 0.3 and 0 < b.y - a.y - a.height < 2 * BETWEEN:
        return [(start, a.y + a.height), (end, b.y)]
    if a.x + a.width < far and b.x <= far <= b.x + b.width:  # into the lane
        return [(a.x + a.width, a.exit), (far, a.exit), (far, b.y)]
    if a.x <= far <= a.x + a.width:  # back from it
        return [(far, a.y + a.height), (far, b.entry), (b.x + b.width, b.entry)]
    return [(a.x + a.width, a.exit), (far, a.exit), (far, b.entry), (b.x + b.width, b.entry)]


def _box(axis: Axes, place: Placed, kind: str, gid: str) -> None:
    colour = PALETTE[COLOURS[kind]] if kind in COLOURS else (0.5, 0.5, 0.5)
    face = (1.0, 1.0, 1.0) if kind == INPUT else tuple(1 - 0.3 * (1 - part) for part in colour)
    patch = FancyBboxPatch(
        (place.x, place.y), place.width, place.height, boxstyle="round,pad=0,rounding_size=0.04",
        facecolor=face, edgecolor="0.3", linewidth=0.7, gid=gid,
    )  # fmt: skip
    axis.add_patch(patch)
    axis.text(place.x + place.width / 2, place.middle, place.text, ha="center", va="center", fontsize=7)


def _arrow(axis: Axes, corners: list[Point], gid: str) -> None:
    path = Path(corners)
    if len(corners) > 2:
        axis.add_patch(PathPatch(Path(corners[:-1]), fill=False, edgecolor="0.3", linewidth=0.8))
        path = Path(corners[-2:])
    arrow = FancyArrowPatch(
        path=path, arrowstyle="-|>", mutation_scale=6, color="0.3", linewidth=0.8, shrinkA=0, shrinkB=0, gid=gid
    )
    axis.add_patch(arrow)
