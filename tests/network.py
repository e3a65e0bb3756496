"""A network in place of the real one: a proxy that is every host itself, with a certificate for the official ones.

Programs find it by HTTPS_PROXY and trust it by REQUESTS_CA_BUNDLE, so that no command and no address changes.
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from downloads import make_certificate

OFFICIAL = ("cs231n.stanford.edu", "www.cs.toronto.edu", "download.pytorch.org")


class Network(ThreadingHTTPServer):
    """Has ``files`` ({address without https://: file}) and nothing else; ``asked`` are the addresses in turn."""

    daemon_threads = True

    def __init__(self, files: Mapping[str, Path], certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked = files, list[str]()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.env = {
            "HTTPS_PROXY": f"http://127.0.0.1:{self.server_address[1]}",
            "https_proxy": f"http://127.0.0.1:{self.server_address[1]}",
            "NO_PROXY": "",
            "no_proxy": "",
            "REQUESTS_CA_BUNDLE": str(certificate),
        }


class Handler(BaseHTTPRequestHandler):
    server: Network
    protocol_version = "HTTP/1.1"
    host = ""

    def do_CONNECT(self) -> None:
        self.host = self.path.removesuffix(":443")
        self.send_response(200)
        self.end_headers()
        self.close_connection = False
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")  # type: ignore[assignment]

    def do_GET(self) -> None:
        address = self.host + self.path
        self.server.asked.append(address)
        file = self.server.files.get(address)
        body = file.read_bytes() if file else b""
        self.send_response(200 if file else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        self.close_connection = True

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


@contextmanager
def network(files: Mapping[str, Path], folder: Path) -> Iterator[Network]:
    """One that runs; ``folder`` is for its certificate."""
    with Network(files, make_certificate(folder, OFFICIAL)) as running:
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()
