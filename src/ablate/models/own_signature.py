"""What a user's own network can be called with, by the text of its file. Runs none of it.

So that a plan is quick and safe to make, whatever is in the file: it is loaded by the job that trains, and by
`ablate model`. What only running it would tell, as of a decorated class, is checked there.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from ablate.errors import UserError, choose
from ablate.models.registry import GIVEN, OUTPUTS
from ablate.own_code import bound

TAKEN = sys.stdlib_module_names | {"ablate", "numpy", "timm", "torch", "torchvision"}


class Signature(NamedTuple):
    """What a class or function can be called with, by name."""

    names: tuple[str, ...]
    needed: tuple[str, ...]  # of these, without a default
    any: bool  # takes whatever else there is (**kwargs)


def file_fault(file: Path) -> str | None:
    """Why a file cannot be a user's own network's; None where it can."""
    if not file.is_file():
        return f"there is no file {file}; its path starts at the folder of params.yaml"
    return f"{file} has the name of a Python module; call the file otherwise" if file.stem in TAKEN else None


def check_signature(file: Path, name: str, args: Collection[str], where: str) -> None:
    """Refuse a network that is not there, and ``args`` that it does not take or lacks, as far as its text tells.

    Raises:
        UserError: It begins with ``where``.
    """
    found = signature(file, name, where)
    label = f"{name} of {file}"
    for arg in args:
        if arg in GIVEN:
            raise UserError(f"{where}: {arg} follows from the data set; take it out of the arguments of {label}")
        if found and not found.any and arg not in found.names:
            raise choose(where, arg, set(found.names) - set(GIVEN), f"argument of {name}")
    if found is None:
        return
    if not found.any and not set(OUTPUTS) & set(found.names):
        raise UserError(f"{where}: {label} does not take n_classes; let it, as the number of its outputs")
    if missing := [arg for arg in found.needed if arg not in GIVEN and arg not in args]:
        raise UserError(
            f"{where}: {label} needs {', '.join(missing)}; add {missing[0]}: ... beside model, or a default"
        )


def signature(
    file: Path, name: str, where: str = "model", seen: frozenset[tuple[Path, str]] = frozenset()
) -> Signature | None:
    """What ``name`` of ``file`` can be called with; None where only running the file would tell.

    Raises:
        UserError: If there is no such name; it begins with ``where``.
    """
    if (file, name) in seen:  # files that import it from each other
        return None
    seen |= {(file, name)}
    names = bound(file, where)
    match names.get(name):
        case None if "*" in names:
            return None
        case None:
            raise choose(where, name, [n for n in names if n[0] != "_"], f"network of {file}")
        case ast.ImportFrom(module=module, names=aliases, level=level):
            original = next(alias.name for alias in aliases if (alias.asname or alias.name) == name)
            source = [p for p in _places(module or "", level, file, file.parent) if p.is_file()]
            return signature(source[-1], original, where, seen) if source else None
        case ast.FunctionDef(decorator_list=[], args=args):
            return _of(args)
        case ast.ClassDef(decorator_list=[], keywords=[]) as node:
            methods = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
            if "__new__" in methods:
                return None
            if init := methods.get("__init__"):
                return _of(init.args, own=1) if not init.decorator_list else None
            bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
            known = len(bases) == len(node.bases) == 1 and bases[0] in names
            return signature(file, bases[0], where, seen) if known else None
    return None


def _of(args: ast.arguments, own: int = 0) -> Signature:
    """``own``: how many of the first are not the caller's."""
    both = [arg.arg for arg in (*args.posonlyargs, *args.args)]
    free = both[: len(both) - len(args.defaults)]
    by_name = [arg.arg for arg in args.kwonlyargs]
    needed = [arg.arg for arg, value in zip(args.kwonlyargs, args.kw_defaults, strict=True) if value is None]
    only_by_place = {arg.arg for arg in args.posonlyargs}
    names = tuple(name for name in (*both[own:], *by_name) if name not in only_by_place)
    return Signature(names, (*free[own:], *needed), args.kwarg is not None)


def _places(module: str, level: int, file: Path, beside: Path) -> list[Path]:
    """Where a local module of that name would be, packages above it included; the module itself last."""
    root = file.parents[level - 1] if 0 < level <= len(file.parents) else beside
    parts = [part for part in module.split(".") if part]
    places = [root.joinpath(*parts[:n]) for n in range(1, len(parts) + 1)]
    return [file for place in places for file in (place / "__init__.py", place.with_suffix(".py"))]
