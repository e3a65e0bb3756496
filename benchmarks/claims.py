"""How often the board is right: papers are fabricated whose truth is known, and judged as any other.

    python benchmarks/claims.py [--papers 100] [--minutes M] [--disk 1] [--workers 1] [--output FOLDER]

Every paper has eight claims of mixed kinds, three of them headlines, and goes through `assess_paper`: evidence,
findings, words. The first ``--disk`` papers of each cell go the whole way as well, over run folders on disk, and
must come out the same. Cells (`calibrating/cells.py`) are of one noise and one number of seeds; half of the effects
are zero and half at the margin, where a finding is untrue most easily. Papers are made in rounds over all cells,
until there are ``--papers`` in each or a round ends after ``--minutes``; the long form is ``--papers 5000``. With
``--output``, calibration.csv (a row per cell) and calibration-seeds.csv (findings by effect and seeds, up to 160).

The last line is JSON. Upper ends of 95 % intervals of the share of papers with an untrue finding, in the worst cell:
``false_papers`` (of all at a fixed number of seeds), ``false_failing`` (an arm fails in 10 or 30 % of its seeds),
``false_diverging`` (in 40 %, where what is said must be true of all runs, too), ``false_shared_images`` (claims of
one arm against a printed number), ``false_looks`` (seeds are added look by look). Power: ``power_3``, ``power_5``,
the share of headlines that are shown at a true 8 points with so many seeds, ``power_3_others`` and ``power_5_others``
of the other claims of a direction. ``runs_saved`` is the share of the cap's that looks save, ``forbidden`` counts
claims called reproduced or contradicted at a reduced protocol or with an arm at chance, ``least_of_peak`` is what is
left of the peak of a word's probability with more seeds, ``largest_drop`` by how many standard errors a true
statement's falls, ``papers`` are those of a cell, and ``from_disk`` how many came from folders.
"""

import argparse
import json
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import pandas as pd
from calibrating.cells import Cell, cells, growing, noises
from calibrating.folders import judged_from
from calibrating.judged import Paper, assessed, counted, grown, judged, planted, summary
from calibrating.spread import measured_sds, pooled

from ablate.plan.params import Adaptive, load

ROOT = Path(__file__).parents[1]
ROUND = 50  # papers of a cell


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--papers", type=int, default=100, help="of a cell")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which no new round begins")
    parser.add_argument("--disk", type=int, default=1, help="papers of a cell that go over run folders as well")
    parser.add_argument("--cells", default="", help="names, with commas between; all")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--output", type=Path, default=None)
    args = parser.parse_args()
    known = {cell.name for cell in every_cell()}
    if unknown := {*filter(None, args.cells.split(","))} - known:
        parser.error(f"--cells: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    sds, freedom = measured_sds(ROOT / "results")
    print(f"seeds of {len(sds)} measured arms that learnt scatter by {pooled(sds, freedom):.2f} points")
    every = [cell for cell in every_cell() if not args.cells or cell.name in args.cells.split(",")]
    for cell in every:
        for number in range(args.disk if not cell.looks and cell.seeds <= 20 else 0):
            check_disk(cell, number)
    papers: dict[Cell, list[Paper]] = defaultdict(list)
    start = time.monotonic()
    with ProcessPoolExecutor(args.workers) as pool:
        for first in range(0, args.papers, ROUND):
            last = min(first + ROUND, args.papers)
            asked = [(cell, n) for cell in every for n in range(-(-first // cell.every), -(-last // cell.every))]
            places = [(every_cell().index(cell), n) for cell, n in asked]
            for (cell, _), paper in zip(asked, pool.map(one, places, chunksize=10), strict=True):
                papers[cell].append(paper)
            said = report(papers, args.output)
            if time.monotonic() - start > 60 * args.minutes:
                break
    said["from_disk"] = args.disk * sum(not cell.looks and cell.seeds <= 20 for cell in every)
    print(json.dumps(said))


@cache
def every_cell() -> list[Cell]:
    """All of them, with the spread of the committed results and the looks of params.yaml."""
    sds, freedom = measured_sds(ROOT / "results")
    found = noises(pooled(sds, freedom), sds)
    return [*cells(found, adaptive().looks), *growing(found)]


@cache
def adaptive() -> Adaptive:
    """How `decide` adds seeds."""
    found = load(ROOT / "params.yaml").adaptive
    assert found is not None
    return found


def one(place: tuple[int, int]) -> Paper:
    """The paper of a cell, each by its number: in a worker, which has cells of its own."""
    cell, number = place
    return judged(every_cell()[cell], number, adaptive().least_chance)


def check_disk(cell: Cell, number: int) -> None:
    """The same paper in memory and over run folders must be judged alike, to the last digit and word."""
    results, _, _, plan = planted(cell, number)
    ours = assessed(cell, plan, results.rows, results)
    with tempfile.TemporaryDirectory() as folder:
        theirs = judged_from(Path(folder), cell.board, plan, results)
    for a, b in zip(ours, theirs, strict=True):
        assert a == b, f"{cell.name}, {cell.seeds} seeds, paper {number}: {a.claim.id} in memory\n{a}\non disk\n{b}"


def report(papers: dict[Cell, list[Paper]], output: Path | None) -> dict[str, float]:
    """Print what was found, write it, and return the summary."""
    rows, tables = zip(*(counted(cell, found) for cell, found in papers.items()), strict=True)
    table, findings = pd.DataFrame(rows), pd.concat(tables)
    by_seeds = grown(findings[findings["cell"] == "growing"])
    if output:
        output.mkdir(parents=True, exist_ok=True)
        for frame, name in ((table, "calibration"), (by_seeds, "calibration-seeds")):
            text = frame.to_csv(index=False, lineterminator="\n", float_format="%.4g")
            (output / f"{name}.csv").write_text(text)
    shown = table.drop(columns=["planted", "protocol", "looks", "promised"])
    print(shown.round(3).to_string(index=False), flush=True)
    return summary(table, by_seeds)


if __name__ == "__main__":
    main()
