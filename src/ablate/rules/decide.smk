# decide: seeds for the arms of undecided claims, look by look; each look says which runs the next one needs
checkpoint look:
    input:
        unpack(lambda w: inputs(PIPELINE.inputs_of_look, int(w.look), look_before(w))),
        [file for paper in PARAMS.studies if Path(file := f"papers/{paper}.yaml").exists()],
        code=code_of("claims"),
    output:
        f"{RESULTS}/decide/look-{{look}}.json",
    log:
        "logs/decide/look-{look}.log",
    wildcard_constraints:
        look="[0-9]+",
    localrule: True
    params:
        values=lambda w: PIPELINE.values,
        previous=lambda w: PIPELINE.previous_look(int(w.look)),
    shell:
        "ablate look --values {params.values:q} --papers papers {params.previous:q} --output {output:q}"
        " 2>&1 | tee -i {log:q}"


rule decide:
    input:
        last=f"{RESULTS}/decide/look-{len(PARAMS.adaptive.looks) if PARAMS.adaptive else 0}.json",
    output:
        f"{RESULTS}/seeds.json",
    log:
        "logs/decide/seeds.log",
    localrule: True
    shell:
        "cp {input.last:q} {output:q} 2>&1 | tee -i {log:q}"
