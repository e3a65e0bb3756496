"""The house: the map of rooms in docs/architecture.md. Oracle: the tree itself, and the first sentence of each room.

`python tests/test_architecture.py` prints the map for the document. That imports go down only is a contract in
pyproject.toml, which `make lint` checks.
"""

import ast
import re
from pathlib import Path

from conftest import ROOT

PACKAGE = ROOT / "src/ablate"


def says(path: Path) -> str:
    """The first sentence of a module's docstring, on one line."""
    text = " ".join((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split())
    return re.split(r"(?<=\.)\s", text)[0]


def rooms() -> list[str]:
    """A line for each module, below one for its package."""
    lines = []
    for path in sorted(PACKAGE.rglob("*.py"), key=lambda p: (p.parent, p.name != "__init__.py", p.name)):
        place = path.relative_to(PACKAGE)
        name = f"**{place.parent}/**" if path.name == "__init__.py" and place.parent.name else f"`{place}`"
        if place.name != "__init__.py" or place.parent.name:
            lines.append(f"| {name} | {says(path).replace('|', chr(92) + '|')} |")
    return lines


def test_the_map_has_every_room_and_what_it_says_of_itself() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if re.match(r"\| (`[a-z0-9_/]+\.py`|\*\*[a-z]+/\*\*) \|", line)]
    assert table == rooms()


def test_rooms_are_small() -> None:
    """About 200 lines; what is longer is two rooms in one."""
    assert {path.name: n for path in PACKAGE.rglob("*.py") if (n := len(path.read_text().splitlines())) > 350} == {}


if __name__ == "__main__":
    print("\n".join(rooms()))
