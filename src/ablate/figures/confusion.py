"""What each arm takes for what: confusion matrices, and above each how often every class is its answer."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ablate.figures.common import Drawn, RunFiles, finished, label, note, nothing, panels, wrapped
from ablate.figures.style import NARROW, PALETTE, WIDE
from ablate.results.study import StudyResults

FEW = 12  # classes whose names stand beside the matrix
ACROSS = 4  # panels
STRIP = 0.16  # of a matrix's height, the answers above it
Shares = np.ndarray[Any, np.dtype[np.float64]]


def confusion(results: StudyResults, places: RunFiles) -> Drawn:
    """A panel per arm, over its seeds: of the images of each class, a row, the share that got each answer.

    Of the test split, or of val where there is none. One column alone is a network that names one class.
    """
    arms = results.arms
    across = min(len(arms), ACROSS)
    names = _names(results)
    side = (WIDE if across > 1 else NARROW) / across
    rows = -(-len(arms) // across)
    titles = [wrapped(label(results, arm), 0.8 * side, size=7) for arm in arms]
    room = 0.25 + 0.11 * max(title.count("\n") for title in titles)
    figure, axes = panels(rows, across, side * across, rows * (side * (0.85 if names else 0.95) + room), space=0.02)
    split = ""
    for n, (axis, arm, title) in enumerate(zip(axes, arms, titles, strict=False)):
        tables = [t for run in finished(results, arm)["run"] if len(t := places.predictions(run))]
        axis.set_title(title, fontsize=7)
        if not tables:
            nothing(axis, note(results, arm) or "no answers")
            continue
        split = str(tables[0]["split"].iloc[0])
        classes = next(p.n_classes for p in results.planned if p.arm == arm)
        _matrix(axis, shares(tables, classes))
        if names and n % across == 0:
            axis.set_yticks(range(classes), names)
        elif n % across == 0:
            axis.set_ylabel("true class")
        if n >= len(arms) - across:
            axis.set_xlabel("answer")
    for axis in axes[len(arms) :]:
        axis.set_axis_off()
    what = (
        "Below, of the images of each class (a row), the share that got each answer (a column), darker for more; "
        "above, how often each class is the answer: one column alone is a network that names one class for all."
    )
    if not split:
        return Drawn(figure, "No run of the study left answers.")
    return Drawn(figure, what, "all seeds of an arm together", splits=(split,))


def shares(tables: list[pd.DataFrame], classes: int) -> Shares:
    """(true class, answer): the share of the class's images in ``tables`` that got the answer; NaN of no images."""
    counts = np.zeros((classes, classes))
    for table in tables:
        np.add.at(counts, (table["label"].to_numpy(int), table["predicted"].to_numpy(int)), 1)
    with np.errstate(invalid="ignore"):
        found: Shares = counts / counts.sum(axis=1, keepdims=True)
    return found


def _matrix(axis: Axes, found: Shares) -> None:
    classes = len(found)
    axis.imshow(found, cmap="Blues", vmin=0, vmax=1, interpolation="none")
    axis.set(xticks=[], yticks=[])
    strip = axis.inset_axes((0, 1.02, 1, STRIP))
    strip.bar(range(classes), np.nan_to_num(found).mean(axis=0), width=1, color=PALETTE[0], lw=0)
    strip.axhline(1 / classes, color="0.35", lw=0.6)
    strip.set(xlim=(-0.5, classes - 0.5), ylim=(0, 1))
    strip.set_axis_off()


def _names(results: StudyResults) -> list[str]:
    """Of the classes, where all arms have the same few and their data are described."""
    described = (results.data_folder / f"{results.settings(arm).dataset}.json" for arm in results.arms)
    if max(p.n_classes for p in results.planned) > FEW or not all(file.exists() for file in described):
        return []
    names = [results.classes(arm) for arm in results.arms]
    return names[0] if all(other == names[0] for other in names) else []
