"""A study more in params.yaml: arms of another one, with more epochs."""

import copy
from pathlib import Path
from typing import Any

from ablate.errors import UserError
from ablate.plain_yaml import parse
from ablate.plan.layout import in_layout_of
from ablate.plan.params import Params, at_scale
from ablate.plan.runs import Plan, make_plan
from ablate.plan.starts import EXTENDS, not_unending


def with_more_epochs(text: str, params: Params, chosen: Plan, epochs: int, where: str) -> tuple[str, str]:
    """``text`` of params.yaml with a study that extends the ``chosen`` arms, which are of one study; and its name.

    Raises:
        UserError: Where their schedules do not allow it, the name is taken, or a scale could not be planned so.
    """
    first = chosen.planned[0]
    name = f"{first.study}-to-{epochs}"
    for p in chosen.planned:
        s = p.run.settings
        if epochs <= s.epochs:
            raise UserError(f"--epochs: {epochs}, of which {p.paper}/{p.study}/{p.arm} has {s.epochs}; write more")
        if fault := not_unending(s):
            raise UserError(
                f"{p.paper}/{p.study}/{p.arm}: {fault}; write an arm of its own with epochs: {epochs} in {where}"
            )
    arms = dict.fromkeys(p.arm for p in chosen.planned)
    values: dict[str, Any] = copy.deepcopy(parse(text))  # which keeps what it read
    group = values["studies"][first.paper]
    if name in group:
        raise UserError(f"{where}: studies.{first.paper}.{name}: is there already; edit it, or remove it")
    study: dict[str, Any] = {"settings": {"epochs": epochs}, "axes": {}}
    study["axes"]["arm"] = [{"label": arm, EXTENDS: f"{first.paper}/{first.study}/{arm}"} for arm in arms]
    if seeds := group[first.study].get("seeds"):
        study["seeds"] = seeds
    group[name] = study
    new = in_layout_of(text, values)
    if new is None:
        raise UserError(
            f"{where}: has a layout in which nothing can be put; add studies.{first.paper}.{name}: {study}"
        )
    for scale in params.scales:
        try:
            make_plan(at_scale(parse(new) | {"scale": scale}, where))
        except UserError as error:
            raise UserError(f"nothing is written, since the scale {scale} could not be planned: {error}") from None
    return new, name


def read_text(path: Path) -> str:
    """The file's text.

    Raises:
        UserError: If it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
