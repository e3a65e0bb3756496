"""Class names that a plan asks for: whether a data set has them is known when its pack is there."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from ablate.errors import choose
from ablate.files import read_json
from ablate.plan.keys import RECEIPTS
from ablate.plan.runs import Plan
from ablate.workflow.due import Keys


def classes_named(plan: Plan, dataset: str) -> dict[str, str]:
    """{class name: the arm that asks for it}, of one data set."""
    found: dict[str, str] = {}
    for p in plan.planned:
        for run, where in (
            (p.run, f"studies.{p.paper}.{p.study}: arm {p.arm!r}"),
            (plan.pretraining.get(p.run.start or ""), p.run.settings.weights.replace("pretrain:", "pretraining.")),
        ):
            s = run.settings if run else None
            if s and s.dataset == dataset and s.classes and not s.class_range:
                for name in s.classes:
                    found.setdefault(str(name), f"params.yaml: {where}: classes")
    return found


def check_classes(names: Mapping[str, str], known: Iterable[str]) -> None:
    """Refuse a name that is not among ``known``.

    Raises:
        UserError: It says which arm asks for it.
    """
    classes = list(known)
    for name, where in names.items():
        if name not in classes:
            raise choose(where, name, classes, "class")


def check_packs(plan: Plan, keys: Keys) -> None:
    """Compare the names with every pack that is there and is what is asked for.

    Raises:
        UserError: As `check_classes` does.
    """
    for dataset in keys.datasets:
        names = classes_named(plan, dataset)
        if names and keys.data_reason(dataset, "pack") is None:
            pack: Path = keys.folder(dataset) / RECEIPTS["pack"]
            check_classes(names, read_json(pack)["classes"])
