"""Argument checks that several families of networks share."""

from __future__ import annotations


def refuse_dropout(name: str, dropout: float | None) -> None:
    """Refuse a rate above 0 for an architecture without a dropout layer.

    Raises:
        ValueError: If it is above 0.
    """
    if dropout:
        raise ValueError(f"{name} has no dropout layer, so dropout must be 0 or left out, got {dropout}")


def window(size: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """Return the side in pixels that a convolution or pooling leaves of side `size`; below 1 nothing."""
    return (size + 2 * padding - kernel) // stride + 1


def require_pixels(name: str, image_size: int, final: int) -> None:
    """Refuse images of which nothing is left in the end.

    Raises:
        ValueError: If `final`, the side of the last feature map in pixels, is below 1.
    """
    if final < 1:
        raise ValueError(f"{name}: images of {image_size}x{image_size} pixels are too small for its pooling")
