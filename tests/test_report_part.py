"""The report of a paper or a study alone. Oracle: the committed plan, and the rows of the whole report's tables."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ablate.cli.main import app
from conftest import ROOT
from reports import block

pytestmark = pytest.mark.papers("tinyimage10")


def made(page: Path, scope: str) -> dict[str, Any]:
    call = CliRunner().invoke(app, ["report", scope, "--scale", "paper", "--output", str(page)])
    assert call.exit_code == 0 and call.output.split() == [str(page)]
    content: dict[str, Any] = block(page, "content")
    return content


def test_a_paper_or_study_alone_has_its_own_runs_and_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    paper = made(tmp_path / "paper.html", "tinyimage10")
    study = made(tmp_path / "study.html", "tinyimage10/grid")
    for content in (paper, study):
        assert [found["id"] for found in content["papers"]] == ["tinyimage10"]
        assert {claim["paper"] for claim in content["board"]["claims"]} == {"tinyimage10"}
        evidence = content["board"]["tables"]["evidence"]
        assert [row[0] for row in evidence["rows"]] == evidence["labels"] == ["tinyimage10", "all"]
    assert len(paper["papers"][0]["studies"]) > 1
    assert [found["id"] for found in study["papers"][0]["studies"]] == ["grid"]
    assert {claim["claim"].get("study") for claim in study["board"]["claims"]} <= {"grid", None}
    assert len(study["board"]["claims"]) < len(paper["board"]["claims"])
    assert study["runs"] == 36 < paper["runs"]  # twelve trials, three seeds


@pytest.mark.parametrize(
    ("scope", "said"), [("tinyimage1", "did you mean 'tinyimage10'?"), ("tinyimage10/grod", "did you mean 'grid'?")]
)
def test_what_there_is_not_is_refused_and_nothing_is_written(
    scope: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    call = CliRunner().invoke(app, ["report", scope, "--scale", "paper", "--output", str(tmp_path / "page.html")])
    assert call.exit_code != 0 and said in str(call.exception)
    assert not [*tmp_path.iterdir()]
