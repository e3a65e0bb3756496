"""The plan as later steps read it, and how it differs from the papers' protocol: the scale `paper`."""

import hashlib
import json
from typing import Any

from ablate.models.registry import contaminated
from ablate.plan.params import Params
from ablate.plan.runs import Plan, Run
from ablate.seals import sealed

Protocol = dict[tuple[str, str, str], dict[str, Any]]  # paper, study, arm: what is to compare


def protocol(params: Params, plan: Plan) -> Protocol:
    """What the scale `paper`, with its parameters and plan, asks of each arm."""
    return {(p.paper, p.study, p.arm): _facts(p.run, params) for p in plan.planned}


def plan_record(params: Params, plan: Plan, full: Protocol | None = None) -> dict[str, Any]:
    """Scale, studies, and each planned run with its settings and its deviations from the protocol ``full``.

    ``digest`` changes with anything that a table or figure is made from, and with nothing else. Sealed.
    """
    record = {
        "scale": plan.scale,
        "looks": list(plan.looks),
        "adaptive": params.adaptive and params.adaptive.model_dump(mode="json"),
        "studies": {
            f"{paper}/{name}": {
                "title": study.title,
                "axes": list(study.axes),
                "tables": dict(study.tables),
                "figures": dict(study.figures),
            }
            for paper, studies in params.studies.items()
            for name, study in studies.items()
        },
        "runs": [
            {
                "run": p.run.id,
                "paper": p.paper,
                "study": p.study,
                "arm": p.arm,
                "seed": p.run.seed,
                "levels": p.levels,
                "settings": p.run.settings.model_dump(mode="json", exclude_defaults=True),
                "contaminated": contaminated(p.run.settings.weights, params.datasets[p.run.settings.dataset].layout),
                "deviations": _deviations(_facts(p.run, params), (full or {}).get((p.paper, p.study, p.arm))),
            }
            for p in plan.planned
        ],
    }
    return sealed({"digest": hashlib.sha256(json.dumps(record).encode()).hexdigest()[:16], **record})


def _facts(run: Run, params: Params) -> dict[str, Any]:
    """A run's settings, and what they come to on its data."""
    s, data = run.settings, params.datasets[run.settings.dataset]
    n_classes, each, _ = data.counts(s)
    return {
        **s.model_dump(mode="json", exclude={"per_class"}),
        "n_classes": n_classes,
        "images_per_class": each,  # of training
        "data": run.variant,
    }


def _deviations(ours: dict[str, Any], theirs: dict[str, Any] | None) -> dict[str, list[Any]] | None:
    """{what: [ours, theirs]}; None where the protocol has no such arm."""
    if theirs is None:
        return None
    return {k: [ours[k], theirs[k]] for k in ours if ours[k] != theirs[k]}
