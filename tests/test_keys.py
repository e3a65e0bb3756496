"""Keys: what counts as a change. Oracle: each change is made by hand, beside the reason that must be given."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ablate.plan import code, keys
from ablate.plan.keys import FILES, NEW, code_digest, key_digest, run_key, start_key
from ablate.plan.params import Params, load
from ablate.plan.runs import PRETRAINED, RUNS, Run, make_plan
from ablate.seals import sealed
from ablate.workflow.due import Keys
from conftest import TINY, made_packs
from fabricated import vouch

PACK = Path("data/embedded/cifar10/pack.json")
CODE = '''"""About."""
import os  # why


def add(a: int, b: int = 2) -> int:
    """The sum."""
    return a + f(f"{a:>{b}} of {b!r}")
'''
SAME = [
    CODE.replace("  # why", ""),
    CODE.replace('"""About."""\n', "").replace('    """The sum."""\n', ""),
    CODE.replace("a: int, b: int = 2", "\n    a: int,\n    b: int = 2,\n").replace("\n\n\n", "\n"),
    CODE.replace('f"{a:>{b}} of {b!r}"', "f'{a:>{b}} of {b!r}'")
    .replace("a + f", "(a + f")
    .replace("{b!r}')", "{b!r}'))"),
]
OTHER = [
    CODE.replace("b: int = 2", "b: int = 3"),
    CODE.replace("a + f", "f"),
    CODE.replace("of {b!r}", "of {b}"),
    CODE.replace("import os", "import sys"),
    CODE.replace("return", "x ="),
]


def shape(source: str, folder: Path) -> str:
    path = folder / "code.py"
    path.write_text(source)
    return code._facts(path)[0]


def test_comments_docstrings_and_layout_are_no_change_of_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert {shape(source, tmp_path) for source in SAME} == {shape(CODE, tmp_path)}
    assert len({shape(source, tmp_path) for source in [CODE, *OTHER]}) == 1 + len(OTHER)


def test_the_digest_is_the_same_on_every_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found with Python 3.11, 3.12 and 3.13: a result must not be out of date on a machine with another of them."""
    monkeypatch.chdir(tmp_path)
    assert shape(CODE, tmp_path).startswith("4d389dc163ad")


def test_a_model_s_file_is_code_of_its_runs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = code._facts

    def digests(edited: str) -> list[str]:
        monkeypatch.setattr(code, "_facts", lambda path: (f"{path.name} {path.name == edited}", real(path)[1]))
        code_digest.cache_clear()
        return [code_digest("train", model) for model in ("cnn1", "resnet18")]

    before = digests("none")
    assert [a == b for a, b in zip(before, digests("keras_cnns.py"), strict=True)] == [False, True]
    assert [a == b for a, b in zip(before, digests("loader.py"), strict=True)] == [False, False]
    assert digests("tables.py") == before


class Trained:
    """The tiny plan with a pretraining run, in ``folder``: its pack, and runs as if they had been trained."""

    def __init__(self, folder: Path) -> None:
        self.text = TINY.replace("studies:\n", "pretraining: {others: {classes: [5, 10]}}\nstudies:\n", 1).replace(
            "      settings: {lr: 0.02}", "      settings: {classes: [0, 5], weights: 'pretrain:others'}"
        )
        self.params, self.runs = self.read(self.text)
        self.keys = Keys(self.params, self.plan)
        for run in self.plan.pretraining.values():
            self.train(run, PRETRAINED)
        for run in self.runs:
            self.train(run, RUNS)

    def read(self, text: str) -> tuple[Params, list[Run]]:
        Path("params.yaml").write_text(text)
        params = load(Path("params.yaml"))
        self.plan = make_plan(params)
        return params, list(self.plan.runs.values())

    def train(self, run: Run, where: Path) -> None:
        folder = where / run.id
        folder.mkdir(parents=True)
        for name in FILES:
            (folder / name).write_text(json.dumps({"status": "done", "name": name}))
        meta = json.loads((self.keys.folder("cifar10") / "pack.json").read_text())
        start = start_key(run, Path(run.start_file) if run.start_file else None)
        if where == PRETRAINED:
            (folder / keys.WEIGHTS).write_text("weights")
        vouch(folder, key=run_key(run, keys.content_digest(meta), start))

    def reasons(self) -> list[str | None]:
        """Of the two arms of one study and of the one that starts from weights."""
        return [Keys(self.params, self.plan).run_reason(run) for run in self.runs]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    yield
    code_digest.cache_clear()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("data")
    made_packs(load_tiny(where), where / "data/embedded")
    return where / "data"


def load_tiny(where: Path) -> Params:
    (where / "params.yaml").write_text(TINY)
    return load(where / "params.yaml")


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Path) -> Trained:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(data, tmp_path / "data")
    return Trained(tmp_path)


def test_what_is_as_asked_for_has_no_reason_wherever_it_lies(trained: Trained, tmp_path: Path) -> None:
    assert trained.reasons() == [None] * 3
    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    shutil.copytree(tmp_path, moved, copy_function=shutil.copyfile)  # other times, another place
    os.chdir(moved)
    assert trained.reasons() == [None] * 3
    text = trained.text.replace("scale: tiny", "scale: tiny  # a comment").replace(
        "optimizer: sgd, lr: 0.01,", "lr: 1e-2, optimizer: sgd,"
    )
    assert text != trained.text
    trained.params, trained.runs = trained.read(text)
    assert trained.reasons() == [None] * 3


DAMAGED: list[str | None] = [None, "result damaged", None]
EVENTS: dict[str, tuple[Callable[[Trained], object], list[str | None]]] = {
    "folder deleted": (lambda t: shutil.rmtree(RUNS / t.runs[0].id), [NEW, None, None]),
    "a file deleted": (lambda t: (RUNS / t.runs[0].id / "filters.npy").unlink(), ["files missing", None, None]),
    "metrics edited": (
        lambda t: (RUNS / t.runs[1].id / "metrics.json").write_text("{}"),
        [None, "result damaged", None],
    ),
    "manifest edited": (
        lambda t: edit_json(RUNS / t.runs[1].id / "manifest.json", lambda m: m.update(wall_s=1), seal=False),
        [None, "result damaged", None],
    ),
    "curve cut": (lambda t: (RUNS / t.runs[1].id / "history.csv").write_text(""), DAMAGED),
    "manifest cut": (
        lambda t: (RUNS / t.runs[1].id / "manifest.json").write_text("{"),
        [None, "result damaged", None],
    ),
    "a key of another form": (
        lambda t: (RUNS / t.runs[1].id / "manifest.json").write_text('{"key": "a", "files": [1]}'),
        [None, "no key", None],
    ),
    "no key": (lambda t: (RUNS / t.runs[1].id / "manifest.json").write_text("{}"), [None, "no key", None]),
    "another's folder": (
        lambda t: shutil.copytree(RUNS / t.runs[0].id, RUNS / t.runs[1].id, dirs_exist_ok=True),
        [None, "settings changed", None],
    ),
    "weights deleted": (lambda t: shutil.rmtree(PRETRAINED), [None] * 3),
    "weights zeroed": (
        lambda t: (PRETRAINED / t.runs[2].start / keys.WEIGHTS).write_text("0000000"),  # type: ignore[operator]
        [None] * 3,  # the runs are as they were: what is trained again is the source, and what starts from it later
    ),
    "pack deleted": (lambda t: shutil.rmtree("data"), [None] * 3),
    "pack of other images": (
        lambda t: edit_json(
            t.keys.folder("cifar10") / "pack.json", lambda m: m["sha256"].update({"images.npy": "0"})
        ),
        ["data changed"] * 3,
    ),
    "pack of another archive": (
        lambda t: edit_json(PACK, lambda m: m["archive"].update(digest="mine")),
        [None] * 3,
    ),
}


def edit_json(path: Path, change: Callable[[Any], object], *, seal: bool = True) -> None:
    """As whoever wrote the file would have written it; without ``seal`` as an editor does."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(sealed(content) if seal else content))


@pytest.mark.parametrize("event", EVENTS)
def test_why_a_run_would_be_trained(trained: Trained, event: str) -> None:
    make, expected = EVENTS[event]
    make(trained)
    assert trained.reasons() == expected


def test_code_of_the_source_of_weights_counts(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_digest("train", trained.runs[0].settings.model)
    other = key_digest("other code")
    monkeypatch.setattr(keys, "code_digest", lambda step, model: other if model == "cifar-resnet7" else before)
    assert trained.reasons() == ["code changed", None, None]
    source = next(iter(trained.plan.pretraining.values()))
    real = Keys.key
    monkeypatch.setattr(
        Keys, "key", lambda self, run: real(self, run) | ({"code": other} if run.id == source.id else {})
    )
    assert trained.reasons() == ["code changed", None, "start weights changed"]


def test_a_data_set_s_steps_know_what_they_made_without_its_archive(trained: Trained) -> None:
    """Packs here are made without the commands, which write keys; so these are written by hand."""
    folder, spec = trained.keys.folder("cifar10"), trained.params.datasets["cifar10"]
    receipt = json.loads((folder / "archive.json").read_text()) | {"asked": keys.source_digest(spec)}
    (folder / "archive.json").write_text(json.dumps(receipt))
    edit_json(folder / "verify.json", lambda m: m.update(key=keys.verify_key(spec, receipt)))
    report = json.loads((folder / "verify.json").read_text())
    edit_json(folder / "pack.json", lambda m: m.update(key=keys.derived_key("pack", report)))

    def reasons(text: str = trained.text) -> list[str | None]:
        asked = Keys(trained.read(text)[0], trained.plan)
        return [asked.data_reason("cifar10", step) for step in ("fetch", "verify", "pack")]

    (folder / "archive").unlink()
    shutil.rmtree(folder / "mirror")
    assert reasons() == [None] * 3
    assert reasons(trained.text.replace("digests: {", "digests: {mine: {md5: " + 32 * "a" + "}, ")) == [None] * 3
    assert reasons(trained.text.replace("sha256: dc01", "sha256: 0000")) == ["digests changed"] * 3
    assert reasons(trained.text.replace("generator: {seed: 0", "generator: {seed: 1")) == ["settings changed"] * 3
    near = trained.text.replace("    n_classes: 10", "    near_duplicates: 2\n    n_classes: 10")
    assert reasons(near) == [None, "settings changed", "settings changed"]
    kept = (folder / "archive.json").read_bytes()
    edit_json(folder / "archive.json", lambda m: m.update(digest="official"), seal=False)
    assert reasons()[0] == "digests changed"
    (folder / "archive.json").write_bytes(kept)
    edit_json(folder / "pack.json", lambda m: m["key"].update(code="other"))
    assert reasons() == [None, None, "code changed"]
    (folder / "archive.json").unlink()
    assert reasons() == [NEW, None, "code changed"]
