"""Whose turn it is on pretended GPUs: the jobs are processes, and are killed.

Oracle of the processes: their log, in which each writes when it has begun and, before it gives its GPU back, that it
has ended. Clocks of one machine's processes agree (monotonic), so that what overlaps there has overlapped.
"""

import errno
import itertools
import json
import os
import random
import signal
import stat
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import UserError
from ablate.runtime import slots
from ablate.runtime.gpus import VISIBLE, Gpu
from ablate.runtime.slots import Ticket, gpu_slot, grants
from pretended import Jobs, until


def test_eight_jobs_on_four_gpus_and_some_are_killed(jobs: Jobs, tmp_path: Path) -> None:
    """Four have the GPUs and the others wait. Two of those that have one are killed, and their GPUs serve on."""
    for number in range(8):
        jobs.begin(f"job{number}", "a,b,c,d", until=str(tmp_path / "go"))
    until(lambda: len(jobs.started()) == 4)
    until(lambda: sum("waits" in jobs.said(f"job{n}") for n in range(8)) == 4)
    assert {held.gpu for held in jobs.held()} == set("abcd")
    for name in jobs.started()[:2]:
        jobs.kill(name)
    until(lambda: len(jobs.started()) == 6)
    (tmp_path / "go").touch()
    held = jobs.finish()
    assert sorted(h.job for h in held) == [f"job{n}" for n in range(8)]  # none lost, none twice
    assert [path.name for path in (tmp_path / "tmp").glob("*/*")] == []


def test_first_come_first_served_and_a_dead_one_blocks_nobody(jobs: Jobs, tmp_path: Path) -> None:
    """The order of coming is fixed by beginning each job once the one before has said that it waits."""
    jobs.begin("first", "a", until=str(tmp_path / "go"))
    until(lambda: jobs.started() == ["first"])
    for number in range(5):
        jobs.begin(f"job{number}", "a")
        until(lambda n=number: f"waits for GPU a to itself: 1 job there, {n} before it" in jobs.said(f"job{n}"))  # type: ignore[misc]
    jobs.kill("job0")
    jobs.kill("job2")
    (tmp_path / "go").touch()
    assert [h.job for h in jobs.finish()] == ["first", "job1", "job3", "job4"]
    assert jobs.said("job4").count("\n") == 1  # said once


def test_two_jobs_share_a_gpu(jobs: Jobs, tmp_path: Path) -> None:
    for number in range(6):
        jobs.begin(f"job{number}", "a,b", "2", until=str(tmp_path / "go"))
    until(lambda: sum("waits for a share of GPU a or b" in jobs.said(f"job{n}") for n in range(6)) == 2)
    until(lambda: len(jobs.started()) == 4)
    assert sorted(h.gpu for h in jobs.held()) == ["a", "a", "b", "b"]
    (tmp_path / "go").touch()
    assert len(jobs.finish()) == 6


def test_one_that_wants_a_gpu_alone_is_not_overtaken_for_ever(jobs: Jobs, tmp_path: Path) -> None:
    """A GPU with two places: while one job still has its, the other place stays empty for the one that came first."""
    for name in ("one", "two"):
        jobs.begin(name, "a", "2", until=str(tmp_path / name))
    until(lambda: len(jobs.started()) == 2)
    jobs.begin("alone", "a", "1")
    until(lambda: "2 jobs there" in jobs.said("alone"))
    (tmp_path / "one").touch()
    until(lambda: jobs.running["one"].poll() is not None)
    jobs.begin("later", "a", "2")
    until(lambda: "1 job there, 1 before it" in jobs.said("later"))
    (tmp_path / "two").touch()
    assert [h.job for h in jobs.finish()][2:] == ["alone", "later"]


def test_many_jobs_that_all_fall_back_to_a_gpu_of_their_own_all_end(jobs: Jobs) -> None:
    """As if each ran out of memory on a shared GPU: give back, wait for a whole one. None waits for ever."""
    for number in range(10):
        jobs.begin(f"job{number}", "a,b", "2,1" if number % 3 else "2", until=0.005)
    held = jobs.finish()
    assert sorted(h.job for h in held) == sorted(f"job{n}" for n in range(10) for _ in range(2 if n % 3 else 1))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_random_jobs_of_every_kind_with_random_kills(seed: int, jobs: Jobs) -> None:
    draw = random.Random(seed)
    for number in range(40):
        names = draw.sample("abcd", draw.randint(1, 4))
        jobs.begin(f"job{number}", ",".join(names), draw.choice(["1", "2", "3", "2,1"]), draw.uniform(0, 0.03))
        if number % 4 == 3:
            jobs.kill(f"job{draw.randint(number - 3, number)}")  # beginning, waiting, running or at its end
    # One that had ended before it was killed ended well.
    jobs.killed = {n: at for n, at in jobs.killed.items() if jobs.running[n].returncode == -signal.SIGKILL}
    held = jobs.finish()
    assert {h.job for h in held} >= {f"job{n}" for n in range(40)} - set(jobs.killed)


@pytest.mark.parametrize("seed", range(200))
def test_whatever_comes_and_goes_all_are_served_in_turn(seed: int) -> None:
    """Random jobs, begun and ended at random. Never more on a GPU than each of them allows; of those that want the
    same, none is let in before one that came earlier; in the end nobody waits."""
    draw = random.Random(seed)
    tickets: dict[int, Ticket] = {}
    served: list[Ticket] = []
    for number in itertools.count():
        if number < 30:
            names = tuple(draw.sample("abc", draw.randint(1, 3)))
            tickets[number] = Ticket(number, names, draw.randint(1, 3))
        granted = grants(tickets.values())
        for one, other in itertools.product(granted, tickets.values()):
            if other.number < one and replace(other, number=one) == tickets[one]:
                assert other.number in granted
        for waiting in draw.sample(sorted(granted), draw.randint(0, len(granted))) if number < 30 else granted:
            tickets[waiting] = replace(tickets[waiting], gpu=granted[waiting])
            served.append(tickets[waiting])
        for gpu in "abc":
            there = [ticket.limit for ticket in tickets.values() if ticket.gpu == gpu]
            assert len(there) <= min(there, default=0)
        holding = [number for number, ticket in tickets.items() if ticket.gpu]
        for ended in draw.sample(holding, draw.randint(number >= 30, len(holding)) if holding else 0):
            del tickets[ended]
        if not tickets and number >= 30:
            break
        assert number < 100, "somebody waits for ever"
    assert len(served) == 30


def test_a_later_one_takes_a_gpu_that_no_earlier_one_could_use() -> None:
    waiting = [Ticket(0, ("a",), 1, "a"), Ticket(1, ("a",), 1), Ticket(2, ("a", "b"), 1), Ticket(3, ("a", "b"), 2)]
    assert grants(waiting) == {2: "b"}


def test_jobs_spread_and_one_that_wants_a_gpu_alone_waits_at_the_emptiest() -> None:
    shared = [Ticket(0, ("a", "b"), 3, "a"), Ticket(1, ("a", "b"), 3)]
    assert grants(shared) == {1: "b"}
    shared = [Ticket(0, ("a", "b"), 3, "a"), Ticket(1, ("a", "b"), 3, "a"), Ticket(2, ("a", "b"), 3, "b")]
    assert grants([*shared, Ticket(3, ("a", "b"), 1), Ticket(4, ("a", "b"), 3)]) == {4: "a"}


def test_the_lower_limit_decides() -> None:
    """Two pipelines, one with jobs_per_gpu: 1 and one with 2."""
    assert grants([Ticket(0, ("a",), 1, "a"), Ticket(1, ("a",), 2)]) == {}
    assert grants([Ticket(0, ("a",), 2, "a"), Ticket(1, ("a",), 1), Ticket(2, ("a",), 2)]) == {}
    assert grants([Ticket(0, ("a",), 2, "a"), Ticket(2, ("a",), 2)]) == {2: "a"}


def test_the_variable_shows_the_one_gpu_and_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for before in (None, "0,1"):
        monkeypatch.delenv(VISIBLE, raising=False)
        if before:
            monkeypatch.setenv(VISIBLE, before)
        with gpu_slot("job", [Gpu("1", "GPU-b")], 2) as shared:
            assert shared and os.environ[VISIBLE] == "GPU-b"
            (ticket,) = (tmp_path / f"ablate-{os.getuid()}").iterdir()
            assert json.loads(ticket.read_text())["gpu"] == "GPU-b"
        assert os.environ.get(VISIBLE) == before and not ticket.exists()
    assert stat.S_IMODE(ticket.parent.stat().st_mode) == 0o700


def test_without_gpus_there_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with gpu_slot("job", [], 2) as shared:
        assert not shared and not list(tmp_path.iterdir()) and capsys.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["link", "file", "writable by others", "another user's"])
def test_a_folder_that_is_not_ours_alone_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"ablate-{os.getuid()}"
    match kind:
        case "link":
            (tmp_path / "elsewhere").mkdir()
            folder.symlink_to(tmp_path / "elsewhere")
        case "file":
            folder.touch()
        case "writable by others":
            folder.mkdir()
            folder.chmod(0o777)
        case _:
            monkeypatch.setattr(os, "getuid", lambda: 4242)
            (tmp_path / "ablate-4242").mkdir()
    with pytest.raises(UserError, match="TMPDIR"), gpu_slot("job", [Gpu("0", "a")], 1):
        pass


def test_a_full_disk_is_one_message_and_leaves_no_ticket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(slots, "_write", full)
    with pytest.raises(UserError, match="No space left on device; free space"), gpu_slot("job", [Gpu("0", "a")], 1):
        pass
    assert not list((tmp_path / f"ablate-{os.getuid()}").iterdir())
