"""Figures of pixels: images of a pack, augmented ones, answers of a network, and its first filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.data.views import Pack
from ablate.errors import UserError, choose
from ablate.figures.common import (
    NARROW,
    PALETTE,
    WIDE,
    RunFiles,
    finished,
    label,
    note,
    nothing,
    of_arm,
    panels,
    wrapped,
)
from ablate.plan.kinds import ANSWERS
from ablate.plan.names import class_names
from ablate.results.study import StudyResults

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8

Images = np.ndarray[Any, np.dtype[np.uint8]]

ACROSS = 8  # images side by side
CLASSES = 10  # of the plain grid
RIGHT, WRONG = PALETTE[2], PALETTE[3]  # green and red that colour-blind readers tell apart
TITLE = 0.2  # inches that a panel's title takes
GAP = 2  # pixels between images


def samples(results: StudyResults, places: RunFiles, argument: str = "") -> Figure:
    """Training images of classes, a panel each.

    ``argument`` is CLASS+CLASS, each one of a class's names in words; of a class that is not in the pack its panel
    says so and shows another. Without: classes and images that the study trains on.

    Raises:
        UserError: For a name of two classes.
    """
    settings = results.settings(results.arms[0])
    pack = places.pack(settings.dataset)
    if argument:
        chosen = _named(pack, argument.split("+"))
        rows, labels = np.arange(pack.meta["train"]), pack.labels[: pack.meta["train"]]
    else:
        classes = pack.chosen(settings)
        spread = np.linspace(0, len(classes) - 1, min(CLASSES, len(classes))).round().astype(int)
        names = class_names(pack.meta, classes)
        chosen = {names[i]: classes[i] for i in spread}
        rows = pack.views(settings)["train"].positions
        labels = pack.labels[rows]
    lines = 2 if len(chosen) <= 2 else 1
    shown = {}
    for title, number in chosen.items():
        mine = rows[labels == number]
        spread = np.linspace(0, len(mine) - 1, min(lines * ACROSS, len(mine))).round().astype(int)
        shown[title] = pack.images[mine[spread]]
    if argument:  # large, one above the other
        figure, axes = panels(len(shown), 1, WIDE, len(shown) * (WIDE / ACROSS * lines + TITLE) + 0.3)
    else:
        height = -(-len(shown) // 2) * (WIDE / 2 / ACROSS + 1.5 * TITLE) + 0.4
        figure, axes = panels(-(-len(shown) // 2), 2, WIDE, height, space=0.03)
    for axis in axes:
        axis.set_axis_off()
    for axis, (title, images) in zip(axes, shown.items(), strict=False):
        _show(axis, mosaic(images, ACROSS))
        axis.set_title(title, loc="left")
    return figure


def _named(pack: Pack, names: list[str]) -> dict[str, int]:
    """{panel's title: label} of each name, another class where there is none of that name."""
    known: dict[str, set[int]] = {}
    for number, words in enumerate(pack.meta["words"]):
        for word in words.split(","):
            known.setdefault(word.strip().lower(), set()).add(number)
    found: dict[str, int | None] = {}
    for name in names:
        classes = known.get(name.strip().lower(), set())
        if len(classes) > 1:
            every = "; ".join(str(pack.meta["words"][number]) for number in sorted(classes))
            raise UserError(
                f"samples: {name!r} is a name of {len(classes)} classes ({every}); write another of theirs"
            )
        found[name] = next(iter(classes), None)
    others = iter(n for n in range(len(pack.meta["words"])) if n not in found.values())
    chosen = {}
    for name, there in found.items():
        if there is not None:
            chosen[name] = there
        else:
            other = next(others, 0)
            chosen[f"no {name} in this data; instead: {_word(pack, other)}"] = other
    return chosen


def _word(pack: Pack, number: int) -> str:
    return str(pack.meta["words"][number].split(",")[0])


def augmented(results: StudyResults, places: RunFiles, argument: str = "") -> Figure:
    """Three images, each beside seven draws of the augmentation ``argument``, a level of `Settings.augment`.

    The draws are the same every time.

    Raises:
        UserError: For a level that there is not.
    """
    import torch  # here and not above: it takes a second

    from ablate.train.augment import AUGMENTS

    if argument not in AUGMENTS:
        raise choose("augmented", argument, AUGMENTS, "augmentation")
    settings = results.settings(results.arms[0])
    pack = places.pack(settings.dataset)
    train = pack.views(settings)["train"]
    picked = train.positions[np.linspace(0, len(train.positions) - 1, 5).round().astype(int)[1:4]]
    figure, (axis,) = panels(1, 1, WIDE, WIDE / ACROSS * len(picked) + 0.6)
    generator = torch.Generator().manual_seed(0)
    tiles: list[Images] = []
    for image in pack.images[picked]:
        batch = torch.from_numpy(image).permute(2, 0, 1).float().div(255).repeat(ACROSS - 1, 1, 1, 1)
        drawn = AUGMENTS[argument](batch, generator).clamp(0, 1).mul(255).round().byte()
        tiles += [image, *drawn.permute(0, 2, 3, 1).numpy()]
    _show(axis, mosaic(tiles, ACROSS))
    side = tiles[0].shape[0]
    axis.set_xticks([(side + GAP) * i + side / 2 for i in range(ACROSS)], ["original", *map(str, range(1, ACROSS))])
    axis.set_xlabel(f"seven draws of the augmentation {argument}")
    return figure


def predictions(results: StudyResults, places: RunFiles, argument: str = "") -> Figure:
    """Four test images, what the network says of them and what is true.

    The network is the first seed of the arm that is best on val; the images are val's where there is no test split.
    ``argument`` is which four, from 0, of an order that is always the same.
    """
    if not argument.isdigit():
        raise choose("predictions", argument, ["0", "1", "2 ..."], "batch")
    figure, axes = panels(1, ANSWERS, WIDE, WIDE / ANSWERS + 0.9)
    arm = results.best_arm
    table = places.predictions(finished(results, arm)["run"].iloc[0]) if arm else None
    if arm is None or table is None or table.empty:
        for axis in axes:
            nothing(axis, "no run trained\nto the end")
        return figure
    batches = len(table) // ANSWERS
    if int(argument) >= batches:
        raise choose("predictions", argument, [f"0 to {batches - 1}"], "batch")
    order = np.random.default_rng(0).permutation(len(table))  # they lie sorted by class
    settings = results.settings(arm)
    pack = places.pack(settings.dataset)
    names = class_names(pack.meta, pack.chosen(settings))
    for axis, i in zip(axes, order[ANSWERS * int(argument) :], strict=False):
        row = table.iloc[i]
        _show(axis, pack.images[int(row["position"])])
        right = row["label"] == row["predicted"]
        sign, color = ("✓", RIGHT) if right else ("✗", WRONG)
        axis.set_title(
            wrapped(f"{sign} predicted: {names[int(row['predicted'])]}", 1.5), color=color, y=1, va="bottom"
        )
        axis.set_xlabel(wrapped(f"true: {names[int(row['label'])]}", 1.5), color=color, fontsize=8)
    figure.supxlabel(f"{label(results, arm)}, the best on val; {table['split'].iloc[0]} images", fontsize=8)
    return figure


def filters(results: StudyResults, places: RunFiles) -> Figure:
    """The first layer's filters as colour images, a panel per arm, of its first seed that has them.

    Each panel goes from its lowest to its highest weight.
    """
    arms = results.arms
    columns = min(len(arms), 3)
    rows = -(-len(arms) // columns)
    width = NARROW if columns == 1 else WIDE
    titles = [wrapped(label(results, arm), 0.9 * width / columns, size=8) for arm in arms]
    title_room = TITLE * (1 + max(title.count("\n") for title in titles))
    figure, axes = panels(rows, columns, width, rows * (width / columns + title_room) + 0.25, space=0.06)
    for axis in axes[len(arms) :]:
        axis.set_axis_off()
    for axis, arm, title in zip(axes, arms, titles, strict=False):
        paths = [path for p in of_arm(results, arm) if (path := places.file(p.run, "filters.npy"))]
        axis.set_title(title)
        if paths:
            weights = np.load(paths[0]).astype(np.float64)  # (out, 3, kh, kw)
            _show(axis, mosaic(scaled(weights), int(np.ceil(np.sqrt(len(weights)))), gap=1))
        else:
            nothing(axis, f"no filters: {said}" if (said := note(results, arm)) else "no filters")
            axis.set_box_aspect(1)
    return figure


def scaled(weights: Float[np.ndarray, "filters 3 k k"]) -> UInt8[np.ndarray, "filters k k 3"]:
    """Weights as colours; the lowest of all becomes 0, the highest 255."""
    known = np.nan_to_num(weights, posinf=0.0, neginf=0.0)
    span = known.max() - known.min()
    shares = (known - known.min()) / (span if span > 0 else 1)
    colours: Images = (255 * shares.transpose(0, 2, 3, 1)).round().astype(np.uint8)
    return colours


def mosaic(
    images: Sequence[UInt8[np.ndarray, "h w 3"]] | UInt8[np.ndarray, "n h w 3"], columns: int, *, gap: int = GAP
) -> UInt8[np.ndarray, "high wide 3"]:
    """Images of one size as one picture, row by row in ``columns``, ``gap`` white pixels between them."""
    rows, (high, wide, _) = -(-len(images) // columns), images[0].shape
    picture = np.full((rows * (high + gap) - gap, columns * (wide + gap) - gap, 3), 255, np.uint8)
    for n, image in enumerate(images):
        top, left = n // columns * (high + gap), n % columns * (wide + gap)
        picture[top : top + high, left : left + wide] = image
    return picture


def _show(axis: Axes, picture: UInt8[np.ndarray, "h w 3"]) -> None:
    """Pixels as they are, without ticks or frame."""
    axis.imshow(picture, interpolation="none")
    axis.set(xticks=[], yticks=[])
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
