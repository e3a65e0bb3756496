"""The analysis behind verdicts as data, but for the runs, and what is another in one analysis than in another."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ablate.own_code import is_own
from ablate.papers.claim import Claim
from ablate.papers.paper import Paper
from ablate.plan.code import code_digest, with_own
from ablate.plan.record import PlanRecord
from ablate.plan.trainers import OwnSettings
from ablate.records import SHORT
from ablate.stored import Stored

WORDS = {
    "quote",
    "where",
    "says",
    "also",
    "why",
    "note",
}  # of a claim: kept, and not compared, since no number follows


class Arm(Stored):
    """What is trained, and how often."""

    seeds: list[int]  # of params.yaml, without those that `decide` adds
    settings: dict[str, Any]  # other than the defaults, and what they come to on the data


class OfPaper(Stored):
    """What is asked."""

    claims: dict[str, dict[str, Any]]  # by id: the fields that it sets
    headlines: dict[str, str]  # id: why
    chosen: str | None  # the headlines' day


class Analysis(Stored):
    """All that verdicts follow from, but for the runs."""

    papers: dict[str, OfPaper]  # those with a claim
    arms: dict[str, dict[str, Arm]]  # by <paper>/<study> and arm
    adaptive: dict[str, Any]  # looks and least chance; empty where no seeds are added
    health: dict[str, Any]  # thresholds
    code: str  # digest, of what judges a claim


def analysis(plan: PlanRecord, papers: Mapping[str, Paper]) -> Analysis:
    """That of ``plan`` and of ``papers``, by id."""
    arms: dict[str, dict[str, Arm]] = defaultdict(dict)
    for p in plan.runs:
        settings = p.settings.model_dump(mode="json", exclude_defaults=True) | p.facts
        if isinstance(p.settings, OwnSettings):
            settings = p.settings.plain
        arms[f"{p.paper}/{p.study}"].setdefault(p.arm, Arm(seeds=[], settings=settings)).seeds.append(p.seed)
    asked = {
        name: OfPaper(
            claims={c.id: _plain(c) for c in paper.claims},
            headlines=paper.headlines.claims if paper.headlines else {},
            chosen=paper.headlines.chosen.isoformat() if paper.headlines else None,
        )
        for name, paper in papers.items()
        if paper.claims
    }
    own = {str(c.behaviour) for paper in papers.values() for c in paper.claims if is_own(str(c.behaviour))}
    adaptive = plan.adaptive.model_dump(mode="json") if plan.adaptive else {}
    health = plan.health.model_dump(mode="json")
    code = with_own(code_digest("judge"), sorted(own))
    return Analysis(papers=asked, arms=dict(arms), adaptive=adaptive, health=health, code=code)


def _plain(claim: Claim) -> dict[str, Any]:
    """Its fields, and what an own trainer declares of its metric."""
    found: dict[str, Any] = claim.model_dump(mode="json", exclude_defaults=True, exclude={"id"})
    return found | ({"declared": claim.own.model_dump(mode="json", exclude_defaults=True)} if claim.own else {})


class _Change(NamedTuple):
    """Of one key: what is there now and what was, None where there is none."""

    key: str
    now: Any
    then: Any

    @property
    def said(self) -> str:
        return f"{_short(self.now)}, frozen {_short(self.then)}"

    @property
    def side(self) -> str | None:
        """That it was added or removed, if so."""
        return "added" if self.then is None else "removed" if self.now is None else None


def differences(then: Analysis, now: Analysis, looks: tuple[int, ...] = ()) -> Iterator[str]:
    """What is another ``now``, each in a few words; seeds that `decide` added up to the last of ``looks`` are not."""
    for paper, new, old in _changes(then.papers, now.papers):
        if new is None or old is None:
            yield f"paper {paper} {'removed' if new is None else 'added'}"
        else:
            yield from _of_paper(paper, old, new)
    yield from _of_arms(then, now, looks)
    for change in _changes(then.adaptive, now.adaptive):
        yield f"{change.key} of adaptive {change.said}"
    for change in _changes(then.health, now.health):
        yield f"{change.key} of health {change.said}"
    if then.code != now.code:
        yield "the code of the analysis is another"


def _of_paper(paper: str, then: OfPaper, now: OfPaper) -> Iterator[str]:
    for change in _changes(then.claims, now.claims):
        name = f"{paper}/{change.key}"
        if change.side:
            yield f"claim {name} {change.side}"
        else:
            fields = (f for f in _changes(change.then, change.now) if f.key not in WORDS)
            yield from (f"{field.key} of {name} {field.said}" for field in fields)
    for change in _changes(then.headlines, now.headlines):
        if change.side:  # else another reason for it
            yield f"headline {paper}/{change.key} {change.side}"


def _of_arms(then: Analysis, now: Analysis, looks: tuple[int, ...]) -> Iterator[str]:
    """Studies, arms, their settings and seeds; what all arms, or all of a study, have alike is said once."""
    places: dict[str, list[tuple[str, str]]] = defaultdict(list)  # of what is to say: study and arm
    shared: list[tuple[str, str]] = []
    for study in dict.fromkeys([*then.arms, *now.arms]):
        old, new = then.arms.get(study, {}), now.arms.get(study, {})
        if not old or not new:
            yield f"study {study} {'added' if new else 'removed'}"
            continue
        shared += [(study, arm) for arm in old if arm in new]
        for change in _changes(old, new):
            for text in [change.side] if change.side else _of_arm(change.then, change.now, looks):
                places[text].append((study, change.key))
    for text, found in places.items():
        if len(found) > 1 and found == shared:
            yield f"all arms: {text}"
            continue
        for study in dict.fromkeys(study for study, _ in found):
            arms = [arm for s, arm in found if s == study]
            alike = len(arms) > 1 and arms == [arm for s, arm in shared if s == study]
            yield f"{study}: {text} ({'all arms' if alike else ', '.join(arms)})"


def _of_arm(then: Arm, now: Arm, looks: tuple[int, ...]) -> Iterator[str]:
    for field in _changes(then.settings, now.settings):
        yield f"{field.key} {field.said}"
    n, m = len(now.seeds), len(then.seeds)
    added = looks and now.seeds[:m] == then.seeds and n <= looks[-1]
    if n != m and not added:
        yield f"{n} seed{'s' * (n != 1)} planned, frozen {m}"
    elif n == m and now.seeds != then.seeds:
        yield f"seeds {_short(now.seeds)}, frozen {_short(then.seeds)}"


def _changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[_Change]:
    """The keys whose values differ, in their order, the frozen ones first."""
    for key in dict.fromkeys([*then, *now]):
        if then.get(key) != now.get(key):
            yield _Change(key, now.get(key), then.get(key))


def _short(value: Any) -> str:
    if value is None:
        return "not set"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= SHORT.maxstring else f"{text[: SHORT.maxstring]}..."
