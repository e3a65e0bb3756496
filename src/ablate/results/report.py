"""One self-contained HTML page per scale: every table and figure, and where the results came from."""

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ablate.csv_text import read_text
from ablate.data.assurance import CHECKED, UNSEEN, accepted
from ablate.files import read_json, write_text
from ablate.papers.paper import LABELS, Paper, read
from ablate.papers.words import words
from ablate.plan.health import legend
from ablate.plan.record import read_plan
from ablate.records import read_yaml
from ablate.results.study import other_images
from ablate.results.table import read_again, shown

LONG = 30  # characters, beyond which a cell gets a width of its own, or numbers would squeeze it into single words


def write_report(plan: Path, papers: Path, page: Path) -> None:
    """Write ``page``. The figures are embedded, so that the file can be sent as it is.

    A table, figure or data set that is not there is named as missing: `ablate render --partial` makes what it can.
    """
    whole, collected = read_plan(plan), page.parent
    folders: dict[str, dict[str, object]] = {}
    records: dict[str, Paper] = {}
    manifests: dict[str, Any] = {}
    for key, study in whole.studies.items():
        paper = key.split("/")[0]
        folder = collected / paper
        if paper not in folders:
            folders[paper] = dict(read_yaml(papers / f"{paper}.yaml"))
            folders[paper]["studies"] = []
            folders[paper]["comparison"] = _table(folder / "comparison.csv")
            records[paper] = read(papers / f"{paper}.yaml")
            manifests |= read_json(folder / "provenance.json")
        planned = [p for p in whole.of(paper) if p.study == key.split("/")[1]]
        trained_on = [manifests[p.run]["data"]["archive"]["digest"] for p in planned if p.run in manifests]
        folders[paper]["studies"].append(  # type: ignore[attr-defined]
            {
                "name": key.split("/")[1],
                "title": study.title,
                "words": words(records[paper], planned, whole.scale, other_images(trained_on)).sentences,
                "tables": [(name, _table(folder / f"{name}.csv")) for name in study.tables],
                "figures": [(name, _embedded(folder / f"{name}.png")) for name in study.figures],
            }
        )
    names = sorted({p.settings.dataset for p in whole.runs})
    data = {
        name: read_json(collected / "data" / f"{name}.json")
        | {
            f"{what}_sheet": _embedded(collected / "data" / f"{name}-{what}.jpg")
            for what in ("samples", "duplicates")
        }
        for name in names
        if (collected / "data" / f"{name}.json").exists()
    }
    for facts in data.values():
        facts["accepted"] = accepted(facts["archive"])
    text = (
        environment()
        .get_template("report.html.j2")
        .render(
            long=LONG,
            scale=whole.scale,
            note=LABELS.get(whole.scale, ""),
            health=legend(whole.health),
            papers=folders,
            data=data,
            checks=f"{CHECKED} {UNSEEN}",
            manifests=manifests,
            claims=_table(collected / "claims.csv"),
            claims_figure=_embedded(collected / "board.png"),
            models=_table(collected / "models.csv"),
            power=_embedded(collected / "power.png"),
            chances=_table(collected / "power.csv"),
            n_runs=len(whole.runs),
        )
    )
    write_text(page, text)


def environment() -> Environment:
    """Jinja's, which escapes all text by this one switch: neither here nor in the template is any marked as safe."""
    return Environment(loader=PackageLoader("ablate.results", "."), autoescape=True, undefined=StrictUndefined)


def _embedded(image: Path) -> str | None:
    return base64.b64encode(image.read_bytes()).decode() if image.exists() else None


def _table(file: Path) -> list[list[str]] | None:
    """The columns' names and the rows, as text. None: no such file; empty: it has no rows."""
    if not file.exists():
        return None
    frame = read_text(file)
    if frame.empty:
        return []
    if "" not in frame:  # else the other columns are arms, whatever they are called
        frame = shown(read_again(frame))
    return [list(frame.columns), *frame.to_numpy().tolist()]
