"""Results that nobody trained: a plan, and run folders with numbers that a test chooses."""

import json
from pathlib import Path
from typing import Any

from ablate.papers.claim import Claim
from ablate.papers.paper import Paper, Reported
from ablate.papers.protocol import Deviation, Own, Stated
from ablate.plan.names import arm_name
from ablate.plan.record import PlanRecord, read_plan
from ablate.records import check_record
from ablate.results.collect import collect
from ablate.results.study import StudyResults, study_results
from ablate.seals import sealed, sha256_of
from ablate.verdicts.evidence import Evidence
from ablate.verdicts.verdict import Part
from conftest import PAPER

SETTINGS = {"dataset": "d", "model": "net1", "optimizer": "sgd", "lr": 0.1, "epochs": 2, "batch_size": 4}


def vouch(folder: Path, **changes: Any) -> None:
    """Write the manifest in ``folder`` as if training had written the files there, for the run of its name."""
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text()) if file.exists() else {}
    manifest["key"] = manifest.get("key", {}) | {"run": folder.name}
    manifest["files"] = {path.name: sha256_of(path) for path in folder.iterdir() if path != file}
    file.write_text(json.dumps(sealed(manifest | changes)))


class Fabricated:
    """results/<scale>/plan.json, runs/ and papers/p.yaml below ``folder``, for one paper, p."""

    def __init__(self, folder: Path, scale: str = "demo") -> None:
        self.runs, self.papers, self.collected = folder / "runs", folder / "papers", folder / f"results/{scale}/p"
        self.plan = folder / f"results/{scale}/plan.json"
        self.record: dict[str, Any] = {"scale": scale, "looks": [], "adaptive": None, "studies": {}, "runs": []}
        self.papers.mkdir(parents=True)
        (self.papers / "p.yaml").write_text(PAPER)

    def study(self, name: str, axes: list[str], tables: dict[str, str], figures: dict[str, str]) -> None:
        study = {"title": f"Study {name}", "axes": axes, "tables": tables, "figures": figures}
        self.record["studies"][f"p/{name}"] = study
        self._write()

    def run(
        self,
        study: str,
        levels: dict[str, str],
        seed: int,
        *,
        settings: dict[str, Any] | None = None,
        predictions: str = "test,0,0,0,0.9\n",
        wall_s: float = 60.0,
        plan: dict[str, Any] | None = None,
        **metrics: Any,
    ) -> str:
        """Plan a run and write its folder; returns its id. ``metrics`` are those of metrics.json."""
        arm = arm_name(levels.values())
        name = f"{study}_{'-'.join(levels.values())}_s{seed}".replace(" ", "")
        wanted = SETTINGS | (settings or {})
        entry = {"run": name, "paper": "p", "study": study, "arm": arm, "seed": seed, "levels": levels}
        entry |= {"settings": wanted, "facts": {}, "contaminated": False, "deviations": {}}
        entry |= {"n_classes": 200, "image_size": 64, "trainable": 500} | (plan or {})
        self.record["runs"].append(entry)
        self._write()
        return self.train(entry, predictions=predictions, wall_s=wall_s, **metrics)

    def train(
        self, entry: dict[str, Any], *, predictions: str = "test,0,0,0,0.9\n", wall_s: float = 60.0, **metrics: Any
    ) -> str:
        """Write the folder of a planned run; returns its id."""
        name, seed, wanted = str(entry["run"]), entry["seed"], entry["settings"]
        folder = self.runs / name
        folder.mkdir(parents=True)
        metrics = {"status": "done", "epochs": 2} | metrics
        top1 = [metrics.get(key, 0) for key in ("train_top1", "val_top1")]
        files = {
            "metrics.json": json.dumps(metrics),
            "history.csv": f"epoch,train_top1,val_top1\n1,0.1,0.1\n2,{top1[0]},{top1[1]}\n",
            "run.json": json.dumps({"run": name, "seed": seed, "settings": wanted}),
            "predictions.csv": f"split,position,label,predicted,probability\n{predictions}",
            "filters.npy": "",
        }  # fmt: skip
        for file, text in files.items():
            (folder / file).write_text(text)
        manifest = {
            "git": {"commit": None, "dirty": None}, "device": "cpu", "threads": 1, "images_per_s": 1.0,
            "data": {"archive": {"digest": "embedded"}, "pack": "0" * 64}, "wall_s": wall_s,
            "command": ["ablate", "train", "--run", f"the record of {name}"], "training": f"of {name}",
        }  # fmt: skip
        (folder / "manifest.json").write_text(json.dumps(manifest))
        vouch(folder)
        return name

    def _write(self) -> None:
        self.plan.parent.mkdir(parents=True, exist_ok=True)
        self.plan.write_text(json.dumps(sealed(self.record)))

    def planned(self) -> PlanRecord:
        """The plan as later steps read it."""
        self._write()
        return read_plan(self.plan)

    def collect(self, *, partial: bool = False) -> None:
        collect(self.plan, self.runs, "p", self.collected, partial=partial)

    def results(self, study: str, *, partial: bool = False) -> StudyResults:
        self.collect(partial=partial)
        return study_results(self.plan, self.collected, self.papers, study, self.runs)


def reported(**fields: Any) -> Reported:
    """A number that a paper prints."""
    fields["value"] = float(fields["value"])
    return Reported(**{"id": "number", "where": "Table 1", "quote": "as printed"} | fields)


def paper(
    *entries: Reported, deviations: tuple[Deviation, ...] = (), own: tuple[Own, ...] = (), **stated: Any
) -> Paper:
    """One that states the settings ``stated``."""
    protocol = Stated(what="x", stated="y", where="z", settings=stated)
    return Paper(title="A paper", authors="Somebody", reference="Somewhere", protocol=(protocol,), reported=entries,
                 silent=(), deviations=deviations, own=own)  # fmt: skip


def deviation(what: str, **where: tuple[str, ...]) -> Deviation:
    return Deviation.model_validate({"what": what, "why": "because", **where})


def claim(**fields: Any) -> Claim:
    """One of the study s, as it would be read from a file."""
    raw = {"id": "c", "quote": "q", "where": "w", "why": "Because.", "margin": 0.02, "study": "s"} | fields
    return check_record(Claim, {k: v for k, v in raw.items() if v is not None}, "p.yaml")


def by_seed(found: Evidence, part: Part) -> dict[int, float]:
    """The contrast within each seed in which every arm of it has a number that counts."""
    arms = [found.arms[arm].values for arm in part.weights]
    seeds = set.intersection(*({*values} for values in arms)) if arms else set()
    of_seed = {
        s: sum(w * values[s] for w, values in zip(part.weights.values(), arms, strict=True)) - part.claimed
        for s in sorted(seeds)
    }
    return {s: round(value, 9) for s, value in of_seed.items()}
