"""Debian's Chromium, driven by playwright, and studies that nobody trained for it to show."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablate.data.describe import describe
from ablate.report.page import write_report
from ablate.seals import sealed
from ablate.tables.comparison import write_comparison
from ablate.tables.registry import write_table
from ablate.verdicts.claims_table import write_claims
from fabricated import Fabricated, vouch

SCRIPT = "<script>window.hit = 1</script>"  # a class, and a quotation
IMAGE = "<img src=x onerror=window.hit=1>"  # an arm
READY = "html[data-ready]"
ORDER = "kind: order, metric: val_top1, study: s, margin: 0.05, why: Because."
CLAIMS = f"""claims:
  - {{id: better, where: "§ 1", quote: "much {SCRIPT} better", arms: [two, one], {ORDER}}}
  - {{id: other, where: "§ 2", quote: worse, arms: [one, two], {ORDER}}}
"""
PRINTED = """reported:
  - {id: printed-one, value: 0.4, metric: val_top1, study: s, arm: one, where: Table 7, quote: forty percent}
"""


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser that was started; the test is skipped where there is none."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def answers(rng: np.random.Generator, share: float, images: int) -> str:
    """Predictions of which ``share`` are right, of ten classes."""
    labels = np.arange(images) % 10
    said = np.where(rng.random(images) < share, labels, (labels + 1) % 10)
    return "".join(
        f"val,{500 + i},{label},{guess},0.5\n" for i, (label, guess) in enumerate(zip(labels, said, strict=True))
    )


def small(folder: Path, packs: dict[str, Path]) -> Path:
    """The page of a study of three arms and three seeds, one arm and one class named as markup."""
    made, rng = Fabricated(folder), np.random.default_rng(0)
    paper = made.papers / "p.yaml"
    paper.write_text(paper.read_text().replace("reported: []\n", PRINTED) + CLAIMS)
    made.study("s", ["init"], {"t": "accuracy"}, {"f": "curves"})
    for arm, top in (("one", 0.3), ("two", 0.5), (IMAGE, 0.4)):
        for seed in range(3):
            share = top + 0.01 * seed
            start = "kaiming" if arm == "two" else "default"
            made.run(
                "s", {"init": arm}, seed, settings={"init": start, "classes": [0, 10]},
                predictions=answers(rng, share, 100), plan={"facts": {"data": "official"}},
                train_top1=share, val_top1=share, best_val_top1=share, n_val=100, best_val_epoch=2,
            )  # fmt: skip
    results = made.results("s")
    page = made.plan.parent / "report.html"
    describe(packs["cifar10"], "d", page.parent / "data")
    facts = json.loads((page.parent / "data/d.json").read_text())
    facts["words"][0] = SCRIPT
    (page.parent / "data/d.json").write_text(json.dumps(facts))
    write_table(results, "accuracy", made.collected / "t.csv")
    (made.collected / "f.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="600" height="300"><rect width="600" height="99"/></svg>'
    )
    for output in (made.collected / "comparison.csv", page.parent / "comparison.csv"):
        write_comparison(made.plan, made.papers, output)
    write_claims(made.plan, made.papers, made.runs, page.parent / "claims.json")
    write_report(made.plan, made.papers, page, made.runs, {"d": packs["cifar10"]})
    return page


class Large(Fabricated):
    """Studies of 20 arms of five seeds, 30 epochs and 500 answers a run; the plan is written once, at the end."""

    def _write(self) -> None:
        pass

    def __init__(self, folder: Path, runs: int) -> None:
        super().__init__(folder)
        rng, epochs = np.random.default_rng(0), 30
        for study in range(runs // 100):
            name = f"study{study}"
            self.study(name, ["model"], {f"t-{name}": "accuracy"}, {})
            for arm in range(20):
                for seed in range(5):
                    top = 0.3 + 0.01 * arm + 0.002 * seed
                    run = self.run(
                        name, {"model": f"arm {arm}"}, seed, settings={"lr": 0.001 * (arm + 1) + 0.1 * study},
                        predictions=answers(rng, top, 500), train_top1=top, val_top1=top, best_val_top1=top,
                        n_val=500,
                    )  # fmt: skip
                    curve = np.linspace(0.1, top, epochs) + rng.normal(0, 0.01, epochs)
                    rows = "".join(f"{e + 1},{v:.6f},{v - 0.01:.6f},{2 - v:.6f}\n" for e, v in enumerate(curve))
                    (self.runs / run / "history.csv").write_text(f"epoch,train_top1,val_top1,val_loss\n{rows}")
                    vouch(self.runs / run)
            self._table(name)
        super()._write()
        self.collect()

    def _table(self, study: str) -> None:
        """A row per arm, with a number of its five runs."""
        runs = [entry for entry in self.record["runs"] if entry["study"] == study]
        cells = {entry["arm"]: {"val_top1 %": {}} for entry in runs}
        for entry in runs:
            cells[entry["arm"]]["val_top1 %"][entry["run"]] = 50.0
        self.collected.mkdir(parents=True, exist_ok=True)
        rows = "".join(f"{arm},50.0\n" for arm in cells)
        (self.collected / f"t-{study}.csv").write_text(f"model,val_top1 %\n{rows}")
        (self.collected / f"t-{study}.runs.json").write_text(json.dumps(cells))

    def page_of(self, runs: int) -> Path:
        """report.html, to be written, beside a plan of so many of the runs and what was collected of all."""
        folder = self.plan.parent.with_name(f"of-{runs}")
        shutil.copytree(self.plan.parent, folder)
        planned = self.record["runs"][:runs]
        studies = {f"p/{entry['study']}" for entry in planned}
        kept = {key: study for key, study in self.record["studies"].items() if key in studies}
        record = self.record | {"runs": planned, "studies": kept}
        (folder / "plan.json").write_text(json.dumps(sealed(record)))
        return folder / "report.html"
