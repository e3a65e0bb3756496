"""What the seeds of an arm share. Oracle: what each setting does, told by hand for 500 images of each class."""

from typing import Any

import pytest

from ablate.plan.project import open_project
from ablate.plan.record import PlannedRun
from ablate.plan.settings import Settings
from ablate.plan.shared import shared_factors
from conftest import ROOT

IMAGES = "the same 100 training images per class"
PRETRAINING = "one pretraining run"


def arm(*seeds: int, trainable: int = 500, **settings: Any) -> list[PlannedRun]:
    base = {"dataset": "d", "model": "cnn1", "optimizer": "sgd", "lr": 0.1, "epochs": 1, "batch_size": 2}
    s = Settings.model_validate(base | settings)
    return [
        PlannedRun(run=f"r_s{seed}", paper="p", study="s", arm="a", seed=seed, levels={}, settings=s, facts={},
                   contaminated=False, deviations=None, n_classes=10, image_size=32, trainable=trainable)
        for seed in seeds
    ]  # fmt: skip


SHARED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "all images, from scratch": ({}, ()),
    "some of them": ({"per_class": 100}, (IMAGES,)),
    "one of each class": ({"per_class": 1}, ("the same 1 training image per class",)),
    "some, of each seed's own": ({"per_class": 100, "subset": "by-seed"}, ()),
    "as many as there are": ({"per_class": 500}, ()),
    "a thousand": ({"per_class": 1000, "trainable": 5000}, ("the same 1,000 training images per class",)),
    "a holdout": ({"split": "holdout", "trainable": 400}, ("one split",)),
    "some of a holdout": ({"split": "holdout", "trainable": 400, "per_class": 100}, ("one split", IMAGES)),
    "a holdout and seeds' own": (
        {"split": "holdout", "trainable": 400, "per_class": 100, "subset": "by-seed"}, ("one split",),
    ),
    "shuffled labels": ({"labels": "shuffled"}, ("one shuffle of the labels",)),
    "pretrained once": ({"weights": "pretrain:x"}, (PRETRAINING,)),
    "pretrained once, on some": ({"weights": "pretrain:x", "per_class": 100}, (IMAGES, PRETRAINING)),
    "pretrained for each seed": ({"weights": "pretrain:x", "pretraining": "by-seed"}, ()),
    "a download": ({"weights": "imagenet"}, ()),
    "a file": ({"weights": "file:x.safetensors"}, ()),
}  # fmt: skip


@pytest.mark.parametrize("case", SHARED)
def test_what_could_have_been_drawn_anew_for_each_seed_is_named(case: str) -> None:
    settings, expected = SHARED[case]
    assert shared_factors(arm(0, 1, 2, **settings)) == expected
    assert shared_factors(arm(1, **settings)) == ()  # one seed shares nothing with others


def test_arms_that_are_compared_name_each_factor_once() -> None:
    scratch, started = arm(0, 1, per_class=100), arm(0, 1, per_class=100, weights="pretrain:x")
    assert shared_factors([*scratch, *started]) == (IMAGES, PRETRAINING)
    more = arm(0, 1, per_class=50)
    assert shared_factors([*scratch, *more]) == (IMAGES, "the same 50 training images per class")
    assert shared_factors([*arm(0, 1), *started]) == (IMAGES, PRETRAINING)  # of one arm alone
    assert shared_factors([]) == ()


def test_of_the_shipped_scales() -> None:
    """Oracle: params.yaml, read by eye."""

    def of(scale: str, paper: str, *studies: str) -> tuple[str, ...]:
        record = open_project(ROOT / "params.yaml", {"scale": scale}).record
        return shared_factors([p for p in record.of(paper) if p.study in (studies or (p.study,))])

    assert of("pilot", "resnet18-init") == of("pilot", "alexnet-vs-resnet") == of("pilot", "resnet-vs-plain") == ()
    assert of("pilot", "tinyimage10") == of("paper", "tinyimage10") == ("one split",)
    assert of("paper", "resnet-vs-plain") == of("paper", "alexnet-vs-resnet", "factorial", "sweep", "shortcuts") == ()
    assert of("paper", "resnet18-init", "overfit") == ("the same 10 training images per class",)
    assert of("paper", "resnet18-init", "subset") == ("the same 25 training images per class",)
    assert of("paper", "resnet18-init", "clean-transfer") == ("the same 50 training images per class", PRETRAINING)
    assert of("paper", "alexnet-vs-resnet", "clean-transfer") == (PRETRAINING,)
    assert of("demo", "tinyimage10") == ()  # of one seed
