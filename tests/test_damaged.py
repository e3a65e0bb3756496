"""Files that are not as they were written, under the commands that read them.

Oracle: a command ends well, or with exit code 2 and one sentence that names the file; never with another exception.
What a run left never stops `ablate plan` and `ablate status`, which tell it from the runs that are whole.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ablate.cli import main as cli
from ablate.cli import render
from ablate.cli import results as results_cli
from ablate.csv_text import read_rows
from ablate.errors import UserError
from ablate.files import as_json, digest, read_json, write_json, write_text
from ablate.plan import code
from ablate.plan.keys import TRAINED_ON
from ablate.plan.params import load
from ablate.plan.project import Project
from ablate.plan.record import plan_record
from ablate.plan.runs import RUNS, current_plan, make_plan
from ablate.plan.select import Selection
from ablate.results.collect import collect
from ablate.seals import sealed, sha256_of
from ablate.workflow.due import Keys, due
from conftest import write_tiny
from fabricated import vouch

QUICK = settings(
    max_examples=60, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
OUT = Path("results/tiny")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three runs that nobody trained, whole to the digest, and what is collected of them."""
    here = tmp_path_factory.mktemp("damaged")
    before = Path.cwd()
    os.chdir(here)
    try:
        write_tiny(Path())
        meta = {"sha256": {"images.npy": "0" * 64, "labels.npy": "1" * 64}, "classes": ["a", "b"]}
        meta |= {name: None for name in TRAINED_ON if name not in meta}
        write_json(Path("data/embedded/cifar10/pack.json"), sealed(meta))
        params = load(Path("params.yaml"))
        plan = make_plan(params)
        for run in plan.runs.values():
            metrics = {"status": "done", "epochs": 1, "val_top1": 0.5, "n_train": 50, "n_val": 200}
            texts = {"metrics.json": as_json(metrics), "history.csv": "epoch,train_top1,val_top1\n1,0.5,0.5\n",
                     "predictions.csv": "split,position,label,predicted,probability\nval,0,0,0,0.9\n"}  # fmt: skip
            manifest = {
                "key": Keys(params, plan).key(run), "wall_s": 2.0, "device": "cpu", "threads": 1, "precision": "fp32",
                "files": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()},
                "starts": 1, "command": ["ablate", "train", "--run", run.to_json()],
                "data": {"archive": {"digest": "embedded"}},
            }  # fmt: skip
            record = {"run": run.id, **run.model_dump(mode="json")}
            texts |= {"manifest.json": as_json(manifest), "run.json": as_json(record), "filters.npy": "x"}
            for name, text in texts.items():
                write_text(RUNS / run.id / name, text)
            vouch(RUNS / run.id)
        write_json(OUT / "plan.json", plan_record(params, plan).plain)
        collect(OUT / "plan.json", RUNS, "tinyimage10", OUT / "tinyimage10")
        (run,) = (r["run"] for r in read_json(OUT / "plan.json")["runs"] if r["paper"] == "tinyimage10")
        write_json(OUT / "tinyimage10/table-optimiser.runs.json", {"row": {"val_top1": {run: 0.5}}})
        claim = {"paper": "p", "statement": "s", "finding": "open", "protocol": "near", "verdict": "open"}
        claim |= {"sentence": "So."}
        control = {"outcome": "passed", "dataset": "d", "control": "c", "seed": 0, "said": "so"}
        write_json(OUT / "claims.json", {"claims": [claim], "controls": [control]})
        looked = {"added": [], "look": 2, "looks": [2, 3], "digest": "", "claims": []}
        write_json(OUT / "seeds.json", sealed(looked))
        made = {name: sha256_of(OUT / name) for name in ("claims.json", "tinyimage10/table-optimiser.runs.json")}
        write_json(OUT / ".receipts/all.json", sealed({"code": "", "inputs": {}, "outputs": made}))
        beat = {"run": "a", "epochs": 2, "done": 1, "images_per_s": 1.0, "metrics": {"val_top1": 0.5}, "eta_s": 1.0}
        write_json(Path(".ablate/progress/a.json"), beat | {"updated": 4e9})
    finally:
        os.chdir(before)
    return here


@pytest.fixture(autouse=True)
def inside(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There; what does not depend on the files that are damaged is read once."""
    monkeypatch.chdir(results)
    params = load(Path("params.yaml"))
    monkeypatch.setattr(cli, "load", lambda *_: params)
    monkeypatch.setattr(cli, "open_project", lambda *_: Project(params, current_plan(params), ()))
    monkeypatch.setattr(results_cli, "load", lambda *_: params)
    monkeypatch.setattr("ablate.papers.paper.check_files", lambda *_: None)


def run_files(name: str) -> Path:
    """``name`` in the folder of the first run."""
    return next(iter(sorted(RUNS.glob("*_s0")))) / name


@contextmanager
def damaged(file: Path, content: bytes | str) -> Iterator[None]:
    """``file`` with ``content``; "folder", "pipe" and "gone" are those."""
    whole = file.read_bytes()
    stat = file.stat()
    file.unlink()
    try:
        if content == "folder":
            file.mkdir()
        elif content == "pipe":
            os.mkfifo(file)
        elif content == "loop":
            file.symlink_to(file.name)
        elif content != "gone":
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        yield
    finally:
        if file.is_dir() and not file.is_symlink():
            file.rmdir()
        else:
            file.unlink(missing_ok=True)
        file.write_bytes(whole)
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def ended(words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `ablate <words>`; any exception but a UserError passes through."""
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as left:
        patch.setattr("sys.argv", ["ablate", *words.split()])
        cli.main()
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from([10**400, -1, 0, 1e999, "", "done", "\ud800", [], {}, [[]], {"a": {}}]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
WHOLE_FILES = ["", "{}", "[]", "null", "3", '"x"', "NaN", "[" * 100_000, '{"a":' * 100_000, "9" * 5000, b"\xff\xfe{}",
               '{"status": 3}', '{"status": "done"}', '{"status": "\\ud800", "epochs": 1}',
               '{"files": [], "key": "x"}',
               '{"key": {"run": 1}, "files": 3}', '{"added": 3}', '{"added": [[]]}', '{"a": 1}\x00', "\ufeff{}",
               "folder", "pipe", "loop", "gone"]  # fmt: skip


@st.composite
def changed(draw: st.DrawFn, text: bytes) -> bytes:
    """``text`` cut off, with other bytes in it, or (of JSON) with another value in one place."""
    how = draw(st.sampled_from(["cut", "flip", "value", "value", "lost"]))
    if how == "cut":
        return text[: draw(st.integers(0, len(text) - 1))]
    if how == "flip":
        at, byte = draw(st.integers(0, len(text) - 1)), draw(st.integers(0, 255))
        return text[:at] + bytes([byte]) + text[at + 1 :]
    try:
        tree = json.loads(text)
    except ValueError:
        at = draw(st.integers(0, len(text) - 1))
        return text[:at] + draw(st.text(alphabet=';,"\n\r\t0x\x00\u2028', max_size=4)).encode() + text[at:]
    here = tree
    while isinstance(here, dict | list) and here:
        key = draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
        if draw(st.booleans()) or not isinstance(here[key], dict | list) or not here[key]:
            if how == "lost":
                del here[key]
            else:
                here[key] = draw(values)
            break
        here = here[key]
    return json.dumps(tree).encode()


def is_one_sentence(code: int, err: str, *names: str) -> None:
    assert code == 2, err
    assert err.count("ablate: error: ") == 1 and "Traceback" not in err
    assert any(name in err for name in names), err


@pytest.mark.parametrize("name", ["metrics.json", "manifest.json", "run.json", "history.csv"])
@pytest.mark.parametrize("content", WHOLE_FILES)
def test_a_damaged_run_never_stops_plan_or_status(
    name: str, content: bytes | str, capsys: pytest.CaptureFixture[str]
) -> None:
    with damaged(run_files(name), content):
        code, out, err = ended("plan --json", capsys)
        assert code == 0, err
        assert len([entry for entry in json.loads(out) if entry["why"] is None]) >= 2  # the others are whole
        if content in ("", "{}", "folder"):
            for words in ("plan", "plan --runs", "plan --json --total", "status"):
                assert ended(words, capsys)[0] == 0
        code, out, _ = ended("status --json", capsys)
        state = {entry["run"]: entry for entry in json.loads(out)}[run_files(name).parent.name]
        gone = (name, content) == ("metrics.json", "gone")  # what a run left is believed only by its manifest
        if name in ("run.json", "history.csv") or content == '{"status": "done", "epochs": 1}':
            assert (code, state["state"]) == (0, "done")
        else:
            assert (code, state["state"]) == (
                0,
                "planned" if (name, content) == ("metrics.json", "gone") else "damaged",
            )
            assert gone or name in state["error"]


@QUICK
@given(data=st.data(), name=st.sampled_from(["metrics.json", "manifest.json", "run.json", "history.csv"]))
def test_no_change_of_a_run_s_files_stops_plan_or_status(
    data: st.DataObject, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = run_files(name)
    with damaged(file, data.draw(changed(file.read_bytes()))):
        for words in ("plan --runs", "status --json"):
            code, _, err = ended(words, capsys)
            assert code == 0, err


OTHERS = {  # file: the commands that read it, those that must end well first
    "results/tiny/tinyimage10/provenance.json": (["plan"], []),
    "results/tiny/tinyimage10/runs.csv": (["plan"], ["explain tinyimage10/table-optimiser 1 val_top1"]),
    "results/tiny/tinyimage10/table-optimiser.runs.json": ([], ["explain tinyimage10/table-optimiser 1 val_top1"]),
    "results/tiny/claims.json": ([], ["claims", "claims --json", "claims --strict"]),
    "results/tiny/seeds.json": ([], ["plan", "status"]),
    "data/embedded/cifar10/pack.json": (["plan", "status"], []),
    ".ablate/progress/a.json": (["status"], []),
}


@pytest.mark.parametrize("content", WHOLE_FILES)
@pytest.mark.parametrize("name", OTHERS)
def test_any_other_file_is_passed_over_or_named(
    name: str, content: bytes | str, capsys: pytest.CaptureFixture[str]
) -> None:
    good, named = OTHERS[name]
    with damaged(Path(name), content):
        for words in good:
            code, _, err = ended(words, capsys)
            assert code == 0, err
        for words in named:
            code, _, err = ended(words, capsys)
            if code not in (0, 1):
                is_one_sentence(code, err, Path(name).name, "results/tiny")


@QUICK
@given(data=st.data(), name=st.sampled_from(sorted(OTHERS)))
def test_no_change_of_any_other_file_is_a_traceback(
    data: st.DataObject, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    good, named = OTHERS[name]
    with damaged(Path(name), data.draw(changed(Path(name).read_bytes()))):
        for words in good + named:
            code, _, err = ended(words, capsys)
            if code not in (0, 1):
                assert words not in good
                is_one_sentence(code, err, Path(name).name, "explain")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(",", ";"),
        lambda text: "\ufeff" + text,
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rsplit(",", 3)[0],
        lambda text: text.replace("run,", '"run,', 1),
    ],
)
def test_a_table_that_a_spreadsheet_saved_is_named(change: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where it says the same: other bytes are not what was collected."""
    file = OUT / "tinyimage10/runs.csv"
    with damaged(file, change(file.read_text())):
        assert ended("plan", capsys)[0] == 0
        code, _, err = ended("explain tinyimage10/table-optimiser 1 val_top1", capsys)
        is_one_sentence(code, err, str(file))


def test_a_run_s_lock_and_log_may_be_anything(capsys: pytest.CaptureFixture[str]) -> None:
    run = run_files("").name
    for place in (f".ablate/checkpoints/{run}.lock", f"logs/train/{run}.log"):
        shutil.rmtree("logs", ignore_errors=True)
        with damaged(run_files("metrics.json"), "gone"):
            Path(place).unlink(missing_ok=True)
            Path(place).mkdir(parents=True)
            assert ended("status", capsys)[0] == 0
            Path(place).rmdir()


def forget_code() -> None:
    """As another process, which asks the cache on disk."""
    code.code_digest.cache_clear()
    code._followed.cache_clear()
    code._facts_of.cache_clear()


CACHES = ["", "3", "[]", '{"check": 1}', "x" * 64, "0" * 64 + " " + "0" * 64 + "\n", "gone", "folder", b"\xff\x00"]


@pytest.mark.parametrize("content", CACHES)
def test_a_damaged_cache_of_code_condemns_no_result(content: bytes | str) -> None:
    params = load(Path("params.yaml"))
    plan = make_plan(params)

    def reasons() -> list[str | None]:
        forget_code()
        return [Keys(params, plan).run_reason(run) for run in plan.runs.values()]

    assert reasons() == [None] * 3
    files = sorted(code.KNOWN_CODE.iterdir())
    assert files
    kept = {file: file.read_bytes() for file in files}
    for file in files:
        file.unlink()
        if content == "folder":
            file.mkdir()
        elif content != "gone":
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert reasons() == [None] * 3
    if content != "folder":
        assert {file: file.read_bytes() for file in files} == kept  # computed again, and kept again
    for file in files:
        if file.is_dir():
            file.rmdir()


def test_a_swapped_cache_is_known_by_its_name() -> None:
    """Two files of the cache in each other's place: each is whole, and neither is the one that is asked for."""
    here = sorted(code.code_of("train"))[:2]
    forget_code()
    right = [code._facts(path) for path in here]
    first, second = (code.KNOWN_CODE / digest(path) for path in here)
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    forget_code()
    assert [code._facts(path) for path in here] == right


@pytest.mark.parametrize("place", [".ablate", ".ablate/code-2", ".ablate/due", ".ablate/progress"])
def test_a_file_in_a_cache_s_place(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    forget_code()
    aside = Path("aside")
    if Path(place).exists():
        Path(place).rename(aside)
    try:
        Path(place).write_text("not a folder")
        for words in ("plan", "status"):
            assert ended(words, capsys)[0] == 0
    finally:
        Path(place).unlink()
        if aside.exists():
            aside.rename(place)


@pytest.mark.parametrize("name", ["archive.json", "verify.json", "pack.json", "tree.json"])
@pytest.mark.parametrize("content", [c for c in WHOLE_FILES if c != "gone"])
def test_a_damaged_receipt_is_a_reason_and_no_traceback(name: str, content: bytes | str) -> None:
    params = load(Path("params.yaml"))
    file = Path("data/embedded/cifar10") / name
    there = file.exists()
    if not there:
        write_text(file, "{}")
    try:
        with damaged(file, content):
            for step in ("fetch", "verify", "pack", "reorganise"):
                assert isinstance(Keys(params, make_plan(params)).data_reason("cifar10", step), str)
    finally:
        if not there:
            file.unlink()


@pytest.mark.parametrize("place", [".ablate/due/code-changed", ".ablate/due/future"])
@pytest.mark.parametrize("there", ["file", "folder", "link", "broken link", "loop", "gone"])
def test_a_mark_takes_the_place_of_what_is_no_mark(
    place: str, there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snakemake looks at both times of a link: it is old by itself, and what it leads to is newer than any result."""
    monkeypatch.chdir(tmp_path)
    path = Path(place)
    path.parent.mkdir(parents=True)
    Path("target").mkdir()
    if there == "file":
        path.write_text("x")
    elif there == "folder":
        path.mkdir()
    elif there != "gone":
        path.symlink_to({"link": tmp_path / "target", "broken link": "nowhere", "loop": path.name}[there])
    for _ in range(2):
        (mark,) = due("code changed")
        assert mark == ".ablate/due/code-changed" and Path(mark).is_dir()
        assert Path(mark).lstat().st_mtime < time.time() - 10**8 and Path(mark).stat().st_mtime > time.time() + 10**8
    assert Path("target").stat().st_mtime < time.time() + 10


def test_a_mark_that_cannot_be_made_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".ablate/due/code-changed/full").mkdir(parents=True)
    with pytest.raises(UserError, match=r"\.ablate/due/code-changed.*folder"):
        due("code changed")
    shutil.rmtree(".ablate")
    Path(".ablate").write_text("x")
    with pytest.raises(UserError, match=r"\.ablate.*folder"):
        due("code changed")


def test_partial_leaves_out_a_paper_that_cannot_be_collected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other paper's output is made; nothing is made of what an earlier call collected."""
    made = []

    def table_jobs(plan: Path, sources: Path, folder: Path, runs: Path) -> Any:
        name = {"resnet-vs-plain": "table-shallow", "tinyimage10": "table-optimiser"}[folder.name]
        return {folder / f"{name}.csv": lambda: made.append(read_rows(folder / "runs.csv")[0]["run"])}

    def refused(plan: Path, runs: Path, folder: Path, *, partial: bool) -> None:
        if folder.name == "tinyimage10":
            raise UserError("some/file: damaged")
        gather(plan, runs, folder, partial=partial)

    gather = render.steps.collect
    monkeypatch.setattr(render, "overview", lambda *_: None)
    monkeypatch.setattr(render, "table_jobs", table_jobs)
    monkeypatch.setattr(render, "figure_jobs", lambda *_: {})
    monkeypatch.setattr(render, "write_comparison", lambda *_: None)
    papers = [Selection("resnet-vs-plain"), Selection("tinyimage10")]
    with monkeypatch.context() as patch:
        patch.setattr(render.steps, "collect", refused)
        with pytest.raises(UserError, match="some/file"):
            render.render(Path("params.yaml"), papers, {})
        made.clear()
        render.render(Path("params.yaml"), papers, {}, partial=True)
    assert len(made) == 1
    said = capsys.readouterr().err
    assert said.count("ablate: left out: ") == 2 and "some/file" in said and "table-optimiser.csv" in said
    render.render(Path("params.yaml"), papers, {}, partial=True)
    assert len(made) == 3


@pytest.mark.parametrize("content", WHOLE_FILES)
def test_partial_collects_the_others_where_a_run_s_record_is_damaged(content: bytes | str, tmp_path: Path) -> None:
    (one, *_) = (r["run"] for r in read_json(OUT / "plan.json")["runs"] if r["paper"] == "resnet-vs-plain")
    with damaged(RUNS / one / "run.json", content):
        collect(OUT / "plan.json", RUNS, "resnet-vs-plain", tmp_path, partial=True)
        rows = {row["run"]: row["status"] for row in read_rows(tmp_path / "runs.csv")}
        assert rows.pop(one) in ("other settings", "damaged") and set(rows.values()) == {"done"}
        with pytest.raises(UserError, match=r"run\.json"):
            collect(OUT / "plan.json", RUNS, "resnet-vs-plain", tmp_path)


@QUICK
@given(content=st.binary(max_size=200) | st.text(alphabet='a,"\n\r;\x00\u2028', max_size=60).map(str.encode))
def test_readers_name_the_file(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "some file"
    file.write_bytes(content)
    for read in (read_json, lambda path: read_rows(path, "a")):
        try:
            read(file)
        except UserError as error:
            assert str(file) in str(error)
