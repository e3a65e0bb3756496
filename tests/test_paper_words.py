"""Each setting of each arm is stated, a deviation, a choice or our own. Oracles: the five documents, read by eye; the
papers' files as plain YAML.
"""

from collections import Counter
from typing import Any

import pytest
from torch import nn

from ablate.models.build import build
from ablate.papers.paper import read
from ablate.papers.words import ALL_OF_IT, UNTOLD, Words, deviates, standings, words
from ablate.plan.params import load
from ablate.plan.project import open_project
from ablate.plan.record import FACTS, PlannedRun
from ablate.plan.settings import Settings
from ablate.records import read_yaml
from conftest import FIVE, ROOT
from fabricated import paper as stating

SCALES = ("demo", "pilot", "paper")
FILES = {path.stem: path for path in sorted((ROOT / "papers").glob("*.yaml"))}
PAPERS = {id: read(path) for id, path in FILES.items()}
RAW = {id: read_yaml(path) for id, path in FILES.items()}


@pytest.fixture(scope="module")
def arms() -> dict[tuple[str, str, str, str], PlannedRun]:
    """By scale, paper, study and arm."""
    return {
        (scale, p.paper, p.study, p.arm): p
        for scale in SCALES
        for p in open_project(ROOT / "params.yaml", {"scale": scale}).record.runs
        if p.paper in (*FIVE, "controls")
    }


def about(entry: dict[str, Any], p: PlannedRun) -> bool:
    """Whether an entry of a file speaks of an arm."""
    labels = p.levels.values()
    return (
        p.study in entry.get("studies", [p.study])
        and any(level in labels for level in entry.get("levels", labels))
        and p.arm in entry.get("arms", [p.arm])
    )


@pytest.mark.papers()
def test_every_setting_of_every_arm_has_one_word_for_which_the_file_has_one_reason(
    arms: dict[tuple[str, str, str, str], PlannedRun],
) -> None:
    every = ({*Settings.model_fields} - {"per_class", *UNTOLD}) | {*FACTS}
    counted: Counter[str] = Counter()
    for (scale, paper, *_), p in arms.items():
        found = standings(PAPERS[paper], p, scale)
        assert found.keys() == every
        raw = RAW[paper]
        own = any(about(entry, p) for entry in raw.get("own", []))
        for key, standing in found.items():
            states = [
                e for e in raw["protocol"] if about(e, p) and key in {*e.get("settings", ()), *e.get("varied", ())}
            ]
            leaves = [e for e in raw["silent"] if about(e, p) and key in e.get("settings", ())]
            differs = [
                e for e in raw["deviations"]
                if about(e, p) and key in e.get("settings", ()) and scale in e.get("scales", SCALES)
            ]  # fmt: skip
            assert len(states) + len(leaves) <= 1, (paper, p.study, p.arm, key)
            if own:
                expected = "own"
            elif differs:
                expected = "deviation"
            elif states:
                entry = states[0]
                allowed = entry["varied"][key] if key in entry.get("varied", {}) else [entry["settings"][key]]
                expected = "stated" if standing.ours in allowed else "deviation"
            else:
                expected = "choice"
                assert leaves or not standing.worth_saying(key), (paper, p.study, p.arm, key)  # chosen, with a reason
            assert standing.word == expected, (scale, paper, p.study, p.arm, key)
            counted[standing.word] += 1
    assert {*counted} == {"stated", "deviation", "choice", "own"} and min(counted.values()) > 100


# (paper, study, arm, setting): its word at the scales demo, pilot and paper; a dash where there is no such arm. From
# the documents.
BY_EYE = {
    ("alexnet-vs-resnet", "factorial", "ResNet-18 / plain / scratch", "epochs"): "choice choice choice",
    ("alexnet-vs-resnet", "factorial", "ResNet-18 / plain / scratch", "n_classes"): "deviation deviation stated",
    ("alexnet-vs-resnet", "factorial", "ResNet-18 / plain / scratch", "augment"): "stated stated stated",
    ("alexnet-vs-resnet", "sweep", "AlexNet / 0.01 / 0.0005", "augment"): "choice - choice",
    ("alexnet-vs-resnet", "sweep", "AlexNet / 0.01 / 0.0005", "lr"): "choice - choice",
    ("five-cnns", "models", "Model 1", "lr"): "deviation stated stated",
    ("five-cnns", "models", "Model 1", "epochs"): "deviation deviation stated",
    ("five-cnns", "models", "Model 1", "schedule"): "choice choice choice",
    ("five-cnns", "models", "Model 5", "epochs"): "choice choice choice",
    ("five-cnns", "models", "Model 2", "stop_after"): "choice choice choice",
    ("five-cnns", "models", "Model 2", "schedule"): "stated stated stated",
    ("five-cnns", "models", "Model 2", "batch_size"): "choice choice choice",
    ("five-cnns", "models", "Model 3", "normalize"): "deviation deviation deviation",
    ("five-cnns", "models", "Model 5", "weights"): "deviation deviation deviation",
    ("five-cnns", "dropout", "no dropout", "dropout"): "own own own",
    ("five-cnns", "augmentation", "Model 1 / augmented", "lr"): "own own own",
    ("tinyimage10", "grid", "0.001 / 0.9 / 0.1", "epochs"): "deviation - stated",
    ("tinyimage10", "grid", "0.001 / 0.9 / 0.1", "batch_size"): "deviation - stated",
    ("tinyimage10", "grid", "0.001 / 0.9 / 0.1", "lr"): "stated - stated",
    ("tinyimage10", "grid", "0.001 / 0.9 / 0.1", "weight_decay"): "choice - choice",
    ("tinyimage10", "optimiser", "Adam", "weight_decay"): "stated stated stated",
    ("tinyimage10", "optimiser", "SGD", "weight_decay"): "choice choice choice",
    ("tinyimage10", "optimiser", "SGD", "epochs"): "choice choice choice",
    ("tinyimage10", "optimiser", "SGD", "last_relu"): "deviation deviation deviation",
    ("tinyimage10", "optimiser", "Adam with weight decay", "weight_decay"): "own own own",
    ("tinyimage10", "classes", "200 classes", "n_classes"): "deviation - stated",
    ("resnet18-init", "subset", "pretrained", "epochs"): "choice choice choice",
    ("resnet18-init", "subset", "pretrained", "batch_size"): "choice choice choice",
    ("resnet18-init", "subset", "pretrained", "images"): "deviation deviation stated",
    ("resnet18-init", "subset", "pretrained", "weights"): "deviation deviation stated",
    ("resnet18-init", "subset", "pretrained", "split"): "deviation deviation deviation",
    ("resnet18-init", "subset", "pretrained", "subset"): "choice choice choice",
    ("resnet18-init", "subset", "pretrained", "pretraining"): "choice choice choice",
    ("resnet18-init", "clean-transfer", "pretrained", "pretraining"): "own own own",
    ("resnet18-init", "overfit", "scratch", "images"): "deviation stated stated",
    ("resnet18-init", "overfit", "scratch", "n_classes"): "deviation deviation deviation",
    ("resnet18-init", "initialisation", "Gaussian", "init_variance"): "stated stated stated",
    ("resnet18-init", "initialisation", "Kaiming", "init"): "own own own",
    ("resnet18-init", "activation", "elu", "activation"): "own own own",
    ("resnet-vs-plain", "nets", "Net 1", "epochs"): "choice choice choice",
    ("resnet-vs-plain", "nets", "Net 1", "augment"): "stated stated stated",
    ("resnet-vs-plain", "nets", "Net 2", "augment"): "choice choice choice",
    ("resnet-vs-plain", "nets", "Net 4", "images"): "deviation deviation stated",
    ("resnet-vs-plain", "regularisation", "no dropout / plain", "dropout"): "stated stated stated",
    ("resnet-vs-plain", "regularisation", "no dropout / augmented", "dropout"): "own own own",
    ("resnet-vs-plain", "original", "ResNet-18 / plain", "model"): "stated stated stated",
    ("resnet-vs-plain", "original", "ResNet-18 / plain", "augment"): "choice choice choice",
    ("resnet-vs-plain", "original", "ResNet-18 / augmented", "augment"): "own own own",
    ("resnet-vs-plain", "seven-layers", "ResNet", "model"): "choice choice choice",
    ("resnet-vs-plain", "seven-layers", "ResNet", "dropout"): "stated stated stated",
    ("controls", "tiny-imagenet", "shuffled labels", "labels"): "own own own",
}  # fmt: skip


@pytest.mark.parametrize("place", [place for place in BY_EYE if place[0] in PAPERS], ids="/".join)
def test_the_word_is_the_document_s(
    place: tuple[str, str, str, str], arms: dict[tuple[str, str, str, str], PlannedRun]
) -> None:
    paper, study, arm, key = place
    there = {scale: arms.get((scale, paper, study, arm)) for scale in SCALES}
    found = [standings(PAPERS[paper], p, scale)[key].word if p else "-" for scale, p in there.items()]
    assert " ".join(found) == BY_EYE[place]


def test_at_the_scale_of_the_papers_every_deviation_is_declared_with_a_reason(
    arms: dict[tuple[str, str, str, str], PlannedRun],
) -> None:
    for (scale, paper, *_), p in arms.items():
        for key, standing in standings(PAPERS[paper], p, scale).items():
            assert scale != "paper" or standing.word != "deviation" or standing.declared, (paper, p.study, p.arm, key)


def test_the_precision_of_every_run_is_a_declared_choice(arms: dict[tuple[str, str, str, str], PlannedRun]) -> None:
    for (scale, paper, *_), p in arms.items():
        assert standings(PAPERS[paper], p, scale)["precision"].word == ("own" if _own(paper, p) else "choice")
    for id, paper in PAPERS.items():
        assert id not in FIVE or any("precision" in entry.settings for entry in paper.silent)


def _own(paper: str, p: PlannedRun) -> bool:
    return any(about(entry, p) for entry in RAW[paper].get("own", []))


def of_study(arms: dict[tuple[str, str, str, str], PlannedRun], scale: str, paper: str, study: str) -> Words:
    return words(PAPERS[paper], [p for place, p in arms.items() if place[:3] == (scale, paper, study)], scale)


@pytest.mark.papers()
def test_what_a_paper_does_not_state_is_never_said_to_deviate(
    arms: dict[tuple[str, str, str, str], PlannedRun],
) -> None:
    """Oracle: these three documents name no epochs, batch size, learning rate or precision."""
    for paper in ("alexnet-vs-resnet", "resnet18-init", "resnet-vs-plain"):
        for study in dict.fromkeys(p.study for place, p in arms.items() if place[1] == paper):
            found = of_study(arms, "pilot", paper, study)
            said = " ".join(found.deviations)
            assert not any(word in said for word in ("epochs", "batch size", "learning rate", "precision"))
            if found.own != (ALL_OF_IT,):
                assert "precision bf16, not our fp32" in found.choices
                assert any(choice.startswith("batch size") for choice in found.choices)


@pytest.mark.papers()
def test_words_of_studies_in_full(arms: dict[tuple[str, str, str, str], PlannedRun]) -> None:
    assert of_study(arms, "pilot", "tinyimage10", "optimiser") == Words(
        deviations=(
            "epochs 12, not 40", "2,000 training images, not 4,000",
            "images neither resized nor cropped, but as they are, 64x64",
            "no ReLU after the last fully connected layer",
        ),
        choices=(
            "subset of training images by-seed, not our first", "weight decay 0.0005", "schedule step",
            "step epochs 9, not our 25", "gamma 0.1", "epochs 12, not our 40", "batch size 12",
            "precision bf16, not our fp32",
        ),
        own=("Adam with weight decay",),
    )  # fmt: skip
    drawn = [c for c in of_study(arms, "pilot", "resnet18-init", "subset").choices if "seed" in c or "shared" in c]
    assert drawn == ["subset of training images by-seed, not our first", "pretraining by-seed, not our shared"]
    assert of_study(arms, "demo", "alexnet-vs-resnet", "sweep").deviations[-1] == "embedded data"
    assert of_study(arms, "paper", "resnet-vs-plain", "nets").deviations == ("PyTorch in place of Torch",)
    assert of_study(arms, "paper", "resnet18-init", "initialisation").own == ("Kaiming",)


@pytest.mark.papers()
def test_an_arm_deviates_where_there_are_words_for_it(arms: dict[tuple[str, str, str, str], PlannedRun]) -> None:
    """Both answers are there; other data than the official one deviates by itself."""
    found = {}
    for at, p in arms.items():
        told = words(PAPERS[at[1]], [p], at[0])
        found[at] = deviates(PAPERS[at[1]], p, at[0])
        assert found[at] == bool(told.deviations or told.own), at
        assert deviates(PAPERS[at[1]], p, at[0], ["embedded"])
    assert {*found.values()} == {True, False}


@pytest.mark.papers()
def test_no_title_over_our_own_study_speaks_of_the_paper_s_protocol(
    arms: dict[tuple[str, str, str, str], PlannedRun],
) -> None:
    own = {place[1:3] for place in arms if of_study(arms, *place[:3]).own == (ALL_OF_IT,)}
    assert own == {
        ("alexnet-vs-resnet", "shortcuts"), ("alexnet-vs-resnet", "clean-transfer"),
        ("five-cnns", "augmentation"), ("five-cnns", "dropout"), ("five-cnns", "l2"), ("five-cnns", "transfer"),
        ("five-cnns", "clean-transfer"), ("five-cnns", "averages"), ("tinyimage10", "last-relu"),
        ("resnet18-init", "activation"), ("resnet18-init", "clean-overfit"), ("resnet18-init", "clean-transfer"),
        ("resnet18-init", "initialisation-rate"), ("resnet-vs-plain", "averages"),
        ("resnet-vs-plain", "fifteen-layers"),
        ("controls", "tiny-imagenet"), ("controls", "cifar10"),
    }  # fmt: skip
    assert own == {place[1:3] for place in arms if PAPERS[place[1]].owns(place[2])}
    for paper, study in own:
        found = of_study(arms, "paper", paper, study)
        assert "protocol" not in found.counted
        assert found.sentences == "Own, not in the paper: the whole study."
        assert found.counted == "our own study, not in the paper"
    assert not any("protocol" in load(ROOT / "params.yaml", {"scale": scale}).label for scale in SCALES)


@pytest.mark.papers("resnet-vs-plain")
def test_a_list_of_values_is_one_value(arms: dict[tuple[str, str, str, str], PlannedRun]) -> None:
    p = arms["paper", "resnet-vs-plain", "nets", "Net 1"]
    settings = p.settings.model_copy(update={"milestones": (10, 20)})
    planned = p.model_copy(update={"settings": settings})
    for stated, word in (((10, 20), "stated"), ((10, 30), "deviation")):
        found = standings(stating(milestones=stated), planned, "paper")["milestones"]
        assert found.word == word
    assert found.said("milestones") == "milestones 10 20, not 10 30"


def test_counts_in_a_caption() -> None:
    assert Words(("a",), ("b", "c"), ("D",)).counted == (
        "1 deviation from the paper; 2 choices where it is silent; our own: D"
    )
    assert Words().counted == "" == Words().sentences


@pytest.mark.papers("tinyimage10")
def test_declared_deviations_are_so() -> None:
    """The network of tinyimage10 ends in a fully connected layer; its runs see whole images of 64 pixels."""
    declared = {d.what for d in PAPERS["tinyimage10"].deviations}
    assert declared == {
        "images neither resized nor cropped, but as they are, 64x64", "no ReLU after the last fully connected layer",
    }  # fmt: skip
    last = [m for m in build("alexnet10", classes=10, image_size=64).modules() if not [*m.children()]][-1]
    assert isinstance(last, nn.Linear)
