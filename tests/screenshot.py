"""README's picture of the report: a claim of results/paper, opened on the board, in the browser tests' Chromium.

ablate render --scale paper --partial     # makes results/paper/report.html, which is not committed
python tests/screenshot.py                # makes docs/report.png of it
"""

import io
from pathlib import Path
from typing import Any

from PIL import Image

from ablate.files import atomic_write
from browsers import READY, chromium

REPORT, TARGET = Path("results/paper/report.html"), Path("docs/report.png")
OPENED = "#/board?paper=tinyimage10&open=claim%7Ctinyimage10%252Fsgd-over-adam"
SIZE = {"width": 1400, "height": 900}  # pixels
COLOURS = 256


def screenshot(browser: Any, report: Path, target: Path, address: str = OPENED) -> None:
    """Write ``target``, a PNG, of the page ``report`` at ``address``, whose drawer is open."""
    context = browser.new_context(viewport=SIZE, color_scheme="light")
    page = context.new_page()
    page.goto(f"{report.resolve().as_uri()}{address}")
    page.wait_for_selector(READY)
    page.locator("#drawer svg").first.wait_for()
    seen = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
    context.close()
    with atomic_write(target) as part:
        seen.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(part, format="PNG", optimize=True)


if __name__ == "__main__":
    with chromium() as started:
        screenshot(started, REPORT, TARGET)
