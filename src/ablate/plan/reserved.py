"""Names that become names of files and of Snakemake's rules: none may be taken twice, or by the pipeline itself.

What the pipeline takes is read from where it is defined, the text of the workflow.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache

from ablate.errors import UserError
from ablate.rules import FOLDER

SHARED = ("runs", "pretrained")  # folders of results/ that belong to no scale
Outputs = Mapping[str, Mapping[str, Iterable[str]]]  # of a paper: study: "tables" or "figures": their names


def check_names(
    scale: str, *, scales: Iterable[str], datasets: Iterable[str], papers: Iterable[str], where: str
) -> None:
    """Refuse names that collide; ``where`` is the file, ``scale`` the chosen one.

    Raises:
        UserError: It names the key.
    """
    results = {*SHARED, *taken(r"\bresults/(\w+)")}
    rules = taken(r"^(?:rule|checkpoint) (\w+):")
    for name in scales:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", name):
            raise UserError(
                f"{where}: scales.{name}: a scale's name is one of a folder: lower case, digits and hyphens"
            )
        _free(name, results, f"{where}: scales.{name}", "results has a folder of that name")
    for name in datasets:
        _free(name, taken(r"data/embedded/(\w+)"), f"{where}: datasets.{name}", "data has a folder of that name")
    beside = taken(r"\{RESULTS\}/(\w+)")
    for paper in papers:
        _free(paper, rules, f"{where}: studies.{paper}", "the workflow has a rule of that name")
        _free(paper, beside, f"{where}: studies.{paper}", f"results/{scale} has files of that name")


def check_outputs(outputs: Outputs, where: str) -> None:
    """Refuse names of a paper's tables and figures that collide; ``where`` is its file.

    Raises:
        UserError: It names the key.
    """
    collected = {name for line in taken(r"^COLLECTED = (.+)$") for name in re.findall(r"\"(\w+)", line)}
    of_paper = collected | taken(r"\{\{paper\}\}/(\w+)")
    seen: dict[str, str] = {}
    for name, study in outputs.items():
        for what, made in study.items():
            for output in made:
                key = f"{where}: drawn.{name}.{what}.{output}"
                _free(output, of_paper, key, "each paper has files of that name")
                if output in seen:
                    raise UserError(f"{key}: {seen[output]} has that name as well, in one folder; rename one")
                seen[output] = f"one of the {what} of {name}"


@cache
def taken(pattern: str) -> frozenset[str]:
    """What ``pattern`` finds in the workflow's files."""
    texts = [file.read_text(encoding="utf-8") for file in (FOLDER / "Snakefile", *sorted(FOLDER.glob("*.smk")))]
    found = (match for text in texts for match in re.finditer(pattern, text, re.MULTILINE))
    return frozenset(match[match.lastindex or 0] for match in found)


def _free(name: str, reserved: Collection[str], key: str, reason: str) -> None:
    if name in reserved:
        raise UserError(f"{key}: {reason}; choose another")
