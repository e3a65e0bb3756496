"""The house: the map of rooms in docs/architecture.md. Oracle: the tree itself, and the first sentence of each room.

`python tests/test_architecture.py` prints the map for the document. That imports go down only is a contract in
pyproject.toml, which `make lint` checks; between modules of one room no circle is left either, which is tested here.
"""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

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


def circle(package: str) -> list[str]:
    """The modules of a circle of imports, each importing the next; those in functions and for types count as well."""
    graph = grimp.build_graph(package, cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))  # it names the imported first
    return []


def test_no_modules_import_each_other() -> None:
    assert circle("ablate") == []


@pytest.mark.parametrize(
    "back",
    [
        "from planted.sub import first",
        "def later():\n    from planted.sub.first import x\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import planted.sub.first\n",
    ],
    ids=["at the top", "in a function", "for types"],
)
def test_a_planted_circle_is_found(back: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two modules of one folder by way of a third elsewhere; without the import that leads back there is none."""
    files = {"sub/first.py": "import planted.second", "second.py": "import planted.sub.third", "sub/third.py": ""}
    for name in ("__init__.py", "sub/__init__.py", *files):
        (tmp_path / "planted" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "planted" / name).write_text(files.get(name, ""))
    monkeypatch.syspath_prepend(tmp_path)
    assert circle("planted") == []
    (tmp_path / "planted/sub/third.py").write_text(back)
    found = circle("planted")
    assert found[0] == found[-1] and sorted(found[1:]) == ["planted.second", "planted.sub.first", "planted.sub.third"]


if __name__ == "__main__":
    print("\n".join(rooms()))
