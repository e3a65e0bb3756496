"""Figures of a study, one function each: (Study) -> matplotlib figure. A new figure is a function and its line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import seaborn as sns

from ablate.errors import choose
from ablate.files import whole
from ablate.tables import LABELS, StudyResults

# Readable in print and by colour-blind readers; ids in the SVG are fixed, so that equal data give equal bytes.
STYLE = {"svg.hashsalt": "ablate", "figure.dpi": 150, "axes.spines.top": False, "axes.spines.right": False}


def curves(results: StudyResults) -> Any:
    """Training and validation accuracy against the epoch, a line per arm, a band from lowest to highest seed."""
    history = results.history.melt(
        id_vars=["arm", "seed", "epoch"],
        value_vars=["train_top1", "val_top1"],
        var_name="split",
        value_name="top1",
    )
    history["top1"] *= 100
    shown = {arm: f"{arm} (contaminated)" if results.contaminated(arm) else arm for arm in results.arms}
    history["arm"] = history["arm"].map(shown)
    arms = list(shown.values())
    figure, axes = plt.subplots(1, 2, figsize=(7.5, 3.4), sharex=True, sharey=True, layout="constrained")
    for axis, (split, name) in zip(axes, {"train_top1": "training", "val_top1": "validation"}.items(), strict=True):
        sns.lineplot(
            history[history["split"] == split],
            x="epoch",
            y="top1",
            hue="arm",
            hue_order=arms,
            style="arm",
            style_order=arms,
            markers=True,
            errorbar=("pi", 100),
            palette="colorblind",
            ax=axis,
            legend="full" if axis is axes[1] else False,
        )
        axis.set(title=name, xlabel="epoch", ylabel="top-1 accuracy (%)")
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].set_ylim(bottom=0)
    handles, labels = axes[1].get_legend_handles_labels()
    axes[1].get_legend().remove()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=2 if len(labels) == 4 else min(len(labels), 3),
        frameon=False,
    )
    return figure


FIGURES: dict[str, Callable[[StudyResults], Any]] = {"curves": curves}


def write_figure(results: StudyResults, kind: str, svg: Path) -> None:
    """Draw the figure as SVG and, beside it, as PNG."""
    if kind not in FIGURES:
        raise choose(f"params.yaml: studies.{results.paper}.{results.study}.figures", kind, FIGURES, "figure")
    sns.set_theme(context="paper", style="ticks", rc=STYLE)
    figure = FIGURES[kind](results)
    seeds = results.runs["seed"].nunique()
    figure.suptitle(f"{results.title}\n{results.scale}: {LABELS.get(results.scale, '')}; {seeds} seeds", fontsize=9)
    with whole(svg) as part:
        figure.savefig(part, format="svg", metadata={"Date": None})
    with whole(svg.with_suffix(".png")) as part:
        figure.savefig(part, format="png", metadata={"Software": None})
    plt.close(figure)
