"""fetch from addresses, by a real HTTPS server that misbehaves as told, and from local mirrors.

Oracle: the bytes that were served, and the server's own record of what it was asked and what it sent.
The user's own files and folders are in test_own.py.
"""

import hashlib
import random
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ablate.data import download
from ablate.data.download import CHUNK
from ablate.errors import UserError
from ablate.plan.params import Fingerprint
from downloads import BODY, PAGE, Fetch, Server, make_certificate, pin, serving


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make a certificate with")
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def server(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setattr(download, "BACKOFF_S", 0.001)
    with serving(certificate) as server:
        yield server


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


@pytest.mark.parametrize(
    ("asked", "pauses"),
    [("7", [7, 7]), ("9" * 30, [600, 600]), ("soon", [0, 4]), ("Mon, 99 Foo", [0, 4]), ("-3", [0, 4])],
)
def test_a_busy_server_says_when(
    asked: str,
    pauses: list[int],
    run: Fetch,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Oracle: its Retry-After, ten minutes at most; where that cannot be read, urllib3's 0, then 2 x BACKOFF_S."""
    slept: list[float] = []
    monkeypatch.setattr(download, "BACKOFF_S", 2.0)
    monkeypatch.setattr(download.time, "sleep", slept.append)
    server.answers.extend([{"status": 503, "headers": {"Retry-After": asked}}] * 2)
    run(server.url)
    assert [
        int(pause) for pause in re.findall(r"HTTP 503; attempt \d follows in (\d+) s", capsys.readouterr().err)
    ] == pauses
    assert set(pauses) <= set(slept) and len(server.ranges) == 3  # the server sleeps, too


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
        "import sys; from pathlib import Path; from ablate.plan.params import Fingerprint; "
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
    monkeypatch.setenv("TERM", "xterm")
    server.answers.append({"pause": 0.02})
    run(server.url)
    assert re.search(r"\r\x1b\[2Ka\.zip .*0\.[1-9]/1\.0 MB", capsys.readouterr().err)
    server.answers.extend([{"breaks": 600_000}, {"headers": LOST, "pause": 0.02}])  # the rest is of unknown length
    run(server.url)
    assert re.search(r"\r\x1b\[2Ka\.zip .*\d/\? [kM]B", capsys.readouterr().err)


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
