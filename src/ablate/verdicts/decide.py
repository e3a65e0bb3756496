"""Which seeds to add for claims that are open: one look of several, for which the findings are corrected."""

import tempfile
from pathlib import Path

from ablate.errors import UserError
from ablate.files import write_json
from ablate.plan.params import Params
from ablate.plan.record import Protocol, plan_record
from ablate.plan.runs import LOOK_AGAIN, make_plan
from ablate.results.collect import collect
from ablate.seals import read_sealed, sealed
from ablate.stored import Look, shaped
from ablate.verdicts.assess import NO_EVIDENCE, Judged, assess, claiming
from ablate.verdicts.looks import arms_of, first_seeds
from ablate.verdicts.verdict import NOT_TESTABLE, OPEN


def write_look(
    params: Params, full: Protocol | None, papers: Path, runs: Path, previous: Path | None, output: Path
) -> None:
    """Judge the claims on the runs that ``previous`` asked for, and write those that the next look needs.

    ``full`` is the papers' protocol, beside which printed numbers can be compared or not.
    ``output`` has ``digest`` (of the plan before any look), ``look``, ``looks`` (seeds of an arm at each), ``claims``
    (the verdicts so far) and ``added`` (all runs so far beyond the seeds of params.yaml). Without ``previous`` it is
    look 0, at which nothing is known and the arms of every claim get the seeds of look 1. Later, only those of claims
    that are open and have a chance (`adaptive.least_chance`), see `goes_on`.

    Raises:
        UserError: Without ``adaptive`` in params.yaml, and for a run that is missing.
    """
    if params.adaptive is None:
        raise UserError("params.yaml: adaptive: is missing; write how many seeds to have at each look, as in "
                        "adaptive: {looks: [12, 16, 20]}")  # fmt: skip
    before = shaped(read_sealed(previous, LOOK_AGAIN), Look, previous) if previous else None
    added_before = before.added if before else []
    look, looks = before.look + 1 if before else 0, params.adaptive.looks
    every = plan_record(params, make_plan(params, whole=True))
    sources = claiming(every, papers)
    claims, going = [], [(name, claim) for name, paper in sources.items() for claim in paper.claims]
    if look:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            plan = plan_record(params, make_plan(params, added_before), full)
            write_json(folder / "plan.json", plan.plain)
            for name in sources:
                collect(folder / "plan.json", runs, name, folder / name)
            found = assess(plan, sources, folder, runs)
        going = [(j.paper, j.claim) for j in found if goes_on(j, params.adaptive.least_chance)]
        claims = [
            {"paper": j.paper, "claim": j.claim.id, "statement": j.statement, "verdict": j.word}
            | {"n": j.by_test.n, "sentence": j.sentence, "why": "; ".join(j.why)}
            for j in found
        ]
    wanted = set(added_before)
    for name, claim in going if look < len(looks) else []:
        planned = [entry for entry in every.of(name) if entry.study == claim.study]
        arms = arms_of(claim, sources[name], planned)
        wanted |= {entry.run for entry in first_seeds(planned, looks[look]) if entry.arm in arms}
    base = make_plan(params).runs
    order = dict.fromkeys(entry.run for entry in every.runs)
    added = [run for run in order if run in wanted and run not in base]
    digest = plan_record(params, make_plan(params, [])).digest
    record = {"digest": digest, "look": look, "looks": list(looks), "claims": claims, "added": added}
    write_json(output, sealed(record))


def goes_on(j: Judged, least_chance: float) -> bool:
    """Whether a claim gets more seeds: they might decide it, and what they decide would be shown."""
    if j.finding == NOT_TESTABLE:
        return j.found.early and j.word in (NOT_TESTABLE, NO_EVIDENCE)
    return j.finding == OPEN and not j.why and (j.by_test.chance or 0) >= least_chance
