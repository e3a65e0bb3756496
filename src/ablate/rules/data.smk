# fetch -> verify (checks and decodes) -> reorganise (class folders, for other programs), pack and describe (for the eye)
TREES = [PIPELINE.data_file(name, "tree.json") for name, data in PIPELINE.datasets.items() if data.tree]


rule packs:
    input:
        [PIPELINE.data_file(name, "pack.json") for name in PIPELINE.datasets],


rule embed:
    input:
        unpack(lambda w: inputs(PIPELINE.inputs_of_embed, w.dataset)),
    output:
        "data/embedded/mirror/{dataset}/{archive}",
    log:
        "logs/embed/{dataset}-{archive}.log",
    wildcard_constraints:
        archive="|".join(data.archive for data in PIPELINE.datasets.values()),
    localrule: True
    params:
        spec=lambda w: PIPELINE.spec(w.dataset),
    shell:
        "ablate embed --spec {params.spec:q} --output {output:q} 2>&1 | tee -i {log:q}"


rule fetch:
    input:
        unpack(lambda w: inputs(PIPELINE.inputs_of_fetch, w.dataset, w.variant)),
    output:
        archive="data/{variant}/{dataset}/archive",
        receipt="data/{variant}/{dataset}/archive.json",
    log:
        "logs/fetch/{variant}-{dataset}.log",
    localrule: True
    params:
        spec=lambda w: PIPELINE.source(w.dataset),
        mirror=lambda w, input: PIPELINE.mirror(input.embedded),
    shell:
        "ablate fetch --spec {params.spec:q} {params.mirror:q} --output {output.archive:q}"
        " --receipt {output.receipt:q} 2>&1 | tee -i {log:q}"


rule verify:
    input:
        unpack(
            lambda w: inputs(
                PIPELINE.inputs_of_data, w.dataset, "verify", archive="archive", receipt="archive.json"
            )
        ),
    output:
        index="data/{variant}/{dataset}/index.csv",
        images="data/{variant}/{dataset}/images.npy",
        duplicates="data/{variant}/{dataset}/duplicates.csv",
        report="data/{variant}/{dataset}/verify.json",
    log:
        "logs/verify/{variant}-{dataset}.log",
    threads: workflow.cores
    params:
        spec=lambda w: PIPELINE.spec(w.dataset),
    shell:
        "ablate verify-data --spec {params.spec:q} --archive {input.archive:q} --receipt {input.receipt:q}"
        " --index {output.index:q} --images {output.images:q} --duplicates {output.duplicates:q} --report {output.report:q}"
        " 2>&1 | tee -i {log:q}"


rule reorganise:
    input:
        unpack(
            lambda w: inputs(
                PIPELINE.inputs_of_data,
                w.dataset,
                "reorganise",
                archive="archive",
                index="index.csv",
                report="verify.json",
            )
        ),
    output:
        tree=directory("data/{variant}/{dataset}/tree"),
        receipt="data/{variant}/{dataset}/tree.json",
    log:
        "logs/reorganise/{variant}-{dataset}.log",
    localrule: True
    params:
        spec=lambda w: PIPELINE.spec(w.dataset),
    shell:
        "ablate reorganise --spec {params.spec:q} --archive {input.archive:q} --index {input.index:q}"
        " --report {input.report:q} --tree {output.tree:q} --receipt {output.receipt:q} 2>&1 | tee -i {log:q}"


# A checkpoint: whether its content is another, and runs are to be trained again, is known when it is there.
checkpoint pack:
    input:
        unpack(
            lambda w: inputs(
                PIPELINE.inputs_of_data,
                w.dataset,
                "pack",
                images="images.npy",
                index="index.csv",
                report="verify.json",
                receipt="archive.json",
            )
        ),
    output:
        # Later rules depend on the small pack.json, which holds the digests of the arrays.
        pack="data/{variant}/{dataset}/pack.json",
        labels="data/{variant}/{dataset}/labels.npy",
    log:
        "logs/pack/{variant}-{dataset}.log",
    localrule: True
    params:
        named=lambda w: PIPELINE.named_classes(w.dataset),
    shell:
        "ablate pack --images {input.images:q} --index {input.index:q} --report {input.report:q}"
        " --receipt {input.receipt:q} --named {params.named:q} --output {output.pack:q} 2>&1 | tee -i {log:q}"


rule describe:
    input:
        unpack(lambda w: inputs(PIPELINE.inputs_of_rendered, f"describe_{w.dataset}")),
        arrays=ancient(
            lambda w: [PIPELINE.data_file(w.dataset, f"{name}.npy") for name in ("images", "labels")]
        ),
    output:
        multiext(f"{RESULTS}/data/{{dataset}}", ".json", "-samples.jpg", "-duplicates.jpg", "-duplicates.csv"),
    log:
        "logs/describe/{dataset}.log",
    localrule: True
    params:
        pack=lambda w: PIPELINE.data_file(w.dataset, "pack.json"),
        out=subpath(output[0], parent=True),
    shell:
        "ablate describe --pack {params.pack:q} --name {wildcards.dataset:q} --output {params.out:q} 2>&1 | tee -i {log:q}"
