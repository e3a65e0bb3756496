"""Built, ran, matches. Oracle: fabricated runs and a paper that prints numbers of them, counted by hand."""

from pathlib import Path

from ablate.papers.marks import KINDS, Mark, by_name, totals
from ablate.papers.paper import read
from ablate.tables.comparison import write_comparison
from ablate.verdicts.claims_table import write_claims
from ablate.verdicts.rubric import rubrics
from fabricated import Fabricated

ENTRIES = """reported:
  - {id: near, value: 0.32, metric: val_top1, study: s, arm: one, where: "Table 1, row 1", quote: q}
  - {id: far, value: 0.9, metric: val_top1, study: s, arm: one, where: "Table 1, row 2", quote: q}
  - {id: lost, value: 0.5, metric: val_top1, study: s, arm: two, where: "Fig. 12", quote: q}
  - {id: time, value: 3, metric: wall_min, study: s, arm: one, where: "Table 2", quote: q}
  - {id: count, value: 57823240, metric: parameters, model: alexnet, where: "Fig. 1", quote: q}
  - {id: other-count, value: 5, metric: parameters, model: alexnet, where: "Fig. 1", quote: q}
items:
  - {item: Table 1, what: accuracies, where: "1", ours: [table-1, figure-12]}
  - {item: Table 2, what: a drawing, where: "1", lacks: nobody knows how}
  - {item: Fig. 1, what: layers, where: "1", ours: [figure-1]}
  - {item: Fig. 12, what: curves, where: "1", ours: [figure-12], lacks: its second panel}
"""
ORDER = 'kind: order, metric: val_top1, study: s, margin: 0.05, why: Because., where: "1", quote: q'
CLAIMS = f"""claims:
  - {{id: better, arms: [one, three], {ORDER}}}
  - {{id: unknown, arms: [one, two], {ORDER}}}
  - {{id: smaller, kind: order, metric: parameters, arms: [alexnet, resnet18], margin: 0, why: w, where: "1",
     quote: q}}
"""


def made(folder: Path, digest: str) -> dict[tuple[str, str], Mark]:
    """The marks of a study whose arm one has three runs of three, two none, three all three."""
    study = Fabricated(folder)
    paper = study.papers / "p.yaml"
    paper.write_text(paper.read_text().replace("reported: []\n", ENTRIES) + CLAIMS)
    study.study("s", ["net"], {"table-1": "accuracy"}, {"figure-1": "network:alexnet", "figure-12": "curves"})
    lost = []
    for arm, top in (("one", 0.30), ("two", 0.5), ("three", 0.1)):
        for seed in range(3):
            run = study.run("s", {"net": arm}, seed, val_top1=top + 0.02 * seed, train_top1=top, n_val=100)
            lost += [run] if arm == "two" else []
    for run in lost:
        (study.runs / run / "metrics.json").unlink()
    study.collect(partial=True)
    runs = study.collected / "runs.csv"
    runs.write_text(runs.read_text().replace("embedded", digest))
    write_comparison(study.plan, study.papers, study.plan.parent / "comparison.csv")
    write_claims(study.plan, study.papers, study.runs, study.plan.parent / "claims.json")
    return dict(by_name(rubrics({"p": read(paper)}, study.planned(), study.plan.parent)["p"]))


def test_each_has_come_as_far_as_its_runs(tmp_path: Path) -> None:
    """Of 30, 32 and 34 %, one more lies within 32 ± 9.9 (4.303 x 2 x sqrt(4 / 3)): 32 % does and 90 % does not."""
    found = {key: mark.words for key, mark in made(tmp_path, "official").items()}
    assert found["number", "near"] == ("yes", "3 of 3 runs", "yes")
    assert found["number", "far"] == ("yes", "3 of 3 runs", "no")
    assert found["number", "lost"] == ("yes", "0 of 3 runs", "not run")
    assert found["number", "time"] == ("yes", "3 of 3 runs", "not comparable: another machine")
    assert found["number", "count"] == ("yes", "needs no run", "yes")
    assert found["number", "other-count"] == ("yes", "needs no run", "+57,823,235")
    assert found["item", "Table 1"] == ("yes", "6 of 9 runs", "1 of 2 numbers")
    assert found["item", "Table 2"] == ("no", "not run", "not comparable: another machine")
    assert found["item", "Fig. 1"] == ("yes", "needs no run", "1 of 2 numbers")  # and not those of Fig. 12
    assert found["item", "Fig. 12"] == ("in part", "6 of 9 runs", "0 of 1 number")
    assert found["claim", "better"][:2] == ("yes", "6 of 6 runs")
    assert found["claim", "unknown"] == ("yes", "3 of 6 runs", "not testable")
    assert found["claim", "smaller"] == ("yes", "needs no run", "as claimed")


def test_totals_count_what_could_be(tmp_path: Path) -> None:
    marks = [*made(tmp_path, "official").values()]
    found = totals(marks)
    assert found["built"] == "2 of 4 figures and tables, 6 of 6 numbers, 3 of 3 claims"
    assert found["ran"] == "1 of 4 figures and tables, 5 of 6 numbers, 2 of 3 claims"
    assert found["matches"].startswith("0 of 3 figures and tables, 2 of 5 numbers, ")  # a time is none
    assert {mark.kind for mark in marks} == set(KINDS)


def test_generated_images_are_no_evidence(tmp_path: Path) -> None:
    assert made(tmp_path, "embedded")["number", "near"].matches == ("no evidence: generated images", False)


def test_where_nothing_was_made_nothing_ran(tmp_path: Path) -> None:
    study = Fabricated(tmp_path)
    paper = study.papers / "p.yaml"
    paper.write_text(paper.read_text().replace("reported: []\n", ENTRIES) + CLAIMS)
    study.study("s", ["net"], {"table-1": "accuracy"}, {"figure-1": "network:alexnet", "figure-12": "curves"})
    study.run("s", {"net": "one"}, 0)
    found = by_name(rubrics({"p": read(paper)}, study.planned(), tmp_path / "none")["p"])
    assert found["number", "near"].words == ("yes", "0 of 1 run", "not run")
    assert found["number", "lost"].words == ("not planned at this scale", "not run", "not run")
    assert found["claim", "better"].words == ("yes", "not run", "not run")
    assert found["number", "count"].words == ("yes", "needs no run", "not compared")
