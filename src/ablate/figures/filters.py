"""The first layer of each arm's network as colour images: before training, after it, and what became of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from ablate.figures.common import Drawn, RunFiles, label, of_arm, panels, wrapped
from ablate.figures.images import Images, mosaic, show
from ablate.figures.style import WIDE
from ablate.files import read_json
from ablate.plan.keys import WEIGHTS
from ablate.plan.record import PlannedRun
from ablate.plan.runs import PRETRAINED
from ablate.plan.settings import Settings
from ablate.results.study import StudyResults
from ablate.seals import of_run

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8

Weights = np.ndarray[Any, np.dtype[np.float64]]
COLUMNS = ("before training", "after the last epoch", "difference")
EMPTY = 0.25  # inches of a row that has nothing to show
UNKNOWN = "its first weights are not\namong the results"


def filters(results: StudyResults, places: RunFiles) -> Drawn:
    """A row per arm, of its first seed that has filters: the first layer before, after, and the difference.

    Before and after share one scale, from their lowest to their highest weight; in the difference, grey is none.
    """
    arms, side = results.arms, WIDE / len(COLUMNS)
    there = {
        arm: [
            (p, path)
            for p in of_arm(results, arm)
            if (path := places.file(p.run, "filters.npy")) and np.load(path, mmap_mode="r").size
        ]
        for arm in arms
    }
    heights = [side - 0.1 if there[arm] else EMPTY for arm in arms]
    figure, axes = panels(len(arms), len(COLUMNS), WIDE, sum(heights) + 0.25, space=0.04, heights=heights)
    for n, (arm, found) in enumerate(there.items()):
        row = axes[len(COLUMNS) * n : len(COLUMNS) * (n + 1)]
        if n == 0:
            for axis, title in zip(row, COLUMNS, strict=True):
                axis.set_title(title)
        before, after = _weights(*found[0], places) if found else (None, None)
        if found:
            _row(row, before, after)
            name = wrapped(label(results, arm), 0.9 * side, size=8)
            row[0].set_ylabel(f"{name}\nseed {found[0][0].seed}")
        else:
            for axis in row:
                axis.set_axis_off()
            said = row[0].text(0, 0.5, f"{label(results, arm)}: no filters", va="center", transform=row[0].transAxes)
            said.set_in_layout(False)  # it goes on over the next columns, which must not make room for it
    what = (
        "Weights of the first layer as colours. Before training: drawn again from the run's seed, or of the run that "
        "it starts from. Before and after share one scale, from their lowest to their highest weight; the "
        "difference has its own, on which grey is none."
    )
    return Drawn(figure, what, facts={"n": "1 seed of each arm, named beside it"})


def _row(row: list[Axes], before: Weights | None, after: Weights | None) -> None:
    difference = None if before is None or after is None else after - before
    both = [weights for weights in (before, after) if weights is not None]
    low, high = (min(w.min() for w in both), max(w.max() for w in both)) if both else (0.0, 0.0)
    most = 0.0 if difference is None else float(np.abs(difference).max())
    spans = ((low, high), (low, high), (-most, most))
    for axis, weights, span in zip(row, (before, after, difference), spans, strict=True):
        if weights is None:
            show(axis, np.full((1, 1, 3), 255, np.uint8))
            axis.text(0.5, 0.5, UNKNOWN if axis is row[0] else "", ha="center", va="center", transform=axis.transAxes)
        else:
            show(axis, mosaic(scaled(weights, *span), int(np.ceil(np.sqrt(len(weights)))), gap=1))


def _weights(planned: PlannedRun, path: Path, places: RunFiles) -> tuple[Weights | None, Weights]:
    """The first layer before and after training; None where it is not known how it began."""
    after = _known(np.load(path))
    before = first_filters(planned, places)
    return (None if before is None or before.shape != after.shape else _known(before)), after


def _known(weights: Float[np.ndarray, "filters 3 k k"]) -> Weights:
    return np.nan_to_num(weights.astype(np.float64), posinf=0.0, neginf=0.0)


def first_filters(planned: PlannedRun, places: RunFiles) -> Float[np.ndarray, "filters 3 k k"] | None:
    """The first layer's weights before the first step.

    From scratch they are drawn again, as `Trainer` draws them. Weights of another run are told by their digest, and
    its own filters are the first ones; other files of weights are not kept with results, so that there are none.
    """
    if planned.settings.weights == "scratch":
        return _drawn_again(planned)
    if places.runs is None:
        return None
    start = (read_json(places.runs / planned.run / "manifest.json").get("start") or {}).get("sha256")
    for manifest in sorted(places.runs.with_name(PRETRAINED.name).glob("*/manifest.json")):
        if start and (read_json(manifest).get("files") or {}).get(WEIGHTS) == start:
            found: Images = np.load(of_run(manifest.parent, "filters.npy"))
            return found
    return None


def _drawn_again(planned: PlannedRun) -> Float[np.ndarray, "filters 3 k k"]:
    import torch  # here and not above: it takes a second

    from ablate.models.build import build
    from ablate.train.loader import seed_for

    s = planned.settings
    assert isinstance(s, Settings)  # a kind of the built-in trainer's runs alone
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(planned.seed, "init"))
        model = build(
            s.model, classes=planned.n_classes, image_size=planned.image_size, dropout=s.dropout, init=s.init,
            init_variance=s.init_variance, activation=s.activation, stem=s.stem, last_relu=s.last_relu,
            model_args=s.model_args,
        )  # fmt: skip
    first = next(part for part in model.modules() if isinstance(part, torch.nn.Conv2d))
    weights: Float[np.ndarray, "filters 3 k k"] = first.weight.detach().numpy()
    return weights


def scaled(
    weights: Float[np.ndarray, "filters 3 k k"], low: float, high: float
) -> UInt8[np.ndarray, "filters k k 3"]:
    """Weights as colours: ``low`` becomes 0, ``high`` 255, and all are grey where these are one."""
    shares = (weights - low) / (high - low) if high > low else np.full(weights.shape, 0.5)
    colours: Images = (255 * shares.transpose(0, 2, 3, 1)).round().astype(np.uint8)
    return colours
