"""Fetch an archive: one's own, or from the first source with the right bytes."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.request import url2pathname

from ablate.data.download import download
from ablate.data.identify import SourceError, identify, readable, wrong
from ablate.data.origin import note
from ablate.data.own import bring, where
from ablate.errors import UserError
from ablate.files import atomic_write, write_json
from ablate.plan.datasets import AGAIN
from ablate.plan.params import Fingerprint


def sources(archive: str, mirror: str | None, urls: Iterable[str]) -> list[str]:
    """Where to look for ``archive``, in order: the mirror (a folder or URL), then the official addresses."""
    if mirror is None:
        return list(urls)
    if mirror.startswith("http://"):
        raise UserError(f"params.yaml: mirror: {mirror} is plain http://, which anyone can alter; write https://")
    if "://" in mirror:
        if not mirror.startswith(("https://", "file://")):
            raise UserError(f"params.yaml: mirror: {mirror} is neither https:// nor file:// nor a folder; correct it")
        return [f"{mirror.rstrip('/')}/{archive}", *urls]
    folder = where(mirror)
    if folder.is_file():
        raise UserError(f"params.yaml: mirror: {folder} is a file; name its folder, or the file as a data set's path")
    if not folder.is_dir():  # asked for by name: not a source to pass over
        raise UserError(f"params.yaml: mirror: there is no folder {folder}; correct it, or set null to download")
    return [str(folder / archive), *urls]


def fetch(
    name: str,
    target: Path,
    *,
    path: str | None,
    mirror: str | None,
    urls: Iterable[str],
    digests: Mapping[str, Fingerprint],
    receipt: Path,
    asked: str | None = None,
    measured: bool = False,
    pinned: str | None = None,
) -> None:
    """Put the archive called ``name`` at ``target`` and write which digest it had, and ``asked``, to ``receipt``.

    ``path``, a file or a folder of the user's, is taken whatever its digest, or with the content that is ``pinned``;
    ``measured``: what must be in it follows from what is. Without it, the first of the
    mirror and ``urls`` whose bytes match one of ``digests`` ({label: what they must be}) is taken. A download that
    breaks off stays beside ``target`` as a hidden ``*.download`` file and is continued next time.

    Raises:
        UserError: If there is no such source or the disk refuses; no target is left then.
    """
    if path is not None:
        try:
            with atomic_write(target) as part:
                label, facts = bring(name, path, part, digests, measured=measured)
                if pinned not in (None, facts["content"]):
                    raise SourceError(f"{path} is not as it was pinned; restore it, or {AGAIN}")
                _accept(name, target, part, receipt, asked, label, facts["sha256"], facts["content"])
        except SourceError as error:
            raise UserError(f"params.yaml: datasets: path of {name}: {error}") from error
        note(target, **facts)
        return
    failures = []
    for source in sources(name, mirror, urls):
        try:
            with atomic_write(target) as part:
                label, sha256 = _obtain(source, target, part, digests)
                _accept(name, target, part, receipt, asked, label, sha256)
        except SourceError as error:
            failures.append(f"{source}: {error}")
        else:
            note(target, source=source, own=False, sha256=sha256)
            return
    raise UserError(
        f"no source has {name}: {'; '.join(failures) or 'none is given'}. "
        f"Set mirror in params.yaml (or --config mirror=FOLDER) to a folder or https:// URL that holds it."
    )


def _accept(
    name: str,
    target: Path,
    part: Path,
    receipt: Path,
    asked: str | None,
    label: str,
    sha256: str,
    content: str | None = None,
) -> None:
    """Write the receipt of ``part``, which is right, and drop what other addresses' downloads left.

    ``content`` is that of the user's own path (`own.content`), which is the archive's digest where it is a file.
    """
    facts: dict[str, Any] = {"archive": name, "digest": label, "sha256": sha256, "bytes": part.stat().st_size}
    if content not in (None, sha256):
        facts["content"] = content
    write_json(receipt, facts | ({"asked": asked} if asked else {}))
    for left in target.parent.glob(f".{target.name}.????????.download"):
        left.unlink(missing_ok=True)


def _obtain(source: str, target: Path, part: Path, digests: Mapping[str, Fingerprint]) -> tuple[str, str]:
    """Bring a local file or a download to ``part``; its label in ``digests`` and its sha256."""
    if source.startswith("http://"):
        raise SourceError("plain http:// is refused, because anyone can alter it on its way; write https://")
    if source.startswith("https://"):
        return download(source, target, part, digests)
    path = Path(url2pathname(source.removeprefix("file://")) if source.startswith("file://") else source)
    if not path.is_file():
        raise SourceError("there is no such file")
    readable(path).close()  # before the copy, whose errors are blamed on the target
    shutil.copyfile(path, part)
    label, sha256 = identify(part, digests)
    if label is None:
        raise wrong(part, sha256, digests)
    return label, sha256
