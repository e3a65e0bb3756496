"""docs/papers.md: what each document prints, shows and says, where the project has it, what is not done and why."""

from collections.abc import Iterable, Mapping

from ablate.errors import UserError
from ablate.inert import in_markdown
from ablate.papers.claim import Claim
from ablate.papers.items import Item
from ablate.papers.marks import COLUMNS, MEANING, Rubric, by_name, joined, totals
from ablate.papers.paper import Paper, Reported
from ablate.papers.scope import Scope
from ablate.papers.statement import statement
from ablate.plan.names import title_of
from ablate.plan.record import PlanRecord, StudyPlan

HEAD = """# Papers

What each document prints, shows and says, where the project has it, and what is not done and why. Made by
`ablate papers --write` from `papers/<id>.yaml` and `params.yaml`; `tests/test_overview.py` goes through the figures,
tables and numbers of the documents. Files lie in `results/<scale>/<paper>/`. Deviations are those of the scale
`paper`; smaller scales deviate in more, which their tables say. Headlines are the claims that a paper stands for, by
its own abstract and conclusions, as far as a few seeds can decide them. They were chosen on the day that stands
there: by then all papers had runs of the scale `pilot`, and of the scale `paper` there were 105, with those that
`sgd-over-adam` compares, and no other headline's whole.

Three columns say how far each has come at the scale `paper`, by what is committed in `results/paper/`. """


def overview(papers: Mapping[str, Paper], plan: PlanRecord, rubrics: Mapping[str, Rubric]) -> str:
    """The page.

    Args:
        papers: by id.
        plan: that of the scale `paper`.
        rubrics: by paper, how far each figure, table, number and claim has come at that scale.

    Raises:
        UserError: an item names a table or figure that no study of its paper has.
    """
    marked = [
        [paper.title or title_of(id), *totals(rubrics[id]).values()] for id, paper in papers.items() if rubrics[id]
    ]
    head = "\n\n".join([HEAD + MEANING, _table(["paper", *COLUMNS], marked)]) + "\n"
    return "\n".join([head, *(_paper(id, paper, plan, rubrics[id]) for id, paper in papers.items())])


def made(studies: Mapping[str, StudyPlan]) -> dict[str, str]:
    """{table or figure: its study}."""
    return {name: study for study, asked in studies.items() for name in (*asked.tables, *asked.figures)}


def _paper(id: str, paper: Paper, plan: PlanRecord, rubric: Rubric) -> str:
    studies, marks = plan.studies_of(id), by_name(rubric)
    outputs = made(studies)
    items = [[*_item(item, outputs, f"papers/{id}.yaml"), *marks["item", item.item].words] for item in paper.items]
    named = {"Authors": paper.authors, "Reference": paper.reference}
    parts = [
        f"## {in_markdown(paper.title or title_of(id))}",
        " ".join([f"`{id}`.", *(f"{name}: {in_markdown(text)}." for name, text in named.items() if text)]),
    ]
    if items:
        parts += ["### Figures and tables", _table(["item", "what it shows", "here", "not done", *COLUMNS], items)]
    if paper.reported:
        rows = [
            [*_number(entries), *joined(marks["number", entry.id] for entry in entries)]
            for entries in _by_quote(paper.reported)
        ]
        parts += ["### Printed numbers", _table(["where", "printed", "of", *COLUMNS], rows)]
    if paper.claims:
        columns, chosen = ["claim", "what it says here", "where", "study", *COLUMNS], paper.headlines
        claims = [[*_claim(claim, paper), *marks["claim", claim.id].words] for claim in paper.claims]
        if chosen:
            columns.append(f"why it is a headline, chosen on {chosen.chosen}")
            claims = [[*row, chosen.claims.get(row[0], "")] for row in claims]
        parts += ["### Claims", _table(columns, claims)]
    if paper.left_out:
        rows = [[entry.what, entry.where, entry.why] for entry in paper.left_out]
        parts += ["### Not done", _table(["what", "where", "why"], rows)]
    if stated := [[entry.what, entry.stated, entry.where, _scope(entry)] for entry in paper.protocol]:
        parts += ["### Protocol, as stated", _table(["what", "stated", "where", "of"], stated)]
    for title, entries in (("Deviations", paper.deviations), ("Own, and not in the paper", paper.own)):
        if entries:
            rows = [[entry.what, _scope(entry), entry.why] for entry in entries]
            parts += [f"### {title}", _table(["what", "of", "why"], rows)]
    if paper.silent:
        rows = [[entry.what, entry.choice, entry.why] for entry in paper.silent]
        parts += ["### Choices where the paper is silent", _table(["what is left open", "choice", "why"], rows)]
    return "\n\n".join(parts) + "\n"


def _scope(entry: Scope) -> str:
    named = [f"{key} {', '.join(names)}" for key, names in entry.scope.items()]
    return "; ".join([*named, *(f"scale {scale}" for scale in getattr(entry, "scales", ()))]) or "all"


def _item(item: Item, outputs: Mapping[str, str], file: str) -> list[str]:
    for name in item.ours:
        if name not in outputs:
            raise UserError(f"{file}: items: {item.item}: no study has a table or figure {name}; correct its name")
    here = [f"{outputs[name]}: {name}" for name in item.here(outputs)]
    return [item.item, f"{item.what} ({item.where})", "; ".join(here), item.lacks or ""]


def _by_quote(entries: Iterable[Reported]) -> list[list[Reported]]:
    """Those with one quote and place together, since they stand in one row or sentence."""
    found: dict[tuple[str, ...], list[Reported]] = {}
    for entry in entries:
        place = (entry.quote, entry.where or "") if entry.quote else (entry.id,)
        found.setdefault(place, []).append(entry)
    return list(found.values())


def _number(entries: list[Reported]) -> list[str]:
    printed = "; ".join(f"{entry.metric} {entry.value:,.10g}" for entry in entries)
    of = dict.fromkeys(f"network {e.model}" if e.model else f"{e.study}: {_arm(e)}" for e in entries)
    source = [f"printed by {e.source}" for e in entries if e.source]
    return [entries[0].where or "", printed, "; ".join([*of, *source])]


def _arm(entry: Reported) -> str:
    several = {"best": "the best arm", "sum": "all arms together"}
    named = several[entry.over] if entry.over else str(entry.arm)
    return (
        named
        + (f" of {', '.join(entry.levels)}" if entry.levels else "")
        + (f" minus {entry.minus}" if entry.minus else "")
    )


def _claim(claim: Claim, paper: Paper) -> list[str]:
    own = " (our own)" if claim.study and paper.owns(claim.study) else ""
    places = "; ".join(dict.fromkeys([claim.where or "our own", *(place.where for place in claim.also)]))
    return [claim.id, statement(claim, paper), places, f"{claim.study or 'none: of networks alone'}{own}"]


def _table(columns: list[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([in_markdown(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
