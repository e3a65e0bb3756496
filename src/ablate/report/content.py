"""What the page shows at once: the board, each paper's studies with tables and figures, and the data sets."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from ablate.csv_text import read_rows, read_text
from ablate.data.assurance import CHECKED, UNSEEN, accepted
from ablate.files import read_json
from ablate.papers.marks import MEANING, totals
from ablate.papers.paper import Paper, read
from ablate.papers.words import words
from ablate.plan.health import legend
from ablate.plan.metrics import BUILT_IN, Metric, together
from ablate.plan.names import called_arm, shown_arm, title_of
from ablate.plan.record import PlannedRun, PlanRecord
from ablate.plan.runs import ENDED
from ablate.report.packed import Asset, figure, opened
from ablate.results.study import other_images
from ablate.results.table import ALL, in_words, read_again, shown
from ablate.verdicts.rubric import rubrics

SAVED = (".csv", ".md", ".tex")  # of each table


def every_metric(plan: PlanRecord) -> dict[str, Metric]:
    """What the built-in trainer and the plan's own measure; of one name, an own trainer's."""
    own = (trainer.metrics for trainer in plan.trainers.values())
    return {**BUILT_IN, **together(own)} if plan.trainers else {**BUILT_IN}


def _metric(name: str, metric: Metric) -> dict[str, Any]:
    """As the page shows it."""
    unit = metric.shown_unit
    return {
        "label": f"{metric.words or name} ({unit})" if unit else metric.words or name,
        "factor": metric.factor,
        "unit": unit,
        "apart": metric.of_differences,
        "places": metric.places,
        "own": BUILT_IN.get(name) != metric,
    }


class Page:
    """All that the page has but its runs: ``content`` is drawn at once, the rest when it is asked for."""

    def __init__(self, plan: PlanRecord, papers: Path, collected: Path) -> None:
        self._folder = collected
        self._papers = {name: read(papers / f"{name}.yaml", plan) for name in plan.papers}
        self._rubrics = rubrics(self._papers, plan, collected)
        self.assets: dict[str, Asset] = {}  # by id
        self.photographs: dict[str, Image.Image] = {}  # by id
        self.files: dict[str, str] = {}  # to be saved as they are, by their place in results/<scale>
        self.sources: dict[str, Any] = {}  # of a table: {row: {column: {run: value}}}
        self.data = _data(collected, sorted({p.settings.dataset for p in plan.runs} - {""}))
        self.content: dict[str, Any] = {
            "scale": plan.scale,
            "note": plan.note(),
            "health": legend(plan.health),
            "metrics": {name: _metric(name, metric) for name, metric in every_metric(plan).items()},
            "runs": len({p.run for p in plan.runs}),
            "board": self._board(plan),
            "papers": [self._paper(plan, name) for name in plan.papers],
            "data": [self._data_set(name, facts) for name, facts in self.data.items()],
            "checks": f"{CHECKED} {UNSEEN}",
            "marks": MEANING,
        }

    def _board(self, plan: PlanRecord) -> dict[str, Any]:
        board: dict[str, Any] = {"claims": [], "controls": [], "tally": "", "frozen": {}, "looked": ""}
        file = self._folder / "claims.json"
        if file.exists():
            board |= read_json(file)
            self._keep("claims", ".json", *SAVED)
        board["claims"] = [
            found
            for found in board["claims"]
            if found["paper"] in plan.papers
            and found["claim"].get("study") in (None, *plan.studies_of(found["paper"]))
        ]
        return board | {
            "tables": {
                name: self._of_papers(name, plan.papers) for name in ("evidence", "models", "power", "comparison")
            },
            "power": self._asset("power", figure(self._folder / "power.svg")),
        }

    def _of_papers(self, name: str, papers: Collection[str]) -> dict[str, Any]:
        """A table of the scale, without the rows of papers that the page leaves out."""
        table = self._table(name, ".")
        if table["rows"] is None or "paper" not in table["columns"]:
            return table
        at = table["columns"].index("paper")
        kept = [n for n, row in enumerate(table["rows"]) if row[at] in (*papers, ALL)]
        return table | {key: [table[key][n] for n in kept] for key in ("rows", "labels")}

    def _paper(self, plan: PlanRecord, name: str) -> dict[str, Any]:
        paper, rubric = self._papers[name], self._rubrics[name]
        runs = self._folder / name / "runs.csv"
        rows = read_rows(runs, "study", "run", "status", "data") if runs.exists() else []
        self._keep(f"{name}/runs", ".csv")
        every = plan.of(name)
        return {
            "id": name,
            "title": paper.title or title_of(name),
            "authors": paper.authors or "",
            "reference": paper.reference or "",
            "comparison": self._table("comparison", name),
            "marks": [[mark.kind, mark.id, mark.what, mark.where, *mark.words] for mark in rubric],
            "totals": totals(rubric),
            "printed": {
                e.id: {
                    "place": ", ".join(filter(None, [e.source or paper.title or name, e.where])),
                    "quote": e.quote or f"{e.value:g}",
                    "note": e.note or "",
                }
                for e in paper.reported
            },
            "studies": [
                self._study(plan, paper, name, key, [p for p in every if p.study == key], rows)
                for key in plan.studies_of(name)
            ],
        }

    def _study(
        self,
        plan: PlanRecord,
        record: Paper,
        paper: str,
        name: str,
        planned: list[PlannedRun],
        rows: list[dict[str, str]],
    ) -> dict[str, Any]:
        study, runs = plan.studies_of(paper)[name], {row["run"]: row for row in rows if row["study"] == name}
        arms = list(dict.fromkeys(p.arm for p in planned))
        names = {**study.show, **{arm: text for arm in arms if (text := shown_arm(arm, study.show)) != arm}}
        there = [runs[p.run] for p in planned if p.run in runs]
        return {
            "id": name,
            "title": study.title,
            "words": words(record, planned, plan.scale, other_images(row["data"] for row in there)).sentences,
            "axes": study.axes,
            "arms": arms,
            "runs": len(planned),
            "ended": sum(row["status"] in ENDED for row in there),
            "names": {arm: called for arm in arms if (called := called_arm(arm, study.axes, study.show)) != arm},
            "tables": [self._table(table, paper, names) for table in study.tables],
            "figures": [
                {
                    "id": each,
                    "asset": self._asset(f"{paper}/{each}", figure(self._folder / paper / f"{each}.svg")),
                    **_caption(self._folder / paper / each),
                }
                for each in study.figures
            ],
        }

    def _data_set(self, name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        folder = self._folder / "data"
        kept = ("images", "train", "image_size", "classes", "words", "grayscale", "archive", "sha256", "duplicates")
        return {
            "id": name,
            **{key: facts[key] for key in kept},
            "accepted": accepted(facts["archive"]),
            "sheets": {
                what: self._asset(f"data/{name}-{what}", opened(folder / f"{name}-{what}.jpg"))
                for what in ("samples", "duplicates")
            },
        }

    def _asset(self, id: str, made: Asset | Image.Image | None) -> str | None:
        """By what the page finds it; None where it is missing."""
        if made is None:
            return None
        if isinstance(made, Asset):
            self.assets[id] = made
        else:
            self.photographs[id] = made
        return id

    def _keep(self, place: str, *suffixes: str) -> None:
        """To be saved from the page."""
        files = {f"{place}{suffix}": self._folder / f"{place}{suffix}" for suffix in suffixes}
        self.files |= {name: file.read_text(encoding="utf-8") for name, file in files.items() if file.exists()}

    def _table(self, name: str, place: str, names: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Its columns' names and its rows, as text; rows is None where there is no such file.

        ``names`` are what readers see in place of a cell or a column's name.
        """
        csv, id = self._folder / place / f"{name}.csv", (Path(place) / name).as_posix()
        table: dict[str, Any] = {"id": id, "name": name, "columns": [], "heads": [], "rows": None, "labels": []}
        if not csv.exists():
            return table
        frame = read_text(csv)
        if "" not in frame:  # else the other columns are arms, whatever they are called
            frame = shown(read_again(frame)) if not frame.empty else frame
        sources = csv.with_suffix(".runs.json")
        found = read_json(sources) if sources.exists() else {}
        self.sources[id] = found
        # A row goes by its label in .runs.json; one that is written across has its column's name there.
        labels = list(found) if "" not in frame and len(found) == len(frame) else list(frame.iloc[:, 0])
        self._keep(id, *SAVED)

        def seen(text: str) -> str:
            return (names or {}).get(text, text)

        return table | {
            "columns": list(map(str, frame.columns)),  # by which a cell is asked for
            "heads": [in_words(column) if seen(column) == column else seen(column) for column in map(str, frame)],
            "rows": frame.map(seen).to_numpy().tolist(),
            "labels": list(map(str, labels)),
            **_caption(csv.with_suffix("")),
        }


def _caption(stem: Path) -> dict[str, Any]:
    """What a table's or a figure's own caption says, where one lies beside its files."""
    file = stem.with_name(f"{stem.name}.caption.json")
    found = read_json(file) if file.exists() else {}
    names = {"title": "title", "text": "caption", "alt": "alt", "notes": "notes"}
    return {name: found[key] for key, name in names.items() if key in found}


def _data(folder: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """{data set: what `ablate describe` found in it}, of those that it has described."""
    files = {name: folder / "data" / f"{name}.json" for name in names}
    return {name: read_json(file) for name, file in files.items() if file.exists()}
