"""Pictures of any format that Pillow reads, as square arrays of one byte a value."""

import io
import warnings
from functools import cache

import numpy as np
from PIL import Image, ImageOps

from ablate.data.layouts import Pixels

# Formats whose readers run other programs, or are stubs that decode nothing.
LEFT_OUT = {"BUFR", "EPS", "FITS", "GRIB", "HDF5", "MPEG", "PDF", "WMF"}
GRAY = {"1", "L", "LA", "La"}
DEEP = {"F", "I"}  # and I;16...: more than 8 bits, which Pillow would cut off
Image.init()


@cache
def suffixes() -> frozenset[str]:
    """Endings of files, in lower case, by which a file is taken for a picture."""
    known = Image.registered_extensions()
    return frozenset(end for end, kind in known.items() if kind in Image.OPEN and kind not in LEFT_OUT)


def size_of(content: bytes) -> tuple[int, int]:
    """Width and height in pixels, as the picture is shown.

    Raises:
        ValueError: As `opened` does.
    """
    with opened(content) as image:
        turned = image.getexif().get(0x0112, 1) >= 5  # orientation
        return (image.height, image.width) if turned else (image.width, image.height)


def square(content: bytes, size: int, *, resize: bool) -> Pixels:
    """Its pixels, (size, size, 3), or (size, size) of grayscale: turned as its camera says, without transparency.

    With ``resize`` it is scaled until its shorter side fits, and the middle cut out (Pillow's bicubic, antialiased).

    Raises:
        ValueError: It says what is wrong: damaged, of another size, of more than 8 bits.
    """
    with opened(content) as image:
        if image.mode in DEEP or image.mode.startswith("I;"):
            raise ValueError(f"has more than 8 bits a channel ({image.mode}); save it with 8")
        try:
            shown = ImageOps.exif_transpose(image).convert("L" if image.mode in GRAY else "RGB")
        except Exception as error:  # a broken picture can raise anything
            raise ValueError(f"is damaged ({error or type(error).__name__})") from error
    return fitted(shown, size, resize=resize)


def fitted(image: Image.Image, size: int, *, resize: bool) -> Pixels:
    """The pixels of ``image``, of mode L or RGB, as `square` says."""
    if image.size != (size, size) and not resize:
        what = f"is {image.width}x{image.height} pixels, others are {size}x{size}"
        raise ValueError(f"{what}; set resize: {size} in params.yaml, say")
    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    return np.asarray(image)


def opened(content: bytes) -> Image.Image:
    """The first picture of a file, nothing of it decoded.

    Raises:
        ValueError: If it is none, or of more pixels than Pillow holds safe (89 million).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise ValueError(f"has more than {Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller") from None
    except Exception as error:  # Pillow's plugins raise whatever a broken header makes them
        what = "is no picture that Pillow reads" if content else "is empty"
        raise ValueError(f"{what}; mend or remove it") from error
    if image.format in LEFT_OUT:
        raise ValueError(f"is {image.format}, which is not read here; save it as PNG")
    return image
