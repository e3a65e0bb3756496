"""`ablate diff`: two arms, two runs or two commits, by settings, by the code of training, by metrics."""

import csv
import io
import json
import math
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ablate.errors import UserError
from ablate.files import read_json
from ablate.inert import say, visible
from ablate.plan.code import code_of
from ablate.plan.datasets import PINS
from ablate.plan.metrics import BUILT_IN, Metrics, column
from ablate.plan.params import load
from ablate.plan.run_list import settings_there
from ablate.plan.run_records import RunRecords
from ablate.plan.runs import ENDED, RUNS, Plan, make_plan
from ablate.plan.select import select, selection
from ablate.results.differences import SHOWN, Metric, Values, compare_metrics, compare_settings, values_of_runs
from ablate.seals import manifest_of, of_run

NOTHING = 1e-6  # percent: less is the arithmetic's own
ONE = ""  # the place of the one arm or run of a side


@dataclass
class Side:
    """What is compared: arms by their places, each with its settings and values by seed, and where code came from."""

    kind: str  # arm, run or commit
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    values: dict[str, Values] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    code: set[str] = field(default_factory=set)  # digests of the code that runs were trained by


def diff(first: str, second: str, plan: Plan, params: Path, shown: Metrics = SHOWN, *, as_json: bool) -> None:
    """Show what differs between ``first`` and ``second``, of metrics in those ``shown``.

    Raises:
        UserError: For what is no arm, run or commit, and for two of different kinds.
    """
    a, b = (side(name, plan, params, shown) for name in (first, second))
    if a.kind != b.kind:
        raise UserError(f"{first!r} is one {a.kind}, {second!r} one {b.kind}; compare two of a kind")
    settings = {place: compare_settings(a.settings.get(place, {}), b.settings.get(place, {}))
                for place in dict.fromkeys([*a.settings, *b.settings])}  # fmt: skip
    metrics = {place: compare_metrics(a.values.get(place, {}), b.values.get(place, {}))
               for place in dict.fromkeys([*a.values, *b.values])}  # fmt: skip
    images = _by_image(first, second) if a.kind == "run" else None
    said, patch = _code(a, b)
    if as_json:
        found = {"kind": a.kind, "settings": settings, "code": said, "patch": patch, "images": images}
        print(json.dumps(found | {"metrics": {k: [asdict(m) for m in v] for k, v in metrics.items()}}, indent=1))
        return
    for place, changed in settings.items():
        if place and (place not in a.settings or place not in b.settings):
            say(f"{place}: only in {first if place in a.settings else second}")
            continue
        for key, (old, new) in changed.items():
            say(f"{place}{': ' if place else ''}{key}: {_text(old)} -> {_text(new)}")
    if not any(settings.values()):
        say("settings: the same")
    # Of commits, the arms whose numbers are others; a line for each of hundreds would hide them.
    others = {place for place in metrics if a.values.get(place) != b.values.get(place)}
    _show(first, second, metrics, others if a.kind == "commit" else None, shown)
    if images:
        say(images)
    say(f"code: {said}")
    print(visible(patch, keep="\n\t"), end="")


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def side(name: str, plan: Plan, params: Path, shown: Metrics = SHOWN) -> Side:
    """The arm ``paper/study:arm``, the run or the commit called ``name``.

    Raises:
        UserError: For none of them.
    """
    if plan.find(name) or (RUNS / name / "manifest.json").exists():
        return _runs("run", [name], plan, shown)
    scope, colon, arm = name.partition(":")
    if colon and "/" in scope:
        found = select(plan, selection(scope, arm.strip()))
        if len(arms := dict.fromkeys(p.arm for p in found.planned)) > 1:
            raise UserError(f"{name}: these are {len(arms)} arms, {', '.join(arms)}; name one")
        return _runs("arm", list(found.runs), plan, shown)
    commit = _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if commit is None:
        raise UserError(f"{name}: no run, arm or commit; write PAPER/STUDY:ARM, a run's folder, or what Git knows")
    return _commit(commit.strip(), plan.scale, params, shown)


def _runs(kind: str, runs: list[str], plan: Plan, shown: Metrics) -> Side:
    made, records, ended = Side(kind), RunRecords(plan), []
    for run in runs:
        planned, manifest, metrics = plan.find(run), None, None
        if (RUNS / run / "manifest.json").exists():
            manifest, metrics = manifest_of(RUNS / run, run), read_json(of_run(RUNS / run, "metrics.json"))
        elif kept := records.runs.get(run):
            manifest, metrics = json.loads(kept.manifest), json.loads(kept.metrics)
        settings = planned.settings.plain if planned else settings_there(run) or {}
        made.settings[ONE] = settings
        if manifest and metrics:
            made.code.add(str((manifest.get("key") or {}).get("code")))
            made.commits += [c for c in [(manifest.get("git") or {}).get("commit")] if c and c not in made.commits]
            if metrics.get("status") in ENDED:
                seed = (
                    0 if kind == "run" else int(run.rpartition("_s")[2])
                )  # two runs are a pair, whatever their seeds
                ended.append((seed, metrics))
    made.values[ONE] = values_of_runs(ended, shown)
    return made


def _commit(commit: str, scale: str, params: Path, shown: Metrics) -> Side:
    """What params.yaml plans there at ``scale``, and what was collected of it, as far as Git has that."""
    made = Side("commit", commits=[commit])
    text = _git("show", f"{commit}:./{params.name}")
    if text is None:
        raise UserError(f"{commit}: has no {params.name}")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / params.name).write_text(text, encoding="utf-8")
        if pinned := _git("show", f"{commit}:./{PINS}"):
            (Path(folder) / PINS).write_text(pinned, encoding="utf-8")
        try:
            planned = make_plan(load(Path(folder) / params.name, {"scale": scale})).planned
        except UserError as error:
            raise UserError(f"{commit[:10]}: not readable by this version: {error}") from None
    for p in planned:
        made.settings[f"{p.paper}/{p.study}: {p.arm}"] = p.run.settings.plain
    for paper in dict.fromkeys(p.paper for p in planned):
        rows: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
        table = _git("show", f"{commit}:./results/{scale}/{paper}/runs.csv") or ""
        for row in csv.DictReader(io.StringIO(table)):
            if row.get("status") in ENDED:
                with suppress(KeyError, ValueError):
                    rows.setdefault(f"{paper}/{row['study']}: {row['arm']}", []).append((int(row["seed"]), row))
        made.values |= {place: values_of_runs(runs, shown) for place, runs in rows.items()}
    return made


def _by_image(first: str, second: str) -> str | None:
    """Two trained models on the same images, where both have their predictions here."""
    from ablate.csv_text import read_csv
    from ablate.verdicts.model_pairs import compare_models

    tables = []
    for run in (first, second):
        if not (RUNS / run / "predictions.csv").exists():
            return None
        table = read_csv(of_run(RUNS / run, "predictions.csv"), ["split"])
        tables.append(table[table["split"] == "val"].reset_index(drop=True))
    old, new = tables
    if old.empty or not old[["position", "label"]].equals(new[["position", "label"]]):
        return None
    right = [(table["predicted"] == table["label"]).to_numpy() for table in (new, old)]
    m = compare_models(*right)
    return (
        f"val images, as these two trained models: 2 less 1 {m.estimate:+.2f} points, 95 % interval over {m.n} "
        f"images {m.low:+.2f} to {m.high:+.2f}, p {m.p:.2g} ({m.test})"
    )


def _code(a: Side, b: Side) -> tuple[str, str]:
    """What is to say of the code that training depends on, and the patch from the one to the other."""
    if a.kind != "commit" and a.code == b.code and len(a.code) == 1:
        return "the same", ""
    if not a.commits or not b.commits:
        return "not known of both: a run that was trained has its commit", ""
    old, new = a.commits[0], b.commits[0]
    models = {settings.get("model") for one in (a, b) for settings in one.settings.values()}
    files = sorted({str(path) for model in models if model for path in code_of("train", model)})
    text = _git("diff", "--no-color", "--no-ext-diff", old, new, "--", *files)
    if text is None:
        return f"commits {old[:10]} and {new[:10]}, of which this repository lacks one", ""
    several = "; of several commits, the first of each side" if max(len(a.commits), len(b.commits)) > 1 else ""
    return f"{old[:10]} to {new[:10]}, of what training depends on{several}" + ("" if text else ": the same"), text


def _git(*words: str) -> str | None:
    """What Git says; None where it refuses."""
    try:
        done = subprocess.run(["git", *words], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    except OSError:
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def _show(
    first: str, second: str, metrics: Mapping[str, list[Metric]], changed: set[str] | None, shown: Metrics
) -> None:
    from rich.table import Table

    from ablate.terminal import show

    table = Table(
        "arm",
        "metric %" if shown == SHOWN else "metric",
        f"1: {first}",
        "n",
        f"2: {second}",
        "n",
        "2 less 1",
        "n of both",
    )
    for place, found in metrics.items():
        for m in found if changed is None or place in changed else []:
            metric, name = shown[m.name], m.name if shown == SHOWN else column(m.name, shown[m.name])
            said = partial(_pm, decimals=_decimals(m, 2 if metric == BUILT_IN.get(m.name) else metric.places))
            sides = said(m.first, m.first_pm), str(m.n_first), said(m.second, m.second_pm), str(m.n_second)
            table.add_row(place, name, *sides, said(m.difference, m.pm, sign=True), str(m.n))
    if table.row_count:
        show(table, width=200)
    else:
        say("metrics: the same" if metrics and changed is not None else "metrics: none of either")


def _decimals(m: Metric, least: int = 2) -> int:
    """``least``, and more where the difference or its interval would read as nothing: two digits of each."""
    parts = [abs(value) for value in (m.difference, m.pm) if value and abs(value) >= NOTHING]
    return max([least, *(1 - math.floor(math.log10(part)) for part in parts)])


def _pm(value: float | None, half: float | None, *, decimals: int, sign: bool = False) -> str:
    said = "" if value is None else f"{round(value, decimals) + 0.0:{'+' if sign else ''}.{decimals}f}"
    return said if half is None else f"{said} ± {half:.{decimals}f}"
