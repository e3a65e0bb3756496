"""The user's own code by FILE.py:NAME. Oracle: what Python itself does with the same files, run as a script."""

import sys
from pathlib import Path

import pytest
from pytest import MonkeyPatch

from ablate import own_code
from ablate.errors import UserError
from ablate.plan.code import own_digest

WHERE = "papers/mine.yaml: drawn.width.tables.table-1"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: MonkeyPatch) -> Path:
    """The working directory, with a file that imports another one."""
    monkeypatch.chdir(tmp_path)
    Path("lib").mkdir()
    Path("mine.py").write_text(
        "from lib import deep\nfrom helper import TWO\n\ndef four():\n    return TWO * deep.two()\n"
    )
    Path("helper.py").write_text("TWO = 2\n")
    Path("lib/deep.py").write_text("from pathlib import Path\n\ndef two():\n    return 2\n")
    return tmp_path


def test_a_function_is_loaded_with_its_local_imports_and_leaves_nothing_behind() -> None:
    path = list(sys.path)
    assert own_code.load("mine.py:four", WHERE)() == 4
    assert sys.path == path
    assert not list(Path().rglob("__pycache__"))
    assert own_code.load("mine.py:four", WHERE) is own_code.load("mine.py:four", WHERE)


def test_an_edit_of_the_file_or_of_an_import_is_seen_in_the_same_process() -> None:
    assert own_code.load("mine.py:four", WHERE)() == 4
    Path("helper.py").write_text("TWO = 3\n")
    assert own_code.load("mine.py:four", WHERE)() == 6


def test_two_folders_may_have_files_of_one_name() -> None:
    for name, value in (("a", 1), ("b", 2)):
        Path(name).mkdir()
        Path(name, "nets.py").write_text("from helper import VALUE\n\ndef get():\n    return VALUE\n")
        Path(name, "helper.py").write_text(f"VALUE = {value}\n")
    assert [own_code.load(f"{name}/nets.py:get", WHERE)() for name in "abab"] == [1, 2, 1, 2]


def test_files_are_the_file_and_what_it_imports_beside_it() -> None:
    Path("other.py").write_text("")
    assert own_code.files("mine.py:four") == [Path("mine.py"), Path("helper.py"), Path("lib/deep.py")]


def test_the_digest_follows_code_of_imports_and_no_comment() -> None:
    before = own_digest(["mine.py:four"])
    Path("helper.py").write_text("TWO = 2  # two\n")
    assert own_digest(["mine.py:four"]) == before
    Path("lib/deep.py").write_text("def two():\n    return 3\n")
    assert own_digest(["mine.py:four"]) != before
    assert own_digest([]) is None
    assert own_digest(["accuracy", "mine.py:four"]) == own_digest(["mine.py:four"])


@pytest.mark.parametrize(
    ("text", "reference", "argument"),
    [
        ("my.py:f", "my.py:f", ""),
        ("a b/my.py:f:x:y", "a b/my.py:f", "x:y"),
        ("layers:cnn1", "layers", "cnn1"),
        ("accuracy", "accuracy", ""),
    ],
)
def test_a_reference_is_told_from_its_argument(text: str, reference: str, argument: str) -> None:
    assert own_code.parted(text) == (reference, argument)
    assert own_code.is_own(text) == (".py" in text)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (None, f"{WHERE}: there is no file bad.py; make it, or correct the path, which starts at params.yaml"),
        ("def g():\n    pass\n", f"{WHERE}: bad.py: unknown name 'f'; allowed: g"),
        ("x = 1\nf = 3\n", f"{WHERE}: bad.py, line 2: f cannot be called; name a function or a class"),
        ("import os\ndef f(:\n", f"{WHERE}: bad.py, line 2: invalid syntax; correct it there"),
    ],
)
def test_what_a_plan_can_see_is_refused_before_anything_runs(source: str | None, said: str) -> None:
    if source is not None:
        Path("bad.py").write_text(source)
    with pytest.raises(UserError) as raised:
        own_code.check("bad.py:f", WHERE)
    assert str(raised.value) == said


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import math\nraise KeyError('no')\ndef f(): pass\n", "bad.py, line 2: KeyError: 'no'; correct it there"),
        (
            "import nothing_such\ndef f(): pass\n",
            "bad.py, line 1: ModuleNotFoundError: No module named 'nothing_such'",
        ),
        ("from broken import f\n", "broken.py, line 1: '(' was never closed; correct it there"),
        ("f = int('3')\n", "bad.py: f is a int and cannot be called"),
        ("raise SystemExit(3)\ndef f(): pass\n", "bad.py, line 1: SystemExit: 3"),
    ],
)
def test_what_fails_while_the_file_runs_has_its_line(source: str, said: str) -> None:
    Path("broken.py").write_text("def f(\n")
    Path("bad.py").write_text(source)
    with pytest.raises(UserError, match="drawn") as raised:
        own_code.load("bad.py:f", WHERE)
    assert said in str(raised.value)


def test_what_a_call_raises_has_the_innermost_line_of_the_users_own() -> None:
    Path("bad.py").write_text(
        "import json\n\ndef f(x):\n    return inner(x)\n\ndef inner(x):\n    return json.loads(x)\n"
    )
    call = own_code.load("bad.py:f", WHERE)
    for arguments, said in (
        (["{"], "bad.py, line 7: JSONDecodeError: "),
        ([1, 2], "bad.py, line 3: TypeError: f() takes 1 positional argument but 2 were given"),
    ):
        with pytest.raises(UserError) as raised, own_code.calling("bad.py:f", WHERE, call):
            call(*arguments)
        assert str(raised.value).startswith(f"{WHERE}: {said}")


def test_lack_of_memory_and_our_own_messages_pass() -> None:
    for error in (MemoryError("all"), UserError("said already")):
        with pytest.raises(type(error), match=str(error)), own_code.calling("mine.py:four", WHERE):
            raise error
