"""What a document has beside its numbers and claims: its figures and tables, and what the project leaves out."""

from collections.abc import Container

from ablate.papers.scope import Text
from ablate.records import Record


class Item(Record):
    """A figure or table of the document, and which of ours shows the same."""

    item: Text  # Figure 4, Table 1; where it has no number, a name of ours
    what: Text
    where: Text
    caption: Text | None = None  # verbatim, where it has no number
    ours: tuple[Text, ...] = ()  # tables and figures of the paper's studies; none: that of its own name
    lacks: Text | None = None  # what of it is not done, and why

    def here(self, outputs: Container[str]) -> tuple[str, ...]:
        """Those of ours, of all ``outputs`` that there are."""
        own = self.item.lower().replace("fig. ", "figure ").replace(" ", "-")
        return self.ours or ((own,) if own in outputs else ())


class LeftOut(Record):
    """What the document has and the project does not."""

    what: Text
    where: Text
    why: Text
    quote: Text | None = None  # verbatim, where a number stands in it that is nowhere else in the file
