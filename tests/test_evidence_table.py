"""The table of the runs behind the findings. Oracle: runs counted by hand."""

from pathlib import Path

import pytest

from ablate.plan.record import read_plan
from ablate.verdicts.evidence_table import evidence_table
from fabricated import Fabricated, vouch

CHANCE, LEARNT = {"val_chance_p": 0.3}, {"val_chance_p": 1e-9}


@pytest.fixture
def fab(tmp_path: Path) -> Fabricated:
    """Two arms that should learn, of which one does once, and a control on shuffled labels; two hours in all."""
    fab = Fabricated(tmp_path, "pilot")
    fab.study("s", ["arm"], {}, {})
    for arm, seed, found in (("A", 0, LEARNT), ("A", 1, CHANCE), ("B", 0, LEARNT), ("B", 1, LEARNT)):
        run = fab.run("s", {"arm": arm}, seed, wall_s=1440.0, **found)
        vouch(fab.runs / run, device="Abacus" if arm == "A" else "Slide rule")
    fab.run("s", {"arm": "shuffled"}, 0, settings={"labels": "shuffled"}, wall_s=1440.0, **CHANCE)
    fab.collect()
    return fab


def test_runs_are_counted_once_and_those_at_chance_are_named(fab: Fabricated) -> None:
    """3 of the 4 that should learn, 75 %; the shuffled one is none of them; 5 x 1,440 s."""
    table = evidence_table(read_plan(fab.plan), [], fab.collected.parent)
    paper, whole = table.rows
    numbers = {key: value for key, value in whole.items() if key != "paper"}
    assert {key: value for key, value in paper.items() if key != "paper"} == numbers
    assert numbers == {
        "planned": 5,
        "ended": 5,
        "above chance": 3,
        "above chance %": 75.0,
        "hours": 2.0,
        "machines": "Abacus; Slide rule; cpu",  # the last is the shuffled one's
    }
    assert table.notes == ["Not above chance in p: s, A: 1 of 2."]
    assert len(table.runs["all"]["ended"]) == 5


def test_a_run_of_two_studies_counts_once(fab: Fabricated) -> None:
    """The first run stands in a second study as well: five runs, as before."""
    again = next(entry for entry in fab.record["runs"] if entry["arm"] == "A") | {"study": "t"}
    fab.study("t", ["arm"], {}, {})
    fab.record["runs"].append(again)
    fab._write()
    fab.collect()
    assert len(read_plan(fab.plan).runs) == 6
    assert evidence_table(read_plan(fab.plan), [], fab.collected.parent).rows[-1]["ended"] == 5
