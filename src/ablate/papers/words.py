"""What an arm's settings are to its paper, each by one of four words.

``stated``: the paper says it, and it is so here. ``deviation``: the paper says something else. ``choice``: the paper
says nothing, and the value is ours. ``own``: the paper has no such arm, so there is nothing to compare.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from ablate.papers.paper import Paper
from ablate.plan.record import PlannedRun
from ablate.plan.settings import Settings
from ablate.plurals import many

Word = Literal["stated", "deviation", "choice", "own"]
# How far a claim's arms are from what its paper did; of studies without a paper, from what was planned.
PAPERS, NEAR, REDUCED, GENERATED = "the paper's", "near", "reduced", "generated data"
PLANNED = "as planned"
ALL_OF_IT = "the whole study"
MANY = 2  # values of one setting, beyond which they are counted
NAMES = {
    "lr": "learning rate",
    "n_classes": "classes",
    "images": "training images",
    "subset": "subset of training images",
}
COUNTED = ("n_classes", "images")  # the number stands before the name
# What classes come to is told, n_classes, and chance follows from it; per_class comes to images.
UNTOLD = ("classes", "chance")
DRAWN = ("subset", "pretraining")  # arms without anything to draw have their defaults, of which nothing is told


class Standing(NamedTuple):
    """A setting of an arm, or what settings come to on its data."""

    word: Word
    ours: Any
    paper: tuple[Any, ...]  # what the paper states, one value or those that it varies; empty where it is silent
    usual: Any  # ours at the scale `paper`
    declared: bool = False  # the paper's file tells the deviation

    def said(self, key: str) -> str:
        """In words, ``key`` being the setting; of an archive, see `words`."""
        name, ours = _name(key), _text(self.ours)
        head = f"{ours} {name}" if key in COUNTED else f"{name} {ours}"
        if self.word == "deviation":
            return f"{head}, not {' or '.join(map(_text, self.paper))}"
        return head if self.ours == self.usual else f"{head}, not our {_text(self.usual)}"

    def worth_saying(self, key: str) -> bool:
        """Whether it is no choice, or one that uses something: what no arm uses is no choice to tell."""
        field = Settings.model_fields.get(key)
        return self.word != "choice" or field is None or not self.ours == field.default == self.usual


class Words(NamedTuple):
    """What is to say under each word of the arms of a study."""

    deviations: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    own: tuple[str, ...] = ()  # arms, or `ALL_OF_IT`

    @property
    def cells(self) -> dict[str, str]:
        """{word: text}."""
        return {word: "; ".join(texts) for word, texts in self._asdict().items()}

    @property
    def sentences(self) -> str:
        """For the caption of a table."""
        heads = ("Deviations from the paper", "Choices where the paper is silent", "Own, not in the paper")
        return " ".join(f"{head}: {'; '.join(texts)}." for head, texts in zip(heads, self, strict=True) if texts)

    @property
    def counted(self) -> str:
        """For the title of a figure: how many, and which arms are our own."""
        if self.own == (ALL_OF_IT,):
            return "our own study, not in the paper"
        parts = [
            many(len(self.deviations), "deviation") + " from the paper" if self.deviations else "",
            many(len(self.choices), "choice") + " where it is silent" if self.choices else "",
            f"our own: {', '.join(self.own)}" if self.own else "",
        ]
        return "; ".join(filter(None, parts))


def standings(paper: Paper, planned: PlannedRun, scale: str) -> dict[str, Standing]:
    """{setting: its standing} of an arm, in the order of `Settings`, and of what settings come to on its data."""
    place = (planned.study, planned.arm, planned.levels.values())
    own = planned.deviations is None or any(entry.covers(*place) for entry in paper.own)
    stated = {key: value for entry in paper.protocol if entry.covers(*place) for key, value in entry.values.items()}
    declared = {key for d in paper.deviations if d.covers(*place) and d.at(scale) for key in d.settings}
    every = {k: v for k, v in planned.settings.plain.items() if k != "per_class"} | planned.facts
    found = {}
    for key, ours in every.items():
        usual = (planned.deviations or {}).get(key, (None, ours))[1]
        values, word = stated.get(key, ()), _word(ours, stated.get(key), own=own, declared=key in declared)
        if key not in UNTOLD:
            found[key] = Standing(word, ours, values, usual, key in declared)
    return found


def _word(ours: Any, stated: tuple[Any, ...] | None, *, own: bool, declared: bool) -> Word:
    if own:
        return "own"
    if declared:
        return "deviation"
    if stated is None:
        return "choice"
    return "stated" if (tuple(ours) if isinstance(ours, list) else ours) in stated else "deviation"


def words(paper: Paper, planned: Iterable[PlannedRun], scale: str, archives: Collection[str] = ()) -> Words:
    """What is to say of the arms ``planned``, which are of one study.

    ``archives`` are labels of what the runs were trained on, as far as its images are not the official ones.
    """
    arms = {p.arm: p for p in planned}
    if not paper.is_document:
        return Words()
    found = {arm: standings(paper, p, scale) for arm, p in arms.items()}
    own = tuple(arm for arm, of_arm in found.items() if all(s.word == "own" for s in of_arm.values()))
    if arms and len(own) == len(arms):
        return Words(own=(ALL_OF_IT,))
    compared = {arm: of_arm for arm, of_arm in found.items() if arm not in own}
    labels = archives or {p.facts["data"] for p in arms.values() if "data" in p.facts} - {"official"}
    declared = [
        entry.what
        for entry in paper.deviations
        if entry.at(scale) and any(entry.covers(arms[a].study, a, arms[a].levels.values()) for a in compared)
    ]
    deviations = [*_told("deviation", compared.values()), *(f"{label} data" for label in sorted(labels)), *declared]
    named = tuple(paper.called(arms[arm].study, arm) for arm in own)
    return Words(tuple(deviations), tuple(_told("choice", compared.values())), named)


def deviates(paper: Paper, planned: PlannedRun, scale: str, archives: Collection[str] = ()) -> bool:
    """Whether `words` has a deviation of this arm, or calls it our own; in a fraction of its time."""
    place = (planned.study, planned.arm, planned.levels.values())
    return (
        bool(archives or {planned.facts.get("data", "official")} - {"official"})
        or any(entry.at(scale) and entry.covers(*place) for entry in paper.deviations)
        or any(s.word in ("deviation", "own") for key, s in standings(paper, planned, scale).items() if key != "data")
    )


def _told(word: Word, arms: Iterable[Mapping[str, Standing]]) -> list[str]:
    """What is to say of the settings that have ``word``, but for what the paper's file tells, in their order."""
    by_key: dict[str, list[Standing]] = {}  # all arms have the same settings
    for found in arms:
        for key, standing in found.items():
            those = by_key.setdefault(key, [])
            idle = key in DRAWN and standing.ours == Settings.model_fields[key].default
            if standing.word == word and not standing.declared and key != "data" and not idle:
                those.append(standing)
    return [
        text for key, those in by_key.items() if any(s.worth_saying(key) for s in those) for text in _of(key, those)
    ]


def _of(key: str, those: list[Standing]) -> list[str]:
    """What is to say of one setting: its values in one text, unless each is compared with another."""
    texts = list(dict.fromkeys(s.said(key) for s in those))
    if len(texts) > MANY:
        return [f"{_name(key)}: {len(texts)} values"]
    if all(s.word == "choice" and s.ours == s.usual for s in those):
        used = dict.fromkeys(_text(s.ours) for s in those if s.ours is not None)
        return [f"{_name(key)} {' or '.join(used)}"]
    return texts


def _name(key: str) -> str:
    return NAMES.get(key, key.replace("_", " "))


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return " ".join(map(_text, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)
