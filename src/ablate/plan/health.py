"""The words for runs whose numbers are not what they seem, and the thresholds behind them.

`train/health.py` says what the numbers in metrics.json are. The thresholds, `health` in params.yaml, are part of no
run: another one trains nothing and renders anew.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field

from ablate.records import Positive, Record

NOT_ABOVE_CHANCE, COLLAPSED, STALE, FALLING = "not above chance", "collapsed", "stale averages", "still falling"
DIVERGED = "diverged"
WORDS = (NOT_ABOVE_CHANCE, COLLAPSED, STALE, FALLING, DIVERGED)
NUMBERS = (  # of metrics.json, that the words follow from
    *("val_chance", "val_chance_p", "val_most_predicted"),
    *("train_running_top1", "train_batch_top1", "train_loss_slope"),
)
BETWEEN = "; "  # words of one run


class Health(Record):
    """From where on a number gets its word."""

    # binomial p of the right validation answers: at or above it, not above chance
    chance_p: Annotated[float, Field(gt=0, lt=1)] = 0.001
    # share of the class predicted most, on the way from the commonest label's share (0) to constant output (1)
    collapsed: Annotated[float, Field(gt=0, le=1)] = 0.9
    # training accuracy with batch statistics less that with running averages
    stale_gap: Annotated[float, Field(gt=0, le=1)] = 0.2
    falling: Positive = 0.03  # nats per image that each of the last epochs took off the training loss


def words(metrics: Mapping[str, Any], limits: Health) -> list[str]:
    """Those of `WORDS` that hold of a run, in their order; ``metrics`` are those of metrics.json.

    A number that is None or not there, as in results older than it, gives no word.
    """
    if metrics["status"] == DIVERGED:
        return [DIVERGED]
    # What is not there is NaN, which is beyond no threshold.
    chance, p, most, running, batch, slope = (
        math.nan if metrics.get(name) is None else float(metrics[name]) for name in NUMBERS
    )
    holds = {
        NOT_ABOVE_CHANCE: p >= limits.chance_p,
        COLLAPSED: chance < 1 and most - chance >= limits.collapsed * (1 - chance),
        STALE: batch - running >= limits.stale_gap,
        FALLING: slope <= -limits.falling,
    }
    return [word for word, held in holds.items() if held]


def counted(runs: Iterable[str]) -> str:
    """Of runs, each given as its words: "2 of 3 not above chance; 1 of 3 stale averages"; nothing of healthy ones."""
    every = [run.split(BETWEEN) for run in runs]
    counts = Counter(word for run in every for word in run)
    return BETWEEN.join(f"{counts[word]} of {len(every)} {word}" for word in WORDS if counts[word])


def legend(limits: Health, used: Iterable[str] = WORDS) -> str:
    """What the words ``used`` mean, as one sentence; of diverged, and of no words, nothing needs to be said."""
    meaning = {
        NOT_ABOVE_CHANCE: f"binomial p of the right validation answers {limits.chance_p:g} or more",
        COLLAPSED: f"{limits.collapsed:.0%} of the way to one label for all images",
        STALE: f"training accuracy {100 * limits.stale_gap:g} points higher with batch statistics than with batch "
        f"norm's running averages",
        FALLING: f"the training loss by {limits.falling:g} nats or more per epoch at the end",
    }
    asked = {*used}
    said = [f"{word}, {means}" for word, means in meaning.items() if word in asked]
    return f"Health, of the runs that ended: {'; '.join(said)}." if said else ""
