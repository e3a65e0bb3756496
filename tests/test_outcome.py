"""The screen at the end of `snakemake all`. Oracle: what was put on disk, counted by hand."""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ablate.cli import main as cli
from ablate.errors import UserError
from ablate.inert import UNSEEN
from ablate.plan.runs import PRETRAINED, RUNS
from ablate.seals import sealed, sha256_of
from ablate.workflow.outcome import LAST, Call, begin, screen, show_outcome
from conftest import Rendered, write_tiny

HERE = Path("results/tiny")


def claim(id: str, verdict: str, paper: str = "p", **more: Any) -> dict[str, Any]:
    said = {"paper": paper, "id": id, "statement": f"what {id} says", "verdict": verdict, "sentence": "", "why": ""}
    return said | {"finding": verdict, "protocol": "reduced"} | more


def control(outcome: str, seed: int = 0) -> dict[str, Any]:
    return {"outcome": outcome, "dataset": "d", "control": "shuffled labels", "seed": seed, "said": f"it {outcome}"}


def judge(*claims: dict[str, Any], controls: tuple[dict[str, Any], ...] = ()) -> None:
    """claims.json as the rule leaves it, with its receipt."""
    (HERE / ".receipts").mkdir(parents=True, exist_ok=True)
    file = HERE / "claims.json"
    file.write_text(json.dumps({"scale": "tiny", "controls": controls, "claims": claims}))
    receipt = sealed({"code": "", "inputs": {}, "outputs": {"claims.json": sha256_of(file)}})
    (HERE / ".receipts/claims.json").write_text(json.dumps(receipt))


def write(file: Path, text: str = "x") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    file.write_text(text)


class Pretended:
    """What `begin` asks of the pipeline: four runs, one for start weights, three tables and two figures."""

    results = HERE

    def __init__(self, *restores: str) -> None:
        self.restores = list(restores)
        runs = dict.fromkeys(["a", "b", "c", "d"])
        self.project = SimpleNamespace(plan=SimpleNamespace(scale="tiny", runs=runs, pretraining={"w": None}))
        outputs = tuple(
            HERE / name
            for name in ("p/t1.csv", "p/t1.runs.json", "p/t2.runs.json", "claims.runs.json", "p/f1.svg", "p/f2.svg")
        )
        self.rendering = SimpleNamespace(jobs={"one": SimpleNamespace(outputs=outputs)})

    def restore(self) -> list[str]:
        for run in self.restores:
            write(RUNS / run / "manifest.json")
        return self.restores


def start(*restores: str) -> Call:
    return begin(Pretended(*restores))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_a_call_made() -> None:
    """a was there; b and c come from a record, and c is trained anew; d and the weights are trained."""
    write(RUNS / "a/manifest.json")
    write(HERE / "p/t2.runs.json")
    write(HERE / "p/f1.svg")
    call = start("b", "c")
    for file in (RUNS / "c", RUNS / "d", PRETRAINED / "w"):
        write(file / "manifest.json", "y")
    for name in ("p/t1.csv", "p/t1.runs.json", "p/f1.svg", "report.html"):
        write(HERE / name)  # of the figure, with the bytes that it had
    judge(claim("c1", "reproduced"))
    lines = call.end()
    assert lines[:2] == [
        "scale tiny",
        "made: 2 runs trained, 1 for start weights, 1 restored from records, 1 reused; 1 of 3 tables, 1 of 2 figures",
    ]
    assert lines[-2:] == ["report: results/tiny/report.html", f"  {(Path.cwd() / HERE / 'report.html').as_uri()}"]
    assert screen("tiny") == lines  # as `ablate outputs` shows it


def test_claims_controls_and_headlines() -> None:
    judge(
        claim("c1", "reproduced", headline=True, finding="shown, but smaller", protocol="near"),
        claim("c2", "open", headline=False),
        claim("c3", "reproduced", "q"),
        claim("c4", "reproduced", "q"),
        claim("c5", "not run", "q"),
        controls=(control("passed"), control("failed", 1), control("passed", 2), control("not run", 3)),
    )
    assert screen("tiny") == [
        "scale tiny",
        "controls: 2 passed, 1 failed, 1 not run",
        "  failed: d, shuffled labels, seed 1: it failed",
        "p: 1 reproduced, 1 open",
        "  what c1 says: reproduced (shown, but smaller; near protocol)",
        "q: 2 reproduced, 1 not run",
        "results/tiny/report.html: not there yet; snakemake --cores 8 all",
    ]


def changes(lines: list[str]) -> list[str]:
    """The lines on changed verdicts."""
    first = next((n for n, line in enumerate(lines) if line.startswith("verdicts that changed")), len(lines))
    return [line.strip() for line in lines[first:] if "report" not in line]


def test_changes_are_those_since_the_claims_before_the_call() -> None:
    judge(claim("c1", "open"), claim("c2", "reproduced"), claim("gone", "not run"))
    call = start()
    judge(claim("c1", "reproduced"), claim("c2", "reproduced"), claim("c3", "not run"))
    told = ["verdicts that changed: 2", "p/c1: reproduced, was open", "p/c3: not run, was not there"]
    assert changes(call.end()) == told
    assert changes(screen("tiny")) == told
    assert changes(start().end()) == ["verdicts that changed: none"]


@pytest.mark.parametrize("when", ["before the claims", "within", "after them"])
def test_changes_outlive_a_kill(when: str) -> None:
    """A call that is killed has no end; the next one tells what changed since the last that had one."""
    judge(claim("c1", "open"))
    start().end()
    start()
    if when == "within":  # Snakemake has removed what the job makes
        (HERE / "claims.json").unlink()
    if when == "after them":
        judge(claim("c1", "contradicted"))
    call = start()
    judge(claim("c1", "contradicted"))
    assert changes(call.end()) == ["verdicts that changed: 1", "p/c1: contradicted, was open"]


def test_of_the_first_call_of_all_nothing_changed() -> None:
    call = start()
    judge(claim("c1", "open"))
    assert changes(call.end()) == []


def test_what_was_judged_since_the_last_call_is_compared_with_it() -> None:
    """By `ablate render`, say, or a pull."""
    judge(claim("c1", "open"))
    start().end()
    judge(claim("c1", "reproduced"))
    assert changes(screen("tiny")) == ["verdicts that changed: 1", "p/c1: reproduced, was open"]


def test_many_changes_are_counted() -> None:
    judge(*(claim(f"c{n:02d}", "open") for n in range(30)))
    call = start()
    judge(*(claim(f"c{n:02d}", "reproduced") for n in range(30)))
    lines = changes(call.end())
    assert lines[0] == "verdicts that changed: 30" and len(lines) == 12 and lines[-1] == "and 20 more"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"words": 3}', "\x00"])
def test_a_damaged_note_is_as_none(text: str) -> None:
    judge(claim("c1", "open"))
    LAST.mkdir(parents=True)
    (LAST / "tiny.json").write_text(text)
    assert changes(screen("tiny")) == []
    call = start()
    judge(claim("c1", "reproduced"))
    assert changes(call.end()) == ["verdicts that changed: 1", "p/c1: reproduced, was open"]


def test_claims_that_somebody_edited_are_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge(claim("c1", "open"))
    call = start()
    (HERE / "claims.json").write_text((HERE / "claims.json").read_text().replace("open", "reproduced"))
    with pytest.raises(UserError, match=r"claims\.json: was changed since it was made"):
        screen("tiny")
    show_outcome(call.end)  # at the end of a call that went well: it is said, and no more
    assert "ablate: no summary: results/tiny/claims.json: was changed" in capsys.readouterr().err
    write_tiny(Path())
    monkeypatch.setattr("sys.argv", ["ablate", "outputs"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2


def test_a_locale_of_few_characters_and_hostile_words(monkeypatch: pytest.MonkeyPatch) -> None:
    judge(claim("c1", "\x1b[31mred\u202e", "ü", headline=True), controls=(control("failed\x07"),))
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    show_outcome(lambda: screen("tiny"))
    out.seek(0)
    text = out.read()
    assert "\\xfc: 1 \\x1b[31mred\\u202e" in text and not UNSEEN.search(text.replace("\n", ""))


@pytest.mark.slow
def test_the_end_of_a_real_call(rendered: Rendered) -> None:
    """All of it; nothing; a dry run, a part, and all where the report alone is gone."""
    workspace, first = rendered.workspace, rendered
    # A table and a figure of each of two papers. Tables besides: networks, evidence, claims, and the comparisons of
    # both and of all; figures: the boards of both and of all, power, and the seeds needed.
    assert "made: 3 runs trained, 0 reused; 8 of 8 tables, 7 of 7 figures" in first.stdout
    link = (workspace.folder / HERE / "report.html").resolve().as_uri()
    assert first.stdout.rstrip().endswith(link) and first.stdout.count("scale tiny\n") == 1
    assert first.stdout.endswith(workspace.do("ablate outputs"))
    again = workspace.snakemake("all")
    assert "Nothing to be done" in again.stderr and "`ablate outputs` says what there is" in again.stderr
    assert "made:" not in again.stdout
    report = workspace.folder / HERE / "report.html"
    report.unlink()
    assert "made:" not in workspace.snakemake("all", "--dry-run").stdout
    assert "made:" not in workspace.snakemake(str(HERE / "report.html")).stdout
    report.unlink()
    third = workspace.snakemake("all")
    assert "made: 0 runs trained, 3 reused; 0 of 8 tables, 0 of 7 figures" in third.stdout
    assert third.stdout.rstrip().endswith(link)
