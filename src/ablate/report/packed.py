"""Bytes as text within the page: compressed text, figures, and photographs that fit."""

import base64
import io
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from PIL import Image

SVG = "image/svg+xml"
PHOTOGRAPHS = 1_000_000  # characters that all photographs have together, so that a whole report stays below 3 MB
# Quality and megapixels of photographs, the first that fits; smaller images than that stay as large as they are.
STEPS = ((70, 2.0), (55, 1.5), (40, 1.5), (30, 1.0), (20, 0.6))


class Asset(NamedTuple):
    """A file within the page."""

    name: str  # when it is saved
    kind: str  # its media type
    text: str  # base64; of SVG after zlib


def packed(text: str) -> str:
    """Compressed, as base64, in which nothing is markup; the page has DecompressionStream("deflate") for it."""
    # Halves of surrogate pairs, which file names have, are no UTF-8; their escapes are JSON.
    return base64.b64encode(zlib.compress(text.encode("utf-8", "backslashreplace"), 9)).decode()


def figure(svg: Path) -> Asset | Image.Image | None:
    """A figure as SVG; an image where it has photographs, which SVG makes large. None: there is no such file."""
    if not svg.exists():
        return None
    source = svg.read_text(encoding="utf-8")
    png = svg.with_suffix(".png")
    return opened(png) if "<image" in source and png.exists() else Asset(svg.name, SVG, packed(source))


def opened(file: Path) -> Image.Image | None:
    """An image in memory. None: there is no such file."""
    if not file.exists():
        return None
    with Image.open(file) as image:
        return image.convert("RGB")


def photographs(images: Mapping[str, Image.Image]) -> dict[str, Asset]:
    """{id: image} as WebP, all of them in `PHOTOGRAPHS` where the smallest of `STEPS` is small enough for that."""
    made: dict[str, Asset] = {}
    for step in STEPS:
        made, length = {}, 0
        for id, image in images.items():
            made[id] = Asset(f"{Path(id).name}.webp", "image/webp", _webp(image, *step))
            length += len(made[id].text)
            if length > PHOTOGRAPHS and step != STEPS[-1]:
                break  # the others need not be tried
        else:
            break
    return made


def _webp(image: Image.Image, quality: int, megapixels: float) -> str:
    share = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
    if share < 1:
        image = image.resize((round(image.width * share), round(image.height * share)), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "WEBP", quality=quality, method=2)  # 4 takes twice the time for 4 % less
    return base64.b64encode(out.getvalue()).decode()
