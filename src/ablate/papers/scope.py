"""Which arms of a paper's studies an entry of ``papers/<id>.yaml`` is about. Imports no torch and no pandas."""

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated

from pydantic import Field

from ablate.errors import UserError, choose
from ablate.records import Record

Text = Annotated[str, Field(min_length=1)]
Arms = Mapping[str, Mapping[str, Mapping[str, str]]]  # study: arm: axis: label, of one paper


class Scope(Record):
    """An entry about some arms: those that all of these keys let in. A key that names nothing lets all in."""

    studies: tuple[Text, ...] = ()
    levels: tuple[Text, ...] = ()  # labels of params.yaml: of arms that have one of them
    arms: tuple[Text, ...] = ()  # as `ablate plan --runs` prints them

    @property
    def scope(self) -> dict[str, tuple[str, ...]]:
        """Of its keys, those that name something."""
        return {key: names for key in Scope.model_fields if (names := getattr(self, key))}

    def covers(self, study: str, arm: str, levels: Iterable[str]) -> bool:
        """Whether it is about this arm, of which ``levels`` are the labels."""
        return (
            (not self.studies or study in self.studies)
            and (not self.levels or bool({*self.levels} & {*levels}))
            and (not self.arms or arm in self.arms)
        )


def check_scope(scope: Scope, arms: Arms, where: str) -> None:
    """Refuse what ``arms`` do not have, and a level that two axes of a study have: which of them is meant?

    Args:
        scope: the entry.
        arms: of its paper.
        where: the entry's key, for messages.

    Raises:
        UserError: with the key and the nearest right spelling.
    """
    for study in scope.studies:
        if study not in arms:
            raise choose(f"{where}.studies", study, arms, "study")
    chosen = {study: arms[study] for study in scope.studies or arms}
    known = {label for of_study in chosen.values() for levels in of_study.values() for label in levels.values()}
    for level in scope.levels:
        if level not in known:
            raise choose(f"{where}.levels", level, known, "level")
    for arm in scope.arms:
        if not any(arm in of_study for of_study in chosen.values()):
            raise choose(f"{where}.arms", arm, {arm for of_study in chosen.values() for arm in of_study}, "arm")
    for study, of_study in chosen.items():
        axes: dict[str, dict[str, None]] = {}  # those that have a label
        for levels in of_study.values():
            for axis, label in levels.items():
                axes.setdefault(label, {})[axis] = None
        for label in scope.levels:
            if len(axes.get(label, ())) > 1:
                both = " and of ".join(axes[label])
                raise UserError(
                    f"{where}.levels: {label!r} is a level of {both} in the study {study}; rename one of these levels"
                )


def check_once(entries: Mapping[str, tuple[Scope, Collection[str]]], arms: Arms, file: str) -> None:
    """Refuse a setting of an arm that two of ``entries``, {key: (entry, settings)}, speak of.

    Raises:
        UserError: names ``file``, both keys and the arm.
    """
    for study, of_study in arms.items():
        for arm, levels in of_study.items():
            seen: dict[str, str] = {}
            for key, (entry, names) in entries.items():
                for name in names if entry.covers(study, arm, levels.values()) else ():
                    if name in seen:
                        raise UserError(
                            f"{file}: {key}.settings: {name} of the arm {arm!r} of {study} stands under {seen[name]} "
                            "as well; narrow one of them by studies, levels or arms"
                        )
                    seen[name] = key
