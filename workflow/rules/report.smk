# collect -> tables and figures -> report; all of it iterates over the plan
COLLECTED = ["runs.csv", "history.csv", "metrics.json", "provenance.json"]
BESIDE = [".md", ".tex", ".runs.json"]  # each table's .csv
COMPARISONS = [f"{RESULTS}/{paper}/comparison.csv" for paper in PARAMS.studies]


rule plan:
    input:
        ancient("params.yaml"),
    output:
        f"{RESULTS}/plan.json",
    log:
        "logs/plan.log",
    resources:
        values=json.dumps(dict(config)),
    params:
        # Reruns when what is planned changes, and not when a comment in params.yaml does.
        content=plan_digest(PARAMS, PLAN, PROTOCOL),
    shell:
        "ablate plan --values {resources.values:q} --output {output:q} 2>&1 | tee {log:q}"


rule collect:
    input:
        lambda w: [f"{RUNS}/{p.run.id}/metrics.json" for p in PLAN.planned if p.paper == w.paper],
        plan=rules.plan.output,
        code=code_of("collect"),
    output:
        [f"{RESULTS}/{{paper}}/{name}" for name in COLLECTED],
    log:
        "logs/collect/{paper}.log",
    params:
        runs=str(RUNS),
        out=f"{RESULTS}/{{paper}}",
    shell:
        "ablate collect --plan {input.plan:q} --runs {params.runs} --output {params.out:q} 2>&1 | tee {log:q}"


rule table:
    input:
        plan=rules.plan.output,
        collected=rules.collect.output,
        paper="papers/{paper}.yaml",
        data=described,
        code=code_of("tables"),
    output:
        csv=f"{RESULTS}/{{paper}}/{{table}}.csv",
        others=multiext(f"{RESULTS}/{{paper}}/{{table}}", *BESIDE),
    log:
        "logs/table/{paper}-{table}.log",
    wildcard_constraints:
        table="|".join(Path(path).stem for path in made("tables", "csv")),
    params:
        runs=str(RUNS),
    shell:
        "ablate table --plan {input.plan:q} --papers papers --runs {params.runs} --output {output.csv:q}"
        " 2>&1 | tee {log:q}"


rule compare:
    input:
        plan=rules.plan.output,
        collected=rules.collect.output,
        paper="papers/{paper}.yaml",
        code=code_of("compare"),
    output:
        csv=f"{RESULTS}/{{paper}}/comparison.csv",
        others=multiext(f"{RESULTS}/{{paper}}/comparison", *BESIDE),
    log:
        "logs/compare/{paper}.log",
    shell:
        "ablate compare --plan {input.plan:q} --papers papers --output {output.csv:q} 2>&1 | tee {log:q}"


rule comparison:
    input:
        [f"{RESULTS}/{paper}/runs.csv" for paper in PARAMS.studies],
        [f"papers/{paper}.yaml" for paper in PARAMS.studies],
        plan=rules.plan.output,
        code=code_of("compare"),
    output:
        csv=f"{RESULTS}/comparison.csv",
        others=multiext(f"{RESULTS}/comparison", *BESIDE),
    log:
        "logs/comparison.log",
    shell:
        "ablate compare --plan {input.plan:q} --papers papers --output {output.csv:q} 2>&1 | tee {log:q}"


rule claims:
    input:
        [f"{RESULTS}/{paper}/runs.csv" for paper in PARAMS.studies],
        [f"papers/{paper}.yaml" for paper in PARAMS.studies],
        plan=rules.plan.output,
        code=code_of("claims"),
    output:
        json=f"{RESULTS}/claims.json",
        others=multiext(f"{RESULTS}/claims", ".csv", *BESIDE, ".svg", ".png"),
        models=multiext(f"{RESULTS}/models", ".csv", *BESIDE),
    log:
        "logs/claims.log",
    params:
        runs=str(RUNS),
    shell:
        "ablate judge --plan {input.plan:q} --papers papers --runs {params.runs} --output {output.json:q}"
        " 2>&1 | tee {log:q}"


rule calibrate:
    input:
        [f"{RESULTS}/{paper}/runs.csv" for paper in PARAMS.studies],
        code=code_of("calibrate"),
    output:
        csv=f"{RESULTS}/calibration.csv",
        figure=multiext(f"{RESULTS}/calibration", ".svg", ".png"),
    log:
        "logs/calibrate.log",
    shell:
        "ablate calibrate --output {output.csv:q} 2>&1 | tee {log:q}"


rule figure:
    input:
        plan=rules.plan.output,
        collected=rules.collect.output,
        paper="papers/{paper}.yaml",
        packs=packs_of_figure,
        arrays=ancient(lambda w: [f for n in ("images.npy", "labels.npy") for f in packs_of_figure(w, n)]),
        code=code_of("figures"),
    output:
        svg=report(
            f"{RESULTS}/{{paper}}/{{figure}}.svg",
            caption="../report/figure.rst",
            category="{paper}",
        ),
        png=f"{RESULTS}/{{paper}}/{{figure}}.png",
    log:
        "logs/figure/{paper}-{figure}.log",
    wildcard_constraints:
        figure="|".join(Path(path).stem for path in made("figures", "svg")),
    params:
        runs=str(RUNS),
        packs=lambda w, input: [f"--pack {path}" for path in input.packs],
    shell:
        "ablate figure --plan {input.plan:q} --papers papers --runs {params.runs} {params.packs}"
        " --output {output.svg:q} 2>&1 | tee {log:q}"


rule report:
    input:
        made("tables", "csv"),
        COMPARISONS,
        rules.comparison.output,
        rules.claims.output,
        rules.calibrate.output,
        made("figures", "png"),
        [f"{RESULTS}/{paper}/provenance.json" for paper in PARAMS.studies],
        [f"{RESULTS}/data/{name}-duplicates.csv" for name in DATASETS],
        plan=rules.plan.output,
        code=code_of("report"),
    output:
        f"{RESULTS}/report.html",
    log:
        "logs/report.log",
    shell:
        "ablate report --plan {input.plan:q} --papers papers --output {output:q} 2>&1 | tee {log:q}"


# `snakemake --cores 8 tinyimage10` renders one paper.
for _paper in PARAMS.studies:

    rule:
        name:
            _paper
        input:
            [f for f in made("tables", "csv") + COMPARISONS + made("figures", "svg") if f"/{_paper}/" in f],
