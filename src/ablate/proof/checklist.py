"""Checklists of venues, as far as run records answer them; what they cannot answer is left open by name."""

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from urllib.parse import quote

from ablate.files import read_json
from ablate.inert import in_markdown
from ablate.plan.cost import NETWORKS
from ablate.plan.params import Dataset
from ablate.plan.project import Project
from ablate.plan.receipts import check
from ablate.plan.run_records import RunRecords
from ablate.plan.runs import ENDED, OwnRun
from ablate.proof.again import RESULTS
from ablate.proof.own import own_code

OPEN = "Open."  # begins what its authors must answer
MOST = 4  # counts of images that are told, the most frequent first
# Items in our own words: the name that an item goes by, and which of `ANSWERS` answers it; none: its authors must.
NEURIPS: dict[str, str | None] = {
    "Claims: do the results bear out what abstract and introduction say?": "claims",
    "Limitations: what does the work not show?": "limitations",
    "Theory: are assumptions and proofs complete?": None,
    "Reproducibility: is all there that is needed to get the main results again?": "again",
    "Open code and data: can others get both, with instructions?": "code",
    "Experimental setting: are splits, hyperparameters and how they were chosen stated?": "settings",
    "Statistical significance: are there error bars, and what do they stand for?": "spread",
    "Compute: on which machines, with how much memory, for how long?": "compute",
    "Ethics: does the work follow the code of ethics?": None,
    "Broader impact: which harms and benefits may follow?": None,
    "Safeguards: what keeps released models or data from misuse?": None,
    "Assets of others: are creators credited, and licences and terms named?": "licences",
    "New assets: are they documented?": "kept",
    "People: what were participants told and paid?": None,
    "Review boards: was research on people approved?": None,
    "Language models: what part did they have in the method?": None,
}
ACL: dict[str, str | None] = {
    "A1 Limitations": "limitations",
    "A2 Risks": None,
    "B1 Creators of the artifacts that were used are cited": None,
    "B2 Licences and terms of artifacts": "licences",
    "B3 Artifacts are used as they were meant to be": None,
    "B4 Data that name or offend people": None,
    "B5 Documentation of artifacts": "kept",
    "B6 Counts of examples, and splits": "splits",
    "C1 Size of models, compute in all, and machines": "compute",
    "C2 Setup, hyperparameters and how they were chosen": "settings",
    "C3 Means, spreads and how many runs they are of": "spread",
    "C4 Packages with versions and settings": "packages",
    "D Annotators and participants": None,
    "E Assistants for writing or code": None,
}
COMPLETENESS: dict[str, str | None] = {
    "Dependencies are listed": "packages",
    "Code that trains": "again",
    "Code that evaluates": "evaluation",
    "Trained models": None,
    "A table of results, and the commands that give it": "tables",
}
LISTS = {"neurips": NEURIPS, "acl": ACL, "completeness": COMPLETENESS}
TITLES = {"neurips": "NeurIPS paper checklist", "acl": "ACL responsible research checklist",
          "completeness": "Code completeness"}  # fmt: skip


def checklist(name: str, project: Project, folder: Path = Path()) -> str:
    """The list ``name`` of `LISTS` for a scale, in Markdown, with links from ``folder``, where it is to lie.

    Raises:
        UserError: For records that are damaged, and for claims that were edited.
    """
    facts, scale = _Facts(project, folder), project.params.scale
    answers = {item: (ANSWERS[key](facts) if key else None) or OPEN for item, key in LISTS[name].items()}
    done = sum(not answer.startswith(OPEN) for answer in answers.values())
    head = f"# {TITLES[name]}: what the runs of the scale {scale} answer\n\n{done} of {len(answers)} items, from "
    head += f"{facts.at(facts.folder)}; the others are for the authors. Items are in words of this project.\n"
    lines = [f"- [{' ' if answer.startswith(OPEN) else 'x'}] **{item}** {answer}" for item, answer in answers.items()]
    return "\n".join([head, *lines]) + "\n"


class _Facts:
    """What run records say of a scale."""

    def __init__(self, project: Project, beside: Path) -> None:
        self.project, self.folder, self._beside = project, RESULTS / project.params.scale, beside
        records = RunRecords(project.plan).runs
        self.runs = {id: records[id] for id in project.plan.runs if id in records}
        self.told = [kept.told for kept in self.runs.values()]

    def at(self, place: Path | str) -> str:
        """A link to a file of this folder; a study of one's own has some in the package alone."""
        if Path(place).exists():
            return f"[{place}]({quote(Path(os.path.relpath(place, self._beside)).as_posix())})"
        return f"`{place}` of ablate"

    @property
    def datasets(self) -> dict[str, Dataset]:
        """Those that planned runs use."""
        used = {run.settings.dataset for run in self.project.plan.runs.values()}
        return {name: spec for name, spec in self.project.params.datasets.items() if name in used}

    @property
    def seeds(self) -> Counter[int]:
        """{seeds that ended: how many arms}, of the arms that have any."""
        arms = Counter(
            (p.paper, p.study, p.arm)
            for p in self.project.plan.planned
            if p.run.id in self.runs and self.runs[p.run.id].ended.status in ENDED
        )
        return Counter(arms.values())


def _claims(facts: _Facts) -> str | None:
    file = facts.folder / "claims.json"
    if not file.exists():
        return None
    check(facts.folder, [file])
    return f"{read_json(file)['tally']} Each with its finding: {facts.at(facts.folder / 'claims.md')}."


def _limitations(facts: _Facts) -> str | None:
    if not facts.runs:
        return None
    missing = len(facts.project.plan.runs) - len(facts.runs)
    planned = facts.project.record.runs
    marked = sum(p.contaminated for p in planned if p.run in facts.runs)
    unlike = sum(bool(p.deviations) for p in planned if p.run in facts.runs)
    return (
        f"{missing} of {len(facts.project.plan.runs)} planned runs have no record; {marked} start from weights that "
        f"have seen the images; {unlike} deviate from the papers' protocol in their settings. What verdicts do not "
        f"say: {facts.at('docs/verdicts.md')}. Limits of the argument itself are for the authors."
    )


def _again(facts: _Facts) -> str | None:
    if not facts.runs:
        return None
    return (
        f"`ablate verify --scale {facts.project.params.scale}` gives every table, figure and finding again from the "
        f"records of {len(facts.runs)} runs; `snakemake --cores 8 all --config scale={facts.project.params.scale}` "
        "trains them."
    )


def _code(facts: _Facts) -> str | None:
    commits = Counter(str((told.get("git") or {}).get("commit"))[:12] for told in facts.told)
    if not commits:
        return None
    edited = sum(bool((told.get("git") or {}).get("dirty")) for told in facts.told)
    data = dict.fromkeys(text for spec in facts.datasets.values() for text in _origin(spec))
    whence = f"Data: {', '.join(data)}, each accepted by its SHA-256 ({facts.at('params.yaml')}). " if data else ""
    return (
        f"Code: {', '.join(f'{commit} ({n} runs)' for commit, n in commits.items())}; {edited} of an edited tree. "
        f"{whence}Instructions: {facts.at('README.md')}."
    )


def _origin(spec: Dataset) -> Sequence[str]:
    """Where the images of a data set come from."""
    if spec.variant == "embedded":
        return ["generated"]
    return ["a copy of one's own"] if spec.path or not spec.urls else spec.urls


def _settings(facts: _Facts) -> str | None:
    if not facts.runs:
        return None
    return (
        f"Every value: {facts.at('params.yaml')}; what a paper leaves open and was chosen: "
        f"{facts.at('docs/papers.md' if Path('docs/papers.md').exists() else 'papers')}; of each run: its `run.json` "
        f"in the records. {_splits(facts) or ''}".strip()
    )


def _splits(facts: _Facts) -> str | None:
    said = []
    for name in facts.project.params.datasets:
        file = facts.folder / "data" / f"{name}.json"
        if file.exists():
            check(facts.folder, [file])
            found = read_json(file)
            parts = ", ".join(f"{to - at} {split}" for split, (at, to) in found["splits"].items())
            leaks = found["duplicates"]["exact"]["val_images_with_a_twin_in_train"]
            said.append(f"{name}: {parts}, {len(found['classes'])} classes, {leaks} validation images also in train")
    kinds = ("n_train", "n_val", "n_test")
    every = [{name: n for name in kinds if (n := json.loads(kept.metrics).get(name))} for kept in facts.runs.values()]
    counted = Counter(", ".join(f"{n:,} {name[2:]}" for name, n in found.items()) for found in every if found)
    if counted:
        of = [f"{images} ({n} runs)" for images, n in counted.most_common(MOST)]
        said.append(f"images of a run: {'; '.join(of)}" + "; and others" * (len(counted) > MOST))
    return f"{'; '.join(said)}." if said else None


def _spread(facts: _Facts) -> str | None:
    if not facts.seeds:
        return None
    arms = ", ".join(f"{n} arms with {seeds} seeds" for seeds, n in sorted(facts.seeds.items()))
    return (
        f"{arms}. Half widths in tables are those of 95 % intervals of the mean by Student's t over seeds; findings "
        "have one family of simultaneous intervals for each paper, over seeds and images "
        f"({facts.at('docs/verdicts.md')})."
    )


def _compute(facts: _Facts) -> str | None:
    told = [told for told in facts.told if (told.get("trainer") or {}).get("results") is None]
    if not told:
        return None
    seconds = [float(each["wall_s"]) for each in told]
    hours, middle = sum(seconds) / 3600, median(seconds)
    devices = Counter(str(each["device"]) for each in told)
    peaks = [float(each["peak_memory_mb"]) for each in told if each.get("peak_memory_mb")]
    models = sorted({facts.project.plan.runs[id].settings.model for id in facts.runs})
    sizes = ", ".join(f"{name} {NETWORKS[name][2] / 1e6:.2f} M" for name in models if name in NETWORKS)
    imported = len(facts.told) - len(told)
    return (
        f"{len(told)} runs on {', '.join(f'{in_markdown(name)} ({n})' for name, n in devices.items())}: "
        f"{hours:.1f} hours of their last starts, half of them below {middle:.0f} s, the longest "
        f"{max(seconds):.0f} s, with at most {max(peaks, default=0) / 1000:.1f} GB of main memory."
        + f" {imported} runs were imported, and their machines are not known." * bool(imported)
        + f" Parameters: {sizes}." * bool(sizes)
    )


def _packages(facts: _Facts) -> str | None:
    found = Counter(f"{name} {v}" for told in facts.told for name, v in (told.get("versions") or {}).items())
    pins = next((name for name in ("requirements.lock", "requirements.txt") if Path(name).exists()), None)
    listed = f"{facts.at(pins)}; " if pins else ""
    return f"{listed}runs had {', '.join(sorted(found))}." if found else None


def _licences(facts: _Facts) -> str | None:
    """What is known: where data came from. No step asks for their terms."""
    origins = [f"{name} ({', '.join(_origin(spec))})" for name, spec in facts.datasets.items()]
    return f"{OPEN} Used are {'; '.join(origins)}; no licence of theirs is recorded here." if origins else None


def _kept(facts: _Facts) -> str | None:
    if not facts.runs:
        return None
    return (
        "Runs: `ablate export crate`; data sets as they were used: `ablate export croissant`; weights: a card by "
        "`ablate keep RUN`."
    )


def _evaluation(facts: _Facts) -> str | None:
    runs = [facts.project.plan.runs[id] for id in facts.runs]
    said = "; each run's answers, image by image, are in its record"
    ours = [facts.at("src/ablate/train/evaluate.py") + said] if not all(isinstance(r, OwnRun) for r in runs) else []
    files = dict.fromkeys(path for run in runs for path in own_code(run, facts.project.params.trainers))
    return f"{'; '.join([*ours, *map(facts.at, files)])}." if runs and (ours or files) else None


def _tables(facts: _Facts) -> str | None:
    n = len(list(facts.folder.glob("*/table-*.md")))
    if not n:
        return None
    scale = facts.project.params.scale
    return f"{n} tables below {facts.at(facts.folder)}; `ablate render --scale {scale} --partial` makes them."


ANSWERS: Mapping[str, Callable[[_Facts], str | None]] = {
    "claims": _claims, "limitations": _limitations, "again": _again, "code": _code, "settings": _settings,
    "splits": _splits, "spread": _spread, "compute": _compute, "packages": _packages, "kept": _kept,
    "evaluation": _evaluation, "tables": _tables, "licences": _licences,
}  # fmt: skip
