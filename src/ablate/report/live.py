"""The report over a study while it runs: a server on this machine alone, which reads and changes nothing.

waitress serves it, a small server without dependencies. A page of somewhere else can ask a server on loopback as
well, by a name of its own that leads there: only requests that name this machine are answered.
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import waitress

from ablate.errors import UserError
from ablate.files import stamp
from ablate.plan.receipts import FOLDER as RECEIPTS
from ablate.workflow.watch import Running, View

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
LOOK_EVERY_S = 2.0  # however many pages ask
KINDS = {"html": "text/html; charset=utf-8", "json": "application/json"}


class Status:
    """What `Watch` sees, at most once in `LOOK_EVERY_S`, and the curves of runs since the first look."""

    def __init__(
        self, look: Callable[[], View], fault: Callable[[], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``look`` looks again; ``fault`` says why it shows an earlier plan, or nothing."""
        self._look, self._fault, self._clock = look, fault, clock
        self._curves: dict[str, dict[int, dict[str, float | None]]] = {}  # run: epoch: measures
        self._at, self._text, self._lock = -LOOK_EVERY_S, "", Lock()

    def text(self) -> str:
        """As JSON, for `live.js`."""
        with self._lock:
            if self._clock() - self._at >= LOOK_EVERY_S:
                self._text, self._at = json.dumps(self._seen(self._look())), self._clock()
            return self._text

    def _seen(self, view: View) -> dict[str, Any]:
        self._curves = {run.run: self._curve(run) for run in view.running}
        return asdict(view) | {"over": view.over, "fault": self._fault(), "running": [
            asdict(run) | {"curve": [{"epoch": epoch, **found} for epoch, found in self._curves[run.run].items()]}
            for run in view.running
        ]}  # fmt: skip

    def _curve(self, run: Running) -> dict[int, dict[str, float | None]]:
        """Epochs seen before, less those that a run that began anew has yet to come to, and this one."""
        before = {epoch: found for epoch, found in self._curves.get(run.run, {}).items() if epoch < run.done}
        return before | ({run.done: dict(run.metrics)} if run.done else {})


Answer = tuple[str, str, str]  # status, kind of KINDS, body


class Site:
    """The WSGI application: the page, and ``status.json``."""

    def __init__(self, page: Callable[[], str], status: Status) -> None:
        self._page, self._status = page, status

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        status, kind, body = self._answer(environ)
        sent = body.encode("utf-8", "backslashreplace")
        start(status, [
            ("Content-Type", KINDS[kind]), ("Content-Length", str(len(sent))), ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"), ("Cross-Origin-Resource-Policy", "same-origin"),
        ])  # fmt: skip
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else sent]

    def _answer(self, environ: WSGIEnvironment) -> Answer:
        if environ.get("HTTP_HOST", "").rpartition(":")[0] not in NAMES:
            return "403 Forbidden", "json", '{"fault": "ask for 127.0.0.1"}'
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return "405 Method Not Allowed", "json", '{"fault": "read only"}'
        try:
            match environ.get("PATH_INFO"):
                case "/" | "":
                    return "200 OK", "html", self._page()
                case "/status.json":
                    return "200 OK", "json", self._status.text()
        except UserError as error:
            return "500 Internal Server Error", "json", json.dumps({"fault": str(error)})
        return "404 Not Found", "json", '{"fault": "no such page"}'


def serve(site: Site, port: int, said: Callable[[str], None]) -> None:
    """Answer on loopback until Ctrl-C; ``said`` gets the address.

    Args:
        site: what is served.
        port: 0 takes a free one.
        said: called once, when requests are taken.

    Raises:
        UserError: For a port that is taken.
    """
    try:
        server = waitress.create_server(site, host=HOST, port=port, threads=4, ident=None)
    except OSError as error:
        raise UserError(f"--port {port}: {error.strerror or error}; choose another one, or 0 for any") from None
    said(f"http://{HOST}:{server.effective_port}/#/live")
    server.run()


def kept(folder: Path, make: Callable[[], str]) -> Callable[[], str]:
    """A function that gives the page of results/<scale>, made again where a step has left another receipt there."""
    found: dict[str, Any] = {}

    def page() -> str:
        receipts = {path.name: stamp(path) for path in (folder / RECEIPTS).glob("*.json")}
        if found.get("receipts") != receipts:
            found.update(receipts=receipts, text=make())
        return str(found["text"])

    return page
