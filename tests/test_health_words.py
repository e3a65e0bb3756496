"""Words for runs: planted ones get theirs, thresholds decide, tables, claims and `ablate status` show them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim.swa_utils import update_bn

from ablate.csv_text import read_rows
from ablate.errors import UserError
from ablate.plan.health import COLLAPSED, DIVERGED, FALLING, NOT_ABOVE_CHANCE, NUMBERS, STALE, WORDS, Health, words
from ablate.plan.params import load
from ablate.runtime import checkpoint
from ablate.tables.accuracy import accuracy, trials
from ablate.tables.comparison import compare
from ablate.train.batch_norm import PRECISE, reestimate, sample
from ablate.verdicts.claims_table import write_claims
from fabricated import Fabricated, claim, paper, reported
from test_checkpoints import Killed, killed_at
from test_evidence import said as evidence_of
from test_health import made, trained
from test_train import results, small, train

pytestmark = pytest.mark.usefixtures("own_folder")

# Four steps an epoch; batch norm's momentum is .99 in Keras's words.
SHORT: dict[str, Any] = {"model": "cnn4", "dropout": 0.0, "augment": "none", "per_class": 12, "epochs": 10, "lr": 0.1,
                         "schedule": "constant"}  # fmt: skip
EXACT = SHORT | {"batchnorm": "reestimated"}
PLANTED: dict[str, tuple[dict[str, Any], set[str], set[str]]] = {  # settings, words, and words that it may have
    "forty steps": (SHORT, {STALE}, {FALLING, NOT_ABOVE_CHANCE, COLLAPSED}),
    "exact averages": (EXACT, set(), {FALLING}),
    "two epochs": (EXACT | {"lr": 0.003, "epochs": 2, "per_class": None}, {FALLING}, set()),
    "healthy": (EXACT | {"lr": 0.01, "schedule": "cosine", "per_class": 25}, set(), set()),
    "diverged": (SHORT | {"lr": 1e30}, {DIVERGED}, set()),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_planted_runs_get_their_words(name: str, packs: dict[str, Path], tmp_path: Path) -> None:
    settings, wanted, allowed = PLANTED[name]
    said = set(words(trained(packs["cifar10"], tmp_path / "run", **settings), Health()))
    assert wanted <= said <= wanted | allowed


def test_a_constant_output_has_collapsed(packs: dict[str, Path], tmp_path: Path) -> None:
    """Planted: a head of zeros but for one bias, and a rate at which nothing moves."""
    start = tmp_path / "start.safetensors"
    trained(packs["cifar10"], tmp_path / "source", epochs=1)
    weights = load_file((tmp_path / "source").with_suffix(".safetensors"))
    *_, head, bias = (name for name in weights if weights[name].ndim in (1, 2) and name.startswith("12."))
    weights |= {name: torch.zeros_like(weights[name]) for name in (head, bias)}
    weights["12.bias"][3] = 1.0
    save_file(weights, start)
    run = small(weights=f"file:{start}", lr=1e-12, epochs=2)
    train(run, pack=packs["cifar10"], start=start, out=tmp_path / "run", device="cpu")
    metrics = results(tmp_path / "run")
    assert (metrics["val_most_predicted"], metrics["val_top1"]) == (1.0, 0.1)
    assert words(metrics, Health()) == [NOT_ABOVE_CHANCE, COLLAPSED]


share = st.floats(0, 1)
numbers = st.fixed_dictionaries({name: st.none() | share for name in NUMBERS}) | st.just({})
limits = st.builds(
    Health, chance_p=st.floats(1e-9, 0.999), collapsed=st.floats(0.01, 1), stale_gap=st.floats(0.01, 1),
    falling=st.floats(1e-3, 1),
)  # fmt: skip
WORSE = {  # towards its word
    NOT_ABOVE_CHANCE: ("val_chance_p", 1.0), COLLAPSED: ("val_most_predicted", 1.0),
    STALE: ("train_running_top1", 0.0), FALLING: ("train_loss_slope", -9.0),
}  # fmt: skip


@given(numbers, limits, st.sampled_from(["done", "plateau"]))
def test_thresholds_decide(metrics: dict[str, Any], limit: Health, status: str) -> None:
    """Properties: words come in the order of `WORDS`, each from its own numbers, and none from one that is not there;
    what gets worse keeps its word; a slope upwards is no fall; of a run that diverged nothing else is said."""
    metrics = metrics | {"status": status}
    said = words(metrics, limit)
    assert said == [word for word in WORDS if word in said] and DIVERGED not in said
    p, running, batch = (metrics.get(name) for name in ("val_chance_p", "train_running_top1", "train_batch_top1"))
    assert (NOT_ABOVE_CHANCE in said) == (p is not None and p >= limit.chance_p)
    assert (STALE in said) == (None not in (running, batch) and batch - running >= limit.stale_gap)
    assert FALLING not in said
    for word, (name, value) in WORSE.items():
        absent = {key: v for key, v in metrics.items() if key != name}
        assert word not in words(absent, limit)
        assert set(said) <= set(words(metrics | {name: value}, limit))
    assert words(metrics | {"status": "diverged"}, limit) == [DIVERGED]


@pytest.mark.parametrize(("chance", "most", "collapsed"), [
    (0.1, 0.91, True), (0.1, 0.90, False), (0.95, 0.97, False), (0.95, 1.0, True), (1.0, 1.0, False),
])  # fmt: skip
def test_collapsed_is_measured_from_the_commonest_label(chance: float, most: float, collapsed: bool) -> None:
    """By hand: 0.1 + 0.9 * 0.9 = 0.91. Where 95 % of labels are one class, saying it often is no collapse."""
    said = words({"status": "done", "val_chance": chance, "val_most_predicted": most + 1e-9}, Health())
    assert (COLLAPSED in said) == collapsed


AT_CHANCE = {"val_chance": 0.1, "val_chance_p": 0.4, "val_most_predicted": 0.5, "train_loss_slope": -0.01}
WELL = AT_CHANCE | {"val_chance_p": 1e-9, "train_running_top1": 0.5, "train_batch_top1": 0.5}


@pytest.fixture
def fab(tmp_path: Path) -> Fabricated:
    """One arm healthy, one with a run at chance, one that is stale and one that diverged, and one without numbers."""
    fab = Fabricated(tmp_path, "pilot")
    fab.study("s", ["a"], {}, {})
    for arm, seed, metrics in (
        ("well", 0, WELL), ("well", 1, WELL), ("poor", 0, AT_CHANCE), ("poor", 1, WELL),
        ("mixed", 0, WELL | {"train_batch_top1": 0.9}), ("mixed", 1, {"status": "diverged"}), ("old", 0, {}),
    ):  # fmt: skip
        fab.run("s", {"a": arm}, seed, train_top1=0.5, val_top1=0.3, test_top1=0.3, n_val=100, n_test=100, **metrics)
    return fab


def test_tables_say_which_runs_have_not_learnt(fab: Fabricated, tmp_path: Path) -> None:
    study = fab.results("s")
    for table in (accuracy(study), trials(study)):
        table.write(tmp_path / "table.csv", "Title.")
        rows = read_rows(tmp_path / "table.csv")
        said = {row["a"]: row["health"] for row in rows}
        assert said == {
            "well": "", "poor": "1 of 2 not above chance", "mixed": "1 of 1 stale averages", "old": "",
        }  # fmt: skip
        assert [row["note"] for row in rows if row["a"] == "mixed"] == ["1 of 2 diverged"]
        text = (tmp_path / "table.md").read_text()
        assert "1 of 2 not above chance" in text and "p of the right validation answers 0.001 or more" in text
    runs = read_rows(fab.collected / "runs.csv")
    assert [row["health"] for row in runs] == ["", "", NOT_ABOVE_CHANCE, "", STALE, DIVERGED, ""]
    assert [row["val_chance_p"] for row in runs] == ["1e-09", "1e-09", "0.4", "1e-09", "1e-09", "", ""]


def test_another_threshold_says_other_words(fab: Fabricated, tmp_path: Path) -> None:
    """Of a run that nobody trained anew: they come with the plan."""
    fab.record["health"] = {"chance_p": 0.5, "stale_gap": 0.5, "falling": 0.005}
    fab.planned()
    study = fab.results("s")
    assert set(study.runs["health"]) == {FALLING, DIVERGED, ""}
    table = accuracy(study)
    assert [row["health"] for row in table.rows] == [
        "2 of 2 still falling", "2 of 2 still falling", "1 of 1 still falling", "",
    ]  # fmt: skip
    assert table.notes == [
        "Health, of the runs that ended: still falling, the training loss by 0.005 nats or more per epoch at the end."
    ]


def test_tables_of_older_results_are_as_they_were(tmp_path: Path) -> None:
    fab = Fabricated(tmp_path, "pilot")
    fab.study("s", ["a"], {}, {})
    fab.run("s", {"a": "old"}, 0, train_top1=0.5, val_top1=0.3)
    table = accuracy(fab.results("s"))
    assert "health" not in table.rows[0] and table.notes == []


def test_the_board_and_the_comparison_name_what_has_not_learnt(fab: Fabricated) -> None:
    fab.collect()
    entry = reported(id="poor", value=0.5, metric="val_top1", study="s", arm="poor")
    row = compare(fab.planned(), {"p": paper(entry)}, fab.plan.parent).rows[0]
    assert row["note"] == "1 of 2 not above chance"
    order = claim(kind="order", metric="val_top1", arms=("well", "poor"))
    assert evidence_of(fab, order).health == ("poor: 1 of 2 not above chance",)
    (fab.papers / "p.yaml").write_text((fab.papers / "p.yaml").read_text() + (
        "claims: [{id: c, quote: q, where: w, why: b, margin: 0.02, kind: order, study: s, metric: val_top1, "
        "arms: [well, poor]}]\n"
    ))  # fmt: skip
    claims = fab.plan.with_name("claims.json")
    write_claims(fab.plan, fab.papers, fab.runs, claims)
    assert json.loads(claims.read_text())["claims"][0]["health"] == ["poor: 1 of 2 not above chance"]
    assert read_rows(claims.with_suffix(".csv"))[0]["health"] == "poor: 1 of 2 not above chance"
    assert "binomial p" in claims.with_suffix(".md").read_text()


def test_thresholds_are_in_no_run_and_wrong_ones_are_refused(tmp_path: Path) -> None:
    from ablate.plan.runs import make_plan
    from conftest import ROOT

    file = ROOT / "params.yaml"
    one, other = (load(file, values) for values in ({}, {"health": {"chance_p": 0.01}}))
    assert (one.health, other.health) == (Health(), Health(chance_p=0.01))
    assert make_plan(one) == make_plan(other)
    with pytest.raises(UserError, match=r"health\.chance_p: Input should be less than 1"):
        load(file, {"health": {"chance_p": 1.0}})
    with pytest.raises(UserError, match=r"health\.colapsed: .*collapsed"):
        load(file, {"health": {"colapsed": 0.5}})


def test_exact_averages_are_those_of_update_bn(packs: dict[str, Path]) -> None:
    """Oracle: torch's, on the same batches, of a network without dropout. Counters and
    momentum are as they were; the same call again gives the same bytes."""
    trainer, other = (made(small(dropout=0.0, batch_size=20), packs["cifar10"]) for _ in range(2))
    list(trainer.steps())
    other.model.load_state_dict(trainer.model.state_dict())
    before = {name: buffer.clone() for name, buffer in trainer.model.named_buffers()}
    for _ in range(2):
        reestimate(trainer.model, trainer.loaders["train"], trainer.autocast)
        exact = {name: buffer.clone() for name, buffer in trainer.model.named_buffers()}
    order = sample(100, 20, PRECISE)
    update_bn((images for _, images, _ in other.loaders["train"].batches(order)), other.model)
    for name, buffer in other.model.named_buffers():
        tracked = name.endswith("num_batches_tracked")
        assert torch.equal(exact[name], before[name] if tracked else buffer), name
        assert tracked or not torch.equal(exact[name], before[name])
    norms = [m for m in trainer.model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.1} and not any(m.training for m in trainer.model.modules())


@pytest.mark.slow
def test_exact_averages_change_no_weight_and_go_on_from_a_checkpoint(
    packs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batch statistics are what training normalises by. Oracle: the runs with running averages, and unbroken."""
    train_files = {}
    for name, settings in (("running", {}), ("whole", {"batchnorm": "reestimated"})):
        trained(packs["cifar10"], tmp_path / name, **settings)
        train_files[name] = load_file(tmp_path / f"{name}.safetensors")
    moved = {k for k, v in train_files["whole"].items() if not torch.equal(v, train_files["running"][k])}
    assert {name.rpartition(".")[2] for name in moved} == {"running_mean", "running_var"}
    run = small(batchnorm="reestimated")
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_at(6, patch)
        train(run, pack=packs["cifar10"], out=tmp_path / "part", device="cpu")
    train(run, pack=packs["cifar10"], out=tmp_path / "part", weights=tmp_path / "part.safetensors", device="cpu")
    for name in ("{}.safetensors", "{}/metrics.json", "{}/history.csv"):
        one, other = (tmp_path / name.format(part) for part in ("whole", "part"))
        assert one.read_bytes() == other.read_bytes(), name


def test_runs_keep_their_names_unless_averages_are_exact() -> None:
    """Oracle: a name of before there was the setting."""
    assert small().id == small(batchnorm="running").id == "cifar-resnet7_embedded-cifar10_sgd-0.02_76fb98e6b5_s0"
    assert small(batchnorm="reestimated").id != small().id
