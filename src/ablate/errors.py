"""The one exception that a user's mistake raises, and the spelling help that goes with it."""

from collections.abc import Iterable
from difflib import get_close_matches

from ablate.inert import visible


class UserError(Exception):
    """A mistake of the user's: its text names the key or file and the remedy, and is shown without a traceback."""

    def __str__(self) -> str:
        """One line, whatever the names in it hold."""
        return visible(super().__str__())


def choose(path: str, got: object, allowed: Iterable[str], what: str = "value") -> UserError:
    """The refusal of ``got`` at ``path``: what is allowed there, and the nearest right spelling."""
    names = sorted(allowed)
    near = get_close_matches(str(got), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return UserError(f"{path}: unknown {what} {got!r}; allowed: {', '.join(names) or 'nothing'}{hint}")
