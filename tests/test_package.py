"""The package as others get it: a wheel that brings its workflow, the folder of a new study, Snakefiles elsewhere."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ablate.plan.params import load
from ablate.plan.runs import current_plan
from ablate.rules import FOLDER, STUDY
from conftest import ROOT, Ablate, Workspace, job_counts, made_once, write_tiny

BIN = Path(sys.executable).parent
SMALL = ("epochs: 4", "epochs: 1")
THEIRS = """configfile: "config/config.yaml"

module ablate:
    snakefile:
        {}
    config:
        config

use rule * from ablate as theirs_*

rule mine:
    output: "{{run}}.txt"
    shell: "touch {{output}}"
"""


def call(folder: Path, *words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        words, cwd=folder, env=os.environ | {"PATH": path, "PYTHONPATH": ""} | env, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def done(folder: Path, *words: str | Path, **env: str) -> str:
    found = call(folder, *words, **env)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout + found.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the files that Git knows, or would."""

    def make(folder: Path) -> None:
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        done(Workspace(folder / "repository").folder, *pip, "--wheel-dir", folder, ".")

    (found,) = made_once(tmp_path_factory, "wheel", make).glob("ablate-*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of its own, with the wheel in it; what it depends on is found where it is."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    done(folder.parent, sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin/python"
    done(
        folder,
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        wheel,
    )
    (site,) = folder.glob("lib/*/site-packages")
    others = [path for path in sys.path if path.endswith("site-packages")]
    (site / "others.pth").write_text("\n".join(others))  # whose own .pth files are then not read
    return folder


@pytest.mark.slow
def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    """Oracle: Git's list."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "src"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == {name.removeprefix("src/") for name in listed if (ROOT / name).is_file()}


@pytest.mark.slow
def test_a_new_folder_runs_with_the_wheel_alone(environment: Path, tmp_path: Path) -> None:
    """From an empty folder to its screen, then by DVC. Oracles: job statistics, the screen, where modules lie."""
    study, own = tmp_path / "study", {"PATH": f"{environment}/bin{os.pathsep}{os.environ['PATH']}"}
    said = done(tmp_path, environment / "bin/ablate", "init", "study", **own)
    assert "cd study; ablate plan; snakemake --cores 8 all" in said
    place = done(study, environment / "bin/python", "-c", "import ablate; print(ablate.__file__)", **own)
    assert Path(place).is_relative_to(environment)
    params = study / "params.yaml"
    params.write_text(params.read_text().replace(*SMALL) + "seeds: [0]\n")
    snakemake = [environment / "bin/python", "-m", "snakemake", "--cores", "8"]
    dry = done(study, *snakemake, "--dry-run", **own)
    assert "Using workflow specific profile profiles/default" in dry
    assert {"embed": 1, "train": 2, "pack": 1, "report": 1}.items() <= job_counts(dry).items()

    said = done(study, *snakemake, "all", ABLATE_PROGRESS="plain", **own)
    assert "made: 2 runs trained, 0 reused" in said  # the screen at the end, by `onsuccess`
    assert "Nothing to be done" in done(study, *snakemake, "all", **own)

    cluster = done(
        study, *snakemake, "--profile", "profiles/slurm", "--dry-run", "--forcerun", "train", "runs", **own
    )
    assert cluster.count("slurm_extra=--signal=USR1@30") == 2

    done(study, "git", "init", "-q")
    own["PATH"] = f"{_programs(tmp_path, environment)}{os.pathsep}{own['PATH']}"
    dvc = [environment / "bin/python", "-m", "dvc", "repro"]
    said = done(study, *dvc, DVC_SITE_CACHE_DIR=str(tmp_path / "dvc"), **own)
    assert all(f"Running stage '{name}'" in said for name in ("data", "train", "report"))
    assert said.count("Nothing to be done") == 3
    assert "up to date" in done(study, *dvc, DVC_SITE_CACHE_DIR=str(tmp_path / "dvc"), **own)

    assert ": 2 runs, 2 added" in done(study, environment / "bin/ablate", "records", "pack", **own)
    assert "nothing wrong found" in done(study, environment / "bin/ablate", "verify", **own)


def _programs(folder: Path, environment: Path) -> Path:
    """Where `snakemake` is one of the environment's own, as it is where it was installed with what it depends on."""
    program = folder / "bin/snakemake"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {environment}/bin/python -m snakemake "$@"\n')
    program.chmod(0o755)
    return program.parent


@pytest.mark.slow
@pytest.mark.parametrize("source", ["{path!r}", "gitfile({repository!r}, path='workflow/Snakefile', ref='main')"])
def test_a_snakefile_elsewhere_takes_the_workflow_as_snakedeploy_writes_it(source: str, tmp_path: Path) -> None:
    """By its path, and from a Git repository, of which Snakemake sees that one file. Without a profile, other names,
    a rule of one's own beside it. Oracle: the jobs of a dry run.
    """
    there, here = tmp_path / "repository", tmp_path / "here"
    (there / "workflow").mkdir(parents=True)
    shutil.copy(ROOT / "workflow/Snakefile", there / "workflow")
    done(there, "bash", "-ec", "git init -qb main; git add .; git -c user.name=x -c user.email=x commit -qm x")
    shutil.copytree(ROOT / "config", here / "config")
    write_tiny(here)
    (here / "workflow").mkdir()
    (here / "workflow/Snakefile").write_text(
        THEIRS.format(source.format(path=str(there / "workflow/Snakefile"), repository=str(there)))
    )
    found = job_counts(
        done(here, "snakemake", "--cores", "8", "--dry-run", "theirs_all", "1.txt", PYTHONPATH=f"{ROOT}/src")
    )
    assert {"theirs_train": 3, "theirs_pack": 1, "theirs_report": 1, "mine": 1}.items() <= found.items()


def test_the_repository_takes_its_workflow_as_everybody_does() -> None:
    texts = {(ROOT / place).read_text() for place in ("Snakefile", "workflow/Snakefile")}
    assert texts == {(STUDY / "Snakefile").read_text()}
    assert [*ROOT.rglob("src/**/*.smk")] and not [*ROOT.glob("workflow/**/*.smk")]  # one copy of the rules
    catalogue = YAML(typ="safe").load((ROOT / ".snakemake-workflow-catalog.yml").read_text())
    assert set(catalogue["usage"]) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert (ROOT / "config/README.md").is_file()
    assert (ROOT / "workflow/profiles").resolve() == FOLDER / "profiles"


@pytest.mark.parametrize("words", [[], ["--paper"]])
def test_a_new_study_is_planned_of_ten_lines(words: list[str], ablate: Ablate, tmp_path: Path) -> None:
    code, said, _ = ablate("init", "study", *words)
    assert code == 0 and "study: a study of" in said
    assert len([line for line in (tmp_path / "study/params.yaml").read_text().splitlines() if line]) <= 10
    plan = current_plan(load(tmp_path / "study/params.yaml"))
    assert plan.scale == "full" and len(plan.runs) == 2 * 3  # two arms, three seeds
    os.chdir(tmp_path / "study")
    assert ablate("plan", "--values", "{}")[0] == 0


def test_no_file_is_overwritten(ablate: Ablate, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "params.yaml").write_text("mine")
    code, _, said = ablate("init")
    assert code == 2 and said.count("\n") == 1
    assert "has README.md, params.yaml already, and nothing is overwritten" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "params.yaml"]
    assert {path.read_text() for path in tmp_path.iterdir()} == {"mine"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--data", "nowhere"], "--data nowhere: is no folder"),
        (["--script", "nowhere.py"], "--script nowhere.py: there is no such file"),
        (["--data", ".", "--paper"], "say one of them"),
        (["--data", "study/data"], "is what the workflow makes in study; call yours otherwise"),
    ],
)
def test_what_cannot_be_begun_is_refused(words: list[str], expected: str, ablate: Ablate, tmp_path: Path) -> None:
    (tmp_path / "study/data").mkdir(parents=True)
    code, _, said = ablate("init", "study", *words)
    assert code == 2 and expected in said and not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_file_is_no_folder(ablate: Ablate, tmp_path: Path) -> None:
    (tmp_path / "study").write_text("mine")
    assert ablate("init", "study")[::2] == (2, "ablate: error: init: study is a file; name a folder\n")


@pytest.mark.parametrize(
    ("lies", "said"), [("study/Birds of 2024", "Birds of 2024"), ("elsewhere/Birds of 2024", None)]
)
def test_images_are_called_as_they_lie(lies: str, said: str | None, ablate: Ablate, tmp_path: Path) -> None:
    """Oracle: the file as YAML. Of a folder without a val part the split is cut."""
    for name in ("finch", "gull"):
        (tmp_path / lies / name).mkdir(parents=True)
    assert ablate("init", "study", "--data", lies)[0] == 0
    (name, spec), *others = YAML(typ="safe").load((tmp_path / "study/params.yaml").read_text())["datasets"].items()
    assert name == "birds-of-2024" and not others
    assert spec == {
        "layout": "folder", "path": said or str(tmp_path / lies), "resize": 64, "split": {"val": 0.2, "seed": 0}
    }  # fmt: skip


def test_a_program_is_brought_along_and_a_dependency(ablate: Ablate, tmp_path: Path) -> None:
    (tmp_path / "my train.py").write_text("print(1)\n")
    assert ablate("init", "study", "--script", "my train.py")[0] == 0
    study = tmp_path / "study"
    assert (study / "my train.py").read_text() == "print(1)\n"
    params = load(study / "params.yaml")
    assert params.trainers["script"].words[:2] == ["python", "my train.py"]
    assert "my train.py" in YAML(typ="safe").load((study / "dvc.yaml").read_text())["stages"]["train"]["deps"]
    code, _, said = ablate("init", "other", "--script", "study/my train.py")
    assert code == 0
    (tmp_path / "third").mkdir()
    (tmp_path / "third/my train.py").write_text("print(2)\n")
    code, _, said = ablate("init", "third", "--script", "my train.py")
    assert (
        code == 2 and "third has my train.py already" in said and (tmp_path / "third/my train.py").stat().st_size == 9
    )
