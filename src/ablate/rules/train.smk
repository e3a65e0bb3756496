# One job per run. A run's name follows from its settings, so a changed setting is another run and another file.


rule runs:
    input:
        [f"{RUNS}/{run}/metrics.json" for run in PIPELINE.project.plan.runs],


# `snakemake --cores 8 tinyimage10/optimiser` trains the runs of one study.
for _study in PIPELINE.studies:

    rule:
        name:
            _study
        input:
            lambda w, study=_study: [f"{RUNS}/{run}/metrics.json" for run in PIPELINE.studies[study]],


# Runs of which only the record is there. They are put back when the workflow starts, and a dry run, which writes
# nothing, shows that as this job.
rule restore:
    output:
        [f"{RUNS}/{run}/{name}" for run in PIPELINE.recorded for name in FILES],
    log:
        "logs/restore.log",
    localrule: True
    params:
        scale=PARAMS.scale,
    shell:
        "ablate records unpack --scale {params.scale:q} 2>&1 | tee -i {log:q}"


rule imagenet:
    output:
        weights=f"{IMAGENET}/{{name}}.safetensors",
        receipt=f"{IMAGENET}/{{name}}.json",
    log:
        "logs/imagenet/{name}.log",
    wildcard_constraints:
        name="[a-z0-9_]+",
    localrule: True
    params:
        mirror=lambda w: PIPELINE.mirror(),
    shell:
        "ablate imagenet --model torchvision:{wildcards.name:q} {params.mirror:q}"
        " --output {output.weights:q} --receipt {output.receipt:q} 2>&1 | tee -i {log:q}"


rule pretrain:
    input:
        unpack(lambda w: inputs(PIPELINE.inputs_of_run, w.run, PRETRAINED)),
        lambda w: new_data(w, PRETRAINED),
    output:
        [f"{PRETRAINED}/{{run}}/{name}" for name in FILES],
        weights=f"{PRETRAINED}/{{run}}/weights.safetensors",
    log:
        "logs/pretrain/{run}.log",
    threads: PIPELINE.claim
    resources:
        runtime=lambda w, attempt: PIPELINE.runtime_of(w.run, attempt),
        torch_threads=PIPELINE.threads,
    params:
        run=lambda w: PIPELINE.run(w.run).to_json(),
        out=f"{PRETRAINED}/{{run}}",
        options=lambda w: PIPELINE.train_options(w.run, PRETRAINED),
    shell:
        "ablate train --run {params.run:q} --out {params.out:q}"
        " --threads {resources.torch_threads:q} {params.options:q}"
        " 2>&1 | tee -i {log:q}"


ruleorder: restore > train


rule train:
    input:
        unpack(lambda w: inputs(PIPELINE.inputs_of_run, w.run, RUNS)),
        lambda w: new_data(w, RUNS),
    output:
        [f"{RUNS}/{{run}}/{name}" for name in FILES],
    log:
        "logs/train/{run}.log",
    group:
        batch
    threads: PIPELINE.claim
    resources:
        runtime=lambda w, attempt: PIPELINE.runtime_of(w.run, attempt, in_turn()),
        torch_threads=PIPELINE.threads,
    params:
        run=lambda w: PIPELINE.run(w.run).to_json(),
        out=f"{RUNS}/{{run}}",
        options=lambda w: PIPELINE.train_options(w.run, RUNS),
    shell:
        "ablate train --run {params.run:q} --out {params.out:q}"
        " --threads {resources.torch_threads:q} {params.options:q}"
        " 2>&1 | tee -i {log:q}"
