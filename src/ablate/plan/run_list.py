"""All runs that there are, planned or on disk, by name, and those of them that a filter lets through."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from ablate.errors import UserError, choose
from ablate.files import read_json
from ablate.plan.health import Health
from ablate.plan.keys import FILES
from ablate.plan.metrics import main_of
from ablate.plan.notes import Note, read_notes
from ablate.plan.run_records import RunRecords
from ablate.plan.runs import RUNS, OwnRun, Plan, Run
from ablate.plan.select import Selection, select
from ablate.plan.settings import Settings
from ablate.plan.status import statuses
from ablate.plan.trainers import OwnSettings, Trainer

FILTER = re.compile(r"([A-Za-z_0-9]+)(!=|<=|>=|=|<|>)(.*)", re.DOTALL)
FACTS = ("paper", "study", "arm", "seed", "run", "state", "planned", "val_top1", "note", "tag")
COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True)
class Filter:
    """``key``, a setting or one of `FACTS`, compared with ``value``."""

    key: str
    sign: str
    value: str

    def lets(self, entry: Mapping[str, Any]) -> bool:
        """Whether an entry of `run_list` is let through. Where there is nothing to compare, by != alone."""
        if self.key == "tag":
            return (self.value in entry["tags"]) == (self.sign == "=")
        if self.key == "note":
            return (self.value.casefold() in entry["note"].casefold()) == (self.sign == "=")
        known = (entry["settings"] or {}) | entry["metrics"]
        found = entry[self.key] if self.key in FACTS else known.get(self.key)
        numbers = _number(found), _number(self.value)
        if None not in numbers:
            return COMPARED[self.sign](*numbers)
        text = "none" if found is None else str(found).lower() if isinstance(found, bool) else str(found)
        return self.sign in ("=", "!=") and (text == self.value or fnmatchcase(text, self.value)) == (
            self.sign == "="
        )


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) or value is None else float(value)
    except (TypeError, ValueError):
        return None


def filters(words: Iterable[str], trainers: Mapping[str, Trainer] | None = None) -> list[Filter]:
    """Of ``lr=0.05``, ``model=resnet*``, ``val_top1<0.2``, ``tag=odd``: keys with a sign and a value.

    Raises:
        UserError: For a key that there is not, and for a note or tag that is compared as a number.
    """
    own = {"trainer"} if trainers else set()
    own |= {name for each in (trainers or {}).values() for name in (*each.settings, *each.metrics)}
    known = (*FACTS, *Settings.model_fields, *own)
    found = []
    for word in words:
        parts = FILTER.fullmatch(word)
        key, sign, value = parts.groups() if parts else (word, "", "")
        key = "state" if key == "status" else key
        if key not in known:
            raise choose(word, key, [*known, "status"], "key")
        if key in ("note", "tag") and sign not in ("=", "!="):
            raise UserError(f"{word}: {key} has no order; write {key}=... or {key}!=...")
        found.append(Filter(key, sign, value))
    return found


def run_list(
    plan: Plan, asked: Selection, limits: Health | None = None, trainers: Mapping[str, Trainer] | None = None
) -> list[dict[str, Any]]:
    """An entry for each selected run: its ``name``, the `FACTS`, ``tags``, ``settings``, and ``metrics``.

    Of the last an own trainer's main one alone.

    Planned runs come first, then those on disk and in records that the plan does not have: other seeds of its arms
    and, where nothing is left out, those of other plans, whose place is None.

    Raises:
        UserError: As `select` does.
    """
    part = select(plan, replace(asked, seeds=None))
    records = RunRecords(part)
    there = {path.parent.name for path in RUNS.glob(f"*/{FILES[0]}")} | set(records.runs if asked.whole else ())
    others = sorted(there - plan.runs.keys() - plan.pretraining.keys())
    places = [(place, run) for id in others if (place := part.places.get(_arm(id))) and (run := part.find(id))]
    part = replace(part, planned=(*part.planned, *(replace(place, run=run) for place, run in places)))
    notes, states = read_notes(), {said["run"]: said for said in statuses(part, limits, trainers)}
    entries = [
        _entry(p.run.id, p.run.settings.plain, notes)
        | {"name": part.named(p.run.id), "paper": p.paper, "study": p.study, "arm": p.arm}
        | {"planned": p.run.id in plan.runs, "state": states[p.run.id]["state"]}
        | {"val_top1": states[p.run.id].get("val_top1"), "metrics": _metrics(states[p.run.id], p.run, trainers or {})}
        for p in part.planned
    ]
    if asked.whole:
        nowhere = dict.fromkeys(("paper", "study", "arm", "val_top1")) | {"planned": False, "metrics": {}}
        entries += [
            _entry(id, settings_there(id), notes) | nowhere | {"name": id, "state": records.state(id)}
            for id in others
            if id not in states
        ]
    return [e for e in entries if asked.seeds is None or e["seed"] in asked.seeds]


def _metrics(state: Mapping[str, Any], run: Run, trainers: Mapping[str, Trainer]) -> dict[str, Any]:
    own = trainers.get(run.settings.trainer) if isinstance(run, OwnRun) else None
    return {main_of(own.metrics): state.get(main_of(own.metrics))} if own else {}


def _arm(id: str) -> str:
    return id.rpartition("_s")[0]


def _entry(id: str, settings: dict[str, Any] | None, notes: Mapping[str, Note]) -> dict[str, Any]:
    said, seed = notes.get(id, Note()), id.rpartition("_s")[2]
    known = {"run": id, "seed": int(seed) if seed.isdecimal() else None, "settings": settings}
    return known | {"note": said.note, "tags": list(said.tags)}


def settings_there(run: str) -> dict[str, Any] | None:
    """A run's settings as its folder has them; None where that does not say."""
    try:
        found = read_json(RUNS / run / "run.json")
    except UserError:
        return None
    settings = found.get("settings") if isinstance(found, dict) else None
    if isinstance(settings, dict) and settings.keys() == OwnSettings.model_fields.keys():
        return {"trainer": settings["trainer"], **settings["defaults"], **settings["values"]}
    return settings if isinstance(settings, dict) else None
