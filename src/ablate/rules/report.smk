# collect -> tables and figures -> report; all of it iterates over the plan. What a step is made of: ablate.plan.receipts.
COLLECTED = ["runs.csv", "history.csv", "metrics.json", "provenance.json"]
BESIDE = [".md", ".tex", ".runs.json", ".caption.json"]  # each table's .csv
FIGURE = [".png", ".pdf", ".md", ".tex", ".caption.json"]  # each figure's .svg
SUMMARY = [f"results/summary/{PARAMS.scale}{suffix}" for suffix in (".json", ".csv")]  # what DVC compares


rule plan:
    input:
        ancient("params.yaml"),
        unpack(lambda w: inputs(PIPELINE.inputs_of_plan)),
    output:
        f"{RESULTS}/plan.json",
    log:
        "logs/plan.log",
    localrule: True
    params:
        values=lambda w: PIPELINE.values,  # a function: in texts and lists Snakemake looks for wildcards
    shell:
        "ablate plan --values {params.values:q} --output {output:q} 2>&1 | tee -i {log:q}"


rule collect:
    input:
        unpack(lambda w: inputs(PIPELINE.inputs_of_rendered, f"collect_{w.paper}")),
    output:
        [f"{RESULTS}/{{paper}}/{name}" for name in COLLECTED],
    log:
        "logs/collect/{paper}.log",
    localrule: True
    params:
        runs=str(RUNS),
        out=f"{RESULTS}/{{paper}}",
    shell:
        "ablate collect --plan {input.plan:q} --runs {params.runs:q} --output {params.out:q} 2>&1 | tee -i {log:q}"


rule summarise:
    input:
        unpack(lambda w: inputs(PIPELINE.inputs_of_rendered, "summarise")),
    output:
        json=SUMMARY[0],
        csv=SUMMARY[1],
    log:
        "logs/summarise.log",
    localrule: True
    params:
        papers=[f"{RESULTS}/{paper}" for paper in PARAMS.studies],
    shell:
        "ablate summarise {params.papers:q} --output {output.json:q} 2>&1 | tee -i {log:q}"


rule compare:
    input:
        unpack(lambda w: inputs(PIPELINE.inputs_of_rendered, f"compare_{w.paper}")),
    output:
        csv=report(
            f"{RESULTS}/{{paper}}/comparison.csv",
            caption="captions/comparison.rst",
            category="{paper}",
            subcategory="Tables",
            labels={"study": "all", "table": "comparison"},
        ),
        others=multiext(f"{RESULTS}/{{paper}}/comparison", *BESIDE),
    log:
        "logs/compare/{paper}.log",
    localrule: True
    shell:
        "ablate compare --plan {input.plan:q} --papers papers --output {output.csv:q} 2>&1 | tee -i {log:q}"


rule comparison:
    input:
        unpack(lambda w: inputs(PIPELINE.inputs_of_rendered, "comparison")),
    output:
        csv=f"{RESULTS}/comparison.csv",
        others=multiext(f"{RESULTS}/comparison", *BESIDE),
    log:
        "logs/comparison.log",
    localrule: True
    shell:
        "ablate compare --plan {input.plan:q} --papers papers --output {output.csv:q} 2>&1 | tee -i {log:q}"


rule claims:
    input:
        unpack(lambda w: inputs(PIPELINE.inputs_of_rendered, "claims")),
    output:
        json=f"{RESULTS}/claims.json",
        csv=report(
            f"{RESULTS}/claims.csv",
            caption="captions/claims.rst",
            category="Claims",
            labels={"claims": "table"},
        ),
        others=multiext(f"{RESULTS}/claims", *BESIDE),
        board=report(
            f"{RESULTS}/board.svg",
            caption="captions/claims.rst",
            category="Claims",
            labels={"claims": "figure"},
        ),
        boards=multiext(f"{RESULTS}/board", *FIGURE),
        of_papers=expand(
            f"{RESULTS}/{{paper}}/board{{suffix}}", paper=PIPELINE.claiming, suffix=[".svg", *FIGURE]
        ),
        text=f"{RESULTS}/findings.md",
        evidence=multiext(f"{RESULTS}/evidence", ".csv", *BESIDE),
        models=multiext(f"{RESULTS}/models", ".csv", *BESIDE),
    log:
        "logs/claims.log",
    localrule: True
    params:
        runs=str(RUNS),
    shell:
        "ablate judge --plan {input.plan:q} --papers papers --runs {params.runs:q} --output {output.json:q}"
        " 2>&1 | tee -i {log:q}"


rule power:
    input:
        unpack(lambda w: inputs(PIPELINE.inputs_of_rendered, "power")),
    output:
        csv=f"{RESULTS}/power.csv",
        chances=multiext(f"{RESULTS}/power", ".svg", *FIGURE),
        needed=multiext(f"{RESULTS}/needed", ".svg", *FIGURE),
    log:
        "logs/power.log",
    localrule: True
    params:
        values=lambda w: PIPELINE.values,
    shell:
        "ablate power --values {params.values:q} --output {output.csv:q} 2>&1 | tee -i {log:q}"


rule report:
    input:
        unpack(lambda w: inputs(PIPELINE.inputs_of_rendered, "report")),
        described=ancient([f"{RESULTS}/data/{name}-duplicates.csv" for name in PIPELINE.datasets]),
        arrays=ancient(PIPELINE.packs_of_report("images.npy", "labels.npy")),
    output:
        report(
            f"{RESULTS}/report.html",
            caption="captions/report.rst",
            category="Report",
            labels={"report": "the whole of it"},
        ),
    log:
        "logs/report.log",
    localrule: True
    params:
        runs=str(RUNS),
        packs=options(pack=PIPELINE.packs_of_report("pack.json")),
    shell:
        "ablate report --plan {input.plan:q} --papers papers --runs {params.runs:q} {params.packs:q}"
        " --output {output:q} 2>&1 | tee -i {log:q}"


# A process imports for seconds and draws for less, so one makes all tables of a paper, another all its figures.
for _paper in PARAMS.studies:
    _out, _tables, _figures = (
        f"{RESULTS}/{_paper}",
        PIPELINE.studies_of("tables", _paper),
        PIPELINE.studies_of("figures", _paper),
    )

    rule:
        name:
            f"tables_{_paper}"
        input:
            unpack(lambda w, name=f"tables_{_paper}": inputs(PIPELINE.inputs_of_rendered, name)),
        output:
            [
                report(
                    f"{_out}/{name}.csv",
                    caption="captions/table.rst",
                    category=_paper,
                    subcategory="Tables",
                    labels={"study": study, "table": name},
                )
                for name, study in _tables.items()
            ],
            [f"{_out}/{name}{suffix}" for name in _tables for suffix in BESIDE],
        log:
            f"logs/tables/{_paper}.log",
        localrule: True
        params:
            runs=str(RUNS),
            out=lambda w, out=_out: out,
        shell:
            "ablate tables --plan {input.plan:q} --papers papers --runs {params.runs:q} --output {params.out:q}"
            " 2>&1 | tee -i {log:q}"

    rule:
        name:
            f"figures_{_paper}"
        input:
            unpack(lambda w, name=f"figures_{_paper}": inputs(PIPELINE.inputs_of_rendered, name)),
            arrays=ancient(PIPELINE.packs_of_figures(_paper, "images.npy", "labels.npy")),
        output:
            [
                report(
                    f"{_out}/{name}.svg",
                    caption="captions/figure.rst",
                    category=_paper,
                    subcategory="Figures",
                    labels={"study": study, "figure": name},
                )
                for name, study in _figures.items()
            ],
            [f"{_out}/{name}{suffix}" for name in _figures for suffix in FIGURE],
        log:
            f"logs/figures/{_paper}.log",
        localrule: True
        params:
            runs=str(RUNS),
            out=lambda w, out=_out: out,
            packs=options(pack=PIPELINE.packs_of_figures(_paper, "pack.json")),
        shell:
            "ablate figures --plan {input.plan:q} --papers papers --runs {params.runs:q} {params.packs:q}"
            " --output {params.out:q} 2>&1 | tee -i {log:q}"

    # `snakemake --cores 8 tinyimage10` renders one paper.
    rule:
        name:
            _paper
        input:
            [f"{_out}/{name}.csv" for name in _tables],
            [f"{_out}/{name}.svg" for name in _figures],
            f"{_out}/comparison.csv",
