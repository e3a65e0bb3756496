"""What accuracy costs: multiply-adds, parameters and seconds against it."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator, NullFormatter

from ablate.figures.common import Drawn, finished, label, legend_below, looks_of, panels, values
from ablate.figures.style import CHANCE, TOP1, WIDE
from ablate.models.summary import summary
from ablate.results.stats import PERCENT, ends, half_width
from ablate.results.study import StudyResults

DECADE = 30.0  # times the least, from where on an axis is logarithmic: below, it would have a single number on it
AXES = ("multiply-adds of one image", "parameters", "seconds of training a run")


def cost(results: StudyResults) -> Drawn:
    """Validation top-1 of each arm against the three, with the classes and pixels of the runs."""
    figure, axes = panels(1, 3, WIDE, 2.1, space=0.03)
    look = looks_of(results, results.arms)
    for arm, each in look.items():
        done = finished(results, arm)
        tops = [100 * v for v in values(done["val_top1"])]
        if not tops:
            continue
        planned = next(p for p in results.planned if p.arm == arm)
        s = results.settings(arm)
        size = planned.n_classes, planned.image_size
        network = summary(s.model, *size, stem=s.stem, model_args=s.model_args)
        seconds = float(np.mean(values(done["wall_s"]) or [np.nan]))
        style = {key: each[key] for key in ("color", "marker", "markerfacecolor")}
        middle, half = float(np.mean(tops)), half_width(tops)
        reach = None if half is None else [[abs(end - middle)] for end in ends(middle, half, PERCENT)]
        for axis, x in zip(axes, (network.multiply_adds, network.params, seconds), strict=True):
            axis.errorbar(x, middle, yerr=reach, ls="", ms=5, elinewidth=1, **style)
    guessing = sorted({p.guessing for p in results.planned})
    for axis, title in zip(axes, AXES, strict=True):
        axis.set(xlabel=title)
        axis.margins(0.12)
        axis.set_ylim(0)
        if axis.dataLim.x1 >= DECADE * axis.dataLim.x0 > 0:
            axis.set_xscale("log")
            axis.xaxis.set_minor_formatter(NullFormatter())
        else:
            axis.xaxis.set_major_locator(MaxNLocator(4))
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        for at in guessing:
            axis.axhline(at, **CHANCE)
    axes[0].set_ylabel("validation " + TOP1)
    handles = [Line2D([], [], **each | {"linestyle": ""}) for each in look.values()]
    legend_below(figure, handles, [label(results, arm) for arm in look])
    what = (
        "Top-1 accuracy on validation images of the last epoch against multiply-adds, parameters and seconds, means "
        "over seeds; seconds are of this machine, and of whatever else it did."
    )
    return Drawn(figure, what, "bars are 95 % over seeds (Student's t), from three seeds on")
