"""Each benchmark starts, at its smallest size, and ends in the numbers that its first lines promise.

Oracle: the names in ``double backquotes`` after "JSON" in the benchmark's own docstring. What they are is not looked
at: speed is no matter of tests.
"""

import ast
import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from conftest import ROOT

SMALLEST = {
    "claims": "--papers 1 --disk 0",
    "cost": "",
    "dag": "--repeat 1 --runs 5 --plan 20 --growth 5 --model net1",
    "data": "--repeat 1",
    "demo": "--target packs",
    "start": "--repeat 1 --runs 2 --long 1",
    "study": "--runs 1 --per-class 2 --epochs 1",
    "throughput": "--batch 2 --seconds 0 --device cpu --pixels 64",
    "training": "--repeat 1 --steps 1 --batch 8 --device cpu",
}
SIZED = {"plan_10000_s": "plan_20_s", "schedule_cpu_s_10000": "schedule_cpu_s_5"}  # names that say a size


def test_none_is_left_out() -> None:
    assert {path.stem for path in (ROOT / "benchmarks").glob("*.py")} == set(SMALLEST)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST)
def test_it_starts_and_ends_in_the_numbers_that_it_promises(name: str, tmp_path: Path) -> None:
    if name == "data" and not shutil.which("unzip"):
        pytest.skip("unzip is not installed, which benchmarks/data.py measures")
    if name == "study" and not find_spec("lightning"):
        pytest.skip("lightning is not installed, which benchmarks/study.py measures")
    file = ROOT / "benchmarks" / f"{name}.py"
    words = [sys.executable, str(file), *SMALLEST[name].split()]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    promised = (ast.get_docstring(ast.parse(file.read_text())) or "").partition("JSON")[2]
    names = {SIZED.get(word, word) for word in re.findall(r"``([a-z]\w+)``", promised)}
    found = json.loads(done.stdout.splitlines()[-1])
    assert names
    assert names <= set(found)
    assert found.pop("processor", "avx2") in ("default", "avx2", "avx512", "avx512_bf16")
    assert all(isinstance(value, (int, float)) for value in found.values())
