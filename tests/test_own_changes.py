"""A copy of the user's own that is edited is noticed at the next plan: by its content, looked at cheaply.

Oracle: each edit is made by hand, beside the reason that must be given; what Snakemake ran, by its own statistics.
"""

import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablate.data import own
from ablate.data.embedded import write_cifar10
from ablate.data.fetch import fetch
from ablate.data.pack import make_pack
from ablate.data.verify import verify
from ablate.errors import UserError
from ablate.files import read_json, write_json
from ablate.plan import keys
from ablate.plan.keys import derived_key, verify_key
from ablate.plan.params import load
from ablate.plan.runs import make_plan
from ablate.workflow.due import Keys
from archives import TINY, WNIDS, jpeg, tiny_files, write_zip
from conftest import TINY as PARAMS
from conftest import Workspace
from own_data import manifests
from reports import words

SECOND = f"own/train/{WNIDS[0]}/images/{WNIDS[0]}_2.JPEG"
IMAGE = f"own/train/{WNIDS[0]}/images/{WNIDS[0]}_1.JPEG"


class Mine:
    """A data set at a path of the user's, in the working directory, and the steps that make its pack."""

    def __init__(self, path: str) -> None:
        write_json(Path("tiny.json"), TINY.model_dump(mode="json") | {"path": path})
        text = PARAMS.replace(
            "datasets:\n", f"datasets:\n  mine: {Path('tiny.json').read_text()}\n".replace("\n", " ") + "\n"
        )
        Path("params.yaml").write_text(text.replace("datasets:   mine", "datasets:\n  mine"))
        self.params = load(Path("params.yaml"))
        self.spec, self.folder = self.params.datasets["mine"], Path("data/official/mine")

    def reason(self, step: str = "fetch") -> str | None:
        return Keys(self.params, make_plan(self.params)).data_reason("mine", step)

    def fetch(self) -> None:
        fetch(
            self.spec.archive, self.folder / "archive", path=self.spec.path, mirror=None, urls=[], digests={},
            receipt=self.folder / "archive.json", asked=keys.source_digest(self.spec),
        )  # fmt: skip

    def verify(self) -> None:
        f, key = self.folder, verify_key(self.spec, read_json(self.folder / "archive.json"))
        verify(
            f / "archive", self.spec, index=f / "index.csv", images=f / "images.npy", pairs=f / "duplicates.csv",
            report=f / "verify.json", key=key,
        )  # fmt: skip
        make_pack(
            f / "images.npy", index=f / "index.csv", report=f / "verify.json", receipt=f / "archive.json",
            pack=f / "pack.json", key=derived_key("pack", read_json(f / "verify.json")),
        )  # fmt: skip


def extract() -> None:
    for name, content in tiny_files("own/").items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mine:
    monkeypatch.chdir(tmp_path)
    extract()
    made = Mine("own")
    made.fetch()
    made.verify()
    assert [made.reason(step) for step in ("fetch", "verify", "pack")] == [None] * 3
    return made


def flip(name: str) -> None:
    """Another content of the same size, under the same time."""
    path, before = Path(name), Path(name).stat()
    content = path.read_bytes()
    path.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def copied() -> None:
    shutil.copytree("own", "other", copy_function=shutil.copyfile)
    shutil.rmtree("own")
    Path("other").rename("own")


def touched() -> None:
    for path in Path("own").rglob("*"):
        path.touch()


def linked() -> None:
    Path("own/val").rename("val")
    Path("own/val").symlink_to("../val")


CHANGED = "own copy changed"
EDITS: dict[str, tuple[Callable[[], object], str | None]] = {
    "nothing": (lambda: None, None),
    "every file touched": (touched, None),
    "every file copied": (copied, None),
    "other modes": (lambda: Path(IMAGE).chmod(0o600), None),
    "a part moved away, with a link in its place": (linked, None),
    "junk": (lambda: Path("own/train/.DS_Store").write_bytes(b"x"), None),
    "an empty folder": (lambda: Path("own/more").mkdir(), None),
    "an archive beside": (lambda: Path("own/tiny.zip").write_bytes(b"x"), None),
    "the folder gone": (lambda: shutil.rmtree("own"), None),
    "the folder renamed": (lambda: Path("own").rename("elsewhere"), None),
    "an image changed": (lambda: Path(IMAGE).write_bytes(jpeg(77)), CHANGED),
    "a byte flipped, size and time kept": (lambda: flip(IMAGE), CHANGED),
    "a test image changed": (lambda: flip("own/test/images/test_0.JPEG"), CHANGED),
    "an image added": (lambda: Path(f"{IMAGE[:-6]}9.JPEG").write_bytes(jpeg(9)), CHANGED),
    "an image removed": (lambda: Path(IMAGE).unlink(), CHANGED),
    "an image renamed": (lambda: Path(IMAGE).rename(f"{IMAGE[:-6]}8.JPEG"), CHANGED),
    "two images swapped": (
        lambda: [Path(a).rename(b) for a, b in ((IMAGE, "x"), (SECOND, IMAGE), ("x", SECOND))],
        CHANGED,
    ),
    "a label changed": (lambda: flip("own/words.txt"), CHANGED),
    "the folder emptied": (lambda: [shutil.rmtree("own"), Path("own").mkdir()], CHANGED),
    "a link to nothing": (lambda: Path("own/train/x").symlink_to("gone"), CHANGED),
    "a file in its place": (lambda: [shutil.rmtree("own"), Path("own").write_bytes(b"x")], CHANGED),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("settled", [True, False])
def test_an_edit_of_an_own_folder_is_noticed_by_its_content(
    edit: str, settled: bool, mine: Mine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``settled``: the files were old enough for their times to be trusted when they were looked at."""
    monkeypatch.setattr(own, "SETTLED_NS", -1 if settled else own.SETTLED_NS)
    assert mine.reason() is None
    make, expected = EDITS[edit]
    make()
    assert [mine.reason(step) for step in ("fetch", "verify", "pack")] == [expected] * 3


def test_an_own_archive_is_looked_at_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mine = Mine("tiny.zip")
    write_zip(Path("tiny.zip"), tiny_files())
    mine.fetch()
    mine.verify()
    assert mine.reason("pack") is None
    touched_at = Path("tiny.zip").stat().st_mtime
    os.utime("tiny.zip", (touched_at + 60, touched_at + 60))
    assert mine.reason("pack") is None
    write_zip(Path("tiny.zip"), tiny_files(), zipfile.ZIP_STORED)
    assert mine.reason("pack") == CHANGED
    mine.fetch()
    assert [mine.reason("fetch"), mine.reason("pack")] == [None, "archive changed"]


def test_files_are_read_again_only_where_one_may_have_changed(mine: Mine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: every file that is read, counted."""
    monkeypatch.setattr(own, "SETTLED_NS", -1)
    read: list[Path] = []
    pour = own._pour
    monkeypatch.setattr(own, "_pour", lambda path, out=None: read.append(path) or pour(path, out))
    mine.reason()
    first = len(read)
    assert first == len(tiny_files())  # they were too new when they were fetched
    mine.reason()
    assert len(read) == first
    touched()
    mine.reason()
    assert len(read) == 2 * first
    mine.reason()
    shutil.rmtree(".ablate")
    mine.reason("pack")
    assert len(read) == 3 * first


def test_a_mended_folder_does_not_keep_its_old_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    extract()
    whole = Path(IMAGE).read_bytes()
    Path(IMAGE).write_bytes(whole[:200])
    mine = Mine("own")
    mine.fetch()
    with pytest.raises(UserError, match=r"^params.yaml: datasets.mine.path: own: train/.*_1.JPEG: not a whole JPEG"):
        mine.verify()
    Path(IMAGE).write_bytes(whole)
    assert mine.reason() == CHANGED
    mine.fetch()
    mine.verify()
    assert mine.reason("pack") is None


def test_a_folder_that_changes_while_it_is_read_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    extract()
    mine, pour = Mine("own"), own._pour

    def edits(path: Path, out: Any = None) -> str:
        Path(IMAGE).write_bytes(jpeg(len(path.name)))
        return pour(path, out)

    monkeypatch.setattr(own, "_pour", edits)
    with pytest.raises(UserError, match="own changed while it was read; run again"):
        mine.fetch()
    assert not (mine.folder / "archive").exists()


def test_a_disk_that_fails_below_an_own_path_is_not_blamed_on_the_target(
    mine: Mine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated: reading one file fails as a bad sector does."""
    real = own.readable

    class Bad:
        def __enter__(self) -> "Bad":
            return self

        def __exit__(self, *_: object) -> None:
            """Nothing is open."""

        def read(self, size: int) -> bytes:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(own, "readable", lambda path: Bad() if path.name == "words.txt" else real(path))
    with pytest.raises(UserError, match=r"path of tiny.zip: own/words.txt cannot be read \(Input/output error\)"):
        mine.fetch()


def planned(w: Workspace) -> dict[str, str | None]:
    """{dataset of a run: why it would be trained}."""
    runs = json.loads(w.do("ablate plan --json 2> /dev/null"))
    return {run["settings"]["dataset"]: run["why"] for run in runs}


@pytest.mark.slow
def test_snakemake_trains_what_an_edited_copy_changes_and_nothing_else(workspace: Workspace) -> None:
    """Two data sets, the user's own and the embedded: an edit of one trains its runs, a touch none."""
    w = workspace
    write_cifar10(w.folder / "cifar.tar.gz", seed=1, train_per_batch=100, test=200)
    with tarfile.open(w.folder / "cifar.tar.gz") as tar:
        tar.extractall(w.folder / "my copy", filter="data")
    w.edit("datasets:\n", "datasets:\n  mine: {layout: cifar10, archive: a.tar.gz, path: ./my copy/, image_size: 32, "
           "n_classes: 10, train_per_class: 50, val_per_class: 20}\n")  # fmt: skip
    w.edit("      settings: {lr: 0.02}", "      settings: {dataset: mine}")
    w.edit("mirror: null", "mirror: .")  # which an own path goes before
    assert w.jobs("all")["train"] == 3
    unchanged = {"mine": None, "cifar10": None}
    batch = w.folder / "my copy/cifar-10-batches-py/data_batch_3"
    for path in (w.folder / "my copy").rglob("*"):
        path.touch()
    assert planned(w) == unchanged and w.jobs("-n", "all") == {}
    (batch.parent / "readme.html").write_text("of no account")
    before = manifests(w)
    assert planned(w) == unchanged | {"mine": CHANGED}
    assert {"fetch", "verify", "pack"} <= set(jobs := w.jobs("runs")), jobs
    assert manifests(w) == before and planned(w) == unchanged
    content = bytearray(batch.read_bytes())
    content[len(content) // 2] ^= 1  # of a pixel
    batch.write_bytes(content)
    assert planned(w) == unchanged | {"mine": CHANGED}
    w.jobs("all")
    assert [data for data, text in manifests(w).items() if text != before[data]] == ["mine"]
    page = words(w.folder / "results/tiny/report.html")
    assert "accepted by its content alone" in page and "Generated by this project" in page
    assert "Cannot be seen: labels that are wrong throughout" in page
    shutil.rmtree(w.folder / "my copy")
    assert planned(w) == unchanged and w.jobs("-n", "all") == {}
