"""Which source files a step depends on. Oracle: the rooms named by hand below, and what must not be among them."""

import pytest

from ablate.models.registry import REGISTRY
from ablate.plan.code import FAMILIES, KINDS, PACKAGE, STEPS, code_of
from ablate.plan.kinds import FIGURES, TABLES


def names(step: str, model: str | None = None, kinds: tuple[str, ...] | None = None) -> set[str]:
    """Of all kinds of tables or figures, where none are named."""
    asked = tuple(KINDS.get(step, {})) if kinds is None else kinds
    return {path.resolve().relative_to(PACKAGE).as_posix() for path in code_of(step, model, asked)}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_begins_at_files_that_are_there(step: str) -> None:
    assert set(STEPS[step]) <= names(step)
    assert all((PACKAGE / name).is_file() for name in names(step))


def test_training_depends_on_its_engine_and_on_its_own_network() -> None:
    engine = {f"train/{name}.py" for name in ("job", "loader", "trainer", "augment", "optimise", "evaluate")}
    engine |= {"data/views.py", "models/build.py", "models/initialise.py", "models/weights.py"}
    for model, family in (("cnn1", "keras_cnns"), ("net3", "residual"), ("torchvision:vgg11", "torchvision_nets")):
        found = names("train", model)
        assert engine <= found
        assert f"models/{family}.py" in found
    assert names("train", "net3") & FAMILIES == {"models/residual.py"}


@pytest.mark.parametrize(
    ("step", "not_read"),
    [
        (
            "train",
            "results tables figures verdicts papers cli workflow plan runtime data/containers.py data/verify.py",
        ),
        ("collect", "tables figures verdicts train models"),
        ("tables", "figures verdicts train tables/comparison.py"),
        ("claims", "figures/dots.py figures/curves.py figures/images.py figures/registry.py train"),
        ("power", "figures/dots.py figures/registry.py train"),
        ("figures", "verdicts train/job.py train/trainer.py"),
        ("report", "figures tables/accuracy.py tables/effects.py verdicts/judge.py verdicts/assess.py train"),
        ("pack", "data/verify.py data/decode.py"),
    ],
)
def test_a_step_does_not_depend_on_what_it_does_not_use(step: str, not_read: str) -> None:
    """An edit there must not run it again."""
    model = "cnn1" if step == "train" else None
    for place in not_read.split():
        assert not [name for name in names(step, model) if name == place or name.startswith(f"{place}/")]


def test_a_paper_s_tables_and_figures_depend_on_the_kinds_that_it_has() -> None:
    """Another table's code draws nothing of it anew, and an edit of a network only what reads networks."""
    curves, drawn = names("figures", kinds=("curves",)), names("figures", kinds=("blocks", "curves"))
    assert "figures/curves.py" in curves & drawn
    assert not [name for name in curves if name.startswith("tables/") or name in FAMILIES | {"figures/dots.py"}]
    assert {"figures/drawings.py", "models/residual.py"} <= drawn - curves
    assert "models/residual.py" in names("tables", kinds=("layers",)) - names("tables", kinds=("accuracy",))


def test_what_is_loaded_by_name_is_followed() -> None:
    """Kinds of tables, layouts and networks: no import statement names their modules."""
    assert {f"tables/{kind.module}.py" for kind in TABLES.values()} <= names("tables")
    assert {f"figures/{kind.module}.py" for kind in FIGURES.values()} <= names("figures")
    assert {"data/tiny_imagenet.py", "data/cifar10.py"} <= names("verify") & names("reorganise")
    assert {f"models/{place.partition(':')[0]}.py" for place in REGISTRY.values()} <= (
        names("tables") & names("compare")
    )


def test_imports_for_types_alone_and_inside_of_functions() -> None:
    assert "data/layouts.py" not in names("train", "cnn1")  # of views, for a type
    assert "figures/common.py" in names("claims")  # by way of the figure, which is imported inside of a function
