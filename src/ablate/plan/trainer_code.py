"""What results of an own trainer depend on: its script with the local modules that it imports, files, command.

Of Python, comments, docstrings and layout do not count, as for our own code (`code.py`); of all else, each byte.
"""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

from ablate.errors import UserError
from ablate.own_code import check, files
from ablate.plan.code import file_digest
from ablate.plan.trainers import PLACEHOLDER, OwnSettings, Trainer, as_text, command_digest
from ablate.seals import sha256_of

SCRIPT = re.compile(r".*\.(py|R|r|jl|sh|pl|rb|js|lua|do|m)")  # a word that means a file, whether it is there or not
PASSED_OVER = {"__pycache__", ".git", ".ablate", ".snakemake", ".venv"}


Begun = tuple[tuple[Path, Path], ...]  # scripts, each with the folder in which its imports are looked for


def own_key(
    run: str,
    settings: OwnSettings,
    trainer: Trainer,
    code_of: Callable[[Begun], str] | None = None,
    data_of: Callable[[tuple[str, ...]], str | None] | None = None,
) -> dict[str, str | None]:
    """Of the run called so, as `keys.run_key`: ``data`` stands for the trainer's files, ``code`` for all that runs.

    ``code_of`` and ``data_of`` are `code_digest` and `files_digest` of whoever asks for many runs at one moment, and
    keeps their answers for as long.

    Raises:
        UserError: For a file that is not there.
    """
    code_of, data_of = code_of or code_digest, data_of or files_digest
    code = [command_digest(trainer), code_of(tuple(scripts(trainer).items())), settings.defaults]
    digest = hashlib.sha256(json.dumps(code, sort_keys=True).encode()).hexdigest()
    files = trainer.files
    if trainer.results:
        files = (*files, str(results_of(settings, int(run.rpartition("_s")[2]), trainer)))
    return {"run": run, "data": data_of(files), "start": None, "code": digest}


def results_of(settings: OwnSettings, seed: int, trainer: Trainer) -> Path:
    """Where the results of a run lie that are imported.

    Raises:
        UserError: For a setting that there is not, and for a path that is not there.
    """
    where, values = f"params.yaml: trainers.{settings.trainer}.results", settings.every | {"seed": seed}
    for name in PLACEHOLDER.findall(trainer.results or ""):
        if name not in values:
            raise UserError(f"{where}: {{{name}}} is no setting of the arm; set it in the study, or correct it")
    path = Path(PLACEHOLDER.sub(lambda name: as_text(values[name[1]]), trainer.results or ""))
    if not path.exists():
        raise UserError(f"{where}: there is no {path}; correct the path, or leave the arm or the seed {seed} out")
    return path


def check_there(trainer: Trainer, where: str) -> None:
    """Refuse a trainer whose scripts or files are not there; ``where`` is its key.

    Raises:
        UserError: It names the key.
    """
    if trainer.function:
        check(trainer.function, f"{where}.function")
    for word in trainer.words:
        if not PLACEHOLDER.search(word) and SCRIPT.fullmatch(word) and not Path(word).is_file():
            raise UserError(f"{where}.command: there is no file {word}; correct the path, from params.yaml's folder")
    for name in trainer.files:
        if not Path(name).exists():
            raise UserError(f"{where}.files: there is no {name}; correct the path, from params.yaml's folder")


def scripts(trainer: Trainer) -> dict[Path, Path]:
    """The files below the working directory that the command names, or the function's, and where they import from."""
    if trainer.function:
        path = Path(trainer.function.partition(":")[0])
        return {path: path.parent}
    found: dict[Path, Path] = {}
    words = trainer.words
    for before, word in zip(["", *words], words, strict=False):
        for name in (word, word.partition("=")[2]):
            if name and not Path(name).is_absolute() and Path(name).is_file():
                found[Path(name)] = Path(name).parent
        if before == "-m":
            place = word.replace(".", "/")
            named = (Path(f"{place}.py"), Path(place, "__main__.py"))
            found |= {path: Path() for path in named if path.is_file()}
    return found


def code_digest(begun: Begun) -> str:
    """Of scripts and the local modules that they import."""
    found: dict[str, str] = {}
    for script, folder in begun:
        own = files(f"{script}:main", folder) if script.suffix == ".py" else [script]
        found |= {path.as_posix(): file_digest(path) if path.suffix == ".py" else _bytes(path) for path in own}
    return hashlib.sha256(json.dumps(sorted(found.items())).encode()).hexdigest()


def files_digest(files: tuple[str, ...]) -> str | None:
    """Of files, and of all in folders; None of none.

    Raises:
        UserError: For one that cannot be read.
    """
    found: dict[str, str] = {}
    for name in files:
        top = Path(name)
        inside = sorted(top.rglob("*")) if top.is_dir() else [top]
        for path in inside:
            if path.is_file() and not PASSED_OVER & {*path.parts}:
                found[path.as_posix()] = _bytes(path)
            elif path == top:
                raise UserError(f"params.yaml: trainers: files: {name} cannot be read; correct the path")
    return hashlib.sha256(json.dumps(sorted(found.items())).encode()).hexdigest() if files else None


def _bytes(path: Path) -> str:
    found = sha256_of(path)
    if found is None:
        raise UserError(f"{path}: cannot be read, and a trainer's results depend on it; mend that")
    return found
