"""The code that each step's result depends on: what its modules import, followed through the package.

A result is good as long as this code is: its digest is part of keys (`keys.py`) and of receipts. Embedded archives
and ImageNet's weights are no part of it: their digests are pinned.
"""

import ast
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from ablate.errors import UserError
from ablate.files import atomic_write
from ablate.models.registry import REGISTRY, module_of, own
from ablate.own_code import files, is_own, parted
from ablate.plan.kinds import FIGURES, TABLES
from ablate.plan.params import LAYOUTS

PACKAGE = Path(__file__).parents[1]
KINDS = {"tables": TABLES, "figures": FIGURES}
# Where each step's code begins; what is loaded by name stands here as well.
_LAYOUTS = [f"data/{name.replace('-', '_')}.py" for name in LAYOUTS]
_PAGE = sorted(
    path.relative_to(PACKAGE).as_posix()
    for path in (PACKAGE / "report").rglob("*")
    if path.suffix in (".html", ".css", ".js")
)
STEPS: dict[str, tuple[str, ...]] = {
    "verify": ("data/verify.py", *_LAYOUTS),
    "reorganise": ("data/reorganise.py", *_LAYOUTS),
    "pack": ("data/pack.py",),
    "describe": ("data/describe.py",),
    "train": ("train/job.py",),
    "collect": ("results/collect.py",),
    "summarise": ("results/summary.py",),
    "tables": ("tables/registry.py",),  # and the kinds of a paper's
    "compare": ("tables/comparison.py",),
    "claims": ("verdicts/claims_table.py", "verdicts/decide.py"),
    "judge": ("verdicts/assess.py",),  # what `ablate freeze` fixes: not how the board is drawn
    "power": ("verdicts/power_table.py",),
    "figures": ("figures/registry.py",),
    "report": ("report/page.py", *_PAGE),
}
# Not followed: no result's value follows from how parameters are read, files written and jobs run. What parameters
# come to is in the plan, which is compared by itself.
AROUND = (
    "cli",
    "workflow",
    "runtime",
    "plan",
    "errors",
    "files",
    "own_code",
    "records",
    "plain",
    "plain_yaml",
    "stored",
    "seals",
)
FOLLOWED = (
    "plan/health.py",
    "plan/kinds.py",
    "plan/names.py",
)  # less these, from which tables and figures take words
# Of networks, loaded by their names: each is a family's.
OTHERS = ("own", "timm_nets")  # families of networks that REGISTRY does not have
FAMILIES = frozenset(f"models/{name}.py" for name in (*OTHERS, *(p.partition(":")[0] for p in REGISTRY.values())))
BUILDER = "models/build.py"
KNOWN_CODE = Path(".ablate/code-2")  # another number where `_facts` changes


@cache
def code_digest(step: str, model: str | None = None, kinds: tuple[str, ...] = ()) -> str:
    """SHA-256 of the code that a step's result depends on, the files of the model and of ``kinds`` included.

    Comments, docstrings, blank lines and line breaks do not count. The same on every Python that runs this.
    """
    digests = [_facts(PACKAGE / name)[0] for name in _followed(step, model, kinds)]
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def with_own(code: str, names: Iterable[str]) -> str:
    """`code_digest`'s answer, and with it what stands for the user's own code among ``names``, if there is any."""
    own = own_digest(names)
    return code if own is None else hashlib.sha256(json.dumps([code, own]).encode()).hexdigest()


def own_digest(names: Iterable[str]) -> str | None:
    """Stands for the user's own code among ``names``, by what its files and their local imports say; None: no such.

    As of the package's own code, comments and layout do not count. A file that cannot be read as Python counts by its
    bytes: whoever runs it says what is wrong with it.
    """
    parts = {path.as_posix(): file_digest(path) for name in names if is_own(name) for path in files(parted(name)[0])}
    return hashlib.sha256(json.dumps(sorted(parts.items())).encode()).hexdigest() if parts else None


def file_digest(path: Path) -> str:
    """Of a file of the user's own: what it says as Python, or else its bytes."""
    try:
        return _facts(path)[0]
    except (SyntaxError, ValueError, RecursionError):
        return hashlib.sha256(path.read_bytes()).hexdigest()


def own_files(model: str | None) -> list[Path]:
    """The user's files that a network is made by, from the working directory on; none for any other network."""
    return files(model) if model and own(model) else []


def code_of(step: str, model: str | None = None, kinds: tuple[str, ...] = ()) -> list[Path]:
    """The source files that ``step`` depends on, relative to the working directory.

    Of networks, training depends on the file of its ``model`` alone; other steps on all that they import. Tables and
    figures depend on the files of their ``kinds``.
    """
    followed = [Path(os.path.relpath(PACKAGE / name)) for name in _followed(step, model, kinds)]
    return followed + own_files(model)


@cache
def _followed(step: str, model: str | None, kinds: tuple[str, ...]) -> list[str]:
    waiting = [*STEPS[step], *([f"models/{module_of(model)}.py"] if model else [])]
    waiting += [f"{step}/{KINDS[step][kind].module}.py" for kind in kinds]
    left_out = FAMILIES - set(waiting) if step == "train" else frozenset()
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found and name not in left_out:
            found.add(name)
            waiting += [*_imports(name), *(FAMILIES if name == BUILDER else ())]
    return sorted(found)


@cache
def _imports(name: str) -> list[str]:
    """The package's files that a file of it imports, anywhere in its text, and that are followed."""
    found = []
    for module, part in _facts(PACKAGE / name)[1]:
        place = "/".join(module.split(".")[1:])
        files = (f"{place}/{part}.py", f"{place}/{part}/__init__.py", f"{place}.py", f"{place}/__init__.py")
        file = next((f for f in (f.removeprefix("/") for f in files) if (PACKAGE / f).is_file()), None)
        if file and (file in FOLLOWED or file.removesuffix(".py").split("/")[0] not in AROUND):
            found.append(file)
    return found


Facts = tuple[str, list[tuple[str, str]]]  # digest of the code; (module, name) of each import of the package's own


def _facts(path: Path) -> Facts:
    """What a source file says. Kept by content, since parsing costs 10 ms a file, which each job would pay."""
    return _facts_of(path.suffix, path.read_bytes())


@cache
def _facts_of(suffix: str, source: bytes) -> Facts:
    name = hashlib.sha256(source).hexdigest()
    if suffix != ".py":  # a template
        return name, []
    known = KNOWN_CODE / name
    with suppress(OSError, ValueError, TypeError, RecursionError):
        kept = json.loads(known.read_bytes()) if known.is_file() else None
        if isinstance(kept, dict) and kept.get("check") == _check(
            name, kept.get("digest"), kept.get("imports")
        ):  # else none, or damaged
            return kept["digest"], [(module, part) for module, part in kept["imports"]]
    tree = ast.parse(source)
    digest, imports = hashlib.sha256(_shape(tree).encode()).hexdigest(), sorted(set(_own_imports(tree)))
    with suppress(UserError), atomic_write(known) as part:  # a folder that cannot be written only costs time
        record = {"digest": digest, "imports": imports, "check": _check(name, digest, imports)}
        part.write_text(json.dumps(record), encoding="utf-8")
    return digest, imports


def _check(*parts: Any) -> str:
    """A digest by which a damaged record is known."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _own_imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Imports for types alone do not run, and are left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ablate":
            yield from ((str(node.module), alias.name) for alias in node.names)
        yield from _own_imports(node)


def _shape(node: Any) -> str:
    """A syntax tree as text, less docstrings. Empty fields are left out, since each Python adds some."""
    if isinstance(node, list):
        return f"[{','.join(map(_shape, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if value not in (None, [])}
    if isinstance(node, ast.JoinedStr):  # 3.12 ends a nested format with an empty text
        fields["values"] = [part for part in node.values if getattr(part, "value", None) != ""]
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and _documented(node):
        fields["body"] = node.body[1:]
    return f"{type(node).__name__}({','.join(f'{name}={_shape(value)}' for name, value in fields.items())})"


def _documented(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return ast.get_docstring(node, clean=False) is not None
