# Your own texts with numbers from the tables: `snakemake --cores 8 woven` keeps results/<scale>/texts true to them.
from pathlib import Path

from ablate.proof.weave import FORMS, tables_of

TEXTS = sorted(
    path.name
    for path in Path("texts").glob("*")
    if path.suffix in FORMS and not path.stem.endswith(".woven")  # what `ablate weave` wrote beside one
)


rule woven:
    input:
        [f"{RESULTS}/texts/{name}" for name in TEXTS],


rule weave:
    input:
        text="texts/{text}",
        tables=lambda w: [str(file) for file in ask(tables_of, Path("texts", w.text), Path(RESULTS))],
    output:
        f"{RESULTS}/texts/{{text}}",
    log:
        "logs/weave/{text}.log",
    wildcard_constraints:
        text="[^/]+",
    localrule: True
    params:
        scale=PARAMS.scale,
    shell:
        "ablate weave {input.text:q} --scale {params.scale:q} --output {output:q} 2>&1 | tee -i {log:q}"
