"""Real faults while data are made: full and read-only disks (in a mount namespace of the test's own), SIGKILL.

Oracle: what a run without the fault writes.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ablate.data.reorganise import reorganise
from ablate.data.verify import verify
from ablate.files import digest
from archives import TINY, WNIDS, jpeg, tiny_files, write_zip

ABLATE = str(Path(sys.executable).with_name("ablate"))
MANY = TINY.model_copy(update={"train_per_class": 6000})
NAMESPACES = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0
pytestmark = pytest.mark.slow
needs_mounts = pytest.mark.skipif(not NAMESPACES, reason="no right to a mount namespace (unshare -rm)")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """18,000 training images: enough for a second of work, so that a kill meets it."""
    files = tiny_files()
    for wnid in WNIDS:
        picture = jpeg(int(wnid[1:]))
        files |= {f"tiny-imagenet-200/train/{wnid}/images/{wnid}_{n}.JPEG": picture for n in range(4, 6000)}
    folder = tmp_path_factory.mktemp("many")
    (folder / "archive.json").write_text('{"sha256": "of no account here"}')
    return write_zip(folder / "tiny.zip", files, 0)


def words(archive: Path, out: Path) -> list[str]:
    return [
        ABLATE, "verify-data", "--spec", MANY.model_dump_json(), "--archive", str(archive),
        "--index", f"{out}/index.csv", "--images", f"{out}/images.npy", "--duplicates", f"{out}/duplicates.csv",
        "--report", f"{out}/verify.json",
        "--receipt", str(archive.with_name("archive.json")),
    ]  # fmt: skip


def tree_words(archive: Path, index: Path, out: Path) -> list[str]:
    return [
        ABLATE, "reorganise", "--spec", MANY.model_dump_json(), "--archive", str(archive), "--index", str(index),
        "--report", str(index.with_name("v.json")), "--tree", f"{out}/tree", "--receipt", f"{out}/tree.json",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def right(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("right")
    spec = MANY.model_copy(update={"near_duplicates": None})
    verify(
        archive, spec, index=out / "index.csv", images=out / "images.npy", pairs=out / "d.csv", report=out / "v.json"
    )
    return out


def killed(command: list[str], begun: Path, pattern: str) -> None:
    """Run ``command`` until a file that fits ``pattern`` has grown in ``begun``, then SIGKILL it and it alone."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 0 for path in begun.glob(pattern) if path.exists()):
        assert process.poll() is None and time.monotonic() < deadline, "it ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_killed_while_decoding_the_next_start_heals_and_no_worker_lives_on(
    archive: Path, right: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    killed(words(archive, out), out, ".images.npy.*.part")
    assert not (out / "images.npy").exists() and not (out / "verify.json").exists()
    deadline = time.monotonic() + 20
    while alive := [p for p in psutil.process_iter(["cmdline"]) if str(out) in " ".join(p.info["cmdline"] or [])]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.1)
    done = subprocess.run(words(archive, out), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert digest(out / "images.npy") == digest(right / "images.npy")
    assert {path.name for path in out.iterdir()} == {"images.npy", "index.csv", "duplicates.csv", "verify.json"}


def test_killed_while_writing_the_tree_the_next_start_heals(archive: Path, right: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = tree_words(archive, right / "index.csv", out)
    killed(command, out, f"tree.part/train/{WNIDS[0]}/*")
    assert not (out / "tree").exists() and not (out / "tree.json").exists()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} == {"tree", "tree.json"}
    assert len(list((out / "tree/train" / WNIDS[0]).iterdir())) == 6000


def test_interrupted_it_ends_at_once_and_leaves_nothing(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    process = subprocess.Popen(words(archive, out), stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not list(out.glob(".images.npy.*.part")):
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does, to the workers too
    assert process.wait(20) == 130
    assert process.stderr is not None
    said = process.stderr.read()
    assert "Traceback" not in said, said
    assert not list(out.iterdir())


def mounted(command: list[str], out: Path, options: str) -> subprocess.CompletedProcess[str]:
    """Run ``command`` where ``out`` is a tmpfs of the namespace's own; what is left there is printed at the end."""
    script = f'mount -t tmpfs -o {options} none "$0" && {{ "$@"; code=$?; ls -A "$0"; exit $code; }}'
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, str(out), *command], capture_output=True, text=True, check=False
    )


@needs_mounts
@pytest.mark.parametrize("options", ["size=20m", "ro"])
@pytest.mark.parametrize("step", ["verify", "reorganise"])
def test_a_full_or_read_only_disk_is_one_message_and_leaves_nothing(
    options: str, step: str, archive: Path, right: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    command = words(archive, out) if step == "verify" else tree_words(archive, right / "index.csv", out)
    done = mounted(command, out, options)
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if not line.startswith(f"{step} ")]
    assert len(errors) == 1, errors
    assert errors[0].startswith(f"ablate: error: cannot write {out}") and "free space or mend the folder" in errors[0]
    assert done.stdout == ""


def test_a_tree_is_written_again_over_an_old_one(archive: Path, right: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "train" / "old").mkdir(parents=True)
    reorganise(archive, "tiny-imagenet", index=right / "index.csv", tree=tree, receipt=tmp_path / "tree.json")
    assert {path.name for path in (tree / "train").iterdir()} == set(WNIDS)
    shutil.rmtree(tree)
