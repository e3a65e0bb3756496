"""The plan with its cost, per paper and in all: what is done, what is to run and why, hours, disk."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from ablate.plan.cost import (
    Estimate,
    Machine,
    Measured,
    arm_of,
    checkpoint_bytes,
    expected_bytes,
    expected_seconds,
    size_text,
    wall_seconds,
)
from ablate.plan.keys import NEW
from ablate.plan.params import Params
from ablate.plan.run_records import RunRecords
from ablate.plan.runs import PRETRAINED, RUNS, Plan, Planned, Run
from ablate.plan.status import statuses
from ablate.plurals import many
from ablate.workflow.due import OWN_CHANGED, Keys

BEGUN = ("running", "interrupted", "failed")  # of a run without a result, these say more than that it is new


def reasons(params: Params, plan: Plan) -> dict[str, str | None]:
    """{run, pretraining included: why it would be trained (`Keys.run_reason`), or None where its result is good}."""
    keys, states = Keys(params, plan), {found["run"]: found["state"] for found in statuses(plan)}
    found = {name: keys.run_reason(run, PRETRAINED) for name, run in plan.pretraining.items()}
    found |= {name: keys.run_reason(run, RUNS) for name, run in plan.runs.items()}
    found = {run: states[run] if reason == NEW and states[run] in BEGUN else reason for run, reason in found.items()}
    # What an edited copy of one's own holds now is known when its pack is made; until then its runs are due.
    own = {
        name: spec.path and keys.data_reason(name, "pack") in OWN_CHANGED for name, spec in params.datasets.items()
    }
    runs = {**plan.pretraining, **plan.runs}
    return {
        run: reason or (OWN_CHANGED[0] if own.get(runs[run].settings.dataset) else None)
        for run, reason in found.items()
    }


def estimates(params: Params, plan: Plan, history: list[Measured], machine: Machine) -> dict[str, Estimate]:
    """{run, pretraining included: what it is expected to take}; the seeds of an arm take the same."""
    found: dict[str, Estimate] = {}
    runs = {**plan.runs, **plan.pretraining}
    for name, run in runs.items():
        if arm_of(name) not in found:
            found[arm_of(name)] = expected_seconds(run, params.datasets.get(run.settings.dataset), history, machine)
    return {name: found[arm_of(name)] for name in runs}


def totals(
    params: Params, plan: Plan, reason: dict[str, str | None], seconds: dict[str, Estimate], machine: Machine
) -> list[dict[str, Any]]:
    """A record per paper, and one of all, in which a run that several papers share counts once.

    ``jobs`` are trainings, those of starting weights included; ``wall_s`` is `cost.wall_seconds`; ``hours`` are a
    GPU's, or one core's; ``disk_bytes`` of what stays, ``checkpoint_bytes`` of what the runs at once keep meanwhile.
    """
    rows = [_total(paper, [p for p in plan.planned if p.paper == paper], params, plan, reason, seconds, machine)
            for paper in dict.fromkeys(p.paper for p in plan.planned)]  # fmt: skip
    return [*rows, _total("all", plan.planned, params, plan, reason, seconds, machine)]


def _total(
    name: str,
    planned: Iterable[Planned],
    params: Params,
    plan: Plan,
    reason: dict[str, str | None],
    seconds: dict[str, Estimate],
    machine: Machine,
) -> dict[str, Any]:
    planned = list(planned)
    runs = {p.run.id: p.run for p in planned}
    due = {run: record for run, record in runs.items() if reason[run]}
    after = {run: record.start for run, record in due.items() if record.start and reason.get(record.start)}
    sources = {start: plan.pretraining[start] for start in after.values() if start in plan.pretraining}
    took = {run: seconds[run].seconds for run in {**due, **sources}}
    arms = Counter((p.study, p.arm, p.paper) for p in planned)
    kept = sorted((checkpoint_bytes(run) for run in (*due.values(), *sources.values())), reverse=True)
    return {
        "paper": name,
        "arms": len(arms),
        "seeds": sorted(set(arms.values())),
        "planned": len(planned),
        "runs": len(runs),
        "done": len(runs) - len(due),
        "to_run": len(due),
        "why": dict(Counter(reason[run] for run in due)),
        "jobs": len(took),
        "wall_s": round(wall_seconds(took, machine.slots, after)),
        "hours": round(sum(took.values()) * (1 if machine.gpu else machine.threads) / 3600, 3),
        "disk_bytes": sum(_bytes(run, params, weights=run.settings.keep != "none") for run in due.values())
        + sum(_bytes(run, params, weights=True) for run in sources.values()),
        "checkpoint_bytes": sum(kept[: machine.slots]),
    }


def _bytes(run: Run, params: Params, *, weights: bool = False) -> int:
    return expected_bytes(run, params.datasets.get(run.settings.dataset), weights=weights)


def as_table(rows: list[dict[str, Any]], machine: Machine) -> Any:
    """The records for a rich console."""
    from rich.table import Table

    from ablate.runtime.progress import format_duration

    kind = "GPU" if machine.gpu else "core"
    table = Table(
        "paper", "arms x seeds", "runs", "done", "to run", "why", "jobs", "wall time", f"{kind}-hours", "disk"
    )
    for r in rows:
        seeds = "-".join(str(n) for n in sorted({r["seeds"][0], r["seeds"][-1]}))
        due = ", ".join(f"{n} {reason}" for reason, n in r["why"].items())
        counts = (str(r[key]) for key in ("runs", "done", "to_run"))
        wall, disk = format_duration(r["wall_s"]), size_text(r["disk_bytes"])
        table.add_row(
            r["paper"], f"{r['arms']} x {seeds}", *counts, due, str(r["jobs"]), wall, f"{r['hours']:.2f}", disk
        )
    return table


def runs_table(plan: Plan, reason: dict[str, str | None], seconds: dict[str, Estimate], records: RunRecords) -> Any:
    """The planned runs, each with its state and what it is expected to take, for a rich console."""
    from rich.table import Table

    from ablate.runtime.progress import format_duration

    table = Table("study", "arm", "seed", "state", "time", "run")
    for p in plan.planned:
        how = reason[p.run.id] or records.state(p.run.id)
        time = format_duration(seconds[p.run.id].seconds)
        table.add_row(f"{p.paper}/{p.study}", p.arm, str(p.run.seed), how, time, p.run.id)
    return table


def other_code(params: Params, plan: Plan) -> list[str]:
    """What becomes of results that other code made, if there are any: a line for people."""
    keys = Keys(params, plan)
    count = sum(keys.of_other_code(run) for run in plan.runs.values())
    then = "kept as they are (other_code: keep)" if keys.keep else "due; `other_code: keep` keeps them as they are"
    return [f"results of other code: {count}, {then}"] if count else []


def said(rows: list[dict[str, Any]], seconds: dict[str, Estimate], machine: Machine) -> list[str]:
    """What the table's last row and its times rest on, for people: lines."""
    measured = sum(estimate.basis.startswith("measured") for estimate in seconds.values())
    priors = {estimate.basis for estimate in seconds.values() if estimate.basis.startswith("prior")}
    return [
        f"times: {many(machine.slots, 'run')} at once on {machine.device}"
        + ("" if machine.gpu else f", threads of each: {machine.threads}")
        + f", the longest first, data and tables not counted; checkpoints take up to "
        f"{size_text(rows[-1]['checkpoint_bytes'])} meanwhile",
        f"{measured} of {len(seconds)} trainings estimated from measured runs"
        + "".join(f", others by the {prior}" for prior in priors)
        + "; --json has each",
    ]
