"""Captions: what stands under a figure or above a table, made once, from the data, and used wherever it is shown.

A `Caption` is written beside its figure or table as ``<name>.caption.json``: the Markdown, the LaTeX, the report's
figcaption and its alt text all take it from there. Its facts have fixed keys, `FACTS`; those that say nothing of an
item are not there.

    caption = read_caption(Path("results/demo/tinyimage10/figure-5.caption.json"))
    caption.text                # whole, in one paragraph: what, then the facts
    caption.alt                 # for a reader who cannot see it: title and what is shown
    caption.facts["n"]          # one fact by itself: "3 seeds of each arm"
    caption.notes               # below a table: what words mean, and once per study what deviates from the paper
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field, computed_field

from ablate.files import read_json, write_json
from ablate.inert import in_markdown
from ablate.plan.runs import ENDED
from ablate.plurals import many, plural
from ablate.results.study import StudyResults, other_images
from ablate.stored import Stored, shaped

SUFFIX = ".caption.json"
# In this order in a caption; "what" is a field of its own.
FACTS = {
    "n": "n",
    "band": "Interval",
    "split": "Split",
    "images": "Images",
    "epochs": "Epochs",
    "weights": "Weights",
    "chance": "Chance",
    "data": "Data",
    "scale": "Scale",
    "paper": "Beside the paper",
}
SPLITS = {"train": "training", "val": "validation", "test": "test"}
SOURCES = {"scratch": "from scratch", "imagenet": "pretrained on ImageNet (torchvision)"}


class Caption(Stored):
    """All in plain text."""

    label: str  # of references: fig:<paper>-<name> or tab:<paper>-<name>
    title: str  # without a full stop
    what: str = ""  # what is shown, and how it is to be read
    facts: dict[str, str] = Field(default={})  # of FACTS
    notes: list[str] = Field(default=[])  # what words in it mean, and once per study what deviates from the paper

    @computed_field  # type: ignore[prop-decorator]
    @property
    def text(self) -> str:
        """The caption in one paragraph; notes are not part of it."""
        said = [f"{FACTS[key]}: {self.facts[key]}." for key in FACTS if self.facts.get(key)]
        return " ".join(filter(None, [f"{self.title}.", self.what, *said]))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def alt(self) -> str:
        """Title and what is shown."""
        return f"{self.title}. {self.what}".strip()

    @property
    def markdown(self) -> str:
        """`text` with the title in bold."""
        return f"**{in_markdown(self.title)}.** {in_markdown(self.text.removeprefix(f'{self.title}. '))}"

    def write(self, beside: Path) -> None:
        """Beside the file ``beside``, one of the figure's or the table's."""
        write_json(beside.with_suffix(SUFFIX), self.model_dump(mode="json"))


def read_caption(file: Path) -> Caption:
    """What `Caption.write` wrote.

    Raises:
        UserError: For a file that is missing or damaged.
    """
    return shaped(read_json(file), Caption, file)


def label(kind: str, folder: Path, name: str) -> str:
    """What references are made by, ``kind`` being fig or tab, ``folder`` that of the file."""
    return re.sub(r"[^A-Za-z0-9:._-]", "-", f"{kind}:{folder.name}-{name}")


def about_study(
    results: StudyResults, arms: Sequence[str] | None = None, splits: Iterable[str] = ("val",)
) -> dict[str, str]:
    """The facts that follow from a study's runs: all but ``band``.

    Args:
        results: The study's.
        arms: Those that are shown; None: all.
        splits: Those that numbers are of: train, val, test.
    """
    arms = results.arms if arms is None else list(arms)
    planned = [p for p in results.planned if p.arm in arms]
    runs = results.runs[results.runs["arm"].isin(arms)]
    ended, splits = runs[runs["status"].isin(ENDED)], list(splits)
    settings = [results.settings(arm) for arm in arms if arm not in results.own]
    epochs = _span(ended.loc[ended["epochs"] > 0, "epochs"]) or _span(pd.Series([s.epochs for s in settings]))
    chance = sorted({(p.guessing, p.n_classes) for p in planned if p.n_classes})
    data = sorted({s.dataset for s in settings})
    labels = other_images(runs["data"])
    counted = results.words.counted
    holdout = {s.split for s in settings} == {"holdout"} and set(splits) - {"train"}
    facts = {
        "n": seeds(results, arms),
        "split": ""
        if not settings
        else ", ".join(SPLITS[s] for s in splits) + (" (held out of the training images)" if holdout else ""),
        "images": ", ".join(
            f"{n} {SPLITS[s]}" for s in ("train", "val", "test") if settings and (n := _span(ended[f"n_{s}"]))
        ),
        "epochs": epochs,
        "weights": _weights(results, [arm for arm in arms if arm not in results.own]),
        "chance": " or ".join(f"{percent(guessing)} ({many(n, 'class')})" for guessing, n in chance),
        "data": ", ".join(data) + (f" ({', '.join(said(each) for each in labels)})" if labels else ""),
        "paper": counted and counted + (f" (told below {results.told})" if results.told else ""),
        "scale": results.called,
    }
    return {key: text for key, text in facts.items() if text}


def splits_of(results: StudyResults) -> list[str]:
    """The splits that the study's runs were evaluated on."""
    return [split for split in SPLITS if results.runs[f"n_{split}"].notna().any()]


def said(archive: str) -> str:
    """The label of an archive whose images are not the official ones, in words."""
    return "generated images" if archive == "embedded" else f"{archive} archive"


def seeds(results: StudyResults, arms: Sequence[str]) -> str:
    """Of how many runs numbers are: "3 seeds of each arm", "0 to 2 of 3 seeds of each arm"."""
    counts, wanted = [], []
    for arm in arms:
        mine = results.runs[results.runs["arm"] == arm]
        counts.append(int(mine["status"].isin(ENDED).sum()))
        wanted.append(len(mine))
    if not counts:
        return ""
    some = _range(counts) if counts == wanted else f"{_range(counts)} of {_range(wanted)}"
    return f"{some} {plural('seed', max(wanted))}" + (" of each arm" if len(arms) > 1 else "")


def percent(value: float) -> str:
    """10 %, 0.5 %."""
    return f"{value:.3g} %"


def _span(values: "pd.Series[Any]") -> str:
    """4,000, or 500 to 1,000; nothing of nothing."""
    return _range([int(v) for v in values.dropna()])


def _range(counts: Sequence[int]) -> str:
    if not counts:
        return ""
    return f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"


def _weights(results: StudyResults, arms: Sequence[str]) -> str:
    """Where the weights come from, and of which level, where they differ."""
    found: dict[str, dict[str, None]] = {}
    for p in results.planned:
        if p.arm in arms:
            level = results.shown(p.levels.get("weights", ""))
            found.setdefault(_source(p.settings.weights), {})[level] = None
    if len(found) <= 1:
        return next(iter(found), "")
    named = {source: " and ".join(filter(None, levels)) for source, levels in found.items()}
    return "; ".join(f"{level}: {source}" if level else source for source, level in named.items())


def _source(weights: str) -> str:
    kind, _, name = weights.partition(":")
    if kind == "pretrain":
        return f"pretrained here on {name.replace('-', ' ')}"
    return SOURCES.get(weights, f"from {name}")
