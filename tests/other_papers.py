"""A copy of the project with other papers, in which the tests have to pass as well.

    python tests/other_papers.py none FOLDER     # without the five papers: their studies, files and results
    python tests/other_papers.py more FOLDER     # with a sixth
    cd FOLDER && pytest -m "not slow" -n 0

FOLDER must not be there yet. It gets a Git repository of its own, as tests that list files need one.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
KEPT = "controls"  # of the studies: they belong to no paper
SIXTH = {
    "settings": {"model": "resnet18", "per_class": 25},
    "widths": {
        "axes": {"lr": [0.01, 0.05], "optimizer": ["sgd", {"label": "Adam", "optimizer": "adam", "momentum": 0.0}]}
    },
}
FILE = """title: A sixth paper
authors: Somebody
reference: Somewhere, 2026
protocol:
  - {what: optimiser, stated: SGD, where: "2", levels: [sgd], settings: {optimizer: sgd}}
reported:
  - {id: best, value: 0.51, metric: val_top1, study: widths, arm: 0.01 / sgd, where: Table 1, quote: "51%"}
claims:
  - {id: adam-over-sgd, kind: effect, study: widths, metric: val_top1, axis: optimizer, level: Adam, reference: sgd,
     direction: greater, quote: "Adam is better", where: "3", margin: 0.02, why: "Half of what the table shows."}
"""


def copy(folder: Path) -> None:
    """All files that Git knows or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (ROOT / name).exists():  # else removed, and not yet committed
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)


def without_papers(folder: Path) -> None:
    """Take out what belongs to one of the papers."""
    papers = [path.stem for path in (folder / "papers").glob("*.yaml") if path.stem != KEPT]
    yaml, file = YAML(), folder / "params.yaml"
    params = yaml.load(file)
    for section in (params, *params["scales"].values()):
        for paper in papers:
            (section.get("studies") or {}).pop(paper, None)
    yaml.dump(params, file)
    for paper in papers:
        (folder / f"papers/{paper}.yaml").unlink()
    shutil.rmtree(folder / "results")


def with_a_sixth(folder: Path) -> None:
    """Add one more paper, which nothing knows of but params.yaml and its own file."""
    yaml, file = YAML(), folder / "params.yaml"
    params = yaml.load(file)
    params["studies"]["sixth"] = SIXTH
    yaml.dump(params, file)
    (folder / "papers/sixth.yaml").write_text(FILE, encoding="utf-8")


def main(which: str, folder: Path) -> None:
    copy(folder)
    {"none": without_papers, "more": with_a_sixth}[which](folder)
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "t"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
    program = [sys.executable, "-m", "ablate", "papers", "--write"]
    subprocess.run(program, cwd=folder, env={"PYTHONPATH": str(folder / "src")}, check=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
