"""What params.yaml asks for, read once. Oracle: `load` and `make_plan`, which read it anew for each scale."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import UserError
from ablate.papers.paper import check_files, read
from ablate.plan import params as params_module
from ablate.plan import project as project_module
from ablate.plan import runs as runs_module
from ablate.plan.params import load
from ablate.plan.project import open_project, papers_protocol
from ablate.plan.record import plan_record, protocol
from ablate.plan.runs import make_plan
from conftest import ROOT, TINY

FILE = ROOT / "params.yaml"
VALUES: list[dict[str, Any]] = [
    {"scale": "demo"},
    {"scale": "pilot", "seeds": [7]},
    {"scale": "paper", "mirror": "elsewhere"},
    {"scale": "pilot", "defaults": {"lr": 0.123}},
    {"scale": "demo", "studies": {"controls": None}},
]


@pytest.mark.parametrize("values", VALUES, ids=str)
def test_the_record_is_that_of_each_scale_read_by_itself(values: dict[str, Any]) -> None:
    params, full = load(FILE, values), load(FILE, {**values, "scale": "paper"})
    drawn = {name: read(FILE.with_name("papers") / f"{name}.yaml").drawn for name in params.studies}
    expected = plan_record(params, make_plan(params), protocol(full, make_plan(full)), drawn)
    assert all(study.tables and study.figures for study in expected.studies.values())
    assert open_project(FILE, values).record == expected


def test_the_papers_protocol_is_that_of_their_scale(tmp_path: Path) -> None:
    for values in VALUES[:3]:
        full = load(FILE, {**values, "scale": "paper"})
        assert papers_protocol(FILE, values) == protocol(full, make_plan(full))
    (tmp_path / "params.yaml").write_text(TINY)
    assert papers_protocol(tmp_path / "params.yaml") is None


@pytest.mark.parametrize(("scale", "plans"), [("demo", 2), ("pilot", 2), ("paper", 1)])
def test_the_file_is_read_once_and_each_scale_expanded_once(
    scale: str, plans: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: Counter[str] = Counter()

    def counted(module: Any, name: str, key: str) -> None:
        real = getattr(module, name)

        def call(*given: Any, **named: Any) -> Any:
            called[key] += 1
            return real(*given, **named)

        monkeypatch.setattr(module, name, call)

    counted(params_module, "read_yaml", "read")
    counted(project_module, "at_scale", "scale")
    counted(project_module, "make_plan", "plan")
    counted(runs_module, "make_plan", "plan")  # by `current_plan`
    project = open_project(FILE, {"scale": scale})
    check_files(project, ROOT / "papers")
    assert project.record.scale == scale
    assert called == {"read": 1, "scale": plans, "plan": plans}


def paper_file(folder: Path, model: str) -> None:
    """A paper's file with a number of the arm ``model`` of the study `shallow`."""
    folder.mkdir(exist_ok=True)
    (folder / "resnet-vs-plain.yaml").write_text(
        "title: t\nauthors: a\nreference: r\nprotocol: [{what: x, stated: y, where: z}]\nsilent: []\ndeviations: []\n"
        f"reported: [{{id: one, where: w, study: shallow, arm: {model}, metric: val_top1, value: 0.5, quote: q}}]\n"
    )
    (folder / "tinyimage10.yaml").write_text(
        "title: t\nauthors: a\nreference: r\nprotocol: [{what: x, stated: y, where: z}]\nsilent: []\ndeviations: []\n"
        "reported: []\n"
    )


def test_papers_are_checked_against_what_the_command_line_asks_for(tmp_path: Path) -> None:
    """An arm that is there with `--config` alone is known to the paper's file, and one that it takes away is not."""
    file = tmp_path / "params.yaml"
    file.write_text(TINY.replace("scales: {tiny: {}}", "scales: {tiny: {}, paper: {}}"))
    other = {"studies": {"resnet-vs-plain": {"shallow": {"axes": {"model": ["cifar-resnet7", "cnn1"]}}}}}
    for model, values, known in (
        ("cifar-plain7", {}, True),
        ("cifar-plain7", other, False),
        ("cnn1", {}, False),
        ("cnn1", other, True),
    ):
        paper_file(tmp_path / "papers", model)
        project = open_project(file, values)
        if known:
            check_files(project, tmp_path / "papers")
        else:
            with pytest.raises(UserError, match=r"resnet-vs-plain\.yaml: reported\.one\.arm: unknown arm"):
                check_files(project, tmp_path / "papers")
