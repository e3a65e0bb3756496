# One job per run. A run's name follows from its settings, so a changed setting is another run and another file.
FILES = ["metrics.json", "run.json", "history.csv", "predictions.csv", "manifest.json"]


def record(wildcards):
    return ALL_RUNS[wildcards.run].to_json()


def pack_of(wildcards, name="pack.json"):
    return f"{data_dir(ALL_RUNS[wildcards.run].settings.dataset)}/{name}"


def start_of(wildcards):
    start = ALL_RUNS[wildcards.run].start
    return f"{PRETRAINED}/{start}/weights.safetensors" if start else []


def train_code(wildcards):
    return code_of("train", ALL_RUNS[wildcards.run].settings.model)


rule runs:
    input:
        [f"{RUNS}/{run}/metrics.json" for run in PLAN.runs],


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
        torch_threads=THREADS,
        device=PARAMS.compute.device,
    params:
        run=record,
    shell:
        "ablate train --run {params.run:q} --pack {input.pack:q} --out {PRETRAINED}/{wildcards.run}"
        " --weights {output.weights:q} --threads {resources.torch_threads} --device {resources.device}"
        " 2>&1 | tee {log:q}"


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
        torch_threads=THREADS,
        device=PARAMS.compute.device,
    params:
        run=record,
        start=lambda w, input: f"--start {input.start}" if input.start else "",
    shell:
        "ablate train --run {params.run:q} --pack {input.pack:q} --out {RUNS}/{wildcards.run} {params.start}"
        " --threads {resources.torch_threads} --device {resources.device} 2>&1 | tee {log:q}"
