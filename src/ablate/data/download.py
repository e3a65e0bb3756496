"""Download an archive by pooch, resuming what broke off, over https alone."""

import hashlib
import re
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import pooch
import requests
from tqdm import tqdm

from ablate.data.identify import HTML, SourceError, identify, mismatch, wrong
from ablate.inert import say
from ablate.plan.params import Fingerprint
from ablate.runtime.progress import LINE_EVERY_S

ATTEMPTS = 5  # at one address
BACKOFF_S = 1.0  # before the second attempt; doubles with each further one
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
        """Complete ``file``, in several attempts if need be. Raises SourceError; keeps the bytes that came."""
        try:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    return self._attempt()
                except requests.RequestException as error:
                    reason = self._reason(error)
                    if attempt == ATTEMPTS or not _passes(error):
                        raise SourceError(reason) from error
                pause = BACKOFF_S * 2 ** (attempt - 1)
                say(f"{self.url}: {reason}; attempt {attempt + 1} follows in {pause:g} s", file=sys.stderr)
                time.sleep(pause)
        finally:
            if self.file.exists() and not self.file.stat().st_size:
                self.file.unlink()

    def _attempt(self) -> None:
        with self.file.open("ab") as file, closing(_bar(self.url.rsplit("/", 1)[-1])) as bar:
            start = file.tell()
            # identity: a packed answer could not be continued at a byte of the archive
            headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
            get = pooch.HTTPDownloader(
                progressbar=bar, chunk_size=CHUNK, timeout=TIMEOUT_S, headers=headers,
                hooks={"response": partial(self._answer, file)},
            )  # fmt: skip
            try:
                get(self.url, file, None)
            except requests.HTTPError as error:
                if not start or error.response is None or error.response.status_code != 416:
                    raise
                self.resumed = True  # nothing follows: it is complete or wrong, which its digest tells
            if not file.tell():
                raise SourceError("came empty")

    def _answer(self, file: IO[bytes], response: requests.Response, **_: Any) -> None:
        """Before a body is read: refuse what cannot be right, and make ``file`` ready for it."""
        if response.is_redirect:
            goal = urljoin(response.url, response.headers["location"])
            if urlsplit(goal).scheme != "https":
                raise SourceError(
                    f"redirects to {goal}: plain http:// is refused; give an address that stays https://"
                )
            return
        if not response.ok:
            return  # pooch raises its status
        response.raw.headers.pop("content-encoding", None)  # a server's word for *.gz: not to be unpacked here
        length = response.headers.get("content-length", "")
        if not length.isdigit():
            response.headers.pop("content-length", None)  # pooch takes it for a number
        self.page = response.headers.get("content-type", "").startswith("text/html")
        if response.status_code == 206:
            self._continue(file, response.headers.get("content-range", ""))
            return
        sizes = {pin.bytes for pin in self.digests.values()}
        if sizes and None not in sizes and length.isdigit() and int(length) not in sizes:
            if self.page:
                raise SourceError(f"{HTML} ({length} bytes); open the address in a browser to see why")
            raise mismatch(int(length), "by the server's word, so not downloaded", self.digests)
        self._restart(file)

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


def _passes(error: requests.RequestException) -> bool:
    """Whether another attempt may go better."""
    if error.response is not None:
        return error.response.status_code == 429 or error.response.status_code >= 500
    kinds = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    return isinstance(error, kinds) and "CERTIFICATE_VERIFY_FAILED" not in str(error)


def _bar(name: str) -> Any:
    """pooch's progress bar: tqdm's on a terminal, lines elsewhere."""
    if sys.stderr.isatty():
        # Without a total a bar has no truth value, which pooch asks for; it vanishes, as attempts that fail do.
        return tqdm(desc=name, total=1, unit="B", unit_scale=True, leave=False)
    return Lines(name)


class Lines:
    """A progress bar for logs: a line every ten seconds."""

    def __init__(self, name: str) -> None:
        self.name, self.total, self.done, self.last = name, 0, 0, time.monotonic()

    def update(self, n: int) -> None:
        """Count ``n`` more bytes."""
        self.done += n
        if time.monotonic() - self.last >= LINE_EVERY_S:
            self.last = time.monotonic()
            of_total = f" of {self.total / 1e6:.1f}" if self.total else ""
            say(f"{self.name}: {self.done / 1e6:.1f}{of_total} MB", file=sys.stderr)

    def reset(self) -> None:
        """Start counting anew, as pooch does at the end."""
        self.done = 0

    def close(self) -> None:
        """Nothing to close."""
