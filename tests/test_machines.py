"""Machines that lack what Linux has, or have it otherwise: each is made by taking the thing away.

Oracle: the same result as with it, or one sentence that names what is lacking.
"""

import errno
import fcntl
import os
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ablate.errors import UserError
from ablate.files import atomic_write, write_text
from ablate.plan.params import load
from ablate.plan.runs import make_plan
from ablate.plan.status import statuses
from ablate.runtime import cores as resources
from ablate.runtime import manifest as provenance
from ablate.runtime import signals as interrupt
from ablate.runtime.checkpoint import CHECKPOINTS
from ablate.runtime.cores import available_cores
from ablate.runtime.gpus import Gpu, Use, nvidia_smi, usable
from ablate.runtime.manifest import MOST_PATCH, source
from ablate.runtime.progress import Heartbeat, heartbeat_path
from ablate.runtime.run_lock import RunLock
from ablate.runtime.signals import Signals, stop_once
from ablate.runtime.slots import gpu_slot
from conftest import TINY

NO_LOCKS = [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL]
GPU = Gpu("0", "GPU-0")


def failing(code: int) -> Callable[..., Any]:
    def call(*_: Any, **__: Any) -> Any:
        raise OSError(code, os.strerror(code))

    return call


@pytest.mark.usefixtures("own_folder")
@pytest.mark.parametrize("code", NO_LOCKS)
def test_without_locks_a_run_is_trained_and_seen_by_its_heartbeat(
    code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("params.yaml").write_text(TINY)
    plan = make_plan(load(Path("params.yaml")))
    first, *_ = plan.runs
    monkeypatch.setattr(fcntl, "flock", failing(code))
    with RunLock(first), Heartbeat(heartbeat_path(first), run=first, epochs=2):
        assert {s["run"]: s["state"] for s in statuses(plan)} == dict.fromkeys(plan.runs, "planned") | {
            first: "running"
        }
    assert "has no locks" in capsys.readouterr().err
    assert {s["state"] for s in statuses(plan)} == {"planned"}


@pytest.mark.parametrize("code", NO_LOCKS)
def test_without_locks_no_gpu_is_given_out(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(fcntl, "flock", failing(code))
    with pytest.raises(UserError, match=r"no locks.*TMPDIR"), gpu_slot("job", [GPU], 1):
        pass


def test_other_errors_of_a_lock_are_no_lack_of_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fcntl, "flock", failing(errno.EIO))
    with pytest.raises(UserError, match=r"cannot write .*a\.lock: Input/output error"), RunLock("a"):
        pass


@pytest.mark.parametrize("place", [".ablate", ".ablate/checkpoints", ".ablate/checkpoints/a.lock"])
def test_what_stands_in_a_lock_s_place_is_named(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if place.endswith(".lock"):
        Path(place).mkdir(parents=True)
    else:
        write_text(Path(place), "x")
    with pytest.raises(UserError, match=str(CHECKPOINTS)), RunLock("a"):
        pass


def test_no_temporary_folder_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_get_default_tempdir", failing(errno.ENOENT))
    with pytest.raises(UserError, match="set TMPDIR"), gpu_slot("job", [GPU], 1):
        pass


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "\x00", '{"number": 0}', '{"number": "a", "gpus": [], "limit": 1}']
)
def test_a_living_job_s_ticket_that_cannot_be_read_is_named(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"ablate-{os.getuid()}"
    folder.mkdir(mode=0o700)
    ticket = folder / "000000000.json"
    ticket.write_text(content)
    with ticket.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UserError, match=r"000000000\.json"), gpu_slot("job", [GPU], 1):
            pass
    with gpu_slot("job", [GPU], 1):  # a dead one's counts for nothing
        pass


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_that_cannot_sync_still_takes_files(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", failing(code))
    write_text(tmp_path / "a", "x")
    assert (tmp_path / "a").read_text() == "x"
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(UserError, match=f"cannot write {tmp_path / 'a'}"):
        write_text(tmp_path / "a", "y")
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "x"


def test_what_could_not_be_read_meanwhile_is_not_blamed_on_what_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^{tmp_path}/elsewhere/b: No such file"), atomic_write(tmp_path / "a"):
        (tmp_path / "elsewhere/b").read_text()
    with pytest.raises(UserError, match=f"^cannot write {tmp_path}/a: "), atomic_write(tmp_path / "a"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("name", ["99999999999999999999", "²", "x", "0"])
def test_leftovers_with_strange_names_stop_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / f".a.{name}.part").touch()
    write_text(tmp_path / "a", "x")


def test_cores_are_counted_where_there_is_no_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "MINE", Path("/none"))
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    monkeypatch.setattr(os, "sched_getaffinity", failing(errno.ENOSYS), raising=False)
    assert available_cores() == 6
    monkeypatch.delattr(os, "sched_getaffinity")
    assert available_cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores() == 1


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"": "max 100000"}, 8),
        ({"": "200000 100000"}, 2),  # docker run --cpus 2
        ({"": "150000 100000"}, 2),
        ({"": "10000 100000"}, 1),
        ({"": "max 100000", "a": "300000 100000", "a/b": "max 100000"}, 3),  # of a group above
        ({"a": "400000 100000", "a/b": "100000 100000"}, 1),
        ({"": "nonsense"}, 8),
        ({"": "1 0"}, 8),
        ({"": ""}, 8),
        ({}, 8),
    ],
)
def test_a_container_s_share_of_the_cores_counts(
    limits: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, text in limits.items():
        write_text(tmp_path / "groups" / folder / "cpu.max", text + "\n")
    (tmp_path / "mine").write_text("12:cpuset:/\n0::/a/b\n" if any(limits) else "0::/\n")
    monkeypatch.setattr(resources, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(resources, "MINE", tmp_path / "mine")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert available_cores() == expected


def test_memory_is_counted_in_the_system_s_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """300 MiB, as Linux counts (KiB) and as macOS does (bytes)."""
    for platform, peak in (("linux", 300 * 2**10), ("darwin", 300 * 2**20)):
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.setattr(resource, "getrusage", lambda _, peak=peak: SimpleNamespace(ru_maxrss=peak))
        assert provenance.peak_memory_mb() == 300


def test_the_processor_has_a_name_on_macos_and_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", failing(errno.ENOENT))
    assert provenance.processor()
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(stdout="Apple M3\n"))
    assert provenance.processor() == "Apple M3"
    monkeypatch.setattr(subprocess, "run", failing(errno.ENOENT))
    assert provenance.processor()


@pytest.mark.parametrize(
    ("flags", "limits", "expected"),
    [
        ("fpu sse2 avx2 avx512f avx512_bf16 amx_bf16", {}, "Some CPU, AVX-512 with bf16"),
        ("fpu sse2 avx2 avx512f", {}, "Some CPU, AVX-512"),
        ("sse2 avx avx2 avx_vnni", {"ONEDNN_MAX_CPU_ISA": ""}, "Some CPU, AVX2"),
        ("sse2", {}, "Some CPU, SSE2"),
        (None, {}, "Some CPU"),  # ARM has no such line
        ("sse2 avx2", {"ATEN_CPU_CAPABILITY": "default"}, "Some CPU, AVX2, ATEN_CPU_CAPABILITY=default"),
    ],
)
def test_a_processor_is_told_with_the_units_that_decide_the_last_bits(
    flags: str | None, limits: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand. Two processors of one name with other units give other bytes: they are not one kind of machine."""
    lines = [
        "processor\t: 0",
        "model name\t: Some CPU",
        *([f"flags\t\t: {flags}"] if flags else []),
        "bugs\t\t: avx512f",
        "",
    ]
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "\n".join(lines * 2))
    for name in provenance.LIMITS:
        monkeypatch.delenv(name, raising=False)
    for name, value in limits.items():
        monkeypatch.setenv(name, value)
    assert provenance.processor() == expected


def test_signals_that_a_system_lacks_are_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "SIGUSR1")
    assert runpy.run_path(str(interrupt.__file__))["ASKED"] == [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("patience", [60.0, -1.0])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1"])
def test_a_second_signal_is_the_first_one_s_or_ends_a_training_at_once(name: str, patience: float) -> None:
    """In a process of its own. Oracle: soon after the first it changes nothing; later the process dies of it."""
    program = f"""
import signal
from ablate.runtime import signals as interrupt
interrupt.PATIENCE_S = {patience}
interrupt.stop_once()
with interrupt.Signals() as signals:
    signal.raise_signal(signal.{name})
    assert signals.number == signal.{name}
    signal.raise_signal(signal.{name})
    print("saves its state")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    told = (0, "saves its state\n", "") if patience > 0 else (-getattr(signal, name), "", "")
    assert (done.returncode, done.stdout, done.stderr) == told


def test_a_warning_that_was_ignored_before_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snakemake ignores SIGUSR1, and Slurm may send it twice."""
    monkeypatch.setattr(interrupt, "PATIENCE_S", -1.0)
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        with Signals() as signals:
            signal.raise_signal(signal.SIGUSR1)
            signal.raise_signal(signal.SIGUSR1)
            assert signals.number == signal.SIGUSR1
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_ctrl_c_interrupts_a_program_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    try:
        stop_once()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        stop_once()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    "text",
    [
        "#!/bin/sh\nprintf '\\377\\376garbage, GPU-, x\\n,,,\\n'\n",
        "#!/bin/sh\necho NVIDIA-SMI has failed; exit 9\n",
        "#!/none/such\n",
        "\x7fELF nothing",
        "#!/bin/sh\necho '99999999999999999999, GPU-1, 99999999999999999999'\n",
    ],
)
def test_an_nvidia_smi_that_talks_nonsense_finds_no_gpu(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin", "nvidia-smi", text)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert usable("auto", Use()) == []


def test_an_nvidia_smi_that_hangs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", "nvidia-smi", "#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("ablate.runtime.gpus.LIST_S", 0.2)
    with pytest.raises(UserError, match=r"nvidia-smi says nothing.*device: cpu"):
        nvidia_smi("name")


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize("named", ["", "-1", "nonsense", ",", "0,,1", "9" * 5000, "٣", "²", "GPU-", "0,0", " "])
def test_nonsense_in_cuda_visible_devices_hides_gpus(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert len(usable("auto", Use())) == (1 if named == "0,,1" else 0)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense", "TkAgg"])
def test_figures_do_without_a_notebook_s_backend(backend: str) -> None:
    words = [sys.executable, "-c", "import ablate.figures, matplotlib; print(matplotlib.get_backend().lower())"]
    done = subprocess.run(
        words, env=os.environ | {"MPLBACKEND": backend}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "agg\n"), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("model alexnet10 | true", 1),
        ("model alexnet10 > /dev/full", 2),
        ("--version > /dev/full", 2),
        ("model alexnet10 >&-", 0),
        ("model alexnet10 >&- 2>&- <&-", 0),
        ("model none >&- 2>&-", 2),
    ],
)
def test_an_output_that_has_gone_is_no_traceback(command: str, code: int) -> None:
    if "full" in command and not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    words = f"set -o pipefail; {sys.executable} -m ablate {command}"
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


# Where the code came from ------------------------------------------------------------------------------------------


class Repository:
    """A repository whose src/ablate has a module, and params.yaml at its top."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.package = folder / "repository", folder / "repository/src/ablate"
        self.package.mkdir(parents=True)
        (self.package / "a.py").write_text("a = 1\n")
        (self.folder / "params.yaml").write_text("seeds: [0]\n")
        (self.folder / "notes.md").write_text("x\n")
        monkeypatch.setattr(provenance, "PACKAGE", self.package)
        for who in ("AUTHOR", "COMMITTER"):
            for what in ("NAME", "EMAIL"):
                monkeypatch.setenv(f"GIT_{who}_{what}", "test@example.org")
        self.patches = folder / "runs/patches"

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self) -> str:
        self.git("init", "-q")
        self.git("add", ".")
        self.git("commit", "-qm", "start")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    return Repository(tmp_path, monkeypatch)


def test_a_clean_tree_is_a_commit_and_nothing_else(repository: Repository) -> None:
    commit = repository.commit()
    assert source(repository.patches) == {"commit": commit, "dirty": False}
    assert not repository.patches.exists()


def test_a_dirty_tree_keeps_a_patch_that_makes_it_of_its_commit(repository: Repository, tmp_path: Path) -> None:
    """Oracle: git apply, on a clone of the commit. One patch for any number of runs."""
    repository.commit()
    (repository.package / "a.py").write_text("a = 2  # ümlaut\n")
    (repository.package / "sub").mkdir()
    (repository.package / "sub/new one.py").write_text("b = 3\n")
    (repository.folder / "params.yaml").write_text("seeds: [0, 1]\n")
    (repository.folder / "notes.md").write_text("a secret\n")
    (repository.folder / "key.py").write_text("a secret\n")  # not of the package
    found, *others = [source(repository.patches) for _ in range(3)]
    assert others == [found, found]
    assert found["dirty"] and "3 tracked files" in found["why"] and "1 modules" in found["why"]
    (kept,) = repository.patches.iterdir()
    assert kept.name == f"{found['patch']}.diff" and "secret" not in kept.read_text()
    assert str(tmp_path) not in kept.read_text()
    subprocess.run(["git", "clone", "-q", repository.folder, tmp_path / "clone"], check=True)
    subprocess.run(["git", "apply", kept], cwd=tmp_path / "clone", check=True)
    for name in ("src/ablate/a.py", "src/ablate/sub/new one.py", "params.yaml"):
        assert (tmp_path / "clone" / name).read_bytes() == (repository.folder / name).read_bytes()
    kept.write_text("damaged")
    assert source(repository.patches) == found and kept.read_text() != "damaged"


def test_what_is_dirty_elsewhere_leaves_no_patch(repository: Repository) -> None:
    repository.commit()
    (repository.folder / "notes.md").write_text("a secret\n")
    found = source(repository.patches)
    assert found["dirty"] and "as committed" in found["why"] and not repository.patches.exists()


def test_a_patch_is_bounded_and_says_so(repository: Repository) -> None:
    repository.commit()
    (repository.package / "a.py").write_text("# a line\n" * MOST_PATCH)
    source(repository.patches)
    (kept,) = repository.patches.iterdir()
    assert kept.stat().st_size < MOST_PATCH + 100 and "bytes more" in kept.read_text()[-50:]


def test_no_password_of_an_address_is_kept(repository: Repository) -> None:
    repository.commit()
    (repository.folder / "params.yaml").write_text("mirror: https://me:pa55word@example.org/archives\n")
    source(repository.patches)
    (kept,) = repository.patches.iterdir()
    assert "pa55word" not in kept.read_text() and "https://me:***@example.org/archives" in kept.read_text()


def test_why_no_commit_is_known(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def why() -> str:
        found = source(repository.patches)
        assert (found["commit"], found["dirty"]) == (None, None)
        return str(found["why"])

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert "in no Git repository" in why()
    repository.git("init", "-q")
    (repository.folder / ".gitignore").write_text("src\n")
    assert "no part of the Git repository" in why()
    (repository.folder / ".gitignore").unlink()
    repository.git("add", ".")
    assert "no commit yet" in why()
    repository.git("commit", "-qm", "start")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other"))  # as in a hook of another repository
    assert source(repository.patches)["dirty"] is False
    for text, said in (
        (
            "#!/bin/sh\necho \"fatal: detected dubious ownership in repository at '$PWD'\" >&2; exit 128\n",
            "another user",
        ),
        ("#!/bin/sh\nexit 3\n", "git status ended with 3"),
    ):
        program(tmp_path / "bin", "git", text)
        with monkeypatch.context() as patch:
            patch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
            assert said in why() and str(tmp_path) not in why()
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert "git cannot be run" in why()


@pytest.mark.usefixtures("own_folder")
@pytest.mark.parametrize("content", [b"", b"x", b"0" * 64, b"signed", b"signed list", "folder", "pipe"])
def test_a_checkpoint_that_is_none_is_passed_over(content: bytes | str, capsys: pytest.CaptureFixture[str]) -> None:
    """Also one whose digest is right and that no torch wrote."""
    import hashlib
    import io

    import torch

    from ablate.runtime.checkpoint import Checkpoint

    saved = Checkpoint("run", "key")
    saved.keep(0, 1, {"a": 1})
    later = CHECKPOINTS / "run/000009-00000000.pt"
    body = io.BytesIO()
    torch.save([1], body)
    rest = {b"signed": b"no pickle", b"signed list": body.getvalue()}.get(
        content if isinstance(content, bytes) else b""
    )
    if content == "folder":
        later.mkdir()
    elif content == "pipe":
        os.mkfifo(later)
    else:
        assert isinstance(content, bytes)
        later.write_bytes(hashlib.sha256(rest).hexdigest().encode() + rest if rest else content)
    found = saved.restore()
    assert found is not None and found["a"] == 1
    assert f"{later}: damaged checkpoint" in capsys.readouterr().err
    saved.keep(0, 2, {"a": 2})
    saved.keep(0, 3, {"a": 3})


@pytest.mark.usefixtures("own_folder")
@pytest.mark.parametrize("content", ["", "[]", "null", '{"%s": 3}', '{"%s": {"chosen": "fp64"}}', '{"%s": {}}'])
def test_a_damaged_choice_of_precision_is_made_again(content: str) -> None:
    import json

    import torch

    from ablate.train import precision

    images, labels = torch.zeros(2, 3, 4, 4), torch.zeros(2, dtype=torch.long)
    key = json.dumps(["net", [2, 3, 4, 4], "here", torch.__version__])
    write_text(precision.CACHE, content.replace("%s", json.dumps(key)[1:-1]))

    def net() -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Conv2d(3, 2, 4), torch.nn.Flatten())

    chosen = precision.fastest("net", net, images, labels, "here")
    assert json.loads(precision.CACHE.read_text())[key]["chosen"] == chosen


@pytest.mark.parametrize("code", [errno.ENOENT, errno.EROFS, errno.EACCES, errno.ENOSPC, errno.ENOSYS])
def test_without_shared_memory_one_process_decodes(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Oracle: the digest of what several processes decode."""
    from multiprocessing import synchronize

    from ablate.data.decode import decode
    from ablate.data.embedded import write_tiny_imagenet
    from ablate.data.layouts import layout

    archive = tmp_path / "tiny.zip"
    write_tiny_imagenet(archive, seed=0, classes=2, train_per_class=80, val_per_class=1, test=1)  # two blocks
    found = layout("tiny-imagenet").contents(archive)
    _, together = decode(archive, found, 64, tmp_path / "together.npy")
    monkeypatch.setattr(synchronize.SemLock, "__init__", failing(code))
    _, alone = decode(archive, found, 64, tmp_path / "alone.npy")
    assert alone == together
    assert "/dev/shm" in capsys.readouterr().err


@pytest.mark.parametrize("ignored", [True, False])
def test_an_installed_packages_runs_name_the_commit_of_the_study(
    ignored: bool, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Be its environment in the study's folder, where Git ignores it, or elsewhere. Oracle: Git."""
    if ignored:
        (repository.folder / ".gitignore").write_text("src\n")
    else:
        monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(repository.folder)
    assert source(repository.patches)["commit"] is None
    commit = repository.commit()
    found = source(repository.patches)
    assert (found["commit"], found["dirty"]) == (commit, False) and "the study's own folder" in found["why"]
    (repository.folder / "params.yaml").write_text("seeds: [1]\n")
    assert source(repository.patches)["dirty"] is True and not repository.patches.exists()
    repository.git("rm", "-q", "--cached", "params.yaml")  # a folder in somebody's repository of other things
    assert source(repository.patches)["commit"] is None
