"""What each axis is worth, drawn: main effects with their intervals, and importance with its spread."""

import matplotlib.pyplot as plt
import seaborn as sns

from ablate.figures.common import Drawn
from ablate.figures.style import WIDE
from ablate.results.study import StudyResults
from ablate.tables.effects import REPEATS, contrasts, importance


def sensitivity(results: StudyResults) -> Drawn:
    """Left: each main effect with its 95 % interval over seeds. Right: importance of each axis."""
    main = [e for e in contrasts(results) if not e.interaction]
    rank = importance(results)
    colours = dict(zip(results.axes, sns.color_palette("colorblind", len(results.axes)), strict=True))
    height = 1.4 + 0.26 * max(len(main), len(rank))
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(WIDE, height), layout="constrained", gridspec_kw={"width_ratios": [3, 2]}
    )
    for y, effect in enumerate(main):
        if effect.estimate is None:
            at = left.get_yaxis_transform()
            left.text(0.5, y, "no complete seed", va="center", ha="center", transform=at)
            continue
        reach = effect.bars(results.metrics[results.main])
        left.errorbar(effect.estimate, y, xerr=reach, fmt="o", markersize=4, capsize=2, color=colours[effect.name])
    left.axvline(0, color="0.6", linewidth=0.8, zorder=0)
    unit = results.metrics[results.main].of_differences
    left.set(title="main effects", xlabel=f"{results.named} ({unit})" if unit else results.named)
    left.set_yticks(range(len(main)), [f"{e.name}: {e.shown}" for e in main])
    spread = [(rank["mean"] - rank["low"]).clip(lower=0), (rank["high"] - rank["mean"]).clip(lower=0)]
    colour = [colours[axis] for axis in rank["axis"]]
    right.barh(range(len(rank)), rank["mean"], xerr=spread, capsize=2, color=colour, error_kw={"linewidth": 1})
    right.set(title="importance", xlabel="loss of R²")
    right.set_yticks(range(len(rank)), list(rank["axis"]))
    for axis in (left, right):
        axis.invert_yaxis()
    what = (
        f"Left, what each level is worth in {results.named}: it less its axis's first, averaged over the others, "
        "within each seed; right, the R² that a random forest loses when an axis is shuffled."
    )
    return Drawn(figure, what, f"left 95 % over seeds (Student's t), right the middle 95 % of {REPEATS} shuffles")
