"""Records of runs. Oracle: bytes that were there before they were packed, and what each test does to them."""

import hashlib
import json
import lzma
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ablate.cli import main as cli
from ablate.errors import UserError
from ablate.files import write_json
from ablate.plan import run_records
from ablate.plan.code import code_digest
from ablate.plan.keys import FILES, NEW, TRAINED_ON, WEIGHTS
from ablate.plan.params import load
from ablate.plan.run_codec import ARRAY, HEAD, PLAIN, PREDICTIONS, put_together, take_apart
from ablate.plan.run_records import RunRecords, read_records
from ablate.plan.runs import PRETRAINED, RUNS, Run, make_plan
from ablate.plan.status import statuses
from ablate.runtime.run_lock import RunLock
from ablate.seals import sealed
from ablate.workflow.due import Keys
from ablate.workflow.pipeline import open_pipeline
from conftest import TINY, Workspace
from fabricated import vouch

STARTED = TINY.replace("studies:\n", "pretraining: {others: {classes: [5, 10]}}\nstudies:\n", 1).replace(
    "      settings: {lr: 0.02}", "      settings: {classes: [0, 5], weights: 'pretrain:others'}"
)
SHALLOW, OPTIMISER = (Path("results/tiny", paper, "records.xz") for paper in ("resnet-vs-plain", "tinyimage10"))


def predictions(seed: int, n: int = 40, digits: int = 3) -> str:
    draw = random.Random(seed)
    return HEAD + "".join(f"val,{i},{i % 10},{draw.randrange(10)},{round(draw.random(), digits)}\n" for i in range(n))


def train(run: Run, key: Any, where: Path = RUNS, *, training: str = "once") -> None:
    """The folder of a run that nobody trained."""
    folder = where / run.id
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("run.json", "history.csv"):
        (folder / name).write_text(f"{name} of {run.id}\n")
    (folder / "metrics.json").write_text(json.dumps({"status": "done", "epochs": 1, "val_top1": 0.5}))
    (folder / "predictions.csv").write_text(predictions(run.seed))
    np.save(folder / "filters.npy", np.random.default_rng(run.seed).normal(size=(4, 3, 3, 3)).astype(np.float32))
    if where == PRETRAINED:
        (folder / WEIGHTS).write_text("weights")
    vouch(folder, key=key, training=training, command=["ablate", "train", "--run", run.to_json()])


def planned(text: str = STARTED, **values: Any) -> tuple[RunRecords, Keys]:
    Path("params.yaml").write_text(text)
    params = load(Path("params.yaml"), values)
    keys = Keys(params, make_plan(params))
    return keys.records, keys


def trained(text: str = STARTED) -> tuple[RunRecords, Keys]:
    """The plan, and folders of all of its runs."""
    meta = {"sha256": {"images.npy": "0" * 64}, **{name: None for name in TRAINED_ON if name != "sha256"}}
    write_json(Path("data/embedded/cifar10/pack.json"), sealed(meta))
    records, keys = planned(text)
    for where, runs in ((PRETRAINED, records.plan.pretraining), (RUNS, records.plan.runs)):
        for run in runs.values():
            train(run, keys.key(run), where)
    return records, keys


def tree(*roots: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for root in roots for p in root.rglob("*") if p.is_file()}


def gone() -> None:
    for folder in (RUNS, PRETRAINED):
        shutil.rmtree(folder, ignore_errors=True)


def reasons(keys: Keys) -> set[str | None]:
    return {keys.run_reason(run) for run in keys.records.plan.runs.values()} | {
        keys.run_reason(run, PRETRAINED) for run in keys.records.plan.pretraining.values()
    }


ROW = st.tuples(st.sampled_from(["val", "test"]), st.integers(0, 10**5), st.integers(0, 300), st.integers(0, 300),
                st.floats(0, 1), st.sampled_from([3, 6]))  # fmt: skip
TABLES = st.lists(ROW).map(
    lambda rows: (HEAD + "".join(f"{s},{at},{y},{k},{round(p, n)}\n" for s, at, y, k, p, n in rows)).encode()
)
ANY = st.one_of(st.binary(max_size=200), TABLES, st.text().map(lambda text: (HEAD + text).encode(errors="replace")))


@given(st.sampled_from(FILES), ANY)
@example("predictions.csv", HEAD.encode())
@example("predictions.csv", HEAD.encode() + b"val,0,0,0,nan\n")
@example("predictions.csv", HEAD.encode() + b"val,0,0,0,1e-06\nval,1,0,0,1.0\r\n")
@example("filters.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f4'}xyzw")  # not whole numbers
@example("filters.npy", b"\x93NUMPY\x01\x00\x0f\x00{'descr': '<f0'}")
def test_a_file_of_any_bytes_comes_back(name: str, content: bytes) -> None:
    assert put_together(*take_apart(name, content)) == content


@pytest.mark.parametrize(("digits", "most"), [(3, 2.0), (6, 3.2)])
def test_predictions_take_few_bytes_an_image(digits: int, most: float) -> None:
    """Of random ones, which nothing makes smaller: 10 classes and the probabilities hold 1.7 or 2.9 bytes."""
    content, n = predictions(0, 5000, digits).encode(), 5000
    form, parts = take_apart("predictions.csv", content)
    assert form == PREDICTIONS and put_together(form, parts) == content
    assert sum(len(lzma.compress(part)) for part in parts[1:]) < most * n
    assert take_apart("history.csv", content) == (PLAIN, [content])


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_filters_are_taken_apart_into_planes(tmp_path: Path, kind: type) -> None:
    np.save(tmp_path / "filters.npy", np.linspace(0, 1, 30, dtype=kind))
    form, parts = take_apart("filters.npy", content := (tmp_path / "filters.npy").read_bytes())
    assert form == ARRAY and len(parts) == 1 + kind(0).nbytes and put_together(form, parts) == content


@given(st.dictionaries(st.sampled_from(["a_s0", "a_s1", "b_s0"]), st.fixed_dictionaries(
    {name: ANY for name in FILES if name != "manifest.json"}), min_size=1), st.randoms())  # fmt: skip
@settings(deadline=None, max_examples=40)
def test_any_runs_come_back_whatever_their_order(runs: dict[str, dict[str, bytes]], draw: random.Random) -> None:
    whole = {}
    for run, contents in runs.items():
        files = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        manifest = json.dumps(sealed({"key": {"run": run}, "files": files, "name": "ä \ud800"})).encode()
        whole[run] = (draw.choice([RUNS, PRETRAINED]), {**contents, "manifest.json": manifest})
    with TemporaryDirectory() as folder:
        file, again = Path(folder, "records.xz"), Path(folder, "again.xz")
        run_records._write(file, "tiny", "p", whole)
        assert read_records(file, "tiny", "p") == whole
        run_records._write(again, "tiny", "p", dict(reversed(whole.items())))
        assert again.read_bytes() == file.read_bytes()


@pytest.mark.usefixtures("own_folder")
def test_runs_come_back_byte_by_byte_and_count_as_done_before_that() -> None:
    records, keys = trained()
    before = tree(RUNS, PRETRAINED)
    assert records.pack() == {"resnet-vs-plain": {"runs": 2, "added": 2, "changed": 0},
                              "tinyimage10": {"runs": 2, "added": 2, "changed": 0}}  # fmt: skip
    gone()
    _, keys = planned()
    assert reasons(keys) == {None}
    found = {f["run"]: f for f in statuses(keys.records.plan)}
    assert {f["state"] for f in found.values()} == {"done"}
    assert {f["record"] for f in found.values()} == {str(SHALLOW), str(OPTIMISER)}
    assert {keys.records.state(run) for run in keys.records.plan.runs} == {"done"}
    assert not RUNS.exists() and not PRETRAINED.exists()  # asking writes nothing
    pipeline = open_pipeline({}, 2)
    assert sorted(pipeline.recorded) == sorted(pipeline.project.plan.runs)
    assert sorted(pipeline.restore()) == sorted(pipeline.runs)
    after = tree(RUNS, PRETRAINED)
    assert after == {name: content for name, content in before.items() if not name.endswith(WEIGHTS)}
    assert reasons(keys) == {None} and keys.records.restore() == []


@pytest.mark.usefixtures("own_folder")
def test_packing_adds_and_never_takes_away() -> None:
    """A seed that is trained later is added; the same again changes no byte; the folders of others may be gone."""
    records, _ = trained()
    records.pack()
    first, runs = SHALLOW.read_bytes(), read_records(SHALLOW, "tiny", "resnet-vs-plain")
    assert records.pack()["resnet-vs-plain"] == {"runs": 2, "added": 0, "changed": 0}
    assert SHALLOW.read_bytes() == first
    gone()
    more, keys = planned(STARTED.replace("seeds: [0]", "seeds: [0, 1]"))
    seed = next(run for run in more.plan.runs.values() if run.seed == 1 and run.settings.model == "cifar-resnet7")
    train(seed, keys.key(seed))
    assert more.pack()["resnet-vs-plain"] == {"runs": 3, "added": 1, "changed": 0}
    now = read_records(SHALLOW, "tiny", "resnet-vs-plain")
    assert {run: now[run] for run in runs} == runs and now.keys() - runs.keys() == {seed.id}
    train(seed, keys.key(seed), training="again")
    assert more.pack()["resnet-vs-plain"] == {"runs": 3, "added": 0, "changed": 1}
    assert b"again" in read_records(SHALLOW, "tiny", "resnet-vs-plain")[seed.id][1]["manifest.json"]
    shutil.copytree("results/tiny", "aside")
    gone()
    planned(STARTED.replace("lr: 0.01", "lr: 0.03"))[0].pack()  # other settings, of which no run is there
    assert tree(Path("results/tiny")).keys() and [*tree(Path("results/tiny")).values()] == [
        *tree(Path("aside")).values()
    ]


@pytest.mark.usefixtures("own_folder")
def test_a_folder_that_is_there_and_a_run_that_is_trained_are_left_alone() -> None:
    records, keys = trained()
    records.pack()
    first, second, third = records.plan.runs.values()
    train(first, keys.key(first), training="mine")
    shutil.rmtree(RUNS / second.id)
    shutil.rmtree(RUNS / third.id)
    with RunLock(second.id):
        assert planned()[0].restore() == [third.id]
    assert "mine" in (RUNS / first.id / "manifest.json").read_text() and not (RUNS / second.id).exists()
    (RUNS / third.id / "metrics.json").unlink()  # as a killed process leaves it
    assert sorted(planned()[0].restore()) == sorted([second.id, third.id])


@pytest.mark.usefixtures("own_folder")
@pytest.mark.parametrize("folders", [True, False])
def test_results_of_other_code_are_due_unless_they_are_kept(
    folders: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By run folders and by records alike; the run that starts from weights follows the code of their training."""
    records, keys = trained()
    records.pack()
    if not folders:
        gone()
    real = code_digest
    monkeypatch.setattr("ablate.plan.keys.code_digest", lambda step, model=None: f"other {real(step, model)}")
    _, keys = planned()
    assert reasons(keys) == {"code changed", "start weights changed"}
    assert all(keys.of_other_code(run) for run in records.plan.runs.values())
    _, kept = planned(other_code="keep")
    assert reasons(kept) == {None}
    for setting, done, said in (("train", 0, "3, due"), ("keep", 3, "3, kept as they are")):
        monkeypatch.setattr("sys.argv", ["ablate", "plan", "--values", json.dumps({"other_code": setting})])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr().out
        assert (
            not ended.value.code and f"results of other code: {said}" in printed and f"{done} of them done" in printed
        )
    pipeline = open_pipeline({"other_code": "keep"}, 2)
    assert len(pipeline.recorded) == (0 if folders else 3)
    assert len(open_pipeline({}, 2).recorded) == 0  # to be trained, so none is shown as put back
    gone() if folders else None
    assert sorted(kept.records.restore()) == sorted(pipeline.runs) and reasons(kept) == {None}


def edited(change: Callable[[dict[str, Any]], object], *, seal: bool = True) -> Callable[[], None]:
    """The first stream is written anew with a change."""

    def make() -> None:
        text, body = run_records._unpacked(SHALLOW.read_bytes())
        head = json.loads(text)
        change(head)
        SHALLOW.write_bytes(run_records._packed(json.dumps(sealed(head) if seal else head).encode()) + body)

    return make


def other_body() -> None:
    """The second stream with a number changed in it, packed as it should be."""
    content = SHALLOW.read_bytes()
    body = run_records._unpacked(content)[1]
    whole = bytearray(run_records._unpacked(body)[0])
    whole[len(whole) // 2] ^= 1
    SHALLOW.write_bytes(content[: -len(body)] + run_records._packed(bytes(whole)))


def bit(at: int) -> Callable[[], None]:
    def make() -> None:
        content = bytearray(SHALLOW.read_bytes())
        content[at] ^= 16
        SHALLOW.write_bytes(content)

    return make


def better(head: dict[str, Any]) -> None:
    for entry in head["runs"].values():
        entry["metrics"] = entry["metrics"].replace("0.5", "0.9")


def renamed(head: dict[str, Any]) -> None:
    first, second = head["runs"]
    head["runs"][first], head["runs"][second] = head["runs"][second], head["runs"][first]


def unlisted(head: dict[str, Any]) -> None:
    for entry in head["runs"].values():
        entry["manifest"] = "[]"


DAMAGE: dict[str, tuple[Callable[[], object], str]] = {
    "empty": (lambda: SHALLOW.write_bytes(b""), "damaged"),
    "no records": (lambda: SHALLOW.write_bytes(b"{}"), "damaged"),
    "a bit of the first stream": (bit(200), "damaged"),
    "a bit of the second stream": (bit(-200), "damaged"),
    "cut short": (lambda: SHALLOW.write_bytes(SHALLOW.read_bytes()[:-9]), "damaged"),
    "cut to the first stream": (
        lambda: SHALLOW.write_bytes(SHALLOW.read_bytes()[: -len(run_records._unpacked(SHALLOW.read_bytes())[1])]),
        "damaged",
    ),
    "a metric edited": (edited(better, seal=False), "was changed since it was written"),
    "a metric edited, and sealed": (edited(better), "is not as training wrote it (metrics.json)"),
    "a prediction edited": (other_body, "is not as training wrote it"),
    "two runs swapped": (edited(renamed), "is not as training wrote it (manifest.json)"),
    "runs of another form": (edited(lambda head: head.update(runs={"a": {}})), "damaged"),
    "a manifest that is none": (edited(unlisted), "is not as training wrote it (manifest.json)"),
    "another scale's": (edited(lambda head: head.update(scale="paper")), "move it to results/paper/resnet-vs-plain"),
    "another paper's": (lambda: shutil.copy(OPTIMISER, SHALLOW), "is of tinyimage10 at the scale tiny"),
    "another version's": (edited(lambda head: head.update(format=9)), "in the form 9 of another version"),
    "a folder": (lambda: (SHALLOW.unlink(), SHALLOW.mkdir()), "cannot be read"),
}


@pytest.mark.usefixtures("own_folder")
@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_record_is_one_message_and_nothing_is_written(name: str) -> None:
    """Neither over the file nor beside it; with all folders there, nobody looks at it until it is added to."""
    make, expected = DAMAGE[name]
    trained()[0].pack()
    make()
    broken = tree(SHALLOW.parent)
    assert reasons(planned()[1]) == {None}
    with pytest.raises(UserError) as refused:
        planned()[0].pack()
    assert str(refused.value).startswith(f"{SHALLOW}: ") and expected in str(refused.value)
    gone()
    with suppress(UserError):  # which of them plans see follows from the first stream alone
        assert reasons(planned()[1]) <= {None, "no key", "settings changed"}
    with pytest.raises(UserError) as refused:
        planned()[0].restore()
    assert str(refused.value).startswith(f"{SHALLOW}: ") and expected in str(refused.value)
    assert tree(SHALLOW.parent) == broken and not RUNS.exists()


@pytest.mark.usefixtures("own_folder")
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["edited", "deleted"])
def test_a_damaged_run_is_named_and_no_file_of_records_is_written(name: str, how: str) -> None:
    records, _ = trained()
    run = list(records.plan.runs)[-1]
    (RUNS / run / name).write_text("{}") if how == "edited" else (RUNS / run / name).unlink()
    with pytest.raises(UserError, match=f"{RUNS / run}"):
        records.pack()
    assert not SHALLOW.exists() and not OPTIMISER.exists()


@pytest.mark.usefixtures("own_folder")
def test_nothing_to_keep_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _, keys = planned()
    assert reasons(keys) == {NEW}
    monkeypatch.setattr("sys.argv", ["ablate", "records", "pack"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2 and "no run of the scale tiny has ended" in capsys.readouterr().err


@pytest.mark.usefixtures("own_folder")
def test_the_commands_say_what_they_did(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    records, _ = trained()
    before = tree(RUNS)

    def said(*words: str) -> list[str]:
        monkeypatch.setattr("sys.argv", ["ablate", "records", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
        return capsys.readouterr().out.splitlines()

    packed = said("pack", "--scale", "tiny")
    assert [line.rsplit(",", 1)[0] for line in packed] == [
        f"{SHALLOW}: 2 runs, 2 added",
        f"{OPTIMISER}: 2 runs, 2 added",
    ]
    gone()
    back = said("unpack")
    assert sorted(line.split(": ")[0] for line in back) == sorted(
        [f"{RUNS}/{run}" for run in records.plan.runs] + [f"{PRETRAINED}/{run}" for run in records.plan.pretraining]
    )
    assert tree(RUNS) == before and said("unpack") == []


def rendered(w: Workspace) -> dict[str, bytes]:
    """{file below results/tiny: its bytes}."""
    folder = w.folder / "results/tiny"
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def runs_of(w: Workspace) -> dict[str, bytes]:
    return {str(p.relative_to(w.folder)): p.read_bytes() for folder in ("runs", "pretrained")
            for p in (w.folder / "results" / folder).rglob("*") if p.is_file()}  # fmt: skip


def stamps(folder: Path) -> dict[str, int]:
    """{file or folder that is not Snakemake's, a cache or beside compiled code: when it was changed}."""
    places = {path: path.relative_to(folder).parts[0] for path in folder.rglob("*")}
    tools = {".snakemake", ".ablate", "src"}
    return {str(path): path.lstat().st_mtime_ns for path, place in places.items() if place not in tools}


@pytest.mark.slow
def test_a_fresh_clone_renders_the_same_bytes_and_trains_nothing(finished: Workspace) -> None:
    """Of records in Git alone: no run folder, no data, no cache of DVC."""
    finished.do("rm -rf data results/tiny; ablate render; ablate records pack; git add -f results/tiny/*/records.xz")
    expected = rendered(finished)
    finished.do("git commit -qm records; cd ..; git clone -q repository clone")
    clone = Workspace(finished.folder.parent / "clone")
    before = stamps(clone.folder)
    dry = clone.jobs("all", "--dry-run")
    assert dry["restore"] == 1 and not {"train", "pretrain"} & dry.keys()
    assert "5 of them done" in clone.do("ablate plan; ablate status")
    assert stamps(clone.folder) == before and not (clone.folder / "results/runs").exists()
    clone.do("ablate render")
    assert rendered(clone) == expected
    clone.do("rm -rf results/runs results/pretrained")
    clone.do("snakemake --cores 2 all")
    assert (clone.folder / "results/tiny/report.html").exists() and not (clone.folder / "logs/train").exists()
    assert runs_of(clone) == {name: content for name, content in runs_of(finished).items() if WEIGHTS not in name}
    assert clone.jobs("all") == {}
