"""Figures of images that networks answered, and how pixels are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from ablate.errors import choose
from ablate.figures.common import Drawn, RunFiles, finished, label, nothing, panels, wrapped
from ablate.figures.style import PALETTE, WIDE
from ablate.plan.kinds import ANSWERS, answers_of
from ablate.plan.names import BEST, class_names
from ablate.results.captions import SPLITS
from ablate.results.study import StudyResults

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import UInt8

Images = np.ndarray[Any, np.dtype[np.uint8]]

RIGHT, WRONG = PALETTE[2], PALETTE[3]  # green and red that colour-blind readers tell apart
LINE = 0.12  # inches of one more line of text
TITLE = 0.2  # inches that a panel's title takes
GAP = 2  # pixels between images


def predictions(results: StudyResults, places: RunFiles, argument: str = "") -> Drawn:
    """Four test images of an arm's first seed, what the network says and what is true.

    The images are val's where there is no test split. ``argument`` is BATCH@ARM: which four, from 0, of an order that
    is always the same; without an arm, of the one that is best on val.
    """
    if not argument.partition("@")[0].isdecimal():
        raise choose("predictions", argument, ["0", "1", "2 ..."], "batch")
    batch, named = answers_of(argument, results.arms, "predictions")
    figure, axes = panels(1, ANSWERS, WIDE, WIDE / ANSWERS + 0.9)
    arm = results.one_arm(named, "predictions")
    done = finished(results, arm) if arm else None
    run = None if done is None or done.empty else done.iloc[0]
    table = None if run is None else places.predictions(run["run"])
    if arm is None or run is None or table is None or table.empty:
        for axis in axes:
            nothing(axis, "no run trained\nto the end")
        return Drawn(figure, "No run of the arm trained to the end.", arms=(arm,) if arm else None)
    batches = len(table) // ANSWERS
    if batch >= batches:
        raise choose("predictions", str(batch), [f"0 to {batches - 1}"], "batch")
    order = np.random.default_rng(0).permutation(len(table))  # they lie sorted by class
    settings = results.settings(arm)
    pack = places.pack(settings.dataset)
    names = class_names(pack.meta, pack.chosen(settings))
    shown = [table.iloc[i] for i in order[ANSWERS * batch : ANSWERS * (batch + 1)]]
    said = [_answer(row, names) for row in shown]
    most = [max(text.count("\n") for text in texts) for texts in zip(*said, strict=True)]
    figure.set_size_inches(WIDE, WIDE / ANSWERS + 0.45 + LINE * sum(most))
    for axis, row, (answer, truth) in zip(axes, shown, said, strict=True):
        show(axis, pack.images[int(row["position"])])
        color = RIGHT if row["label"] == row["predicted"] else WRONG
        # As many lines in each panel, so that images are of one size.
        axis.set_title("\n" * (most[0] - answer.count("\n")) + answer, color=color, y=1, va="bottom", fontsize=7)
        axis.set_xlabel(truth + "\n" * (most[1] - truth.count("\n")), color=color, fontsize=7)
    split = str(table["split"].iloc[0])
    best = ", the best on validation images," if named == BEST else ""
    what = (
        f"Four {SPLITS[split]} images, the same at every rendering, with what the network of the arm "
        f"{label(results, arm)}{best} answers and its probability, and the true class; seed {run['seed']}."
    )
    return Drawn(figure, what, arms=(arm,), splits=(split,), facts={"n": "1 seed"})


def _answer(row: pd.Series[Any], names: Sequence[str]) -> tuple[str, str]:
    """What the network says, with its probability, and what is true."""
    sign = "✓" if row["label"] == row["predicted"] else "✗"
    sure = f" ({row['probability']:.0%})" if "probability" in row else ""
    answer = wrapped(f"{sign} predicted: {names[int(row['predicted'])]}{sure}", 1.5)
    return answer, wrapped(f"true: {names[int(row['label'])]}", 1.5)


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


def show(axis: Axes, picture: UInt8[np.ndarray, "h w 3"]) -> None:
    """Pixels as they are, without ticks or frame."""
    axis.imshow(picture, interpolation="none")
    axis.set(xticks=[], yticks=[])
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
