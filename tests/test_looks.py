"""Looks and added seeds, on planted results. Oracle: what was planted, and counts by hand."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import UserError
from ablate.papers.paper import read
from ablate.plan.params import load
from ablate.plan.runs import current_plan, make_plan, more_seeds, seeds_file
from ablate.verdicts.assess import assess
from ablate.verdicts.decide import goes_on
from conftest import DRAWN, HEAD, TINY, Rendered, Workspace
from fabricated import Fabricated

CLAIMS = """
claims:
  - {id: clear, kind: order, study: s, metric: val_top1, arms: [a, b], quote: "a", where: "1", margin: 0.01, why: "w"}
  - {id: none, kind: order, study: s, metric: val_top1, arms: [c, d], quote: "c", where: "1", margin: 0.01, why: "w"}
"""
PAPER = HEAD + "protocol: [{what: x, stated: y, where: z}]\nreported: []\nsilent: []\ndeviations: []" + CLAIMS
LOOKS = [10, 12]


def planted(folder: Path, values: Callable[[str, int], float | None], seeds: dict[str, int]) -> dict[str, Any]:
    """{claim: judged} where ``values`` of (arm, seed) are the accuracies, None a run that diverged. They get another
    fifth digit for each seed, since equal results are taken for copies."""
    made = Fabricated(folder, "pilot")
    (made.papers / "p.yaml").write_text(PAPER)
    made.study("s", ["arm"], {}, {})
    made.record["looks"] = LOOKS
    for arm, n in seeds.items():
        for seed in range(n):
            value = values(arm, seed)
            if value is None:
                made.run("s", {"arm": arm}, seed, status="diverged")
            else:
                made.run("s", {"arm": arm}, seed, val_top1=value + 1e-5 * seed, n_val=10_000)
    made.collect()
    found = assess(made.planned(), {"p": read(made.papers / "p.yaml")}, made.plan.parent, made.runs)
    return {j.claim.id: j for j in found}


def clear_and_none(arm: str, seed: int) -> float:
    """a is 5 points above b; c and d alternate by 10, and their means are equal."""
    return {"a": 0.55 + 0.001 * seed, "b": 0.5, "c": 0.5 + 0.1 * (seed % 2), "d": 0.5 + 0.1 * ((seed + 1) % 2)}[arm]


def test_a_claim_is_decided_at_its_look_and_stays_so(tmp_path: Path) -> None:
    """Seeds 10 and 11 would contradict the claim that the first ten have shown: they are not looked at."""

    def values(arm: str, seed: int) -> float:
        return 0.1 if arm == "a" and seed >= 10 else clear_and_none(arm, seed)

    found = planted(tmp_path, values, dict.fromkeys("abcd", 12))
    assert (found["clear"].word, found["clear"].by_test.n) == ("reproduced", 10)
    assert (found["none"].word, found["none"].by_test.n) == ("open", 12)


def test_arms_that_got_no_more_seeds_are_judged_on_what_they_had(tmp_path: Path) -> None:
    """a and b stop at look 1; c and d go on. Neither is told to be planned with other seeds than the other."""
    found = planted(tmp_path, clear_and_none, {"a": 10, "b": 10, "c": 12, "d": 12})
    assert (found["clear"].word, found["clear"].by_test.n, found["clear"].found.missing) == ("reproduced", 10, ())
    assert (found["none"].by_test.n, found["none"].found.missing) == (12, ())


def test_an_undecided_claim_waits_where_one_arm_lacks_the_seeds(tmp_path: Path) -> None:
    found = planted(tmp_path, clear_and_none, {"a": 10, "b": 10, "c": 12, "d": 10})
    assert (found["none"].by_test.n, found["none"].word) == (10, "open")


def test_the_first_look_asks_for_more_than_one_look_alone(tmp_path: Path) -> None:
    """Its interval is at a quarter of 5 %, so it is the wider by the ratio of scipy's quantiles at equal freedom."""
    found = planted(tmp_path / "1", clear_and_none, dict.fromkeys("abcd", 10))["clear"].by_test
    LOOKS[:] = []
    try:
        alone = planted(tmp_path / "2", clear_and_none, dict.fromkeys("abcd", 10))["clear"].by_test
    finally:
        LOOKS[:] = [10, 12]
    widths = [(v.high or 0) - (v.low or 0) for v in (found, alone)]
    assert 1.2 < widths[0] / widths[1] < 1.5 and found.p == alone.p


def test_a_run_that_diverged_is_never_made_good_by_more_seeds(tmp_path: Path) -> None:
    """In look 1 a has failed in two of ten seeds: these counted at 0.5 %, it is at 45 on the mean, and b at 50."""
    first = {("a", 0): None, ("a", 1): None}
    found = planted(tmp_path, lambda *at: first.get(at, clear_and_none(*at)), dict.fromkeys("abcd", 12))
    assert found["clear"].word == "open" and found["clear"].by_test.failing


def test_only_what_seeds_can_decide_goes_on(tmp_path: Path) -> None:
    """The claim on c and d is open at look 2 of 2, and so has no chance; with one it is a matter of its size."""
    found = planted(tmp_path / "all", clear_and_none, dict.fromkeys("abcd", 12))
    still = found["none"]
    assert goes_on(still, 0) and not goes_on(still, 0.1) and not goes_on(found["clear"], 0)
    likely = replace(still, by_test=replace(still.by_test, chance=0.5))
    assert goes_on(likely, 0.1) and not goes_on(likely, 0.6)
    for word in ("void", "not comparable", "not testable"):
        assert not goes_on(replace(likely, word=word, finding="not testable", why=("a reason",)), 0)
    two = planted(tmp_path / "two", clear_and_none, dict.fromkeys("abcd", 2))
    assert {j.word for j in two.values()} == {"not testable"} and all(goes_on(j, 0.9) for j in two.values())
    failed = planted(tmp_path / "failed", lambda arm, s: None if s else 0.5, dict.fromkeys("abcd", 4))
    assert {j.word for j in failed.values()} == {"not testable"} and not any(goes_on(j, 0) for j in failed.values())
    assert not goes_on(replace(likely, why=("a run is missing",)), 0)


def test_more_seeds_fill_up_from_zero() -> None:
    assert more_seeds([7, 1], 5) == (7, 1, 0, 2, 3)
    assert more_seeds([3, 4, 5], 2) == (3, 4, 5)


def test_added_runs_are_planned_while_the_settings_lead_to_them(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(TINY)
    params = load(file)
    base, whole = make_plan(params), make_plan(params, whole=True)
    assert len(base.runs) == 3 and len(whole.runs) == 9 and base.looks == () and whole.looks == (2, 3)
    added = [run for run in whole.runs if run.endswith("_s2")][:1]
    more = make_plan(params, [*added, "gone_s1"])
    assert set(more.runs) - set(base.runs) == set(added) and more.looks == (2, 3)
    file.write_text(file.read_text().replace("lr: 0.01", "lr: 0.05").replace("lr: 0.02", "lr: 0.06"))
    assert len(make_plan(load(file), added).runs) == 3


@pytest.mark.parametrize(
    ("looks", "said"), [("[3, 3]", "must rise"), ("[4, 2]", "must rise"), ("[]", "at least 1"), ("[0]", "greater")]
)
def test_looks_that_make_no_sense_are_refused(looks: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(TINY.replace("[2, 3]", looks))
    with pytest.raises(UserError, match=f"adaptive.looks.*{said}"):
        load(file)


def claims(*lines: str) -> str:
    return "\nclaims:\n" + "".join(f"  - {line}\n" for line in lines)


TAIL = 'quote: "As we see", where: "5", why: "w"}'
SAME = "{id: same, kind: effect, study: shallow, metric: val_top1, axis: model, level: cifar-resnet7,"
SAME += " reference: cifar-plain7, direction: same, margin: 30,"
SAME += f" needs: {{learnt: none}}, {TAIL}"  # 3,000 points: three seeds show it
BETTER = "{id: better, kind: order, study: shallow, metric: val_top1, arms: [cifar-resnet7, cifar-plain7],"
BETTER += f" margin: 0.01, needs: {{learnt: none}}, {TAIL}"  # which so few seeds can hardly show


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "least", "seeds"),
    [((SAME, BETTER), 0.99, [1, 2]), ((BETTER,), 0, [1, 2, 3])],
    ids=["decided, or without a chance", "to the cap"],
)
def test_decide_adds_seeds_to_the_arms_of_open_claims_alone(
    made: tuple[str, ...], least: float, seeds: list[int], rendered: Rendered
) -> None:
    """Oracle: two arms of the study shallow, one seed in params.yaml, looks at three and at four seeds. A claim that
    look 1 decides needs seeds 1 and 2 of both, and so does one that it leaves open without a chance; one that goes on
    needs seeds 1 to 3; the other study's arm none.
    """
    workspace = rendered.workspace
    workspace.edit("looks: [2, 3]", f"looks: [3, 4], least_chance: {least}")
    file = workspace.folder / "papers/resnet-vs-plain.yaml"
    file.write_text(PAPER.removesuffix(CLAIMS) + claims(*made) + DRAWN["resnet-vs-plain"])
    assert rendered.jobs["train"] == 3
    done = workspace.run("ablate", "decide", "--cores", "8")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((workspace.folder / "results/tiny/seeds.json").read_text())
    assert sorted(run.split("_")[0] + run[-3:] for run in found["added"]) == sorted(
        f"{arm}_s{seed}" for arm in ("cifar-resnet7", "cifar-plain7") for seed in seeds
    )
    assert f"with {len(found['added'])} runs more" in done.stdout
    assert "Nothing to be done" in workspace.snakemake("decide").stderr
    jobs = workspace.jobs("all")  # tables with the new seeds; nothing is left to train
    assert "train" not in jobs and jobs["claims"] == 1
    assert "Nothing to be done" in workspace.snakemake("decide").stderr
    workspace.edit("looks: [3, 4]", "looks: [3, 5]")
    assert workspace.jobs("decide", "--dry-run")["look"] == 3
    board = json.loads((workspace.folder / "results/tiny/claims.json").read_text())
    assert board["claims"][0]["n"] == 1 + len(seeds)


def test_decide_without_looks_is_refused(workspace: Workspace) -> None:
    workspace.edit("adaptive: {looks: [2, 3]}\n", "")
    done = workspace.run("ablate", "look", "--papers", "papers", "--output", "look-0.json")
    assert done.returncode == 2 and "adaptive: is missing" in done.stderr and "Traceback" not in done.stderr


def test_a_list_of_added_runs_that_is_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(TINY)
    file = seeds_file("tiny")
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    with pytest.raises(UserError, match=f"{file}: was changed since it was written; delete it"):
        current_plan(load(tmp_path / "params.yaml"))
