"""One self-contained HTML page per scale: every table and figure, and where the results came from."""

import base64
from html import escape
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from ruamel.yaml import YAML

from ablate.cells import shown
from ablate.csv_text import read_text
from ablate.files import read_json, write_text
from ablate.tables import LABELS

LONG = 30  # characters


def write_report(plan: Path, papers: Path, page: Path) -> None:
    """Write ``page``. The figures are embedded, so that the file can be sent as it is.

    A table, figure or data set that is not there is named as missing: `ablate render --partial` makes what it can.
    """
    whole, collected = read_json(plan), page.parent
    folders: dict[str, dict[str, object]] = {}
    for key, study in whole["studies"].items():
        paper = key.split("/")[0]
        folder = collected / paper
        if paper not in folders:
            folders[paper] = YAML(typ="safe", pure=True).load((papers / f"{paper}.yaml").read_text(encoding="utf-8"))
            folders[paper]["studies"] = []
            folders[paper]["comparison"] = _table(folder / "comparison.csv")
        folders[paper]["studies"].append(  # type: ignore[attr-defined]
            {
                "name": key.split("/")[1],
                "title": study["title"],
                "tables": [(name, _table(folder / f"{name}.csv")) for name in study["tables"]],
                "figures": [(name, _embedded(folder / f"{name}.png")) for name in study["figures"]],
            }
        )
    names = sorted({run["settings"]["dataset"] for run in whole["runs"]})
    data = {
        name: read_json(collected / "data" / f"{name}.json")
        | {
            f"{what}_sheet": _embedded(collected / "data" / f"{name}-{what}.jpg")
            for what in ("samples", "duplicates")
        }
        for name in names
        if (collected / "data" / f"{name}.json").exists()
    }
    manifests: dict[str, object] = {}
    for paper in folders:
        manifests |= read_json(collected / paper / "provenance.json")
    environment = Environment(loader=PackageLoader("ablate", "."), autoescape=True, undefined=StrictUndefined)
    text = environment.get_template("report.html.j2").render(
        scale=whole["scale"],
        note=LABELS.get(whole["scale"], ""),
        papers=folders,
        data=data,
        manifests=manifests,
        claims=_table(collected / "claims.csv"),
        board=_embedded(collected / "claims.png"),
        models=_table(collected / "models.csv"),
        calibration=_embedded(collected / "calibration.png"),
        rates=_table(collected / "calibration.csv"),
        n_runs=len(whole["runs"]),
    )
    write_text(page, text)


def _embedded(image: Path) -> str | None:
    return base64.b64encode(image.read_bytes()).decode() if image.exists() else None


def _table(csv: Path) -> str | None:
    """None: no such file; empty: it has no rows."""
    if not csv.exists():
        return None
    frame = read_text(csv)
    if frame.empty:
        return ""
    turned = "" in frame  # a column per arm, which may be called as a half width is
    return (frame if turned else shown(frame)).map(_cell).to_html(index=False, border=0, escape=False)


def _cell(text: str) -> str:
    """Escaped; a long text gets a width of its own, or numbers would squeeze it into a column of single words."""
    return f'<div class="text">{escape(text)}</div>' if len(text) > LONG else escape(text)
