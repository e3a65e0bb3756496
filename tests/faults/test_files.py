"""Files of a finished workspace, damaged: Snakemake makes each again, and what follows from it, in one go.

Oracle: the bytes before the damage. Training is deterministic, so that a run which is trained again gives them too;
only its manifest, with its times, and what quotes that are others.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Workspace, job_counts

pytestmark = pytest.mark.slow

Damage = Callable[[Path], object]
HERE = "results/tiny"


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edited(path: Path) -> None:
    """A number is another."""
    content = path.read_bytes()
    path.write_bytes(content.replace(b"0", b"9") if b"0" in content else content + b"9")


def zeroed(path: Path) -> None:
    """Half of it, under the same length: the header of an array or of weights stays."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))


def swapped(path: Path) -> None:
    """Two arms of the plan, or two classes of the labels, change places."""
    if path.suffix == ".npy":
        labels = np.load(path)
        np.save(path.open("wb"), np.where(labels < 2, 1 - labels, labels))
    else:
        text = path.read_text().replace("cifar-resnet7", "?").replace("cifar-plain7", "cifar-resnet7")
        path.write_text(text.replace("?", "cifar-plain7"))


def linked(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/null")


def with_json(**changes: Any) -> Damage:
    return lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | changes))


RENDERED: dict[str, Damage] = {
    "plan.json": swapped,
    "resnet-vs-plain/runs.csv": edited,
    "tinyimage10/history.csv": cut,
    "tinyimage10/provenance.json": with_json(other={}),
    "resnet-vs-plain/table-shallow.csv": edited,
    "tinyimage10/table-optimiser.runs.json": emptied,
    "resnet-vs-plain/figure-6.png": emptied,
    "tinyimage10/figure-3.svg": linked,
    "comparison.csv": edited,
    "tinyimage10/comparison.tex": emptied,
    "claims.json": emptied,
    "models.csv": edited,
    "power.csv": edited,
    "data/cifar10.json": edited,
    "data/cifar10-samples.jpg": zeroed,
    "report.html": edited,
    "../summary/tiny.json": edited,
    "../summary/tiny.csv": edited,
}
OF_RUNS: dict[str, tuple[str, Damage]] = {
    "*resnet7*_s0": ("predictions.csv", edited),
    "*cnn1*_s0": ("filters.npy", zeroed),
    "*c0to5*_s0": ("manifest.json", with_json(wall_s=1.0)),
}


def contents(w: Workspace) -> dict[str, bytes]:
    """Of what is rendered and of what training found out."""
    files = [path for path in (w.folder / "results").rglob("*") if path.is_file() and path.name != "manifest.json"]
    return {str(path.relative_to(w.folder)): path.read_bytes() for path in files}


def one(w: Workspace, pattern: str, where: str = "runs") -> Path:
    (found,) = (w.folder / "results" / where).glob(pattern)
    return found


def test_what_is_rendered_is_made_again_as_it_was(finished: Workspace) -> None:
    before = contents(finished)
    for name, damage in RENDERED.items():
        path = finished.folder / HERE / name
        damage(path)
    ran = finished.snakemake("all")
    assert ran.returncode == 0, ran.stderr
    jobs = job_counts(ran.stderr + ran.stdout)
    assert not {"train", "pretrain", "verify", "pack"} & set(jobs) and jobs["plan"] == 1
    after = contents(finished)
    assert {name for name in before if after.get(name) != before[name]} == set()
    assert "Nothing to be done" in finished.do("snakemake --cores 8 --dry-run all")


def test_runs_and_what_they_were_trained_on_are_made_again_as_they_were(finished: Workspace) -> None:
    before = contents(finished)
    for pattern, (name, damage) in OF_RUNS.items():
        damage(one(finished, pattern) / name)
    zeroed(one(finished, "*c5to10*", "pretrained") / "weights.safetensors")
    data = finished.folder / "data/embedded/cifar10"
    clean = {name: (data / name).read_bytes() for name in ("labels.npy", "images.npy", "pack.json")}
    swapped(data / "labels.npy")
    with_json(mean=[0.0, 0.0, 0.0])(data / "pack.json")
    refused = finished.run("ablate", "render")
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    path = Path("results/runs", one(finished, "*resnet7*_s0").name, "predictions.csv")
    # The first that `render` meets is the description of the data, and after that the run.
    assert "pack.json: was changed" in refused.stderr or f"{path}: is not as training wrote it" in refused.stderr

    ran = finished.snakemake("all")
    assert ran.returncode == 0, ran.stderr
    jobs = job_counts(ran.stderr + ran.stdout)
    assert jobs["train"] == len(OF_RUNS) and (jobs["pretrain"], jobs["pack"]) == (1, 1) and "verify" not in jobs
    assert {name: (data / name).read_bytes() for name in clean} == clean
    after = contents(finished)
    quoting = {"provenance.json", "runs.csv", "report.html", "comparison.csv"}  # times of training
    other = {name for name in before if after.get(name) != before[name]}
    assert all(Path(name).name in quoting or "/.receipts/" in name for name in other), other
    assert "Nothing to be done" in finished.do("snakemake --cores 8 --dry-run all")


def test_training_stops_before_it_reads_what_was_not_made_for_it(finished: Workspace) -> None:
    """By hand, where no plan has looked at the data before: a sentence, exit code 2, and no result."""
    data = finished.folder / "data/embedded/cifar10"
    started = one(finished, "*c0to5*_s0")
    run = json.dumps({k: v for k, v in json.loads((started / "run.json").read_text()).items() if k != "run"})
    weights = one(finished, "*c5to10*", "pretrained") / "weights.safetensors"
    shutil.rmtree(started)
    train = ["ablate", "train", "--run", run, "--pack", str(data / "pack.json"), "--out", str(started)]
    for path, damage in (
        (data / "labels.npy", swapped),
        (data / "images.npy", zeroed),
        (data / "pack.json", with_json(std_over_pixels=[1.0, 1.0, 1.0])),
        (weights, zeroed),
    ):
        kept = path.read_bytes()
        damage(path)
        done = finished.run(*train, "--start", str(weights))
        assert done.returncode == 2 and str(path) in done.stderr and "delete" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr and not (started / "metrics.json").exists()
        path.write_bytes(kept)
    done = finished.run(*train, "--start", str(weights))
    assert done.returncode == 0, done.stderr
