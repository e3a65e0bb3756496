"""Checklists. Oracle: counts of the records of a study that was trained here."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from ablate.cli import main as cli
from ablate.errors import UserError
from ablate.plan.project import open_project
from ablate.plan.run_records import RunRecords
from ablate.proof.checklist import ANSWERS, LISTS, checklist
from conftest import ROOT


@pytest.fixture
def clone(committed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(committed, tmp_path / "clone", ignore=shutil.ignore_patterns(".ablate", "mirror"))
    monkeypatch.chdir(tmp_path / "clone")
    return tmp_path / "clone"


@pytest.mark.usefixtures("clone")
@pytest.mark.parametrize("name", LISTS)
def test_each_item_is_answered_or_left_open_by_name(name: str) -> None:
    items, text = LISTS[name], checklist(name, open_project(Path("params.yaml")))
    lines = [line for line in text.splitlines() if line.startswith("- [")]
    assert len(lines) == len(items)
    for line, (item, key) in zip(lines, items.items(), strict=True):
        answered = key not in (None, "licences")  # of licences it is known whose are asked for, and no more
        assert line.startswith(f"- [{'x' if answered else ' '}] **{item}** {'' if answered else 'Open.'}")
        assert line.endswith(" Open.") == (key is None)
    assert f"{text.count('- [x]')} of {len(items)} items" in text
    assert {key for key in items.values() if key} <= ANSWERS.keys()


@pytest.mark.usefixtures("clone")
def test_answers_have_the_numbers_of_the_records() -> None:
    """Three arms of three seeds each, on the machine of this test."""
    project = open_project(Path("params.yaml"))
    records = RunRecords(project.plan).runs.values()
    text = checklist("neurips", project)
    assert "0 of 9 planned runs have no record" in text and "3 arms with 3 seeds" in text
    hours = sum(kept.told["wall_s"] for kept in records) / 3600
    assert f"9 runs on {next(iter(records)).told['device']} (9): {hours:.1f} hours" in text.replace("\\", "")
    assert "cifar-plain7 0.31 M, cifar-resnet7 0.31 M" in text
    leaks = json.loads(Path("results/tiny/data/cifar10.json").read_text())["duplicates"]["exact"]
    assert f"500 train, 200 val, 10 classes, {leaks['val_images_with_a_twin_in_train']} validation images" in text
    assert json.loads(Path("results/tiny/claims.json").read_text())["tally"] in text


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("folder", [Path(), Path("paper/checklists")])
def test_links_lead_to_files_from_where_the_list_lies(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is committed here. In a study of one's own some of them are the package's, and no links."""
    monkeypatch.chdir(ROOT)
    text = checklist(name, open_project(Path("params.yaml"), {"scale": "paper"}), folder)
    links = re.findall(r"\]\(([^)]*)\)", text)
    assert len(links) >= 3
    for link in links:
        assert (ROOT / folder / link).resolve().exists(), link
    assert "54 runs" in text if name != "completeness" else "evaluate.py" in text
    assert "of ablate" not in text


@pytest.mark.usefixtures("clone")
def test_without_records_what_they_answer_is_open() -> None:
    for file in Path("results").rglob("records.xz"):
        file.unlink()
    text = checklist("completeness", open_project(Path("params.yaml")))
    assert re.findall(r"- \[(.)\]", text) == [" ", " ", " ", " ", "x"]  # the tables are there all the same


@pytest.mark.usefixtures("clone")
def test_claims_that_were_edited_are_refused() -> None:
    file = Path("results/tiny/claims.json")
    file.write_text(file.read_text().replace('"1 claim', '"9 claim'))
    with pytest.raises(UserError, match=r"claims\.json: was changed since it was made"):
        checklist("neurips", open_project(Path("params.yaml")))


@pytest.mark.usefixtures("clone")
def test_the_command_prints_or_writes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["ablate", "checklist", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out = capsys.readouterr()
        return int(ended.value.code or 0), out.out + out.err

    code, text = said("acl")
    assert code == 0 and text == checklist("acl", open_project(Path("params.yaml")))
    assert said("acl", "--output", "acl.md") == (0, "") and Path("acl.md").read_text() == text
    code, text = said("aclu")
    assert code == 2 and "did you mean 'acl'" in text
