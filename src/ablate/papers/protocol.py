"""What a paper states of how it trained, what it leaves open, and where the project does otherwise, as data.

`words.py` says of each setting of an arm which of these it is.
"""

from typing import Annotated, Any

from pydantic import Field

from ablate.papers.scope import Scope, Text
from ablate.plan.record import FACTS
from ablate.plan.settings import Settings

SETTINGS = (*(name for name in Settings.model_fields if name not in ("classes", "per_class")), *FACTS)


class Stated(Scope):
    """A part of the protocol that the paper states."""

    what: Text
    stated: Text
    where: Text
    settings: dict[Text, Any] = Field(default={})  # {one of SETTINGS: the value that it comes to here}
    varied: dict[Text, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(default={})  # what it varies

    @property
    def values(self) -> dict[str, tuple[Any, ...]]:
        """{one of SETTINGS: what it may be}; lists are tuples."""
        return {key: (value,) for key, value in self.settings.items()} | self.varied

    @property
    def told(self) -> tuple[str, ...]:
        """The settings that it is about."""
        return (*self.settings, *self.varied)


class Silence(Scope):
    """What the paper leaves open, what is chosen here, and why."""

    what: Text
    choice: Text
    why: Text
    settings: tuple[Text, ...] = ()  # of SETTINGS, where it is about some

    @property
    def told(self) -> tuple[str, ...]:
        """The settings that it is about."""
        return self.settings


class Deviation(Scope):
    """Where the project knowingly does something else than the paper, at every scale unless it names some."""

    what: Text
    why: Text
    settings: tuple[Text, ...] = ()  # of SETTINGS, where a value as such does not show the deviation, or not why
    scales: tuple[Text, ...] = ()  # none named: all

    def at(self, scale: str) -> bool:
        """Whether it is one at ``scale``."""
        return not self.scales or scale in self.scales


class Own(Scope):
    """Arms or whole studies that the paper does not have."""

    what: Text
    why: Text
