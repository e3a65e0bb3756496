"""Accuracy per label of an arm, from the predictions that its runs left."""

import pandas as pd

from ablate.csv_text import read_csv
from ablate.errors import UserError
from ablate.results.stats import ended, measured, remarks
from ablate.results.study import StudyResults
from ablate.results.table import Table
from ablate.seals import of_run
from ablate.tables.accuracy import of_arm


def per_label(results: StudyResults, which: str) -> Table:
    """Test accuracy of each label, or validation accuracy where there is no test split.

    It is of the arm ``which``, or of the one with the highest mean of best_val_top1 for ``best``.
    """
    arm = results.one_arm(which, f"papers/{results.paper}.yaml: drawn.{results.study}.tables: per-label")
    if arm is None:
        raise UserError(f"{results.paper}/{results.study}: no run has ended, so that no arm is the best; train them")
    runs = of_arm(results, arm)
    found = {str(run): predictions(results, str(run)) for run in ended(runs)["run"]}
    split = next(iter(found.values()))["split"].iloc[0] if found else "test"
    said = remarks(runs, results.contaminated(arm))
    table = Table(caption=f"Arm: {results.shown(arm)}" + (f" ({said})." if said else "."))
    for label, name in enumerate(results.classes(arm)):
        mine = {run: p[p["label"] == label] for run, p in found.items()}
        values = {run: 100 * float((p["predicted"] == label).mean()) for run, p in mine.items() if len(p)}
        cells, sources = measured(f"{split}_acc %", values)
        images = max((len(p) for p in mine.values()), default=0)
        table.add(name, {"label": name} | cells | {"images": images, "n": len(values)}, sources)
    return table


def predictions(results: StudyResults, run: str) -> pd.DataFrame:
    """split, position, label, predicted, probability: of test, or else of val."""
    table = read_csv(of_run(results.runs_folder / run, "predictions.csv"), ["split"])
    return table[table["split"] == ("test" if (table["split"] == "test").any() else "val")]
