"""Own trainers from commands to table, claims and report, by the workflow itself.

Oracles: scikit-learn's own numbers, computed here; arithmetic in a shell; Snakemake's job statistics.
"""

import json
from pathlib import Path

import pytest

from ablate.csv_text import read_rows
from conftest import Workspace
from own import PAPER, PARAMS

pytestmark = pytest.mark.slow

TRAINERS = """
trainers:
  forest:
    command: python train.py --depth {depth} --seed {seed} --out {out}
    schema: {depth: {type: integer, minimum: 1}}
    metrics: {f1: {better: higher, words: macro F1, range: [0, 1]}, log_loss: {better: lower, unit: nats}}
    files: [split.json]
  shell:
    command: sh train.sh {size} {seed}
    schema: {size: {type: integer}}
    metrics: {rmse: {better: lower, unit: K, decimals: 2, pattern: 'rmse (\\S+)'}}
studies:
  mine:
    depth:
      settings: {trainer: forest}
      axes: {depth: [1, 6]}
    size:
      settings: {trainer: shell}
      axes: {size: [1, 2]}
"""
CLAIMS = """claims:
  - {id: deeper-is-better, quote: q, where: w, kind: order, study: depth, metric: f1, arms: ["6", "1"],
     margin: 0.1, why: w}
  - {id: deeper-has-less-loss, quote: q, where: w, kind: order, study: depth, metric: log_loss, arms: ["6", "1"],
     margin: 0.1, why: w}
  - {id: larger-is-better, quote: q, where: w, kind: order, study: size, metric: rmse, arms: ["2", "1"],
     margin: 1, why: w}
drawn:
  depth:
    title: Depth of a forest
    tables: {table-depth: accuracy, table-effects: effects}
    figures: {figure-depth: dots, figure-curve: "curves:f1"}
  size: {tables: {table-size: accuracy}, figures: {figure-heat: heat}}
"""
# The 30 lines of a user.
FOREST = '''"""A random forest on scikit-learn's digits: macro F1 and log loss."""

import argparse
import json
from pathlib import Path

from helper import split
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import f1_score, log_loss

parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int)
parser.add_argument("--seed", type=int)
parser.add_argument("--out", type=Path)
args = parser.parse_args()

x_train, x_test, y_train, y_test = split()
forest = RandomForestClassifier(1, max_depth=args.depth, random_state=args.seed, warm_start=True)
curve = ["epoch,f1"]
for trees in range(1, 4):
    forest.set_params(n_estimators=trees).fit(x_train, y_train)
    f1 = f1_score(y_test, forest.predict(x_test), average="macro")
    curve.append(f"{trees},{f1}")
(args.out / "history.csv").write_text("\\n".join(curve) + "\\n")
found = {"seed": args.seed, "f1": f1, "log_loss": log_loss(y_test, forest.predict_proba(x_test))}
(args.out / "metrics.json").write_text(json.dumps(found))
'''
HELPER = """import json

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def split():
    part = json.load(open("split.json"))["test"]
    return train_test_split(*load_digits(return_X_y=True), test_size=part, random_state=0)
"""
SHELL = 'echo "rmse $((10 - 4 * $1)).$2"\n'


@pytest.fixture
def project(workspace: Workspace) -> Workspace:
    files = {"train.py": FOREST, "helper.py": HELPER, "train.sh": SHELL, "split.json": '{"test": 0.25}'}
    for paper in (workspace.folder / "papers").glob("*.yaml"):
        paper.unlink()
    files |= {"params.yaml": PARAMS + TRAINERS, "papers/mine.yaml": PAPER + CLAIMS}
    for name, text in files.items():
        (workspace.folder / name).write_text(text)
    return workspace


def scores(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    return {(row["study"], f"{row['arm']}/{row['seed']}"): row for row in read_rows(folder / "runs.csv")}


def test_a_script_of_thirty_lines_goes_to_table_claims_and_report(project: Workspace) -> None:
    assert len(FOREST.splitlines()) <= 30
    jobs = project.jobs("all")
    assert jobs["train"] == 12
    results = project.folder / "results/mine"
    rows = scores(results / "mine")
    assert len(rows) == 12
    expected = {(depth, seed): f1_of(depth, seed) for depth in (1, 6) for seed in range(3)}
    for (depth, seed), f1 in expected.items():
        assert float(rows["depth", f"{depth}/{seed}"]["f1"]) == pytest.approx(f1)
        assert not rows["depth", f"{depth}/{seed}"]["rmse"]
    for size in (1, 2):
        for seed in range(3):
            assert float(rows["size", f"{size}/{seed}"]["rmse"]) == pytest.approx(10 - 4 * size + seed / 10)

    (first, second) = read_rows(results / "mine/table-depth.csv")
    assert float(second["f1"]) == pytest.approx(sum(expected[6, s] for s in range(3)) / 3, abs=0.0006)
    assert first["log_loss (nats)"] > second["log_loss (nats)"]
    (small, large) = read_rows(results / "mine/table-size.csv")
    assert (small["rmse (K)"], large["rmse (K)"]) == ("6.1", "2.1")

    claims = {claim["id"]: claim for claim in json.loads((results / "claims.json").read_text())["claims"]}
    assert {id: claim["finding"] for id, claim in claims.items()} == {
        "deeper-is-better": "shown at the claimed size",
        "deeper-has-less-loss": "shown at the claimed size",
        "larger-is-better": "shown at the claimed size",
    }
    assert claims["larger-is-better"]["estimate"] == pytest.approx(-4)
    assert claims["larger-is-better"]["statement"] == "size 2 has a lower rmse than size 1"
    assert claims["deeper-is-better"]["statement"] == "depth 6 has a higher macro F1 than depth 1"
    assert "accuracy" not in (results / "findings.md").read_text()

    page = (results / "report.html").read_text()
    assert len(page) > 10_000
    summary = json.loads((project.folder / "results/summary/mine.json").read_text())["mine"]
    assert summary["size"]["2"]["rmse"] == 2.1 and summary["size"]["2"]["n"] == 3
    assert project.jobs("all") == {}

    # An edit makes exactly its runs due, and a touch none.
    project.edit("4 *", "3 *", "train.sh")
    (project.folder / "train.py").touch()
    assert json.loads(project.do("ablate plan --json --total"))[-1]["why"] == {"code changed": 6}
    assert project.jobs("all")["train"] == 6
    assert float(scores(results / "mine")["size", "2/0"]["rmse"]) == 4.0

    # Records bring the runs back to a clone, and the numbers are made again from them.
    project.do("ablate records pack")
    before = {path.name: path.read_bytes() for path in (results / "mine").glob("*.csv")}
    project.do("rm -r results/runs")
    assert json.loads(project.do("ablate plan --json --total"))[-1]["to_run"] == 0
    project.do("ablate render")
    assert {path.name: path.read_bytes() for path in (results / "mine").glob("*.csv")} == before


def f1_of(depth: int, seed: int) -> float:
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import f1_score
    from sklearn.model_selection import train_test_split

    x, x_test, y, y_test = train_test_split(*load_digits(return_X_y=True), test_size=0.25, random_state=0)
    forest = RandomForestClassifier(1, max_depth=depth, random_state=seed, warm_start=True)
    for trees in range(1, 4):
        forest.set_params(n_estimators=trees).fit(x, y)
    return float(f1_score(y_test, forest.predict(x_test), average="macro"))
