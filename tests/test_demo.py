"""The demo's sizes: the arms that should learn in it do, and its controls pass.

Oracles: scipy's exact binomial test of the right answers that a run left, at a tenth of which who does not look is
right; of the controls, what the papers' claims rest on (`ablate.verdicts.controls`).
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from scipy.stats import binomtest

from ablate.csv_text import read_csv
from ablate.plan.params import Params
from ablate.plan.project import open_project
from ablate.plan.runs import RUNS, Planned, Run, make_plan
from ablate.train.job import train
from ablate.verdicts.controls import outcomes
from conftest import ROOT

# Paper, study and arms, seed 0. AlexNet and its like need more steps than the demo has, the large networks as well.
LEARN = {
    ("alexnet-vs-resnet", "factorial"): ["ResNet-18 / plain / scratch", "ResNet-18 / augmented / pretrained"],
    ("five-cnns", "models"): ["Model 2", "Model 4"],
    ("resnet18-init", "activation"): ["relu", "silu"],
    ("resnet-vs-plain", "seven-layers"): ["ResNet", "plain"],
}
MARGIN = 100  # times less likely by chance than `health.chance_p`, from which on a run is called not above chance

pytestmark = [pytest.mark.slow, pytest.mark.papers()]


@pytest.fixture
def trained(
    params: Params, packs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Run], Path]:
    """Trains a run of the demo, and before it the one whose weights it starts from; the folder of what it left."""
    monkeypatch.chdir(tmp_path)
    sources = make_plan(params).pretraining

    def make(run: Run) -> Path:
        start = Path(run.start_file) if run.start_file else None
        if run.start and start and not start.exists():
            source = sources[run.start]
            train(source, pack=packs[source.settings.dataset], out=start.parent, weights=start, device="cpu")
        train(run, pack=packs[run.settings.dataset], out=RUNS / run.id, start=start, device="cpu")
        return RUNS / run.id

    return make


def planned(params: Params, paper: str, study: str) -> list[Planned]:
    return [p for p in make_plan(params).of(paper, study) if p.run.seed == 0]


@pytest.mark.parametrize(("paper", "study", "arm"), [(*at, arm) for at, arms in LEARN.items() for arm in arms])
def test_an_arm_that_should_learn_is_above_chance(
    paper: str, study: str, arm: str, params: Params, trained: Callable[[Run], Path]
) -> None:
    (run,) = [p.run for p in planned(params, paper, study) if p.arm == arm]
    table = read_csv(trained(run) / "predictions.csv", ["split"])
    val = table[table["split"] == "val"]
    right = int((val["label"] == val["predicted"]).sum())
    assert set(val["label"].value_counts()) == {len(val) // 10}, "ten classes, alike in number: chance is a tenth"
    assert binomtest(right, len(val), 0.1, "greater").pvalue < params.health.chance_p / MARGIN


@pytest.mark.parametrize("study", ["tiny-imagenet", "cifar10"])
def test_the_controls_pass(study: str, params: Params, trained: Callable[[Run], Path]) -> None:
    wanted = planned(params, "controls", study)
    for control in wanted:
        trained(control.run)
    record = open_project(ROOT / "params.yaml", {"scale": "demo"}).record
    rows = [row for row in outcomes(record, RUNS) if row["dataset"] == study]
    assert [row["outcome"] for row in rows] == ["passed"] * len(wanted), rows
