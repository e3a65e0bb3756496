"""Code of the user's own, named ``FILE.py:NAME`` in params.yaml and papers/<id>.yaml, as `my_models.py:Net` is.

A file is found from the working directory, where params.yaml lies, and what it imports from its own folder is part of
it. `check` looks without running anything, so that a plan can; `load` runs the file; `calling` goes around every call
of what was loaded. A mistake in the file is one message with its file and line.
"""

import ast
import hashlib
import importlib
import re
import sys
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from ablate.errors import UserError, choose

FORM = re.compile(r"(?P<file>[^:]+\.py):(?P<name>[A-Za-z_]\w*)(?::(?P<argument>.*))?", re.DOTALL)
# Whose lack is no mistake in a file: whoever trains may try again where there is more of it.
LACKS = ("MemoryError", "OutOfMemoryError")


def is_own(text: str) -> bool:
    """Whether it names code of the user's own, perhaps with an argument behind it."""
    return FORM.fullmatch(text) is not None


def parted(text: str) -> tuple[str, str]:
    """FILE.py:NAME, and the argument behind another colon; none: empty. Of ``WORD:ARGUMENT`` these two."""
    found = FORM.fullmatch(text)
    if found is None:
        word, _, argument = text.partition(":")
        return word, argument
    return f"{found['file']}:{found['name']}", found["argument"] or ""


def _file_and_name(reference: str) -> tuple[Path, str]:
    file, _, name = reference.rpartition(":")
    return Path(file).expanduser(), name


def check(reference: str, where: str) -> None:
    """Refuse a reference whose file, or name in it, is not there; nothing of the file is run.

    ``where`` is the key that has it, for messages.

    Raises:
        UserError: It names the key, the file and, for a fault within it, the line.
    """
    file, name = _file_and_name(reference)
    if not file.is_file():
        raise UserError(
            f"{where}: there is no file {file}; make it, or correct the path, which starts at params.yaml"
        )
    names = bound(file, where)
    if "*" in names:
        return  # `from x import *` may bring it
    if name not in names:
        raise choose(f"{where}: {file}", name, [n for n in names if not n.startswith("_")], "name")
    if isinstance(found := names[name], ast.Constant | ast.List | ast.Dict | ast.Tuple | ast.Set | ast.Module):
        line = getattr(found, "lineno", 1)
        raise UserError(f"{where}: {file}, line {line}: {name} cannot be called; name a function or a class")


def bound(file: Path, where: str) -> dict[str, ast.AST]:
    """{name: what it is} at the top of a file; ``*`` is one where another file's names are imported unseen.

    Raises:
        UserError: For a file that cannot be read as Python; it begins with ``where``.
    """
    names: dict[str, ast.AST] = {}
    for node in _tree(file, where).body:
        names |= _bound(node)
    return names


def files(reference: str, folder: Path | None = None) -> list[Path]:
    """Its file and all that this imports from its own ``folder``, directly or not, as far as they can be read.

    In a fixed order, the file first. What else it imports is installed, and pinned by whoever installs it.
    """
    file, _ = _file_and_name(reference)
    found: dict[Path, None] = {}
    waiting = [file]
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file():
            continue
        found[path] = None
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError, RecursionError):
            continue
        waiting += [local for node in ast.walk(tree) for local in _locals(node, path, folder or file.parent)]
    return [file, *sorted(set(found) - {file})] if file in found else []


def parameters(reference: str) -> frozenset[str]:
    """The names that a function takes arguments by; none where that does not show without running its file."""
    file, name = _file_and_name(reference)
    try:
        found = [node for node in ast.parse(file.read_bytes()).body if getattr(node, "name", None) == name]
    except (OSError, SyntaxError, ValueError, RecursionError):
        return frozenset()
    made = [node.args for node in found if isinstance(node, ast.FunctionDef)]
    return frozenset(arg.arg for args in made for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs))


def load(reference: str, where: str) -> Callable[..., Any]:
    """What a reference names, from its file, which is run anew where it or what it imports has changed.

    Raises:
        UserError: As `check` does, for what fails while the file runs, and for what cannot be called.
    """
    check(reference, where)
    file, name = _file_and_name(reference)
    module = _module(file, reference, where)
    if not hasattr(module, name):
        raise choose(f"{where}: {file}", name, [n for n in vars(module) if not n.startswith("_")], "name")
    found = getattr(module, name)
    if not callable(found):
        raise UserError(f"{where}: {file}: {name} is a {type(found).__name__} and cannot be called; name a function")
    call: Callable[..., Any] = found
    return call


@contextmanager
def calling(reference: str, where: str, call: Callable[..., Any] | None = None) -> Iterator[None]:
    """Around calls of what `load` gave: what fails within is one message with file and line of the user's code.

    A `UserError`, and what a machine has too little of, go on as they are. ``call`` is what is called, whose own line
    is named where nothing within it failed: it may take other arguments than it was given.

    Raises:
        UserError: It names the key ``where``, the file, the line and what failed.
    """
    file, _ = _file_and_name(reference)
    with _importable(file.parent):
        try:
            yield
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            if type(error).__name__ in LACKS:
                raise
            raise UserError(f"{where}: {_told(error, file, call)}; correct it there") from None


def _module(file: Path, reference: str, where: str) -> ModuleType:
    """The module of a file, kept under a name of its own as long as the file and its imports stay as they are."""
    parts = files(reference)
    content = hashlib.sha256(b"".join(hashlib.sha256(part.read_bytes()).digest() for part in parts)).hexdigest()
    place = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:8]
    name = f"{file.stem}_{place}"  # another than any installed module's
    known = sys.modules.get(name)
    if known is not None and vars(known).get("__ablate_content__") == content:
        return known
    _forget(parts, file.parent)
    module = ModuleType(name)
    module.__file__ = str(file)
    vars(module)["__ablate_content__"] = content
    sys.modules[name] = module  # dataclasses look there for the module that they are in
    try:
        with calling(reference, where):
            exec(compile(file.read_bytes(), str(file), "exec"), vars(module))
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _forget(parts: Collection[Path], folder: Path) -> None:
    """Of local imports, modules of their names that came from elsewhere or from an earlier state of theirs."""
    for part in parts:
        dotted = ".".join(part.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
        sys.modules.pop(dotted, None)


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """The folder is the first that imports look into, as of a script in it; no bytecode is left beside the files."""
    entry, before = str(folder.resolve()), sys.dont_write_bytecode
    sys.path.insert(0, entry)
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
        if entry in sys.path:
            sys.path.remove(entry)


def _tree(file: Path, where: str) -> ast.Module:
    try:
        return ast.parse(file.read_bytes())
    except SyntaxError as error:
        raise UserError(f"{where}: {file}, line {error.lineno}: {error.msg}; correct it there") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{where}: {file}: cannot be read as Python ({error}); correct it") from None


def _bound(node: ast.stmt) -> dict[str, ast.AST]:
    """{name: what it is} that a statement at the top of a file binds, also within if, try and with."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name: node}
        case ast.Import(names=aliases):
            return {alias.asname or alias.name.partition(".")[0]: ast.Module([], []) for alias in aliases}
        case ast.ImportFrom(names=aliases):
            return {alias.asname or alias.name: node for alias in aliases}
        case ast.Assign(targets=targets, value=value):
            return {t.id: value for target in targets for t in ast.walk(target) if isinstance(t, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            return {name: value}
    inner = [child for child in ast.walk(node) if isinstance(child, ast.stmt) and child is not node]
    return {name: found for child in inner for name, found in _bound(child).items()}


def _locals(node: ast.AST, path: Path, folder: Path) -> Iterator[Path]:
    """Files below ``folder`` that an import in the file ``path`` may bring, as far as they are there."""
    match node:
        case ast.Import(names=aliases):
            places = [(folder, alias.name) for alias in aliases]
        case ast.ImportFrom(module=module, names=aliases, level=level):
            base = path.parents[level - 1] if level else folder
            dotted = [*([module] if module else [])]
            places = [(base, ".".join([*dotted, alias.name])) for alias in aliases]
        case _:
            return
    for base, name in places:
        parts = name.split(".")
        for n in range(1, len(parts) + 1):
            place = base.joinpath(*parts[:n])
            there = (place.with_suffix(".py"), place / "__init__.py") if place.is_relative_to(folder) else ()
            yield from (file for file in there if file.is_file())


def told(error: BaseException, reference: str) -> str | None:
    """What failed, and where in the user's own files; None where it failed elsewhere."""
    file, _ = _file_and_name(reference)
    return _told(error, file, None) if _line(error.__traceback__, file.resolve().parent) else None


def _told(error: BaseException, file: Path, call: Callable[..., Any] | None) -> str:
    """What failed, and where in the user's own files: the innermost line of them."""
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(error.filename)}, line {error.lineno}: {error.msg}"
    line = _line(error.__traceback__, file.resolve().parent)
    if line is None and (code := getattr(call, "__code__", None)) is not None:
        line = f"{_short(code.co_filename)}, line {code.co_firstlineno}"
    return f"{line or file}: {said}"


def _line(trace: TracebackType | None, folder: Path) -> str | None:
    """The innermost frame of a file below ``folder`` that is no installed package's, nor of this one."""
    found = None
    for frame in traceback.extract_tb(trace):
        path = Path(frame.filename).resolve()
        inside = path.is_relative_to(folder) and not path.is_relative_to(Path(__file__).resolve().parent)
        if inside and path.is_file() and "site-packages" not in path.parts:
            found = f"{_short(frame.filename)}, line {frame.lineno}"
    return found


def _short(filename: str) -> str:
    """From the working directory, where it lies below it."""
    path = Path(filename).resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else filename
