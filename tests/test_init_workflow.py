"""The workflow for GitHub that `ablate init` writes. Oracle: GitHub's syntax, and its commands, run here."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

from conftest import ROOT, Ablate

FILE = Path(".github/workflows/verify.yml")
EVENTS = {"push", "pull_request"}
JOB, STEP = {"runs-on", "steps"}, {"name", "uses", "with", "run"}  # of what GitHub allows, all that stands there
INPUTS = {"actions/checkout@v4": set[str](), "actions/setup-python@v5": {"python-version", "cache"}}


def workflow() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(FILE.read_text())
    return found


def test_it_is_a_workflow_that_github_reads(ablate: Ablate) -> None:
    assert ablate("init")[0] == 0
    found = workflow()
    assert found.keys() == {"name", "on", "permissions", "jobs"} and {*found["on"]} <= EVENTS
    assert found["permissions"] == {"contents": "read"}  # it writes nothing
    (job,) = found["jobs"].values()
    assert job.keys() == JOB and job["runs-on"] == "ubuntu-latest"
    for step in job["steps"]:
        assert step.keys() <= STEP and len({"uses", "run"} & step.keys()) == 1
        if "uses" in step:
            assert {*step.get("with", {})} <= INPUTS[step["uses"]]
            assert all(isinstance(value, str) for value in step.get("with", {}).values())  # 3.10 would be 3.1
    assert "${{" not in FILE.read_text()  # no text of a pull request comes into a command
    asked = re.search(r'requires-python = "(.*)"', (ROOT / "pyproject.toml").read_text())
    (version,) = [step["with"]["python-version"] for step in job["steps"] if "python-version" in step.get("with", {})]
    assert asked and version in SpecifierSet(asked[1])


def test_the_badge_is_that_of_the_file(ablate: Ablate) -> None:
    assert ablate("init")[0] == 0
    badges = re.findall(r"\[!\[(\w+)\]\((\S+)\)\]\((\S+)\)", Path("README.md").read_text())
    actions = f"../../actions/workflows/{FILE.name}"
    assert badges == [(workflow()["name"], f"{actions}/badge.svg", actions)]


def test_its_commands_do_what_they_say(ablate: Ablate, tmp_path: Path) -> None:
    """As GitHub runs them: bash -e, in the folder. pip itself is a stand-in, which says what it was asked for."""
    assert ablate("init")[0] == 0
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "pip").write_text('#!/bin/sh\necho "pip $*"; test -s requirements.txt\n')
    (programs / "pip").chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    (job,) = workflow()["jobs"].values()
    install, verify = [step["run"] for step in job["steps"] if "run" in step]

    def run(command: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-e", "-c", command],
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    assert run(install) == (0, "pip install -r requirements.txt\n")
    code, said = run(verify)  # before there are records
    assert code == 0 and "mine" in said and "to run" in said, said
    records = Path("results/full/mine/records.xz")
    records.parent.mkdir(parents=True)
    records.write_bytes(b"no records")
    code, said = run(verify)
    assert code == 1 and f"wrong: {records}: damaged" in said, said
