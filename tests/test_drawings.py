"""Drawings of networks and blocks. Oracles: the modules themselves in the order in which hooks see them run, the
papers' words on blocks, and what is in the figure.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.transforms import Bbox
from torch import nn

from ablate.models.build import build
from ablate.models.outline import outline
from ablate.models.registry import REGISTRY
from ablate.models.residual import Block
from ablate.models.structure import Structure, blocks, fused, structure
from drawn import fabricate, study, texts

pytestmark = pytest.mark.usefixtures("no_figures_left")
KIND = {
    **{"Conv2d": "convolution", "BatchNorm2d": "normalisation", "BatchNorm1d": "normalisation", "ReLU": "activation"},
    **{"Dropout": "dropout", "MaxPool2d": "pooling", "AvgPool2d": "pooling", "AdaptiveAvgPool2d": "pooling"},
    **{"Linear": "linear", "Flatten": "flatten"},
}
FUNCTIONS = ("input", "add", "padding", "flatten")  # boxes that need no module


def made(name: str) -> nn.Module:
    return outline(lambda: build(name, classes=200, image_size=64))


def ran(model: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    """Kind and output of each innermost module, each time that it runs."""
    seen: list[tuple[str, tuple[int, ...]]] = []
    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(
                lambda m, _, out: seen.append((KIND[type(m).__name__], tuple(out.shape[1:])))  # type: ignore[func-returns-value]
            )
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, 64, 64, device="meta"))
    return seen


@pytest.mark.parametrize("name", REGISTRY)
def test_boxes_are_the_modules_that_run_and_nothing_is_loose(name: str) -> None:
    found = structure(made(name), (3, 64, 64))
    called = [(box.kind, box.shape) for box in found.boxes if box.kind not in FUNCTIONS]
    assert called == [pair for pair in ran(made(name)) if pair[0] not in FUNCTIONS]
    last = len(found.boxes) - 1
    assert [n for n in range(last + 1) if not found.before(n)] == [0]
    assert [n for n in range(last + 1) if not found.after(n)] == [last]
    assert all(a < b for a, b in found.arrows)
    sums = [n for n, box in enumerate(found.boxes) if box.kind == "add"]
    shortcuts = sum(m.residual for m in made(name).modules() if isinstance(m, Block)) or {
        "resnet18": 8, "resnet34": 16, "resnet50": 16, "cnn5": 16,
    }.get(name, 0)  # fmt: skip
    assert len(sums) == shortcuts and all(len(found.before(n)) == 2 for n in sums)
    assert len(found.arrows) == last + shortcuts  # a chain, and one arrow more for each sum


@pytest.mark.parametrize("name", ["net1", "resnet18", "alexnet"])
def test_fusing_loses_no_word_and_no_way(name: str) -> None:
    whole = structure(made(name), (3, 64, 64))
    short = fused(whole)
    assert Counter(w for box in whole.boxes for w in box.words) == Counter(
        w for box in short.boxes for w in box.words
    )
    assert len(short.arrows) - len(short.boxes) == len(whole.arrows) - len(whole.boxes)
    assert short.boxes[-1].shape == whole.boxes[-1].shape == (200,)
    assert {"convolution", "pooling", "linear"} <= {box.kind for box in short.boxes}
    assert not {"normalisation", "activation"} & {box.kind for box in short.boxes}


def said(found: Structure) -> list[str]:
    return [" ".join(box.words) for box in found.boxes]


def test_blocks_are_those_of_the_paper() -> None:
    """resnet-vs-plain: figure 1 as in He et al. (figure 2 there); 4.1 and figure 3: a dropout of 0.5 between the two
    convolutions; section 2: the identity, or zero padding for enlargement. The plain twin has no shortcut.
    """
    body = ["input", "3×3 conv, 64", "batch norm", "ReLU", "dropout 0.5", "3×3 conv, 64", "batch norm"]
    same, wider = blocks(made("net1"), (3, 64, 64)).values()
    assert said(same) == [*body, "+", "ReLU"] and same.before(7) == [6, 0]
    assert [word.replace("128", "64") for word in said(wider)] == [*body, "zeros for new channels", "+", "ReLU"]
    assert wider.before(7) == [0] and sorted(wider.before(8)) == [6, 7]
    [plain] = blocks(made("net6"), (3, 64, 64)).values()
    assert said(plain) == [*body, "ReLU"] and len(plain.arrows) == len(body)
    he, down = blocks(made("resnet18"), (3, 64, 64)).values()
    assert said(he) == [word for word in said(same) if "dropout" not in word]
    assert said(down)[6:8] == ["1×1 conv, 128, /2", "batch norm"] and down.boxes[-1].shape == (128, 8, 8)
    with pytest.raises(ValueError, match="has no blocks"):
        blocks(made("cnn1"), (3, 64, 64))


def test_a_forward_pass_that_looks_at_values_is_refused() -> None:
    class Fickle(nn.Module):
        def forward(self, x: Any) -> Any:
            return x if x.sum() > 0 else -x

    with pytest.raises(ValueError, match="Fickle cannot be drawn"):
        structure(Fickle(), (3, 8, 8))


def parts(figure: Any, panel: int, what: str) -> dict[str, Any]:
    """{gid: patch} of boxes or arrows."""
    patches = figure.axes[panel].patches
    return {p.get_gid(): p for p in patches if (p.get_gid() or "").startswith(f"{panel}-{what}-")}


@pytest.mark.parametrize("name", REGISTRY)
def test_a_drawing_has_every_box_and_arrow_and_they_can_be_read(
    name: str, tmp_path: Path, packs: dict[str, Path]
) -> None:
    made = fabricate(study({"lr": ["0.1"]}), tmp_path, packs)
    figure = made.draw(f"network:{name}")
    short = fused(structure(outline(lambda: build(name, classes=10, image_size=64)), (3, 64, 64)))
    boxes, arrows = parts(figure, 0, "box"), parts(figure, 0, "arrow")
    assert set(boxes) == {f"0-box-{n}" for n in range(len(short.boxes))}
    assert set(arrows) == {f"0-arrow-{a}-{b}" for a, b in short.arrows}
    words = Counter(text.replace("\n", " ") for text in texts(figure))
    for box in short.boxes:
        assert words[" · ".join("BN" if w == "batch norm" else w for w in box.words)], box
    check_layout(figure, 0)
    assert made.caption(f"network:{name}").what.startswith(f"{name} for 10 classes, ")


def check_layout(figure: Any, panel: int) -> None:
    """No box covers another, all are inside, and every text lies in its box."""
    figure.draw_without_rendering()
    axis = figure.axes[panel]
    extents = [patch.get_window_extent() for patch in parts(figure, panel, "box").values()]
    for n, one in enumerate(extents):
        assert all(Bbox.intersection(one, other) is None for other in extents[n + 1 :])
        assert figure.bbox.x0 <= one.x0 and one.x1 <= figure.bbox.x1
    for text in axis.texts:
        there = text.get_window_extent()
        inside = any(Bbox.union([one, there]).extents == pytest.approx(one.extents) for one in extents)
        assert inside or there.x1 <= min(e.x0 for e in extents) + figure.dpi * 0.8, text.get_text()
        assert text.get_fontsize() >= 7


def test_panels_of_blocks(tmp_path: Path, packs: dict[str, Path]) -> None:
    planned = study({"model": ["Net 1", "Net 6"]}, {"Net 1": {"model": "net1"}, "Net 6": {"model": "net6"}})
    figure = fabricate(planned, tmp_path, packs).draw("blocks:net1+net6")
    titles = [axis.get_title().replace("\n", " ") for axis in figure.axes]
    assert titles == ["Net 1: 64 → 64 channels", "Net 1: 64 → 128 channels", "Net 6: 64 → 64 channels"]
    assert [len(parts(figure, n, "box")) for n in range(3)] == [9, 10, 8]
    assert [len(parts(figure, n, "arrow")) for n in range(3)] == [9, 10, 7]
    for n in range(3):
        check_layout(figure, n)
    ends = parts(figure, 0, "arrow")["0-arrow-0-7"].get_path().vertices
    target = parts(figure, 0, "box")["0-box-7"].get_bbox()
    assert np.isclose(ends[:, 0], target.x1, atol=0.2).any()
