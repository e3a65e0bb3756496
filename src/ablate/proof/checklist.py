"""Checklists of venues, as far as run records answer them; what they cannot answer is left open by name."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from ablate.files import read_json
from ablate.inert import in_markdown
from ablate.plan.cost import NETWORKS
from ablate.plan.params import Dataset
from ablate.plan.project import Project
from ablate.plan.receipts import check
from ablate.plan.run_records import RunRecords
from ablate.plan.runs import ENDED
from ablate.proof.again import RESULTS

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
    "Assets of others: are creators credited, and licences and terms named?": None,
    "New assets: are they documented?": "kept",
    "People: what were participants told and paid?": None,
    "Review boards: was research on people approved?": None,
    "Language models: what part did they have in the method?": None,
}
ACL: dict[str, str | None] = {
    "A1 Limitations": "limitations",
    "A2 Risks": None,
    "B1 Creators of the artifacts that were used are cited": None,
    "B2 Licences and terms of artifacts": None,
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


def checklist(name: str, project: Project) -> str:
    """The list ``name`` of `LISTS` for a scale, in Markdown.

    Raises:
        UserError: For records that are damaged, and for claims that were edited.
    """
    facts, scale = _Facts(project), project.params.scale
    answers = {item: ANSWERS[key](facts) if key else None for item, key in LISTS[name].items()}
    done = sum(answer is not None for answer in answers.values())
    head = f"# {TITLES[name]}: what the runs of the scale {scale} answer\n\n{done} of {len(answers)} items, from "
    head += f"`{facts.folder}`; the others are for the authors. Items are in words of this project.\n"
    lines = [f"- [{'x' if answer else ' '}] **{item}** {answer or 'Open.'}" for item, answer in answers.items()]
    return "\n".join([head, *lines]) + "\n"


class _Facts:
    """What run records say of a scale."""

    def __init__(self, project: Project) -> None:
        self.project, self.folder = project, RESULTS / project.params.scale
        records = RunRecords(project.plan).runs
        self.runs = {id: records[id] for id in project.plan.runs if id in records}
        self.told = [kept.told for kept in self.runs.values()]

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
    return f"{read_json(file)['tally']} Each with its finding: `{facts.folder}/claims.md`."


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
        "say: `docs/verdicts.md`. Limits of the argument itself are for the authors."
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
    used = {run.settings.dataset for run in facts.project.plan.runs.values()}
    data = [text for name, spec in facts.project.params.datasets.items() if name in used for text in _origin(spec)]
    return (
        f"Code: {', '.join(f'{commit} ({n} runs)' for commit, n in commits.items())}; {edited} of an edited tree. "
        f"Data: {', '.join(dict.fromkeys(data))}, each accepted by its SHA-256 (`params.yaml`). "
        "Instructions: `README.md`."
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
        "Every value: `params.yaml`; what a paper leaves open and was chosen: `docs/papers.md`; of each run: its "
        f"`run.json` in the records. {_splits(facts) or ''}"
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
    return f"{'; '.join(said)}." if said else None


def _spread(facts: _Facts) -> str | None:
    if not facts.seeds:
        return None
    arms = ", ".join(f"{n} arms with {seeds} seeds" for seeds, n in sorted(facts.seeds.items()))
    return (
        f"{arms}. Half widths in tables are those of 95 % intervals of the mean by Student's t over seeds; findings "
        "have one family of simultaneous intervals for each paper, over seeds and images (`docs/verdicts.md`)."
    )


def _compute(facts: _Facts) -> str | None:
    if not facts.told:
        return None
    seconds = [float(told["wall_s"]) for told in facts.told]
    hours, middle = sum(seconds) / 3600, median(seconds)
    devices = Counter(str(told["device"]) for told in facts.told)
    peaks = [float(told["peak_memory_mb"]) for told in facts.told if told.get("peak_memory_mb")]
    models = sorted({facts.project.plan.runs[id].settings.model for id in facts.runs})
    sizes = ", ".join(f"{name} {NETWORKS[name][2] / 1e6:.2f} M" for name in models if name in NETWORKS)
    return (
        f"{len(facts.told)} runs on {', '.join(f'{in_markdown(name)} ({n})' for name, n in devices.items())}: "
        f"{hours:.1f} hours of their last starts, half of them below {middle:.0f} s, at most "
        f"{max(peaks, default=0) / 1000:.1f} GB of memory. Parameters: {sizes}."
    )


def _packages(facts: _Facts) -> str | None:
    found = Counter(f"{name} {v}" for told in facts.told for name, v in (told.get("versions") or {}).items())
    return f"`requirements.lock`; runs had {', '.join(sorted(found))}." if found else None


def _kept(facts: _Facts) -> str | None:
    if not facts.runs:
        return None
    return (
        "Runs: `ablate export crate`; data sets as they were used: `ablate export croissant`; weights: a card by "
        "`ablate keep RUN`."
    )


def _evaluation(facts: _Facts) -> str | None:
    return (
        "`src/ablate/train/evaluate.py`; each run's answers, image by image, are in its record."
        if facts.runs
        else None
    )


def _tables(facts: _Facts) -> str | None:
    n = len(list(facts.folder.glob("*/table-*.md")))
    if not n:
        return None
    scale = facts.project.params.scale
    return f"{n} tables below `{facts.folder}`; `ablate render --scale {scale} --partial` makes them."


ANSWERS: Mapping[str, Callable[[_Facts], str | None]] = {
    "claims": _claims, "limitations": _limitations, "again": _again, "code": _code, "settings": _settings,
    "splits": _splits, "spread": _spread, "compute": _compute, "packages": _packages, "kept": _kept,
    "evaluation": _evaluation, "tables": _tables,
}  # fmt: skip
