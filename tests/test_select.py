"""Runs by name: one selection, read alike by every command. Oracle: the tiny parameters, read by eye."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.errors import UserError
from ablate.files import write_json
from ablate.plan.params import load
from ablate.plan.project import open_project
from ablate.plan.receipts import Rendering, rendering
from ablate.plan.runs import RUNS, Plan, make_plan
from ablate.plan.select import ranges, seeds_of, select, selection
from conftest import TINY, Ablate, write_tiny
from fabricated import Fabricated, vouch

SOURCE = "pretraining: {others: {classes: [5, 10]}}\nstudies:\n"
STARTED = '    started:\n      settings: {classes: [0, 5], weights: "pretrain:others"}\n  tinyimage10:'


@pytest.fixture
def ablate(ablate: Ablate, tmp_path: Path) -> Ablate:
    """The command, run in ``tmp_path``: (exit code, stdout, stderr)."""
    write_tiny(tmp_path, TINY.replace("seeds: [0]", "seeds: [0, 1]"))

    return ablate


def tiny(folder: Path, seeds: str = "[0, 1]", text: str = TINY) -> Plan:
    return make_plan(load(write_tiny(folder, text.replace("seeds: [0]", f"seeds: {seeds}"))))


@given(st.sets(st.integers(0, 10**6), min_size=1, max_size=9) | st.sets(st.integers(0, 30), min_size=1))
def test_seeds_are_read_as_they_are_said(seeds: set[int]) -> None:
    assert seeds_of(ranges(seeds)) == tuple(sorted(seeds))
    assert seeds_of(", ".join(map(str, seeds))) == tuple(sorted(seeds))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is no seed"),
        ("3-", "'3-' is no seed"),
        ("a", "'a' is no seed"),
        ("-1", "'-1' is no seed"),
        ("5-3", "write 3-5"),
        ("0-99999", "more than 10000 seeds"),
        ("1,٣", "is no seed"),
    ],
)
def test_what_is_no_seed_is_refused(text: str, said: str) -> None:
    with pytest.raises(UserError, match=f"^--seeds: .*{said}"):
        seeds_of(text)


@pytest.mark.parametrize(
    ("scope", "arm", "seeds", "expected"),
    [
        (None, None, None, "shallow 7r0 7r1 7p0 7p1 optimiser 7p0 7p1"),
        ("tinyimage10", None, None, "optimiser 7p0 7p1"),
        ("resnet-vs-plain/shallow", "cifar-r*", None, "shallow 7r0 7r1"),
        (None, "*plain7", "1", "shallow 7p1 optimiser 7p1"),
        ("resnet-vs-plain", None, "0", "shallow 7r0 7p0"),
        ("resnet-vs-plain/", "cifar-[!r]*", "0-1", "shallow 7p0 7p1"),
    ],
)
def test_a_selection_is_the_runs_of_these_names(
    scope: str | None, arm: str | None, seeds: str | None, expected: str, tmp_path: Path
) -> None:
    found = select(tiny(tmp_path), selection(scope, arm, seeds))
    short = {"cifar-resnet7": "7r", "cifar-plain7": "7p"}
    said: list[str] = []
    for p in found.planned:
        said += [*([p.study] if p.study not in said else []), f"{short[p.arm]}{p.run.seed}"]
    assert " ".join(said) == expected


def test_a_label_with_a_pattern_s_signs_is_found_by_its_own_name(tmp_path: Path) -> None:
    text = TINY.replace("[cifar-resnet7, cifar-plain7]", '[{label: "[a]*", model: cifar-resnet7}, cifar-plain7]')
    found = select(tiny(tmp_path, text=text), selection(None, "[a]*"))
    assert {p.arm for p in found.planned} == {"[a]*"}


@pytest.mark.parametrize(
    ("scope", "arm", "seeds", "said"),
    [
        ("tinyimage11", None, None, "paper 'tinyimage11'; .*did you mean 'tinyimage10'"),
        ("tinyimage10/optimizer", None, None, "tinyimage10/optimizer: unknown study .*did you mean 'optimiser'"),
        ("resnet-vs-plain", "cifar-resnet8", None, "--arm, of resnet-vs-plain: .*did you mean 'cifar-resnet7'"),
        ("tinyimage10", "cifar-plain7", "0,3-5", "tinyimage10, arm cifar-plain7 has no run with seed 3-5; .*are 0-1"),
    ],
)
def test_what_is_not_there_is_named_with_the_nearest(
    scope: str, arm: str | None, seeds: str | None, said: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=said):
        select(tiny(tmp_path), selection(scope, arm, seeds))


@pytest.mark.parametrize("pretraining", ["shared", "by-seed"])
def test_more_seeds_are_the_runs_that_params_yaml_would_plan(pretraining: str, tmp_path: Path) -> None:
    """Oracle: params.yaml with these seeds in it, the start weights of each seed included."""
    text = TINY.replace("studies:\n", SOURCE).replace("  tinyimage10:", STARTED)
    text = text.replace("per_class: 5}", f"per_class: 5, pretraining: {pretraining}}}")
    plan, wide = tiny(tmp_path, "[0]", text), tiny(tmp_path, "[0, 1, 2, 3]", text)
    found = select(plan, selection("resnet-vs-plain", None, "2-3"), more_seeds=True)
    expected = select(wide, selection("resnet-vs-plain", None, "2-3"))
    assert found.planned == expected.planned and found.pretraining == expected.pretraining
    for run in (*wide.runs.values(), *wide.pretraining.values()):
        if run.id in wide.pretraining and pretraining == "shared":
            continue
        assert plan.find(run.id) == run
    assert plan.find(f"{next(iter(plan.runs))}0") is None  # no seed is written 00
    assert plan.find("x_s0") is None


def test_plan_and_status_are_of_the_selection(ablate: Ablate) -> None:
    words = ["resnet-vs-plain/shallow", "--arm", "*plain7", "--seeds", "1"]
    code, out, _ = ablate("plan", *words, "--json")
    (entry,) = json.loads(out)
    assert (code, entry["paper"], entry["arm"], entry["seed"]) == (0, "resnet-vs-plain", "cifar-plain7", 1)
    (found,) = json.loads(ablate("status", *words, "--json")[1])
    assert (found["run"], found["name"]) == (entry["run"], "resnet-vs-plain/shallow: cifar-plain7, seed 1")
    code, out, _ = ablate("plan", *words)
    assert code == 0 and "1 planned, 1 to train" in out and "tinyimage10" not in out
    assert ablate("status", "tinyimage11")[2].endswith("did you mean 'tinyimage10'?\n")
    assert "leave one of them out" in ablate("plan", "tinyimage10", "--output", "plan.json")[2]


def test_claims_are_of_the_selection(ablate: Ablate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(load(Path("params.yaml")))
    first = next(p.run.id for p in plan.planned if p.arm == "cifar-resnet7")
    words = dict.fromkeys(("statement", "finding", "protocol", "verdict", "sentence"), "-")
    entries = [
        {"paper": "resnet-vs-plain", "id": "a", "claim": {"study": "shallow"}, "runs": [first], **words},
        {"paper": "resnet-vs-plain", "id": "b", "claim": {"study": "shallow"}, "runs": [], **words},
        {"paper": "tinyimage10", "id": "c", "claim": {"study": "optimiser"}, "runs": [], **words},
    ]
    write_json(tmp_path / "results/tiny/claims.json", {"scale": "tiny", "controls": [], "claims": entries})
    monkeypatch.setattr("ablate.cli.results.check", lambda *_: None)  # whose receipts are another test's
    for asked, ids in (
        ([], "abc"),
        (["resnet-vs-plain"], "ab"),
        (["tinyimage10/optimiser"], "c"),
        (["--arm", "cifar-r*"], "a"),
        (["--arm", "cifar-r*", "--seeds", "1"], ""),
    ):
        found = json.loads(ablate("claims", *asked, "--json")[1])["claims"]
        assert "".join(c["id"] for c in found) == ids


def test_a_study_is_rendered_and_the_others_keep_what_vouches_for_them(ablate: Ablate, tmp_path: Path) -> None:
    """Oracle: the files' times of change; which steps Snakemake would have to do after it."""
    made = Fabricated(tmp_path / "elsewhere")
    for n, (name, run) in enumerate(make_plan(load(Path("params.yaml"))).runs.items()):
        source = made.run("any", {"init": str(n)}, 0, train_top1=0.5, val_top1=0.1, train_loss=1.0, val_loss=1.0)
        shutil.copytree(made.runs / source, RUNS / name)
        (RUNS / name / "run.json").write_text(json.dumps({"run": name, **run.model_dump(mode="json")}))
        vouch(RUNS / name)
    shallow = Path("papers/resnet-vs-plain.yaml")
    text = shallow.read_text().replace("    figures: {figure-6: curves}\n", "")  # which take long
    shallow.write_text(f"{text}  again:\n    tables: {{table-again: accuracy}}\n")
    text = Path("params.yaml").read_text()
    again = "    again:\n      axes: {model: [cifar-resnet7, cifar-plain7]}\n  tinyimage10:"
    Path("params.yaml").write_text(text.replace("  tinyimage10:", again))
    assert ablate("render")[0] == 0

    def due() -> dict[str, str | None]:
        project = open_project(Path("params.yaml"))
        jobs = rendering(project.record, Path("results/tiny/plan.json"))
        asked = Rendering(jobs)
        return {name: why for name in jobs if (why := asked.reason(name)) not in (None, "new")}

    assert not due()
    here = Path("results/tiny")
    files = {
        n: here / f"{n}.csv" for n in ("resnet-vs-plain/table-shallow", "resnet-vs-plain/table-again", "comparison")
    }
    before = {name: file.stat().st_mtime_ns for name, file in files.items()}
    assert ablate("render", "resnet-vs-plain/shallow") == (0, "results/tiny\n", "")
    after = {name: file.stat().st_mtime_ns for name, file in files.items()}
    assert {name for name in files if before[name] != after[name]} == {"resnet-vs-plain/table-shallow"}
    assert not due()  # nothing that they are made of has changed
    shallow.write_text(shallow.read_text().replace("title: one", "title: another"))
    assert ablate("render", "resnet-vs-plain/shallow")[0] == 0
    assert due()["tables_resnet-vs-plain"] == "files missing"  # of the table that was not made again
    assert "tables_tinyimage10" not in due()
