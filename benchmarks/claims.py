"""How often the verdicts on planted claims are right, by number of seeds, and what stopping early saves.

    python benchmarks/claims.py [--families 400] [--claims 8] [--sd POINTS] [--schedule 12,16,20] [--output FOLDER]

Papers of eight claims with an effect of -1, 0, 1 or 2 margins are simulated with normal and heavy-tailed seeds, each
judged with 2 to 20 seeds and once more with looks at the schedule, where a claim with hardly a chance to be decided
gets no more seeds (``--least-chance 0``: all get them up to the cap). ``--sd`` is an arm's scatter over seeds;
without it, the pooled one of results/pilot. With ``--output``, calibration.csv, .svg and .png. The last line is JSON:
``false_reproduced`` and ``false_contradicted`` (worst rate per claim) and ``runs_saved`` (share of the cap's).
"""

import argparse
import json
from dataclasses import fields
from pathlib import Path

from ablate.verdicts.calibration import Design, by_seeds, calibrate, pooled_sd, summary

ROOT = Path(__file__).parents[1]


def main() -> None:
    default = {field.name: field.default for field in fields(Design)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", type=int, default=default["families"], help="simulated papers")
    parser.add_argument("--claims", type=int, default=default["claims"], help="of a paper")
    parser.add_argument("--margin", type=float, default=default["margin"], help="points")
    parser.add_argument("--sd", type=float, default=None, help="points, of an arm over its seeds")
    parser.add_argument("--schedule", default=",".join(map(str, Design.schedule)), help="seeds at each look")
    parser.add_argument("--least-chance", type=float, default=default["least_chance"], help="see params.yaml")
    parser.add_argument("--seed", type=int, default=default["seed"])
    parser.add_argument("--output", type=Path, default=None)
    args = parser.parse_args()
    sd = pooled_sd(sorted((ROOT / "results/pilot").glob("*/runs.csv"))) if args.sd is None else args.sd
    schedule = tuple(int(n) for n in args.schedule.split(","))
    design = Design(
        args.families, args.claims, args.margin, sd, schedule, seed=args.seed, least_chance=args.least_chance
    )
    table = calibrate(design)
    print(f"margin {design.margin:g} points, seeds scatter by {sd:.2f} points, {design.claims} claims a paper; in %")
    print(by_seeds(table).to_string())
    looked = table[table["design"] == "sequential"]
    print(f"looks at {args.schedule} seeds, shares of 1")
    columns = ["direction", "noise", "planted", "effect", "reproduced", "contradicted", "wrong", "any_wrong"]
    print(looked[[*columns, "mean_seeds"]].round(3).to_string(index=False))
    if args.output:
        from ablate.verdicts.calibration_figure import write_calibration

        write_calibration(table, args.output)
    print(json.dumps(summary(table)))


if __name__ == "__main__":
    main()
