"""Which images are there twice: equal pixel by pixel, or nearly, as a perceptual hash sees them.

An image that stands in train and in val lets a network recite its answer. The audit counts and lists them; what to
do about it is the reader's to decide, so nothing is removed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from jaxtyping import Float64, Int64, UInt8, UInt64

LUMA = np.array([299, 587, 114])  # thousandths, ITU-R BT.601
SIDE = 8  # of the square of lowest frequencies that is kept
BROUGHT = 64  # pixels, the side of an image that is brought to another size first
LARGEST = 176  # pixels
BANDS = 16  # rows that an image is averaged to first, twice as many as the frequencies need


def _basis(size: int) -> Float64[np.ndarray, "8 {size}"]:
    """The cosines of the DCT-II's lowest frequencies, in whole 1/1024."""
    frequency, pixel = np.arange(SIDE)[:, None], np.arange(size)[None, :]
    basis: np.ndarray = np.rint(1024 * np.cos(np.pi * (2 * pixel + 1) * frequency / (2 * size)))
    return basis


def perceptual_hashes(images: UInt8[np.ndarray, "n s s 3"]) -> UInt64[np.ndarray, " n"]:
    """A bit for each of the 64 lowest frequencies that is above their median.

    The pHash of Zauner (2010, https://www.phash.org/docs/pubs/thesis_zauner.pdf), with rows averaged to 16 bands. All
    sums are of whole numbers below 2**53, so that every machine gets the same bits. Where s is no multiple of 16, or
    sums could be larger, images are first brought to 64 pixels, by Pillow's box filter in whole numbers.
    """
    n, size = images.shape[:2]
    if size % BANDS or size > LARGEST:
        box = Image.Resampling.BOX
        images = np.stack([np.asarray(Image.fromarray(i).resize((BROUGHT, BROUGHT), box)) for i in images])
        size = BROUGHT
    bands = np.add.reduce(images.reshape(n, BANDS, size // BANDS, size * 3), axis=2, dtype=np.uint32)
    across = np.kron(_basis(size).T, LUMA[:, None])  # (3 S, 8): luma and the rows' transform in one
    frequencies = (_basis(BANDS) @ (bands.astype(np.float64) @ across)).reshape(n, SIDE * SIDE)
    bits = frequencies > np.median(frequencies, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").astype(np.uint64).reshape(n)


def exact(hashes: UInt64[np.ndarray, " n"], images: UInt8[np.ndarray, "n s s 3"]) -> Int64[np.ndarray, "pairs 3"]:
    """Each image that has an equal one before it, paired with the first of those, at distance 0.

    Equal pixels have equal hashes, so only images that share one are looked at.
    """
    _, inverse, count = np.unique(hashes, return_inverse=True, return_counts=True)
    first: dict[bytes, int] = {}
    found = []
    for row in np.flatnonzero(count[inverse] > 1).tolist():
        original = first.setdefault(hashlib.sha256(images[row].data).digest(), row)
        if original != row:
            found.append((original, row, 0))
    return np.array(found, np.int64).reshape(-1, 3)


def near(hashes: UInt64[np.ndarray, " n"], most: int) -> Int64[np.ndarray, "pairs 3"]:
    """Pairs that differ in at most ``most`` of 64 bits, ordered: rows a < b, and their distance in bits.

    An image whose hash was there before is paired with the first that has it, and that one stands for all of them in
    the other pairs: a thousand copies make a thousand pairs and not half a million. Of ``most`` + 1 parts of a
    pair's hashes one must be equal, so only images that share a part are compared.
    """
    distinct, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    rows = np.arange(len(hashes))
    again = first[inverse] != rows
    found = [np.stack([first[inverse][again], rows[again], np.zeros(again.sum(), np.int64)], axis=1)]
    if most:
        for low, high in pairwise(np.linspace(0, 64, most + 2).astype(np.uint64)):
            part = (distinct >> low) & ((np.uint64(1) << (high - low)) - np.uint64(1))
            order = np.argsort(part, kind="stable")
            found += list(_within(distinct[order], part[order], first[order], most))
    return np.unique(np.concatenate(found), axis=0)


def _within(
    hashes: UInt64[np.ndarray, " n"], part: UInt64[np.ndarray, " n"], rows: Int64[np.ndarray, " n"], most: int
) -> Iterator[Int64[np.ndarray, "pairs 3"]]:
    """Pairs among neighbours with an equal part: first those one apart, then two, until none is left."""
    here, step = np.arange(len(part)), 1
    while len(here):
        here = here[here + step < len(part)]
        here = here[part[here] == part[here + step]]
        distance = np.bitwise_count(hashes[here] ^ hashes[here + step])
        close = distance <= most
        a, b = rows[here[close]], rows[here[close] + step]
        yield np.stack([np.minimum(a, b), np.maximum(a, b), distance[close].astype(np.int64)], axis=1)
        step += 1
