"""Every kind of figure, from fabricated runs and the demo's packs. Oracle: what the runs were made to say."""

import json
import re
import zlib
from dataclasses import replace
from itertools import product
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from PIL import Image

from ablate.errors import UserError
from ablate.figures.common import RunFiles
from ablate.figures.curves import TOP
from ablate.figures.registry import draw, write_figure
from ablate.figures.save import save
from ablate.figures.style import NARROW, STYLE, WIDE, level_colours
from ablate.plan.kinds import FIGURES, Asked, shows_images
from ablate.plan.project import open_project
from ablate.plan.receipts import FIGURE as FILES
from ablate.results.control import chance_range
from ablate.results.stats import half_width
from drawn import GRID, RATES, fabricate, legend, study, texts
from fabricated import vouch

ROOT = Path(__file__).parents[1]
LOST = {"missing": "not run", "diverged": "diverged"}


pytestmark = pytest.mark.usefixtures("no_figures_left")


def lines(axis: Axes) -> list[Line2D]:
    """Those of arms, which have markers; that of guessing has none."""
    return [line for line in axis.lines if line.get_marker() != "None"]


def kinds_of_papers() -> list[str]:
    studies = open_project(ROOT / "params.yaml", {"scale": "paper"}).record.studies.values()
    return sorted({kind.partition("@")[0] for s in studies for kind in s.figures.values()})


@pytest.mark.parametrize("kind", kinds_of_papers())
@pytest.mark.parametrize("status", [None, *LOST])
def test_every_kind_that_a_study_asks_for_draws(
    kind: str, status: str | None, tmp_path: Path, packs: dict[str, Path]
) -> None:
    """Also when nothing trained to the end; then arms are still named, and with them why."""
    name, _, argument = kind.partition(":")
    if name == "controls":
        planned = study({"control": ["shuffled labels", "one batch"]}, {"shuffled labels": {"labels": "shuffled"}})
    elif name == "sweep" and argument:
        axes = {"model": [argument, "other"], "lr": GRID["lr"], "weight-decay": ["0.0", "0.1"]}
        planned = study(axes, RATES)
    else:
        planned = study(GRID, RATES)
    arms = {p.arm: status for p in planned if status}
    made = fabricate(planned, tmp_path, packs, lost=arms)
    figure = made.draw(kind)
    figure.draw_without_rendering()
    assert figure.get_size_inches()[0] in (NARROW, WIDE)
    assert not figure.get_suptitle()  # the caption has it
    caption = made.caption(kind)
    assert caption.text.startswith(f"A study. {caption.what}") and caption.what.endswith(".")
    assert ("n" in caption.facts) == FIGURES[name].runs  # others show no result of a run
    small = [t for t in figure.findobj(plt.Text) if t.get_text() and t.get_fontsize() < 7]
    assert not small, small
    if status and name in ("curves", "by-arm", "trials", "dots", "sweep", "filters", "gap", "controls"):
        assert any(LOST[status] in text for text in texts(figure))


@pytest.mark.parametrize(
    "kind", ["curves", "dots", "samples", "augmented:flip", "predictions:0", "gap", "network:resnet18", "blocks:net1"]
)
def test_equal_data_give_equal_bytes(kind: str, tmp_path: Path, packs: dict[str, Path]) -> None:
    made = fabricate(study({"lr": GRID["lr"]}, RATES), tmp_path, packs)
    drawn = []
    for _ in range(2):
        write_figure(made.results, kind, tmp_path / "f.svg", made.places)
        drawn.append(b"".join((tmp_path / f"f{suffix}").read_bytes() for suffix in FILES))
    assert drawn[0] == drawn[1] and b"<dc:date>" not in drawn[0]


def test_three_files_of_one_size_and_layout(tmp_path: Path, packs: dict[str, Path]) -> None:
    """Oracle: the figure's inches at 72 points and at 300 dots, the panel's box after matplotlib's own SVG, and what
    tables are called in the font that the PDF embeds.
    """
    made = fabricate(study({"net": ["Net 1", "Net 2"]}), tmp_path, packs)
    figure = made.draw("curves:val_top1")
    figure.savefig(tmp_path / "alone.svg", metadata={"Date": None})
    box = figure.axes[0].get_position().bounds
    figure = made.draw("curves:val_top1")
    save(figure, tmp_path / "f.svg", made.caption("curves:val_top1"))
    assert figure.axes[0].get_position().bounds == box
    assert (tmp_path / "f.svg").read_bytes() == (tmp_path / "alone.svg").read_bytes()
    wide, high = figure.get_size_inches()
    with Image.open(tmp_path / "f.png") as image:
        assert image.size == (int(wide * 300), int(high * 300)) and round(image.info["dpi"][0]) == 300
    pdf = (tmp_path / "f.pdf").read_bytes()
    found = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+)", pdf)
    assert found and [float(n) for n in found.groups()] == pytest.approx([wide * 72, high * 72])
    packed = re.findall(rb"stream\n(x.*?)\nendstream", pdf, re.DOTALL)
    parts = [zlib.decompressobj().decompress(part) for part in packed]
    (font,) = [part for part in parts if part[:4] == bytes([0, 1, 0, 0])]
    assert b"glyf" in font[:400] and not [name for name in (b"GSUB", b"GPOS", b"GDEF") if name in font[:400]]


def test_curves_have_a_panel_per_metric_and_a_line_per_arm(tmp_path: Path, packs: dict[str, Path]) -> None:
    made = fabricate(study({"net": ["Net 1", "Net 2", "Net 6"]}), tmp_path, packs)
    for kind, titles, labels in (
        ("curves", ["training", "validation"], ["top-1 accuracy (%)"] * 2),
        ("curves:val_top1+val_loss", ["validation"] * 2, ["top-1 accuracy (%)", "cross-entropy (nats)"]),
        ("curves:train_top1", ["training"], ["top-1 accuracy (%)"]),
    ):
        figure = made.draw(kind)
        assert [a.get_title() for a in figure.axes] == titles and [a.get_ylabel() for a in figure.axes] == labels
        assert {a.get_xlabel() for a in figure.axes} == {"epoch"}
        assert legend(figure) == ["Net 1", "Net 2", "Net 6"]
        for axis in figure.axes:
            assert len({(to_hex(x.get_color()), x.get_marker(), str(x.get_linestyle())) for x in lines(axis)}) == 3
    accuracy = made.draw("curves:val_top1").axes[0]
    assert accuracy.lines[0].get_ydata()[-1] == pytest.approx(21)  # the mean of 20 % and 22 %
    low, high = accuracy.collections[0].get_paths()[0].get_extents().intervaly
    assert high == pytest.approx(22) and low == pytest.approx(20 / 3)


def test_training_and_validation_of_two_arms_share_a_panel(tmp_path: Path, packs: dict[str, Path]) -> None:
    made = fabricate(study({"net": ["Net 1", "Net 2", "Net 6"]}), tmp_path, packs)
    figure = made.draw("curves:train_loss+val_loss@Net 1+Net 6")
    (axis,) = figure.axes
    assert len(axis.lines) == 4 and {str(x.get_linestyle()) for x in axis.lines} == {"--", "-"}
    assert legend(figure) == ["Net 1", "Net 6", "training", "validation"]


def test_arms_side_by_side_are_on_one_scale(tmp_path: Path, packs: dict[str, Path]) -> None:
    """Oracle: one arm ends at 20 to 22 %, another, made so here, at 80 %; of the third there is nothing."""
    made = fabricate(study({"net": ["low", "high", "none"]}), tmp_path, packs, lost={"none": "missing"})
    of_high = made.results.history["arm"] == "high"
    made.results.history.loc[of_high & (made.results.history["epoch"] == 3), ["train_top1", "val_top1"]] = 0.8
    figure = made.draw("by-arm:train_top1+val_top1@high+low+none")
    assert [axis.get_title() for axis in figure.axes] == ["high", "low", "none (not run)"]
    assert [axis.get_ylim() for axis in figure.axes][:2] == [(0, TOP)] * 2  # marks at 100 are whole
    assert [len(lines(axis)) for axis in figure.axes] == [2, 2, 0] and "no epoch to show" in texts(figure)
    assert legend(figure) == ["training", "validation"]
    assert [str(x.get_linestyle()) for x in lines(figure.axes[1])] == ["--", "-"]


def test_losses_are_zoomed_to_the_data_and_cut_where_they_would_flatten_all_others(
    tmp_path: Path, packs: dict[str, Path]
) -> None:
    """Oracle: guessing among ten classes costs ln 10 = 2.303 nats, of which three times are drawn."""
    made = fabricate(study({"net": ["a", "b"]}), tmp_path, packs)
    low, high = made.draw("curves:val_loss").axes[0].get_ylim()
    assert 1.05 < low < 1.1 and 1.77 < high < 1.85  # of 1.1 to 1.767 nats
    made.results.history.loc[0, "val_loss"] = 1e6
    made.results.history.loc[1, "val_loss"] = float("inf")
    axis = made.draw("curves:val_loss").axes[0]
    assert axis.get_yscale() == "linear" and 3 * np.log(10) < axis.get_ylim()[1] < 7.5
    guessing = [line for line in axis.lines if line not in lines(axis)]
    assert [list(line.get_ydata()) for line in guessing] == [pytest.approx([np.log(10)] * 2)]
    assert "drawn up to 6.9; the highest is 1e+06" in made.caption("curves:val_loss").what


@pytest.mark.parametrize("status", LOST)
def test_an_arm_without_results_is_named_and_says_why(status: str, tmp_path: Path, packs: dict[str, Path]) -> None:
    planned = study({"model": ["one", "two"], "weights": ["scratch", "pretrained"]})
    made = fabricate(planned, tmp_path, packs, lost={"two / pretrained": status})
    said = f"two / pretrained (contaminated; {LOST[status]})"
    assert said in legend(made.draw("curves"))
    assert said in [text.replace("\n", " ") for text in texts(made.draw("dots"))]
    assert f"{said}: no filters" in texts(made.draw("filters"))
    one = made.results.runs.loc[0].copy()
    made.results.runs.loc[0, "status"] = "diverged"
    assert "one / scratch (1 of 2 diverged)" in legend(made.draw("curves"))
    assert one["status"] == "done"


def test_dots_show_seeds_means_intervals_and_what_the_paper_printed(tmp_path: Path, packs: dict[str, Path]) -> None:
    """Oracle: the runs' own accuracies; of three seeds 20, 22 and 24 %, 22 ± 4.97 (4.303 x 2 / sqrt 3)."""
    made = fabricate(study({"model": ["one", "two"], "augment": ["plain", "augmented"]}), tmp_path, packs)
    results = replace(made.results, reported={"two / plain": {"val_top1": 0.375}})
    (axis,) = draw(results, "dots", made.places).figure.axes
    rows = {label.get_text(): y for label, y in zip(axis.get_yticklabels(), axis.get_yticks(), strict=True)}
    assert list(rows.values()) == [0, 1, 2.5, 3.5]  # arms of one model together
    seeds = [x for line in axis.lines if line.get_markerfacecolor() == "white" for x in line.get_xdata()]
    runs = results.runs["val_top1"] * 100
    assert sorted(seeds) == pytest.approx(sorted(runs))
    means = [line.get_xdata()[0] for line in axis.lines if line.get_markersize() == 5 and line.get_marker() in "os^"]
    assert means == pytest.approx([21, 26, 31, 36])
    printed = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axis.lines if line.get_marker() == "D"]
    assert printed == [(pytest.approx(37.5), rows["two / plain"])]
    figure = draw(results, "dots", made.places).figure
    assert legend(figure) == ["a seed", "mean", "printed in the paper", "guessing"]
    assert not [line for line in axis.lines if len(line.get_xdata()) == 2 and line.get_linestyle() == "-"]
    assert half_width([20, 22, 24]) == pytest.approx(4.97, abs=0.01) and half_width([20, 22]) is None


def test_arms_that_lie_close_together_can_be_told_apart(tmp_path: Path, packs: dict[str, Path]) -> None:
    """Oracle: 84 to 86 %: less than a fifth of the way from 0, of which nine tenths would be empty."""
    made = fabricate(study({"model": ["one", "two"]}), tmp_path, packs)
    made.results.runs["val_top1"] = [0.84, 0.845, 0.855, 0.86]
    figure = made.draw("dots")
    (axis,) = figure.axes
    assert axis.get_xlim() == pytest.approx((83.8, 86.2)) and "guessing" not in legend(figure)
    assert made.caption("dots").what.endswith("The axis does not begin at 0.")
    made.results.runs["val_top1"] = [0.54, 0.545, 0.855, 0.86]
    assert made.draw("dots").axes[0].get_xlim()[0] == 0 and "does not begin" not in made.caption("dots").what
    alone = fabricate(study({"model": ["one"]}), tmp_path / "alone", packs)
    assert alone.draw("dots").axes[0].get_xlim()[0] == 0  # nothing to tell it from


def test_controls_stand_beside_what_they_must_show(tmp_path: Path, packs: dict[str, Path]) -> None:
    """Oracle: `chance_range` of the same answers, of which 20 of 100 are right; 99 % of a batch."""
    planned = study({"control": ["shuffled labels", "one batch"]}, {"shuffled labels": {"labels": "shuffled"}})
    made = fabricate(planned, tmp_path, packs)
    label = np.arange(100) % 10
    predicted = np.where(np.arange(100) < 20, label, (label + 1) % 10)
    for seed in (0, 1):
        path = tmp_path / f"runs/shuffledlabels_s{seed}/predictions.csv"
        pd.DataFrame({"split": "val", "position": 0, "label": label, "predicted": predicted}).to_csv(
            path, index=False
        )
        vouch(path.parent)
    figure = made.draw("controls")
    learnt, chance = figure.axes
    assert learnt.get_title() == "one batch" and chance.get_title() == "shuffled labels"
    assert [99, 99] in [list(line.get_ydata()) for line in learnt.lines] and len(lines(learnt)) == 1
    low, high = (100 * share for share in chance_range(pd.Series(label), pd.Series(predicted), 10))
    assert [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in chance.patches] == [
        pytest.approx((low, high))
    ] * 2
    assert [list(x.get_xdata()) for x in chance.lines if x.get_marker() == "o"] == [[20], [20]]
    assert [t.get_text() for t in chance.get_yticklabels()] == ["seed 0", "seed 1"]
    with pytest.raises(UserError, match="labels: shuffled"):
        FIGURES["controls"].check("here", "", Asked({"a": planned[-1].settings}, {}, 0, 64))


def test_a_printed_number_of_other_classes_is_named_so(tmp_path: Path, packs: dict[str, Path]) -> None:
    made = fabricate(study({"model": ["one"]}), tmp_path, packs)
    planned = [p.model_copy(update={"deviations": {"n_classes": (10, 200)}}) for p in made.results.planned]
    results = replace(made.results, planned=planned, reported={"one": {"val_top1": 0.375}})
    assert "printed in the paper, of 200 classes" in legend(draw(results, "dots", made.places).figure)
    assert results.printed == "printed in the paper, of 200 classes"  # which all kinds take their words from
    assert made.results.printed == "printed in the paper"


def test_names_under_a_heat_map_stand_where_columns_are_narrow(tmp_path: Path, packs: dict[str, Path]) -> None:
    """By hand: three short names have two inches each, thirty have a fifth of an inch."""
    for levels, turn in ((["a", "bb", "ccc"], 0), ([f"level {n}" for n in range(30)], 90)):
        made = fabricate(study({"lr": ["0.1", "0.2"], "model": levels}), tmp_path / str(turn), packs)
        axis = draw(made.results, "heat", made.places).figure.axes[0]
        assert [name.get_text() for name in axis.get_xticklabels()] == levels
        assert {name.get_rotation() for name in axis.get_xticklabels()} == {turn}


def test_a_level_has_one_colour_in_all_studies() -> None:
    """Oracle: by hand; levels side by side differ, a level that stands in two studies keeps its colour."""
    found = level_colours([["SGD", "Adam"], ["scratch", "pretrained"], ["Adam", "scratch", "SGD"]])
    assert found == {"SGD": 0, "Adam": 1, "scratch": 2, "pretrained": 0}
    later = level_colours([["SGD", "Adam"], ["scratch", "pretrained"], ["Adam", "scratch", "SGD"], ["new", "SGD"]])
    assert later == found | {"new": 1}


def test_a_sweep_has_a_panel_per_model_and_a_line_per_weight_decay(tmp_path: Path, packs: dict[str, Path]) -> None:
    axes = {"model": ["AlexNet", "ResNet-18"], "lr": ["0.01", "0.1"], "weight-decay": ["0.0", "0.0005", "0.005"]}
    own = {level: {"lr": float(level)} for level in axes["lr"]}
    own |= {level: {"weight_decay": float(level)} for level in axes["weight-decay"]}
    made = fabricate(study(axes, own), tmp_path, packs, lost={"AlexNet / 0.1 / 0.005": "diverged"})
    figure = made.draw("sweep")
    assert [axis.get_title() for axis in figure.axes] == ["AlexNet", "ResNet-18"]
    assert {axis.get_xscale() for axis in figure.axes} == {"log"}
    assert [len([x for x in lines(axis) if len(x.get_xdata()) == 2]) for axis in figure.axes] == [3, 3]
    assert [len([x for x in axis.lines if x.get_marker() == "x"]) for axis in figure.axes] == [1, 0]
    assert legend(figure) == ["weight decay 0", "weight decay 0.0005", "weight decay 0.005", "diverged"]


def test_figure_4_has_both_hyperparameters_and_the_sensitivity_of_one_network(
    tmp_path: Path, packs: dict[str, Path]
) -> None:
    """By hand: arms rise by 5 points each, so a step of the rate is worth 10 (two decays) and one of the decay 5."""
    axes = {"model": ["AlexNet", "ResNet-18"], "lr": ["0.01", "0.1"], "weight-decay": ["0.0", "0.005"]}
    own = {level: {"lr": float(level)} for level in axes["lr"]}
    own |= {level: {"weight_decay": float(level)} for level in axes["weight-decay"]}
    made = fabricate(study(axes, own), tmp_path, packs, lost={"AlexNet / 0.1 / 0.0": "diverged"})
    figure = made.draw("sweep:ResNet-18")
    rate, effect, decay, other = figure.axes
    assert [axis.get_xlabel() for axis in figure.axes] == ["learning rate"] * 2 + ["weight decay"] * 2
    assert effect.get_title().startswith("ResNet-18: learning rate") and other.get_title().startswith("ResNet-18: ")
    assert [[t.get_text() for t in axis.get_xticklabels()] for axis in (rate, decay)] == [
        ["0.01", "0.1"],
        ["0", "0.005"],
    ]
    means = [list(line.get_ydata()) for line in rate.lines if len(line.get_xdata()) == 2]
    assert means[0][0] == pytest.approx(23.5) and np.isnan(means[0][1])  # 21 and 26; one of the two is lost
    assert means[1] == pytest.approx([43.5, 53.5])  # 41 and 46, 51 and 56
    points = [axis.containers[0].lines[0].get_ydata()[0] for axis in (effect, other)]
    assert points == pytest.approx([10, 5])
    assert [len([x for x in axis.lines if x.get_marker() == "x"]) for axis in (rate, decay)] == [1, 1]
    assert {"AlexNet, mean", "ResNet-18, mean", "diverged"} <= set(legend(figure))


def test_the_gap_is_drawn_beside_the_printed_one(tmp_path: Path, packs: dict[str, Path]) -> None:
    """Training is 10 points above validation in every fabricated run."""
    made = fabricate(study({"net": ["Net 1", "Net 2", "Net 6"]}), tmp_path, packs, lost={"Net 2": "diverged"})
    results = replace(
        made.results, reported={"Net 1": {"gap": 0.23}, "Net 2": {"train_top1": 0.69, "val_top1": 0.46}}
    )
    figure = draw(results, "gap", made.places).figure
    left, right = figure.axes
    assert [t.get_text() for t in left.get_yticklabels()] == ["Net 1", "Net 2 (diverged)", "Net 6"]
    drawn = {
        (line.get_marker(), float(y)): list(line.get_xdata()) for line in right.lines for y in line.get_ydata()[:1]
    }
    assert drawn["o", 0.0] == pytest.approx([10, 10]) and drawn["|", 2.0] == pytest.approx([10])
    assert drawn["D", 0.0] == pytest.approx([23]) and drawn["D", 1.0] == pytest.approx([23])
    assert ("o", 1.0) not in drawn and "printed in the paper" in legend(figure)
    assert "printed in the paper" not in legend(made.draw("gap"))


def test_twelve_trials_can_be_told_apart(tmp_path: Path, packs: dict[str, Path]) -> None:
    made = fabricate(study(GRID, RATES), tmp_path, packs)
    figure = made.draw("trials:val")
    assert [axis.get_ylabel() for axis in figure.axes] == ["top-1 accuracy (%)", "cross-entropy (nats)"]
    for axis in figure.axes:
        seen = {(to_hex(x.get_color()), str(x.get_linestyle()), x.get_marker()) for x in lines(axis)}
        assert len(lines(axis)) == len(seen) == 12
    assert legend(figure) == [  # by size, not as the plan has them
        " / ".join(levels) for levels in product(("0.0001", "0.001", "0.005"), ("0.5", "0.9"), ("0.01", "0.1"))
    ]
    assert figure.legends[0].get_title().get_text() == "lr / momentum / gamma"


def test_the_best_arm_is_the_best_on_val(tmp_path: Path, packs: dict[str, Path]) -> None:
    made = fabricate(study({"momentum": ["0.9", "0.5"]}), tmp_path, packs)
    assert made.results.best_arm == "0.5"
    made.results.runs["test_top1"] = [0.9, 0.9, 0.1, 0.1]  # must not count
    assert made.results.best_arm == "0.5"
    made.results.runs["status"] = ["done", "done", "diverged", "diverged"]
    assert made.results.best_arm == "0.9"
    made.results.runs["status"] = "missing"
    assert made.results.best_arm is None


def test_accuracy_per_label(tmp_path: Path, packs: dict[str, Path]) -> None:
    made = fabricate(study({"momentum": ["0.9", "0.5"]}), tmp_path, packs)
    for seed, right in ((0, 4), (1, 2)):  # of the 4 images of label 0
        path = tmp_path / f"runs/0.5_s{seed}/predictions.csv"
        table = pd.DataFrame({"split": "test", "position": 0, "label": np.repeat(np.arange(10), 4), "predicted": 9})
        table.loc[: right - 1, "predicted"] = 0
        val = table.assign(split="val", predicted=table["label"])  # must not count
        pd.concat([val, table]).to_csv(path, index=False)
        vouch(path.parent)
    figure = made.draw("per-label:best")
    (axis,) = figure.axes
    words = json.loads(packs["tiny-imagenet"].read_text())["words"]
    names = [t.get_text().replace("\n", " ") for t in axis.get_xticklabels()]
    assert names == [w.split(",")[0] for w in words[:10]]
    assert [p.get_height() for p in axis.patches] == pytest.approx([75] + [0] * 8 + [100])
    assert list(axis.lines[0].get_ydata()) == [100, 50]  # a dot per seed
    assert [10.0, 10.0] in [list(x.get_ydata()) for x in axis.lines]  # guessing
    draw(made.results, "per-label:best", RunFiles(made.places.runs))  # without the pack, as in a clone
    assert axis.get_ylabel() == "test top-1 accuracy (%)"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("curvs", "did you mean 'curves'"),
        ("curves:val_top5", "allowed: train_loss, train_top1, val_loss, val_top1"),
        ("curves:val_top1@Net 9", "allowed: Net 1, Net 6"),
        ("trials", "allowed: train, val"),
        ("trials:test", "allowed: train, val"),
        ("sweep", "allowed: lr"),
        ("dots:x", "write dots"),
        ("predictions:0@Net 9", "allowed: Net 1, Net 6, best"),
        ("augmented:flop", "did you mean 'flip'"),
        ("predictions:-1", "allowed: 0"),
        ("predictions:10", "allowed: 0 to 9"),
        ("per-label", "allowed: Net 1, Net 6, best"),
    ],
)
def test_a_wrong_kind_names_its_key_and_what_is_allowed(
    kind: str, said: str, tmp_path: Path, packs: dict[str, Path]
) -> None:
    made = fabricate(study({"net": ["Net 1", "Net 6"]}), tmp_path, packs)
    with pytest.raises(UserError) as raised:
        write_figure(made.results, kind, tmp_path / "f.svg", made.places)
    assert str(raised.value).startswith("papers/p.yaml: drawn.s.figures.f: ") and said in str(raised.value)
    assert not (tmp_path / "f.svg").exists()


def test_a_source_that_was_not_given_is_named(tmp_path: Path, packs: dict[str, Path]) -> None:
    made = fabricate(study({"net": ["Net 1", "Net 6"]}), tmp_path, packs)
    for kind, said in (("samples", "--pack"), ("filters", "--runs")):
        with pytest.raises(UserError, match=said):
            draw(made.results, kind, RunFiles())
    pictures = set(filter(shows_images, FIGURES))
    assert set(FIGURES) > pictures > set()
    given_no_pack = set(FIGURES) - pictures - {"sensitivity", "sweep", "trials", "per-label"}
    for name in given_no_pack:
        kind = f"{name}:net1" if name in ("network", "blocks") else name
        draw(made.results, kind, RunFiles(made.places.runs))


def test_a_figure_that_shows_no_run_needs_none(tmp_path: Path, packs: dict[str, Path]) -> None:
    planned = study({"net": ["a", "b"]})
    made = fabricate(planned, tmp_path, packs, lost=dict.fromkeys(("a", "b"), "missing"))
    with pytest.raises(UserError, match="no run of its study is there"):
        write_figure(made.results, "curves", tmp_path / "f.svg", made.places)
    for kind in ("network:net1", "samples"):
        write_figure(made.results, kind, tmp_path / "f.svg", made.places)


def test_the_style_is_readable_in_print() -> None:
    assert min(size for key, size in STYLE.items() if key.endswith(("size", "fontsize")) and "marker" not in key) >= 7
