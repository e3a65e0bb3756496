"""Which runs a command is about, by name: a paper, a study, arms by a pattern, seeds. Read here for all commands."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import dropwhile

from ablate.errors import UserError, choose
from ablate.plan.runs import PRETRAINED, Plan, Planned

MOST = 10_000  # seeds in one selection: a slip of the keyboard is no range
NAMED = 8  # arms in an error
EXAMPLE = "write whole numbers and ranges with commas between: 0-2,5"


@dataclass(frozen=True)
class Selection:
    """What was asked for; None: no matter which."""

    paper: str | None = None
    study: str | None = None  # of the paper
    arm: str | None = None  # a pattern, as a shell has them for files, or the name itself
    seeds: tuple[int, ...] | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing is left out."""
        return self == Selection()

    @property
    def of_arms(self) -> bool:
        """Whether it may leave out arms or seeds of a study."""
        return (self.arm, self.seeds) != (None, None)

    def __str__(self) -> str:
        """In words, as an error names it."""
        place = "/".join(filter(None, (self.paper, self.study)))
        said = [place, f"arm {self.arm}" if self.arm is not None else ""]
        return ", ".join(filter(None, said)) or "the plan"


def selection(scope: str | None = None, arm: str | None = None, seeds: str | None = None) -> Selection:
    """From what a command line says: ``PAPER[/STUDY]``, a pattern of arms' names, and seeds as in ``3-5,8``.

    Raises:
        UserError: For seeds that are none.
    """
    paper, _, study = (scope or "").partition("/")
    return Selection(paper or None, study or None, arm, None if seeds is None else seeds_of(seeds))


def seeds_of(text: str) -> tuple[int, ...]:
    """Each seed once, in order.

    Raises:
        UserError: For text that is no list of seeds.
    """
    found: set[int] = set()
    for part in text.split(","):
        ends = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part.strip(), re.ASCII)
        if not ends:
            raise UserError(f"--seeds: {text!r}: {part.strip()!r} is no seed; {EXAMPLE}")
        first, last = int(ends[1]), int(ends[2] or ends[1])
        if last < first:
            raise UserError(f"--seeds: {text!r}: {part.strip()} goes down; write {last}-{first}")
        if last - first >= MOST:
            raise UserError(f"--seeds: {text!r}: {part.strip()} is more than {MOST} seeds; write fewer")
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def select(plan: Plan, asked: Selection, *, more_seeds: bool = False) -> Plan:
    """The part of ``plan`` that is ``asked`` for, with the pretraining that it starts from.

    With ``more_seeds`` a seed that is not planned is one more run of each arm, and otherwise a mistake.

    Raises:
        UserError: It names what there is not, and the nearest that there is.
    """
    if asked.whole:
        return plan
    found = list(plan.planned)
    if asked.paper is not None:
        found = _named(found, "PAPER[/STUDY]", asked.paper, "paper")
    if asked.study is not None:
        found = _named(found, f"{asked.paper}/{asked.study}", asked.study, "study")
    if asked.arm is not None:
        matching = [p for p in found if p.arm == asked.arm or fnmatchcase(p.arm, asked.arm)]
        if not matching:
            raise _no_arm(asked, sorted({p.arm for p in found}))
        found = matching
    if asked.seeds is not None:
        found = _with_seeds(found, asked, more_seeds)
    sources = {
        start: source
        for p in found
        if (start := p.run.start) and p.run.start_folder == PRETRAINED and (source := plan.find(start))
    }
    return replace(plan, planned=tuple(found), pretraining=sources)


def _named(planned: list[Planned], where: str, name: str, what: str) -> list[Planned]:
    """Those of the paper or study (``what``) called ``name``."""
    found = [p for p in planned if getattr(p, what) == name]
    if not found:
        raise choose(where, name, {getattr(p, what) for p in planned}, what)
    return found


def _no_arm(asked: Selection, arms: list[str]) -> UserError:
    """Not all of a plan's arms are named: there are hundreds."""
    near = get_close_matches(str(asked.arm), arms, n=NAMED, cutoff=0)
    where = f"--arm, of {replace(asked, arm=None)}"
    if len(arms) <= NAMED or not near:
        return choose(where, asked.arm, arms[:NAMED], "arm")
    return UserError(f"{where}: unknown arm {asked.arm!r}; of {len(arms)} the nearest are {', '.join(near)}")


def _with_seeds(planned: list[Planned], asked: Selection, more: bool) -> list[Planned]:
    wanted = asked.seeds or ()
    if more:
        arms = {(p.paper, p.study, p.arm): p for p in reversed(planned)}
        there = {(p.paper, p.study, p.arm, p.run.seed): p for p in planned}
        return [
            there.get((*place, seed)) or replace(p, run=p.run.with_seed(seed))
            for place, p in reversed(arms.items())
            for seed in wanted
        ]
    seeds = {p.run.seed for p in planned}
    if missing := [seed for seed in wanted if seed not in seeds]:
        raise UserError(f"--seeds: {asked} has no run with seed {ranges(missing)}; there are {ranges(seeds)}")
    return [p for p in planned if p.run.seed in wanted]


def ranges(seeds: Iterable[int]) -> str:
    """As `seeds_of` reads them: 0-2,5."""
    left, parts = sorted(set(seeds)), []
    while left:
        first = last = left[0]
        while last + 1 in left:
            last += 1
        left = list(dropwhile(lambda seed, last=last: seed <= last, left))  # type: ignore[misc]
        parts.append(f"{first}" if first == last else f"{first}-{last}")
    return ",".join(parts)
