"""What is in a report's page, read without a browser."""

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

BLOCK = re.compile(r'<script type="text/plain" data-id="([^"]*)">([^<]*)</script>')


def block(page: Path, name: str) -> Any:
    """``content``, ``detail``, ``files`` or ``assets`` of the page."""
    return json.loads(zlib.decompress(base64.b64decode(dict(BLOCK.findall(page.read_text()))[name])))


def cells(page: Path) -> list[str]:
    """The texts of all tables, heads before rows."""
    content = block(page, "content")
    tables = [*content["board"]["tables"].values()]
    for paper in content["papers"]:
        tables += [paper["comparison"], *(table for study in paper["studies"] for table in study["tables"])]
    return [cell for t in tables for line in (t["columns"], *(t["rows"] or [])) for cell in line]


def words(page: Path) -> str:
    """All that it says, as JSON."""
    return json.dumps(block(page, "content"), ensure_ascii=False)
