"""Fetch an archive from the first source that answers, by pooch, and check its digest."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pooch
import requests

from ablate.errors import UserError
from ablate.files import digest, whole, write_json


class SourceError(UserError):
    """One source has no good archive; the next may."""


KINDS = {b"<": "an HTML page", b"PK": "a zip file", b"\x1f\x8b": "a gzip file"}


def sources(archive: str, mirror: str | None, urls: Iterable[str]) -> list[str]:
    """Where to look for ``archive``, in order: the mirror (a folder or URL), then the official addresses."""
    if mirror is None:
        return list(urls)
    if "://" in mirror:
        if not mirror.startswith(("https://", "file://")):
            raise UserError(f"params.yaml: mirror: {mirror} is neither https:// nor file:// nor a folder; correct it")
        return [f"{mirror.rstrip('/')}/{archive}", *urls]
    if not Path(mirror).is_dir():  # asked for by name: not a source to pass over
        raise UserError(f"params.yaml: mirror: there is no folder {mirror}; correct it, or set null to download")
    return [f"{mirror}/{archive}", *urls]


def fetch(
    name: str,
    target: Path,
    *,
    mirror: str | None,
    urls: Iterable[str],
    digests: Mapping[str, str],
    receipt: Path,
) -> None:
    """Put the archive called ``name`` at ``target`` and write which source and digest it had to ``receipt``.

    Raises UserError when no source answers, or the bytes match none of ``digests`` ({label: "algorithm:hex"}).
    """
    failures = []
    for source in sources(name, mirror, urls):
        try:
            with whole(target) as part:
                _get(source, part)
                label = _matching(part, source, digests)
        except SourceError as error:
            failures.append(f"{source}: {error}")
            continue
        write_json(
            receipt,
            {"archive": name, "digest": label, "sha256": digest(target), "bytes": target.stat().st_size},
        )
        return
    tried = "".join(f"\n  {failure}" for failure in failures) or " (none is given)"
    raise UserError(
        f"no source has {name}:{tried}\n"
        f"Set mirror in params.yaml (or --config mirror=FOLDER) to a folder or https:// URL that holds it."
    )


def _get(source: str, part: Path) -> None:
    """Copy a local file or download a URL to ``part``."""
    path = source.removeprefix("file://")
    if "://" in path:
        with TemporaryDirectory(dir=part.parent, prefix=".download-") as folder:
            downloader = pooch.HTTPDownloader(progressbar=True, timeout=60)
            try:
                got = pooch.retrieve(path, None, fname=part.name, path=folder, downloader=downloader)
            except requests.RequestException as error:  # an OSError too: told apart from a full disk here
                answer = "cannot be reached" if error.response is None else f"HTTP {error.response.status_code}"
                raise SourceError(answer) from error
            Path(got).replace(part)
    elif Path(path).is_file():
        shutil.copyfile(path, part)
    else:
        raise SourceError("there is no such file")


def _matching(part: Path, source: str, digests: Mapping[str, str]) -> str:
    """The label of the digest that ``part`` has."""
    for label, pinned in digests.items():
        algorithm, value = pinned.split(":")
        if digest(part, algorithm) == value:
            return label
    with part.open("rb") as file:
        head = file.read(64).lstrip()
    kind = next((name for mark, name in KINDS.items() if head.startswith(mark)), "no archive")
    raise SourceError(
        f"wrong digest: {part.stat().st_size} bytes, {kind}, sha256:{digest(part)}; expected one of "
        f"{', '.join(digests.values()) or 'none'}. If you trust this source, add its digest to the data set's "
        f"digests in params.yaml"
    )
