"""Studies of one's own, without a paper: default tables and figures, hypotheses, names to show, code of one's own.

Oracles: what was planted in the runs, and the words that each file must have and must not have. The runs are
fabricated once; each test renders what it asks for of them.
"""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from ablate.cli.render import render
from ablate.errors import UserError
from ablate.papers.paper import check_files, read
from ablate.plan.hidden import hidden
from ablate.plan.keys import run_key
from ablate.plan.params import load
from ablate.plan.project import open_project
from ablate.plan.receipts import Rendering, rendering
from ablate.plan.record import read_plan
from ablate.plan.runs import RUNS, make_plan
from ablate.plan.select import selection
from ablate.proof.weave import weave
from ablate.verdicts.analysis import analysis
from conftest import TINY, Ablate
from fabricated import Fabricated, vouch

HERE = Path("results/tiny")
STUDIES = """studies:
  mine:
    depth:
      axes: {model: [{label: deep, model: cifar-resnet7}, {label: flat, model: cifar-plain7}]}
    learning-rate:
      axes: {lr: [0.02, 0.03], momentum: [0.0, 0.9]}
  other:
    alone:
      settings: {lr: 0.04}
scales: {tiny: {}}
"""
PARAMS = TINY[: TINY.index("studies:")].replace("seeds: [0]", "seeds: [0, 1, 2, 3]") + STUDIES
REAL = PARAMS.replace("variant: embedded", "variant: official")
HYPOTHESES = """
claims:
  - {id: deeper, kind: order, study: depth, metric: val_top1, arms: [deep, flat], margin: 0.01}
  - {id: steps, kind: effect, study: learning-rate, metric: val_top1, axis: lr, level: "0.03", reference: "0.02",
     direction: greater, margin: 0.1, says: A larger rate learns more.}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of all runs, of images that are the user's own: deep is 20 points above flat, the rate does nothing."""
    folder = tmp_path_factory.mktemp("trained")
    made = Fabricated(folder)
    (folder / "params.yaml").write_text(REAL)
    for n, run in enumerate(make_plan(load(folder / "params.yaml")).runs.values()):
        top = 0.5 + 0.2 * (run.settings.model == "cifar-resnet7") + 0.001 * (n % 5)
        metrics = {"train_top1": top, "val_top1": top, "best_val_top1": top, "train_loss": 1.0, "val_loss": 1.0}
        source = made.run("any", {"n": str(n)}, run.seed, n_val=1000, n_train=50, **metrics)
        shutil.move(made.runs / source, folder / RUNS / run.id)
        (folder / RUNS / run.id / "run.json").write_text(json.dumps({"run": run.id, **run.model_dump(mode="json")}))
        (folder / RUNS / run.id / "predictions.csv").write_text(
            "split,position,label,predicted,probability\n"
            + "".join(f"val,{i},0,{int(i >= 1000 * top)},0.9\n" for i in range(1000))
        )
        manifest = json.loads((folder / RUNS / run.id / "manifest.json").read_text())
        data = {"archive": {"digest": "official"}, "pack": "0" * 64}
        vouch(folder / RUNS / run.id, data=manifest["data"] | data)
    shutil.rmtree(folder / "papers")
    return folder


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "results").mkdir()
    (tmp_path / RUNS).symlink_to(trained / RUNS)
    (tmp_path / "params.yaml").write_text(REAL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def bare(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered without any file of a paper."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "results").mkdir()
    (folder / RUNS).symlink_to(trained / RUNS)
    (folder / "params.yaml").write_text(REAL)
    before = Path.cwd()
    os.chdir(folder)
    render(Path("params.yaml"), [], {}, partial=True)
    os.chdir(before)
    return folder / HERE


def say(text: str, paper: str = "mine") -> None:
    Path("papers").mkdir(exist_ok=True)
    Path(f"papers/{paper}.yaml").write_text(text)


def words(path: Path) -> str:
    return " ".join(path.read_text(encoding="utf-8").split())


def reasons() -> set[str]:
    """The steps that are due."""
    record = open_project(Path("params.yaml"), {}).record
    plan = HERE / "plan.json"
    plan.write_text(json.dumps(record.plain))
    jobs = rendering(read_plan(plan), plan)
    found = Rendering({name: job for name, job in jobs.items() if name not in ("summarise",)})
    return {name for name in found.jobs if found.reason(name)}


def test_each_study_has_a_table_dots_and_curves_and_a_title_from_its_name(bare: Path) -> None:
    for paper, study, title in (
        ("mine", "depth", "Depth"),
        ("mine", "learning-rate", "Learning rate"),
        ("other", "alone", "Alone"),
    ):
        for name in (f"table-{study}.md", f"figure-{study}.svg", f"figure-{study}-curves.svg"):
            assert (bare / paper / name).stat().st_size > 0
        assert words(bare / paper / f"table-{study}.md").startswith(f"**{title}.** n: 4 seeds")
    assert "70.2" in words(bare / "mine/table-depth.md")  # deep, by what was planted


def test_nothing_speaks_of_a_paper_where_there_is_none(bare: Path) -> None:
    for path in [*bare.rglob("*.md"), *bare.rglob("*.caption.json")]:
        said = re.sub(r"\bpaper\b +\|", "", words(path))  # the column of that name, of tables of all studies
        assert not re.search(r"the papers?\b|printed in", said), path
    assert words(bare / "mine/comparison.md").startswith("**Nothing is printed beside which ours could stand.**")
    assert words(bare / "findings.md") == "# What was found: tiny No claims. Explored, not frozen."
    assert "No claims" in words(bare / "claims.md")


def test_data_of_one_s_own_are_never_called_generated(bare: Path) -> None:
    for path in [*bare.rglob("*.md"), *bare.rglob("*.caption.json")]:
        assert "generated" not in (said := words(path)) and "embedded" not in said, path


def test_hypotheses_hold_here_or_do_not_as_planned(here: Path) -> None:
    say("title: Depths\n" + HYPOTHESES)
    render(Path("params.yaml"), [], {}, partial=True)
    board = {c["id"]: c for c in json.loads((HERE / "claims.json").read_text())["claims"]}
    assert (board["deeper"]["verdict"], board["deeper"]["protocol"]) == ("holds here", "as planned")
    assert board["steps"]["verdict"] == "no effect of that size"
    assert board["steps"]["statement"] == "A larger rate learns more"
    said = words(HERE / "findings.md")
    assert said.startswith("# What was found: tiny 2 hypotheses: holds here 1, no effect of that size 1.")
    assert "| group of studies | holds here |" in said
    assert "95 % simultaneous over 2 hypotheses;" in said
    for path in (HERE / "findings.md", HERE / "claims.caption.json", HERE / "mine/board.caption.json"):
        assert not re.search("the paper|claim", re.sub("claims-|[:-]claims|claimed", "", words(path)))
    text = Path("text.md")
    text.write_text("{{ ablate:claims:mine/deeper:effect }}, {{ ablate:findings:mine:holds here }}")
    assert weave(text, HERE) == "20.0, 1"  # points, as planted; of it and of all the count


def test_numbers_that_other_work_prints_stand_beside_ours(here: Path) -> None:
    say(
        "reported: [{id: theirs, value: 0.61, metric: val_top1, study: depth, arm: flat, source: 'Ng, Table 2'}]\n"
        "claims: [{id: same, kind: value, study: depth, metric: val_top1, arm: flat, reported: theirs, margin: 0.02}]"
    )
    render(Path("params.yaml"), [], {}, partial=True)
    assert re.search(r"theirs +\| depth: flat .* 61\.0 .* printed by Ng, Table 2", words(HERE / "mine/comparison.md"))
    assert "Printed elsewhere: Ng, Table 2." in words(HERE / "mine/figure-depth.md")
    assert "Printed elsewhere: flat 61.0 %." in words(HERE / "findings.md")
    assert "printed elsewhere" in words(HERE / "mine/figure-depth.svg")


def test_hypotheses_can_be_frozen_and_their_wording_is_no_change(here: Path) -> None:
    say(HYPOTHESES)
    project = open_project(Path("params.yaml"), {})
    before = analysis(project.record, {"mine": read(Path("papers/mine.yaml"))})
    assert set(before.papers["mine"].claims) == {"deeper", "steps"}
    Path("papers/mine.yaml").write_text(HYPOTHESES + "show: {deep: with shortcuts}")
    assert analysis(project.record, {"mine": read(Path("papers/mine.yaml"))}) == before


SHOW = "show: {deep: with shortcuts, '0.02': a rate of 0.02}\n"


def test_a_name_to_show_is_shown_everywhere_and_changes_no_identity(here: Path) -> None:
    say(HYPOTHESES)
    ids = set(make_plan(load(Path("params.yaml"))).runs)
    render(Path("params.yaml"), [], {}, partial=True)
    assert reasons() == set()
    csv, runs = (words(HERE / f"mine/table-depth.{suffix}") for suffix in ("csv", "runs.json"))
    say(SHOW + HYPOTHESES)
    assert reasons() == {"tables_mine", "figures_mine", "compare_mine", "comparison", "claims", "power", "report"}
    render(Path("params.yaml"), [], {}, partial=True)
    assert set(make_plan(load(Path("params.yaml"))).runs) == ids
    assert (csv, runs) == tuple(words(HERE / f"mine/table-depth.{suffix}") for suffix in ("csv", "runs.json"))
    for name in ("table-depth.md", "table-depth.tex", "figure-depth.svg", "figure-depth-curves.svg", "board.svg"):
        assert "with shortcuts" in words(HERE / "mine" / name), name
    for name in ("findings.md", "claims.md", "report.html"):
        assert "with shortcuts" in words(HERE / name) or name == "report.html", name
    assert "a rate of 0.02" in words(HERE / "mine/table-learning-rate.md")
    found = {c["id"]: c for c in json.loads((HERE / "claims.json").read_text())["claims"]}["deeper"]
    assert (found["verdict"], sorted(found["arms"])) == ("holds here", ["deep", "flat"])
    assert found["statement"] == "with shortcuts has a higher validation accuracy than flat"


TABLES = """import pandas as pd
from helper import top

def summary(results, argument="1"):
    return pd.DataFrame([{"arm": arm, "top": round(top(results, arm), int(argument))} for arm in results.arms])
"""
HELPER = """def top(results, arm):
    return 100 * float(results.runs.loc[results.runs["arm"] == arm, "val_top1"].max())
"""
FIGURES = '''import matplotlib.pyplot as plt

def scatter(results, places):
    """Where runs are."""
    figure, axis = plt.subplots()
    axis.set_title(f"{len(results.runs)} runs in {places.runs}")
    return figure
'''
BEHAVIOUR = """def errors(metrics, history, predictions):
    return (predictions["predicted"] != predictions["label"]).sum() + len(history)
"""
OWN = """
drawn:
  depth: {tables: {table-mine: "my_tables.py:summary:2"}, figures: {figure-mine: "my_figures.py:scatter"}}
claims:
  - {id: many, kind: behaviour, study: depth, behaviour: "my_behaviours.py:errors", arm: deep, threshold: 1,
     unit: steps, direction: greater, margin: 0.5}
"""


@pytest.fixture
def own(here: Path) -> None:
    for name, text in (("tables", TABLES), ("figures", FIGURES), ("behaviours", BEHAVIOUR)):
        Path(f"my_{name}.py").write_text(text)
    Path("helper.py").write_text(HELPER)
    say(OWN)


@pytest.mark.usefixtures("own")
def test_a_table_a_figure_and_a_behaviour_of_one_s_own(here: Path) -> None:
    render(Path("params.yaml"), [], {}, partial=True)
    assert "| deep | 70.3 |" in re.sub(" +", " ", words(HERE / "mine/table-mine.md"))
    assert "Where runs are." in words(HERE / "mine/figure-mine.md")
    assert f"8 runs in {RUNS}" in words(HERE / "mine/figure-mine.svg")
    found = json.loads((HERE / "claims.json").read_text())["claims"][0]
    assert (found["verdict"], found["estimate"], found["unit"]) == (
        "holds here",
        299.5,
        "steps",
    )  # 2 epochs, less 1
    assert "deep 300.500 steps" in found["sentence"]
    assert reasons() == set()
    Path("helper.py").write_text(HELPER + "# a comment\n")
    assert reasons() == set()
    Path("helper.py").write_text(HELPER.replace("100 *", "200 *"))
    assert reasons() == {"tables_mine"}
    Path("my_behaviours.py").write_text(BEHAVIOUR.replace("len(history)", "0"))
    assert reasons() == {"tables_mine", "claims", "power"}


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (
            "my_tables.py",
            "round(top",
            "round(1 / 0 * top",
            "tables.table-mine: my_tables.py, line 5: ZeroDivisionError",
        ),
        (
            "my_tables.py",
            "    return pd.DataFrame([{",
            "    return str([{",
            "my_tables.py:summary gave a str; return a T",
        ),
        (
            "my_tables.py",
            "from helper",
            "from helpers",
            "my_tables.py, line 2: ModuleNotFoundError: No module named 'he",
        ),
        ("helper.py", 'runs["arm"]', 'runs["arms"]', "tables.table-mine: helper.py, line 2: KeyError: 'arms'"),
        (
            "my_figures.py",
            "return figure",
            "return 3",
            "figures.figure-mine: my_figures.py:scatter gave a int; return a",
        ),
        (
            "my_figures.py",
            "plt.subplots()",
            "plt.nothing()",
            "my_figures.py, line 5: AttributeError: module 'matplot",
        ),
        ("my_behaviours.py", "return", "return 'x',", "claims.many.behaviour: my_behaviours.py:errors gave a tuple"),
        ("my_behaviours.py", "len(history)", "'x'", "claims.many.behaviour: my_behaviours.py, line 2: "),
        ("papers/mine.yaml", "my_tables.py:summary", "my_tables.py:sumary", "did you mean 'summary'?"),
        ("papers/mine.yaml", "my_figures.py:", "my_figure.py:", "figures.figure-mine: there is no file my_figure.py"),
        (
            "papers/mine.yaml",
            "my_behaviours.py:errors",
            "my_behaviours.py:x",
            "claims.many.behaviour: my_behaviours.py: un",
        ),
    ],
)
def test_a_mistake_in_one_s_own_code_is_one_message(here: Path, file: str, old: str, new: str, said: str) -> None:
    text = Path(file).read_text()
    assert old in text
    Path(file).write_text(text.replace(old, new))
    with pytest.raises(UserError) as raised:
        check_files(open_project(Path("params.yaml"), {}), Path("papers"))
        asked = [] if "behaviours" in file else [selection("mine/depth", None, None)]
        render(Path("params.yaml"), asked, {}, partial=False)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("show: {depe: x}", "papers/mine.yaml: show.depe: unknown level 'depe'"),
        ("drawn: {depth: {show: {'0.02': x}}}", "papers/mine.yaml: drawn.depth.show.0.02: unknown level '0.02'"),
        ("show: {deep: flat}", "'deep' and 'flat', levels of model of the study depth, are both shown as 'flat'"),
        (HYPOTHESES.replace("says: A", "quote: q, says: A"), "claims.steps.says: stands there beside the quote"),
        (HYPOTHESES.replace("says: A larger rate learns more.", "quote: q"), "claims.steps.where: is missing beside"),
        (HYPOTHESES.replace("[deep, flat]", "[deep, falt]"), "claims.deeper.arms: unknown arm 'falt'"),
        (
            "reported: [{id: a, value: 0.5, metric: val_top1, study: depth, arm: flat}]",
            "reported.a.where: is missing;",
        ),
    ],
)
def test_what_is_wrong_in_the_file_is_refused(here: Path, text: str, said: str) -> None:
    say(text)
    with pytest.raises(UserError) as raised:
        check_files(open_project(Path("params.yaml"), {}), Path("papers"))
    assert said in str(raised.value)


def test_an_augmentation_of_one_s_own(here: Path) -> None:
    import torch

    from ablate.train.own_augment import augmentation

    Path("my_augment.py").write_text("def dark(images, generator):\n    return images * 0.5\n")
    Path("params.yaml").write_text(REAL.replace("settings: {lr: 0.04}", "settings: {augment: 'my_augment.py:dark'}"))
    images = torch.ones(2, 3, 4, 4)
    assert augmentation("my_augment.py:dark")(images, torch.Generator()).eq(0.5).all()
    run = next(p.run for p in make_plan(load(Path("params.yaml"))).planned if p.study == "alone")
    before = run_key(run, "data", None)
    Path("my_augment.py").write_text("def dark(images, generator):\n    return images[:1]\n")
    assert {part for part, value in run_key(run, "data", None).items() if value != before[part]} == {"code"}
    with pytest.raises(UserError, match=r"gave \(1, 3, 4, 4\) torch.float32; return \(2, 3, 4, 4\) torch.float32"):
        augmentation("my_augment.py:dark")(images, torch.Generator())
    Path("my_augment.py").write_text("def bright(images, generator):\n    return images\n")
    with pytest.raises(
        UserError, match=r"studies\.other\.alone\.settings\.augment: my_augment\.py: unknown name 'dark'"
    ):
        make_plan(load(Path("params.yaml")))


@pytest.mark.parametrize(
    ("scale", "said"),
    [
        (
            "{overrides: {lr: 0.5, epochs: 9}}",
            ["params.yaml: scales.tiny.overrides.lr: 0.5 hides 0.04 of other/alone"],
        ),
        ("{overrides: {lr: 0.5}, studies: {other: {alone: {settings: {lr: 0.6}}}}}", []),
        ("{overrides: {lr: 0.04}}", []),
        ("{}", []),
    ],
)
def test_a_setting_that_a_scale_hides_is_named(here: Path, scale: str, said: list[str]) -> None:
    """A level's own value is not hidden, nor what the scale sets for the study."""
    Path("params.yaml").write_text(REAL.replace("scales: {tiny: {}}", f"scales: {{tiny: {scale}}}"))
    assert hidden(load(Path("params.yaml"))) == said


def test_the_plan_says_what_a_scale_hides(here: Path, ablate: Ablate) -> None:
    Path("params.yaml").write_text(REAL.replace("{tiny: {}}", "{tiny: {overrides: {lr: 0.5}}}"))
    code, out, _ = ablate("plan")
    assert code == 0 and "overrides.lr: 0.5 hides 0.04 of other/alone" in out
