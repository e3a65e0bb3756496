"""fetch against a real HTTPS server that misbehaves as told, local mirrors, and archives of the user's own."""

import hashlib
import json
import os
import random
import re
import resource
import shutil
import ssl
import subprocess
import sys
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ablate.config import Fingerprint
from ablate.data import download, own
from ablate.data.download import CHUNK
from ablate.data.fetch import fetch
from ablate.errors import UserError
from ablate.files import digest, read_json

BODY = b"PK" + random.Random(0).randbytes(1_000_000)


def pin(body: bytes, size: bool = True) -> Fingerprint:
    return Fingerprint(sha256=hashlib.sha256(body).hexdigest(), bytes=len(body) if size else None)


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


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a self-signed certificate for localhost in one file."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost " \
            "-addext subjectAltName=DNS:localhost -keyout key -out certificate"  # fmt: skip
    subprocess.run(words.split(), cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_bytes((folder / "key").read_bytes() + (folder / "certificate").read_bytes())
    return both


@pytest.fixture
def server(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setattr(download, "BACKOFF_S", 0.001)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Server() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


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
        assert self.left() == ["archive", "archive.json"]
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


@pytest.fixture
def run(tmp_path: Path) -> Fetch:
    return Fetch(tmp_path)


def test_a_download_is_whole_and_its_receipt_says_what_it_is(run: Fetch, server: Server) -> None:
    """Oracle: the bytes served."""
    assert run(server.url) == {
        "archive": "a.zip", "digest": "official", "sha256": hashlib.sha256(BODY).hexdigest(), "bytes": len(BODY),
    }  # fmt: skip
    assert run.target.read_bytes() == BODY
    assert server.ranges == [None] and server.sent == [len(BODY)]


def test_a_broken_download_is_continued(run: Fetch, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: the server's own count of bytes, which for the later requests are the rest only."""
    server.answers.extend([{"breaks": 300_000}, {"breaks": 300_000}])
    run(server.url)
    assert run.target.read_bytes() == BODY
    first, second, third = (int((asked or "bytes=0-")[6:-1]) for asked in server.ranges)
    assert first == 0 and 300_000 - CHUNK <= second <= 300_000 and 300_000 - CHUNK <= third - second <= 300_000
    assert server.sent == [300_000, 300_000, len(BODY) - third]
    assert "broke off" in capsys.readouterr().err


def test_a_server_without_ranges_sends_all_again(run: Fetch, server: Server) -> None:
    server.answers.extend([{"breaks": 300_000}, {"ranges": False}])
    run(server.url)
    assert run.target.read_bytes() == BODY
    assert server.sent == [300_000, len(BODY)] and server.ranges[1] is not None


def test_an_answer_that_begins_elsewhere_is_not_appended(run: Fetch, server: Server) -> None:
    server.answers.extend([{"breaks": 300_000}, {"first": 7}])
    run(server.url)
    assert run.target.read_bytes() == BODY and server.ranges[2] is None


def test_an_archive_that_changed_in_between_heals(run: Fetch, server: Server) -> None:
    """The continued file is the head of one and the tail of another: one more download, from the start."""
    server.answers.append({"breaks": 300_000, "body": bytes(len(BODY))})
    run(server.url)
    assert run.target.read_bytes() == BODY
    assert len(server.ranges) == 3 and server.ranges[1] is not None and server.ranges[2] is None
    assert server.sent[2] == len(BODY)


@pytest.mark.parametrize("there", [BODY, b"x" * len(BODY)], ids=["complete", "wrong"])
def test_a_partial_file_of_full_length(there: bytes, run: Fetch, server: Server) -> None:
    """The server answers 416: nothing follows. A complete file is taken as it is, a wrong one is replaced."""
    key = hashlib.sha256(server.url.encode()).hexdigest()[:8]
    run.target.parent.mkdir()
    run.target.with_name(f".archive.{key}.download").write_bytes(there)
    run(server.url)
    assert run.target.read_bytes() == BODY
    assert server.sent == ([0] if there == BODY else [0, len(BODY)])


@pytest.mark.parametrize("status", [503, 429])
def test_a_busy_server_is_asked_again(status: int, run: Fetch, server: Server) -> None:
    server.answers.extend([{"status": status}] * 4)
    run(server.url)
    assert len(server.ranges) == 5


def test_silence_is_a_failure_that_passes(run: Fetch, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT_S", 0.2)
    server.answers.append({"silence": 0.6})
    run(server.url)
    assert len(server.ranges) == 2


def test_a_redirect_within_https_is_followed_and_still_continues(run: Fetch, server: Server) -> None:
    server.answers.extend([{"breaks": 300_000}, {"status": 302, "headers": {"Location": "/b.zip"}}])
    run(server.url)
    assert run.target.read_bytes() == BODY
    assert server.ranges[2] == server.ranges[1] is not None and server.sent[2] < len(BODY)


def test_a_gzip_archive_is_not_unpacked_on_its_way(run: Fetch, server: Server) -> None:
    """Some servers call a .tar.gz 'Content-Encoding: gzip', which requests would undo."""
    server.answers.append({"headers": {"Content-Encoding": "gzip"}})
    run(server.url)
    assert run.target.read_bytes() == BODY


def test_a_length_that_is_no_number_is_overlooked(run: Fetch, server: Server) -> None:
    server.answers.append({"headers": {"Content-Length": "many"}})
    run(server.url)
    assert run.target.read_bytes() == BODY


PAGE = b"<!DOCTYPE html><html>sign in</html>"
LOST = {"Content-Length": None}  # the body ends with the connection, so that nothing but its bytes tells its size
NO_BODY = {"breaks": 0}  # a client that reads on sees a break, and asks again
# What the server does, how often it is asked, how many bytes of the last body it sends, what the message says.
ANSWERS: dict[str, tuple[dict[str, Any], int, int, list[str]]] = {
    "not there": ({"status": 404}, 1, 0, ["HTTP 404"]),
    "busy for ever": ({"status": 503}, 5, 0, ["HTTP 503"]),
    "a page": ({"body": PAGE, "headers": LOST}, 1, len(PAGE), ["an HTML page in place of the archive"]),
    "a page by its type": (
        {"body": b"sign in", "headers": {"Content-Type": "text/html; charset=utf-8"}} | NO_BODY, 1, 0,
        ["an HTML page in place of the archive"],
    ),
    "a page by its type alone": (
        {"body": b"sign in", "headers": {"Content-Type": "text/html"} | LOST}, 1, 7,
        ["an HTML page in place of the archive"],
    ),
    "too short": (
        {"body": BODY[:100_000], "headers": LOST}, 1, 100_000, ["truncated: 100000 of 500000 bytes", "digests"]
    ),
    "announced too short": ({"body": BODY[:9]} | NO_BODY, 1, 0, ["truncated: 9 of 500000 bytes"]),
    "announced too long": ({"body": BODY + b"1"} | NO_BODY, 1, 0, ["wrong digest: 1000003 bytes", "not downloaded"]),
    "other bytes": ({"body": bytes(len(BODY))}, 1, len(BODY), ["wrong digest: 1000002 bytes", "no archive"]),
    "nothing": ({"body": b"", "status": 200, "headers": LOST}, 1, 0, ["came empty"]),
    "to plain http": (
        {"status": 302, "headers": {"Location": "http://localhost/a.zip"}} | NO_BODY, 1, 0,
        ["http://localhost/a.zip", "plain http:// is refused"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ANSWERS)
def test_a_bad_answer_is_named_and_leaves_nothing(case: str, run: Fetch, server: Server) -> None:
    answer, asked, sent, expected = ANSWERS[case]
    server.answers.extend([answer] * asked)
    run.digests = {"official": pin(BODY), "short": pin(bytes(500_000))}
    message = run.refuses(server.url, expected=[server.url, "Set mirror", *expected])
    assert len(server.ranges) == asked and server.sent[-1] == sent
    if "wrong digest" in message:
        assert all(str(pinned.sha256) in message for pinned in run.digests.values()) and "digests in" in message


def test_a_download_that_never_ends_well_is_kept_for_the_next_start(run: Fetch, server: Server) -> None:
    server.answers.extend([{"breaks": 150_000}] * 5)
    run.refuses(server.url, expected=["broke off after", "bytes, which are kept"], kept=1)
    (kept,) = run.target.parent.iterdir()
    assert kept.name.startswith(".archive.") and BODY.startswith(kept.read_bytes())
    size = kept.stat().st_size
    run(server.url)
    assert server.ranges[-1] == f"bytes={size}-" and server.sent[-1] == len(BODY) - size


def test_the_next_address_is_asked_and_the_first_one_s_rest_is_removed(run: Fetch, server: Server) -> None:
    server.answers.extend([{"breaks": 150_000}] * 5)
    run(server.url, f"{server.url}?again")
    assert server.sent[-1] == len(BODY)


def test_an_untrusted_certificate_and_a_closed_port(
    run: Fetch, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The port may open, so it is tried again; a certificate does not mend itself."""
    run.refuses("https://localhost:1/a.zip", expected=["https://localhost:1/a.zip: cannot be reached"])
    assert capsys.readouterr().err.count("cannot be reached; attempt") == 4
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    run.refuses(server.url, expected=["certificate is not trusted", "REQUESTS_CA_BUNDLE"])
    assert not server.ranges and not capsys.readouterr().err


def test_sigkill_in_the_middle_of_a_download(run: Fetch, server: Server) -> None:
    """Oracle: the server's log; the second process asks for the bytes that the first one did not get."""
    server.body = b"PK" + random.Random(1).randbytes(5_000_000)
    server.answers.append({"pause": 0.02})
    program = (
        "import sys; from pathlib import Path; from ablate.config import Fingerprint; "
        "from ablate.data.fetch import fetch; target, receipt, url, pin = sys.argv[1:]; "
        "fetch('a.zip', Path(target), path=None, mirror=None, urls=[url], receipt=Path(receipt), "
        "digests={'mine': Fingerprint.model_validate_json(pin)})"
    )
    words = [sys.executable, "-c", program, str(run.target), str(run.receipt), server.url,
             pin(server.body).model_dump_json()]  # fmt: skip
    with subprocess.Popen(words) as process:
        while not any(f.stat().st_size > 1_000_000 for f in run.target.parent.glob(".*.download")):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    assert not run.target.exists()
    subprocess.run(words, check=True, timeout=60)
    assert run.target.read_bytes() == server.body
    start = int(str(server.ranges[1])[6:-1])
    assert start > 1_000_000 and server.sent[1] == len(server.body) - start
    assert run.left() == ["archive", "archive.json"]


def test_a_full_disk_is_one_message(run: Fetch, server: Server) -> None:
    """A real refusal of the kernel's: a limit on the file size, which acts as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"cannot write .*archive: File too large; free space or mend the folder"):
            run(server.url)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(server.ranges) == 1  # no trouble of the network's: not asked again
    assert [(run.target.parent / name).stat().st_size for name in run.left()] == [500_000]  # not in vain
    run(server.url)
    assert server.ranges[-1] == "bytes=500000-"


def test_progress_is_a_bar_on_a_terminal_and_seldom_lines_elsewhere(
    run: Fetch, server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(server.url)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(download, "LINE_EVERY_S", 0.0)
    run(server.url)
    assert "a.zip: 0.1 of 1.0 MB\n" in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    server.answers.append({"pause": 0.02})
    run(server.url)
    assert re.search(r"\ra\.zip: +\d\d%\|.*k/1\.00M", capsys.readouterr().err)


# What the mirror holds, and what the message must say.
MIRRORS: dict[str, tuple[bytes | None, list[str]]] = {
    "no archive": (None, ["there is no such file"]),
    "a page": (b"<html>404</html>", ["an HTML page in place of the archive"]),
    "a short file": (b"PK\x03\x04", ["truncated: 4 of 5 bytes", "digests"]),
    "other bytes": (b"PK\x03\x04" * 2, ["wrong digest: 8 bytes, a zip file", "digests", pin(BODY).sha256 or ""]),
}


@pytest.mark.parametrize("case", MIRRORS)
def test_a_bad_mirror_is_named_and_leaves_nothing(case: str, run: Fetch, tmp_path: Path) -> None:
    body, expected = MIRRORS[case]
    (tmp_path / "mirror").mkdir()
    if body is not None:
        (tmp_path / "mirror" / "a.zip").write_bytes(body)
    run.refuses(mirror=tmp_path / "mirror", expected=["mirror/a.zip: ", "Set mirror", *expected])


@pytest.mark.parametrize("mirror", ["no/such/folder", "ftp://localhost/x", "http://localhost/x", "file:/x"])
def test_a_mirror_that_can_be_none_is_refused_at_once(mirror: str, run: Fetch, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(BODY)
    with pytest.raises(UserError, match=rf"^params.yaml: mirror: .*{mirror}") as caught:
        run(f"file://{tmp_path}/a.zip", mirror=mirror)
    assert ("write https://" in str(caught.value)) == mirror.startswith("http:") and run.left() == []


def test_plain_http_is_refused_among_the_addresses(run: Fetch) -> None:
    run.refuses("http://localhost/a.zip", expected=["plain http:// is refused", "write https://"])
    run.refuses(expected=["none is given"])


def test_the_first_source_with_the_right_bytes_wins(run: Fetch, tmp_path: Path, server: Server) -> None:
    for folder, body in (("empty", None), ("a b%", BODY)):
        (tmp_path / folder).mkdir()
        if body:
            (tmp_path / folder / "a.zip").write_bytes(body)
    assert run(f"file://{tmp_path}/a%20b%25/a.zip", server.url, mirror=tmp_path / "empty")["digest"] == "official"
    assert run.target.read_bytes() == BODY and not server.ranges
    run(server.url, mirror=f"file://{tmp_path}/empty")
    assert server.sent == [len(BODY)]
    run(mirror=server.url.removesuffix("a.zip"))
    assert len(server.sent) == 2


MD5 = hashlib.md5(BODY).hexdigest()
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.mark.parametrize(
    ("fingerprint", "matches"),
    [
        (Fingerprint(md5=MD5), True),
        (Fingerprint(sha256=SHA256), True),
        (Fingerprint(sha256=SHA256, md5=MD5, bytes=len(BODY)), True),
        (Fingerprint(md5=MD5, bytes=len(BODY) + 1), False),
        (Fingerprint(sha256=SHA256, bytes=len(BODY) + 1), False),
        (Fingerprint(sha256=SHA256, md5="0" * 32), False),
        (Fingerprint(sha256="0" * 64, md5=MD5), False),
    ],
)
def test_every_value_of_a_fingerprint_must_match(
    fingerprint: Fingerprint, matches: bool, run: Fetch, tmp_path: Path
) -> None:
    """Oracle: hashlib's digests of the bytes."""
    (tmp_path / "a.zip").write_bytes(BODY)
    run.digests = {"other": pin(b"other"), "mine": fingerprint}
    if matches:
        assert run(mirror=tmp_path)["digest"] == "mine"
    else:
        run.refuses(mirror=tmp_path, expected=["wrong digest"])


def test_an_own_file_needs_no_digest(run: Fetch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "own.zip"
    own.write_bytes(BODY)
    assert run(path=own)["digest"] == "official" and capsys.readouterr().err == ""
    own.write_bytes(b"PK and more")
    (tmp_path / "link").symlink_to(own)
    receipt = run("https://localhost:1/not-asked", path=tmp_path / "link", mirror="nowhere")
    assert receipt == {"archive": "a.zip", "digest": "unpinned", "sha256": digest(own), "bytes": 11}
    assert run.target.read_bytes() == own.read_bytes() and not run.target.is_symlink()
    (line,) = capsys.readouterr().err.splitlines()
    assert "accepted by its content alone" in line and digest(own) in line and "digests in params.yaml" in line


def tree(folder: Path) -> Path:
    """A folder with what desktops leave in one."""
    for name in ("train/b.txt", "train/a.txt", "val é.txt", ".DS_Store", "train/Thumbs.db", "train/._a.txt",
                 "__MACOSX/train/a.txt", "desktop.ini"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_an_own_folder_becomes_the_same_zip_whatever_its_times(
    run: Fetch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Oracle: the files themselves, and the same zip from a copy made in another order with other times and modes."""
    folder = tree(tmp_path / "own")
    first = run(path=folder)
    with zipfile.ZipFile(run.target) as zipped:
        members = zipped.infolist()
        assert {m.filename: zipped.read(m).decode() for m in members} == {
            name: name for name in ("train/a.txt", "train/b.txt", "val é.txt")
        }
        assert zipped.namelist() == sorted(zipped.namelist()) and zipped.testzip() is None
    fixed = {(m.date_time, m.external_attr >> 16, m.create_system, m.compress_type) for m in members}
    assert fixed == {((1980, 1, 1, 0, 0, 0), 0o100644, 3, zipfile.ZIP_STORED)}
    assert "accepted by its content alone" in capsys.readouterr().err and str(tmp_path) not in json.dumps(first)
    (tmp_path / "copy").mkdir()
    for name in ("val é.txt", "train/b.txt", "train/a.txt"):
        copy = tmp_path / "copy" / name
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(name)
        copy.chmod(0o600)
        os.utime(copy, (1, 1))
    (tmp_path / "link").symlink_to(tmp_path / "copy")
    assert run(path=tmp_path / "link") == first


def test_an_own_folder_may_be_relative_and_pinned(
    run: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sha256 = run(path=tree(tmp_path / "own"))["sha256"]
    run.digests["mine"] = Fingerprint(sha256=sha256)
    assert run(path="own")["digest"] == "mine"


def fill(folder: Path, n: int, size: int = 0) -> None:
    folder.mkdir()
    for i in range(n):
        with (folder / str(i)).open("wb") as file:
            file.truncate(size)


# What stands at `path`, and what the message says of it.
OWN: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "nothing": (lambda p: None, ["there is no", "null"]),
    "a link to nothing": (lambda p: p.symlink_to("nowhere"), ["there is no", "null"]),
    "an empty file": (lambda p: p.touch(), ["is empty"]),
    "a page": (lambda p: p.write_bytes(PAGE), ["an HTML page in place of the archive"]),
    "a FIFO": (lambda p: os.mkfifo(p), ["neither a file nor a folder"]),
    "an empty folder": (lambda p: (p / "__MACOSX").mkdir(parents=True), ["holds no files"]),
    "a link inside": (lambda p: (tree(p) / "train" / "x").symlink_to("a.txt"), ["train/x is a symbolic link"]),
    "a linked folder inside": (lambda p: (tree(p) / "x").symlink_to("train"), ["x is a symbolic link"]),
    "a FIFO inside": (lambda p: os.mkfifo(tree(p) / "x"), ["own/x is no regular file"]),
    "a name that is none": (lambda p: (tree(p) / os.fsdecode(b"\xff")).touch(), ["is not UTF-8", "rename"]),
    "too many files": (lambda p: fill(p, 21), ["more than 20 files", "name the data set's own folder"]),
    "too many bytes": (lambda p: fill(p, 5, 2**30), ["or 1 GiB"]),
}


@pytest.mark.parametrize("case", OWN)
def test_an_own_path_that_cannot_be_is_named(
    case: str, run: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own, "MAX_FILES", 20)
    prepare, expected = OWN[case]
    prepare(tmp_path / "own")
    message = run.refuses(path=tmp_path / "own", expected=["datasets", "path", str(tmp_path / "own"), *expected])
    assert message.startswith("params.yaml: datasets: path of a.zip: ")


@pytest.mark.parametrize("name", ["train", "train/a.txt"])
def test_an_unreadable_own_file_is_named(name: str, run: Fetch, tmp_path: Path) -> None:
    closed = tree(tmp_path / "own") / name
    closed.chmod(0)
    if os.access(closed, os.R_OK):
        pytest.skip("root may read everything")
    run.refuses(path=tmp_path / "own", expected=[f"{closed} cannot be read (Permission denied)", "permissions"])
    closed.chmod(0o700)
