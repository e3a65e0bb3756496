"""Which GPUs a job may use, and how many jobs run at once. A stand-in for nvidia-smi says which GPUs there are."""

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from ablate.errors import UserError
from ablate.plan.params import load
from ablate.runtime import gpus
from ablate.runtime.cores import share
from ablate.runtime.gpus import GIB, VISIBLE, Gpu, Use, gpu_list, usable
from ablate.train.trainer import limit_memory, out_of_memory
from conftest import TINY, Workspace
from pretended import UUIDS, listing


@pytest.fixture
def none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No nvidia-smi."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(VISIBLE, raising=False)


def numbers(device: str = "auto", **use: Any) -> list[str]:
    return [gpu.number for gpu in usable(device, Use(**use))]


# By hand, after the CUDA programming guide's section on the variable; "0,2,-1,1" is its own example.
VISIBLES = {
    "": [], "2,1": [2, 1], "0,2,-1,1": [0, 2], "0,7,1": [0], "7": [], "1,1": [], " 1 , 3": [1, 3], "-1": [],
    UUIDS[1]: [1], "GPU-b,GPU-c": [2, 3], "GPU-a": [], f"{UUIDS[2]},GPU-z": [2], "NoDevFiles": [],
}  # fmt: skip


@pytest.mark.parametrize("value", VISIBLES)
def test_what_cuda_hides_is_not_used(value: str, four: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, value)
    assert numbers() == [str(number) for number in VISIBLES[value]]
    parsed: Any = (
        torch.cuda._parse_visible_devices()
    )  # a second oracle: torch's own reading, before it meets the GPUs
    if all(isinstance(entry, int) for entry in parsed):
        assert list(itertools.takewhile(lambda n: n < 4, parsed)) == VISIBLES[value]


def test_an_instance_of_a_divided_gpu_is_taken_by_its_name(four: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "MIG-1,MIG-2")
    assert numbers() == ["MIG-1", "MIG-2"] and numbers(gpus="MIG-2") == ["MIG-2"]


def test_gpus_are_picked_out_of_what_is_visible(four: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert numbers() == ["0", "1", "2", "3"] and numbers("cuda", gpus="3,GPU-b") == ["3", "2"]
    assert numbers("cpu") == numbers("cpu", gpus="9") == []
    monkeypatch.setenv(VISIBLE, "2,3")
    assert numbers(gpus="3") == ["3"]
    for wrong in ("0", "2,0", "4", "3,GPU-c", "GPU-a", "x"):
        with pytest.raises(UserError, match=r"compute\.gpus: \[.*with CUDA_VISIBLE_DEVICES=2,3 are: 2 .*, 3 .*auto"):
            usable("auto", Use(wrong))


def test_without_nvidia_smi_only_gpus_that_are_named_count(none: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert numbers() == [] and numbers(gpus="0,2") == ["0", "2"]
    monkeypatch.setenv(VISIBLE, "1,2")
    assert numbers() == [] and numbers(gpus="2") == ["2"]
    with pytest.raises(UserError, match=r"are: 1 \(1\), 2 \(2\);"):
        usable("auto", Use("0"))


def test_a_driver_that_fails_has_no_gpus_and_one_that_hangs_is_said(
    tmp_path: Path, four: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing(tmp_path / "bin", "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", 9)
    assert numbers() == []
    listing(tmp_path / "bin", f"0, {UUIDS[0]}, [N/A]\n")
    assert usable("auto", Use(memory_gb=99.0)) == [Gpu("0", UUIDS[0], None)]
    (tmp_path / "bin/nvidia-smi").write_text("#!/bin/sh\nexec sleep 100\n")
    monkeypatch.setattr(gpus, "LIST_S", 0.2)
    with pytest.raises(UserError, match="device: cpu"):
        usable("auto", Use())


def test_memory_must_suffice_for_all_jobs_of_a_gpu(four: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """24 GiB each: twice 12 fit. The allocator's share is of torch's own total, here 40 GiB: 10 are a quarter."""
    assert len(usable("auto", Use(jobs_per_gpu=2, memory_gb=12.0))) == 4
    with pytest.raises(UserError, match=r"gpu_memory_gb: 12\.5 GiB for each of 2 jobs, but GPU 0 has 24\.0 GiB"):
        usable("auto", Use(jobs_per_gpu=2, memory_gb=12.5))
    shares: list[float] = []
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", shares.append)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: type("Card", (), {"total_memory": 40 * GIB}))
    for use in (Use(), Use(memory_gb=10.0), Use(memory_gb=10.0, alone=True), Use(memory_gb=20.0, jobs_per_gpu=2)):
        limit_memory(torch.device("cuda"), use)
    assert shares == [0.25, 0.5]
    with pytest.raises(UserError, match="but GPU a card has 40"):
        limit_memory(torch.device("cuda"), Use(memory_gb=21.0, jobs_per_gpu=2))


def test_memory_runs_out_in_several_words() -> None:
    """As torch, cuBLAS and cuDNN print them, who all need memory of the card."""
    for text in (
        "CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ):
        assert out_of_memory(RuntimeError(text)) and out_of_memory(torch.OutOfMemoryError("any"))
    assert not out_of_memory(RuntimeError("CUDA error: an illegal memory access was encountered"))


def test_named_gpus_that_torch_lacks_are_refused() -> None:
    with pytest.raises(UserError, match=r"compute\.gpus: \[0\], but torch sees no"):
        limit_memory(torch.device("cpu"), Use("0"))


def test_torch_is_not_imported_to_find_gpus() -> None:
    text = (
        "import sys, ablate.plan.params, ablate.runtime.gpus, ablate.runtime.slots; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0


BAD = {
    "gpus: []": "[], but", "gpus: [0, 0]": "gpus: [0, 0]", "gpus: [-1]": "[-1]", "gpus: [1.5]": "[1.5]",
    "gpus: [true]": "[True]", "gpus: all": "'all'", "gpus: 2": "2, but", "gpus: null": "None",
    "gpus: ['0; ls']": "ls",
    "jobs_per_gpu: 0": "jobs_per_gpu", "jobs_per_gpu: 1.5": "jobs_per_gpu", "gpu_memory_gb: 0": "gpu_memory_gb",
    "gpu_memory_gb: .inf": "gpu_memory_gb", "gpu: [0]": "did you mean 'gpus'",
}  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_bad_values_are_refused_with_path_and_remedy(text: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(TINY.replace("device: cpu", text))
    with pytest.raises(UserError, match=r"params.yaml: compute\.(gpu|jobs_per_gpu)") as caught:
        load(path)
    assert BAD[text] in str(caught.value)


def test_values_reach_the_jobs_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(TINY.replace("device: cpu", "gpus: [2, GPU-a0], jobs_per_gpu: 2, gpu_memory_gb: 7.5"))
    compute = load(path).compute
    use = Use(compute.gpus, compute.jobs_per_gpu, compute.gpu_memory_gb)
    assert use.options == ["--gpus=2,GPU-a0", "--jobs-per-gpu=2", "--gpu-memory-gb=7.5"]
    assert Use(gpu_list("auto")).options == []


@pytest.mark.parametrize("cores", [1, 2, 3, 8, 15, 64])
@pytest.mark.parametrize("available", [1, 3, 8, 64])
@pytest.mark.parametrize("slots", [1, 2, 3, 4, 7, 16])
def test_jobs_at_once_follow_the_slots(cores: int, available: int, slots: int) -> None:
    """With a core for each slot all slots are used; and those that run use no more threads than there are cores."""
    usable_cores = min(cores, available)
    for jobs in (2, 100):
        claim, threads = share(cores, available, jobs, None, slots)
        running = min(slots, jobs, cores // claim)
        assert 1 <= running * threads <= usable_cores
        if slots <= min(usable_cores, jobs):
            assert running == slots
        assert share(cores, available, jobs) == share(cores, available, jobs, None, 1000)  # more than can be used


@pytest.mark.slow
def test_snakemake_gives_each_job_what_params_say(workspace: Workspace, four: None) -> None:
    workspace.env["PATH"] = f"{workspace.env['PATH']}{os.pathsep}{os.environ['PATH']}"
    workspace.env["TMPDIR"] = str(workspace.folder.parent)
    workspace.edit("device: cpu", "device: auto, jobs_per_gpu: 2, gpu_memory_gb: 12")
    planned = workspace.snakemake("--dry-run", "--printshellcmds", "runs")
    options = "--device=auto --finished=.ablate/finished --jobs-per-gpu=2 --gpu-memory-gb=12.0"
    assert options in " ".join(planned.stdout.split()), planned.stderr
    assert workspace.jobs("runs")["train"] == 3
    workspace.edit("gpu_memory_gb: 12", "gpu_memory_gb: 13")
    refused = workspace.snakemake("runs")
    assert refused.returncode != 0 and "lower it or jobs_per_gpu" in refused.stderr
    assert "Traceback" not in refused.stderr
