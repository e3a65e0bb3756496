"""`ablate verify` on the results that are committed here, at the scale paper.

Oracle: as committed nothing is wrong, and what each test does to a copy. Drawing it takes a minute of a core: once as
it is, and once in part of inputs with three faults.
"""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ablate.plan.project import Project, open_project
from ablate.plan.run_records import _write, read_records
from ablate.proof import again as rendering
from ablate.proof import verify as proof
from ablate.seals import sealed
from committed import flipped, replaced
from conftest import ROOT, made_once

pytestmark = pytest.mark.slow

HERE = Path("results/paper")
TINY, DEEP, INIT = HERE / "tinyimage10", HERE / "resnet-vs-plain", HERE / "resnet18-init"
# What is committed was drawn with AVX-512, whose sums differ in their last digit.
WIDER = "X86_V4 AVX512_ICL AVX512_SPR"  # as numpy 2.4 calls them
AVX2 = {"NPY_DISABLE_CPU_FEATURES": WIDER, "OPENBLAS_CORETYPE": "Haswell", "ATEN_CPU_CAPABILITY": "avx2"}
LEFT_OUT = {".git", ".venv", ".ablate", ".snakemake", "results", "data", "logs"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone has: no runs, no data."""
    folder = tmp_path_factory.mktemp("clone")
    for path in ROOT.iterdir():
        if path.name not in LEFT_OUT:
            (folder / path.name).symlink_to(path)
    shutil.copytree(
        ROOT / HERE, folder / HERE, ignore=shutil.ignore_patterns("plan.json", "report.html", "*-samples.*")
    )
    return folder


@pytest.fixture(scope="module")
def made(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scale, drawn again from its records, on a processor that has no more than AVX2."""

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in AVX2.items():
                patch.setenv(name, value)
            patch.chdir(clone)
            rendering.make_again(project(), folder)

    return made_once(tmp_path_factory, "paper-again", make) / HERE


@pytest.fixture
def kept(clone: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In the clone, of which a test may change files: they are put back."""
    monkeypatch.chdir(clone)
    before = {path: path.read_bytes() for path in HERE.rglob("*") if path.is_file()}
    yield
    for path in HERE.rglob("*"):
        if path.is_file() and path not in before:
            path.unlink()
    for path, content in before.items():
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)


@pytest.fixture
def here(kept: None, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the clone, of which what was made again is known."""
    monkeypatch.setattr(proof, "make_again", lambda project, into: made)


def project() -> Project:
    return open_project(Path("params.yaml"), {"scale": "paper"})


def faults() -> str:
    found = proof.verify(project(), train=False, draw=random.Random(0))
    return "\n".join(fault for check in found for fault in check.faults)


@pytest.mark.usefixtures("here")
def test_as_it_is_committed_nothing_is_wrong() -> None:
    assert faults() == ""


def a_digit() -> None:
    """Of a mean in the first row of a table."""
    lines = (TINY / "table-1.md").read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if line.startswith("|") and not line.strip("|-: \n")) + 1
    mean = next(cell for cell in lines[at].split("|") if "±" in cell)
    lines[at] = lines[at].replace(mean, mean.replace(mean.strip()[0], str((int(mean.strip()[0]) + 1) % 10), 1))
    (TINY / "table-1.md").write_text("".join(lines))


def a_pixel() -> None:
    image = np.asarray(Image.open(HERE / "board.png")).copy()
    image[0, 0] ^= 1
    Image.fromarray(image).save(HERE / "board.png")


def a_row() -> None:
    lines = (DEEP / "table-nine-layers.csv").read_text().splitlines(keepends=True)
    (DEEP / "table-nine-layers.csv").write_text("".join(lines[:-1]))


PLANTED: dict[str, tuple[Callable[[], object], str]] = {
    "number": (a_digit, f"{TINY}/table-1.md: line "),
    "record": (flipped(TINY / "records.xz"), f"{TINY}/records.xz: "),
    "table": (a_row, f"{DEEP}/table-nine-layers.csv: has "),
    "claim": (
        replaced(HERE / "claims.json", '"finding": "open"', '"finding": "shown at the claimed size"'),
        f"{HERE}/claims.json: tinyimage10/",
    ),
    "seed": (replaced(INIT / "runs.csv", ",0,", ",7,"), f"{INIT}/runs.csv: line "),
    "caption": (
        replaced(TINY / "figure-last-relu-curves.caption.json", '"title": "', '"title": "All of '),
        f"{TINY}/figure-last-relu-curves.caption.json: line ",
    ),
    "data digest": (
        replaced(HERE / "data/tiny-imagenet.json", '"sha256": {', '"sha256": {"more": "0", '),
        f"{HERE}/data/tiny-imagenet.json: describes other data than ",
    ),
    "old version's table": (
        lambda: shutil.copy(ROOT / "results/pilot/claims.csv", TINY / "table-claims.csv"),
        f"{TINY}/table-claims.csv: no step of this version makes it",
    ),
    "figure": (a_pixel, f"{HERE}/board.png: is another than the records give"),
    "evidence": (replaced(HERE / "evidence.md", "NVIDIA H200", "NVIDIA H100"), f"{HERE}/evidence.md: line "),
    "foreign file": (
        lambda: (DEEP / "figure-99.svg").write_text("<svg/>"),
        f"{DEEP}/figure-99.svg: no step of this version makes it",
    ),
    "deleted figure": (lambda: (TINY / "board.pdf").unlink(), f"{TINY}/board.pdf: is not there"),
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_by_its_file(name: str) -> None:
    plant, expected = PLANTED[name]
    plant()
    assert expected in faults()


def rewritten(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """A paper's records with a change in their runs, as if they had been packed so."""
    runs = read_records(folder / "records.xz", "paper", folder.name)
    change(runs)
    _write(folder / "records.xz", "paper", folder.name, runs)


def other_data(runs: dict[str, Any]) -> None:
    """A run says that it had other data, in a manifest that is sealed anew."""
    _, files = next(iter(runs.values()))
    manifest = json.loads(files["manifest.json"])
    manifest["key"]["data"] = manifest["data"]["pack"] = "0" * 64
    files["manifest.json"] = json.dumps(sealed({k: v for k, v in manifest.items() if k != "seal"})).encode()


@pytest.mark.usefixtures("kept")
def test_a_deleted_run_a_swapped_arm_and_a_run_of_other_data_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is drawn of such inputs, only two papers are made here."""

    def two_papers(folder: Path, *words: str) -> None:
        run_here(folder, "render", "tinyimage10", "resnet-vs-plain", *words[1:])

    run_here = rendering.run_here
    monkeypatch.setattr(rendering, "run_here", two_papers)
    monkeypatch.setattr(proof, "make_again", rendering.make_again)
    text = Path("params.yaml").read_text()
    one, other = "{label: SGD, optimizer: sgd", "{label: Adam, optimizer: adam"
    assert text.count(one) == text.count(other) == 1
    swapped = text.replace(one, "{label: Adam, optimizer: sgd").replace(other, "{label: SGD, optimizer: adam")
    params = Path("params.yaml")
    target = params.readlink()
    params.unlink()
    try:
        params.write_text(swapped)
        rewritten(DEEP, lambda runs: runs.pop(next(iter(runs))))
        rewritten(INIT, other_data)
        found = faults()
    finally:
        params.unlink()
        params.symlink_to(target)
    assert f"{TINY}/table-optimiser.csv: line " in found  # the swapped arm
    assert f"{DEEP}/runs.csv: line " in found  # the deleted run
    assert f"{HERE}/data/tiny-imagenet.json: describes other data than 1 run had" in found
