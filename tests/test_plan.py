"""How many arms the plan has. Oracle: what the papers ask for, written out here by hand."""

import json
from collections import Counter

import pytest

from ablate.cli import main as cli
from ablate.plan.project import open_project
from conftest import ROOT

ARMS = {
    ("alexnet-vs-resnet", "factorial"): 8,  # 2 networks x augmentation on, off x pretrained, scratch
    ("alexnet-vs-resnet", "sweep"): 24,  # 2 networks x 4 learning rates x 3 weight decays
    ("alexnet-vs-resnet", "shortcuts"): 3,  # ResNet with and without them, AlexNet
    ("alexnet-vs-resnet", "clean-transfer"): 4,  # 2 networks x pretrained, scratch
    ("five-cnns", "models"): 5,
    ("five-cnns", "augmentation"): 10,  # 5 networks x on, off
    ("five-cnns", "dropout"): 2,
    ("five-cnns", "l2"): 2,
    ("five-cnns", "transfer"): 2,
    ("five-cnns", "clean-transfer"): 2,
    ("five-cnns", "averages"): 4,  # two networks x running and exact averages
    ("tinyimage10", "grid"): 12,  # 3 learning rates x 2 momenta x 2 gammas
    ("tinyimage10", "optimiser"): 3,  # SGD, Adam, Adam with weight decay
    ("tinyimage10", "last-relu"): 6,  # these three x without, with
    ("tinyimage10", "batch-size"): 2,
    ("tinyimage10", "classes"): 2,
    ("resnet18-init", "overfit"): 2,
    ("resnet18-init", "clean-overfit"): 2,
    ("resnet18-init", "subset"): 2,
    ("resnet18-init", "clean-transfer"): 2,
    ("resnet18-init", "initialisation"): 3,
    ("resnet18-init", "initialisation-rate"): 6,  # these three x two rates
    ("resnet18-init", "activation"): 5,
    ("resnet-vs-plain", "nets"): 6,
    ("resnet-vs-plain", "regularisation"): 4,  # dropout on, off x augmentation on, off
    ("resnet-vs-plain", "original"): 4,  # ResNet-18, Net 1 x augmentation on, off
    ("resnet-vs-plain", "averages"): 4,  # two networks x running and exact averages
    ("resnet-vs-plain", "seven-layers"): 2,
    ("resnet-vs-plain", "nine-layers"): 2,
    ("resnet-vs-plain", "fifteen-layers"): 2,
    ("controls", "tiny-imagenet"): 2,  # a negative and a positive one for each data set
    ("controls", "cifar10"): 2,
}


def planned(scale: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["ablate", "plan", "--scale", scale, "--json"])
    with pytest.raises(SystemExit):
        cli.main()
    return list(json.loads(capsys.readouterr().out))


@pytest.mark.papers()
def test_every_study_has_the_arms_that_its_paper_asks_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arms = {s: {(e["paper"], e["study"], e["arm"]) for e in planned(s, monkeypatch, capsys)}
            for s in ("paper", "pilot", "demo")}  # fmt: skip
    arms = {scale: {entry for entry in found if entry[:2] in ARMS} for scale, found in arms.items()}
    assert Counter((paper, study) for paper, study, _ in arms["paper"]) == ARMS
    assert arms["paper"] == arms["demo"]
    # The pilot is without the trials that results/paper has, and without what needs more steps: AlexNet at some
    # rates, 200 classes.
    left_out = {("tinyimage10", "grid"), ("tinyimage10", "classes"), ("alexnet-vs-resnet", "sweep")}
    assert {at[:2] for at in arms["paper"] - arms["pilot"]} == left_out and arms["pilot"] < arms["paper"]


@pytest.mark.papers()
def test_weights_called_clean_come_from_classes_that_are_not_trained_on() -> None:
    """At every scale, and the other start of each pair has the same settings otherwise."""
    for scale in ("demo", "pilot", "paper"):
        plan = open_project(ROOT / "params.yaml", {"scale": scale}).plan
        clean = [p for p in plan.planned if p.study.startswith("clean-")]
        assert len({p.arm for p in clean}) == 4 + 2  # each network of the factorial; pretrained and scratch elsewhere
        for p in clean:
            if not p.run.start:
                assert p.run.settings.weights == "scratch"
                continue
            ours, theirs = p.run.settings.class_range, plan.pretraining[p.run.start].settings.class_range
            assert ours and theirs and ours[1] <= theirs[0]
            bare = p.run.settings.model_copy(update={"weights": "scratch", "pretraining": "shared"})
            assert any(q.run.settings == bare for q in clean if (q.paper, q.study) == (p.paper, p.study))


@pytest.mark.papers("alexnet-vs-resnet")
def test_arms_of_the_factorial_are_points_of_the_sweep() -> None:
    """At the paper's scale, where all else is equal as well: they are the same runs."""
    plan = open_project(ROOT / "params.yaml", {"scale": "paper"}).plan
    grid = {p.run.id for p in plan.of("alexnet-vs-resnet", "sweep")}
    for arm in ("AlexNet / augmented / scratch", "ResNet-18 / augmented / scratch"):
        assert {p.run.id for p in plan.of("alexnet-vs-resnet", "factorial") if p.arm == arm} <= grid


@pytest.mark.papers("five-cnns", "tinyimage10")
def test_what_a_scale_changes() -> None:
    """Oracle: params.yaml, read by eye."""
    made = {}
    for scale in ("pilot", "paper"):
        record = open_project(ROOT / "params.yaml", {"scale": scale}).record
        made[scale] = {(p.paper, p.study, p.arm): p.deviations for p in record.runs}
    assert made["pilot"]["five-cnns", "models", "Model 5"] == {
        "classes": ([0, 10], None), "n_classes": (10, 200), "images": (1000, 100_000), "images_per_class": (100, 500),
        "epochs": (8, 15), "weights": ("pretrain:other-classes", "imagenet"),
        "precision": ("bf16", "fp32"), "subset": ("by-seed", "first"), "pretraining": ("by-seed", "shared"),
    }  # fmt: skip
    assert made["pilot"]["tinyimage10", "optimiser", "SGD"]["images_per_class"] == (200, 400)  # 0.8 of 500
    assert all(deviations == {} for deviations in made["paper"].values())
