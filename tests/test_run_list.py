"""`ablate runs` and `ablate note`. Oracle: the tiny parameters and the folders that are put there, read by eye."""

import json
from pathlib import Path

import pytest

from ablate.plan.notes import FILE, Note, read_notes, write_notes
from ablate.plan.params import load
from ablate.plan.runs import RUNS, make_plan
from conftest import Ablate, write_tiny
from fabricated import vouch


@pytest.fixture
def ablate(ablate: Ablate, tmp_path: Path) -> Ablate:
    """The command, run in ``tmp_path``, which has the runs r0 (done), r3 (not planned) and one of no plan."""
    write_tiny(tmp_path)
    first = next(p.run for p in make_plan(load(Path("params.yaml"))).planned if p.arm == "cifar-resnet7")
    for name, status in ((first.id, "done"), (first.with_seed(3).id, "diverged"), ("gone_x_sgd-1_0_s0", "done")):
        (RUNS / name).mkdir(parents=True)
        (RUNS / name / "metrics.json").write_text(json.dumps({"status": status, "epochs": 1, "val_top1": 0.5}))
        (RUNS / name / "run.json").write_text(json.dumps({"settings": {"lr": 1.0}}))
        vouch(RUNS / name)

    return ablate


def names(ablate: Ablate, *words: str) -> list[str]:
    code, out, err = ablate("runs", *words, "--json")
    assert code == 0, err
    return [e["name"] for e in json.loads(out)]


R0, R3 = (f"resnet-vs-plain/shallow: cifar-resnet7, seed {seed}" for seed in (0, 3))
P0, O0, GONE = "resnet-vs-plain/shallow: cifar-plain7, seed 0", "tinyimage10/optimiser: cifar-plain7, seed 0", "gone"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], [R0, P0, O0, R3, GONE]),
        (["resnet-vs-plain"], [R0, P0, R3]),
        (["--seeds", "3"], [R3]),
        (["planned=false"], [R3, GONE]),
        (["lr=0.01"], [R0, P0, R3]),
        (["lr=1e-2", "model=*plain?"], [P0]),
        (["lr>0.01"], [O0, GONE]),
        (["lr>=0.01", "lr<0.02", "state!=planned"], [R0, R3]),
        (["status=diverged"], [R3]),
        (["val_top1>0.4", "resnet-vs-plain/shallow"], [R0, R3]),
        (["optimizer!=adam", "paper=tiny*"], [O0]),
        (["nesterov=false", "--arm", "*resnet7"], [R0, R3]),
        (["momentum=none"], [GONE]),
    ],
)
def test_runs_are_filtered(words: list[str], expected: list[str], ablate: Ablate) -> None:
    assert [GONE if name.startswith("gone") else name for name in names(ablate, *words)] == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rl=1"], "did you mean 'lr'"),
        (["tag<1"], "tag has no order"),
        (["tinyimage10", "resnet-vs-plain"], "one paper or study at a time"),
        (["tinyimage11"], "did you mean 'tinyimage10'"),
    ],
)
def test_what_is_no_filter_is_refused(words: list[str], said: str, ablate: Ablate) -> None:
    code, _, err = ablate("runs", *words)
    assert code == 2 and said in err


def test_notes_are_kept_found_and_taken_away(ablate: Ablate) -> None:
    assert ablate("note", "resnet-vs-plain", "Odd: the loss, #1", "--arm", "*resnet7", "--tag", "odd")[0] == 0
    assert ablate("note", "gone_x_sgd-1_0_s0", "--tag", "old", "--tag", "odd")[0] == 0
    assert names(ablate, "note=the LOSS") == [R0, R3]
    assert [name[:4] for name in names(ablate, "tag=odd", "note!=loss")] == ["gone"]
    text = FILE.read_text()
    assert len(text.splitlines()) == 4 and [line.split(":")[0] for line in text.splitlines()[1:]] == sorted(
        line.split(":")[0] for line in text.splitlines()[1:]
    )
    assert ablate("note", "resnet-vs-plain", "", "--seeds", "3", "--untag", "odd")[0] == 0
    assert names(ablate, "note=loss") == [R0] and len(FILE.read_text().splitlines()) == 3
    assert "Odd: the loss, #1, odd" in ablate("note", "resnet-vs-plain")[1]
    assert "did you mean" in ablate("note", "resnet-vs-plane", "x")[2]


def test_a_file_of_notes_edited_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "notes.yaml"
    file.write_text("a_s0: a word\nb_s0: {tags: [x]}\n")
    notes = read_notes(file)
    assert notes == {"a_s0": Note(note="a word"), "b_s0": Note(tags=("x",))}
    write_notes(notes, file)
    assert read_notes(file) == notes
    file.write_text("a_s0: {tag: x}\n")
    with pytest.raises(Exception, match=r"notes.yaml: a_s0.*tag.*did you mean 'tags'"):
        read_notes(file)
