"""Controls: runs whose outcome is known beforehand. Where one fails, results on its data set prove nothing.

Negative: trained on shuffled labels, a network must stay at chance on validation images; one that does not has seen
their labels. Positive: trained on one batch alone, it must learn all of it; one that cannot does not train.
"""

from pathlib import Path
from typing import Any

from ablate.csv_text import read_csv
from ablate.files import read_json
from ablate.plan.receipts import CONTROLS
from ablate.plan.record import PlanRecord
from ablate.plan.runs import ENDED
from ablate.plan.settings import Settings
from ablate.results.control import LEARNT, LEVEL, renaming_p
from ablate.seals import of_run


def outcomes(plan: PlanRecord, runs: Path) -> list[dict[str, Any]]:
    """A row per planned control run: dataset, control, run, seed, value, said, outcome (passed, failed or not run).

    ``value`` is the val accuracy of shuffled labels, the training accuracy of one batch. A control that diverged, or
    whose run did not end otherwise, has failed.
    """
    rows = []
    for entry in plan.of(CONTROLS):
        folder, settings = runs / entry.run, entry.settings
        row = {"dataset": settings.dataset, "control": entry.arm, "run": entry.run, "seed": entry.seed}
        if not (folder / "metrics.json").exists():
            rows.append(row | {"value": None, "said": "not run", "outcome": "not run"})
            continue
        metrics = read_json(of_run(folder, "metrics.json"))
        if isinstance(settings, Settings):  # what is known beforehand of an own trainer, nobody can know here
            rows.append(row | _outcome(settings, metrics, folder))
    return rows


def _outcome(settings: Settings, metrics: dict[str, Any], folder: Path) -> dict[str, Any]:
    if metrics["status"] not in ENDED:
        return {"value": None, "said": metrics["status"], "outcome": "failed"}
    if settings.labels != "shuffled":
        share = metrics["train_top1"]
        said = f"{100 * share:.1f} % of the batch learnt, {100 * LEARNT:g} % wanted"
        return {"value": share, "said": said, "outcome": "passed" if share >= LEARNT else "failed"}
    table = read_csv(of_run(folder, "predictions.csv"), ["split"])
    table = table[table["split"] == "val"]
    p = renaming_p(table["label"], table["predicted"], int(table[["label", "predicted"]].to_numpy().max()) + 1)
    said = f"{100 * metrics['val_top1']:.1f} % of validation images right; p of as many by chance: {p:.4f}"
    return {"value": metrics["val_top1"], "said": said, "outcome": "passed" if p > LEVEL else "failed"}


def broken(rows: list[dict[str, Any]]) -> dict[str, str]:
    """{data set: why results on it prove nothing}, of each whose controls did not all pass."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["outcome"] != "passed":
            found.setdefault(row["dataset"], []).append(f"control '{row['control']}' {row['outcome']}")
    return {dataset: "; ".join(dict.fromkeys(said)) for dataset, said in found.items()}
