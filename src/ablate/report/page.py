"""One HTML file for a scale, which works from disk without a network."""

import base64
import hashlib
import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from ablate.files import write_text
from ablate.plan.record import PlanRecord, read_plan
from ablate.plan.runs import RUNS
from ablate.report.answers import COLUMNS, Answers
from ablate.report.content import Page
from ablate.report.details import details
from ablate.report.packed import packed, photographs

HERE = Path(__file__).parent
SELF, NONE = "'self'", "'none'"  # words of a policy
# Joined in this order into the body of one function.
SCRIPTS = (
    *("dom", "state", "charts", "tables", "board", "drawer"),
    *("behind", "compare", "views", "search", "live", "main"),
)


def write_report(
    plan: Path, papers: Path, page: Path, runs: Path = RUNS, packs: Mapping[str, Path] | None = None
) -> None:
    """Write ``page``, results/<scale>/report.html, from what stands beside it.

    A table, figure or data set that is not there is named as missing: `ablate render --partial` makes what it can.

    Args:
        plan: what `ablate plan --output` wrote.
        papers: folder of one YAML per paper.
        page: the file.
        runs: folder of the trained runs; their answers say which images each got right.
        packs: {data set: its pack.json}, for pictures of these images.
    """
    write_text(page, text_of(read_plan(plan), papers, page.parent, runs, packs or {}))


def text_of(
    plan: PlanRecord,
    papers: Path,
    collected: Path,
    runs: Path,
    packs: Mapping[str, Path],
    *,
    live: bool = False,
) -> str:
    """The page's text; ``live``: it asks the server that it came from how the study goes on."""
    page = Page(plan, papers, collected)
    answers = Answers(runs, page.data)
    detail = details(plan, collected, answers)
    pictures = answers.pictures(packs)
    detail["sources"] = page.sources
    detail["pictures"] = {
        name: {"positions": positions, "columns": COLUMNS} for name, (positions, _) in pictures.items()
    }
    sheets = {f"pictures/{name}": sheet for name, (_, sheet) in pictures.items()}
    assets = page.assets | photographs(page.photographs | sheets)
    blocks = {
        "content": json_of(page.content | {"live": live}),
        "detail": json_of(detail),
        "files": json_of(page.files),
        "assets": json_of({id: [asset.kind, asset.name] for id, asset in assets.items()}),
    }
    texts = {**{name: packed(text) for name, text in blocks.items()}, **{id: a.text for id, a in assets.items()}}
    return assembled(texts, f"Ablation report: {plan.scale}", live=live)


def json_of(value: Any) -> str:
    """JSON of any text, and of no number that JSON does not have."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def assembled(blocks: Mapping[str, str], title: str, *, live: bool = False) -> str:
    """``blocks``, base64 by id, within the page, whose policy lets no script run but its own, and asks no network."""
    script = "".join((HERE / "js" / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    script = f'"use strict";\n(async () => {{\n{script}}})();\n'
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    filled = {
        "title": escape(title),
        "policy": f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src blob:; "
        f"connect-src {SELF if live else NONE}; base-uri 'none'; form-action 'none'",
        "style": (HERE / "page.css").read_text(encoding="utf-8"),
        "blocks": "\n".join(
            f'<script type="text/plain" data-id="{escape(id)}">{text}</script>' for id, text in blocks.items()
        ),
        "script": script,
    }
    parts = (HERE / "page.html").read_text(encoding="utf-8").split("%%")  # text, name, text, name, ...
    return "".join(filled[part] if n % 2 else part for n, part in enumerate(parts))
