"""The section ``studies`` of ``params.yaml`` with a scale laid over it: what papers share, levels by their labels."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ablate.errors import UserError, choose
from ablate.plan.settings import Settings
from ablate.records import SHORT

SHARED = "settings"  # of all studies of a paper, beside them
KEYS = ("settings", "axes", "seeds")  # of a study
DRAWN = ("title", "tables", "figures", "show")  # of a study in papers/<id>.yaml
AS_IN = re.compile("as in (.+)")  # instead of an axis's levels: another study of the paper, which has them


def merge(base: Any, over: Any, where: str) -> Any:
    """``over`` laid over ``base``: mappings key by key, levels of ``axes`` by their labels, anything else replaced.

    ``where`` is the key of ``over``.

    Raises:
        UserError: For a label that is not there.
    """
    if not (isinstance(base, dict) and isinstance(over, Mapping)):
        return over
    merged = {**base}
    for key, value in over.items():
        lay = _lay_axes if key == "axes" else merge
        merged[key] = lay(base[key], value, f"{where}.{key}") if key in base else value
    return merged


def studies_at_scale(raw: Any, where: str, over: Mapping[str, Any], over_where: str) -> dict[str, dict[str, Any]]:
    """{paper: {study: what `Study` holds}} of what ``params.yaml`` says, with a scale's ``over`` laid over it.

    Without what is left out. ``where`` and ``over_where`` are the keys of the two.

    Raises:
        UserError: For a shape, a key or a name that cannot be.
    """
    papers = mapping(raw, where)
    for paper in over:
        if paper not in papers:
            raise choose(f"{over_where}.{paper}", paper, papers, "paper")
    found = {
        paper: _Paper(
            _section(studies, f"{where}.{paper}", paper), _section(over.get(paper), f"{over_where}.{paper}", paper)
        ).at_scale()
        for paper, studies in papers.items()
    }
    return {paper: studies for paper, studies in found.items() if studies}


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """``value``, or an empty mapping where nothing is written.

    Raises:
        UserError: For anything else.
    """
    if not isinstance(value, Mapping | None):
        raise UserError(f"{where}: must be a mapping of keys to values (got {SHORT.repr(value)})")
    return value or {}


class _Section(NamedTuple):
    """What stands below a paper's name."""

    where: str  # its key
    settings: Mapping[str, Any]
    studies: dict[str, dict[str, Any] | None]  # by name; None: left out


def _section(below: Any, where: str, paper: str) -> _Section:
    """Refuse a shape that it cannot have, and a key that no study has."""
    studies: dict[str, dict[str, Any] | None] = {}
    for name, found in mapping(below, where).items():
        study = mapping(found, f"{where}.{name}")
        if name == SHARED:
            continue
        for key in study:
            if key in DRAWN:
                raise UserError(
                    f"{where}.{name}.{key}: what is drawn stands in papers/{paper}.yaml; move it there, as "
                    f"drawn.{name}.{key}"
                )
            if key not in KEYS:
                raise choose(f"{where}.{name}.{key}", key, KEYS, "key")
        parts = {key: mapping(study.get(key), f"{where}.{name}.{key}") for key in ("settings", "axes")}
        studies[name] = None if found is None else {**study, **parts}
    return _Section(where, mapping(below, where).get(SHARED) or {}, studies)


class _Paper(NamedTuple):
    """A paper's studies, and what the scale lays over them."""

    base: _Section
    over: _Section

    def at_scale(self) -> dict[str, Any]:
        """{study: what `Study` holds}, without those that are left out."""
        for name in self.over.studies:
            if name not in self.base.studies:
                raise choose(f"{self.over.where}.{name}", name, self.base.studies, "study")
        return {
            name: study
            | {key: value for key, value in change.items() if key == "seeds"}
            | {"of_paper": self.base.settings, "of_paper_at_scale": self.over.settings}
            | {"at_scale": change.get("settings", {}), "axes": self._axes(name, study)}
            for name, study in self.base.studies.items()
            if study is not None and (change := self.over.studies.get(name, {})) is not None
        }

    def _axes(self, name: str, study: Mapping[str, Any]) -> Any:
        """The axes of a study at the scale, those of other studies in place of their names."""
        axes = {axis: self._levels(name, axis, levels) for axis, levels in study["axes"].items()}
        return self._changed(name, axes, self._changes(name))

    def _levels(self, name: str, axis: str, levels: Any) -> Any:
        other = AS_IN.fullmatch(levels) if isinstance(levels, str) else None
        if not other:
            return levels
        having = {
            key: study["axes"][axis]
            for key, study in self.base.studies.items()
            if study and isinstance(study["axes"].get(axis), list)
        }
        if other[1] not in having:
            raise choose(f"{self.base.where}.{name}.axes.{axis}", other[1], having, "study with levels of this axis")
        changes = {key: value for key, value in self._changes(other[1]).items() if key == axis}
        return self._changed(other[1], {axis: having[other[1]]}, changes)[axis]

    def _changes(self, name: str) -> Mapping[str, Any]:
        """Of the axes of a study, by the scale."""
        study = self.over.studies.get(name) or {}
        axes: Mapping[str, Any] = study.get("axes", {})
        return axes

    def _changed(self, name: str, axes: Mapping[str, Any], changes: Mapping[str, Any]) -> Any:
        return _lay_axes(axes, changes, f"{self.over.where}.{name}.axes")


def _lay_axes(base: Any, over: Any, where: str) -> Any:
    """``over`` laid over the axes ``base``: a list replaces an axis, a mapping changes the levels that it names."""
    if not (isinstance(base, Mapping) and isinstance(over, Mapping)):
        return over
    merged = dict(base)
    for axis, levels in over.items():
        if isinstance(levels, Mapping) and axis not in base:
            raise choose(f"{where}.{axis}", axis, base, "axis")
        by_label = isinstance(levels, Mapping) and isinstance(base[axis], list)
        merged[axis] = _by_label(axis, base[axis], levels, f"{where}.{axis}") if by_label else levels
    return merged


def _by_label(axis: str, levels: list[Any], changes: Mapping[str, Any], where: str) -> list[Any]:
    """The levels, those that ``changes`` names with its settings over their own; without those that it sets null."""
    labels = [str(level.get("label") if isinstance(level, Mapping) else level) for level in levels]
    for label, change in changes.items():
        if label not in labels:
            raise choose(f"{where}.{label}", label, labels, "level")
        for key in mapping(change, f"{where}.{label}"):
            if key not in Settings.model_fields:
                raise choose(f"{where}.{label}.{key}", key, Settings.model_fields, "key")
    found = []
    for label, level in zip(labels, levels, strict=True):
        change = changes.get(label, {})
        whole = level if isinstance(level, Mapping) else {"label": label, axis.replace("-", "_"): level}
        if change is not None:
            found.append({**whole, **change} if change else level)
    return found
