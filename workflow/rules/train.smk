# One job per run. A run's name follows from its settings, so a changed setting is another run and another file.
FILES = ["metrics.json", "run.json", "history.csv", "predictions.csv", "filters.npy", "manifest.json"]


rule runs:
    input:
        [f"{RUNS}/{run}/metrics.json" for run in PLAN.runs],


rule imagenet:
    input:
        code=code_of("imagenet"),
    output:
        weights=f"{IMAGENET}/{{name}}.safetensors",
        receipt=f"{IMAGENET}/{{name}}.json",
    log:
        "logs/imagenet/{name}.log",
    wildcard_constraints:
        name="[a-z0-9_]+",
    resources:
        mirror=PARAMS.mirror or "",
    shell:
        "ablate imagenet --model torchvision:{wildcards.name} --mirror {resources.mirror:q}"
        " --output {output.weights:q} --receipt {output.receipt:q} 2>&1 | tee {log:q}"


rule pretrain:
    input:
        pack=pack_of,
        arrays=ancient(lambda w: [pack_of(w, "images.npy"), pack_of(w, "labels.npy")]),
        code=train_code,
    output:
        [f"{PRETRAINED}/{{run}}/{name}" for name in FILES],
        weights=f"{PRETRAINED}/{{run}}/weights.safetensors",
    log:
        "logs/pretrain/{run}.log",
    threads: CLAIM
    resources:
        runtime=runtime_of,
        torch_threads=THREADS,
        device=PARAMS.compute.device,
        options=train_options,
    params:
        run=record,
        out=f"{PRETRAINED}/{{run}}",
    shell:
        "ablate train --run {params.run:q} --pack {input.pack:q} --out {params.out:q}"
        " --weights {output.weights:q} --threads {resources.torch_threads} --device {resources.device}"
        " {resources.options} 2>&1 | tee {log:q}"


rule train:
    input:
        pack=pack_of,
        arrays=ancient(lambda w: [pack_of(w, "images.npy"), pack_of(w, "labels.npy")]),
        start=start_of,
        code=train_code,
    output:
        [f"{RUNS}/{{run}}/{name}" for name in FILES],
    log:
        "logs/train/{run}.log",
    threads: CLAIM
    resources:
        runtime=runtime_of,
        torch_threads=THREADS,
        device=PARAMS.compute.device,
        options=train_options,
    params:
        run=record,
        out=f"{RUNS}/{{run}}",
        start=lambda w, input: f"--start {input.start}" if input.start else "",
    shell:
        "ablate train --run {params.run:q} --pack {input.pack:q} --out {params.out:q} {params.start}"
        " --threads {resources.torch_threads} --device {resources.device}"
        " {resources.options} 2>&1 | tee {log:q}"
