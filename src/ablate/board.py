"""The board: every claim of every paper, what the runs say of it, and the verdict.

A verdict of `judge` is lowered, never raised: to ``void`` where a control of one of its data sets did not pass, to
``undecided`` where it would be reproduced although a planned run is missing or has diverged, or although weights have
seen the images, and to ``no evidence`` at the scale demo.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ablate.cells import Sources, Table
from ablate.claims import Claim
from ablate.controls import PAPER as CONTROLS
from ablate.controls import broken, outcomes
from ablate.evidence import Evidence
from ablate.files import read_json, write_json
from ablate.looks import look_by_look
from ablate.papers import Paper, read
from ablate.statements import statement
from ablate.tables import collected_history, collected_runs, title
from ablate.trained_pairs import trained_pairs
from ablate.verdicts import Verdict, Word

WORDS = ("reproduced", "contradicted", "undecided", "not run", "void", "no evidence")
EXACT = "count of the networks; no run has a say in it"


@dataclass(frozen=True)
class Judged:
    """A claim with its evidence and its verdict."""

    paper: str
    claim: Claim
    statement: str  # the claim in words
    found: Evidence
    verdict: str  # one of WORDS
    by_test: Verdict
    why: str  # what lowered the verdict, or what has to be said of the numbers


def claiming(plan: dict[str, Any], papers: Path) -> dict[str, Paper]:
    """The papers of ``plan``, from the folder of their files."""
    names = dict.fromkeys(key.split("/")[0] for key in plan["studies"])
    return {name: read(papers / f"{name}.yaml") for name in names if name != CONTROLS}


def judged(plan: dict[str, Any], papers: dict[str, Paper], folder: Path, runs: Path) -> list[Judged]:
    """Every claim of ``papers``, from what was collected into ``folder``/<paper>; ``runs`` has the runs' folders.

    Where `decide` has added seeds (``looks`` of the plan), claims are judged look by look.
    """
    bad = broken(outcomes(plan, runs))
    every: list[Judged] = []
    for name, paper in papers.items():
        planned = [entry for entry in plan["runs"] if entry["paper"] == name]
        rows, history = collected_runs(plan, folder / name), collected_history(plan, folder / name)
        found = look_by_look(paper, planned, rows, history, runs, plan["looks"])
        for claim in paper.claims:
            e, tested = found[claim.id]
            verdict = tested or _counted(e)
            word, why = _lowered(verdict.verdict, e, plan["scale"], bad)
            every.append(Judged(name, claim, statement(claim, paper), e, word, verdict, why))
    return every


def _counted(e: Evidence) -> Verdict:
    """Of numbers that do not vary: the claim holds or does not."""
    values = [(p, next(iter(p.by_seed.values()))) for p in e.parts if p.by_seed]
    if not values:
        return Verdict("not run", 0)
    part, value = min(values, key=lambda pair: pair[1])
    word: Word = "reproduced" if value > part.margin else "contradicted"
    said = f"{part.name}: {value:,.0f} {e.unit} more."
    return Verdict(word, 0, value, value, value, EXACT, part=part.name, sentence=said)


def _lowered(word: str, e: Evidence, scale: str, bad: dict[str, str]) -> tuple[str, str]:
    """The verdict that is shown, and why it is another than the test's; else what has to be said."""
    said = [*e.missing, *(["starts from weights that have seen the images"] if e.contaminated else [])]
    if word == "not run":
        return word, "; ".join(said)
    if scale == "demo" and e.varies_over == "seeds":
        return "no evidence", "generated data"
    controls = [bad[dataset] for dataset in sorted(e.datasets) if dataset in bad]
    if controls:
        return "void", "; ".join(controls)
    if e.censored:
        said.append(f"no arm had overfitted by its last epoch in {e.censored} of the seeds")
        return "undecided", "; ".join(said)
    if said:
        return ("undecided" if word == "reproduced" else word), "; ".join(said)
    return word, "; ".join(e.notes)


def board(every: list[Judged]) -> Table:
    """A row per claim."""
    table = Table(caption="Intervals are 95 %, over seeds; p is adjusted by Holm over the claims of a paper.")
    for j in every:
        v, p = j.by_test, next((p for p in j.found.parts if p.name == j.by_test.part), None)
        row = {
            "paper": j.paper,
            "claim": j.statement,
            "verdict": j.verdict,
            "what was found": " ".join(filter(None, [v.sentence, f"({j.why})" if j.why else ""])),
            "effect": _rounded(v.estimate),
            "low": _rounded(v.low),
            "high": _rounded(v.high),
            "unit": j.found.unit,
            "margin": _rounded(p.margin if p else None),
            "n": v.n,
            "p": None if v.p_for is None or v.p_against is None else f"{min(v.p_for, v.p_against):.2g}",
            "varies over": j.found.varies_over,
        }
        sources: Sources = dict.fromkeys(j.found.runs)
        table.add(
            f"{j.paper}/{j.claim.id}", row, dict.fromkeys(("verdict", "effect", "low", "high", "n", "p"), sources)
        )
    return table


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def write_board(plan_file: Path, papers: Path, runs: Path, output: Path) -> None:
    """Write ``output`` (results/<scale>/claims.json), and beside it the table (.csv, .md, .tex, .runs.json), the
    figure (.svg, .png), and a table of the single models that claims compare (models.csv and so on)."""
    from ablate.figures.board import draw_board  # takes a second to import

    plan = read_json(plan_file)
    read = claiming(plan, papers)
    every = judged(plan, read, output.parent, runs)
    board(every).write(output.with_suffix(".csv"), title("Claims and verdicts", plan["scale"]))
    draw_board(every, plan["scale"], output.with_suffix(".svg"))
    models = trained_pairs(read, plan["runs"], runs)
    models.write(output.with_name("models.csv"), title("Trained models that claims compare", plan["scale"]))
    write_json(
        output, {"scale": plan["scale"], "controls": outcomes(plan, runs), "claims": [_plain(j) for j in every]}
    )


def _plain(j: Judged) -> dict[str, Any]:
    claim = j.claim.model_dump(mode="json", exclude_defaults=True)
    return {
        "paper": j.paper,
        "id": claim.pop("id"),
        "statement": j.statement,
        "verdict": j.verdict,
        "why": j.why,
        **{key: value for key, value in asdict(j.by_test).items() if key != "verdict"},
        "unit": j.found.unit,
        "missing": list(j.found.missing),
        "censored": j.found.censored,
        "contaminated": j.found.contaminated,
        "paired": j.found.paired,
        "parts": [asdict(part) for part in j.found.parts],
        "runs": list(j.found.runs),
        "claim": claim,
    }
