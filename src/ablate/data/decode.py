"""Decode every labelled image of an archive once, strictly and in parallel, into one array file.

This is what `verify` has seen, so it is what the pack holds: no second decoder can come to another result.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import simplejpeg

from ablate.data.containers import refuse
from ablate.data.duplicates import perceptual_hashes
from ablate.data.layouts import Contents, Item, Pixels
from ablate.files import atomic_write, send_out
from ablate.runtime.cores import available_cores, processes_can_share
from ablate.runtime.progress import track

if TYPE_CHECKING:
    from jaxtyping import Bool, UInt8, UInt64

BLOCK = 128  # images decoded at a time at most: 1.5 MB of 64x64, which stays in a core's cache
BLOCK_BYTES = 2**24  # of a block of large images
DRAIN = 64  # blocks after which they are sent to the disk
WORKERS = 8  # at most: then the disk is what is waited for, and each worker holds the archive's directory
COLOURS = {"YCbCr", "RGB", "Gray"}  # how JPEGs of photographs store them; CMYK is for print


class Facts(NamedTuple):
    """What decoding found out about each image, in the items' order."""

    gray: Bool[np.ndarray, " n"]  # stored as grayscale
    hashes: UInt64[np.ndarray, " n"]  # perceptual hashes
    sums: UInt64[np.ndarray, "n 2 3"]  # of each channel's values 0..255, and of their squares


def decode(archive: Path, found: Contents, size: int, images: Path) -> tuple[Facts, str]:
    """Write ``images`` (.npy, (N, size, size, 3) uint8 RGB, in the order of what was ``found``), whole.

    Returns what the images are, and the SHA-256 of the file.

    Raises:
        UserError: It names the first image which is no JPEG, not whole, not ``size`` pixels wide and high, or neither
            colour nor grayscale; its pixels are never allocated.
    """
    n = len(found.items)
    starts = range(0, n, _block_of(size))
    with atomic_write(images) as part:
        array = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=(n, size, size, 3))
        offset = array.offset
        del array
        start = (archive, found, size, part, offset)
        pixels = not isinstance(found.read(found.items[0].member), bytes)  # already: nothing to share out
        if pixels or len(starts) == 1 or not processes_can_share():
            _start(*start)
            return _gather(map(_block, starts), archive, part, offset, n)
        workers = min(WORKERS, available_cores(), len(starts))
        with ProcessPoolExecutor(workers, initializer=_start, initargs=start) as pool:
            try:
                return _gather(_started(pool, starts), archive, part, offset, n)
            except BaseException:
                pool.shutdown(cancel_futures=True)  # the first bad image ends it
                raise


def _started(pool: ProcessPoolExecutor, starts: Iterable[int]) -> Iterable[Facts]:
    """Start the workers. Ctrl-C waits until they are: Python drops an exception that comes up inside of a fork."""
    if threading.current_thread() is not threading.main_thread():
        return pool.map(_block, starts)
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        return pool.map(_block, starts)
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed:
            signal.raise_signal(signal.SIGINT)


def _gather(blocks: Iterable[Facts], archive: Path, part: Path, offset: int, total: int) -> tuple[Facts, str]:
    """Join the blocks' facts, and hash the file behind them as it grows."""
    done: list[Facts] = []
    sha = hashlib.sha256()
    with part.open("rb", buffering=0) as file:  # reading ahead would see what is not written yet
        image = (part.stat().st_size - offset) // total  # bytes
        sha.update(file.read(offset))

        def each() -> Iterator[int]:
            for block in blocks:
                done.append(block)
                sha.update(file.read(len(block.gray) * image))
                if len(done) % DRAIN == 0:
                    # While the workers go on: what is hashed goes to the disk and out of memory, so that a gigabyte
                    # of pixels neither displaces what others have there nor is waited for at the end.
                    send_out(file)
                yield from range(len(block.gray))

        for _ in track(each(), f"verify {archive.parent.name}", total=total):
            pass
    return Facts(*(np.concatenate(column) for column in zip(*done, strict=True))), sha.hexdigest()


class _Worker(NamedTuple):
    archive: Path
    found: Contents
    size: int
    file: int
    offset: int


_worker: _Worker


def _start(archive: Path, found: Contents, size: int, part: Path, offset: int) -> None:
    """Open what a worker needs. A worker ends with its parent, also when that is killed."""
    global _worker
    if parent := parent_process():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends the others
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    _worker = _Worker(archive, found, size, os.open(part, os.O_WRONLY), offset)


def _follow(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _block(start: int) -> Facts:
    """Decode one block, write its pixels in their place, and return what they are."""
    w = _worker
    items = w.found.items[start : start + _block_of(w.size)]
    pixels = np.empty((len(items), w.size, w.size, 3), np.uint8)
    gray = np.array([_decode(w, item, out) for item, out in zip(items, pixels, strict=True)], np.bool_)
    # pwrite and not the memory map: on a full disk it says so, where the map would kill the process.
    written = os.pwrite(w.file, pixels.data, w.offset + start * w.size**2 * 3)
    if written != pixels.nbytes:
        raise OSError("only a part of a block could be written")
    return Facts(gray, perceptual_hashes(pixels), _sums(pixels))


def _block_of(size: int) -> int:
    return max(1, min(BLOCK, BLOCK_BYTES // (3 * size**2)))


def _sums(pixels: UInt8[np.ndarray, "n s s 3"]) -> UInt64[np.ndarray, "n 2 3"]:
    squares = np.multiply(pixels, pixels, dtype=np.uint16)
    # Rows first: a sum along the fastest axis of three would take five times as long.
    columns = [p.sum(axis=1, dtype=np.uint32).sum(axis=1, dtype=np.uint64) for p in (pixels, squares)]
    return np.stack(columns, axis=1)


def _decode(w: _Worker, item: Item, out: Pixels) -> bool:
    """Put one image into ``out``; whether it was grayscale."""
    content = w.found.read(item.member)
    if isinstance(content, bytes) and w.found.picture:
        try:
            content = w.found.picture(content, w.size)
        except ValueError as error:
            raise refuse(w.archive, f"{item.member} {error}") from error
    if not isinstance(content, bytes):
        gray = content.ndim == 2
        out[:] = content[..., None] if gray else content
        return gray
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
        if (height, width) != out.shape[:2] or colours not in COLOURS:  # before a byte is allocated for it
            what = f"{width}x{height} {colours}, expected {w.size}x{w.size} colour or grayscale"
            raise refuse(w.archive, f"{item.member}: {what}")
        simplejpeg.decode_jpeg(content, "RGB", buffer=out)
    except ValueError as error:
        raise refuse(w.archive, f"{item.member}: not a whole JPEG ({error})") from error
    return bool(colours == "Gray")
