"""Numbers with their nouns. Oracle: English, and that no text of the package counts in any other way."""

import re

import pytest

from ablate.plurals import many, plural
from conftest import ROOT

NOUNS = (
    *(
        "arm",
        "axis",
        "claim",
        "class",
        "commit",
        "deviation",
        "epoch",
        "figure",
        "file",
        "hypothesis",
        "image",
        "job",
    ),
    *("layer", "number", "pair", "paper", "parameter", "row", "run", "seed", "setting", "study", "table", "thread"),
)
PLURALS = "|".join(map(plural, NOUNS))
COUNTED = re.compile(rf"(?P<of>\$?\{{(?:[^{{}}]|\{{[^{{}}]*\}})*\}})(?: of (?:the )?| )(?:[a-z]+ )?(?:{PLURALS})\b")
# What stands before such a noun and is no number: names, splits, ranges, and words.
NO_NUMBER = re.compile(
    r"join|split|many|FEWEST|MOST|MEAN|_per_s|n_classes|each|mix|scale|arms|grouped|SPLITS|name|said|what|METRICS|model\b|shown\(|_text\(|toLocale|unit|word|where|place|file|arm\b|of\b|part"
)


@pytest.mark.parametrize(
    ("n", "noun", "said"),
    [
        (1, "seed", "1 seed"),
        (0, "seed", "0 seeds"),
        (2000, "planned run", "2,000 planned runs"),
        (1, "hypothesis", "1 hypothesis"),
        (2, "hypothesis", "2 hypotheses"),
        (2, "axis", "2 axes"),
        (2, "class", "2 classes"),
        (2, "batch", "2 batches"),
        (2, "study", "2 studies"),
        (2, "key", "2 keys"),
    ],
)
def test_a_number_has_the_noun_that_goes_with_it(n: int, noun: str, said: str) -> None:
    assert many(n, noun) == said


def test_nothing_is_counted_by_hand() -> None:
    """A text with a number in it and a plural behind it would say "1 claims"."""
    found = []
    rooms = ("cli", "figures", "papers", "plan", "report", "results", "tables", "verdicts", "workflow")
    for room in rooms:
        for path in sorted((ROOT / "src/ablate" / room).rglob("*")):
            if path.suffix not in (".py", ".js"):
                continue
            for n, line in enumerate(path.read_text().splitlines(), 1):
                if "UserError" in line or line.lstrip().startswith(("#", "//", '"""')):
                    continue
                found += [
                    f"{path.relative_to(ROOT)}:{n}: {m[0]}"
                    for m in COUNTED.finditer(line)
                    if not NO_NUMBER.search(m["of"])
                ]
    assert not found, "\n".join(found)
