"""Preregistration: what `ablate freeze` writes, and what a board says of itself afterwards.

Oracle: each change is made by hand in params.yaml or in a paper's file, and has to be named, and nothing else.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ablate.cli.main import app
from ablate.errors import UserError
from ablate.papers.paper import read
from ablate.plan.params import load
from ablate.plan.project import open_project
from ablate.plan.record import plan_record
from ablate.plan.runs import RUNS, make_plan
from ablate.seals import sealed
from ablate.verdicts import analysis as data
from ablate.verdicts import frozen as subject
from ablate.verdicts.frozen import State, frozen, read_frozen
from conftest import DRAWN, PAPER, TINY, write_tiny

CLAIMS = """
headlines: {chosen: 2026-11-26, claims: {first: "Because."}}
claims:
  - {id: first, kind: order, study: shallow, metric: val_top1, arms: [cifar-resnet7, cifar-plain7],
     quote: "as printed", where: "1", margin: 0.02, why: "Two."}
  - {id: second, kind: effect, study: shallow, metric: val_top1, axis: model, level: cifar-resnet7,
     reference: cifar-plain7, direction: greater, quote: "as printed", where: "1", margin: 0.01, why: "One."}
"""
HERE, PAPERS = Path("results/tiny"), Path("papers")
FILE, SOURCE = HERE / "frozen.json", PAPERS / "resnet-vs-plain.yaml"
GIT = {"commit": "1234567890abcdef", "dirty": False}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_tiny(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subject, "source", lambda patches: GIT)
    SOURCE.write_text(PAPER + CLAIMS + DRAWN["resnet-vs-plain"])
    return tmp_path


def freeze(*options: str) -> str:
    """What `ablate freeze` says, on one line."""
    done = CliRunner().invoke(app, ["freeze", *options], catch_exceptions=False, env={"COLUMNS": "500"})
    assert done.exit_code == 0
    return " ".join(done.output.split())


def state(added: list[str] | None = None) -> State:
    params = load(Path("params.yaml"))
    plan = plan_record(params, make_plan(params, added))
    return frozen(plan, {name: read(PAPERS / f"{name}.yaml") for name in plan.papers}, HERE)


def date() -> str:
    return str(json.loads(FILE.read_text())["date"])


def test_before_anything_is_frozen(here: Path) -> None:
    assert state() == State("explored", "Explored, not frozen.")


def test_frozen_before_its_runs(here: Path) -> None:
    said = freeze()
    there = json.loads(FILE.read_text())
    when = f"on {there['date']} (digest {there['digest'][:12]}, commit 1234567), before any of its runs"
    assert said == f"{FILE}: frozen {when}"
    assert state() == State("frozen before its runs", f"Frozen {when}.", (), there["digest"])
    # what there is to freeze, by hand
    assert (there["ended"], there["planned"], there["others"], there["git"]["commit"]) == (0, 3, 0, GIT["commit"])
    [paper] = there["analysis"]["papers"].values()  # the other has no claim
    assert paper["headlines"] == {"first": "Because."} and paper["chosen"] == "2026-11-26"
    assert paper["claims"]["second"]["margin"] == 0.01 and paper["claims"]["second"]["quote"] == "as printed"
    arms = there["analysis"]["arms"]
    assert {study: {arm: a["seeds"] for arm, a in of_study.items()} for study, of_study in arms.items()} == {
        "resnet-vs-plain/shallow": {"cifar-resnet7": [0], "cifar-plain7": [0]},
        "tinyimage10/optimiser": {"cifar-plain7": [0]},
    }
    assert arms["tinyimage10/optimiser"]["cifar-plain7"]["settings"]["lr"] == 0.02
    assert there["analysis"]["adaptive"] == {"looks": [2, 3], "least_chance": 0.1}
    assert there["analysis"]["health"]["chance_p"] == 0.001


THIRD = CLAIMS.strip().splitlines()[2].replace("first", "third") + CLAIMS.strip().splitlines()[3]
SECOND = "\n".join(CLAIMS.strip().splitlines()[4:])
MODELS = "axes: {model: [cifar-resnet7, cifar-plain7]}"
LAST = "  tinyimage10:\n    optimiser:\n      settings: {lr: 0.02}\n"
# What is written in place of what, in params.yaml or in the paper's file, and what differs then.
CHANGES: dict[str, tuple[str, str, list[str]]] = {
    "margin": ("margin: 0.02", "margin: 0.03", ["margin of resnet-vs-plain/first 0.03, frozen 0.02"]),
    "direction": ("direction: greater", "direction: less",
                  ["direction of resnet-vs-plain/second less, frozen greater"]),
    "a default": ("arms: [", "over: rest, arms: [", ["over of resnet-vs-plain/first rest, frozen not set"]),
    "claim added": (SECOND, f"{THIRD}\n{SECOND}", ["claim resnet-vs-plain/third added"]),
    "claim removed": (f"{SECOND}\n", "", ["claim resnet-vs-plain/second removed"]),
    "all claims removed": (CLAIMS, "", ["paper resnet-vs-plain removed"]),
    "headline": ("{first:", "{second:",
                 ["headline resnet-vs-plain/first removed", "headline resnet-vs-plain/second added"]),
    "one headline more": ("{first:", "{second: x, first:", ["headline resnet-vs-plain/second added"]),
    "no headlines": ("\nheadlines", "\n# headlines", ["headline resnet-vs-plain/first removed"]),
    "a headline's reason": ("Because.", "It is so.", []),
    "quote, reason": ('quote: "as printed", where: "1", margin: 0.02, why: "Two."',
                      'note: x, quote: "printed", where: "2", margin: 0.02, why: "2."', []),
    "what is drawn": ("title: one", "title: another", []),
    "seeds": ("\nseeds: [0]", "\nseeds: [0, 1, 2]", ["all arms: 3 seeds planned, frozen 1"]),
    "other seeds": ("\nseeds: [0]", "\nseeds: [1]", ["all arms: seeds [1], frozen [0]"]),
    "seeds of a study": (MODELS, f"{MODELS}\n      seeds: [0, 1]",
                         ["resnet-vs-plain/shallow: 2 seeds planned, frozen 1 (all arms)"]),
    "a setting": ("{lr: 0.02}", "{lr: 0.03}", ["tinyimage10/optimiser: lr 0.03, frozen 0.02 (cifar-plain7)"]),
    "a setting of all": ("epochs: 1", "epochs: 2", ["all arms: epochs 2, frozen 1"]),
    "data": ("variant: embedded", "variant: official", ["all arms: data official, frozen embedded"]),
    "arm removed": (MODELS, "axes: {model: [cifar-resnet7]}", ["resnet-vs-plain/shallow: removed (cifar-plain7)"]),
    "arm added": (MODELS, MODELS.replace("]", ", cifar-plain9]"),
                  ["resnet-vs-plain/shallow: added (cifar-plain9)"]),
    "study removed": (LAST, "", ["study tinyimage10/optimiser removed"]),
    "looks": ("looks: [2, 3]", "looks: [2, 4]", ["looks of adaptive [2, 4], frozen [2, 3]"]),
    "least chance": ("looks: [2, 3]", "looks: [2, 3], least_chance: 0", ["least_chance of adaptive 0.0, frozen 0.1"]),
    "no looks": ("adaptive: {looks: [2, 3]}", "adaptive: null",
                 ["looks of adaptive not set, frozen [2, 3]", "least_chance of adaptive not set, frozen 0.1"]),
    "health": ("\nrecipe: 1", "\nrecipe: 1\nhealth: {chance_p: 0.01}", ["chance_p of health 0.01, frozen 0.001"]),
    "how it is trained": ("threads: null", "threads: 2", []),
    "a comment": ("\nrecipe: 1", "\n# said\nrecipe: 1", []),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_named_and_nothing_else(here: Path, change: str) -> None:
    freeze()
    old, new, expected = CHANGES[change]
    [file] = [path for path in (Path("params.yaml"), SOURCE) if old in path.read_text()]
    file.write_text(file.read_text().replace(old, new, 1))
    found = state()
    assert list(found.differences) == expected
    if expected:
        head = f"Differs from what was frozen on {date()} (digest {str(found.digest)[:12]}, commit 1234567), "
        assert found.word == "differs"
        assert found.sentence == f"{head}before any of its runs: {'; '.join(expected)}."
    else:
        assert found.word == "frozen before its runs"


def test_other_code_is_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    freeze()
    monkeypatch.setattr(data, "code_digest", lambda step: "another")
    assert state().differences == ("the code of the analysis is another",)


def test_many_differences_are_counted_in_the_sentence_and_all_listed(here: Path) -> None:
    freeze()
    text = SOURCE.read_text()
    more = "\n".join(THIRD.replace("third", f"new-{i}") for i in range(10))
    SOURCE.write_text(text.replace(SECOND, f"{SECOND}\n{more}"))
    found = state()
    assert len(found.differences) == 10
    assert found.sentence.endswith("claim resnet-vs-plain/new-7 added; and 2 more.")


def test_seeds_that_decide_adds_are_as_frozen(here: Path) -> None:
    freeze()
    more = list(make_plan(load(Path("params.yaml")), whole=True).runs)
    assert len(more) == 9  # three arms up to the last look's three seeds
    assert state(more).word == "frozen before its runs"
    text = TINY.replace("\nseeds: [0]", "\nseeds: [1]")
    Path("params.yaml").write_text(text)
    more = list(make_plan(load(Path("params.yaml")), whole=True).runs)
    assert state(more).differences == ("all arms: 3 seeds planned, frozen 1",), "another seed comes first"


def ended(run: str) -> None:
    (RUNS / run).mkdir(parents=True)
    (RUNS / run / "metrics.json").write_text(json.dumps({"status": "done", "epochs": 1}))


def test_frozen_after_runs_says_so(here: Path) -> None:
    first, second, _ = make_plan(load(Path("params.yaml"))).runs
    ended(first)
    (HERE / "tinyimage10").mkdir(parents=True)
    rows = [f"{second},diverged", "trained_with_other_settings_s0,done", "trained_by_nobody_s0,missing"]
    (HERE / "tinyimage10/runs.csv").write_text("\n".join(["run,status", *rows, ""]))
    assert freeze().endswith("after 2 of 3 runs, and after 1 other of its scale")
    found = state()
    assert found.word == "frozen after runs" and found.sentence.startswith(f"Frozen on {date()} (digest ")
    ended("a_run_after_that")
    assert state() == found


def test_a_second_freeze_is_refused_and_again_loses_nothing(here: Path) -> None:
    freeze()
    kept = FILE.read_bytes()
    first = json.loads(kept)
    with pytest.raises(UserError, match=rf"{FILE}: was frozen on .* before any of its runs; --again freezes .*keeps"):
        freeze()
    assert FILE.read_bytes() == kept
    ended(next(iter(make_plan(load(Path("params.yaml"))).runs)))
    SOURCE.write_text(SOURCE.read_text().replace("margin: 0.02", "margin: 0.03"))
    assert freeze("--again").endswith(f"after 1 of 3 runs; first on {first['date']}, before any of its runs")
    assert state().word == "frozen after runs" and state().differences == ()
    freeze("--again")
    before = json.loads(FILE.read_text())["before"]
    assert [entry["analysis"]["papers"]["resnet-vs-plain"]["claims"]["first"]["margin"] for entry in before] == [
        0.02,
        0.03,
    ]
    assert before[0] == {key: value for key, value in first.items() if key in before[0]}
    assert first.keys() - before[0].keys() == {"scale", "before", "seal"}


@pytest.mark.parametrize(
    ("git", "said"),
    [
        ({"commit": "abcdef0123", "dirty": True, "why": "x", "patch": "0"}, "commit abcdef0 with changes"),
        ({"commit": None, "dirty": None, "why": "no repository"}, "no commit"),
    ],
)
def test_which_commit(here: Path, monkeypatch: pytest.MonkeyPatch, git: dict[str, Any], said: str) -> None:
    monkeypatch.setattr(subject, "source", lambda patches: git)
    assert f", {said}), before any" in freeze()
    assert json.loads(FILE.read_text())["git"] == {"commit": git["commit"], "dirty": git["dirty"], "why": git["why"]}


def test_the_commit_is_that_of_the_manifests(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.chdir(here)
    freeze()
    found = {"why": None} | subject.source(Path("patches"))
    assert json.loads(FILE.read_text())["git"] == {key: found[key] for key in ("commit", "dirty", "why")}
    assert not RUNS.exists(), "DVC follows that folder"


def edited(change: dict[str, Any]) -> None:
    FILE.write_text(json.dumps(sealed(json.loads(FILE.read_text()) | change)))


def test_a_bad_file_is_named_with_a_remedy(here: Path) -> None:
    freeze()
    good = FILE.read_text()
    for text in (good.replace("0.02", "0.03"), good[:100], "", "[]"):
        FILE.write_text(text)
        for ask in (state, freeze, lambda: freeze("--again")):
            with pytest.raises(
                UserError, match=rf"{FILE}: was changed since it was written; restore it from Git, or "
            ):
                ask()
        assert FILE.read_text() == text, "nothing is lost"
    FILE.write_text(good)
    edited({"ended": "none"})
    with pytest.raises(UserError, match=rf"{FILE}: damaged: ended: "):
        state()
    FILE.write_text(good)
    edited({"scale": "pilot"})
    with pytest.raises(UserError, match=rf"{FILE}: is of the scale pilot, not of tiny; "):
        state()


def test_a_user_s_mistakes(here: Path) -> None:
    with pytest.raises(UserError, match=r"unknown scale 'tinny'; allowed: tiny; did you mean 'tiny'\?"):
        freeze("--scale", "tinny")
    SOURCE.write_text(SOURCE.read_text().replace("{first:", "{frist:"))
    with pytest.raises(UserError, match=r"headlines\.claims\.frist: unknown claim .*did you mean 'first'"):
        freeze()
    assert not FILE.exists()


def test_the_record_that_later_steps_read_is_the_one_that_is_frozen(here: Path) -> None:
    """`frozen` is asked with plan.json, which also has what differs from the papers' protocol."""
    freeze()
    record = open_project(Path("params.yaml")).record
    assert frozen(record, {"resnet-vs-plain": read(SOURCE)}, HERE).differences == ()
    assert read_frozen(HERE, "tiny") is not None and read_frozen(HERE / "nowhere", "tiny") is None
