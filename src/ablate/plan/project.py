"""What params.yaml asks for: read once, each scale that is needed expanded once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ablate.plan.drawn import Drawn, check_drawn, read_drawn
from ablate.plan.params import FULL, Params, at_scale, read_params
from ablate.plan.record import PlanRecord, Protocol, plan_record, protocol
from ablate.plan.runs import Plan, current_plan, make_plan
from ablate.plan.studies import SHARED

PAPERS_SCALE = "paper"  # by its name, the scale of the papers' own protocol
WHOLE = (PAPERS_SCALE, FULL)  # the first of these that there is leaves nothing out


@dataclass(frozen=True)
class Project:
    """``params.yaml`` with the command line's values over it, and the plans that follow from it."""

    params: Params
    plan: Plan
    papers: tuple[str, ...]  # that it has studies of, at whatever scale
    full: tuple[Params, Plan] | None = None  # of the scale of `WHOLE`; None where there is no such scale
    drawn: Mapping[str, Mapping[str, Drawn]] = field(default_factory=dict)  # by paper and study, of any scale

    @property
    def whole(self) -> tuple[Params, Plan] | None:
        """Of the scale that leaves out no study and no arm: one of `WHOLE`, or the only one there is."""
        return self.full or ((self.params, self.plan) if len(self.params.scales) < 2 else None)

    @cached_property
    def record(self) -> PlanRecord:
        """What plan.json says; see `plan_record`."""
        return plan_record(self.params, self.plan, protocol(*self.full) if self.full else None, self.drawn)


def papers_protocol(path: Path, values: Mapping[str, Any] | None = None) -> Protocol | None:
    """What the whole scale of ``path``, with ``values`` over it, asks for; None where there is no such scale."""
    raw = read_params(path, values)
    name = _whole(raw.get("scales") or {})
    if name is None:
        return None
    whole = at_scale({**raw, "scale": name}, str(path))
    return protocol(whole, make_plan(whole))


def _whole(scales: Collection[str]) -> str | None:
    return next((name for name in WHOLE if name in scales), None)


def open_project(path: Path, values: Mapping[str, Any] | None = None) -> Project:
    """Read ``path`` with ``values`` over it, and what is drawn from ``papers`` beside it.

    Raises:
        UserError: As `load`, `current_plan`, `make_plan`, `read_drawn` and `check_drawn` do.
    """
    raw = read_params(path, values)
    params = at_scale(raw, str(path))
    plan, full = current_plan(params), None
    if (name := _whole(params.scales)) == params.scale:
        full = params, plan
    elif name is not None:
        whole = at_scale({**raw, "scale": name}, str(path))
        full = whole, make_plan(whole)
    papers = {name: (studies or {}).keys() - {SHARED} for name, studies in raw["studies"].items()}
    folder = path.with_name("papers")
    drawn = {name: read_drawn(folder / f"{name}.yaml", studies) for name, studies in papers.items() if studies}
    for asked in ((params, plan), *([full] if full else [])):
        check_drawn(drawn, *asked, folder)
    return Project(params, plan, tuple(papers), full, drawn)
