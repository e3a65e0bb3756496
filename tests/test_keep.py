"""`ablate keep`. Oracle: the record of the run, and the accuracy that the kept weights have when read again."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML
from safetensors.torch import load_file

from ablate.data.views import Pack
from ablate.errors import UserError
from ablate.models.build import build
from ablate.plan.project import open_project
from ablate.plan.run_records import RunRecords
from ablate.proof.crate import check_crate
from ablate.proof.keep import card, keep
from committed import PACK

pytest.importorskip("rocrate")


@pytest.fixture
def clone(committed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(committed, tmp_path / "clone", ignore=shutil.ignore_patterns(".ablate", "mirror"))
    shutil.copy(Path(__file__).parents[1] / "Snakefile", tmp_path / "clone/Snakefile")
    monkeypatch.chdir(tmp_path / "clone")
    return tmp_path / "clone"


def head(text: str) -> dict[str, object]:
    found: dict[str, object] = YAML(typ="safe").load(text.split("---\n")[1])
    return found


@pytest.mark.usefixtures("clone")
def test_the_kept_weights_have_the_accuracy_that_their_card_says() -> None:
    project = open_project(Path("params.yaml"))
    run = next(run for run in project.plan.runs.values() if run.settings.model == "cifar-plain7")
    assert keep(project, run.id, Path("kept"))
    text = Path("kept/README.md").read_text()
    metrics = json.loads(RunRecords(project.plan).runs[run.id].metrics)
    (entry,) = head(text)["model-index"]  # type: ignore[misc]
    (result,) = [r for r in entry["results"] if r["dataset"]["split"] == "validation"]
    assert result["metrics"] == [{"type": "accuracy", "name": "val_top1", "value": metrics["val_top1"]}]
    assert result["dataset"]["revision"] == RunRecords(project.plan).runs[run.id].key["data"]
    assert result["dataset"]["config"] == "all classes, 5 images each"
    pack = Pack.open(PACK)
    network = build(run.settings.model, classes=10, image_size=32)
    network.load_state_dict(load_file("kept/weights.safetensors"))
    network.eval()
    at, to = pack.meta["splits"]["val"]
    mean, deviation = (torch.tensor(pack.meta[key])[:, None, None] for key in ("mean", "std_over_pixels"))
    images = (torch.from_numpy(pack.images[at:to].copy()).permute(0, 3, 1, 2) / 255 - mean) / deviation
    with torch.no_grad():
        right = (network(images.float()).argmax(1) == torch.from_numpy(pack.labels[at:to].copy())).float().mean()
    assert float(right) == pytest.approx(metrics["val_top1"], abs=0.0051)  # an image of 200 may lie on the edge
    assert check_crate(Path("kept/crate")) == 3 + 4 and run.id in Path("kept/crate/ro-crate-preview.html").read_text()
    with pytest.raises(UserError, match="kept: is not empty"):
        keep(project, run.id, Path("kept"))


@pytest.mark.usefixtures("clone")
def test_a_run_that_has_no_weights_to_keep_is_refused() -> None:
    project = open_project(Path("params.yaml"))
    run = next(iter(project.plan.runs))
    with pytest.raises(UserError, match=f"did you mean '{run}'"):
        keep(project, f"{run}0", Path("kept"))
    RunRecords(project.plan).files["resnet-vs-plain"].unlink()
    with pytest.raises(UserError, match=f"{run}: has no record"):
        keep(project, run, Path("kept"))
    assert not Path("kept").exists()


@pytest.mark.usefixtures("clone")
def test_hugging_face_reads_the_evaluation_results() -> None:
    """Oracle: the card as the library of Hugging Face parses it."""
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub reads cards: pip install huggingface_hub")
    project = open_project(Path("params.yaml"))
    run = next(iter(project.plan.runs.values()))
    kept = RunRecords(project.plan).runs[run.id]
    metrics = json.loads(kept.metrics) | {"test_top1": 0.25}
    data = hub.ModelCard(card(run, metrics, kept.told, same=True)).data
    assert data.model_name == run.id and data.library_name == "pytorch" and data.datasets == ["cifar10"]
    found = {result.dataset_split: result for result in data.eval_results}
    assert {split: result.metric_value for split, result in found.items()} == {
        "validation": metrics["val_top1"], "test": 0.25
    }  # fmt: skip
    for split, result in found.items():
        assert (result.dataset_type, result.dataset_config) == ("cifar10", "all classes, 5 images each")
        assert result.dataset_revision == kept.key["data"] and result.task_type == "image-classification"
        assert (result.metric_type, result.metric_name) == (
            "accuracy",
            "val_top1" if split == "validation" else "test_top1",
        )


@pytest.mark.usefixtures("clone")
def test_a_card_says_where_training_gave_other_bytes() -> None:
    project = open_project(Path("params.yaml"))
    run = next(iter(project.plan.runs.values()))
    kept = RunRecords(project.plan).runs[run.id]
    said = {same: card(run, json.loads(kept.metrics), kept.told, same=same) for same in (True, False)}
    assert "gave the bytes of the record" in said[True] and "gave other bytes than the record" in said[False]
