"""What says that bytes are as they were written. Oracle: hashlib, and that nothing but the very same bytes passes."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate import seals
from ablate.errors import UserError
from ablate.plan.keys import FILES, key_digest, start_key
from ablate.plan.runs import Run
from ablate.seals import LARGE, of_run, read_if_sealed, read_sealed, seal_of, sealed, sha256_of
from fabricated import Fabricated, vouch

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
RECORDS = st.dictionaries(st.text(), JSON, max_size=4)


@given(RECORDS)
@settings(max_examples=50)
def test_a_sealed_record_comes_back_and_the_order_of_its_keys_is_no_change(record: dict[str, Any]) -> None:
    text = json.dumps(sealed(record), indent=1, ensure_ascii=False)
    found = json.loads(text)
    assert found[seals.SEAL] == seal_of(found) == seal_of(dict(reversed(found.items())))
    assert {k: v for k, v in found.items() if k != seals.SEAL} == {k: v for k, v in record.items() if k != seals.SEAL}


@given(RECORDS, st.text(), JSON)
@settings(max_examples=50)
def test_any_other_value_breaks_the_seal(record: dict[str, Any], key: str, value: Any) -> None:
    found = sealed(record)
    changed = found | {key: value}
    # `True == 1` in Python and not in JSON, so texts are compared.
    assert (seal_of(changed) == found[seals.SEAL]) == (
        key == seals.SEAL or json.dumps(found | {key: value}, sort_keys=True) == json.dumps(found, sort_keys=True)
    )


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "{}", '{"a": 1}', '{"seal": null}', "\udcff", "[" * 9999])
def test_what_has_no_seal_is_refused_and_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "record.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert read_if_sealed(file) is None
    with pytest.raises(UserError, match=f"{file}: was changed since it was written; make it again"):
        read_sealed(file, "make it again")


def test_the_digest_of_a_large_file_is_kept_and_never_outlives_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(seals, "SETTLED_NS", -1)
    file = tmp_path / "large"
    file.write_bytes(bytes(LARGE))
    clean = hashlib.sha256(bytes(LARGE)).hexdigest()
    assert sha256_of(file) == clean
    (note,) = seals.KNOWN.iterdir()
    before = file.stat()
    with file.open("r+b") as changed:  # one bad sector, under the same size and time
        changed.seek(LARGE // 2)
        changed.write(b"x")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert sha256_of(file) == hashlib.sha256(file.read_bytes()).hexdigest() != clean
    for damage in ("", note.read_text()[:-1], note.read_text()[:-1] + "g", "\x00" * 200):
        note.write_text(damage)
        assert sha256_of(file) == hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.setattr(seals, "SETTLED_NS", 10**18)  # a file that was just written may still change
    note.unlink()
    assert sha256_of(file) and not note.exists()


def test_what_is_no_file_has_no_digest(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "file/below").parent.write_bytes(b"")
    for name in ("folder", "pipe", "broken", "none", "file/below"):
        assert sha256_of(tmp_path / name) is None
    (tmp_path / "link").symlink_to("file")  # a cache may link what it holds
    assert sha256_of(tmp_path / "link") == hashlib.sha256(b"").hexdigest()


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def of_other(path: Path) -> None:
    shutil.copy(path.parent.with_name("s_two_s0") / path.name, path)


def linked_to_other(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent.with_name("s_two_s0") / path.name)


def one_number(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b"1", b"2", 1) if b"1" in content else content + b"1")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "another number": one_number,
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-3]),
    "a line more": lambda path: path.write_bytes(path.read_bytes() + b"\n"),
    "deleted": lambda path: path.unlink(),
    "a folder": folder_instead,
    "another run's": of_other,
    "a link to another run's": linked_to_other,
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_a_run_s_file_is_as_training_wrote_it_or_named(tmp_path: Path, name: str, damage: str) -> None:
    made = Fabricated(tmp_path)
    made.study("s", ["init"], {}, {})
    for n, init in enumerate(("one", "two")):
        made.run("s", {"init": init}, 0, val_top1=0.1 * n, predictions=f"test,0,{n},0,0.9\n")
        (made.runs / f"s_{init}_s0/filters.npy").write_bytes(bytes([n, 1, 2, 3]))
        vouch(made.runs / f"s_{init}_s0")
    folder = made.runs / "s_one_s0"
    for file in FILES[:-1]:
        assert of_run(folder, file) == folder / file
    DAMAGE[damage](folder / name)
    if (name, damage) == ("manifest.json", "a line more"):  # of JSON, what it says counts
        return
    with pytest.raises(UserError, match=f"{folder / name}: .*; delete {folder} and train the run again"):
        of_run(folder, name if name != "manifest.json" else "metrics.json")


def test_weights_to_start_from_are_those_of_their_manifest(tmp_path: Path) -> None:
    """Zeroed weights still are a file of weights; the digest tells."""
    folder = tmp_path / "source_s0"
    folder.mkdir()
    weights = folder / "weights.safetensors"
    weights.write_bytes(b"learnt")
    vouch(folder, key={"run": "source_s0", "data": "d"})
    settings = {"dataset": "d", "model": "net1", "optimizer": "sgd", "lr": 0.1, "epochs": 1, "batch_size": 1}
    text = json.dumps({"settings": settings, "seed": 0, "recipe": 1, "variant": "embedded", "start": "source_s0"})
    run = Run.from_json(text)
    assert start_key(run, weights) == key_digest({"run": "source_s0", "data": "d"})
    weights.write_bytes(bytes(6))
    with pytest.raises(UserError, match=f"{weights}: is not as training wrote it"):
        start_key(run, weights)
    weights.write_bytes(b"learnt")
    other = Run.from_json(text.replace('"source_s0"', '"another_s0"'))
    with pytest.raises(UserError, match="is of the run source_s0, not of another_s0"):
        start_key(other, weights)
