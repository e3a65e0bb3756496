"""Table 1 of resnet-vs-plain: the networks' layers, stage by stage, above their accuracies."""

from typing import Any

from ablate.models.build import build
from ablate.models.column import HEAD, Stages, stages
from ablate.models.outline import outline
from ablate.papers.networks import PrintedNetwork
from ablate.plurals import many
from ablate.results.study import StudyResults
from ablate.results.table import Table
from ablate.tables.accuracy import legend, percents
from ablate.tables.gap import printed_gaps, with_gap
from ablate.tables.networks import depth, of_study

COLUMNS = [("training accuracy %", "train_top1"), ("validation accuracy %", "val_top1")]
DEPTH = "layers (conv and fully connected)"
PRINTED = ", printed"  # ends the name of a row of the paper's numbers


def nets(results: StudyResults) -> Table:
    """A column per network: its layers, their number, its accuracies and its gap, beside what the paper printed.

    Of the layers, convolutions and fully connected ones count; the gap is training less validation accuracy.
    """
    models = {arm: results.settings(arm).model for arm in results.arms}
    columns = {arm: _stages(results, model) for arm, model in models.items()}
    every = {stage for column in columns.values() for stage in column}
    order = sorted(every - {HEAD}, key=lambda stage: -int(stage.partition("×")[0])) + [HEAD] * (HEAD in every)
    gaps = printed_gaps(results)
    table = Table(across=True, caption=_about(results), notes=legend(results))
    for arm, model in models.items():
        row: dict[str, Any] = {"": arm} | {stage: ", ".join(columns[arm].get(stage, [])) for stage in order}
        row["layers as printed"] = agreement(columns[arm], _printed(results, model))
        row[DEPTH] = depth(of_study(results, model))
        entry = results.record.count_of(model, "layers") if results.record else None
        row["layers" + PRINTED] = int(entry.value) if entry else None
        cells, sources = percents(results, arm, COLUMNS)
        of_gap, more = with_gap(results, arm)
        sources |= more
        for column, metric in COLUMNS:
            for name in [key for key in cells if key.startswith(column)]:
                row[name] = cells.pop(name)
            row[column + PRINTED] = _percent(results.reported.get(arm, {}).get(metric))
        row |= of_gap | {"gap (points)" + PRINTED: _percent(gaps.get(arm))} | cells
        why = entry.note if entry and int(entry.value) != row[DEPTH] else None
        row["note"] = "; ".join(filter(None, [row["note"], why]))
        table.add(arm, row, sources)
    return table


def _stages(results: StudyResults, model: str) -> Stages:
    """Of a network that is no column of the table: none."""
    network = of_study(results, model)
    made = outline(lambda: build(model, classes=network.classes, image_size=network.image_size))
    try:
        return stages(made, network.image_size)
    except ValueError:
        return {}


def _printed(results: StudyResults, model: str) -> PrintedNetwork | None:
    known = results.record.networks if results.record else ()
    return next((n for n in known if n.model == model and n.column), None)


def agreement(ours: Stages, printed: PrintedNetwork | None) -> str:
    """Whether the lines are those of the paper's column; spaces do not count."""
    if printed is None:
        return ""
    lines = [line.replace(" ", "") for stage in ours.values() for line in stage]
    theirs = [line.replace(" ", "") for line in printed.column]
    return "equal" if lines == theirs else "printed: " + ", ".join(printed.column)


def _percent(share: float | None) -> str:
    """As the paper prints it, without decimals of its own."""
    return "" if share is None else f"{100 * share:.10g}"


def _about(results: StudyResults) -> str:
    network = of_study(results, results.settings(results.arms[0]).model)
    size = f"{network.image_size}x{network.image_size} pixels"
    return f"Layers are those of the paper's networks, of {many(network.classes, 'class')} and {size}."
