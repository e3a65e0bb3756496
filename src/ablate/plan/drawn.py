"""What is drawn of each study, and under which title: the section ``drawn`` of ``papers/<id>.yaml``.

Of a study of which nothing is said there, `by_default` is drawn.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

from ablate.errors import choose
from ablate.own_code import is_own
from ablate.plan.kinds import check_kinds
from ablate.plan.params import Params
from ablate.plan.reserved import check_outputs
from ablate.plan.runs import Plan
from ablate.plan.trainers import metrics_of
from ablate.records import Name, Record, check_record, read_yaml
from ablate.seals import sha256_of


class Drawn(Record):
    """Of one study."""

    title: str | None = None  # null: the study's name
    tables: dict[Name, str] | None = None  # name, also of the files: kind, with its argument after a colon
    figures: dict[Name, str] | None = None  # as of tables
    show: dict[str, str] = {}  # a level's label: what readers see in its place

    @property
    def outputs(self) -> dict[str, dict[str, str]]:
        """Both of them."""
        return {"tables": self.tables or {}, "figures": self.figures or {}}


class _Sections(Record):
    drawn: dict[str, Drawn] = {}
    show: dict[str, str] = {}  # of all studies


def read_drawn(file: Path, studies: Collection[str]) -> dict[str, Drawn]:
    """{study: what is drawn of it} of one paper, which has ``studies``.

    Raises:
        UserError: For a study that there is not, and for names that collide.
    """
    said = read_yaml(file) if file.exists() else {}
    sections = check_record(_Sections, {key: said[key] for key in said if key in _Sections.model_fields}, str(file))
    asked = sections.drawn
    for study in asked:
        if study not in studies:
            raise choose(f"{file}: drawn.{study}", study, studies, "study")
    others = sorted({*studies} - {*asked})
    drawn = {study: by_default(study, asked.get(study, Drawn()), sections.show) for study in (*asked, *others)}
    check_outputs({name: study.outputs for name, study in drawn.items()}, str(file))
    return drawn


def by_default(study: str, asked: Drawn, show: Mapping[str, str]) -> Drawn:
    """``asked``, and where it says nothing of tables or of figures: accuracies, dots with intervals, and curves.

    ``show`` is what the paper shows in place of labels in all its studies.
    """
    tables = {f"table-{study}": "accuracy"}
    figures = {f"figure-{study}": "dots", f"figure-{study}-curves": "curves"}
    return Drawn(
        title=asked.title,
        tables=tables if asked.tables is None else asked.tables,
        figures=figures if asked.figures is None else asked.figures,
        show={**show, **asked.show},
    )


def check_drawn(drawn: Mapping[str, Mapping[str, Drawn]], params: Params, plan: Plan, papers: Path) -> None:
    """Refuse a kind or an argument that a study of ``plan`` cannot have; ``papers`` has the files, for messages.

    Raises:
        UserError: It names the file and the key.
    """
    for paper, studies in params.studies.items():
        for name, study in studies.items():
            if asked := drawn.get(paper, {}).get(name):
                planned = plan.of(paper, name)
                arms = {p.arm: p.run.settings for p in planned}
                axes = {axis: {p.levels[axis]: None for p in planned} for axis in study.axes}
                metrics = metrics_of(arms.values(), params.trainers)
                where = f"{papers / paper}.yaml: drawn.{name}"
                check_kinds(asked.outputs, where, arms, axes, params.datasets, metrics)


def own_behaviours(file: Path) -> list[str]:
    """FILE.py:NAME of the behaviours of a paper's claims that are the user's own code."""
    claims = read_yaml(file).get("claims")
    named = [str(c.get("behaviour")) for c in (claims if isinstance(claims, list) else []) if isinstance(c, Mapping)]
    return sorted({name for name in named if is_own(name)})


def digest_of_said(file: Path) -> str | None:
    """Of all that a paper's file holds beside what is drawn: comments and layout do not count.

    None where there is no such file.

    Raises:
        UserError: For what is no plain YAML.
    """
    content = sha256_of(file)
    return content and _digest_of_said(file, content)


@cache
def _digest_of_said(file: Path, content: str) -> str:
    said = {key: value for key, value in read_yaml(file).items() if key not in _Sections.model_fields}
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
