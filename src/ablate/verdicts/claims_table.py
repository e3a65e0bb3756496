"""The table, the figure and the JSON of all claims and what was found of each."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ablate.files import write_json
from ablate.plan.health import WORDS, legend
from ablate.plan.record import read_plan
from ablate.results.stats import Sources
from ablate.results.study import title
from ablate.results.table import Table
from ablate.verdicts.assess import Judged, assess, claiming
from ablate.verdicts.controls import outcomes
from ablate.verdicts.model_pairs import trained_pairs


def claims_table(every: list[Judged]) -> Table:
    """A row per claim."""
    table = Table(caption="Intervals are 95 %, over seeds; p is adjusted by Holm over the claims of a paper.")
    for j in every:
        v, p = j.by_test, next((p for p in j.found.parts if p.name == j.by_test.part), None)
        row = {
            "paper": j.paper,
            "claim": j.statement,
            "verdict": j.marked,
            "what was found": " ".join(filter(None, [v.sentence, f"({j.caveat})" if j.caveat else ""])),
            "effect": _rounded(v.estimate),
            "low": _rounded(v.low),
            "high": _rounded(v.high),
            "unit": j.found.unit,
            "margin": _rounded(p.margin if p else None),
            "n": v.n,
            "p": None if v.p_for is None or v.p_against is None else f"{min(v.p_for, v.p_against):.2g}",
            "varies over": j.found.varies_over,
            "health": ". ".join(j.found.health),
        }
        sources: Sources = dict.fromkeys(j.found.runs)
        table.add(
            f"{j.paper}/{j.claim.id}", row, dict.fromkeys(("verdict", "effect", "low", "high", "n", "p"), sources)
        )
    return table


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def write_claims(plan_file: Path, papers: Path, runs: Path, output: Path) -> None:
    """Write ``output`` (results/<scale>/claims.json), and what stands beside it.

    That is the table (.csv, .md, .tex, .runs.json), the figure (.svg, .png), and a table of the single models that
    claims compare (models.csv and so on).
    """
    from ablate.verdicts.claims_figure import draw_board  # takes a second to import

    plan = read_plan(plan_file)
    read = claiming(plan, papers)
    every = assess(plan, read, output.parent, runs)
    table = claims_table(every)
    said = " ".join(text for j in every for text in j.found.health)
    table.caption = f"{table.caption} {legend(plan.health, [word for word in WORDS if word in said])}".strip()
    table.write(output.with_suffix(".csv"), title("Claims and verdicts", plan.scale))
    draw_board(every, plan.scale, output.with_suffix(".svg"))
    models = trained_pairs(read, plan.runs, runs)
    models.write(output.with_name("models.csv"), title("Trained models that claims compare", plan.scale))
    write_json(output, {"scale": plan.scale, "controls": outcomes(plan, runs), "claims": [_plain(j) for j in every]})


def _plain(j: Judged) -> dict[str, Any]:
    claim = j.claim.model_dump(mode="json", exclude_defaults=True)
    return {
        "paper": j.paper,
        "id": claim.pop("id"),
        "statement": j.statement,
        "verdict": j.verdict,
        "why": j.caveat,
        **{key: value for key, value in asdict(j.by_test).items() if key != "verdict"},
        "unit": j.found.unit,
        "missing": list(j.found.missing),
        "health": list(j.found.health),
        "censored": j.found.censored,
        "apart": list(j.found.apart),
        "unlearnt": list(j.found.unlearnt),
        "contaminated": j.found.contaminated,
        "paired": j.found.paired,
        "parts": [asdict(part) for part in j.found.parts],
        "runs": list(j.found.runs),
        "claim": claim,
    }
