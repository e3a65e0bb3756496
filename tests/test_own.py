"""fetch of archives of the user's own: a file or a folder at ``path``, and what is refused there.

Oracle: the files themselves, and for a folder the zip of a copy of it with other times and modes.
"""

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ablate.data import own
from ablate.files import digest
from ablate.plan.params import Fingerprint
from downloads import BODY, PAGE, Fetch


@pytest.fixture
def run(tmp_path: Path) -> Fetch:
    return Fetch(tmp_path)


def test_an_own_file_needs_no_digest(run: Fetch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "own.zip"
    own.write_bytes(BODY)
    assert run(path=own)["digest"] == "official" and capsys.readouterr().err == ""
    own.write_bytes(b"PK and more")
    (tmp_path / "link").symlink_to(own)
    receipt = run("https://localhost:1/not-asked", path=tmp_path / "link", mirror="nowhere")
    assert receipt == {"archive": "a.zip", "digest": "unpinned", "sha256": digest(own), "bytes": 11}
    assert run.target.read_bytes() == own.read_bytes() and not run.target.is_symlink()
    (line,) = capsys.readouterr().err.splitlines()
    assert "accepted by its content alone" in line and digest(own) in line and "digests in params.yaml" in line


def tree(folder: Path) -> Path:
    """A folder with what desktops leave in one."""
    for name in ("train/b.txt", "train/a.txt", "val é.txt", ".DS_Store", "train/Thumbs.db", "train/._a.txt",
                 "__MACOSX/train/a.txt", "desktop.ini"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_an_own_folder_becomes_the_same_zip_whatever_its_times(
    run: Fetch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Oracle: the files themselves, and the same zip from a copy made in another order with other times and modes."""
    folder = tree(tmp_path / "own")
    first = run(path=folder)
    with zipfile.ZipFile(run.target) as zipped:
        members = zipped.infolist()
        assert {m.filename: zipped.read(m).decode() for m in members} == {
            name: name for name in ("train/a.txt", "train/b.txt", "val é.txt")
        }
        assert zipped.namelist() == sorted(zipped.namelist()) and zipped.testzip() is None
    fixed = {(m.date_time, m.external_attr >> 16, m.create_system, m.compress_type) for m in members}
    assert fixed == {((1980, 1, 1, 0, 0, 0), 0o100644, 3, zipfile.ZIP_STORED)}
    assert "accepted by its content alone" in capsys.readouterr().err and str(tmp_path) not in json.dumps(first)
    (tmp_path / "copy").mkdir()
    for name in ("val é.txt", "train/b.txt", "train/a.txt"):
        copy = tmp_path / "copy" / name
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(name)
        copy.chmod(0o600)
        os.utime(copy, (1, 1))
    (tmp_path / "link").symlink_to(tmp_path / "copy")
    assert run(path=tmp_path / "link") == first


def test_an_own_folder_may_be_relative_and_pinned(
    run: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sha256 = run(path=tree(tmp_path / "own"))["sha256"]
    run.digests["mine"] = Fingerprint(sha256=sha256)
    assert run(path="own")["digest"] == "mine"


def fill(folder: Path, n: int, size: int = 0) -> None:
    folder.mkdir()
    for i in range(n):
        with (folder / str(i)).open("wb") as file:
            file.truncate(size)


# What stands at `path`, and what the message says of it.
OWN: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "nothing": (lambda p: None, ["there is no", "null"]),
    "a link to nothing": (lambda p: p.symlink_to("nowhere"), ["there is no", "null"]),
    "an empty file": (lambda p: p.touch(), ["is empty"]),
    "a page": (lambda p: p.write_bytes(PAGE), ["an HTML page in place of the archive"]),
    "a FIFO": (lambda p: os.mkfifo(p), ["neither a file nor a folder"]),
    "an empty folder": (lambda p: (p / "__MACOSX").mkdir(parents=True), ["holds no files"]),
    "a link to nothing inside": (
        lambda p: (tree(p) / "train" / "x").symlink_to("b"),
        ["train/x is a link to nothing"],
    ),
    "a link back": (lambda p: (tree(p) / "train" / "x").symlink_to(".."), ["train/x leads back to a folder"]),
    "a 7z file": (lambda p: p.write_bytes(b"7z\xbc\xaf\x27\x1c"), ["is a 7z file", "extracted folder"]),
    "a text": (lambda p: p.write_bytes(b"n01443537\n"), ["neither a zip nor a tar", "extracted folder"]),
    "a folder of the archive": (
        lambda p: (fill(p, 0), (p / "tiny.ZIP").touch()),
        ["no extracted files but tiny.ZIP"],
    ),
    "a FIFO inside": (lambda p: os.mkfifo(tree(p) / "x"), ["own/x is no regular file"]),
    "a name that is none": (lambda p: (tree(p) / os.fsdecode(b"\xff")).touch(), ["is not UTF-8", "rename"]),
    "too many files": (lambda p: fill(p, 21), ["more than 20 files", "name the data set's own folder"]),
    "too many bytes": (lambda p: fill(p, 5, 2**30), ["or 1 GiB"]),
}


@pytest.mark.parametrize("case", OWN)
def test_an_own_path_that_cannot_be_is_named(
    case: str, run: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own, "MAX_FILES", 20)
    prepare, expected = OWN[case]
    prepare(tmp_path / "own")
    message = run.refuses(path=tmp_path / "own", expected=["datasets", "path", str(tmp_path / "own"), *expected])
    assert message.startswith("params.yaml: datasets: path of a.zip: ")


@pytest.mark.parametrize("name", ["train", "train/a.txt"])
def test_an_unreadable_own_file_is_named(name: str, run: Fetch, tmp_path: Path) -> None:
    closed = tree(tmp_path / "own") / name
    closed.chmod(0)
    if os.access(closed, os.R_OK):
        pytest.skip("root may read everything")
    run.refuses(path=tmp_path / "own", expected=[f"{closed} cannot be read (Permission denied)", "permissions"])
    closed.chmod(0o700)
