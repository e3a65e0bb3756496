"""A run's files as parts that compress well, and back to the same bytes.

Predictions are taken apart into columns, and arrays of numbers into planes: all first bytes, all second ones and so
on. Whatever would not come back as it was stays as it is.
"""

import re
from collections.abc import Sequence

PLAIN, PREDICTIONS, ARRAY = "plain", "predictions", "array"
HEAD = "split,position,label,predicted,probability\n"
SCALES = {2: 1e3, 3: 1e6}  # bytes of a probability: of which part of 1 they are the number


def take_apart(name: str, content: bytes) -> tuple[str, list[bytes]]:
    """The form and the parts of a run's file ``name``; `put_together` makes ``content`` of them."""
    forms = {"predictions.csv": (PREDICTIONS, _columns), "filters.npy": (ARRAY, _planes_of_array)}
    if name in forms:
        form, split = forms[name]
        try:
            parts = split(content)
            if put_together(form, parts) == content:
                return form, parts
        except (ValueError, OverflowError):  # another kind of file under that name
            pass
    return PLAIN, [content]


def put_together(form: str, parts: Sequence[bytes]) -> bytes:
    """The file that `take_apart` had.

    Raises:
        ValueError, LookupError: For an unknown form, and for parts that it never has.
    """
    if form == PREDICTIONS:
        places, predicted, *planes = parts
        numbers = _joined(planes)
        shares = [int.from_bytes(numbers[i : i + len(planes)], "little") for i in range(0, len(numbers), len(planes))]
        rows, scale = zip(places.decode().splitlines(), predicted, shares, strict=True), SCALES[len(planes)]
        return (HEAD + "".join(f"{place},{label},{share / scale}\n" for place, label, share in rows)).encode()
    if form == ARRAY:
        header, *planes = parts
        return header + _joined(planes)
    if form != PLAIN or len(parts) != 1:
        raise ValueError(f"a file in the form {form!r}, of {len(parts)} parts")
    return parts[0]


def _columns(content: bytes) -> list[bytes]:
    """Of predictions.csv: split, position and label as they are; a byte for the class; planes of the probability."""
    rows = [line.rsplit(",", 2) for line in content.decode().removeprefix(HEAD).splitlines()]
    places = "".join(f"{place}\n" for place, _, _ in rows).encode()
    predicted = bytes(int(label) for _, label, _ in rows)
    shares = [float(share) for *_, share in rows]
    size = next((n for n, scale in SCALES.items() if all(round(p * scale) / scale == p for p in shares)), max(SCALES))
    numbers = b"".join(round(share * SCALES[size]).to_bytes(size, "little") for share in shares)
    return [places, predicted, *_planes(numbers, size)]


def _planes_of_array(content: bytes) -> list[bytes]:
    """Of a .npy file: its header, and a plane for each byte of its numbers."""
    start = 10 + int.from_bytes(content[8:10], "little")  # format 1.0
    found = re.search(rb"'descr': '<[fiu](\d)'", content[:start])
    if not found:
        raise ValueError("no array of numbers")
    return [content[:start], *_planes(content[start:], int(found[1]))]


def _planes(numbers: bytes, size: int) -> list[bytes]:
    return [numbers[i::size] for i in range(size)]


def _joined(planes: Sequence[bytes]) -> bytes:
    numbers = bytearray(sum(map(len, planes)))
    for i, plane in enumerate(planes):
        numbers[i :: len(planes)] = plane  # ValueError for a plane of another length
    return bytes(numbers)
