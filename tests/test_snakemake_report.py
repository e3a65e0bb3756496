"""Snakemake's own report of a study. Oracle: the figures and tables that the papers' files ask for."""

import json
import re
import zipfile
from typing import Any

import pytest

from conftest import Rendered

TABLES = {"resnet-vs-plain": {"comparison", "table-shallow"}, "tinyimage10": {"comparison", "table-optimiser"}}
FIGURES = {"resnet-vs-plain": {"figure-6"}, "tinyimage10": {"figure-3"}}


def variable(page: str, name: str) -> Any:
    """What the page's script of that id says."""
    found = re.search(rf'<script id="{name}">\s*var {name} = ', page)
    assert found is not None
    return json.JSONDecoder().raw_decode(page[found.end() :])[0]


@pytest.mark.slow
def test_it_has_figures_and_tables_with_categories_captions_and_labels(rendered: Rendered) -> None:
    workspace = rendered.workspace
    assert rendered.jobs["report"] == 1
    done = workspace.snakemake("--report", "report.zip")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(workspace.folder / "report.zip") as archive:
        page = archive.read("report/report.html").decode()
        held = {name.split("/")[-1] for name in archive.namelist()}
    categories, results = variable(page, "categories"), variable(page, "results")
    for paper in TABLES:
        assert {*categories[paper]} == {"Tables", "Figures"}
        for of, wanted, suffix in (("Tables", TABLES, "csv"), ("Figures", FIGURES, "svg")):
            assert set(categories[paper][of]) == {f"results/tiny/{paper}/{name}.{suffix}" for name in wanted[paper]}
    assert categories["Claims"]["Other"] == ["results/tiny/board.svg", "results/tiny/claims.csv"]
    assert categories["Report"]["Other"] == ["results/tiny/report.html"]
    for entry in results.values():
        assert entry["caption"] and entry["labels"] and entry["name"] in held
    shallow = results["results/tiny/resnet-vs-plain/table-shallow.csv"]
    assert shallow["labels"] == {"study": "shallow", "table": "table-shallow"}
    assert "Means over seeds" in shallow["caption"] and "results/tiny/resnet-vs-plain" in shallow["caption"]
