"""The one exception that a user's mistake raises, and the spelling help that goes with it."""

from collections.abc import Iterable
from difflib import get_close_matches

from ablate.inert import visible

MOST_NAMES = 40  # that one message lists


class UserError(Exception):
    """A mistake of the user's: its text names the key or file and the remedy, and is shown without a traceback."""

    def __str__(self) -> str:
        """One line, whatever the names in it hold."""
        return visible(super().__str__())


def choose(path: str, got: object, allowed: Iterable[str], what: str = "value") -> UserError:
    """The refusal of ``got`` at ``path``: what is allowed there, of much the most alike, and the nearest spelling."""
    names = sorted(allowed)
    near = get_close_matches(str(got), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    said = ", ".join(names) or "nothing"
    if len(names) > MOST_NAMES:
        alike = get_close_matches(str(got), names, n=MOST_NAMES // 4, cutoff=0)
        said = f"{len(names)} names, most like it {', '.join(alike)}"
    return UserError(f"{path}: unknown {what} {got!r}; allowed: {said}{hint}")
