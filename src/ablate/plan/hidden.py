"""Settings that a scale hides: what a study says, and the scale's overrides replace."""

import json
from collections.abc import Mapping
from typing import Any

from ablate.plan.params import Params, Study

NAMED = 3  # studies of one setting, beyond which they are counted


def hidden(params: Params) -> list[str]:
    """A sentence for each setting that a study or its paper sets and the scale's overrides replace by another value.

    A setting that the scale sets for the study or its paper, or that a level has, is meant to be as it is there.
    """
    found: dict[str, list[str]] = {}
    for paper, studies in params.studies.items():
        for name, study in studies.items():
            for key, value in (study.of_paper | study.settings).items():
                if key in params.overrides and params.overrides[key] != value and not _meant(key, study):
                    found.setdefault(key, []).append(f"{json.dumps(value)} of {paper}/{name}")
    where = f"params.yaml: scales.{params.scale}.overrides"
    return [
        f"{where}.{key}: {json.dumps(params.overrides[key])} hides {_listed(values)}" for key, values in found.items()
    ]


def _meant(key: str, study: Study) -> bool:
    at_scale = study.of_paper_at_scale | study.at_scale
    return key in at_scale or any(
        all(_sets(level, axis, key) for level in levels) for axis, levels in study.axes.items()
    )


def _sets(level: Any, axis: str, key: str) -> bool:
    """Whether a level of ``axis`` has a value of its own for the setting."""
    return key in level if isinstance(level, Mapping) else axis.replace("-", "_") == key


def _listed(values: list[str]) -> str:
    more = f" and {len(values) - NAMED} more" if len(values) > NAMED else ""
    return ", ".join(values[:NAMED]) + more
