"""A study as a clone has it: trained, recorded, rendered and committed, and small enough for every test of proofs."""

import shutil
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

from ablate.cli.render import render
from ablate.data.embedded import write_cifar10
from ablate.data.fetch import fetch
from ablate.plan.params import load
from ablate.plan.run_records import RunRecords
from ablate.plan.runs import RUNS, current_plan
from ablate.train.job import train
from conftest import PAPER, TINY, gate, write_tiny

STUDY = (
    TINY.replace("seeds: [0]", "seeds: [0, 1, 2]")
    .replace("adaptive: {looks: [2, 3]}\n", "")
    .replace(
        "axes: {model: [cifar-resnet7, cifar-plain7]}",
        "axes: {model: [{label: ResNet, model: cifar-resnet7}, {label: plain, model: cifar-plain7}]}",
    )
)
CLAIM = """claims:
  - {id: resnet-better, kind: effect, study: shallow, metric: val_top1, axis: model, level: ResNet, reference: plain,
     direction: greater, where: "1", quote: "better", margin: 0.01, why: "a guess"}
"""
NUMBER = """reported:
  - {id: resnet-val, study: shallow, arm: ResNet, metric: val_top1, value: 0.5, where: "1", quote: "50"}"""
DATA = Path("data/embedded/cifar10")
PACK = DATA / "pack.json"


def commit_study(folder: Path) -> None:
    """Make the study in ``folder``; results/runs is deleted, since a clone has none."""
    with chdir(folder):
        write_tiny(folder, STUDY, PAPER.replace("reported: []", NUMBER) + CLAIM)
        other = folder / "papers/tinyimage10.yaml"
        other.write_text(other.read_text().replace(CLAIM, "").replace(NUMBER, "reported: []"))
        params = load(Path("params.yaml"))
        spec = params.datasets["cifar10"]
        write_cifar10(folder / "mirror" / spec.archive, **spec.generator)
        fetch(spec.archive, DATA / "archive", path=None, mirror=str(folder / "mirror"), urls=[], digests=spec.digests,
              receipt=DATA / "archive.json")  # fmt: skip
        gate(DATA / "archive", spec, DATA)
        for run in current_plan(params).runs.values():
            train(run, pack=PACK, out=RUNS / run.id, device="cpu")
        RunRecords(current_plan(params)).pack()
        render(Path("params.yaml"), [], {})
        shutil.rmtree(RUNS)


def replaced(file: Path, old: str, new: str) -> Callable[[], None]:
    """A fault: the first ``old`` of a file, which must be there, is ``new``."""

    def make() -> None:
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    return make


def flipped(file: Path) -> Callable[[], None]:
    """A fault: one bit in the middle of a file."""

    def make() -> None:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 16
        file.write_bytes(content)

    return make
