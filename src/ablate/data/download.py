"""Download an archive by requests, resuming what broke off, over https alone."""

import hashlib
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import requests
from rich.progress import DownloadColumn, TransferSpeedColumn
from urllib3 import Retry
from urllib3.exceptions import InvalidHeader, MaxRetryError

from ablate.data.identify import HTML, SourceError, identify, mismatch, wrong
from ablate.inert import say, visible
from ablate.plan.params import Fingerprint
from ablate.runtime.progress import LINE_EVERY_S, bar, on_terminal

ATTEMPTS = 5  # at one address
BUSY = {429, *range(500, 600)}  # statuses after which another attempt may go better
BACKOFF_S = 1.0  # the second attempt follows at once, the third after twice this, then it doubles
LONGEST_S = 600  # that a server's Retry-After is obeyed
TIMEOUT_S = 60.0  # to connect, and of silence in between
CHUNK = 2**16  # bytes: what a break loses at most


def download(url: str, target: Path, part: Path, digests: Mapping[str, Fingerprint]) -> tuple[str, str]:
    """Bring the bytes behind ``url`` to ``part``; their label in ``digests`` and their sha256."""
    key = hashlib.sha256(url.encode()).hexdigest()[:8]
    file = target.with_name(f".{target.name}.{key}.download")
    coming = Download(url, file, digests)
    coming.run()
    label, sha256 = identify(file, digests)
    if label is None and coming.resumed:  # the archive changed in between, or the disk lost bytes
        say(f"{url}: the continued download is wrong; downloading it once more from the start", file=sys.stderr)
        file.unlink()
        coming.run()
        label, sha256 = identify(file, digests)
    if label is None:
        error = wrong(file, sha256, digests, coming.page)
        file.unlink()
        raise error
    file.replace(part)
    return label, sha256


class Download:
    """The bytes behind an address on their way into ``file``, which outlives a kill and is continued."""

    def __init__(self, url: str, file: Path, digests: Mapping[str, Fingerprint]) -> None:
        self.url, self.file, self.digests = url, file, digests
        self.resumed = False  # whether ``file`` has bytes of more than one answer
        self.page = False  # whether the server calls what it sends HTML

    def run(self) -> None:
        """Complete ``file``, in several attempts if need be.

        Raises:
            SourceError: If that cannot be; the bytes that came are kept.
        """
        # Counted here and not in requests' adapter, which knows nothing of a body that breaks off, nor what to say.
        retries = Retry(ATTEMPTS - 1, backoff_factor=BACKOFF_S, status_forcelist=BUSY, retry_after_max=LONGEST_S)
        try:
            while True:
                try:
                    return self._attempt()
                except requests.RequestException as error:
                    reason = self._reason(error)
                    if not _passes(error, retries):
                        raise SourceError(reason) from error
                    try:
                        retries = retries.increment("GET", self.url, error=error)
                    except MaxRetryError:
                        raise SourceError(reason) from error
                    pause = _pause(error, retries)
                number = len(retries.history) + 1
                say(f"{self.url}: {reason}; attempt {number} follows in {pause:g} s", file=sys.stderr)
                time.sleep(pause)
        finally:
            if self.file.exists() and not self.file.stat().st_size:
                self.file.unlink()

    def _attempt(self) -> None:
        with self.file.open("ab") as file:
            start = file.tell()
            # identity: a packed answer could not be continued at a byte of the archive
            headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
            with requests.get(
                self.url, headers=headers, timeout=TIMEOUT_S, stream=True, hooks={"response": _stay_safe}
            ) as answer:
                if start and answer.status_code == 416:
                    self.resumed = True  # nothing follows: it is complete or wrong, which its digest tells
                else:
                    answer.raise_for_status()
                    self._take(answer, file)
            if not file.tell():
                raise SourceError("came empty")

    def _take(self, answer: requests.Response, file: IO[bytes]) -> None:
        """Refuse what cannot be right before its body is read, and write that where it belongs in ``file``."""
        answer.raw.headers.pop("content-encoding", None)  # a server's word for *.gz: not to be unpacked here
        length = answer.headers.get("content-length", "")
        size = int(length) if length.isdecimal() else None
        self.page = answer.headers.get("content-type", "").startswith("text/html")
        if answer.status_code == 206:
            self._continue(file, answer.headers.get("content-range", ""))
        else:
            sizes = {pin.bytes for pin in self.digests.values()}
            if sizes and None not in sizes and size is not None and size not in sizes:
                if self.page:
                    raise SourceError(f"{HTML} ({size} bytes); open the address in a browser to see why")
                raise mismatch(size, "by the server's word, so not downloaded", self.digests)
            self._restart(file)
        start = file.tell()
        name = self.url.rsplit("/", 1)[-1]
        with _counter(name, start, None if size is None else start + size) as count:
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
                count(len(chunk))

    def _continue(self, file: IO[bytes], content_range: str) -> None:
        self.resumed = file.tell() > 0
        if not re.match(rf"bytes {file.tell()}-", content_range):
            self._restart(file)
            raise requests.ConnectionError("the answer begins elsewhere")  # the next attempt is from the start

    def _restart(self, file: IO[bytes]) -> None:
        file.seek(0)
        file.truncate()
        self.resumed = False

    def _reason(self, error: requests.RequestException) -> str:
        if error.response is not None:
            return f"HTTP {error.response.status_code}"
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return "its certificate is not trusted; name your authority's file in REQUESTS_CA_BUNDLE"
        size = self.file.stat().st_size
        return f"broke off after {size} bytes, which are kept" if size else "cannot be reached"


def _stay_safe(answer: requests.Response, **_: Any) -> None:
    """Before a redirect is followed.

    Raises:
        SourceError: If it leaves https.
    """
    if answer.is_redirect:
        goal = urljoin(answer.url, answer.headers["location"])
        if urlsplit(goal).scheme != "https":
            raise SourceError(f"redirects to {goal}: plain http:// is refused; give an address that stays https://")


def _passes(error: requests.RequestException, retries: Retry) -> bool:
    """Whether another attempt may go better."""
    if error.response is not None:
        return retries.is_retry("GET", error.response.status_code)
    kinds = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    return isinstance(error, kinds) and "CERTIFICATE_VERIFY_FAILED" not in str(error)


def _pause(error: requests.RequestException, retries: Retry) -> float:
    """Seconds until the next attempt: what the server asks for, else urllib3's back-off."""
    after = None
    if error.response is not None:
        with suppress(InvalidHeader, ValueError, OverflowError):  # a server's word may be anything
            after = retries.get_retry_after(error.response.raw)
    return after or retries.get_backoff_time()


@contextmanager
def _counter(name: str, done: int, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show ``done`` of ``total`` bytes and, by the function it yields, each that follows.

    A terminal gets a bar, which vanishes at the end, as attempts that fail do; a log gets a line every ten seconds.
    """
    name = visible(name)
    if on_terminal():
        with bar(DownloadColumn(), TransferSpeedColumn(), transient=True) as shown:
            yield partial(shown.advance, shown.add_task(name, total=total, completed=done))
        return
    last = time.monotonic()

    def count(n: int) -> None:
        nonlocal done, last
        done += n
        if time.monotonic() - last >= LINE_EVERY_S:
            last = time.monotonic()
            of_total = f" of {total / 1e6:.1f}" if total else ""
            say(f"{name}: {done / 1e6:.1f}{of_total} MB", file=sys.stderr)

    yield count
