"""Numbers with their nouns: 1 seed, 3 seeds, 2,000 runs, 1 hypothesis."""

PLURALS = {
    "figure or table": "figures and tables",
    "hypothesis": "hypotheses",
    "axis": "axes",
    "has": "have",
}


def many(n: int, noun: str) -> str:
    """``n`` of what ``noun`` names, whose last word takes the plural: 1 planned run, 2,000 planned runs."""
    return f"{n:,} {plural(noun, n)}"


def plural(noun: str, n: int = 2) -> str:
    """``noun``, or a verb of `PLURALS`, as it stands beside ``n``."""
    if n == 1 or noun in PLURALS:
        return noun if n == 1 else PLURALS[noun]
    before, space, word = noun.rpartition(" ")
    if word in PLURALS:
        word = PLURALS[word]
    elif word.endswith(("s", "x", "ch", "sh")):
        word += "es"
    elif word.endswith("y") and word[-2:-1] not in "aeiou":
        word = f"{word[:-1]}ies"
    else:
        word += "s"
    return before + space + word
