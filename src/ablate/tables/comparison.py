"""The paper's numbers beside ours: value, interval over seeds, difference, and our protocol beside its own."""

from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import pandas as pd

from ablate.papers.paper import Paper, Reported, read
from ablate.papers.words import Words, words
from ablate.plan import health
from ablate.plan.metrics import BUILT_IN, Metric, Metrics
from ablate.plan.record import PlannedRun, PlanRecord, read_plan
from ablate.results.stats import (
    DECIMALS,
    PERCENT,
    PM,
    SEEDS,
    Bounds,
    Sources,
    ended,
    ends,
    measured,
    one_more,
    remarks,
    rounded,
)
from ablate.results.study import archives, collected_runs
from ablate.results.table import Table

COLUMNS = ["number", "of", "metric", "unit", "printed", "ours", "ours" + PM, "ours" + SEEDS, "n", "difference"]
ONE_RUN = ["one run low", "one run high", "printed within"]  # where one more run of ours would plausibly lie
COLUMNS += [*ONE_RUN, "note"]
COLUMNS += Words._fields
COUNTS = ("parameters", "keras_parameters", "layers")  # of a network, exact
POINTS = ("gap",)
MINUTES = ("wall_min",)
BOUNDS = {"gap": (-100.0, 100.0), "wall_min": (0.0, inf)}  # others are percent
Call = Callable[[str], str]
NO_TEST = "of validation images, for want of a labelled test split"


def write_comparison(plan_file: Path, papers: Path, output: Path) -> None:
    """Write results/<scale>/<paper>/comparison.csv, or results/<scale>/comparison.csv of all papers."""
    plan = read_plan(plan_file)
    every = output.parent == plan_file.parent
    chosen = plan.papers if every else [output.parent.name]
    folder = output.parent if every else output.parent.parent
    records = {name: read(papers / f"{name}.yaml", plan) for name in chosen}
    table = compare(plan, records, folder, every=every)
    nothing = not table.rows and not any(paper.is_document for paper in records.values())
    title = "Nothing is printed beside which ours could stand" if nothing else "The papers' numbers and ours"
    table.caption = "" if nothing else table.caption
    table.write(output, title, {"scale": plan.called()})


def compare(plan: PlanRecord, papers: Mapping[str, Paper], folder: Path, *, every: bool = False) -> Table:
    """A row per reported number of ``papers`` ({id: its record}), in the order of the files.

    ``plan`` is the plan's record, ``folder`` is results/<scale>, where `collect` wrote; with ``every`` rows name
    their paper as well.
    """
    table = Table(
        caption="Accuracies in percent, differences in points; ours with 95 % intervals over seeds, of fewer than "
        "three the seeds. One run: where one more of ours would lie, with 95 %, as far as 0 and 100 % reach, and "
        "whether the printed number does; "
        "no finding on a claim rests on it.",
        columns=["paper"] * every + COLUMNS,
        apart=Words._fields,
    )
    told: dict[str, str] = {}
    for name, paper in papers.items():
        planned = plan.of(name)
        runs = collected_runs(plan, folder / name) if planned else pd.DataFrame()
        for entry in paper.reported:
            own, call = _own(plan.measured(name, entry.study), entry), partial(paper.called, entry.study)
            head = {"paper": name} if every else {}
            head |= {
                "number": entry.id,
                "of": _of(entry),
                "metric": entry.metric,
                "unit": own.shown_unit if own else _unit(entry),
            }
            if entry.metric in COUNTS:
                cells, sources = _of_network(entry, planned), dict[str, Sources]()
            else:
                mine = [p for p in planned if p.study == entry.study]
                named = _arms(entry, mine, runs)
                mine = [p for p in mine if p.arm in named]
                cells, sources = _of_runs(entry, named, mine, runs, call, own)
                cells |= words(paper, mine, plan.scale, archives(runs, mine)).cells
                whole = [p for p in planned if p.study == entry.study]
                where = f"{name}, {entry.study}" if every else str(entry.study)
                if where not in told:
                    told[where] = words(paper, whole, plan.scale, archives(runs, whole)).sentences
            table.names |= {head["of"]: shown} if (shown := _of(entry, call)) != head["of"] else {}
            origin = f"printed by {entry.source}" if entry.source else ""
            cells["note"] = "; ".join(filter(None, [origin, cells["note"], entry.note]))
            table.add(f"{name}/{entry.id}" if every else entry.id, head | cells, sources)
    table.notes = [f"{where}: {sentences}" for where, sentences in told.items() if sentences]
    return table


def _own(metrics: Metrics, entry: Reported) -> Metric | None:
    """Its metric, where an own trainer declares it."""
    metric = metrics.get(entry.metric)
    return metric if metric != BUILT_IN.get(entry.metric) else None


def _of(entry: Reported, call: Call = str) -> str:
    """What a number is of; ``call`` says what readers see of an arm or a level."""
    arm, minus = (call(name) if name else None for name in (entry.arm, entry.minus))
    levels = [call(level) for level in entry.levels]
    if entry.metric in COUNTS:
        return str(entry.model)
    if entry.over:
        which = {"best": "the best arm", "sum": "all arms together"}[entry.over]
        return f"{entry.study}: {which}" + (f" of {', '.join(levels)}" if levels else "")
    return f"{entry.study}: {arm}" + (f" minus {minus}" if minus else "")


def _unit(entry: Reported) -> str:
    if entry.metric in COUNTS:
        return "number"
    if entry.metric in MINUTES:
        return "min"
    return "points" if entry.metric in POINTS or entry.minus else "%"


def _of_network(entry: Reported, planned: list[PlannedRun]) -> dict[str, Any]:
    """Cells of a number that follows from the network alone."""
    from ablate.tables.networks import as_printed, depth  # imports torch

    network = as_printed(str(entry.model), planned)
    ours = {
        "parameters": network.params, "keras_parameters": network.keras_total, "layers": depth(network),
    }[entry.metric]  # fmt: skip
    value = int(entry.value)
    note = network.note if entry.metric == "keras_parameters" and ours != value else None
    return {"printed": value, "ours": ours, "difference": ours - value, "note": note or "", **Words().cells}


def beside_of(
    entry: Reported, planned: list[PlannedRun], runs: pd.DataFrame, call: Call
) -> tuple[str, dict[str, Any]]:
    """What a number of runs is of, and its cells; ``planned`` and ``runs`` are of its study."""
    named = _arms(entry, planned, runs)
    what = _of(entry, call).removeprefix(f"{entry.study}: ")
    return what, _of_runs(entry, named, [p for p in planned if p.arm in named], runs, call)[0]


def _arms(entry: Reported, planned: list[PlannedRun], runs: pd.DataFrame) -> list[str]:
    """The arms whose values are added up, or subtracted from the first. Of the best of several: the one that is."""
    named = entry.arms({p.arm: tuple(p.levels.values()) for p in planned})
    if entry.over != "best" or not named:
        return named
    mine = ended(runs[(runs["study"] == entry.study) & runs["arm"].isin(named)])
    means = value_of(mine, entry.metric).astype(float).groupby(mine["arm"]).mean().reindex(named).dropna()
    return named[:1] if means.empty else [str(means.idxmax())]


def _of_runs(
    entry: Reported,
    arms: list[str],
    planned: list[PlannedRun],
    runs: pd.DataFrame,
    call: Call,
    own: Metric | None = None,
) -> tuple[dict[str, Any], dict[str, Sources]]:
    """Cells of a mean over seeds, of an arm or of the difference or the sum of several, within each seed."""
    factor = own.factor if own else 1 if entry.metric in MINUTES else 100
    decimals = own.places if own else DECIMALS
    printed = round(factor * entry.value, decimals + 1)
    cells: dict[str, Any] = {"printed": printed, "ours": None, "ours" + PM: None, "n": 0, "difference": None}
    absent = [arm for arm in arms if arm not in {p.arm for p in planned}]
    if absent or not arms:
        return cells | {"note": f"not planned at this scale: {', '.join(map(call, absent)) or _of(entry)}"}, {}
    found: list[dict[int, tuple[str, float]]] = []  # of each arm, by seed: run, value
    of_text: dict[str, list[str]] = {}  # a note: the arms that it is on
    for arm in arms:
        mine = runs[(runs["study"] == entry.study) & (runs["arm"] == arm)]
        values = factor * value_of(ended(mine), entry.metric).dropna().astype(float)
        rows = zip(mine["seed"][values.index], mine["run"][values.index], values, strict=True)
        found.append({int(seed): (str(run), float(value)) for seed, run, value in rows})
        for text in _notes(entry, mine, values):
            of_text.setdefault(text, []).append(arm)
    notes = [text if named == arms else f"{', '.join(map(call, named))}: {text}" for text, named in of_text.items()]
    seeds = [seed for seed in found[0] if all(seed in of_arm for of_arm in found)]
    signs = [1, *[-1 if entry.minus else 1] * (len(arms) - 1)]
    together = {str(s): sum(k * of_arm[s][1] for k, of_arm in zip(signs, found, strict=True)) for s in seeds}
    if entry.over == "best" and seeds:
        notes.insert(0, f"the best by its mean over seeds: {call(arms[0])}")
    notes += ["contaminated weights"] * any(p.contaminated for p in planned)
    cells |= measured("ours", together, decimals)[0] | {"n": len(seeds), "note": "; ".join(dict.fromkeys(notes))}
    if together:  # of the mean itself, since two rounded numbers would be rounded twice
        cells["difference"] = rounded(sum(together.values()) / len(together) - printed, decimals)
    cells |= _one_run([*together.values()], printed, decimals, _bounds(entry, own))
    used: Sources = {run: round(value, 5 + decimals) for of_arm in found for run, value in (of_arm[s] for s in seeds)}
    every = dict.fromkeys(p.run for p in planned)
    return cells, dict.fromkeys(("ours", "ours" + PM, "n", "difference", *ONE_RUN), used) | {"note": every}


def _bounds(entry: Reported, own: Metric | None) -> Bounds:
    """Between which what an entry is of can lie."""
    low, high = own.bounds if own else BOUNDS.get(entry.metric, PERCENT)
    return (low - high, high - low) if entry.minus else (low, high)


def _one_run(values: list[float], printed: float, decimals: int, bounds: Bounds) -> dict[str, Any]:
    """Cells of the interval for one more run, and whether the paper's, which is one, lies within."""
    if (half := one_more(values)) is None:
        return {}
    low, high = ends(sum(values) / len(values), half, bounds)
    return dict(
        zip(
            ONE_RUN,
            (rounded(low, decimals), rounded(high, decimals), "yes" if low <= printed <= high else "no"),
            strict=True,
        )
    )


def value_of(runs: pd.DataFrame, metric: str) -> "pd.Series[Any]":
    """A reported metric of each run, as a fraction or in minutes; missing where the run does not have it."""
    test = runs["test_top1"].fillna(runs["val_top1"])
    derived = {
        "test_error": 1 - test,
        "val_error": 1 - runs["val_top1"],
        "gap": runs["train_top1"] - runs["val_top1"],
        "wall_min": runs["wall_s"] / 60,
    }
    return derived[metric] if metric in derived else runs[metric]


def _notes(entry: Reported, runs: pd.DataFrame, found: "pd.Series[Any]") -> list[str]:
    """What is to say of an arm's runs."""
    statuses = set(runs["status"])
    if ended(runs).empty and len(statuses) == 1:
        said = ["not run" if statuses == {"missing"} else str(statuses.pop())]
    else:
        said = [remarks(runs), health.counted(ended(runs)["health"])]
        if len(found) < len(ended(runs)):
            said.append(f"{len(ended(runs)) - len(found)} of {len(runs)} without {entry.metric}")
    if entry.metric == "test_error" and len(found) and ended(runs)["test_top1"].isna().any():
        said.append(NO_TEST)
    return [text for text in said if text]
