"""`ablate init`: a folder for a study of one's own, which runs as it is."""

import json
import re
import shlex
import shutil
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Annotated

import typer

from ablate.errors import UserError
from ablate.files import write_text
from ablate.inert import say
from ablate.plurals import many
from ablate.rules import FOLDER, STUDY

init = typer.Typer()
MADE = ("data", "logs", "results")
# Of a new folder, and what each is a copy of; params.yaml, papers/mine.yaml and requirements.txt are made.
COPIES = {
    "Snakefile": STUDY / "Snakefile",
    "README.md": STUDY / "README.md",
    "dvc.yaml": STUDY / "stages.yaml",
    ".dvc/snakemake": STUDY / "snakemake",
    ".dvc/.gitignore": STUDY / "dvc-gitignore",
    ".dvcignore": STUDY / "dvcignore",
    ".gitignore": STUDY / "gitignore",
    ".github/workflows/verify.yml": STUDY / "verify.yml",
    **{f"profiles/{name}/config.yaml": FOLDER / f"profiles/{name}/config.yaml" for name in ("default", "slurm")},
}


@init.command("init")
def make_folder(
    folder: Annotated[Path, typer.Argument(help="made, if it is not there")] = Path(),
    data: Annotated[Path | None, typer.Option(help="a folder of images, one folder for each class")] = None,
    script: Annotated[Path | None, typer.Option(help="a program that trains and writes its metrics")] = None,
    paper: Annotated[bool, typer.Option("--paper", help="a paper's numbers and claims, to be compared with")] = False,
) -> None:
    """Begin a study in FOLDER: params.yaml, a Snakefile, profiles, dvc.yaml, a CI file. Overwrites nothing."""
    if sum(map(bool, (data, script, paper))) > 1:
        raise UserError("init: --data, --script and --paper begin different studies; say one of them")
    if data and not data.is_dir():
        raise UserError(f"--data {data}: is no folder; name one that has a folder of images for each class")
    if data and (_inside(data, folder) or ".").split("/")[0] in MADE:
        raise UserError(f"--data {data}: is what the workflow makes in {folder}; call yours otherwise: images, say")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"init: {folder} is a file; name a folder")
    if script and not script.is_file():
        raise UserError(f"--script {script}: there is no such file; name the program that trains")
    kind = "data" if data else "script" if script else "generated"
    texts = {name: file.read_text(encoding="utf-8") for name, file in COPIES.items()} | {
        "params.yaml": (STUDY / f"params-{kind}.yaml").read_text(encoding="utf-8"),
        "papers/mine.yaml": (STUDY / f"mine-{'paper' if paper else kind}.yaml").read_text(encoding="utf-8"),
        "requirements.txt": _requirements(),
    }
    words = {"@NAME@": folder.resolve().name, "@CODE@": f", {_quoted(script.name)}" if script else ""}
    if data:
        words |= {"@DATA@": _quoted(_inside(data, folder) or str(data.resolve())), "@SET@": _name(data)}
        words |= {"@SPLIT@": "" if (data / "val").is_dir() else ", split: {val: 0.2, seed: 0}"}
    if script:
        command = f"python {shlex.quote(script.name)} --depth {{depth}} --seed {{seed}} --out {{out}}"
        words |= {"@COMMAND@": _quoted(command)}
    _write(folder, {name: _filled(text, words) for name, text in texts.items()}, script)
    there = [] if folder == Path() else [f"cd {shlex.quote(str(folder))}"]
    steps = [*there, "ablate check" if script else "ablate plan", "snakemake --cores 8 all"]
    say(f"{folder}: a study of {many(len(texts), 'file')}; README.md says what they are. Now: {'; '.join(steps)}")


def _write(folder: Path, texts: dict[str, str], script: Path | None) -> None:
    """Refuse before the first file is written, and write all of them; ``script`` is brought along."""
    there = sorted(name for name in texts if (folder / name).exists())
    bring = script is not None and not _same(script, folder / script.name)
    there += [script.name] if script and bring and (folder / script.name).exists() else []
    if there:
        raise UserError(
            f"init: {folder} has {', '.join(there)} already, and nothing is overwritten; name another folder, or "
            f"move {'it' if len(there) == 1 else 'them'} away"
        )
    for name, text in texts.items():
        write_text(folder / name, text)
    if script and bring:
        shutil.copy(script, folder / script.name)


def _same(one: Path, other: Path) -> bool:
    return other.exists() and one.samefile(other)


def _inside(path: Path, folder: Path) -> str | None:
    """``path`` as it is called in ``folder``; None where it lies elsewhere."""
    whole, home = path.resolve(), folder.resolve()
    return whole.relative_to(home).as_posix() if whole.is_relative_to(home) else None


def _name(data: Path) -> str:
    """The folder's name as one of a data set."""
    return re.sub(r"[^a-z0-9]+", "-", data.resolve().name.lower())[:64].strip("-") or "images"


def _quoted(text: str) -> str:
    """As YAML and JSON both read it."""
    return json.dumps(text, ensure_ascii=False)


def _filled(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _requirements() -> str:
    """Where this package came from, as pip has written down; of a local one nobody else can know."""
    told = distribution("ablate").read_text("direct_url.json")
    origin = json.loads(told) if told else {}
    url, vcs = str(origin.get("url", "")), origin.get("vcs_info")
    if vcs:
        return f"ablate @ {vcs['vcs']}+{url}@{vcs['commit_id']}\n"
    if url.startswith("https://"):
        return f"ablate @ {url}\n"
    return (
        "# Its wheel, beside this file, or `ablate @ git+https://...` where it is published. PyPI's `ablate` is\n"
        f"# another program.\n./ablate-{version('ablate')}-py3-none-any.whl\n"
    )
