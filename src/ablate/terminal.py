"""What is printed: names and sentences that others chose show as they are, and a terminal obeys none of them."""

import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from ablate.inert import visible


def show(*what: Any, width: int) -> None:
    """Print rich's tables and texts below each other; ``width`` in characters where there is no terminal."""
    Terminal(width=None if sys.stdout.isatty() else width).print(*what, sep="\n")


class Terminal(Console):
    """A console for which no string is markup: not [bold], nor :smile:, nor a control sequence."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Every string that rich prints, in cells and titles too, comes by here."""
        return super().render_str(visible(text, keep="\n"), **options | {"markup": False, "emoji": False})
