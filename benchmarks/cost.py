"""How far the expected time of runs is from what they took, with each study's own runs left out of the history.

    python benchmarks/cost.py [--scale pilot]

The measured runs are the committed ones of results/<scale>, those in records included. Each study's runs are
estimated from the runs of all other studies, and once more from the prior alone, which was itself taken from the
pilot. The last line is a JSON object: ``median_factor`` and ``p95_factor`` (the larger of estimate / measured and its
inverse, over runs), ``below_margin`` (the share of runs that took less than `cost.MARGIN` times their estimate),
``study_factor`` (as the first, of the worst study's sum), ``total_ratio`` (estimate / measured, of all studies), and
two of these for the prior.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

from ablate.plan.cost import MARGIN, START_S, Machine, Measured, add_measured, expected_seconds, read_history
from ablate.plan.params import Dataset, load
from ablate.plan.run_records import read_records
from ablate.plan.runs import Run, make_plan

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="pilot")
    args = parser.parse_args()
    params = load(ROOT / "params.yaml", {"scale": args.scale})
    plan, measured = make_plan(params), {m.run: m for m in read_history(ROOT / "results", params.datasets)}
    for file in (ROOT / "results" / args.scale).glob("*/records.xz"):
        for run, (_, contents) in read_records(file, args.scale, file.parent.name).items():
            manifest, metrics = (json.loads(contents[name]) for name in ("manifest.json", "metrics.json"))
            add_measured(measured, run, manifest, metrics, params.datasets)
    history = [*measured.values()]
    factors, priors, safe = [], [], []
    studies: dict[str, list[float]] = {}  # measured, estimated, by the prior
    for paper, by_name in params.studies.items():
        for name in by_name:
            runs = {p.run.id: p.run for p in plan.of(paper, name) if p.run.id in measured}
            others = [m for m in history if m.run not in runs]
            sums = [0.0, 0.0, 0.0]
            for run in runs.values():
                m, data = measured[run.id], params.datasets[run.settings.dataset]
                guess, prior = (_without_start(run, data, known, m) for known in (others, []))
                factors.append(max(guess / m.wall_s, m.wall_s / guess))
                priors.append(max(prior / m.wall_s, m.wall_s / prior))
                safe.append(m.wall_s < MARGIN * guess)
                sums = [a + b for a, b in zip(sums, (m.wall_s, guess, prior), strict=True)]
            if runs:
                studies[f"{paper}/{name}"] = sums
                took, guess, prior = sums
                print(f"{paper}/{name}: {len(runs)} runs, {took:.0f} s, estimated {guess:.0f} s, prior {prior:.0f} s")
    if not studies:
        sys.exit(f"results/{args.scale}: no committed run is one of the plan's")
    took, guessed, by_prior = (sum(column) for column in zip(*studies.values(), strict=True))
    worst = max(max(b / a, a / b) for a, b, _ in studies.values())
    result = {
        "median_factor": statistics.median(factors),
        "p95_factor": statistics.quantiles(factors, n=20)[-1],
        "below_margin": sum(safe) / len(safe),
        "study_factor": worst,
        "total_ratio": guessed / took,
        "prior_median_factor": statistics.median(priors),
        "prior_total_ratio": by_prior / took,
    }
    print(json.dumps({name: round(value, 3) for name, value in result.items()}))


def _without_start(run: Run, data: Dataset, known: list[Measured], m: Measured) -> float:
    where = Machine(m.device, False, 1, m.threads)
    return expected_seconds(run, data, known, where).seconds - START_S


if __name__ == "__main__":
    main()
