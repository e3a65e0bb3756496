"""What a file is: the archive that a fingerprint pins, or something else in its place."""

from collections.abc import Mapping
from pathlib import Path
from typing import IO

from ablate.errors import UserError
from ablate.files import digest
from ablate.plan.params import Fingerprint

KINDS = {b"PK": "a zip file", b"\x1f\x8b": "a gzip file", b"BZh": "a bzip2 file", b"\xfd7zXZ": "an xz file"}
HTML = "an HTML page in place of the archive"


class SourceError(UserError):
    """One source has no good archive; the next may."""


def identify(file: Path, digests: Mapping[str, Fingerprint]) -> tuple[str | None, str]:
    """The label of the fingerprint that ``file`` matches in all its values (None: of none), and its sha256."""
    size, sha256, md5 = file.stat().st_size, digest(file), None
    for label, pin in digests.items():
        if pin.bytes not in (None, size) or pin.sha256 not in (None, sha256):
            continue
        if not sha256.startswith(pin.sha256_prefix or ""):
            continue
        if pin.md5 is not None:
            md5 = md5 or digest(file, "md5")
        if pin.md5 in (None, md5):
            return label, sha256
    return None, sha256


def wrong(file: Path, sha256: str, digests: Mapping[str, Fingerprint], page: bool = False) -> SourceError:
    """What came in place of the archive; ``page``: the server itself called it HTML."""
    head, size = head_of(file), file.stat().st_size
    if page or is_page(head):
        return SourceError(f"{HTML} ({size} bytes); open the address in a browser to see why")
    kind = next((kind for mark, kind in KINDS.items() if head.startswith(mark)), "no archive")
    return mismatch(size, f"{kind}, sha256:{sha256}", digests)


def mismatch(size: int, detail: str, digests: Mapping[str, Fingerprint]) -> SourceError:
    """The refusal of ``size`` bytes: what they are, what was expected, and the remedy."""
    shortest = min((pin.bytes for pin in digests.values() if pin.bytes), default=0)
    what = f"truncated: {size} of {shortest} bytes" if size < shortest else f"wrong digest: {size} bytes"
    expected = [
        f"{label} ({', '.join(f'{key}:{value}' for key, value in pin.model_dump(exclude_none=True).items())})"
        for label, pin in digests.items()
    ]
    return SourceError(
        f"{what}, {detail}; expected one of {', '.join(expected) or 'none'}. If you trust this source, add its "
        f"digest to the data set's digests in params.yaml"
    )


def is_page(head: bytes) -> bool:
    """Whether a file that begins so is HTML, as a server's error page is."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith((b"<!doctype", b"<html"))


def head_of(path: Path) -> bytes:
    """The first 512 bytes, by which a file's kind is known."""
    with readable(path) as file:
        return file.read(512)


def readable(path: Path) -> IO[bytes]:
    """``path`` for reading; without this its errors would be blamed on the target."""
    try:
        return path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path | str, error: OSError) -> SourceError:
    """What a file of the user's that the system does not give is refused with."""
    remedy = "mend its permissions" if isinstance(error, PermissionError) else "correct the path or mend the disk"
    return SourceError(f"{path} cannot be read ({error.strerror}); {remedy}")
