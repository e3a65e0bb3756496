"""The table, the figure and the JSON of all claims and what was found of each."""

from collections import Counter
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from ablate.files import write_json, write_text
from ablate.papers.statement import hypothetical
from ablate.plan.health import WORDS as OF_HEALTH
from ablate.plan.health import legend
from ablate.plan.record import read_plan
from ablate.plurals import many
from ablate.results.stats import Sources
from ablate.results.study import collected_runs
from ablate.results.table import Table
from ablate.verdicts.assess import COUNTED, WORDS, Judged, assess, claiming
from ablate.verdicts.controls import outcomes
from ablate.verdicts.evidence_table import evidence_table
from ablate.verdicts.findings import page, seconds_of
from ablate.verdicts.frozen import frozen
from ablate.verdicts.looked import look_again
from ablate.verdicts.model_pairs import trained_pairs
from ablate.verdicts.sentence import p_text, rounded

DIGITS = 12
CAPTION = (
    "Finding and interval follow from one family of simultaneous 95 % intervals over the claims of a paper, which "
    "hold over seeds and, where accuracies are compared, over images, and end where what is measured does (a "
    "difference of accuracies at 100 points); p is adjusted as they are. An arm that must "
    "learn is told by the runs that have learnt."
)


def claims_table(every: list[Judged]) -> Table:
    """A row per claim."""
    table = Table(caption=CAPTION)
    for j in every:
        v, p = j.by_test, next((p for p in j.found.parts if p.name == j.by_test.part), None)
        unit = j.found.unit
        tested = v.low is not None and not j.why
        row = {
            "paper": j.paper,
            "claim": j.statement,
            "headline": "headline" if j.headline else "",
            "finding": str(j.finding),
            "protocol": j.protocol,
            "verdict": j.marked,
            "what was found": j.sentence,
            "effect": rounded(v.estimate, unit),
            "low": rounded(v.low, unit) if tested else None,
            "high": rounded(v.high, unit) if tested else None,
            "unit": unit,
            "margin": rounded(p.margin if p else None, unit),
            "n": v.n,
            "p": p_text(v.p).removeprefix("p = ").removeprefix("p ") if tested and v.p is not None else None,
            "varies over": j.found.varies_over,
            "health": ". ".join(j.found.health),
        }
        sources: Sources = dict.fromkeys(j.found.runs)
        table.add(
            f"{j.paper}/{j.claim.id}", row, dict.fromkeys(("finding", "effect", "low", "high", "n", "p"), sources)
        )
    return table


def tally(every: list[Judged]) -> str:
    """How many claims have which word, counts of networks apart."""
    if not every:
        return "No claims."
    counts = Counter(j.word for j in every)
    n = sum(counts.values()) - counts[COUNTED]
    claims = hypothetical(many(n, "claim"), (j.claim for j in every))
    said = [f"{word} {counts[word]}" for word in WORDS if counts[word] and word != COUNTED]
    apart = f"; {counts[COUNTED]} counted, outside of these" if counts[COUNTED] else ""
    return f"{claims}: {', '.join(said)}{apart}."


def write_claims(plan_file: Path, papers: Path, runs: Path, output: Path) -> None:
    """Write ``output`` (results/<scale>/claims.json), and what stands beside it.

    That is the table (claims.csv and so on), the figures (board and <paper>/board), a text to read (findings.md), a
    table of the runs behind all of it (evidence), and one of the single models that claims compare (models).
    """
    from ablate.verdicts.claims_figure import draw_boards  # takes a second to import

    plan = read_plan(plan_file)
    read = claiming(plan, papers)
    every = assess(plan, read, output.parent, runs)
    state = frozen(plan, read, output.parent)
    before = "" if plan.looks else look_again(every, output.parent)
    table = claims_table(every)
    said = " ".join(text for j in every for text in j.found.health)
    of_health = legend(plan.health, [word for word in OF_HEALTH if word in said])
    in_words = partial(hypothetical, claims=[j.claim for j in every])
    table.caption = " ".join(
        filter(None, [tally(every), in_words(table.caption) if every else "", state.sentence, before])
    )
    table.notes = [of_health] if of_health else []
    about = {"scale": plan.called()}
    table.write(output.with_suffix(".csv"), in_words("Claims and verdicts"), about)
    draw_boards(every, list(read), plan.called(), output.parent)
    above = [text for text in (tally(every), state.sentence, before) if text]
    took = {name: seconds_of(collected_runs(plan, output.parent / name)) for name in read}
    write_text(output.with_name("findings.md"), page(plan.scale, every, above, took))
    of_runs = evidence_table(plan, every, output.parent)
    of_runs.write(output.with_name("evidence.csv"), "Runs and findings", about)
    models = trained_pairs(read, plan.runs, runs)
    models.write(output.with_name("models.csv"), in_words("Trained models that claims compare"), about)
    board = {
        "scale": plan.scale,
        "tally": tally(every),
        "frozen": asdict(state),
        "looked": before,
        "controls": outcomes(plan, runs),
        "claims": [_plain(j) for j in every],
    }
    write_json(output, steady(board))


def steady(value: Any) -> Any:
    """``value`` with each float at 12 digits.

    Processors with other vector units add in another order, and their sums differ in the last of 16.
    """
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: steady(v) for key, v in value.items()}
    return [steady(v) for v in value] if isinstance(value, (list, tuple)) else value


def _plain(j: Judged) -> dict[str, Any]:
    claim = j.claim.model_dump(mode="json", exclude_defaults=True)
    e = j.found
    return {
        "paper": j.paper,
        "id": claim.pop("id"),
        "statement": j.statement,
        "headline": j.headline,
        "finding": j.finding,
        "protocol": j.protocol,
        "verdict": j.word,
        "sentence": j.sentence,
        "why": "; ".join(j.why),
        **{key: value for key, value in asdict(j.by_test).items() if key != "finding"},
        "varies_over": e.varies_over,
        "unit": e.unit,
        "missing": list(e.missing),
        "few": list(e.few),
        "health": list(e.health),
        "censored": e.censored,
        "apart": list(e.apart),
        "contaminated": e.contaminated,
        "parts": [asdict(part) for part in e.parts],
        "arms": {name: asdict(arm) for name, arm in e.arms.items()},
        "runs": list(e.runs),
        "claim": claim,
    }
