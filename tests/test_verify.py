"""`ablate verify`. Oracle: a study as it was committed, in which nothing is wrong, and what each test does to it."""

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ablate.cli import main as cli
from ablate.plan.params import load
from ablate.plan.project import Project, open_project
from ablate.plan.run_records import _write, read_records
from ablate.plan.runs import RUNS, current_plan
from ablate.proof import verify as proof
from ablate.proof.again import make_again
from ablate.seals import sealed
from committed import PACK, flipped, replaced

HERE = Path("results/tiny")
PAPER = HERE / "resnet-vs-plain"
RECORDS = PAPER / "records.xz"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Project, Path], Path]:
    """`make_again`, once for the same params.yaml, papers and records."""
    known: dict[str, Path] = {}

    def again(project: Project, into: Path) -> Path:
        read = [Path("params.yaml"), PACK, *sorted(Path("papers").iterdir()), *sorted(HERE.glob("*/records.xz"))]
        read += sorted((HERE / "data").iterdir())
        inputs = hashlib.sha256(b"".join(path.read_bytes() for path in read if path.exists())).hexdigest()
        if inputs not in known:
            known[inputs] = make_again(project, tmp_path_factory.mktemp("again"))
        return known[inputs]

    return again


@pytest.fixture
def clone(
    committed: Path, made: Callable[[Project, Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    shutil.copytree(committed, tmp_path / "clone", ignore=shutil.ignore_patterns(".ablate", "mirror"))
    monkeypatch.chdir(tmp_path / "clone")
    monkeypatch.setattr(proof, "make_again", made)
    yield tmp_path / "clone"


def checked(*, train: bool = False) -> dict[str, proof.Check]:
    found = proof.verify(open_project(Path("params.yaml")), train=train, draw=random.Random(0))
    return {check.what: check for check in found}


def faults(**asked: bool) -> str:
    return "\n".join(fault for check in checked(**asked).values() for fault in check.faults)


@pytest.mark.usefixtures("clone")
def test_in_what_was_committed_nothing_is_wrong() -> None:
    found = checked()
    assert [*found] == ["records", "data", "tables", "claims"] and not any(c.faults for c in found.values())
    assert found["records"].said.startswith("9 runs of 2 papers")
    files = [path for path in HERE.rglob("*") if path.is_file() and ".receipts" not in path.parts]
    data = [path for path in files if path.parent.name == "data"]
    # All but plan and report, which are not committed, and the two files of records, of which the rest was made.
    assert found["tables"].said.startswith(f"{len(files) - len(data) - 4} files")
    assert found["tables"].open == (
        f"{len(data)} files of the data and its images: as their receipts say, not made again",
    )
    assert found["claims"].said.startswith("1 claim, ")


def a_number() -> None:
    file = PAPER / "table-shallow.md"
    text = file.read_text()
    at = next(i for i, c in enumerate(text) if c.isdigit() and "ResNet" in text[:i] and "|" in text[:i])
    file.write_text(text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :])


def a_pixel() -> None:
    file = PAPER / "figure-6.png"
    Image.fromarray(255 - np.asarray(Image.open(file))).save(file)


def a_row() -> None:
    lines = (PAPER / "table-shallow.csv").read_text().splitlines(keepends=True)
    (PAPER / "table-shallow.csv").write_text("".join(lines[:-1]))


def a_seed() -> None:
    lines = (PAPER / "runs.csv").read_text().splitlines(keepends=True)
    assert ",0," in lines[1]
    (PAPER / "runs.csv").write_text("".join([lines[0], lines[1].replace(",0,", ",7,", 1), *lines[2:]]))


def rewritten(change: Callable[[dict[str, Any]], object]) -> None:
    """The records with a change in their runs, as if they had been packed so."""
    runs = read_records(RECORDS, "tiny", "resnet-vs-plain")
    change(runs)
    _write(RECORDS, "tiny", "resnet-vs-plain", runs)


def other_data(runs: dict[str, Any]) -> None:
    for _, files in runs.values():
        manifest = json.loads(files["manifest.json"])
        manifest["key"]["data"] = manifest["data"]["pack"] = "0" * 64
        files["manifest.json"] = json.dumps(sealed({k: v for k, v in manifest.items() if k != "seal"})).encode()


# Numbers, records, tables, claims, seeds, captions, data digests, runs, arms, old versions; some in two places.
PLANTED: dict[str, tuple[Callable[[], object], str]] = {
    "number": (a_number, f"{PAPER}/table-shallow.md: line "),
    "record": (flipped(RECORDS), f"{RECORDS}: damaged"),
    "table": (a_row, f"{PAPER}/table-shallow.csv: has 2 lines, where the records give 3"),
    "claim": (
        replaced(HERE / "claims.json", '"finding": "', '"finding": "shown at the claimed size'),
        f"{HERE}/claims.json: resnet-vs-plain/resnet-better: ",
    ),
    "seed": (a_seed, f"{PAPER}/runs.csv: line 2: "),
    "caption": (
        replaced(PAPER / "table-shallow.tex", r"\caption[one]{", r"\caption[one]{Much "),
        f"{PAPER}/table-shallow.tex: line",
    ),
    "caption of its own": (
        replaced(PAPER / "table-shallow.caption.json", '"title": "', '"title": "Much '),
        f"{PAPER}/table-shallow.caption.json: ",
    ),
    "data digest": (
        replaced(HERE / "data/cifar10.json", '"sha256": {', '"sha256": {"more": "0", '),
        f"{HERE}/data/cifar10.json: describes other data than 9 runs had",
    ),
    "data digest of a run": (
        lambda: rewritten(other_data),
        f"{HERE}/data/cifar10.json: describes other data than 6 runs",
    ),
    "deleted run": (lambda: rewritten(lambda runs: runs.pop(next(iter(runs)))), f"{PAPER}/runs.csv: line "),
    "swapped arm": (
        replaced(Path("params.yaml"), "[{label: ResNet, model: cifar-resnet7}, {label: plain, model: cifar-plain7}]",
                 "[{label: ResNet, model: cifar-plain7}, {label: plain, model: cifar-resnet7}]"),
        f"{PAPER}/runs.csv: line ",
    ),
    "swapped arm of a curve": (replaced(PAPER / "history.csv", ",ResNet,", ",plain,"), f"{PAPER}/history.csv: line"),
    "old version's table": (
        lambda: shutil.copy(PAPER / "table-shallow.csv", PAPER / "table-old.csv"),
        f"{PAPER}/table-old.csv: no step of this version makes it",
    ),
    "figure": (a_pixel, f"{PAPER}/figure-6.png: is another than the records give"),
    "edited evidence": (
        replaced(HERE / "evidence.md", "resnet-vs-plain", "resnet-vs-simple"),
        f"{HERE}/evidence.md: line ",
    ),
    "foreign file": (
        lambda: (PAPER / "extra.png").write_bytes(b"of nobody"),
        f"{PAPER}/extra.png: no step of this version makes it",
    ),
    "records of no paper": (
        lambda: shutil.copytree(PAPER, HERE / "old-paper", ignore=lambda _, names: {*names} - {"records.xz"}),
        f"{HERE}/old-paper/records.xz: no step of this version makes it",
    ),
    "deleted table": (lambda: (PAPER / "table-shallow.md").unlink(), f"{PAPER}/table-shallow.md: is not there"),
}  # fmt: skip


@pytest.mark.usefixtures("clone")
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_by_its_file(name: str) -> None:
    plant, expected = PLANTED[name]
    plant()
    assert expected in faults()


@pytest.mark.usefixtures("clone")
def test_without_packs_what_shows_images_counts_by_its_receipt() -> None:
    shutil.rmtree("data")
    found = checked(train=True)
    assert not any(c.faults for c in found.values())
    assert found["training"].open == tuple(
        f"{paper}: not trained again: of its {n} runs {n} without data here (no pack of cifar10)"
        for paper, n in (("resnet-vs-plain", 6), ("tinyimage10", 3))
    )
    (HERE / "data/cifar10-duplicates.csv").write_text("kind\n")
    assert f"{HERE}/data/cifar10-duplicates.csv: was changed since it was made" in faults()


@pytest.mark.usefixtures("clone")
def test_a_run_of_each_paper_is_trained_again_to_the_same_bytes() -> None:
    found = checked(train=True)["training"]
    assert not found.faults and not found.open
    assert found.said.count("the same bytes in 5 files") == 2
    assert not RUNS.exists() and not Path("again").exists()  # nothing of it stays here


def better(runs: dict[str, Any], **manifest: Any) -> None:
    """All runs have a higher accuracy than they had, and everything that vouches for them is sealed anew."""
    for _, files in runs.values():
        metrics = json.loads(files["metrics.json"])
        metrics["val_top1"] = round(metrics["val_top1"] + 0.4, 6)
        files["metrics.json"] = json.dumps(metrics).encode()
        made = {k: v for k, v in json.loads(files["manifest.json"]).items() if k != "seal"} | manifest
        made["files"]["metrics.json"] = hashlib.sha256(files["metrics.json"]).hexdigest()
        files["manifest.json"] = json.dumps(sealed(made)).encode()


@pytest.mark.usefixtures("clone")
@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ({}, "other bytes in metrics.json, on the same kind of machine"),
        ({"device": "another"}, "where its arm allows"),
    ],
    ids=["this machine", "another"],
)
def test_numbers_that_were_forged_with_all_that_vouches_for_them_are_found_by_training(
    manifest: dict[str, Any], expected: str
) -> None:
    rewritten(lambda runs: better(runs, **manifest))
    assert expected in "\n".join(checked(train=True)["training"].faults)


@pytest.mark.usefixtures("clone")
def test_another_machine_is_held_against_the_spread_of_the_arm() -> None:
    def elsewhere(runs: dict[str, Any]) -> None:
        for _, files in runs.values():
            files["history.csv"] += b"\n"
            made = {k: v for k, v in json.loads(files["manifest.json"]).items() if k != "seal"} | {
                "device": "another"
            }
            made["files"]["history.csv"] = hashlib.sha256(files["history.csv"]).hexdigest()
            files["manifest.json"] = json.dumps(sealed(made)).encode()

    rewritten(elsewhere)
    found = checked(train=True)["training"]
    assert not found.faults and "% where its arm allows" in found.said


@pytest.mark.usefixtures("clone")
def test_runs_of_other_code_are_said_and_not_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablate.plan.keys.code_digest", lambda step, model=None: "other")
    found = checked(train=True)
    assert not found["tables"].faults and not found["training"].faults
    assert all("of other code" in text for text in found["training"].open) and len(found["training"].open) == 2


@pytest.mark.usefixtures("clone")
def test_runs_of_other_code_that_are_kept_are_trained_by_the_code_that_there_is() -> None:
    """`other_code: keep` promises the same bytes: where they are not, that is wrong."""
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("other_code: train", "other_code: keep"))

    def older(runs: dict[str, Any]) -> None:
        for _, files in runs.values():
            told = {k: v for k, v in json.loads(files["manifest.json"]).items() if k != "seal"}
            files["manifest.json"] = json.dumps(sealed(told | {"key": told["key"] | {"code": "older"}})).encode()

    rewritten(older)
    found = checked(train=True)["training"]
    assert not found.faults and not found.open and found.said.count("the same bytes in 5 files") == 2
    rewritten(better)
    wrong = "\n".join(checked(train=True)["training"].faults)
    assert "on the same kind of machine, by other code, which was kept" in wrong


@pytest.mark.usefixtures("clone")
def test_the_command_has_an_exit_code_and_one_screen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["ablate", "verify", "--no-train", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out = capsys.readouterr()
        return int(ended.value.code or 0), out.out + out.err

    code, text = said()
    assert code == 0 and text.endswith("nothing wrong found\n") and len(text.splitlines()) <= 8
    for file in PAPER.glob("table-*"):  # the one table: its csv, md, tex, runs and caption
        file.write_text("")
    code, text = said()
    assert code == 1 and "5 WRONG" in text and len(text.splitlines()) <= 40
    code, text = said("--json")
    assert code == 1 and [len(c["faults"]) for c in json.loads(text)] == [0, 0, 5, 0]
    for file in HERE.glob("*/records.xz"):
        file.unlink()
    code, text = said()
    assert code == 2 and "no scale has records here" in text
    assert current_plan(load(Path("params.yaml"))).runs  # and it is a study all the same
