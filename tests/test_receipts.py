"""Receipts of what is rendered: each file of it is good, or due, or named. Oracle: each damage is made by hand.

One rendering of fabricated runs, by `ablate render`, whose files are then damaged one by one.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ablate.cli import main as cli
from ablate.cli.render import _do_all, render
from ablate.errors import UserError
from ablate.plan.code import code_digest
from ablate.plan.keys import NEW
from ablate.plan.params import load
from ablate.plan.project import open_project
from ablate.plan.receipts import FOLDER, Rendering, check, rendering
from ablate.plan.record import read_plan
from ablate.plan.runs import RUNS, make_plan
from ablate.seals import read_if_sealed, sealed
from conftest import ROOT, write_tiny
from fabricated import Fabricated, vouch

HERE = Path("results/tiny")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rendered")
    made = Fabricated(folder)
    write_tiny(folder)
    for n, (name, run) in enumerate(make_plan(load(folder / "params.yaml")).runs.items()):
        source = made.run("any", {"init": str(n)}, 0, train_top1=0.5, val_top1=0.1 * n, train_loss=1.0, val_loss=1.0)
        shutil.copytree(made.runs / source, folder / RUNS / name)
        (folder / RUNS / name / "run.json").write_text(json.dumps({"run": name, **run.model_dump(mode="json")}))
        vouch(folder / RUNS / name)
    before = Path.cwd()
    os.chdir(folder)
    render(Path("params.yaml"), [], {})
    os.chdir(before)
    return folder


@pytest.fixture
def here(rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy, with other times; the working directory."""
    shutil.copytree(rendered, tmp_path / "copy", copy_function=shutil.copyfile)
    monkeypatch.chdir(tmp_path / "copy")
    yield HERE
    code_digest.cache_clear()


def asked() -> Rendering:
    plan = HERE / "plan.json"
    jobs = rendering(read_plan(plan), plan)
    return Rendering({name: job for name, job in jobs.items() if name != "summarise"})  # which `render` leaves out


def reasons() -> dict[str, str]:
    found = asked()
    return {name: reason for name in found.jobs if (reason := found.reason(name))}


def test_what_was_rendered_has_no_reason_wherever_and_whenever(here: Path) -> None:
    assert reasons() == {}
    assert not any(asked().open(name) for name in asked().jobs)


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def sibling_s(path: Path) -> None:
    """Of another file of that kind which has other bytes."""
    others = [p for p in sorted(HERE.rglob(f"*{path.suffix}")) if p.read_bytes() != path.read_bytes()]
    path.write_bytes(others[0].read_bytes() if others else b"another")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "edited": lambda path: path.write_bytes(path.read_bytes().replace(b"0", b"9") + b" "),
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "a sibling's": sibling_s,
    "deleted": lambda path: path.unlink(),
    "a folder": folder_instead,
    "a broken link": lambda path: (path.unlink(), path.symlink_to("nowhere")),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_every_file_that_is_not_as_it_was_made_is_made_again_or_named(here: Path, damage: str) -> None:
    """And so is all that was made of it; nothing else is."""
    jobs = asked().jobs
    files = [path for job in jobs.values() for path in job.outputs]
    assert len(files) > 40
    for path in files:
        kept = path.read_bytes()
        DAMAGE[damage](path)
        found, maker = asked(), next(job for job in jobs.values() if path in job.outputs)
        alone = len(maker.outputs) == 1
        gone = damage in ("deleted", "a broken link")
        reason = NEW if alone and gone else "files missing" if gone or damage == "a folder" else "files changed"
        assert found.reason(maker.name) == reason, path
        for job in jobs.values():
            if path in job.inputs:
                assert found.open(job.name) or found.reason(job.name), (path, job.name)
            elif job is not maker:
                assert found.reason(job.name) in (None, "inputs changed") and (found.reason(job.name) is None or gone)
        if not gone:
            with pytest.raises(UserError, match=f"{path}: was changed since it was made"):
                check(HERE, [path])
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        path.write_bytes(kept)
    assert reasons() == {}


@pytest.mark.parametrize("text", ["", "{}", "null", "[]", '{"outputs": {}}'])
def test_a_damaged_receipt_vouches_for_nothing(here: Path, text: str) -> None:
    receipt = here / FOLDER / "claims.json"
    receipt.write_text(text)
    assert reasons() == {"claims": "no receipt"} and asked().open("report")
    with pytest.raises(UserError, match=r"claims\.csv: has no receipt"):
        check(here, [here / "claims.csv"])


def test_content_of_code_and_inputs_counts_and_no_time(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (*HERE.rglob("*"), *Path("papers").iterdir()):
        os.utime(path, (0, 0))
    assert reasons() == {}
    paper = Path("papers/tinyimage10.yaml")
    text = paper.read_text()
    paper.write_text(f"# about\n{text}")
    assert reasons() == {}
    paper.write_text(text.replace("Somebody", "Somebody else"))
    os.utime(paper, (0, 0))
    assert set(reasons().values()) == {"inputs changed"}
    assert set(reasons()) == {
        *(f"{step}_tinyimage10" for step in ("tables", "figures", "compare")),
        *("comparison", "claims", "power", "report"),
    }  # fmt: skip
    paper.write_text(text)
    real = code_digest
    monkeypatch.setattr(
        "ablate.plan.receipts.code_digest", lambda step, *of: "other" if step == "figures" else real(step, *of)
    )
    assert reasons() == dict.fromkeys(("figures_resnet-vs-plain", "figures_tinyimage10"), "code changed")


@pytest.mark.parametrize(
    ("old", "new", "due"),
    [
        ("title: two", "title: three", "tables figures report"),
        ("{table-optimiser: accuracy}", "{table-optimiser: trials}", "tables report"),
        ("{table-optimiser: accuracy}", "{table-mine: accuracy}", "tables report"),
        ("{figure-3: curves}", "{figure-3: dots}", "figures report"),
        ("{figure-3: curves}", "{figure-3: curves, figure-4: dots}", "figures report"),
    ],
)
def test_what_is_drawn_makes_due_what_draws_it_and_the_report(old: str, new: str, due: str, here: Path) -> None:
    """And neither trainings nor what is collected, compared and claimed."""
    paper = Path("papers/tinyimage10.yaml")
    text = paper.read_text()
    assert old in text
    paper.write_text(text.replace(old, new))
    jobs = rendering(open_project(Path("params.yaml")).record, HERE / "plan.json")
    found = Rendering({name: job for name, job in jobs.items() if name != "summarise"})
    asked = {f"{step}_tinyimage10" if step != "report" else step for step in due.split()}
    assert {name for name in found.jobs if found.reason(name)} == asked


def test_a_freeze_makes_the_claims_due_and_nothing_else(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, judged = here / "frozen.json", {"claims": "inputs changed"}
    assert said(monkeypatch, capsys, "freeze") == (0, "")
    assert reasons() == judged and asked().open("report")
    render(Path("params.yaml"), [], {})
    assert reasons() == {}
    assert said(monkeypatch, capsys, "freeze", "--again") == (0, "")
    assert reasons() == judged
    render(Path("params.yaml"), [], {})
    kept = file.read_text()
    file.write_text(kept.replace("0.001", "0.002"))
    assert kept != file.read_text() and reasons() == judged
    assert said(monkeypatch, capsys, "render") == (2, f"{file}: was changed since it was written")
    file.write_text(kept)
    assert reasons() == {}
    file.unlink()
    assert reasons() == judged


def test_another_result_is_collected_anew(here: Path) -> None:
    run = next(Path("results/runs").glob("*"))
    vouch(run, wall_s=1.0)
    assert set(reasons().values()) == {"inputs changed"} and all(name.startswith("collect") for name in reasons())
    shutil.rmtree(run)
    assert set(reasons().values()) == {"inputs changed"} and all(name.startswith("collect") for name in reasons())


def swapped(path: Path) -> None:
    """Two arms of the plan change places, in a file that is whole JSON."""
    text = path.read_text()
    path.write_text(
        text.replace("cifar-resnet7", "?").replace("cifar-plain7", "cifar-resnet7").replace("?", "cifar-plain7")
    )


EDITED = [
    ("runs.csv", "judge", ["--output", "results/tiny/claims.json"]),
    ("runs.csv", "summarise", []),
    ("history.csv", "figures", ["--output", "results/tiny/resnet-vs-plain"]),
    ("provenance.json", "tables", ["--output", "results/tiny/resnet-vs-plain"]),
    ("table-shallow.csv", "report", ["--output", "results/tiny/report.html"]),
    ("figure-6.png", "report", ["--output", "results/tiny/report.html"]),
    ("comparison.csv", "report", ["--output", "results/tiny/report.html"]),
]


@pytest.mark.parametrize(("name", "step", "words"), EDITED)
def test_a_step_refuses_what_the_step_before_it_did_not_leave(
    here: Path,
    name: str,
    step: str,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = here / "resnet-vs-plain" / name
    path.write_bytes(path.read_bytes() + b" ")
    files = ["--plan", "results/tiny/plan.json"] + ["--papers", "papers"] * (step != "summarise")
    if step == "summarise":
        files = [str(path.parent), "--output", "results/summary/tiny.json"]
    assert said(monkeypatch, capsys, step, *files, *words) == (2, f"{path}: was changed since it was made")


@pytest.mark.parametrize("step", ["collect", "tables", "figures", "judge", "power", "report", "compare"])
def test_a_plan_with_two_arms_swapped_is_refused(
    here: Path, step: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    swapped(here / "plan.json")
    output = {"judge": "claims.json", "power": "power.csv", "report": "report.html"}.get(step, "tinyimage10")
    words = ["--papers", "papers"] * (step != "collect") + ["--runs", str(RUNS)] * (step == "collect")
    words += ["--plan", f"{here}/plan.json"]
    words = [] if step == "power" else words
    if step == "compare":
        output += "/comparison.csv"
    found = said(monkeypatch, capsys, step, *words, "--output", f"{here}/{output}")
    assert found == (2, f"{here}/plan.json: was changed since it was written")


@pytest.mark.parametrize("name", ["metrics.json", "history.csv", "predictions.csv", "filters.npy", "run.json"])
def test_render_refuses_a_run_that_training_did_not_write_and_partial_leaves_it_out(
    here: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next(RUNS.glob("*resnet*")) / name
    path.write_bytes(path.read_bytes() + b" ")
    assert said(monkeypatch, capsys, "render") == (2, f"{path}: is not as training wrote it")
    assert said(monkeypatch, capsys, "render", "resnet-vs-plain", "--partial")[0] == 0
    assert "1 of 1 damaged" in (here / "resnet-vs-plain/table-shallow.csv").read_text()


def test_what_cannot_be_judged_leaves_nothing_of_an_earlier_call(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise UserError("no verdict today")

    monkeypatch.setattr("ablate.verdicts.claims_table.write_claims", fail)
    assert said(monkeypatch, capsys, "render", "--partial") == (
        0,
        f"ablate: left out: {here}/claims.json: no verdict today",
    )
    assert not list(here.glob("claims.*")) and not list(here.glob("models.*")) and (here / "report.html").exists()


def test_claims_and_explain_read_nothing_that_was_edited(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(monkeypatch, capsys, "claims")[0] == 0
    for name, words in (
        ("claims.json", ["claims"]),
        ("resnet-vs-plain/table-shallow.runs.json", ["explain", "resnet-vs-plain/table-shallow", "1", "n"]),
        ("resnet-vs-plain/runs.csv", ["explain", "resnet-vs-plain/table-shallow", "1", "n"]),
    ):
        kept = (here / name).read_bytes()
        (here / name).write_bytes(kept + b" ")
        assert said(monkeypatch, capsys, *words) == (2, f"{here / name}: was changed since it was made")
        (here / name).write_bytes(kept)


def test_render_does_not_care_what_is_there_and_leaves_receipts(here: Path) -> None:
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    for path in before:
        path.write_bytes(b"")
    render(Path("params.yaml"), [], {})
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """The command's exit code, and what it says is wrong, without the remedy."""
    monkeypatch.setattr("sys.argv", ["ablate", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    _, err = capsys.readouterr()
    assert "Traceback" not in err
    return int(ended.value.code or 0), err.strip().removeprefix("ablate: error: ").split("; ")[0]


def test_a_receipt_is_sealed_itself(here: Path) -> None:
    receipt = here / FOLDER / "claims.json"
    found = read_if_sealed(receipt)
    assert found and found["outputs"]["claims.json"] and "papers/tinyimage10.yaml" in "".join(found["inputs"])
    receipt.write_text(json.dumps(found | {"outputs": {**found["outputs"], "claims.json": 64 * "0"}}))
    assert read_if_sealed(receipt) is None
    receipt.write_text(json.dumps(sealed(found)))
    assert reasons() == {}


@pytest.mark.papers("tinyimage10")
def test_the_committed_results_are_as_their_receipts_say() -> None:
    """A clone has no runs to make them from: receipts and Git vouch for them."""
    listed = subprocess.run(
        ["git", "ls-files", "results/pilot"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    # What somebody wrote, what vouches for itself, and what boards of before had seen.
    apart = ("README.md", "records.xz", "looked.json")
    files = [ROOT / name for name in listed if FOLDER not in name and not name.endswith(apart)]
    assert files
    check(ROOT / "results/pilot", files)


def test_a_step_that_may_not_read_an_input_is_left_out_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a clone results may lie without receipts: `ablate render --partial` goes on with the other steps."""

    class Refused:
        name = "tables_x"

        @contextmanager
        def making(self, only: object = None) -> Iterator[None]:
            raise UserError("data/d.json: has no receipt")
            yield

    output, made = tmp_path / "table-1.csv", list[str]()
    output.write_text("of an earlier call")
    _do_all(Refused(), {output: lambda: made.append("table")}, True)  # type: ignore[arg-type]
    assert "left out: tables_x: data/d.json: has no receipt" in capsys.readouterr().err
    assert not made and not output.exists()
    with pytest.raises(UserError, match="no receipt"):
        _do_all(Refused(), {output: lambda: made.append("table")}, False)  # type: ignore[arg-type]
