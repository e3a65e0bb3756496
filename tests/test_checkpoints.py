"""Runs that are cut short go on from their checkpoints. Oracle: the run that nothing interrupted."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from ablate.files import digest
from ablate.plan import keys
from ablate.plan.runs import Run
from ablate.runtime import checkpoint
from ablate.runtime.signals import Interrupted
from ablate.train import job as engine
from ablate.train.job import train
from ablate.train.trainer import Trainer
from test_train import small

pytestmark = pytest.mark.usefixtures("own_folder")


class Killed(BaseException):
    """Ends a run at once, as SIGKILL does, but for the files that are open."""


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `Trainer.step` end the run in its place at that step, counted over the epochs."""
    whole = Trainer.step

    def broken(self: Trainer) -> Any:
        if self.at.epoch * self.loaders["train"].steps + self.at.step == step:
            raise Killed
        return whole(self)

    monkeypatch.setattr(Trainer, "step", broken)


def saved(run: Run, tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / ".ablate/checkpoints" / run.id).glob("*.pt"))


@pytest.mark.slow
def test_of_two_checkpoints_a_damaged_one_gives_way_to_the_one_before(
    packs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Oracle: the unbroken run. Four steps an epoch; killed in the middle of the second."""
    run = small()
    train(run, pack=packs["cifar10"], out=tmp_path / "whole", weights=tmp_path / "whole.safetensors", device="cpu")
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_at(6, patch)
        train(run, pack=packs["cifar10"], out=tmp_path / "part", device="cpu")
    last, newest = saved(run, tmp_path)
    assert [path.stem for path in (last, newest)] == ["000001-00000001", "000001-00000002"]
    newest.write_bytes(newest.read_bytes()[:-1] + b"x")
    train(run, pack=packs["cifar10"], out=tmp_path / "part", weights=tmp_path / "part.safetensors", device="cpu")
    assert "its digest differs" in capsys.readouterr().err
    assert digest(tmp_path / "whole.safetensors") == digest(tmp_path / "part.safetensors")
    assert (tmp_path / "whole/metrics.json").read_bytes() == (tmp_path / "part/metrics.json").read_bytes()
    assert not saved(run, tmp_path)


@pytest.mark.parametrize("changed", ["data", "code"])
def test_a_checkpoint_of_other_data_or_code_is_set_aside(
    changed: str, packs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    run = small(epochs=1)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoint, "EVERY_S", 0.0)
        killed_at(2, patch)
        train(run, pack=packs["cifar10"], out=tmp_path / "run", device="cpu")
    name = "content_digest" if changed == "data" else "code_digest"
    monkeypatch.setattr(engine if changed == "data" else keys, name, lambda *_: "another")
    train(run, pack=packs["cifar10"], out=tmp_path / "run", device="cpu")
    assert "set aside as" in capsys.readouterr().err
    assert len(list((tmp_path / ".ablate/checkpoints").glob(f"{run.id}.aside-*/*.pt"))) == 2
    assert json.loads((tmp_path / "run/manifest.json").read_text())["starts"] == 1  # it began anew


@pytest.mark.quick
def test_a_signal_saves_the_state_and_names_the_place(
    packs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, whole = small(), Trainer.step

    def signalled(self: Trainer) -> Any:
        if (self.at.epoch, self.at.step) == (1, 2):
            signal.raise_signal(signal.SIGUSR1)
        return whole(self)

    with monkeypatch.context() as patch, pytest.raises(Interrupted, match="SIGUSR1 at epoch 2, step 3") as stopped:
        patch.setattr(Trainer, "step", signalled)
        train(run, pack=packs["cifar10"], out=tmp_path / "run", device="cpu")
    assert stopped.value.code == 138 and [path.stem for path in saved(run, tmp_path)][-1] == "000001-00000003"
    assert not (tmp_path / "run/metrics.json").exists()
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
