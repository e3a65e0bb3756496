"""Archives of CIFAR-10, pickled or binary, that are wrong, broken or hostile.

Each is refused by `ablate verify-data` with exit code 2 and one message that names the file and the remedy; nothing
is written, and nothing in them is run.

Oracle: the right archive passes (test_forms.py), and each case differs from it in one place.
"""

import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archives import CIFAR, Make, binary, cifar_batches, edited, pickled, refused, told, write_tar


class Gadget:
    """Pickles as a call of anything."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def batch(change: Callable[[dict[bytes, Any]], object], files: Callable[..., dict[str, bytes]] = pickled) -> Make:
    """The archive with one batch changed in place, or replaced where ``change`` returns something."""

    def make(folder: Path) -> Path:
        batches = cifar_batches()
        replacement = change(batches["data_batch_2"])
        if replacement is not None:
            batches["data_batch_2"] = replacement  # type: ignore[assignment]
        return write_tar(folder / "bad.tar.gz", files(batches))

    return make


def gadget(function: Callable[..., Any], *arguments: Any) -> Make:
    return batch(lambda b: b.update({b"data": Gadget(function, *arguments)}))


def marking(folder: Path) -> Path:
    mark = f"touch {folder / 'ran'}"
    return batch(lambda b: Gadget(os.system, mark))(folder)


def nested(folder: Path) -> Path:
    """The gadget is an element of a list in a tuple among right entries."""
    mark = f"open({str(folder / 'ran')!r}, 'w')"
    return batch(lambda b: b.update({b"batch_label": [(1, [Gadget(eval, mark)])]}))(folder)


def member(name: str, kind: bytes, link: str = "") -> Make:
    def make(folder: Path) -> Path:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        return write_tar(folder / "bad.tar.gz", pickled(cifar_batches()), info)

    return make


def tar_with(name: str, content: bytes) -> Make:
    return lambda folder: write_tar(folder / "bad.tar.gz", pickled(cifar_batches()) | {name: content})


def tar_changed(ending: str, change: Callable[[bytes], bytes | None]) -> Make:
    return lambda folder: write_tar(folder / "bad.tar.gz", edited(pickled(cifar_batches()), ending, change))


def without(ending: str) -> Make:
    return tar_changed(ending, lambda _: None)


def binary_batch(change: Callable[[bytes], bytes]) -> Make:
    return lambda folder: write_tar(
        folder / "bad.tar.gz", edited(binary(cifar_batches()), "data_batch_2.bin", change)
    )


def tar_cut(folder: Path) -> Path:
    archive = write_tar(folder / "bad.tar.gz", pickled(cifar_batches()))
    archive.write_bytes(archive.read_bytes()[:-500])
    return archive


TARS: dict[str, tuple[Make, str]] = {
    "truncated tar.gz": (tar_cut, "damaged"),
    "HTML as tar.gz": (lambda d: (d / "bad.tar.gz").write_bytes(b"<html>") and d / "bad.tar.gz", "damaged"),
    "label too high": (batch(lambda b: b.update({b"labels": [0, 1, 0, 2]})), "data_batch_2 row 3: label 2"),
    "label below zero": (batch(lambda b: b.update({b"labels": [0, 1, 0, -1]})), "label -1 is out of range"),
    "label no number": (batch(lambda b: b.update({b"labels": [0, 1, 0, "1"]})), "label '1' is out of range"),
    "binary label too high": (binary_batch(lambda c: b"\x09" + c[1:]), "label 9 is out of range"),
    "binary record cut": (binary_batch(lambda c: c[:-1]), "are no whole records of 3073"),
    "records of another length": (batch(lambda b: b.update({b"data": np.zeros((4, 3071), np.uint8)})), "of another"),
    "records of another type": (batch(lambda b: b.update({b"data": np.zeros((4, 3072), np.int64)})), "of another"),
    "records of objects": (batch(lambda b: b.update({b"data": np.array([[1, None]], object)})), "data_batch_2"),
    "fewer labels": (batch(lambda b: b.update({b"labels": [0, 1, 0]})), "differ in number"),
    "no labels": (batch(lambda b: b.pop(b"labels") and None), "b'labels' is missing"),
    "classes of unequal size": (batch(lambda b: b.update({b"labels": [0, 0, 0, 1]})), "train images, expected 10"),
    "file name twice": (batch(lambda b: b.update({b"filenames": [b"a.png"] * 4})), "is there twice"),
    "file name that climbs": (batch(lambda b: b.update({b"filenames": [b"..", b"b", b"c", b"d"]})), "no plain file"),
    "a list for a table": (batch(lambda b: [1, 2]), "holds no table"),
    "batch missing": (without("data_batch_3"), "data_batch_3 missing"),
    "names missing": (without("batches.meta"), "batches.meta missing"),
    "a batch twice": (tar_with("copy/data_batch_2", b""), "two of one batch"),
    "pickle of os.system": (marking, "which no CIFAR-10 batch needs"),
    "pickle of eval, nested": (nested, "eval, which no CIFAR-10 batch needs"),
    "pickle of exec": (gadget(exec, "import os"), "exec, which no CIFAR-10 batch needs"),
    "pickle of numpy.load": (gadget(np.load, "/etc/passwd"), "which no CIFAR-10 batch needs"),
    "pickle of getattr": (gadget(getattr, "x", "y"), "getattr, which no CIFAR-10 batch needs"),
    "pickle of another codec": (gadget(__import__("codecs").encode, "x", "rot13"), "the codec rot13"),
    "pickle of os.system, protocol 5": (
        tar_changed("h_2", lambda _: pickle.dumps({b"data": Gadget(os.system, "touch ran")}, 5)), "system, which no",
    ),
    "pickle of os.system, protocol 0": (
        tar_changed("h_2", lambda _: pickle.dumps(Gadget(os.system, "touch ran"), 0)), "system, which no CIFAR-10",
    ),
    "pickle of os.system as class names": (
        tar_changed("es.meta", lambda _: pickle.dumps({b"label_names": Gadget(os.system, "x")}, 5)),
        "system, which no CIFAR-10 batch needs",
    ),
    "pickle of a method of arrays": (
        tar_changed("h_2", lambda _: b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93."), "ndarray.tofile, which no",
    ),
    "pickle of memory": (gadget(np.ndarray, (4, 3072), "u1"), "not callable"),
    "pickle of an array of objects, protocol 5": (
        gadget(np._core.numeric._frombuffer, bytes(8), np.dtype("O"), (1,), "C"), "an array of objects",  # type: ignore[attr-defined]
    ),
    "pickle of more than the buffer": (
        gadget(np._core.numeric._frombuffer, bytes(8), np.dtype("u1"), (4, 3072), "C"), "data_batch_2",  # type: ignore[attr-defined]
    ),
    "pickle of a number that is an object": (
        gadget(np._core.multiarray.scalar, np.dtype("O"), "x"), "a number of type object",  # type: ignore[attr-defined]
    ),
    "pickle of a file": (gadget(open, "ran", "w"), "open, which no CIFAR-10 batch needs"),
    "pickle of another process": (gadget(__import__("subprocess").Popen, ["touch", "ran"]), "Popen, which no"),
    "pickle with escape codes": (
        tar_changed("h_2", lambda _: b"c\x1b[2J\nx\n."), "asks for ?[2J.x, which no",
    ),
    "pickle that names another": (tar_changed("h_2", lambda _: b"Pid\n."), "persistent"),
    "label of a million digits": (batch(lambda b: b.update({b"labels": [0, 1, 0, 10**1_000_000]})), "of many digits"),
    "label of a megabyte": (batch(lambda b: b.update({b"labels": [0, 1, 0, "1" * 2**20]})), "is out of range"),
    "pickle of a huge array": (gadget(np.ndarray, (10**15,), "u1"), "data_batch_2"),
    "pickle cut": (tar_changed("h_2", lambda c: c[:-9]), "data_batch_2"),
    "../ in a tar": (member("cifar-10-batches-py/../../ran", tarfile.REGTYPE), "points out of the archive"),
    "absolute name in a tar": (member("/tmp/ran", tarfile.REGTYPE), "points out of the archive"),
    "symbolic link in a tar": (member("cifar-10-batches-py/x", tarfile.SYMTYPE, "/tmp"), "is a link or a device"),
    "hard link in a tar": (member("cifar-10-batches-py/x", tarfile.LNKTYPE, "/etc/passwd"), "is a link or a device"),
    "device in a tar": (member("cifar-10-batches-py/x", tarfile.CHRTYPE), "is a link or a device"),
    "gzip bomb": (tar_with("cifar-10-batches-py/zeros", bytes(2**25)), "times its size"),
}  # fmt: skip


@pytest.mark.parametrize("case", TARS)
def test_cifar10(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make, expected = TARS[case]
    archive = make(tmp_path)
    refused(archive, CIFAR, tmp_path, monkeypatch)
    told(capfd, archive, expected)


def test_a_tar_of_400_001_members_is_refused_before_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ablate.data.containers.MAX_MEMBERS", 20)  # a real one would take half a minute to write
    files = pickled(cifar_batches()) | {f"x{n}": b"" for n in range(20)}
    archive = write_tar(tmp_path / "bad.tar.gz", files)
    refused(archive, CIFAR, tmp_path, monkeypatch)
    told(capfd, archive, "more than 20 members")


def test_unpickling_admits_what_official_batches_need_and_no_more() -> None:
    from ablate.data.cifar10 import NAMES

    assert {name for _, name in NAMES} == {
        "dtype", "ndarray", "_reconstruct", "encode", "OrderedDict", "scalar", "_frombuffer",
    }  # fmt: skip
    assert pickle.loads(pickle.dumps(np.zeros(3, np.uint8), 2)).dtype == np.uint8
