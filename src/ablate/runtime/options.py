"""The command lines of the workflow's rules: where their program is found, and their options."""

import os
import sys
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from ablate.errors import UserError

Word = str | int | float | PathLike[str]


def options(**values: Word | Sequence[Word] | None) -> list[str]:
    """`--name=value`, one word each: nothing for None, one for each entry of a list. Names get dashes for `_`.

    One word, so that a value may be empty or begin with a dash; a list, because a rule's `{params.x:q}` quotes a list
    word by word and prints nothing for an empty one. (It prints nothing for an empty text either, and the next option
    would be taken for the value.)

    Raises:
        UserError: For what no command line can carry.
    """
    words = []
    for name, value in values.items():
        given = [value] if isinstance(value, (str, int, float, PathLike)) else value or []
        for each in given:
            if "\0" in str(each):
                raise UserError(f"params.yaml: {name}: {str(each)!r} has a NUL character; remove it")
            words.append(f"--{name.replace('_', '-')}={each}")
    return words


def own_programs_first() -> None:
    """Let what this process starts find `ablate` beside its Python, whether that environment is activated or not."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
