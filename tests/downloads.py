"""For the tests of fetch: calls of it, with what they leave, and a real HTTPS server that misbehaves as told."""

import hashlib
import random
import ssl
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ablate.data.download import CHUNK
from ablate.data.fetch import fetch
from ablate.errors import UserError
from ablate.files import read_json
from ablate.plan.params import Fingerprint

BODY = b"PK" + random.Random(0).randbytes(1_000_000)
PAGE = b"<!DOCTYPE html><html>sign in</html>"


def pin(body: bytes, size: bool = True) -> Fingerprint:
    return Fingerprint(sha256=hashlib.sha256(body).hexdigest(), bytes=len(body) if size else None)


class Fetch:
    """Calls of ``fetch`` for one target, and what they leave."""

    def __init__(self, folder: Path) -> None:
        self.target, self.receipt = folder / "data" / "archive", folder / "data" / "archive.json"
        self.digests = {"other": pin(b"other"), "official": pin(BODY)}

    def __call__(self, *urls: str, path: object = None, mirror: object = None) -> dict[str, Any]:
        """The receipt of what came."""
        fetch(
            "a.zip", self.target, path=path and str(path), mirror=mirror and str(mirror), urls=urls,
            digests=self.digests, receipt=self.receipt,
        )  # fmt: skip
        assert self.left() == ["archive", "archive.json"], self.left()
        return dict(read_json(self.receipt))

    def left(self) -> list[str]:
        """The names of all files beside the target, hidden ones too."""
        return sorted(file.name for file in self.target.parent.glob("*"))

    def refuses(self, *urls: str, expected: list[str], kept: int = 0, **source: object) -> str:
        """The message, which has all of ``expected``; only ``kept`` unfinished downloads are left."""
        with pytest.raises(UserError) as caught:
            self(*urls, **source)
        message = str(caught.value)
        assert all(part in message for part in ["a.zip", "params.yaml", *expected]), message
        left = self.left()
        assert len(left) == kept and all(name.endswith(".download") for name in left), left
        return message


class Server(ThreadingHTTPServer):
    """Serves ``body``; each request takes the next of ``answers``, which says what goes wrong, and is recorded."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = BODY
        self.answers: deque[dict[str, Any]] = deque()
        self.ranges: list[str | None] = []  # the Range header of each request
        self.sent: list[int] = []  # bytes of body that went out for each request
        self.url = f"https://localhost:{self.server_address[1]}/a.zip"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests are about."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        answer = server.answers.popleft() if server.answers else {}
        asked = self.headers["Range"]
        server.ranges.append(asked)
        server.sent.append(0)
        request = len(server.sent) - 1
        body = answer.get("body", server.body)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and answer.get("ranges", True) else 0
        status = 416 if start >= len(body) else 206 if start else 200
        self.send_response(answer.get("status", status))
        if status == 206:
            first = answer.get("first", start)
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        for name, value in ({"Content-Length": len(body) - start} | answer.get("headers", {})).items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()
        time.sleep(answer.get("silence", 0))
        rest = b"" if answer.get("status", status) >= 400 else body[start:][: answer.get("breaks")]
        for at in range(0, len(rest), CHUNK):
            self.wfile.write(rest[at : at + CHUNK])
            server.sent[request] += len(rest[at : at + CHUNK])
            time.sleep(answer.get("pause", 0))

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


def make_certificate(folder: Path, hosts: Sequence[str] = ("localhost",)) -> Path:
    """A key and a self-signed certificate for ``hosts`` in one file."""
    names = ",".join(f"DNS:{host}" for host in hosts)
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost " \
            f"-addext subjectAltName={names} -keyout key -out certificate"  # fmt: skip
    subprocess.run(words.split(), cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_bytes((folder / "key").read_bytes() + (folder / "certificate").read_bytes())
    return both


@contextmanager
def serving(certificate: Path) -> Iterator[Server]:
    """A server that runs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Server() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
