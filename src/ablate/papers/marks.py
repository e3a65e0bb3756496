"""How far each figure, table, number and claim of a paper has come: whether it is built, ran, and matches."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ablate.plurals import many

KINDS = {"item": "figure or table", "number": "number", "claim": "claim"}
COLUMNS = ("built", "ran", "matches")
MEANING = (
    "Built: there is code for it. Ran: its runs that ended, of those that are planned. Matches: a printed number "
    "that lies in the 95 % interval for one more run of ours, from three runs on; a count that is equal; a claim by "
    "its verdict."
)
YES, NO = "yes", "no"


@dataclass(frozen=True)
class Mark:
    """Of one of them, each of the three in words, and whether it is so; None where nothing could be."""

    kind: str  # of `KINDS`
    id: str  # Figure 4; of numbers and claims the paper's file has it
    what: str
    where: str
    built: tuple[str, bool]
    ran: tuple[str, bool]
    matches: tuple[str, bool | None]

    @property
    def words(self) -> tuple[str, str, str]:
        """In the order of `COLUMNS`."""
        return self.built[0], self.ran[0], self.matches[0]


Rubric = Sequence[Mark]  # of a paper


def totals(rubric: Rubric) -> dict[str, str]:
    """{column: how many are so of how many that could be}, such as 4 of 4 figures and tables, 8 of 8 numbers."""
    found = {}
    for column in COLUMNS:
        said = []
        for kind, word in KINDS.items():
            marks = [getattr(mark, column)[1] for mark in rubric if mark.kind == kind]
            known = [is_so for is_so in marks if is_so is not None]
            said += [f"{sum(known)} of {many(len(known), word)}"] if known else []
        found[column] = ", ".join(said)
    return found


def joined(marks: Iterable[Mark]) -> list[str]:
    """The words of several that stand in one row, each once."""
    return ["; ".join(dict.fromkeys(words)) for words in zip(*(mark.words for mark in marks), strict=True)]


def by_name(rubric: Rubric) -> Mapping[tuple[str, str], Mark]:
    """{(kind, id): mark}."""
    return {(mark.kind, mark.id): mark for mark in rubric}
