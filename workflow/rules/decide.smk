# decide: seeds for the arms of undecided claims, look by look; each look says which runs the next one needs
def runs_of_look(wildcards):
    if wildcards.look == "0":
        return []
    before = checkpoints.look.get(look=int(wildcards.look) - 1).output[0]
    runs = make_plan(PARAMS, json.loads(Path(before).read_text())["added"]).runs
    return [before, *(f"{RUNS}/{run}/metrics.json" for run in runs)]


checkpoint look:
    input:
        runs_of_look,
        [f"papers/{paper}.yaml" for paper in PARAMS.studies],
        code=code_of("claims"),
    output:
        f"{RESULTS}/decide/look-{{look}}.json",
    log:
        "logs/decide/look-{look}.log",
    wildcard_constraints:
        look="[0-9]+",
    localrule: True
    resources:
        values=json.dumps(dict(config)),
    params:
        content=lambda w: plan_record(PARAMS, make_plan(PARAMS, []))["digest"],
        previous=lambda w, input: "" if w.look == "0" else f"--previous {input[0]}",
    shell:
        "ablate look --values {resources.values:q} --papers papers {params.previous} --output {output:q}"
        " 2>&1 | tee {log:q}"


rule decide:
    input:
        f"{RESULTS}/decide/look-{len(PARAMS.adaptive.looks) if PARAMS.adaptive else 0}.json",
    output:
        f"{RESULTS}/seeds.json",
    log:
        "logs/decide/seeds.log",
    localrule: True
    shell:
        "cp {input:q} {output:q} 2>&1 | tee {log:q}"
