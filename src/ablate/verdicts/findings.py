"""findings.md, the board as a text: of each paper what holds, what does not, what is open, what more seeds cost."""

from collections import Counter
from collections.abc import Iterator, Mapping

import pandas as pd

from ablate.inert import in_markdown
from ablate.papers.statement import hypothetical
from ablate.plurals import many
from ablate.verdicts.assess import COUNTED, NOT_RUN, WORDS, Judged
from ablate.verdicts.judge import MOST
from ablate.verdicts.verdict import OPEN

ENOUGH = 5  # seeds, from which on it can be said how many would decide a claim

Seconds = Mapping[tuple[str, str], float]  # (study, arm): what one of its runs took


def seconds_of(rows: pd.DataFrame) -> dict[tuple[str, str], float]:
    """What runs of each arm took on average, from what was collected of a paper's, where there is one."""
    means = rows.dropna(subset=["wall_s"]).groupby(["study", "arm"])["wall_s"].mean().reset_index()
    return {(row["study"], row["arm"]): row["wall_s"] for row in means.to_dict("records")}


def page(scale: str, every: list[Judged], said: list[str], took: Mapping[str, Seconds]) -> str:
    """The text.

    Args:
        scale: its name.
        every: the board.
        said: sentences on all of it: the tally, whether the analysis was frozen.
        took: by paper, of `seconds_of`.
    """
    if not every:
        return "\n".join([f"# What was found: {scale}", "", *said]) + "\n"
    papers = list(dict.fromkeys(j.paper for j in every))
    words = [word for word in WORDS if any(j.word == word for j in every)]
    lines = [f"# What was found: {scale}", "", *said, ""]
    lines += [_row([hypothetical("paper", (j.claim for j in every)), *words]), _row(["---"] * (1 + len(words)))]
    for paper in papers:
        counts = Counter(j.word for j in every if j.paper == paper)
        lines.append(_row([paper, *(str(counts[word] or "") for word in words)]))
    for paper in papers:
        lines += ["", f"## {paper}", *_paper([j for j in every if j.paper == paper], took.get(paper, {}))]
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _paper(mine: list[Judged], took: Seconds) -> Iterator[str]:
    for word in WORDS:
        found = sorted((j for j in mine if j.word == word), key=lambda j: not j.headline)
        if not found:
            continue
        yield from ("", f"**{word[0].upper()}{word[1:]}**", "")
        if word == NOT_RUN:
            yield f"- {'; '.join(_named(j) for j in found)}"
            continue
        for j in found:
            yield f"- {_named(j)}. {in_markdown(j.sentence)}{_cost(j, took)}"


def _named(j: Judged) -> str:
    return in_markdown(j.statement) + (" (headline)" if j.headline else "")


def _cost(j: Judged, took: Seconds) -> str:
    """What the seeds would take that would probably decide it: a sentence, or nothing where no run was measured.

    Where that number is not known, those until there are `ENOUGH` to say it.
    """
    seconds = {arm: took[j.claim.study or "", arm] for arm in j.found.arms if (j.claim.study or "", arm) in took}
    if j.word in (COUNTED, NOT_RUN) or j.finding != OPEN or not seconds:
        return ""
    low, high = j.by_test.seeds_needed or (ENOUGH, ENOUGH)
    until = "" if j.by_test.seeds_needed else f" until each arm has {many(ENOUGH, 'seed')}"
    hours = [
        sum(s * max(0, seeds - len(j.found.arms[arm].values)) for arm, s in seconds.items()) / 3600
        for seeds in (low, high or MOST)
    ]
    said = " to ".join(dict.fromkeys(f"{h:.1f}" for h in hours))
    return f" {said} hours of training more{until}, one run after the other." if hours[-1] >= 0.05 else ""
