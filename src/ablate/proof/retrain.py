"""One run trained again, and held against what its record has: the same bytes, or a value that its arm allows."""

import json
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ablate.errors import UserError
from ablate.files import write_text
from ablate.plan.keys import FILES, RECEIPTS, UNKNOWN
from ablate.plan.metrics import BUILT_IN
from ablate.plan.project import Project
from ablate.plan.run_records import Kept
from ablate.plan.runs import ENDED, OwnRun, Run
from ablate.proof.again import run_here
from ablate.proof.own import own_code
from ablate.results.stats import mean, one_more
from ablate.seals import read_if_sealed
from ablate.stored import Timed, fits
from ablate.workflow.due import Keys

CHEAPEST = 0.25  # of a paper's runs, by the seconds that they took: one of these is drawn
MACHINE = ("device", "threads", "precision", "compile", "versions")  # of a manifest: where equal, bytes are to be
Word = Literal["same bytes", "within its arm", "wrong", "not checked"]


@dataclass(frozen=True)
class Trained:
    """What came of a run that was to be trained again."""

    paper: str
    word: Word
    said: str


def train_again(project: Project, paper: str, into: Path, draw: random.Random) -> Trained:
    """Draw one of the cheap runs of ``paper`` and train it again in the folder ``into``.

    A run whose data or start weights are not there is not drawn, nor is one that another code made, but where
    `other_code: keep` says that it is as good; the answer says so where none is left.
    """
    keys = Keys(project.params, project.plan)
    mine = {p.run.id: p.run for p in project.plan.planned if p.paper == paper}
    kept = {id: k for id, k in keys.records.runs.items() if id in mine and k.ended.status in ENDED}
    if not kept:
        return Trained(paper, "not checked", "no run of its records has ended")
    whys = {id: _why_not(project, keys, mine[id], k) for id, k in kept.items()}
    able = [id for id, why in whys.items() if not why]
    if not able:
        counted = [f"{list(whys.values()).count(why)} {why}" for why in dict.fromkeys(whys.values())]
        return Trained(paper, "not checked", f"of its {len(kept)} runs {', '.join(counted)}")
    able.sort(key=lambda id: float(kept[id].told["wall_s"]))
    run = mine[draw.choice(able[: max(1, math.ceil(CHEAPEST * len(able)))])]
    try:
        out = train_in(into, project, run, kept[run.id].told)
    except UserError as error:
        return Trained(paper, "wrong", f"{run.id}: training it again failed: {error}")
    return _judged(project, paper, run, kept, out)


def train_in(folder: Path, project: Project, run: Run, told: Mapping[str, Any], *more: str) -> Path:
    """Train a run again in ``folder`` as its manifest has it, with ``more`` options; returns its new folder.

    Raises:
        UserError: For whatever keeps it from being trained.
    """
    out = folder.absolute() / "again" / run.id
    words = ["--out", str(out), "--device", project.params.compute.device]
    if isinstance(run, OwnRun):  # whose script finds its files where ``folder`` has links to them
        words += ["--trainer", project.params.trainers[run.settings.trainer].to_json()]
    else:
        pack = (Keys(project.params, project.plan).folder(run.settings.dataset) / RECEIPTS["pack"]).absolute()
        words += ["--pack", str(pack)]
        for file in own_code(run, {}):
            if not (folder / file).exists():
                write_text(folder / file, file.read_text(encoding="utf-8"))
    if run.start_file:
        words += ["--start", str(Path(run.start_file).absolute())]
    if told["compile"]:
        words += ["--compile", str(told["compile"])]
    run_here(folder, "train", "--run", run.to_json(), "--threads", str(told["threads"]), *words, *more)
    return out


def _why_not(project: Project, keys: Keys, run: Run, kept: Kept) -> str | None:
    """Why a run cannot be trained again here."""
    if isinstance(run, OwnRun) and project.params.trainers[run.settings.trainer].results:
        return "imported, which nobody trained here"
    there, asked = kept.key or {}, keys.key(run)
    if there.get("code") != asked["code"] and not keys.keep:
        return f"of other code ({str((kept.told.get('git') or {}).get('commit'))[:7]})"
    if run.start_file:
        return "from weights that records leave out"
    if asked["data"] == UNKNOWN:
        return f"without data here (no pack of {run.settings.dataset})"
    if asked["data"] != there.get("data"):
        of = f"pack of {run.settings.dataset}"
        if isinstance(run, OwnRun):
            of = f"files of the trainer {run.settings.trainer}"
        return f"of other data than the {of} here"
    return None if fits(kept.told, Timed) else "whose manifest does not say what they took"


def _judged(project: Project, paper: str, run: Run, kept: dict[str, Kept], out: Path) -> Trained:
    """The run in ``out`` beside its record and, where its bytes may be others, beside the runs of its arm.

    They may on another machine, and of an own trainer that does not say that it is deterministic.
    """
    before, after = kept[run.id].told, read_if_sealed(out / "manifest.json") or {}
    unlike = [name for name in FILES[:-1] if before["files"].get(name) != after.get("files", {}).get(name)]
    if not unlike:
        return Trained(paper, "same bytes", f"{run.id}: the same bytes in {len(FILES) - 1} files")
    own = project.params.trainers[run.settings.trainer] if isinstance(run, OwnRun) else None
    others = [what for what in MACHINE if before.get(what) != after.get(what)]
    if not others and (own is None or own.deterministic):
        said = f"{run.id}: other bytes in {', '.join(unlike)}, on the same kind of machine"
        if before["key"].get("code") != after.get("key", {}).get("code"):
            said += ", by other code, which was kept"
        return Trained(paper, "wrong", said)
    place = next(p for p in project.plan.planned if p.paper == paper and p.run.id == run.id)
    arm = [p.run.id for p in project.plan.of(paper, place.study) if p.arm == place.arm]
    metrics = own.metrics if own else BUILT_IN
    name, metric = next(iter(metrics.items()))
    values = [value for id in arm if id in kept and (value := _value(kept[id].metrics, name)) is not None]
    again = (out / "metrics.json").read_bytes()
    found, middle, half = _value(again, name), mean(values), _half(values, _value(again, metric.of))
    where = f"on another {', '.join(others)}" if others else "by a trainer that is not called deterministic"
    if found is None or middle is None or half is None:
        return Trained(paper, "not checked", f"{run.id}: {where}, and its arm has too few unlike runs to judge by")
    ours, allowed, most = (f"{metric.factor * value:.{metric.places}f}" for value in (found, middle, half))
    said = f"{name} {ours} {metric.shown_unit}".rstrip() + f" where its arm allows {allowed} ± {most}"
    return Trained(paper, "within its arm" if abs(found - middle) <= half else "wrong", f"{run.id}: {where}, {said}")


def _value(metrics: bytes, name: str | None) -> float | None:
    """Of metrics.json."""
    found: float | None = json.loads(metrics).get(name)
    return found


def _half(values: list[float], images: float | None) -> float | None:
    """For one more run: the arm's scatter, of a share of so many images no less than that of one.

    None for fewer values than an interval takes, and where they are all alike.
    """
    if not images:
        return one_more(values) if len(set(values)) > 1 else None
    share = sum(values) / max(1, len(values))
    return one_more(values, least=math.sqrt(share * (1 - share) / images)) or None
