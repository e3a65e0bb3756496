"""`ablate report --serve`: what it answers, to whom, and that it writes nothing. Oracle: heartbeats of runs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from ablate.report.live import Site, Status, kept
from ablate.runtime.progress import Heartbeat, heartbeat_path
from ablate.workflow.watch import Row, Running, View
from browsers import READY, chromium
from conftest import write_tiny


def view(done: int, top: float) -> View:
    run = Running(
        "r_s0", "p/s", "one", 0, done, 9, 10.0, "here", 5.0, 60.0, None, {"train_top1": top, "val_top1": None}
    )
    row = Row("p/s", 2, 1, 1, 0, 0, 10.0, 60.0)
    return View("tiny", [row], row, [run], 1, 1)


def asked(site: Site, path: str, **changes: str) -> tuple[str, str]:
    said: list[str] = []
    environ: Any = {"HTTP_HOST": "127.0.0.1:8765", "REQUEST_METHOD": "GET", "PATH_INFO": path} | changes
    body = b"".join(site(environ, lambda status, headers, info=None: said.append(status)))  # type: ignore[arg-type]
    return said[0], body.decode()


def test_curves_grow_from_look_to_look_and_a_run_that_began_anew_loses_what_it_has_not_reached() -> None:
    views = [view(0, 0.0), view(1, 0.1), view(2, 0.2), view(4, 0.4), view(2, 0.25)]
    ticks = iter(range(0, 100, 3))
    status = Status(iter(views).__next__, lambda: "", clock=lambda: next(ticks))
    curves = [json.loads(status.text())["running"][0]["curve"] for _ in views]
    assert [[(p["epoch"], p["train_top1"]) for p in curve] for curve in curves] == [
        [], [(1, 0.1)], [(1, 0.1), (2, 0.2)], [(1, 0.1), (2, 0.2), (4, 0.4)], [(1, 0.1), (2, 0.25)],
    ]  # fmt: skip


def test_many_who_ask_make_one_look() -> None:
    looks = []
    status = Status(lambda: looks.append(1) or view(1, 0.1), lambda: "as planned before", clock=lambda: 7.0)  # type: ignore[func-returns-value]
    assert {json.loads(status.text())["fault"] for _ in range(5)} == {"as planned before"} and len(looks) == 1


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "200 OK"),
        ({"HTTP_HOST": "localhost:1"}, "200 OK"),
        ({"HTTP_HOST": "evil.example:8765"}, "403 Forbidden"),
        ({"HTTP_HOST": ""}, "403 Forbidden"),
        ({"REQUEST_METHOD": "POST"}, "405 Method Not Allowed"),
        ({"PATH_INFO": "/../params.yaml"}, "404 Not Found"),
        ({"REQUEST_METHOD": "HEAD"}, "200 OK"),
    ],
)
def test_only_this_machine_is_answered_and_only_when_it_reads(changes: dict[str, str], status: str) -> None:
    site = Site(lambda: "the page", Status(lambda: view(1, 0.1), lambda: ""))
    said, body = asked(site, "/", **changes)
    assert said == status and ("the page" in body) == (status == "200 OK" and changes.get("REQUEST_METHOD") != "HEAD")


def test_the_page_is_made_again_when_a_step_has_run(tmp_path: Path) -> None:
    made: list[str] = []
    page = kept(tmp_path, lambda: made.append("") or f"page {len(made)}")  # type: ignore[func-returns-value]
    assert page() == page() == "page 1"
    (tmp_path / ".receipts").mkdir()
    (tmp_path / ".receipts/claims.json").write_text("{}")
    assert page() == page() == "page 2"


@pytest.mark.slow
def test_it_serves_a_study_that_runs_and_writes_nothing(tmp_path: Path) -> None:
    """A whole server, asked over the network's loopback, and in a browser where there is one."""
    write_tiny(tmp_path)
    words = [sys.executable, "-m", "ablate", "report", "--serve", "--port", "0"]
    os.environ.pop("ABLATE_SERVER", None)
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split("#")[0]
            assert address.startswith("http://127.0.0.1:"), server.communicate()
            before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if ".ablate" not in str(path)}
            status = json.loads(urlopen(f"{address}status.json").read())
            assert status["total"]["to_do"] == status["total"]["runs"] > 0 and not status["running"]
            os.chdir(tmp_path)
            with Heartbeat(heartbeat_path("of_somebody_s0"), run="of_somebody_s0", epochs=4) as heart:
                heart.epoch(1, 100.0, train_top1=0.25, val_top1=0.5)
                time.sleep(2.1)
                (run,) = json.loads(urlopen(f"{address}status.json").read())["running"]
                assert run["curve"] == [{"epoch": 1, "train_top1": 0.25, "val_top1": 0.5}] and run["epochs"] == 4
                in_a_browser(address)
            with pytest.raises(HTTPError, match="403"):
                urlopen(Request(address, headers={"Host": "evil.example"}))
            after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if ".ablate" not in str(path)}
            assert after == before
        finally:
            server.send_signal(signal.SIGINT)


def in_a_browser(address: str) -> None:
    with chromium() as browser:
        page, said = browser.new_page(), []
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"{address}#/live")
        page.wait_for_selector(READY)
        page.get_by_text("epoch 1 of 4").wait_for()
        assert "Live" in page.locator("#nav").inner_text() and said == []
